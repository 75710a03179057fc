"""The random numbers of a simulation: the same ones whatever the levers, so that two settings differ by the levers alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.limits import refuse_too_large

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class World:
    """`draws` of what is uncertain, for each of `rows`. By name and seed the same numbers come again (Philox, which is keyed).

    `places` are the draws that this is about: all of them, or a `part`, in which those have the same numbers.
    """

    draws: int
    rows: int = 1
    seed: int = 0
    places: slice = field(default_factory=lambda: slice(None))
    _orders: dict[str, npt.NDArray[Any]] = field(
        default_factory=dict[str, npt.NDArray[Any]], repr=False, compare=False
    )

    def part(self, places: slice) -> World:
        """The same world, of which only these draws are looked at."""
        return replace(self, places=places)

    def uniform(self, name: str, *, each_row: bool = False) -> Floats:
        """Numbers in (0, 1): (1, 1, draws), or (1, rows, draws) for `each_row`.

        In each row they are the midpoints of `draws` equal parts, in an order by chance: one uncertain thing alone is
        integrated to O(1 / draws^2), and several are a Latin hypercube (McKay, Beckman and Conover, 1979,
        Technometrics 21:239-245).
        """
        return ((self.order(name, each_row=each_row)[:, self.places] + 0.5) / self.draws)[None]

    def order(self, name: str, *, each_row: bool) -> npt.NDArray[Any]:
        """Which of the equal parts each draw is in, for all draws: (1, draws), or (rows, draws)."""
        key = f"{name}\0{each_row}"
        if key not in self._orders:
            rows = self.rows if each_row else 1
            refuse_too_large(4.0 * rows * self.draws, f"a chance of its own for each of {rows:,} rows", name)
            words = np.frombuffer(hashlib.sha256(name.encode()).digest()[:16], "<u8")
            made = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, *words]))
            places = np.arange(self.draws, dtype=np.min_scalar_type(self.draws))
            self._orders[key] = made.permuted(np.broadcast_to(places, (rows, self.draws)), axis=1)
        return self._orders[key]
