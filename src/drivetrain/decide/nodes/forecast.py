"""A forecast as a part of a plan: the quantiles that a bundle foretells, drawn."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.decide.beyond import Beyond
from drivetrain.decide.bundles.distinct import distinct
from drivetrain.decide.bundles.sources import Constant, raw_values, refuse_unfed, sources_of
from drivetrain.decide.nodes.base import Given, Plain, Scope, described, given_in_python
from drivetrain.decide.world import World
from drivetrain.effects.claim import Claim
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.runtime.forecaster import Forecaster, columns_in
from drivetrain.types import Array

Floats = npt.NDArray[np.float64]
SUM = "sum"
KEYS = frozenset({"forecast", "history", "future", "step", "given"})
MOST_RUNS = 2_000
"""Different settings of what the model knows of the future, each of which is a forecast of its own."""
WORDS = (
    "between the quantiles that the model foretells the normal scores are interpolated, and beyond the outermost they go on "
    "as steeply as there, or as steeply as from the middle where that is more"
)


@public
def forecast(
    path: str | os.PathLike[str],
    *,
    history: str | os.PathLike[str],
    future: str | os.PathLike[str] | None = None,
    step: int | Literal["sum"] | None = None,
    given: Mapping[str, str | float] | None = None,
    claim: object = None,
    unit: str = "",
) -> ForecastNode:
    """A node of a trained forecast, which goes on from `history`, a CSV, drawn by the quantiles that it foretells. As
    `forecast = "sales.bundle"` in a plan.

    `step` is which of the moments ahead is meant: 1, 2, ..., or "sum" of all; None: that of the plan's period, t + 1. `future`
    is a CSV of what is known ahead, which levers can move: `given` says what feeds its columns, {"price": "price"}, and, of
    several series, the column that names them. Raises UsageError, DataError, FileError, BundleError.
    """
    said = {
        "history": os.fspath(history), "future": None if future is None else os.fspath(future), "step": step,
        "given": None if given is None else {**given},
    }  # fmt: skip
    made = read(given_in_python("forecast", {"forecast": os.fspath(path), **said}, claim, unit))
    return replace(made, where="")


def read(given: Given) -> ForecastNode:
    """The node of a table `forecast = "sales.bundle"`, which goes on from `history` (a CSV); `future` has what is known ahead.

    `step` is which of the moments is meant: 1, 2, ..., or "sum" of all; not said: that of the period, `t` + 1. `given` feeds
    what the model knows ahead, and, where there are several series, the column that names them. Raises UsageError, DataError.
    """
    forecaster = Forecaster(given.file(given.table.get("forecast")))
    layout = forecaster.layout
    levels = forecaster.engine.codec.levels
    if len(levels) < 2:
        raise UsageError(
            "this model foretells numbers and not how sure it is: what rests on it would look surer than it is.",
            where=given.where, fix="Train it with levels, such as 0.1, 0.5 and 0.9.",
        )  # fmt: skip
    fed = [*layout.known, *((layout.item,) if layout.item else ())]
    told = cast("Mapping[str, object]", given.table.get("given", {}))
    sources = sources_of(told, fed, given.where)
    ahead = "future" in given.table
    if not ahead and (unfed := [name for name in layout.known if name in told]):
        raise UsageError(
            f"for {unfed[0]!r} to be moved, the moments ahead must be known.", where=given.where,
            fix=f"future = a CSV with a row for each moment: {layout.timestamp} and {', '.join(layout.known)}.",
        )  # fmt: skip
    kept = {name: source for name, source in sources.items() if name == layout.item or name in told}
    history = given.file(given.table.get("history"))
    future = given.file(given.table["future"]) if ahead else None
    step = given.table.get("step")
    if step is not None and step != SUM and not (type(step) is int and 1 <= step <= layout.horizon):
        raise UsageError(
            f"step = {step!r}.",
            where=given.where,
            fix=f'A whole number from 1 to {layout.horizon}, or "sum".',
        )
    return ForecastNode(
        given.name, forecaster, history, future, step, kept, given.claim, given.unit, given.table, given.where
    )


@dataclass(frozen=True, eq=False)
class ForecastNode(Plain):
    """What a model foretells after a history. Moments of one draw err alike: all at the same quantile, so that their sum is as
    uncertain as it can be."""

    name: str
    forecaster: Forecaster
    history: Path
    future: Path | None
    step: int | str | None
    sources: Mapping[str, str | Constant]
    claim: Claim
    unit: str
    table: Mapping[str, Any]
    where: str = ""
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    _known: dict[tuple[object, ...], tuple[tuple[str, ...], Floats]] = field(
        default_factory=dict[tuple[object, ...], tuple[tuple[str, ...], Floats]], repr=False
    )

    @property
    def inputs(self) -> tuple[str, ...]:
        names = [each for each in self.sources.values() if isinstance(each, str)]
        return tuple(dict.fromkeys([*names, *(["t"] if self.step is None else [])]))

    @property
    def foretells(self) -> bool:
        return True

    def fed(self, names: Collection[str]) -> ForecastNode:
        item, sources, where = (
            self.forecaster.layout.item,
            dict(self.sources),
            self.where or f"models.{self.name}",
        )
        if item and sources[item] == item and item not in names:
            series, _ = self._foretold(())
            if len(series) > 1:
                raise UsageError(
                    f"the history has {len(series):,} series, and which is meant isn't said.", where=where,
                    fix=f"given = {{{item} = \"'{series[0]}'\"}}, or the name of a column that says it for each row.",
                )  # fmt: skip
            del sources[item]
        refuse_unfed(sources, names, where)
        return replace(self, sources=sources, where=where)

    def bind(self, scope: Scope) -> ForecastNode:
        texts = {name: scope.levels[name] for name in self.inputs if name in scope.levels}
        return replace(self, texts=texts)

    def draw(self, values: Mapping[str, Floats], world: World) -> Floats:
        from scipy.special import ndtri  # pyright: ignore[reportMissingTypeStubs]

        item = self.forecaster.layout.item
        ahead = [name for name, each in self.sources.items() if isinstance(each, str) and name != item]
        settings, which = distinct(
            [values[str(self.sources[name])] for name in ahead] or [np.zeros((1, 1, 1))]
        )
        if len(settings) > MOST_RUNS:
            raise DataError(
                f"{len(settings):,} different settings of {', '.join(ahead)} are {len(settings):,} forecasts.", where=self.where,
                fix=f"{MOST_RUNS:,} are the most: give the lever a step.",
            )  # fmt: skip
        constants = {
            n: each.value for n, each in self.sources.items() if isinstance(each, Constant) and n != item
        }
        tables = list[Floats]()
        names: tuple[str, ...] = ()
        for row in settings:
            moved = {
                name: raw_values(row[place : place + 1], self.texts.get(str(self.sources[name])))[0]
                for place, name in enumerate(ahead)
            }
            names, table = self._foretold(tuple(sorted({**constants, **moved}.items())))
            tables.append(table)
        parts = self._of_steps(np.stack(tables), which, self._series(values, names), values)
        uniform = world.uniform(self.name, each_row=parts.shape[1] > 1)
        levels = np.asarray(ndtri(np.array(self.forecaster.engine.codec.levels)), np.float64)
        made = quantile(levels, parts, np.asarray(ndtri(uniform), np.float64))
        return self.forecaster.engine.codec.within(made)

    def beyond(self, values: Mapping[str, Floats]) -> tuple[Beyond, ...]:
        """Of levers that feed the forecast, those outside of what its history holds."""
        found = list[Beyond]()
        columns, _, _ = columns_in(self.history, "history")
        for name in self.forecaster.layout.known:
            source = self.sources.get(name)
            if not isinstance(source, str) or source in self.texts or name not in columns:
                continue
            seen = np.array([float(cell) if cell not in (None, "") else np.nan for cell in columns[name]])
            low, high = float(np.nanmin(seen)), float(np.nanmax(seen))
            share = float(((values[source] < low) | (values[source] > high)).mean())
            if share > 0:
                words = f"{share:.0%} of {source} lies outside of {low:g} to {high:g}, which is what the history has"
                found.append(Beyond("input", source, share, words))
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        return described(self, self.table)

    def _foretold(self, moved: tuple[tuple[str, object], ...]) -> tuple[tuple[str, ...], Floats]:
        """The names of the series, and their quantiles (series, h, levels), rising, where columns of the future are `moved`."""
        if (found := self._known.get(moved)) is None:
            future: dict[str, Array] | None = None
            if self.future is not None:
                future, _, _ = columns_in(self.future, "future")
                for name, value in moved:
                    future[name] = np.full(len(next(iter(future.values()))), value, object)
            made = self.forecaster.forecast(self.history, future=future)
            table = np.sort(np.stack([each.quantiles for each in made]), axis=-1)
            found = self._known[moved] = (tuple(each.series for each in made), table)
        return found

    def _series(self, values: Mapping[str, Floats], names: tuple[str, ...]) -> npt.NDArray[np.int64]:
        """Which series each place is about, broadcastable to (S, R, D)."""
        source = self.sources.get(self.forecaster.layout.item or "")
        if source is None:
            return np.zeros((1, 1, 1), np.int64)
        if isinstance(source, Constant):
            raws, which = np.array([source.value], object), np.zeros((1, 1, 1), np.int64)
        else:
            given, flat = np.unique(values[source], return_inverse=True)
            raws, which = raw_values(given, self.texts.get(source)), flat.reshape(np.shape(values[source]))
        places = np.zeros(len(raws), np.int64)
        for place, raw in enumerate(raws):
            if str(raw) not in names:
                fix = nearest(str(raw), names) or f"It has {', '.join(names[:8])}."
                raise DataError(f"the history has no series {str(raw)!r}.", where=self.where, fix=fix)
            places[place] = names.index(str(raw))
        return places[which]

    def _of_steps(
        self, tables: Floats, which: npt.NDArray[np.int64], series: npt.NDArray[np.int64], values: Mapping[str, Floats]
    ) -> Floats:  # fmt: skip
        """The quantiles (S, R, D or 1, levels) of the moment that is meant, of tables (settings, series, h, levels)."""
        if self.step == SUM:
            return tables.sum(axis=2)[which, series]
        if self.step is not None:
            return tables[:, :, int(self.step) - 1][which, series]
        step = values["t"].astype(np.int64)
        if step.max() >= tables.shape[2]:
            raise DataError(
                f"the model foretells {tables.shape[2]} moments, and the plan's horizon is longer.", where=self.where,
                fix=f"horizon = {tables.shape[2]} at most.",
            )  # fmt: skip
        return tables[which, series, step]


def quantile(levels: Floats, parts: Floats, scores: Floats) -> Floats:
    """What lies at normal `scores`, broadcastable to (S, R, D), where `parts` (S, R, D or 1, levels), rising, lie at those of
    `levels` (levels,), rising: see WORDS."""
    last = len(levels) - 1
    place = np.clip(np.searchsorted(levels, scores) - 1, 0, last - 1)
    shape = np.broadcast_shapes(parts.shape[:-1], scores.shape)
    place, wide = np.broadcast_to(place, shape), np.broadcast_to(parts, (*shape, last + 1))
    low, high = (np.take_along_axis(wide, (place + more)[..., None], axis=-1)[..., 0] for more in (0, 1))
    made = low + (high - low) * (scores - levels[place]) / (levels[place + 1] - levels[place])
    middle = last // 2
    for end, beside, sign in ((0, 1, -1.0), (last, last - 1, 1.0)):
        steep = _slope(parts, levels, end, beside)
        if middle not in (end, beside):
            steep = np.maximum(steep, _slope(parts, levels, end, middle))
        beyond = parts[..., end] + steep * (scores - levels[end])
        made = np.where(sign * (scores - levels[end]) > 0, beyond, made)
    return made


def _slope(parts: Floats, levels: Floats, a: int, b: int) -> Floats:
    return (parts[..., a] - parts[..., b]) / (levels[a] - levels[b])
