"""What computes an outcome: a formula, a table, a function, a chance, a bundle, a response that was learned from rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from drivetrain.decide.claim import Claim
from drivetrain.decide.world import World

Floats = npt.NDArray[np.float64]
"""Of settings, rows and draws: broadcastable to (S, R, D)."""


class Node(Protocol):
    """Computes the outcome `name` from its `inputs`: levers, columns of the data, other nodes, and `t`, the period."""

    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...
    @property
    def claim(self) -> Claim: ...
    @property
    def unit(self) -> str: ...

    def draw(self, values: Mapping[str, Floats], world: World) -> Floats:
        """Its outcome, broadcastable to (S, R, D), given its inputs in that form. Raises DataError that names it."""
        ...
