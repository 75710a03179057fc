"""What would be seen if there were nothing: simulated, or by exchanging labels that would then mean nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.errors import DataError, UsageError
from drivetrain.evidence.effect import Effect, exactly, from_estimate
from drivetrain.evidence.given import Column, labels, numbers, outcome_of
from drivetrain.evidence.regression import regress
from drivetrain.evidence.words import chance
from drivetrain.figures import percent, rough
from drivetrain.metrics.estimate import wilson

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Tail = Literal["both", "above", "below"]
BINS = 40
CELLS = 2**22
ALIKE = 1e-9
"""Statistics so near to each other, relative to their spread, count as equal: sums in another order differ by rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Null:
    """`observed` among those `simulated` (times,) where there is nothing. `p`: how often these are as far out; `p_low` to
    `p_high` is what more simulations might make of it (95 %). `exact`: all possible ones were looked at, p has no error.
    `effect` is what was observed with its interval, where it has one."""

    observed: float
    simulated: Floats = field(repr=False)
    p: float
    p_low: float
    p_high: float
    exact: bool
    tail: Tail
    what: str = ""
    effect: Effect | None = None

    @property
    def words(self) -> str:
        low, high = np.quantile(self.simulated, [0.025, 0.975])
        made = "of all" if self.exact else "of"
        told = f"{self.what or 'observed'} {rough(self.observed)}"
        if self.effect is not None:
            told = "; ".join(
                filter(None, (f"{self.what or 'observed'}: {self.effect.told}", self.effect.told_size))
            )
        told += f"; where there is nothing it is from {rough(float(low))} to"
        told += f" {rough(float(high))} in 95 % {made} {len(self.simulated):,} cases; {chance(self.p)}"
        if not self.exact and self.p_low < 0.05 < self.p_high:
            told += f" (with more of them {percent(self.p_low)} to {percent(self.p_high)}: simulate more)"
        return told

    def to_json(self) -> dict[str, Any]:
        """The simulated ones as a histogram: `{"edges", "counts"}`."""
        counts, edges = np.histogram(self.simulated, bins=BINS)
        return {
            "observed": self.observed, "p": self.p, "p_low": self.p_low, "p_high": self.p_high, "exact": self.exact,
            "tail": self.tail, "times": len(self.simulated), "what": self.what, "words": self.words,
            "effect": None if self.effect is None else self.effect.to_json(),
            "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
        }  # fmt: skip


@public
def simulate_null(
    statistic: Callable[[np.random.Generator], float],
    observed: float,
    *,
    times: int = 1_000,
    seed: int = 0,
    tail: Tail = "both",
    what: str = "",
) -> Null:
    """How `observed` stands among the statistics of `times` worlds in which there is nothing, each made by `statistic(generator)`.

    p is (k + 1) / (times + 1), where k are as far out: never 0, for one more world might be (Phipson and Smyth, 2010,
    Statistical Applications in Genetics and Molecular Biology 9:39). Both tails: twice the lesser. Raises DataError where a
    statistic is NaN.
    """
    _some(times)
    generator = np.random.default_rng(seed)
    return _of(
        observed, np.array([outcome_of(statistic, generator) for _ in range(times)]), tail, what, exact=False
    )


