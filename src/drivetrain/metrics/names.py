"""The metrics that there are, by key or printed name, and what models are chosen by.

The key is the name in JSON, in files and in Python. The printed name is what a person reads, and every option that
takes a metric takes either. What each is, its own file says (`METRICS` and `DECIDES` of a kind of target).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from drivetrain.codecs.base import Codec
from drivetrain.errors import DrivetrainError, UsageError, nearest
from drivetrain.metrics.kind import kinds, metrics_of
from drivetrain.metrics.metric import LOSS, Metric


def known() -> dict[str, Metric]:
    """Key -> metric, of all kinds of target. Raises DrivetrainError where two kinds mean different things by one key."""
    found: dict[str, Metric] = {LOSS.key: LOSS}
    for kind in kinds().values():
        for each in getattr(kind, "METRICS", ()):
            if found.setdefault(each.key, each) != each:
                raise DrivetrainError(
                    f"two kinds of target mean different things by the metric {each.key!r}.",
                    fix="Give one of them another key.",
                )
    return found


def metric(key: str) -> Metric:
    """What `key` is; "TARGET.METRIC" with its target in the name.

    Raises DrivetrainError for one that no kind of target has: whether more of it is better is not to be guessed.
    """
    metrics = known()
    target, _, last = key.rpartition(".")
    if last not in metrics:
        raise DrivetrainError(
            f"nothing says what the metric {last!r} is, and whether more of it is better.",
            fix=nearest(last, metrics) or "Name it in METRICS, in the file that measures it.",
        )
    found = metrics[last]
    return replace(found, key=key, name=f"{found.name} of {target}") if target else found


def printed(key: str) -> str:
    """The name of a metric that a person reads."""
    return metric(key).name


def deciding(codec: Codec) -> str:
    """The key of the metric that models of this target are chosen by where nobody said: by training against simple
    methods, by a search and by a comparison alike."""
    return metrics_of(codec).DECIDES


def chosen(wanted: str | None, known: Sequence[str], defaults: Iterable[str] = ()) -> str:
    """The key among `known` that `wanted` means, by key or printed name; without one the first of the `defaults` that is
    among them (of whichever target), else the first known. Raises UsageError for a name that is none of them."""
    if not known:
        raise UsageError("there is no metric: nothing measures the target.", where="metric")
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
