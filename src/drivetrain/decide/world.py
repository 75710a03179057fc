"""The random numbers of a simulation: the same ones whatever the levers, so that two settings differ by the levers alone."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class World:
    """`draws` of what is uncertain, for each of `rows`. By name and seed the same numbers come again (Philox, which is keyed)."""

    draws: int
    rows: int = 1
    seed: int = 0

    def uniform(self, name: str, *, each_row: bool = False) -> Floats:
        """Numbers in (0, 1): (1, 1, draws), or (1, rows, draws) for `each_row`.

        In each row they are the midpoints of `draws` equal parts, in an order by chance: one uncertain thing alone is
        integrated to O(1 / draws^2), and several are a Latin hypercube (McKay, Beckman and Conover, 1979,
        Technometrics 21:239-245).
        """
        made = np.random.Generator(
            np.random.Philox(key=self.seed, counter=[0, 0, 0, zlib.crc32(name.encode())])
        )
        shape = (self.rows if each_row else 1, self.draws)
        places = made.permuted(np.broadcast_to(np.arange(self.draws), shape), axis=1)
        return ((places + 0.5) / self.draws)[None]
