"""The parent of the workers: who dies is replaced, who killed is not tried again, and the end is an orderly one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.serve.settings import Settings
from drivetrain.serve.supervise import supervise

SCRIPT = Path(__file__).parent / "supervised.py"


class Served:
    """A server that runs, and how to call it."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.told: dict[str, Any] = {}

    def begins(self) -> Served:
        """It has said its first line."""
        assert self.process.stdout
        self.first = self.process.stdout.readline()
        self.told = json.loads(self.first) if self.first.startswith("{") else {}
        return self

    def ask(self, word: str) -> str:
        """What is answered; "" where the worker died over it."""
        host, port = self.told["http"].removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as caller:
            caller.sendall(word.encode())
            try:
                return caller.recv(1000).decode()
            except ConnectionResetError:
                return ""

    def ends(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    made: list[Served] = []

    def begin(*words: str) -> Served:
        made.append(Served(*words))
        return made[-1].begins()

    yield begin
    for each in made:
        each.process.kill()
        each.process.communicate()


def test_the_parent_has_imported_nothing_heavy_and_says_where_it_is(serve: Callable[..., Served]) -> None:
    server = serve("2")
    assert server.told["heavy"] == []
    assert server.told["models"] == ["m"]
    assert server.ask("hello").strip().isdigit()


def test_a_worker_that_is_killed_is_there_again_within_two_seconds(serve: Callable[..., Served]) -> None:
    server = serve("1")
    before = ""
    for _ in range(3):
        now = server.ask("hello").strip()
        assert now != before
        before = now
        os.kill(int(now), signal.SIGKILL)
        begun = time.monotonic()
        server.ask("hello")  # It waits at the socket, which the parent holds.
        assert time.monotonic() - begun < 5
    assert server.ends() == 0


def test_an_input_that_kills_twice_is_refused_and_others_are_answered(serve: Callable[..., Served]) -> None:
    server = serve("1")
    assert server.ask("die") == ""
    assert server.ask("die") == ""
    assert "not tried any more" in server.ask("die")
    assert server.ask("leave") == ""  # Whatever way it went.
    assert server.ask("hello").strip().isdigit()
    assert server.ends() == 0
    assert server.process.stderr
    lines = [json.loads(line) for line in server.process.stderr.read().splitlines()]
    died = [line for line in lines if line["event"] == "worker died"]
    assert [line["reason"].split()[-1] for line in died] == ["SIGKILL", "SIGKILL", "7"]
    assert [line["quarantined"] for line in died] == [0, 1, 0]
    assert [line["starts_in"] for line in died] == [0.0, 0.25, 0.5]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_begun_is_answered_before_the_end(serve: Callable[..., Served], number: int) -> None:
    server = serve("1")
    host, port = server.told["http"].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as caller:
        caller.sendall(b"slow")
        time.sleep(0.1)
        assert server.ends(number) == 0
        assert caller.recv(100)
    with pytest.raises(ConnectionRefusedError):
        server.ask("hello")


def test_a_second_signal_ends_what_hangs(serve: Callable[..., Served]) -> None:
    server = serve("1")
    host, port = server.told["http"].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as caller:
        caller.sendall(b"hang")
        time.sleep(0.1)
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(0.3)
        assert server.ends() == 0


def test_no_worker_outlives_a_parent_that_was_killed(serve: Callable[..., Served]) -> None:
    server = serve("2")
    worker = int(server.ask("hello"))
    server.ends(signal.SIGKILL)
    end = time.monotonic() + 5
    while Path(f"/proc/{worker}/stat").exists() and time.monotonic() < end:
        if Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break  # Dead; it waits for whoever takes in orphans here.
        time.sleep(0.01)
    else:
        assert not Path(f"/proc/{worker}/stat").exists()


def test_a_hangup_has_the_workers_look(serve: Callable[..., Served]) -> None:
    server = serve("1")
    server.process.send_signal(signal.SIGHUP)
    assert server.process.stdout
    assert server.process.stdout.readline() == "looked\n"
    assert server.ends() == 0


def test_a_hangup_while_the_workers_begin_waits_until_they_have(serve: Callable[..., Served]) -> None:
    server = serve("2", "slow start")
    assert server.process.stdout
    listening, *looked = sorted(
        [server.first, *(server.process.stdout.readline() for _ in range(2))], reverse=True
    )
    assert json.loads(listening)["models"] == ["m"]
    assert looked == ["looked\n"] * 2
    assert server.ends() == 0


@pytest.mark.parametrize(
    ("fault", "said", "code"),
    [
        ("check", "told: m.bundle: the golden cases don't hold. Export it again.", 3),
        ("killed", "told: models: a worker could not start: it was ended by SIGKILL.", 1),
        ("bug", "told: a worker could not start: ZeroDivisionError.", 1),
    ],
)
def test_where_the_first_workers_cannot_begin_it_is_one_line(
    serve: Callable[..., Served], fault: str, said: str, code: int
) -> None:
    server = serve("2", fault)
    assert server.first.startswith(said)
    assert server.process.wait(10) == code


def never(*_: object) -> int:
    raise AssertionError("nothing is to be forked")


def test_a_port_that_is_taken_is_told_before_anything_is_forked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for options, name in (({"http": port}, "--http"), ({"http": None, "grpc": port}, "--grpc")):
            with pytest.raises(DrivetrainError, match=f"another program listens on port {port}") as caught:
                supervise(Settings("models", **options), never, never)  # type: ignore[arg-type]
            assert caught.value.where == f"{name} {port}"


def test_a_shared_port_is_taken_too() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(DrivetrainError, match="another program listens"):
            supervise(Settings("models", http=None, grpc=taken.getsockname()[1]), never, never)


def test_hosts_that_are_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for host in ("192.0.2.1", "no such host", "a" * 300):
        with pytest.raises(UsageError, match="no address of this machine"):
            supervise(Settings("models", host=host, http=0), never, never)
    with pytest.raises(UsageError, match="neither"):
        supervise(Settings("models", http=None), never, never)
