"""What is known of items from who has had which: how many had each, which go together, which were held out to choose by.

`history` is uint8 (people, items) throughout: 1 where somebody has had an item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from drivetrain.data.dataset import Dataset
from drivetrain.metrics.estimate import Estimate, mean
from drivetrain.metrics.ranking import K, diversity, hits, ndcg, novelty, top
from drivetrain.types import Array

Floats = npt.NDArray[np.float64]
Chosen = TypeVar("Chosen")

ROWS = 2048
"""People taken at a time."""
WIDTH = 64
SHRINKAGE = 10.0
"""As many people more that have only one of two items: a pair seen once or twice proves little."""
HELD_OUT = 0.2
MOST_PEOPLE, MOST_ITEMS = 4000, 1000
"""So many people, and so many items (those that most people have had), are what something is chosen by at most. On MovieLens
100k the best penalty and number of neighbours are the same among 500 films as among all."""
NOT_AGAIN = -1.0
"""The score of what somebody has had. Scores are shares of people, near 0 to 1, and none comes out as low."""


def together(history: Array) -> Floats:
    """(items, items): how many people have had both; on the diagonal, how many each."""
    found = np.zeros((history.shape[1],) * 2, np.float32)
    for start in range(0, len(history), ROWS):
        some = history[start : start + ROWS].astype(np.float32)
        found += some.T @ some
    return found.astype(np.float64)


def without(scores: Array, *had: Array | None) -> Array:
    """The scores, `NOT_AGAIN` where somebody has had the item."""
    found = np.maximum(scores, NOT_AGAIN)
    for each in had:
        if each is not None:
            found[each > 0] = NOT_AGAIN
    return found


class Items:
    """Shares and vectors of items, from training histories."""

    def __init__(self, history: Array, seed: int = 0) -> None:
        self.history, self.seed = history, seed

    @cached_property
    def shares(self) -> Floats:
        """(items,): the share of people that have had each."""
        return self.history.sum(axis=0, dtype=np.int64) / max(1, len(self.history))

    @cached_property
    def vectors(self) -> npt.NDArray[np.float32]:
        """(items, at most 64): v_i . v_j is nearly the correlation of who had i and who had j, shrunk where few had them.

        By cosines all popular items would be alike: of the first five that are like one of the 300 most seen films of
        MovieLens, more are of its genres by correlations (0.48 against 0.41, as a cosine). The leading eigenvectors, by
        subspace iteration: Halko, Martinsson and Tropp (2011), SIAM Review 53:217-288.
        """
        people = max(1, len(self.history))
        spreads = np.sqrt(people * self.shares * (1 - self.shares))
        joint = together(self.history) - people * np.outer(self.shares, self.shares)
        correlations = joint / (np.outer(spreads, spreads) + SHRINKAGE)
        width = min(WIDTH, len(joint))
        basis = np.random.default_rng(self.seed).standard_normal((len(joint), width))
        for _ in range(8):
            basis, _ = np.linalg.qr(correlations @ basis)
        values, inner = np.linalg.eigh(basis.T @ correlations @ basis)
        return (basis @ inner * np.sqrt(np.maximum(values, 0.0))).astype(np.float32)

    def beyond_accuracy(self, outputs: Array) -> dict[str, Estimate]:
        """How little known (bits) and how unlike each other the first ten are, per person."""
        chosen = top(outputs)
        shares = np.maximum(self.shares, 1 / (2 * max(1, len(self.history))))
        return {
            "novelty": mean(novelty(chosen, shares), self.seed),
            "diversity": mean(diversity(chosen, self.vectors), self.seed),
        }


class BeyondAccuracy:
    """Novelty and diversity of a dataset's rankings, by who had what in training."""

    def __init__(self, data: Dataset) -> None:
        self.data = data

    @cached_property
    def items(self) -> Items:
        return Items(self.data.part("train").column("history"))

    def __call__(self, outputs: Array) -> dict[str, Estimate]:
        return self.items.beyond_accuracy(outputs)


def choose(
    values: Sequence[Chosen],
    fit: Callable[[Floats, Chosen], Callable[[Array], Array]],
    history: Array,
    seen: Array | None,
    seed: int,
    advance: Callable[[int], Any] = lambda _: None,
) -> Chosen:
    """The value whose fit ranks best what was held out of the training histories, a fifth of each; of equals the first.

    `fit(counts, value)` gives what scores histories, from how many people have had both of two items (`together`). Where
    nothing can be held out it is the value in the middle. The work is bounded, however many items there are.
    """
    most = np.sort(np.argsort(-history.sum(axis=0, dtype=np.int64), kind="stable")[:MOST_ITEMS])
    history, seen = history[:, most], None if seen is None else seen[:, most]
    generator = np.random.default_rng(seed)
    held = (history > 0) & (generator.random(history.shape) < HELD_OUT)
    held[(held == (history > 0)).all(axis=1)] = False  # Of somebody's only item nothing would be left.
    people = np.flatnonzero(held.any(axis=1))
    if not len(people):
        return values[len(values) // 2]
    kept = np.where(held, 0, history).astype(np.uint8)
    people = np.sort(generator.permutation(people)[:MOST_PEOPLE])
    some, right = kept[people], held[people]
    had = None if seen is None else seen[people]
    wanted = right.sum(axis=1)
    counts = together(kept)
    reached: list[float] = []
    for value in values:
        scores = without(fit(counts, value)(some), some, had)
        reached.append(float(ndcg(hits(top(scores, K), right), wanted).mean()))
        advance(1)
    return values[int(np.argmax(reached))]
