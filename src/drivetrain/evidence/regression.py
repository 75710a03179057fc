"""Linear, logistic and Poisson regression, with errors that hold where the spread isn't constant or rows come in clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drivetrain.errors import DataError, UsageError
from drivetrain.evidence.given import array
from drivetrain.evidence.normal import t_quantile, two_sided
from drivetrain.extras import require
from drivetrain.metrics.estimate import CONFIDENCE, Estimate

Floats = npt.NDArray[np.float64]
Family = Literal["linear", "logit", "poisson"]
"""With the links identity, logit and log, which are the canonical ones."""
Errors = Literal["classic", "HC0", "HC1", "HC2", "HC3"]

STEPS = 30
"""Newton's steps. An outcome that is told apart exactly moves a coefficient by about 1 in each, for ever."""
MOST_LEFT_OUT = 1_000
"""With more clusters the two ways to their errors differ by less than 1 in 1,000."""
COLLINEAR = 1e-9
"""A column of which no more than this part isn't a combination of those before it adds nothing to them."""


@dataclass(frozen=True, slots=True)
class Coefficient:
    """The outcome's change (of its log-odds, of its log) by one more of a column: value, standard error, 95 % interval, p-value
    (two-sided, of the claim that it is 0)."""

    name: str
    value: float
    error: float
    low: float
    high: float
    p: float
    n: int
    method: str

    @property
    def estimate(self) -> Estimate:
        return Estimate(self.value, self.low, self.high, self.method, self.n)


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """What `regress` found. `beta` (p,) with its `covariance` (p, p), of errors made as `errors` says; t with `freedom` degrees,
    normal where that is infinite. `deviance` is the squared residuals' sum for the linear family."""

    family: Family
    names: tuple[str, ...]
    beta: Floats
    covariance: Floats
    errors: str
    n: int
    freedom: float
    deviance: float
    null_deviance: float
    iterations: int

    @property
    def standard_errors(self) -> Floats:
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    def intervals(self, confidence: float = CONFIDENCE) -> Floats:
        """(p, 2): the ends of each coefficient's interval."""
        half = t_quantile((1 + confidence) / 2, self.freedom) * self.standard_errors
        return np.stack([self.beta - half, self.beta + half], axis=1)

    def p_values(self) -> Floats:
        """(p,): how often a coefficient this far from 0 would come by chance, were it 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return two_sided(self.beta / self.standard_errors, self.freedom)

    def joint_p(self, places: Sequence[int]) -> float:
        """How often coefficients, all of these together, would be this far from 0 by chance, were all 0: Wald's test, by F with
        `freedom`, of clusters with as many less as there are coefficients (NaN where none is left)."""
        at = np.asarray(places, np.intp)
        if not len(at):
            return math.nan
        beta, covariance = self.beta[at], self.covariance[np.ix_(at, at)]
        wald, left = float(beta @ np.linalg.pinv(covariance, hermitian=True) @ beta), self.freedom
        if "clusters" in self.errors:
            left = self.freedom + 1 - len(at)
            wald *= left / self.freedom
        return math.nan if left <= 0 else _f_beyond(wald / len(at), len(at), left)

    def of(self, name: str) -> Coefficient:
        """The coefficient of a column. Raises UsageError where there is none."""
        if name not in self.names:
            raise UsageError(f"no column {name!r}.", fix=f"There are {', '.join(self.names)}.")
        at = self.names.index(name)
        low, high = self.intervals()[at]
        return Coefficient(
            name, float(self.beta[at]), float(self.standard_errors[at]), float(low), float(high),
            float(self.p_values()[at]), self.n, f"{self.family} regression, 95 %, {self.errors}",
        )  # fmt: skip

    def linear(self, x: Floats, offset: Floats | None = None) -> Floats:
        """(m,): the linear predictor for a design (m, p)."""
        found = x @ self.beta
        return found if offset is None else found + offset

    def predict(self, x: Floats, offset: Floats | None = None) -> Floats:
        """(m,): the outcome's mean for a design (m, p)."""
        return mean_of(self.family, self.linear(x, offset))

    def contrast(self, weights: Floats) -> tuple[Floats, Floats]:
        """The value and the standard error of sums of coefficients, weighted: () for (p,), (k,) for (k, p)."""
        variance = np.einsum("...i,ij,...j->...", weights, self.covariance, weights)
        return weights @ self.beta, np.sqrt(np.maximum(variance, 0.0))

    def sample(self, normal: Floats) -> Floats:
        """(p, D): what the coefficients may be, made of standard normal numbers (p, D): N(beta, covariance), which a posterior
        under flat priors comes to with many rows. Of few clusters wider: 95 % of the draws lie as far as by t."""
        wider = (
            t_quantile(0.975, self.freedom) / t_quantile(0.975, math.inf)
            if "clusters" in self.errors
            else 1.0
        )
        return self.beta[:, None] + wider * root(self.covariance) @ normal


