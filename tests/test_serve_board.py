"""Workers that load for themselves change over together, don't wait for the dead, and hear what one of them was told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from test_serve_repository import Opened, put

from drivetrain.serve.board import Board
from drivetrain.serve.repository import Event, Repository
from drivetrain.serve.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers are forked")


class Workers:
    """Processes that share a board, each with a repository of its own: the n-th takes n * `slow` seconds to open a version.

    Each writes a line for what happens to it: its number, the event, and when.
    """

    def __init__(self, root: Path, count: int, slow: float) -> None:
        self.board, self.log = Board(count), root.parent / "log"
        self.pids = [self._fork(root, index, slow) for index in range(count)]

    def _fork(self, root: Path, index: int, slow: float) -> int:
        if pid := os.fork():
            return pid
        try:

            def opened(path: Path, name: str, version: int, *, threads: int | None = None) -> Opened:
                if version > 1:
                    time.sleep(slow * index)
                return Opened(path, name, version)

            board = self.board.at(index)
            there = Repository(Settings(str(root), reload_seconds=0.02), open=opened, board=board)  # type: ignore[arg-type]
            there.observers.append(lambda event: self._say(index, event))
            there.scan()
            asyncio.run(asyncio.wait_for(there.watch(), 20))
        finally:
            os._exit(0)

    def _say(self, index: int, event: Event) -> None:
        line = json.dumps([index, event.kind, event.version, time.monotonic()]) + "\n"
        handle = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, line.encode())
        os.close(handle)

    def said(self, kind: str, version: int, count: int) -> list[float]:
        """When `count` workers said so."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            lines = (
                [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []
            )
            if len(found := [line[3] for line in lines if line[1:3] == [kind, version]]) >= count:
                return found
            time.sleep(0.01)
        raise AssertionError(f"{kind} {version}: not said by {count}")

    def end(self) -> None:
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_workers_change_over_together(tmp_path: Path) -> None:
    root = tmp_path / "models"
    put(root, "a", 1, "one")
    workers = Workers(root, 3, slow=0.1)
    try:
        workers.said("ready", 1, 3)
        begin = time.monotonic()
        put(root, "a", 2, "two")
        changed = workers.said("ready", 2, 3)
        assert min(changed) - begin > 0.3, "the first waits for the slowest"
        assert max(changed) - min(changed) < 0.1
        os.kill(workers.pids.pop(), signal.SIGKILL)
        put(root, "a", 3, "three")
        workers.said("ready", 3, 2)
    finally:
        workers.end()


def test_workers_that_saw_things_in_another_order_do_not_wait_for_each_other_for_ever(tmp_path: Path) -> None:
    root = tmp_path / "models"
    for name in "ab":
        put(root, name, 1, "one")
    workers = Workers(root, 2, slow=0.05)
    try:
        workers.said("ready", 1, 4)
        for version in (2, 3, 4):
            put(root, "b", version, f"b{version}")
            time.sleep(0.03)
            put(root, "a", version, f"a{version}")
        workers.said("ready", 4, 4)
    finally:
        workers.end()


def test_what_one_is_told_holds_for_all(tmp_path: Path) -> None:
    root = tmp_path / "models"
    put(root, "a", 1, "one")
    put(root, "a", 2, "two")
    workers = Workers(root, 2, slow=0.0)
    try:
        workers.said("ready", 2, 2)
        with workers.board.changing() as text:
            text["wishes"]["a"] = {"load": [1], "unload": [2]}
        workers.said("retired", 2, 2)
        workers.said("ready", 1, 2)
    finally:
        workers.end()


def test_a_board_of_one_is_no_more_than_a_variable() -> None:
    board = Board()
    with board.changing() as text:
        text["wishes"]["a"] = {"off": True}
    board.settle("a", "x", 1.0)
    assert board.wishes == {"a": {"off": True}}
    assert board.settled("a", "y", 2.0)


def test_a_writer_that_died_leaves_a_board_that_can_be_read() -> None:
    board = Board(2)
    if not (pid := os.fork()):
        with board.changing():
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    with board.at(0).changing() as text:
        text["wishes"]["a"] = {"off": True}
    assert board.wishes == {"a": {"off": True}}
