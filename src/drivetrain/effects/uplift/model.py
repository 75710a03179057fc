"""On whom a treatment works: learned from rows of an experiment, or of a log with what moved both held fixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.effects.bases import Base
from drivetrain.effects.claim import Claim
from drivetrain.effects.design import Term, matrix
from drivetrain.effects.uplift.curve import Qini, curve_of
from drivetrain.effects.uplift.learners import Learned, LearnerName, Study, with_one
from drivetrain.effects.uplift.profile import Difference, profile
from drivetrain.effects.uplift.whom import Prices, Whom, told, weigh
from drivetrain.errors import UsageError
from drivetrain.evidence.regression import Coefficient, regress, t_quantile
from drivetrain.figures import rough
from drivetrain.metrics.estimate import CONFIDENCE, Estimate, Statistic
from drivetrain.runtime.columns import Columns, Source, read_columns

Floats = npt.NDArray[np.float64]


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
