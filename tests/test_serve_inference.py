"""The Open Inference Protocol over REST: what it answers, what it refuses, and in which words."""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import MODELS, golden_items, servable
from wired import Told, look, over, tell

from drivetrain.codecs import Codec
from drivetrain.serve import tensors
from drivetrain.serve.types import Caller

HOUSES = "/v2/models/houses/infer"
TENSORS = [name for name in MODELS if servable(name).tensors]


def port(name: str, datatype: str, shape: list[int], data: Any, **parameters: Any) -> dict[str, Any]:
    found = {"name": name, "datatype": datatype, "shape": shape, "data": data}
    return {**found, "parameters": parameters} if parameters else found


AREA = port("area", "FP32", [2], [100, 200.5])
TOWN = port("town", "INT64", [2], [0, 1])


def binary(record: dict[str, Any], *tails: bytes, path: str = HOUSES, **headers: str) -> Told:
    head = json.dumps(record).encode()
    given = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(head)),
        **headers,
    }
    return tell(path, b"".join([head, *tails]), given)


def read(told: Told) -> dict[str, np.ndarray]:
    """The outputs of a response, whichever way they come."""
    assert told.status == 200, told.body
    size = told.headers.get("Inference-Header-Content-Length")
    head = json.loads(told.body[: int(size)] if size else told.body)
    tail = told.body[int(size) :] if size else b""
    found = {}
    for each in head["outputs"]:
        if "data" in each:
            found[each["name"]] = tensors.from_json(
                each["name"], each["datatype"], each["shape"], each["data"]
            )
            continue
        length = each["parameters"]["binary_data_size"]
        found[each["name"]] = tensors.from_bytes(each["name"], each["datatype"], each["shape"], tail[:length])
        tail = tail[length:]
    assert not tail
    return found


def test_the_server_tells_what_it_is() -> None:
    assert look("/v2/health/live").json() == {"live": True}
    assert look("/v2/health/ready").json() == {"live": True, "ready": True}
    told = look("/v2").json()
    assert told["name"] == "drivetrain"
    assert {"binary_tensor_data", "classification", "model_repository", "statistics"} <= {*told["extensions"]}


def test_a_model_tells_its_tensors() -> None:
    told = look("/v2/models/houses").json()
    assert told == {
        "name": "houses", "versions": ["1"], "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": "area", "datatype": "FP32", "shape": [-1], "parameters": {"raw": "BYTES"}},
            {"name": "town", "datatype": "INT64", "shape": [-1], "parameters": {"raw": "BYTES"}},
        ],
        "outputs": [{"name": "price", "datatype": "FP32", "shape": [-1]}],
    }  # fmt: skip
    assert look("/v2/models/houses/versions/1").json() == told
    assert look("/v2/models/houses/ready").json() == {"name": "houses", "ready": True}
    assert look("/v2/models/houses/versions/1/ready").status == 200


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v2/models/no", 404, "Request for unknown model: 'no' is not found"),
        ("/v2/models/no/ready", 404, "Request for unknown model: 'no' is not found"),
        ("/v2/models/no/stats", 404, "Request for unknown model: 'no' is not found"),
        ("/v2/models/houses/versions/7", 404, "Request for unknown model: 'houses' version 7 is not found"),
        ("/v2/models/houses/versions/7/stats", 404, "Request for unknown model: 'houses' version 7 is not found"),
        ("/v2/models/houses/versions/one", 400, "failed to get model version from specified version string 'one'"),
        ("/v2/models/houses/versions/-1", 400, "failed to get model version"),
        ("/v2/models/houses/versions/" + "9" * 30, 400, "failed to get model version"),
        ("/v2/models/..%2f", 404, "unknown model"),
    ],
)  # fmt: skip
def test_a_model_that_there_is_not_is_told_as_triton_tells_it(path: str, status: int, words: str) -> None:
    told = look(path)
    assert told.status == status
    assert words in told.error
    assert [*told.json()] == ["error"]


