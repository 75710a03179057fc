"""Where a model goes wrong, and on what."""

from drivetrain.interpret.classification import Interpretation

__all__ = ["Interpretation"]
