"""grpc.aio's server without its fatal flaw.

grpcio (1.85, and those before it as far as was looked) decodes the name of a method that nobody registered, in the task that takes
all calls: a name of two bytes that are not UTF-8 raises there, and the server never takes a call again. Here every method is
registered, so no such name is ever decoded, and what calls anything else is answered UNIMPLEMENTED without a look at its name.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import grpc

_core: Any = importlib.import_module("grpc._cython.cygrpc")
_AioServer: type[Any] = _core.AioServer


def _nothing(details: Any) -> None:
    del details


_NOTHING = SimpleNamespace(resolve_handler=_nothing)


class _Core(_AioServer):
    """The part of the server that takes calls."""

    async def _request_call(self) -> Any:
        """The next call of a method that isn't registered: each is refused here, so none is ever given on."""
        unknown: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        while True:
            call: Any = await _AioServer._request_call(self)
            refusal = _core._handle_rpc("", _NOTHING, (), call, loop, False)
            task = loop.create_task(_core._schedule_rpc_coro(refusal, call, loop, ""))
            unknown.add(task)  # The loop alone would let it go.
            task.add_done_callback(unknown.discard)


def listener(handlers: Mapping[str, Any], options: Sequence[tuple[str, int]]) -> Any:
    """A grpc.aio server that has these methods, by path, and no others."""
    _core.AioServer = _Core  # What grpc.aio makes its servers of.
    try:
        server = cast("Any", grpc.aio.server(options=options))
    finally:
        _core.AioServer = _AioServer
    server._server.add_registered_method_handlers(dict(handlers))
    return server
