"""The curve of an outcome over a lever, learned from rows: what a plan's simulator asks for any setting, with what isn't known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.effects.adjusted import Adjusted, adjusted_well
from drivetrain.effects.claim import Claim
from drivetrain.effects.design import Atom, Term, atoms_of, independent, matrix, name_of, terms_of
from drivetrain.effects.estimated import Check, apart, p_words
from drivetrain.effects.held import held_fixed
from drivetrain.effects.nuisance import folds_of
from drivetrain.effects.overlap import overlap
from drivetrain.effects.randomised import balance, plain_contrasts
from drivetrain.effects.refute import FAR
from drivetrain.effects.result import refused, turning
from drivetrain.effects.rows import Asked, ask
from drivetrain.effects.sensitivity import Sensitivity, sensitivity
from drivetrain.errors import DataError, UsageError
from drivetrain.evidence.normal import t_quantile
from drivetrain.evidence.regression import Family, Regression, deviances, mean_of, regress, slope_of
from drivetrain.figures import rough
from drivetrain.runtime.columns import Columns, Source

Floats = npt.NDArray[np.float64]

MOST_BENDS = 3
KEPT_ROWS = 200
"""Rows kept to average over, where a plan has none of the columns that were held fixed."""


@dataclass(frozen=True, eq=False)
class Response:
    """The mean of `outcome` as `regression` of `terms` has it: of the `lever`, straight or bent, of the columns `adjust`, and of
    the lever times the columns `varies_with`.

    `levels` are those of its text columns when it was learned; `rows` some of what was held fixed, to average over; `residuals`
    101 quantiles of what is left (linear alone); `observed` the lever's values, or places in its levels;
    `ranges` the least and the largest of each input that is a number. `p`: how often chance alone would make the lever seem to
    matter so much. `claim` is what the rows bear out; `hidden` how strong a hidden cause would have to be to turn an adjusted one,
    `turned` which recorded column moves one that nobody vouches for.
    """

    lever: str
    outcome: str
    adjust: tuple[str, ...]
    varies_with: tuple[str, ...]
    regression: Regression
    terms: tuple[Term, ...]
    levels: Mapping[str, tuple[str, ...]]
    rows: Columns
    residuals: Floats
    observed: Floats
    ranges: Mapping[str, tuple[float, float]]
    p: float
    claim: Claim
    checks: tuple[Check, ...]
    hidden: Sensitivity | None
    turned: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def family(self) -> Family:
        return self.regression.family

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.lever, *self.adjust)

    @property
    def moves(self) -> bool:
        """Whether the rows show, beyond chance (p below .05), that the lever moves the outcome at all."""
        return self.p < 0.05

    @property
    def bends(self) -> int:
        return len(
            {
                atom
                for term in self.terms
                for atom in term
                if atom.kind == "bend" and atom.column == self.lever
            }
        )

    @property
    def words(self) -> str:
        shape = "straight" if not self.bends else f"with {self.bends} bend{'s' if self.bends > 1 else ''}"
        held = f", {', '.join(self.adjust)} held fixed" if self.adjust else ""
        said = [
            f"{self.outcome} over {self.lever}: {self.family} regression on {self.regression.n:,} rows, {shape}{held}; "
            f"that {self.lever} moves it at all: p {p_words(self.p)}."
        ]
        if self.claim.kind == "undeclared":
            said += [
                self.claim.why
                or "Nobody declared where the lever's settings came from: this compares, and no more."
            ]
        said += [each.words for each in self.checks if not each.holds and each.words not in self.claim.why]
        return " ".join((*said, *self.turned, *self.notes))

    def coefficients(self, normal: Floats | None) -> Floats:
        """(p, D): what they may be, made of standard normal numbers (p, D); None: (p, 1), the estimates."""
        return self.regression.beta[:, None] if normal is None else self.regression.sample(normal)

    def linear(
        self, values: Mapping[str, Floats], levels: Mapping[str, tuple[str, ...]], beta: Floats
    ) -> Floats:
        """The linear predictor, broadcastable to (S, R, D), for values of the inputs in that form and coefficients (p, D)."""
        return self._summed(values, levels, beta, slope=False)

    def mean(
        self, values: Mapping[str, Floats], levels: Mapping[str, tuple[str, ...]] | None = None, beta: Floats | None = None
    ) -> Floats:  # fmt: skip
        """The outcome's mean, broadcastable to (S, R, D). `levels`: what codes of text columns stand for (when learned: None)."""
        linear = self.linear(values, self.levels if levels is None else levels, self._beta(beta))
        return mean_of(self.family, linear)

    def slope(
        self, values: Mapping[str, Floats], levels: Mapping[str, tuple[str, ...]] | None = None, beta: Floats | None = None
    ) -> Floats:  # fmt: skip
        """The change of that mean by one more of the lever, in the same form."""
        known, beta = self.levels if levels is None else levels, self._beta(beta)
        return slope_of(self.family, self.linear(values, known, beta)) * self._summed(
            values, known, beta, slope=True
        )

    def averaged(self, lever: Floats, levels: Mapping[str, tuple[str, ...]], beta: Floats) -> Floats:
        """The mean over the rows kept, for a lever (S, R, 1 or D): those rows are no part of the answer's shape."""
        if not self.adjust:
            return mean_of(self.family, self.linear({self.lever: lever}, levels, beta))
        lever = np.asarray(lever, np.float64)
        flat = lever.reshape(-1, 1, lever.shape[-1])
        held = {name: self.rows.of(name)[None, :, None] for name in self.adjust}
        known = {**self.levels, **levels}
        draws = max(beta.shape[1], lever.shape[-1])
        found = np.empty((len(flat), draws))
        step = max(2**22 // (self.rows.rows * draws), 1)
        for start in range(0, len(flat), step):
            part = slice(start, start + step)
            linear = self.linear({self.lever: flat[part], **held}, known, beta)
            found[part] = np.broadcast_to(mean_of(self.family, linear).mean(axis=1), found[part].shape)
        return found.reshape(*lever.shape[:-1], draws)

    def seen(self, mean: Floats, uniform: Floats) -> Floats:
        """What comes of it each time, where the mean is this: 0 or 1, a count, or the mean and what was left of one row."""
        if self.family == "linear":
            return mean + np.interp(uniform, np.linspace(0, 1, len(self.residuals)), self.residuals)
        if self.family == "logit":
            return (uniform < mean).astype(np.float64)
        from scipy.special import pdtr, pdtrik  # pyright: ignore[reportMissingTypeStubs]

        least = np.ceil(
            np.asarray(pdtrik(uniform, mean), np.float64)
        )  # The count from which the chance of no more is that.
        fewer = np.maximum(least - 1, 0.0)
        return np.where(np.asarray(pdtr(fewer, mean)) >= uniform, fewer, np.maximum(least, 0.0))

    def _beta(self, beta: Floats | None) -> Floats:
        return self.coefficients(None) if beta is None else beta

    def _summed(
        self,
        values: Mapping[str, Floats],
        levels: Mapping[str, tuple[str, ...]],
        beta: Floats,
        *,
        slope: bool,
    ) -> Floats:
        """Terms times coefficients, all terms of one shape in one product."""
        groups = dict[tuple[int, ...], list[tuple[int, Floats]]]()
        made = dict[Atom, Floats]()
        for place, term in enumerate(self.terms):
            if slope and not any(atom.column == self.lever for atom in term):
                continue
            column = np.ones((1, 1, 1))
            for atom in term:
                if slope and atom.column == self.lever:
                    column = column * atom.slope(values[self.lever])
                    continue
                if atom not in made:
                    made[atom] = atom.of(values[atom.column], levels.get(atom.column, ()))
                column = column * made[atom]
            groups.setdefault(column.shape, []).append((place, column))
        found = np.zeros((1, 1, 1))
        for shape, group in groups.items():
            if shape[-1] == 1:
                stacked = np.concatenate([column for _, column in group], axis=-1)
                found = found + stacked @ beta[[place for place, _ in group]]
            else:
                for place, column in group:
                    found = found + column * beta[place]
        return found


@public
def fit(
    rows: Source,
    *,
    outcome: str,
    lever: str,
    claim: object = None,
    adjust: Sequence[str] | None = None,
    family: Family | None = None,
    bends: int | None = None,
    varies_with: Sequence[str] = (),
    clusters: str | None = None,
    seed: int = 0,
) -> Response:
    """Learn how `outcome` answers to `lever`, from a table (a path, a mapping of columns, a frame).

    `claim` and `adjust` as `effects.effect` takes them: what the rows don't bear out (a randomised lever that other columns
    tell, no overlap) is undeclared in the response. `family`: "linear", "logit" for 0 and 1, "poisson" for counts; None: logit
    where the outcome is 0 and 1, else linear. `bends`: how often the curve over the lever (a natural cubic spline) may bend,
    0 to 3; None: as often as makes rows of other folds more likely, by more than a standard error. `varies_with`: columns on
    which it depends what the lever does; they are held fixed too.
    """
    held = (
        None if adjust is None and not varies_with else tuple(dict.fromkeys((*(adjust or ()), *varies_with)))
    )
    asked = ask(rows, lever=lever, outcome=outcome, claim=claim, adjust=held, clusters=clusters)
    scores = adjusted_well(asked, seed=seed) if asked.claim.kind == "adjusted" else None
    kind = _family(asked, family)
    terms, told = _terms(asked, scores, varies_with, kind, bends, seed)
    design = matrix(terms, asked.rows)
    keep = np.concatenate([[True], independent(design[:, 1:])])
    terms = [term for term, kept in zip(terms, keep) if kept]
    design = design[:, keep]
    found = regress(
        design, asked.y, family=kind, clusters=asked.clusters, names=[name_of(term) for term in terms]
    )
    of_lever = [at for at, term in enumerate(terms) if any(atom.column == lever for atom in term)]
    if not of_lever:
        raise DataError(
            f"the columns held fixed tell {lever!r} exactly: nothing is left of it to learn from."
        )
    bent = len({atom for term in terms for atom in term if atom.kind == "bend" and atom.column == lever})
    checks = _checks(asked, scores, _effects(asked, found, terms, bent, scores))
    borne_out = refused(asked.claim, checks)
    left = asked.y - found.predict(design)
    some = np.random.default_rng(seed).permutation(asked.n)[:KEPT_ROWS]
    columns = Columns({name: asked.rows.of(name)[some] for name in asked.adjust}, asked.rows.levels)
    inputs = (lever, *asked.adjust)
    numbers = [
        name for name in inputs if name not in asked.rows.levels and not np.isnan(asked.rows.of(name)).all()
    ]
    return Response(
        lever, outcome, asked.adjust, tuple(varies_with), found, tuple(terms),
        {name: asked.rows.levels[name] for name in inputs if name in asked.rows.levels}, columns,
        np.quantile(left, np.linspace(0, 1, 101)) if kind == "linear" else np.zeros(0),
        asked.rows.of(lever),
        {name: (float(np.nanmin(value := asked.rows.of(name))), float(np.nanmax(value))) for name in numbers},
        found.joint_p(of_lever), borne_out, checks,
        sensitivity(asked, held=scores.terms) if scores is not None else None,
        _turned(asked) if borne_out.kind == "undeclared" else (), (*asked.notes, *told),
    )  # fmt: skip


def _turned(asked: Asked) -> tuple[str, ...]:
    contrasts, _ = plain_contrasts(asked)
    return tuple(turning(asked, contrasts[0]))


def _checks(asked: Asked, scores: Adjusted | None, effects: Floats) -> tuple[Check, ...]:
    """`effects` (k,) are the curve's own, of what `scores` estimates without the curve; () where those are of another thing."""
    if scores is None:
        return (balance(asked),) if asked.claim.kind == "randomised" else ()
    found = [overlap(asked, scores.expected_lever), *held_fixed(asked, scores)]
    for mine, other in zip(effects.tolist(), scores.contrasts):
        off = apart(mine - other.value, other.error)
        words = f"{other.label[:1].upper()}{other.label[1:]} makes {rough(mine)} by the curve and {rough(other.value)} by double "
        words += f"machine learning, {abs(off):.1f} standard errors apart."
        found.append(Check("curve", abs(off) < FAR, off, words))
    return tuple(found)


def _effects(
    asked: Asked, found: Regression, terms: Sequence[Term], bends: int, scores: Adjusted | None
) -> Floats:
    """(k,): of each level against the first, over all rows that the scores are of, or the slope of a
    straight line; () of what is no straight line."""
    if asked.kind == "number":
        straight = found.family == "linear" and not bends and terms[1] == (terms[1][0],)
        return np.array([found.beta[1] / terms[1][0].scale]) if straight else np.zeros(0)
    means = list[float]()
    levels = asked.rows.levels.get(asked.lever, ())
    for at in range(max(len(asked.levels), 2)):
        place = float(levels.index(asked.levels[at])) if levels else float(at)
        moved = Columns({**asked.rows.values, asked.lever: np.full(asked.n, place)}, asked.rows.levels)
        said = found.predict(matrix(terms, moved))
        means.append(float((said if scores is None else said[scores.kept]).mean()))
    return np.array(means[1:]) - means[0]


def _family(asked: Asked, family: Family | None) -> Family:
    if family is not None and family not in ("linear", "logit", "poisson"):
        raise UsageError(
            f"there is no family {family!r}.", where="family", fix="There are linear, logit and poisson."
        )
    return family or ("logit" if np.isin(asked.y, (0, 1)).all() else "linear")


def _terms(
    asked: Asked,
    scores: Adjusted | None,
    varies_with: Sequence[str],
    family: Family,
    bends: int | None,
    seed: int,
) -> tuple[list[Term], list[str]]:
    """Those of the regression, and what is to be told of them."""
    held, told = terms_of(asked.rows, asked.adjust)
    if scores is not None:  # Straight lines would leave what bends; else it is but noise.
        held, told = scores.terms, scores.told
    if bends is not None and not 0 <= bends <= MOST_BENDS:
        raise UsageError(f"{bends} bends.", where="bends", fix=f"Take 0 to {MOST_BENDS}.")
    if asked.kind != "number" or bends is not None:
        return _with(asked, held, varies_with, bends or 0), told
    tried = dict[int, list[Term]]()
    for number in range(MOST_BENDS + 1):
        terms = _with(asked, held, varies_with, number)
        if number and len(terms) == len(tried[number - 1]):
            break  # Too few values for more.
        tried[number] = terms
    losses = {number: _losses(asked, terms, family, seed) for number, terms in tried.items()}
    chosen = 0
    for number in range(1, len(tried)):
        with np.errstate(over="ignore", invalid="ignore"):  # Of counts a curve may go through the roof.
            gain = losses[chosen] - losses[number]
            better = gain.mean() > _luck_of_mean(gain, asked)
        if better:
            chosen = number
    return tried[chosen], told


def _luck_of_mean(values: Floats, asked: Asked) -> float:
    """What the mean of (n,) is easily off by: its standard error; where rows of a cluster go together, of which there are few,
    95 % of what the errors of so few are."""
    off: Floats = values - values.mean()
    if asked.clusters is None:
        return math.sqrt(float((off**2).sum())) / asked.n
    off = np.bincount(np.unique(asked.clusters, return_inverse=True)[1], off).astype(np.float64)
    return t_quantile(0.95, len(off) - 1) * math.sqrt(float((off**2).sum())) / asked.n


def _with(asked: Asked, held: Sequence[Term], varies_with: Sequence[str], bends: int) -> list[Term]:
    atoms, _ = atoms_of(asked.rows, asked.lever, bends)
    of_lever = [(atom,) for atom in atoms]
    both = [
        (*one, *term)
        for one in of_lever
        for term in held
        if len(term) == 1 and term[0].column in varies_with and term[0].kind != "bend"
    ]
    return [(), *of_lever, *held, *both]


def _losses(asked: Asked, terms: Sequence[Term], family: Family, seed: int) -> Floats:
    """(n,): each row's deviance, by the regression on the other folds."""
    design, fold = matrix(terms, asked.rows), folds_of(asked.n, seed, asked.clusters)
    keep = np.concatenate([[True], independent(design[:, 1:])])
    design, found = design[:, keep], np.empty(asked.n)
    for each in np.unique(fold):
        inside = fold == each
        one = regress(design[~inside], asked.y[~inside], family=family, ridge=1e-6, errors="classic")
        found[inside] = deviances(family, asked.y[inside], one.predict(design[inside]))
    return found
