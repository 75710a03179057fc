"""What a setting gains on the current practice: over draws, and as far as what was learned from data can tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.decide.judge.decision import LEVEL, Promised
from drivetrain.decide.judge.luck import luck_of_rows
from drivetrain.decide.nodes.base import Node
from drivetrain.decide.plans.plan import Plan
from drivetrain.decide.simulate.simulator import Simulator
from drivetrain.decide.solve.planned import problem_of
from drivetrain.decide.world import World
from drivetrain.evidence.winners import best_of

Floats = npt.NDArray[np.float64]
ENDS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
SURE = 0.95
"""Of the corrected interval, whose lower end decides: so that of levers that do nothing, which may be moved up or down, no more
than one in twenty is acted on."""
MOST_COMPARED = 64
"""Settings beside which the proposed one was chosen, as far as the correction is made for."""
MOST_CELLS = 5e7
"""Of settings, rows and draws that are simulated for the correction."""
DRAWS = 400


@dataclass(frozen=True, slots=True)
class Corrected:
    """The gain after what being the best of `compared` settings adds by luck, and by `shrunk`: how much less that is."""

    gain: Promised
    compared: int
    each: bool = False
    """In each row by itself: so many settings of each."""
    whole: bool = True
    """Whether all that could have been chosen is counted; where not, more of the gain may be luck."""


def promised(values: Floats, value: float, *, spread: bool = True) -> Promised:
    """A statistic of draws (D,), with the range that holds 90 % of them."""
    n = len(values)
    if n < 2 or not spread or not np.isfinite(values).all():
        return Promised(value, np.nan, np.nan, f"of {n:,} draws", n)
    low, high = (float(end) for end in np.quantile(values, ENDS))
    return Promised(value, low, high, f"{LEVEL:.0%} of {n:,} draws", n)


def estimated(plan: Plan) -> list[Node]:
    """The nodes on the way to the objective that were estimated from rows."""
    needed = plan.graph.needed(name for each in plan.objectives for name in each.expression.names)
    return [node for node in plan.nodes if node.estimated and node.name in needed]


def corrected(simulator: Simulator, now: Floats, proposed: Floats, seed: int) -> Corrected | None:
    """The gain of `proposed` (n,) on `now` (n,), both of the box, corrected for having been chosen, with an interval of what the
    rows that models were learned from leave open. None where nothing was learned, or where the objective is no mean.

    What is not known is told from what is only by chance by two simulations that have the draws of the learned models in
    common and no others: the covariance between them is of the first alone (Sobol, 1993, Mathematical Modelling and
    Computational Experiment 1:407-414, "pick and freeze").
    """
    plan = simulator.plan
    objective = plan.objectives[0]
    if not estimated(plan) or objective.statistic.kind != "mean":
        return None
    by_row = any(lever.by_row for lever in plan.levers)
    luck = luck_of_rows(plan, now, proposed, SURE) if by_row else None
    if luck is not None:
        values = simulator.simulate(np.stack([proposed, now])).objective.mean(axis=1)
        own = float(values[0] - values[1]) * (1.0 if objective.maximise else -1.0)
        low, high, value = own - luck.less, own + luck.more, own - luck.mean
        method = f"data fission and a band over all choices of {luck.settings} settings in each row"
        told = Promised(value, min(low, value), max(high, value), method, plan.count, SURE)
        return Corrected(told, luck.settings, each=True)
    draws = min(plan.draws, DRAWS)
    first, second = (Simulator(plan.with_draws(draws)) for _ in range(2))
    kept = frozenset(name for node in plan.nodes for name in node.estimated)
    seed_of_others = (plan.seed + 1) % 2**64
    second.world = _Anew(draws, plan.count, seed_of_others, kept=kept, first=first.world)
    x = candidates(simulator, now, proposed, draws)
    sign = 1.0 if objective.maximise else -1.0
    a = sign * first.simulate(x).objective
    b = sign * second.simulate(x).objective
    gains = (a + b).mean(axis=1) / 2
    gains = gains - gains[0]
    a, b = (each - each[:1] for each in (a, b))
    a, b = (each - each.mean(axis=1, keepdims=True) for each in (a, b))
    covariance = (a @ b.T + b @ a.T) / (2 * (draws - 1))
    best = best_of(gains, _positive(covariance), confidence=SURE, seed=seed)
    # By how much being chosen made the best look better; of the proposed, which a solver found to more digits, as much.
    lucky = best.naive - best.value
    own = float(gains[1])
    method = f"data fission and the hybrid interval of a winner, of {len(x):,} settings"
    shift = own - best.naive
    return Corrected(
        Promised(own - lucky, best.low + shift, best.high + shift, method, draws, SURE),
        len(x),
        whole=not by_row,
    )


def candidates(simulator: Simulator, now: Floats, proposed: Floats, draws: int) -> Floats:
    """Settings (K, n) among which the proposed one was the best: now, the proposed, and along each lever some between its
    bounds; of a lever with a value per row the same for all rows. Those that break a constraint are none."""
    plan = simulator.plan
    room = max(8, min(MOST_COMPARED, int(MOST_CELLS / (plan.count * draws))))
    points = max(2, room // len(simulator.slices))
    made = list[Floats]()
    for places in simulator.slices.values():
        low, high = simulator.lower[places], simulator.upper[places]
        low, high = (
            np.where(np.isfinite(low), low, proposed[places]),
            np.where(np.isfinite(high), high, proposed[places]),
        )
        for share in np.linspace(0, 1, points):
            x = proposed.copy()
            x[places] = low + share * (high - low)
            made.append(x)
    others = problem_of(simulator).box.nearest(np.stack(made))
    _, excess = simulator.evaluate(others)
    fine = (excess <= 1e-9).all(axis=1)
    return np.concatenate([now[None], proposed[None], np.unique(others[fine], axis=0)])


def _positive(covariance: Floats) -> Floats:
    """The nearest covariance that is one: what simulation left below 0 is 0."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.maximum(values, 0)) @ vectors.T


@dataclass(frozen=True, slots=True)
class _Anew(World):
    """A world in which everything falls otherwise, but for the chances `kept`, which are as in the `first`."""

    kept: frozenset[str] = frozenset()
    first: World | None = None

    def uniform(self, name: str, *, each_row: bool = False) -> Floats:
        if name in self.kept and self.first is not None:
            return self.first.part(self.places).uniform(name, each_row=each_row)
        return World.uniform(self, name, each_row=each_row)
