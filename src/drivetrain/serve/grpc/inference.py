"""inference.GRPCInferenceService: the Open Inference Protocol over gRPC, with Triton's methods beside it, as tritonclient and
kserve call them. https://github.com/kserve/open-inference-protocol, specification/protocol/inference_grpc.md"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, cast

from google.protobuf import json_format

from drivetrain import __version__
from drivetrain.serve import path, tensors
from drivetrain.serve.grpc.calls import may, methods, told
from drivetrain.serve.grpc.contents import array_of
from drivetrain.serve.grpc.messages import Message, message
from drivetrain.serve.model_config import PLATFORM, TEXT_IN, TEXT_OUT, config_of, inputs_of, outputs_of
from drivetrain.serve.protocols import base
from drivetrain.serve.protocols.inference import EXTENSIONS, statistics_of
from drivetrain.serve.server import Server
from drivetrain.serve.types import LARGE, Asked, Refusal, Request
from drivetrain.types import Array, Failure

SERVICE = "inference.GRPCInferenceService"
AHEAD = 16
"""Requests of one stream that are worked on at the same time; answers come in the order of the requests."""
FINAL = "triton_final_response"

InferResponse = message("inference.ModelInferResponse")
StreamResponse = message("inference.ModelStreamInferResponse")


# --- health and metadata ----------------------------------------------------------------------------------


async def live(server: Server, asked: Message, request: Request) -> Message:
    return message("inference.ServerLiveResponse")(live=True)


async def ready(server: Server, asked: Message, request: Request) -> Message:
    return message("inference.ServerReadyResponse")(ready=bool(server.ready))


async def model_ready(server: Server, asked: Message, request: Request) -> Message:
    which = _asked(server, request, asked.name, asked.version)
    is_ready = server.router.ready(which.model, which.version) and not server.stopping
    return message("inference.ModelReadyResponse")(ready=is_ready)


async def server_metadata(server: Server, asked: Message, request: Request) -> Message:
    return message("inference.ServerMetadataResponse")(
        name="drivetrain", version=__version__, extensions=EXTENSIONS
    )


async def model_metadata(server: Server, asked: Message, request: Request) -> Message:
    servable = _found(server, request, asked)
    reply = message("inference.ModelMetadataResponse")(name=servable.name, platform=PLATFORM)
    reply.versions.extend(str(version) for version in server.router.model(servable.name).versions)
    for ports, told_of in ((inputs_of(servable), reply.inputs), (outputs_of(servable), reply.outputs)):
        for port in ports:
            told_of.add(name=port.name, datatype=port.datatype, shape=port.shape)
    return reply


async def model_config(server: Server, asked: Message, request: Request) -> Message:
    reply = message("inference.ModelConfigResponse")()
    json_format.ParseDict(config_of(server, _found(server, request, asked)), reply.config)
    return reply


def _asked(server: Server, request: Request, name: str, version: str) -> Asked:
    may(server, request, "open", name)
    return base.asked_of(server, request, {"model": name, **({"version": version} if version else {})})


def _found(server: Server, request: Request, asked: Message) -> Any:
    may(server, request, "read", asked.name)
    return server.router.find(_asked(server, request, asked.name, asked.version))


# --- inference --------------------------------------------------------------------------------------------


async def infer(server: Server, asked: Message, request: Request) -> Message:
    may(server, request, "infer", asked.model_name)
    which = base.asked_of(server, request, _places(asked))
    parameters = _parameters(asked.parameters)
    _refuse_sequences(parameters)
    wait = _count(parameters, "timeout") / 1e6 or None
    if _writes(server, which):
        return await base.within(wait, _written(server, which, asked, parameters, request))
    wanted, feeds = _wanted(asked), await server.aside(request, _feeds, asked)
    found = await base.within(
        wait,
        path.answer_tensors(
            server, which, feeds, request, outputs=[*wanted] or None, priority=_priority(parameters)
        ),
    )
    return _rendered(found, asked.id, wanted)


def _places(asked: Message) -> dict[str, str]:
    version = {"version": asked.model_version} if asked.model_version else {}
    return {"model": asked.model_name, **version}


def _parameters(given: Any) -> dict[str, Any]:
    """Names and plain values."""
    return {
        name: getattr(each, each.WhichOneof("parameter_choice") or "", None) for name, each in given.items()
    }


def _count(parameters: Mapping[str, Any], name: str) -> int:
    found = parameters.get(name, 0)
    if type(found) is not int or found < 0:
        raise Refusal(400, f"parameter '{name}' is no whole number from 0 on")
    return found


def _priority(parameters: Mapping[str, Any]) -> int:
    return base.priority_from(_count(parameters, "priority"))


def _refuse_sequences(parameters: Mapping[str, Any]) -> None:
    if parameters.get("sequence_id"):
        raise Refusal(400, "sequences are not supported: each request is answered by itself")


def _refuse_shared_memory(parameters: Mapping[str, Any]) -> None:
    if "shared_memory_region" in parameters:
        raise Refusal(
            400, "shared memory is not supported: send tensors in the message, and take them from the answer"
        )


def _feeds(asked: Message) -> dict[str, Array]:
    """The inputs as arrays: raw, each at the place of its input, or each in its own contents."""
    raw = asked.raw_input_contents
    if raw and len(raw) != len(asked.inputs):
        raise Refusal(
            400,
            f"unexpected number of raw input contents: {len(raw)}, but {len(asked.inputs)} inputs for model "
            f"'{asked.model_name}'",
        )
    feeds: dict[str, Array] = {}
    for place, each in enumerate(asked.inputs):
        name = each.name[:60]
        if each.parameters:
            _refuse_shared_memory(_parameters(each.parameters))
        if each.name in feeds:
            raise Refusal(400, f"input '{name}' is given twice")
        if raw:
            if each.HasField("contents"):
                raise Refusal(
                    400, f"contents field must not be specified when using raw_input_contents for '{name}'"
                )
            feeds[each.name] = tensors.from_bytes(name, each.datatype, [*each.shape], raw[place])
        else:
            feeds[each.name] = array_of(name, each.datatype, [*each.shape], each.contents)
    return feeds


def _wanted(asked: Message) -> dict[str, int]:
    """The outputs that are asked for, and of how many classes; none: all of them, as they are."""
    wanted: dict[str, int] = {}
    for each in asked.outputs:
        parameters = _parameters(each.parameters) if each.parameters else {}
        _refuse_shared_memory(parameters)
        wanted[each.name] = _count(parameters, "classification")
    return wanted


def _rendered(found: path.AnsweredTensors, request_id: str, wanted: Mapping[str, int]) -> Message:
    """Raw contents always, as Triton gives them."""
    reply = InferResponse(model_name=found.model, model_version=str(found.version), id=request_id)
    for name, array in found.outputs.items():
        if classes := wanted.get(name):
            array = tensors.classified(array, classes, tensors.labels_of(found.servable, name))
        reply.outputs.add(name=name, datatype=tensors.datatype_of(array.dtype), shape=array.shape)
        reply.raw_output_contents.append(tensors.to_bytes(array))
    if any(found.record_ids):
        reply.parameters["record_ids"].string_param = ",".join(each or "" for each in found.record_ids)
    return reply


# --- what writes ------------------------------------------------------------------------------------------


def _writes(server: Server, which: Asked) -> bool:
    servable = server.router.find(which)
    return servable.streams and not servable.tensors


def _prompt(server: Server, which: Asked, asked: Message) -> Any:
    """The raw value to write on: of the input "text_input", as with Triton's language models, or of the model's own input, which
    may be a row of tokens."""
    fields = server.router.find(which).bundle.signature.inputs
    given = _feeds(asked)
    name = next((each for each in (TEXT_IN, *fields) if each in given), None)
    if name is None or len(given) != 1 or len(fields) != 1:
        raise Refusal(400, f"it takes one input, '{TEXT_IN}': BYTES [1] or [1, 1]")
    array = given[name]
    if array.dtype.kind in "iu" and name != TEXT_IN:
        return array.reshape(-1).tolist()
    if array.dtype != object or array.size != 1:
        raise Refusal(400, f"input '{name[:60]}' has to be BYTES [1] or [1, 1]: one text")
    try:
        text = array.item().decode()
    except UnicodeDecodeError:
        raise Refusal(400, f"input '{name[:60]}' is not UTF-8") from None
    (codec,) = fields.values()
    # What is no text, such as a list of tokens, is written as JSON in it.
    return text if codec.schema().get("type") == "string" else base.json_of(server, text.encode())


def _options(parameters: Mapping[str, Any]) -> dict[str, Any]:
    own = (
        "priority",
        "timeout",
        "triton_enable_empty_final_response",
        "sequence_id",
        "sequence_start",
        "sequence_end",
    )
    return {name: each for name, each in parameters.items() if name not in own}


async def _written(
    server: Server, which: Asked, asked: Message, parameters: Mapping[str, Any], request: Request
) -> Message:
    """The whole text at once."""
    prompt = _prompt(server, which, asked)
    found = await path.answer_items(
        server, which, [prompt], request, priority=_priority(parameters), options=_options(parameters)
    )
    (answer,) = found.answers
    if isinstance(answer, Failure):
        raise answer.error
    (written,) = answer.targets.values()
    text = written.get("text", " ".join(str(token) for token in written["tokens"]))
    return _text(found.model, found.version, asked.id, text)


def _text(model: str, version: int, request_id: str, text: str) -> Message:
    reply = InferResponse(model_name=model, model_version=str(version), id=request_id)
    reply.outputs.add(name=TEXT_OUT, datatype="BYTES", shape=[1, 1])
    reply.raw_output_contents.append(tensors.packed(text))
    return reply


async def _pieces(
    server: Server, which: Asked, asked: Message, parameters: Mapping[str, Any], request: Request
) -> AsyncGenerator[Message]:
    """Each piece of the text as it is chosen, then an empty answer that says that it was the last."""
    writing = path.Pieces(server, which, _prompt(server, which, asked), _options(parameters), request)
    async with aclosing(writing) as pieces:
        async for piece in pieces:
            if piece.text:
                yield _text(writing.servable.name, writing.servable.version, asked.id, piece.text)
    servable = writing.servable
    last = InferResponse(model_name=servable.name, model_version=str(servable.version), id=asked.id)
    last.parameters[FINAL].bool_param = True
    yield last


# --- streams ----------------------------------------------------------------------------------------------


async def infer_stream(
    server: Server, asked: AsyncIterator[Message], request: Request
) -> AsyncGenerator[Message]:
    """Answers in the order of the requests; what fails says so in its answer, and the stream goes on."""
    ahead: asyncio.Queue[Any] = asyncio.Queue(AHEAD)

    async def read() -> None:
        try:
            async for each in asked:
                await ahead.put(_begun(server, each, request))
        except Exception as fault:  # noqa: BLE001 - whoever takes from the queue raises it.
            await ahead.put(fault)
        else:
            await ahead.put(None)

    reading = asyncio.create_task(read())
    try:
        while (first := await ahead.get()) is not None:
            if isinstance(first, Exception):
                raise first
            if isinstance(first, asyncio.Task):
                yield await cast("asyncio.Task[Message]", first)
            else:
                async with aclosing(_safely(server, first, request)) as replies:
                    async for reply in replies:
                        yield reply
    finally:
        reading.cancel()
        while not ahead.empty():
            if isinstance(left := ahead.get_nowait(), asyncio.Task):
                cast("asyncio.Task[Message]", left).cancel()


def _begun(server: Server, asked: Message, request: Request) -> asyncio.Task[Any] | Message:
    """A request of a stream, being answered; or as it is, where its answer comes in pieces, each written as the one before it is
    taken."""
    try:
        server.gate.rate(request.caller)
    except Refusal as fault:
        return asyncio.ensure_future(_refused(asked, fault))
    try:
        may(server, request, "infer", asked.model_name)
        if _writes(server, base.asked_of(server, request, _places(asked))):
            return asked
    except Refusal:
        pass  # It is told by what answers.
    return asyncio.ensure_future(_one(server, asked, request))


async def _refused(asked: Message, fault: Refusal) -> Message:
    return _failed(asked, str(fault))


async def _one(server: Server, asked: Message, request: Request) -> Message:
    own = _own(request)
    if asked.ByteSize() > LARGE:
        own.body = asked.SerializeToString()
    server.begun(own)
    status = 500
    try:
        async with asyncio.timeout(server.settings.limits.seconds_to_answer):
            reply = StreamResponse(infer_response=await infer(server, asked, own))
        if _parameters(asked.parameters).get("triton_enable_empty_final_response"):
            reply.infer_response.parameters[FINAL].bool_param = True
        status = 200
        return reply
    except Exception as fault:  # noqa: BLE001 - it happens to this request of the stream alone.
        status, words, _ = told(server, fault, own, "v2")
        return _failed(asked, words)
    finally:
        server.finished(own, status)


async def _safely(server: Server, asked: Message, request: Request) -> AsyncGenerator[Message]:
    """What is written in pieces, and what went wrong with it."""
    own = _own(request)
    server.begun(own)
    status = 500
    try:
        which = base.asked_of(server, own, _places(asked))
        parameters = _parameters(asked.parameters)
        _refuse_sequences(parameters)
        async with aclosing(_pieces(server, which, asked, parameters, own)) as pieces:
            async for piece in pieces:
                yield StreamResponse(infer_response=piece)
        status = 200
    except Exception as fault:  # noqa: BLE001
        status, words, _ = told(server, fault, own, "v2")
        yield _failed(asked, words)
    finally:
        server.finished(own, status)


def _own(request: Request) -> Request:
    """Of one message in a stream: the stream's caller and id."""
    own = Request(
        "POST", request.path, headers=request.headers, caller=request.caller, id=request.id, source="grpc"
    )
    own.arrived = asyncio.get_running_loop().time()
    return own


