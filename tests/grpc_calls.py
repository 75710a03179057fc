"""A server over gRPC on a thread of this process, and calls of it with messages from its own protos."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
from serving import a_repository

from drivetrain.serve.access import Gate
from drivetrain.serve.grpc.messages import POOL, message
from drivetrain.serve.grpc.server import METHODS, serve_grpc
from drivetrain.serve.http import run
from drivetrain.serve.repository import Repository
from drivetrain.serve.router import Router
from drivetrain.serve.servable import open_servable
from drivetrain.serve.server import Server
from drivetrain.serve.settings import Settings

INFERENCE = "inference.GRPCInferenceService"
PREDICTION, STATUS = "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"


@contextmanager
def serving(*names: str, credentials: Any = None, **settings: Any) -> Iterator[Any]:
    """`.port`, `.server`, `.call(METHOD, fields)`, `.loop`: of a server of these models."""
    with tempfile.TemporaryDirectory() as folder:
        models = a_repository(Path(folder), *names)
        told = Settings(str(models), **settings)
        repository = Repository(told, open=partial(open_servable, trusted=True, threads=1))
        repository.scan()
        server = Server(told, repository=repository, router=Router(repository), gate=Gate(told))
        found = SimpleNamespace(server=server)
        started, ended = threading.Event(), asyncio.Event()

        async def main() -> None:
            found.loop = asyncio.get_running_loop()
            await server.start()
            listening = await serve_grpc(server, "127.0.0.1:0", told)
            found.port = listening.port
            started.set()
            await ended.wait()
            await listening.close(0.5)
            await server.stop()

        thread = threading.Thread(target=lambda: run(main()))
        thread.start()
        try:
            assert started.wait(20)
            address = f"localhost:{found.port}"
            found.channel = (
                grpc.insecure_channel(address)
                if credentials is None
                else grpc.secure_channel(address, credentials)
            )
            found.call = partial(call, found.channel)
            yield found
        finally:
            found.channel.close()
            found.loop.call_soon_threadsafe(ended.set)
            thread.join(20)


def path(method: str) -> str:
    """The whole path of a method by its name alone."""
    return next(known for known in METHODS if known.endswith(f"/{method}"))


def call(channel: grpc.Channel, method: str, asked: Any = None, timeout: float = 5, **more: Any) -> Any:
    """The answer to a message, or to fields of the one that the method takes."""
    _, service, name = path(method).split("/")
    about = POOL.FindServiceByName(service).methods_by_name[name]
    kind, reply = message(about.input_type.full_name), message(about.output_type.full_name)
    if asked is None or isinstance(asked, dict):
        asked = kind(**(asked or {}))
    raw = asked if isinstance(asked, bytes) else asked.SerializeToString()
    return reply.FromString(channel.unary_unary(path(method))(raw, timeout=timeout, **more))


def fault(channel: grpc.Channel, method: str, asked: Any = None, **more: Any) -> tuple[str, str]:
    """The code and the words of a refusal."""
    try:
        call(channel, method, asked, **more)
    except grpc.RpcError as refused:
        return refused.code().name, refused.details()  # type: ignore[attr-defined]
    raise AssertionError("it was answered")
