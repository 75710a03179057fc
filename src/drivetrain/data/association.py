"""Which columns tell most of a target, each by itself."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from drivetrain.codecs import Codec
from drivetrain.data.groups import Grouping, groupings
from drivetrain.extensions import facet
from drivetrain.types import Array


def explained(grouping: Grouping, target: npt.NDArray[np.float64]) -> float:
    """The share of the variation of `target` (n, k) that the groups explain, adjusted for how many groups there are.

    For a number this is the adjusted correlation ratio, for a category as columns of 0 and 1 Goodman and Kruskal's
    tau, adjusted alike. It may be below 0 where the column tells nothing.
    """
    n, size = len(target), len(grouping.names)
    total = float(np.square(target - target.mean(axis=0)).sum())
    counts = np.bincount(grouping.codes, minlength=size)
    groups = int(np.count_nonzero(counts))
    if total <= 0 or groups < 2 or groups >= n:
        return 0.0
    centred = target - target.mean(axis=0)
    between = 0.0
    for column in centred.T:
        sums = np.bincount(grouping.codes, weights=column, minlength=size)
        between += float((sums[counts > 0] ** 2 / counts[counts > 0]).sum())
    return 1 - (1 - min(1.0, between / total)) * (n - 1) / (n - groups)


def as_columns(codec: Codec, encoded: Array) -> npt.NDArray[np.float64]:
    """An encoded target as numbers (n, k): a category's classes as 0 and 1, a number in the units it is learned in."""
    make = getattr(facet("data.kinds", codec), "amounts", None)
    return make(codec, encoded) if make else encoded.reshape(len(encoded), -1).astype(np.float64)


def by_telling(
    inputs: Mapping[str, Codec], targets: Mapping[str, Codec], batch: Mapping[str, Array]
) -> dict[str, float]:
    """Input -> the largest share of a target that it explains by itself in the encoded rows, the most telling first."""
    wanted = [as_columns(codec, batch[name]) for name, codec in targets.items()]
    found = {
        name: max(
            (
                explained(grouping, target)
                for grouping in groupings(name, codec, batch[name])
                for target in wanted
            ),
            default=0.0,
        )
        for name, codec in inputs.items()
    }
    return dict(sorted(found.items(), key=lambda item: -item[1]))
