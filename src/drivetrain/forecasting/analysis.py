"""What there is to say of a series before a model is trained, in plain words: its parts, its breaks, how far it can be foretold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.errors import DataError
from drivetrain.figures import percent, rough
from drivetrain.forecasting.changes import LEAST, Change, change_points
from drivetrain.forecasting.decompose import Floats, Parts, decompose, peak
from drivetrain.forecasting.predictability import MEAN, Predictability, predictability

STRONG, WEAK = 0.6, 0.3
LITTLE = 0.02
"""A trend or a season that is less strong is none to speak of."""
SURE = 1.96
MOST_BREAKS = 3


@dataclass(frozen=True, eq=False)
class Analysis:
    """Of a series (n,): its parts, its breaks, how far simple rules foretell it (None: too short to say), the length of a `cycle`
    that is no strict season (None: there is none), and whether its swings grow with its level."""

    parts: Parts
    changes: tuple[Change, ...]
    predictability: Predictability | None
    cycle: int | None
    grows: bool

    def told(self, stamps: Sequence[str] = (), moment: str = "moment") -> list[str]:
        """Sentences for a person. `stamps` (n,) name the moments, `moment` is what one of them is: day, hour."""
        found = [_trend(self.parts), _seasons(self.parts, moment)]
        if self.grows:
            found.append("Its swings grow with its level, so a model does well to look at its logarithm.")
        if self.cycle and not self.parts.seasons:
            found.append(
                f"It goes up and down about every {self.cycle:,} {moment}s, but in no fixed step: such a cycle is no season."
            )
        found += _memory(self.parts, moment)
        found.append(_breaks(self.changes, stamps))
        if self.predictability is not None:
            found.append(_foretold(self.predictability, moment))
        return [text for text in found if text]

    def to_json(self, stamps: Sequence[str] = ()) -> dict[str, Any]:
        """The same as numbers."""
        found = self.predictability
        return {
            "moments": len(self.parts.values),
            "missing": int(np.isnan(self.parts.values).sum()),
            "trend_strength": self.parts.trend_strength,
            "seasons": [{"period": s.period, "strength": s.strength} for s in self.parts.seasons],
            "noise": self.parts.noise,
            "cycle": self.cycle,
            "swings_grow": self.grows,
            "autocorrelation": self.parts.correlations[:40].tolist(),
            "breaks": [
                {"place": c.place, **({"stamp": stamps[c.place]} if len(stamps) else {}), "kind": c.kind, "shift": c.shift}
                for c in self.changes
            ],
            "predictability": None if found is None else dict(vars(found)),
        }  # fmt: skip


def analyse(values: npt.NDArray[Any], periods: Sequence[int] = (), horizon: int = 1) -> Analysis:
    """The analysis of a series (n,), NaN where missing; `periods` are the seasons that its frequency may have. Raises DataError
    where fewer than four moments are known."""
    series = np.asarray(values, np.float64)
    known = int(np.isfinite(series).sum())
    if known < 4:
        raise DataError(f"{known} known moments say nothing of a series.", fix="Give four at least.")
    parts = decompose(series, periods)
    own = [season.period for season in parts.seasons]
    changes = tuple(change_points(series - parts.seasonal, max(LEAST, *own, 0)))
    cycle = None if own or _random(parts) else peak(parts.correlations, parts.edge)
    return Analysis(
        parts, changes, predictability(series, horizon, own), cycle, bool(own) and _grows(series, own, parts.noise)
    )  # fmt: skip


def _random(parts: Parts) -> bool:
    """Whether the autocorrelation rises again by less than half: what a wandering series does by chance."""
    found = parts.correlations
    return not len(found) or float(found[len(found) // 20 :].max(initial=0)) < 0.3


def _grows(values: Floats, periods: Sequence[int], noise: float) -> bool:
    """Whether the logarithm of a series above 0 has less noise beside its trend and seasons."""
    known = values[np.isfinite(values)]
    if not (known > 0).all() or float(known.max()) < 2 * float(known.min()):
        return False
    logs = decompose(np.log(values), periods)
    return bool(logs.seasons) and logs.noise < 0.7 * noise


def _trend(parts: Parts) -> str:
    if np.nanvar(parts.values) <= 0:
        return "It never changes: every forecast is its value."
    if parts.trend_strength < LITTLE:
        return "It has no trend."
    first, last = float(parts.trend[0]), float(parts.trend[-1])
    way = "rises" if last > first else "falls"
    spread = float(np.nanstd(parts.values - parts.trend))
    if abs(last - first) < spread:
        return (
            f"Its trend ({percent(parts.trend_strength, 0)} strong) wanders, and ends about where it began."
        )
    return (
        f"Its trend {way} from {rough(first)} to {rough(last)} and is {_strong(parts.trend_strength)} "
        f"({percent(parts.trend_strength, 0)})."
    )


def _seasons(parts: Parts, moment: str) -> str:
    if not parts.seasons:
        return "No season is told from chance."
    told = [
        f"{season.period:,} {moment}s ({_strong(season.strength)}, {percent(season.strength, 0)})"
        for season in parts.seasons
    ]
    noise = percent(parts.noise, 0)
    return f"It comes again every {' and every '.join(told)}. {noise} of its variance is neither trend nor season."


def _strong(share: float) -> str:
    return "strong" if share >= STRONG else "middling" if share >= WEAK else "weak"


def _memory(parts: Parts, moment: str) -> list[str]:
    found = parts.correlations
    if not len(found) or parts.noise <= 0:
        return []
    rest = float(found[0])
    if abs(rest) <= 2 * parts.edge:
        return [f"A {moment} says nothing of the next beside the trend."]
    return [f"A {moment} goes with the next by {rest:.2f} beside the trend (1: wholly)."]


def _breaks(changes: Sequence[Change], stamps: Sequence[str]) -> str:
    if not changes:
        return "No break of its level or slope stands out."
    told: list[str] = []
    for change in changes[-MOST_BREAKS:]:
        place = stamps[change.place] if len(stamps) else f"place {change.place:,}"
        way = "rises" if change.shift > 0 else "falls"
        what = (
            f"its level {way} by {rough(abs(change.shift))}" if change.kind == "level" else "its slope turns"
        )
        told.append(f"{place} ({what})")
    more = f"{len(changes) - MOST_BREAKS} earlier ones and " if len(changes) > MOST_BREAKS else ""
    return f"Breaks: {more}{', '.join(told)}. What was before the last may say little of what comes."


def _foretold(found: Predictability, moment: str) -> str:
    ahead = f"{found.horizon:,} {moment}s ahead" if found.horizon > 1 else f"one {moment} ahead"
    base = f"By {found.rule} one misses by {rough(found.error)} on average, {ahead}"
    if found.error > 0.97 * found.mean:
        best = "no simple rule does better" if found.rule == MEAN else "the mean of all is as good"
        return f"{base}, and {best}: hardly anything of it can be foretold that far."
    sure = found.low is not None and found.low > 0
    if found.gain <= 0 or (found.low is not None and not sure):
        return (
            f"No simple rule is surely better than its last value, which misses by {rough(found.naive)} on average, {ahead}: "
            "a model has to show that it is."
        )
    between = (
        f" (95 % interval {percent(found.low, 0)} to {percent(found.high, 0)})"
        if found.low is not None and found.high is not None
        else ", of which so few moments give no interval"
    )
    return (
        f"{base}: {percent(found.gain, 0)} less than with its last value{between}. A model has to beat that."
    )
