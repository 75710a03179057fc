"""What a lever does to an outcome, learned from rows: randomised, or adjusted for what moved both; and on whom it works."""

from drivetrain.lazily import attributes

_MODULES: dict[str, str] = {
    "effect": "drivetrain.effects.result",
    "fit": "drivetrain.effects.response",
    "policy_value": "drivetrain.effects.policy",
    "qini": "drivetrain.effects.uplift.curve",
}
__all__ = [*_MODULES]  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__ = attributes(__name__, _MODULES)
