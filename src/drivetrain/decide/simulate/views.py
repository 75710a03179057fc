"""Looking at a plan before anything is decided: the curve of a lever, the surface of two, what-if, and what matters most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.plans.lever import Lever, allowed, extrapolates, values_of
from drivetrain.errors import UsageError

if TYPE_CHECKING:
    from drivetrain.decide.simulate.simulator import Simulator

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Setting = Mapping[str, Any]
BAND = (0.05, 0.95)
"""Between these shares of the draws lie 90 % of them."""
MOST_BARS, MOST_POINTS = 30, 201


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """`counts` of observed values between `edges`; of choices for each place, of which `edges` is half below and above."""

    edges: Floats
    counts: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The objective along one lever, the others as they are: `at` (P,), its `value` (P,) by its statistic, and the `low` and
    `high` end of 90 % of the draws. `outcomes`: name -> its mean over rows and draws (P,). `holds` (P,): every hard constraint
    does. `extrapolates` (P,): beyond what was `observed`."""

    lever: str
    at: Floats
    value: Floats
    low: Floats
    high: Floats
    outcomes: dict[str, Floats]
    holds: Flags
    extrapolates: Flags
    observed: Histogram | None


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """The objective (B, A) over two levers, `a` along x at `x` (A,), `b` along y at `y` (B,)."""

    a: str
    b: str
    x: Floats
    y: Floats
    value: Floats
    holds: Flags
    extrapolates: Flags


@dataclass(frozen=True, slots=True)
class Bar:
    """An uncertain outcome held at its 5 % and 95 % point, `low` and `high` (means over rows), and the objective there."""

    name: str
    low: float
    high: float
    at_low: float
    at_high: float

    @property
    def span(self) -> float:
        return abs(self.at_high - self.at_low)


@np.errstate(all="ignore")
def curve(simulator: Simulator, lever: str, *, at: Setting | None = None, points: int = 41) -> Curve:
    """Raises UsageError for an unknown lever, and one without bounds."""
    which = simulator.plan.lever(lever)
    places = along(simulator, which, points)
    x = np.repeat(base(simulator, at), len(places), axis=0)
    x[:, simulator.slices[lever]] = places[:, None]
    found = simulator.simulate(x)
    low, high = np.quantile(found.objective, BAND, axis=1)
    return Curve(
        lever, places, found.measured.objectives[:, 0], low, high,
        {name: each.mean(axis=1) for name, each in found.mean.items()},
        holds(simulator, found.measured.excess), extrapolates(which, places), histogram(which),
    )  # fmt: skip


def surface(simulator: Simulator, a: str, b: str, *, at: Setting | None = None, points: int = 21) -> Surface:
    """Raises UsageError as `curve` does, and for a lever against itself."""
    if a == b:
        raise UsageError("a surface is of two levers.", where=a)
    first, second = simulator.plan.lever(a), simulator.plan.lever(b)
    x, y = along(simulator, first, points), along(simulator, second, points)
    settings = np.repeat(base(simulator, at), len(x) * len(y), axis=0)
    settings[:, simulator.slices[a]] = np.tile(x, len(y))[:, None]
    settings[:, simulator.slices[b]] = np.repeat(y, len(x))[:, None]
    found = simulator.measure(settings)
    shape = (len(y), len(x))
    beyond = extrapolates(second, y)[:, None] | extrapolates(first, x)[None]
    return Surface(
        a,
        b,
        x,
        y,
        simulator.priced(found).reshape(shape),
        holds(simulator, found.excess).reshape(shape),
        beyond,
    )


@np.errstate(all="ignore")
def tornado(simulator: Simulator, at: Setting | None = None) -> list[Bar]:
    """What is uncertain of its own accord, each held at its 5 % and its 95 % point while the others vary, widest first. One
    that differs by row is held there in all rows at once."""
    x = base(simulator, at)
    full = simulator.values(x, draws=slice(0, min(simulator.plan.draws, 1000)))
    bars = list[Bar]()
    for node in simulator.plan.nodes:
        varies = full[node.name].shape[2] > 1 and all(full[each].shape[2] == 1 for each in node.inputs)
        if not varies:
            continue
        ends = [
            np.quantile(full[node.name], share, axis=2, keepdims=True, method="nearest") for share in BAND
        ]
        told = [float(simulator.priced(simulator.measure(x, {node.name: end}))[0]) for end in ends]
        bars.append(Bar(node.name, float(ends[0].mean()), float(ends[1].mean()), *told))
    return sorted(bars, key=lambda bar: -bar.span)


def what_if(simulator: Simulator, settings: Sequence[Setting]) -> list[dict[str, Any]]:
    """For each setting: its `levers` as given, the `objective` and each of the `outcomes` with their mean and 90 % of the draws,
    whether all constraints hold, and which levers extrapolate. What a setting doesn't say is as it is now."""
    if not settings:
        return []
    x = np.concatenate([simulator.join(each) for each in settings])
    found = simulator.simulate(x)
    kept = holds(simulator, found.measured.excess)
    rows = list[dict[str, Any]]()
    for place, (setting, told) in enumerate(zip(settings, found.summary())):
        objective = told.pop("objective")
        beyond = [name for name, flags in found.extrapolates.items() if flags[place].any()]
        rows.append(
            {"levers": dict(setting), "objective": objective, "outcomes": told, "holds": bool(kept[place]), "extrapolates": beyond}
        )  # fmt: skip
    return rows


def base(simulator: Simulator, at: Setting | None) -> Floats:
    """(1, size): where to start from: what is said, else what is now, else the middle. Raises UsageError without any."""
    x = simulator.now.copy()
    middle = (simulator.lower + simulator.upper) / 2
    for lever in simulator.plan.levers:
        place = simulator.slices[lever.name]
        if at is not None and lever.name in at:
            x[place] = values_of(lever, at[lever.name])
        unknown = np.isnan(x[place])
        if unknown.any() and not np.isfinite(middle[place]).all():
            raise UsageError(
                "its value isn't said, nor what it is now.", where=f"levers.{lever.name}", fix="Give now."
            )
        x[place] = np.where(unknown, simulator.nearest(middle)[place], x[place])
    return x[None]


def along(simulator: Simulator, lever: Lever, points: int) -> Floats:
    """Values of a lever from its lowest to its highest: all that it may have, or so many. Raises UsageError without bounds."""
    listed = allowed(lever, MOST_POINTS)
    place = simulator.slices[lever.name]
    low, high = float(simulator.lower[place].min()), float(simulator.upper[place].max())
    if listed is not None:
        return listed[(listed >= low - 1e-9) & (listed <= high + 1e-9)]
    if not np.isfinite([low, high]).all():
        raise UsageError("a curve goes from low to high, and one is missing.", where=f"levers.{lever.name}")
    return np.linspace(low, high, points)


def holds(simulator: Simulator, excess: Floats) -> Flags:
    """(S,): whether each hard constraint holds, but for rounding."""
    return np.asarray((excess[:, simulator.hard] <= 1e-9).all(axis=1), np.bool_)


def histogram(lever: Lever) -> Histogram | None:
    """Of what was observed of a lever; None where nobody said."""
    tried = lever.tried
    if tried is None:
        return None
    if lever.is_number:
        bars = len(np.histogram_bin_edges(tried, bins="auto")) - 1
        edges = np.histogram_bin_edges(tried, bins=min(bars, MOST_BARS))
    else:
        edges = np.arange(max(len(lever.choices), 2) + 1) - 0.5
    return Histogram(np.asarray(edges, np.float64), np.histogram(tried, edges)[0])
