"""One connection: bytes in, requests out; responses in, bytes out.

    idle -> receiving -> answering -> idle ...      and from any of them -> leaving -> closed

Requests are answered one at a time, in their order. What is wrong with a request is known as early as it can be: its line and
headers before the body (who may call, too), the body's size while it comes in. There is no timer per request: `Hub.sweep`
looks at all connections twice a second.

What isn't here, because llhttp refuses it by itself: Content-Length together with Transfer-Encoding, two Content-Lengths,
folded headers, lines that end without CR, control signs in headers, chunk sizes that aren't plain hexadecimal
(tests/http_attacks.py)."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Literal, TypeVar, cast

import httptools

from drivetrain.serve import refusals
from drivetrain.serve.http import heads
from drivetrain.serve.http.body import too_large
from drivetrain.serve.http.door import common_name
from drivetrain.serve.types import LATE, Caller, Refusal, Request, Response

if TYPE_CHECKING:
    from drivetrain.serve.http.listen import Hub

Turn = tuple[Request, Refusal | None, Mapping[str, str], bool, bool]
"""A request whose turn to be answered comes: why it gets no answer, headers beside the answer's own, whether the connection
stays, and whether it takes chunks."""

Phase = Literal["idle", "receiving", "answering", "leaving"]

PIPELINED = 64
"""Requests that one connection may have sent ahead of their answers; the connection ends after them, and the rest may be sent
again."""

SMALL = 64 * 1024
"""Bytes of a body that are worth reading for nothing, so that a refusal doesn't end the connection."""


_NONE: Mapping[str, str] = {}

Callback = TypeVar("Callback", bound=Callable[..., None])


def _kept(callback: Callback) -> Callback:
    """The parser raises an exception of its own for one of a callback; `fault` keeps the callback's."""

    def called(self: Connection, *given: bytes) -> None:
        try:
            callback(self, *given)
        except Exception as fault:
            self.fault = fault
            raise

    return cast("Callback", called)


