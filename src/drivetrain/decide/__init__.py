"""From a model to what to do: objective, levers, data and models -> simulator -> optimiser -> a decision and how sure it is."""

from typing import TYPE_CHECKING

from drivetrain.lazily import attributes

if TYPE_CHECKING:
    from drivetrain.decide.claim import Claim as Claim
    from drivetrain.decide.deciding import decide as decide
    from drivetrain.decide.decision import Decision as Decision
    from drivetrain.decide.decision import open_decision as open_decision
    from drivetrain.decide.drawn import Thompson as Thompson
    from drivetrain.decide.drawn import epsilon_greedy as epsilon_greedy
    from drivetrain.decide.exploring import explore as explore
    from drivetrain.decide.learning import learn_from as learn_from
    from drivetrain.decide.lever import Lever as Lever
    from drivetrain.decide.lever import Rule as Rule
    from drivetrain.decide.nodes.chance import chance as chance
    from drivetrain.decide.nodes.formula import formula as formula
    from drivetrain.decide.nodes.function import function as function
    from drivetrain.decide.nodes.learn import learned as learned
    from drivetrain.decide.nodes.table import table as table
    from drivetrain.decide.objective import Constraint as Constraint
    from drivetrain.decide.objective import Objective as Objective
    from drivetrain.decide.objective import constraint as constraint
    from drivetrain.decide.objective import maximise as maximise
    from drivetrain.decide.objective import minimise as minimise
    from drivetrain.decide.plan import Plan as Plan
    from drivetrain.decide.promises import outcomes as outcomes
    from drivetrain.decide.replaying import replay as replay
    from drivetrain.decide.simulator import Simulator as Simulator

_MODULES = {
    "Claim": "drivetrain.decide.claim",
    "Constraint": "drivetrain.decide.objective",
    "Decision": "drivetrain.decide.decision",
    "Lever": "drivetrain.decide.lever",
    "Objective": "drivetrain.decide.objective",
    "Plan": "drivetrain.decide.plan",
    "Rule": "drivetrain.decide.lever",
    "Simulator": "drivetrain.decide.simulator",
    "Thompson": "drivetrain.decide.drawn",
    "chance": "drivetrain.decide.nodes.chance",
    "constraint": "drivetrain.decide.objective",
    "decide": "drivetrain.decide.deciding",
    "epsilon_greedy": "drivetrain.decide.drawn",
    "explore": "drivetrain.decide.exploring",
    "formula": "drivetrain.decide.nodes.formula",
    "function": "drivetrain.decide.nodes.function",
    "learned": "drivetrain.decide.nodes.learn",
    "learn_from": "drivetrain.decide.learning",
    "maximise": "drivetrain.decide.objective",
    "minimise": "drivetrain.decide.objective",
    "open_decision": "drivetrain.decide.decision",
    "outcomes": "drivetrain.decide.promises",
    "replay": "drivetrain.decide.replaying",
    "table": "drivetrain.decide.nodes.table",
}
__all__ = [*_MODULES]  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__ = attributes(__name__, _MODULES)
