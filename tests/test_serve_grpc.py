"""gRPC: tensors in and out by both protocols, who may call, codes of refusals, streams, standard health and reflection."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from certificates import certificates
from grpc_calls import INFERENCE, PREDICTION, call, fault, path, serving
from hypothesis import given, settings, strategies
from serving import a_server, golden_items, run, servable
from wired import bundle, look, over

from drivetrain.errors import FileError, UsageError
from drivetrain.serve.access import Gate
from drivetrain.serve.grpc import calls, inference, tfserving
from drivetrain.serve.grpc.contents import array_of_proto, proto_of
from drivetrain.serve.grpc.messages import message
from drivetrain.serve.grpc.server import METHODS, serve_grpc
from drivetrain.serve.grpc.weight import LIGHT
from drivetrain.serve.ports import TensorGraph
from drivetrain.serve.settings import Access, Batching, Key, Limits, ModelSettings, Settings
from drivetrain.serve.types import Refusal, Request

AREA, TOWN = np.array([-1.0, 0.5], np.float32), np.array([0, 1], np.int64)


@pytest.fixture(scope="module")
def grpcs() -> Iterator[Any]:
    with serving("houses", "pictures", "blend", "said", "writer") as found:
        yield found


def asked_infer(**more: Any) -> dict[str, Any]:
    """Two rows of the houses, as raw contents."""
    inputs = [
        {"name": "area", "datatype": "FP32", "shape": [2]},
        {"name": "town", "datatype": "INT64", "shape": [2]},
    ]
    raw = [AREA.tobytes(), TOWN.tobytes()]
    return {"model_name": "houses", "inputs": inputs, "raw_input_contents": raw, **more}


def asked_predict(**more: Any) -> dict[str, Any]:
    return {
        "model_spec": {"name": "houses"},
        "inputs": {"area": proto_of(AREA), "town": proto_of(TOWN)},
        **more,
    }


def example(**features: Any) -> Any:
    """A tf.Example of texts, numbers or files."""
    made = message("tensorflow.Example")()
    for name, value in features.items():
        feature = made.features.feature[name]
        if isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        elif isinstance(value, float):
            feature.float_list.value.append(value)
        else:
            feature.int64_list.value.append(value)
    return made


# --- tensors ----------------------------------------------------------------------------------------------


def expected() -> np.ndarray:
    return servable("houses").graph.run({"area": AREA, "town": TOWN})["price"]


def test_raw_contents_give_the_numbers_of_the_graph(grpcs: Any) -> None:
    answer = grpcs.call("ModelInfer", asked_infer(id="q7"))
    assert (answer.model_name, answer.model_version, answer.id) == ("houses", "1", "q7")
    (output,) = answer.outputs
    assert (output.name, output.datatype, [*output.shape]) == ("price", "FP32", [2])
    assert np.array_equal(np.frombuffer(answer.raw_output_contents[0], np.float32), expected())


def test_typed_contents_and_texts_give_the_same(grpcs: Any) -> None:
    typed = [
        {"name": "area", "datatype": "FP32", "shape": [2], "contents": {"fp32_contents": AREA.tolist()}},
        {"name": "town", "datatype": "INT64", "shape": [2], "contents": {"int64_contents": [0, 1]}},
    ]
    answer = grpcs.call("ModelInfer", {"model_name": "houses", "inputs": typed})
    assert np.array_equal(np.frombuffer(answer.raw_output_contents[0], np.float32), expected())
    texts = [
        {"name": "area", "datatype": "BYTES", "shape": [1, 1], "contents": {"bytes_contents": [b"40"]}},
        {"name": "town", "datatype": "BYTES", "shape": [1], "contents": {"bytes_contents": [b"Ulm"]}},
    ]
    answer = grpcs.call("ModelInfer", {"model_name": "houses", "inputs": texts})
    (said,) = servable("houses").answers(servable("houses").read([{"area": 40, "town": "Ulm"}]), {})
    assert np.frombuffer(answer.raw_output_contents[0], np.float32)[0] == np.float32(said.value)


def test_a_picture_as_a_file_and_as_pixels(grpcs: Any) -> None:
    picture = golden_items(servable("pictures"))[0]["image"]
    pixels = (
        servable("pictures").bundle.signature.inputs["image"].encode_column(np.array([picture], object))[0]
    )
    answers = [
        grpcs.call("ModelInfer", {
            "model_name": "pictures",
            "inputs": [{"name": "image", "datatype": datatype, "shape": shape}], "raw_input_contents": [raw],
        })
        for datatype, shape, raw in (
            ("BYTES", [1], len(picture).to_bytes(4, "little") + picture),
            ("UINT8", [1, 8, 8, 3], np.asarray(pixels).tobytes()),
        )
    ]  # fmt: skip
    assert answers[0] == answers[1]


def test_the_greatest_classes(grpcs: Any) -> None:
    picture = golden_items(servable("pictures"))[0]["image"]
    answer = grpcs.call("ModelInfer", {
        "model_name": "pictures", "outputs": [{"name": "label", "parameters": {"classification": {"int64_param": 2}}}],
        "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "contents": {"bytes_contents": [picture]}}],
    })  # fmt: skip
    assert [*answer.outputs[0].shape] == [1, 2]
    assert (
        answer.raw_output_contents[0].count(b":0:cat") == answer.raw_output_contents[0].count(b":1:dog") == 1
    )


def test_what_is_told_of_a_model(grpcs: Any) -> None:
    told = grpcs.call("ModelMetadata", {"name": "said", "version": "1"})
    assert [(each.name, each.datatype, [*each.shape]) for each in told.inputs] == [
        ("text", "INT64", [-1, -1]),
        ("text_lengths", "INT64", [-1]),
    ]
    config = grpcs.call("ModelConfig", {"name": "said"}).config
    assert [(each.name, [*each.dims], each.optional) for each in config.input] == [
        ("text", [-1], False), ("text_lengths", [], True),
    ]  # fmt: skip
    assert config.max_batch_size == 64
    assert not config.model_transaction_policy.decoupled
    assert grpcs.call("ModelConfig", {"name": "writer"}).config.model_transaction_policy.decoupled
    index = grpcs.call("RepositoryIndex")
    assert {(each.name, each.version, each.state) for each in index.models} >= {("houses", "1", "READY")}


def test_statistics_count_rows_and_requests(grpcs: Any) -> None:
    before = grpcs.call("ModelStatistics", {"name": "houses"}).model_stats[0]
    grpcs.call("ModelInfer", asked_infer())
    after = grpcs.call("ModelStatistics", {"name": "houses", "version": "1"}).model_stats[0]
    assert after.inference_count - before.inference_count == 2
    assert after.inference_stats.success.count - before.inference_stats.success.count == 1
    assert {each.name for each in grpcs.call("ModelStatistics").model_stats} >= {"houses", "blend"}


def test_what_isnt_here_says_so(grpcs: Any) -> None:
    code, words = fault(grpcs.channel, "SystemSharedMemoryRegister", {"name": "a", "key": "/b"})
    assert (code, "not supported" in words) == ("UNIMPLEMENTED", True)
    assert not grpcs.call("SystemSharedMemoryStatus").regions
    grpcs.call("SystemSharedMemoryUnregister")
    grpcs.call("CudaSharedMemoryUnregister")


INPUT = {"name": "area", "datatype": "FP32", "shape": [2]}


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        ({"model_name": "nope"}, "NOT_FOUND", "Request for unknown model: 'nope' is not found"),
        ({"model_version": "9"}, "NOT_FOUND", "Request for unknown model: 'houses' version 9 is not found"),
        ({"model_version": "new"}, "INVALID_ARGUMENT", "failed to get model version from specified version string"),
        ({"model_name": "../../etc/passwd"}, "NOT_FOUND", "Request for unknown model"),
        ({"model_name": "a\0b"}, "NOT_FOUND", "Request for unknown model"),
        ({"raw_input_contents": [AREA.tobytes()]}, "INVALID_ARGUMENT", "unexpected number of raw input contents"),
        ({"raw_input_contents": [b"123", b"4"]}, "INVALID_ARGUMENT", "byte size mismatch"),
        ({"inputs": [INPUT, INPUT]}, "INVALID_ARGUMENT", "given twice"),
        ({"inputs": [INPUT, {**INPUT, "name": "x" * 1000}]}, "INVALID_ARGUMENT", ""),
        ({"inputs": [{**INPUT, "shape": [-2]}, INPUT]}, "INVALID_ARGUMENT", "Unable to parse 'shape'"),
        ({"inputs": [{**INPUT, "shape": [2**62, 2**62]}, INPUT]}, "INVALID_ARGUMENT", "too many elements"),
        ({"inputs": [{**INPUT, "datatype": "BF16"}, INPUT]}, "INVALID_ARGUMENT", "BF16"),
        ({"inputs": [{**INPUT, "datatype": "FP99"}, INPUT]}, "INVALID_ARGUMENT", "invalid datatype"),
        ({"outputs": [{"name": "cost"}]}, "INVALID_ARGUMENT", "cost"),
        ({"parameters": {"sequence_id": {"int64_param": 1}}}, "INVALID_ARGUMENT", "sequences are not supported"),
        ({"parameters": {"timeout": {"int64_param": -1}}}, "INVALID_ARGUMENT", "timeout"),
        ({"outputs": [{"name": "price", "parameters": {"shared_memory_region": {"string_param": "r"}}}]},
         "INVALID_ARGUMENT", "shared memory is not supported"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_inference(grpcs: Any, asked: dict[str, Any], code: str, words: str) -> None:
    found, said = fault(grpcs.channel, "ModelInfer", asked_infer(**asked))
    assert found == code
    assert words in said
    assert "Traceback" not in said
    assert "/" not in said.replace("../../etc/passwd", "")


def test_wrong_contents_are_told(grpcs: Any) -> None:
    for datatype, contents, words in (
        ("FP16", {}, "raw_input_contents"),
        ("INT8", {"int_contents": [1, 300]}, "out of the range of INT8"),
        ("UINT16", {"uint_contents": [1, 70_000]}, "out of the range of UINT16"),
        ("FP32", {"int_contents": [1, 2]}, "its data 0 elements"),
        ("FP32", {"fp32_contents": [1, 2, 3]}, "its data 3 elements"),
    ):
        inputs = [{**INPUT, "datatype": datatype, "contents": contents}]
        code, said = fault(grpcs.channel, "ModelInfer", {"model_name": "houses", "inputs": inputs})
        assert (code, words in said) == ("INVALID_ARGUMENT", True), said
    both = asked_infer()
    both["inputs"] = [{**INPUT, "contents": {"fp32_contents": [1, 2]}}, both["inputs"][1]]
    assert "contents field must not be specified" in fault(grpcs.channel, "ModelInfer", both)[1]


# --- TensorFlow Serving -----------------------------------------------------------------------------------


def test_predict(grpcs: Any) -> None:
    answer = grpcs.call("Predict", asked_predict())
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("houses", 1)
    assert answer.model_spec.signature_name == "serving_default"
    assert [*answer.outputs["price"].float_val] == expected().tolist()
    assert [side.size for side in answer.outputs["price"].tensor_shape.dim] == [2]
    raw = asked_predict(output_filter=["price"])
    raw["inputs"]["area"] = {
        "dtype": 1,
        "tensor_shape": {"dim": [{"size": 2}]},
        "tensor_content": AREA.tobytes(),
    }
    assert grpcs.call("Predict", raw).outputs == answer.outputs


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "O"]
)
def test_a_tensor_proto_says_what_an_array_holds(dtype: str) -> None:
    array = np.array([[1, 0, 3], [4, 5, 6]]).astype(dtype)
    if dtype == "O":
        array = np.array([[b"a", b"", b"\xff"]], object)
    again = array_of_proto(
        "x", message("tensorflow.TensorProto").FromString(proto_of(array).SerializeToString()), 1000
    )
    assert again.dtype == array.dtype
    assert again.tolist() == array.tolist()


def test_the_last_value_of_a_tensor_proto_stands_for_the_rest() -> None:
    proto = message("tensorflow.TensorProto")(dtype=1, float_val=[1, 2])
    proto.tensor_shape.dim.add(size=4)
    assert array_of_proto("x", proto, 1000).tolist() == [1, 2, 2, 2]
    proto.tensor_shape.dim[0].size = 2**30
    with pytest.raises(Refusal, match="too large"):
        array_of_proto("x", proto, 2**20)


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        ({"model_spec": None}, "INVALID_ARGUMENT", "Missing ModelSpec"),
        ({"model_spec": {"name": ""}}, "INVALID_ARGUMENT", "Missing ModelSpec|no name"),
        ({"model_spec": {"name": "nope"}}, "NOT_FOUND", "Servable not found for request: Latest(nope)"),
        ({"model_spec": {"name": "houses", "version": {"value": 5}}},
         "NOT_FOUND", "Servable not found for request: Specific(houses, 5)"),
        ({"model_spec": {"name": "houses", "version_label": "best"}},
         "INVALID_ARGUMENT", "Unrecognized servable version label: best"),
        ({"model_spec": {"name": "houses", "signature_name": "x"}}, "FAILED_PRECONDITION", 'Serving signature key "x" not found.'),
        ({"inputs": {"area": proto_of(AREA)}}, "INVALID_ARGUMENT",
         "input size does not match signature: 1!=2 len({area}) != len({area,town}). Sent extra: {}. Missing but required: {town}"),
        ({"output_filter": ["cost"]}, "INVALID_ARGUMENT",
         "output tensor alias not found in signature: cost Outputs expected to be in the set {price}."),
        ({"output_filter": ["price", "price"]}, "INVALID_ARGUMENT", "duplicate output tensor alias: price"),
        ({"inputs": {"area": {"dtype": 8}, "town": {}}}, "INVALID_ARGUMENT", "dtype"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_predict(grpcs: Any, asked: dict[str, Any], code: str, words: str) -> None:
    fields = {name: value for name, value in asked_predict(**asked).items() if value is not None}
    found, said = fault(grpcs.channel, "Predict", fields)
    assert found == code
    assert any(each in said for each in words.split("|")), said


def test_classify_regress_and_both(grpcs: Any) -> None:
    spec = {"name": "blend"}
    given = {"example_list": {"examples": [example(area=40.0), example(area=60.0)]}}
    answer = grpcs.call("Classify", {"model_spec": spec, "input": given})
    assert [each.label for each in answer.result.classifications[0].classes] == ["no", "yes"]
    blend = servable("blend")
    first = blend.answers(blend.read([{"area": 40.0}]), {})[0].targets
    assert answer.result.classifications[0].classes[1].score == pytest.approx(
        first["sold"]["probabilities"]["yes"]
    )
    numbers = grpcs.call("Regress", {"model_spec": spec, "input": given})
    assert numbers.result.regressions[0].value == pytest.approx(first["price"]["value"])
    tasks = [
        {"model_spec": spec, "method_name": f"tensorflow/serving/{name}"} for name in ("regress", "classify")
    ]
    both = grpcs.call("MultiInference", {"tasks": tasks, "input": given})
    assert both.results[0].regression_result == numbers.result
    assert both.results[1].classification_result == answer.result
    named = {**spec, "signature_name": "tensorflow/serving/regress"}
    assert grpcs.call("Regress", {"model_spec": named, "input": given}).result == numbers.result
    tasks[0] = {**tasks[0], "model_spec": named}
    assert (
        grpcs.call("MultiInference", {"tasks": tasks, "input": given}).results[0].regression_result
        == numbers.result
    )
    context = {"example_list_with_context": {"examples": [example()], "context": example(area=40.0)}}
    assert (
        grpcs.call("Regress", {"model_spec": spec, "input": context}).result.regressions[0]
        == numbers.result.regressions[0]
    )


def test_a_text_and_a_file_in_an_example(grpcs: Any) -> None:
    picture = golden_items(servable("pictures"))[0]["image"]
    given = {"example_list": {"examples": [example(image=picture)]}}
    answer = grpcs.call("Classify", {"model_spec": {"name": "pictures"}, "input": given})
    assert max(answer.result.classifications[0].classes, key=lambda each: each.score).label == "cat"
    for name, features, words in (
        ("houses", {"area": 40.0, "town": b"Ulm"}, "classification signature"),
        ("houses", {"area": 40.0, "town": b"\xff"}, "not UTF-8"),
        ("houses", {"rooms": 3}, "'rooms' is no input"),
        ("pictures", {"image": b"no picture"}, "example 0"),
    ):
        given = {"example_list": {"examples": [example(**features)]}}
        assert words in fault(grpcs.channel, "Classify", {"model_spec": {"name": name}, "input": given})[1]
    assert fault(grpcs.channel, "Classify", {"model_spec": {"name": "blend"}})[1] == "Input is empty."


def test_metadata_and_status(grpcs: Any) -> None:
    told = grpcs.call(
        "GetModelMetadata", {"model_spec": {"name": "houses"}, "metadata_field": ["signature_def"]}
    )
    signatures = message("tensorflow.serving.SignatureDefMap")()
    assert told.metadata["signature_def"].Unpack(signatures)
    signature = signatures.signature_def["serving_default"]
    assert (signature.method_name, {*signature.inputs}) == ("tensorflow/serving/predict", {"area", "town"})
    assert (signature.inputs["town"].dtype, signature.inputs["town"].tensor_shape.dim[0].size) == (9, -1)
    (state,) = grpcs.call("GetModelStatus", {"model_spec": {"name": "houses"}}).model_version_status
    assert (state.version, state.state, state.status.error_code) == (1, 30, 0)
    code, words = fault(grpcs.channel, "GetModelStatus", {"model_spec": {"name": "nope"}})
    assert (code, words) == ("NOT_FOUND", "Could not find any versions of model nope")


# --- streams ----------------------------------------------------------------------------------------------


def streamed(grpcs: Any, *asked: dict[str, Any]) -> list[Any]:
    kind, reply = message("inference.ModelInferRequest"), message("inference.ModelStreamInferResponse")
    raw = iter([kind(**each).SerializeToString() for each in asked])
    return [
        reply.FromString(each)
        for each in grpcs.channel.stream_stream(path("ModelStreamInfer"))(raw, timeout=5)
    ]


def test_a_stream_answers_in_order_and_goes_on_after_a_fault(grpcs: Any) -> None:
    asked = [asked_infer(id=str(place)) for place in range(40)]
    asked[3]["model_name"] = "nope"
    answers = streamed(grpcs, *asked)
    assert [each.infer_response.id for each in answers] == [str(place) for place in range(40)]
    assert answers[3].error_message == "Request for unknown model: 'nope' is not found"
    assert not any(each.error_message for place, each in enumerate(answers) if place != 3)


def test_what_writes_does_it_piece_by_piece(grpcs: Any) -> None:
    text = {"name": "text_input", "datatype": "BYTES", "shape": [1], "contents": {"bytes_contents": [b"[5]"]}}
    asked = {"model_name": "writer", "inputs": [text], "parameters": {"most": {"int64_param": 4}}, "id": "w"}
    answers = [each.infer_response for each in streamed(grpcs, asked)]
    assert [each.parameters["triton_final_response"].bool_param for each in answers] == [False] * 4 + [True]
    pieces = [each.raw_output_contents[0][4:] for each in answers[:-1]]
    whole = grpcs.call("ModelInfer", asked)
    assert whole.raw_output_contents[0][4:] == b"".join(pieces)
    (wrong,) = streamed(grpcs, {**asked, "parameters": {"mots": {"int64_param": 4}}})
    assert "no option 'mots'" in wrong.error_message


def test_the_status_of_a_label_says_why_its_version_does_not_answer(tmp_path: Path) -> None:
    for version in ("1", "2"):
        (tmp_path / "houses" / version).mkdir(parents=True)
        shutil.copy(bundle("houses"), tmp_path / "houses" / version / "model.bundle")
    broken = tmp_path / "houses" / "2" / "model.bundle"
    broken.write_bytes(broken.read_bytes()[:-50])
    server = over(tmp_path, models={"houses": ModelSettings(labels={"next": 2})})
    server.gate = Gate(server.settings)
    asked = message("tensorflow.serving.GetModelStatusRequest")()
    asked.model_spec.name, asked.model_spec.version_label = "houses", "next"
    request = Request("POST", "/tensorflow.serving.ModelService/GetModelStatus", source="grpc")
    (state,) = run(tfserving.model_status(server, asked, request)).model_version_status
    assert (state.version, state.state) == (2, 50)
    assert state.status.error_message
    (same,) = look("/v1/models/houses/labels/next", server).json()["model_version_status"]
    assert same["status"]["error_message"] == state.status.error_message


def test_what_writes_is_called_by_the_version_that_the_traffic_chose(tmp_path: Path) -> None:
    for version in ("1", "2"):
        (tmp_path / "writer" / version).mkdir(parents=True)
        shutil.copy(bundle("writer"), tmp_path / "writer" / version)
    shares = ModelSettings(labels={"stable": 1}, traffic={"stable": 1.0})
    server = over(tmp_path, models={"writer": shares})
    server.gate = Gate(server.settings)
    text = {"name": "text_input", "datatype": "BYTES", "shape": [1], "contents": {"bytes_contents": [b"[5]"]}}
    asked = message("inference.ModelInferRequest")(model_name="writer", inputs=[text])

    async def over_grpc() -> set[str]:
        async def messages() -> AsyncIterator[Any]:
            yield asked

        request = Request("POST", path("ModelStreamInfer"), source="grpc")
        replies = inference.infer_stream(server, messages(), request)
        return {reply.infer_response.model_version async for reply in replies}

    async def over_http() -> tuple[Any, Any]:
        request = Request("POST", "/models/writer/generate", body=b'{"prompt": [5]}')
        response = await server.answer(request)
        assert not isinstance(response.body, bytes | memoryview), response.body
        *_, last = [piece async for piece in response.body]
        return json.loads(last.removeprefix(b"data: "))["version"], request.log["arm"]

    assert server.repository.models["writer"].newest == 2
    assert run(over_grpc()) == {"1"}
    assert run(over_http()) == (1, "stable")


def test_a_stream_that_its_caller_ends_stops_the_writing(grpcs: Any) -> None:
    text = {"name": "text_input", "datatype": "BYTES", "shape": [1], "contents": {"bytes_contents": [b"[5]"]}}
    asked = message("inference.ModelInferRequest")(model_name="writer", inputs=[text])
    answers = grpcs.channel.stream_stream(path("ModelStreamInfer"))(iter([asked.SerializeToString()]))
    next(answers)
    answers.cancel()
    end = time.monotonic() + 5
    while grpcs.server.writing._value < 16 and time.monotonic() < end:
        time.sleep(0.01)
    assert grpcs.server.writing._value == 16


# --- standard services ------------------------------------------------------------------------------------


def test_health_by_its_own_client(grpcs: Any) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    stub = health_pb2_grpc.HealthStub(grpcs.channel)
    for name in ("", "houses", INFERENCE, PREDICTION):
        assert (
            stub.Check(health_pb2.HealthCheckRequest(service=name)).status
            == health_pb2.HealthCheckResponse.SERVING
        )
    with pytest.raises(grpc.RpcError) as refused:
        stub.Check(health_pb2.HealthCheckRequest(service="nope"))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND  # type: ignore[attr-defined]
    assert stub.List(health_pb2.HealthListRequest()).statuses["houses"].status == 1
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="nope"))
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()


def test_reflection_by_its_own_client(grpcs: Any) -> None:
    from google.protobuf.descriptor_pool import DescriptorPool
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

    database = ProtoReflectionDescriptorDatabase(grpcs.channel)
    assert {INFERENCE, PREDICTION, "grpc.health.v1.Health"} <= {*database.get_services()}
    pool = DescriptorPool(database)
    assert pool.FindServiceByName(PREDICTION).methods_by_name["Predict"].output_type.name == "PredictResponse"
    assert (
        pool.FindMessageTypeByName("inference.ModelInferRequest").fields_by_name["raw_input_contents"].number
        == 7
    )
    with pytest.raises(KeyError):
        pool.FindMessageTypeByName("inference.Nothing")


# --- who may ----------------------------------------------------------------------------------------------

KEYS = {
    "asks": Key("asks", hashlib.sha256(b"k-asks").hexdigest()),
    "only": Key("only", hashlib.sha256(b"k-only").hexdigest(), models=("blend",)),
    "runs": Key("runs", hashlib.sha256(b"k-runs").hexdigest(), rights=("infer", "read", "admin")),
}
ADMIN = [name.rpartition("/")[2] for name, method in METHODS.items() if method.right == "admin"]


@pytest.fixture(scope="module")
def kept() -> Iterator[Any]:
    with serving("houses", "blend", access=Access(tuple(KEYS.values()), admin=True)) as found:
        yield found


def bearer(key: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {key}"),)


def test_a_key_is_needed_for_all_but_health(kept: Any) -> None:
    for name, method in METHODS.items():
        if method.streams:
            continue
        short = name.rpartition("/")[2]
        if method.right == "open":
            assert call(kept.channel, short, {"name": "houses"} if short == "ModelReady" else {}) is not None
            continue
        for metadata in ((), bearer("wrong"), (("x-api-key", ""),)):
            assert fault(kept.channel, short, metadata=metadata)[0] == "UNAUTHENTICATED", short


def test_only_admins_change_the_server(kept: Any) -> None:
    assert len(ADMIN) >= 5
    for name in ADMIN:
        assert fault(kept.channel, name, metadata=bearer("k-asks"))[0] == "PERMISSION_DENIED"


def test_a_key_of_one_model_asks_no_other(kept: Any) -> None:
    metadata = (("x-api-key", "k-only"),)
    for name, asked in (
        ("ModelInfer", asked_infer()),
        ("Predict", asked_predict()),
        ("ModelMetadata", {"name": "houses"}),
        ("ModelReady", {"name": "houses"}),
        ("ModelStatistics", {"name": "houses"}),
        ("GetModelStatus", {"model_spec": {"name": "houses"}}),
    ):
        if name != "ModelReady":
            assert fault(kept.channel, name, asked, metadata=metadata)[0] == "PERMISSION_DENIED", name
    assert {each.name for each in kept.call("RepositoryIndex", metadata=metadata).models} == {"blend"}
    assert {each.name for each in kept.call("ModelStatistics", metadata=metadata).model_stats} == {"blend"}
    assert kept.call("ModelInfer", asked_infer(), metadata=bearer("k-asks")).model_name == "houses"


def test_admins_unload_and_load(kept: Any) -> None:
    metadata = bearer("k-runs")
    kept.call("RepositoryModelUnload", {"model_name": "houses"}, metadata=metadata)
    assert fault(kept.channel, "ModelInfer", asked_infer(), metadata=metadata)[0] in (
        "NOT_FOUND",
        "UNAVAILABLE",
    )
    listed = {"config": {"model_config_list": {"config": [{"name": "houses"}, {"name": "blend"}]}}}
    kept.call("HandleReloadConfigRequest", listed, metadata=metadata)
    assert kept.call("ModelInfer", asked_infer(), metadata=metadata).model_name == "houses"
    listed["config"]["model_config_list"]["config"][0]["base_path"] = "/etc"
    assert (
        fault(kept.channel, "HandleReloadConfigRequest", listed, metadata=metadata)[0] == "INVALID_ARGUMENT"
    )


def test_without_admin_nobody_changes_anything(grpcs: Any) -> None:
    for name in ADMIN:
        assert fault(grpcs.channel, name)[0] == "PERMISSION_DENIED"


# --- limits -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tight() -> Iterator[Any]:
    limits = Limits(body=4 * 2**20, rows=3, seconds_to_receive=0.4, requests_per_second=0.0)
    batching = ModelSettings(batching=Batching(delay_ms=2000))
    with serving("houses", "blend", limits=limits, models={"blend": batching}) as found:
        yield found


def test_too_large_too_many_too_heavy(tight: Any) -> None:
    assert fault(tight.channel, "ModelInfer", b"\0" * (5 * 2**20))[0] == "RESOURCE_EXHAUSTED"
    code, words = fault(
        tight.channel, "ModelInfer", b"\x2a\0" * LIGHT
    )  # A million inputs, of two bytes each.
    assert (code, "50,000 fields" in words) == ("RESOURCE_EXHAUSTED", True)
    many = asked_infer(raw_input_contents=[AREA.tobytes() * 2, TOWN.tobytes() * 2])
    many["inputs"] = [{**each, "shape": [4]} for each in many["inputs"]]
    assert fault(tight.channel, "ModelInfer", many)[0] == "RESOURCE_EXHAUSTED"
    assert fault(tight.channel, "ModelInfer", b"\xff\xff")[0] == "INVALID_ARGUMENT"


def test_a_bomb_is_refused_while_it_unpacks(tight: Any) -> None:
    for kind in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        assert fault(tight.channel, "ModelInfer", b"\0" * 2**24, compression=kind)[0] == "RESOURCE_EXHAUSTED"
        assert tight.call("ModelInfer", asked_infer(), compression=kind).model_name == "houses"


def test_a_message_that_does_not_come_is_given_up(tight: Any) -> None:
    def never() -> Iterator[bytes]:
        time.sleep(5)
        yield b""

    begun = time.monotonic()
    with pytest.raises(grpc.RpcError) as refused:
        tight.channel.stream_unary(path("ModelInfer"))(never(), timeout=4)
    assert refused.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED  # type: ignore[attr-defined]
    assert time.monotonic() - begun < 2


def test_of_many_that_come_slowly_the_slowest_are_given_up(
    tight: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those whose time has run out in this moment."""
    monkeypatch.setattr(calls, "MOST_RECEIVING", 4)
    monkeypatch.setattr(calls, "PROMPT", 0.0)
    ended = threading.Event()

    def never() -> Iterator[bytes]:
        ended.wait(5)
        yield from ()

    slow = [tight.channel.stream_unary(path("ModelInfer")).future(never(), timeout=4) for _ in range(12)]
    until = time.monotonic() + 0.8
    found = list[str]()
    while time.monotonic() < until:
        try:
            found.append(tight.call("ModelInfer", asked_infer()).model_name)
        except (
            grpc.RpcError
        ):  # A machine with much else to do may itself be slower than the limit, now and then.
            found.append("late")
    ended.set()
    assert found.count("houses") > found.count("late")
    assert {each.code().name for each in slow} == {"DEADLINE_EXCEEDED"}


