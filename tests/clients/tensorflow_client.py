"""tensorflow-serving-api's own stubs, with the messages of tensorflow-protobuf in place of TensorFlow."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import grpc as by_grpc
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool

CODES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip


def _error_codes() -> None:
    """The one proto that tensorflow-protobuf left out, though others of its own import it."""
    file = descriptor_pb2.FileDescriptorProto(
        name="tensorflow/tsl/protobuf/error_codes.proto", package="tensorflow.error", syntax="proto3"
    )
    codes = file.enum_type.add(name="Code")
    for number, name in enumerate(CODES):
        codes.value.add(name=name, number=number)
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    for name in ("tensorflow.tsl", "tensorflow.tsl.protobuf", "tensorflow.tsl.protobuf.error_codes_pb2"):
        sys.modules[name] = ModuleType(name)
    found = sys.modules["tensorflow.tsl.protobuf.error_codes_pb2"]
    sys.modules["tensorflow.tsl.protobuf"].error_codes_pb2 = found
    sys.modules["tensorflow.tsl"].protobuf = sys.modules["tensorflow.tsl.protobuf"]
    from tensorflow.core.protobuf import error_codes_pb2

    error_codes_pb2.xla = SimpleNamespace(
        tsl=SimpleNamespace(protobuf=SimpleNamespace(error_codes_pb2=found))
    )


_error_codes()
from tensorflow.core.example import example_pb2  # noqa: E402
from tensorflow.core.framework import tensor_pb2, types_pb2  # noqa: E402
from tensorflow_serving.apis import (  # noqa: E402
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

FIRST, SECOND = np.arange(16, dtype=np.int32).reshape(1, 16), np.ones((1, 16), np.int32)


def tensor(array):
    """As tf.make_tensor_proto makes one of numbers: raw content."""
    made = tensor_pb2.TensorProto(dtype=types_pb2.DT_INT32, tensor_content=array.tobytes())
    for side in array.shape:
        made.tensor_shape.dim.add(size=side)
    return made


def asked(name="simple"):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = "serving_default"
    request.inputs["INPUT0"].CopyFrom(tensor(FIRST))
    request.inputs["INPUT1"].CopyFrom(tensor(SECOND))
    return request


def stubs(grpc):
    channel = by_grpc.insecure_channel(grpc)
    return prediction_service_pb2_grpc.PredictionServiceStub(
        channel
    ), model_service_pb2_grpc.ModelServiceStub(channel)


def fault(function, request):
    try:
        function(request, 5)
    except by_grpc.RpcError as raised:
        return raised.code().name, raised.details()
    raise AssertionError("it was answered")


def case_tensorflow_predict(grpc, http):
    answer = stubs(grpc)[0].Predict(asked(), 5)
    assert [*answer.outputs["OUTPUT0"].int_val] == (FIRST + SECOND).ravel().tolist()
    assert [side.size for side in answer.outputs["OUTPUT1"].tensor_shape.dim] == [1, 16]
    assert answer.outputs["OUTPUT0"].dtype == types_pb2.DT_INT32
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("simple", 1)
    request = asked()
    request.output_filter.append("OUTPUT1")
    request.model_spec.version.value = 1
    assert [*stubs(grpc)[0].Predict(request, 5).outputs] == ["OUTPUT1"]


def case_tensorflow_async(grpc, http):
    for pending in [stubs(grpc)[0].Predict.future(asked(), 5) for _ in range(10)]:
        assert [*pending.result().outputs["OUTPUT0"].int_val] == (FIRST + SECOND).ravel().tolist()


def case_tensorflow_strings(grpc, http):
    request = asked("simple_string")
    for name, array in (("INPUT0", FIRST), ("INPUT1", SECOND)):
        made = tensor_pb2.TensorProto(
            dtype=types_pb2.DT_STRING, string_val=[b"%d" % each for each in array.ravel()]
        )
        for side in array.shape:
            made.tensor_shape.dim.add(size=side)
        request.inputs[name].CopyFrom(made)
    answer = stubs(grpc)[0].Predict(request, 5)
    assert [int(each) for each in answer.outputs["OUTPUT0"].string_val] == (FIRST + SECOND).ravel().tolist()


def example(**numbers):
    made = example_pb2.Example()
    for name, number in numbers.items():
        made.features.feature[name].float_list.value.append(number)
    return made


def case_tensorflow_classify_regress(grpc, http):
    prediction, _ = stubs(grpc)
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = "blend"
    request.input.example_list.examples.append(example(area=40.0))
    (classes,) = prediction.Classify(request, 5).result.classifications
    assert {each.label for each in classes.classes} == {"no", "yes"}
    assert abs(sum(each.score for each in classes.classes) - 1) < 1e-5
    request = regression_pb2.RegressionRequest()
    request.model_spec.name = "blend"
    request.input.example_list.examples.append(example(area=40.0))
    assert abs(prediction.Regress(request, 5).result.regressions[0].value - 700) < 1
    request = inference_pb2.MultiInferenceRequest()
    request.input.example_list.examples.append(example(area=40.0))
    for method in ("classify", "regress"):
        request.tasks.add(method_name=f"tensorflow/serving/{method}").model_spec.name = "blend"
    assert len(prediction.MultiInference(request, 5).results) == 2


def case_tensorflow_metadata(grpc, http):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "simple"
    answer = stubs(grpc)[0].GetModelMetadata(request, 5)
    assert answer.metadata["signature_def"].type_url.endswith("tensorflow.serving.SignatureDefMap")
    try:  # It imports more of TensorFlow's protos than tensorflow-protobuf has in one piece.
        signatures = get_model_metadata_pb2.SignatureDefMap()
    except AttributeError:
        return
    assert answer.metadata["signature_def"].Unpack(signatures)
    signature = signatures.signature_def["serving_default"]
    assert signature.method_name == "tensorflow/serving/predict"
    assert signature.inputs["INPUT0"].dtype == types_pb2.DT_INT32
    assert [side.size for side in signature.outputs["OUTPUT1"].tensor_shape.dim] == [-1, 16]


def case_tensorflow_status(grpc, http):
    _, models = stubs(grpc)
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "simple"
    (state,) = models.GetModelStatus(request, 5).model_version_status
    assert (state.version, state.state) == (1, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
    request.model_spec.name = "nope"
    assert fault(models.GetModelStatus, request) == ("NOT_FOUND", "Could not find any versions of model nope")
    assert (
        fault(models.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest())[0]
        == "PERMISSION_DENIED"
    )


def case_tensorflow_faults(grpc, http):
    prediction, _ = stubs(grpc)
    assert fault(prediction.Predict, asked("nope")) == (
        "NOT_FOUND",
        "Servable not found for request: Latest(nope)",
    )
    request = asked()
    request.model_spec.version.value = 7
    assert fault(prediction.Predict, request) == (
        "NOT_FOUND",
        "Servable not found for request: Specific(simple, 7)",
    )
    request = asked()
    request.model_spec.signature_name = "other"
    assert fault(prediction.Predict, request) == (
        "FAILED_PRECONDITION",
        'Serving signature key "other" not found.',
    )
    assert fault(prediction.Predict, predict_pb2.PredictRequest()) == (
        "INVALID_ARGUMENT",
        "Missing ModelSpec",
    )
    request = asked()
    del request.inputs["INPUT1"]
    code, words = fault(prediction.Predict, request)
    assert code == "INVALID_ARGUMENT"
    assert words.startswith(
        "input size does not match signature: 1!=2 len({INPUT0}) != len({INPUT0,INPUT1})."
    )


def case_tensorflow_protos_are_the_same_and_get_along(grpc, http):
    """In one process: ours clash with nothing, and each of our fields is theirs, by number, type and name."""
    from drivetrain.serve.grpc.messages import POOL

    known = descriptor_pool.Default()
    compared = 0
    files = ("tensorflow.proto", "tensorflow_serving.proto", "tensorflow_error.proto")
    for file in map(POOL.FindFileByName, files):
        for kind in file.message_types_by_name.values():
            theirs = known.FindMessageTypeByName(kind.full_name)
            for field in kind.fields:
                other = theirs.fields_by_name[field.name]
                assert (field.number, field.type) == (other.number, other.type), field.full_name
                compared += 1
        for enum in file.enum_types_by_name.values():
            theirs = known.FindEnumTypeByName(enum.full_name)
            assert all(theirs.values_by_name[each.name].number == each.number for each in enum.values)
    assert compared > 70
