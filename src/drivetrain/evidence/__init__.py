"""Weigh a claim: its effect, interval and p-value, its power, and whether to act on it or to look again first."""

from typing import TYPE_CHECKING

from drivetrain.lazily import attributes, listing

if TYPE_CHECKING:
    from drivetrain.evidence.design import Experiment as Experiment
    from drivetrain.evidence.design import experiment as experiment
    from drivetrain.evidence.detection import Opposite as Opposite
    from drivetrain.evidence.detection import could_have_shown as could_have_shown
    from drivetrain.evidence.detection import power as power
    from drivetrain.evidence.detection import size_for as size_for
    from drivetrain.evidence.detection import smallest_effect as smallest_effect
    from drivetrain.evidence.effect import Effect as Effect
    from drivetrain.evidence.effect import Verdict as Verdict
    from drivetrain.evidence.effect import difference as difference
    from drivetrain.evidence.effect import from_estimate as from_estimate
    from drivetrain.evidence.effect import weigh as weigh
    from drivetrain.evidence.information import Worth as Worth
    from drivetrain.evidence.information import evpi as evpi
    from drivetrain.evidence.information import evpi_normal as evpi_normal
    from drivetrain.evidence.information import evsi as evsi
    from drivetrain.evidence.information import evsi_binomial as evsi_binomial
    from drivetrain.evidence.information import evsi_normal as evsi_normal
    from drivetrain.evidence.information import worth_it as worth_it
    from drivetrain.evidence.null import Null as Null
    from drivetrain.evidence.null import permutation_test as permutation_test
    from drivetrain.evidence.null import simulate_null as simulate_null
    from drivetrain.evidence.priors import BetaPosterior as BetaPosterior
    from drivetrain.evidence.priors import NormalPosterior as NormalPosterior
    from drivetrain.evidence.priors import Sensitivity as Sensitivity
    from drivetrain.evidence.priors import beta_binomial as beta_binomial
    from drivetrain.evidence.priors import normal_normal as normal_normal
    from drivetrain.evidence.priors import prior_sensitivity as prior_sensitivity
    from drivetrain.evidence.regression import regress as regress
    from drivetrain.evidence.resampling import bootstrap as bootstrap
    from drivetrain.evidence.sequential import Running as Running
    from drivetrain.evidence.sequential import betting as betting
    from drivetrain.evidence.sequential import boundary as boundary
    from drivetrain.evidence.sequential import running_difference as running_difference
    from drivetrain.evidence.sequential import running_mean as running_mean
    from drivetrain.evidence.table import Choice as Choice
    from drivetrain.evidence.table import Table as Table
    from drivetrain.evidence.table import weigh_action as weigh_action
    from drivetrain.evidence.variables import Together as Together
    from drivetrain.evidence.variables import together as together
    from drivetrain.evidence.winners import Winner as Winner
    from drivetrain.evidence.winners import best_of as best_of
    from drivetrain.evidence.winners import best_of_draws as best_of_draws

_MODULES = {
    "BetaPosterior": "drivetrain.evidence.priors",
    "Choice": "drivetrain.evidence.table",
    "Effect": "drivetrain.evidence.effect",
    "Experiment": "drivetrain.evidence.design",
    "NormalPosterior": "drivetrain.evidence.priors",
    "Null": "drivetrain.evidence.null",
    "Opposite": "drivetrain.evidence.detection",
    "Running": "drivetrain.evidence.sequential",
    "Sensitivity": "drivetrain.evidence.priors",
    "Table": "drivetrain.evidence.table",
    "Together": "drivetrain.evidence.variables",
    "Verdict": "drivetrain.evidence.effect",
    "Winner": "drivetrain.evidence.winners",
    "Worth": "drivetrain.evidence.information",
    "best_of": "drivetrain.evidence.winners",
    "best_of_draws": "drivetrain.evidence.winners",
    "beta_binomial": "drivetrain.evidence.priors",
    "betting": "drivetrain.evidence.sequential",
    "bootstrap": "drivetrain.evidence.resampling",
    "boundary": "drivetrain.evidence.sequential",
    "could_have_shown": "drivetrain.evidence.detection",
    "difference": "drivetrain.evidence.effect",
    "evpi": "drivetrain.evidence.information",
    "evpi_normal": "drivetrain.evidence.information",
    "evsi": "drivetrain.evidence.information",
    "evsi_binomial": "drivetrain.evidence.information",
    "evsi_normal": "drivetrain.evidence.information",
    "experiment": "drivetrain.evidence.design",
    "from_estimate": "drivetrain.evidence.effect",
    "normal_normal": "drivetrain.evidence.priors",
    "permutation_test": "drivetrain.evidence.null",
    "power": "drivetrain.evidence.detection",
    "prior_sensitivity": "drivetrain.evidence.priors",
    "regress": "drivetrain.evidence.regression",
    "running_difference": "drivetrain.evidence.sequential",
    "running_mean": "drivetrain.evidence.sequential",
    "simulate_null": "drivetrain.evidence.null",
    "size_for": "drivetrain.evidence.detection",
    "smallest_effect": "drivetrain.evidence.detection",
    "together": "drivetrain.evidence.variables",
    "weigh": "drivetrain.evidence.effect",
    "weigh_action": "drivetrain.evidence.table",
    "worth_it": "drivetrain.evidence.information",
}
__all__ = [*_MODULES]  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__ = attributes(__name__, _MODULES)
__dir__ = listing(_MODULES)
