"""Which rows are held back together, so that each is judged by what has not seen it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def fold_of(
    n: int,
    folds: int,
    seed: int = 0,
    *,
    within: npt.NDArray[np.int64] | None = None,
    cluster: npt.ArrayLike | None = None,
) -> npt.NDArray[np.int64]:
    """(n,) the fold 0 .. folds - 1 of each row, by chance. Each value of `within` (n,) is dealt out evenly; rows of equal
    `cluster` (n,) stay together, and then what is dealt out evenly are clusters."""
    made = np.random.default_rng(seed)
    if cluster is not None:
        names, code = np.unique(np.asarray(cluster), return_inverse=True)
        return (made.permutation(len(names)) % folds)[code].astype(np.int64)
    order = made.permutation(n)
    if within is not None:
        order = order[np.argsort(within[order], kind="stable")]
    found = np.empty(n, np.int64)
    found[order] = np.arange(n) % folds
    return found
