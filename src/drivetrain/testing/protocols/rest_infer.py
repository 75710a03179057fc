"""Open Inference Protocol over REST: health, metadata, and inference in JSON."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np

from drivetrain.testing.protocols.suite import add, case, equal, must
from drivetrain.testing.protocols.target import Target, outputs_of, simple_inputs, simple_request, tensor

SPEC = "open-inference-protocol inference_rest.md"
INFER = "/v2/models/simple/infer"
SUM, DIFFERENCE = [n + 1 for n in range(16)], [n - 1 for n in range(16)]

VALUES: dict[str, list[Any]] = {
    "BOOL": [True, False, True, True],
    "UINT8": [0, 1, 254, 255],
    "UINT16": [0, 1, 2**16 - 2, 2**16 - 1],
    "UINT32": [0, 1, 2**32 - 2, 2**32 - 1],
    "UINT64": [0, 1, 2**53 + 1, 2**64 - 1],
    "INT8": [-128, -1, 0, 127],
    "INT16": [-(2**15), -1, 0, 2**15 - 1],
    "INT32": [-(2**31), -1, 0, 2**31 - 1],
    "INT64": [-(2**63), -(2**53) - 1, 0, 2**63 - 1],
    "FP16": [-2.0, 0.5, 0.0, 1024.0],
    "FP32": [-1.5, 0.0, 3.0e38, 1.401298464324817e-45],
    "FP64": [-1.5, 0.1, 1.7976931348623157e308, 5e-324],
    "BYTES": ["", "a", "żółw", "two\nlines"],
}
"""Of each datatype values (4,) that an identity must give back: the ends of its range among them."""


@case("v2.live", source=SPEC)
def live(server: Target) -> None:
    """GET v2/health/live is 200."""
    equal(server.get("/v2/health/live").status, 200, "the status")


@case("v2.live.body", source=SPEC, must=False)
def live_body(server: Target) -> None:
    """The body of v2/health/live, where there is one, is JSON that says so."""
    reply = server.get("/v2/health/live")
    must(not reply.body or reply.json().get("live") is True, f"the body is {reply.body[:80]!r}")


@case("v2.ready", source=SPEC)
def ready(server: Target) -> None:
    """GET v2/health/ready is 200."""
    equal(server.get("/v2/health/ready").status, 200, "the status")


@case("v2.metadata.name_and_version", source=SPEC)
def server_metadata(server: Target) -> None:
    """GET v2 names the server and its version, both texts."""
    said = server.get("/v2").ok()
    must(isinstance(said.get("name"), str) and said["name"], "no name")
    must(isinstance(said.get("version"), str) and said["version"], "no version")


@case("v2.metadata.extensions", source=SPEC)
def server_extensions(server: Target) -> None:
    """GET v2 lists the extensions, all texts."""
    said = server.get("/v2").ok().get("extensions")
    must(
        isinstance(said, list) and all(isinstance(each, str) for each in said), f"extensions are {said!r:.80}"
    )


@case("v2.metadata.content_type", source=SPEC)
def metadata_type(server: Target) -> None:
    """Metadata is application/json."""
    must(
        server.get("/v2").headers.get("content-type", "").startswith("application/json"),
        "another Content-Type",
    )


@case("v2.model.ready", source=SPEC)
def model_ready(server: Target) -> None:
    """GET v2/models/NAME/ready is 200 for a model that is there."""
    server.needs_model("simple")
    equal(server.get("/v2/models/simple/ready").status, 200, "the status")


@case("v2.model.ready.version", source=SPEC)
def version_ready(server: Target) -> None:
    """GET v2/models/NAME/versions/V/ready is 200 for a version that the metadata names."""
    server.needs_model("simple")
    equal(
        server.get(f"/v2/models/simple/versions/{server.version_of('simple')}/ready").status,
        200,
        "the status",
    )


@case("v2.model.ready.unknown", source=SPEC)
def unknown_ready(server: Target) -> None:
    """A model that isn't there isn't ready: 4xx."""
    status = server.get("/v2/models/no_such_model/ready").status
    must(400 <= status < 500, f"status {status}")


@case("v2.model.metadata.name", source=SPEC)
def model_name(server: Target) -> None:
    """A model's metadata has its name."""
    server.needs_model("simple")
    equal(server.get("/v2/models/simple").ok().get("name"), "simple", "the name")


@case("v2.model.metadata.platform", source=SPEC)
def model_platform(server: Target) -> None:
    """A model's metadata has its platform, a text."""
    server.needs_model("simple")
    must(isinstance(server.get("/v2/models/simple").ok().get("platform"), str), "no platform")


