"""gRPC's standard reflection: tools such as grpcurl ask it for the protos, so that their users need none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from drivetrain.serve.grpc import health
from drivetrain.serve.grpc.calls import Method, Stream, methods
from drivetrain.serve.grpc.messages import POOL, Message, message
from drivetrain.serve.server import Server
from drivetrain.serve.types import Request

VERSIONS = ("grpc.reflection.v1", "grpc.reflection.v1alpha")
SERVICES = (*health.SERVICES, *(f"{package}.ServerReflection" for package in VERSIONS))
NOT_FOUND: int = grpc.StatusCode.NOT_FOUND.value[0]


def info(package: str) -> Stream:
    """What answers in one version of the service."""
    reply = message(f"{package}.ServerReflectionResponse")

    async def answers(
        server: Server, asked: AsyncIterator[Message], request: Request
    ) -> AsyncIterator[Message]:
        async for each in asked:
            said = reply(valid_host=each.host, original_request=each)
            _fill(said, each)
            yield said

    return answers


def _fill(said: Message, asked: Message) -> None:
    kind = asked.WhichOneof("message_request")
    try:
        if kind == "list_services":
            for name in SERVICES:
                said.list_services_response.service.add(name=name)
        elif kind == "file_by_filename":
            _files(said, POOL.FindFileByName(asked.file_by_filename))
        elif kind == "file_containing_symbol":
            _files(said, POOL.FindFileContainingSymbol(asked.file_containing_symbol))
        elif kind == "all_extension_numbers_of_type":
            POOL.FindMessageTypeByName(asked.all_extension_numbers_of_type)
            said.all_extension_numbers_response.base_type_name = asked.all_extension_numbers_of_type
        else:
            raise KeyError(kind)
    except KeyError:
        said.error_response.error_code = NOT_FOUND
        said.error_response.error_message = "there is no such thing here."


def _files(said: Message, file: Any) -> None:
    """A file and those that it imports."""
    seen: set[str] = set()
    waiting = [file]
    while waiting:
        file = waiting.pop()
        if file.name in seen:
            continue
        seen.add(file.name)
        said.file_descriptor_response.file_descriptor_proto.append(file.serialized_pb)
        waiting += file.dependencies


METHODS: dict[str, Method] = {
    path: method
    for package in VERSIONS
    for path, method in methods(
        f"{package}.ServerReflection", {"ServerReflectionInfo": (info(package), "read")}
    ).items()
}
