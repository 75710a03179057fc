"""grpc.aio's server, with calls taken in another way.

grpcio (1.85, and those before it as far as was looked) decodes the name of a method that nobody registered, in the one task that
takes all calls: a name of two bytes that are not UTF-8 raises there, and the server never takes a call again. Here every method is
registered, so no such name is ever decoded, and what calls anything else is answered UNIMPLEMENTED without a look at its name.
Each method has a task of its own that takes its calls: grpc's one task looks through all methods for every call.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import grpc

_core: Any = importlib.import_module("grpc._cython.cygrpc")
_AioServer: type[Any] = _core.AioServer


class _Core(_AioServer):
    """The part of the server that takes calls."""

    _handlers: dict[str, Any]
    _tasks: set[asyncio.Task[None]]
    _ended: asyncio.Future[None]

    def add_registered_method_handlers(self, handlers: dict[str, Any]) -> None:
        self._handlers, self._tasks = handlers, set()
        self._ended = asyncio.get_running_loop().create_future()
        _AioServer.add_registered_method_handlers(self, handlers)

    def _make_request_call_future(self, method: bytes | None) -> asyncio.Future[None]:
        """Asked for the next call of a method, or of one that isn't registered, when the server starts: they are taken here, and
        grpc's own task gets none. What it waits for comes at the end."""
        self._start(self._take(method))
        return self._ended

    async def _take(self, method: bytes | None) -> None:
        name = "" if method is None else method.decode()
        handler = self._handlers.get(name)
        resolver = SimpleNamespace(resolve_handler=_always(handler))
        loop = asyncio.get_running_loop()
        try:
            while True:
                asked = (
                    _AioServer._request_call(self)
                    if method is None
                    else _AioServer._request_registered_call(self, method)
                )
                call: Any = await asked
                answer = _core._handle_rpc(name, resolver, (), call, loop, False)
                self._start(_core._schedule_rpc_coro(answer, call, loop, name))
        except Exception as fault:  # noqa: BLE001 - the server ends, or it is broken: grpc's own task is told.
            if not self._ended.done():
                self._ended.set_exception(fault)

    def _start(self, work: Any) -> None:
        """The loop alone would let a task go."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _always(handler: Any) -> Callable[[Any], Any]:
    def resolve(details: Any) -> Any:
        del details
        return handler

    return resolve


def listener(handlers: Mapping[str, Any], options: Sequence[tuple[str, int]]) -> Any:
    """A grpc.aio server that has these methods, by path, and no others."""
    _core.AioServer = _Core  # What grpc.aio makes its servers of.
    try:
        server = cast("Any", grpc.aio.server(options=options))
    finally:
        _core.AioServer = _AioServer
    server._server.add_registered_method_handlers(dict(handlers))
    return server
