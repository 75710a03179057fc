"""The Open Inference Protocol, version 2, over REST, with Triton's extensions: binary data, classification, model repository,
parameters, schedule policy, statistics.

https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md; docs/protocol/ of
https://github.com/triton-inference-server/server. Faults are worded as Triton words them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np

from drivetrain import __version__
from drivetrain.serve import path, strict_json, tensors
from drivetrain.serve.model_config import PLATFORM, config_of
from drivetrain.serve.protocols import base
from drivetrain.serve.types import Asked, Port, Refusal, Request, Response, Route
from drivetrain.types import Array

HEADER = "inference-header-content-length"
BINARY, PLAIN = "binary_data_size", frozenset({"name", "shape", "datatype", "data"})
EXTENSIONS = (
    "binary_tensor_data", "classification", "generate", "model_configuration", "model_repository", "parameters", "schedule_policy",
    "statistics",
)  # fmt: skip
DURATIONS = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")
_EMPTY: Mapping[str, Any] = {}
_DICT = frozenset({dict})
NOTHING = memoryview(b"")


@dataclass(frozen=True, slots=True)
class Wanted:
    """How an output is to be given: as bytes or JSON, or as the greatest `classes` of it."""

    binary: bool = False
    classes: int = 0


USUAL = Wanted()


# --- health and metadata ----------------------------------------------------------------------------------


async def live(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    return base.answered({"live": True})


async def ready(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    is_ready = bool(server.ready)
    return base.answered({"live": True, "ready": is_ready}, 200 if is_ready else 503)


async def model_ready(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    asked = base.asked_of(server, request, places)
    is_ready = server.router.ready(asked.model, asked.version)
    if not is_ready and not server.stopping:
        # Raises where there is none: a name that nobody knows is no model that loads.
        server.router.find(asked)
    is_ready = is_ready and not server.stopping
    return base.answered({"name": asked.model, "ready": is_ready}, 200 if is_ready else 503)


async def server_metadata(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    return base.answered({"name": "drivetrain", "version": __version__, "extensions": EXTENSIONS})


async def model_metadata(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    asked = base.asked_of(server, request, places)
    servable = server.router.find(asked)
    found = {
        "name": servable.name,
        "versions": [str(version) for version in server.router.model(asked.model).versions],
        "platform": PLATFORM,
        "inputs": [_metadata(port) for port in servable.inputs],
        "outputs": [_metadata(port) for port in servable.outputs],
    }
    return base.answered(found)


def _metadata(port: Port) -> dict[str, Any]:
    found: dict[str, Any] = {"name": port.name, "datatype": port.datatype, "shape": list(port.shape)}
    return {**found, "parameters": dict(port.extra)} if port.extra else found


async def models(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    """As KServe lists them."""
    found = [name for name, model in server.repository.models.items() if model.versions]
    return base.answered({"models": sorted(filter(request.caller.sees, found))})


async def model_config(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    servable = server.router.find(base.asked_of(server, request, places))
    return base.answered(config_of(server, servable))


# --- inference --------------------------------------------------------------------------------------------


async def infer(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    asked = base.asked_of(server, request, places)
    record, binary = _parted(server, request)
    parameters = _parameters(record, "the request") if "parameters" in record else _EMPTY
    request_id = record.get("id", "")
    if not isinstance(request_id, str):
        raise Refusal(400, "Unable to parse 'id': it is no string")
    whole = len(binary) > 0 and request.headers.get(HEADER) == "0"
    if whole:
        feeds = _of_bytes(server, asked, binary)
    elif request.large:
        feeds = await server.in_thread(_feeds, record, binary, asked.model)
    else:  # Here most go, without a coroutine for it.
        feeds = _feeds(record, binary, asked.model)
    wanted: Mapping[str, Wanted] = _EMPTY
    everywhere, patience, priority = USUAL, None, 0
    if parameters:
        everywhere = Wanted(_flag(parameters, "binary_data_output"))
        patience, priority = _timeout(parameters), base.priority_from(_count(parameters, "priority"))
    if "outputs" in record:
        wanted = _wanted(record, everywhere.binary)
    work = path.answer_tensors(server, asked, feeds, request, outputs=[*wanted] or None, priority=priority)
    found = await base.within(patience, work)
    if not wanted and everywhere is USUAL:
        return _plainly(found, request_id)
    return _rendered(found, request_id, wanted, everywhere)


def _parted(server: Any, request: Request) -> tuple[dict[str, Any], memoryview]:
    """The JSON of a request, and the bytes after it."""
    body, given = request.body, request.headers.get(HEADER)
    if given is None:
        try:
            return base.object_of(server, body, base.PARSE), NOTHING
        except Refusal as fault:
            if BINARY.encode() not in bytes(body[: 2**20]):
                raise
            raise _without_header() from fault
    if not given.isascii() or not given.isdigit() or len(given) > 18:
        raise Refusal(400, f"Unable to parse Inference-Header-Content-Length, got: {given[:40]}")
    size = int(given)
    if size > len(body):
        raise Refusal(400, f"inference header size should be in range (0, {len(body)}), got: {size}")
    return base.object_of(server, bytes(body[:size]), base.PARSE), memoryview(body)[size:]


def _of_bytes(server: Any, asked: Asked, binary: memoryview) -> dict[str, Array]:
    """A body that is nothing but the tensor of the only input ("Raw Binary Request" of the binary data extension): one raw value,
    where the input takes such, else as many rows as the bytes are."""
    servable = server.router.find(asked)
    ports = [port for port in servable.inputs if port.extra.get("required", True)]
    if len(ports) != 1:
        raise Refusal(
            400,
            f"raw input is for a model with 1 input, and '{servable.name}' has {len(ports)}: send the JSON header",
        )
    (port,) = ports
    if port.datatype == "BYTES" or port.extra.get("raw") == "BYTES":
        return {port.name: tensors.shaped(port.name, "BYTES", [1], [bytes(binary)])}
    size = math.prod(port.shape[1:]) * tensors.DATATYPES[port.datatype].itemsize
    rows = len(binary) // size if size > 0 else 0
    shape = (rows, *(max(side, 0) for side in port.shape[1:]))
    return {port.name: tensors.from_bytes(port.name, port.datatype, shape, binary)}


def _without_header() -> Refusal:
    return Refusal(
        400,
        "must specify valid 'Inference-Header-Content-Length' in request header and 'binary_data_size' when passing inputs "
        "in binary data format",
        fix="The header says how many bytes of the body are JSON; the binary data come after them.",
    )


def _parameters(record: Mapping[str, Any], owner: str) -> Mapping[str, Any]:
    """Of a request, an input or an output: names and plain values."""
    found = record.get("parameters", _EMPTY)
    if not isinstance(found, dict):
        raise Refusal(400, f"Unable to parse 'parameters' of {owner}: it is no object")
    parameters = cast("dict[str, Any]", found)
    for name, value in parameters.items():
        if not isinstance(value, (bool, int, float, str)):
            raise Refusal(
                400,
                f"parameter '{name[:60]}' has invalid type. It should be either 'int', 'bool', or 'string'.",
            )
    return parameters


def _flag(parameters: Mapping[str, Any], name: str) -> bool:
    found = parameters.get(name, False)
    if not isinstance(found, bool):
        raise Refusal(400, f"Unable to parse '{name}': it is neither true nor false")
    return found


def _count(parameters: Mapping[str, Any], name: str, most: int = 2**53) -> int:
    found = parameters.get(name, 0)
    if type(found) is not int or not 0 <= found <= most:
        raise Refusal(400, f"Unable to parse '{name}': it is no whole number from 0 to {most}")
    return found


def _timeout(parameters: Mapping[str, Any]) -> float | None:
    """Seconds, of what is given in microseconds."""
    found = _count(parameters, "timeout")
    return found / 1e6 if found else None


def _listed(record: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = record.get(key)
    if not isinstance(found, list) or not _DICT.issuperset(map(type, cast("list[Any]", found))):
        raise Refusal(400, f"Unable to parse '{key}': it is no array of objects")
    return cast("list[dict[str, Any]]", found)


def _name(record: Mapping[str, Any]) -> str:
    found = record.get("name")
    if not isinstance(found, str):
        raise Refusal(400, "Unable to parse 'name': it is no string")
    return found


def _feeds(record: Mapping[str, Any], binary: memoryview, model: str) -> dict[str, Array]:
    """The inputs as arrays; those that are binary take their bytes in the order in which they are named."""
    feeds: dict[str, Array] = {}
    for each in _listed(record, "inputs"):
        name = _name(each)
        if name in feeds:
            raise Refusal(400, f"input '{name[:60]}' is given twice")
        if each.keys() == PLAIN:  # As most send it.
            feeds[name] = tensors.from_json(name[:60], each["datatype"], each["shape"], each["data"])
            continue
        if "datatype" not in each:
            raise Refusal(400, f"Unable to parse 'datatype' of input '{name[:60]}': it is missing")
        parameters = _parameters(each, f"input '{name[:60]}'")
        set_ = [*(["data"] if "data" in each else []), *([BINARY] if BINARY in parameters else [])]
        if "shared_memory_region" in parameters:
            raise Refusal(400, "shared memory is not taken: send 'data' or binary data")
        if len(set_) != 1:
            told = f" set {' '.join(map(repr, set_))}" if set_ else " no field is set"
            raise Refusal(
                400,
                "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', "
                f"'shared_memory_region' in 'parameters'. But{told}",
            )
        if set_ == ["data"]:
            feeds[name] = tensors.from_json(name[:60], each["datatype"], each.get("shape"), each["data"])
            continue
        size = _count(parameters, BINARY)
        if size > len(binary):
            if not len(binary) and not feeds:
                raise _without_header()
            raise Refusal(
                400,
                f"unexpected size for input '{name[:60]}', expecting {size - len(binary)} additional bytes for model '{model}'",
            )
        feeds[name] = tensors.from_bytes(name[:60], each["datatype"], each.get("shape"), binary[:size])
        binary = binary[size:]
    if len(binary):
        raise Refusal(400, f"unexpected additional input data for model '{model}'")
    return feeds


def _wanted(record: Mapping[str, Any], binary: bool) -> dict[str, Wanted]:
    """By name, the outputs that are asked for; none: all of them."""
    wanted: dict[str, Wanted] = {}
    for each in _listed(record, "outputs"):
        name = _name(each)
        parameters = _parameters(each, f"output '{name[:60]}'")
        if "shared_memory_region" in parameters:
            raise Refusal(400, "shared memory is not written: take JSON or binary data")
        own = _flag(parameters, "binary_data") if "binary_data" in parameters else binary
        wanted[name] = Wanted(own, _count(parameters, "classification"))
    return wanted


def _plainly(found: path.AnsweredTensors, request_id: str) -> Response:
    """What `_rendered` makes where nothing is asked for but numbers and texts, of pieces that need be written once only."""
    outputs = [
        b"%b%b}" % (_opening(name, array.dtype, array.shape), strict_json.dumps(tensors.to_json(array)))
        for name, array in found.outputs.items()
    ]
    own = b'"id":%b,' % strict_json.dumps(request_id) if request_id else b""
    text = b'%b%b"outputs":[%b]}' % (_answering(found.model, found.version), own, b",".join(outputs))
    return Response(text, headers=base.record_header(found.record_ids) if found.record_ids else _EMPTY)


@lru_cache(1000)
def _answering(model: str, version: int) -> bytes:
    return strict_json.dumps({"model_name": model, "model_version": str(version)})[:-1] + b","


@lru_cache(1000)
def _opening(name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    told = {"name": name, "datatype": tensors.datatype_of(dtype), "shape": shape}
    return strict_json.dumps(told)[:-1] + b',"data":'


def _rendered(
    found: path.AnsweredTensors, request_id: str, wanted: Mapping[str, Wanted], everywhere: Wanted
) -> Response:
    outputs: list[dict[str, Any]] = []
    binary: list[bytes] = []
    for name, array in found.outputs.items():
        how = wanted.get(name, everywhere)
        if how.classes:
            array = tensors.classified(array, how.classes, tensors.labels_of(found.servable, name))
        told: dict[str, Any] = {
            "name": name, "datatype": tensors.datatype_of(array.dtype), "shape": list(array.shape),
        }  # fmt: skip
        if how.binary:
            binary.append(tensors.to_bytes(array))
            told["parameters"] = {BINARY: len(binary[-1])}
        else:
            told["data"] = tensors.to_json(array)
        outputs.append(told)
    head: dict[str, Any] = {"model_name": found.model, "model_version": str(found.version)}
    if request_id:
        head["id"] = request_id
    headers = base.record_header(found.record_ids)
    text = strict_json.dumps({**head, "outputs": outputs})
    if not binary:
        return Response(text, headers=headers)
    headers["Inference-Header-Content-Length"] = str(len(text))
    return Response(b"".join([text, *binary]), type="application/octet-stream", headers=headers)


# --- repository and statistics ----------------------------------------------------------------------------


async def index(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    record = base.object_of(server, request.body, base.PARSE)
    only_ready = record.get("ready", False)
    if not isinstance(only_ready, bool):
        raise Refusal(400, "Unable to parse 'ready': it is neither true nor false")
    found = server.repository.index(only_ready)
    return base.answered([each for each in found if request.caller.sees(each["name"])])


async def load(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    if _parameters(base.object_of(server, request.body, base.PARSE), "the request"):
        raise Refusal(400, "a load takes no parameters: what a model is says its bundle alone")
    await server.repository.load(places["model"])
    return base.answered({})


async def unload(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    _parameters(base.object_of(server, request.body, base.PARSE), "the request")
    await server.repository.unload(places["model"])
    return base.answered({})


async def statistics(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    asked = base.asked_of(server, request, places) if "model" in places else None
    return base.answered(statistics_of(server, request, asked))


def statistics_of(server: Any, request: Request, asked: Asked | None) -> dict[str, Any]:
    """Of a version, of all versions of a model, or of all models that the caller may see."""
    if asked is not None:
        models = [server.router.model(asked.model)]
        if asked.version is not None:
            server.router.find(asked)
    else:
        models = [each for name, each in server.repository.models.items() if request.caller.sees(name)]
    found = [
        _statistics(server, model.name, version)
        for model in models
        for version in model.versions
        if asked is None or asked.version in (None, version)
    ]
    return {"model_stats": found}


def _statistics(server: Any, name: str, version: int) -> dict[str, Any]:
    told = server.counters.statistics(name, version)
    batches = [
        {
            "batch_size": size,
            **{part: _spent(getattr(batch, part)) for part in DURATIONS if part.startswith("compute")},
        }
        for size, batch in sorted(told.batches.items())
    ]
    return {
        "name": name, "version": str(version), "last_inference": told.last_inference,
        "inference_count": told.inference_count, "execution_count": told.execution_count,
        "inference_stats": {
            **{part: _spent(getattr(told, part)) for part in DURATIONS},
            **{part: {"count": 0, "ns": 0} for part in ("cache_hit", "cache_miss")},
        },
        "batch_stats": batches,
    }  # fmt: skip


def _spent(spent: Any) -> dict[str, int]:
    return {"count": math.floor(spent.count), "ns": math.floor(spent.ns)}


REPOSITORY = "/v2/repository"
ROUTES = (
    Route("GET", "/v2/health/live", live, "open", "Whether the server runs."),
    Route("GET", "/v2/health/ready", ready, "open", "Whether the server can answer."),
    Route("GET", "/v2", server_metadata, "read", "What the server is, and which extensions it has."),
    *(Route("GET", root, model_metadata, "read", "The inputs and outputs of a model.") for root in base.V2),
    *(
        Route("GET", f"{root}/config", model_config, "read", "What Triton calls its configuration.")
        for root in base.V2
    ),
    *(Route("GET", f"{root}/ready", model_ready, "open", "Whether a model can answer.") for root in base.V2),
    *(Route("GET", f"{root}/stats", statistics, "read", "How often a model was asked.") for root in base.V2),
    *(Route("POST", f"{root}/infer", infer, "infer", "Tensors in, tensors out.") for root in base.V2),
    Route("GET", "/v2/models", models, "read", "The names of the models that can answer."),
    Route("GET", "/v2/models/stats", statistics, "read", "How often each model was asked."),
    Route("POST", f"{REPOSITORY}/index", index, "read", "Every version there is, and its state."),
    Route("POST", f"{REPOSITORY}/models/{{model}}/load", load, "admin", "Load a model."),
    Route("POST", f"{REPOSITORY}/models/{{model}}/unload", unload, "admin", "Unload a model."),
)
