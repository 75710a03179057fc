"""A lever by a rule that a person can read: which tree, which settings at its leaves, and what that gives up and gains.

The tree is searched for in tree.py; what is said of its worth on rows that it wasn't chosen on comes from halves of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.by_row.asked import GRID, Asked, RowProblem, between
from drivetrain.decide.solve.by_row.multipliers import Table, priced
from drivetrain.decide.solve.by_row.rows import separable
from drivetrain.decide.solve.by_row.tree import Column, Leaf, Tree, best_tree, leaf_of, leaves
from drivetrain.decide.solve.point import Point
from drivetrain.decide.solve.solution import Certificate
from drivetrain.errors import UsageError
from drivetrain.figures import number

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
SHARE = 0.01
"""Of the rows: what a leaf holds at least."""
ROUNDS = 4
"""Trees that are tried under limits, each at the prices that the last one led to."""
TOGETHER = 1_000_000
"""Settings of all leaves together that are tried one by one."""
Z90 = 1.6448536269514722
_NOT_FOUND = Certificate("search", np.nan, "The best of settings that were tried together.")


@dataclass(frozen=True, slots=True, eq=False)
class Readable:
    """A tree's settings `point.x` (R,). `leaves`: condition in words, setting and rows of each leaf. Sums over the rows of what is
    minimised: `value` of the rule, `one` of the best single setting, `own` of the best setting for each row (None where limits
    couple the rows). `gain` (estimate, low, high): by how much a row is better under a rule than under one setting for all, where
    both were chosen on the other half of the rows; 90 %, about the rows, not about the model."""

    tree: Tree
    point: Point
    leaves: tuple[tuple[str, float, int], ...]
    value: float
    one: float
    own: float | None
    gain: tuple[float, float, float]


def readable(rows: RowProblem, columns: Sequence[Column], depth: int, *, seed: int = 0) -> Readable:
    """The rule of at most `depth` questions (1 to 3) about `columns`. Raises UsageError where no rule keeps to the limits."""
    if not 1 <= depth <= 3:
        raise UsageError(
            f"a rule of depth {depth}.", fix="A rule that a person can read has 1 to 3 questions in a row."
        )
    count = len(rows.lower)
    columns_of = {column.name: column.values for column in columns}
    shared: _Asking | _Known = _shared(rows)
    rough = shared.rough(GRID if shared.levels is None else len(shared.levels))
    table = _table(rough or shared)
    if rough is None and shared.levels is not None:
        shared = _Known(shared, table)
    elif rough is not None and (shared.levels is not None or not len(rows.limits)):
        shared.roughly = _Known(rough, table)
    prices = priced(table, rows.names).prices if len(rows.limits) else np.zeros(0)
    least = max(int(np.ceil(SHARE * count)), 1)
    best: tuple[Point, Tree, Places] | None = None
    bound, cost = -np.inf, table.value
    for _ in range(ROUNDS if len(rows.limits) else 1):
        cost = table.value + np.tensordot(prices, table.uses, 1)
        tree = best_tree(np.ascontiguousarray(cost.T), columns, depth, least)
        leaf = leaf_of(tree, columns_of, count)
        places = np.array([place for _, place in leaves(tree)])[leaf]
        bound = max(bound, float(cost[places, np.arange(count)].sum() - prices @ rows.limits))
        point = _settled(Grouped(shared, leaf))
        if best is not None and point.value >= best[0].value - 1e-12 * (1 + abs(point.value)):
            break
        best, prices = (point, tree, leaf), point.duals
    assert best is not None
    point, tree, leaf = best
    one = _alone(shared, count)
    own = None if len(rows.limits) else _own(rows, shared, table)
    sizes = np.bincount(leaf, minlength=len(point.x))
    told = tuple((words, float(point.x[at]), int(sizes[at])) for at, (words, _) in enumerate(leaves(tree)))
    asked_times = point.evaluations + table.value.size
    certificate = _certificate(point.value, bound, depth, exact=rough is None and rows.levels is not None)
    spread = Point(point.x[leaf], point.value, certificate, point.duals, asked_times)
    return Readable(tree, spread, told, point.value, one, own, _honest(cost, columns, depth, seed))


def _alone(shared: RowProblem, count: int) -> float:
    """What the best single setting for all is worth; infinite where none keeps to the limits."""
    try:
        return _settled(Grouped(shared, np.zeros(count, np.intp))).value
    except UsageError:
        return np.inf


def _own(rows: RowProblem, shared: RowProblem, table: Table) -> float:
    """What a setting of its own for each row is worth."""
    same = bool((rows.lower == shared.lower).all() and (rows.upper == shared.upper).all())
    return float(table.value.min(0).sum()) if same and isinstance(shared, _Known) else separable(rows).value


def _certificate(value: float, bound: float, depth: int, *, exact: bool) -> Certificate:
    gap = max(value - bound, 0.0)
    if exact and depth <= 2:
        words = f"No other rule of {depth} such questions in a row, each leaf with {SHARE:.0%} of the rows, is better"
        more = f" by more than {number(gap)}" if gap > 1e-9 * (1 + abs(value)) else ""
        return Certificate("gap", gap, f"{words}{more}.", bound)
    why = "questions were chosen at some settings and draws"
    if depth > 2:
        why = "first questions are tried by what follows them two deep"
    return Certificate("multistart", gap, f"The best rule that was found: {why}, which is no proof.")


def _settled(groups: Grouped) -> Point:
    """The groups' settings: all of them together where these are few, for prices alone leave a gap when groups are few too."""
    count, levels = len(groups.lower), groups.levels
    if levels is None or not len(groups.limits):
        return separable(groups)
    levels = levels[(levels >= groups.lower[0]) & (levels <= groups.upper[0])]
    fault: UsageError | None = None
    try:
        point = separable(groups)
    except UsageError as error:  # Limits that tie few groups together are often kept to between the settings that prices lead to.
        fault, most = error, max(int(TOGETHER ** (1 / count)), 2)
        point = Point(np.full(count, levels[0]), np.inf, _NOT_FOUND, np.zeros(len(groups.limits)), 0)
        levels = levels[np.unique(np.linspace(0, len(levels) - 1, min(most, len(levels))).astype(np.intp))]
    if len(levels) ** count > TOGETHER:
        return point
    value, uses = groups.value(np.broadcast_to(levels[:, None], (len(levels), count)))
    total, used = value[:, 0], uses[:, :, 0]
    for at in range(1, count):
        total = (total[:, None] + value[:, at]).reshape(-1)
        used = (used[:, :, None] + uses[:, None, :, at]).reshape(len(used), -1)
    holds = np.asarray((used <= (groups.limits + 1e-9 * (1 + np.abs(groups.limits)))[:, None]).all(axis=0))
    at = int(np.where(holds, total, np.inf).argmin())
    if fault is not None and not holds[at]:
        raise fault
    if not total[at] < point.value:
        return point
    places = np.unravel_index(at, (len(levels),) * count)
    return replace(point, x=levels[np.array(places)], value=float(total[at]))


