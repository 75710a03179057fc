"""TensorFlow Serving's gRPC API."""

from __future__ import annotations

from functools import partial
from typing import Any

from drivetrain.testing.protocols.calls import PREDICTION, STATUS, call, needs_model, refused
from drivetrain.testing.protocols.suite import add, case, equal, must
from drivetrain.testing.protocols.target import Target

SPEC = "tensorflow serving apis/prediction_service.proto"
FLOAT, INT32, STRING = 1, 3, 7
HALF = {"name": "half_plus_three"}


def _shape(*sides: int) -> dict[str, Any]:
    return {"dim": [{"size": side} for side in sides]}


def floats(*values: float) -> dict[str, Any]:
    return {"dtype": FLOAT, "tensor_shape": _shape(len(values)), "float_val": values}


def _half(server: Target) -> None:
    needs_model(server, "half_plus_three", tensorflow=True)


def _predict(server: Target, **changed: Any) -> Any:
    _half(server)
    return call(
        server, PREDICTION, "Predict", {"model_spec": HALF, "inputs": {"x": floats(1, 2, 5)}, **changed}
    )


def _values(reply: Any, name: str = "y") -> list[float]:
    import numpy as np

    found = reply.outputs[name]
    return [*found.float_val] or np.frombuffer(found.tensor_content, "<f4").tolist()


@case("tfgrpc.predict", source=SPEC)
def predict(server: Target) -> None:
    """Predict gives the right numbers, with their type and shape."""
    reply = _predict(server)
    equal(_values(reply), [3.5, 4.0, 5.5], "the values")
    found = reply.outputs["y"]
    equal((found.dtype, [side.size for side in found.tensor_shape.dim]), (FLOAT, [3]), "the type")


@case("tfgrpc.predict.names", source=SPEC)
def predict_names(server: Target) -> None:
    """The answer says which model and version it is of."""
    spec = _predict(server).model_spec
    must(
        spec.name == "half_plus_three" and spec.version.value > 0,
        f"it says {spec.name!r}, version {spec.version.value}",
    )


@case("tfgrpc.predict.content", source=SPEC)
def predict_content(server: Target) -> None:
    """Values may come as tensor_content."""
    import numpy as np

    tensor = {
        "dtype": FLOAT,
        "tensor_shape": _shape(3),
        "tensor_content": np.array([1, 2, 5], np.float32).tobytes(),
    }
    equal(_values(_predict(server, inputs={"x": tensor})), [3.5, 4.0, 5.5], "the values")


@case("tfgrpc.predict.one_for_all", source="tensorflow tensor.proto")
def predict_repeated(server: Target) -> None:
    """One value for a tensor of several stands for all of them."""
    tensor = {"dtype": FLOAT, "tensor_shape": _shape(3), "float_val": [2.0]}
    equal(_values(_predict(server, inputs={"x": tensor})), [4.0] * 3, "the values")


@case("tfgrpc.predict.version", source=SPEC)
def predict_version(server: Target) -> None:
    """A version may be asked for."""
    version = _predict(server).model_spec.version.value
    reply = _predict(server, model_spec={**HALF, "version": {"value": version}})
    equal((reply.model_spec.version.value, _values(reply)), (version, [3.5, 4.0, 5.5]), "the answer")


@case("tfgrpc.predict.signature", source=SPEC)
def predict_signature(server: Target) -> None:
    """The default signature may be named."""
    equal(
        _values(_predict(server, model_spec={**HALF, "signature_name": "serving_default"})),
        [3.5, 4.0, 5.5],
        "the values",
    )


@case("tfgrpc.predict.output_filter", source=SPEC)
def output_filter(server: Target) -> None:
    """Outputs may be chosen."""
    equal([*_predict(server, output_filter=["y"]).outputs], ["y"], "the outputs")


@case("tfgrpc.predict.several", source=SPEC)
def several(server: Target) -> None:
    """Several inputs and outputs go by name."""
    needs_model(server, "simple", tensorflow=True)
    pair = {"INPUT0": [*range(16)], "INPUT1": [1] * 16}
    inputs = {
        name: {"dtype": INT32, "tensor_shape": _shape(1, 16), "int_val": values}
        for name, values in pair.items()
    }
    reply = call(server, PREDICTION, "Predict", {"model_spec": {"name": "simple"}, "inputs": inputs})
    equal(
        [*reply.outputs["OUTPUT0"].int_val] or len(reply.outputs["OUTPUT0"].tensor_content),
        [n + 1 for n in range(16)],
        "the sum",
    )


