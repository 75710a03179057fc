"""The same server as an ASGI application."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence
from typing import Any

import pytest
from http_server import GOLDEN, GOLDEN_ANSWER, Tiny

from drivetrain.serve.access import new_key
from drivetrain.serve.http.asgi import application
from drivetrain.serve.settings import Access, Key, Limits, Settings


def ask(
    method: str,
    path: str,
    body: Sequence[bytes] = (b"",),
    headers: Sequence[tuple[str, str]] = (),
    settings: Settings | None = None,
) -> tuple[int, dict[str, str], bytes]:
    told = settings or Settings("", limits=Limits(body=1000))
    path, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "http_version": "1.1",
        "client": ("127.0.0.1", 5),
        "headers": [(n.encode(), v.encode()) for n, v in (("host", "localhost"), *headers)],
    }
    coming = [
        {"type": "http.request", "body": piece, "more_body": i < len(body) - 1}
        for i, piece in enumerate(body)
    ]
    sent = list[Any]()

    async def receive() -> Any:
        return coming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(application(Tiny(told), told)(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:])


def test_it_answers_as_over_a_socket():
    status, headers, body = ask(
        "POST", "/models/tiny/predict", (GOLDEN[:3], GOLDEN[3:]), [("x-request-id", "a1")]
    )
    assert (status, body) == (200, GOLDEN_ANSWER)
    assert headers["x-request-id"] == "a1"
    assert headers["content-type"] == "application/json"
    assert (
        ask("POST", "/models/tiny/predict", (gzip.compress(GOLDEN),), [("content-encoding", "gzip")])[2]
        == GOLDEN_ANSWER
    )
    assert ask("GET", "/pieces?n=2")[2] == b"piece 0\npiece 1\n"
    assert ask("HEAD", "/pieces?n=2")[2] == b""
    assert ask("OPTIONS", "/models/tiny/predict")[:1] == (204,)


@pytest.mark.parametrize(
    ("status", "method", "path", "body", "headers"),
    [
        (413, "POST", "/echo", (b"x" * 600, b"x" * 600), []),
        (413, "POST", "/echo", (b"",), [("content-length", "5000")]),
        (413, "POST", "/echo", (gzip.compress(bytes(100_000)),), [("content-encoding", "gzip")]),
        (400, "POST", "/models/tiny/predict", (b'{"x":1,"x":2}',), []),
        (400, "GET", "/models/%2e%2e/x", (b"",), []),
        (404, "GET", "/nowhere", (b"",), []),
        (405, "PUT", "/models/tiny", (b"",), []),
        (403, "POST", "/echo", (b"",), [("origin", "https://evil.example")]),
        (421, "POST", "/echo", (b"",), [("host", "evil.example")]),
    ],
)
def test_it_refuses_as_over_a_socket(
    status: int, method: str, path: str, body: Sequence[bytes], headers: list[tuple[str, str]]
):
    if headers and headers[0][0] == "host":
        settings = Settings("", access=Access(hosts=("other",)))
        assert ask(method, path, body, settings=settings)[0] == status
    else:
        assert ask(method, path, body, headers)[0] == status


def test_keys_are_asked_for():
    key, hashed = new_key()
    settings = Settings("", access=Access(keys=(Key("a", hashed),)))
    assert ask("POST", "/echo", settings=settings)[0] == 401
    assert ask("POST", "/echo", headers=[("authorization", f"Bearer {key}")], settings=settings)[0] == 200
