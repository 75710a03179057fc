"""TensorFlow Serving's PredictionService and ModelService, without TensorFlow.

Predict takes and gives a model's tensors; Classify and Regress read tf.Example features as raw values, by the names of the model's
inputs. The faults are worded, and have the codes, that TensorFlow Serving gives them
(https://github.com/tensorflow/serving, tensorflow_serving/apis and servables/tensorflow).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from drivetrain.serve import path
from drivetrain.serve.grpc.calls import may, methods
from drivetrain.serve.grpc.contents import NUMBERS, array_of_proto, proto_of
from drivetrain.serve.grpc.messages import Message, message, value
from drivetrain.serve.protocols import base
from drivetrain.serve.protocols.tfserving import STATES, states_of
from drivetrain.serve.server import Server
from drivetrain.serve.types import Asked, Port, Refusal, Request
from drivetrain.types import Answer, Failure

SERVICE, MODELS = "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"
SIGNATURE, METADATA = "serving_default", "signature_def"
METHOD = "tensorflow/serving/"
"""Before "predict", "classify" and "regress": how MultiInference and signatures name what is done."""
_STATES = {each: value("tensorflow.serving.ModelVersionStatus.State", name) for each, name in STATES.items()}
_FAILED = value("tensorflow.error.Code", "UNKNOWN")


# --- which model ------------------------------------------------------------------------------------------


def _asked(server: Server, request: Request, asked: Message, right: Any = "infer") -> Asked:
    """The model that a request is for. Raises Refusal where the caller may not ask it."""
    if not asked.HasField("model_spec"):
        raise Refusal(400, "Missing ModelSpec")
    method = getattr(asked, "method_name", "") or METHOD + request.path.rpartition("/")[2].lower()
    return _meant(server, request, asked.model_spec, right, method)


def _meant(server: Server, request: Request, spec: Message, right: Any, method: str) -> Asked:
    """There is one signature, which each method may call its own, as over REST."""
    if not spec.name:
        raise Refusal(400, "ModelSpec has no name specified.")
    may(server, request, right, spec.name)
    if spec.signature_name not in ("", SIGNATURE, method, method.removeprefix(METHOD)):
        raise Refusal(412, f'Serving signature key "{spec.signature_name[:60]}" not found.')
    places = {"model": spec.name}
    choice = spec.WhichOneof("version_choice")
    if choice == "version":
        if spec.version.value < 0:
            raise Refusal(400, "a version is a whole number from 0 on.")
        places["version"] = str(spec.version.value)
    elif choice == "version_label" and spec.version_label:
        places["label"] = spec.version_label
    return base.asked_of(server, request, places)


def _told(spec: Message, model: str, version: int) -> None:
    """Which version of which model it was that answered."""
    spec.name, spec.signature_name = model, SIGNATURE
    spec.version.value = version


# --- Predict ----------------------------------------------------------------------------------------------


async def predict(server: Server, asked: Message, request: Request) -> Message:
    which = _asked(server, request, asked)
    servable = server.router.find(which)
    if servable.tensors:
        _refuse_inputs(servable.inputs, asked.inputs)
        _refuse_outputs(servable.outputs, asked.output_filter)
    most = server.settings.limits.body
    feeds = {name: array_of_proto(name[:60], proto, most) for name, proto in asked.inputs.items()}
    found = await path.answer_tensors(
        server,
        which,
        feeds,
        request,
        outputs=[*asked.output_filter] or None,
        priority=base.priority_of(request),
    )
    reply = message("tensorflow.serving.PredictResponse")()
    _told(reply.model_spec, found.model, found.version)
    for name, array in found.outputs.items():
        reply.outputs[name].CopyFrom(proto_of(array))
    return reply


def _refuse_inputs(ports: Sequence[Port], given: Mapping[str, Any]) -> None:
    known = {port.name for port in ports}
    required = {port.name for port in ports if port.extra.get("required", True)}
    extra, missing = given.keys() - known, required - given.keys()
    if extra or missing:
        raise Refusal(
            400,
            f"input size does not match signature: {len(given)}!={len(required)} len({_set(given)}) != "
            f"len({_set(required)}). Sent extra: {_set(extra)}. Missing but required: {_set(missing)}.",
        )


def _refuse_outputs(ports: Sequence[Port], names: Sequence[str]) -> None:
    known = [port.name for port in ports]
    for place, name in enumerate(names):
        if name not in known:
            raise Refusal(
                400,
                f"output tensor alias not found in signature: {name[:60]} Outputs expected to be in the set {_set(known)}.",
            )
        if name in names[:place]:
            raise Refusal(400, f"duplicate output tensor alias: {name}")


def _set(names: Iterable[str]) -> str:
    return f"{{{','.join(sorted(name[:60] for name in names))}}}"


# --- Classify, Regress ------------------------------------------------------------------------------------


async def classify(server: Server, asked: Message, request: Request) -> Message:
    return await _answered(server, asked, request, "Classification", _classified)


async def regress(server: Server, asked: Message, request: Request) -> Message:
    return await _answered(server, asked, request, "Regression", _regressed)


async def _answered(
    server: Server,
    asked: Message,
    request: Request,
    kind: str,
    fill: Callable[[Message, path.Answered], None],
) -> Message:
    found = await _answers(server, _asked(server, request, asked), asked.input, request)
    reply = message(f"tensorflow.serving.{kind}Response")()
    _told(reply.model_spec, found.model, found.version)
    fill(reply.result, found)
    return reply


async def several(server: Server, asked: Message, request: Request) -> Message:
    """Classify and Regress of the same examples, by one model."""
    if not asked.tasks:
        raise Refusal(400, "Inference request contains no tasks.")
    names = {task.model_spec.name for task in asked.tasks}
    if len(names) > 1:
        raise Refusal(400, "All ModelSpecs in a MultiInferenceRequest must access the same model name.")
    fillers = {
        f"{METHOD}classify": ("classification_result", _classified),
        f"{METHOD}regress": ("regression_result", _regressed),
    }
    for task in asked.tasks:
        if task.method_name not in fillers:
            raise Refusal(501, f"Unsupported signature method_name: {task.method_name[:60]}")
    if len({task.method_name for task in asked.tasks}) < len(asked.tasks):
        raise Refusal(400, "Duplicate evaluation of signature: each method once.")
    reply = message("tensorflow.serving.MultiInferenceResponse")()
    found = None
    for task in asked.tasks:
        which = _asked(server, request, task)
        if found is None:
            found = await _answers(server, which, asked.input, request)
        result = reply.results.add()
        _told(result.model_spec, found.model, found.version)
        field, fill = fillers[task.method_name]
        part = getattr(result, field)
        part.SetInParent()
        fill(part, found)
    return reply


async def _answers(server: Server, which: Asked, given: Message, request: Request) -> path.Answered:
    servable = server.router.find(which)
    files = {name: codec.from_files for name, codec in servable.bundle.signature.inputs.items()}
    items = [_item(files, example, context) for example, context in _examples(given)]
    if not items:
        raise Refusal(400, "Input is empty.")
    found = await path.answer_items(server, which, items, request, priority=base.priority_of(request))
    for place, answer in enumerate(found.answers):
        if isinstance(answer, Failure):
            raise Refusal(400, f"example {place}: {answer.error}")
    return found


def _examples(given: Message) -> list[tuple[Message, Message | None]]:
    if given.WhichOneof("kind") == "example_list_with_context":
        listed = given.example_list_with_context
        return [(example, listed.context) for example in listed.examples]
    return [(example, None) for example in given.example_list.examples]


def _item(files: Mapping[str, bool], example: Message, context: Message | None) -> dict[str, Any]:
    """An example's features as the raw values of a model's inputs; those of the context stand for all examples."""
    item: dict[str, Any] = {}
    for features in ([context.features] if context is not None else []) + [example.features]:
        for name, feature in features.feature.items():
            if name not in files:
                raise Refusal(400, f"Feature '{name[:60]}' is no input of the model: it has {_set(files)}.")
            item[name] = _raw(name, feature, files[name])
    return item


def _raw(name: str, feature: Message, is_file: bool) -> Any:
    """One value by itself, several as a list; bytes are a text unless the input is a file."""
    kind = feature.WhichOneof("kind")
    values: list[Any] = [*getattr(feature, kind).value] if kind else []
    if kind == "bytes_list" and not is_file:
        try:
            values = [each.decode() for each in values]
        except UnicodeDecodeError:
            raise Refusal(400, f"Feature '{name[:60]}' is not UTF-8.") from None
    return values[0] if len(values) == 1 else values or None


def _part(found: path.Answered, answer: Any, key: str, method: str) -> Any:
    """What the first target that has it says: a probability for each label, or a number."""
    assert isinstance(answer, Answer)
    for decoded in answer.targets.values():
        if key in decoded:
            return decoded[key]
    raise Refusal(412, f"Expected {method} signature: the model '{found.model}' has no target with {key}.")


def _classified(result: Message, found: path.Answered) -> None:
    for answer in found.answers:
        classes = result.classifications.add().classes
        for label, score in _part(found, answer, "probabilities", "classification").items():
            classes.add(label=str(label), score=score)


def _regressed(result: Message, found: path.Answered) -> None:
    for answer in found.answers:
        number = _part(found, answer, "value", "regression")
        if not isinstance(number, (int, float)):
            raise Refusal(
                412, f"Expected regression signature: the model '{found.model}' gives no single number."
            )
        result.regressions.add(value=number)


# --- metadata, status -------------------------------------------------------------------------------------


async def metadata(server: Server, asked: Message, request: Request) -> Message:
    which = _asked(server, request, asked, "read")
    if not asked.metadata_field:
        raise Refusal(400, "GetModelMetadataRequest must specify at least one metadata_field")
    for name in asked.metadata_field:
        if name != METADATA:
            raise Refusal(400, f"Metadata field {name[:60]} is not supported")
    servable = server.router.find(which)
    signatures = message("tensorflow.serving.SignatureDefMap")()
    signature = signatures.signature_def[SIGNATURE]
    signature.method_name = f"{METHOD}predict"
    for ports, infos in ((servable.inputs, signature.inputs), (servable.outputs, signature.outputs)):
        for port in ports:
            info = infos[port.name]
            info.name, info.dtype = f"{port.name}:0", NUMBERS[port.datatype]
            for side in port.shape:
                info.tensor_shape.dim.add(size=side)
    reply = message("tensorflow.serving.GetModelMetadataResponse")()
    _told(reply.model_spec, servable.name, servable.version)
    reply.model_spec.signature_name = ""
    reply.metadata[METADATA].Pack(signatures)
    return reply


async def model_status(server: Server, asked: Message, request: Request) -> Message:
    states = states_of(server, _asked(server, request, asked, "read"))
    reply = message("tensorflow.serving.GetModelStatusResponse")()
    for version, state in states:
        told = reply.model_version_status.add(version=version, state=_STATES[state.state])
        told.status.SetInParent()
        if state.state == "failed":
            told.status.error_code, told.status.error_message = _FAILED, state.reason
    return reply


async def reload(server: Server, asked: Message, request: Request) -> Message:
    """Load the models that are listed and unload the others, as TensorFlow Serving does. Where models lie, and what their labels
    are, says this server's own configuration: no caller names paths of its machine."""
    if asked.config.WhichOneof("config") != "model_config_list":
        raise Refusal(400, "ModelServerConfig has to hold a model_config_list.")
    listed = asked.config.model_config_list.config
    for each in listed:
        may(server, request, "admin", each.name)
        server.router.model(each.name)
        if each.base_path or each.version_labels:
            raise Refusal(
                400, "base_path and version_labels are not taken from callers: they stand in serve.toml"
            )
    names = {each.name for each in listed}
    for name in names:
        await server.repository.load(name)
    for name in [*server.repository.models]:
        if name not in names:
            may(server, request, "admin", name)
            await server.repository.unload(name)
    reply = message("tensorflow.serving.ReloadConfigResponse")()
    reply.status.SetInParent()
    return reply


METHODS = methods(
    SERVICE,
    {
        "Predict": (predict, "infer"),
        "Classify": (classify, "infer"),
        "Regress": (regress, "infer"),
        "MultiInference": (several, "infer"),
        "GetModelMetadata": (metadata, "read"),
    },
    words="v1",
) | methods(
    MODELS,
    {"GetModelStatus": (model_status, "read"), "HandleReloadConfigRequest": (reload, "admin")},
    words="v1",
)
