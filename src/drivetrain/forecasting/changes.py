"""Change points: where the level or the slope of a series breaks.

The series is cut into stretches, each with a line of its own, so that the squares of what is left and a penalty for each cut are
least together (optimal partitioning, Jackson et al. 2005, with the pruning of PELT, Killick et al. 2012). The penalty is stated:
PENALTY x the number of figures that a cut adds (a level, a slope, a place) x log(n) x the noise's variance, where the noise counts
for more the longer it remembers (its long-run variance), so that a wandering series is not taken for a broken one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PENALTY = 1.5
FIGURES = 3
LEAST = 8
"""Moments of the shortest stretch."""
FINEST = 1_000
"""A longer series is looked at in so many steps, each the mean of as many moments."""
REMEMBERS = 0.95
"""More than this share of a step that goes on into the next is not told from a wandering level."""
REACH = 50
STANDS_OUT = 4.0
"""A break's shift is so many times the usual difference between neighbouring stretches of up to REACH steps."""


@dataclass(frozen=True)
class Change:
    """A break just before moment `place`: `shift` is how far the mean of the stretch after it is from that before it, `before` and
    `after` are the slopes, by moment, of those stretches."""

    place: int
    shift: float
    before: float
    after: float
    kind: str
    """"level" or "slope"."""


def change_points(values: Floats, least: int = LEAST) -> list[Change]:
    """The breaks of a series (n,) without its seasons, NaN where missing; `least` moments lie between two."""
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < 3 * least:
        return []
    steps = np.interp(np.arange(len(values)), known, values[known])
    if np.ptp(steps) == 0:
        return []
    width = max(-(-len(steps) // FINEST), _seldom(steps))
    whole = len(steps) // width * width
    coarse = _without_far(steps[len(steps) - whole :].reshape(-1, width).mean(axis=1))
    skipped = len(steps) - whole
    shortest = max(4, -(-least // width))
    noise = max(_long_run(coarse), 1e-9 * float(np.var(coarse)))
    if noise <= 0:
        return []
    cuts = _partition(coarse, PENALTY * FIGURES * np.log(len(coarse)) * noise, shortest)
    return [
        replace(
            each, place=skipped + each.place * width, before=each.before / width, after=each.after / width
        )
        for each in _told(cuts, coarse)
    ]


def _seldom(values: Floats) -> int:
    """How many moments make a step of a series that mostly has one value, and only for a moment another: as sales of a day in
    ten. 1 for others."""
    alike, counts = np.unique(values, return_counts=True)
    other = values != alike[np.argmax(counts)]
    runs = int((other[1:] > other[:-1]).sum()) + int(other[0])
    if other.mean() < 0.5 and runs > other.sum() / 2:
        return min(int(np.ceil(3 / other.mean())), max(1, len(values) // (3 * LEAST)))
    return 1


def _without_far(values: Floats) -> Floats:
    """Single moments far from their four neighbours, drawn in to them: an outlier is no change."""
    padded = np.pad(values, 2, mode="edge")
    about = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    off = values - about
    reach = 5 * 1.4826 * float(np.median(np.abs(off)))
    return about + np.clip(off, -reach, reach) if reach > 0 else about


def _long_run(values: Floats) -> float:
    """The variance of the noise, times what its memory makes of it over many moments: by the differences to the next and the one
    after, which for noise that remembers a share f of a step are 2 v (1 - f) and 2 v (1 - f^2), whatever the level does. By
    medians, so that jumps don't count."""
    one, two = (float(np.median(np.abs(values[lag:] - values[:-lag])) * 1.4826) ** 2 for lag in (1, 2))
    if one <= 0:  # Most moments equal the one before: what is left is no noise that goes on.
        return float(np.var(np.diff(values))) / 2
    share = float(np.clip(two / one - 1, 0, REMEMBERS))
    noise = one / (2 * (1 - share))
    return noise * (1 + share) / (1 - share)


def _partition(values: Floats, penalty: float, shortest: int) -> list[int]:
    """Where the best partition is cut. O(n) for each end, over all starts at once."""
    n = len(values)
    place = np.arange(n, dtype=np.float64)
    centred = values - values.mean()
    sums = [np.r_[0.0, np.cumsum(part)] for part in (centred, centred**2, place * centred)]
    best = np.full(n + 1, np.inf)
    best[0] = -penalty
    came = np.zeros(n + 1, np.int64)
    starts = np.array([0])
    for end in range(shortest, n + 1):
        costs = best[starts] + _line_costs(sums, starts, end)
        found = int(np.argmin(costs))
        best[end], came[end] = costs[found] + penalty, starts[found]
        starts = starts[costs <= best[end]]  # PELT: the others can't be a last cut of any longer stretch.
        if end + 1 - shortest >= shortest:
            starts = np.r_[starts, end + 1 - shortest]
    cuts: list[int] = []
    end = n
    while came[end] > 0:
        end = int(came[end])
        cuts.append(end)
    return cuts[::-1]


def _line_costs(sums: list[Floats], starts: npt.NDArray[np.int64], end: int) -> Floats:
    """The squares that a line leaves of each stretch from a start to `end`."""
    count = (end - starts).astype(np.float64)
    total, squares, moments = (part[end] - part[starts] for part in sums)
    middle = (starts + end - 1) / 2
    across = moments - middle * total
    spread = count * (count**2 - 1) / 12
    return np.maximum(squares - total**2 / count - across**2 / np.maximum(spread, 1e-12), 0.0)


def _told(cuts: list[int], values: Floats) -> list[Change]:
    """The cuts that stand out: those at which the level, or the slope, differs before and after by far more than it usually does
    over as many moments. What wanders or swings differs by as much everywhere, and has no break."""
    edges = [0, *cuts, len(values)]
    found: list[Change] = []
    for cut, before, after in zip(cuts, np.diff(edges)[:-1].tolist(), np.diff(edges)[1:].tolist()):
        whole = max(4, min(before, after, REACH, len(values) // 4))
        level: Floats = np.full(whole // 2, 1 / (whole // 2))
        ramp: Floats = np.arange(whole, dtype=np.float64) - (whole - 1) / 2
        ramp = ramp / float(np.square(ramp).sum())
        shift, bend = _stands_out(values, cut, level), _stands_out(values, cut, ramp)
        if max(shift[1], bend[1]) > STANDS_OUT:
            slopes = [float(ramp @ values[a : a + whole]) for a in (cut - whole, cut)]
            kind = "level" if shift[1] >= bend[1] else "slope"
            found.append(Change(cut, shift[0], slopes[0], slopes[1], kind))
    return found


def _stands_out(values: Floats, cut: int, half: Floats) -> tuple[float, float]:
    """What `half` (k,) measures after the cut, less the same before it; and how many times the usual that is."""
    differences = np.convolve(values, np.r_[-half, half][::-1], "valid")
    found = float(differences[cut - len(half)])
    sizes = np.abs(differences)
    # The median is not moved by breaks, the square is by what comes seldom and is none, as sales of one day in ten.
    usual = max(1.4826 * float(np.median(sizes)), 0.5 * float(np.sqrt((sizes**2).mean())))
    return found, abs(found) / usual if usual > 0 else 0.0
