"""Limits on sums over rows: each gets a price, at which every row is by itself again (Lagrange; Everett, 1963, Operations
Research 11:399-417).

The prices are those at which the sum of the rows' best values, less what the limits are worth, is highest: that sum is a bound that
no setting passes (duality), and the difference to what was found is the gap.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.by_row.asked import GRID, Asked, RowProblem, between
from drivetrain.decide.solve.by_row.newton import polished
from drivetrain.decide.solve.library import scipy
from drivetrain.decide.solve.point import Point
from drivetrain.decide.solve.solution import Certificate
from drivetrain.errors import UsageError
from drivetrain.figures import number

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
ZOOMS = 40
ROUNDS = 200
"""Prices that are tried for a table of settings."""
EXACT = 1e-12


@dataclass(slots=True, eq=False)
class Table:
    """Settings (G, R) with their values (G, R) and uses (C, G, R), and what the uses may sum to (C,)."""

    x: Floats
    value: Floats
    uses: Floats
    limits: Floats

    def at(self, prices: Floats) -> Places:
        """(R,) the best setting of each row at these prices; the first of equals."""
        return (self.value + np.tensordot(prices, self.uses, 1)).argmin(0)

    def sums(self, places: Places) -> tuple[float, Floats]:
        """What is minimised, and how far each limit is passed (C,)."""
        value = np.take_along_axis(self.value, places[None], 0)
        uses = np.take_along_axis(self.uses, places[None, None], 1)[:, 0]
        return float(value.sum()), uses.sum(1) - self.limits


@dataclass(slots=True, eq=False)
class Priced:
    """The best `prices` (C,), the `bound` at them, and settings of the table that are best there, mixed by `shares` so that the
    limits hold."""

    prices: Floats
    bound: float
    mixed: list[Places] = field(default_factory=list[Places])
    shares: Floats = field(default_factory=lambda: np.ones(1))


def priced(table: Table, names: tuple[str, ...]) -> Priced:
    """The prices at which the bound is highest: cutting planes (Kelley, 1960), each the best settings at some prices.

    Raises UsageError where no settings keep to the limits.
    """
    count = len(table.limits)
    least = table.uses.min(1).sum(1) - table.limits
    if (least > _slack(table.limits)).any():
        worst = int(np.argmax(least / (1 + np.abs(table.limits))))
        raise UsageError(
            f"no setting of the levers keeps to {names[worst]!r}: the least that is possible passes it by {least[worst]:.6g}.",
            fix="Loosen it, widen the levers' bounds, or give it a price (soft).",
        )
    places = table.at(np.zeros(count))
    value, over = table.sums(places)
    if (over <= 0).all():
        return Priced(np.zeros(count), value, [places])
    cuts, values, overs = [places], [value], [over]
    if count == 1:
        places = np.lexsort((table.value, table.uses[0]), axis=0)[0]
        value, over = table.sums(places)
        cuts, values, overs = [*cuts, places], [*values, value], [*overs, over]
        return _of_one(table, cuts, values, overs)
    return _of_several(table, cuts, values, overs)


def _of_one(table: Table, cuts: list[Places], values: list[float], overs: list[Floats]) -> Priced:
    """Where the line of what passes the limit and the line of what keeps to it meet, until nothing lies below that."""
    low, high = 0, 1
    price = bound = 0.0
    for _ in range(ROUNDS):
        price = (values[high] - values[low]) / float(overs[low][0] - overs[high][0])
        meet = values[low] + price * float(overs[low][0])
        places = table.at(np.array([price]))
        value, over = table.sums(places)
        bound = value + price * float(over[0])
        if bound >= meet - EXACT * (1 + abs(meet)):
            break
        cuts, values, overs = [*cuts, places], [*values, value], [*overs, over]
        low, high = (len(cuts) - 1, high) if over[0] > 0 else (low, len(cuts) - 1)
    passed, kept = float(overs[low][0]), float(overs[high][0])
    share = -kept / (passed - kept)
    return Priced(np.array([price]), bound, [cuts[low], cuts[high]], np.array([share, 1 - share]))


def _of_several(table: Table, cuts: list[Places], values: list[float], overs: list[Floats]) -> Priced:
    """The same in several dimensions: the highest point below all planes is a linear program, whose own prices mix the settings."""
    count = len(table.limits)
    finite = table.value[np.isfinite(table.value)]
    scale = max(float(np.ptp(finite)), 1e-12) / np.maximum(np.ptp(table.uses, axis=(1, 2)), 1e-12)
    reach, best = 4.0, Priced(np.zeros(count), -np.inf)
    for _ in range(ROUNDS):
        # Unknowns: the bound, and prices in units of `scale`.
        planes = np.column_stack([np.ones(len(cuts)), -np.stack(overs) * scale])
        found = scipy("optimize").linprog(
            np.r_[-1.0, np.zeros(count)],
            planes,
            np.array(values),
            bounds=[(None, None), *[(0, reach)] * count],
            method="highs",
        )
        if found.x is None:
            break
        prices, top = np.maximum(found.x[1:], 0) * scale, float(found.x[0])
        places = table.at(prices)
        value, over = table.sums(places)
        bound = value + float(prices @ over)
        if bound > best.bound:
            best.prices, best.bound = prices, bound
        if top - best.bound <= 1e-10 * (1 + abs(top)):
            if (found.x[1:] < reach * 0.999).all() or reach > 1e12:
                shares = np.maximum(-np.asarray(found.ineqlin.marginals), 0)
                best.mixed = [each for each, share in zip(cuts, shares) if share > 0]
                best.shares = shares[shares > 0] / max(shares.sum(), 1e-300)
                break
            reach *= 16
        cuts, values, overs = [*cuts, places], [*values, value], [*overs, over]
    if not best.mixed:
        best.mixed, best.shares = [table.at(best.prices)], np.ones(1)
    return best


def _all(table: Floats) -> Places:
    """The number of each row."""
    return np.arange(table.shape[1], dtype=np.intp)


def _slack(limits: Floats) -> Floats:
    """By how much a limit may be passed: what adding many numbers up may be wrong by."""
    return 1e-9 * (1 + np.abs(limits))


def kept(table: Table, priced: Priced) -> Places | None:
    """(R,) settings of the table that keep to the limits, near the mixed ones: rows are moved to another setting, those first that
    lose the least for what they free. None where moving one limit's rows breaks another's for ever."""
    places = priced.mixed[int(np.argmax(priced.shares))].copy()
    cost = table.value + np.tensordot(priced.prices, table.uses, 1)
    rows = _all(cost)
    for _ in range(50):
        _, over = table.sums(places)
        excess = over / (1 + np.abs(table.limits))
        worst = int(np.argmax(excess))
        if (over <= _slack(table.limits)).all():
            return _filled(table, places)
        freed = table.uses[worst][places, rows] - table.uses[worst]
        lost = cost - cost[places, rows]
        with np.errstate(all="ignore"):
            ratio = np.where((freed > 0) & np.isfinite(lost), np.maximum(lost, 0) / freed, np.inf)
        to = ratio.argmin(0)
        order = np.argsort(ratio[to, rows], kind="stable")
        order = order[np.isfinite(ratio[to, rows][order])]
        enough = int(np.searchsorted(np.cumsum(freed[to, rows][order]), float(over[worst]))) + 1
        if not len(order):
            return None
        places[order[:enough]] = to[order[:enough]]
    return None


def _filled(table: Table, places: Places) -> Places:
    """The same, where rows that can still be bettered within the limits are: the most for what it uses first."""
    rows = _all(table.value)
    for _ in range(20):
        left = -table.sums(places)[1] + _slack(table.limits)
        gain = table.value[places, rows] - table.value
        more = table.uses - table.uses[:, places, rows][:, None]
        used = np.maximum(more / np.maximum(left, 1e-300)[:, None, None], 0).max(0)
        with np.errstate(all="ignore"):
            worth = np.where(
                (gain > EXACT) & (more <= left[:, None, None]).all(0), gain / (used + 1e-12), 0.0
            )
        to = worth.argmax(0)
        order = np.argsort(-worth[to, rows], kind="stable")
        order = order[worth[to, rows][order] > 0]
        if not len(order):
            break
        needed = np.cumsum(np.maximum(more[:, to, rows], 0)[:, order], axis=1)
        places = places.copy()
        fits = order[(needed <= left[:, None]).all(0)]
        places[fits if len(fits) else order[:1]] = to[fits if len(fits) else order[:1]]
    return places


def coupled(asked: Asked, *, convex: bool) -> Point:
    """The rows' settings under limits on sums."""
    rows = asked.rows
    rough = rows.rough(GRID if rows.levels is None else len(rows.levels))
    roughly = None if rough is None else Asked(rough)
    if rows.levels is not None:
        return _in_steps(asked, rows.levels) if roughly is None else _near_steps(asked, roughly, rows.levels)
    return _continuous(asked, roughly, convex)


