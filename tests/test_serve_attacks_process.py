"""All attacks over HTTP on `drivetrain serve` itself, as a process of its own with a model."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from http_attacks import ATTACKS
from http_server import body_of, post, read_all, status_of, statuses_of

BUNDLE = Path(__file__).parent / "bundles/format-2-houses.bundle"
GOLDEN = post("/models/houses/predict", b'{"area": 120, "town": "Bonn"}', "Connection: close")
TIMES = 10


def memory(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.slow
def test_a_server_that_was_attacked_is_as_before(tmp_path: Path):
    (tmp_path / "houses.bundle").write_bytes(BUNDLE.read_bytes())
    (tmp_path / "serve.toml").write_text(
        "[limits]\nbody = 1048576\nheaders = 8192\nseconds_to_receive = 5.0\n"
    )
    log = tmp_path / "log"
    command = [
        sys.executable,
        "-m",
        "drivetrain",
        "serve",
        "houses.bundle",
        "--http",
        "0",
        "--config",
        "serve.toml",
        "--json",
    ]
    with log.open("wb") as errors:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=errors)
    try:
        assert process.stdout is not None
        port = int(json.loads(process.stdout.readline())["http"].rpartition(":")[2])
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        worker = int(children[0])

        def say(*pieces: bytes) -> bytes:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    for piece in pieces:
                        sock.sendall(piece)
                return read_all(sock)

        def answers() -> object:
            return json.loads(body_of(say(GOLDEN)))["answers"]

        assert status_of(say(GOLDEN)) == 200
        first, before, there = answers(), 0, set(os.listdir(tmp_path))
        for round_ in range(TIMES):
            for one in ATTACKS:
                said = [
                    piece.replace(b"/models/tiny/", b"/models/houses/").replace(b"/echo", b"/models/houses/predict")
                    for piece in one.said
                ]  # fmt: skip
                statuses = statuses_of(say(*said))
                # Which words of a body are wrong is the model's business here: it may say 415 for what isn't JSON.
                assert statuses, one.name
                assert set(statuses) <= one.answers | {415}, one.name
                started = time.monotonic()
                assert answers() == first, one.name
                assert time.monotonic() - started < 1, one.name
            if not round_:
                before, opened = memory(worker), files(worker)
        assert memory(worker) - before < 64 * 2**20
        assert files(worker) <= opened
        assert set(os.listdir(tmp_path)) == there
        assert Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split() == children
        for line in log.read_bytes().splitlines():
            assert json.loads(line)["event"]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stdout is not None
        process.stdout.close()
