"""What stands before grpc's core, and lets through what honest callers send.

The core answers one connection's frames at the cost of all others: it goes through headers without end, and resets, pings and
settings as many as come. It has no limits for these, so connections are taken here, and the heads of their frames (9 bytes, RFC
9113, 4.1) are read before they go on, as they are, over a private socket of this process. Whoever goes beyond a limit is told
GOAWAY (ENHANCE_YOUR_CALM) and is hung up on. TLS ends here.

The private socket lies in a folder that this user alone may enter; each connection to it has a name, by which `Guard.callers`
knows who is behind it.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import struct
import tempfile
import time
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import cast

from drivetrain.serve.access import network
from drivetrain.serve.grpc.hpack import PADDED, PRIORITY, bare, fields
from drivetrain.serve.http.door import BODIES, common_name
from drivetrain.serve.http.listen import HANDSHAKE, LEAVING, SWEEP, room_for
from drivetrain.serve.server import Server

MOST_FIELDS, MOST_CONTINUATIONS = 200, 4
"""Of one call's headers."""
MOST_STREAMS = 1024
"""That a connection has begun and nobody has ended: the core refuses those beyond 512, one by one."""
FIELDS, FIELDS_PER_SECOND, A_CALL = 10_000, 100_000, 4
"""Header fields of one connection, at once and for long (each takes the core up to 2 microseconds), and what a call counts as."""
SPARE, SPARE_PER_SECOND, AN_ANSWER, A_RESET = 2000, 1000, 3, 3
"""The same of all frames that are neither a call nor its message: each counts as one, a reset as more, and each frame of an answer
allows some more."""
SMALL = 256
"""Bytes: a DATA frame below this that doesn't end its stream counts as such a frame."""
SHORT = 24
"""Bytes of headers below which each is taken for a field: the most that they can be."""
FORGET = 10.0
"""Seconds after its end in which a connection's caller is still known, to calls that begin late."""
LINES = 10
"""In the log, a second."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD = struct.Struct(">BHBBI")
_DATA, _HEADERS, _RST_STREAM, _CONTINUATION = 0, 1, 3, 9
_END_STREAM, _END_HEADERS = 1, 4
_GOAWAY = _HEAD.pack(0, 8, 7, 0, 0)
_ENHANCE_YOUR_CALM = 11


class Guard:
    """All connections of one worker."""

    def __init__(self, server: Server) -> None:
        self.server, self.limits = server, server.settings.limits
        self.loop = asyncio.get_running_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="drivetrain-"))
        self.callers: dict[str, tuple[str, str]] = {}
        """The name of a connection to the core -> its caller's address, and the name in its certificate."""
        self.connections: dict[_Outside, None] = {}
        self._networks: Counter[str] = Counter()
        """How many of them each network has."""
        self.leaving: set[asyncio.Transport] = set()
        """Of callers who were told to go, or to whom the last is said."""
        self.held, self.most_held = 0, BODIES * self.limits.body
        """Bytes of messages that came in and haven't been answered."""
        room_for(4 * self.limits.connections)  # Each has three files, and HTTP needs some.
        self._made, self._second, self._lines = 0, 0, 0
        self._listening: asyncio.Server | None = None
        self._sweeping = self.loop.call_later(SWEEP, self._sweep)

    @property
    def path(self) -> str:
        """Where the core listens: longer than any `name`, for what a system takes as a socket's name is short."""
        return str(self.folder / "core-of-grpc")

    async def listen(self, host: str, port: int, context: ssl.SSLContext | None, *, shared: bool) -> int:
        """Let callers in; the port. Raises OSError."""
        self._listening = await self.loop.create_server(
            lambda: _Outside(self),
            host,
            port,
            ssl=context,
            backlog=1024,
            reuse_port=shared or None,
            ssl_handshake_timeout=None if context is None else HANDSHAKE,
            ssl_shutdown_timeout=None if context is None else LEAVING,
        )
        return int(self._listening.sockets[0].getsockname()[1])

    def shut(self) -> None:
        """Nobody new."""
        if self._listening is not None:
            self._listening.close()

    async def close(self) -> None:
        """Nobody at all."""
        self.shut()
        self._sweeping.cancel()
        for transport in [*self.leaving, *(each.transport for each in self.connections)]:
            transport.abort()
        await asyncio.sleep(0)
        shutil.rmtree(self.folder, ignore_errors=True)

    def name(self) -> str:
        """A new one, for a connection to the core."""
        self._made += 1
        return str(self.folder / str(self._made))

    def add(self, new: _Outside) -> None:
        """Where there are too many, one goes of the network that has the most: the first that asks nothing."""
        self.connections[new] = None
        self._networks[new.network] += 1
        if len(self.connections) <= self.limits.connections:
            return
        heaviest = max(self._networks, key=self._networks.__getitem__)
        anybody = self._networks[heaviest] == 1
        found = (each for each in self.connections if anybody or each.network == heaviest)
        first = next(found)
        instead = new if anybody or new.network == heaviest else first
        idle = (each for each in chain((first,), found) if not each.streams and each is not new)
        next(idle, instead).end("connections")

    def remove(self, gone: _Outside) -> None:
        """It counts for nothing any more."""
        if gone in self.connections:
            del self.connections[gone]
            self.held -= gone.held
            self._networks[gone.network] -= 1
            if not self._networks[gone.network]:
                del self._networks[gone.network]

    def make_room(self) -> None:
        """Too much is in memory that waits for the rest, or for its answer: whoever has the most of it goes."""
        max(self.connections, key=lambda each: each.held).end("memory")

    def tell(self, reason: str, address: str) -> None:
        """Of a connection that was ended, once; the counter has all."""
        self.server.counters.refused(reason)
        second = int(time.monotonic())
        self._lines = self._lines + 1 if second == self._second else 1
        self._second = second
        if self.server.log is not None and self._lines <= LINES:
            self.server.log.event(
                "connection ended", "warning", protocol="grpc", reason=reason, address=address
            )

    def _sweep(self) -> None:
        self._sweeping = self.loop.call_later(SWEEP, self._sweep)
        late = time.monotonic() - self.limits.seconds_to_receive
        for connection in list(self.connections):
            if 0 < connection.since < late or 0 < connection.stalled < late:
                connection.end("timeout")