def regress(
    x: Floats,
    y: Floats,
    *,
    family: Family = "linear",
    names: Sequence[str] = (),
    weights: Floats | None = None,
    offset: Floats | None = None,
    clusters: npt.NDArray[Any] | None = None,
    errors: Errors = "HC3",
    ridge: float | Floats = 0.0,
) -> Regression:
    """The regression of `y` (n,) on a design `x` (n, p), which holds its column of ones.

    `weights` (n,) say how much a row counts (0 leaves it out), `offset` (n,) is added to the linear predictor. `ridge` adds
    (ridge / 2) beta^2 for each column, or for each but those of one value. Rows of one of the `clusters` (n,) may depend on
    each other in any way: t with clusters - 1 degrees of freedom, and for HC3 the jackknife over clusters (CR3), which few of them
    need, up to 1,000; else CR1.

    Iteratively reweighted least squares by QR (McCullagh and Nelder, 1989, Generalized Linear Models, 2.5). HC0 to HC3: White
    (1980), Econometrica 48:817-838; MacKinnon and White (1985), Journal of Econometrics 29:305-325; for other families by the
    leverages of the last step. Clusters: Liang and Zeger (1986), Biometrika 73:13-22, with Stata's factor; Bell
    and McCaffrey (2002), Survey Methodology 28:169-181, the jackknife.

    Raises DataError for what isn't finite, an outcome out of the family's range, fewer rows than columns, a column that is a
    combination of others, and an outcome that columns tell apart exactly, which has no coefficients.
    """
    x, y = array(x, "the design"), array(y, "the outcome")
    if x.ndim != 2:
        raise UsageError(
            f"a design of shape {x.shape} is no table.", fix="Give (rows, columns), with a column of ones."
        )
    names = tuple(names) or tuple(f"x{number}" for number in range(x.shape[1]))
    prior = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
    base = np.zeros(len(y)) if offset is None else np.asarray(offset, np.float64)
    _check(x, y, prior, base, family, names)
    counted = prior > 0
    if not counted.all():
        x, y, prior, base = x[counted], y[counted], prior[counted], base[counted]
        clusters = None if clusters is None else clusters[counted]
    n, p = x.shape
    penalty = np.broadcast_to(np.asarray(ridge, np.float64), (p,)).copy()
    if np.ndim(ridge) == 0:
        penalty[np.ptp(x, axis=0) == 0] = 0.0
    if n <= p and not penalty.any():
        raise DataError(f"{n} rows for {p} columns.", fix="Give more rows, or fewer columns.")
    with np.errstate(over="ignore", invalid="ignore"):
        step = _fitted(x, y, prior, base, penalty, family, names)
    if not (np.isfinite(step.beta).all() and np.isfinite(step.bread).all()):
        raise _told_apart(x, np.nan_to_num(step.beta), family, names)
    scores = x * (prior * (y - step.mean))[:, None]
    covariance, told, freedom = _covariance(step, x, scores, prior, y, family, clusters, errors)
    null = _deviance(family, y, _null_mean(family, y, prior, base), prior)
    return Regression(
        family, names, step.beta, covariance, told, n, freedom,
        _deviance(family, y, step.mean, prior), null, step.iterations,
    )  # fmt: skip


