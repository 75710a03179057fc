"""What happened, one JSON object a line on standard error: requests, and what the server did.

Where standard error is a terminal, a person reads it: the same lines are short words there, with the time of the place.

A line is ASCII: whatever callers write stands in it escaped, and can neither begin a line of its own nor steer a terminal.
It is written at once, whole (at most 4096 bytes, which no other process's line is mixed with), and never waited for: where
the reader of a pipe doesn't read, or the disk is full, it is dropped, and the next line says how many were ("lost").

Of requests a worker writes down `MOST` a second, and as many that were refused or failed; the next line has the number of
those left out. So neither load nor an attack makes logs that cost more than the answers.
"""

from __future__ import annotations

import math
import os
import re
import select
import time
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drivetrain.serve.types import Request

MOST = 1000
LINE = 4096
"""What a pipe takes whole (POSIX's PIPE_BUF as Linux has it)."""
FRAMES = 6
TEXT, SHORT = 400, 40
"""Letters of one text in a line; and where the line would be too long."""
PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
"""A request's id that is taken from its caller."""
_TRACE = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


def request_id(given: str | None) -> str:
    """The caller's own X-Request-Id where it is a plain word, else a new one: 32 hexadecimal digits."""
    return given if given and PLAIN_ID.fullmatch(given) else os.urandom(16).hex()


def trace_id(traceparent: str | None) -> str:
    """The trace that a W3C `traceparent` header names; "" where it is none (https://www.w3.org/TR/trace-context/)."""
    found = _TRACE.fullmatch(traceparent) if traceparent else None
    return found[1] if found else ""


class Log:
    """Lines to a file that is open: standard error unless told."""

    def __init__(self, file: int = 2, **always: object) -> None:
        """`always` stands in every line: which process this is."""
        self._file = file
        self._always = always
        self._line = self._words if os.isatty(file) else self._json
        self._poll: select.poll | None = None
        if hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(file, select.POLLOUT)
        self._second = -1
        self._stamp = ""
        self._window = 0
        self._left: dict[bool, int] = {True: MOST, False: MOST}
        self._left_out = 0
        self._lost = 0
        self._torn = False

    def access(self, request: Request, status: int, seconds: float) -> None:
        """A request, answered or refused."""
        fine = status < 400
        window = int(time.monotonic())
        if window != self._window:
            self._window, self._left = window, {True: MOST, False: MOST}
        if not self._left[fine]:
            self._left_out += 1
            return
        self._left[fine] -= 1
        fields: dict[str, object] = {
            "id": request.id,
            "method": request.method,
            "path": request.path,
            "status": status,
            "ms": round(seconds * 1000, 3),
            "address": request.caller.address,
        }
        if request.caller.name:
            fields["caller"] = request.caller.name
        if request.source != "http":
            fields["source"] = request.source
        trace = trace_id(request.headers.get("traceparent"))
        if trace:
            fields["trace"] = trace
        fields.update(request.log)
        if self._left_out:
            fields["left_out"], self._left_out = self._left_out, 0
        self._write("request", "info" if fine else "warning" if status < 500 else "error", fields)

    def event(self, what: str, level: str = "info", **fields: object) -> None:
        """What the server did, or what was done to it."""
        self._write(what, level, fields)

    def failed(self, fault: BaseException | None, **fields: object) -> None:
        """A fault of ours, with the places that it came by, the innermost first."""
        if fault is not None:
            import traceback

            frames = traceback.extract_tb(fault.__traceback__)[-FRAMES:]
            places = [f"{os.path.basename(each.filename)}:{each.lineno} {each.name}" for each in frames]
            fields |= {"error": f"{type(fault).__name__}: {fault}", "at": " < ".join(reversed(places))}
        self._write("failed", "error", fields)

    def _write(self, event: str, level: str, fields: dict[str, object]) -> None:
        if self._lost:
            fields = {**fields, "lost": self._lost}
        line = self._line(event, level, fields, TEXT)
        if len(line) > LINE:
            line = self._line(event, level, fields, SHORT)
        data = line.encode("ascii")
        if self._torn:
            data = b"\n" + data
        try:
            if len(data) > LINE or (self._poll and not self._poll.poll(0)):
                self._lost += 1
                return
            written = os.write(self._file, data)
        except (OSError, ValueError):
            self._lost += 1
            return
        self._torn = written < len(data)  # A disk that was full in the middle of a line.
        self._lost = self._lost + 1 if self._torn else 0

    def _words(self, event: str, level: str, fields: dict[str, object], letters: int) -> str:
        """A line for a person: no id, address or trace of a request, unless it is our own fault."""
        rest = {**fields, **self._always}
        words = [time.strftime("%H:%M:%S")]
        if event == "request":
            status, method, path, spent = (rest.pop(name) for name in ("status", "method", "path", "ms"))
            words += [f"{status}", _plain(method, letters), _plain(path, letters), f"{spent} ms"]
            if level != "error":
                rest = {name: value for name, value in rest.items() if name not in ("id", "address", "trace")}
        else:
            words.append(event if level == "info" else f"{level.upper()}: {event}")
        words += [f"{name}={_plain(value, letters)}" for name, value in rest.items() if value != ""]
        return "  ".join(words) + "\n"

    def _json(self, event: str, level: str, fields: dict[str, object], letters: int) -> str:
        words = [f'{{"time":"{self._time()}","level":"{level}","event":{_value(event, letters)}']
        for values in (fields, self._always):
            words += [f"{_name(name)}{_value(value, letters)}" for name, value in values.items()]
        return ",".join(words) + "}\n"

    def _time(self) -> str:
        now = time.time_ns() // 1_000_000
        second = now // 1000
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{now % 1000:03d}Z"


@lru_cache(1000)
def _name(name: str) -> str:
    return f"{quoted(name)}:"


def _value(value: object, letters: int) -> str:
    if not isinstance(value, str):
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return str(int(value))
        if isinstance(value, float):
            return repr(float(value)) if math.isfinite(value) else "null"
    text = str(value)
    return quoted(text if len(text) <= letters else text[: letters - 3] + "...")


def _plain(value: object, letters: int) -> str:
    """A value for a person: without the quotes that JSON has around a text, and as harmless to a terminal."""
    text = _value(value, letters)
    return text[1:-1].replace('\\"', '"') if text[:1] == '"' else text
