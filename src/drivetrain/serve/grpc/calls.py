"""What each call goes through, whichever service it is of:

    who calls -> receive -> parse -> the service's handler -> send, or refuse

A call is refused before its message is read where the caller has no right to it, and a message that doesn't come, or an answer
that isn't taken, holds nobody up: `Calls` bounds how long, and how many at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote

import grpc

from drivetrain.serve import refusals
from drivetrain.serve.grpc.messages import Message, message, service
from drivetrain.serve.grpc.weight import refuse_heavy
from drivetrain.serve.logs import Log, request_id
from drivetrain.serve.server import Server
from drivetrain.serve.settings import Limits
from drivetrain.serve.types import Caller, Refusal, Request, Right

Unary = Callable[[Server, Message, Request], Awaitable[Message]]
Stream = Callable[[Server, AsyncIterator[Message], Request], AsyncIterator[Message]]

_grpc: Any = grpc
EOF: Any = _grpc.aio.EOF
CODES: Mapping[int, Any] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    412: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""HTTP's statuses, which a Refusal has -> gRPC's codes."""
MOST_RECEIVING = 256
"""Messages that come in at the same time; of more, whoever has been at it for longer than PROMPT seconds is refused."""
PROMPT = 1.0
MOST_STREAMS = 128
IDLE = 600.0
"""Seconds after which a stream in which nobody says anything is ended."""
LONGEST_WORDS = 1000
"""Letters of an error: it goes back as a header."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a service: which message it takes, who may call it, and what answers."""

    path: str
    takes: Any
    right: Right
    handler: Any
    words: str
    """The attribute of a Refusal that has this service's own words for it, where there are some ("v1", "v2")."""
    streams: bool


def methods(
    name: str, handlers: Mapping[str, tuple[Unary | Stream, Right]], words: str = ""
) -> dict[str, Method]:
    """Of the service `name`, by path: each of its methods has a handler."""
    found: dict[str, Method] = {}
    for method in service(name).methods:
        handler, right = handlers[method.name]
        path = f"/{name}/{method.name}"
        streams = bool(method.server_streaming)
        found[path] = Method(path, message(method.input_type.full_name), right, handler, words, streams)
    return found


class Calls:
    """The calls that are under way in one worker."""

    def __init__(self, server: Server, callers: Mapping[str, tuple[str, str]]) -> None:
        """`callers`: who is behind a connection to grpc's core (see `guard`)."""
        self._server, self._callers = server, callers
        self._limits: Limits = server.settings.limits
        self._receiving: dict[asyncio.Timeout, float] = {}
        """Whose message is coming in -> since when; those that came first stand first."""
        self.running = self.streams = 0

    def handler(self, method: Method) -> Any:
        """What grpc calls for a method, with a context alone: nothing of the message has been read."""
        if method.streams:

            async def stream(_: Any, context: Any) -> None:
                await self._stream(method, context)

            return _grpc.stream_stream_rpc_method_handler(stream)

        # One message comes in, and yet it is read as a stream: so the call is looked at before its message, and has a clock.
        async def unary(_: Any, context: Any) -> bytes:
            return await self._unary(method, context)

        return _grpc.stream_unary_rpc_method_handler(unary)

    # --- one message in, one out --------------------------------------------------------------------------

    async def _unary(self, method: Method, context: Any) -> bytes:
        async with self._call(method, context) as request:
            async with asyncio.timeout(self._limits.seconds_to_receive) as clock:
                asked = await self._received(method, context, request, clock)
                clock.reschedule(asyncio.get_running_loop().time() + self._limits.seconds_to_answer)
                reply = await method.handler(self._server, asked, request)
            context.set_trailing_metadata((("x-request-id", request.id),))
            return reply.SerializeToString()

    async def _received(
        self, method: Method, context: Any, request: Request, clock: asyncio.Timeout
    ) -> Message:
        """The one message of a call. Raises Refusal; TimeoutError where it doesn't come."""
        now = time.monotonic()
        self._receiving[clock] = now
        while len(self._receiving) > MOST_RECEIVING:
            slowest = next(iter(self._receiving))
            if now - self._receiving[slowest] <= PROMPT:
                break
            del self._receiving[slowest]
            if not slowest.expired():  # One that has run out just now can't be set again.
                slowest.reschedule(asyncio.get_running_loop().time())
        try:
            raw = await context.read()
        finally:
            self._receiving.pop(clock, None)
        if raw is EOF:
            raise Refusal(400, "the call has no message.")
        request.body = cast("bytes", raw)
        return parsed(method, request.body)

    # --- streams ------------------------------------------------------------------------------------------

    async def _stream(self, method: Method, context: Any) -> None:
        async with self._call(method, context) as request:
            if self.streams >= MOST_STREAMS:
                raise _full("too many streams are open.")
            self.streams += 1
            try:
                await self._answer_stream(method, context, request)
            finally:
                self.streams -= 1

    async def _answer_stream(self, method: Method, context: Any, request: Request) -> None:
        async def messages() -> AsyncGenerator[Message]:
            while True:
                async with asyncio.timeout(IDLE):
                    raw = await context.read()
                if raw is EOF:
                    return
                yield parsed(method, raw)

        context.set_trailing_metadata((("x-request-id", request.id),))
        async with contextlib.aclosing(method.handler(self._server, messages(), request)) as replies:
            async for reply in replies:
                async with asyncio.timeout(self._limits.seconds_to_receive):
                    await context.write(reply.SerializeToString())

    # --- who may, and what is said of it ------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _call(self, method: Method, context: Any) -> AsyncGenerator[Request]:
        """A call that was let in, and its end however it ends: refused where it failed, and told to whoever counts."""
        request = _request(method.path, context)
        status = 500
        self.running += 1
        self._server.begun(request)
        try:
            self._admit(method, context, request)
            yield request
            status = 200
        except asyncio.CancelledError:
            status = 499
            raise
        except Exception as fault:
            status, words, headers = told(self._server, fault, request, method.words)
            await _abort(context, request, status, words, headers)
            raise
        finally:
            self.running -= 1
            self._server.finished(request, status)

    def _admit(self, method: Method, context: Any, request: Request) -> None:
        """Raise Refusal where the caller may not call this, or where no more calls are taken. Which model is meant stands in the
        message: what reads it holds that against the caller's rights (see `may`)."""
        address, certificate = self._peer(context)
        gate = self._server.gate
        request.caller = Caller("", address)  # For the log, where it is refused.
        request.caller = gate.caller(request.headers, address, certificate)
        if method.right != "open":
            gate.rate(request.caller)
        gate.may(request.caller, method.right, None)
        if self.running > self._limits.connections:
            raise _full("too many calls are under way.")
        if self._server.stopping and method.right != "open":
            raise _full("the server is stopping.")

    def _peer(self, context: Any) -> tuple[str, str]:
        """The address of a caller, and the name in its certificate."""
        caller = self._callers.get(unquote(context.peer()).removeprefix("unix:"))
        if caller is None:
            raise _full("the connection has ended.")
        return caller


