"""An effect: how large, how sure, and how often chance alone makes as much. In that order."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.errors import DataError, UsageError
from drivetrain.evidence.given import Column, numbers
from drivetrain.evidence.normal import t_quantile, two_sided, z_of
from drivetrain.evidence.words import chance, standardised, with_interval
from drivetrain.figures import percent, rough
from drivetrain.metrics.estimate import FEWEST_GROUPS, Estimate

Floats = npt.NDArray[np.float64]
Answer = Literal["matters", "too small to matter", "none that matters", "there, size unclear", "can't tell"]

ROUNDED = 1e-12
"""Of numbers: spreads of less are rounding."""


@dataclass(frozen=True, slots=True)
class Effect(Estimate):
    """`value` with the interval `low` to `high` that holds the true one with `confidence`, and its standard error.

    `size` is the effect in standard deviations of the outcome (Hedges' g; of shares Cohen's h), with its interval; NaN where
    nobody said what they are. `p`: how often as much would be seen where there is nothing (two-sided).
    """

    se: float
    p: float
    size: float
    size_low: float
    size_high: float
    confidence: float
    what: str = ""

    @property
    def told(self) -> str:
        """The effect and its interval."""
        return with_interval(self.value, self.low, self.high)

    @property
    def told_size(self) -> str:
        """The same in standard deviations; nothing where these are not known."""
        return "" if math.isnan(self.size) else standardised(self.size, self.size_low, self.size_high)

    @property
    def words(self) -> str:
        """Effect and interval, standardised, and p last."""
        told = f"{self.what}: {self.told}" if self.what else self.told
        return "; ".join(filter(None, (told, self.told_size, chance(self.p))))

    def to_json(self) -> dict[str, Any]:
        """What `Estimate` gives, with se, p, size, size_low, size_high, confidence, what and words; null for what is undefined."""
        more = {
            "se": self.se, "p": self.p, "size": self.size, "size_low": self.size_low, "size_high": self.size_high,
        }  # fmt: skip
        return {
            **Estimate.to_json(self),
            **{name: None if math.isnan(value) else value for name, value in more.items()},
            "confidence": self.confidence,
            "what": self.what,
            "words": self.words,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """An effect held against the smallest one that matters."""

    answer: Answer
    words: str

    def to_json(self) -> dict[str, Any]:
        return {"answer": self.answer, "words": self.words}


@public
def from_estimate(
    value: float,
    se: float,
    *,
    n: int,
    df: float = math.inf,
    spread: float = math.nan,
    confidence: float = 0.95,
    method: str = "",
    what: str = "",
) -> Effect:
    """The effect of an estimate with a standard error: a slope of `regression`, say. `df` degrees of freedom;
    `spread` is the standard deviation that its size is told in (of a slope: the outcome's over the column's)."""
    if not se >= 0 or not math.isfinite(value):
        raise DataError(f"an estimate of {value} with a standard error of {se} says nothing.")
    half = t_quantile((1 + confidence) / 2, df) * se
    p = float(two_sided(value / se, df)) if se else float(value == 0)
    sizes = [each / spread for each in (value, value - half, value + half)]
    method = method or ("normal" if math.isinf(df) else "Student's t")
    method = f"{method}, {percent(confidence, 0)}"
    return Effect(
        value, value - half, value + half, method, n, se, p, sizes[0], min(sizes[1:]), max(sizes[1:]), confidence, what
    )  # fmt: skip


@public
def difference(
    a: Column,
    b: Column,
    *,
    clusters: tuple[Column, Column] | None = None,
    confidence: float = 0.95,
    what: str = "",
) -> Effect:
    """The mean of (n,) a less that of (m,) b; of truth values the difference of their shares.

    Means: Welch's interval and test (1947, Biometrika 34:28-35), Hedges' g. Shares: the score interval and test of Miettinen
    and Nurminen (1985, Statistics in Medicine 4:213-226), which agree with each other, and Cohen's h. With `clusters`, the
    labels of a's rows and of b's (a label in both is one cluster), the error is that of so many clusters, not of so many rows:
    Student's t with one less than there are, by the jackknife over clusters (Bell and McCaffrey, 2002, Survey Methodology
    28:169-181), which holds with few of them too. Raises DataError.
    """
    values = [numbers(each, name, least=2) for each, name in ((a, "a"), (b, "b"))]
    if np.asarray(a).dtype == bool and np.asarray(b).dtype == bool and clusters is None:
        return replace(_of_shares(values[0], values[1], confidence), what=what)
    x, y = values
    if exactly(x.std(), x) and exactly(y.std(), y):
        if clusters is None and np.isin([x[0], y[0]], (0, 1)).all():
            return replace(_of_shares(x, y, confidence), what=what)
        raise DataError(
            f"a is {rough(x[0])} in all its {len(x):,} rows and b {rough(y[0])} in all its {len(y):,}: how much rows differ, and "
            "so how sure the difference is, nobody can tell.", fix="Give rows that differ, or a permutation_test.",
        )  # fmt: skip
    value, n = float(x.mean() - y.mean()), len(x) + len(y)
    spread = math.sqrt((x.var(ddof=1) * (len(x) - 1) + y.var(ddof=1) * (len(y) - 1)) / (n - 2))
    if clusters is None:
        parts = x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)
        se = math.sqrt(sum(parts))
        below = parts[0] ** 2 / (len(x) - 1) + parts[1] ** 2 / (len(y) - 1)
        df, method = (sum(parts) ** 2 / below if below else math.inf), "Welch's t"
    else:
        se, groups = _clustered(x, y, clusters)
        df, method = float(groups - 1), f"Student's t of {groups:,} clusters"
    found = from_estimate(value, se, n=n, df=df, confidence=confidence, method=method, what=what)
    return _with_size(found, value / spread if spread else math.nan, len(x), len(y), spread)


@public
def weigh(effect: Estimate, matters: float) -> Verdict:
    """What the interval says of an effect as large as `matters` (above 0), in either direction.

    That p is above 0.05 is never taken for "no effect": for that the whole interval has to be too small to matter
    (equivalence; Schuirmann, 1987, Journal of Pharmacokinetics 15:657-680). Raises UsageError.
    """
    if not matters > 0:
        raise UsageError(f"an effect that matters can't be {matters}.", fix="Give the smallest one, above 0.")
    low, high = effect.low, effect.high
    told, least = with_interval(effect.value, low, high), rough(matters)
    nothing = low <= 0 <= high
    if math.isnan(low) or math.isnan(high):
        return Verdict("can't tell", f"{told}: there is no interval, so nothing can be said.")
    if low >= matters or high <= -matters:
        return Verdict(
            "matters", f"{told}: all of the interval is as large as {least} or larger. It matters."
        )
    if -matters < low and high < matters:
        if nothing:
            said = f"{told}: whatever there is, it is smaller than {least}. None that matters."
            return Verdict("none that matters", said)
        return Verdict(
            "too small to matter", f"{told}: it is there, and smaller than {least}. Too small to matter."
        )
    if nothing:
        said = f"{told}: the interval holds both nothing and {least}. These data can't tell"
        return Verdict("can't tell", f"{said}; that is not to say that there is nothing.")
    return Verdict("there, size unclear", f"{told}: it is there, and may or may not be as large as {least}.")


def exactly(spread: float, values: Floats) -> bool:
    """Whether what is left of `values` is no more than what arithmetic rounds."""
    return bool(spread <= ROUNDED * max(float(np.abs(values).max()), np.finfo(np.float64).tiny))


def _clustered(x: Floats, y: Floats, clusters: tuple[Column, Column]) -> tuple[float, int]:
    """The standard error, by what the difference would be without each cluster, and how many there are."""
    labels = [np.asarray(each) for each in clusters]
    if [each.shape for each in labels] != [x.shape, y.shape]:
        raise DataError(
            f"clusters of {labels[0].size:,} and {labels[1].size:,} rows don't fit {len(x):,} and {len(y):,}."
        )
    codes = np.unique(np.concatenate(labels), return_inverse=True)[1]
    groups = int(codes.max()) + 1
    if groups < FEWEST_GROUPS:
        raise DataError(
            f"{groups} clusters are too few to tell how much they vary.",
            fix=f"Measure {FEWEST_GROUPS} at least.",
        )
    without: list[Floats] = []
    for values, of in ((x, codes[: len(x)]), (y, codes[len(x) :])):
        rows = np.bincount(of, minlength=groups)
        if rows.max() == len(values):
            raise DataError(
                "all rows of a group are of one cluster.", fix="Measure the group in several clusters."
            )
        without.append((values.sum() - np.bincount(of, values, groups)) / (len(values) - rows))
    apart = without[0] - without[1]
    return math.sqrt((groups - 1) / groups * float(((apart - (x.mean() - y.mean())) ** 2).sum())), groups


def _with_size(found: Effect, d: float, n: int, m: int, spread: float) -> Effect:
    """Hedges (1981), Journal of Educational Statistics 6:107-128; the width by the error that was found, for clusters too."""
    right = 1 - 3 / (4 * (n + m - 2) - 1)
    g = d * right
    se = math.sqrt((found.se / spread) ** 2 + g * g / (2 * (n + m))) if spread else math.nan
    half = z_of(found.confidence) * se
    return replace(found, size=g, size_low=g - half, size_high=g + half)


def _of_shares(x: Floats, y: Floats, confidence: float) -> Effect:
    n, m, a, b = len(x), len(y), float(x.mean()), float(y.mean())
    value = a - b
    z = z_of(confidence)

    def score(at: float) -> float:
        return _score(value, at, n, m, a, b)

    low = _crossing(score, z, -1.0, value)
    high = _crossing(score, -z, value, 1.0)
    h, half = 2 * (math.asin(math.sqrt(a)) - math.asin(math.sqrt(b))), z * math.sqrt(1 / n + 1 / m)
    se = math.sqrt(a * (1 - a) / n + b * (1 - b) / m)
    method = f"score interval (Miettinen and Nurminen), {percent(confidence, 0)}"
    return Effect(
        value, low, high, method, n + m, se, float(two_sided(score(0.0))), h, h - half, h + half, confidence
    )


def _crossing(score: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    for _ in range(60):  # The score falls.
        middle = (low + high) / 2
        low, high = (middle, high) if score(middle) > wanted else (low, middle)
    return (low + high) / 2


def _score(value: float, at: float, n: int, m: int, a: float, b: float) -> float:
    """The difference found less the one assumed, over its standard error under the one assumed."""
    total, events = n + m, n * a + m * b
    # The likeliest share of b under the assumed difference: the root of a cubic, by trigonometry.
    c3, c2 = total, (n + 2 * m) * at - total - events
    c1, c0 = (m * at - total - 2 * m * b) * at + events, m * b * at * (1 - at)
    q = c2**3 / (3 * c3) ** 3 - c1 * c2 / (6 * c3**2) + c0 / (2 * c3)
    inner = max(0.0, c2**2 / (3 * c3) ** 2 - c1 / (3 * c3))
    p = math.copysign(math.sqrt(inner), q)
    turn = (math.pi + math.acos(max(-1.0, min(1.0, q / p**3 if p else 0.0)))) / 3
    of_b = min(1.0, max(0.0, 2 * p * math.cos(turn) - c2 / (3 * c3)))
    of_a = min(1.0, max(0.0, of_b + at))
    variance = (of_a * (1 - of_a) / n + of_b * (1 - of_b) / m) * total / (total - 1)
    apart = value - at
    return apart / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, apart) if apart else 0.0
