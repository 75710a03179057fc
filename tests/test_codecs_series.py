"""series@1: moments in, the next moments out; gaps are filled by a stated rule, and nothing looks ahead."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drivetrain.codecs import from_spec
from drivetrain.codecs.series import DECILES, Series, longest_run
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.ragged import Ragged
from drivetrain.testing import check_codec
from drivetrain.windows import make_windows

NAN = math.nan


@pytest.mark.parametrize(
    ("codec", "values"),
    [
        (Series(), [[1, 2, 3.5], [4], "5 6;7", "[1, null, 2]", [None, "2.5", " na ", True and 1]]),
        (Series(length=3), [[1, 2, 3], (4, NAN, 6), np.arange(3)]),
        (Series(("x", "y")), [[[1, 2], [3, None]], np.zeros((4, 2)), [np.ones(2)]]),
        (Series(("x", "y"), length=2, center=(0.0, 1.0), spread=(1.0, 2.0)), [[[1, 2], [3, None]]]),
        (Series(length=4, levels=DECILES), [[1, 2, 3, 4], [1e30, -1e30, 0, 5]]),
        (Series(length=1, levels=(0.5,)), [[1]]),
    ],
)
def test_it_keeps_the_contract_of_a_codec(codec: Series, values: list[object]) -> None:
    check_codec(codec, values)


def test_a_gap_is_the_last_known_and_nothing_looks_ahead() -> None:
    codec = Series(("a", "b"))
    assert codec.read([[None, 1], [2, None], [NAN, "null"], [5, 6]]).T.tolist() == [
        [2, 2, 2, 5],
        [1, 1, 1, 6],
    ]
    generator = np.random.default_rng(0)
    raw = np.where(generator.random((40, 2)) < 0.4, NAN, generator.normal(size=(40, 2)))
    raw[0] = 0
    for origin in range(1, 40):
        changed = raw.copy()
        changed[origin:] = 9
        assert np.array_equal(codec.read(raw)[:origin], codec.read(changed)[:origin])


@pytest.mark.parametrize(
    ("codec", "raw", "told"),
    [
        (Series(), "1 2 inf", "moment 3"),
        (Series(), [1, 1e39], "moment 2 of 'value'"),
        (Series(), [None, NAN, ""], "every moment is missing"),
        (Series(), [], "no moment"),
        (Series(), "", "empty"),
        (Series(), "one two", "'one' at moment 1"),
        (Series(), 3, "no series"),
        (Series(), "[1, {}]", "moment 2"),
        (Series(), "[1", "JSON"),
        (Series(length=3), [1, 2], "2 moments, and there must be 3"),
        (Series(("a", "b")), [1, 2], "2 channels"),
        (Series(("a", "b")), [[1, 2], [1]], "moment 2"),
        (Series(("a", "b")), [[1, 2], [None, 3], [4, 10**400]], "moment 3"),
        (Series(("a", "b")), [[1, None], [2, None]], "'b'"),
    ],
)
def test_what_is_no_series_is_named(codec: Series, raw: object, told: str) -> None:
    with pytest.raises(DataError, match=told):
        codec.encode_raw(raw)


def test_fields_that_it_can_not_have() -> None:
    for fields in (
        {"channels": ()}, {"channels": ("a", "a")}, {"length": 0}, {"levels": (0.9, 0.1)}, {"levels": (0, 0.5)},
        {"center": (1.0, 2.0)}, {"spread": (0.0,)}, {"center": (NAN,)},
    ):  # fmt: skip
        with pytest.raises(DrivetrainError):
            Series(**fields)  # type: ignore[arg-type]
    for codec in (Series(), Series(("a", "b"), length=3)):
        with pytest.raises(DrivetrainError, match="target"):
            _ = codec.output_shape


def test_an_answer_has_the_outermost_band() -> None:
    codec = Series(length=8, levels=(0.1, 0.5, 0.9))
    output = np.arange(32, dtype=np.float32).reshape(8, 4)
    answer = codec.decode(output)
    assert answer["value"][1] == 4
    assert answer["low"][1] == 5
    assert answer["high"][1] == 7
    assert answer["text"].startswith("0 (1 to 3), 4 (5 to 7)")
    assert answer["text"].endswith("and 2 more")
    assert codec.held == pytest.approx(0.8)
    assert codec.answer_cells(answer)["high"] == "[3.0, 7.0, 11.0, 15.0, 19.0, 23.0, 27.0, 31.0]"
    assert "low" not in Series(length=8).decode(output[:, :1])


def test_no_answer_leaves_the_ends_that_were_seen() -> None:
    codec = Series(length=2, levels=(0.1, 0.5, 0.9))
    output = np.array([[3, -4, 3, 8], [-2, -3, -2, 120]], np.float32)
    capped = np.concatenate([np.arange(90.0), np.full(10, 100.0), [np.nan]])
    counts, tank, signed = (codec.limited(values) for values in (np.arange(50.0), capped, [-1.0, 2.0]))
    assert (counts.lowest, counts.highest) == (0.0, None)
    assert (tank.lowest, tank.highest) == (0.0, 100.0)
    assert (signed.lowest, signed.highest) == (None, None)
    assert (
        codec.limited(np.full(40, 7.0)).highest is None
    )  # Of one number alone nobody knows how far it goes.
    assert codec.limited(np.zeros(40)).highest is None
    assert counts.decode(output)["value"] == [3, 0]
    assert counts.decode(output)["low"] == [0, 0]
    assert tank.decode(output)["high"] == [8, 100]
    assert signed.decode(output)["low"] == [-4, -3]
    assert from_spec(counts.spec()) == counts
    with pytest.raises(DrivetrainError, match="lowest and highest"):
        Series(lowest=2.0, highest=1.0)


def test_where_nothing_was_measured_the_truth_is_unknown() -> None:
    codec = Series(length=3)
    values = np.empty(2, object)
    values[:] = [[1, None, 3], [4, 5, 6]]
    encoded, faults = codec.encode_column(values)
    assert not faults
    assert encoded[0, :, 0].tolist() == [1, 1, 3]
    assert np.isnan(codec.truths(values, encoded)[:, :, 0]).tolist() == [[False, True, False], [False] * 3]


def test_a_profile_counts_each_moment_of_overlapping_windows_once() -> None:
    moments = np.repeat(np.arange(20, dtype=np.float32), 2)[:, None]
    windows = make_windows(moments, [40], 5)
    codec = Series(length=5)
    found = codec.profile(windows)
    assert (found["n"], found["moments"]) == (36, 40)
    assert found["channels"]["value"]["mean"] == 9.5
    assert found["channels"]["value"]["longest_run"] == 2
    assert codec.profile(windows[np.array([0])])["moments"] == 5
    of_any_length = Series().profile(Ragged.of(moments, np.array([3, 37])))
    assert of_any_length["channels"]["value"]["quantiles"]["1.0"] == 19


def test_what_is_unlike_training_is_told() -> None:
    codec = Series(("x", "y"))
    rows = [np.random.default_rng(row).normal(size=(30, 2)).astype(np.float32) for row in range(9)]
    profile = codec.profile(codec.together(rows))
    far, still, usual = rows[0].copy(), rows[1].copy(), rows[2]
    far[3, 1] = 50
    still[5:25, 0] = 0.5
    found = dict(codec.unusual(np.empty(3, object), codec.together([far, still, usual]), profile))
    told = {words: rows.tolist() for words, rows in found.items() if rows.any()}
    assert [words.split(" ")[0] for words in told] == ["standing", "far"]
    assert list(told.values()) == [[False, True, False], [True, False, False]]
    assert codec.unusual(np.empty(0, object), codec.together([]), profile) == []
    assert (
        codec.unusual(np.empty(1, object), codec.together([far]), {"channels": {"x": {"quantiles": 3}}}) == []
    )


def test_the_longest_run() -> None:
    assert [longest_run(np.array(values)) for values in ([], [1], [1, 1, 2], [1, 2, 2, 2], [1, 2, 3])] == [
        0,
        1,
        2,
        3,
        1,
    ]
