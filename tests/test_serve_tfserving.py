"""TensorFlow Serving's REST API: what its documentation prints, word for word, and what it refuses."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import MODELS, a_repository, golden_items, servable
from wired import Told, look, over, tell

from drivetrain.codecs import Codec
from drivetrain.runtime import from_onnx
from drivetrain.serve import tensors
from drivetrain.serve.server import Server


def graph(
    nodes: list[Any], inputs: dict[str, Any], outputs: dict[str, Any], constants: dict[str, float]
) -> bytes:
    from onnx import helper, numpy_helper

    made = helper.make_graph(
        [helper.make_node(*node) for node in nodes], "g",
        [helper.make_tensor_value_info(name, *port) for name, port in inputs.items()],
        [helper.make_tensor_value_info(name, *port) for name, port in outputs.items()],
        [numpy_helper.from_array(np.float32(value), name) for name, value in constants.items()],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(made, opset_imports=opset, ir_version=10).SerializeToString()


def half_plus(number: float, *row: int) -> bytes:
    from onnx import TensorProto

    port = (TensorProto.FLOAT, ["n", *row])
    return graph(
        [("Mul", ["x", "half"], ["h"]), ("Add", ["h", "number"], ["y"])], {"x": port}, {"y": port}, {"half": 0.5, "number": number}
    )  # fmt: skip


def the_same() -> bytes:
    """The documentation's inputs, each put out again."""
    from onnx import TensorProto

    kinds = {
        "tag": (TensorProto.STRING, ["n"]), "signal": (TensorProto.INT64, ["n", 5]), "sensor": (TensorProto.INT32, ["n", 2, 2]),
    }  # fmt: skip
    nodes = [("Identity", [name], [f"{name}_out"]) for name in kinds]
    return graph(nodes, kinds, {f"{name}_out": port for name, port in kinds.items()}, {})


def the_same_rows() -> dict[str, Any]:
    tags = np.array(["a", "b"], object)
    return {"tag": tags, "signal": np.zeros((2, 5), np.int64), "sensor": np.ones((2, 2, 2), np.int32)}


def logs() -> bytes:
    from onnx import TensorProto

    port = (TensorProto.FLOAT, ["n"])
    return graph([("Log", ["x"], ["y"])], {"x": port}, {"y": port}, {})


def blobs() -> bytes:
    from onnx import TensorProto

    port = (TensorProto.STRING, ["n"])
    return graph([("Identity", ["text"], ["same_bytes"])], {"text": port}, {"same_bytes": port}, {})


@cache
def toys() -> Server:
    with TemporaryDirectory() as name:
        folder = a_repository(Path(name), "houses", "pictures", "trees", "said")
        for toy, version, data, examples in [
            ("half_plus_two", 123, half_plus(2.0), None),
            ("half_plus_three", 123, half_plus(3.0), None),
            ("columns", 1, half_plus(2.0, 1), None),
            ("logs", 1, logs(), {"x": np.array([1, 2], np.float32)}),
            ("same", 1, the_same(), the_same_rows()),
            ("blobs", 1, blobs(), {"text": np.array(["a", "b"], object)}),
        ]:  # fmt: skip
            (folder / toy / str(version)).mkdir(parents=True)
            from_onnx(data, folder / toy / str(version) / "model.bundle", examples=examples)
        return over(folder)


def ask(path: str, body: Any, **more: Any) -> Told:
    return tell(f"/v1/models/{path}", body, server=toys(), **more)


# --- as the documentation prints it -----------------------------------------------------------------------


