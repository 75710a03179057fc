"""On whom a treatment works: learned from rows of an experiment, or of a log with what moved both held fixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from drivetrain.effects.bases import Base
from drivetrain.effects.claim import Claim, claimed
from drivetrain.effects.design import Term, independent, matrix, terms_of
from drivetrain.effects.randomised import balance
from drivetrain.effects.rows import Asked, ask
from drivetrain.effects.uplift.curve import Qini, curve_of
from drivetrain.effects.uplift.learners import Learned, LearnerName, Study, learn, with_one
from drivetrain.effects.uplift.profile import Difference, profile
from drivetrain.effects.uplift.whom import Prices, Whom, told, weigh
from drivetrain.errors import DataError, UsageError
from drivetrain.evidence.regression import Coefficient, regress, t_quantile
from drivetrain.figures import percent, rough
from drivetrain.metrics.estimate import CONFIDENCE, Estimate, Statistic
from drivetrain.runtime.columns import Columns, Source, read_columns

Floats = npt.NDArray[np.float64]
FEWEST, FEWEST_GROUPS = 50, 20
"""Rows of either kind, and clusters of rows, from which anything is learned."""
RARE, TOO_MANY = 0.01, 0.1
"""Rows with an estimated propensity nearer than the first to 0 or 1 can't be compared; from so many on, nor can the rest."""
YES, NO = (
    frozenset({"1", "yes", "true", "treated", "treatment"}),
    frozenset({"0", "no", "false", "control", "none"}),
)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of like predicted effect: what was predicted on average, what it was, `share` of all rows."""

    share: float
    predicted: float
    effect: Estimate

    def to_json(self) -> dict[str, Any]:
        return {"share": self.share, "predicted": self.predicted, "effect": self.effect.to_json()}


@dataclass(frozen=True, slots=True, eq=False)
class Uplift:
    """What `learn_uplift` found. `study` are the rows as arrays, of `columns` made by `terms`; `learned` what was learned of them;
    `claim` says why a difference is an effect; `notes` are to be told."""

    treatment: str
    outcome: str
    claim: Claim
    columns: tuple[str, ...]
    terms: tuple[Term, ...]
    rows: Columns
    study: Study
    learned: Learned
    learner: LearnerName
    base: Base
    seed: int
    notes: tuple[str, ...]

    def effect(self, rows: Source) -> Floats:
        """(m,) by how much more of the outcome there is with treatment than without, for each row of a table."""
        return self.learned.effect(self._matrix(rows))

    def interval(self, rows: Source, confidence: float = CONFIDENCE) -> tuple[Floats, Floats]:
        """(m,), (m,) the limits of the mean effect of rows with such columns, as far as it is straight in them.

        Raises UsageError but for the linear DR-learner: boosted trees have no interval for a row; `groups` have.
        """
        if self.learned.projection is None:
            raise UsageError(
                f"a {self.learner} learner of {self.base} has no interval for each row.",
                fix="Ask .groups(), or take learner='dr' and base='linear' with at least 20 rows for each column.",
            )
        value, error = self.learned.projection.contrast(with_one(self._matrix(rows)))
        reach = t_quantile((1 + confidence) / 2, self.learned.projection.freedom) * error
        return value - reach, value + reach

    @property
    def scores(self) -> Floats:
        """(n,) numbers whose mean over any group of rows is the effect in that group."""
        return self.learned.scores

    @property
    def average(self) -> Estimate:
        """The mean effect over all rows."""
        return Statistic.mean_of(self.scores).drawn_by(self.study.cluster).estimate(self.seed)

    @property
    def calibration(self) -> Coefficient:
        """By how much effects really differ where those predicted differ by 1: 1 is right, 0 is noise, above 1 too timid.

        The best linear predictor of Chernozhukov, Demirer, Duflo and Fernandez-Val (2025), Econometrica 93:1121-1164.
        """
        judged = self.learned.judged
        part = judged.part - judged.part.min()
        away = judged.effect - (np.bincount(part, judged.effect) / np.bincount(part))[part]
        if np.abs(away).max() < 1e-12 * (1 + np.abs(judged.effect).max()):
            nan = float("nan")
            return Coefficient("slope", nan, nan, nan, nan, nan, len(away), "all effects are predicted alike")
        design = np.concatenate([np.eye(int(part.max()) + 1)[part], away[:, None]], axis=1)
        names = (*(f"part {each}" for each in range(design.shape[1] - 1)), "slope")
        return regress(design, judged.scores, names=names, clusters=self._cluster).of("slope")

    def qini(self) -> Qini:
        """How well such effects say whom to treat, of rows that were judged by what was learned from others before."""
        return curve_of(self.learned.judged.rank(), self.learned.judged.scores, self._cluster, self.seed)

    def groups(self, k: int = 5) -> list[Group]:
        """The rows that were judged in k groups of equal size by predicted effect, the least first: predicted beside measured.
        Rows of equal effects are in one group, so that there may be fewer."""
        if not 1 <= k <= 100:
            raise UsageError(f"rows can't be put in {k} groups.", fix="Take 1 to 100.")
        judged, cluster = self.learned.judged, self._cluster
        place = np.minimum((judged.rank() * k).astype(np.int64), k - 1)
        found = list[Group]()
        for each in np.unique(place):
            among = place == each
            drawn = Statistic.mean_of(judged.scores[among]).drawn_by(
                None if cluster is None else cluster[among]
            )
            found.append(
                Group(float(among.mean()), float(judged.effect[among].mean()), drawn.estimate(self.seed))
            )
        return found

    def profile(self) -> list[Difference]:
        """In what the fifth with the highest effect differs from that with the lowest, the most telling column first."""
        return profile(self.rows, self.columns, self.learned.effect(self.study.x))

    def whom(
        self,
        gain: float | str = 1.0,
        cost: float | str = 0.0,
        *,
        budget: float | None = None,
        rows: Source | None = None,
    ) -> Whom:
        """Whom of `rows` to treat (None: of those learned from), where one more of the outcome is worth `gain` and a treatment
        takes `cost`, in the same units, for all or by a column of that name; at most as many as `budget` pays for. Raises
        UsageError and DataError for what can't be meant."""
        columns = self.rows if rows is None else read_columns(rows)
        effect = self.learned.effect(matrix(self.terms, columns))
        own = Prices.of(self.rows, gain, cost).take(self.learned.judged.rows)
        prices = Prices.of(columns, gain, cost)
        return weigh(effect, prices, budget, self.learned.judged, own, self._cluster, seed=self.seed)

    @property
    def _cluster(self) -> npt.NDArray[Any] | None:
        """Those of the rows that were judged."""
        return None if self.study.cluster is None else self.study.cluster[self.learned.judged.rows]

    def _matrix(self, rows: Source) -> Floats:
        return matrix(self.terms, read_columns(rows))

    def __str__(self) -> str:
        curve, slope, groups = self.qini(), self.calibration, self.groups()
        lines = [
            f"effect of {self.treatment} on {self.outcome}: {told(self.average)} on average",
            f"  {self.claim}; {len(self.scores):,} rows; {self.learner} learner, {self.base}",
            f"lowest fifth by predicted effect:  {told(groups[0].effect)}",
            f"highest fifth by predicted effect: {told(groups[-1].effect)}",
        ]
        if not np.isnan(slope.value):
            lines.append(
                "a predicted difference of 1 is really one of "
                f"{rough(slope.value)} ({rough(slope.low)} to {rough(slope.high)})"
            )
        lines.append(curve.words)
        if curve.coefficient.low > 0:
            most = "; ".join(each.words for each in self.profile()[:3])
            lines.append(f"highest against lowest fifth: {most}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_json(self) -> dict[str, Any]:
        """All that a page needs; no rows."""
        return {
            "treatment": self.treatment, "outcome": self.outcome, "claim": self.claim.to_json(), "rows": len(self.scores),
            "learner": self.learner, "base": self.base, "average": self.average.to_json(), "qini": self.qini().to_json(),
            "groups": [each.to_json() for each in self.groups()], "profile": [each.to_json() for each in self.profile()],
            "notes": [*self.notes],
        }  # fmt: skip


def learn_uplift(
    rows: Source,
    *,
    treatment: str,
    outcome: str,
    claim: object = None,
    of: Sequence[str] | str | None = None,
    propensity: float | str | None = None,
    treated: object = None,
    control: object = None,
    learner: LearnerName = "dr",
    base: Base = "linear",
    cluster: str | None = None,
    clip: float = 0.0,
    seed: int = 0,
) -> Uplift:
    """On whom `treatment` works, as a change of `outcome`, by the columns `of` that were known before it.

    `rows` is a CSV's path, a mapping of columns or a frame. `claim` says why treated and untreated can be compared:
    "randomised" (by a coin, or with `propensity`, a probability or the column that holds it), or {"adjusted": [columns]}: then
    propensities are estimated from these and `of`, and rows that were nearly always or never treated are refused unless `clip`
    says how near to 0 and 1 they may count. `of` None: all other columns of an experiment, or those that are adjusted for. A
    treatment that isn't 0 and 1 is told by its values for `treated` and `control`; rows with others are left out.
    Learners: `learners.learn`; base "trees" needs LightGBM. Rows of equal `cluster` stay together. Same seed, same result.

    Raises UsageError without a claim, and for names that don't fit; DataError for too few rows of either kind, a lever that is
    told by other columns though it be randomised, no overlap.
    """
    declared = claimed(claim)
    if learner not in get_args(LearnerName) or base not in get_args(Base):
        raise UsageError(
            f"there is no learner {learner!r} with base {base!r}.",
            fix=f"Learners are {', '.join(get_args(LearnerName))}, bases {', '.join(get_args(Base))}.",
        )
    if not 0 <= clip < 0.5:
        raise UsageError(
            f"propensities can't be kept {clip} from both 0 and 1.", fix="Take a clip below 0.5."
        )
    of = [of] if isinstance(of, str) else of
    columns, notes = _two_arms(read_columns(rows), treatment, treated, control)
    apart = [propensity] if isinstance(propensity, str) else []
    asked = ask(
        columns, lever=treatment, outcome=outcome, claim=declared, adjust=of, clusters=cluster, apart=apart
    )
    notes += asked.notes
    chance = _propensity(asked, propensity)
    if declared.kind == "undeclared":
        raise _no_claim(asked)
    for arm, name in ((0, "without"), (1, "with")):
        if (count := int((asked.t == arm).sum())) < FEWEST:
            raise DataError(
                f"there are {count} rows {name} {treatment}.",
                where=asked.rows.source or "data",
                fix=f"Give {FEWEST} at least.",
            )
    if asked.clusters is not None and (groups := int(asked.clusters.max()) + 1) < FEWEST_GROUPS:
        raise DataError(
            f"the rows come in {groups} groups of {cluster}: what holds of those need not hold of others.",
            where=asked.rows.source or "data", fix=f"Give {FEWEST_GROUPS} at least, or leave cluster out if rows are alike.",
        )  # fmt: skip
    if declared.kind == "randomised":
        notes += _looked_at(asked, chance)
        chance = np.full(asked.n, asked.t.mean()) if chance is None else chance
    names = asked.adjust or asked.others
    terms, said = terms_of(asked.rows, names)
    x = matrix(terms, asked.rows)
    kept = independent(x)
    if not kept.any():
        raise DataError(
            f"no column tells rows apart before {treatment}.", where=asked.rows.source or "data",
            fix="Without one there is only the average effect: ask dt.effects.effect.",
        )  # fmt: skip
    share = bool(np.isin(asked.y, (0, 1)).all())
    study = Study(x[:, kept], asked.t, asked.y, chance, asked.clusters, share, clip)
    learned = learn(study, learner, base, seed)
    if chance is None:
        notes += _overlap(learned.expected.propensity, clip)
    used = tuple(term for term, keep in zip(terms, kept) if keep)
    return Uplift(
        treatment,
        outcome,
        declared,
        tuple(names),
        used,
        asked.rows,
        study,
        learned,
        learner,
        base,
        seed,
        (*notes, *said),
    )


def _two_arms(rows: Columns, name: str, treated: object, control: object) -> tuple[Columns, list[str]]:
    """The rows that are treated or control, with the treatment as 1 and 0; and what is to be told."""
    value, levels = rows.of(name), rows.levels.get(name)
    if levels is None:
        known: dict[object, float] = {each: each for each in np.unique(value[~np.isnan(value)]).tolist()}
    else:
        known = {level: float(place) for place, level in enumerate(levels) if (value == place).any()}
    if treated is None and control is None and levels is None and known.keys() <= {0, 1}:
        return rows, []
    if treated is None and levels is not None and len(known) == 2:
        yes = [each for each in known if str(each).lower() in YES]
        no = [each for each in known if str(each).lower() in NO]
        treated, control = (
            (yes[0], no[0]) if len(yes) == len(no) == 1 and control is None else (None, control)
        )
    if treated is None and control in known and len(known) == 2:
        treated = next(each for each in known if each != control)
    if control is None and treated in known and len(known) == 2:
        control = next(each for each in known if each != treated)
    if treated not in known or control not in known or treated == control:
        shown = ", ".join(str(each) for each in [*known][:8])
        raise UsageError(
            f"which values of {name!r} are treated, and which control, is not told: it holds {shown}.",
            where=rows.source or "data", fix="Say treated= and control=, each one of these.",
        )  # fmt: skip
    arm = np.where(value == known[treated], 1.0, np.where(value == known[control], 0.0, np.nan))
    left_out = int(np.isnan(arm).sum())
    values = rows.values | {name: arm}
    left = {each: of for each, of in rows.levels.items() if each != name}
    found = Columns(values, left, rows.source, rows.sha256).take(~np.isnan(arm))
    return found, [
        f"{left_out:,} rows are neither {treated} nor {control}, and are left out."
    ] if left_out else []


def _propensity(asked: Asked, given: float | str | None) -> Floats | None:
    if given is None:
        return None
    chance = asked.rows.of(given) if isinstance(given, str) else np.full(asked.n, float(given))
    fine = (chance > 0) & (chance < 1)
    if not fine.all():
        row = int(np.argmin(fine))
        raise DataError(
            f"a propensity of {chance[row]:g}: rows that were always or never treated can't be compared with others.",
            where=f"row {row + 1}", fix="Leave such rows out; a propensity is the probability of being treated.",
        )  # fmt: skip
    return chance


def _no_claim(asked: Asked) -> UsageError:
    means = [float(asked.y[asked.t == arm].mean()) for arm in (0, 1)]
    return UsageError(
        f"{asked.outcome} is {rough(means[1])} with {asked.lever} and {rough(means[0])} without: that is a comparison. Whether "
        "it is an effect nobody has said, so whom to treat can't be told.",
        fix='Say claim="randomised" if chance decided, or claim={"adjusted": [the columns that moved both]}.',
    )


def _looked_at(asked: Asked, chance: Floats | None) -> list[str]:
    """What is to be told of whether the treatment looks randomised. Raises DataError where it can't have been."""
    weights = None if chance is None else 1 / np.where(asked.t > 0, chance, 1 - chance)
    found = balance(asked, weights)
    if found.refuses:
        raise DataError(
            found.words, where=asked.rows.source or "data",
            fix="Give the propensity if chances differed between rows; else claim={'adjusted': [...]}.",
        )  # fmt: skip
    return [] if found.holds else [found.words]


def _overlap(propensity: Floats, clip: float) -> list[str]:
    """What is to be told of rows that were nearly always or never treated. Raises DataError where they are too many."""
    edge = max(RARE, clip) + 1e-9
    share = float(((propensity < edge) | (propensity > 1 - edge)).mean())
    if clip:
        return [
            f"the propensities of {percent(share)} of the rows are kept {clip:g} from 0 and 1: there the effect is a guess."
        ]
    if share > TOO_MANY:
        raise DataError(
            f"no overlap: {percent(share)} of the rows were nearly always or never treated, as their columns tell. What they'd "
            "do otherwise isn't in these rows.",
            fix="Leave out rows for which there was no choice, or columns that decide nothing but the treatment; or say clip=0.02.",
        )
    return (
        [f"{percent(share)} of the rows were nearly always or never treated: they may weigh a lot."]
        if share
        else []
    )
