"""The journal: records are in a file before anybody is told that they are, and stay there until the store has them.

A process that records has a segment of its own in the journals' folder, which it alone appends to, each time with one write: what
was written survives the process, however it ends. (It doesn't survive a power cut; what the store has committed does.) The
segment is locked (flock) as long as its process lives, so that a segment that can be locked was left by one that died, and
whoever locks it is the only one to empty it. A segment is deleted once the store has committed all of it.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from drivetrain.errors import UsageError

if sys.platform != "win32":
    import fcntl

SEGMENT_BYTES = 8 << 20
MOST_BYTES = 1 << 30
"""Of one process's segments that the store hasn't taken yet."""
SUFFIX, DAMAGED, REFUSED = ".journal", ".damaged", "refused"


class JournalFull(OSError):
    """The store has taken nothing for so long that the journal is as large as it may be."""


@dataclass(slots=True)
class Segment:
    """An open journal file that this process has locked. `taken` of its `size` bytes are in the store."""

    path: Path
    handle: int
    born: float
    size: int = 0
    taken: int = 0
    sealed: bool = False
    """Nothing more is written to it."""

    def read(self, most: int) -> bytes:
        """The next bytes that the store hasn't, `most` at most."""
        return os.pread(self.handle, min(most, self.size - self.taken), self.taken)

    @property
    def is_there(self) -> bool:
        """Whether the file still has its name: else nobody would find it after us."""
        with suppress(OSError):
            there, ours = os.stat(self.path, follow_symlinks=False), os.fstat(self.handle)
            return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
        return False

    def close(self, remove: bool) -> None:
        """Give the segment up; with `remove` there is nothing of it that the store hasn't."""
        if remove and self.is_there:
            with suppress(OSError):
                os.unlink(self.path)
        os.close(self.handle)


def make_folder(folder: Path) -> None:
    """The journals' folder, which nobody else may look into. Raises OSError."""
    if sys.platform == "win32":
        raise UsageError("records need Linux or macOS.", where="records", fix="Leave them out on Windows.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _take(path: Path, flags: int) -> int | None:
    """The descriptor of a file that is now locked by us; None where it is another's, or gone. Raises OSError."""
    handle = os.open(path, flags | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between the opening and the lock another process may have emptied and deleted it.
        if os.fstat(handle).st_nlink:
            return handle
    except BlockingIOError:
        pass
    except OSError:
        os.close(handle)
        raise
    os.close(handle)
    return None


def orphans(folder: Path) -> Iterator[Segment]:
    """The segments whose processes have died, oldest first, each locked by us before it is given. What was locked by nobody but
    can't be opened is left alone."""
    for path in listed(folder):
        try:
            handle = _take(path, 0)
        except OSError:  # Another has just deleted it, or it is not ours to open.
            continue
        if handle is not None:
            status = os.fstat(handle)
            yield Segment(path, handle, status.st_mtime, status.st_size)


def listed(folder: Path) -> list[Path]:
    """The segments in the folder, whoever's they are, oldest first."""
    with suppress(OSError):
        return sorted(Path(entry.path) for entry in os.scandir(folder) if entry.name.endswith(SUFFIX))
    return []


def set_aside(folder: Path) -> list[Path]:
    """What somebody has to look at: journals with damage, records that the store refused. Nothing else reads or deletes them."""
    with suppress(OSError):
        return [path for path in sorted(folder.iterdir()) if path.suffix == DAMAGED or path.name == REFUSED]
    return []


class Journal:
    """The segments of this process: one that grows, and those before it that the store hasn't emptied. Thread-safe."""

    def __init__(
        self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES, most_bytes: int = MOST_BYTES
    ) -> None:
        self.folder, self.segment_bytes, self.most_bytes = folder, segment_bytes, most_bytes
        self._lock = Lock()
        self._segments: list[Segment] = []
        self.appended_bytes = self.taken_bytes = 0
        make_folder(folder)

    @property
    def waiting_bytes(self) -> int:
        """What the store hasn't taken yet."""
        return self.appended_bytes - self.taken_bytes

    @property
    def paths(self) -> list[Path]:
        with self._lock:
            return [segment.path for segment in self._segments]

    def append(self, data: bytes) -> None:
        """Write whole frames, all of them or none. Raises OSError: JournalFull, a full disk."""
        with self._lock:
            if self.waiting_bytes + len(data) > self.most_bytes:
                raise JournalFull(f"{self.waiting_bytes >> 20} MB of records wait for the store")
            segment = self._segments[-1] if self._segments else None
            full = segment is not None and segment.size and segment.size + len(data) > self.segment_bytes
            if segment is None or segment.sealed or full:
                segment = self._new_segment()
            _write(segment, data)
            segment.size += len(data)
            self.appended_bytes += len(data)

    def _new_segment(self) -> Segment:
        """A new file of a name that sorts behind the others."""
        while True:
            name = f"{time.time_ns() // 1000:017d}-{os.getpid()}-{uuid.uuid4().hex[:8]}{SUFFIX}"
            make_folder(self.folder)  # Somebody may have deleted it.
            path = self.folder / name
            if (handle := _take(path, os.O_CREAT | os.O_EXCL)) is not None:
                segment = Segment(path, handle, time.monotonic())
                self._segments.append(segment)
                return segment

    def oldest(self) -> Segment | None:
        """The segment to empty next, where there is anything in it that the store hasn't."""
        with self._lock:
            return next((segment for segment in self._segments if segment.taken < segment.size), None)

    def took(self, segment: Segment, size: int) -> None:
        """The store has committed so many more bytes of a segment."""
        with self._lock:
            segment.taken += size
            self.taken_bytes += size

    def tidy(self, oldest_seconds: float) -> None:
        """Begin a new segment where the one that grows is so old or has lost its name; delete those that the store has all of."""
        now = time.monotonic()
        with self._lock:
            kept: list[Segment] = []
            for segment in self._segments:
                segment.sealed |= segment is not self._segments[-1] or not segment.is_there
                segment.sealed |= now - segment.born >= oldest_seconds
                if segment.sealed and segment.taken == segment.size:
                    segment.close(remove=True)
                else:
                    kept.append(segment)
            self._segments = kept

    def close(self) -> None:
        """Give all segments up. What the store hasn't taken stays in the folder for whoever comes next."""
        with self._lock:
            for segment in self._segments:
                segment.close(remove=segment.taken == segment.size)
            self._segments = []


def _write(segment: Segment, data: bytes) -> None:
    """All of the data at the end of the file, or none of it. Raises OSError."""
    done = os.pwrite(segment.handle, data, segment.size)
    try:
        while done < len(data):  # A disk that is nearly full takes a part, and then none.
            done += os.pwrite(segment.handle, memoryview(data)[done:], segment.size + done)
    except OSError:
        with suppress(OSError):
            os.ftruncate(segment.handle, segment.size)
        raise
