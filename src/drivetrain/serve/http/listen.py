"""Listening: what all connections of one process share, the watch over their deadlines, TLS, and the end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Coroutine, Sequence
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from drivetrain.errors import FileError
from drivetrain.extras import require
from drivetrain.files import open_regular
from drivetrain.serve.http.door import Answering, Door
from drivetrain.serve.http.heads import KnownHeads
from drivetrain.serve.settings import Access, Limits, Settings
from drivetrain.serve.types import LATE, Refusal

if TYPE_CHECKING:
    from drivetrain.serve.http.connection import Connection

SWEEP = 0.5
"""Seconds between two looks at all connections."""
QUIET = 75.0
"""Seconds that a connection may be quiet between two requests: longer than the minute after which load balancers close theirs,
which would else send a request into a connection that is just being closed."""
HANDSHAKE = 10.0
"""Seconds that TLS may take to begin."""
LEAVING = 2.0
"""Seconds that a refused client has to stop sending."""
PACE = 16 * 1024
"""Bytes per second at which an answer has to be read, on the average of `Limits.seconds_to_receive`."""


class Hub:
    """What all connections of one process share."""

    def __init__(self, server: Answering, settings: Settings) -> None:
        self.server = server
        self.door = Door(server, settings.limits.body)
        self.limits: Limits = settings.limits
        self.known = KnownHeads()
        self.loop = asyncio.get_running_loop()
        self.connections: dict[Connection, None] = {}
        self.date = formatdate(usegmt=True).encode()
        self._closing = False
        self.sweeping = self.loop.call_later(SWEEP, self.sweep)

    def tell(self, error: Exception) -> None:
        """A fault of ours, to whoever listens to those of the event loop."""
        self.loop.call_exception_handler({"message": "a request's answer failed", "exception": error})

    def stopping(self) -> bool:
        return self._closing or getattr(self.server, "stopping", False)

    def add(self, connection: Connection) -> None:
        """Where there are too many, the one goes that was opened first among those that ask nothing or haven't yet asked in
        full: so somebody who opens many and says little keeps nobody out."""
        self.connections[connection] = None
        if len(self.connections) > self.limits.connections:
            for other in self.connections:
                if other.phase in ("idle", "receiving", "leaving") and other is not connection:
                    break
            else:
                other = connection
            self.door.count("connections")
            self.remove(other)
            other.transport.abort()

    def remove(self, connection: Connection) -> None:
        self.connections.pop(connection, None)

    def sweep(self) -> None:
        """Look at every connection's clock."""
        self.sweeping = self.loop.call_later(SWEEP, self.sweep)
        self.date = formatdate(usegmt=True).encode()
        now, limits = time.monotonic(), self.limits
        for connection in list(self.connections):
            passed = now - connection.since
            if connection.paused or connection.phase == "leaving":
                self._hurry(connection, now)
            elif connection.phase == "receiving":
                if passed > limits.seconds_to_receive:
                    connection.stop(Refusal(408, "the request took too long to arrive"))
            elif connection.phase == "idle":
                if passed > (QUIET if connection.served else limits.seconds_to_receive) or self._closing:
                    connection.leave()
            elif passed > limits.seconds_to_answer and connection.task is not None and not connection.expired:
                connection.expired = True
                connection.task.cancel(LATE)

    def _hurry(self, connection: Connection, now: float) -> None:
        """End a connection whose other side reads its answer too slowly, or was refused and doesn't go."""
        left = connection.transport.get_write_buffer_size()
        patience = self.limits.seconds_to_receive if left else LEAVING
        if now - connection.since > patience:
            if connection.unsent - left < PACE * patience:
                connection.transport.abort()
            connection.unsent, connection.since = left, now

    async def close(self, grace: float) -> None:
        """Idle connections end now, others after their answer, all after `grace` seconds."""
        self._closing = True
        until = time.monotonic() + grace
        for connection in list(self.connections):
            if connection.phase == "idle":
                connection.leave()
        while self.connections and time.monotonic() < until:
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.transport.abort()
        await asyncio.sleep(0)
        self.sweeping.cancel()


class HttpServer:
    """What listens; `close` ends it."""

    def __init__(self, hub: Hub, listeners: Sequence[asyncio.AbstractServer], port: int) -> None:
        self._hub, self._listeners, self.port = hub, listeners, port

    async def close(self, grace: float = 10.0) -> None:
        """No new connections at once; idle ones end, others after their answer, all after `grace` seconds."""
        for listener in self._listeners:
            listener.close()
        await self._hub.close(grace)


async def serve_http(server: Answering, sockets: Sequence[socket.socket], settings: Settings) -> HttpServer:
    """Answer HTTP, or HTTPS where there is a certificate, on bound sockets. Raises NotInstalled without httptools, FileError for
    certificates that can't be read."""
    require("httptools", "Answering HTTP", "serve")
    from drivetrain.serve.http.connection import Connection

    hub = Hub(server, settings)
    room_for(settings.limits.connections)
    context = tls(settings.access)
    listeners = [
        await hub.loop.create_server(
            lambda: Connection(hub),
            sock=each,
            ssl=context,
            backlog=1024,
            ssl_handshake_timeout=None if context is None else HANDSHAKE,
            ssl_shutdown_timeout=None if context is None else LEAVING,
        )
        for each in sockets
    ]
    return HttpServer(
        hub, listeners, next((s.getsockname()[1] for s in sockets if s.family != socket.AF_UNIX), 0)
    )


def tls(access: Access, protocol: str = "http/1.1") -> ssl.SSLContext | None:
    """TLS 1.2 and newer with the server's certificate, and with one of each caller's where there is an authority for them."""
    if not access.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([protocol])
    for path in filter(None, (access.certificate, access.private_key, access.client_authority)):
        with open_regular(path):
            pass  # OpenSSL doesn't say which of them it can't open.
    try:
        # The password is for a key that has one: without it OpenSSL would ask the terminal, and wait.
        context.load_cert_chain(access.certificate, access.private_key or None, password="")
        if access.client_authority:
            context.load_verify_locations(access.client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError):
        raise FileError(
            "the certificates can't be used.", where="[access]",
            fix="Check certificate, private_key and client_authority: PEM files that belong together, the key without a password.",
        ) from None  # fmt: skip
    return context


def room_for(connections: int) -> None:
    """Let this process have as many files open as connections need, as far as the system allows."""
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 512
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if most > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """`asyncio.run` on uvloop, or on the standard library's loop where there is no uvloop (Windows)."""
    try:
        from uvloop import new_event_loop as factory
    except ImportError:
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)