def test_tensors_are_answered_and_the_id_comes_back() -> None:
    told = tell(HOUSES, {"id": "42", "inputs": [AREA, TOWN]})
    assert told.type == "application/json"
    head = told.json()
    assert (head["model_name"], head["model_version"], head["id"]) == ("houses", "1", "42")
    ((name, found),) = read(told).items()
    assert (name, found.dtype, found.shape) == ("price", np.float32, (2,))
    assert "id" not in tell(HOUSES, {"inputs": [AREA, TOWN]}).json()
    # Which server it is, and whatever else stands in the object, is left alone, as the documentation's example has it.
    again = tell(HOUSES, {"model_name": "mymodel", "inputs": [TOWN, AREA], "outputs": [{"name": "price"}]})
    np.testing.assert_array_equal(read(again)["price"], found)


def test_binary_tensors_give_the_numbers_that_json_gives() -> None:
    want = read(tell(HOUSES, {"inputs": [AREA, TOWN]}))["price"]
    area, town = np.array([100, 200.5], "<f4").tobytes(), np.array([0, 1], "<i8").tobytes()
    ports = [
        {**AREA, "parameters": {"binary_data_size": 8}},
        {**TOWN, "parameters": {"binary_data_size": 16}},
    ]
    for each in ports:
        del each["data"]
    for record, in_binary in [
        ({"inputs": ports}, False),
        ({"inputs": ports, "parameters": {"binary_data_output": True}}, True),
        ({"inputs": ports, "outputs": [{"name": "price", "parameters": {"binary_data": True}}]}, True),
        (
            {
                "inputs": ports, "parameters": {"binary_data_output": True},
                "outputs": [{"name": "price", "parameters": {"binary_data": False}}],
            },
            False,
        ),
    ]:  # fmt: skip
        told = binary(record, area, town)
        assert told.type == ("application/octet-stream" if in_binary else "application/json")
        np.testing.assert_array_equal(read(told)["price"], want)
    mixed = binary({"inputs": [AREA, ports[1]]}, town)
    np.testing.assert_array_equal(read(mixed)["price"], want)


