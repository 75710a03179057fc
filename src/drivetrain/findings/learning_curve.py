"""Would more data help? The error against the number of training rows, and where it is heading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.data.dataset import Dataset
from drivetrain.data.refit import spread_order, strata, with_train
from drivetrain.errors import DataError, UsageError
from drivetrain.figures import digits, resolved
from drivetrain.findings.power_law import PowerLaw, fit
from drivetrain.learn.applies import refuse_pointless
from drivetrain.learn.names import one_model, quick_model
from drivetrain.learn.refusals import refuse_written
from drivetrain.metrics import Statistic, metrics_of, names
from drivetrain.progress import progress
from drivetrain.report import words

if TYPE_CHECKING:
    from drivetrain.charts import Chart

Floats = npt.NDArray[np.float64]

SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
LEAST_SIZES, LEAST_ROWS = 3, 10
WORTH = 0.05
"""To lower the error by less than this share of it is not worth the rows."""
GOOD_FIT = 0.8
"""A curve that accounts for less of the errors' variance is not relied on."""
MISFIT = 3
"""An error so many standard deviations off the curve is none of its."""
FARTHEST = 8
"""Times all rows: farther nobody looks along a curve."""
ENDS = (0.025, 0.975)


@dataclass(frozen=True)
class LearningCurve:
    """Errors at growing numbers of training rows, each on the same `valid` rows.

    `errors` (sizes, seeds), `low` and `high` (sizes,) the 95 % interval of their mean, `law` the fitted curve (None where
    it says nothing), `projected` (value, low, high) with twice the rows, `gain` the same of what that would take off the
    error. `answer` begins with yes, perhaps, hardly or can't tell. `enough` (rows, low, high) is how many rows it takes until
    twice as many no longer help (`WORTH`), infinite where that is farther than `FARTHEST` times all of them; None where it
    can't be told.
    """

    metric: str
    rows: list[int]
    errors: Floats
    low: Floats
    high: Floats
    valid: int
    law: PowerLaw | None
    projected: tuple[float, float, float] | None
    gain: tuple[float, float, float] | None
    answer: str
    notes: list[str]
    start: int
    """The number of rows that the curve begins at."""
    enough: tuple[float, float, float] | None = None

    @property
    def chart(self) -> Chart:
        """The errors with their intervals, the curve, and where it would be with twice the rows."""
        from drivetrain.charts import learning_curve

        found = self.to_json()
        law = self.law
        line = None
        if law is not None:
            shares = np.geomspace(self.start / self.rows[-1], 2, 60)
            line = [(float(share) * self.rows[-1], float(law.at(float(share))[0])) for share in shares]
        name = words.metric(self.metric).name
        return learning_curve(found["points"], line, found["projected"], f"{name} by training rows")

    def to_json(self) -> dict[str, Any]:
        """`{"metric", "points": [{"rows", "value", "low", "high", "by_seed"}], "valid", "law", "projected", "gain",
        "enough": {"rows", "low", "high"}, "answer", "notes"}`; law, projected, gain and enough are null where they can't be told,
        and rows too that are farther than the curve is followed."""

        def named(found: tuple[float, float, float] | None) -> dict[str, Any] | None:
            return None if found is None else dict(zip(("value", "low", "high"), found))

        points = [
            {"rows": rows, "value": float(errors.mean()), "low": float(low), "high": float(high), "by_seed": errors.tolist()}
            for rows, errors, low, high in zip(self.rows, self.errors, self.low, self.high)
        ]  # fmt: skip
        projected = named(self.projected)
        return {
            "metric": self.metric, "points": points, "valid": self.valid, "answer": self.answer, "notes": self.notes,
            "law": None if self.law is None else self.law.to_json(),
            "projected": None if projected is None else {"rows": 2 * self.rows[-1], **projected},
            "gain": named(self.gain),
            "enough": None if self.enough is None else {
                name: round(rows) if np.isfinite(rows) else None for name, rows in zip(("rows", "low", "high"), self.enough)
            },
        }  # fmt: skip

    def __str__(self) -> str:
        lines = [
            f"{rows:>9,} rows  {words.metric(self.metric).name} {resolved(float(errors.mean()), float(low), float(high))}"
            for rows, errors, low, high in zip(self.rows, self.errors, self.low, self.high)
        ]
        return "\n".join([*lines, self.answer, *self._until(), *(f"note: {note}" for note in self.notes)])

    __repr__ = __str__

    def _until(self) -> list[str]:
        """How many rows it takes until more do not help, in a sentence."""
        if self.enough is None:
            return []
        helps = f"twice as many lower the {words.metric(self.metric).name} by less than {WORTH:.0%} of it"
        rows, low, high = self.enough
        if np.isinf(rows):
            return [
                f"more rows help for as far as can be seen: only beyond {FARTHEST * self.rows[-1]:,} would it be that {helps}"
            ]
        ends = f"{_about(low)} to {_about(high)}" if np.isfinite(high) else f"{_about(low)} or more"
        if rows <= self.rows[-1]:
            return [f"from about {_about(rows)} rows on ({ends}) {helps}"]
        return [f"it takes about {_about(rows)} rows ({ends}) until {helps}"]

    def _repr_html_(self) -> str:
        from html import escape

        notes = "".join(f"<p>note: {escape(note)}</p>" for note in self.notes)
        until = "".join(f"<p>{escape(told)}</p>" for told in self._until())
        return f"{self.chart.to_html()}<p><b>{escape(self.answer)}</b></p>{until}{notes}"


