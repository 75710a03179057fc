"""What the workers of one server tell each other: which models somebody wished to be loaded or not, and how far each worker is.

Each worker looks at the repository and loads for itself. So that callers don't get the old version from one and the new one from
another for as long as the slowest takes to load, a worker that has a new version ready says so here and goes on answering with the
old one, until all have said it; then each changes over within `PAUSE` seconds. A worker that has died is not waited for.

It is one JSON text in memory that the parent shares with those that it forks, written under a lock that the system takes back from
who dies.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, cast

if sys.platform != "win32":
    import fcntl

SIZE = 2**20
PAUSE = 0.005
PLACES, LIVES = {"board": 0, "load": 1}, 2
"""What each byte of the file stands for when it is locked: writing, loading, and from LIVES on that a worker lives."""
_HEAD = struct.Struct("<QQ")
"""How often it was written (odd: somebody is at it), and how many bytes there are."""


class Board:
    """For one worker it is a variable; for more, memory that they share (made before the fork)."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self.index = 0
        self._here = threading.Lock()
        self._file: int | None = None
        self._memory: mmap.mmap | None = None
        self._text: dict[str, Any] = {"wishes": {}, "settled": {}}
        if workers > 1:
            # Without a name from the first moment: nobody else can open it, and nobody has to remove it.
            self._file, name = tempfile.mkstemp(prefix="drivetrain-board-")
            os.unlink(name)
            os.truncate(self._file, SIZE)
            self._memory = mmap.mmap(self._file, SIZE)
            self._put(self._text)

    def at(self, index: int) -> Board:
        """This board as the worker `index` sees it; what its forerunner said is forgotten."""
        self.index = index
        if self._file is not None and sys.platform != "win32":
            # Kept until this process ends, however it ends: so the others know that it lives.
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, LIVES + index)
        with self.changing() as text:
            text["settled"][str(index)] = {}
        return self

    @property
    def written(self) -> int:
        """Changes with every write: who only wants to know whether there is news reads 8 bytes."""
        return self._text.get("written", 0) if self._memory is None else _HEAD.unpack_from(self._memory)[0]

    def read(self) -> dict[str, Any]:
        if self._memory is None:
            return self._text
        while True:
            before, length = _HEAD.unpack_from(self._memory)
            data = self._memory[_HEAD.size : _HEAD.size + min(length, SIZE)]
            if not before % 2 and _HEAD.unpack_from(self._memory)[0] == before:
                with suppress(ValueError):
                    return cast("dict[str, Any]", json.loads(data))
            time.sleep(0.0005)

    @contextmanager
    def changing(self) -> Generator[dict[str, Any], None, None]:
        """The text, to be changed; nobody else changes it meanwhile."""
        with self._here, self.only("board"):
            text = self.read()
            yield text
            self._put(text)

    @contextmanager
    def only(self, what: str) -> Generator[None, None, None]:
        """One worker at a time: for "board", or for "load": the first tries what nobody knows, and then the others know it."""
        if self._file is None or sys.platform == "win32":
            yield
            return
        place = PLACES[what]
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, place)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)

    def _put(self, text: dict[str, Any]) -> None:
        if self._memory is None:
            text["written"] = text.get("written", 0) + 2
            return
        data = json.dumps(text).encode()
        if _HEAD.size + len(data) > SIZE:
            return  # So many models that they don't fit: workers then change over one by one.
        times = _HEAD.unpack_from(self._memory)[0] | 1  # A writer that died left it odd.
        _HEAD.pack_into(self._memory, 0, times, 0)
        self._memory[_HEAD.size : _HEAD.size + len(data)] = data
        _HEAD.pack_into(self._memory, 0, times + 1, len(data))

    @property
    def wishes(self) -> dict[str, dict[str, Any]]:
        """By a model's name: {"off": nothing but what is in "load", "load": [versions], "unload": [versions], "again": n}."""
        return self.read()["wishes"]

    def settle(self, model: str, seen: str, looked: float) -> None:
        """This worker has done for a model what is `seen` of it since the moment `looked` (time.monotonic(), which all share)."""
        if self._memory is None:
            return
        with self.changing() as text:
            text["settled"].setdefault(str(self.index), {})[model] = [seen, looked]

    def settled(self, model: str, seen: str, looked: float) -> bool:
        """Whether every worker has settled the same, or has looked later and seen something else, as this one will in a moment."""
        if self._memory is None:
            return True
        for index, models in self.read()["settled"].items():
            theirs, when = models.get(model, ["", 0.0])
            if theirs != seen and when <= looked and self._lives(int(index)):
                return False
        return True

    def _lives(self, index: int) -> bool:
        """Whether a worker has not ended. Its process may still be known to the system, until its parent has heard of it."""
        if self._file is None or sys.platform == "win32" or index == self.index:
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, LIVES + index)
        except OSError:
            return True
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, LIVES + index)
        return False
