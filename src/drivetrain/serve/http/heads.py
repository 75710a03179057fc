"""Request targets read, and the heads of answers written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

from drivetrain.serve.types import Refusal, Request, Response

_WORDS = {status.value: status.phrase for status in HTTPStatus}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSENT = re.compile(r"[\x00-\x1f\x7f]")
_HIDDEN = re.compile(rb"%(?:2f|5c)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_QUERY_FIELDS = 100
_OFFERS = ("upgrade", "http2-settings")
_OWN = frozenset({"expect", "upgrade", "content-encoding", "transfer-encoding"})
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "date"})

_starts: dict[tuple[int, str], bytes] = {}


def target(given: bytes, host: str) -> tuple[str, dict[str, str]]:
    """Path, decoded once, and query of a request's target. Raises Refusal 400 for what two programs could read as two addresses:
    NUL and other control signs, a backslash, ".." or "." as a segment, a slash that is written %2F, bytes that aren't UTF-8, a
    field of the query twice."""
    if given == b"*":  # Of OPTIONS: the server as a whole. No route is called so.
        return "*", {}
    if not given.startswith(b"/"):
        given = _of_absolute(given, host)
    raw, mark, query = given.partition(b"?")
    if b"%" in raw:
        if _HIDDEN.search(raw):
            raise Refusal(400, "the address has a slash or backslash that is written as %2F or %5C")
        raw = unquote_to_bytes(raw)
    try:
        path = raw.decode()
    except UnicodeDecodeError:
        raise Refusal(400, "the address isn't UTF-8") from None
    if _CONTROL.search(path) or ("/." in path and any(part in (".", "..") for part in path.split("/"))):
        raise Refusal(400, 'the address has ".", "..", a backslash or a control sign in it')
    return path, _query(query) if mark else {}


def _of_absolute(given: bytes, host: str) -> bytes:
    """Path and query of `http://HOST/...` (RFC 9112 3.2.2). HOST has to be the Host header's: else two programs see two hosts."""
    scheme, _, rest = given.partition(b"://")
    authority, slash, path = rest.partition(b"/")
    if scheme.lower() not in (b"http", b"https") or authority.decode("latin-1").lower() != host.lower():
        raise Refusal(400, "the request's target isn't an address of this server")
    return slash + path or b"/"


def _query(query: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_QUERY_FIELDS
        )
    except ValueError:
        raise Refusal(400, "the address has a query that can't be read") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Refusal(400, "the address has a field of its query twice")
    return found


def without_upgrade(method: bytes, url: bytes, version: str, headers: Mapping[str, str]) -> bytes:
    """A request's head again, as its parts came out of the parser, without the offer to speak another protocol."""
    tokens = [token.strip() for token in headers.get("connection", "").split(",")]
    kept = ", ".join(token for token in tokens if token.lower() not in _OFFERS)
    lines = [
        f"{name}: {value}\r\n" for name, value in headers.items() if name not in (*_OFFERS, "connection")
    ]
    if kept:
        lines.append(f"connection: {kept}\r\n")
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, url, version.encode(), "".join(lines).encode("latin-1"))


class Known(NamedTuple):
    """What a head says."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    length: int
    """Bytes of the body."""


class KnownHeads:
    """Plain heads that the parser has let through, by their bytes: a caller sends few different ones, thousands of times, and
    the parser would tell the same of each again (a dozen calls, 8 us)."""

    MOST, LARGEST, BODY = 1000, 1024, 64 * 1024
    """Heads, and bytes of one; bytes of a body, which comes with its head."""

    def __init__(self) -> None:
        self.heads: dict[bytes, Known] = {}

    def keep(self, head: bytes, request: Request) -> None:
        """Nothing that asks for more than to be answered, nor anything that has to stay between caller and server."""
        if len(head) > self.LARGEST or len(request.body) > self.BODY or _OWN & request.headers.keys():
            return
        if len(self.heads) >= self.MOST:
            self.heads.clear()
        self.heads[head] = Known(
            request.method, request.path, request.query, request.headers, len(request.body)
        )


def head(request: Request, response: Response, date: bytes, length: bytes, ending: bytes) -> bytes:
    """An answer's head: `length` is the header that says how long its body is, `ending` whether the connection stays."""
    kind = response.type if response.body or request.method == "HEAD" else ""
    return b"%bX-Request-Id: %b\r\nDate: %b\r\n%b%b%b\r\n" % (
        _start(response.status, kind),
        request.id.encode("latin-1"),
        date,
        length,
        more(response.headers) if response.headers else b"",
        ending,
    )


def _start(status: int, kind: str) -> bytes:
    """The status line and what stands in every answer's head, up to its first header of its own."""
    known = _starts.get((status, kind))
    if known is None:
        known = (
            f"HTTP/1.1 {status} {_WORDS.get(status, 'Unknown')}\r\n"
            + (f"Content-Type: {_UNSENT.sub(' ', kind)}\r\n" if kind else "")
            + "X-Content-Type-Options: nosniff\r\n"
        ).encode("latin-1", "replace")
        if len(_starts) < 200:
            _starts[status, kind] = known
    return known


def more(headers: Mapping[str, str]) -> bytes:
    """Headers as bytes. Whatever would end a line is a blank: nothing that is echoed can become a header or a body of its own.
    How long a body is only the connection says."""
    lines = [
        f"{name}: {_UNSENT.sub(' ', value)}\r\n"
        for name, value in headers.items()
        if _NAME.fullmatch(name) is not None and name.lower() not in _FRAMING
    ]
    return "".join(lines).encode("latin-1", "replace")