@public
def learning_curve(
    data: Dataset,
    model: Any = None,
    shares: Sequence[float] = SHARES,
    epochs: int | None = None,
    seeds: int = 1,
    *,
    metric: str | None = None,
    seed: int = 0,
    quiet: bool = False,
    **options: Any,
) -> LearningCurve:
    """Train anew on growing random parts of the training rows (nested, each class by its share), `seeds` times each.

    Small parts get as many steps as all the rows where four times the epochs suffice for that. `metric` is an error
    (default: the error rate, or the mean absolute error); the other options are those of a learner. The codecs stay those
    of all training rows. Raises UsageError, for a target without metrics too, and DataError where there are no valid rows.
    """
    refuse_written(data, "a learning curve")
    if model is None:
        model = (quick_model if epochs is None else one_model)(data)
    refuse_pointless(data, model, [] if epochs is None else ["epochs"])
    target = next(iter(data.signature.targets))
    metrics_of(data.signature.targets[target])  # Raises where nothing measures it.
    sizes, order = _plan(data, shares, seeds, seed)
    made: list[list[Statistic]] = [[] for _ in sizes]
    with progress("Training on parts", sum(sizes) * seeds, quiet=quiet) as advance:
        for number in range(seeds):
            steps = None
            for place in reversed(range(len(sizes))):  # All rows first: they say how many steps are whole.
                size = sizes[place]
                part = data.latest(size) or with_train(data, order[number][:size])
                learner = _train(part, model, epochs, steps, seed + number, options)
                steps = steps or getattr(learner, "steps", None)
                found = learner.statistics("valid", target)
                metric = _metric(metric, found)
                _refuse_untold(found[metric], data)
                made[place].append(found[metric])
                advance(sizes[place])
    return _curve(metric or "", sizes, made, seed)


def _train(
    data: Dataset, model: Any, epochs: int | None, steps: int | None, seed: int, options: dict[str, Any]
) -> Any:
    from drivetrain.learn.bare import train_bare

    return train_bare(data, model, epochs, steps, seed=seed, **options)


def _plan(
    data: Dataset, shares: Sequence[float], seeds: int, seed: int
) -> tuple[list[int], list[npt.NDArray[Any]]]:
    """The numbers of rows, and for each seed the rows in the order in which they are added."""
    if not len(data.rows("valid")) or not len(data.part("valid")):
        raise DataError(
            "a learning curve needs valid rows.", where=data.table.name, fix="Keep some: valid=0.2."
        )
    if seeds < 1 or not all(0 < share <= 1 for share in shares):
        raise UsageError(
            "shares are above 0 and at most 1, seeds from 1.", where="shares", fix=f"Try {SHARES}."
        )
    rows, classes = strata(data)
    sizes = sorted({round(share * len(rows)) for share in (*shares, 1.0)})
    if len(sizes) < LEAST_SIZES or sizes[0] < LEAST_ROWS:
        raise UsageError(
            f"of {len(rows):,} rows these shares make {', '.join(map(str, sizes))}.", where="shares",
            fix=f"A curve takes {LEAST_SIZES} different sizes or more, of {LEAST_ROWS} rows or more.",
        )  # fmt: skip
    return sizes, [rows[spread_order(classes, seed + number)] for number in range(seeds)]


def _metric(wanted: str | None, found: dict[str, Statistic]) -> str:
    """The metric wanted, or the first that is an error. Raises UsageError for one that is better when higher."""
    return names.chosen(wanted, [name for name in found if not names.metric(name).higher])


# From errors to an answer.


def _refuse_untold(found: Statistic, data: Dataset) -> None:
    """Raise DataError where the valid rows are too few to tell anything from chance."""
    if np.isnan(found.replicates()[1]).all():
        raise DataError(
            f"the {len(found.terms[0]):,} valid rows are of too few separate recordings, or stretches of time: a curve on them "
            "could be chance.",
            where=data.table.name, fix="Validate on more: a larger --valid, or more recordings.",
        )  # fmt: skip