def test_who_goes_away_leaves_the_queue(tight: Any) -> None:
    asked = {
        "model_name": "blend",
        "inputs": [{"name": "area", "datatype": "FP32", "shape": [1], "contents": {"fp32_contents": [1]}}],
    }
    for _ in range(3):  # By its own deadline, and by saying so.
        assert fault(tight.channel, "ModelInfer", asked, timeout=0.05)[0] == "DEADLINE_EXCEEDED"
    waited = {"timeout": {"int64_param": 50_000}}
    assert fault(tight.channel, "ModelInfer", {**asked, "parameters": waited})[0] == "DEADLINE_EXCEEDED"
    time.sleep(0.1)
    (batcher,) = [each.batcher for each in tight.server.repository.models["blend"].versions.values()]
    assert batcher is not None
    assert all(work.answered.done() for *_, work in batcher._waiting)


def test_what_is_full_says_when_to_come_again() -> None:
    with serving("houses", limits=Limits(requests_per_second=0.5)) as found:
        found.call("ModelInfer", asked_infer())
        with pytest.raises(grpc.RpcError) as raised:  # One that is over a bucket of one.
            found.call("ModelInfer", asked_infer())
        refused = raised.value
        assert refused.code() == grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[attr-defined]
        trailing = dict(refused.trailing_metadata())  # type: ignore[attr-defined]
        assert int(trailing["retry-after"]) >= 1
        assert int(trailing["grpc-retry-pushback-ms"]) >= 1000
        status = message("google.rpc.Status").FromString(trailing["grpc-status-details-bin"])
        info = message("google.rpc.RetryInfo")()
        assert status.details[0].Unpack(info)
        assert info.retry_delay.seconds >= 1
        assert status.code == 8


