"""Weigh a claim: its effect, interval and p-value, its power, and whether to act on it or to look again first."""

from drivetrain.lazily import attributes

_MODULES = {
    "Winner": "drivetrain.evidence.winners",
    "best_of": "drivetrain.evidence.winners",
    "best_of_draws": "drivetrain.evidence.winners",
}
__all__ = [*_MODULES]  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__ = attributes(__name__, _MODULES)
