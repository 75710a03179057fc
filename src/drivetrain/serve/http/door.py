"""Who comes in: all that is decided by a request's line and headers, whatever has read them from the network."""

from __future__ import annotations

import itertools
import os
from collections.abc import Awaitable
from typing import Protocol, cast

from drivetrain.serve import refusals
from drivetrain.serve.access import Gate
from drivetrain.serve.http.body import Unpacker, check_encoding
from drivetrain.serve.logs import PLAIN_ID
from drivetrain.serve.routes import Routes
from drivetrain.serve.types import Refusal, Request, Response


class Answering(Protocol):
    """What HTTP needs of the server. It may also have `begun(request)` and `finished(request, status)`, for what never reaches
    `answer`, and `stopping`."""

    routes: Routes
    gate: Gate

    async def answer(self, request: Request) -> Response: ...


BODIES = 16
"""How many bodies of the largest size may be in memory, over all connections."""

_REASONS = {
    400: "syntax", 401: "access", 403: "access", 404: "address", 405: "address", 408: "timeout", 413: "size", 414: "size",
    415: "syntax", 417: "syntax", 421: "host", 429: "rate", 431: "size", 501: "syntax", 503: "memory", 505: "syntax",
}  # fmt: skip
"""Why a request came no further, as counters name it."""


class Door:
    def __init__(self, server: Answering, most: int) -> None:
        """`most`: bytes of a body."""
        self._server = server
        self._most, self._held = most, 0
        self._unpacker = Unpacker(most)
        self._ids = itertools.count()
        self._id = os.urandom(12).hex()
        self._counters = getattr(server, "counters", None)
        self._began = getattr(server, "begun", None)
        self._finished = getattr(server, "finished", None)

    def request_id(self, given: str | None) -> str:
        """The caller's own, where it is a plain word, else one that no other request has."""
        if given is not None and PLAIN_ID.fullmatch(given):
            return given
        return f"{self._id}{next(self._ids):08x}"

    def admit(self, request: Request, address: str, certificate: str, version: str) -> dict[str, str]:
        """All that can be refused before a body is read. Raises Refusal. Returns headers for a page of another origin."""
        gate, headers = self._server.gate, request.headers
        unknown: Refusal | None = None
        if request.method != "OPTIONS":
            try:
                request.route, request.places = self._server.routes.match(request.method, request.path)
            except Refusal as refusal:
                unknown = refusal
        # Whether it is alive the server tells under each name and at any rate: who probes it may know no other than an address.
        probed = request.route is not None and request.route.right == "open"
        if "host" not in headers and version == "1.1":
            raise Refusal(400, "the request has no Host header")
        if "host" in headers and not probed:
            gate.host(headers["host"])
        shared = gate.origin(request.method, headers)
        try:
            request.caller = gate.caller(headers, address, certificate)
            if not probed:
                gate.rate(request.caller)
            if unknown is not None:
                raise unknown
            if request.route is not None:
                gate.may(request.caller, request.route.right, request.places.get("model"))
            if "content-encoding" in headers:
                check_encoding(headers["content-encoding"])
        except Refusal as refusal:
            refusal.headers.update(shared)  # The page may know why.
            raise
        return shared

    def answer(self, request: Request) -> Awaitable[Response]:
        """The server's answer to a request that was admitted, its body as it was before it was compressed."""
        if request.method == "OPTIONS" or "content-encoding" in request.headers:
            return self._answer(request)
        return self._server.answer(request)  # No coroutine about a coroutine: a good part of a microsecond.

    async def _answer(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return self._options(request)
        encoding = cast("dict[str, str]", request.headers).pop("content-encoding")
        if not request.body:
            return await self._server.answer(request)
        try:
            request.body = await self._unpacker.unpacked(bytes(request.body), encoding)
            self.hold(len(request.body))
        except Refusal as refusal:
            return self.refuse(request, refusal)
        held = len(request.body)
        try:
            return await self._server.answer(request)
        finally:
            self.hold(-held)

    def hold(self, size: int) -> None:
        """Count bytes of bodies that are in memory. Raises Refusal 503 where many large ones at once would fill it."""
        self._held += size
        if size > 0 and self._held > BODIES * self._most:
            self._held -= size
            raise Refusal(503, "too many large requests at once", headers={"Retry-After": "1"})

    def _options(self, request: Request) -> Response:
        """What an address takes, and what a browser asks before it sends a page's request elsewhere."""
        takes = (
            self._server.routes.allowed(request.path)
            if request.path != "*"
            else ["GET", "HEAD", "OPTIONS", "POST"]
        )
        if not takes:
            return self.refuse(request, Refusal(404, "there is no such address here"))
        return self._told(request, Response(b"", 204, headers={"Allow": ", ".join(takes)}))

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """The answer to what the server itself never saw."""
        self.count(_REASONS.get(refusal.status, "other"))
        return self._told(request, refusals.response(refusal, request))

    def count(self, reason: str) -> None:
        """Count what was refused, where somebody counts."""
        if self._counters is not None:
            self._counters.refused(reason)

    def _told(self, request: Request, response: Response) -> Response:
        """Tell whoever counts and logs."""
        if self._began is not None:
            self._began(request)
        if self._finished is not None:
            self._finished(request, response.status)
        return response


def common_name(certificate: object) -> str:
    """The name in a client's certificate that the TLS layer has checked; "" where there is none."""
    if not isinstance(certificate, dict):
        return ""
    subject = cast("dict[str, tuple[tuple[tuple[str, str], ...], ...]]", certificate).get("subject", ())
    for names in subject:
        for kind, name in names:
            if kind == "commonName":
                return name[:100]
    return ""