def _curve(metric: str, sizes: list[int], made: list[list[Statistic]], seed: int) -> LearningCurve:
    """`made` is (sizes, seeds): what resampling the valid rows jointly, the same for all, makes of each error."""
    drawn = [[one.replicates(seed) for one in each] for each in made]
    errors = np.array([[value for value, _ in each] for each in drawn])
    resampled = np.array([np.mean([values for _, values in each], axis=0) for each in drawn]).T
    law, spread, first = _law(np.array(sizes) / sizes[-1], errors, resampled.std(axis=0))
    resampled += np.random.default_rng(seed).normal(0, spread, resampled.shape)  # (1000, sizes)
    laws = fit(np.array(sizes[first:]) / sizes[-1], resampled[:, first:])
    low, high = np.maximum(0, np.quantile(resampled, ENDS, axis=0))
    projected = _with_ends(law.at(2), laws.at(2))
    gain = _with_ends(law.at(1) - law.at(2), laws.at(1) - laws.at(2))
    fall = np.quantile(resampled[:, first] - resampled[:, -1], ENDS)
    means = errors.mean(axis=1)
    answer, told = _answer(metric, sizes[first:], means[first:], fall, law, projected, gain)
    notes = []
    if told:
        notes.append(
            f"projected from {len(sizes) - first} sizes by a power law: what lies beyond the data is an assumption"
        )
    if first:
        notes.append(f"{sizes[0]:,} rows are left out of the curve: with so few the model mostly guesses")
    if errors.shape[1] == 1:
        notes.append("each size was trained once: more seeds make it surer")
    known = (law, projected, gain) if told else (None, None, None)
    n = len(made[0][0].terms[0])
    least = sizes[first] / sizes[-1]
    enough = _until(law, laws, sizes[-1], least) if told else None
    return LearningCurve(metric, sizes, errors, low, high, n, *known, answer, notes, sizes[first], enough)


def _enough(laws: PowerLaw, least: float) -> Floats:
    """(k,) the smallest share of the rows, from `least` on, at which twice as many are no longer worth it; infinite where
    that is beyond `FARTHEST`."""
    shares = np.geomspace(least, FARTHEST, 100)[:, None]
    now = laws.at(shares)
    there = now - laws.at(2 * shares) < WORTH * now
    return np.where(there.any(axis=0), shares[there.argmax(axis=0), 0], np.inf)


def _until(law: PowerLaw, laws: PowerLaw, rows: int, least: float) -> tuple[float, float, float]:
    low, high = np.quantile(
        _enough(laws, least), ENDS, method="nearest"
    )  # Between infinite ones lies nothing.
    return float(rows * _enough(law, least)[0]), float(rows * low), float(rows * high)


def _about(rows: float) -> str:
    """Two figures."""
    return f"{float(f'{rows:.2g}'):,.0f}"


def _law(shares: Floats, errors: Floats, valid_noise: Floats) -> tuple[PowerLaw, float, int]:
    """The curve of the errors (sizes, seeds); the standard deviation of a size's mean error by the luck of the training;
    and how many of the smallest sizes the curve does without: before it begins a model guesses (Hestness et al. 2017,
    Deep Learning Scaling is Predictable, Empirically, arXiv:1712.00409). `valid_noise` (sizes,) is that of the valid rows.

    The luck is told by the seeds where there are several, else by how far the errors lie off the curve, which three
    parameters have been fitted to.
    """
    sizes, seeds = errors.shape
    means = errors.mean(axis=1)
    luck = float(np.sqrt(errors.var(axis=1, ddof=1).mean() / seeds)) if seeds > 1 else 0.0
    for first in range(2 if sizes > LEAST_SIZES + 1 else 1):
        law = fit(shares[first:], means[None, first:])
        off = means[first:] - law.at(shares[first:])
        if (np.abs(off) <= MISFIT * np.hypot(valid_noise, luck)[first:] + 1e-12).all():
            break
    spread = luck if seeds > 1 else float(np.sqrt((off**2).sum() / max(1, sizes - first - 3)))
    return law, spread, first


def _with_ends(value: Floats, resampled: Floats) -> tuple[float, float, float]:
    """A value (1,) and the ends of its interval, by resampled ones."""
    low, high = np.quantile(resampled, ENDS)
    return float(value[0]), float(low), float(high)


def _answer(
    metric: str,
    sizes: list[int],
    errors: Floats,
    fall: Floats,
    law: PowerLaw,
    projected: tuple[float, float, float],
    gain: tuple[float, float, float],
) -> tuple[str, bool]:
    """The answer in words, and whether the curve is to be relied on."""
    name, rows = words.metric(metric).name, sizes[-1]
    went = f"from {sizes[0]:,} to {rows:,} rows the {name} went from {digits(errors[0], 3)} to {digits(errors[-1], 3)}"
    now = float(law.at(1)[0])
    if np.abs(fall).max() < WORTH * now:
        return f"hardly: {went}, so more rows make next to no difference", False
    if fall[0] <= 0 <= fall[1]:
        return (
            f"can't tell: {went}, which could be chance. More valid rows or more seeds would say more",
            False,
        )
    if fall[1] < 0 or law.explained[0] < GOOD_FIT:
        return f"can't tell: {went}, but not along a curve. More seeds would say more", False
    at, low, high = (digits(value, 3) for value in projected)
    lower, least, most = (digits(value, 3) for value in gain)
    would = (
        f"with twice the rows ({2 * rows:,}) the {name} would be about {at} ({low} to {high}), lower by {lower} "
        f"({least} to {most}), if the curve goes on as it did"
    )
    if gain[1] >= WORTH * now:
        return f"yes: {would}", True
    if gain[2] < WORTH * now:
        return f"hardly: {would}", True
    return f"perhaps: {would}", True
