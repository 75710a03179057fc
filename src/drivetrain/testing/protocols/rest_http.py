"""HTTP itself, where clients of inference servers depend on it."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from typing import Any
from urllib.parse import urlsplit

from drivetrain.testing.protocols.rest_infer import INFER, SUM
from drivetrain.testing.protocols.suite import Skipped, case, equal, must
from drivetrain.testing.protocols.target import SECONDS, Target, outputs_of, simple_request

BODY = json.dumps(simple_request()).encode()
JSON = {"Content-Type": "application/json"}


def _sum(said: Any) -> None:
    equal(outputs_of(said)["OUTPUT0"]["data"], SUM, "the sum")


def _raw(server: Target, data: bytes, wanted: int = 1) -> bytes:
    """What comes for bytes as they are, until so many answers have begun or the connection ends."""
    parts = urlsplit(server.url)
    if parts.scheme == "https":
        raise Skipped("bytes are sent as they are over http:// only")
    found = b""
    with socket.create_connection((parts.hostname or "", parts.port or 80), SECONDS) as connection:
        connection.sendall(data)
        connection.settimeout(5)
        try:
            while found.count(b"HTTP/1.1 ") < wanted or b"OUTPUT0" not in found.split(b"HTTP/1.1 ")[-1]:
                piece = connection.recv(65536)
                if not piece:
                    break
                found += piece
        except TimeoutError:
            pass
    return found


def _written(server: Target, body: bytes, *headers: str) -> bytes:
    host = urlsplit(server.url).netloc
    lines = [f"POST {INFER} HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in server.headers.items()]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


@case("http.keep_alive", source="RFC 9112 section 9.3")
def keep_alive(server: Target) -> None:
    """One connection serves several requests."""
    server.needs_model("simple")
    connection = server.connect()
    try:
        for _ in range(3):
            _sum(server.ask("POST", INFER, BODY, JSON, on=connection).ok())
            must(connection.sock is not None, "the connection was closed after an answer")
    finally:
        connection.close()


@case("http.keep_alive.after_error", source="RFC 9112 section 9.3", must=False)
def keep_alive_after_error(server: Target) -> None:
    """A refused request leaves the connection as it was."""
    server.needs_model("simple")
    connection = server.connect()
    try:
        server.ask("POST", INFER, b"{}", JSON, on=connection).refused()
        _sum(server.ask("POST", INFER, BODY, JSON, on=connection).ok())
    finally:
        connection.close()


@case("http.content_length", source="RFC 9112 section 6")
def content_length(server: Target) -> None:
    """An answer says how long it is, or comes in chunks."""
    server.needs_model("simple")
    headers = server.post(INFER, simple_request()).headers
    must(
        "content-length" in headers or headers.get("transfer-encoding") == "chunked",
        "neither header is there",
    )


@case("http.chunked", source="RFC 9112 section 7.1")
def chunked(server: Target) -> None:
    """A request may come in chunks."""
    server.needs_model("simple")
    pieces = [BODY[start : start + 40] for start in range(0, len(BODY), 40)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    must(
        b"OUTPUT0" in _raw(server, _written(server, body, "Transfer-Encoding: chunked")), "it is not answered"
    )


@case("http.pipelined", source="RFC 9112 section 9.3.2", must=False)
def pipelined(server: Target) -> None:
    """Requests that come together are answered each."""
    server.needs_model("simple")
    found = _raw(server, _written(server, BODY, f"Content-Length: {len(BODY)}") * 2, 2)
    equal(found.count(b"HTTP/1.1 200"), 2, "the number of answers")


@case("http.header_case", source="RFC 9110 section 5.1")
def header_case(server: Target) -> None:
    """Names of headers may be written in any case."""
    server.needs_model("simple")
    must(
        b"OUTPUT0" in _raw(server, _written(server, BODY, f"cOnTeNt-LeNgTh: {len(BODY)}")),
        "it is not answered",
    )


@case("http.expect_continue", source="RFC 9110 section 10.1.1", must=False)
def expect_continue(server: Target) -> None:
    """Who expects 100-continue gets an answer (curl sends it with large bodies)."""
    server.needs_model("simple")
    found = _raw(server, _written(server, BODY, f"Content-Length: {len(BODY)}", "Expect: 100-continue"), 1)
    must(b"OUTPUT0" in found, "it is not answered")


@case("http.gzip", source="triton http_server.cc (Content-Encoding)", must=False)
def gzipped(server: Target) -> None:
    """A request may be compressed with gzip."""
    server.needs_model("simple")
    _sum(server.ask("POST", INFER, gzip.compress(BODY), {**JSON, "Content-Encoding": "gzip"}).ok())


@case("http.deflate", source="triton http_server.cc (Content-Encoding)", must=False)
def deflated(server: Target) -> None:
    """A request may be compressed with deflate."""
    server.needs_model("simple")
    _sum(server.ask("POST", INFER, zlib.compress(BODY), {**JSON, "Content-Encoding": "deflate"}).ok())


@case("http.gzip.broken", source="RFC 9110 section 8.4", must=False)
def gzip_broken(server: Target) -> None:
    """A body that isn't what its encoding says is 4xx, and the next answer is right."""
    server.needs_model("simple")
    status = server.ask("POST", INFER, b"\x1f\x8bno gzip at all", {**JSON, "Content-Encoding": "gzip"}).status
    must(400 <= status < 500, f"status {status}")
    server.golden()


@case("http.two_lengths", source="RFC 9112 section 6.3 (request smuggling)")
def two_lengths(server: Target) -> None:
    """Two unlike lengths are refused."""
    server.needs_model("simple")
    found = _raw(server, _written(server, BODY, f"Content-Length: {len(BODY)}", "Content-Length: 5"))
    must(not found or found.startswith(b"HTTP/1.1 4"), f"it came {found[:40]!r}")


@case("http.length_and_chunks", source="RFC 9112 section 6.3 (request smuggling)")
def length_and_chunks(server: Target) -> None:
    """A length beside chunks is refused."""
    server.needs_model("simple")
    found = _raw(server, _written(server, b"0\r\n\r\n", "Content-Length: 5", "Transfer-Encoding: chunked"))
    must(not found or found.startswith(b"HTTP/1.1 4"), f"it came {found[:40]!r}")


@case("http.garbage", source="RFC 9112 section 2.2")
def garbage(server: Target) -> None:
    """Bytes that are no HTTP end their connection, nobody else's."""
    server.needs_model("simple")
    _raw(server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10)
    server.golden()


@case("http.gone", source="robustness", must=False)
def gone(server: Target) -> None:
    """Who goes away in the middle of a request harms nobody."""
    server.needs_model("simple")
    parts = urlsplit(server.url)
    for _ in range(20):
        with socket.create_connection((parts.hostname or "", parts.port or 80), SECONDS) as connection:
            connection.sendall(_written(server, BODY[:50], f"Content-Length: {len(BODY)}"))
    server.golden()
