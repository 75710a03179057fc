"""TensorFlow Serving's REST API."""

from __future__ import annotations

import base64
import json
from functools import partial
from typing import Any

from drivetrain.testing.protocols.rest_infer import DIFFERENCE, SUM
from drivetrain.testing.protocols.suite import add, case, equal, must
from drivetrain.testing.protocols.target import Target

SPEC = "tensorflow serving api_rest.md"
HALF = "/v1/models/half_plus_three"
PREDICT = f"{HALF}:predict"
SIMPLE = "/v1/models/simple:predict"
ROW = {"INPUT0": list(range(16)), "INPUT1": [1] * 16}


def _half(server: Target) -> None:
    server.needs_model("half_plus_three", "v1")


def _simple(server: Target) -> None:
    server.needs_model("simple", "v1")


@case("v1.status", source=SPEC)
def status(server: Target) -> None:
    """A model's status has its versions, their state, and a status of OK."""
    _half(server)
    (first, *_) = server.get(HALF).ok()["model_version_status"]
    must(
        isinstance(first["version"], str) and first["version"].isdigit(),
        f"the version is {first['version']!r}",
    )
    equal(first["state"], "AVAILABLE", "the state")
    equal(first["status"], {"error_code": "OK", "error_message": ""}, "the status")


def _version(server: Target) -> str:
    _half(server)
    return server.get(HALF).ok()["model_version_status"][0]["version"]


@case("v1.status.version", source=SPEC)
def status_version(server: Target) -> None:
    """The status of one version alone."""
    version = _version(server)
    found = server.get(f"{HALF}/versions/{version}").ok()["model_version_status"]
    equal([each["version"] for each in found], [version], "the versions")


@case("v1.status.unknown", source=SPEC)
def status_unknown(server: Target) -> None:
    """The status of no model is 404 with an error object."""
    _half(server)
    server.get("/v1/models/no_such_model").refused(404)


@case("v1.status.unknown_version", source=SPEC)
def status_unknown_version(server: Target) -> None:
    """The status of no version is 404 with an error object."""
    _half(server)
    server.get(f"{HALF}/versions/987654321").refused(404)


@case("v1.metadata", source="tensorflow serving get_model_metadata")
def metadata(server: Target) -> None:
    """The metadata have the model's name and its signatures."""
    _half(server)
    said = server.get(f"{HALF}/metadata").ok()
    equal(said["model_spec"]["name"], "half_plus_three", "the name")
    found = said["metadata"]["signature_def"]["signature_def"]
    must("serving_default" in found, f"the signatures are {sorted(found)!r}")


@case("v1.predict.documented", source=SPEC)
def documented(server: Target) -> None:
    """The documented call gives the documented answer."""
    _half(server)
    equal(
        server.post(PREDICT, '{"instances": [1.0,2.0,5.0]}').ok(),
        {"predictions": [3.5, 4.0, 5.5]},
        "the answer",
    )


@case("v1.regress.documented", source=SPEC)
def regress_documented(server: Target) -> None:
    """The documented call of regress gives the documented answer."""
    _half(server)
    body = '{"signature_name": "tensorflow/serving/regress", "examples": [{"x": 1.0}, {"x": 2.0}]}'
    equal(server.post(f"{HALF}:regress", body).ok(), {"results": [3.5, 4.0]}, "the answer")


@case("v1.unknown.documented", source=SPEC)
def unknown_documented(server: Target) -> None:
    """The documented call of no model gives the documented words."""
    _half(server)
    words = server.post("/v1/models/half:predict", '{"instances": [1.0,5.0]}').refused(404)
    equal(words, "Servable not found for request: Latest(half)", "the error")


@case("v1.unknown_version.words", source="tensorflow serving server_core.cc", must=False)
def unknown_version_words(server: Target) -> None:
    """A version that isn't there is told as the original tells it."""
    _half(server)
    words = server.post(f"{HALF}/versions/987654321:predict", '{"instances": [1.0]}').refused(404)
    equal(words, "Servable not found for request: Specific(half_plus_three, 987654321)", "the error")


@case("v1.predict.without_content_type", source=SPEC)
def form_type(server: Target) -> None:
    """What curl -d sends, JSON that calls itself a form, is answered."""
    _half(server)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    equal(
        server.ask("POST", PREDICT, b'{"instances": [1.0]}', kind).ok(), {"predictions": [3.5]}, "the answer"
    )


@case("v1.predict.version", source=SPEC)
def predict_version(server: Target) -> None:
    """A version may be in the path."""
    found = server.post(f"{HALF}/versions/{_version(server)}:predict", {"instances": [1.0]}).ok()
    equal(found, {"predictions": [3.5]}, "the answer")


@case("v1.predict.row.objects", source=SPEC)
def row_objects(server: Target) -> None:
    """Instances may name their input."""
    _half(server)
    equal(
        server.post(PREDICT, {"instances": [{"x": 1.0}, {"x": 2.0}]}).ok(),
        {"predictions": [3.5, 4.0]},
        "the answer",
    )


@case("v1.predict.row.several_inputs", source=SPEC)
def row_several(server: Target) -> None:
    """With several outputs a prediction is an object."""
    _simple(server)
    said = server.post(SIMPLE, {"instances": [ROW, ROW]}).ok()
    equal(said, {"predictions": [{"OUTPUT0": SUM, "OUTPUT1": DIFFERENCE}] * 2}, "the answer")


@case("v1.predict.column", source=SPEC)
def column(server: Target) -> None:
    """`inputs` takes the one tensor itself, and gives `outputs`."""
    _half(server)
    equal(server.post(PREDICT, {"inputs": [1.0, 2.0, 5.0]}).ok(), {"outputs": [3.5, 4.0, 5.5]}, "the answer")


