"""The bundle of a learner that forecasts: its graph, how rows become moments, what an odd moment is, and whole histories that every
runtime must continue in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.bundle import Bundle, make_cases, refuse_no_bundle, write_bundle
from drivetrain.bundle.forecasts import MOST_SCORES, Alarms, Forecasts, HistoryCase, score_ends, to_members
from drivetrain.bundle.program import Forecast
from drivetrain.bundle.tensors import made_names
from drivetrain.codecs import Signature
from drivetrain.export.bundle import data_facts
from drivetrain.findings.report_content import card_content
from drivetrain.forecasting.bands import widths
from drivetrain.learn.base import not_trained
from drivetrain.learn.runs.folder import versions
from drivetrain.report.card import model_card
from drivetrain.runtime import OnnxSession
from drivetrain.runtime.contexts import stamp_texts
from drivetrain.runtime.known import MADE, remember
from drivetrain.runtime.programs import verified
from drivetrain.runtime.programs.forecast import Engine, case_of
from drivetrain.timeline.layout import JOINER, Layout
from drivetrain.timeline.moments import Moments
from drivetrain.types import Array
from drivetrain.values import scalar, short

if TYPE_CHECKING:
    from drivetrain.learn.base import BaseLearner

RATE = 0.01
"""Of usual moments the share that is called odd where nobody says."""
LEAST_HALF = 50
"""Of fewer outcomes in half of the validation no share is told."""
LEAST_CASES, MOST_NUMBERS = 8, 40_000
"""Golden rows at least; and numbers of all of them together, unless that would be fewer rows."""
SERIES, FRESH, MOST_ROWS = 3, 12, 4_000
"""Of a golden history: series, moments since the training, and rows of each at most."""
SPOILT = (3, 5, 8)
"""From the last of a golden history's rows: which one is left out, which is given twice, and which moves to the front."""


def export_forecaster(learner: BaseLearner, path: str | Path, force: bool = False) -> Path:
    """Write `path`. Raises FileError where it is taken, CheckFailed where onnxruntime forecasts otherwise than the model; nothing
    is left behind then."""
    path = Path(path)
    refuse_no_bundle(path, force)
    if not learner.trained:
        raise not_trained()
    data: Any = learner.data
    result = learner.result or learner.finish()
    shipped = learner.shipped
    signature, graph = shipped.data.signature, shipped.graph()
    forecasts = Forecasts(
        data.layout, dict.fromkeys(data.items, int(data.edges[1])), shipped.recipe(), alarms_of(learner)
    )
    with learner.progress("Making golden cases", 1) as advance:
        cases = make_cases(signature, _some(learner.golden_samples(), signature), shipped.run_arrays)
        histories = histories_of(forecasts, signature, graph, data.moments)
        advance(1)
    train = shipped.training_part()
    sample = train.batch(slice(0, MOST_ROWS))
    bundle = write_forecasts(
        path, forecasts, histories, name=path.stem, task=data.task.name, signature=signature, graph=graph, cases=cases,
        profile={name: codec.profile(sample[name]) for name, codec in signature.fields.items()},
        card=model_card(card_content(learner, path.name, len(cases))), force=force,
        facts={
            "data": data_facts(learner), "metrics": result["metrics"], "baselines": result["baselines"],
            "versions": versions(), "seed": learner.settings.seed,
            **({"parts": learner.parts} if learner.parts else {}), **data.task.facts(data),
        },
        members={**learner.members(), **data.task.members(learner)},
    )  # fmt: skip
    remember(bundle.hash, MADE)
    return path


