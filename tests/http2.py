"""HTTP/2 by hand, as attackers write it: frames that no client library would send. RFC 9113, and RFC 7541 for headers."""

from __future__ import annotations

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def block(*headers: tuple[str | bytes, str | bytes]) -> bytes:
    """Header fields, each a literal that nobody remembers (RFC 7541, 6.2.2)."""
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in headers)


def _text(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    size, out = len(data), bytearray()
    if size < 127:
        return bytes((size,)) + data
    out.append(127)
    size -= 127
    while size >= 128:
        out.append(size % 128 + 128)
        size //= 128
    out.append(size)
    return bytes(out) + data


def call(path: str | bytes, *more: tuple[str | bytes, str | bytes]) -> bytes:
    """The headers of a gRPC call."""
    return block(
        (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
        ("te", "trailers"), ("content-type", "application/grpc"), *more,
    )  # fmt: skip


def message(raw: bytes, compressed: bool = False) -> bytes:
    """A message as gRPC puts it in DATA frames."""
    return bytes((compressed,)) + struct.pack(">I", len(raw)) + raw


def connected(port: int) -> socket.socket:
    """A connection that has said hello."""
    found = socket.create_connection(("127.0.0.1", port), timeout=5)
    found.sendall(PREFACE + frame(SETTINGS, 0, 0))
    return found