@case("v2.model.metadata.versions", source=SPEC)
def model_versions(server: Target) -> None:
    """Versions, where they are named, are texts."""
    server.needs_model("simple")
    versions = server.get("/v2/models/simple").ok().get("versions", [])
    must(
        isinstance(versions, list) and all(isinstance(each, str) for each in versions),
        f"versions are {versions!r:.80}",
    )


@case("v2.model.metadata.inputs", source=SPEC)
def model_inputs(server: Target) -> None:
    """A model's inputs are there by name, datatype and shape, a dimension that varies as -1."""
    server.needs_model("simple")
    said = {each["name"]: each for each in server.get("/v2/models/simple").ok()["inputs"]}
    equal(sorted(said), ["INPUT0", "INPUT1"], "the inputs' names")
    for each in said.values():
        equal((each["datatype"], list(each["shape"])), ("INT32", [-1, 16]), f"{each['name']}'s type")


@case("v2.model.metadata.outputs", source=SPEC)
def model_outputs(server: Target) -> None:
    """A model's outputs are there by name, datatype and shape."""
    server.needs_model("simple")
    said = {each["name"]: each for each in server.get("/v2/models/simple").ok()["outputs"]}
    equal(sorted(said), ["OUTPUT0", "OUTPUT1"], "the outputs' names")
    for each in said.values():
        equal((each["datatype"], list(each["shape"])), ("INT32", [-1, 16]), f"{each['name']}'s type")


@case("v2.model.metadata.version", source=SPEC)
def version_metadata(server: Target) -> None:
    """The metadata of one version are there too."""
    server.needs_model("simple")
    equal(
        server.get(f"/v2/models/simple/versions/{server.version_of('simple')}").ok().get("name"),
        "simple",
        "the name",
    )


@case("v2.model.metadata.unknown", source=SPEC)
def unknown_metadata(server: Target) -> None:
    """The metadata of no model are an error object."""
    server.get("/v2/models/no_such_model").refused()


@case("v2.model.metadata.unknown_version", source=SPEC)
def unknown_version_metadata(server: Target) -> None:
    """The metadata of no version are an error object."""
    server.needs_model("simple")
    server.get("/v2/models/simple/versions/987654321").refused()


def _answer(server: Target, **more: Any) -> Any:
    server.needs_model("simple")
    return server.post(INFER, simple_request(**more)).ok()


@case("v2.infer.sum_and_difference", source=SPEC)
def right_numbers(server: Target) -> None:
    """The outputs hold what the model computes."""
    found = outputs_of(_answer(server))
    equal(found["OUTPUT0"]["data"], SUM, "the sum")
    equal(found["OUTPUT1"]["data"], DIFFERENCE, "the difference")


@case("v2.infer.outputs.all", source=SPEC)
def all_outputs(server: Target) -> None:
    """Without `outputs` all outputs come."""
    equal(sorted(outputs_of(_answer(server))), ["OUTPUT0", "OUTPUT1"], "the outputs")


@case("v2.infer.outputs.chosen", source=SPEC)
def chosen_output(server: Target) -> None:
    """With `outputs` those come that are asked for."""
    equal(sorted(outputs_of(_answer(server, outputs=[{"name": "OUTPUT1"}]))), ["OUTPUT1"], "the outputs")


@case("v2.infer.outputs.shape", source=SPEC)
def output_shape(server: Target) -> None:
    """An output has shape and datatype, and as many elements as its shape says."""
    for each in outputs_of(_answer(server, rows=3)).values():
        equal(
            (list(each["shape"]), each["datatype"], len(each["data"])), ([3, 16], "INT32", 48), each["name"]
        )


@case("v2.infer.model_name", source=SPEC)
def answer_name(server: Target) -> None:
    """The answer names the model."""
    equal(_answer(server).get("model_name"), "simple", "model_name")


@case("v2.infer.model_version", source=SPEC)
def answer_version(server: Target) -> None:
    """The version, where the answer has one, is a text."""
    said = _answer(server).get("model_version", "")
    must(isinstance(said, str), f"model_version is {said!r}")


@case("v2.infer.id", source=SPEC)
def answer_id(server: Target) -> None:
    """The id comes back."""
    equal(_answer(server, id="42").get("id"), "42", "the id")


@case("v2.infer.id.any_text", source=SPEC)
def answer_any_id(server: Target) -> None:
    """An id of any letters comes back as it was."""
    identity = 'ż "x" \\ </script> ' + "y" * 200
    equal(_answer(server, id=identity).get("id"), identity, "the id")


@case("v2.infer.version", source=SPEC)
def infer_version(server: Target) -> None:
    """A version may be in the path."""
    server.needs_model("simple")
    said = server.post(
        f"/v2/models/simple/versions/{server.version_of('simple')}/infer", simple_request()
    ).ok()
    equal(outputs_of(said)["OUTPUT0"]["data"], SUM, "the sum")