def _some(samples: Sequence[Any], signature: Signature) -> list[Any]:
    """Of golden samples with long contexts fewer: each number of a row is written out several times."""
    numbers = sum(int(np.prod(codec.shape)) for codec in signature.inputs.values())
    most = max(LEAST_CASES, MOST_NUMBERS // numbers)
    return [
        samples[place]
        for place in np.unique(np.linspace(0, len(samples) - 1, min(most, len(samples))).astype(int))
    ]


def write_forecasts(
    path: Path,
    forecasts: Forecasts,
    histories: Sequence[HistoryCase],
    *,
    members: Mapping[str, bytes] | None = None,
    **contents: Any,
) -> Bundle:
    """The bundle, verified before it stands."""
    return write_bundle(
        path, program=Forecast(), members={**(members or {}), **to_members(forecasts, histories)},
        check=lambda bundle: verified(bundle).require(path), **contents,
    )  # fmt: skip


# --- what is odd ----------------------------------------------------------------------------------------------------


def alarms_of(learner: BaseLearner) -> Alarms | None:
    """How far outcomes of validation lay from what was foretold one moment before; None where nothing validates."""
    data: Any = learner.data
    if data.measured_part != "valid":
        return None
    part = data.part("valid")
    first: list[Array] = []
    for start in range(0, len(part), MOST_ROWS):
        batch = part.batch(slice(start, start + MOST_ROWS))
        first.append(
            learner.run_arrays({name: np.asarray(batch[name]) for name in data.signature.inputs})[
                data.target
            ][:, :1]
        )
    outputs = np.concatenate(first).astype(np.float64)
    truth = np.asarray(data.truth)[data.origin[part.rows], 0].astype(np.float64)
    when = data.frequency.index(data.stamps)[data.origin[part.rows]]
    known = ~np.isnan(truth)
    scores = ((truth - outputs[:, 0, 0]) / widths(outputs)[:, 0])[known]
    if not len(scores):
        return None
    return make_alarms(scores, when[known])  # fmt: skip


def make_alarms(scores: Array, when: Array) -> Alarms:
    """Of scores (n,), and when each was."""
    order = np.argsort(when, kind="stable")
    early, late = np.split(scores[order], [len(order) // 2])
    observed = None
    if len(early) >= LEAST_HALF:
        low, high = score_ends(np.sort(early), len(early), RATE)
        observed = float(((late < low) | (late > high)).mean())
    ascending = np.sort(scores)
    kept = ascending[
        np.unique(np.linspace(0, len(scores) - 1, min(MOST_SCORES, len(scores))).round().astype(int))
    ]
    return Alarms(tuple(kept.tolist()), len(scores), RATE, observed)


# --- golden histories ----------------------------------------------------------------------------------------------


def histories_of(
    forecasts: Forecasts, signature: Signature, graph: bytes, moments: Moments
) -> list[HistoryCase]:
    """Golden histories of some series' ends: as they are, with rows that are missing, twice and out of order, farther than the
    model foretells at once, and of a series that the training has not seen."""
    layout = forecasts.layout
    engine = Engine(forecasts, signature, OnnxSession(graph, made_names(signature)))
    rows = rows_of(layout, moments)
    if not rows:
        raise not_trained()
    found = [case_of(engine, "as it is", rows, layout.horizon)]
    many = len(next(iter(rows.values())))
    if not layout.known and many > max(SPOILT):
        found.append(case_of(engine, "gaps, twice and unsorted", _spoilt(rows), layout.horizon))
        found.append(case_of(engine, "farther", rows, layout.horizon + max(1, layout.horizon // 2)))
    if layout.item:
        (first, *_) = rows[layout.item]
        own = [place for place, name in enumerate(rows[layout.item]) if name == first]
        alone = {name: [cells[place] for place in own] for name, cells in rows.items()}
        found.append(
            case_of(engine, "never seen", {**alone, layout.item: ["never seen"] * len(own)}, layout.horizon)
        )
    return found


def rows_of(layout: Layout, moments: Moments) -> dict[str, list[Any]]:
    """The rows of a table that the ends of some series come from: a context, and some moments more; where something is known ahead
    the last `horizon` of them have no target. Nothing where no series is so long."""
    many = len(layout.targets)
    known_from = layout.horizon if layout.known else 0
    need = layout.context + FRESH + known_from
    groups = len(moments.paths) or len(moments.names) // many
    ends = moments.ends[: groups * many].reshape(groups, many).min(axis=1)
    begins = moments.offsets[: groups * many].reshape(groups, many)[:, 0]
    # Of counted rows all are needed: they are numbered from the first.
    fits = np.flatnonzero((ends - begins >= need) & ((layout.when != "") | (ends - begins <= MOST_ROWS)))
    if not len(fits):
        fits = np.flatnonzero(ends - begins >= layout.context + known_from)[:1]
    columns: dict[str, list[Any]] = {column: [] for column in layout.columns}
    for group in fits[:SERIES].tolist():
        end, begin = int(ends[group]), int(begins[group])
        start = begin if layout.when == "" else max(begin, end - need)
        places = np.arange(start, end)
        numbers = layout.beat.index(moments.stamps[places])
        ahead = places >= end - known_from
        if layout.timestamp:
            columns[layout.timestamp] += stamp_texts(layout, numbers)
        for place, target in enumerate(layout.targets):
            own = moments.truth[places + int(moments.offsets[group * many + place]) - begin, 0]
            columns[target] += [
                None if off or np.isnan(value) else short(value) for value, off in zip(own, ahead)
            ]
        for column in (*layout.known, *layout.past):
            columns[column] += _cells(layout, moments, column, places)
        for level, column in enumerate(layout.hierarchy):
            columns[column] += [moments.paths[group][level]] * len(places)
        for column in layout.static:
            columns[column] += [scalar(moments.statics[column][group * many])] * len(places)
        if layout.item:
            name = moments.names[group * many]
            item = name if many == 1 else name.removesuffix(layout.targets[0]).removesuffix(JOINER)
            columns[layout.item] += [item] * len(places)
    return columns if len(fits) else {}


def _cells(layout: Layout, moments: Moments, column: str, places: Array) -> list[Any]:
    channels = layout.channels_of(column)
    found = moments.values[places][:, [layout.channels.index(channel) for channel in channels]]
    if column not in layout.classes:
        return [short(value) for value in found[:, 0]]
    names = layout.classes[column]
    return [names[int(np.argmax(row))] if row.any() else "another" for row in found]


def _spoilt(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    lost, twice, moved = SPOILT
    count = len(next(iter(rows.values())))
    order = [count - moved, *range(count), count - twice]
    order = [
        place
        for n, place in enumerate(order)
        if place != count - lost and not (n > 0 and place == count - moved)
    ]
    return {name: [cells[place] for place in order] for name, cells in rows.items()}