def test_binary_lengths_have_to_add_up() -> None:
    tail = np.array([100, 200.5], "<f4").tobytes()
    record = {
        "inputs": [
            {"name": "area", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": 8}},
            TOWN,
        ]
    }
    assert binary(record, tail).status == 200
    assert "additional bytes" in binary(record, tail[:-1]).error
    assert binary(record, tail + b"\0").error == "unexpected additional input data for model 'houses'"
    for size in (-1, 7, 9, 2**63, 1.0, True, "8", None):
        record["inputs"][0]["parameters"]["binary_data_size"] = size
        assert binary(record, tail).status == 400
    record["inputs"][0]["parameters"]["binary_data_size"] = 8
    record["inputs"][0]["data"] = [1, 2]
    assert "only one of the following" in binary(record, tail).error
    for header in ("-1", "1e2", "x", "", "9" * 20, str(10**6), "٣", "0"):
        assert binary(record, tail, **{"inference-header-content-length": header}).status == 400


def test_a_missing_header_length_is_said_to_be_missing() -> None:
    record = {
        "inputs": [
            {"name": "area", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": 8}},
            TOWN,
        ]
    }
    for tail in (b"", np.array([1, 2], "<f4").tobytes()):
        told = tell(HOUSES, json.dumps(record).encode() + tail, {"content-type": "application/octet-stream"})
        assert told.status == 400
        assert "Inference-Header-Content-Length" in told.error


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({}, "Unable to parse 'inputs'"),
        ({"inputs": {}}, "Unable to parse 'inputs'"),
        ({"inputs": [1]}, "Unable to parse 'inputs'"),
        ([], "no JSON object"),
        ({"inputs": []}, "expected 2 inputs but got 0 inputs for model 'houses'. Got input(s) [], but missing required input(s) "),
        ({"inputs": [AREA]}, "missing required input(s) ['town']. Please provide all required input(s)."),
        ({"inputs": [AREA, AREA, TOWN]}, "input 'area' is given twice"),
        ({"inputs": [AREA, TOWN, port("no", "FP32", [2], [1, 2])]}, "unexpected inference input 'no' for model 'houses'"),
        ({"inputs": [AREA, TOWN], "outputs": [{"name": "no"}]}, "unexpected inference output 'no' for model 'houses'"),
        ({"inputs": [AREA, TOWN], "outputs": [{}]}, "Unable to parse 'name'"),
        ({"inputs": [AREA, TOWN], "outputs": {}}, "Unable to parse 'outputs'"),
        ({"inputs": [AREA, TOWN], "id": 1}, "Unable to parse 'id'"),
        ({"inputs": [AREA, TOWN], "parameters": []}, "Unable to parse 'parameters'"),
        ({"inputs": [AREA, TOWN], "parameters": {"x": []}}, "parameter 'x' has invalid type"),
        ({"inputs": [AREA, TOWN], "parameters": {"binary_data_output": 1}}, "Unable to parse 'binary_data_output'"),
        ({"inputs": [AREA, TOWN], "parameters": {"priority": -1}}, "Unable to parse 'priority'"),
        ({"inputs": [AREA, TOWN], "parameters": {"timeout": "1"}}, "Unable to parse 'timeout'"),
        ({"inputs": [{**AREA, "parameters": {"shared_memory_region": "a"}}, TOWN]}, "shared memory"),
        ({"inputs": [port("area", "INT64", [2], [1, 2]), TOWN]},
         "inference input 'area' data-type is 'INT64', but model 'houses' expects 'FP32' (or 'BYTES', raw)"),
        ({"inputs": [port("area", "FP32", [2, 1], [1, 2]), TOWN]},
         "unexpected shape for input 'area' for model 'houses'. Expected [-1], got [2,1]"),
        ({"inputs": [port("area", "FP32", [1], [1]), TOWN]}, "batch size"),
        ({"inputs": [port("area", "FP32", [3], [1, 2]), TOWN]}, "Shape does not match true shape of 'data' field"),
        ({"inputs": [port("area", "BF16", [2], [1, 2]), TOWN]}, "BF16"),
        ({"inputs": [AREA, port("town", "INT64", [2], [0, 99])]}, ""),
        ({"inputs": [AREA, port("town", "BYTES", [2], ["Ulm", "Paris"])]}, "Paris"),
    ],
)  # fmt: skip
def test_what_can_not_be_meant_is_told(record: Any, words: str) -> None:
    told = tell(HOUSES, record)
    assert told.status == 400
    assert words in told.error


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"\xff", b"{} x", b"NaN", b'{"inputs": [NaN]}', b'{"a": 1, "a": 2}', b"[" * 101 + b"]" * 101, b'{"x": 1e999}',
        b"[" * 500_000,
    ],
)  # fmt: skip
def test_what_is_no_json_is_told(body: bytes) -> None:
    told = tell(HOUSES, body)
    assert told.status == 400
    assert [*told.json()] == ["error"]


def test_numbers_that_are_none_come_as_null() -> None:
    told = tell("/v2/models/houses/infer", {"inputs": [port("area", "FP32", [2], [1, None]), TOWN]})
    (output,) = told.json()["outputs"]
    assert output["data"][1] is None
    assert output["data"][0] is not None


def test_a_body_may_be_nothing_but_a_tensor() -> None:
    item = golden_items(servable("pictures"))[0]["image"]
    want = tell(
        "/v2/models/pictures/infer", {"inputs": [port("image", "BYTES", [1], [b64encode(item).decode()])]}
    )
    told = tell("/v2/models/pictures/infer", item, {"inference-header-content-length": "0"})
    np.testing.assert_array_equal(read(told)["label"], read(want)["label"])
    assert "1 input" in tell(HOUSES, b"x", {"inference-header-content-length": "0"}).error
    assert tell("/v2/models/pictures/infer", b"x", {"inference-header-content-length": "0"}).status == 400
    assert look("/v2/models").json() == {"models": sorted(MODELS)}


