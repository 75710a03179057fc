"""multipart/form-data (RFC 7578), of a body that is here as a whole: what a form with files sends.

Own, because a body within the limits needs no parser that waits for more of it: each part lies between two boundaries, found by one
search through the bytes.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from drivetrain.serve.types import Refusal

MOST_PARTS = 8192
MOST_HEADERS = 4096
"""Bytes of the headers of a part."""
_BOUNDARY = re.compile(r'(?:^|;)\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)', re.IGNORECASE)
_SIGNS = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_PARAMETER = re.compile(r';\s*([A-Za-z*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))')
FIX = "Send it as a browser's form does, or as curl -F NAME=VALUE and -F NAME=@FILE."


class Part(NamedTuple):
    """One field of a form: a cell, or a file where it has a `filename`."""

    name: str
    filename: str | None
    type: str
    data: bytes


def parts(content_type: str, body: bytes) -> list[Part]:
    """The parts of a form, in their order. Raises Refusal(400) for what is none."""
    found = _BOUNDARY.search(content_type)
    boundary = (found[1] or found[2]) if found else ""
    if not _SIGNS.fullmatch(boundary):
        raise _refused("its Content-Type names no boundary")
    mark = b"--" + boundary.encode("ascii")
    if not body.startswith(mark):
        start = body.find(b"\r\n" + mark)
        if start < 0:
            raise _refused("its boundary is nowhere in it")
        body = body[start + 2 :]
    made: list[Part] = []
    place, between = len(mark), b"\r\n" + mark
    while not body.startswith(b"--", place):
        line = body.find(b"\r\n", place)
        if line < 0 or body[place:line].strip(b" \t"):
            raise _refused("a boundary isn't followed by the end of its line")
        end = body.find(between, line)
        if end < 0:
            raise _refused("it has no end: the last boundary is missing")
        if len(made) == MOST_PARTS:
            raise Refusal(413, f"the form has more than {MOST_PARTS:,} parts.", fix="Send it in pieces.")
        made.append(_part(body[line + 2 : max(end, line + 2)] if end > line else b""))
        place = end + len(between)
    return made


def _part(data: bytes) -> Part:
    head, parted, value = data.partition(b"\r\n\r\n")
    if data.startswith(b"\r\n"):
        head, parted, value = b"", b"\r\n", data[2:]
    if not parted or len(head) > MOST_HEADERS:
        raise _refused("the headers of a part have no end")
    try:
        lines = head.decode("utf-8").split("\r\n")
    except UnicodeDecodeError:
        raise _refused("the headers of a part are not UTF-8") from None
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, rest = line.partition(":")
        if colon:
            headers[name.strip().lower()] = rest.strip()
    given = headers.get("content-disposition", "")
    fields = {name.lower(): _text(quoted, plain) for name, quoted, plain in _PARAMETER.findall(given)}
    if not given.lower().startswith("form-data") or "name" not in fields:
        raise _refused("a part has no name")
    if headers.get("content-transfer-encoding", "binary").lower() not in ("binary", "8bit", "7bit"):
        raise _refused("a part has another encoding than its bytes")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return Part(fields["name"], fields.get("filename"), kind, value)


def _text(quoted: str, plain: str) -> str:
    """As browsers write names: quotes and line ends as %22, %0D and %0A (HTML, "multipart/form-data encoding algorithm")."""
    text = re.sub(r"\\(.)", r"\1", quoted) or plain
    return re.sub("%(?:22|0D|0A)", lambda found: unquote(found[0]), text)


def _refused(what: str) -> Refusal:
    return Refusal(400, f"this is no multipart/form-data: {what}.", fix=FIX)
