"""When training has gone on for too long."""

from __future__ import annotations

import math
from collections.abc import Sequence

WORSE = 1.1
"""The valid metric has got worse when it ends so many times above its best."""


def worsened(train: Sequence[float], valid: Sequence[float], rows: int | None = None) -> int | None:
    """The position of the best valid value, where it ends worse than that and train got no worse; else None.

    Worse is a tenth more. Where the values are shares measured on `rows`, it is two standard errors more as well:
    what could be chance is not told.
    """
    if sum(not math.isnan(value) for value in valid) < 3 or math.isnan(valid[-1]) or math.isnan(train[-1]):
        return None
    best = min(range(len(valid)), key=lambda i: math.inf if math.isnan(valid[i]) else valid[i])
    share = min(1.0, max(0.0, valid[-1]))
    chance = 2 * math.sqrt(share * (1 - share) / rows) if rows else 0.0
    rose = valid[-1] > max(valid[best] * WORSE, valid[best] + chance) + 1e-9
    return best if rose and train[-1] <= train[best] else None