async def _abort(context: Any, request: Request, status: int, words: str, headers: Mapping[str, str]) -> None:
    """End a call with the code of a status. Raises AbortError."""
    trailing: list[tuple[str, str | bytes]] = [("x-request-id", request.id)]
    if after := headers.get("Retry-After", headers.get("retry-after", "")):
        trailing += retry(status, words, after)
    await context.abort(CODES.get(status, grpc.StatusCode.UNKNOWN), words, tuple(trailing))


def may(server: Server, request: Request, right: Right, model: str) -> None:
    """Raise Refusal where this caller may not ask this model."""
    server.gate.may(request.caller, right, model)


def parsed(method: Method, raw: bytes) -> Message:
    """A message of the method's kind. Raises Refusal."""
    refuse_heavy(raw, method.takes.DESCRIPTOR)
    asked = method.takes()
    try:
        asked.ParseFromString(raw)
    except Exception:  # noqa: BLE001 - protobuf's DecodeError, or what a version of it raises instead.
        raise Refusal(400, f"the message is no {method.takes.DESCRIPTOR.full_name}.") from None
    return asked


def told(
    server: Server, fault: Exception, request: Request, words: str = ""
) -> tuple[int, str, Mapping[str, str]]:
    """HTTP's status for a fault, what the caller is told in the `words` of a protocol, and headers."""
    if isinstance(fault, TimeoutError):
        fault = Refusal(504, "it took too long.")
    status, error = refusals.told(fault, request)
    if status == 500:
        (server.log or Log()).failed(fault, id=request.id)
    status, said = refusals.worded(status, error, words) if words else (status, str(error))
    headers = error.headers if isinstance(error, Refusal) else {}
    return status, " ".join(said.split())[:LONGEST_WORDS], headers


def retry(status: int, words: str, after: str) -> list[tuple[str, str | bytes]]:
    """When to come again, for clients that read headers, for gRPC's own retries, and as google.rpc.RetryInfo."""
    seconds = float(after) if after.isdigit() else 1.0
    info = message("google.rpc.RetryInfo")()
    info.retry_delay.FromMilliseconds(round(seconds * 1e3))
    whole = message("google.rpc.Status")(code=CODES[status].value[0], message=words)
    whole.details.add().Pack(info)
    return [
        ("retry-after", after),
        ("grpc-retry-pushback-ms", str(round(seconds * 1e3))),
        ("grpc-status-details-bin", whole.SerializeToString()),
    ]


def _full(why: str) -> Refusal:
    return Refusal(503, why, fix="Try again in a moment.", headers={"Retry-After": "1"})


def _request(path: str, context: Any) -> Request:
    """A call as the request path knows it. Its message is parsed already when that comes in."""
    headers = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    return Request(
        "POST",
        path,
        headers=headers,
        id=request_id(headers.get("x-request-id")),
        arrived=time.monotonic(),
        source="grpc",
    )