@public
def permutation_test(
    outcome: Column,
    group: Column,
    *,
    strata: Column | None = None,
    clusters: Column | None = None,
    statistic: Callable[[npt.NDArray[Any], npt.NDArray[Any]], float] | None = None,
    times: int = 9_999,
    seed: int = 0,
    tail: Tail = "both",
    what: str = "",
) -> Null:
    """Whether (n,) outcomes go with (n,) groups, by exchanging the groups: if they meant nothing, any order would do as well.

    Two groups: the mean of the later one in order less that of the other; numbers: the slope on them; both within strata, and
    with the interval of a regression (HC3, or of clusters). `statistic(outcome, group)` says otherwise. Rows are exchanged
    within `strata` alone, and `clusters`, each of one group (classes of a school that were randomised whole), as wholes.
    All orders are looked at where they are `times` at most: then p is exact; else so many by chance. Raises DataError,
    UsageError.
    """
    _some(times)
    y, given = numbers(outcome, "the outcome", least=2), np.asarray(group)
    n = len(y)
    codes = labels(given, "groups", n)
    levels = np.unique(given)
    if len(levels) < 2:
        raise DataError(f"all rows are of one group ({levels[0]}): nothing to compare.")
    blocks, member = _blocks(codes, strata, clusters, n)
    exact = _orders(blocks, times) is not None
    orders = _exact(blocks) if exact else _drawn(blocks, times, seed)
    if statistic is not None:
        of = statistic
        found = [outcome_of(of, y, levels[row]) for each in orders for row in each[:, member]]
        return _of(outcome_of(of, y, given), np.array(found), tail, what, exact=exact)
    weights, within = _weights(levels), _Within(labels(strata, "strata", n))
    own, y = within.centred(weights[codes]), within.centred(y)
    if not own.any():
        raise DataError(
            "no stratum has rows of both groups.", fix="Give strata in which the groups can be compared."
        )

    def slopes(groups: Floats) -> Floats:
        centred = within.centred(groups)
        below = (centred**2).sum(axis=-1)
        return (centred @ y) / np.where(below > 0, below, np.nan)

    found = np.concatenate([slopes(weights[each[:, member]]) for each in orders])
    made = _of(float(slopes(weights[codes])), found, tail, what, exact=exact)
    return replace(made, effect=_effect(y, own, levels, clusters, within.strata, what))


class _Within:
    """Values less the mean of their stratum."""

    def __init__(self, codes: Codes) -> None:
        self.order = np.argsort(codes, kind="stable")
        self.sizes = np.bincount(codes)
        self.starts = self.sizes.cumsum() - self.sizes
        self.back = np.argsort(self.order, kind="stable")

    @property
    def strata(self) -> int:
        return len(self.sizes)

    def centred(self, values: Floats) -> Floats:
        """(..., n) of (..., n)."""
        means = np.add.reduceat(values[..., self.order], self.starts, axis=-1) / self.sizes
        return values - np.repeat(means, self.sizes, axis=-1)[..., self.back]


def _effect(
    y: Floats, own: Floats, levels: npt.NDArray[Any], clusters: Column | None, strata: int, what: str
) -> Effect | None:
    """The slope with its interval; None of rows too few for one, or that one side tells exactly."""
    n = len(y)
    if n - strata < 3:
        return None
    try:
        given = None if clusters is None else labels(clusters, "clusters", n)
        fit = regress(own[:, None], y, names=["group"], clusters=given)
    except DataError:
        return None
    if exactly(math.sqrt(fit.deviance / n), y):
        return None  # A group tells its rows exactly: how much they differ isn't known.
    free = fit.freedom if clusters is not None else n - strata - 1
    # In standard deviations: of the rows of one group, or, of numbers, of all for one of theirs.
    if len(levels) == 2:
        spread = math.sqrt(fit.deviance / (n - strata - 1))
    else:
        spread = math.sqrt(float(y @ y) / float(own @ own))
    return from_estimate(
        float(fit.beta[0]), float(fit.standard_errors[0]), n=n, df=free, spread=spread or math.nan,
        method=f"slope within {strata:,} strata, {fit.errors}" if strata > 1 else f"slope, {fit.errors}", what=what,
    )  # fmt: skip


def _weights(levels: npt.NDArray[Any]) -> Floats:
    """What each level counts in a slope of the outcome: of two, 0 and 1, and the slope is the difference of means."""
    if len(levels) == 2:
        return np.array([0.0, 1.0])
    if levels.dtype.kind not in "iuf":
        raise UsageError(
            f"{len(levels)} groups have no one difference.",
            fix="Give a statistic(outcome, group), or two groups.",
        )
    return levels.astype(np.float64)


