"""Inputs that were being worked on when a worker died: tried once more alone, and after a second death refused.

A worker writes the digests of the requests that it is reading or running into shared memory before, and clears them after.
When it dies the parent looks at what is left there. Whoever is found has one death against its name, and is a suspect:
from then on it is run in a batch of its own. If it is answered it is acquitted, so that a harmless request that happened to
be in a batch with a killer goes on being answered; if its worker dies again it is refused.

Digests are Python's hashes of the request's bytes (SipHash, with a key that the parent draws at its start and workers share
by the fork): nobody outside can make two requests that have the same. What is refused holds until the server is started
again, or for another version of the model.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Generator, Hashable, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import cast

from drivetrain.serve.types import Refusal

MARKS = 4096
"""Digests that a worker can be at work on; what comes on top is not marked."""
KNOWN = 1024
"""Suspects and refused ones that are remembered; then the oldest is forgotten."""
DEATHS = 2
"""With so many an input is refused."""
_WORD = struct.Struct("=Q")


class Deaths:
    """The memory that the parent and its workers share, to be made before they are forked: marks of each worker, and the
    table of (digest, deaths), with a word before it that counts its entries ever made."""

    def __init__(self, workers: int = 1) -> None:
        self.memory = memoryview(mmap.mmap(-1, 8 * (workers * MARKS + 2 * KNOWN + 1))).cast("Q")
        self.table = self.memory[: 2 * KNOWN + 1]

    def marks(self, worker: int) -> memoryview:
        start = 2 * KNOWN + 1 + worker * MARKS
        return self.memory[start : start + MARKS]

    def died(self, worker: int) -> list[int]:
        """What the parent does when a worker is dead: count it against all that it was at work on, and forget the marks. Gives
        the digests that are refused from now on."""
        marks, table = self.marks(worker), self.table
        found = {digest for digest in marks if digest}
        marks[:] = memoryview(bytes(8 * MARKS)).cast("Q")
        refused: list[int] = []
        for digest in found:
            at = self.find(digest)
            if at is None:
                at = 1 + 2 * (table[0] % KNOWN)
                table[at], table[at + 1] = digest, 0
                table[0] += 1
            table[at + 1] += 1
            if table[at + 1] == DEATHS:
                refused.append(digest)
        return refused

    def find(self, digest: int) -> int | None:
        """Where a digest is in the table."""
        table = self.table
        return next((at for at in range(1, 2 * min(table[0], KNOWN) + 1, 2) if table[at] == digest), None)

    def left(self, worker: int) -> None:
        """A worker has ended as it should: what it had marked killed nobody."""
        self.marks(worker)[:] = memoryview(bytes(8 * MARKS)).cast("Q")


class Quarantine:
    """One worker's side. Called from any of its threads."""

    def __init__(self, deaths: Deaths | None = None, worker: int = 0) -> None:
        self._deaths = deaths or Deaths()
        self._marks = self._deaths.marks(worker)
        self._free = list(range(MARKS))
        self._made = 0
        self._where: dict[int, int] = {}

    def digest(self, model: str, version: int, body: Hashable) -> int:
        """64 bits that stand for a request to this version, by its bytes or what else tells it from others; never 0."""
        held = bytes(cast("memoryview[int]", body)) if isinstance(body, memoryview) else body
        return hash((model, version, held)) & (2**64 - 1) or 1

    @contextmanager
    def trial(self, digest: int) -> Generator[bool, None, None]:
        """Around the whole of a request: gives whether it is a suspect, to be run in a batch of its own. One that comes out of
        it is acquitted. Raises Refusal for what killed workers."""
        suspect = self.suspects(digest)
        yield suspect
        if suspect:
            self.acquit(digest)

    def suspects(self, digest: int) -> bool:
        """Whether a request is to be run in a batch of its own. Raises Refusal for what killed workers."""
        if not self._deaths.table[0]:  # No worker has died at its work yet.
            return False
        deaths = self._count(digest)
        if deaths >= DEATHS:
            raise Refusal(
                400, f"this input has ended a worker of this server {DEATHS} times, and is not tried any more.",
                fix="Tell the server's operator; another input, or another version of the model, may be answered.",
            )  # fmt: skip
        return deaths > 0

    def acquit(self, digest: int) -> None:
        """A suspect was answered: it killed nobody."""
        if self._count(digest):
            self._deaths.table[self._where[digest] + 1] = 0

    def running(self, digests: Sequence[int]) -> AbstractContextManager[None]:
        """Around what may crash: reading, and a run of a graph. Where it ends, in an error too, none of these killed."""
        return _Running(self._marks, self._free, digests)

    def _count(self, digest: int) -> int:
        table = self._deaths.table
        if self._made != table[0]:  # Others were found at a death.
            self._made = table[0]
            self._where = {table[at]: at for at in range(1, 2 * min(self._made, KNOWN) + 1, 2)}
        at = self._where.get(digest)
        return table[at + 1] if at is not None and table[at] == digest else 0


class _Running:
    """A class and no generator: it is entered for each request."""

    __slots__ = ("digests", "free", "marks", "taken")

    def __init__(self, marks: memoryview, free: list[int], digests: Sequence[int]) -> None:
        self.marks, self.free, self.digests = marks, free, digests

    def __enter__(self) -> None:
        self.taken = taken = [self.free.pop() for _ in self.digests[: len(self.free)]]
        for at, digest in zip(taken, self.digests):
            self.marks[at] = digest

    def __exit__(self, *reason: object) -> None:
        for at in self.taken:
            self.marks[at] = 0
        self.free.extend(self.taken)