class _Beyond(Exception):
    """A limit is passed; why, as counters name it."""


class _Outside(asyncio.Protocol):
    """A caller's connection: what it sends."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.transport = cast("asyncio.Transport", None)
        self.core: _Inside | None = None
        self.address = self.network = self._certificate = ""
        self.streams: dict[int, int] = {}
        """Streams that are open -> bytes of them that wait for an answer."""
        self.held = 0
        self.since = self.stalled = 0.0
        """When it began to say what must come whole (hello, headers), and since when it reads nothing; 0: it hasn't."""
        self.spare, self._fields, self._filled = SPARE, FIELDS, 0.0
        self._rest, self._skip = b"", len(PREFACE)
        self._joining: asyncio.Task[None] | None = None
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.address = str((transport.get_extra_info("peername") or ("",))[0])
        self.network = network(self.address)
        self._certificate = common_name(transport.get_extra_info("peercert"))
        self.since = self._filled = time.monotonic()
        self.guard.add(self)

    def data_received(self, data: bytes) -> None:
        if self.ended:
            return
        if self._rest:
            data, self._rest = self._rest + data, b""
        try:
            if self.core is None:
                self._greeted(data)
                return
            at = self._read(data)
            if self.spare < 0 or self._fields < 0 or len(self.streams) > MOST_STREAMS:
                self._refill()
        except _Beyond as beyond:
            self.end(str(beyond))
            return
        except ValueError:
            self.end("syntax")
            return
        if at < len(data):
            data, self._rest = data[:at], data[at:]
        self.core.transport.write(data)
        if self.guard.held > self.guard.most_held:
            self.guard.make_room()

    def _greeted(self, data: bytes) -> None:
        """The core hears of a connection that has said hello."""
        self._rest = data
        if self._joining is None:
            if not PREFACE.startswith(data[: len(PREFACE)]):
                raise _Beyond("syntax")
            if len(data) >= len(PREFACE):
                self.transport.pause_reading()
                self._joining = self.guard.loop.create_task(self._join())

    async def _join(self) -> None:
        name = self.guard.name()
        private: socket.socket | None = None
        try:
            private = socket.socket(socket.AF_UNIX)
            private.setblocking(False)
            private.bind(name)
            private.connect(self.guard.path)
            Path(name).unlink()
            self.guard.callers[name] = self.address, self._certificate
            _, core = await self.guard.loop.create_unix_connection(lambda: _Inside(self, name), sock=private)
        except OSError:  # It is ending, or more have come at once than it has taken.
            if private is not None:
                private.close()
            self.end("connections")
            return
        if self.ended or self.transport.is_closing():
            core.transport.abort()
            return
        self.core, self.since = core, 0.0
        self.transport.resume_reading()  # First: what has come already may be too much, or the end.
        self.data_received(b"")

    def _read(self, data: bytes) -> int:
        """Look at the heads of all frames; how much of it may go on. Raises _Beyond."""
        at, end, streams = self._skip, len(data), self.streams
        while at + 9 <= end:
            high, low, kind, flags, stream = _HEAD.unpack_from(data, at)
            size = high << 16 | low
            if kind == _HEADERS:
                after = self._headers(data, at)
                if not after:
                    self.since = self.since or time.monotonic()
                    self._skip = 0
                    return at
                self.since = 0.0
                streams.setdefault(stream, 0)
                at = after
                continue
            at += 9 + size
            if kind == _DATA:
                if stream in streams:
                    streams[stream] += size
                    self.held += size
                    self.guard.held += size
                if size < SMALL and not flags & _END_STREAM:
                    self.spare -= 1
                continue
            if kind == _CONTINUATION:
                raise _Beyond("syntax")
            if kind == _RST_STREAM:
                self.answered(stream, whole=True)
                self.spare -= A_RESET
            else:
                self.spare -= 1 + size // SMALL
        self._skip = max(at - end, 0)
        return min(at, end)

    def _headers(self, data: bytes, at: int) -> int:
        """Where the headers end that begin here; 0 where they haven't come whole. Raises _Beyond."""
        most, pieces, total = self.guard.limits.headers // 2, list[bytes](), 0
        opened = _HEAD.unpack_from(data, at)
        while at + 9 <= len(data):
            high, low, kind, flags, stream = _HEAD.unpack_from(data, at)
            if pieces and (kind != _CONTINUATION or stream != opened[4]):
                raise _Beyond("syntax")
            size = high << 16 | low
            total += size
            if total > most or len(pieces) > MOST_CONTINUATIONS:
                raise _Beyond("size")
            pieces.append(data[at + 9 : at + 9 + size])
            at += 9 + size
            if at > len(data):
                return 0
            if flags & _END_HEADERS:
                block = pieces[0] if len(pieces) == 1 else b"".join(pieces)
                if opened[3] & (PADDED | PRIORITY):
                    block = bare(block, len(pieces[0]), opened[3])
                count = len(block) if len(block) <= SHORT else fields(block)
                if count > MOST_FIELDS:
                    raise _Beyond("size")
                self._fields -= A_CALL + count
                return at
        return 0

    def _refill(self) -> None:
        """Raises _Beyond where more came than a connection may send."""
        now = time.monotonic()
        passed, self._filled = now - self._filled, now
        self.spare = min(SPARE, self.spare + int(passed * SPARE_PER_SECOND))
        self._fields = min(FIELDS, self._fields + int(passed * FIELDS_PER_SECOND))
        if self.spare < 0 or self._fields < 0 or len(self.streams) > MOST_STREAMS:
            raise _Beyond("rate")

    def answered(self, stream: int, *, whole: bool) -> None:
        """An answer goes out, or the stream has ended: what came in of it is no longer waited for."""
        if held := self.streams.get(stream, 0):
            self.held -= held
            self.guard.held -= held
            self.streams[stream] = 0
        if whole:
            self.streams.pop(stream, None)

    def end(self, reason: str) -> None:
        """Hang up, and say why where nothing stands in between."""
        if self.ended:
            return
        self.guard.tell(reason, self.address)
        last, core = max(self.streams, default=0) & 0x7FFFFFFF, self.core
        self._leave()
        if core is None or core.inside_a_frame or reason == "timeout":
            self.transport.abort()
            return
        core.transport.abort()
        self.transport.write(_GOAWAY + struct.pack(">II", last, _ENHANCE_YOUR_CALM))
        self.transport.pause_reading()
        self.guard.leaving.add(self.transport)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        # What is closed with bytes unread is reset, and its caller may never read why.
        self.guard.loop.call_later(LEAVING, self.transport.abort)

    def gone(self) -> None:
        """The core has hung up: what it said last goes out, if it is read."""
        if not self.ended:
            self._leave()
            self.guard.leaving.add(self.transport)
            self.transport.close()
            self.guard.loop.call_later(self.guard.limits.seconds_to_receive, self.transport.abort)

    def pause_writing(self) -> None:
        self.stalled = time.monotonic()
        if self.core is not None and not self.core.transport.is_closing():
            self.core.transport.pause_reading()

    def resume_writing(self) -> None:
        self.stalled = 0.0
        if self.core is not None and not self.core.transport.is_closing():
            self.core.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self.guard.leaving.discard(self.transport)
        if self.core is not None:
            self.core.transport.abort()

    def _leave(self) -> None:
        self.ended = True
        self.guard.remove(self)
        self.held = 0
        self.streams.clear()


