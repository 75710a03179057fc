"""The thread that brings records from the journals into the store, in batches, for as long as it takes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from drivetrain.errors import DrivetrainError
from drivetrain.records.events import Events
from drivetrain.records.frames import Line, pack, record_of, scan
from drivetrain.records.ids import Calendar
from drivetrain.records.journal import DAMAGED, REFUSED, Journal, Segment, orphans
from drivetrain.records.kept import Kept
from drivetrain.records.record import StoreGone
from drivetrain.records.store import Store

GATHER_SECONDS = 0.05
"""How long records wait for company, once there are any."""
AT_ONCE = 1 << 20
"""Bytes of a journal that go into the store in one commit, beside the records that begin in them."""
SEGMENT_SECONDS = 2.0
"""So old a segment is let go of: nobody's rows stay in a journal for longer, once the store has them."""
PATROL_SECONDS = 10.0
"""How often segments of processes that died are looked for."""
RETAIN_SECONDS = 3600.0
FIRST_WAIT, LONGEST_WAIT = 0.1, 30.0
"""Seconds until a store that was gone is tried again: twice as many each time."""


class Writer:
    """Empties a journal, and those of processes that died, into the store that `opening` gives."""

    def __init__(
        self, journal: Journal, opening: Callable[[], Store], kept: Callable[[], Mapping[str, Kept]], events: Events
    ) -> None:  # fmt: skip
        self._journal, self._opening, self._kept = journal, opening, kept
        self._events = events
        self._store: Store | None = None
        self._wake, self._emptied = threading.Event(), threading.Condition()
        self._stopping, self._hurry = threading.Event(), threading.Event()
        self._patrolled = self._retained = -float("inf")
        self._noted: dict[str, Kept] = {}
        self._calendar = Calendar()
        self._thread = threading.Thread(target=self._run, name="drivetrain-records", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        if not self._wake.is_set():
            self._wake.set()

    def flush(self, seconds: float) -> bool:
        """Wait until what is in the journal now is in the store; False where that takes longer."""
        goal = self._journal.appended_bytes
        self._hurry.set()
        self._wake.set()
        with self._emptied:
            return self._emptied.wait_for(lambda: self._journal.taken_bytes >= goal, seconds)

    def stop(self, seconds: float) -> bool:
        """Empty what can be emptied in this time, and end; False where the thread hangs on the store for longer."""
        for each in (self._stopping, self._hurry, self._wake):
            each.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        wait = FIRST_WAIT
        while True:
            try:
                self._round()
                wait = FIRST_WAIT
            except Exception as fault:  # noqa: BLE001 - whatever it is, the records that come next have to be written.
                told = fault if isinstance(fault, DrivetrainError) else f"{type(fault).__name__}: {fault}"
                self._events.add("retries", 1)
                self._events.tell("records wait for their store", error=str(told), again_in=wait)
                self._close_store()
                if self._stopping.wait(wait):
                    break
                wait = min(2 * wait, LONGEST_WAIT)
                continue
            if self._stopping.is_set():
                if self._journal.oldest() is None:
                    break
                continue
            self._wake.wait(SEGMENT_SECONDS)
            self._hurry.wait(GATHER_SECONDS)
            self._wake.clear()
            self._hurry.clear()
        self._close_store()

    def _close_store(self) -> None:
        if self._store is not None:
            with suppress(DrivetrainError):
                self._store.close()
            self._store = None

    def _round(self) -> None:
        """Everything that there is to do now."""
        store = self._store = self._store or self._opening()
        self._note(store)
        while segment := self._journal.oldest():
            taken = take(store, segment, self._events)
            with self._emptied:
                self._journal.took(segment, taken)
                self._emptied.notify_all()
        self._journal.tidy(0 if self._stopping.is_set() else SEGMENT_SECONDS)
        now = time.monotonic()
        if now - self._patrolled >= PATROL_SECONDS:
            self._patrolled = now
            drain(store, self._journal.folder, self._events)
        if now - self._retained >= RETAIN_SECONDS:
            self._retained = now
            self._retain(store)

    def _note(self, store: Store) -> None:
        """Tell the store what is kept of the models that were asked, where that is news."""
        wanted = dict(self._kept())
        for model, kept in wanted.items():
            if self._noted.get(model) != kept:
                store.note(model, kept)
        self._noted = wanted

    def _retain(self, store: Store) -> None:
        """What is older than it may be is deleted; how old that is stands in the store, also for models that nobody asks."""
        now, jumped = self._calendar.now()
        if jumped:
            self._events.tell(
                "the clock has gone ahead: by the new time nothing expires until it is so for a day"
            )
        if deleted := store.retain(now=now):
            self._events.add("expired", deleted)


def drain(store: Store, folder: Path, events: Events) -> int:
    """Bring what processes that died have left into the store; how many journals that were. Those that another process is
    emptying are left to it."""
    many = 0
    for segment in orphans(folder):
        emptied = damaged = False
        try:
            while segment.taken < segment.size:
                before = events.counts.get("damaged", 0)
                segment.taken += take(store, segment, events)
                damaged |= events.counts.get("damaged", 0) > before
            emptied, many = True, many + 1
        finally:
            if emptied and damaged:
                with suppress(OSError):  # Whoever wants to see what is left of the rest.
                    os.replace(segment.path, segment.path.with_suffix(DAMAGED))
            segment.close(remove=emptied)
    if many:
        events.add("taken_over", many)
        events.tell("records of processes that died are in their store", journals=many)
    return many


def take(store: Store, segment: Segment, events: Events) -> int:
    """Bring the next batch of a segment into the store; how many bytes that were."""
    lines, taken = _lines(segment, AT_ONCE, events)
    if not taken:  # A record that is longer than a batch.
        lines, taken = _lines(segment, segment.size, events)
    _store(store, lines, events)
    return taken


def _lines(segment: Segment, most: int, events: Events) -> tuple[list[Line], int]:
    """The records in the next bytes of a segment, and how many bytes they are."""
    data, lines, taken = segment.read(most), list[Line](), 0
    at_end = segment.taken + len(data) >= segment.size
    for start, end, line in scan(data):
        if line is not None:
            lines.append(line)
        elif end == len(data) and not at_end:
            break  # It goes on behind these bytes.
        else:
            # What a process was writing when it died was never acknowledged; what is amid others was.
            kind = "torn" if end == len(data) else "damaged"
            events.add(kind, 1)
            events.tell(f"a journal of records is {kind}", journal=segment.path.name, bytes=end - start)
        taken = end
    return lines, taken


def _set_aside(folder: Path, line: Line) -> None:
    """Keep a record that its store refuses where somebody can look at it, as a frame."""
    handle = os.open(
        folder / REFUSED, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o600
    )
    try:
        os.write(handle, pack(record_of((*line, None, None))))
    finally:
        os.close(handle)


def _store(store: Store, lines: list[Line], events: Events) -> None:
    """Records in one commit; where the store refuses one of them, the others without it."""
    if not lines:
        return
    try:
        added = store.add_lines(lines)
    except StoreGone:
        raise
    except Exception as fault:  # noqa: BLE001 - which one, and why, is for the database to say.
        if len(lines) > 1:
            half = len(lines) // 2
            _store(store, lines[:half], events)
            _store(store, lines[half:], events)
            return
        events.add("refused")
        _set_aside(store.journals, lines[0])
        events.tell(
            "the store refuses a record", record=lines[0].id, error=f"{type(fault).__name__}: {fault}"
        )
        return
    events.add("stored", added.new)
    events.add("known", added.known)
    events.add("forgotten", added.forgotten)