def _in_steps(asked: Asked, levels: Floats) -> Point:
    table = _of_levels(asked, levels)
    prices = priced(table, asked.rows.names)
    x, value = _chosen(asked, table, prices)
    gap = max(value - prices.bound, 0.0)
    words = f"No setting is better by more than {number(gap)}: the limits' prices give a bound (duality)."
    return Point(x, value, Certificate("gap", gap, words, prices.bound), prices.prices, asked.evaluations)


def _near_steps(asked: Asked, rough: Asked, levels: Floats) -> Point:
    """Where a few draws say that the best is, and steps near it by all of them, until none leaves its window."""
    rows = asked.rows
    last, half = len(levels) - 1, min(3, (len(levels) - 1) // 2)
    table = _of_levels(rough, levels)
    places = table.at(priced(table, rows.names).prices)
    point = None
    for _ in range(ZOOMS):
        middle = np.clip(places, half, last - half)
        window = levels[middle + np.arange(-half, half + 1)[:, None]]
        table = _within(rows, _asked_about(asked, window))
        prices = priced(table, rows.names)
        x, value = _chosen(asked, table, prices)
        gap = max(value - prices.bound, 0.0)
        words = f"It is {number(gap)} from the best that the limits' prices allow near where some of the draws say the best is."
        point = Point(x, value, Certificate("multistart", gap, words), prices.prices, asked.evaluations)
        moved = middle - half + table.at(prices.prices)
        if (np.abs(moved - middle) < half).all() or (moved == places).all():
            break
        places = moved
    assert point is not None
    return point


def _of_levels(asked: Asked, levels: Floats) -> Table:
    count = len(asked.rows.lower)
    return _within(asked.rows, _asked_about(asked, np.broadcast_to(levels[:, None], (len(levels), count))))


def _within(rows: RowProblem, table: Table) -> Table:
    """The table without what is beyond a row's bounds."""
    outside = (table.x < rows.lower) | (table.x > rows.upper)
    table.value = np.where(outside, np.inf, table.value)
    if outside.any():  # What can't be chosen doesn't count as a way to use little.
        first = (~outside).argmax(0)[None]
        for at in range(len(table.limits)):
            table.uses[at] = np.where(outside, np.take_along_axis(table.uses[at], first, 0), table.uses[at])
    return table


def _chosen(asked: Asked, table: Table, prices: Priced) -> tuple[Floats, float]:
    """Settings of the table that keep to the limits, and what they are worth."""
    places = kept(table, prices)
    if places is None:
        raise _not_found(asked.rows.names)
    return table.x[places, _all(table.x)], table.sums(places)[0]


def _not_found(names: tuple[str, ...]) -> UsageError:
    return UsageError(
        "no settings were found that keep to all limits together.",
        where=", ".join(names),
        fix="Loosen one of them.",
    )


def _asked_about(asked: Asked, x: Floats) -> Table:
    value, uses = asked(x)
    return Table(x, _finite(value), uses, asked.rows.limits)


def _finite(value: Floats) -> Floats:
    """What is infinite (log 0 at an end of the range) as worse than all else: a limit may need settings between it and the next."""
    known = np.isfinite(value)
    if known.all() or not known.any():
        return value
    worst = np.where(known, value, -np.inf).max()
    return np.where(known, value, worst + 10 * (worst - value[known].min()) + 1)


def _continuous(asked: Asked, rough: Asked | None, convex: bool) -> Point:
    """A `rough` look comes first, where it is cheaper; then Newton's method by all draws, if it settles near there."""
    if rough is not None:
        near = _narrowed(rough, convex)
        width = (rough.rows.upper - rough.rows.lower) / (GRID - 1)
        found = polished(asked, near.x, width, near.prices)
        if found is not None:
            value, uses = asked(found[0][None])
            table = Table(found[0][None], value, uses, asked.rows.limits)
            return _certified(asked, table, found[0], found[1], convex=convex, seen=near.convex, rough=True)
    found = _narrowed(asked, convex)
    return _certified(
        asked, found.first, found.x, found.prices, convex=convex, seen=found.convex, rough=False
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Narrowed:
    """Settings (R,) and prices (C,), the first table, and whether all bends upwards there."""

    x: Floats
    prices: Floats
    first: Table
    convex: bool


def _narrowed(asked: Asked, convex: bool) -> _Narrowed:
    """Tables of ever narrower windows around the best settings, until Newton's method takes over."""
    rows = asked.rows
    span = rows.upper - rows.lower
    first = table = _asked_about(asked, between(rows.lower, rows.upper, GRID))
    seen = convex or _looks_convex(first)
    width = span / (GRID - 1)
    x, multipliers = rows.lower, np.zeros(len(rows.limits))
    for zoom in range(ZOOMS):
        prices = priced(table, rows.names)
        x = _centre(table, prices, width, seen)
        if x is None:
            raise _not_found(rows.names)
        if zoom >= 2:
            found = polished(asked, x, np.maximum(width, 1e-9 * span), prices.prices)
            if found is not None:
                return _Narrowed(*found, first, seen)
        multipliers = prices.prices
        inside = (x > table.x[0]) & (x < table.x[-1]) | (x <= rows.lower) | (x >= rows.upper)
        width = np.where(inside, width / 2, width)
        if (width <= 1e-11 * span).all():
            break
        window = np.clip(x + np.linspace(-1.5, 1.5, 7)[:, None] * width, rows.lower, rows.upper)
        table = _asked_about(asked, window)
    return _Narrowed(x, multipliers, first, seen)


def _looks_convex(table: Table) -> bool:
    """Whether values and uses bend upwards all over the grid."""

    def bends(values: Floats) -> bool:
        with np.errstate(all="ignore"):
            second = values[..., 2:, :] - 2 * values[..., 1:-1, :] + values[..., :-2, :]
        scale = np.abs(values[np.isfinite(values)]).max(initial=1.0)
        return not bool((second < -1e-9 * scale).any())

    return bends(table.value) and bends(table.uses)


def _centre(table: Table, prices: Priced, width: Floats, convex: bool) -> Floats | None:
    """(R,) settings to look around: between the mixed ones where all is convex, else ones of the table that keep to the limits."""
    rows = _all(table.x)
    mixed = np.stack([table.x[each, rows] for each in prices.mixed])
    if convex or bool((np.ptp(mixed, axis=0) <= 2 * width).all()):
        return np.tensordot(prices.shares, mixed, 1)
    places = kept(table, prices)
    return None if places is None else table.x[places, rows]


def _certified(
    asked: Asked, first: Table, x: Floats, prices: Floats, *, convex: bool, seen: bool, rough: bool
) -> Point:
    """What was found, beside the bound at its prices: for each row the lowest that the grid or the found setting has."""
    rows = asked.rows
    value, uses = (first.value, first.uses) if first.x.shape[0] == 1 else asked(x[None])
    worth = value[0] + np.tensordot(prices, uses[:, 0], 1)
    lowest = np.minimum((first.value + np.tensordot(prices, first.uses, 1)).min(0), worth)
    bound = float(lowest.sum() - prices @ first.limits)
    total = float(value.sum())
    if not np.isfinite(total):
        raise _not_found(rows.names)
    gap = max(total - bound, 0.0)
    if convex:
        words = f"Convex in each row: no setting is better by more than {number(gap)} (duality)."
        certificate = Certificate("kkt", gap, words, bound)
    elif rough:
        words = f"It is {number(gap)} from the best that the limits' prices allow near where some of the draws say the best is."
        certificate = Certificate("multistart", gap, words)
    else:
        shape = "bends one way on a grid of" if seen else "was tried at"
        words = (
            f"It is {number(gap)} from the best that the limits' prices allow, where each row's objective {shape} {GRID} settings; "
            "what lies between them isn't proven."
        )
        certificate = Certificate("multistart", gap, words, bound)
    return Point(x, total, certificate, prices, asked.evaluations)
