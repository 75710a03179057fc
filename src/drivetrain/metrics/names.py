"""What each metric is called, in JSON and to a person, whether more of it is better, and what models are chosen by.

The key is the name in JSON, in files and in Python. The printed name is what a person reads, and every option that
takes a metric takes either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from drivetrain.codecs.base import Codec
from drivetrain.errors import UsageError, nearest


@dataclass(frozen=True, slots=True)
class Metric:
    """`key` in JSON and `name` in print; `share` where it is told as a percentage; whether `higher` is better. What models
    are not ranked by (`ranks`) shall be what was asked for, and not more."""

    key: str
    name: str
    share: bool = False
    higher: bool = False
    ranks: bool = True


METRICS = {
    metric.key: metric
    for metric in (
        Metric("accuracy", "accuracy", share=True, higher=True),
        Metric("error_rate", "error rate", share=True),
        Metric("log_loss", "log loss"),
        Metric("calibration_error", "calibration error", share=True),
        Metric("auc", "AUC", higher=True),
        Metric("mean_cost", "mean cost"),
        Metric("mean_absolute_error", "mean absolute error"),
        Metric("root_mean_squared_error", "root mean squared error"),
        Metric("root_mean_squared_log_error", "root mean squared log error"),
        Metric("mean_absolute_log_error", "mean absolute log error"),
        Metric("interval_coverage", "interval coverage", share=True, higher=True, ranks=False),
        Metric("exact_match", "exact match", share=True, higher=True),
        Metric("tags_wrong", "rows with a wrong tag", share=True),
        Metric("micro_f1", "F1 over all tags", share=True, higher=True),
        Metric("macro_f1", "mean F1 of the tags", share=True, higher=True),
        Metric("r2", "R²", higher=True),
        Metric("precision", "precision", share=True, higher=True),
        Metric("recall", "recall", share=True, higher=True),
        Metric("f1", "F1", share=True, higher=True),
        Metric("ndcg_at_10", "NDCG@10", higher=True),
        Metric("recall_at_10", "recall@10", share=True, higher=True),
        Metric("precision_at_10", "precision@10", share=True, higher=True),
        Metric("coverage", "coverage", share=True, higher=True),
        Metric("novelty", "novelty in bits", higher=True),
        Metric("diversity", "diversity", higher=True),
    )
}
DECIDING = {
    "category": "log_loss",
    "number": "mean_absolute_error",
    "ranking": "ndcg_at_10",
    "tags": "log_loss",
}
"""What models are chosen by where nobody said, for each kind of target: by training against simple methods, by a search
and by a comparison alike. Log loss tells apart more finely than accuracy."""


def metric(key: str) -> Metric:
    """What `key` is; "TARGET.METRIC" with its target in the name; an unknown one by its own name, higher being better."""
    if key in METRICS:
        return METRICS[key]
    target, _, last = key.rpartition(".")
    if target and last in METRICS:
        return replace(METRICS[last], key=key, name=f"{METRICS[last].name} of {target}")
    return Metric(key, key.replace("_", " "), higher=True)


def printed(key: str) -> str:
    """The name of a metric that a person reads."""
    return metric(key).name


def deciding(codec: Codec) -> str:
    """The key of the metric that models of this target are chosen by."""
    return DECIDING[codec.op.partition("@")[0]]


def chosen(wanted: str | None, known: Sequence[str], defaults: Iterable[str] = ()) -> str:
    """The key among `known` that `wanted` means, by key or printed name; without one the first of the `defaults` that is
    among them (of whichever target), else the first known. Raises UsageError for a name that is none of them."""
    if wanted is None:
        last = {key.rpartition(".")[2]: key for key in reversed(known)}
        return next((last[key] for key in defaults if key in last), known[0])
    for key in known:
        if _plain(wanted) in (_plain(key), _plain(printed(key))):
            return key
    raise UsageError(
        f"there is no metric {wanted!r} here.", where="metric",
        fix=nearest(wanted, known) or f"There are {', '.join(known)}.",
    )  # fmt: skip


def _plain(name: str) -> str:
    return name.strip().casefold().replace("_", " ").replace("-", " ")
