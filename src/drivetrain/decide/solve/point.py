"""What a solver of arrays says: a setting, what it is worth, and what proves that there is no better one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.solution import Certificate

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """`x`: one number per variable, in the user's units. `value`: what was minimised, there. `duals` (C,): by how much that would
    be less if a limit were looser by one, at least 0."""

    x: Floats
    value: float
    certificate: Certificate
    duals: Floats = field(default_factory=lambda: np.zeros(0))
    evaluations: int = 0
    notes: tuple[str, ...] = ()