@case("tfgrpc.predict.strings", source=SPEC)
def strings(server: Target) -> None:
    """A model of texts takes and gives texts."""
    needs_model(server, "identity_bytes", tensorflow=True)
    tensor = {"dtype": STRING, "tensor_shape": _shape(1, 4), "string_val": [b"a", b"", b"c", b"d"]}
    reply = call(
        server,
        PREDICTION,
        "Predict",
        {"model_spec": {"name": "identity_bytes"}, "inputs": {"INPUT0": tensor}},
    )
    equal([*reply.outputs["OUTPUT0"].string_val], [b"a", b"", b"c", b"d"], "the texts")


@case("tfgrpc.regress", source=SPEC)
def regress(server: Target) -> None:
    """Regress takes examples and gives a value each."""
    _half(server)
    examples = [{"features": {"feature": {"x": {"float_list": {"value": [value]}}}}} for value in (1.0, 2.0)]
    record = {
        "model_spec": {**HALF, "signature_name": "tensorflow/serving/regress"},
        "input": {"example_list": {"examples": examples}},
    }
    found = call(server, PREDICTION, "Regress", record).result.regressions
    equal([each.value for each in found], [3.5, 4.0], "the values")


@case("tfgrpc.metadata", source=SPEC)
def metadata(server: Target) -> None:
    """GetModelMetadata has the signatures."""
    _half(server)
    reply = call(
        server, PREDICTION, "GetModelMetadata", {"model_spec": HALF, "metadata_field": ["signature_def"]}
    )
    must("signature_def" in reply.metadata, f"it has {[*reply.metadata]}")


@case("tfgrpc.status", source="tensorflow serving apis/model_service.proto")
def status(server: Target) -> None:
    """GetModelStatus says AVAILABLE."""
    _half(server)
    found = call(server, STATUS, "GetModelStatus", {"model_spec": HALF}).model_version_status
    must(any(each.state == 30 for each in found), "no version is AVAILABLE")


@case("tfgrpc.status.unknown", source="tensorflow serving apis/model_service.proto")
def status_unknown(server: Target) -> None:
    """The status of no model is NOT_FOUND."""
    _half(server)
    refused(server, STATUS, "GetModelStatus", {"model_spec": {"name": "no_such_model"}}, "NOT_FOUND")


@case("tfgrpc.refused.unknown_model", source="tensorflow serving server_core.cc")
def unknown_model(server: Target) -> None:
    """A model that isn't there is NOT_FOUND, in the words of the original."""
    _half(server)
    record = {"model_spec": {"name": "half"}, "inputs": {"x": floats(1)}}
    words = refused(server, PREDICTION, "Predict", record, "NOT_FOUND")
    equal(words, "Servable not found for request: Latest(half)", "the error")


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "no_spec": ("a request without a model", {"model_spec": {}}),
    "unknown_version": (
        "a version that isn't there",
        {"model_spec": {**HALF, "version": {"value": 987654321}}},
    ),
    "unknown_signature": (
        "a signature that there isn't",
        {"model_spec": {**HALF, "signature_name": "nothing"}},
    ),
    "no_inputs": ("no inputs", {"inputs": {}}),
    "input_unknown": ("an input that the model hasn't", {"inputs": {"z": floats(1)}}),
    "dtype_other": (
        "a type that isn't the model's",
        {"inputs": {"x": {"dtype": STRING, "tensor_shape": _shape(1), "string_val": [b"1"]}}},
    ),
    "dtype_none": ("no type", {"inputs": {"x": {"tensor_shape": _shape(1), "float_val": [1.0]}}}),
    "shape_negative": (
        "negative dimensions",
        {"inputs": {"x": {"dtype": FLOAT, "tensor_shape": _shape(-3), "float_val": [1.0]}}},
    ),
    "shape_huge": (
        "a shape that no memory holds",
        {"inputs": {"x": {"dtype": FLOAT, "tensor_shape": _shape(2**50), "float_val": [1.0]}}},
    ),
    "content_size": (
        "contents of another size",
        {"inputs": {"x": {"dtype": FLOAT, "tensor_shape": _shape(3), "tensor_content": b"12345"}}},
    ),
    "data_many": (
        "more values than the shape says",
        {"inputs": {"x": {"dtype": FLOAT, "tensor_shape": _shape(1), "float_val": [1, 2]}}},
    ),
    "output_unknown": ("an output that the model hasn't", {"output_filter": ["z"]}),
}


def _refused(changed: dict[str, Any], server: Target) -> None:
    _half(server)
    refused(server, PREDICTION, "Predict", {"model_spec": HALF, "inputs": {"x": floats(1, 2, 5)}, **changed})
    equal(_values(_predict(server)), [3.5, 4.0, 5.5], "the next answer")


for _name, (_about, _changed) in REFUSED.items():
    add(
        f"tfgrpc.refused.{_name}",
        f"{_about[0].upper()}{_about[1:]} is refused in words, and the next answer is right",
        partial(_refused, _changed),
        source=SPEC,
    )
