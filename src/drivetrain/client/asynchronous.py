"""The same client for an event loop: HTTP/1.1 on asyncio's own streams."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from drivetrain.client import asking
from drivetrain.client.asking import Batch, Described, Question, Wish
from drivetrain.client.call import (
    IDLE_SECONDS,
    MOST_REPLY,
    PIECE,
    Address,
    Call,
    Refused,
    Reply,
    address_of,
    check_limits,
    refusal,
    secure_context,
    unreachable,
    wait_before_again,
)
from drivetrain.errors import DrivetrainError
from drivetrain.types import Answer, Array, Failure

if TYPE_CHECKING:
    from drivetrain.runtime.generator import Piece

T = TypeVar("T")
MOST_HEAD = 2**16


class AsyncClient:
    """`Client`, awaited: `async with AsyncClient(url) as client: answer = await client.predict("flowers", "tulip.jpg")`."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 3,
        ca: str | None = None,
        certificate: str | tuple[str, str] | None = None,
        connections: int = 32,
    ) -> None:
        self.address = address_of(url, key)
        check_limits(timeout, retries, connections)
        self.timeout, self.retries, self.connections = timeout, retries, connections
        context = secure_context(ca, certificate) if self.address.secure else None
        self._pool = _Pool(self.address, context, connections)
        self._described: dict[tuple[str, Wish], tuple[float, Described]] = {}

    def __repr__(self) -> str:
        return f"<AsyncClient {self.address.url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._pool.close()

    async def models(self) -> list[dict[str, Any]]:
        return await self.ask(asking.models())

    async def ready(
        self, model: str | None = None, *, version: int | None = None, label: str | None = None
    ) -> bool:
        call = asking.live() if model is None else asking.model_ready(model, Wish(version, label))
        try:
            return await self.ask(call, retries=0)
        except Refused as fault:
            if fault.status in (404, 503):
                return False
            raise

    async def describe(
        self, model: str, *, version: int | None = None, label: str | None = None
    ) -> Mapping[str, Any]:
        return (await self.ask(asking.describe_model(model, Wish(version, label)))).told

    async def predict(
        self,
        model: str,
        item: Any,
        *,
        version: int | None = None,
        label: str | None = None,
        sticky: str | None = None,
        priority: int | None = None,
        record_key: str | None = None,
        parts: bool = False,
        windows: bool = False,
    ) -> Answer:
        wish = Wish(version, label, sticky, priority, record_key)
        batch = (await self._question(model, wish, parts, windows)).one(item)
        (found,) = await self._answered(batch)
        if isinstance(found, Failure):
            raise found.error
        return found

    async def predict_many(self, model: str, items: Iterable[Any], **wishes: Any) -> list[Answer | Failure]:
        return [answer async for answer in self.stream(model, items, **wishes)]

    async def stream(
        self,
        model: str,
        items: Iterable[Any],
        *,
        version: int | None = None,
        label: str | None = None,
        sticky: str | None = None,
        priority: int | None = None,
        parts: bool = False,
        windows: bool = False,
        concurrency: int = 4,
    ) -> AsyncIterator[Answer | Failure]:
        question = await self._question(model, Wish(version, label, sticky, priority), parts, windows)
        under_way: deque[asyncio.Task[list[Answer | Failure]]] = deque()
        try:
            for batch in question.batches(items):
                under_way.append(asyncio.create_task(self._answered(batch)))
                if len(under_way) >= concurrency:
                    for answer in await under_way.popleft():
                        yield answer
            while under_way:
                for answer in await under_way.popleft():
                    yield answer
        finally:
            for each in under_way:
                each.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def forecast(
        self,
        model: str,
        history: Any,
        horizon: int | None = None,
        *,
        future: Any = None,
        version: int | None = None,
        label: str | None = None,
    ) -> list[dict[str, Any]]:
        item = asking.history_item(history, horizon, future)
        (found,) = (await self.predict(model, item, version=version, label=label)).targets.values()
        return found["forecasts"]

    async def recommend(
        self,
        model: str,
        user: Any = None,
        n: int = 10,
        *,
        version: int | None = None,
        label: str | None = None,
        **wishes: Any,
    ) -> dict[str, Any]:
        item = asking.wish_item(user, n, wishes)
        (found,) = (await self.predict(model, item, version=version, label=label)).targets.values()
        return found

    async def generate(
        self, model: str, prompt: Any, *, version: int | None = None, label: str | None = None, **options: Any
    ) -> AsyncIterator[Piece]:
        call = asking.generate(model, prompt, options, Wish(version, label))
        try:
            async with self._pool.opened(call, self.timeout) as reply:
                if not 200 <= reply.status < 300:
                    raise refusal(await _whole(reply))
                async for line in _lines(reply, self.timeout):
                    if (piece := asking.piece(line)) is not None:
                        yield piece
        except (OSError, EOFError, ValueError) as fault:
            raise unreachable(self.address, fault, self.timeout) from fault

    async def infer(
        self,
        model: str,
        tensors: Mapping[str, Array],
        *,
        outputs: Sequence[str] | None = None,
        version: int | None = None,
        priority: int | None = None,
    ) -> dict[str, Array]:
        return await self.ask(asking.infer(model, tensors, outputs, Wish(version, priority=priority)))

    async def outcomes(self, model: str, outcomes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        return await self.ask(asking.outcomes(model, outcomes))

    async def ask(self, call: Call[T], *, retries: int | None = None) -> T:
        ends = time.monotonic() + self.timeout
        for left in range(self.retries if retries is None else retries, -1, -1):
            try:
                async with asyncio.timeout(ends - time.monotonic()), self._pool.opened(call) as opened:
                    reply = await _whole(opened)
            except (OSError, EOFError, ValueError) as fault:
                raise unreachable(self.address, fault, self.timeout) from fault
            wait = wait_before_again(reply, ends - time.monotonic()) if left else None
            if wait is None:
                return call.answer(reply)
            await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def described(self, model: str, wish: Wish) -> Described:
        asked = (model, Wish(wish.version, wish.label))
        now = time.monotonic()
        since, found = self._described.get(asked, (0.0, None))
        if found is None or now - since > asking.KNOWN_SECONDS:
            found = await self.ask(asking.describe_model(*asked))
            self._described[asked] = now, found
        return found

    async def _question(self, model: str, wish: Wish, parts: bool, windows: bool) -> Question:
        return Question(model, await self.described(model, wish), wish, {"parts": parts, "windows": windows})

    async def _answered(self, batch: Batch) -> list[Answer | Failure]:
        if batch.call is None:
            return batch.answers()
        try:
            return batch.answers(await self.ask(batch.call))
        except Refused as fault:
            return batch.refused(fault)


class _Connection(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    since: float


class _Open:
    """A reply of which the head is read. `left` is what of its body is to come; None: chunks, or all until it is closed."""

    def __init__(self, reader: asyncio.StreamReader, status: int, headers: Mapping[str, str]) -> None:
        self.reader, self.status, self.headers = reader, status, headers
        self.chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        length = headers.get("content-length", "")
        self.left = None if self.chunked or not length.isdigit() else int(length)
        self.left = 0 if status in (204, 304) else self.left
        self.done = self.left == 0
        self.kept = headers.get("connection", "").lower() != "close" and (
            self.chunked or self.left is not None
        )

    async def read(self) -> bytes:
        """Some of the body, empty at its end. Raises EOFError where it is cut off."""
        if self.done:
            return b""
        if self.chunked:
            return await self._chunk()
        data = await self.reader.read(PIECE if self.left is None else min(PIECE, self.left))
        if not data and self.left:
            raise EOFError("the reply was cut off")
        if self.left is not None:
            self.left -= len(data)
        self.done = self.left == 0 or not data
        return data

    async def _chunk(self) -> bytes:
        size = int((await self.reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        if not 0 <= size <= MOST_REPLY:
            raise ValueError("a chunk without an end")
        data = await self.reader.readexactly(size)
        if size:
            await self.reader.readexactly(2)
            return data
        while await self.reader.readuntil(b"\r\n") != b"\r\n":  # Trailers say nothing to us.
            pass
        self.done = True
        return b""


class _Pool:
    """Connections to one server, `most` at most, the youngest used again first."""

    def __init__(self, address: Address, context: ssl.SSLContext | None, most: int) -> None:
        self.address, self.context = address, context
        self._free = asyncio.Semaphore(most)
        self._idle: list[_Connection] = []

    @asynccontextmanager
    async def opened(self, call: Call[Any], seconds: float | None = None) -> AsyncGenerator[_Open]:
        """A reply of which the head came within `seconds`."""
        async with self._free:
            async with asyncio.timeout(seconds):
                connection, reply = await self._asked(call)
            again = False
            try:
                yield reply
                again = reply.done and reply.kept
            finally:
                if again:
                    self._idle.append(connection._replace(since=time.monotonic()))
                else:
                    connection.writer.close()

    async def _asked(self, call: Call[Any]) -> tuple[_Connection, _Open]:
        while True:
            connection, used = await self._taken()
            try:
                connection.writer.writelines([self._head(call), call.body])
                return connection, await _head(connection.reader)
            except BaseException as fault:
                connection.writer.close()
                if not used or not isinstance(fault, (ConnectionError, asyncio.IncompleteReadError)):
                    raise

    async def _taken(self) -> tuple[_Connection, bool]:
        while self._idle:
            connection = self._idle.pop()
            fresh = time.monotonic() - connection.since < IDLE_SECONDS
            if fresh and not connection.reader.at_eof() and not connection.writer.is_closing():
                return connection, True
            connection.writer.close()
        found = await asyncio.open_connection(
            self.address.host, self.address.port, ssl=self.context, limit=MOST_HEAD
        )
        return _Connection(*found, time.monotonic()), False

    def _head(self, call: Call[Any]) -> bytes:
        lines = [f"{call.method} {self.address.prefix}{call.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in call.head(self.address).items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.writer.close()
        await asyncio.gather(
            *(connection.writer.wait_closed() for connection in idle), return_exceptions=True
        )


async def _head(reader: asyncio.StreamReader) -> _Open:
    """The head of a reply; what a server says meanwhile (1xx) is passed over. Raises ValueError for what is no HTTP."""
    try:
        while True:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            version, _, rest = lines[0].partition(" ")
            if not version.startswith("HTTP/1."):
                raise ValueError("what answers there speaks no HTTP")
            status = int(rest[:3])
            if status >= 200:
                break
    except asyncio.LimitOverrunError as fault:
        raise ValueError("a head without an end") from fault
    headers = (line.partition(":") for line in lines[1:] if line)
    return _Open(reader, status, {name.strip().lower(): value.strip() for name, _, value in headers})


async def _whole(reply: _Open) -> Reply:
    pieces: list[bytes] = []
    size = 0
    while piece := await reply.read():
        pieces.append(piece)
        size += len(piece)
        if size > MOST_REPLY:
            raise DrivetrainError("the server's reply has no end.", fix="Ask for less at once.")
    return Reply(reply.status, reply.headers, b"".join(pieces))


async def _lines(reply: _Open, seconds: float) -> AsyncIterator[bytes]:
    """The lines of a reply, each waited for so long at most. No limit holds while the caller has one: it would cut the caller's own
    waiting short."""
    rest = b""
    while True:
        async with asyncio.timeout(seconds):
            piece = await reply.read()
        if not piece:
            break
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line
    if rest:
        yield rest
