"""The parent: it owns the sockets and the workers' shared memory, and answers nothing itself.

It has imported neither numpy nor onnxruntime and has no thread, so that it can fork at any moment, at once. A worker that dies is
started again, after nothing the first time and after a while where it dies again and again. What it was at work on is put in
quarantine (`quarantine.py`). Sockets stay open while workers come and go: whoever calls meanwhile waits, and isn't refused.

Signals: TERM and INT end the server, when what runs is answered; a second one at once. HUP looks at the repository now.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from drivetrain.errors import CheckFailed, DrivetrainError, UsageError
from drivetrain.serve.board import Board
from drivetrain.serve.counters import Counters, Counts
from drivetrain.serve.logs import Log
from drivetrain.serve.quarantine import Deaths
from drivetrain.serve.settings import Settings
from drivetrain.serve.sockets import listen, name_of, only_from_here, refuse_rest, reserve, shut_out

GRACE = 30.0
"""Seconds that workers have to answer what they have begun, when they are told to end; Kubernetes gives as many."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 0.5
"""Seconds before a worker is started again that died soon after its start: doubled each time, up to this where it was ready."""
NEVER_READY_PAUSE = 30.0
"""The same where it never was."""
SOON = 5.0
SIGNALS = (signal.SIGTERM, signal.SIGINT, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))


@dataclass(frozen=True)
class Shared:
    """What the workers share, made before the first of them."""

    sockets: tuple[socket.socket, ...]
    """Those that HTTP is heard on, listening."""
    grpc: str
    """host:port that gRPC is to be heard on, reserved; "" for none."""
    board: Board
    counts: Counts
    deaths: Deaths


@dataclass(frozen=True)
class Listening:
    """Where a server can be reached, and what it serves."""

    http: str
    grpc: str
    models: tuple[str, ...]


Work = Callable[[Settings, Shared, int, int, int], int]
"""(settings, what is shared, the worker's number, a pipe that ends with the parent, a pipe to tell it on) -> exit code."""


@dataclass
class _Worker:
    number: int
    process: int = 0
    """0: none now."""
    life: int = -1
    told: int = -1
    began: float = 0.0
    ready: bool = False
    look: bool = False
    """Whether it is to look at the repository once it is ready."""
    quick_deaths: int = 0
    again: float = 0.0
    """When to start it."""
    words: bytes = b""
    models: tuple[str, ...] = field(default=())


def supervise(settings: Settings, work: Work, listening: Callable[[Listening], None]) -> int:
    """Serve until told to end; the exit code. `work` is what each worker does, `listening` is called when all are ready.

    Raises DrivetrainError where a port can't be had, and where the first workers can't begin, with what they tell.
    """
    sockets, address = listen(settings)
    access = settings.access
    if not (
        access.keys
        or access.client_authority
        or settings.host == "localhost"
        or only_from_here(sockets, settings)
    ):
        Log(process="parent").event(
            "open to all", "warning", host=settings.host,
            reason="anybody who reaches this address may ask: drivetrain serve --new-key NAME makes a key for callers",
        )  # fmt: skip
    reserved: socket.socket | None = None
    try:
        reserved = reserve(settings) if settings.grpc is not None else None
        grpc = name_of(reserved, settings.host) if reserved else ""
        shared = Shared(
            tuple(sockets), grpc, Board(settings.workers), Counts(settings.workers), Deaths(settings.workers)
        )
        return _Supervisor(settings, shared, work, address, listening).run()
    finally:
        for each in sockets:
            refuse_rest(each)
        for each in (*sockets, *([reserved] if reserved else [])):
            each.close()


