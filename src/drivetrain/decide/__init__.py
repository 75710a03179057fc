"""From a model to what to do: objective, levers, data and models -> simulator -> optimiser -> a decision and how sure it is.

The rooms, in the way of the data: `expressions` (what a person writes), `nodes` (what moves what; of bundles by `bundles` and
`answers`), `plans` (levers, objective and constraints put together), `simulate` (what settings come to, in a `world.py` of draws),
`solve` (the best of them, and its proof), `judge` (whether to act on it), `follow` (what came of it, and the next plan).
"""

from typing import TYPE_CHECKING

from drivetrain.lazily import attributes, listing

if TYPE_CHECKING:
    from drivetrain.decide.deciding import decide as decide
    from drivetrain.decide.follow.drawn import Thompson as Thompson
    from drivetrain.decide.follow.drawn import epsilon_greedy as epsilon_greedy
    from drivetrain.decide.follow.exploring import explore as explore
    from drivetrain.decide.follow.learning import learn_from as learn_from
    from drivetrain.decide.follow.promises import outcomes as outcomes
    from drivetrain.decide.follow.replaying import replay as replay
    from drivetrain.decide.judge.decision import Decision as Decision
    from drivetrain.decide.judge.decision import open_decision as open_decision
    from drivetrain.decide.nodes.bundle import bundle as bundle
    from drivetrain.decide.nodes.chance import chance as chance
    from drivetrain.decide.nodes.forecast import forecast as forecast
    from drivetrain.decide.nodes.formula import formula as formula
    from drivetrain.decide.nodes.function import function as function
    from drivetrain.decide.nodes.learn import learned as learned
    from drivetrain.decide.nodes.table import table as table
    from drivetrain.decide.plans.lever import Lever as Lever
    from drivetrain.decide.plans.lever import Rule as Rule
    from drivetrain.decide.plans.objective import Constraint as Constraint
    from drivetrain.decide.plans.objective import Objective as Objective
    from drivetrain.decide.plans.objective import constraint as constraint
    from drivetrain.decide.plans.objective import maximise as maximise
    from drivetrain.decide.plans.objective import minimise as minimise
    from drivetrain.decide.plans.plan import Plan as Plan
    from drivetrain.decide.simulate.simulator import Simulator as Simulator
    from drivetrain.effects.claim import Claim as Claim

_MODULES = {
    "Claim": "drivetrain.effects.claim",
    "Constraint": "drivetrain.decide.plans.objective",
    "Decision": "drivetrain.decide.judge.decision",
    "Lever": "drivetrain.decide.plans.lever",
    "Objective": "drivetrain.decide.plans.objective",
    "Plan": "drivetrain.decide.plans.plan",
    "Rule": "drivetrain.decide.plans.lever",
    "Simulator": "drivetrain.decide.simulate.simulator",
    "Thompson": "drivetrain.decide.follow.drawn",
    "bundle": "drivetrain.decide.nodes.bundle",
    "chance": "drivetrain.decide.nodes.chance",
    "constraint": "drivetrain.decide.plans.objective",
    "decide": "drivetrain.decide.deciding",
    "epsilon_greedy": "drivetrain.decide.follow.drawn",
    "explore": "drivetrain.decide.follow.exploring",
    "forecast": "drivetrain.decide.nodes.forecast",
    "formula": "drivetrain.decide.nodes.formula",
    "function": "drivetrain.decide.nodes.function",
    "learned": "drivetrain.decide.nodes.learn",
    "learn_from": "drivetrain.decide.follow.learning",
    "maximise": "drivetrain.decide.plans.objective",
    "minimise": "drivetrain.decide.plans.objective",
    "open_decision": "drivetrain.decide.judge.decision",
    "outcomes": "drivetrain.decide.follow.promises",
    "replay": "drivetrain.decide.follow.replaying",
    "table": "drivetrain.decide.nodes.table",
}
__all__ = [*_MODULES]  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__ = attributes(__name__, _MODULES)
__dir__ = listing(_MODULES)
