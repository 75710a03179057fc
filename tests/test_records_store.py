"""The same of both stores: idempotent, exact about whose rows they are, read as columns, brought up to date; and gone at times."""

from __future__ import annotations

import math
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from databases import Server, postgres, why_not
from test_records import record

from drivetrain.errors import FileError, UsageError
from drivetrain.records import Kept, Outcome, Recorder, Store, StoreGone, forget, open_store
from drivetrain.records.events import Events
from drivetrain.records.frames import line_of, pack
from drivetrain.records.schema import STEPS
from drivetrain.records.store import without_password

DAY = 86_400 * 10**9


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if reason := why_not():
        pytest.skip(reason)
    pytest.importorskip("psycopg")
    with postgres() as found:
        yield found


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty store of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.sqlite'}"
    monkeypatch.setenv("DRIVETRAIN_STATE", str(tmp_path / "state"))
    found: Server = request.getfixturevalue("server")
    import psycopg

    with psycopg.connect(found.url, autocommit=True) as connection:
        for table in ("records", "meta", "forgotten", "kept"):
            connection.execute(f"DROP TABLE IF EXISTS drivetrain_{table}")
    return found.url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url, create=True) as found:
        yield found


def test_a_record_comes_once_however_often_it_is_written(store: Store) -> None:
    given = [record(key=f"case {number}") for number in range(600)]
    assert store.add_many(given).new == 600
    assert store.add_many(given) == (0, 600, 0)
    assert [*store.count()[0]][:4] == ["income", 1, 600, 0]
    found = store.find(limit=1000)
    assert [each.id for each in found] == [each.id for each in reversed(given)]
    assert found[0] == given[-1]
    assert [each.key for batch in store.stream() for each in batch] == [each.key for each in given]


def test_a_class_is_true_by_its_name_however_it_was_told(store: Store) -> None:
    digits = {"label": "1", "probability": 0.9, "probabilities": {"0": 0.1, "1": 0.9}}
    truth = {"label": "False", "probabilities": {"False": 0.9, "True": 0.1}}
    answers: list[Any] = [
        digits,
        digits,
        digits,
        truth,
        truth,
        {"label": "1.10"},
        {"value": 2.0},
        {"error": "no"},
    ]
    answers += [{"a": digits, "b": {"value": 1.0}}, {"tags": ["1"]}]
    store.add_many([record(key=str(number), answer=answer) for number, answer in enumerate(answers)])
    told: list[Any] = [1, 1.0, "0", True, "false", 1.1, 3, 1, {"a": 0, "b": 2, "c": 1}, [1]]
    store.outcomes("income", [Outcome(value, key=str(number)) for number, value in enumerate(told)])
    found = [each.outcome for batch in store.stream() for each in batch]
    assert found == ["1", "1", "0", "True", "False", "1.1", 3, 1, {"a": "0", "b": 2, "c": 1}, [1]]
    columns = store.read("income", columns=("answer.label", "outcome"))
    assert (columns["answer.label"] == columns["outcome"]).tolist()[:5] == [True, True, False, False, True]
    assert store.outcomes("income", [Outcome("1", key="0")]).to_json() == {
        "stored": 0, "replaced": 0, "unchanged": 1, "unknown": [],
    }  # fmt: skip
    odd = [
        Outcome("one", key="0"),
        Outcome("one", key="1"),
        Outcome({"a": 7}, key="8"),
        Outcome("x", key="7"),
    ]
    assert store.outcomes("income", odd).no_class == ["one", "7"]


