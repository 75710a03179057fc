"""Learning rates as pure functions of progress, so that a resumed run needs no scheduler state."""

from __future__ import annotations

import math

WARMUP_SHARE = 0.25
START = 1 / 25
END = 1e-5


def factor(schedule: str, step: int, steps: int) -> float:
    """What to multiply the peak learning rate with at `step` of `steps`.

    `one_cycle` (Smith and Topin 2018, arXiv:1708.07120) warms up along a cosine over a quarter of the steps
    from 1/25 and anneals along a cosine to 1e-5.
    """
    if schedule == "constant":
        return 1.0
    progress = step / max(1, steps - 1)
    if progress < WARMUP_SHARE:
        return _cosine(START, 1.0, progress / WARMUP_SHARE)
    return _cosine(1.0, END, (progress - WARMUP_SHARE) / (1 - WARMUP_SHARE))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
