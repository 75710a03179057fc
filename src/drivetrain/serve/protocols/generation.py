"""What a model writes, piece by piece: as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), as
lines of JSON where the caller accepts those, or at once with `"stream": false`. Whoever goes away ends the writing.

`/v2/models/NAME/generate` and `generate_stream` are Triton's extension of that name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from drivetrain.errors import DrivetrainError
from drivetrain.runtime.generator import Piece
from drivetrain.serve import path, strict_json
from drivetrain.serve.items import utf8
from drivetrain.serve.protocols import base
from drivetrain.serve.types import Asked, Refusal, Request, Response, Route
from drivetrain.types import Failure

EVENTS = "text/event-stream; charset=utf-8"
LINES = "application/x-ndjson"
PROMPT, STREAM = "prompt", "stream"
TEXT_INPUT, TEXT_OUTPUT = "text_input", "text_output"


class Stream:
    """Pieces as they go out; the first was there before the response began, so that a fault in the prompt is a plain refusal.
    Closing it ends the writing."""

    def __init__(self, first: Piece | None, rest: path.Pieces, lines: bool) -> None:
        self.servable, self._first, self._rest, self._lines = rest.servable, first, rest, lines
        self._text: list[str] = []
        self._tokens = 0
        self._stopped = self._ended = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._ended:
            raise StopAsyncIteration
        try:
            piece, self._first = self._first, None
            if piece is None:
                piece = await anext(self._rest)
        except StopAsyncIteration:
            return self._last(self.ended("".join(self._text), self._tokens, self._stopped))
        except DrivetrainError as fault:
            return self._last(self.failed(fault))
        self._text.append(piece.text)
        self._tokens += not piece.stops
        self._stopped = self._stopped or piece.stops
        return self._event(self.told(piece))

    async def aclose(self) -> None:
        self._ended = True
        await self._rest.aclose()

    def _last(self, told: Mapping[str, Any]) -> bytes:
        self._ended = True
        return self._event(told) if told else b""

    def _event(self, told: Mapping[str, Any]) -> bytes:
        text = strict_json.dumps(told)
        return text + b"\n" if self._lines else b"data: " + text + b"\n\n"

    def told(self, piece: Piece) -> Mapping[str, Any]:
        stops = {"stops": True} if piece.stops else {}
        return {"token": piece.token, "text": piece.text, **stops}

    def ended(self, text: str, tokens: int, stopped: bool) -> Mapping[str, Any]:
        """The last event; empty: there is none."""
        model, version = self.servable.name, self.servable.version
        return {
            "done": True,
            "stopped": stopped,
            "text": text,
            "tokens": tokens,
            "model": model,
            "version": version,
            "id": self._rest.record_ids[0],
        }

    def failed(self, fault: DrivetrainError) -> Mapping[str, Any]:
        return fault.to_json()


class Triton(Stream):
    """The same as Triton's extension tells it."""

    def told(self, piece: Piece) -> Mapping[str, Any]:
        return {**_named(self.servable), TEXT_OUTPUT: piece.text}

    def ended(self, text: str, tokens: int, stopped: bool) -> Mapping[str, Any]:
        return {}

    def failed(self, fault: DrivetrainError) -> Mapping[str, Any]:
        return {"error": str(fault)}


async def generate(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    """POST /models/NAME/generate: `{"prompt": ..., "stream": true, "most": 256, "strategy": "sampling", "temperature": ...}`, or
    the prompt as plain text and all else in the query."""
    asked = base.asked_of(server, request, places)
    record = _asked(server, request)
    prompt, stream = record.pop(PROMPT), record.pop(STREAM, True)
    if not isinstance(stream, bool):
        raise Refusal(400, f"it has to be true or false, not {stream!r:.40}.", where=STREAM)
    if stream:
        lines = LINES in request.headers.get("accept", "")
        made = await _stream(Stream, server, asked, prompt, record, request, lines)
        return Response(made, type=LINES if lines else EVENTS, headers={"Cache-Control": "no-store"})
    patience = base.timeout_of(request)
    found = await base.within(
        patience,
        path.answer_items(
            server, asked, [prompt], request, priority=base.priority_of(request), options=record
        ),
    )
    told = {"model": found.model, "version": found.version, **_written(found), "request": request.id}
    return base.answered(told, headers=base.record_header(found.record_ids))


def _asked(server: Any, request: Request) -> dict[str, Any]:
    """What is asked, by name."""
    options = {name: base.value_of(text) for name, text in request.query.items()}
    if request.headers.get("content-type", "").startswith("text/plain"):
        return {**options, PROMPT: utf8(bytes(request.body))}
    record = {**options, **base.object_of(server, request.body)}
    if PROMPT not in record:
        raise Refusal(400, "there is no 'prompt' in it.", fix='Send {"prompt": "...", "most": 100}.')
    return record


async def _stream(
    kind: type[Stream],
    server: Any,
    asked: Asked,
    prompt: Any,
    options: Mapping[str, Any],
    request: Request,
    lines: bool = False,
) -> Stream:
    """The stream, once its first piece is there. Raises what the prompt and the options are refused for."""
    writing = path.Pieces(server, asked, prompt, options, request)
    first = await base.within(base.timeout_of(request), anext(writing, None))
    return kind(first, writing, lines)


def _written(found: path.Answered) -> dict[str, Any]:
    """What was written, all of it. Raises the error that there is instead."""
    (answer,) = found.answers
    if isinstance(answer, Failure):
        raise answer.error
    told = answer.to_json()
    del told["input"]
    return told


# --- Triton's extension -----------------------------------------------------------------------------------


async def triton_generate(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    asked = base.asked_of(server, request, places)
    prompt, options = _triton_asked(server, request)
    found = await base.within(
        base.timeout_of(request), path.answer_items(server, asked, [prompt], request, options=options)
    )
    told = {**_named(found.servable), TEXT_OUTPUT: _written(found).get("text", "")}
    return base.answered(told, headers=base.record_header(found.record_ids))


async def triton_stream(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    asked = base.asked_of(server, request, places)
    prompt, options = _triton_asked(server, request)
    return Response(await _stream(Triton, server, asked, prompt, options, request), type=EVENTS)


def _triton_asked(server: Any, request: Request) -> tuple[str, dict[str, Any]]:
    record = base.object_of(server, request.body, base.PARSE)
    prompt, parameters = record.pop(TEXT_INPUT, None), record.pop("parameters", {})
    if not isinstance(prompt, str):
        raise Refusal(400, f"Unable to parse '{TEXT_INPUT}': it is no string")
    if not isinstance(parameters, dict):
        raise Refusal(400, "Unable to parse 'parameters': it is no object")
    options = {**record, **cast("dict[str, Any]", parameters)}
    options.pop(STREAM, None)  # Which of the two it is says the path.
    if "max_tokens" in options:
        options["most"] = options.pop("max_tokens")
    return prompt, options


def _named(servable: Any) -> dict[str, str]:
    return {"model_name": servable.name, "model_version": str(servable.version)}


ROUTES = (
    *(
        Route("POST", f"{root}/generate", generate, "infer", "What a model writes after a prompt.")
        for root in base.FRIENDLY
    ),
    *(
        Route("POST", f"{root}/{end}", handler, "infer", "What a model writes after a text.")
        for root in base.V2
        for end, handler in (("generate", triton_generate), ("generate_stream", triton_stream))
    ),
)