def test_records_are_read_as_columns(store: Store) -> None:
    store.add_many([
        record(
            time=1000 * number + 1, inputs={"age": number, "a.b": {"c": str(number)}, "tags": ["x"]},
            answer={"label": "high" if number % 2 else "low", "probabilities": {"v1.5": number / 10}}, probability=number / 10,
        )
        for number in range(10)
    ])  # fmt: skip
    store.add_many(
        [record(time=20_001, inputs=None, answer={"label": "low"}, probability=None), record(model="other")]
    )
    (last, *_) = store.find(model="income")
    store.outcomes("income", [Outcome("low", id=last.id)])
    found = store.read(
        "income", columns=("time", "inputs.age", "inputs.a.b.c", "answer.label", "answer.probabilities.v1.5", "probability",
                           "outcome", "outcome_time", "answer", "inputs.none"),
    )  # fmt: skip
    assert {name: len(column) for name, column in found.items()} == dict.fromkeys(found, 11)
    assert found["time"].dtype == "datetime64[ns]"
    assert found["time"].view(np.int64).tolist() == [*range(1, 10_000, 1000), 20_001]
    assert found["inputs.age"].dtype == found["probability"].dtype == np.float64
    assert found["inputs.age"][:10].tolist() == [*range(10)]
    assert math.isnan(found["inputs.age"][10])
    assert found["inputs.a.b.c"].tolist() == [*map(str, range(10)), None]
    assert found["answer.label"].tolist() == ["low", "high"] * 5 + ["low"]
    assert found["answer.probabilities.v1.5"][1] == 0.1
    assert found["outcome"].tolist() == [None] * 10 + ["low"]
    assert np.isnat(found["outcome_time"]).tolist() == [True] * 10 + [False]
    assert found["answer"][10] == {"label": "low"}
    assert np.isnan(found["inputs.none"]).all()
    some = store.read("income", since=2001, until=4001, columns=("inputs.age",))
    assert some["inputs.age"].tolist() == [2, 3]
    assert len(store.read("nobody", columns=("time",))["time"]) == 0
    for wrong in ("lable", "answer_label", "time.x", "1; DROP TABLE drivetrain_records"):
        with pytest.raises(UsageError, match="records have no column"):
            store.read("income", columns=(wrong,))


NASTY = [
    "'; DROP TABLE drivetrain_records; --", '"', "%", "_", "?", "%s", "\\", "$1", "a b", "Ünïcödé", "\U0001f600", "case", "CASE",
    "null",
]  # fmt: skip


def test_names_and_values_are_never_sql(store: Store) -> None:
    store.add_many([record(key=key, model=key, inputs={key: key}) for key in NASTY])
    for key in NASTY:
        assert [each.key for each in store.find(key=key)] == [key]
        assert [each.model for each in store.find(model=key)] == [key]
        assert store.read(key, columns=(f"inputs.{key}",))[f"inputs.{key}"].tolist() == [key]
        assert store.outcomes(key, [Outcome(key, key=key)]).stored == 1
        assert store.find(key=key)[0].outcome == key
    for left, key in zip(range(len(NASTY) - 1, -1, -1), NASTY):
        forgotten = store.forget(key=key) if left % 2 else store.forget(inputs=(key, key))
        assert forgotten == 1
        assert len(store.find(limit=100)) == left


def test_one_person_is_forgotten_and_nobody_else(store: Store) -> None:
    people: list[Any] = [
        "Ann",
        "ANN",
        "Anne",
        42,
        42.0,
        "42",
        42.5,
        True,
        "true",
        None,
        ["Ann", "Bob"],
        {"sha256": "ab" * 32},
    ]
    store.add_many([record(inputs={"name": name}, key=str(number)) for number, name in enumerate(people)])
    store.add_many(
        [record(inputs={"name": "Ann"}, model="other"), record(inputs=None), record(inputs={"friend": "Ann"})]
    )
    assert store.forget(inputs=("name", "Ann"), model="income") == 2
    assert store.forget(inputs=("name", "42")) == 3
    assert store.forget(inputs=("name", "true")) == 2
    assert store.forget(inputs=("name", "ab" * 32)) == 1
    assert store.forget(inputs=("name", "Ann")) == 1
    assert store.forget(key="1") == 1
    assert store.forget(key="nobody") == 0
    assert {each.key for each in store.find()} == {"", "2", "6", "9"}
    for wrong in ({}, {"key": "a", "inputs": ("b", "c")}):
        with pytest.raises(UsageError, match="whose rows"):
            store.forget(**wrong)  # type: ignore[arg-type]