def test_the_status_of_a_model() -> None:
    told = look("/v1/models/half_plus_three", toys())
    assert told.status == 200
    assert told.json() == {
        "model_version_status": [
            {"version": "123", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ]
    }
    assert look("/v1/models/half_plus_three/versions/123", toys()).json() == told.json()


def test_the_call_of_the_documentation() -> None:
    told = ask("half_plus_three:predict", b'{"instances": [1.0,2.0,5.0]}')
    assert told.json() == json.loads('{"predictions": [3.5, 4.0, 5.5]}')
    assert told.type == "application/json"
    assert ask("half_plus_two:predict", b'{"instances": [1.0, 2.0, 5.0]}').json() == {
        "predictions": [2.5, 3.0, 4.5]
    }
    assert ask(
        "half_plus_two/versions/123:predict", b'{"instances": [1.0, 2.0, 5.0]}'
    ).body == told.body.replace(b"3.5,4.0,5.5", b"2.5,3.0,4.5")


def test_the_regression_of_the_documentation() -> None:
    told = ask(
        "half_plus_three:regress",
        b'{"signature_name": "tensorflow/serving/regress", "examples": [{"x": 1.0}, {"x": 2.0}]}',
    )
    assert told.json() == {"results": [3.5, 4.0]}


def test_the_error_of_the_documentation() -> None:
    told = ask("half:predict", b'{"instances": [1.0,5.0]}')
    assert told.status == 404
    assert told.json() == {"error": "Servable not found for request: Latest(half)"}


def test_rows_and_columns_of_the_documentation() -> None:
    rows = {
        "instances": [
            {"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
            {"tag": "bar", "signal": [3, 4, 1, 2, 5], "sensor": [[4, 5], [6, 8]]},
        ]
    }
    columns = {
        "inputs": {
            "tag": ["foo", "bar"],
            "signal": [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]],
            "sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]],
        }
    }
    found = ask("same:predict", rows).json()
    assert found == {
        "predictions": [{f"{name}_out": value for name, value in row.items()} for row in rows["instances"]]
    }
    found = ask("same:predict", columns).json()
    assert found == {"outputs": {f"{name}_out": value for name, value in columns["inputs"].items()}}


def test_the_classification_of_the_documentation_has_no_such_signature_here() -> None:
    body = {
        "signature_name": "classify_objects",
        "examples": [
            {"image": {"b64": "aW1hZ2UgYnl0ZXM="}, "caption": "seaside"},
            {"image": {"b64": "YXdlc29tZSBpbWFnZSBieXRlcw=="}, "caption": "mountains"},
        ],
    }
    told = ask("pictures:classify", body)
    assert told.status == 400
    assert told.error == 'Serving signature name: "classify_objects" not found in signature def'
    del body["signature_name"]
    assert (
        "not a picture" in ask("pictures:classify", body).error
    )  # What the documentation has in them is "image bytes".


def test_scalars_and_values_without_rows() -> None:
    assert ask("half_plus_two:predict", {"inputs": 2.0}).json() == {"outputs": 3.0}
    assert ask("half_plus_two:predict", {"inputs": {"x": [2.0, 4]}}).json() == {"outputs": [3.0, 4.0]}
    assert ask("columns:predict", {"instances": [1, 2]}).json() == {"predictions": [[2.5], [3.0]]}
    assert ask("columns:predict", {"instances": [[1], [2]]}).json() == {"predictions": [[2.5], [3.0]]}
    assert ask("columns:predict", {"inputs": [2.0]}).json() == {"outputs": [3.0]}
    one = {"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]}
    assert ask("same:predict", {"inputs": one}).json() == {
        "outputs": {f"{name}_out": value for name, value in one.items()}
    }


def test_base64_for_numbers_is_told() -> None:
    told = ask("half_plus_two:predict", {"instances": [{"b64": "aGFsbG8="}]})
    assert told.status == 400
    assert '{"b64":"aGFsbG8="}' in told.error
    assert "Type: Object is not of expected type: float" in told.error
    assert ask("half_plus_two:predict", {"inputs": {"b64": "aGFsbG8="}}).status == 400
    assert ask("half_plus_two:regress", {"examples": [{"x": {"b64": "aGFsbG8="}}]}).status == 400


def test_bytes_come_and_go_as_base64() -> None:
    assert ask("blobs:predict", {"instances": [{"b64": b64encode("ä".encode()).decode()}, "foo"]}).json() == {
        "predictions": [{"b64": b64encode(text.encode()).decode()} for text in ("ä", "foo")]
    }
    for wrong in ({"b64": "!"}, {"b64": 1}, {"b64": "", "a": 1}):
        assert ask("blobs:predict", {"inputs": [wrong]}).status == 400


def test_answers_that_are_no_numbers_are_told_as_the_original_tells_them() -> None:
    told = ask("logs:predict", {"instances": [1.0, -1.0, 0.0]})
    assert told.body.replace(b" ", b"") == b'{"predictions":[0.0,NaN,-Infinity]}'
    with_columns = ask("logs:predict", {"inputs": {"x": [1.0, -1.0]}})
    assert with_columns.body.replace(b" ", b"") == b'{"outputs":[0.0,NaN]}'


def test_what_is_missing_is_null_where_it_may_be_missing() -> None:
    row = {"native-country": "Cuba", "hours per week": None, "day": "2020-01-01"}
    assert ask("trees:predict", {"instances": [row]}).status == 200
    assert "Type: Null" in ask("half_plus_two:predict", {"instances": [1.0, None]}).error


def test_metadata() -> None:
    told = look("/v1/models/columns/metadata", toys()).json()
    assert told["model_spec"] == {"name": "columns", "signature_name": "", "version": "1"}
    (found,) = told["metadata"]["signature_def"]["signature_def"].values()
    assert found["inputs"]["x"] == {
        "dtype": "DT_FLOAT", "name": "x:0",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "1", "name": ""}], "unknown_rank": False},
    }  # fmt: skip


