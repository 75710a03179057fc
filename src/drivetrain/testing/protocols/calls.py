"""Calls over gRPC: by the names of service and method, with messages made from records."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from drivetrain.extras import require
from drivetrain.testing.protocols.suite import Skipped, Unmet, must
from drivetrain.testing.protocols.target import SECONDS, Target

INFERENCE, PREDICTION, STATUS = (
    "inference.GRPCInferenceService",
    "tensorflow.serving.PredictionService",
    "tensorflow.serving.ModelService",
)
REFUSALS = frozenset(
    (
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "FAILED_PRECONDITION",
        "OUT_OF_RANGE",
        "RESOURCE_EXHAUSTED",
        "UNIMPLEMENTED",
    )
)
"""Codes of which the caller is the reason, as 4xx is over HTTP."""


class Refused(Exception):
    """A call that ended with another code than OK."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"{code}: {words}")
        self.code, self.words = code, words


def message(name: str, record: Mapping[str, Any] | None = None) -> Any:
    """An instance of a message by its full name; lists and dicts in the record become what they are there."""
    require("google.protobuf", "asking over gRPC", "serve")
    messages = importlib.import_module("drivetrain.serve.grpc.messages")
    return messages.message(name)(**(record or {}))


def call(server: Target, service: str, method: str, record: Mapping[str, Any] | None = None) -> Any:
    """One call, unary. Raises Refused, Skipped where the suite knows no address of gRPC."""
    (found,) = _called(server, service, method, [record or {}], streams=False)
    return found


def stream(server: Target, service: str, method: str, records: Iterable[Mapping[str, Any]]) -> list[Any]:
    """One call whose requests and answers are streams."""
    return _called(server, service, method, records, streams=True)


def _called(
    server: Target, service: str, method: str, records: Iterable[Mapping[str, Any]], *, streams: bool
) -> list[Any]:
    if not server.grpc:
        raise Skipped("no address of gRPC is given (--grpc)")
    require("grpc", "asking over gRPC", "serve")
    grpc = importlib.import_module("grpc")
    messages = importlib.import_module("drivetrain.serve.grpc.messages")
    kinds = messages.service(service).methods_by_name[method]
    asked = [message(kinds.input_type.full_name, record) for record in records]
    read = messages.message(kinds.output_type.full_name).FromString
    metadata = [(name.lower(), value) for name, value in server.headers.items()]
    with grpc.insecure_channel(server.grpc) as channel:
        kind = channel.stream_stream if streams else channel.unary_unary
        ask = kind(f"/{service}/{method}", lambda each: each.SerializeToString(), read)
        try:
            if streams:
                return [*ask(iter(asked), timeout=SECONDS, metadata=metadata)]
            return [ask(asked[0], timeout=SECONDS, metadata=metadata)]
        except grpc.RpcError as fault:
            raise Refused(fault.code().name, fault.details() or "") from None


def refused(server: Target, service: str, method: str, record: Mapping[str, Any], *codes: str) -> str:
    """The words of a call that has to end with one of these codes, or else with one of REFUSALS."""
    try:
        call(server, service, method, record)
    except Refused as fault:
        wanted = codes or tuple(sorted(REFUSALS))
        must(fault.code in wanted, f"the code is {fault}, not {' or '.join(wanted)}")
        must(fault.words, "the code comes without words")
        return fault.words
    raise Unmet("it is answered as if nothing were wrong")


def needs_model(server: Target, name: str, *, tensorflow: bool = False) -> None:
    """Skip where the server hasn't this model, by what it says of it over gRPC."""
    asked = (
        (STATUS, "GetModelStatus", {"model_spec": {"name": name}})
        if tensorflow
        else (INFERENCE, "ModelMetadata", {"name": name})
    )
    key = (name, asked[0])
    if key not in server.known:
        try:
            call(server, *asked)
            server.known[key] = True
        except Refused:
            server.known[key] = False
    if not server.known[key]:
        raise Skipped(f"{asked[0]} knows no model {name!r}")