def _blocks(
    codes: Codes, strata: Column | None, clusters: Column | None, n: int
) -> tuple[list[tuple[Codes, Codes]], Codes]:
    """Of each stratum the places of its units and their groups; and for each row its unit: a cluster, or the row itself."""
    member: Codes = np.arange(n)
    groups, of = codes, labels(strata, "strata", n)
    if clusters is not None:
        member = labels(clusters, "clusters", n)
        first = np.unique(member, return_index=True)[1]
        for name, each in (("group", codes), ("stratum", of)):
            if (each != each[first][member]).any():
                row = int(np.flatnonzero(each != each[first][member])[0])
                raise DataError(
                    f"a cluster has more than one {name}.", where=f"row {row + 1}",
                    fix="What is exchanged within clusters has them as strata: give strata=, not clusters=.",
                )  # fmt: skip
        groups, of = codes[first], of[first]
    places = [np.flatnonzero(of == stratum) for stratum in range(int(of.max()) + 1)]
    return [(place, groups[place]) for place in places], member


def _orders(blocks: list[tuple[Codes, Codes]], most: int) -> int | None:
    """How many different orders there are; None where they are over `most`."""
    total = 1
    for _, groups in blocks:
        left = len(groups)
        for count in np.bincount(groups).tolist():
            total *= math.comb(left, count)
            left -= count
            if total > most:
                return None
    return total


def _exact(blocks: list[tuple[Codes, Codes]]) -> Iterator[Codes]:
    """All orders of the units' groups, (1, units) each."""
    units = sum(len(place) for place, _ in blocks)
    for chosen in itertools.product(*(_different(sorted(groups.tolist())) for _, groups in blocks)):
        order = np.empty((1, units), np.int64)
        for (place, _), groups in zip(blocks, chosen):
            order[0, place] = groups
        yield order


def _different(items: list[int]) -> Iterator[tuple[int, ...]]:
    """The different orders of sorted items, some of them alike."""
    if not items:
        yield ()
    for place, item in enumerate(items):
        if place == 0 or items[place - 1] != item:
            for rest in _different(items[:place] + items[place + 1 :]):
                yield (item, *rest)


def _drawn(blocks: list[tuple[Codes, Codes]], times: int, seed: int) -> Iterator[Codes]:
    """`times` orders by chance, many at a time."""
    units = sum(len(place) for place, _ in blocks)
    generator, step = np.random.default_rng(seed), max(1, CELLS // units)
    for start in range(0, times, step):
        orders = np.empty((min(step, times - start), units), np.int64)
        for place, groups in blocks:
            orders[:, place] = generator.permuted(np.broadcast_to(groups, (len(orders), len(groups))), axis=1)
        yield orders


def _some(times: int) -> None:
    if times < 1:
        raise UsageError(f"{times} times are none.", fix="Give 1,000 or more.")


def _of(observed: float, simulated: Floats, tail: Tail, what: str, *, exact: bool) -> Null:
    if not math.isfinite(observed) or not np.isfinite(simulated).all():
        raise DataError(
            "the statistic is NaN or infinite in some cases.", fix="Define it for all data there can be."
        )
    near = ALIKE * float(np.abs(simulated - simulated.mean()).max(initial=abs(observed)))
    above, below = (
        int(np.count_nonzero(simulated >= observed - near)),
        int(np.count_nonzero(simulated <= observed + near)),
    )
    k = {"above": above, "below": below, "both": min(above, below)}[tail]
    times, sides = len(simulated), 2 if tail == "both" else 1
    if exact:
        p = min(1.0, sides * k / times)
        return Null(observed, simulated, p, p, p, True, tail, what)
    around = wilson(k, times)
    p, low, high = (min(1.0, sides * x) for x in ((k + 1) / (times + 1), around.low, around.high))
    return Null(observed, simulated, p, min(p, low), max(p, high), False, tail, what)
