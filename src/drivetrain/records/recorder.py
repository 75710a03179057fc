"""What a process that answers keeps its records with."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from drivetrain.files import file_error
from drivetrain.records.events import Count, Events, Log
from drivetrain.records.frames import pack
from drivetrain.records.ids import Clock, Ids
from drivetrain.records.journal import MOST_BYTES, Journal, listed
from drivetrain.records.kept import Kept, check_key, chosen
from drivetrain.records.record import NotRecorded, Outcome, Record, StoreGone, Told
from drivetrain.records.store import Store, journals_of, open_store
from drivetrain.records.writer import Writer

STOP_SECONDS = 5.0
TELL_SECONDS = 10.0
"""A loss is told so often at most; all are counted."""
FLUSH_SECONDS = 2.0
OTHERS_SECONDS = 1.0
"""How long is waited for other processes to bring an answer that they have just given into the store."""


class Recorder:
    """Keeps answers: each is in the journal before `add` returns, and in the store a moment later.

    One for each process that answers, made after it was forked. Thread-safe. `kept` says by a model's name what is kept of it,
    None for nothing; it is asked each time. `log` and `count` are told what happens (see `Events`). Raises what `open_store`
    raises, but for a store that is gone for now: the journal waits for it.
    """

    def __init__(
        self, url: str, kept: Mapping[str, Kept | None] | Callable[[str], Kept | None], *, log: Log | None = None,
        count: Count | None = None, most_bytes: int = MOST_BYTES,
    ) -> None:  # fmt: skip
        self._url, self.events = url, Events(log, count)
        self._ask = kept if callable(kept) else kept.get
        self._models: set[str] = set()
        self._told = -TELL_SECONDS
        self._clock, self._ids, self._lock = Clock(), Ids(), threading.Lock()
        self._store: Store | None = None
        self._store_lock = threading.Lock()
        folder = journals_of(url)
        try:
            self._store = open_store(url, create=True)
            self._ids.follow(self._store.newest_id(), self._clock.now())
        except StoreGone as fault:
            self.events.tell("records wait for their store", error=str(fault))
        try:
            self._journal = Journal(folder, most_bytes=most_bytes)
        except OSError as fault:
            raise file_error(fault, folder) from fault
        self._writer = Writer(self._journal, lambda: open_store(url, create=True), self._noted, self.events)
        self._writer.start()

    @property
    def counts(self) -> Mapping[str, int]:
        """How often what happened, see `Events`."""
        return self.events.counts

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    def wants(self, model: str, key: str, request: str) -> bool:
        """Whether an answer is among those that are recorded: the same for the same key, and without one for the same request."""
        kept = self.kept(model)
        if kept is None:
            return False
        if chosen(kept.share, model, key or request):
            return True
        self.events.add("left_out")
        return False

    def kept(self, model: str) -> Kept | None:
        """What is kept of a model."""
        self._models.add(model)
        return self._ask(model)

    def add(self, record: Record) -> str | None:
        """The id of a record, once it is in the journal; None where it could not be written, or nothing is kept of its model.
        Raises NotRecorded where an answer without a record must not be given."""
        return self.add_many([record])[0]

    def add_many(self, records: Sequence[Record]) -> list[str | None]:
        """As `add`, by one write for all."""
        found: list[str | None] = []
        frames: list[bytes] = []
        with self._lock:
            for record in records:
                record.time = record.time or self._clock.now()
                record.id = record.id or self._ids.next(record.time)
        for record in records:
            if self.kept(record.model) is None:
                found.append(None)
                continue
            try:
                frames.append(pack(record))
                found.append(record.id)
            except (ValueError, TypeError, RecursionError) as fault:
                found.append(None)
                self._lost([record], fault)
        if frames:
            try:
                self._journal.append(b"".join(frames))
            except OSError as fault:
                self._lost([record for record, id in zip(records, found) if id], fault)
                return [None] * len(found)
            self.events.add("recorded", len(frames))
            self._writer.wake()
        return found

    def _lost(self, records: Sequence[Record], fault: Exception) -> None:
        """Answers that are not recorded: told, and counted. Raises NotRecorded where one of them has to be."""
        self.events.add("lost", len(records))
        reason = (
            file_error(fault, "").error if isinstance(fault, OSError) else f"{type(fault).__name__}: {fault}"
        )
        now = time.monotonic()
        if now - self._told >= TELL_SECONDS:
            self._told = now
            self.events.tell("answers are not recorded", error=reason, lost=self.counts["lost"])
        for record in records:
            kept = self.kept(record.model)
            if kept is not None and kept.required:
                raise NotRecorded(
                    "this answer can't be recorded, and has to be.", where=record.model, fix="Try again later."
                ) from fault  # fmt: skip

    def outcomes(self, model: str, given: Sequence[Outcome]) -> Told:
        """Keep what turned out to be true, in the store before this returns. Raises StoreGone; DataError for a key that can't be
        one."""
        for each in given:
            if each.key:
                check_key(each.key)
        self._writer.flush(FLUSH_SECONDS)
        told = self._outcomes(model, given)
        until = time.monotonic() + OTHERS_SECONDS
        # The answer may have come from another process, whose writer has it still in hand.
        while told.unknown and self.others() and time.monotonic() < until:
            time.sleep(OTHERS_SECONDS / 10)
            missing = {*told.unknown}
            again = self._outcomes(model, [each for each in given if (each.id or each.key) in missing])
            told = Told(
                told.stored + again.stored, told.replaced + again.replaced, told.unchanged + again.unchanged, again.unknown,
                [*dict.fromkeys((*told.no_class, *again.no_class))],
            )  # fmt: skip
        return told

    def others(self) -> list[Path]:
        """Journals of other processes, living or dead, that are not in the store yet."""
        ours = {*self._journal.paths}
        return [path for path in listed(self._journal.folder) if path not in ours]

    def _outcomes(self, model: str, given: Sequence[Outcome]) -> Told:
        with self._store_lock:
            self._store = self._store or open_store(self._url, create=True)
            return self._store.outcomes(model, given)

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until what was added is in the store; False where that takes longer."""
        return self._writer.flush(seconds)

    @property
    def waiting_bytes(self) -> int:
        """What is in the journal and not in the store yet."""
        return self._journal.waiting_bytes

    def close(self) -> None:
        """Bring what can be brought into the store within some seconds; the rest stays in the journal for whoever comes next."""
        if self._writer.stop(STOP_SECONDS):
            self._journal.close()  # Else the end of the process does it.
        with self._store_lock:
            if self._store is not None:
                self._store.close()
                self._store = None

    def _noted(self) -> dict[str, Kept]:
        """What is kept of each model that anything was asked about."""
        found = {model: self._ask(model) for model in self._models.copy()}
        return {model: kept for model, kept in found.items() if kept is not None}
