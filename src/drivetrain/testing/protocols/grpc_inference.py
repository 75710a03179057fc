"""Open Inference Protocol over gRPC."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from drivetrain.testing.protocols.calls import INFERENCE, call, needs_model, refused, stream
from drivetrain.testing.protocols.rest_binary import packed, unpacked
from drivetrain.testing.protocols.rest_infer import DIFFERENCE, SUM, VALUES
from drivetrain.testing.protocols.suite import Skipped, add, case, equal, must
from drivetrain.testing.protocols.target import Target

SPEC = "open-inference-protocol inference_grpc.md"
CONTENTS = {
    "BOOL": "bool_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip


def typed(name: str, datatype: str, shape: list[int], values: Any) -> dict[str, Any]:
    data = [value.encode() if isinstance(value, str) else value for value in values]
    return {"name": name, "datatype": datatype, "shape": shape, "contents": {CONTENTS[datatype]: data}}


def raw(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}


def simple(rows: int = 1, **more: Any) -> dict[str, Any]:
    inputs = [
        typed("INPUT0", "INT32", [rows, 16], [*range(16)] * rows),
        typed("INPUT1", "INT32", [rows, 16], [1] * 16 * rows),
    ]
    return {"model_name": "simple", "inputs": inputs, **more}


def outputs_of(reply: Any) -> dict[str, list[Any]]:
    """Values by name, whichever way they came."""
    found: dict[str, list[Any]] = {}
    raws = [*reply.raw_output_contents]
    must(
        not raws or len(raws) == len(reply.outputs),
        f"{len(raws)} raw contents for {len(reply.outputs)} outputs",
    )
    for place, each in enumerate(reply.outputs):
        if raws:
            found[each.name] = unpacked(each.datatype, raws[place])
        else:
            values = [*getattr(each.contents, CONTENTS[each.datatype])]
            found[each.name] = [value.decode() if isinstance(value, bytes) else value for value in values]
    return found


def _infer(server: Target, **more: Any) -> Any:
    needs_model(server, "simple")
    return call(server, INFERENCE, "ModelInfer", simple(**more))


@case("grpc.live", source=SPEC)
def live(server: Target) -> None:
    """ServerLive says so."""
    must(call(server, INFERENCE, "ServerLive").live, "it doesn't")


@case("grpc.ready", source=SPEC)
def ready(server: Target) -> None:
    """ServerReady says so."""
    must(call(server, INFERENCE, "ServerReady").ready, "it doesn't")


@case("grpc.metadata", source=SPEC)
def metadata(server: Target) -> None:
    """ServerMetadata has name and version."""
    said = call(server, INFERENCE, "ServerMetadata")
    must(said.name and said.version, f"it says {said.name!r}, {said.version!r}")


@case("grpc.metadata.as_rest", source=SPEC, must=False)
def metadata_alike(server: Target) -> None:
    """Both protocols say the same of the server."""
    said = call(server, INFERENCE, "ServerMetadata")
    rest = server.get("/v2").ok()
    equal((said.name, said.version), (rest.get("name"), rest.get("version")), "what gRPC says")


@case("grpc.model.ready", source=SPEC)
def model_ready(server: Target) -> None:
    """ModelReady says so of a model that is there."""
    needs_model(server, "simple")
    must(call(server, INFERENCE, "ModelReady", {"name": "simple"}).ready, "it doesn't")


@case("grpc.model.metadata", source=SPEC)
def model_metadata(server: Target) -> None:
    """ModelMetadata has name, inputs and outputs by name, datatype and shape."""
    needs_model(server, "simple")
    said = call(server, INFERENCE, "ModelMetadata", {"name": "simple"})
    found = {each.name: (each.datatype, [*each.shape]) for each in (*said.inputs, *said.outputs)}
    equal(said.name, "simple", "the name")
    equal(
        found, dict.fromkeys(("INPUT0", "INPUT1", "OUTPUT0", "OUTPUT1"), ("INT32", [-1, 16])), "the tensors"
    )


@case("grpc.model.metadata.unknown", source=SPEC)
def unknown_metadata(server: Target) -> None:
    """The metadata of no model are refused."""
    refused(
        server,
        INFERENCE,
        "ModelMetadata",
        {"name": "no_such_model"},
        "NOT_FOUND",
        "INVALID_ARGUMENT",
        "UNAVAILABLE",
    )


@case("grpc.infer.typed", source=SPEC)
def infer_typed(server: Target) -> None:
    """Typed contents give the right numbers."""
    found = outputs_of(_infer(server))
    equal((found["OUTPUT0"], found["OUTPUT1"]), (SUM, DIFFERENCE), "the outputs")


@case("grpc.infer.raw", source=SPEC)
def infer_raw(server: Target) -> None:
    """Raw contents give the right numbers."""
    needs_model(server, "simple")
    inputs = [raw(name, "INT32", [1, 16]) for name in ("INPUT0", "INPUT1")]
    contents = [packed("INT32", range(16)), packed("INT32", [1] * 16)]
    reply = call(
        server,
        INFERENCE,
        "ModelInfer",
        {"model_name": "simple", "inputs": inputs, "raw_input_contents": contents},
    )
    equal(outputs_of(reply)["OUTPUT0"], SUM, "the sum")


@case("grpc.infer.rows", source=SPEC)
def infer_rows(server: Target) -> None:
    """Several rows are answered in their order, with their shape."""
    reply = _infer(server, rows=3)
    equal(outputs_of(reply)["OUTPUT0"], SUM * 3, "the sum")
    equal([*reply.outputs[0].shape], [3, 16], "the shape")


@case("grpc.infer.names", source=SPEC)
def infer_names(server: Target) -> None:
    """The answer names its model and repeats the id."""
    reply = _infer(server, id="a b 42")
    equal((reply.model_name, reply.id), ("simple", "a b 42"), "what it says")


@case("grpc.infer.outputs.chosen", source=SPEC)
def infer_chosen(server: Target) -> None:
    """With `outputs` those come that are asked for."""
    equal(sorted(outputs_of(_infer(server, outputs=[{"name": "OUTPUT1"}]))), ["OUTPUT1"], "the outputs")


@case("grpc.infer.version", source=SPEC)
def infer_version(server: Target) -> None:
    """A version may be asked for by its name."""
    needs_model(server, "simple")
    versions = call(server, INFERENCE, "ModelMetadata", {"name": "simple"}).versions
    if not versions:
        raise Skipped("the server names no versions")
    reply = _infer(server, model_version=versions[-1])
    equal((reply.model_version, outputs_of(reply)["OUTPUT0"]), (versions[-1], SUM), "the answer")


@case("grpc.infer.strings", source="triton simple_grpc_string_infer_client.py")
def infer_strings(server: Target) -> None:
    """A model of texts reads and writes BYTES."""
    needs_model(server, "simple_string")
    inputs = [
        typed("INPUT0", "BYTES", [1, 16], map(str, range(16))),
        typed("INPUT1", "BYTES", [1, 16], ["1"] * 16),
    ]
    reply = call(server, INFERENCE, "ModelInfer", {"model_name": "simple_string", "inputs": inputs})
    equal(outputs_of(reply)["OUTPUT0"], [str(n) for n in SUM], "the sum")


def _identity(datatype: str, way: str, server: Target) -> None:
    name = f"identity_{datatype.lower()}"
    needs_model(server, name)
    values = VALUES[datatype]
    record: dict[str, Any] = {"model_name": name, "inputs": [raw("INPUT0", datatype, [1, 4])]}
    if way == "raw":
        record["raw_input_contents"] = [packed(datatype, values)]
    else:
        record["inputs"] = [typed("INPUT0", datatype, [1, 4], values)]
    reply = call(server, INFERENCE, "ModelInfer", record)
    equal((reply.outputs[0].datatype, [*reply.outputs[0].shape]), (datatype, [1, 4]), "the output's type")
    found, wanted = outputs_of(reply)["OUTPUT0"], values
    if datatype == "FP32":
        found, wanted = np.array(found, np.float32).tolist(), np.array(wanted, np.float32).tolist()
    equal(found, wanted, "the values")


for _datatype in VALUES:
    for _way in ("raw", "typed"):
        if (_datatype, _way) != ("FP16", "typed"):  # There is no such field.
            add(
                f"grpc.{_way}.{_datatype}",
                f"{_datatype} goes in as {_way} contents and comes out unchanged",
                partial(_identity, _datatype, _way),
                source=SPEC,
            )

_FIRST, _SECOND = simple()["inputs"]
_RAW = [packed("INT32", range(16)), packed("INT32", [1] * 16)]
_PORTS = [raw(name, "INT32", [1, 16]) for name in ("INPUT0", "INPUT1")]
REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "unknown_model": ("a model that isn't there", simple(model_name="no_such_model")),
    "unknown_version": ("a version that isn't there", simple(model_version="987654321")),
    "version_no_number": ("a version that can't be one", simple(model_version="../1")),
    "no_inputs": ("no inputs", {"model_name": "simple"}),
    "input_missing": ("one input of two", {"model_name": "simple", "inputs": [_FIRST]}),
    "input_unknown": (
        "an input that the model hasn't",
        simple(inputs=[_FIRST, _SECOND, typed("INPUT9", "INT32", [1], [1])]),
    ),
    "input_twice": ("an input given twice", simple(inputs=[_FIRST, _SECOND, _FIRST])),
    "datatype_unknown": (
        "a datatype that there isn't",
        simple(inputs=[{**_FIRST, "datatype": "INT33"}, _SECOND]),
    ),
    "datatype_other": (
        "a datatype that isn't the model's",
        simple(inputs=[typed("INPUT0", "FP32", [1, 16], [0.0] * 16), _SECOND]),
    ),
    "contents_other": (
        "contents of another type",
        simple(inputs=[{**_FIRST, "contents": {"fp32_contents": [0.0] * 16}}, _SECOND]),
    ),
    "shape_negative": ("negative dimensions", simple(inputs=[{**_FIRST, "shape": [-1, -16]}, _SECOND])),
    "shape_other": (
        "a dimension that the model hasn't",
        simple(inputs=[typed("INPUT0", "INT32", [1, 8], range(8)), _SECOND]),
    ),
    "shape_rank": ("a dimension too many", simple(inputs=[{**_FIRST, "shape": [1, 1, 16]}, _SECOND])),
    "shape_huge": (
        "a shape that no memory holds",
        simple(inputs=[{**_FIRST, "shape": [2**40, 16]}, _SECOND]),
    ),
    "shape_overflow": (
        "a shape whose product runs over 64 bits to 0",
        simple(inputs=[{**_FIRST, "shape": [2**32, 2**32]}, _SECOND]),
    ),
    "data_few": (
        "fewer elements than the shape says",
        simple(inputs=[typed("INPUT0", "INT32", [1, 16], range(15)), _SECOND]),
    ),
    "data_many": (
        "more elements than the shape says",
        simple(inputs=[typed("INPUT0", "INT32", [1, 16], range(17)), _SECOND]),
    ),
    "data_missing": ("an input without contents", simple(inputs=[_PORTS[0], _SECOND])),
    "raw_few": (
        "fewer raw contents than inputs",
        {"model_name": "simple", "inputs": _PORTS, "raw_input_contents": _RAW[:1]},
    ),
    "raw_many": (
        "more raw contents than inputs",
        {"model_name": "simple", "inputs": _PORTS, "raw_input_contents": [*_RAW, b"x"]},
    ),
    "raw_size": (
        "raw contents of another size",
        {"model_name": "simple", "inputs": _PORTS, "raw_input_contents": [_RAW[0][:-1], _RAW[1]]},
    ),
    "raw_and_typed": (
        "an input both raw and typed",
        {"model_name": "simple", "inputs": [_FIRST, _SECOND], "raw_input_contents": _RAW},
    ),
    "output_unknown": ("an output that the model hasn't", simple(outputs=[{"name": "OUTPUT9"}])),
}


def _refused(record: dict[str, Any], server: Target) -> None:
    needs_model(server, "simple")
    refused(server, INFERENCE, "ModelInfer", record)
    equal(outputs_of(_infer(server))["OUTPUT0"], SUM, "the next answer")


for _name, (_about, _record) in REFUSED.items():
    add(
        f"grpc.refused.{_name}",
        f"{_about[0].upper()}{_about[1:]} is refused in words, and the next answer is right",
        partial(_refused, _record),
        source=SPEC,
    )


@case("grpc.refused.unknown_model.code", source="triton grpc_server.cc", must=False)
def unknown_model_code(server: Target) -> None:
    """A model that isn't there is NOT_FOUND, and its name is in the words."""
    needs_model(server, "simple")
    must(
        "no_such_model"
        in refused(server, INFERENCE, "ModelInfer", simple(model_name="no_such_model"), "NOT_FOUND"),
        "it isn't",
    )


