"""Claim: a protocol class of our own on httptools answers more requests per CPU-second than uvicorn or granian with the same
checks, by enough to be worth 400 lines.

Method: one tiny handler behind each layer (bench/serving/layers.py), one process each on one core; 32 connections of one caller
process on the other core; a request of 9 bytes of JSON with an API key, answers checked. Five passes, the layers asked in turn in
each. CPU seconds of the server process (user and system) from /proc, so that other work on the machine doesn't count.
DRIVETRAIN_GRANIAN names a Python that has granian (with orjson, httptools, numpy), else it is left out."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from common import spread, write_result
from serving.load import load, post

PASSES, SECONDS, CONCURRENCY = 5, 2.0, 32
HERE = Path(__file__).parent
KEY = b"Authorization: Bearer dt_" + b"k" * 43 + b"\r\n"


def main() -> None:
    pythons = {"own": sys.executable, "own-asyncio": sys.executable, "uvicorn": sys.executable}
    if os.environ.get("DRIVETRAIN_GRANIAN"):
        pythons["granian"] = os.environ["DRIVETRAIN_GRANIAN"]
    found: dict[str, list[float]] = {layer: [] for layer in pythons}
    with ExitStack() as stack:
        servers = {layer: stack.enter_context(running(python, layer)) for layer, python in pythons.items()}
        for _ in range(PASSES):
            for layer, (port, pid) in servers.items():
                request = post("/models/tiny/predict", b'{"x": 20}', port=port).replace(
                    b"Host", KEY + b"Host", 1
                )
                before = cpu_seconds(pid)
                asked = load(port, request, CONCURRENCY, SECONDS, core=1)
                if asked["refused"] or asked["errors"] or not asked["answers"]:
                    sys.exit(f"{layer}: {asked}")
                found[layer].append(asked["answers"] / (cpu_seconds(pid) - before))
    write_result(
        "serve_http_layers",
        "requests per CPU-second of the server's process, 32 connections, tiny handler, the same checks on",
        {
            "requests_per_cpu_second": {layer: spread(rates) for layer, rates in found.items()},
            "own_over": {
                layer: spread([own / other for own, other in zip(found["own"], rates)])
                for layer, rates in found.items()
                if layer != "own"
            },
        },
    )


def cpu_seconds(pid: int) -> float:
    """Of a process and the children it has: granian works in one."""
    pids = [pid, *children(pid)]
    ticks = 0
    for each in pids:
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def running(python: str, layer: str) -> Iterator[tuple[int, int]]:
    """Port and process of a layer on core 0, from when it answers to the end of the bench."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [python, str(HERE / "serving/layers.py"), layer, str(port)], stdout=log, stderr=log, cwd=HERE / "serving",
            start_new_session=True, preexec_fn=lambda: os.sched_setaffinity(0, {0}),
        )  # fmt: skip
        try:
            for _ in range(200):
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if process.poll() is not None:
                    log.seek(0)
                    sys.exit(f"{layer} ended: {log.read().decode()[-2000:]}")
                time.sleep(0.1)
            yield port, process.pid
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(10)


if __name__ == "__main__":
    main()