class Connection(asyncio.Protocol):
    """The protocol class that asyncio (or uvloop) calls."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.parser = httptools.HttpRequestParser(self)
        self.certificate = ""
        self.anybody = Caller()  # Who asks, as long as nobody has looked at a key.
        self.phase: Phase = "idle"
        self.since = 0.0  # When the phase began, or in it something last moved.
        self.served = False  # Whether a request was answered: who has asked well may be quiet for longer.
        # The request that comes in:
        self.url = b""
        self.headers: dict[str, str] = {}
        self.size = 0  # Of its line and headers, as far as they were told by the parser.
        self.raw = 0  # Bytes since the last request's end, at most one read too few.
        self.got = 0  # Bytes of its body.
        self.pieces = bytearray()
        self.holds = 0  # Bytes of it that count as a large body's in memory.
        self.request: Request | None = None  # Set once its headers are there.
        self.refused: Refusal | None = None
        self.shared: Mapping[str, str] = {}  # Headers for a page of another origin.
        self.fault: Exception | None = None
        self.stopped = False  # Nothing more is read as HTTP.
        self.between = True  # The next byte is for certain the first of a request.
        self.read = b""  # What is being read, where it began so.
        # Those that wait for their answers:
        self.held = 0  # Bytes of their large bodies.
        self.queue: deque[Turn] = deque()
        self.task: asyncio.Task[None] | None = None  # One for all of them, from the first request on.
        self.more: asyncio.Future[None] | None = None  # What it waits for while there is nothing to answer.
        self.expired = False
        self.paused = False  # The other side doesn't read what was sent.
        self.drained: asyncio.Future[None] | None = None
        self.unsent = 0

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        address = str(cast("tuple[object, ...]", peer)[0]) if isinstance(peer, tuple) else ""
        self.anybody = Caller("", address, frozenset())
        self.certificate = common_name(transport.get_extra_info("peercert"))
        self.since = time.monotonic()
        self.hub.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.hub.remove(self)
        self.stopped = True
        self.queue.clear()
        self.held += self.holds
        self._expect_next()
        self._release()
        if self.drained is not None and not self.drained.done():
            self.drained.cancel()
        if self.task is not None:
            self.task.cancel()

    def eof_received(self) -> bool:
        """Who closes the connection wants no answer any more: asyncio closes our side and calls `connection_lost`."""
        return False

    def data_received(self, data: bytes) -> None:
        if self.stopped:
            self.raw += len(data)
            if self.raw > self.hub.limits.body:
                self.transport.abort()
            return
        if self.between and self._known(data):
            return
        self.read, self.between = data if self.between else b"", False
        if self.phase == "idle":
            self.phase, self.since = "receiving", time.monotonic()
        self.raw += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError as error:
            reason, self.fault = self.fault, None
            if isinstance(reason, Refusal):
                self.stop(reason)
            elif not isinstance(reason, _Enough):
                self.hub.tell(reason or error)
                self.stop(Refusal(500, "something went wrong in this server"))
        except httptools.HttpParserError as error:
            # Whatever follows "Connection: close" means nothing.
            if not self.queue or self.queue[-1][3]:
                self.stop(Refusal(400, f"this is no HTTP request: {error}"))
        else:
            self._check_framing()

    def pause_writing(self) -> None:
        self.paused = True
        self.unsent, self.since = self.transport.get_write_buffer_size(), time.monotonic()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.paused = False
        self.since = time.monotonic()
        if self.drained is not None and not self.drained.done():
            self.drained.set_result(None)
        if not self.queue:
            self.transport.resume_reading()

    # What the parser tells. An exception in here ends its work: it comes out of `feed_data`

    @_kept
    def on_url(self, url: bytes) -> None:
        self.url += url
        self.size += len(url)
        if self.size > self.hub.limits.headers:
            raise Refusal(414, "the request's address is too long")

    @_kept
    def on_header(self, name: bytes, value: bytes) -> None:
        self.size += len(name) + len(value) + 4
        if self.size > self.hub.limits.headers:
            raise Refusal(431, f"the request's headers have more than {self.hub.limits.headers} bytes")
        if self.request is None:  # Else it is a trailer, and nobody waits for one.
            key = name.decode("ascii").lower()
            known = self.headers.get(key)
            if known is not None and key == "host":
                raise Refusal(400, "the request has two Host headers")
            text = value.decode("latin-1")
            self.headers[key] = text if known is None else f"{known}, {text}"

    @_kept
    def on_headers_complete(self) -> None:
        headers, hub = self.headers, self.hub
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise Refusal(405, "this server is no proxy")
            return  # See `_without_upgrade`.
        request = self.request = Request(
            self.parser.get_method().decode("ascii"),
            "",
            headers=headers,
            caller=self.anybody,
            id=hub.door.request_id(headers.get("x-request-id")),
            arrived=self.since if self.phase == "receiving" else time.monotonic(),
        )
        version, chunked = self.parser.get_http_version(), headers.get("transfer-encoding")
        if version not in ("1.1", "1.0"):
            raise Refusal(505, "this server speaks HTTP/1.1 and HTTP/1.0")
        if chunked is not None and (chunked.lower() != "chunked" or version == "1.0"):
            raise Refusal(501, "this server knows one Transfer-Encoding: chunked, of HTTP/1.1")
        length = int(headers.get("content-length") or "0")
        if length > hub.limits.body:
            raise too_large(hub.limits.body)
        try:
            request.path, request.query = heads.target(self.url, headers.get("host", ""))
            self.shared = hub.door.admit(request, self.anybody.address, self.certificate, version)
        except Refusal as refusal:
            if chunked or length > SMALL or "expect" in headers:
                raise
            self.refused = refusal
        else:
            if "expect" in headers and version == "1.1":
                self._continue(headers["expect"])

    @_kept
    def on_body(self, data: bytes) -> None:
        self.got += len(data)
        if self.refused is not None:
            return
        self.pieces += data
        if len(self.pieces) > SMALL:
            if len(self.pieces) > self.hub.limits.body:
                raise too_large(self.hub.limits.body)
            self.hub.door.hold(len(data))
            self.holds += len(data)

    @_kept
    def on_message_complete(self) -> None:
        request, refused = self.request, self.refused
        if request is None:
            return
        request.body = bytes(self.pieces)
        enough = len(self.queue) + 1 >= PIPELINED
        keep = self.parser.should_keep_alive() and not enough
        chunks = self.parser.get_http_version() == "1.1"
        if self.read:
            self._learn(request, refused is None and keep and chunks)
        self._enqueue((request, refused, self.shared, keep, chunks))
        if enough:
            self.stopped = True
            raise _Enough

    # A request's way to its answer

    def _learn(self, request: Request, plain: bool) -> None:
        """Where what was read is this one request, and no byte more, the next byte begins another, and the same head will say the
        same again."""
        data, self.read = self.read, b""
        head = data[: data.find(b"\r\n\r\n") + 4]
        self.between = len(head) + len(request.body) == len(data)
        if plain and self.between:
            self.hub.known.keep(head, request)

    def _known(self, data: bytes) -> bool:
        """Whether this is a whole request with a head that was read before: then there is nothing in it for the parser, which
        stands where it stood. Who asks, and whether they may, is looked at each time."""
        if self.phase != "idle":
            return False
        end = data.find(b"\r\n\r\n") + 4
        known = self.hub.known.heads.get(data[:end])
        if known is None or len(data) - end != known.length:
            return False
        self.phase, self.since = "answering", time.monotonic()
        door = self.hub.door
        request = Request(
            known.method, known.path, known.query, known.headers, data[end:], self.anybody,
            door.request_id(known.headers.get("x-request-id")), self.since,
        )  # fmt: skip
        shared, refused = _NONE, None
        try:
            shared = door.admit(request, self.anybody.address, self.certificate, "1.1")
        except Refusal as refusal:
            refused = refusal
        self.queue.append((request, refused, shared, True, True))
        self._wake()
        return True

    def _without_upgrade(self, rest: bytes) -> None:
        """Read a request that offers another protocol as if it didn't: nobody must take the offer (RFC 9110 7.8), but Java's
        client makes it (h2c) with each request, body or not. The parser takes what follows such a head for the other protocol."""
        version = self.parser.get_http_version()
        plain = heads.without_upgrade(self.parser.get_method(), self.url, version, self.headers)
        self._expect_next()
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(plain + rest)

    def _continue(self, expected: str) -> None:
        if expected.lower() != "100-continue":
            raise Refusal(417, "this server knows one expectation: 100-continue")
        # Behind requests that wait it would seem to be their answer; without it a client sends its body a second later.
        if not self._working() and not self.queue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _check_framing(self) -> None:
        """Refuse a head that doesn't end, and a body that is mostly chunk sizes, extensions and trailers: what isn't body may
        have as many bytes as a head, and a 64th of the body."""
        most = self.hub.limits.headers
        if self.request is None:
            if self.raw > most:
                self.stop(Refusal(431, f"the request's headers have more than {most} bytes"))
        elif self.raw - self.got > 2 * most + self.got // 64:
            self.stop(
                Refusal(
                    400, "the body comes in too many small chunks, or its chunks have too many extensions"
                )
            )

    def stop(self, refusal: Refusal) -> None:
        """What came can't be answered otherwise, nor can anything that follows be read."""
        request = self.request or Request(
            "", "", caller=self.anybody, id=self.hub.door.request_id(None), arrived=time.monotonic()
        )
        self.stopped = True
        self._enqueue((request, refusal, self.shared, False, False))

    def _enqueue(self, turn: Turn) -> None:
        self.held += self.holds
        self._expect_next()
        self.queue.append(turn)
        if self._working():
            self.transport.pause_reading()
        else:
            self.phase, self.since = "answering", time.monotonic()
            self._wake()

    def _working(self) -> bool:
        return self.task is not None and self.more is None

    def _wake(self) -> None:
        """Have the first of the queue answered."""
        if self.more is not None:
            self.more.set_result(None)
            self.more = None
        else:
            self.task = self.hub.loop.create_task(self._work())

    def _expect_next(self) -> None:
        self.url, self.headers, self.shared, self.pieces = b"", {}, {}, bytearray()
        self.size = self.raw = self.got = self.holds = 0
        self.request = self.refused = None

    def _release(self) -> None:
        """The large bodies that were answered don't count any more."""
        if self.held:
            self.hub.door.hold(-self.held)
            self.held = 0

    async def _work(self) -> None:
        """Answer what comes, in order, as long as the connection stays."""
        while await self._answer_all():
            self.served = True
            self._release()
            self.phase = "receiving" if self.raw or self.size else "idle"
            if not self.paused:
                self.transport.resume_reading()
            self.more = self.hub.loop.create_future()
            await self.more

    async def _answer_all(self) -> bool:
        """Answer what waits. Gives whether the connection stays."""
        while self.queue:
            request, refused, shared, keep, chunks = self.queue.popleft()
            try:
                door = self.hub.door
                response = await door.answer(request) if refused is None else door.refuse(request, refused)
            except asyncio.CancelledError:
                if not self.expired:
                    raise
                response = self._late(request)
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody waits for ever.
                self.hub.tell(error)
                response = refusals.response(error, request)
            if shared:
                response.headers = {**response.headers, **shared}
            keep = keep and not self.hub.stopping() and (chunks or isinstance(response.body, bytes))
            ending = (
                b"Connection: close\r\n" if not keep else b"" if chunks else b"Connection: keep-alive\r\n"
            )
            if isinstance(response.body, bytes):
                self._write(request, response, response.body, ending)
            else:
                await self._stream(request, response, response.body, ending, chunks)
            if self.transport.is_closing():
                return False
            self.since = time.monotonic()
            if not keep:
                self._release()
                self.task = None
                self.leave()
                return False
            if self.paused and self.queue:
                await self._until_drained()
        return True

    def _late(self, request: Request) -> Response:
        """What is answered where `Hub.sweep` has ended the work."""
        self.expired = False
        cast("asyncio.Task[None]", asyncio.current_task()).uncancel()
        # The server has told whoever counts and logs that this request ended.
        return refusals.response(Refusal(503, LATE, headers={"Retry-After": "1"}), request)

    def _write(self, request: Request, response: Response, body: bytes, ending: bytes) -> None:
        empty = response.status in (204, 304)
        length = b"" if empty else b"Content-Length: %d\r\n" % len(body)
        head = heads.head(request, response, self.hub.date, length, ending)
        if empty or request.method == "HEAD":
            self.transport.write(head)
        elif len(body) < SMALL:
            self.transport.write(head + body)
        else:
            self.transport.write(head)
            self.transport.write(body)

    async def _stream(
        self, request: Request, response: Response, pieces: AsyncIterator[bytes], ending: bytes, chunks: bool
    ) -> None:
        """Each piece as soon as it is there. What fails in the middle ends the connection before the last chunk, so that
        nobody takes a part for the whole."""
        try:
            length = b"Transfer-Encoding: chunked\r\n" if chunks else b""
            self.transport.write(heads.head(request, response, self.hub.date, length, ending))
            if request.method == "HEAD":
                return
            async for piece in pieces:
                if piece:
                    self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunks else piece)
                    self.since = time.monotonic()
                    if self.paused:
                        await self._until_drained()
            if chunks:
                self.transport.write(b"0\r\n\r\n")
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer ends here.
            self.hub.tell(error)
            self.transport.abort()
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()

    async def _until_drained(self) -> None:
        self.drained = self.hub.loop.create_future()
        try:
            await self.drained
        finally:
            self.drained = None

    # The end

    def leave(self) -> None:
        """Close, but where the other side may be sending still say so first and read on for a moment: a connection that is closed
        with bytes unread is reset, and the answer lost on its way."""
        self.queue.clear()
        self.phase, self.since, self.raw = "leaving", time.monotonic(), 0
        self.unsent = self.transport.get_write_buffer_size()
        if not self.stopped:
            self.stopped = True
            self.transport.close()
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.resume_reading()


class _Enough(Exception):
    """More requests came ahead of their answers than are taken."""
