"""Open Inference Protocol over REST: what can't be meant is refused in words, and breaks nothing."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from drivetrain.testing.protocols.rest_infer import INFER, SPEC
from drivetrain.testing.protocols.suite import add, case, must
from drivetrain.testing.protocols.target import Target, simple_inputs, simple_request, tensor


def _with(**changed: Any) -> dict[str, Any]:
    """The plain request, its first input changed; a value that is ... is left out."""
    first, second = simple_inputs()
    first = {name: value for name, value in {**first, **changed}.items() if value is not ...}
    return {"inputs": [first, second]}


_PLAIN = json.dumps(simple_request())
BODIES: dict[str, tuple[str, Any]] = {
    "empty": ("an empty body", b""),
    "not_json": ("a body that is no JSON", "{not json"),
    "cut_off": ("JSON that is cut off", _PLAIN[:-7]),
    "two_values": ("two JSON values", _PLAIN + _PLAIN),
    "not_utf8": ("a body that is no UTF-8", b'{"inputs": ["\xff\xfe"]}'),
    "array": ("an array in place of an object", []),
    "text": ("a text in place of an object", '"INPUT0"'),
    "null": ("null in place of an object", "null"),
    "no_inputs": ("no inputs", {}),
    "inputs_null": ("inputs that are null", {"inputs": None}),
    "inputs_object": ("inputs that are no list", {"inputs": {"INPUT0": [1]}}),
    "inputs_empty": ("an empty list of inputs", {"inputs": []}),
    "input_number": ("an input that is no object", {"inputs": [1, 2]}),
    "input_missing": ("one input of two", {"inputs": simple_inputs()[:1]}),
    "input_unknown": (
        "an input that the model hasn't",
        {"inputs": [*simple_inputs(), tensor("INPUT9", "INT32", [1], [1])]},
    ),
    "input_twice": ("an input given twice", {"inputs": [*simple_inputs(), simple_inputs()[0]]}),
    "name_missing": ("an input without a name", _with(name=...)),
    "name_number": ("a name that is a number", _with(name=7)),
    "shape_missing": ("an input without a shape", _with(shape=...)),
    "shape_text": ("a shape that is a text", _with(shape="1,16")),
    "shape_of_texts": ("dimensions that are texts", _with(shape=["1", "16"])),
    "shape_of_fractions": ("dimensions that are fractions", _with(shape=[1.5, 16])),
    "shape_negative": ("negative dimensions", _with(shape=[-1, -16])),
    "shape_rank": ("a dimension too many", _with(shape=[1, 1, 16])),
    "shape_other": ("a dimension that the model hasn't", _with(shape=[1, 8], data=list(range(8)))),
    "shape_huge": ("a shape that no memory holds", _with(shape=[2**40, 16])),
    "shape_overflow": ("a shape whose product runs over 64 bits to 0", _with(shape=[2**32, 2**32])),
    "shape_beyond_64_bits": ("a dimension beyond 64 bits", _with(shape=[10**30, 16])),
    "shape_deep": ("a thousand dimensions", _with(shape=[1] * 1000)),
    "datatype_missing": ("an input without a datatype", _with(datatype=...)),
    "datatype_unknown": ("a datatype that there isn't", _with(datatype="INT33")),
    "datatype_number": ("a datatype that is a number", _with(datatype=32)),
    "datatype_other": ("a datatype that isn't the model's", _with(datatype="FP32")),
    "data_missing": ("an input without data", _with(data=...)),
    "data_null": ("data that are null", _with(data=None)),
    "data_object": ("data that are an object", _with(data={"0": 1})),
    "data_few": ("fewer elements than the shape says", _with(data=list(range(15)))),
    "data_many": ("more elements than the shape says", _with(data=list(range(17)))),
    "data_ragged": ("nested data of unlike lengths", _with(data=[list(range(15)), [1]])),
    "data_texts": ("texts as INT32", _with(data=["1"] * 16)),
    "data_fractions": ("fractions as INT32", _with(data=[0.5] * 16)),
    "data_nulls": ("nulls as INT32", _with(data=[None] * 16)),
    "data_beyond": ("a number beyond INT32", _with(data=[2**31] * 16)),
    "data_nan": ("NaN, which JSON hasn't", _PLAIN.replace("[0,", "[NaN,")),
    "data_infinite": ("1e999, which no float is", _PLAIN.replace("[0,", "[1e999,")),
    "output_unknown": ("an output that the model hasn't", simple_request(outputs=[{"name": "OUTPUT9"}])),
    "output_number": ("an output that is no object", simple_request(outputs=[7])),
    "outputs_object": ("outputs that are no list", simple_request(outputs={"name": "OUTPUT0"})),
    "id_object": ("an id that is an object", simple_request(id={"a": 1})),
    "parameters_list": ("parameters that are a list", simple_request(parameters=[1])),
    "deep": ("100,000 brackets", "[" * 100_000),
    "deep_closed": ("50,000 brackets, all closed", '{"inputs":' + "[" * 50_000 + "]" * 50_000 + "}"),
}
"""Bodies that no server can mean anything by, and what they are."""


def _refused(body: Any, server: Target) -> None:
    server.needs_model("simple")
    server.post(INFER, body).refused()
    server.golden()


for _name, (_about, _body) in BODIES.items():
    add(
        f"v2.refused.{_name}",
        f"{_about[0].upper()}{_about[1:]} is 4xx with an error object, and the next answer is right",
        partial(_refused, _body),
        source=SPEC,
        must=_name.partition("_")[0] not in ("deep", "id", "parameters"),
    )


@case("v2.refused.duplicate_keys", source="RFC 8259 section 4", must=False)
def duplicate_keys(server: Target) -> None:
    """An object with the same key twice, which two readers may read unlike, is refused."""
    server.needs_model("simple")
    server.post(INFER, _PLAIN.replace('"shape": [1, 16]', '"shape": [1, 16], "shape": [2, 16]', 1)).refused()


@case("v2.refused.unknown_model", source=SPEC)
def unknown_model(server: Target) -> None:
    """A model that isn't there is 4xx with an error object."""
    server.post("/v2/models/no_such_model/infer", simple_request()).refused()