def test_outputs_are_given_as_classes() -> None:
    item = golden_items(servable("pictures"))[0]["image"]
    record = {
        "inputs": [port("image", "BYTES", [1], [b64encode(item).decode()])],
        "outputs": [{"name": "label", "parameters": {"classification": 2}}],
    }
    (output,) = tell("/v2/models/pictures/infer", record).json()["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1, 2])
    value, place, label = output["data"][0].split(":")
    codec = servable("pictures").bundle.signature.targets["label"]
    assert codec.labels is not None
    assert codec.labels[int(place)] == label
    assert float(value) > float(output["data"][1].split(":")[0])


def test_a_request_that_waits_too_long_is_given_up() -> None:
    told = tell(
        "/v2/models/sounds/infer", {"inputs": [_golden("sounds", 1)[0]], "parameters": {"timeout": 1}}
    )
    assert told.status in (
        200,
        504,
    )  # One microsecond: it is over before anything could be read, nearly always.


def test_the_repository_and_what_is_counted() -> None:
    index = tell("/v2/repository/index", {}).json()
    assert {"name": "houses", "version": "1", "state": "READY", "reason": ""} in index
    assert len(index) == len(MODELS)
    assert tell("/v2/repository/index").json() == index
    assert tell("/v2/repository/index", {"ready": 1}).status == 400
    some = tell("/v2/repository/index", {}, caller=Caller(models=frozenset({"houses"}))).json()
    assert [each["name"] for each in some] == ["houses"]
    before = look("/v2/models/houses/stats").json()["model_stats"][0]
    assert tell(HOUSES, {"inputs": [AREA, TOWN]}).status == 200
    (after,) = look("/v2/models/houses/versions/1/stats").json()["model_stats"]
    assert after["inference_count"] == before["inference_count"] + 2
    assert after["inference_stats"]["success"]["count"] == before["inference_stats"]["success"]["count"] + 1
    assert {each["batch_size"] for each in after["batch_stats"]} >= {2}
    everything = look("/v2/models/stats").json()["model_stats"]
    assert {each["name"] for each in everything} == {*MODELS}


def _golden(name: str, rows: int) -> list[dict[str, Any]]:
    """The first golden cases of a model, encoded, as JSON tensors."""
    model = servable(name)
    found = []
    for field, codec in model.bundle.signature.inputs.items():
        encoded = [case.encoded[field] for case in model.bundle.cases[:rows]]
        longest = max((len(each) for each in encoded), default=0) if codec.varies else 0
        if codec.varies:
            array = np.full((len(encoded), longest), codec.padding, codec.dtype)
            for row, each in zip(array, encoded):
                row[: len(each)] = each
            lengths = np.array([len(each) for each in encoded])
            found.append(port(f"{field}_lengths", "INT64", [len(encoded)], lengths.tolist()))
        else:
            array = np.stack(encoded)
        data = [None if value != value else value for value in array.ravel().tolist()]
        found.append(port(field, tensors.datatype_of(array.dtype), list(array.shape), data))
    return found


def _raw(codec: Codec, value: Any) -> bytes | None:
    """A raw value as the element of a BYTES tensor; None where it can't be one."""
    if codec.from_files:
        return bytes(value) if isinstance(value, (bytes, bytearray)) else None
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return None
    try:
        return str(value).encode()
    except UnicodeEncodeError:
        return None


@pytest.mark.parametrize("name", [name for name in TENSORS if servable(name).program == "single"])
def test_raw_values_and_tensors_give_the_same_numbers(name: str) -> None:
    model = servable(name)
    cases = len(model.bundle.cases)
    items = golden_items(model)
    encoded = read(tell(f"/v2/models/{name}/infer", {"inputs": _golden(name, cases)}))
    for row in range(cases):
        raw = {
            field: _raw(codec, items[row][field]) for field, codec in model.bundle.signature.inputs.items()
        }
        if any(value is None for value in raw.values()):
            continue
        inputs, tails = [], []
        for field, value in raw.items():
            assert value is not None
            tails.append(struct.pack("<I", len(value)) + value)
            inputs.append(
                {
                    "name": field,
                    "datatype": "BYTES",
                    "shape": [1],
                    "parameters": {"binary_data_size": len(tails[-1])},
                }
            )
        found = read(
            binary(
                {"inputs": inputs, "parameters": {"binary_data_output": True}},
                *tails,
                path=f"/v2/models/{name}/infer",
            )
        )
        for target, array in found.items():
            np.testing.assert_allclose(array[0], encoded[target][row], rtol=2e-5, atol=1e-6)


def test_files_are_never_opened_nor_addresses_fetched(tmp_path: Any) -> None:
    real = tmp_path / "a.png"
    real.write_bytes(golden_items(servable("pictures"))[0]["image"])
    for name, field in (("pictures", "image"), ("files", "file"), ("sounds", "tone")):
        for text in (
            str(real),
            f"file://{real}",
            "http://127.0.0.1:9/a.png",
            "/dev/zero",
            "/etc/passwd",
            "../a.png",
        ):
            told = tell(f"/v2/models/{name}/infer", {"inputs": [port(field, "BYTES", [1], [text])]})
            assert told.status == 400, text
            raw = struct.pack("<I", len(text)) + text.encode()
            record = {
                "inputs": [
                    {
                        "name": field,
                        "datatype": "BYTES",
                        "shape": [1],
                        "parameters": {"binary_data_size": len(raw)},
                    }
                ]
            }
            told = binary(record, raw, path=f"/v2/models/{name}/infer")
            # What a file is may be any bytes: then the text is its content.
            assert told.status == (200 if name == "files" else 400), text


def test_loading_is_told_and_takes_no_parameters(tmp_path: Any) -> None:
    from serving import a_repository

    server = over(a_repository(tmp_path, "houses"))
    told = tell("/v2/repository/models/houses/load", {"parameters": {"config": "{}"}}, server=server)
    assert told.status == 400
    assert "no parameters" in told.error


@given(st.binary(max_size=300), st.one_of(st.none(), st.integers(-2, 400)))
@settings(max_examples=60, deadline=None)
def test_no_bytes_are_a_fault_of_ours(body: bytes, length: int | None) -> None:
    headers = {} if length is None else {"inference-header-content-length": str(length)}
    assert tell(HOUSES, body, headers).status == 400


values = st.sampled_from([0, 1, 2, -1, 2**40, 2**63, 1.5, 1e300, "1", "Ulm", None, True, [1], {}])
some = st.lists(values, max_size=4)
plain = st.dictionaries(
    st.sampled_from(["binary_data_size", "binary_data", "classification", "priority", "timeout", "x"]),
    values,
    max_size=2,
)
ports = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["area", "town", "x", 1]),
        "datatype": st.sampled_from(["FP32", "INT64", "BYTES", "no", 1]),
    },
    optional={"shape": some, "data": some, "parameters": plain},
)
outputs = st.fixed_dictionaries({"name": st.sampled_from(["price", "x", 1])}, optional={"parameters": plain})


@given(
    st.fixed_dictionaries(
        {"inputs": st.lists(ports, max_size=3)},
        optional={
            "outputs": st.lists(outputs, max_size=2),
            "parameters": plain,
            "id": st.sampled_from(["1", 1]),
        },
    ),
    st.binary(max_size=20),
)
@settings(max_examples=80, deadline=None)
def test_no_request_is_a_fault_of_ours(record: dict[str, Any], tail: bytes) -> None:
    assert binary(record, tail).status in (200, 400, 504)
