"""A server in a process of its own, for tests that attack it or call it with clients of another environment.

python tests/grpc_server.py MODELS SETTINGS: serves the repository MODELS over gRPC and HTTP as the file SETTINGS says, and prints
both ports as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any


@contextmanager
def served(models: Path, toml: str = "") -> Iterator[Any]:
    """A running server: `.grpc` and `.http` are its ports, `.log()` its lines so far, `.memory()` the MiB and
    `.cpu()` the seconds that it takes."""
    settings = models.parent / "serve.toml"
    settings.write_text(toml)
    log = models.parent / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, __file__, str(models), str(settings)],
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        ports = json.loads(line)

        def memory() -> float:
            words = Path(f"/proc/{process.pid}/status").read_text().split()
            return int(words[words.index("VmRSS:") + 1]) / 1024

        def cpu() -> float:
            words = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

        yield SimpleNamespace(
            grpc=ports["grpc"], http=ports["http"], pid=process.pid, memory=memory, cpu=cpu,
            log=lambda: log.read_text().splitlines(), alive=lambda: process.poll() is None,
        )  # fmt: skip
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


async def _main(models: str, config: str) -> None:
    from drivetrain.serve.access import Gate
    from drivetrain.serve.grpc.server import serve_grpc
    from drivetrain.serve.http import serve_http
    from drivetrain.serve.load_settings import load_settings
    from drivetrain.serve.logs import Log
    from drivetrain.serve.repository import Repository
    from drivetrain.serve.router import Router
    from drivetrain.serve.servable import open_servable
    from drivetrain.serve.server import Server

    settings = load_settings(config, path=models)
    repository = Repository(settings, open=partial(open_servable, trusted=True, threads=1))
    repository.scan()
    server = Server(
        settings, repository=repository, router=Router(repository), gate=Gate(settings), log=Log()
    )
    await server.start()
    listening = socket.create_server(("127.0.0.1", 0))
    http = await serve_http(server, [listening], settings)
    grpc = await serve_grpc(server, "127.0.0.1:0", settings)
    print(json.dumps({"grpc": grpc.port, "http": http.port}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    from drivetrain.serve.http import run

    run(_main(*sys.argv[1:]))