def test_the_health_of_all_models_names_only_those_of_a_key(kept: Any) -> None:
    assert fault(kept.channel, "List")[0] == "UNAUTHENTICATED"
    statuses = kept.call("List", metadata=bearer("k-only")).statuses
    assert ("blend" in statuses, "houses" in statuses) == (True, False)
    assert kept.call("Check", {"service": "houses"}).status == 1


def test_a_refusal_is_counted_by_its_status(grpcs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(grpcs.server, "finished", lambda request, status: seen.append(status))
    fault(grpcs.channel, "ModelInfer", asked_infer(model_name="nope"))
    fault(grpcs.channel, "ModelInfer", asked_infer(raw_input_contents=[b""]))
    grpcs.call("ModelInfer", asked_infer())
    end = time.monotonic() + 5
    while len(seen) < 3 and time.monotonic() < end:
        time.sleep(0.01)
    assert sorted(seen) == [200, 400, 404]


def test_a_request_id_goes_back(grpcs: Any) -> None:
    raw = message("inference.ModelInferRequest")(**asked_infer()).SerializeToString()
    for mine, is_kept in (("mine-7", True), ("no good", False)):
        _, done = grpcs.channel.unary_unary(path("ModelInfer")).with_call(
            raw, metadata=(("x-request-id", mine),)
        )
        assert (dict(done.trailing_metadata())["x-request-id"] == mine) is is_kept


def test_stopping_says_so() -> None:
    with serving("houses") as found:
        watch = found.channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=5)
        reply = message("grpc.health.v1.HealthCheckResponse")
        assert reply.FromString(next(watch)).status == 1
        found.server.stopping = True
        assert reply.FromString(next(watch)).status == 2
        code, words = fault(found.channel, "ModelInfer", asked_infer())
        assert (code, "stopping" in words) == ("UNAVAILABLE", True)
        assert not found.call("ServerReady").ready


