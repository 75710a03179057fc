"""TensorFlow Serving's REST API, version 1: status, metadata, predict by rows and by columns, classify, regress.

https://github.com/tensorflow/serving, tensorflow_serving/g3doc/api_rest.md. Where this and the server differ (`results`), what the
server says holds. Beyond it: scalars and values without rows are taken in columns, and answered without rows; a text stands for an
input that is read from one (a class's name, a date), base64 for a file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.serve import path
from drivetrain.serve.loading import VersionState
from drivetrain.serve.protocols import base
from drivetrain.serve.tensors import written
from drivetrain.serve.tf_values import (
    KINDS,
    WORDS,
    dumps,
    is_b64,
    is_record,
    plain,
    shown,
    tensor_of,
    text_of,
    wrong,
)  # fmt: skip
from drivetrain.serve.types import Asked, Port, Refusal, Request, Response, Route
from drivetrain.types import Answer, Array, Failure

PARSE = "JSON Parse error: "
SIGNATURE, INSTANCES, INPUTS, EXAMPLES, CONTEXT = (
    "signature_name",
    "instances",
    "inputs",
    "examples",
    "context",
)
DEFAULT = "serving_default"
STATES = {"loading": "LOADING", "ready": "AVAILABLE", "failed": "END", "unloaded": "END"}


# --- status and metadata ----------------------------------------------------------------------------------


def states_of(server: Any, asked: Asked) -> list[tuple[int, VersionState]]:
    """The versions that are meant, each with its state, the highest first. Raises Refusal where there are none."""
    model = server.repository.models.get(asked.model)
    if model is None or not model.states:
        raise Refusal(404, f"Could not find any versions of model {asked.model}")
    version = asked.version
    if asked.label is not None:
        version = model.labels.get(asked.label)
        if version is None:
            raise Refusal(400, f"Unrecognized servable version label: {asked.label}")
    found = [(number, state) for number, state in model.states.items() if version in (None, number)]
    if not found:
        raise Refusal(404, f"Could not find version {version} of model {asked.model}")
    return sorted(found, reverse=True, key=lambda each: each[0])


async def status(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    told = [
        {
            "version": str(number), "state": STATES[state.state],
            "status": {
                "error_code": "UNKNOWN" if state.state == "failed" else "OK",
                "error_message": state.reason if state.state == "failed" else "",
            },
        }
        for number, state in states_of(server, base.asked_of(server, request, places))
    ]  # fmt: skip
    return base.answered({"model_version_status": told})


async def no_name(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    raise Refusal(400, "Missing model name in request.")


async def metadata(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    servable = server.router.find(base.asked_of(server, request, places))
    signature = {
        "inputs": {port.name: _info(port) for port in servable.inputs},
        "outputs": {port.name: _info(port) for port in servable.outputs},
        "method_name": "tensorflow/serving/predict",
    }
    told = {
        "model_spec": {"name": servable.name, "signature_name": "", "version": str(servable.version)},
        "metadata": {
            "signature_def": {
                "@type": "type.googleapis.com/tensorflow.serving.SignatureDefMap",
                "signature_def": {DEFAULT: signature},
            }
        },
    }
    return base.answered(told)


def _info(port: Port) -> dict[str, Any]:
    sides = [{"size": str(side), "name": ""} for side in port.shape]
    shape = {"dim": sides, "unknown_rank": False}
    return {"dtype": KINDS[port.datatype][1], "tensor_shape": shape, "name": f"{port.name}:0"}


# --- predict ----------------------------------------------------------------------------------------------


async def predict(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    asked = base.asked_of(server, request, places)
    record = _record(server, request)
    meant = server.router.find(asked)
    _refuse_signature(record, "predict")
    if not meant.tensors:
        raise Refusal(400, f"the model {meant.name!r} takes no tensors: use /models/{meant.name}/predict")
    ports = {port.name: port for port in meant.inputs if port.extra.get("required", True)}
    if INSTANCES in record and INPUTS in record:
        raise wrong(
            record, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        )
    if INSTANCES in record:
        most = server.settings.limits.rows
        if isinstance(record[INSTANCES], list) and len(record[INSTANCES]) > most:  # Before any is looked at.
            raise Refusal(
                413, f"it has {len(record[INSTANCES]):,} rows; {most:,} are the most. Ask in parts."
            )
        feeds = await server.aside(request, _of_rows, record[INSTANCES], ports, meant)
        by_rows, alone = True, False
    elif INPUTS in record:
        feeds, alone = await server.aside(request, _of_columns, record[INPUTS], ports, meant)
        by_rows = False
    else:
        raise Refusal(400, "Missing 'inputs' or 'instances' key")
    patience = base.timeout_of(request)
    found = await base.within(
        patience, path.answer_tensors(server, asked, feeds, request, priority=base.priority_of(request))
    )
    told = _rows(found.outputs) if by_rows else _columns(found.outputs, alone)
    return Response(dumps(told), headers=base.record_header(found.record_ids))


def _record(server: Any, request: Request) -> dict[str, Any]:
    if not len(request.body):
        raise Refusal(400, f"{PARSE}The document is empty")
    found = base.json_of(server, request.body, PARSE)
    if not isinstance(found, dict):
        raise wrong(found, "Is not object")
    return cast("dict[str, Any]", found)


def _refuse_signature(record: Mapping[str, Any], method: str) -> None:
    """There is one signature, which each method may call its own."""
    name = record.get(SIGNATURE, "")
    if not isinstance(name, str):
        raise wrong(record, "not formatted correctly. 'signature_name' key must be a string value.")
    if name not in ("", DEFAULT, f"tensorflow/serving/{method}", method):
        raise Refusal(400, f'Serving signature name: "{name[:100]}" not found in signature def')


def _of_rows(instances: Any, ports: Mapping[str, Port], servable: Any) -> dict[str, Array]:
    """The feeds of `instances`: a value for each row, or an object by input."""
    if not isinstance(instances, list):
        raise wrong(instances, "Excepting 'instances' to be an list/array")
    rows = cast("list[Any]", instances)
    if not rows:
        raise wrong(rows, "No values in 'instances' array")
    if not is_record(rows[0]):
        if len(ports) > 1:
            raise Refusal(
                400,
                "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map",
            )
        for place, row in enumerate(rows):
            if is_record(row):
                raise Refusal(400, f"Expecting value/list but got object at item {place} of input list")
        (name,) = ports
        return {name: _column(name, ports[name], rows, servable, "")}
    for place, row in enumerate(rows):
        if not is_record(row):
            raise Refusal(400, f"Expecting object but got list at item {place} of input list")
        if row.keys() != ports.keys():
            raise Refusal(
                400,
                f"Failed to process element: {place} of 'instances' list. JSON object: {shown(row)} keys must be equal to: "
                f"{','.join(sorted(ports))}",
            )
    return {
        name: _column(name, port, [row[name] for row in rows], servable, f" key: {name}")
        for name, port in ports.items()
    }


def _column(name: str, port: Port, rows: list[Any], servable: Any, key: str) -> Array:
    """A value for each row as one array; `key` is how faults call it."""
    try:
        found = tensor_of(name, port, rows, servable)
    except Refusal:
        _explain(name, port, rows, servable, key)
        raise
    wanted = port.shape[1:]
    if found.ndim == 1 and found.dtype != object and wanted and all(side == 1 for side in wanted):
        return found.reshape(len(found), *wanted)  # Scalars, where a row is [x].
    return found


def _explain(name: str, port: Port, rows: list[Any], servable: Any, key: str) -> None:
    """Raise Refusal that names the first row that is at fault."""
    first: tuple[int, ...] | None = None
    for place, row in enumerate(rows):
        where = f"Failed to process element: {place}{key} of 'instances' list. Error: INVALID_ARGUMENT: "
        try:
            shape = tensor_of(name, port, row, servable).shape
        except Refusal as fault:
            raise Refusal(400, where + fault.error) from fault
        if first is None:
            first = shape
        elif math.prod(shape) != math.prod(first):
            raise Refusal(
                400, f"{where}Expecting tensor size: {math.prod(first)} but got: {math.prod(shape)}"
            )
        elif shape != first:
            raise Refusal(400, f"{where}Expecting shape {written(first)} but got: {written(shape)}")


def _of_columns(inputs: Any, ports: Mapping[str, Port], servable: Any) -> tuple[dict[str, Array], bool]:
    """The feeds of `inputs`: a tensor, or an object of them; and whether they are of one row that nobody called a row."""
    if not is_record(inputs):
        if len(ports) > 1:
            raise Refusal(
                400,
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map",
            )
        inputs = {next(iter(ports)): inputs}
    given = cast("dict[str, Any]", inputs)
    for name in ports:
        if name not in given:
            raise Refusal(400, f"Missing named input: {name} in 'inputs' object.")
    # What else there is TensorFlow Serving leaves alone too.
    feeds = {name: tensor_of(name, port, given[name], servable) for name, port in ports.items()}
    alone = all(_lacks_rows(ports[name], array) for name, array in feeds.items())
    return ({name: array[None] for name, array in feeds.items()} if alone else feeds), alone


def _lacks_rows(port: Port, array: Array) -> bool:
    wanted = () if array.dtype == object and port.datatype != "BYTES" else port.shape[1:]
    return array.ndim == len(wanted) and all(side in (-1, own) for side, own in zip(wanted, array.shape))


# --- rendering ---------------------------------------------------------------------------------------------


def _rows(outputs: Mapping[str, Array]) -> dict[str, Any]:
    values = {name: plain(name, array) for name, array in outputs.items()}
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    count = len(next(iter(outputs.values())))
    return {"predictions": [{name: array[row] for name, array in values.items()} for row in range(count)]}


def _columns(outputs: Mapping[str, Array], alone: bool) -> dict[str, Any]:
    values = {name: plain(name, array) for name, array in outputs.items()}
    if alone:
        values = {name: array[0] for name, array in values.items()}
    return {"outputs": next(iter(values.values())) if len(values) == 1 else values}


# --- classify and regress ---------------------------------------------------------------------------------


async def classify(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    answers, codecs = await _examples(server, request, places, "classify")
    target = next((name for name, codec in codecs.items() if codec.labels is not None), None)
    if target is None:
        raise _of_another_kind("classification", "classify", "regress")
    labels = codecs[target].labels or ()
    told = [
        [[label, np.float32(answer.targets[target]["probabilities"][label])] for label in labels]
        for answer in answers
    ]
    return Response(dumps({"results": told}))


async def regress(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    answers, codecs = await _examples(server, request, places, "regress")
    found = [_number(answer, codecs) for answer in answers]
    if None in found:
        raise _of_another_kind("regression", "regress", "classify")
    return Response(dumps({"results": np.array(found, np.float32)}))


def _number(answer: Answer, codecs: Mapping[str, Codec]) -> float | None:
    """The one number of an answer."""
    for name in codecs:
        value = answer.targets[name].get("value")
        while isinstance(value, list) and len(cast("list[Any]", value)) == 1:
            value = cast("list[Any]", value)[0]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
    return None


async def _examples(
    server: Any, request: Request, places: Mapping[str, str], method: str
) -> tuple[list[Answer], Mapping[str, Codec]]:
    """The answers to `examples`, each with the features of `context`."""
    asked = base.asked_of(server, request, places)
    record = _record(server, request)
    _refuse_signature(record, method)
    examples, context = record.get(EXAMPLES), record.get(CONTEXT, {})
    if EXAMPLES not in record:
        raise wrong(record, f"When method is {method}, key 'examples' is expected and was not found")
    if not isinstance(examples, list):
        raise wrong(record, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise wrong(record, "'examples' value is an empty array")
    inputs = server.router.find(asked).bundle.signature.inputs
    items: list[dict[str, Any]] = []
    for place, example in enumerate(cast("list[Any]", examples)):
        for each in (example, context):
            if not isinstance(each, dict):
                kind = WORDS[type(each)]
                raise Refusal(400, f"Example must be JSON object but got JSON {kind} (item {place})")
        if twice := cast("dict[str, Any]", example).keys() & cast("dict[str, Any]", context).keys():
            raise Refusal(400, f"Feature: {min(twice)} is in 'context' and in item {place} of 'examples'")
        items.append(
            {name: _feature(value, inputs.get(name)) for name, value in {**context, **example}.items()}
        )
    patience = base.timeout_of(request)
    found = await base.within(
        patience, path.answer_items(server, asked, items, request, priority=base.priority_of(request))
    )
    for place, answer in enumerate(found.answers):
        if isinstance(answer, Failure):
            fault = answer.error
            raise Refusal(
                400,
                f"Failed to process element: {place} of 'examples' list. Error: {fault.error} {fault.fix}".rstrip(),
            )
    return cast("list[Answer]", found.answers), found.servable.bundle.signature.targets


def _feature(value: Any, codec: Codec | None) -> Any:
    """A value of a feature, or a list of values, as a codec reads it."""
    if isinstance(value, list) and len(cast("list[Any]", value)) == 1 and codec is not None:
        kinds = codec.schema().get("type", ())
        if "array" not in ([kinds] if isinstance(kinds, str) else kinds):
            value = cast("list[Any]", value)[0]
    if is_b64(value):
        data = text_of(value)
        return data if codec is None or codec.from_files else cast("bytes", data).decode("utf-8", "replace")
    return cast("Any", value)


def _of_another_kind(kind: str, wanted: str, own: str) -> Refusal:
    method = "tensorflow/serving/"
    return Refusal(400, f"Expected {kind} signature method_name to be {method}{wanted}. Was: {method}{own}")


ROOTS = base.roots("/v1/models/{model}")
ROUTES = (
    Route("GET", "/v1/models", no_name, "read", "Refused: a model's name is missing."),
    *(Route("GET", root, status, "read", "The versions of a model, and how they are.") for root in ROOTS),
    *(
        Route("GET", f"{root}/metadata", metadata, "read", "The inputs and outputs of a model.")
        for root in ROOTS
    ),
    *(
        Route("POST", f"{root}:predict", predict, "infer", "Rows or columns in, predictions out.")
        for root in ROOTS
    ),
    *(
        Route("POST", f"{root}:classify", classify, "infer", "Examples in, labels and scores out.")
        for root in ROOTS
    ),
    *(
        Route("POST", f"{root}:regress", regress, "infer", "Examples in, a number for each out.")
        for root in ROOTS
    ),
)
