"""What a lever does to an outcome, learned from rows: randomised, or adjusted for what moved both; and on whom it works."""

from typing import TYPE_CHECKING

from drivetrain.lazily import attributes, listing

if TYPE_CHECKING:
    from drivetrain.effects.policy import policy_value as policy_value
    from drivetrain.effects.response import Response as Response
    from drivetrain.effects.response import fit as fit
    from drivetrain.effects.result import Effect as Effect
    from drivetrain.effects.result import effect as effect
    from drivetrain.effects.uplift.curve import Qini as Qini
    from drivetrain.effects.uplift.curve import qini as qini
    from drivetrain.effects.uplift.learning import learn_uplift as learn_uplift
    from drivetrain.effects.uplift.model import Uplift as Uplift

_MODULES: dict[str, str] = {
    "Effect": "drivetrain.effects.result",
    "Qini": "drivetrain.effects.uplift.curve",
    "Response": "drivetrain.effects.response",
    "Uplift": "drivetrain.effects.uplift.model",
    "effect": "drivetrain.effects.result",
    "fit": "drivetrain.effects.response",
    "learn_uplift": "drivetrain.effects.uplift.learning",
    "policy_value": "drivetrain.effects.policy",
    "qini": "drivetrain.effects.uplift.curve",
}
__all__ = [*_MODULES]  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__ = attributes(__name__, _MODULES)
__dir__ = listing(_MODULES)