# --- TLS --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an authority signed for a server and a caller; and a caller that it doesn't know."""
    folder = tmp_path_factory.mktemp("tls")
    return certificates(folder, {"server": "/CN=server", "caller": "/CN=caller"}, strangers=("stranger",))


def credentials(folder: Any, caller: str = "") -> Any:
    pair = [(folder / f"{caller}.{end}").read_bytes() if caller else None for end in ("key", "pem")]
    return grpc.ssl_channel_credentials((folder / "authority.pem").read_bytes(), *pair)


def test_callers_show_a_certificate_that_the_authority_signed(signed: Path) -> None:
    folder = signed
    access = Access(
        certificate=str(folder / "server.pem"), private_key=str(folder / "server.key"),
        client_authority=str(folder / "authority.pem"),
    )  # fmt: skip
    with serving("houses", access=access, credentials=credentials(folder, "caller")) as found:
        seen: list[Any] = []
        found.server.finished = lambda request, status: seen.append(request.caller)
        assert found.call("ModelInfer", asked_infer()).model_name == "houses"
        assert (seen[-1].name, seen[-1].address) == ("caller", "127.0.0.1")
        for other in ("", "stranger"):
            with grpc.secure_channel(f"localhost:{found.port}", credentials(folder, other)) as channel:
                assert fault(channel, "ModelInfer", asked_infer(), timeout=3)[0] == "UNAVAILABLE"
        with grpc.insecure_channel(f"localhost:{found.port}") as channel:
            assert fault(channel, "ModelInfer", asked_infer(), timeout=3)[0] == "UNAVAILABLE"