def test_who_was_forgotten_does_not_come_back_out_of_a_journal(store: Store, url: str) -> None:
    before = [record(key="Ann Lee"), record(inputs={"name": "Ann Lee"}), record(key="Bob")]
    store.add_many(before)
    found = forget(store, Events(), key="Ann Lee")
    assert (found.rows, found.in_journals, found.journals_left) == (1, 0, 0)
    # A machine that was off meanwhile comes back, with its journal.
    store.journals.mkdir(parents=True, exist_ok=True)
    (store.journals / "1.journal").write_bytes(b"".join(map(pack, before)))
    found = forget(store, Events(), inputs=("name", "Ann Lee"))
    assert (found.rows, found.in_journals) == (1, 1)
    assert not list(store.journals.iterdir())
    assert [each.key for each in store.find()] == ["Bob"]
    assert store.dropped(key="Ann Lee") == 1
    # What is answered later is another matter.
    store.add_many([record(key="Ann Lee")])
    assert len(store.find(key="Ann Lee")) == 1
    names = store.database.run("SELECT * FROM drivetrain_forgotten")
    assert "Ann" not in str(names)


def test_a_living_process_is_waited_for_when_somebody_is_forgotten(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivetrain.records.writer.SEGMENT_SECONDS", 0.2)
    with Recorder(url, {"income": Kept()}) as recorder, open_store(url, create=True) as store:
        recorder.add_many([record(key="Ann Lee"), record(key="Bob")])
        found = forget(store, Events(), key="Ann Lee")
        assert found.rows + found.in_journals == 1
        assert found.journals_left == 0
        assert recorder.flush()
        assert [each.key for each in store.find()] == ["Bob"]


def test_what_is_older_than_it_may_be_is_deleted(store: Store) -> None:
    now = time.time_ns()
    ages = [0, 1, 5, 40]
    store.add_many(
        [record(time=now - age * DAY, model=model) for model in ("income", "other") for age in ages]
    )
    store.note("income", Kept(keep_days=30, redact=("age",)))
    store.note("other", Kept())
    assert store.kept() == {"income": Kept(keep_days=30, redact=("age",)), "other": Kept()}
    assert store.retain() == 1
    assert store.retain(3, "other") == 2
    assert store.retain(4) == 1
    assert [tally.records for tally in store.count()] == [2, 2]


def test_the_server_deletes_what_is_old_by_itself(url: str) -> None:
    with open_store(url, create=True) as store:
        store.add_many([record(time=time.time_ns() - 40 * DAY)])
        store.note("income", Kept(keep_days=30))
        with Recorder(url, {"other": Kept()}) as recorder:
            until = time.monotonic() + 5
            while not recorder.counts.get("expired") and time.monotonic() < until:
                time.sleep(0.01)
        assert store.find() == []


def test_the_truth_of_a_thousand_cases_is_told_at_once(store: Store) -> None:
    store.add_many([record(key=f"case {number % 1100}") for number in range(1200)])
    told = store.outcomes("income", [Outcome(number, key=f"case {number}") for number in range(1150)])
    assert (told.stored, told.unknown) == (1200, [f"case {number}" for number in range(1100, 1150)])
    assert store.outcomes("income", [Outcome("no", id="01a2239c-b102"), Outcome("no", id="\0")]).stored == 0
    assert store.count()[0].outcomes == 1200


def test_a_store_of_an_older_version_is_brought_up_to_date(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add_many([record()])
    store.close()
    newer = (
        *STEPS,
        (
            "ALTER TABLE drivetrain_records ADD COLUMN mood {text}",
            "UPDATE drivetrain_records SET mood = 'good'",
        ),
    )
    monkeypatch.setattr("drivetrain.records.store.STEPS", newer)
    with open_store(url) as found:
        assert found.database.run("SELECT mood FROM drivetrain_records") == [("good",)]
        assert found.find()[0].answer == {"label": "high", "probability": 0.75}
    monkeypatch.undo()
    with pytest.raises(UsageError, match="newest known here"):
        open_store(url)


def test_a_step_that_fails_leaves_the_store_as_it_was(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add_many([record()])
    store.close()
    broken = (*STEPS, ("ALTER TABLE drivetrain_records ADD COLUMN mood {text}", "THIS IS NO SQL"))
    monkeypatch.setattr("drivetrain.records.store.STEPS", broken)
    with pytest.raises(StoreGone):
        open_store(url)
    monkeypatch.undo()
    with open_store(url) as found:
        assert len(found.find()) == 1
        found.add_many([record()])


def test_nothing_of_who_was_forgotten_is_left_in_the_free_space_of_a_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/r.db"
    chance = random.Random(0)
    with open_store(url, create=True) as store:
        many = 0
        for _ in range(
            60
        ):  # Rows of others between, of other lengths: pages are merged and split when these go.
            ours = [chance.random() < 2 / 3 for _ in range(50)]
            many += sum(ours)
            words = [("Ann-of-Xanadu " if each else "Bob ") * chance.randrange(1, 25) for each in ours]
            store.add_many([record(key=text.partition(" ")[0], inputs={"name": text}) for text in words])
        assert store.forget(key="Ann-of-Xanadu") == many
        for file in tmp_path.rglob("*"):
            assert file.is_dir() or b"Xanadu" not in file.read_bytes(), file
        assert len(store.find(limit=5000)) == 3000 - many


def test_several_processes_make_a_store_at_the_same_time(url: str) -> None:
    faults: list[BaseException] = []

    def work() -> None:
        try:
            with open_store(url, create=True) as store:
                store.add_many([record() for _ in range(10)])
        except BaseException as fault:  # noqa: BLE001 - told below.
            faults.append(fault)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    with open_store(url) as store:
        assert store.count()[0].records == 60


# --- SQLite alone ----------------------------------------------------------------------------------------------


def test_what_is_forgotten_is_not_in_the_file_any_more(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    with open_store(str(path), create=True) as store:
        store.add_many(
            [record(key="Ann-Lee-of-Xanadu", inputs={"note": "x" * 9000 + "Ann-Lee-of-Xanadu"}), record()]
        )
        store.forget(key="Ann-Lee-of-Xanadu")
        for file in tmp_path.iterdir():
            assert b"Ann-Lee-of-Xanadu" not in file.read_bytes(), file


def test_the_file_is_smaller_once_what_is_old_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    with open_store(str(path), create=True) as store:
        store.add_many([record(inputs={"note": "x" * 3000}) for _ in range(300)])
        store.database.shrink()
        before = path.stat().st_size
        assert store.retain(0) == 300
        assert path.stat().st_size < before / 10


def test_a_store_that_is_locked_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.records.sqlite.BUSY_SECONDS", 0.05)
    monkeypatch.setattr("drivetrain.records.writer.FIRST_WAIT", 0.01)
    monkeypatch.setattr("drivetrain.records.recorder.FLUSH_SECONDS", 0.05)
    url, told = str(tmp_path / "records.sqlite"), list[str]()
    with Recorder(url, {"income": Kept()}, log=lambda what, _: told.append(what)) as recorder:
        with closing(sqlite3.connect(url, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            begun = time.monotonic()
            id = recorder.add(record())
            assert time.monotonic() - begun < 0.05
            assert not recorder.flush(0.3)
            with pytest.raises(StoreGone, match="locked"):
                recorder.outcomes("income", [Outcome(1, id=id or "")])
            other.execute("ROLLBACK")
        assert recorder.flush(5)
    assert {*told} == {"records wait for their store"}
    with open_store(url) as store:
        assert [each.id for each in store.find()] == [id]


def test_a_store_that_is_deleted_is_made_again_and_loses_nothing_more(tmp_path: Path) -> None:
    url = str(tmp_path / "records.sqlite")
    with Recorder(url, {"income": Kept()}) as recorder:
        recorder.add(record())
        assert recorder.flush()
        for path in tmp_path.glob("records.sqlite*"):
            if path.is_file():
                os.unlink(path)
        ids = [recorder.add(record()) for _ in range(3)]
        assert recorder.flush(5)
    with open_store(url) as store:
        assert {each.id for each in store.find()} == {*ids}


def test_a_second_connection_of_a_process_leaves_the_first_its_locks(tmp_path: Path) -> None:
    """Whoever closes a file gives up all locks that the process has on it: others would think that nobody is there, and take the
    WAL away. It damaged a store once in some hundred kills."""
    path = tmp_path / "records.sqlite"
    code = (
        "import fcntl, sys\n"
        "file = open(sys.argv[1], 'r+b')\n"
        "fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)"  # SQLite's shared bytes.
    )
    with open_store(str(path), create=True), open_store(str(path), create=True):
        open_store(str(path), create=True).close()
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
        )
        assert "BlockingIOError" in done.stderr
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_is_no_store_is_told(tmp_path: Path) -> None:
    text = tmp_path / "notes.db"
    text.write_text("these are not the records that you look for" * 100)
    with pytest.raises(FileError, match="no SQLite database"):
        open_store(str(text))
    assert text.read_text().startswith("these are not")
    with pytest.raises(FileError, match="no such file"):
        open_store(str(tmp_path / "none.sqlite"))
    with pytest.raises(FileError, match="no such file or folder"):
        open_store(f"sqlite:///{tmp_path}/no/folder.sqlite", create=True)
    for wrong in ("mysql://me:secret@host/db", "records", "sqlite://", "sqlite:///a\0b", ""):
        with pytest.raises(UsageError) as fault:
            open_store(wrong)
        assert "secret" not in str(fault.value)
    assert without_password("postgresql://me:se%40cret@host/db") == "postgresql://me:***@host/db"
    assert without_password("postgresql://h:5432/db?user=me&Password=s&sslpassword=t#x") == (
        "postgresql://h:5432/db?user=me&Password=***&sslpassword=***#x"
    )
    assert (
        without_password("postgresql://me:a/b@c@[::bad/db?passwd=s")
        == "postgresql://me:***@[::bad/db?passwd=***"
    )
    assert without_password("sqlite:////tmp/a:b.db") == "sqlite:////tmp/a:b.db"
    with pytest.raises(UsageError, match="this is no URL"):
        open_store("postgresql://me:secret@[::bad/db")


def test_a_table_of_somebody_else_in_the_same_file_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "shop.db")
    with closing(sqlite3.connect(path)) as shop:
        shop.execute("CREATE TABLE records (id INTEGER)")
        shop.execute("INSERT INTO records VALUES (7)")
        shop.commit()
    with open_store(path) as store:
        store.add_many([record()])
        assert store.database.run("SELECT * FROM records") == [(7,)]


# --- PostgreSQL alone ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_server_that_is_killed_costs_no_record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Twice, while records come; the connection is made anew, and not too often."""
    if reason := why_not():
        pytest.skip(reason)
    monkeypatch.setenv("DRIVETRAIN_STATE", str(tmp_path))
    monkeypatch.setattr("drivetrain.records.writer.FIRST_WAIT", 0.02)
    monkeypatch.setattr("drivetrain.records.recorder.FLUSH_SECONDS", 0.05)
    told: list[str] = []
    with (
        postgres() as server,
        Recorder(server.url, {"income": Kept()}, log=lambda what, _: told.append(what)) as recorder,
    ):
        ids: list[str | None] = []
        for _ in range(2):
            ids += recorder.add_many([record() for _ in range(50)])
            assert recorder.flush(10)
            server.kill()
            for _ in range(20):
                ids.append(recorder.add(record()))
                time.sleep(0.01)
            assert not recorder.flush(0.2)
            with pytest.raises(StoreGone):
                recorder.outcomes("income", [Outcome(1, id=ids[0] or "")])
            server.start()
            assert recorder.flush(30)
        with open_store(server.url) as store:
            assert {each.id for each in store.find(limit=1000)} == {*ids}
        assert 1 <= recorder.counts["retries"] < 60
        assert {*told} == {"records wait for their store"}
        # A worker that starts while the server is gone answers all the same.
        server.kill()
        with Recorder(server.url, {"income": Kept()}) as another:
            id = another.add(record())
            assert id
        server.start()
        with Recorder(server.url, {"income": Kept()}) as third:
            until = time.monotonic() + 10
            while third.others() and time.monotonic() < until:
                time.sleep(0.05)
        with open_store(server.url) as store:
            assert store.find(id=id)


def test_a_password_is_in_no_message(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreGone) as fault:
        open_store(f"postgresql://me:hush-hush@/db?host={tmp_path}")
    assert "hush-hush" not in str(fault.value)
    assert "***" in str(fault.value)


def test_a_line_is_as_a_journal_has_it() -> None:
    assert line_of(record(id="a", time=5)).time == 5