class _Inside(asyncio.Protocol):
    """Its connection to the core: what is answered."""

    def __init__(self, outside: _Outside, name: str) -> None:
        self._outside, self._name = outside, name
        self.transport = cast("asyncio.Transport", None)
        self._rest, self._skip = b"", 0

    @property
    def inside_a_frame(self) -> bool:
        return self._skip > 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        outside = self._outside
        if self._rest:
            data, self._rest = self._rest + data, b""
        at, end = self._skip, len(data)
        while at + 9 <= end:
            high, low, kind, flags, stream = _HEAD.unpack_from(data, at)
            at += 9 + (high << 16 | low)
            if kind == _DATA:
                if outside.spare < SPARE:
                    outside.spare += AN_ANSWER
                outside.answered(stream, whole=bool(flags & _END_STREAM))
            elif kind == _RST_STREAM or (kind == _HEADERS and flags & _END_STREAM):
                outside.answered(stream, whole=True)
        self._skip = max(at - end, 0)
        if at < end:
            data, self._rest = data[:at], data[at:]
        outside.transport.write(data)

    def pause_writing(self) -> None:
        if not self._outside.transport.is_closing():
            self._outside.transport.pause_reading()

    def resume_writing(self) -> None:
        if not self._outside.ended and not self._outside.transport.is_closing():
            self._outside.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        guard = self._outside.guard
        guard.loop.call_later(FORGET, guard.callers.pop, self._name, None)
        self._outside.gone()