def mean_of(family: Family, linear: Floats) -> Floats:
    """The outcome's mean where the linear predictor is this."""
    if family == "linear":
        return linear
    if family == "logit":
        return 0.5 * (1 + np.tanh(linear / 2))
    return np.exp(np.minimum(linear, 700.0))


def slope_of(family: Family, linear: Floats) -> Floats:
    """The change of that mean by one more of the linear predictor: the variance that the family gives the outcome too."""
    if family == "linear":
        return np.ones_like(linear)
    if family == "logit":
        return 0.25 / np.cosh(np.clip(linear / 2, -350.0, 350.0)) ** 2
    return np.exp(np.minimum(linear, 700.0))


def root(covariance: Floats) -> Floats:
    """(p, p): what standard normal numbers are multiplied by to have this covariance, which may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _f_beyond(f: float, above: int, below: float) -> float:
    require("scipy", "a p-value", "decide")
    from scipy.special import chdtrc, fdtrc  # pyright: ignore[reportMissingTypeStubs]

    return float(chdtrc(above, f * above) if math.isinf(below) else fdtrc(above, below, f))


@dataclass(slots=True)
class _Step:
    """The last of Newton's steps: bread (p, p) is the inverse of the information, leverage (n,) the hat matrix's diagonal."""

    beta: Floats
    mean: Floats
    bread: Floats
    leverage: Floats
    iterations: int


def _check(x: Floats, y: Floats, prior: Floats, base: Floats, family: Family, names: tuple[str, ...]) -> None:
    if x.ndim != 2 or len(names) != x.shape[1] or not len(x) == len(y) == len(prior) == len(base):
        raise UsageError(
            f"a design of {x.shape}, {len(names)} names and {len(y)} outcomes don't go together."
        )
    fine = np.isfinite(x)
    if not fine.all():
        row, column = np.argwhere(~fine)[0]
        raise DataError("not a finite number.", where=f"row {row + 1}, column {names[column]!r}")
    for what, values in (("outcome", y), ("weight", prior), ("offset", base)):
        if not np.isfinite(values).all():
            raise DataError(
                "not a finite number.", where=f"row {int(np.argmin(np.isfinite(values))) + 1}, {what}"
            )
    if (prior < 0).any():
        raise DataError("a weight below 0.", where=f"row {int(np.argmax(prior < 0)) + 1}")
    low, high = {"linear": (-np.inf, np.inf), "logit": (0.0, 1.0), "poisson": (0.0, np.inf)}[family]
    wrong = (y < low) | (y > high)
    if wrong.any():
        fix = "It takes 0 and 1, or shares." if family == "logit" else "It takes counts, 0 or more."
        at = int(np.argmax(wrong))
        raise DataError(f"{y[at]:g} is no outcome for {family}.", where=f"row {at + 1}", fix=fix)


def _fitted(
    x: Floats, y: Floats, prior: Floats, base: Floats, penalty: Floats, family: Family, names: tuple[str, ...]
) -> _Step:
    if family == "linear":
        beta, bread, leverage = _least_squares(x, y - base, prior, penalty, names)
        return _Step(beta, x @ beta + base, bread, leverage, 1)
    mean = (y + 0.5) / 2 if family == "logit" else y + 0.1
    linear = np.log(mean / (1 - mean)) if family == "logit" else np.log(mean)
    size = np.sqrt((x * x).mean(axis=0))
    before, loss = np.full(x.shape[1], np.inf), np.inf
    bread, leverage = np.zeros((0, 0)), np.zeros(0)
    nearly = False  # Until then half the digits are enough, and cheaper.
    for number in range(1, STEPS + 1):
        slope = np.maximum(slope_of(family, linear), 1e-14)
        working = linear - base + (y - mean) / slope
        weights = prior * slope
        try:
            if number > 1 and not nearly:
                beta = _quickly(x, working, weights, penalty)
            else:
                beta, bread, leverage = _least_squares(x, working, weights, penalty, names)
        except (DataError, np.linalg.LinAlgError) as fault:
            if number < 4 and isinstance(fault, DataError):
                raise
            raise _told_apart(x, before, family, names) from fault
        if np.isfinite(loss):
            beta, now = _no_worse(x, y, prior, base, penalty, family, before, beta, loss)
        else:
            now = _loss(x, y, prior, base, penalty, family, beta)
        moved = float((np.abs(beta - before) * size).max()) if number > 1 else np.inf
        before, loss = beta, now
        linear = x @ beta + base
        mean = mean_of(family, linear)
        if nearly and moved < 1e-9 * (1 + float((np.abs(beta) * size).max())):
            return _Step(beta, mean, bread, leverage, number)
        nearly = moved < 1e-4 * (1 + float((np.abs(beta) * size).max()))
    raise _told_apart(x, before, family, names)


def _quickly(x: Floats, y: Floats, weights: Floats, penalty: Floats) -> Floats:
    """The coefficients alone, by the normal equations, which lose half the digits."""
    weighed = x * weights[:, None]
    return np.asarray(np.linalg.solve(weighed.T @ x + np.diag(penalty), weighed.T @ y), np.float64)


def _no_worse(
    x: Floats, y: Floats, prior: Floats, base: Floats, penalty: Floats, family: Family,
    before: Floats, beta: Floats, loss: float,
) -> tuple[Floats, float]:  # fmt: skip
    """The step, halved while it makes the loss worse: far from the best the quadratic that Newton's step goes by can be far off."""
    now = _loss(x, y, prior, base, penalty, family, beta)
    for _ in range(20):
        if now <= loss + 1e-9 * abs(loss) + 1e-12:
            break
        beta = (beta + before) / 2
        now = _loss(x, y, prior, base, penalty, family, beta)
    return beta, now


