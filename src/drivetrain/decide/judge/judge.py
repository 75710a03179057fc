"""From a solution to a decision: what is promised, whether to act on it, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.beyond import Beyond
from drivetrain.decide.judge.constraints import constraints_at
from drivetrain.decide.judge.decision import Asked, Decision, Judged, Moved, Outlook, Rests, Result
from drivetrain.decide.judge.gains import Corrected, corrected, estimated, promised
from drivetrain.decide.judge.moves import moved, plain
from drivetrain.decide.judge.pictures import charts
from drivetrain.decide.judge.recipe import recipe
from drivetrain.decide.judge.resting import rests
from drivetrain.decide.judge.trade import beside_others
from drivetrain.decide.judge.trade import to_json as trade_json
from drivetrain.decide.judge.trade import words as words_of_trade
from drivetrain.decide.judge.trying import try_first
from drivetrain.decide.judge.turning import turning
from drivetrain.decide.judge.verdict import Weighed, verdict
from drivetrain.decide.plans.lever import Lever
from drivetrain.decide.plans.objective import Objective
from drivetrain.decide.plans.plan import Plan
from drivetrain.decide.simulate.simulator import Outcomes, Simulator
from drivetrain.decide.solve.pareto import Front
from drivetrain.decide.solve.solution import Solution
from drivetrain.figures import counted, number, rough

Floats = npt.NDArray[np.float64]
ROUNDING = BREAKS = 1e-9
MATERIAL = 0.01
"""Of rows, and of how far what was observed goes: what is no more beyond it is told, and doesn't stop anybody."""
SOME_CELLS = 1_000_000
"""Rows times draws of which it is looked at what lies beyond what was observed."""
AVERAGE = "there is no current practice for {}: it is held against the average of what was observed"


@dataclass(frozen=True, slots=True)
class Practice:
    """What is done now, as a setting (n,), and what had to be put for it where nobody said."""

    x: Floats
    notes: tuple[str, ...]


def practice(simulator: Simulator) -> Practice | None:
    """The current practice; for levers of which nobody said, the average of what was observed. None where that is unknown too."""
    x, notes = simulator.now.copy(), list[str]()
    for lever in simulator.plan.levers:
        places = simulator.slices[lever.name]
        if not np.isnan(x[places]).any():
            continue
        if lever.tried is None:
            return None
        seen = lever.tried
        x[places] = seen.mean() if lever.is_number else np.bincount(seen.astype(np.int64)).argmax()
        notes.append(AVERAGE.format(lever.name))
    return Practice(x, tuple(notes))


