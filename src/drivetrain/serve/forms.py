"""How the friendly routes ask each kind of program, and tell what it answers: rows for most, a history for a forecast, a wish for
recommendations."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, cast

from drivetrain.bundle.program import PREFILL
from drivetrain.errors import DrivetrainError
from drivetrain.runtime.answers import answer_columns
from drivetrain.serve.items import Given, items_of, utf8
from drivetrain.serve.settings import Limits
from drivetrain.serve.types import Refusal, Request
from drivetrain.types import Answer, Failure

HISTORY, FUTURE, HORIZON = "history", "future", "horizon"
NAMED = 1000
"""Items of a recommender that are named."""

Answers = Sequence[Answer | Failure]


class Form:
    """What all have in common, and all there is of most: an item is a record of the model's inputs."""

    def given(
        self, servable: Any, request: Request, options: MutableMapping[str, Any], limits: Limits
    ) -> Given:
        """The items of a request; options that belong to these are taken out. Raises Refusal."""
        del options
        return items_of(request, servable.bundle.signature.inputs, limits)

    def about(self, servable: Any) -> dict[str, Any]:
        """What is told of this program alone."""
        del servable
        return {}

    def told(self, answers: list[dict[str, Any]], alone: bool) -> dict[str, Any]:
        """The answers in a response, by what they are called there."""
        del alone
        return {"answers": answers}

    def columns(self, servable: Any, answers: Answers) -> Mapping[str, Sequence[Any]]:
        """The answers as columns of a table."""
        return answer_columns(servable.bundle.signature, answers)


class Writing(Form):
    def about(self, servable: Any) -> dict[str, Any]:
        whole = PREFILL in servable.bundle.graphs
        return {"writes": whole, "generates": True}


class Forecasting(Form):
    """An item is a history, with what is known of its future, and how far to look ahead: JSON with these names, its columns or rows
    alone, a CSV, or a form with the two as files."""

    def given(
        self, servable: Any, request: Request, options: MutableMapping[str, Any], limits: Limits
    ) -> Given:
        horizon = options.pop(HORIZON, None)
        if request.headers.get("content-type", "").startswith("text/csv"):
            item = {HISTORY: utf8(bytes(request.body))}
            return Given([self._item(item, horizon)], alone=True)
        given = items_of(request, _NAMES, limits)
        if not given.alone and all(isinstance(item, Mapping) and HISTORY not in item for item in given.items):
            given = Given([{HISTORY: given.items}], alone=True)  # The rows of one history.
        return Given([self._item(item, horizon) for item in given.items], given.alone)

    def _item(self, item: Any, horizon: Any) -> Any:
        if isinstance(item, DrivetrainError) or not isinstance(item, Mapping):
            return item
        record: dict[str, Any] = {
            name: utf8(value) if isinstance(value, bytes) else value
            for name, value in cast("Mapping[str, Any]", item).items()
        }
        if HISTORY not in record and record and all(isinstance(cells, list) for cells in record.values()):
            record = {HISTORY: record}  # Its columns.
        if isinstance(record.get(HORIZON), str) and record[HORIZON].isdecimal():
            record[HORIZON] = int(record[HORIZON][:9])  # Of a form.
        return record if horizon is None else {HORIZON: horizon, **record}

    def about(self, servable: Any) -> dict[str, Any]:
        layout = servable.forecaster.layout
        told = {
            "target": layout.target, "timestamp": layout.timestamp, "series_field": layout.series_field,
            "horizon": layout.horizon, "context": layout.context, "known": list(layout.known), "beat": layout.beat.words,
        }  # fmt: skip
        return {"forecast": told}

    def told(self, answers: list[dict[str, Any]], alone: bool) -> dict[str, Any]:
        return {"forecasts": answers[0]["forecasts"]} if alone else {"answers": answers}

    def columns(self, servable: Any, answers: Answers) -> Mapping[str, Sequence[Any]]:
        """A row for each moment."""
        layout = servable.forecaster.layout
        names = {"series": layout.series_field or "series", "stamp": layout.timestamp or "moment"}
        columns: dict[str, list[Any]] = {
            name: [] for name in (names["series"], names["stamp"], "value", "low", "high", "error")
        }
        for answer in answers:
            if isinstance(answer, Failure):
                rows: list[Sequence[Any]] = [(None, None, None, None, None, answer.error.error)]
            else:
                forecasts = cast("list[dict[str, Any]]", answer.targets[layout.target]["forecasts"])
                rows = [
                    (each["series"], *(row[part] for part in ("stamp", "value", "low", "high")), None)
                    for each in forecasts
                    for row in each["forecast"]
                ]
            for row in rows:
                for column, cell in zip(columns.values(), row, strict=True):
                    column.append(cell)
        return columns


class Recommending(Form):
    """An item is who asks, what they have had, and how many are wanted; of a model of ratings also a user and an item."""

    def given(
        self, servable: Any, request: Request, options: MutableMapping[str, Any], limits: Limits
    ) -> Given:
        wishes = {name: options.pop(name) for name in [*options] if name in servable.schema["properties"]}
        given = items_of(request, servable.bundle.signature.inputs, limits)
        if not wishes:
            return given
        items: list[Any] = [
            {**wishes, **cast("Mapping[str, Any]", item)} if isinstance(item, Mapping) else item
            for item in given.items
        ]
        return Given(items, given.alone, given.origins)

    def about(self, servable: Any) -> dict[str, Any]:
        found = servable.recommender
        items = [{"item": item, "title": found.titles.get(item)} for item in found.items[:NAMED]]
        return {"recommend": {"items": items, "count": len(found.items)}}

    def told(self, answers: list[dict[str, Any]], alone: bool) -> dict[str, Any]:
        wish = alone and "items" in answers[0]
        return {"recommendations": answers[0]} if wish else {"answers": answers}

    def columns(self, servable: Any, answers: Answers) -> Mapping[str, Sequence[Any]]:
        raise Refusal(406, "recommendations are no table.", fix="Ask for JSON: leave Accept out.")


def form_of(servable: Any) -> Form:
    """The form of a version's program."""
    return _FORMS.get(servable.program, _ROWS)


_ROWS = Form()
_FORMS: Mapping[str, Form] = {"forecast": Forecasting(), "recommend": Recommending(), "generate": Writing()}
_NAMES: Any = dict.fromkeys((HISTORY, FUTURE, HORIZON))