@case("v1.predict.column.named", source=SPEC)
def column_named(server: Target) -> None:
    """`inputs` takes tensors by name."""
    _half(server)
    equal(server.post(PREDICT, {"inputs": {"x": [1.0, 2.0]}}).ok(), {"outputs": [3.5, 4.0]}, "the answer")


@case("v1.predict.column.several_inputs", source=SPEC)
def column_several(server: Target) -> None:
    """With several outputs `outputs` is an object."""
    _simple(server)
    said = server.post(SIMPLE, {"inputs": {name: [values] * 2 for name, values in ROW.items()}}).ok()
    equal(said, {"outputs": {"OUTPUT0": [SUM] * 2, "OUTPUT1": [DIFFERENCE] * 2}}, "the answer")


@case("v1.predict.signature", source=SPEC)
def signature(server: Target) -> None:
    """The default signature may be named."""
    _half(server)
    said = server.post(PREDICT, {"signature_name": "serving_default", "instances": [1.0]}).ok()
    equal(said, {"predictions": [3.5]}, "the answer")


@case("v1.predict.whole_numbers", source=SPEC)
def whole_numbers(server: Target) -> None:
    """Whole numbers are floats where those are asked for."""
    _half(server)
    equal(server.post(PREDICT, {"instances": [1, 2]}).ok(), {"predictions": [3.5, 4.0]}, "the answer")


@case("v1.predict.strings", source=SPEC)
def strings(server: Target) -> None:
    """A model of texts takes and gives texts."""
    server.needs_model("identity_bytes", "v1")
    said = server.post("/v1/models/identity_bytes:predict", {"instances": [["a", "b", "", "żółw"]]}).ok()
    equal(said, {"predictions": [["a", "b", "", "żółw"]]}, "the answer")


@case("v1.predict.b64", source=SPEC)
def b64(server: Target) -> None:
    """Texts may come as {"b64": ...}."""
    server.needs_model("identity_bytes", "v1")
    texts = [{"b64": base64.b64encode(each).decode()} for each in (b"a", b"b", b"c", b"d")]
    said = server.post("/v1/models/identity_bytes:predict", {"instances": [texts]}).ok()
    equal(said, {"predictions": [["a", "b", "c", "d"]]}, "the answer")


REFUSED: dict[str, tuple[str, Any]] = {
    "empty": ("an empty body", b""),
    "not_json": ("a body that is no JSON", "{instances: [1]}"),
    "array": ("an array in place of an object", [1.0]),
    "neither": ("neither instances nor inputs", {}),
    "both": ("both instances and inputs", {"instances": [1.0], "inputs": [1.0]}),
    "instances_number": ("instances that are no list", {"instances": 1.0}),
    "instances_null": ("instances that are null", {"instances": None}),
    "instances_empty": ("no instance", {"instances": []}),
    "texts": ("texts for numbers", {"instances": ["one", "two"]}),
    "nulls": ("null for a number", {"instances": [None]}),
    "b64_for_number": ("b64 for a number", {"instances": [{"b64": "MS4w"}]}),
    "b64_broken": ("b64 that is none", {"instances": [{"x": {"b64": "%%%"}}]}),
    "ragged": ("tensors of unlike shapes", {"instances": [1.0, [2.0]]}),
    "input_unknown": ("an input that the model hasn't", {"instances": [{"y": 1.0}]}),
    "input_besides": ("an input besides", {"instances": [{"x": 1.0, "y": 1.0}]}),
    "mixed": ("objects and numbers mixed", {"instances": [{"x": 1.0}, 2.0]}),
    "signature_unknown": ("a signature that there isn't", {"signature_name": "nothing", "instances": [1.0]}),
    "signature_number": ("a signature that is a number", {"signature_name": 7, "instances": [1.0]}),
    "column_unknown": ("a column that the model hasn't", {"inputs": {"y": [1.0]}}),
    "column_unequal": ("an object without its input", {"inputs": {}}),
    "deep": ("100,000 brackets", '{"instances": ' + "[" * 100_000),
    "infinite": ("1e999, which no float is", '{"instances": [1e999]}'),
}


def _refused(body: Any, server: Target) -> None:
    _half(server)
    server.post(PREDICT, body).refused()
    equal(server.post(PREDICT, {"instances": [1.0]}).ok(), {"predictions": [3.5]}, "the next answer")


for _name, (_about, _body) in REFUSED.items():
    add(
        f"v1.refused.{_name}",
        f"{_about[0].upper()}{_about[1:]} is 4xx with an error object, and the next answer is right",
        partial(_refused, _body),
        source=SPEC,
        must=_name not in ("deep", "infinite", "input_besides", "signature_number"),
    )


@case("v1.refused.words", source="tensorflow serving issue 1317", must=False)
def b64_words(server: Target) -> None:
    """The error of b64 for a number says which it is."""
    _half(server)
    words = server.post(PREDICT, {"instances": [{"b64": "MS4w"}]}).refused().lower()
    must("b64" in words or "base64" in words or "string" in words, f"it says {words!r:.100}")


@case("v1.refused.verb", source=SPEC)
def unknown_verb(server: Target) -> None:
    """A verb that there isn't is 4xx."""
    _half(server)
    found = server.post(f"{HALF}:explode", json.dumps({"instances": [1.0]})).status
    must(400 <= found < 500, f"status {found}")


@case("v1.refused.method", source=SPEC)
def wrong_method(server: Target) -> None:
    """GET on :predict is 4xx."""
    _half(server)
    found = server.get(PREDICT).status
    must(400 <= found < 500, f"status {found}")