def _table(rows: RowProblem) -> Table:
    count = len(rows.lower)
    if rows.levels is None:
        settings = between(rows.lower, rows.upper, GRID)
    else:
        settings = np.broadcast_to(rows.levels[:, None], (len(rows.levels), count))
    value, uses = rows.value(settings)
    return Table(settings, value, uses, rows.limits)


def _honest(cost: Floats, columns: Sequence[Column], depth: int, seed: int) -> tuple[float, float, float]:
    """The mean gain of a row of either half under the rule that the other half chose, over the one setting that it chose."""
    count = cost.shape[1]
    if count < 20:
        return np.nan, np.nan, np.nan
    half = np.random.default_rng(seed).permutation(count) % 2
    gains = np.zeros(count)
    for side in (0, 1):
        chosen, judged = np.flatnonzero(half != side), np.flatnonzero(half == side)
        some = [Column(each.name, each.values[chosen], each.levels) for each in columns]
        tree = best_tree(
            np.ascontiguousarray(cost[:, chosen].T), some, depth, max(int(np.ceil(SHARE * len(chosen))), 1)
        )
        leaf = leaf_of(tree, {each.name: each.values[judged] for each in columns}, len(judged))
        places = np.array([place for _, place in leaves(tree)])[leaf]
        alone = int(cost[:, chosen].sum(1).argmin())
        gains[judged] = cost[alone, judged] - cost[places, judged]
    mean, error = float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(count))
    return mean, mean - Z90 * error, mean + Z90 * error