def _failed(asked: Message, words: str) -> Message:
    reply = StreamResponse(error_message=words)
    reply.infer_response.id = asked.id
    return reply


# --- repository and statistics ----------------------------------------------------------------------------


async def index(server: Server, asked: Message, request: Request) -> Message:
    reply = message("inference.RepositoryIndexResponse")()
    for each in server.repository.index(asked.ready):
        if request.caller.sees(each["name"]):
            reply.models.add(
                name=each["name"], version=each["version"], state=each["state"], reason=each["reason"]
            )
    return reply


async def load(server: Server, asked: Message, request: Request) -> Message:
    may(server, request, "admin", asked.model_name)
    if asked.parameters:
        raise Refusal(400, "a load takes no parameters: what a model is says its bundle alone")
    await server.repository.load(asked.model_name)
    return message("inference.RepositoryModelLoadResponse")()


async def unload(server: Server, asked: Message, request: Request) -> Message:
    may(server, request, "admin", asked.model_name)
    await server.repository.unload(asked.model_name)
    return message("inference.RepositoryModelUnloadResponse")()


async def statistics(server: Server, asked: Message, request: Request) -> Message:
    which = None
    if asked.name:
        may(server, request, "read", asked.name)
        which = _asked(server, request, asked.name, asked.version)
    reply = message("inference.ModelStatisticsResponse")()
    return json_format.ParseDict(statistics_of(server, request, which), reply)


