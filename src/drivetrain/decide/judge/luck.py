"""How much of the gain of a setting for each row is luck: each row took what looked best in it, by what was learned with error.

A plan that gives each row its own setting chooses once for each row, all by the same few coefficients. What these may be off by
moves all rows at once, so that the rows' luck doesn't average out: learned from 1,000 rows of nothing but noise, with five columns
on which the effect may depend, such a plan promises a gain, always.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.plans.plan import Plan
from drivetrain.decide.simulate.simulator import Simulator
from drivetrain.decide.solve.by_row.apart import Apart, apart
from drivetrain.decide.solve.by_row.asked import between
from drivetrain.decide.solve.by_row.readable import SHARE
from drivetrain.decide.solve.by_row.tree import Column, best_tree, leaf_of, leaves
from drivetrain.decide.solve.planned import problem_of
from drivetrain.decide.world import World
from drivetrain.evidence.winners import NOISE

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
DRAWS, DRAWS_OF_RULES = 400, 100
POINTS = 9
"""Settings of a number that are looked at, beside now and the proposed one."""
MOST_LEVELS = 33
MOST_CELLS, MOST_IF_DEAR, MOST_OF_RULES = 1 << 22, 1 << 20, 1 << 18
"""Of settings, rows and draws: of more rows so many are looked at, evenly from all. What is luck in all alike is seen in some."""
STEPS = 30
"""Of halving, for the price of a limit."""
CHANCES = 8
"""Of all that falls by the world's chance so much is tried, the same beside all coefficients."""


@dataclass(frozen=True, slots=True)
class Luck:
    """Of a gain over all rows: `mean`, what having chosen adds on average; `less` and `more`, by how much the gain may be less and
    more. `settings` of each row were looked at."""

    mean: float
    less: float
    more: float
    settings: int


