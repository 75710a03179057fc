"""What listens for gRPC, in a worker's event loop."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import grpc

from drivetrain.errors import NotInstalled, UsageError
from drivetrain.extras import installing
from drivetrain.serve.access import Gate
from drivetrain.serve.grpc import health, inference, reflection, tfserving
from drivetrain.serve.grpc.calls import Calls, Method
from drivetrain.serve.grpc.guard import Guard
from drivetrain.serve.grpc.listener import listener
from drivetrain.serve.http.listen import tls
from drivetrain.serve.logs import Log
from drivetrain.serve.server import Server
from drivetrain.serve.settings import Limits, Settings

OLDEST = (1, 84)
"""Earlier versions of grpcio inflate a compressed message whole before they hold it against the limit."""
MOST_STREAMS_OF_A_CONNECTION = 512
OLDEST_CONNECTION = 900.0
"""Seconds after which a connection is asked to end (its client makes another) and calls in it get `seconds_to_answer` more: what
a client neither reads nor ends is held no longer than that."""
METHODS: Mapping[str, Method] = inference.METHODS | tfserving.METHODS | health.METHODS | reflection.METHODS


_GRPC = logging.getLogger("grpc")
_GRPC.propagate = False


class GrpcServer:
    """It listens, until it is closed."""

    def __init__(self, listener: Any, guard: Guard, port: int, calls: Calls, log: Log | None) -> None:
        self._listener, self._guard, self.port, self._calls = listener, guard, port, calls
        self._complaints = None if log is None else _Complaints(log)
        if self._complaints is not None:
            _GRPC.addHandler(self._complaints)

    @property
    def running(self) -> int:
        """Calls that are under way."""
        return self._calls.running

    async def close(self, grace: float) -> None:
        """Take no new calls; those under way have `grace` seconds, then they are cancelled."""
        self._guard.shut()
        await self._listener.stop(grace)
        await self._guard.close()
        if self._complaints is not None:
            _GRPC.removeHandler(self._complaints)


class _Complaints(logging.Handler):
    """What grpc's Python part has to say, as lines of the server's log."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        fault = record.exc_info[1] if record.exc_info else None
        self._log.event(
            "grpc", record.levelname.lower(), says=record.getMessage(), fault=repr(fault) if fault else ""
        )


async def serve_grpc(server: Server, address: str, settings: Settings, *, shared: bool = False) -> GrpcServer:
    """Listen at an address ("127.0.0.1:8001"; port 0: the system's choice). `shared`: each worker of several listens at the same
    port, and the system parts new connections among them.

    Raises UsageError where the port is taken, FileError for certificates that can't be read."""
    if tuple(int(part) for part in grpc.__version__.split(".")[:2]) < OLDEST:
        raise NotInstalled(
            f"gRPC is served with grpcio {'.'.join(map(str, OLDEST))} or newer; {grpc.__version__} is installed.",
            fix=f"Install it with: {installing('serve')}",
        )
    if server.gate is None:  # Nothing is open because somebody forgot it.
        server.gate = Gate(settings)
    context = tls(settings.access, "h2")
    try:
        guard = Guard(server)
    except OSError as fault:
        raise _no_folder() from fault
    calls = Calls(server, guard.callers)
    handlers = {path: calls.handler(method) for path, method in METHODS.items()}
    listens = listener(handlers, _options(settings.limits))
    try:
        listens.add_insecure_port(f"unix:{guard.path}")
    except RuntimeError as fault:
        await guard.close()
        raise _no_folder() from fault
    await listens.start()
    host, _, port = address.rpartition(":")
    try:
        listening = await guard.listen(host.strip("[]"), int(port), context, shared=shared)
    except OSError:
        await listens.stop(None)
        await guard.close()
        raise UsageError(
            f"gRPC can't listen at {address}.", where="grpc", fix="Is the port taken? --grpc chooses another."
        ) from None
    return GrpcServer(listens, guard, listening, calls, server.log)


def _no_folder() -> UsageError:
    return UsageError(
        "gRPC needs a folder for temporary files, whose path isn't longer than 70 letters.",
        where="grpc",
        fix="The environment's TMPDIR says where it is.",
    )


def _options(limits: Limits) -> list[tuple[str, int]]:
    """What grpc's core holds to by itself, in C: sizes, numbers, and clocks of connections."""
    milliseconds = 1000
    return [
        ("grpc.max_receive_message_length", limits.body),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", limits.headers // 2),
        ("grpc.absolute_max_metadata_size", limits.headers),
        ("grpc.max_concurrent_streams", MOST_STREAMS_OF_A_CONNECTION),
        # The guard counts them. The core may hear that one has ended after it hears of the next, which it would refuse.
        ("grpc.max_allowed_incoming_connections", 2 * limits.connections),
        ("grpc.server_handshake_timeout_ms", int(limits.seconds_to_receive * milliseconds)),
        ("grpc.http2.settings_timeout", int(limits.seconds_to_receive * milliseconds)),
        ("grpc.max_connection_idle_ms", 300 * milliseconds),
        ("grpc.max_connection_age_ms", int(OLDEST_CONNECTION * milliseconds)),
        ("grpc.max_connection_age_grace_ms", int(limits.seconds_to_answer * milliseconds)),
        # A peer that has gone without a word is noticed within a minute and a half.
        ("grpc.keepalive_time_ms", 60 * milliseconds),
        ("grpc.keepalive_timeout_ms", 20 * milliseconds),
    ]
