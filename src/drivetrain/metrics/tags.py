"""What is measured of a tags target: probabilities (n, tags) against which tags there are (n, tags)."""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.base import Codec
from drivetrain.codecs.tags import Tags
from drivetrain.errors import DataError
from drivetrain.metrics.category import EPSILON, LOG_LOSS
from drivetrain.metrics.estimate import Estimate, Floats, Statistic
from drivetrain.metrics.metric import Metric
from drivetrain.types import Array

METRICS = (
    Metric(
        "exact_match", "exact match", higher=True, share=True, too_wide=0.2,
        sentence="{value} of {rows} have all their tags right",
    ),
    Metric(
        "tags_wrong", "rows with a wrong tag", higher=False, share=True,
        sentence="{value} of {rows} have a wrong tag",
    ),
    LOG_LOSS,
    Metric("micro_f1", "F1 over all tags", higher=True, share=True),
    Metric(
        "macro_f1", "mean F1 of the tags", higher=True, share=True,
        sentence="A mean F1 of the tags of {value} on {rows}",
    ),
)  # fmt: skip
DECIDES = LOG_LOSS.key

Bools = npt.NDArray[np.bool_]


def measure(codec: Codec, outputs: Array, encoded: Array, seed: int = 0) -> dict[str, Estimate]:
    """exact_match, the share of items whose tags are all right (Wilson), log_loss, micro_f1 and macro_f1 (bootstrap).

    log_loss is the mean over items and tags. micro_f1 counts the tags of all items alike, macro_f1 is the mean
    over the tags that occur or are answered. `outputs` holds probabilities, `encoded` 0 and 1, both (n, tags). n = 0:
    undefined. Raises DataError.
    """
    return {name: made.estimate(seed) for name, made in statistics(codec, outputs, encoded).items()}


def statistics(codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]:
    """The same metrics as what can be resampled."""
    probabilities, true = checked(codec, outputs, encoded)
    said = np.asarray(cast("Tags", codec).chosen(probabilities), bool)
    hits, slips = said & true, said ^ true
    return {
        "exact_match": Statistic.mean_of(np.count_nonzero(slips, axis=1) == 0),
        "log_loss": Statistic.mean_of(_log_losses(probabilities, true)),
        "micro_f1": Statistic((hits.sum(axis=1), slips.sum(axis=1)), _f1),
        "macro_f1": Statistic((*hits.T, *slips.T), _f1),
    }


def losses(codec: Codec, outputs: Array, encoded: Array) -> Floats:
    """(n,) log losses, in nats: the mean over an item's tags, probabilities clipped as those of a category."""
    return _log_losses(*checked(codec, outputs, encoded))


def harm(codec: Codec, outputs: Array, encoded: Array) -> tuple[str, Array]:
    """Whether any tag is wrong, of each row (n,)."""
    return "tags_wrong", ~cast("Array", statistics(codec, outputs, encoded)["exact_match"].items)


def checked(codec: Codec, outputs: Array, encoded: Array) -> tuple[Array, Bools]:
    """Probabilities (n, tags) and which tags there are (n, tags). Raises DataError for shape, range and NaN."""
    (tags,) = codec.output_shape
    probabilities, true = np.asarray(outputs), np.asarray(encoded)
    if true.ndim != 2 or probabilities.shape != true.shape or true.shape[1] != tags:
        raise DataError(
            f"probabilities of shape {probabilities.shape} don't fit targets of shape {true.shape}.",
            fix=f"Give one row of probabilities per target, one column for each of the {tags} tags.",
        )
    if not np.isfinite(probabilities).all():
        raise DataError("the probabilities hold NaN or infinity.", fix="Train with a lower learning rate.")
    if not np.isin(true, (0, 1)).all():
        raise DataError("a target is neither 0 nor 1.", fix="Encode it with the same codec.")
    return probabilities, true.astype(bool)


def _log_losses(probabilities: Array, true: Bools) -> Floats:
    own = np.where(true, probabilities, 1 - probabilities.astype(np.float64))
    return -np.log(np.clip(own, EPSILON, 1.0)).mean(axis=1)


def _f1(sums: Floats) -> Floats:
    """(rows,) the mean F1 of sums (rows, 2 x tags): hits of each tag, then what was answered wrongly or left out.

    F1 = 2 TP / (2 TP + FP + FN); a tag that neither occurs nor is answered has none.
    """
    hits, slips = np.split(sums, 2, axis=1)
    known = hits + slips > 0
    each = np.divide(2 * hits, 2 * hits + slips, out=np.zeros_like(hits), where=known)
    return each.sum(axis=1) / known.sum(axis=1)
