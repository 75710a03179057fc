"""gRPC's standard health service, which load balancers and Kubernetes ask: "" is the server, other names are models (or one of the
services here). https://github.com/grpc/grpc/blob/master/doc/health-checking.md"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from drivetrain.serve.grpc import inference, tfserving
from drivetrain.serve.grpc.calls import methods
from drivetrain.serve.grpc.messages import Message, message, value
from drivetrain.serve.server import Server
from drivetrain.serve.types import Refusal, Request

SERVICE = "grpc.health.v1.Health"
SERVICES = (inference.SERVICE, tfserving.SERVICE, tfserving.MODELS, SERVICE)
Response = message("grpc.health.v1.HealthCheckResponse")
ListResponse = message("grpc.health.v1.HealthListResponse")
SERVING, NOT_SERVING, UNKNOWN = (
    value("grpc.health.v1.HealthCheckResponse.ServingStatus", name)
    for name in ("SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
)
LOOK = 0.25
"""Seconds between two looks at what is watched."""
MOST_LISTED = 100


def status(server: Server, name: str) -> int:
    """Whether the server, a service of it or a model can be asked now."""
    if not name or name in SERVICES:
        return SERVING if server.ready else NOT_SERVING
    model = server.repository.models.get(name)
    if model is None:
        return UNKNOWN
    return SERVING if model.versions and not server.stopping else NOT_SERVING


async def check(server: Server, asked: Message, request: Request) -> Message:
    found = status(server, asked.service)
    if found == UNKNOWN:
        raise Refusal(404, "there is no such service or model.")
    return Response(status=found)


async def listed(server: Server, asked: Message, request: Request) -> Message:
    models = filter(request.caller.sees, server.repository.models)
    names = ["", *SERVICES, *models][:MOST_LISTED]
    return ListResponse(statuses={name: Response(status=status(server, name)) for name in names})


async def watch(server: Server, asked: AsyncIterator[Message], request: Request) -> AsyncIterator[Message]:
    """The status now, and whenever it changes."""
    name = (await anext(asked)).service
    told = None
    while True:
        is_last, now = server.stopping, status(server, name)
        if now != told:
            told = now
            yield Response(status=now)
        if is_last:
            return
        await asyncio.sleep(LOOK)


METHODS = methods(SERVICE, {"Check": (check, "open"), "List": (listed, "read"), "Watch": (watch, "open")})
