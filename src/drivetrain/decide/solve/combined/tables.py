"""What depends on levers of few settings each as a sum of tables of one lever and of two: how many combinations there are doesn't
matter then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
MOST = 200_000
"""Settings that are asked about to fill the tables."""
CHECKS = 2000
"""Settings by chance at which the tables are held against what they stand for."""
EXACT = 1e-9
Ask = Callable[[Places], Floats]
"""Places of settings (S, n) -> what each output is (S, K)."""


@dataclass(slots=True, eq=False)
class Tabled:
    """constant + sum of `single[i][place of i]` + sum of `pairs[i, j][place of i, place of j]`; all are 0 at place 0."""

    constant: float
    single: list[Floats]
    pairs: dict[tuple[int, int], Floats] = field(default_factory=dict[tuple[int, int], Floats])

    def __call__(self, places: Places) -> Floats:
        """Of settings (S, n): (S,)."""
        found = np.full(len(places), self.constant)
        for at, table in enumerate(self.single):
            found += table[places[:, at]]
        for (i, j), table in self.pairs.items():
            found += table[places[:, i], places[:, j]]
        return found


def how_many(sizes: Sequence[int]) -> str:
    """The number of combinations, in words: there may be more than a float holds."""
    exponent = float(np.log10(np.array(sizes, np.float64)).sum())
    return f"{10**exponent:,.0f}" if exponent < 7 else f"{10 ** (exponent % 1):.2f}e{int(exponent)}"


def cost_of(sizes: Sequence[int], pairs: Iterable[tuple[int, int]]) -> int:
    """How many settings it takes to fill the tables."""
    return 1 + sum(size - 1 for size in sizes) + sum((sizes[i] - 1) * (sizes[j] - 1) for i, j in pairs)


def tabled(
    ask: Ask, sizes: Sequence[int], pairs: Sequence[tuple[int, int]] | None = None, *, seed: int = 0
) -> list[Tabled] | None:
    """The tables of each output of `ask`, or None where tables aren't enough, or too many settings would have to be asked about.

    `pairs` of levers that may work together; None: nobody knows, so those that do are found out. What was filled is exact
    if no three levers work together; CHECKS settings by chance look whether they do.
    """
    count = len(sizes)
    chosen = [*combinations(range(count), 2)] if pairs is None else [*pairs]
    if cost_of(sizes, []) > MOST:
        return None
    found = _singles(ask, sizes)
    chance = np.random.default_rng(seed).integers(0, np.array(sizes), size=(CHECKS, count))
    true = ask(chance)
    if _agree(found, chance, true):
        return found
    if not chosen or cost_of(sizes, chosen) > MOST:
        return None
    _add_pairs(ask, sizes, chosen, found)
    return found if _agree(found, chance, true) else None


def _agree(found: list[Tabled], places: Places, true: Floats) -> bool:
    told = np.column_stack([each(places) for each in found])
    if not (np.isfinite(told).all() and np.isfinite(true).all()):
        return False
    scale = np.maximum(np.abs(true).max(0), np.finfo(float).tiny)
    return bool((np.abs(told - true) <= EXACT * scale).all())


def _singles(ask: Ask, sizes: Sequence[int]) -> list[Tabled]:
    rows = np.zeros((cost_of(sizes, []), len(sizes)), np.intp)
    at = 1
    for lever, size in enumerate(sizes):
        rows[at : at + size - 1, lever] = np.arange(1, size)
        at += size - 1
    told = ask(rows)
    found = list[Tabled]()
    for output in told.T:
        parts = np.split(output[1:] - output[0], np.cumsum([size - 1 for size in sizes])[:-1])
        found.append(Tabled(float(output[0]), [np.concatenate([[0.0], part]) for part in parts]))
    return found


def _add_pairs(ask: Ask, sizes: Sequence[int], pairs: Sequence[tuple[int, int]], found: list[Tabled]) -> None:
    rows, shapes = list[Places](), list[tuple[int, int]]()
    for i, j in pairs:
        one, two = np.meshgrid(np.arange(1, sizes[i]), np.arange(1, sizes[j]), indexing="ij")
        some = np.zeros((one.size, len(sizes)), np.intp)
        some[:, i], some[:, j] = one.reshape(-1), two.reshape(-1)
        rows.append(some)
        shapes.append(one.shape)
    told = ask(np.concatenate(rows))
    ends = np.cumsum([len(some) for some in rows])[:-1]
    for number, each in enumerate(found):
        scale = np.abs(told[:, number]).max(initial=0)
        for (i, j), shape, some in zip(pairs, shapes, np.split(told[:, number], ends)):
            table = np.zeros((sizes[i], sizes[j]))
            table[1:, 1:] = some.reshape(shape) - each.constant
            table[1:, 1:] -= each.single[i][1:, None] + each.single[j][None, 1:]
            if (np.abs(table) > EXACT * scale).any():
                each.pairs[i, j] = table
