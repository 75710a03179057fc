"""A whole server on a port of this machine, in a thread: what clients and browsers are tested against."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from drivetrain.serve.access import Gate
from drivetrain.serve.http import run, serve_http
from drivetrain.serve.protocols import routes
from drivetrain.serve.repository import Repository
from drivetrain.serve.router import Router
from drivetrain.serve.routes import Routes
from drivetrain.serve.servable import open_servable
from drivetrain.serve.server import Server
from drivetrain.serve.settings import Settings


class Running:
    """`url` is where it is."""

    def __init__(self, server: Server, port: int) -> None:
        self.server, self.port = server, port
        self.url = f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def serving(folder: Path, /, *, port: int = 0, **settings: Any) -> Iterator[Running]:
    """A server of the models in a folder, that looks there once."""
    told = Settings(str(folder), reload_seconds=settings.pop("reload_seconds", 0.0), **settings)
    told = dataclasses.replace(told, threads=1)
    sock = socket.create_server(("127.0.0.1", port))
    ready = threading.Event()
    made: list[Any] = []

    async def main() -> None:
        stop = asyncio.Event()
        repository = Repository(told, open=partial(open_servable, trusted=True))
        repository.scan()
        server = Server(
            told, repository=repository, router=Router(repository), routes=Routes(routes()), gate=Gate(told)
        )  # fmt: skip
        await server.start()
        listening = await serve_http(server, [sock], told)
        made.extend([server, asyncio.get_running_loop(), stop])
        ready.set()
        await stop.wait()
        await listening.close(2.0)
        await server.stop()

    thread = threading.Thread(target=run, args=(main(),))
    thread.start()
    try:
        assert ready.wait(60), "the server doesn't start"
        yield Running(made[0], sock.getsockname()[1])
    finally:
        if made:
            made[1].call_soon_threadsafe(made[2].set)
        thread.join(20)
        sock.close()
