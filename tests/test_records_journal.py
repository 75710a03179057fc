"""The journal: what was acknowledged is in it whatever happens, torn ends are told, and one process alone empties what another
left."""

from __future__ import annotations

import os
import resource
import stat
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from test_records import record

from drivetrain.records import Kept, NotRecorded, Recorder, open_store
from drivetrain.records.events import Events
from drivetrain.records.frames import MAGIC, pack, scan
from drivetrain.records.journal import DAMAGED, Journal, JournalFull, orphans
from drivetrain.records.writer import Writer, drain


def packed(number: int, **more: Any) -> bytes:
    return pack(record(id=f"id {number}", time=number + 1, **more))


def ids(data: bytes) -> list[str]:
    return [stretch.line.id for stretch in scan(data) if stretch.line is not None]


def left_behind(folder: Path, data: bytes, name: str = "00-1-x.journal") -> Path:
    """A journal of a process that has died."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(data)
    return path


def a_child(work: Callable[[], None]) -> int:
    """A process that does this, and then ends: with 0 where nothing was raised."""
    if (process := os.fork()) == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return process


def in_child(work: Callable[[], None]) -> int:
    """The exit code of such a process."""
    return os.waitstatus_to_exitcode(os.waitpid(a_child(work), 0)[1])


def test_an_end_that_was_cut_off_anywhere_costs_nothing_but_itself() -> None:
    first, second = packed(0), packed(1)
    assert ids(first + second) == ["id 0", "id 1"]
    for cut in range(len(second)):
        found = list(scan(first + second[:cut]))
        assert [stretch.line.id for stretch in found if stretch.line] == ["id 0"]
        assert (found[-1].line is None) == bool(cut)


def test_what_comes_behind_damage_is_found_again() -> None:
    frames = [packed(number) for number in range(4)]
    whole = b"".join(frames)
    for place in range(len(frames[0]), len(frames[0]) + len(frames[1])):
        hurt = bytearray(whole)
        hurt[place] ^= 0xFF
        assert ids(bytes(hurt)) == ["id 0", "id 2", "id 3"]


def test_no_text_can_pass_for_a_frame() -> None:
    inner = packed(7)
    payload = b"x" * 0x41  # A frame of our own making, whose sum holds.
    small = MAGIC + struct.pack("<II", len(payload), crc32(payload)) + payload
    for text in (inner.decode("latin-1"), small.decode("latin-1"), inner.decode("utf-8", "surrogateescape")):
        data = packed(1, key=text[:150], request=text, inputs={"text": text}) + packed(2)
        for cut in range(4, len(data) - len(packed(2))):  # As if the bytes before were damaged.
            assert "id 7" not in ids(data[cut:])


def test_only_the_owner_can_look_into_it(tmp_path: Path) -> None:
    with Recorder(f"sqlite:///{tmp_path / 'r.sqlite'}", {"income": Kept()}) as recorder:
        recorder.add(record())
        modes = {path.name.split(".")[-1]: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {
        "sqlite": 0o600,
        "sqlite-wal": 0o600,
        "sqlite-shm": 0o600,
        "journals": 0o700,
        "journal": 0o600,
    }


def test_a_full_disk_leaves_no_torn_record_and_ends(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journals")

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
        written = 0
        with suppress(OSError):
            while True:
                journal.append(packed(written))
                written += 1
        with pytest.raises(OSError, match="File too large"):
            journal.append(packed(written, inputs={"note": "x" * 5000}))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        journal.append(packed(99))
        (path,) = journal.paths
        data = path.read_bytes()
        assert ids(data) == [*(f"id {number}" for number in range(written)), "id 99"]
        assert all(stretch.line for stretch in scan(data))

    assert in_child(work) == 0


def test_answers_go_on_when_the_disk_is_full_and_are_recorded_when_it_no_longer_is(tmp_path: Path) -> None:
    """Journal and store alike: SQLite can't grow either."""

    def work() -> None:
        told: list[str] = []
        kept = {"income": Kept(), "audit": Kept(required=True)}
        recorder = Recorder(f"sqlite:///{tmp_path / 'r.sqlite'}", kept, log=lambda what, _: told.append(what))
        assert recorder.add(record(inputs={"note": "x" * 100}))
        assert recorder.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, resource.RLIM_INFINITY))
        found = [recorder.add(record(inputs={"note": "x" * 10_000})) for _ in range(40)]
        assert 0 < found.count(None) < 40
        with pytest.raises(NotRecorded):
            recorder.add_many([record(model="audit", inputs={"note": "x" * 10_000}) for _ in range(10)])
        assert not recorder.flush(0.3)
        assert recorder.counts["lost"] > found.count(None)
        assert {*told} == {"answers are not recorded", "records wait for their store"}
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        found.append(recorder.add(record()))
        assert recorder.flush(10)
        recorder.close()
        with open_store(str(tmp_path / "r.sqlite")) as store:
            assert {*filter(None, found)} <= {each.id for each in store.find(limit=1000)}

    assert in_child(work) == 0