class _Asking:
    """A RowProblem that asks another one on threads, within bounds that are all rows' own: of rows that share a setting."""

    def __init__(self, rows: RowProblem, bounds: tuple[float, float]) -> None:
        self.asked, self.bounds = Asked(rows), bounds
        self.roughly: RowProblem | None = None
        count = len(rows.lower)
        self.lower, self.upper = np.full(count, bounds[0]), np.full(count, bounds[1])
        self.limits, self.names, self.levels = rows.limits, rows.names, rows.levels
        if self.levels is not None:
            self.levels = self.levels[(self.levels >= bounds[0]) & (self.levels <= bounds[1])]

    def value(self, x: Floats) -> tuple[Floats, Floats]:
        return self.asked(x)

    def part(self, rows: slice) -> RowProblem:
        return self.asked.rows.part(rows)

    def rough(self, settings: int) -> RowProblem | None:
        found = None if self.roughly is not None else self.asked.rows.rough(settings)
        return self.roughly if found is None else _Asking(found, self.bounds)


def _shared(rows: RowProblem) -> _Asking:
    low, high = float(rows.lower.max()), float(rows.upper.min())
    if low > high:
        raise UsageError(
            f"no one setting is within all rows' bounds: one begins at {low:g}, another ends at {high:g}.",
            fix="Give the lever a wider rate of change, or one `now` for all.",
        )
    return _Asking(rows, (low, high))


class _Known:
    """A RowProblem of which everything that will be asked is in a table."""

    def __init__(self, rows: RowProblem, table: Table) -> None:
        self.lower, self.upper, self.levels = rows.lower, rows.upper, rows.levels
        self.limits, self.names, self.table = rows.limits, rows.names, table
        self.settings = table.x[:, 0]

    def value(self, x: Floats) -> tuple[Floats, Floats]:
        at = np.clip(np.searchsorted(self.settings, x), 0, len(self.settings) - 1)
        uses = [np.take_along_axis(each, at, 0) for each in self.table.uses]
        return np.take_along_axis(self.table.value, at, 0), np.stack(uses) if uses else np.zeros(
            (0, *x.shape)
        )

    def part(self, rows: slice) -> RowProblem:
        raise AssertionError("rows of which everything is known are asked together")

    def rough(self, settings: int) -> RowProblem | None:
        return None


class Grouped:
    """A RowProblem of groups of rows that share a setting; `group` (R,), numbered from 0."""

    def __init__(self, rows: RowProblem, group: Places) -> None:
        self.rows, self.group = rows, group
        count = int(group.max(initial=0)) + 1
        self.lower, self.upper = np.repeat(rows.lower[:1], count), np.repeat(rows.upper[:1], count)
        self.order = np.argsort(group, kind="stable")
        self.starts = np.searchsorted(group[self.order], np.arange(count))
        self.levels, self.limits, self.names = rows.levels, rows.limits, rows.names

    def value(self, x: Floats) -> tuple[Floats, Floats]:
        value, uses = self.rows.value(x[:, self.group])
        return self._sums(value), self._sums(uses)

    def _sums(self, each: Floats) -> Floats:
        return np.add.reduceat(each[..., self.order], self.starts, axis=-1)

    def part(self, rows: slice) -> RowProblem:
        raise AssertionError("a rule has few leaves")

    def rough(self, settings: int) -> RowProblem | None:
        found = self.rows.rough(settings)
        return None if found is None else Grouped(found, self.group)


def worded(found: Readable, shown: Sequence[str] = ()) -> tuple[str, ...]:
    """A sentence for each leaf, then what the rule is worth: the lever's choices may be `shown` by name."""
    lines = [
        f"{words}: {shown[int(at)] if shown else format(at, '.6g')} ({rows:,} rows)"
        for words, at, rows in found.leaves
    ]
    if isinstance(found.tree, Leaf):
        lines.append("no question among those columns betters one setting for all")
        return tuple(lines)
    mean, low, high = found.gain
    if not np.isnan(mean):
        lines.append(
            f"better than one setting for all by {number(mean)} a row ({number(low)} to {number(high)}), each chosen on the other "
            "half"
        )
    if found.own is not None and found.one > found.own:
        share = (found.one - found.value) / (found.one - found.own)
        lines.append(
            f"it keeps {share:.0%} of what a setting of its own for each row would gain over one for all"
        )
    return tuple(lines)