def test_certificates_that_cannot_be_read_are_told() -> None:
    with pytest.raises(FileError, match="no such file"):
        run(serve_grpc(
            a_server(servable("houses")), "127.0.0.1:0", Settings("", access=Access(certificate="/no/such", private_key="/no/such"))
        ))  # fmt: skip


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="can't listen"):
        run(serve_grpc(a_server(servable("houses")), f"127.0.0.1:{taken.getsockname()[1]}", Settings("")))


# --- nothing that comes in is our fault -------------------------------------------------------------------


def code_of(grpcs: Any, name: str, raw: bytes) -> str:
    try:
        call(grpcs.channel, name, raw)
    except grpc.RpcError as refused:
        return refused.code().name  # type: ignore[attr-defined]
    return "OK"


UNARY = [name.rpartition("/")[2] for name, method in METHODS.items() if not method.streams]


@settings(max_examples=150, deadline=None)
@given(strategies.sampled_from(UNARY), strategies.binary(max_size=60))
def test_any_bytes_are_answered_or_refused(grpcs: Any, name: str, raw: bytes) -> None:
    assert code_of(grpcs, name, raw) not in ("INTERNAL", "UNKNOWN")


@settings(max_examples=150, deadline=None)
@given(strategies.data())
def test_a_message_with_wrong_bytes_in_it_is_answered_or_refused(grpcs: Any, data: Any) -> None:
    asked: Any = data.draw(
        strategies.sampled_from([("ModelInfer", asked_infer()), ("Predict", asked_predict())])
    )
    kind = {"ModelInfer": "inference.ModelInferRequest", "Predict": "tensorflow.serving.PredictRequest"}[
        asked[0]
    ]
    raw = bytearray(message(kind)(**asked[1]).SerializeToString())
    for _ in range(data.draw(strategies.integers(1, 4))):
        raw[data.draw(strategies.integers(0, len(raw) - 1))] = data.draw(strategies.integers(0, 255))
    assert code_of(grpcs, asked[0], bytes(raw)) not in ("INTERNAL", "UNKNOWN")


