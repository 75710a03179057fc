"""The things that flow through the server. Everything else parses, answers, renders or counts one of these.

Request    what came over HTTP, whole, within the limits, from somebody who may call
Response   what goes back: bytes, or pieces of a stream
Refusal    why there is no answer, and the HTTP status that says so (gRPC has its own code for each)
Caller     who asks
Asked      which model is meant: a name, and perhaps a version or a label
Port       one input or output of a model, as the tensor protocols describe it
Route      which handler takes which method and path
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from drivetrain.errors import DrivetrainError

LATE = "the answer took too long"
"""What work is cancelled with that isn't waited for any more: its caller is still there and is told so."""
Right = Literal["open", "infer", "read", "admin"]
"""What a route needs of its caller: nothing (health), to ask models, to look at them, to change them."""


class Refusal(DrivetrainError):
    """A request that gets no answer, for the caller's reason (4xx) or the server's (5xx)."""

    def __init__(
        self,
        status: int,
        error: str,
        *,
        where: object = "",
        fix: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error, where=where, fix=fix)
        self.status = status
        self.headers = dict(headers or {})


LARGE = 64 * 1024
"""Bytes of a body that are read in the event loop."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the name of a key, or of a client certificate; "" for anybody. `address` is where from."""

    name: str = ""
    address: str = ""
    rights: frozenset[str] = frozenset({"open", "infer", "read"})
    models: frozenset[str] | None = None
    """Those that it may ask; None: all."""

    def sees(self, model: str) -> bool:
        """Whether a model is one of those that it may ask, and is told of."""
        return self.models is None or model in self.models


def _nothing() -> dict[str, Any]:
    return {}  # Six times as quick as dict[str, Any](), for each request.


@dataclass(slots=True)
class Request:
    """One HTTP request. `path` is percent-decoded and holds neither NUL, "..", nor a backslash; `headers` are named in lower
    case; `body` is decompressed."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=_nothing)
    headers: Mapping[str, str] = field(default_factory=_nothing)
    body: bytes | memoryview = b""
    caller: Caller = Caller()
    id: str = ""
    """The caller's X-Request-Id where it is a plain one, else one of ours."""
    arrived: float = 0.0
    """time.monotonic() at its first byte."""
    route: Route | None = None
    """Set, with `places`, where the route was found and the caller may take it: before the body was read."""
    places: Mapping[str, str] = field(default_factory=_nothing)
    """What the route's places hold."""
    source: str = "http"
    """How it came: "http" or "grpc"."""
    log: dict[str, Any] = field(default_factory=_nothing)
    """What is found out about it on its way, for the line in the log, the counters and the trace: "model", "version", "rows" ..."""

    @property
    def large(self) -> bool:
        """Whether to read its body would keep others waiting: what takes time with it is done in threads, not in the event loop."""
        return len(self.body) > LARGE


@dataclass(slots=True)
class Response:
    """What goes back. `body` in pieces is sent chunked, each piece as soon as it is there."""

    body: bytes | AsyncIterator[bytes] = b""
    status: int = 200
    type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=_nothing)


class Asked(NamedTuple):
    """Which model: at most one of `version` and `label` is given; with neither traffic shares decide, by `key` where a caller is
    to stay with the version it has had."""

    model: str
    version: int | None = None
    label: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output as tensor protocols describe it: `datatype` in the words of the Open Inference Protocol ("FP32", "INT64",
    "UINT8", "BYTES" ...), `shape` with rows first, -1 where it varies."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])


Handler = Callable[[Any, Request, Mapping[str, str]], Awaitable[Response]]
"""(server, request, what the path's places hold) -> response. Raises Refusal, DrivetrainError."""


@dataclass(frozen=True, slots=True)
class Route:
    """`pattern` is a path with places: "/v2/models/{model}/infer". A place holds no slash."""

    method: str
    pattern: str
    handler: Handler
    right: Right = "infer"
    about: str = ""
    """A sentence for the OpenAPI page."""