@case("grpc.stream", source="triton grpc_service.proto (ModelStreamInfer)", must=False)
def streamed(server: Target) -> None:
    """A stream of requests gives a stream of answers, a wrong one among them an error in its place."""
    needs_model(server, "simple")
    asked = [simple(id="1"), simple(model_name="no_such_model", id="2"), simple(id="3")]
    found = stream(server, INFERENCE, "ModelStreamInfer", asked)
    equal([bool(each.error_message) for each in found], [False, True, False], "which are errors")
    equal([each.infer_response.id for each in found][::2], ["1", "3"], "the ids")


@case("grpc.statistics", source="triton extension_statistics.md", must=False)
def statistics(server: Target) -> None:
    """ModelStatistics counts inferences."""
    server.needs_extension("statistics")
    _infer(server, rows=2)
    found = call(server, INFERENCE, "ModelStatistics", {"name": "simple"}).model_stats
    must(sum(each.inference_count for each in found) >= 2, "it counts none")


@case("grpc.repository.index", source="triton extension_model_repository.md", must=False)
def index(server: Target) -> None:
    """RepositoryIndex lists the model as READY."""
    server.needs_extension("model_repository")
    needs_model(server, "simple")
    found = call(server, INFERENCE, "RepositoryIndex").models
    must(any(each.name == "simple" and each.state == "READY" for each in found), "it doesn't")


@case("grpc.repository.unload", source="CWE-306", must=False)
def unload_alone(server: Target) -> None:
    """Nobody without a key can take a model away."""
    server.needs_extension("model_repository")
    needs_model(server, "simple")
    if server.headers:
        raise Skipped("the suite was given a key")
    codes = ("UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED", "NOT_FOUND")
    refused(server, INFERENCE, "RepositoryModelUnload", {"model_name": "simple"}, *codes)
    equal(outputs_of(_infer(server))["OUTPUT0"], SUM, "the next answer")


@case("grpc.health", source="grpc health.proto", must=False)
def health(server: Target) -> None:
    """The standard health service says SERVING."""
    equal(call(server, "grpc.health.v1.Health", "Check").status, 1, "the status")
