"""Ids that sort whatever the clock does, JSON that keeps what it is given, and inputs of which what is redacted is nowhere."""

from __future__ import annotations

import math
import struct
import uuid
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain import records
from drivetrain.codecs.category import Category
from drivetrain.codecs.image import Image
from drivetrain.codecs.number import Number
from drivetrain.errors import DataError, UsageError
from drivetrain.files import sha256
from drivetrain.records import Kept, check_kept, check_key, keep, keep_arrays, keep_parts, words
from drivetrain.records.frames import Line, line_of, pack, record_of, scan
from drivetrain.records.ids import Calendar, Clock, Ids
from drivetrain.records.kept import chosen
from drivetrain.records.moments import iso, moment
from drivetrain.records.postgres import _LOCK
from drivetrain.records.record import Record
from drivetrain.records.schema import STEPS
from drivetrain.serve.programs.recommend import Recommends
from drivetrain.types import Answer, Failure, Unusual

SECOND = 1_000_000_000
INPUTS = {"age": Number(center=40.0, spread=10.0), "name": Category(classes=("Ann", "Bob"))}
AS = {"model": "income", "version": 1, "bundle": "ab"}


def test_a_clock_that_goes_ahead_by_mistake_deletes_nothing() -> None:
    hour = 3600 * SECOND
    start, steady = 500_000 * hour, [0]
    jump = [0]
    calendar = Calendar(lambda: start + steady[0] + jump[0], lambda: steady[0])

    def passed(hours: float) -> tuple[float, bool]:
        steady[0] += int(hours * hour)
        now, jumped = calendar.now()
        return (now - start - steady[0]) / hour, jumped

    assert passed(1) == (0, False)
    jump[0] = hour // 2
    assert passed(1) == (0.5, False)  # As a clock may be set.
    jump[0] = 90_000 * hour
    assert [passed(1), passed(1), passed(20)] == [(0.5, True), (0.5, False), (0.5, False)]
    jump[0] = -5 * hour  # It was a mistake.
    assert passed(1) == (-5, False)
    jump[0] = 90_000 * hour  # It was none: the machine had begun without the time.
    assert [passed(1), passed(20), passed(5), passed(1)] == [
        (-5, True),
        (-5, False),
        (90_000, False),
        (90_000, False),
    ]


def test_a_clock_that_jumps_back_goes_on_at_half_its_pace() -> None:
    wall, steady = [1_000 * SECOND], [0]
    clock, ids = Clock(lambda: wall[0], lambda: steady[0]), Ids()
    found: list[tuple[int, str]] = []
    for jump in (0, 0, -100, 0, 0, 0, 3600, 0, -10_000, 0):
        wall[0] += SECOND + jump * SECOND
        steady[0] += SECOND
        found.append((clock.now(), ids.next(clock.now())))
    assert found == sorted(found)
    assert len({each for _, each in found}) == len(found)
    wall[0], before = 2_000 * SECOND, clock.now()
    for _ in range(4 * 3600):  # Behind by at most twice the jump: then they agree again.
        wall[0] += SECOND
        steady[0] += SECOND
    assert before < clock.now()
    wall[0] = before + 20_000 * SECOND
    assert clock.now() == wall[0]


def test_ids_are_uuids_of_version_7_that_rise() -> None:
    maker, now = Ids(), 1_795_892_801_989_819_803
    found = [maker.next(now) for _ in range(5000)]
    assert found == sorted(found)
    assert len({*found}) == 5000
    first = uuid.UUID(found[0])
    assert (first.version, first.variant) == (7, uuid.RFC_4122)
    assert first.int >> 80 == now // 1_000_000


def test_a_new_process_goes_on_where_the_last_one_was() -> None:
    last, now = Ids().next(2_000 * SECOND), 1_000 * SECOND
    after = Ids()
    after.follow(last, now)  # The clock was put back by a quarter of an hour meanwhile.
    assert after.next(now) > last
    wrong = Ids()
    wrong.follow(Ids().next(10**18), now)  # That was a clock which had gone wrong by decades.
    assert wrong.next(now) < last