def _loss(
    x: Floats, y: Floats, prior: Floats, base: Floats, penalty: Floats, family: Family, beta: Floats
) -> float:
    return _deviance(family, y, mean_of(family, x @ beta + base), prior) + float(penalty @ beta**2)


def _least_squares(
    x: Floats, y: Floats, weights: Floats, penalty: Floats, names: tuple[str, ...]
) -> tuple[Floats, Floats, Floats]:
    """Coefficients, the inverse of x'wx + penalty, and each row's leverage."""
    square = np.sqrt(weights)
    weighed, target = x * square[:, None], y * square
    if penalty.any():
        weighed = np.concatenate([weighed, np.diag(np.sqrt(penalty))])
        target = np.concatenate([target, np.zeros(len(penalty))])
    size = np.sqrt((weighed * weighed).sum(axis=0))
    scale = np.where(size > 0, size, 1.0)
    q, r = np.linalg.qr(weighed / scale)
    own = np.abs(np.diag(r))
    if own.min() < COLLINEAR:
        at = int(np.argmin(own))
        what = "is all 0" if size[at] == 0 else "is a combination of columns before it"
        raise DataError(f"the column {names[at]!r} {what}.", fix="Leave it out.")
    inverse = np.linalg.inv(r) / scale[:, None]
    q = q[: len(x)]
    return inverse @ (q.T @ target[: len(x)]), inverse @ inverse.T, (q * q).sum(axis=1)


def _told_apart(x: Floats, beta: Floats, family: Family, names: tuple[str, ...]) -> DataError:
    at = int(np.argmax(np.abs(beta) * x.std(axis=0)))
    what = "0 from 1" if family == "logit" else "0 from the rest"
    return DataError(
        f"{names[at]!r} tells {what} exactly in some rows: its coefficient has no bound.",
        fix="Leave it out, join its levels, or give a ridge.",
    )