def test_a_journal_is_as_large_as_it_may_be(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journals", most_bytes=2 * len(packed(0)))
    journal.append(packed(0))
    journal.append(packed(1))
    with pytest.raises(JournalFull):
        journal.append(packed(2))
    segment = journal.oldest()
    assert segment is not None
    journal.took(segment, len(packed(0)))
    journal.append(packed(3))


def test_segments_are_deleted_once_the_store_has_them(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journals", segment_bytes=3 * len(packed(0)))
    for number in range(7):
        journal.append(packed(number))
    assert len(journal.paths) == 3
    while segment := journal.oldest():
        journal.took(segment, segment.size - segment.taken)
    journal.tidy(oldest_seconds=100)
    assert len(journal.paths) == 1  # The one that grows.
    journal.tidy(oldest_seconds=0)
    assert not list((tmp_path / "journals").iterdir())


def test_a_journal_whose_folder_is_deleted_begins_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journals")
    journal.append(packed(0))
    (path,) = journal.paths
    path.unlink()
    path.parent.rmdir()
    journal.tidy(oldest_seconds=100)
    journal.append(packed(1))
    assert len(journal.paths) == 2  # What was in the first is still read by its open file.
    assert ids(journal.paths[-1].read_bytes()) == ["id 1"]


def test_what_a_dead_process_left_is_taken_by_one_alone(tmp_path: Path) -> None:
    url, folder = str(tmp_path / "r.sqlite"), tmp_path / "r.sqlite.journals"
    open_store(url, create=True).close()
    for place in range(20):
        left_behind(
            folder, b"".join(packed(20 * place + number) for number in range(20)), f"{place:02}-1-x.journal"
        )

    def work() -> None:
        events = Events()
        with open_store(url) as store:
            drain(store, folder, events)
        left_behind(tmp_path / "told", str(events.counts.get("taken_over", 0)).encode(), str(os.getpid()))
        assert events.counts.get("known", 0) == 0

    children = [a_child(work) for _ in range(3)]
    assert [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in children] == [0, 0, 0]
    assert sum(int(path.read_text()) for path in (tmp_path / "told").iterdir()) == 20
    with open_store(url) as store:
        assert store.count()[0].records == 400
    assert not list(folder.iterdir())


def test_a_living_process_keeps_its_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journals")
    journal.append(packed(0))
    assert list(orphans(tmp_path / "journals")) == []
    journal.close()  # As its end would.
    (segment,) = orphans(tmp_path / "journals")
    assert segment.size == len(packed(0))
    segment.close(remove=False)


def test_a_torn_journal_is_told_and_a_damaged_one_is_kept(tmp_path: Path) -> None:
    url, folder, told = str(tmp_path / "r.sqlite"), tmp_path / "r.sqlite.journals", list[str]()
    events = Events(log=lambda what, _: told.append(what))
    left_behind(folder, packed(0) + packed(1)[:-1], "1.journal")
    hurt = bytearray(packed(2) + packed(3) + packed(4))
    hurt[len(packed(2)) + 30] ^= 1
    left_behind(folder, bytes(hurt), "2.journal")
    with open_store(url, create=True) as store:
        assert drain(store, folder, events) == 2
        assert {each.id for each in store.find()} == {"id 0", "id 2", "id 4"}
    assert told[:2] == ["a journal of records is torn", "a journal of records is damaged"]
    assert [path.name for path in folder.iterdir()] == [f"2{DAMAGED}"]


def test_a_link_in_the_folder_of_journals_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "journals"
    target = left_behind(tmp_path / "elsewhere", packed(0))
    folder.mkdir()
    (folder / "1.journal").symlink_to(target)
    assert list(orphans(folder)) == []


def test_records_of_one_call_are_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[int] = []
    real = os.pwrite
    with Recorder(f"sqlite:///{tmp_path / 'r.sqlite'}", {"income": Kept()}) as recorder:
        monkeypatch.setattr(
            os, "pwrite", lambda handle, data, at: (writes.append(len(data)), real(handle, data, at))[1]
        )
        recorder.add_many([record() for _ in range(100)])
    assert len(writes) == 1


def test_a_record_longer_than_a_batch_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.records.writer.AT_ONCE", 1000)
    url = str(tmp_path / "r.sqlite")
    with Recorder(url, {"income": Kept()}) as recorder:
        recorder.add_many([record(), record(inputs={"note": "x" * 50_000}), record(), record()])
    with open_store(url) as store:
        assert store.count()[0].records == 4


def test_a_record_that_the_store_refuses_costs_the_others_nothing(tmp_path: Path) -> None:
    url, told = str(tmp_path / "r.sqlite"), list[str]()
    journal = Journal(tmp_path / "r.sqlite.journals")
    for number in range(5):
        journal.append(packed(number))
    with open_store(url, create=True) as store:
        store.database.run(
            "CREATE TRIGGER never BEFORE INSERT ON drivetrain_records WHEN NEW.id = 'id 3' "
            "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        )
    events = Events(log=lambda what, _: told.append(what))
    writer = Writer(journal, lambda: open_store(url), dict, events)
    writer.start()
    assert writer.flush(5)
    assert writer.stop(5)
    with open_store(url) as store:
        assert {each.id for each in store.find()} == {"id 0", "id 1", "id 2", "id 4"}
    assert events.counts["refused"] == 1
    assert told == ["the store refuses a record"]
    assert ids((journal.folder / "refused").read_bytes()) == ["id 3"]
