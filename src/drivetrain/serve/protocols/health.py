"""How the server is: for whoever starts, stops and watches it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from drivetrain.files import to_json
from drivetrain.serve.types import Request, Response, Route

if TYPE_CHECKING:
    from drivetrain.serve.server import Server

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


async def live(server: Server, request: Request, places: Mapping[str, str]) -> Response:
    """200 as long as the process answers at all: what restarts it should look here."""
    return Response(b'{"live":true}')


async def ready(server: Server, request: Request, places: Mapping[str, str]) -> Response:
    """200 while new requests are welcome, 503 before the first models are loaded and when the end is near: what sends callers
    here should look here."""
    why = "stopping" if server.stopping else "" if server.ready else "loading"
    if why:
        return Response(to_json({"ready": False, "reason": why}).encode(), 503, headers={"Retry-After": "1"})
    return Response(b'{"ready":true}')


async def metrics(server: Server, request: Request, places: Mapping[str, str]) -> Response:
    """What is counted, over all workers, in Prometheus' text format; of those models that the caller may ask."""
    return Response(server.counters.text(request.caller.models).encode(), type=PROMETHEUS)


ROUTES = (
    Route("GET", "/health/live", live, "open", "Whether the process answers."),
    Route("GET", "/health/ready", ready, "open", "Whether new requests are welcome."),
    Route("GET", "/metrics", metrics, "read", "Counters in Prometheus' text format."),
)