# --- raw values -------------------------------------------------------------------------------------------


def test_a_class_may_be_called_by_its_name_or_by_its_code() -> None:
    by_name = ask(
        "houses:predict", {"instances": [{"area": 100, "town": "Ulm"}, {"area": 1, "town": "Bonn"}]}
    ).json()
    by_code = ask("houses:predict", {"instances": [{"area": 100, "town": 0}, {"area": 1, "town": 1}]}).json()
    assert by_name == by_code
    by_column = ask("houses:predict", {"inputs": {"area": [100, 1], "town": ["Ulm", "Bonn"]}}).json()
    assert by_column["outputs"] == by_name["predictions"]
    raw = tell(
        "/models/houses/predict", [{"area": 100, "town": "Ulm"}, {"area": 1, "town": "Bonn"}], server=toys()
    ).json()
    assert [each["value"] for each in raw["answers"]] == pytest.approx(by_name["predictions"])
    assert "Paris" in ask("houses:predict", {"instances": [{"area": 100, "town": "Paris"}]}).error


def _sent(codec: Codec, value: Any) -> Any:
    """A raw value as it goes into `instances`; None where it can't."""
    if isinstance(value, (bytes, bytearray)):
        return {"b64": b64encode(value).decode()}
    if isinstance(value, float) and value == value and codec.schema()["type"] == "number":
        return value
    return value if isinstance(value, str) and value.isprintable() else None


@pytest.mark.parametrize("name", [name for name in MODELS if servable(name).program == "single"])
def test_raw_values_get_the_numbers_that_encoded_ones_get_by_the_other_protocol(name: str) -> None:
    model = servable(name)
    codecs = model.bundle.signature.inputs
    compared = 0
    for case, item in zip(model.bundle.cases, golden_items(model)):
        row = {field: _sent(codec, item[field]) for field, codec in codecs.items()}
        if None in row.values():
            continue
        told = tell(f"/v1/models/{name}:predict", {"instances": [row]})
        assert told.status == 200, told.body
        (found,) = told.json()["predictions"]
        inputs = [
            {
                "name": field, "datatype": tensors.datatype_of(case.encoded[field].dtype), "shape": [1, *case.encoded[field].shape],
                "data": [None if each != each else each for each in case.encoded[field].ravel().tolist()],
            }
            for field in codecs
        ]  # fmt: skip
        outputs = tell(f"/v2/models/{name}/infer", {"inputs": inputs}).json()["outputs"]
        for output in outputs:
            mine = found[output["name"]] if len(outputs) > 1 else found
            np.testing.assert_allclose(np.ravel(mine), output["data"], rtol=2e-5, atol=1e-6)
        compared += 1
    assert compared or name == "traces"  # A trace is neither a text nor a file: as a tensor it is a picture.


