"""What is measured of texts that were written, against what a person wrote: BLEU and chrF, as sacrebleu has them.

Papineni et al. (2002), BLEU: a method for automatic evaluation of machine translation, ACL; Popović (2015), chrF: character n-gram
F-score for automatic MT evaluation, WMT; Post (2018), A call for clarity in reporting BLEU scores, WMT, for the tokens (13a) and
the signature, which says all that a figure depends on. Both count n-grams by sentence and are a function of the sums: sacrebleu
counts once, and resamples are of those counts, paired for two systems (Koehn 2004, Statistical significance tests for machine
translation evaluation, EMNLP).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from drivetrain.errors import DataError
from drivetrain.extras import require
from drivetrain.metrics.estimate import Estimate, Floats, Statistic
from drivetrain.metrics.metric import Metric

METRICS = (
    Metric("bleu", "BLEU", higher=True, sentence="A BLEU of {value} on {rows}"),
    Metric("chrf", "chrF", higher=True, sentence="A chrF of {value} on {rows}"),
)
DECIDES = "bleu"
"""Where it says something (see `statistics`), else chrF."""
ORDER, LETTERS, BETA = 4, 6, 2
"""The longest n-grams of words and of characters, and how much more recall counts than precision."""


def measure(written: Sequence[str], references: Sequence[str], seed: int = 0) -> dict[str, Estimate]:
    """BLEU and chrF, from 0 to 100, of n texts against n references, each with its bootstrap interval over the pairs.
    n = 0: undefined. Without BLEU where no reference has four words: it is 0 there, whatever was written. Raises DataError where
    the numbers differ, DrivetrainError where sacrebleu is not installed."""
    return {name: made.estimate(seed) for name, made in statistics(written, references).items()}


def statistics(written: Sequence[str], references: Sequence[str]) -> dict[str, Statistic]:
    """The same as what can be resampled, and paired with another system's (`metrics.paired.difference`)."""
    if len(written) != len(references):
        raise DataError(f"{len(written):,} texts and {len(references):,} references are not pairs.")
    terms = [2 + 2 * ORDER, 3 * LETTERS]
    bleu, chrf = (_counted(metric, written, references, size) for metric, size in zip(_metrics(), terms))
    found = {"bleu": Statistic(bleu, _bleu), "chrf": Statistic(chrf, _chrf)}
    wanted = bleu[1]
    if len(wanted) and wanted.max() < ORDER:
        del found["bleu"]
    return found


def notes(measured: Collection[str], written: Sequence[str], references: Sequence[str]) -> list[str]:
    """What a person has to know of these figures: their signatures, why one of them is not there, and how many texts are right to
    the letter, which is what counts where there is one right answer (a date, a number)."""
    signed = signatures()
    found = [f"{each.name} is {signed[each.key]}" for each in METRICS if each.key in measured]
    if DECIDES not in measured:
        found.append(
            "there is no BLEU: it counts four words in a row, and no text that a person wrote has as many"
        )
    same = sum(map(str.__eq__, written, references))
    return [*found, f"{same:,} of {len(written):,} texts are exactly what a person wrote"]


def by_text(written: Sequence[str], references: Sequence[str]) -> Floats:
    """chrF of each text (n,): of one sentence it says more than BLEU, which is 0 without four words in a row."""
    return _chrf(np.stack(statistics(written, references)["chrf"].terms, axis=1))


def signatures() -> dict[str, str]:
    """Metric -> what sacrebleu prints so that others can make the same figure."""
    found: dict[str, str] = {}
    for name, metric in zip(("bleu", "chrf"), _metrics()):
        metric.corpus_score(["a"], [["a"]])  # It counts the references, of which the signature tells.
        found[name] = str(metric.get_signature())
    return found


def _metrics() -> tuple[Any, Any]:
    require("sacrebleu", "measuring translations", "train")
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    return BLEU(force=True), CHRF()  # `force` keeps back a warning of texts whose full stops stand alone.


def _counted(metric: Any, written: Sequence[str], references: Sequence[str], size: int) -> tuple[Floats, ...]:
    """The counts of each pair (n,), of so many things."""
    if not len(written):
        return tuple(np.zeros((size, 0)))
    counts = metric._extract_corpus_statistics(list(written), [list(references)])
    return tuple(np.ascontiguousarray(np.array(counts, np.float64).T))


def _bleu(sums: Floats) -> Floats:
    """(rows,) of (rows, 10): lengths of texts and references, n-grams that are right, n-grams in all, of 1 to 4 words. Where none
    of a length is right, half of the one before counts as being so (the smoothing of NIST, "exp")."""
    length, wanted = sums[:, 0], sums[:, 1]
    right, all_ = sums[:, 2 : 2 + ORDER], sums[:, 2 + ORDER :]
    none = (right == 0) & (all_ > 0)
    counted = np.where(none, 0.5 ** np.cumsum(none, axis=1), right)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.log(np.where(all_ > 0, counted / all_, 0.0)).mean(axis=1)
        brevity = np.where(length < wanted, 1 - wanted / length, 0.0)
        found = 100 * np.exp(precision + brevity)
    return np.where((right.sum(axis=1) == 0) | ~np.isfinite(found), 0.0, found)


def _chrf(sums: Floats) -> Floats:
    """(rows,) of (rows, 18): n-grams of 1 to 6 characters, for each length those written, wanted and right."""
    written, wanted, right = (sums[:, first::3] for first in range(3))
    there = (written > 0) & (wanted > 0)
    orders = np.maximum(1, there.sum(axis=1))
    precision, recall = (
        (np.divide(right, each, out=np.zeros_like(right), where=there)).sum(axis=1) / orders
        for each in (written, wanted)
    )
    both = BETA**2 * precision + recall
    return np.divide(100 * (1 + BETA**2) * precision * recall, both, out=np.zeros_like(both), where=both > 0)
