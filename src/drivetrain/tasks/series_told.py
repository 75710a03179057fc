"""What there is to say of the series of a dataset, for `show` and for the report: their parts, and what is foretold of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.charts.decomposition import decomposition
from drivetrain.charts.forecast import Foretold, forecast
from drivetrain.errors import DataError
from drivetrain.forecasting.analysis import Analysis, analyse
from drivetrain.runtime.contexts import stamp_texts
from drivetrain.tasks.forecasted import answers_of
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.charts import Chart
    from drivetrain.learn.base import BaseLearner
    from drivetrain.tasks.series import Forecasting
    from drivetrain.timeline.frequency import Frequency

SERIES, DRAWN = 3, 4
"""Of many series so many are taken apart, and of so many a forecast is drawn."""
LONGEST = 20_000
"""Of a longer series the newest moments are taken apart."""


def taken_apart(data: Forecasting) -> list[tuple[str, Analysis, Array, list[str]]]:
    """Of some series, the longest first: name, analysis, wall clock and stamps of the moments; without those of the test."""
    ends = data.before(data.edges[1])
    order = np.argsort(data.offsets - ends, kind="stable")[:SERIES]
    found: list[tuple[str, Analysis, Array, list[str]]] = []
    for each in order.tolist():
        own = slice(max(int(data.offsets[each]), int(ends[each]) - LONGEST), int(ends[each]))
        try:
            analysis = analyse(data.truth[own, 0], data.seasons, data.horizon)
        except DataError:
            continue  # Of so few moments there is nothing to say.
        numbers = data.frequency.index(data.stamps[own])
        stamps = stamp_texts(data.layout, numbers)
        found.append((data.items[each] or data.target, analysis, data.moments.local[own], stamps))
    return found


def findings(data: Forecasting) -> list[dict[str, Any]]:
    """`{"name", "words": [sentence], ...}` of each, with the numbers of `Analysis.to_json`."""
    word = moment_word(data.frequency)
    return [
        {"name": name, "words": found.told(stamps, word), **found.to_json(stamps)}
        for name, found, _, stamps in taken_apart(data)
    ]


def parts_chart(data: Forecasting) -> Chart | None:
    """The parts of the first of them."""
    for name, found, local, _ in taken_apart(data)[:1]:
        return decomposition(
            local, found.parts, [change.place for change in found.changes], f"{name}: its parts"
        )
    return None


def moment_word(beat: Frequency) -> str:
    """What one moment is called."""
    if beat.kind == "count":
        return "row"
    word = beat.words.removeprefix("every ")
    return word if word.replace(" ", "").isalpha() else "moment"


def sections(learner: BaseLearner) -> list[dict[str, Any]]:
    """Of the report: what the series are made of, and the last forecasts of the measured part."""
    data: Any = learner.data
    word = moment_word(data.frequency)
    apart = taken_apart(data)
    made: list[dict[str, Any]] = []
    if apart:
        first = apart[0]
        chart = decomposition(
            first[2], first[1].parts, [change.place for change in first[1].changes], f"{first[0]}: its parts"
        )
        words = " ".join(first[1].told(first[3], word))
        rows = [[name, " ".join(found.told(stamps, word))] for name, found, _, stamps in apart[1:]]
        made.append({
            "title": "The series", "words": f"{first[0]}: {words}", "columns": ["series", "what is to be said of it"],
            "rows": rows, "charts": [chart],
        })  # fmt: skip
    if chart := last_forecasts(learner):
        words = "What the model said from the last origins that it is measured on, and what came (the line that goes on)."
        made.append({"title": "Forecasts", "words": words, "columns": [], "rows": [], "charts": [chart]})
    return made


def last_forecasts(learner: BaseLearner) -> Chart | None:
    """The last forecasts of the measured part with what came."""
    data: Any = learner.data
    part = data.part(data.measured_part)
    series = data.item_of[part.rows]
    last = [int(np.flatnonzero(series == each)[-1]) for each in np.unique(series)[:DRAWN]]
    if not last:
        return None
    items: list[Foretold] = []
    for row, output in zip(last, answers_of(learner, data.measured_part)[last]):
        each, origin = int(series[row]), int(data.origin[part.rows[row]])
        past, coming = slice(int(data.offsets[each]), origin), slice(origin, origin + data.horizon)
        local, truth = data.moments.local, data.truth[:, 0]
        items.append(
            Foretold(
                data.items[each] or data.target, local[past], truth[past], local[coming], output[:, 0], output[:, 1],
                output[:, -1], truth=truth[coming],
            )
        )  # fmt: skip
    levels = data.signature.targets[data.target].levels
    return forecast(items, "", f"The band is to hold {levels[-1] - levels[0]:.0%} of what comes.")
