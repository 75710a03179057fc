"""A bundle solved anew: the recipe that it holds, with the moments of a longer history. One solve, nothing chosen, no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from drivetrain.bundle import Bundle, make_cases, open_bundle, refuse_no_bundle
from drivetrain.bundle.forecasts import FUTURE, PAST, Forecasts
from drivetrain.bundle.golden import Kind
from drivetrain.bundle.program import Forecast
from drivetrain.codecs import Signature
from drivetrain.codecs.series import Series
from drivetrain.errors import UsageError
from drivetrain.export.forecasting import histories_of, write_forecasts
from drivetrain.forecasting.bank import Recipe
from drivetrain.forecasting.choosing import solve
from drivetrain.learn.forecast.graph import bank_graph
from drivetrain.runtime.contexts import History, stamp_texts
from drivetrain.runtime.forecaster import Forecaster, Given
from drivetrain.runtime.known import MADE, remember
from drivetrain.types import Array, Sample


@dataclass(frozen=True)
class Refitted:
    """The bundle at `path`, of how many `series` and `moments`, the last of them at `until`; `fresh` of them the old one had not
    seen."""

    path: Path
    series: int
    moments: int
    fresh: int
    until: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "bundle": str(self.path), "series": self.series, "moments": self.moments, "fresh": self.fresh,
            "until": self.until, "notes": list(self.notes),
        }  # fmt: skip


def refit(
    bundle: str | os.PathLike[str],
    history: Given,
    path: str | Path,
    *,
    force: bool = False,
    trusted: bool = False,
) -> Refitted:
    """Write at `path` the bundle of the same recipe, solved with the moments of a history, which `Forecaster.forecast` would take.
    Its band is that of the old one until it has learned from newer rows. Raises UsageError for a bundle without a recipe,
    DataError, FileError and CheckFailed; nothing is left behind then."""
    opened = open_bundle(bundle)
    if not isinstance(opened.program, Forecast):
        raise UsageError("this bundle forecasts nothing.", where=bundle, fix="Train it anew.")
    forecaster = Forecaster(opened, trusted=trusted)
    return refit_bundle(opened, forecaster.read(history), Path(path), force=force)


def refit_bundle(opened: Bundle, history: History, path: Path, *, force: bool = False) -> Refitted:
    """The same of an opened bundle, and a history that its Forecaster has read."""
    refuse_no_bundle(path, force)
    old = cast("Forecasts", opened.forecasts)
    if old.recipe is None:
        raise UsageError(
            "this model is no closed form: there is nothing to solve.", where=opened.name,
            fix="Train it anew: a network learns from all rows. The bank, which is the default, can be solved anew.",
        )  # fmt: skip
    recipe, moments, layout = Recipe.from_json(old.recipe), history.moments, old.layout
    ends = moments.ends
    series = [moments.values[a:b] for a, b in zip(moments.offsets.tolist(), ends.tolist()) if b > a]
    needed = recipe.context + recipe.horizon
    if max(map(len, series), default=0) < needed:
        raise UsageError(
            f"the longest series has {max(map(len, series), default=0):,} known moments, and {needed:,} are needed.",
            where="history", fix="Give the whole history, not its end alone.",
        )  # fmt: skip
    bank = solve(recipe, series, [layout.channels.index(name) for name in layout.ahead])
    ((target, codec),) = opened.signature.targets.items()
    # What is known now says between which ends answers lie.
    codec = cast("Series", codec).limited(moments.truth)
    signature = Signature(opened.signature.inputs, {target: codec})
    graph = bank_graph(bank, signature)

    def run(batch: Mapping[str, Array]) -> dict[str, Array]:
        ahead = np.asarray(batch[FUTURE]) if FUTURE in batch else None
        return {target: bank.forecast(np.asarray(batch[PAST]), ahead).astype(np.float32)}

    samples: list[tuple[str, Kind, Sample]] = [
        (case.name, case.kind, {name: codec.from_bytes(case.raw[name]) for name, codec in signature.inputs.items()})
        for case in opened.cases
    ]  # fmt: skip
    cases = make_cases(signature, samples, run)
    known = {
        name: int(history.numbers[end - 1]) + 1 for name, end in zip(moments.names, ends.tolist()) if end
    }
    fresh = sum(
        max(0, min(int(end - begin), known[name] - old.seen.get(name, -(2**62))))
        for name, begin, end in zip(moments.names, moments.offsets, ends)
        if name in known
    )
    last = max(known.values()) - 1
    (until,) = stamp_texts(layout, np.array([last]))
    provenance = {
        "from": opened.hash, "series": len(series), "moments": sum(map(len, series)), "until": until,
        "before": dict(old.refitted) if old.refitted else None,
    }  # fmt: skip
    forecasts = Forecasts(layout, {**old.seen, **known}, old.recipe, old.alarms, provenance)
    words = (
        f"With {provenance['moments']:,} moments of {len(series):,} series, up to {until}. What is told above was measured before, "
        f"of bundle {opened.hash[:12]}."
    )
    made = write_forecasts(
        path, forecasts, histories_of(forecasts, signature, graph, moments), name=path.stem, task=opened.task,
        signature=signature, graph=graph, cases=cases, profile=opened.profile, force=force,
        card=f"{opened.card.rstrip()}\n\n## Solved anew\n\n{words}\n", facts={**opened.facts, "refitted": provenance},
    )  # fmt: skip
    remember(made.hash, MADE)
    return Refitted(path, len(series), int(cast("int", provenance["moments"])), fresh, until, moments.notes)