@np.errstate(over="ignore", invalid="ignore")  # Squares of what is very large.
def judge(
    simulator: Simulator,
    solution: Solution,
    *,
    worst: Solution | None = None,
    trade: Front | None = None,
) -> Decision:
    """The decision that a solution of the plan's first objective is; of several objectives one on the `trade` between them."""
    plan = simulator.plan
    if trade is not None:
        solution = replace(solution, certificate=beside_others(solution.certificate))
    objective, before = _with_unit(plan), practice(simulator)
    proposed = _at_ends(simulator, simulator.join({**solution.levers})[0])
    x = proposed[None] if before is None else np.stack([proposed, before.x])
    outcomes = simulator.simulate(x)
    better = 1.0 if objective.maximise else -1.0
    values = _paid(outcomes, better)
    if before is not None and trade is None and _stays(simulator, before, values, outcomes):
        solution, proposed = replace(solution, duals={}), before.x
        outcomes = simulator.simulate(np.stack([proposed, proposed]))
        values = _paid(outcomes, better)
    gains = None if before is None else better * (values[0] - values[1])
    luck = None if before is None else corrected(simulator, before.x, proposed, plan.seed)
    result = _result(objective, values, gains, luck)
    levers = tuple(_moved(simulator, lever_at, before, proposed, solution) for lever_at in plan.levers)
    beyond = _beyond(simulator, levers, proposed)
    constraints = constraints_at(simulator, proposed, solution)
    claim = plan.claim()
    resting = rests(plan)
    weighed = Weighed(
        result, claim, beyond, _risky(simulator, resting, beyond, proposed), constraints, solution.certificate, resting.words,
        learned=bool(estimated(plan)), unmeasured=_unmeasured(plan), known=before is not None and not before.notes,
        numerical=_numerical(gains, objective), rule=any(each.rule is not None for each in plan.levers),
        broken=() if before is None else _broken(plan, outcomes.measured.excess[1]), once=_once(plan),
        spread=0.0 if gains is None else float(np.ptp(gains)), each=luck is not None and luck.each,
        whole=luck is None or luck.whole,
    )  # fmt: skip
    judged = verdict(weighed)
    if trade is not None:
        judged = Judged("comparison only", False, words_of_trade(plan, trade), judged.because)
    pictures = charts(simulator, None if before is None else before.x, proposed, gains)
    trial = try_first(simulator, result, levers, proposed, objective.unit)
    means = {name: values[0] for name, values in outcomes.mean.items()}
    return Decision(
        name=plan.name, words=_headline(judged, levers, result, objective, bool(before and before.notes)),
        objective=_asked(plan, objective),
        rows=plan.count, draws=plan.draws, seed=plan.seed, simulated=plan.simulated, levers=levers, result=result,
        verdict=judged, certificate=solution.certificate.to_json(), constraints=constraints, rests_on=resting,
        extrapolates=beyond, could_turn=turning(plan, means, gains), worst=_worst(simulator, worst, result, objective),
        try_first=trial, charts=pictures | {"front": None if trade is None else trade_json(plan, trade)},
        promise=_promise(plan, outcomes), notes=_notes(plan, objective, before, solution, float(outcomes.measured.penalty[0])),
        replay=recipe(plan), decided=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip


def _paid(outcomes: Outcomes, better: float) -> Floats:
    """The objective's draws, less what soft constraints cost."""
    return outcomes.objective - better * outcomes.measured.penalty[:, None]


def _stays(simulator: Simulator, before: Practice, values: Floats, outcomes: Outcomes) -> bool:
    """Whether what is done now may be done, and nothing better was found: then nobody is told to change it."""
    plan, objective = simulator.plan, simulator.plan.objectives[0]
    if before.notes or any(each.rule is not None for each in plan.levers):
        return False
    told = objective.statistic.of(values, worst_is_low=objective.worst_is_low)
    if not (told[0] <= told[1] if objective.maximise else told[0] >= told[1]):
        return False
    return np.array_equal(simulator.nearest(before.x), before.x) and not _broken(
        plan, outcomes.measured.excess[1]
    )


def _at_ends(simulator: Simulator, x: Floats) -> Floats:
    """A setting (n,), of which what is a rounding error away from a bound is the bound: nobody sets a price of 2e-17."""
    for end in (simulator.lower, simulator.upper):
        near = np.isfinite(end) & (np.abs(x - end) <= ROUNDING * np.maximum(1.0, np.abs(end)))
        x = np.where(near, end, x)
    return x


def _with_unit(plan: Plan) -> Objective:
    """The first objective, in the unit of the outcome that it is, where nobody said another."""
    objective = plan.objectives[0]
    if objective.statistic.kind in ("below", "above"):  # A chance is one of nothing.
        return replace(objective, unit="")
    return replace(objective, unit=objective.unit or plan.units.get(objective.expression.text, ""))


def _result(objective: Objective, values: Floats, gains: Floats | None, luck: Corrected | None) -> Result:
    """Of the objective's draws (1 or 2, D) at the proposed setting, and now."""
    statistic = objective.statistic
    of_draws = statistic.kind in ("mean", "quantile", "cvar")
    told = statistic.of(values, worst_is_low=objective.worst_is_low)
    proposed = promised(values[0], float(told[0]), spread=of_draws)
    if gains is None:
        return Result(None, proposed, None, None, None, np.nan, np.nan, np.nan, np.nan)
    now = promised(values[1], float(told[1]), spread=of_draws)
    gain = float(told[0] - told[1]) * (1.0 if objective.maximise else -1.0)
    nothing = 1e-14 * float(np.abs(values).max())
    return Result(
        now, proposed, promised(gains, gain, spread=statistic.kind == "mean"), None if luck is None else luck.gain,
        None if luck is None else luck.compared, gain / abs(now.value) if now.value else np.nan, max(gain, 0.0),
        float((gains > nothing).mean()), float((gains < -nothing).mean()),
    )  # fmt: skip


def _broken(plan: Plan, excess: Floats) -> tuple[str, ...]:
    """The hard constraints that the current practice breaks."""
    return tuple(
        each.name
        for each, over in zip(plan.constraints, excess)
        if each.soft is None and over > BREAKS * max(1.0, abs(over))
    )


def _numerical(gains: Floats | None, objective: Objective) -> float:
    """By how much the gain may be off because only so many draws were made: two standard errors of the mean over draws."""
    if gains is None or objective.statistic.kind != "mean" or len(gains) < 2:
        return 0.0
    return 2 * float(gains.std(ddof=1)) / len(gains) ** 0.5


def _unmeasured(plan: Plan) -> tuple[str, ...]:
    """Models of which it is known how sure they are of an outcome, but not of what a lever does to it."""
    return tuple(node.name for node in plan.nodes if node.foretells and plan.depends(node.inputs))


def _once(plan: Plan) -> tuple[str, ...]:
    """The chances on the way to the objective that a person wrote, and that are the same in all rows and periods of a draw."""
    needed = plan.graph.needed(name for each in plan.objectives for name in each.expression.names)
    return tuple(node.name for node in plan.nodes if node.falls_once and node.name in needed)


def _moved(
    simulator: Simulator, lever: Any, before: Practice | None, proposed: Floats, solution: Solution
) -> Moved:
    places = simulator.slices[lever.name]
    tree = tuple(note for note in solution.notes if lever.rule is not None)
    return moved(lever, None if before is None else before.x[places], proposed[places], tree)


def _beyond(simulator: Simulator, levers: tuple[Moved, ...], proposed: Floats) -> tuple[Beyond, ...]:
    """Levers outside of what was observed, and inputs of models outside of what these were made of."""
    found = [
        Beyond("lever", lever.name, float(lever.extrapolates["share"]), str(lever.extrapolates["words"]))
        for lever in levers
        if lever.extrapolates is not None
    ]
    some = slice(0, max(1, min(simulator.plan.draws, SOME_CELLS // simulator.plan.count)))
    values = simulator.values(proposed[None], draws=some)
    for node in simulator.plan.nodes:
        found += node.beyond({name: values[name] for name in node.inputs})
    names = [each.name for each in found]
    return tuple(each for at, each in enumerate(found) if each.name not in names[:at])


def _risky(
    simulator: Simulator, resting: Rests, beyond: tuple[Beyond, ...], proposed: Floats
) -> tuple[Beyond, ...]:
    """What lies so far beyond all that was observed, and in so many rows, that models may be wrong there; levers whose effect is
    one by definition don't."""
    sure = {path["lever"] for path in resting.paths if path["claim"] == "definition"}
    near = {
        lever.name for lever in simulator.plan.levers if _near(lever, proposed[simulator.slices[lever.name]])
    }
    return tuple(
        each
        for each in beyond
        if each.share >= MATERIAL and (each.what != "lever" or each.name not in sure | near)
    )


def _near(lever: Lever, values: Floats) -> bool:
    """Whether all but few of a number's values are within, or hardly outside of, what was observed."""
    if lever.tried is None or not lever.is_number:
        return False
    low, high = float(lever.tried.min()), float(lever.tried.max())
    slack = MATERIAL * (high - low)
    return float(((values < low - slack) | (values > high + slack)).mean()) < MATERIAL


def _asked(plan: Plan, objective: Objective) -> Asked:
    words = "; ".join(_wanted(plan, each) for each in (objective, *plan.objectives[1:]))
    return Asked(
        "maximise" if objective.maximise else "minimise", objective.expression.text, objective.over,
        str(objective.statistic), objective.horizon, objective.discount, objective.unit, words,
    )  # fmt: skip


def _wanted(plan: Plan, objective: Objective) -> str:
    rows = (
        f", {'summed' if objective.over == 'sum' else 'on average'} over {plan.count:,} rows"
        if plan.count > 1
        else ""
    )
    time = f", over {objective.horizon} periods" if objective.horizon > 1 else ""
    if time and objective.discount:
        time += f" at {100 * objective.discount:g} % a period"
    what = f"{objective.expression.text}{rows}{time}"
    return _of_statistic(objective, what, counted(plan.draws, "draw", "draws"))


def _of_statistic(objective: Objective, what: str, draws: str) -> str:
    """What is asked for, in words."""
    most, statistic = "the most" if objective.maximise else "the least", objective.statistic
    if statistic.kind in ("below", "above"):
        return f"{most} chance that {what}, is {statistic.kind} {number(statistic.at)}, of {draws}"
    ends = {"quantile": f"at the {100 * statistic.at:g} % quantile of {draws}"}
    ends["cvar"] = f"on average over the worst {100 * statistic.at:g} % of {draws}"
    unit = f" {objective.unit}" if objective.unit else ""
    return f"{most}{unit} of {what}, {ends.get(statistic.kind, f'on average over {draws}')}"


def _promise(plan: Plan, outcomes: Outcomes) -> tuple[Outlook, ...]:
    """Of each outcome that levers move, its mean over rows at the proposed setting, with the range of 90 % of the draws."""
    found = list[Outlook]()
    for node in plan.nodes:
        if plan.depends(node.name) and node.name in outcomes.mean:
            values = outcomes.mean[node.name][0]
            each = promised(values, float(values.mean()))
            found.append(Outlook(node.name, each.value, each.low, each.high, node.unit))
    return tuple(found)


def _worst(
    simulator: Simulator, worst: Solution | None, result: Result, objective: Objective
) -> Mapping[str, Any] | None:
    if worst is None:
        return None
    levers = {
        lever.name: plain(lever, float(np.median(np.atleast_1d(worst.levers[lever.name]))))
        for lever in simulator.plan.levers
    }
    beside = result.proposed.value if result.now is None else result.now.value
    lost = abs(beside - worst.objective)
    than = "the proposed setting" if result.now is None else "now"
    words = f"the worst setting comes to {rough(worst.objective)} {objective.unit}".rstrip()
    return {
        "levers": levers,
        "objective": worst.objective,
        "words": f"{words}, {rough(lost)} worse than {than}",
    }


def _notes(
    plan: Plan, objective: Objective, before: Practice | None, solution: Solution, penalty: float
) -> tuple[str, ...]:
    notes = [] if before is None else [*before.notes]
    if before is None:
        notes.append("nobody said what is done now (`now` of each lever), so that no gain can be told")
    if objective.statistic.kind != "mean":
        expected = [node.name for node in plan.nodes if node.drawn() is not node]
        if expected:
            notes.append(
                f"{', '.join(expected)} is what is expected and not what comes of it in each row, so that the "
                f'{objective.statistic} knows less risk than there is: draws = "each" draws that'
            )
    if penalty > 0:
        notes.append(
            f"soft constraints are broken, at a price of {rough(penalty)}, which is in all that is told of the objective"
        )
    if plan.simulated:
        notes.append("the data are simulated")
    rules = any(lever.rule is not None for lever in plan.levers)
    return (*notes, *(() if rules else solution.notes))


def _headline(
    judged: Judged, levers: tuple[Moved, ...], result: Result, objective: Objective, averaged: bool
) -> str:
    unit = f" {objective.unit}" if objective.unit else ""
    said = "; ".join(lever.words for lever in levers[:4])
    if len(levers) > 4:
        said += f"; and {len(levers) - 4} more levers"
    gain = result.gain
    if gain is None:
        told = f"It comes to {rough(result.proposed.value)}{unit}."
    else:
        than = "the average of what was tried" if averaged else "now"
        told = f"Expected gain on {than} {rough(gain.value)}{unit}"
        if gain.high - gain.low > 1e-9 * max(abs(gain.value), 1e-9):
            told += f" (90 % of draws: {rough(gain.low)} to {rough(gain.high)})"
        if result.corrected is not None:
            fixed = result.corrected
            ends = f"95 % interval {rough(fixed.low)} to {rough(fixed.high)}"
            told += f"; corrected for having chosen the best {rough(fixed.value)} ({ends})"
        told += "."
    return f"{said}. {told} {judged.words}"
