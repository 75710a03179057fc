"""Where a model goes wrong, on what, and what it relies on.

`Interpretation.of(learner)`, or `learner.interpret()`, gives a `Classification` or a `Regression`.
"""

from drivetrain.interpret.base import Interpretation
from drivetrain.interpret.category import Classification
from drivetrain.interpret.importance import Importance, importance, importances
from drivetrain.interpret.number import Regression
from drivetrain.interpret.slices import Slice, Slices, slices
from drivetrain.interpret.telling import Telling
from drivetrain.interpret.thresholds import Thresholds

__all__ = [
    "Classification",
    "Importance",
    "Interpretation",
    "Regression",
    "Slice",
    "Slices",
    "Telling",
    "Thresholds",
    "importance",
    "importances",
    "slices",
]