def test_a_picture_is_base64_and_is_classified() -> None:
    item = golden_items(servable("pictures"))[0]["image"]
    text = b64encode(item).decode()
    probabilities = ask("pictures:predict", {"instances": [{"b64": text}]}).json()["predictions"][0]
    assert (
        ask("pictures:predict", {"instances": [{"image": {"b64": text}}]}).json()["predictions"][0]
        == probabilities
    )
    (found,) = ask("pictures:classify", {"examples": [{"image": {"b64": text}}]}).json()["results"]
    labels = servable("pictures").bundle.signature.targets["label"].labels
    assert [label for label, _ in found] == list(labels or ())
    assert [score for _, score in found] == pytest.approx(probabilities, rel=1e-6)
    told = ask("pictures:regress", {"examples": [{"image": {"b64": text}}]})
    assert (
        told.error
        == "Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/classify"
    )
    assert (
        "tensorflow/serving/classify. Was"
        in ask("houses:classify", {"examples": [{"area": 1, "town": "Ulm"}]}).error
    )


def test_a_context_is_shared_by_examples() -> None:
    alone = ask(
        "houses:regress", {"examples": [{"area": 1.0, "town": "Ulm"}, {"area": [2.0], "town": ["Ulm"]}]}
    ).json()
    shared = ask(
        "houses:regress", {"context": {"town": "Ulm"}, "examples": [{"area": 1.0}, {"area": 2.0}]}
    ).json()
    assert shared == alone
    told = ask("houses:regress", {"context": {"town": "Ulm"}, "examples": [{"area": 1.0, "town": "Ulm"}]})
    assert "'context'" in told.error
    assert (
        "element: 1"
        in ask(
            "houses:regress", {"context": {"town": "Ulm"}, "examples": [{"area": 1.0}, {"area": "x"}]}
        ).error
    )


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("half_plus_two:predict", b"", "JSON Parse error: The document is empty"),
        ("half_plus_two:predict", b"{", "JSON Parse error: "),
        ("half_plus_two:predict", b"[]", "JSON Value: [] Is not object"),
        ("half_plus_two:predict", b'{"instances": [NaN]}', "JSON Parse error: "),
        ("half_plus_two:predict", {}, "Missing 'inputs' or 'instances' key"),
        ("half_plus_two:predict", {"instances": [1], "inputs": [1]}, "expecting only one of 'inputs' or 'instances' keys to exist"),
        ("half_plus_two:predict", {"instances": 1}, "Excepting 'instances' to be an list/array"),
        ("half_plus_two:predict", {"instances": []}, "No values in 'instances' array"),
        ("half_plus_two:predict", {"instances": ["a"]}, 'JSON Value: "a" Type: String is not of expected type: float'),
        ("half_plus_two:predict", {"instances": [True]}, "JSON Value: true Type: True is not of expected type: float"),
        ("houses:predict", {"instances": [{"area": None, "town": 0}]}, "null Type: Null is not of expected type: float"),
        ("half_plus_two:predict", {"instances": [2**24 + 1]}, "value: 16777217 to float without loss of precision."),
        ("half_plus_two:predict", {"instances": [1e39]}, "without loss of precision"),
        ("half_plus_two:predict", {"instances": [1, [2]]}, "element: 1 of 'instances' list"),
        ("half_plus_two:predict", {"instances": [[1, 2], [3]]}, "Expecting tensor size: 2 but got: 1"),
        ("half_plus_two:predict", {"instances": [[[1, 2]], [[3], [4]]]}, "Expecting shape [1,2] but got: [2,1]"),
        ("half_plus_two:predict", {"instances": [1, {"x": 1}]}, "Expecting value/list but got object at item 1 of input list"),
        ("half_plus_two:predict", {"instances": [{"x": 1}, 1]}, "Expecting object but got list at item 1 of input list"),
        ("half_plus_two:predict", {"instances": [{"x": 1, "y": 2}]}, "keys must be equal to: x"),
        ("half_plus_two:predict", {"instances": [[1, 2]]}, "Expected [-1], got [1,2]"),
        ("half_plus_two:predict", {"inputs": {"y": [1]}}, "Missing named input: x in 'inputs' object."),
        ("half_plus_two:predict", {"inputs": [[1], [2, 3]]}, "Encountered list at unexpected size: 2 at level: 1 expected size: 1"),
        ("half_plus_two:predict", {"inputs": [[1], 2]}, "found at incorrect level"),
        ("half_plus_two:predict", {"inputs": [1, [2]]}, "Encountered list at unexpected level"),
        ("half_plus_two:predict", {"inputs": []}, "no rows"),
        ("half_plus_two:predict", {"instances": [1], "signature_name": 1}, "'signature_name' key must be a string value."),
        ("half_plus_two:predict", {"instances": [1], "signature_name": "no"},
         'Serving signature name: "no" not found in signature def'),
        ("same:predict", {"instances": ["foo"]}, "instances is a plain list, but expecting list of objects"),
        ("same:predict", {"inputs": ["foo"]}, "inputs is a plain value/list, but expecting an object"),
        ("same:predict", {"instances": [{"tag": "a", "signal": [1.5] * 5, "sensor": [[1, 2], [3, 4]]}]},
         "element: 0 key: signal of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: 1.5 Type: Number is not of expected"),
        ("same:predict", {"instances": [{"tag": "a", "signal": [1] * 5, "sensor": [[1, 2], [3, 2**31]]}]}, "expected type: int32"),
        ("same:predict", {"instances": [{"tag": 1, "signal": [1] * 5, "sensor": [[1, 2], [3, 4]]}]}, "expected type: string"),
        ("half_plus_two:regress", {}, "When method is regress, key 'examples' is expected and was not found"),
        ("half_plus_two:classify", {}, "When method is classify, key 'examples' is expected and was not found"),
        ("half_plus_two:regress", {"examples": {}}, "Expecting 'examples' value to be an list/array"),
        ("half_plus_two:regress", {"examples": []}, "'examples' value is an empty array"),
        ("half_plus_two:regress", {"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ("half_plus_two:regress", {"examples": [{}]}, "'x'"),
        ("half_plus_two/versions/one:predict", {"instances": [1]}, "failed to get model version"),
    ],
)  # fmt: skip
def test_what_can_not_be_meant_is_told(path: str, body: Any, words: str) -> None:
    told = ask(path, body)
    assert told.status == 400
    assert words in told.error
    assert [*told.json()] == ["error"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/models/half", "Could not find any versions of model half"),
        ("/v1/models/half_plus_two/versions/7", "Could not find version 7 of model half_plus_two"),
        ("/v1/models/half/metadata", "Servable not found for request: Latest(half)"),
        (
            "/v1/models/half_plus_two/versions/7/metadata",
            "Servable not found for request: Specific(half_plus_two, 7)",
        ),
    ],
)
def test_what_there_is_not_is_told_as_the_original_tells_it(path: str, words: str) -> None:
    told = look(path, toys())
    assert told.status == 404
    assert told.error == words


