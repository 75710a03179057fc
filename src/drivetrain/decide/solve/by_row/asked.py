"""What a solver of rows asks: settings of all rows at once, in blocks, on threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import numpy.typing as npt

from drivetrain.errors import DataError

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
GRID = 33
"""Settings of a continuous lever that are tried in each row before the best of them is refined."""
BLOCK = 2048
"""Rows that are asked about at once: so that answers don't depend on how many threads there are."""


class RowProblem(Protocol):
    """Minimise the sum over rows of a value that depends on the row's own setting; each limit's uses sum to at most the limit.

    `lower`, `upper` (R,). `levels` (L,), rising: the settings of a lever in steps, the same in all rows; None: any number.
    `limits` (C,), and the `names` of them.
    """

    @property
    def lower(self) -> Floats: ...
    @property
    def upper(self) -> Floats: ...
    @property
    def levels(self) -> Floats | None: ...
    @property
    def limits(self) -> Floats: ...
    @property
    def names(self) -> tuple[str, ...]: ...

    def value(self, x: Floats) -> tuple[Floats, Floats]:
        """Of settings (S, R): what is minimised, (S, R), and what is used of each limit, (C, S, R); means over the draws."""
        ...

    def part(self, rows: slice) -> RowProblem:
        """The same of some of the rows, with the limits as they are."""
        ...

    def rough(self, settings: int) -> RowProblem | None:
        """The same with fewer draws, where so many settings of each row would cost much; None where they don't."""
        ...


class Asked:
    """Asks in blocks of rows, on as many threads as there are cores (numpy lets others run while it calculates), and counts."""

    def __init__(self, rows: RowProblem) -> None:
        self.rows, self.evaluations = rows, 0
        count = len(rows.lower)
        self.slices = [slice(at, at + BLOCK) for at in range(0, count, BLOCK)]
        self.parts = [rows] if len(self.slices) < 2 else [rows.part(each) for each in self.slices]
        self.threads = min(
            len(self.parts),
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        )

    def __call__(self, x: Floats) -> tuple[Floats, Floats]:
        """(S, R) -> values (S, R) and uses (C, S, R). What is infinite can't be chosen; what isn't a number is an error."""
        self.evaluations += x.size
        value, uses = self._blocks(x)
        if np.isnan(value).any() or np.isnan(uses).any():
            wrong = np.argwhere(np.isnan(value) | np.isnan(uses).any(0))[0]
            raise DataError(
                f"the objective isn't a number where the lever is {x[tuple(wrong)]:g}.",
                where=f"row {wrong[1] + 1}",
                fix="Look for a logarithm, root or division of what can be 0 or less, or narrow the lever's bounds.",
            )
        return value, uses

    def _blocks(self, x: Floats) -> tuple[Floats, Floats]:
        if len(self.parts) == 1:
            return self.rows.value(x)
        found = self._on_threads(range(len(self.parts)), x)
        return np.concatenate([each for each, _ in found], axis=1), np.concatenate(
            [each for _, each in found], axis=2
        )

    def _on_threads(self, blocks: Sequence[int], x: Floats) -> list[tuple[Floats, Floats]]:
        def ask(block: int) -> tuple[Floats, Floats]:
            return self.parts[block].value(x[:, self.slices[block]])

        if self.threads == 1:
            return [ask(block) for block in blocks]
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(ask, blocks))

    def still(self, x: Floats, wanted: Flags, known: Floats) -> Floats:
        """Values (R,) at x (R,) of the rows that are `wanted`, those `known` of the others: blocks without any aren't asked."""
        if len(self.parts) == 1:
            return np.where(wanted, self(x[None])[0][0], known)
        found, blocks = known.copy(), [at for at, each in enumerate(self.slices) if wanted[each].any()]
        for block, (value, _) in zip(blocks, self._on_threads(blocks, x[None])):
            found[self.slices[block]] = value[0]
            self.evaluations += value.size
        return np.where(wanted, found, known)


def between(low: Floats, high: Floats, count: int) -> Floats:
    """(count, R): evenly from `low` to `high`, both ends exact."""
    share = np.linspace(0.0, 1.0, count)[:, None]
    return low * (1 - share) + high * share
