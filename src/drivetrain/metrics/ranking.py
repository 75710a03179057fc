"""What is measured of a ranking: scores (n, items) against which items were right, for n people.

The first K places count, for nobody looks at more. Each figure is one number per person, and its interval is that of
their mean; a person for whom nothing was right says nothing of what was ranked how, and is left out.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.base import Codec
from drivetrain.errors import DataError
from drivetrain.metrics.estimate import CONFIDENCE, Estimate, Floats, Statistic, undefined
from drivetrain.metrics.metric import Metric
from drivetrain.types import Array

K = 10
METRICS = (
    Metric(f"ndcg_at_{K}", f"NDCG@{K}", higher=True),
    Metric(
        f"recall_at_{K}", f"recall@{K}", higher=True, share=True,
        sentence="Of what {rows} liked, {value} are among the first ten",
    ),
    Metric(
        f"precision_at_{K}", f"precision@{K}", higher=True, share=True,
        sentence="{value} of the first ten were liked, on {rows}",
    ),
    Metric(
        "coverage", "coverage", higher=True, share=True,
        sentence="{value} of the items are recommended to any of {rows}",
    ),
    Metric("novelty", "novelty in bits", higher=True, sentence="A novelty of {value} bits on {rows}"),
    Metric("diversity", "diversity", higher=True, sentence="A diversity of {value} on {rows}"),
)  # fmt: skip
DECIDES = f"ndcg_at_{K}"
ROWS = 4096
"""So many rows are sorted at a time."""
JACKKNIFE = "jackknife over people, 95 %"

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def measure(codec: Codec, outputs: Array, encoded: Array, seed: int = 0) -> dict[str, Estimate]:
    """ndcg_at_10, recall_at_10 and precision_at_10 (bootstrap over people), and coverage.

    `outputs` (n, items) and `encoded` (n, items + 1) are those of a `Ranking`. n = 0: undefined. Raises DataError.
    """
    found = {name: made.estimate(seed) for name, made in statistics(codec, outputs, encoded).items()}
    return {**found, "coverage": coverage(top(outputs), codec.output_shape[0])}


def statistics(codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]:
    """The same metrics as what can be resampled; coverage is no mean over people."""
    right, wanted = checked(codec, outputs, encoded)
    some = wanted > 0
    found, wanted = hits(top(np.asarray(outputs)[some]), right[some]), wanted[some]
    return {
        f"ndcg_at_{K}": Statistic.mean_of(ndcg(found, wanted)),
        f"recall_at_{K}": Statistic.mean_of(recall(found, wanted)),
        f"precision_at_{K}": Statistic.mean_of(precision(found)),
    }


def losses(codec: Codec, outputs: Array, encoded: Array) -> Floats:
    """(n,) 1 - NDCG; 0 where nothing was right."""
    right, wanted = checked(codec, outputs, encoded)
    return np.where(wanted > 0, 1 - ndcg(hits(top(outputs), right), wanted), 0.0)


def checked(codec: Codec, outputs: Array, encoded: Array) -> tuple[Bools, Ints]:
    """Which items were right (n, items), and how many were (n,), those that have no score included. Raises DataError."""
    (items,) = codec.output_shape
    scores, true = np.asarray(outputs), np.asarray(encoded)
    if scores.shape != (len(true), items) or true.shape != (len(true), items + 1):
        raise DataError(
            f"scores of shape {scores.shape} don't fit targets of shape {true.shape}.",
            fix=f"Give a row of {items} scores for each target.",
        )
    if not np.isfinite(scores).all():
        raise DataError("the scores hold NaN or infinity.")
    return true[:, :-1] > 0, true.sum(axis=1, dtype=np.int64)


def top(scores: Array, k: int = K) -> Ints:
    """(n, min(k, items)): the places of the largest scores, the largest first, of equals the first."""
    n, items = scores.shape
    k = min(k, items)
    found = np.empty((n, k), np.int64)
    for start in range(0, n, ROWS):
        some = scores[start : start + ROWS]
        # Only what is as large as the k-th largest is sorted: that is k, but for ties.
        least = np.partition(some, items - k, axis=1)[:, items - k, None]
        for row, (values, kept) in enumerate(zip(some, some >= least), start):
            places = np.flatnonzero(kept)
            found[row] = places[np.argsort(-values[places], kind="stable")[:k]]
    return found


def hits(chosen: Ints, right: Bools) -> Bools:
    """(n, k): whether each chosen item was right."""
    return np.take_along_axis(right, chosen, axis=1)


def ndcg(found: Bools, wanted: Ints, k: int = K) -> Floats:
    """(n,) the normalised discounted cumulative gain: a hit in place i counts 1 / log2(1 + i), over the best that could be.

    Järvelin and Kekäläinen (2002), ACM Transactions on Information Systems 20:422-446. 0 where none was wanted.
    """
    gains = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.append(0.0, gains.cumsum())[np.minimum(wanted, k)]
    reached = found @ gains[: found.shape[1]]
    return np.divide(reached, ideal, out=np.zeros(len(found)), where=ideal > 0)


def recall(found: Bools, wanted: Ints) -> Floats:
    """(n,) of what was wanted, the share among the chosen; 0 where none was."""
    counts = np.count_nonzero(found, axis=1).astype(np.float64)
    return np.divide(counts, wanted, out=np.zeros(len(found)), where=wanted > 0)


def precision(found: Bools, k: int = K) -> Floats:
    """(n,) of k places, the share with a hit."""
    return np.count_nonzero(found, axis=1) / k


def novelty(chosen: Ints, shares: Floats) -> Floats:
    """(n,) the mean surprise of the chosen items, -log2 of the share of people (items,) that had each: bits.

    Vargas and Castells (2011), RecSys, pages 109-116 (mean self-information).
    """
    surprise: Floats = -np.log2(shares)
    return surprise[chosen].sum(axis=1) / max(1, chosen.shape[1])


def diversity(chosen: Ints, vectors: Array) -> Floats:
    """(n,) 1 - the mean similarity of the pairs chosen, which is v_i . v_j of the item vectors.

    Smyth and McClave (2001), ICCBR, pages 347-361. NaN where fewer than two are chosen.
    """
    people, k = len(chosen), chosen.shape[1]
    if k < 2:
        return np.repeat(np.nan, people)
    found: Floats = vectors[chosen].astype(np.float64)
    pairs = np.square(found.sum(axis=1)).sum(axis=1) - np.square(found).sum(axis=(1, 2))
    return 1 - pairs / (k * (k - 1))


def coverage(chosen: Ints, items: int) -> Estimate:
    """The share of all items that are chosen for anybody, for as many people as there are.

    A bootstrap would draw fewer different people, and so miss items. The variance is the jackknife's instead, which
    is no smaller than the true one: Efron and Stein (1981), Annals of Statistics 9:586-596.
    """
    n = len(chosen)
    if not n:
        return undefined(JACKKNIFE)
    counts = np.bincount(chosen.reshape(-1), minlength=items)
    value = np.count_nonzero(counts) / items
    if n < 2:
        return Estimate(value, np.nan, np.nan, JACKKNIFE, n)
    alone = (counts[chosen] == 1).sum(axis=1) / items  # What is lost without each person.
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    half = z * float(np.sqrt((n - 1) / n * np.square(alone - alone.mean()).sum()))
    return Estimate(value, max(0.0, value - half), min(1.0, value + half), JACKKNIFE, n)
