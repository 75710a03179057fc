"""What turned out to be true, told later: by the id that an answer came with, or by the caller's own key of the case.

    POST /models/income/outcomes   {"outcomes": [{"id": "01a2...", "value": "high"}, {"key": "case 7", "value": "low"}]}
    200                            {"stored": 2, "replaced": 0, "unchanged": 0, "unknown": []}

An outcome is in the store before it is acknowledged. A later one for the same record takes the place of the earlier; one that is
told by key is that of every record with this key, whichever version answered, and what is told by a record's own id goes before
it. Where a value is none of the model's classes it is kept, and listed in `no_class`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from drivetrain.errors import nearest
from drivetrain.records import Outcome, Recorder, StoreGone, check_key
from drivetrain.records.words import dumps
from drivetrain.serve.protocols.base import answered, json_of
from drivetrain.serve.types import Refusal, Request, Response, Route

MOST = 10_000
"""Outcomes of one request."""
LARGEST = 64 * 1024
"""Bytes of one, as JSON."""
FORM = 'Send {"outcomes": [{"id": ..., "value": ...}, {"key": ..., "value": ...}]}, or one such object.'


async def outcomes(server: Any, request: Request, places: Mapping[str, str]) -> Response:
    model = places["model"]
    recorder: Recorder | None = server.recorder
    if recorder is None:
        raise Refusal(
            404, "this server keeps no records.", where=model, fix="Start it with a store: records = \"sqlite:///records.sqlite\"."
        )  # fmt: skip
    given = given_in(json_of(server, request.body))
    request.log.update(model=model, rows=len(given))
    try:
        told = await server.in_thread(recorder.outcomes, model, given)
    except StoreGone as fault:
        raise Refusal(
            503, "the store of records can't be used now; nothing of this was kept.", where=model, fix="Try again.",
            headers={"Retry-After": "5"},
        ) from fault  # fmt: skip
    if len(told.unknown) == len(given) == 1:
        raise Refusal(
            404, "there is no record of this answer.", where=told.unknown[0],
            fix="Give the id that came with the answer, or the key that it was asked with.",
        )  # fmt: skip
    return answered(told.to_json())


def given_in(body: Any) -> list[Outcome]:
    """The outcomes of a body. Raises Refusal."""
    found = cast("Any", body["outcomes"] if isinstance(body, dict) and "outcomes" in body else [body])
    if not isinstance(found, list) or not found:
        raise Refusal(400, "there are no outcomes in it.", where="outcomes", fix=FORM)
    listed = cast("list[Any]", found)
    if len(listed) > MOST:
        raise Refusal(413, f"{len(listed):,} outcomes.", where="outcomes", fix=f"Send {MOST:,} at most.")
    return [_outcome(each, place) for place, each in enumerate(listed)]


def _outcome(each: Any, place: int) -> Outcome:
    where = f"outcomes[{place}]"
    if not isinstance(each, dict):
        raise Refusal(400, "this is no outcome.", where=where, fix=FORM)
    fields = cast("dict[str, Any]", each)
    if unknown := sorted(fields.keys() - {"id", "key", "value"}):
        fix = nearest(unknown[0], ("id", "key", "value")) or FORM
        raise Refusal(400, f"an outcome has no {unknown[0]!r:.60}.", where=where, fix=fix)
    names = [name for name in ("id", "key") if name in fields]
    if len(names) != 1 or "value" not in fields:
        raise Refusal(400, "an outcome has a value, and either an id or a key.", where=where, fix=FORM)
    (name,) = names
    text = fields[name]
    if not isinstance(text, str):
        raise Refusal(400, f"the {name} has to be a text.", where=where, fix=FORM)
    if fields["value"] is None:
        raise Refusal(
            400, "the value is null, which is no outcome.", where=where, fix="Tell it once it is known."
        )
    if len(dumps(fields["value"])) > LARGEST:
        raise Refusal(413, f"a value of more than {LARGEST >> 10} KiB.", where=where, fix="Tell it shorter.")
    return Outcome(fields["value"], **{name: check_key(text)})


ROUTES = (
    Route(
        "POST", "/models/{model}/outcomes", outcomes, "infer",
        "Tell later what was true, by the id of an answer or by the caller's key.",
    ),
)  # fmt: skip
