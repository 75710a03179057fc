"""What a model relies on: how much worse it gets when a column's values are dealt to other rows.

Permutation importance: Breiman (2001), Random Forests, Machine Learning 45:5-32; Fisher, Rudin and Dominici (2019),
Journal of Machine Learning Research 20(177). It is about the model, not the world: of two columns that say the same each
may look needless, for the other is still there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.base import Quantity
from drivetrain.data.show import most_telling
from drivetrain.deadline import NEVER, Deadline
from drivetrain.errors import UsageError, nearest
from drivetrain.figures import number
from drivetrain.interpret.slices import chosen_target
from drivetrain.metrics import Estimate, is_large, mean, means, rows_at_once
from drivetrain.report import words
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.charts import Chart
    from drivetrain.learn.base import BaseLearner

Floats = npt.NDArray[np.float64]

REPEATS = 5
MOST_ROWS = 20_000
BATCH, BATCH_OF_LARGE = 4096, 128
SHOWN = 15


@dataclass(frozen=True, eq=False)
class Importance:
    """By how much `metric` gets worse for each input, the most first; of `n` rows of a part that has `rows`. `left_out`
    are inputs that there was no time for."""

    target: str
    part: str
    metric: str
    repeats: int
    n: int
    rows: int
    whole: Estimate
    drops: dict[str, Estimate]
    left_out: tuple[str, ...] = ()

    @property
    def relied_on(self) -> list[str]:
        """The inputs without which the model is worse by more than chance: those whose interval is above 0."""
        return [name for name, drop in self.drops.items() if drop.low > 0]

    def words(self) -> list[str]:
        """What the numbers mean, in sentences."""
        told = words.metric(self.metric)
        verb = "falls" if told.higher else "rises"
        unit = " percentage points" if told.share else ""
        found = []
        for name in self.relied_on[:3]:
            value, low, high = (
                self.text(x) for x in (self.drops[name].value, self.drops[name].low, self.drops[name].high)
            )
            found.append(f"With {name} shuffled {_the(told.name)} {verb} by {value} ({low} to {high}){unit}.")
        if not found:
            found = [f"There is no column whose shuffling surely makes {_the(told.name)} worse."]
        found.append(f"Of these rows {_the(told.name)} is {words.value_text(self.metric, self.whole.value)}.")
        sample = f" of {self.rows:,}" if self.n < self.rows else ""
        times = "once" if self.repeats == 1 else f"{self.repeats} times"
        found.append(
            f"Each column was shuffled {times} over {self.n:,}{sample} rows. Columns that say the same stand in "
            "for each other, so that each alone may look needless."
        )
        if self.left_out:
            found.append(
                f"{len(self.left_out):,} of {len(self.left_out) + len(self.drops):,} columns, those that tell least of "
                f"{self.target} by themselves, were left out for want of time."
            )
        return found

    def text(self, drop: float) -> str:
        """A drop as it is told: in percentage points where the metric is a share."""
        return f"{100 * drop:.1f}" if words.metric(self.metric).share else number(drop)

    @property
    def chart(self) -> Chart:
        """A bar for each of the first 15 inputs, with its interval."""
        from drivetrain.charts.importance import importance as draw

        told = words.metric(self.metric)
        shown = {name: drop.to_json() for name, drop in list(self.drops.items())[:SHOWN]}
        unit = ", percentage points" if told.share else ""
        measure = (
            f"{told.name} lost when shuffled{unit}"
            if told.higher
            else f"rise of the {told.name} when shuffled{unit}"
        )
        more = len(self.drops) + len(self.left_out) - len(shown)
        return draw(shown, measure, told.share, "What the model relies on", more)

    def to_json(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "part": self.part,
            "metric": self.metric,
            "repeats": self.repeats,
            "n": self.n,
            "rows": self.rows,
            "whole": self.whole.to_json(),
            "drops": {name: drop.to_json() for name, drop in self.drops.items()},
            "left_out": list(self.left_out),
        }

    def __repr__(self) -> str:
        lines = [
            f"{name}: {self.text(drop.value)} ({self.text(drop.low)} to {self.text(drop.high)})"
            for name, drop in self.drops.items()
        ]
        return "\n".join([*self.words(), *lines])

    def _repr_html_(self) -> str:
        from html import escape

        return self.chart._repr_html_() + "".join(f"<p>{escape(text)}</p>" for text in self.words())


def importance(
    learner: BaseLearner,
    part: str = "valid",
    target: str | None = None,
    *,
    metric: str | None = None,
    repeats: int = REPEATS,
    rows: int = MOST_ROWS,
    seed: int = 0,
    deadline: Deadline = NEVER,
) -> Importance:
    """How much worse a metric gets without each input: one that is a mean (accuracy, log_loss, mean_absolute_error...)
    or r2. By default it is what is learned: log loss, or of a number r2, which is its squared error as a share of the
    variance (on the log scale where that is learned); with costs the mean cost.

    Of more than `rows` rows a sample is taken. The interval is a bootstrap over rows of the mean over `repeats` of what
    each row loses. Columns that tell most of a target by themselves come first; those that the deadline leaves no time
    for are named as left out. Raises UsageError for an unknown target or metric.
    """
    target = chosen_target(learner, target)
    found = importances(
        learner, part, {target: metric}, repeats=repeats, rows=rows, seed=seed, deadline=deadline
    )
    return found[target]


def importances(
    learner: BaseLearner,
    part: str = "valid",
    targets: Mapping[str, str | None] | None = None,
    *,
    repeats: int = REPEATS,
    rows: int = MOST_ROWS,
    seed: int = 0,
    deadline: Deadline = NEVER,
) -> dict[str, Importance]:
    """`importance` of several targets (all of them unless named, with the metric or None) from the same passes."""
    signature, found = learner.data.signature, learner.data.part(part)
    wanted = targets or dict.fromkeys(signature.targets)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(found))[:rows])
    batch = found.batch(chosen)
    encoded = {name: batch[name] for name in wanted}
    inputs = {name: batch[name] for name in signature.inputs}
    outputs = _run(learner, inputs)
    metrics = {name: _metric(learner, name, metric, outputs, encoded) for name, metric in wanted.items()}
    whole = {name: _values(learner, name, metrics[name], outputs, encoded) for name in wanted}
    worse = {name: {} for name in wanted}
    for field, outputs in _shuffled(learner, inputs, repeats, seed, deadline):
        for name, metric in metrics.items():
            change = whole[name] - _values(learner, name, metric, outputs, encoded)
            sign = 1 if words.metric(metric).higher else -1
            worse[name][field] = worse[name].get(field, 0.0) + sign * change / repeats
    made = {}
    for name, losses in worse.items():
        drops = {field: mean(loss, seed) for field, loss in losses.items()}
        order = sorted(drops, key=lambda field: (-drops[field].value, list(inputs).index(field)))
        made[name] = Importance(
            name, part, metrics[name], repeats, len(chosen), len(found), mean(whole[name], seed),
            {field: drops[field] for field in order}, tuple(field for field in inputs if field not in drops),
        )  # fmt: skip
    return made


def _metric(
    learner: BaseLearner,
    target: str,
    metric: str | None,
    outputs: Mapping[str, Array],
    encoded: Mapping[str, Array],
) -> str:
    """The metric that is meant: by default what is learned, or what an answer costs. Raises UsageError for no mean."""
    codec = learner.data.signature.targets[target]
    known = list(means(codec, outputs[target], encoded[target]))
    if isinstance(codec, Quantity):
        known.append("r2")
    if metric is None:
        learned = "r2" if getattr(learner.settings, "loss", "squared") == "squared" else "mean_absolute_error"
        preferred = ("mean_cost", "log_loss", learned)
        return next((name for name in preferred if name in known), known[0])
    if metric not in known:
        fix = nearest(metric, known) or f"There is {', '.join(known)}."
        raise UsageError(f"{metric!r} is no mean over rows of {target}.", where="metric", fix=fix)
    return metric


def _values(
    learner: BaseLearner, target: str, metric: str, outputs: Mapping[str, Array], encoded: Mapping[str, Array]
) -> Floats:
    """(n,) what each row adds to the metric."""
    codec = learner.data.signature.targets[target]
    if metric == "r2" and isinstance(codec, Quantity):
        predicted, true = (codec.transform(values[target].reshape(-1)) for values in (outputs, encoded))
        return 1 - np.square(predicted - true) / (true.var() or 1.0)
    items = means(codec, outputs[target], encoded[target])[metric].items
    assert items is not None
    return items.astype(np.float64)


def _the(metric: str) -> str:
    """ "the log loss", but "R²"."""
    return metric if metric == words.metric("r2").name else f"the {metric}"


def _shuffled(
    learner: BaseLearner, inputs: Mapping[str, Array], repeats: int, seed: int, deadline: Deadline
) -> Iterator[tuple[str, dict[str, Array]]]:
    """(field, outputs with it shuffled), `repeats` of each field, whole fields only: those that tell most come first,
    and of the first ones some are done whatever the time.

    A field's orders are the same whichever others there was time for."""
    n, places = len(next(iter(inputs.values()))), {name: place for place, name in enumerate(inputs)}
    at_once = max(1, _batch_size(learner) // max(1, n) // repeats)
    fields = most_telling(learner.data)
    with learner.progress("Shuffling columns", len(fields)) as advance:
        for start in range(0, len(fields), at_once):
            if start and deadline.passed:
                return
            some = fields[start : start + at_once]
            orders = [
                (field, np.random.default_rng((seed, places[field], repeat)).permutation(n))
                for field in some
                for repeat in range(repeats)
            ]
            for each in _several(orders, max(1, _batch_size(learner) // max(1, n))):
                for (field, _), outputs in zip(each, _run_shuffled(learner, inputs, each)):
                    yield field, outputs
            advance(len(some))


def _several(jobs: list[tuple[str, Array]], size: int) -> Iterator[list[tuple[str, Array]]]:
    for start in range(0, len(jobs), size):
        yield jobs[start : start + size]


def _batch_size(learner: BaseLearner) -> int:
    return min(
        BATCH_OF_LARGE if learner.data.large else BATCH, rows_at_once(learner.data.signature.targets.values())
    )


def _run_shuffled(
    learner: BaseLearner, inputs: Mapping[str, Array], orders: Sequence[tuple[str, Array]]
) -> list[dict[str, Array]]:
    """Outputs of all rows for each (field, order): that field's values in that order, the others as they are. All in
    one pass, for a pass of few rows through many columns costs as much as one of many rows."""
    n = len(next(iter(inputs.values())))
    rows = dict.fromkeys(inputs, np.tile(np.arange(n), len(orders)))
    for place, (field, order) in enumerate(orders):
        rows[field] = rows[field].copy()
        rows[field][place * n : (place + 1) * n] = order
    outputs = _run(learner, {name: column[rows[name]] for name, column in inputs.items()})
    return [
        {name: array[place * n : (place + 1) * n] for name, array in outputs.items()}
        for place in range(len(orders))
    ]


def _run(learner: BaseLearner, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs of all rows, in batches that fit into memory; large ones are let go."""
    n = len(next(iter(inputs.values())))
    size = _batch_size(learner)
    targets = learner.data.signature.targets
    parts: dict[str, list[Array]] = {name: [] for name, codec in targets.items() if not is_large(codec)}
    for start in range(0, n, size):
        outputs = learner.run_arrays({name: array[start : start + size] for name, array in inputs.items()})
        for name, rows in parts.items():
            rows.append(outputs[name])
    return {name: np.concatenate(rows) for name, rows in parts.items()}