@case("v2.refused.unknown_model.words", source="triton http_server.cc", must=False)
def unknown_model_words(server: Target) -> None:
    """The error names the model that isn't there."""
    must(
        "no_such_model" in server.post("/v2/models/no_such_model/infer", simple_request()).refused(),
        "it doesn't",
    )


@case("v2.refused.unknown_version", source=SPEC)
def unknown_version(server: Target) -> None:
    """A version that isn't there is 4xx with an error object."""
    server.needs_model("simple")
    server.post("/v2/models/simple/versions/987654321/infer", simple_request()).refused()


@case("v2.refused.version_no_number", source=SPEC, must=False)
def version_text(server: Target) -> None:
    """A version that can't be one is 4xx with an error object."""
    server.needs_model("simple")
    server.post("/v2/models/simple/versions/..%2f1/infer", simple_request()).refused()


@case("v2.refused.method", source="RFC 9110 section 15.5.6")
def wrong_method(server: Target) -> None:
    """GET on an address for POST is 4xx."""
    server.needs_model("simple")
    status = server.get(INFER).status
    must(400 <= status < 500, f"status {status}")


@case("v2.refused.path", source="RFC 9110")
def wrong_path(server: Target) -> None:
    """An address that there isn't is 404."""
    status = server.get("/v2/nothing/here").status
    must(status == 404, f"status {status}")


@case("v2.refused.traversal", source="CWE-22")
def traversal(server: Target) -> None:
    """Names that climb out of a folder are 4xx and tell nothing."""
    for name in ("..%2f..%2fetc%2fpasswd", "%2e%2e", "simple%00", "..%5c..", "%c0%ae%c0%ae"):
        reply = server.get(f"/v2/models/{name}")
        must(400 <= reply.status < 500, f"{name} is status {reply.status}")
        must(b"root:" not in reply.body, "the file came")
