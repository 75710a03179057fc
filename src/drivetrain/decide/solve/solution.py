"""What a solver says: a setting of the levers, and what proves that there is no better one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Kind = Literal["gap", "kkt", "enumeration", "multistart", "search"]
PROVES = ("gap", "kkt", "enumeration")


@dataclass(frozen=True, slots=True)
class Certificate:
    """`kind` of proof: "gap", the objective is within `value` of a `bound` that nothing passes; "enumeration", all settings were
    tried; "kkt", `value` is the residual of the first-order conditions of a problem that is known to be convex;
    "multistart", the same at the best of several starts of one that isn't: no proof; "search": no proof. `words` say it."""

    kind: Kind
    value: float
    words: str
    bound: float | None = None

    @property
    def proves(self) -> bool:
        return self.kind in PROVES

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "value": self.value,
            "bound": self.bound,
            "proves": self.proves,
            "words": self.words,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """`levers`: name -> () or (rows,), in the user's units (choices as places). `objective` as the user states it.
    `duals`: constraint -> by how much the objective would be better if its bound were looser by one; of an equation, if its
    right side were larger by one."""

    levers: Mapping[str, Floats]
    objective: float
    certificate: Certificate
    duals: Mapping[str, float] = field(default_factory=dict[str, float])
    evaluations: int = 0
    notes: tuple[str, ...] = ()


def by_name(names: Iterable[str], weights: Floats) -> dict[str, float]:
    """Constraint -> its weight: the sum of the weights of what it is made of, by rows and periods."""
    found = dict[str, float]()
    for name, weight in zip(names, weights.tolist()):
        found[name] = found.get(name, 0.0) + weight
    return found