@case("v2.infer.rows", source=SPEC)
def several_rows(server: Target) -> None:
    """Rows are answered in their order."""
    server.needs_model("simple")
    first = tensor("INPUT0", "INT32", [2, 16], [*range(16), *range(100, 116)])
    said = server.post(INFER, {"inputs": [first, simple_inputs(2)[1]]}).ok()
    equal(outputs_of(said)["OUTPUT0"]["data"], [*SUM, *range(101, 117)], "the sum")


@case("v2.infer.nested", source=f"{SPEC} (tensor data: nested or flat)")
def nested_data(server: Target) -> None:
    """Data may be nested by the shape."""
    server.needs_model("simple")
    first = tensor("INPUT0", "INT32", [1, 16], [list(range(16))])
    equal(
        outputs_of(server.post(INFER, {"inputs": [first, simple_inputs()[1]]}).ok())["OUTPUT0"]["data"],
        SUM,
        "the sum",
    )


@case("v2.infer.order", source=SPEC)
def any_order(server: Target) -> None:
    """Inputs go by their names, not by their order."""
    server.needs_model("simple")
    said = server.post(INFER, {"inputs": simple_inputs()[::-1]}).ok()
    equal(outputs_of(said)["OUTPUT1"]["data"], DIFFERENCE, "the difference")


@case("v2.infer.parameters", source=SPEC, must=False)
def unknown_parameters(server: Target) -> None:
    """Parameters that the server doesn't know do no harm."""
    equal(outputs_of(_answer(server, parameters={"color": "blue"}))["OUTPUT0"]["data"], SUM, "the sum")


@case("v2.infer.whitespace", source="RFC 8259")
def whitespace(server: Target) -> None:
    """JSON with line breaks and spaces is the same JSON."""
    server.needs_model("simple")
    said = server.post(INFER, "\r\n\t " + json.dumps(simple_request(), indent=4) + "\n").ok()
    equal(outputs_of(said)["OUTPUT0"]["data"], SUM, "the sum")


@case("v2.infer.content_type", source=SPEC)
def infer_type(server: Target) -> None:
    """The answer is application/json."""
    server.needs_model("simple")
    kind = server.post(INFER, simple_request()).headers.get("content-type", "")
    must(kind.startswith("application/json"), f"it is {kind!r}")


@case("v2.infer.wraps", source="INT32 arithmetic", must=False)
def extremes(server: Target) -> None:
    """The ends of INT32 go through unharmed."""
    server.needs_model("simple")
    ends = tensor("INPUT0", "INT32", [1, 16], [2**31 - 2, -(2**31)] * 8)
    ones = tensor("INPUT1", "INT32", [1, 16], [1, 0] * 8)
    said = outputs_of(server.post(INFER, {"inputs": [ends, ones]}).ok())
    equal(said["OUTPUT0"]["data"], [2**31 - 1, -(2**31)] * 8, "the sum")


@case("v2.infer.strings", source="triton simple_http_string_infer_client.py")
def string_sums(server: Target) -> None:
    """A model of texts reads and writes BYTES."""
    server.needs_model("simple_string")
    first = tensor("INPUT0", "BYTES", [1, 16], [str(n) for n in range(16)])
    second = tensor("INPUT1", "BYTES", [1, 16], ["1"] * 16)
    said = outputs_of(server.post("/v2/models/simple_string/infer", {"inputs": [first, second]}).ok())
    equal(said["OUTPUT0"]["data"], [str(n) for n in SUM], "the sum")
    equal(said["OUTPUT0"]["datatype"], "BYTES", "the datatype")


def _identity(datatype: str, server: Target) -> None:
    name = f"identity_{datatype.lower()}"
    server.needs_model(name)
    values = VALUES[datatype]
    said = server.post(
        f"/v2/models/{name}/infer", {"inputs": [tensor("INPUT0", datatype, [1, 4], values)]}
    ).ok()
    found = outputs_of(said)["OUTPUT0"]
    equal((found["datatype"], list(found["shape"])), (datatype, [1, 4]), "the output's type")
    same = found["data"] == values or _rounded(datatype, found["data"]) == _rounded(datatype, values)
    must(same, f"the data are {found['data']!r:.120}, not {values!r:.120}")


def _rounded(datatype: str, values: list[Any]) -> list[float] | None:
    """Floats as their datatype has them, whichever of the texts that mean one was written; None for others."""
    sizes = {"FP32": np.float32, "FP64": np.float64}
    return np.array(values, sizes[datatype]).tolist() if datatype in sizes else None


for _datatype in VALUES:
    if _datatype != "FP16":  # JSON has it only as a number that was rounded before: it goes as bytes.
        add(
            f"v2.datatype.{_datatype}",
            f"{_datatype} goes in and comes out unchanged, the ends of its range too",
            partial(_identity, _datatype),
            source=f"{SPEC} (tensor data types)",
        )
