"""The files of metrics: what each offers for its kind of target, and how they are found."""

from __future__ import annotations

from typing import Protocol, cast

from drivetrain import extensions
from drivetrain.codecs.base import Codec, codec_names
from drivetrain.errors import UsageError
from drivetrain.metrics.estimate import Estimate, Floats, Statistic
from drivetrain.metrics.metric import Metric
from drivetrain.types import Array

OFFERED = ("METRICS", "DECIDES", "measure", "statistics", "losses")


class Kind(Protocol):
    """What a file of metrics offers for its kind of target.

    `METRICS` are all that it measures, each with its name and direction; `DECIDES` is the key of the one that models are
    chosen by where nobody said. The `losses` are lower where the model is better, whichever way that metric goes. Of
    outputs that are large it is given a batch at a time (see `metrics/streamed.py`).
    """

    @property
    def METRICS(self) -> tuple[Metric, ...]: ...
    @property
    def DECIDES(self) -> str: ...
    def measure(self, codec: Codec, outputs: Array, encoded: Array, seed: int = 0) -> dict[str, Estimate]: ...
    def statistics(self, codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]: ...
    def losses(self, codec: Codec, outputs: Array, encoded: Array) -> Floats: ...


def kinds() -> dict[str, Kind]:
    """Kind of target -> its metrics, of all that have some."""
    found = {name: extensions.of_kind("metrics", name) for name in codec_names()}
    return {name: cast("Kind", module) for name, module in found.items() if module}


def has_metrics(codec: Codec) -> bool:
    """Whether anything measures such a target."""
    return extensions.facet("metrics", codec) is not None


def metrics_of(codec: Codec) -> Kind:
    """The metrics of a target. Raises UsageError where its kind has none, which is asked before training."""
    if (found := extensions.facet("metrics", codec)) is None:
        raise UsageError(f"there are no metrics for {codec.op}.", fix=f"There are for {', '.join(kinds())}.")
    return cast("Kind", extensions.offering(found, *OFFERED))


def means_of(codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]:
    """The statistics of outputs, of a kind that has `means` those alone: what is quick."""
    kind = metrics_of(codec)
    return getattr(kind, "means", kind.statistics)(codec, outputs, encoded)
