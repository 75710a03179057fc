"""The server as an ASGI application, so that others can mount it, and tools that speak ASGI can try it.

Keys, Host, Origin, rates and the size of bodies are checked as everywhere. Deadlines and connections are the business of whatever
listens: most ASGI servers have no deadline for receiving a request."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from drivetrain.serve.http import heads
from drivetrain.serve.http.body import too_large
from drivetrain.serve.http.door import Answering, Door
from drivetrain.serve.settings import Settings
from drivetrain.serve.types import Refusal, Request, Response

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def application(server: Answering, settings: Settings) -> Callable[[Message, Receive, Send], Awaitable[None]]:
    """An ASGI 3 application. The server is started and stopped with it, where it has `start` and `stop`."""
    door, most = Door(server, settings.limits.body), settings.limits.body

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(server, receive, send)
        elif scope["type"] == "http":
            await answer(scope, receive, send)
        else:
            raise NotImplementedError(scope["type"])

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        request = Request(
            scope["method"], "", headers=headers, id=door.request_id(headers.get("x-request-id"))
        )
        request.arrived = time.monotonic()
        shared: dict[str, str] = {}
        try:
            target = scope.get("raw_path") or scope["path"].encode()
            target = target.removeprefix(scope.get("root_path", "").encode())
            query = scope.get("query_string", b"")
            request.path, request.query = heads.target(
                target + b"?" + query if query else target, headers.get("host", "")
            )
            client = scope.get("client")
            shared = door.admit(request, client[0] if client else "", "", scope.get("http_version", "1.1"))
            request.body = await _body(headers, receive, most)
            response = await door.answer(request)
        except Refusal as refusal:
            response = door.refuse(request, refusal)
        response.headers = {
            **response.headers,
            **shared,
            "X-Request-Id": request.id,
            "X-Content-Type-Options": "nosniff",
        }
        await _send(request, response, send)

    return app


async def _live(server: Answering, receive: Receive, send: Send) -> None:
    for event, method in (("startup", "start"), ("shutdown", "stop")):
        await receive()
        done = getattr(server, method, None)
        if done is not None:
            await done()
        await send({"type": f"lifespan.{event}.complete"})


async def _body(headers: dict[str, str], receive: Receive, most: int) -> bytes:
    """The whole body. Raises Refusal 413, 400."""
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > most:
        raise too_large(most)
    whole, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "the request was cut off")
        whole += message.get("body", b"")
        if len(whole) > most:
            raise too_large(most)
        more = message.get("more_body", False)
    return bytes(whole)


async def _send(request: Request, response: Response, send: Send) -> None:
    lines = heads.more({"Content-Type": response.type, **response.headers}).split(b"\r\n")[:-1]
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    body = response.body
    if isinstance(body, bytes):
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})
        return
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if request.method != "HEAD":
        async for piece in body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