def deviances(family: Family, y: Floats, mean: Floats) -> Floats:
    """(n,): twice the log likelihood that is lost to a fit of each row by itself; squared residuals for the linear family."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        if family == "linear":
            return (y - mean) ** 2
        if family == "poisson":
            return 2 * (np.where(y > 0, y * np.log(y / np.maximum(mean, 1e-300)), 0.0) - (y - mean))
        mean, none = np.clip(mean, 1e-300, 1 - 1e-16), 1 - y
        ones = np.where(y > 0, y * np.log(y / mean), 0.0)
        return 2 * (ones + np.where(none > 0, none * np.log(none / (1 - mean)), 0.0))


def _deviance(family: Family, y: Floats, mean: Floats, prior: Floats) -> float:
    return float(prior @ deviances(family, y, mean))


def _null_mean(family: Family, y: Floats, prior: Floats, base: Floats) -> Floats:
    """The mean of each row where nothing but the offset is known."""
    if not base.any():
        return np.full(len(y), prior @ y / prior.sum())
    if family == "linear":
        return base + prior @ (y - base) / prior.sum()
    nothing = np.zeros(1)
    if (prior @ y == 0) or (family == "logit" and prior @ (1 - y) == 0):
        return np.full(len(y), prior @ y / prior.sum())
    return _fitted(np.ones((len(y), 1)), y, prior, base, nothing, family, ("one",)).mean


def _slope_at(family: Family, mean: Floats) -> Floats:
    """`slope_of`, by the mean."""
    return {
        "linear": lambda: np.ones_like(mean),
        "logit": lambda: mean * (1 - mean),
        "poisson": lambda: mean,
    }[family]()


def _left_out(
    bread: Floats, x: Floats, weights: Floats, codes: npt.NDArray[np.int64], summed: Floats
) -> Floats:
    """(p, p): how far the coefficients would move (by one of Newton's steps) without each cluster: CR3, the jackknife. A column
    that is told by one cluster alone can't move without it (a generalised inverse: MacKinnon, Nielsen and Webb, 2023, Journal
    of Applied Econometrics 38:671-694)."""
    size = np.sqrt(np.diag(bread))
    scaled = x * size
    groups, p = summed.shape
    own = np.empty((groups, p, p))
    for at in range(p):
        for other in range(at, p):
            product = weights * scaled[:, at] * scaled[:, other]
            own[:, at, other] = own[:, other, at] = np.bincount(codes, product, groups)
    rest = np.linalg.inv(bread / np.outer(size, size)) - own
    moved = (np.linalg.pinv(rest, rcond=1e-10, hermitian=True) @ (summed * size)[:, :, None])[:, :, 0] * size
    return moved.T @ moved * (groups - 1) / groups


def _covariance(
    step: _Step, x: Floats, scores: Floats, prior: Floats, y: Floats, family: Family,
    clusters: npt.NDArray[Any] | None, errors: Errors,
) -> tuple[Floats, str, float]:  # fmt: skip
    """(p, p), how it was made, and the degrees of freedom."""
    n, p = scores.shape
    freedom = max(n - p, 1) if family == "linear" else math.inf
    if clusters is not None:
        codes = np.unique(np.asarray(clusters), return_inverse=True)[1]
        groups = int(codes.max()) + 1
        if groups < 2:
            raise DataError("all rows are of one cluster.", fix="Give clusters of which there are several.")
        summed: Floats = np.stack(
            [np.bincount(codes, column).astype(np.float64) for column in scores.T], axis=1
        )
        told = f"errors of {groups:,} clusters"
        if errors == "HC3" and groups <= MOST_LEFT_OUT:
            weights = prior * _slope_at(family, step.mean)
            return _left_out(step.bread, x, weights, codes, summed), told, groups - 1
        factor = groups / (groups - 1) * (n - 1) / max(n - p, 1)
        return step.bread @ (summed.T @ summed) @ step.bread * factor, told, groups - 1
    if errors == "classic":
        spread = float(prior @ (y - step.mean) ** 2) / freedom if family == "linear" else 1.0
        return step.bread * spread, "errors of constant spread", freedom
    left = np.maximum(1 - step.leverage, 1e-8)[:, None]
    scaled = {"HC2": lambda: scores / np.sqrt(left), "HC3": lambda: scores / left}.get(
        errors, lambda: scores
    )()
    covariance = step.bread @ (scaled.T @ scaled) @ step.bread
    if errors == "HC1":
        covariance = covariance * n / max(n - p, 1)
    return covariance, f"robust errors ({errors})", freedom
