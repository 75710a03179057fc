"""A server whose workers do what callers tell them, to see what its parent makes of it: python supervised.py WORKERS [FAULT]."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from contextlib import suppress

from drivetrain.errors import CheckFailed, DrivetrainError
from drivetrain.serve.quarantine import Quarantine
from drivetrain.serve.settings import Settings
from drivetrain.serve.supervise import Listening, Shared, supervise


def say(line: str) -> None:
    """A line, whole: where output isn't buffered `print` writes its end by itself, and another process gets in between."""
    os.write(1, f"{line}\n".encode())


def work(settings: Settings, shared: Shared, number: int, life: int, tell: int) -> int:
    """Answers each connection, whose first word says how."""
    fault = sys.argv[2] if len(sys.argv) > 2 else ""
    if fault == "check":
        raise CheckFailed("the golden cases don't hold.", where="m.bundle", fix="Export it again.")
    if fault == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "bug":
        raise ZeroDivisionError
    if fault == "slow start":
        os.kill(os.getppid(), signal.SIGHUP)
        time.sleep(0.2)
    stopping: list[int] = []
    hears, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    signal.signal(signal.SIGHUP, lambda *_: say("looked"))
    signal.set_wakeup_fd(wakes)
    quarantine = Quarantine(shared.deaths, number)
    os.write(tell, json.dumps({"ready": ["m"]}).encode() + b"\n")
    while not stopping:
        found = select.select([life, hears, *shared.sockets], [], [])[0]
        if life in found:
            return 0
        if hears in found:
            os.read(hears, 100)
        for each in (each for each in found if each in shared.sockets):
            with suppress(BlockingIOError):
                answer(quarantine, each.accept()[0], stopping)
    return 0


def answer(quarantine: Quarantine, caller: object, stopping: list[int]) -> None:
    with caller as open_:  # type: ignore[attr-defined]
        open_.setblocking(True)
        word = open_.recv(100)
        try:
            digest = quarantine.digest("m", 1, word)
            with quarantine.trial(digest) as alone, quarantine.running([digest]):
                if word == b"die":
                    os.kill(os.getpid(), signal.SIGKILL)
                if word == b"leave":
                    os._exit(7)
                if word == b"slow":
                    time.sleep(0.3)
                if word == b"hang":
                    while True:
                        time.sleep(1)
                open_.sendall(f"{os.getpid()} {'alone' if alone else ''}".encode())
        except DrivetrainError as fault:
            open_.sendall(str(fault).encode())


def listening(found: Listening) -> None:
    heavy = sorted({"numpy", "onnxruntime", "grpc", "asyncio"}.intersection(sys.modules))
    say(json.dumps({"http": found.http, "models": found.models, "heavy": heavy}))


if __name__ == "__main__":
    try:
        sys.exit(supervise(Settings("models", http=0, workers=int(sys.argv[1])), work, listening))
    except DrivetrainError as fault:
        say(f"told: {fault}")
        sys.exit(fault.exit_code)
