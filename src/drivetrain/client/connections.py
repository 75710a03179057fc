"""Connections to a server that are kept: shared by threads, each reply read within the time there is."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from drivetrain.client.call import IDLE_SECONDS, MOST_REPLY, PIECE, Address, Call, Reply
from drivetrain.errors import DrivetrainError


class Pool:
    """Connections to one server: as many as threads ask at once, `most` at most, the youngest used again first."""

    def __init__(self, address: Address, context: ssl.SSLContext | None, most: int) -> None:
        self.address, self.context = address, context
        self._free = threading.Semaphore(most)
        self._lock = threading.Lock()
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []

    def exchange(self, call: Call[Any], ends: float) -> Reply:
        with self.opened(call, ends) as reply:
            return whole(reply)

    def opened(self, call: Call[Any], ends: float) -> Open:
        """A reply of which the head is read. The connection goes back when it is read to its end."""
        if not self._free.acquire(timeout=max(0.0, ends - time.monotonic())):
            raise TimeoutError
        try:
            while True:
                connection, used = self._taken(_left(ends))
                try:
                    return Open(self, connection, _sent(connection, call, self.address, ends), ends)
                except (ConnectionError, http.client.BadStatusLine):
                    connection.close()
                    # One that was kept may have been closed by the server as we asked: then on a new one.
                    if not used:
                        raise
                except BaseException:
                    connection.close()
                    raise
        except BaseException:
            self._free.release()
            raise

    def _taken(self, seconds: float) -> tuple[http.client.HTTPConnection, bool]:
        while True:
            with self._lock:
                if not self._idle:
                    break
                connection, since = self._idle.pop()
            if time.monotonic() - since < IDLE_SECONDS and not _is_readable(connection.sock):
                return connection, True
            connection.close()
        host, port = self.address.host, self.address.port
        if self.context is None:
            made = http.client.HTTPConnection(host, port, timeout=seconds)
        else:
            made = http.client.HTTPSConnection(host, port, timeout=seconds, context=self.context)
        made.connect()
        made.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made, False

    def back(self, connection: http.client.HTTPConnection, again: bool) -> None:
        with self._lock:
            if again:
                self._idle.append((connection, time.monotonic()))
        if not again:
            connection.close()
        self._free.release()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()


class Open:
    """A reply that is being read, within the time there is."""

    def __init__(
        self,
        pool: Pool,
        connection: http.client.HTTPConnection,
        reply: http.client.HTTPResponse,
        ends: float,
    ) -> None:
        self.pool, self.connection, self.reply, self.ends = pool, connection, reply, ends
        self.status = reply.status
        self.headers = {name.lower(): value for name, value in reply.getheaders()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        # It is used again only where nothing of this reply can come any more.
        done = kind is None and (self.reply.isclosed() or self.reply.length == 0)
        if done:
            self.reply.read()
        self.pool.back(self.connection, done and not self.reply.will_close)

    def read(self) -> bytes:
        self._wait()
        return self.reply.read1(PIECE)

    def readline(self) -> bytes:
        self._wait()
        return self.reply.readline(PIECE)

    def _wait(self) -> None:
        if self.connection.sock is not None:
            self.connection.sock.settimeout(_left(self.ends))


def _sent(
    connection: http.client.HTTPConnection, call: Call[Any], address: Address, ends: float
) -> http.client.HTTPResponse:
    connection.sock.settimeout(_left(ends))
    connection.putrequest(call.method, address.prefix + call.path, skip_host=True, skip_accept_encoding=True)
    for name, value in call.head(address).items():
        connection.putheader(name, value)
    with suppress(BrokenPipeError):  # The server may have said no before all was sent.
        connection.endheaders(call.body or None)
    connection.sock.settimeout(_left(ends))
    return connection.getresponse()


def whole(reply: Open) -> Reply:
    """The reply, read to its end."""
    pieces: list[bytes] = []
    size = 0
    while piece := reply.read():
        pieces.append(piece)
        size += len(piece)
        if size > MOST_REPLY:
            raise DrivetrainError(
                "the server's reply has no end.", where=reply.pool.address.url, fix="Ask for less at once."
            )
    return Reply(reply.status, reply.headers, b"".join(pieces))


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _is_readable(sock: socket.socket) -> bool:
    """Whether an idle connection has something to say, which can only be that it was closed."""
    try:
        return bool(select.select([sock], [], [], 0)[0])
    except (OSError, ValueError):
        return True
