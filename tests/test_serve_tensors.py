"""Tensors on the wire: what is taken, what is refused and in which words, and that nothing else comes of any bytes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.serve import strict_json, tensors
from drivetrain.serve.types import Port, Refusal


def refused(function: Any, *given: Any) -> str:
    with pytest.raises(Refusal) as fault:
        function(*given)
    assert fault.value.status == 400
    return fault.value.error


def taken(function: Any, *given: Any) -> Any:
    """What a function makes of it, None where it refuses. Any other fault is a failure."""
    try:
        return function(*given)
    except Refusal:
        return None


def test_data_may_be_nested_or_flat() -> None:
    want = np.array([[1, 2, 3], [4, 5, 6]], np.uint32)
    for data in ([1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]]):
        np.testing.assert_array_equal(tensors.from_json("x", "UINT32", [2, 3], data), want)
    assert tensors.from_json("x", "UINT32", [1, 2, 3], [[1, 2, 3], [4, 5, 6]]).shape == (1, 2, 3)
    # As many numbers in another order would be another tensor, without a word.
    assert "data [3,2]" in refused(tensors.from_json, "x", "UINT32", [2, 3], [[1, 2], [3, 4], [5, 6]])
    assert "same length" in refused(tensors.from_json, "x", "UINT32", [2, 2], [[1, 2], [3]])
    assert "same length" in refused(tensors.from_json, "x", "UINT32", [2, 2], [[1, 2], 3])


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("INT32", [1.0]), ("INT32", [1.5]), ("INT32", [True]), ("INT32", ["1"]), ("INT32", [None]),
        ("INT32", [2**31]), ("INT8", [-129]), ("UINT8", [-1]), ("UINT64", [2**64]), ("FP32", [1e39]), ("FP16", [70000]),
        ("FP64", [10**400]), ("FP32", ["1"]), ("FP32", [True]), ("FP32", [{}]), ("BOOL", [1]), ("BOOL", ["true"]),
        ("BYTES", [1]), ("BYTES", [None]), ("BYTES", [{"b64": ""}]), ("FP32", 1.0), ("FP32", {"a": 1}),
        ("STRING", ["a"]), ("fp32", [1.0]), (32, [1.0]), (None, [1.0]), ([], [1.0]), ("BF16", [1.0]),
    ],
)  # fmt: skip
def test_a_datatype_that_lies_is_refused(datatype: Any, data: Any) -> None:
    assert "x" in refused(tensors.from_json, "x", datatype, [1], data)


def test_whole_numbers_may_stand_in_a_field_of_floats_and_null_is_nan() -> None:
    found = tensors.from_json("x", "FP32", [3], [1, 2.5, None])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([1, 2.5, np.nan], np.float32))
    assert tensors.from_json("x", "UINT64", [1], [2**64 - 1])[0] == 2**64 - 1


@pytest.mark.parametrize(
    "shape",
    [
        [-1], [-2, -2], [-1, -3], [2**63], [2**32, 2**32], [2**32, 2**32, 0], [0, 2**62], [10**30], [1.0], [True], ["1"], [None],
        [[1]], "1", None, 1, {"0": 1}, [1] * 33, [2, 2], [], [0],
    ],
)  # fmt: skip
def test_a_shape_that_lies_is_refused(shape: Any) -> None:
    refused(tensors.from_json, "x", "INT32", shape, [1, 2, 3])
    refused(tensors.from_bytes, "x", "INT32", shape, bytes(12))
    refused(tensors.from_bytes, "x", "BYTES", shape, bytes(12))


@pytest.mark.parametrize("shape", [[0, 2**40, 2**40], [2**31, 0, 2**33]])
def test_a_shape_without_elements_that_no_array_can_have_is_refused(shape: Any) -> None:
    refused(tensors.from_json, "x", "INT32", shape, [])
    refused(tensors.from_bytes, "x", "INT32", shape, b"")


def test_raw_bytes_are_a_view_and_have_to_add_up() -> None:
    want = np.arange(6, dtype="<f4").reshape(2, 3)
    raw = want.tobytes()
    found = tensors.from_bytes("x", "FP32", [2, 3], memoryview(raw))
    np.testing.assert_array_equal(found, want)
    assert np.shares_memory(found, np.frombuffer(raw, np.uint8))
    assert "Expected 24, got 23" in refused(tensors.from_bytes, "x", "FP32", [2, 3], raw[:-1])
    assert "Expected 24, got 25" in refused(tensors.from_bytes, "x", "FP32", [2, 3], raw + b"\0")
    assert "0 and 1" in refused(tensors.from_bytes, "x", "BOOL", [2], b"\1\2")


def test_bytes_have_their_lengths_before_them() -> None:
    array = np.array([[b"a", b""], [b"\xff\0", "ä".encode()]], object)
    raw = tensors.to_bytes(array)
    np.testing.assert_array_equal(tensors.from_bytes("x", "BYTES", [2, 2], raw), array)
    for wrong in (raw[:-1], raw + b"\0", raw + bytes(4), raw[4:], b"\xff\xff\xff\xff" + raw[4:], b""):
        refused(tensors.from_bytes, "x", "BYTES", [2, 2], wrong)
    assert "count" in refused(tensors.from_bytes, "x", "BYTES", [2**39], raw)


@given(
    st.sampled_from(sorted(tensors.DATATYPES)),
    st.lists(st.integers(0, 4), max_size=3),
    st.binary(max_size=64),
)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_tensor_or_a_refusal(datatype: str, shape: list[int], raw: bytes) -> None:
    found = taken(tensors.from_bytes, "x", datatype, shape, raw)
    if found is None:
        return
    assert tensors.to_bytes(found) == raw
    assert found.shape == tuple(shape)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=12,
)


@given(st.sampled_from([*sorted(tensors.DATATYPES), "BF16", ""]), json_values, json_values)
@settings(max_examples=200, deadline=None)
def test_any_json_is_a_tensor_or_a_refusal(datatype: str, shape: Any, data: Any) -> None:
    found = taken(tensors.from_json, "x", datatype, shape, data)
    if found is None:
        return
    assert found.dtype == tensors.DATATYPES[datatype]
    assert found.shape == tuple(shape)


@pytest.mark.parametrize("datatype", sorted(tensors.DATATYPES))
def test_json_and_bytes_say_the_same(datatype: str) -> None:
    values = {"BYTES": ["a", "ä"], "BOOL": [True, False]}.get(datatype, [0, 100])
    array = tensors.from_json("x", datatype, [2], values)
    assert tensors.datatype_of(array.dtype) == datatype
    raw = tensors.from_bytes("x", datatype, [2], tensors.to_bytes(array))
    np.testing.assert_array_equal(raw if datatype != "BYTES" else [text.decode() for text in raw], array)
    told = orjson.loads(orjson.dumps(tensors.to_json(array), option=orjson.OPT_SERIALIZE_NUMPY))
    np.testing.assert_array_equal(tensors.from_json("x", datatype, [2], told), array)


def test_what_json_can_not_say_is_null_or_refused() -> None:
    assert strict_json.dumps(tensors.to_json(np.array([1, np.nan, np.inf], np.float32))) == b"[1.0,null,null]"
    assert "binary_data" in refused(tensors.to_json, np.array([b"\xff"], object))
    assert (
        orjson.dumps(tensors.to_json(np.array([0.2], np.float32)), option=orjson.OPT_SERIALIZE_NUMPY)
        == b"[0.2]"
    )


SIMPLE = SimpleNamespace(
    name="simple",
    inputs=(Port("INPUT0", "INT32", (-1, 16)), Port("INPUT1", "INT32", (-1, 16))),
    outputs=(Port("OUTPUT0", "INT32", (-1, 16)),),
)


def test_feeds_are_checked_in_the_words_of_triton() -> None:
    good = np.zeros((1, 16), np.int32)
    tensors.check_feeds(SIMPLE, {"INPUT0": good, "INPUT1": good})
    for feeds, words in [
        ({"FOO": good}, "unexpected inference input 'FOO' for model 'simple'"),
        (
            {"INPUT0": good},
            "expected 2 inputs but got 1 inputs for model 'simple'. Got input(s) ['INPUT0'], but missing required input(s) "
            "['INPUT1']. Please provide all required input(s).",
        ),
        (
            {"INPUT0": good.astype(np.int64), "INPUT1": good},
            "inference input 'INPUT0' data-type is 'INT64', but model 'simple' expects 'INT32'",
        ),
        (
            {"INPUT0": good.reshape(2, 8), "INPUT1": good},
            "unexpected shape for input 'INPUT0' for model 'simple'. Expected [-1,16], got [2,8]",
        ),
    ]:
        assert refused(tensors.check_feeds, SIMPLE, feeds) == words
    assert "batch size" in refused(tensors.check_feeds, SIMPLE, {"INPUT0": good, "INPUT1": good.repeat(2, 0)})
    assert "no rows" in refused(tensors.check_feeds, SIMPLE, {"INPUT0": good[:0], "INPUT1": good[:0]})
    assert (
        refused(tensors.check_outputs, SIMPLE, ["NO"])
        == "unexpected inference output 'NO' for model 'simple'"
    )


def test_raw_values_are_taken_where_the_port_says_so() -> None:
    port = Port("town", "INT64", (-1,), {"raw": "BYTES"})
    model = SimpleNamespace(name="houses", inputs=(port,), outputs=())
    for array in (np.array([b"Ulm"], object), np.array([[b"Ulm"]], object), np.array([0])):
        tensors.check_feeds(model, {"town": array})
    assert "(or 'BYTES', raw)" in refused(tensors.check_feeds, model, {"town": np.array([0.0])})
    assert "Expected [-1,1]" in refused(
        tensors.check_feeds, model, {"town": np.array([[b"a", b"b"]], object)}
    )


def test_classification_is_as_its_extension_prints_it() -> None:
    array = np.array([[1.1, 3.3, 0.5, 2.4]], np.float32)
    assert tensors.to_json(tensors.classified(array, 2, None)) == ["3.3:1", "2.4:3"]
    labels = [f"index_{place}_label" for place in range(4)]
    assert tensors.to_json(tensors.classified(array, 2, labels)) == [
        "3.3:1:index_1_label",
        "2.4:3:index_3_label",
    ]
    assert tensors.to_json(tensors.classified(np.array([[1, 5, 10, 4]]), 2, None)) == ["10:2", "5:1"]
    assert tensors.classified(array, 9, None).shape == (1, 4)