class _Supervisor:
    def __init__(
        self,
        settings: Settings,
        shared: Shared,
        work: Work,
        address: str,
        listening: Callable[[Listening], None],
    ) -> None:
        self.settings, self.shared, self.work = settings, shared, work
        self.address, self.listening = address, listening
        self.counters = Counters(shared.counts, settings.workers)
        self.log = Log(process="parent")
        self.workers = [_Worker(number) for number in range(settings.workers)]
        self.announced = False
        self.signals: list[int] = []
        self.ends_at = 0.0
        """When the grace of a stop is over; 0: nobody has asked for one."""
        self.fault: DrivetrainError | None = None

    def run(self) -> int:
        hears, wakes = socket.socketpair()
        for end in (hears, wakes):
            end.setblocking(False)
        before = {number: signal.signal(number, self._noted) for number in (*SIGNALS, signal.SIGCHLD)}
        woken = signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        try:
            while not self._ended():
                self._start_due()
                self._wait(hears)
                self._heed_signals()
                self._bury()
        finally:
            for worker in self.workers:
                if worker.process:  # Something failed here: nobody is left behind.
                    os.kill(worker.process, signal.SIGKILL)
                    os.waitpid(worker.process, 0)
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)
            hears.close()
            wakes.close()
        if self.fault:
            raise self.fault
        self.log.event("stopped")
        return 0

    def _ended(self) -> bool:
        return bool(self.ends_at) and not any(worker.process for worker in self.workers)

    def _noted(self, number: int, frame: FrameType | None) -> None:
        self.signals.append(number)

    def _wait(self, hears: socket.socket) -> None:
        """Until something happens: a signal, a word of a worker, a moment that was waited for."""
        moments = [worker.again for worker in self.workers if not worker.process and not self.ends_at]
        moments += [self.ends_at] if self.ends_at else []
        timeout = max(0.0, min(moments) - time.monotonic()) if moments else None
        pipes = {worker.told: worker for worker in self.workers if worker.told >= 0}
        for found in select.select([hears.fileno(), *pipes], [], [], timeout)[0]:
            if found == hears.fileno():
                hears.recv(4096)
            else:
                self._listen_to(pipes[found])

    # --- workers ------------------------------------------------------------------------------------------

    def _start_due(self) -> None:
        for worker in self.workers:
            if not worker.process and not self.ends_at and worker.again <= time.monotonic():
                self._start(worker)

    def _start(self, worker: _Worker) -> None:
        ours, theirs = os.pipe(), os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            worker.process = os.fork()
        except OSError as fault:
            for end in (*ours, *theirs):
                os.close(end)
            self._postpone(worker, f"no process could be made: {fault.strerror}")
            return
        if worker.process == 0:
            self._become(worker.number, ours, theirs)
        os.close(ours[0])
        os.close(theirs[1])
        worker.life, worker.told = ours[1], theirs[0]
        worker.began, worker.ready, worker.words = time.monotonic(), False, b""

    def _become(self, number: int, ours: tuple[int, int], theirs: tuple[int, int]) -> None:
        """The child's way: it never comes back."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for each in (*SIGNALS, signal.SIGCHLD):
                signal.signal(each, signal.SIG_DFL)
            # Ctrl-C reaches us all, and the parent says what follows.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for worker in self.workers:  # Its pipes are to end when the parent ends, and not when we do.
                for end in (worker.life, worker.told):
                    if end >= 0:
                        os.close(end)
            os.close(ours[1])
            os.close(theirs[0])
            code = self.work(self.settings, self.shared, number, ours[0], theirs[1])
        except DrivetrainError as fault:
            code = fault.exit_code
            _say(theirs[1], {**fault.to_json(), "code": code})
        except BaseException as fault:  # noqa: BLE001 - whatever it is, the parent is told, and this process ends.
            self.log.event("worker failed", "error", worker=number, error=f"{type(fault).__name__}: {fault}")
            _say(theirs[1], {"error": f"a worker could not start: {type(fault).__name__}.", "code": 1})
        finally:
            os._exit(code)

    def _listen_to(self, worker: _Worker) -> None:
        data = os.read(worker.told, 65536)
        if not data:
            os.close(worker.told)
            worker.told = -1
            return
        *lines, worker.words = (worker.words + data).split(b"\n")
        for line in lines:
            self._told(worker, json.loads(line))

    def _told(self, worker: _Worker, word: dict[str, Any]) -> None:
        if "ready" in word:
            worker.ready, worker.models = True, tuple(word["ready"])
            if worker.look:  # What was there before it was ready it may have overlooked.
                worker.look = False
                os.kill(worker.process, signal.SIGHUP)
            self.log.event(
                "worker ready", worker=worker.number, seconds=round(time.monotonic() - worker.began, 3)
            )
            if not self.announced and all(each.ready for each in self.workers):
                self.announced = True
                self.listening(Listening(self.address, self.shared.grpc, worker.models))
        elif not self.announced:  # It can't begin: nor could the next.
            kind = {2: UsageError, 3: CheckFailed}.get(word["code"], DrivetrainError)
            self.fault = self.fault or kind(
                word["error"], where=word.get("where", ""), fix=word.get("fix", "")
            )
            self._end(signal.SIGKILL)
        else:
            self.log.event("worker could not start", "error", worker=worker.number, error=word["error"])

    def _bury(self) -> None:
        """Take note of the workers that have ended."""
        for worker in self.workers:
            if not worker.process:
                continue
            process, status = os.waitpid(worker.process, os.WNOHANG)
            if process == 0:
                continue
            while worker.told >= 0:  # Its last words.
                self._listen_to(worker)
            os.close(worker.life)
            worker.process, worker.life = 0, -1
            code = os.waitstatus_to_exitcode(status)
            if self.ends_at:
                self.shared.deaths.left(worker.number)
                continue
            refused = self.shared.deaths.died(worker.number)
            for _ in refused:
                self.counters.quarantined()
            if not self.announced and not worker.ready:
                self.fault = self.fault or DrivetrainError(
                    f"a worker could not start: it was ended {_how(code)}.", where=self.settings.path,
                    fix="Is there enough memory for the models, times --workers?",
                )  # fmt: skip
                self._end(signal.SIGKILL)
                continue
            self._postpone(worker, f"it was ended {_how(code)}", quarantined=len(refused))

    def _postpone(self, worker: _Worker, reason: str, **fields: object) -> None:
        """Start a worker that has died again: at once, but where that doesn't help after a while."""
        now = time.monotonic()
        worker.quick_deaths = worker.quick_deaths + 1 if now - worker.began < SOON else 0
        longest = LONGEST_PAUSE if worker.ready else NEVER_READY_PAUSE
        pause = min(FIRST_PAUSE * 2 ** (worker.quick_deaths - 2), longest) if worker.quick_deaths > 1 else 0.0
        worker.again = now + pause
        self.counters.restarted()
        self.log.event(
            "worker died", "error", worker=worker.number, reason=reason, starts_in=round(pause, 3), **fields
        )

    # --- the end ------------------------------------------------------------------------------------------

    def _heed_signals(self) -> None:
        while self.signals:
            number = self.signals.pop(0)
            if number in (signal.SIGTERM, signal.SIGINT):
                self._end(signal.SIGKILL if self.ends_at else signal.SIGTERM)
            elif number != signal.SIGCHLD:
                self._have_look(number)
        if self.ends_at and time.monotonic() > self.ends_at:
            self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        now = time.monotonic()
        self.ends_at = now + GRACE if number == signal.SIGTERM else now + 1.0
        if number == signal.SIGTERM:
            self.log.event("stopping", seconds=GRACE)
            for each in self.shared.sockets:
                shut_out(each)
        self._send(number)

    def _have_look(self, number: int) -> None:
        """Workers that aren't ready would die of it: they are told when they are."""
        for worker in self.workers:
            if worker.ready and worker.process:
                os.kill(worker.process, number)
            else:
                worker.look = True

    def _send(self, number: int) -> None:
        for worker in self.workers:
            if worker.process:
                os.kill(worker.process, number)


def _say(pipe: int, word: dict[str, Any]) -> None:
    os.write(pipe, json.dumps(word).encode() + b"\n")


def _how(code: int) -> str:
    if code >= 0:
        return f"with the exit code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"