def luck_of_rows(plan: Plan, now: Floats, proposed: Floats, sure: float) -> Luck | None:
    """Of a plan with one lever, which has a value for each row: `now` and `proposed` (rows,). None where the plan is another.

    With w the error of the coefficients the gain of settings s(r) is off by the sum over rows of e(r, s(r), w). However they were
    chosen, that is at most M(w), the sum over rows of the largest of e(r, s, w) over s: a quantile of M, over draws of w, holds
    for all choices at once (as Scheffe, 1953, Biometrika 40:87-104, with the choices that there are in place of all contrasts).
    `mean` comes of data fission, as in evidence.winners, here of the coefficients: each row chooses by them with a noise added,
    and is measured by them with it subtracted. Where sums over rows have limits, both are of choices that keep to them; of a lever
    by a rule they are of such rules (under limits too, of all choices).
    """
    rows = _rows(plan, 0)
    if rows is None:
        return None
    x = _settings(rows, now, proposed)
    rule = plan.levers[0].rule
    draws = DRAWS_OF_RULES if rule is not None else DRAWS
    most = MOST_IF_DEAR if len(rows.limits) else MOST_OF_RULES if rule is not None else MOST_CELLS
    step = -(-plan.count * len(x) * draws // most)
    some = slice(step // 2, None, step)
    gains, uses = _table(plan, some, x[:, some], draws)
    if not np.isfinite(gains[:, 0]).all():
        return None  # What is done now breaks what must hold in each row.
    gains = gains - gains[:, :1]
    share = plan.count / gains.shape[2]
    choose = _Choice(uses, rows.limits / share) if rule is None or len(rows.limits) else _Trees(plan, some)
    mean = np.where(np.isfinite(gains).all(axis=0), gains.mean(axis=0), -np.inf)
    off = np.where(np.isfinite(mean), gains - mean, 0.0)
    chosen, added = choose(mean[None])[0], list[Floats]()
    for noise in (off, -off):
        found = choose(mean + NOISE * noise)[0]
        added.append(_at(mean[None], chosen) - _at(mean - noise / NOISE, found))
    either = [choose(np.where(np.isfinite(mean), each, -np.inf))[1] for each in (off, -off)]
    worst: Floats = np.concatenate(either)
    tail = (1 - sure) / 2
    own: Floats = off[:, 1].sum(axis=1)
    less, more = float(np.quantile(worst, 1 - tail)), float(np.quantile(np.abs(own), sure))
    return Luck(share * float(np.concatenate(added).mean()), share * less, share * more, int(x.shape[0]))


def _rows(plan: Plan, at: int) -> Apart | None:
    """The rows of a plan in which nothing but what was estimated differs from draw to draw: all else falls as in draw `at`."""
    made = plan.with_draws(DRAWS)
    made.graph = replace(plan.graph, nodes=tuple(each.expected() for each in plan.nodes))
    kept = frozenset(name for node in plan.nodes for name in node.estimated)
    return apart(problem_of(Simulator(made)), _Frozen(DRAWS, plan.count, plan.seed, kept=kept, at=at))


def _settings(rows: Apart, now: Floats, proposed: Floats) -> Floats:
    """(S, R): now, the proposed, and some between each row's bounds."""
    levels = rows.levels
    if levels is None:
        return np.concatenate([now[None], proposed[None], between(rows.lower, rows.upper, POINTS)])
    some = levels[np.unique(np.linspace(0, len(levels) - 1, min(len(levels), MOST_LEVELS)).astype(np.intp))]
    inside = np.clip(some[:, None], rows.lower, rows.upper)
    return np.concatenate([now[None], proposed[None], inside])


def _table(plan: Plan, some: slice, x: Floats, draws: int) -> tuple[Floats, Floats]:
    """(D, S, R) what each row's settings bring, by each draw of what was estimated, and (C, S, R) what they use."""
    needed = plan.graph.needed(name for each in plan.objectives for name in each.expression.names)
    chances = any(node.by_chance and not node.estimated for node in plan.nodes if node.name in needed)
    total, uses, many = np.zeros((draws, *x.shape)), np.zeros(0), CHANCES if chances else 1
    for at in range(many):
        whole = _rows(plan, at * (DRAWS // many))
        assert whole is not None  # As it was before.
        rows = whole.part(some)
        if not uses.size:
            uses = np.zeros((len(rows.limits), *x.shape))
        for draw in range(draws):
            value, used = rows.of_draws(x, slice(draw, draw + 1))
            total[draw] -= value / many
            uses += used / (many * draws)
    return total, uses


def _at(values: Floats, chosen: Places) -> Floats:
    """(D,): the sum over rows of values (D or 1, S, R) at what was chosen (D or 1, R)."""
    draws = max(len(values), len(chosen))
    values = np.broadcast_to(values, (draws, *values.shape[1:]))
    return np.take_along_axis(values, np.broadcast_to(chosen, (draws, chosen.shape[1]))[:, None], axis=1)[
        :, 0
    ].sum(axis=1)


class _Choice:
    """Chooses in each row what scores most, with the sums over rows of `uses` (C, S, R) kept to at most `limits` (C,)."""

    def __init__(self, uses: Floats, limits: Floats) -> None:
        self.uses, self.limits = uses, limits

    def __call__(self, score: Floats) -> tuple[Places, Floats]:
        """Of (D, S, R): what is chosen (D, R), and (D,) what no choice within the limits sums to more than."""
        prices = np.zeros((len(score), len(self.limits)))
        for place in range(len(self.limits)):
            low, high = np.zeros(len(score)), np.full(len(score), np.nan)
            at = np.zeros(len(score))
            for _ in range(STEPS):
                prices[:, place] = at
                over = self._used(self._chosen(score, prices), place) > self.limits[place] + 1e-9
                low, high = np.where(over, at, low), np.where(over, high, at)
                scale = float(np.abs(score[np.isfinite(score)]).max(initial=1e-12))
                at = np.where(np.isnan(high), np.maximum(2 * at, 1e-3 * scale), (low + high) / 2)
            prices[:, place] = np.where(np.isnan(high), low, high)
        chosen = self._chosen(score, prices)
        priced = self._priced(score, prices)
        return chosen, priced.max(axis=1).sum(axis=1) + prices @ self.limits

    def _priced(self, score: Floats, prices: Floats) -> Floats:
        return score - np.einsum("dc,csr->dsr", prices, self.uses) if len(self.limits) else score

    def _chosen(self, score: Floats, prices: Floats) -> Places:
        return self._priced(score, prices).argmax(axis=1)

    def _used(self, chosen: Places, place: int) -> Floats:
        return _at(self.uses[place][None], chosen)


class _Trees:
    """Chooses by the rule of a plan's lever: the best tree of each draw."""

    def __init__(self, plan: Plan, some: slice) -> None:
        rule, rows = plan.levers[0].rule, plan.rows
        assert rule is not None
        assert rows is not None
        self.depth = rule.depth
        self.columns = [Column(name, rows.of(name)[some], rows.levels.get(name, ())) for name in rule.of]

    def __call__(self, score: Floats) -> tuple[Places, Floats]:
        """As _Choice does."""
        count = score.shape[2]
        never = 1e6 * (1.0 + float(np.nan_to_num(np.abs(score), posinf=0.0).max()))
        of, least = {each.name: each.values for each in self.columns}, max(int(np.ceil(SHARE * count)), 1)
        chosen = np.empty((len(score), count), np.intp)
        for draw, each in enumerate(score):
            costs: Floats = np.where(np.isfinite(each), -each, never)
            tree = best_tree(np.ascontiguousarray(costs.T), self.columns, self.depth, least)
            chosen[draw] = np.array([place for _, place in leaves(tree)])[leaf_of(tree, of, count)]
        return chosen, _at(score, chosen)


@dataclass(frozen=True, slots=True)
class _Frozen(World):
    """A world in which all but the chances `kept` falls as it does in draw `at`."""

    kept: frozenset[str] = frozenset()
    at: int = 0

    def order(self, name: str, *, each_row: bool) -> npt.NDArray[Any]:
        found = World.order(self, name, each_row=each_row)
        return found if name in self.kept else np.broadcast_to(found[:, self.at, None], found.shape)
