"""Claim: 500 connections that send a byte now and then, or don't read their answers, cost other callers less than 5 % of their
throughput.

Method: `drivetrain serve` with a tiny bundle on core 0; 32 connections of one caller process on core 1, one row a request. Six
pairs of passes, without and with 500 slow connections (a quarter each: in the request's line, in its headers, in its body, not
reading an answer of 60 KB), which send a byte a second and are opened again when the server ends them. Answers a second, and per
CPU-second of the server's process, from /proc, so that other work on the machine doesn't count."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from common import spread, write_result
from serve_http_layers import cpu_seconds
from serving.load import load, post

PAIRS, SECONDS, CONCURRENCY, SLOW = 6, 2.0, 32, 500
BUNDLE = Path(__file__).parents[1] / "tests/bundles/format-2-houses.bundle"
BEGINNINGS = (
    b"GE",
    b"GET /models HTTP/1.1\r\nHost: localhost\r\nX-A: ",
    b"POST /models/houses/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n",
    b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n",
)


def main() -> None:
    rates: dict[str, list[float]] = {"alone": [], "crowded": []}
    work: dict[str, list[float]] = {"alone": [], "crowded": []}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(BUNDLE, Path(folder) / "houses.bundle")
        with running(Path(folder) / "houses.bundle") as (port, worker):
            request = post("/models/houses/predict", b'{"area": 120, "town": "Bonn"}', port=port)

            def ask(name: str) -> None:
                before = cpu_seconds(worker)
                found = load(port, request, CONCURRENCY, SECONDS, core=1)
                if found["refused"] or found["errors"] or not found["answers"]:
                    sys.exit(f"{name}: {found}")
                rates[name].append(found["answers"] / found["seconds"])
                work[name].append(found["answers"] / (cpu_seconds(worker) - before))

            ask("alone")
            rates["alone"].clear()
            work["alone"].clear()
            for _ in range(PAIRS):
                ask("alone")
                with slow_callers(port):
                    ask("crowded")
    write_result(
        "serve_slow_connections",
        "answers of a server while 500 slow connections hold on to it, over those without them",
        {
            "requests_per_second": {name: spread(each) for name, each in rates.items()},
            "requests_per_cpu_second": {name: spread(each) for name, each in work.items()},
            "kept_per_second": spread([b / a for a, b in zip(rates["alone"], rates["crowded"])]),
            "kept_per_cpu_second": spread([b / a for a, b in zip(work["alone"], work["crowded"])]),
        },
    )


@contextmanager
def slow_callers(port: int):
    stop, held = threading.Event(), [opened(port, i) for i in range(SLOW)]

    def drip() -> None:
        while not stop.wait(1):
            for i, sock in enumerate(held):
                try:
                    sock.sendall(b"x")
                except OSError:
                    sock.close()
                    held[i] = opened(port, i)

    thread = threading.Thread(target=drip)
    thread.start()
    time.sleep(1)  # What opening them costs is no slowness.
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for sock in held:
            sock.close()


def opened(port: int, kind: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    with suppress(OSError):
        sock.sendall(BEGINNINGS[kind % len(BEGINNINGS)])
    return sock


@contextmanager
def running(bundle: Path):
    """Port of a server on core 0, and the process of its worker."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "drivetrain", "serve", str(bundle), "--http", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, {0}),
    )  # fmt: skip
    try:
        for _ in range(200):
            with socket.socket() as tried, suppress(OSError):
                tried.settimeout(1)
                tried.connect(("127.0.0.1", port))
                tried.sendall(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
                if tried.recv(12) == b"HTTP/1.1 200":
                    break
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


if __name__ == "__main__":
    main()