def test_a_label_that_there_is_not_and_no_name() -> None:
    assert look("/v1/models/half_plus_two/labels/stable", toys()).status == 400
    assert look("/v1/models", toys()).error == "Missing model name in request."
    told = ask("half_plus_two/labels/stable:predict", {"instances": [1]})
    assert told.status == 400
    assert told.error == "Unrecognized servable version label: stable"
    assert ask("half_plus_two:explain", {"instances": [1]}).status == 404
    assert look("/v1/models/half_plus_two:predict", toys()).status == 405


values = st.recursive(
    st.sampled_from(
        [
            None,
            True,
            0,
            1,
            -1,
            2**24 + 1,
            2**70,
            1.5,
            1e300,
            "a",
            "Ulm",
            {"b64": "YQ=="},
            {"b64": 1},
            {"x": 1},
            {},
        ]
    ),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=8,
)

names = st.sampled_from(["x", "area", "town", "tag", "signal", "sensor", "image"])


@given(
    st.sampled_from(["half_plus_two", "columns", "same", "blobs", "houses", "pictures", "logs"]),
    st.sampled_from(["predict", "classify", "regress"]),
    st.dictionaries(
        st.sampled_from(["instances", "inputs", "examples", "context", "signature_name"]),
        values | st.lists(st.dictionaries(names, values, max_size=3), max_size=2),
        max_size=3,
    ),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_no_request_is_a_fault_of_ours(model: str, method: str, body: dict[str, Any]) -> None:
    assert ask(f"{model}:{method}", body).status in (200, 400)