@pytest.mark.parametrize("fast", [True, False])
def test_json_keeps_what_it_is_given(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not fast:
        monkeypatch.setattr(words, "orjson", None)
    value = {
        "nul": "a\0b", "half": "\ud800", "both": "\U0001f600", "nan": math.nan, "much": [math.inf, -math.inf, 1e308], "big": 10**30,
        "none": None, "bytes": b"\x00\xff", "long": "x" * 100_000, "quotes": "'; DROP TABLE drivetrain_records; --",
        "deep": {"$number": "seven"}, "": True,
    }  # fmt: skip
    found = words.loads(words.dumps(value).decode())
    assert math.isnan(found.pop("nan"))
    assert math.isnan(value.pop("nan"))
    assert found == value
    assert words.loads(words.dumps({"a": np.float32(0.5), "b": np.arange(3), "c": (1, {2})}).decode()) == {
        "a": 0.5, "b": [0, 1, 2], "c": [1, [2]],
    }  # fmt: skip


TEXTS = st.text(st.characters(codec=None), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


@given(
    st.dictionaries(TEXTS, VALUES, max_size=4),
    st.text(max_size=40),
    st.integers(0, 2**62),
    st.floats(allow_nan=False),
)
def test_what_goes_through_a_frame_comes_out_the_same(
    inputs: dict[str, Any], request: str, time: int, sure: float
) -> None:
    given = Record(
        **AS,
        inputs=inputs,
        answer={"parts": inputs},
        probability=sure,
        request=request.replace("\0", ""),
        time=time,
        id="i",
    )
    assert record_of((*line_of(given), None, None)) == given


def test_texts_that_a_database_may_refuse_are_escaped() -> None:
    line = line_of(Record(**{**AS, "model": "a\0\ud800"}, inputs=None, answer={}))
    assert (line.model, line.inputs, line.key) == ("a\\x00\\ud800", None, None)
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RecursionError):
        pack(Record(**AS, inputs={"deep": deep}, answer={}))


def test_a_redacted_input_is_nowhere_in_a_record() -> None:
    item = {"age": 200, "name": "Zed"}
    unusual = {"name": Unusual("'Zed'", "not seen in training"), "age": Unusual("200", "far above")}
    answer = Answer("age=200, name=Zed", {"income": {"label": "high", "probability": 0.75}}, unusual)
    found = keep(Kept(redact=("name",)), INPUTS, item, answer, **AS)
    assert (found.inputs, found.probability) == ({"age": 200.0}, 0.75)
    assert found.answer == {"label": "high", "probability": 0.75, "unusual": {"age": "200: far above"}}
    summary = keep(Kept(inputs="summary"), INPUTS, item, answer, **AS)
    assert summary.inputs == {"age": {"kind": "number"}, "name": {"kind": "text", "characters": 3}}
    none = keep(Kept(inputs="none"), INPUTS, item, answer, **AS)
    assert none.inputs is None
    for each in (found, summary, none):
        assert b"Zed" not in pack(each)
    fault = Failure("age=x, name=Zed", DataError("column 'name': 'Zed' is too odd."))
    assert b"Zed" not in pack(keep(Kept(redact=("name",)), INPUTS, item, fault, **AS))
    assert keep(Kept(), INPUTS, item, fault, **AS).answer == {"error": "column 'name': 'Zed' is too odd."}


def test_a_part_that_is_redacted_is_left_out_however_deep() -> None:
    history = {"units": [1, 2], "shop": ["Ann's", "Ann's"]}
    item = {"history": history, "rows": [{"shop": "Ann's", "units": 3}], "text": "shop\nAnn's"}
    found = keep_parts(Kept(redact=("shop",)), item, {"forecasts": []}, **AS)
    assert found.inputs == {
        "history": {"units": [1, 2]}, "rows": [{"units": 3}], "text": {"kind": "text", "characters": 10},
    }  # fmt: skip
    assert keep_parts(Kept(), {"prompt": "x" * 2_000_000}, {}, **AS).inputs == {
        "prompt": {"sha256": sha256(b'"' + b"x" * 2_000_000 + b'"'), "characters": 2_000_002}
    }


def test_an_answer_says_nothing_again_of_what_is_redacted() -> None:
    told = {"user": "Zed", "items": [{"item": "Alien", "score": 0.5, "why": "because of Zed's list", "reasons": ["Zed's"]}],
            "notes": ["user 'Zed' has no history here"]}  # fmt: skip
    item = {"user": "Zed", "history": ["Zed's"], "n": 1}
    for answer in (told, Answer("Zed", {"liked": told})):
        for kept in (Kept(redact=("user", "history")), Kept(inputs="summary"), Kept(inputs="none")):
            found = keep_parts(kept, item, answer, quotes=Recommends.quotes, **AS)
            assert found.answer == {"items": [{"item": "Alien", "score": 0.5}]}
            assert b"Zed" not in pack(found)
        assert keep_parts(Kept(), item, answer, quotes=Recommends.quotes, **AS).answer == told


def test_files_are_kept_by_digest_and_size(tmp_path: Path) -> None:
    path = tmp_path / "flower.jpg"
    path.write_bytes(b"no picture at all")
    told = {"photo": {"sha256": sha256(b"no picture at all"), "bytes": 17}}
    inputs = {"photo": Image(size=8)}
    for raw in (path, str(path), b"no picture at all", {"photo": path}):
        assert keep(Kept(), inputs, raw, Answer("", {"kind": {}}), **AS).inputs == told
    assert keep(Kept(), inputs, str(tmp_path / "none.jpg"), Answer("", {"kind": {}}), **AS).inputs == {
        "photo": {"kind": "str"}
    }


def test_arrays_are_kept_as_values_where_they_are_small() -> None:
    feeds = {"age": np.float32(39.0), "name": np.int64(1), "map": np.zeros((100, 100), np.uint8)}
    found = keep_arrays(Kept(), INPUTS, {}, feeds, {"y": np.array([0.5], np.float32)}, **AS)  # type: ignore[arg-type]
    assert found.inputs is not None
    assert found.inputs["age"] == 39.0
    assert found.inputs["name"] in ("Ann", "Bob")
    assert found.inputs["map"]["shape"] == [100, 100]
    assert found.answer == {"y": [0.5]}


def test_missing_numbers_are_null() -> None:
    inputs = {"age": Number(center=40.0, spread=10.0, missing=True)}
    assert keep(Kept(), inputs, {"age": "NA"}, {"label": 1}, **AS).inputs == {"age": None}


def test_a_share_is_the_same_ones_each_time() -> None:
    names = [str(number) for number in range(20_000)]
    some = {name for name in names if chosen(0.1, "m", name)}
    assert 1800 < len(some) < 2200
    assert some == {name for name in names if chosen(0.1, "m", name)}
    assert some < {name for name in names if chosen(0.2, "m", name)}
    assert not any(chosen(0, "m", name) for name in names)


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb", "a\0b", "\ud800", "a\x1b[2J", "a\u2028b"])
def test_a_key_is_a_plain_text(key: str) -> None:
    with pytest.raises(DataError, match="a key is a text"):
        check_key(key)


@pytest.mark.parametrize(
    ("kept", "words"),
    [(Kept(redact=("nmae",)), "Did you mean name"), (Kept(share=1.5), "a share of 1.5"), (Kept(keep_days=-1), "-1 days"),
     (Kept(share=math.nan), "a share of nan"), (Kept(inputs="all"), "kept as 'all'")],  # type: ignore[arg-type]
)  # fmt: skip
def test_what_can_not_be_kept_is_told(kept: Kept, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_kept(kept, INPUTS, "income")
    check_kept(Kept(redact=("name",), share=0, keep_days=30), INPUTS, "income")


def test_moments_are_read_as_people_write_them() -> None:
    assert iso(moment("2026-11-01")) == "2026-11-01T00:00:00Z"
    assert iso(moment("2026-11-01T12:30+01:00")) == "2026-11-01T11:30:00Z"
    assert moment("2h") - moment("90m") == pytest.approx(-1800 * SECOND, abs=SECOND)
    for wrong in ("yesterday", "", "7y", "2026-13-01", "9" * 30):
        with pytest.raises(UsageError, match="is no moment"):
            moment(wrong)


def test_the_format_that_is_written_down_is_the_one_that_is_written() -> None:
    page = (Path(records.__file__).parent / "FORMAT.md").read_text()
    assert f"pg_advisory_xact_lock_shared({_LOCK})" in page
    assert f"Version {len(STEPS)}." in page
    for statement in (
        statement for step in STEPS for statement in step if statement.startswith("CREATE TABLE")
    ):
        name, _, columns = statement.removeprefix("CREATE TABLE ").partition(" (")
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        for column in columns.rstrip(")").split(", "):
            word = column.split()[0]
            assert word in ("PRIMARY", "field", "digest)") or f"`{word}`" in row, (name, word)
    line = Line("i", 5, "m", 2, "b", None, None, "{}", None, 0.5, "r", "s")
    texts = [b"i", b"m", b"b", b"", b"", b"{}", b"r", b"s"]
    payload = struct.pack("<qqdd8I", 2, 5, math.nan, 0.5, *map(len, texts)) + b"".join(texts)
    frame = b"DTR1" + struct.pack("<II", len(payload), zlib.crc32(payload)) + payload
    assert [stretch.line for stretch in scan(frame)] == [line]
    given = Record("m", 2, "b", None, {}, latency_ms=0.5, request="r", source="s", id="i", time=5)
    assert pack(given) == frame