def test_both_protocols_of_others_can_be_in_the_process() -> None:
    """Protos of the same names, in the pool that all Python packages share."""
    from google.protobuf import descriptor_pb2, descriptor_pool

    other = descriptor_pb2.FileDescriptorProto(
        name="grpc_predict_v2.proto", package="inference", syntax="proto3"
    )
    other.message_type.add(name="ModelInferRequest").field.add(name="other", number=1, type=9, label=1)
    descriptor_pool.Default().AddSerializedFile(other.SerializeToString())
    assert message("inference.ModelInferRequest")(model_name="a").model_name == "a"


def test_an_event_loop_can_serve_after_another() -> None:
    async def nothing() -> None:
        await asyncio.sleep(0)

    for _ in range(2):
        with serving("houses") as found:
            assert found.call("ServerLive").live
        asyncio.run(nothing())


def test_our_own_fault_is_told_by_the_requests_id_alone(grpcs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise OSError("/secret/place is gone")

    failed: list[Any] = []
    monkeypatch.setattr(grpcs.server.router, "find", broken)
    monkeypatch.setattr(grpcs.server, "log", SimpleNamespace(
        failed=lambda fault, id: failed.append((str(fault), id)), access=lambda *_: None
    ))  # fmt: skip
    code, words = fault(grpcs.channel, "ModelInfer", asked_infer(), metadata=(("x-request-id", "r-1"),))
    assert (code, "r-1" in words, "secret" in words) == ("INTERNAL", True, False)
    assert failed == [("/secret/place is gone", "r-1")]


@pytest.mark.parametrize("size", [10, 100_000])
def test_what_is_large_is_read_in_threads(grpcs: Any, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    for holder, name in ((TensorGraph, "feeds"), (TensorGraph, "run")):
        function = getattr(holder, name)

        def noted(*given: Any, function: Any = function) -> Any:
            seen.append(threading.current_thread().name.partition("_")[0])
            return function(*given)

        monkeypatch.setattr(holder, name, noted)
    tensor = {
        "name": "text",
        "datatype": "BYTES",
        "shape": [1],
        "contents": {"bytes_contents": [b"a cat " * size]},
    }
    asked = {"model_name": "said", "inputs": [tensor]}
    grpcs.call("ModelInfer", asked)
    (answer,) = streamed(grpcs, asked)
    assert not answer.error_message
    large = ["drivetrain-read", "drivetrain-run"] * 2
    assert seen == large if size > 10 else not {*seen} & {*large}