# --- what isn't here --------------------------------------------------------------------------------------


async def no_shared_memory(server: Server, asked: Message, request: Request) -> Message:
    raise Refusal(501, "shared memory is not supported: send tensors in the message")


async def no_regions(server: Server, asked: Message, request: Request) -> Message:
    """None is registered: what a client does first and last, to clean up, is answered."""
    kind = asked.DESCRIPTOR.full_name.removesuffix("Request") + "Response"
    return message(kind)()


async def no_settings(server: Server, asked: Message, request: Request) -> Message:
    raise Refusal(501, "tracing and logging are set where the server is started, not by its callers")


METHODS = methods(
    SERVICE,
    {
        "ServerLive": (live, "open"),
        "ServerReady": (ready, "open"),
        "ModelReady": (model_ready, "open"),
        "ServerMetadata": (server_metadata, "read"),
        "ModelMetadata": (model_metadata, "read"),
        "ModelInfer": (infer, "infer"),
        "ModelStreamInfer": (infer_stream, "infer"),
        "ModelConfig": (model_config, "read"),
        "ModelStatistics": (statistics, "read"),
        "RepositoryIndex": (index, "read"),
        "RepositoryModelLoad": (load, "admin"),
        "RepositoryModelUnload": (unload, "admin"),
        "SystemSharedMemoryStatus": (no_regions, "read"),
        "SystemSharedMemoryRegister": (no_shared_memory, "read"),
        "SystemSharedMemoryUnregister": (no_regions, "read"),
        "CudaSharedMemoryStatus": (no_regions, "read"),
        "CudaSharedMemoryRegister": (no_shared_memory, "read"),
        "CudaSharedMemoryUnregister": (no_regions, "read"),
        "TraceSetting": (no_settings, "admin"),
        "LogSettings": (no_settings, "admin"),
    },
    words="v2",
)
