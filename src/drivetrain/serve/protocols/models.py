"""The friendly routes: which models there are, what one takes and answers, and answers to raw values.

What is sent is what the model's codecs read: JSON, CSV, a picture's or sound's bytes, a form, plain text (`serve/items.py`). A text
is never the path of a file, nor an address to fetch. Headers: X-Priority (-100 to 100, greater goes first), X-Timeout-Ms (how long
the caller waits), X-Sticky-Key (stay with one version).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from drivetrain.codecs import Codec
from drivetrain.errors import DrivetrainError
from drivetrain.extensions import kind_of
from drivetrain.files import formula_safe
from drivetrain.serve import path
from drivetrain.serve.forms import form_of
from drivetrain.serve.items import Given
from drivetrain.serve.protocols import base
from drivetrain.serve.types import Request, Response, Route
from drivetrain.types import Answer, Failure

CSV = "text/csv"
MOST_CARD = 2**16
SHOWN = 32
"""Numbers of a list, or parts of an object, that a profile tells."""


# --- which there are --------------------------------------------------------------------------------------


async def listed(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    models = server.repository.models
    return base.answered(
        {"models": [_model(models[name]) for name in sorted(models) if request.caller.sees(name)]}
    )


async def described(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    servable = server.router.find(base.asked_of(server, request, places))
    model = server.router.model(servable.name)
    limits = server.settings.limits
    told = {
        **_model(model), **about(servable),
        "limits": {"body": limits.body, "rows": limits.rows, "pixels": limits.pixels, "seconds": limits.seconds_to_answer},
    }  # fmt: skip
    return base.answered(told)


def _model(model: Any) -> dict[str, Any]:
    """A model and its versions, newest first."""
    newest = model.versions.get(model.newest)
    versions = [
        {
            "version": version, "state": state.state, "reason": state.reason, "hash": state.hash,
            "since": datetime.fromtimestamp(state.since, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        for version, state in sorted(model.states.items(), reverse=True)
    ]  # fmt: skip
    return {
        "name": model.name, "program": newest and newest.program, "task": newest and newest.bundle.task,
        "default": None if model.settings.traffic else model.newest, "versions": versions,
        "labels": dict(model.labels), "traffic": dict(model.settings.traffic),
    }  # fmt: skip


def about(servable: Any) -> dict[str, Any]:
    """What a version takes and answers."""
    bundle = servable.bundle
    return {
        "version": servable.version, "hash": servable.hash, "task": bundle.task, "program": servable.program,
        "inputs": [_input(name, codec, bundle.profile.get(name)) for name, codec in bundle.signature.inputs.items()],
        "targets": [_target(name, codec) for name, codec in bundle.signature.targets.items()],
        "schema": servable.schema, "options": list(servable.options), "card": bundle.card[:MOST_CARD],
        **form_of(servable).about(servable),
    }  # fmt: skip


def _input(name: str, codec: Codec, profile: Any) -> dict[str, Any]:
    known = cast("dict[str, Any]", profile) if isinstance(profile, dict) else {}
    return {
        "name": name, "op": codec.op, "kind": kind_of(codec), "schema": codec.schema(), "words": codec.input_words(),
        "profile": _brief(known), "extra": _brief(codec.spec(), "op"),
    }  # fmt: skip


def _target(name: str, codec: Codec) -> dict[str, Any]:
    spec = codec.spec()
    return {
        "name": name, "op": codec.op, "kind": kind_of(codec), "words": codec.answer_words(),
        "labels": None if codec.labels is None else list(codec.labels), "unit": spec.get("unit", ""),
    }  # fmt: skip


def _brief(record: Mapping[str, Any], *without: str) -> dict[str, Any]:
    """What is short of it."""
    return {name: value for name, value in record.items() if name not in without and _is_brief(value)}


def _is_brief(value: Any) -> bool:
    return value is not None and (
        not isinstance(value, (list, dict, str)) or len(cast("Any", value)) <= SHOWN
    )


# --- answers ----------------------------------------------------------------------------------------------


async def predict(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    asked = base.asked_of(server, request, places)
    meant = server.router.find(asked)
    form = form_of(meant)
    options = {name: base.value_of(text) for name, text in request.query.items()}
    given = await server.aside(request, form.given, meant, request, options, server.settings.limits)
    good = [item for item in given.items if not isinstance(item, DrivetrainError)]
    if not good:
        raise given.items[0]
    patience = base.timeout_of(request)
    found = await base.within(
        patience,
        path.answer_items(server, asked, good, request, priority=base.priority_of(request), options=options),
    )
    answers, ids = _merged(given, found)
    if given.alone and isinstance(answers[0], Failure):
        raise answers[0].error
    headers = base.record_header(found.record_ids)
    if CSV in request.headers.get("accept", ""):
        return Response(
            _csv(form.columns(found.servable, answers)).encode(),
            type=f"{CSV}; charset=utf-8",
            headers=headers,
        )
    told = {
        "model": found.model, "version": found.version, "hash": found.hash,
        "targets": [*found.servable.bundle.signature.targets],
        **form.told([rendered(answer) for answer in answers], given.alone),
        "ids": ids, "latency_ms": round(found.seconds * 1000, 3), "request": request.id,
    }  # fmt: skip
    return base.answered(told, headers=headers)


def _merged(given: Given, found: path.Answered) -> tuple[list[Answer | Failure], list[str | None]]:
    """What was answered, with those in their places that could not be read; and the records of it."""
    answers, ids = iter(found.answers), iter(found.record_ids)
    merged: list[Answer | Failure] = []
    records: list[str | None] = []
    for place, item in enumerate(given.items):
        unread = isinstance(item, DrivetrainError)
        answer = Failure(item.where, item) if unread else next(answers)
        if isinstance(answer, Failure) and not unread and place < len(given.origins):
            answer = Failure(given.origins[place], answer.error.also_at(given.origins[place]))
        merged.append(answer)
        records.append(None if unread else next(ids, None))
    return merged, records


def rendered(answer: Answer | Failure) -> dict[str, Any]:
    """An answer as JSON: as `to_json` has it, what is unusual in two parts."""
    told: dict[str, Any] = answer.to_json()
    if isinstance(answer, Answer) and answer.unusual:
        told["unusual"] = {
            name: {"value": found.value, "reason": found.reason} for name, found in answer.unusual.items()
        }
    return told


def _csv(columns: Mapping[str, Sequence[Any]]) -> str:
    """A table as `predict` writes one to a file."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(map(formula_safe, columns))
    for row in zip(*columns.values()):
        writer.writerow([formula_safe(cell) if isinstance(cell, str) else cell for cell in row])
    return text.getvalue()


ROUTES = (
    Route("GET", "/models", listed, "read", "The models, their versions, labels and states."),
    *(Route("GET", root, described, "read", "What a model takes and answers.") for root in base.FRIENDLY),
    *(Route("POST", f"{root}/predict", predict, "infer", "Answers to raw values.") for root in base.FRIENDLY),
)
