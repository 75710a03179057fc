"""What follows a training of `forecast`: how far its answers were off, origin after origin, beside what simple methods say; its
page; a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from drivetrain.bundle.forecasts import PAST
from drivetrain.figures import counted, rough
from drivetrain.metrics import Statistic, difference, statistics
from drivetrain.metrics.kind import metrics_of
from drivetrain.metrics.series import losses, scaled
from drivetrain.tasks.conclusion import Concluded
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.codecs.series import Series
    from drivetrain.learn.base import BaseLearner
    from drivetrain.learn.runs.predictions import Validation
    from drivetrain.tasks.series import Forecasting


BANK = "bank"
OF_BANDS = ("wql", "band_coverage")
AT_ONCE = 2_048
"""Windows of which a whole context is held."""
FITTED_ANEW, MOST_READ = 10, 500
"""Origins that statistical methods, which are fitted at each, are tried at where they are installed, and moments that they read."""


class Forecasted(Concluded):
    """Metrics of all origins of the measured part, beside those of simple methods on the same."""

    def finish(self, learner: BaseLearner) -> dict[str, Any]:
        """The result, with a page of it."""
        from drivetrain.findings.report_content import page_content
        from drivetrain.findings.result import TRAINED_ON, fitted_again, result_of, told_apart, worse_metric
        from drivetrain.learn.runs.predictions import Validation
        from drivetrain.metrics.estimate import estimates
        from drivetrain.report.page import write_report

        data, part = learner.data, learner.data.measured_part
        ((target, codec),) = data.signature.targets.items()
        decides = metrics_of(codec).DECIDES
        truths = learner.outputs(part)[1]
        answered = answers_of(learner, part)
        sizes = season_errors(data)[data.item_of[data.part(part).rows]]  # type: ignore[attr-defined]
        ours = statistics(codec, answered, truths[target])
        ours = with_mase(ours, scaled(codec, answered, truths[target], sizes))
        theirs: dict[str, Any] = {}
        for name, made in {} if learner.brief else simple_methods(learner, part).items():
            found = statistics(codec, made, truths[target])
            if name != BANK:  # The others say no band.
                found = {key: value for key, value in found.items() if key not in OF_BANDS}
            theirs[name] = with_mase(found, scaled(codec, made, truths[target], sizes))
        against = {
            name: told_apart(name, target, decides, difference(ours[decides], found[decides]))
            for name, found in theirs.items()
        }
        for name, each in against.items():
            if each["difference"]["low"] is None:
                each["words"] = f"too little to compare with {name}: {too_few(learner, part)}"
        baselines = {name: estimates(found) for name, found in theirs.items()}
        unseen = part != "train"
        notes = [
            *([] if unseen else TRAINED_ON),
            *worse_metric(learner.history),
            *(beside_the_bank(against) if unseen else []),
            *([] if learner.brief else statistical(learner, part)),
            *fitted_again(learner),
        ]
        result = learner.result = {
            **result_of(learner, {part: estimates(ours)}, baselines, against, notes),
            **learner.more(),
        }
        if learner.kept_run is not None:
            learner.kept_run.write_result(result)
            learner.kept_run.write_validation(_kept(Validation.of(learner), target, answered, ours))
            if not learner.brief:
                content = {**page_content(learner), "of_task": data.task.sections(learner)}
                write_report(learner.kept_run.folder / "report.html", content)
        return result

    def export(self, learner: BaseLearner, path: str | Path, force: bool) -> Path:
        """A bundle that continues histories."""
        from drivetrain.export.forecasting import export_forecaster

        return export_forecaster(learner, path, force)

    def finish_beside(self, learner: BaseLearner) -> None:
        """Nothing: bands are the model's own."""


def _kept(validation: Validation, target: str, answered: Array, ours: Mapping[str, Statistic]) -> Validation:
    """What a run keeps for comparisons: of the answers that its result is of."""
    if target not in validation.items:
        return replace(validation, outputs={target: answered})
    kept = {key: items for key in validation.items[target] if (items := ours[key].items) is not None}
    return replace(validation, items={target: kept})


def answers_of(learner: BaseLearner, part: str) -> Array:
    """float64 (origins, horizon, 1 + levels): what `predict` answers at the origins of a part: within what was ever seen, with its
    band as it had moved by what came since the training. (Of what it has learned from nothing is learned again.)"""
    from drivetrain.forecasting.bands import followed

    data = cast("Forecasting", learner.data)
    ((target, codec),) = data.signature.targets.items()
    series = cast("Series", codec)
    outputs, truths = (each[target] for each in learner.outputs(part))
    if part == "train":
        return series.within(outputs)
    rows = data.part(part).rows
    items = data.item_of[rows]
    places = data.origin[rows] - data.offsets[items]
    return series.within(followed(outputs, truths[:, :, 0], series.levels, items, places))


def too_few(learner: BaseLearner, part: str) -> str:
    """Why so few origins say little."""
    data = cast("Forecasting", learner.data)
    rows, horizon = data.part(part).rows, data.horizon
    moments = len(np.unique(data.origin[rows])) + horizon - 1
    origins = counted(len(rows), "origin", "origins")
    apart = f"{moments / horizon:.1f}".removesuffix(".0")
    return (
        f"{origins}, each {horizon:,} ahead, {'are' if len(rows) > 1 else 'is'} {apart} separate "
        f"{'stretch' if apart == '1' else 'stretches'} of time. Longer history or a shorter horizon would tell"
    )


def beside_the_bank(against: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A plain sentence of how a model stands beside the simple forecaster, and which of the two to use."""
    if BANK not in against:
        return []
    found = against[BANK]["difference"]
    value, ends = found["value"], (found["low"], found["high"])
    if any(each is None for each in (value, *ends)):
        return [
            "there are too few origins to tell whether this model or the simple forecaster, the bank, is better: use the bank"
        ]
    low, high = (rough(each) for each in sorted(map(abs, ends)))
    by = f"MAE lower by {rough(abs(value))} ({low} to {high})"
    use = "Use it: leave --model out (in Python data.learner().fit())."
    match against[BANK]["better"]:
        case True:
            return [f"better than the simple forecaster, the bank, by more than chance: {by}"]
        case False:
            return [
                f"the simple forecaster, the bank, is better than this model, by more than chance: {by}. {use}"
            ]
        case _:
            apart = _where_between(*ends)
            return [
                f"the simple forecaster, the bank, is as good, as far as these origins tell ({apart}), and simpler. {use}"
            ]


def _where_between(low: float, high: float) -> str:
    """Words for a difference that may be none, from `low` to `high`."""
    if low == high:
        return "their MAE is the same"
    lower = f"{rough(-low)} lower" if low < 0 else "no lower"
    higher = f"{rough(high)} higher" if high > 0 else "no higher"
    return f"this model's MAE is between {lower} and {higher} than its"


def with_mase(found: Mapping[str, Statistic], mase: Statistic) -> dict[str, Statistic]:
    """The metrics with MASE behind MAE."""
    return {"mae": found["mae"], "mase": mase, **found}


def season_errors(data: Forecasting) -> Array:
    """(series,) the mean error of the moment a season before, one season ahead, of each series in training: what MASE is a share
    of. What the others have where a series has none, or never moved."""
    found = np.full(len(data.sizes), np.nan)
    for place, (start, end) in enumerate(zip(data.offsets, data.training_end)):
        truth = data.truth[start:end, 0].astype(np.float64)
        lag = data.season if len(truth) > data.season else 1
        apart = np.abs(truth[lag:] - truth[:-lag])
        if (known := apart[~np.isnan(apart)]).size and known.any():
            found[place] = known.mean()
    usual = np.median(found[~np.isnan(found)]) if not np.isnan(found).all() else 1.0
    return np.where(np.isnan(found), usual, found)


def simple_methods(learner: BaseLearner, part: str) -> dict[str, Array]:
    """Name -> (origins, horizon, 1 + levels) of what needs no training (see `forecasting.baselines`), and beside any other model of
    the bank, fitted to the same moments."""
    from drivetrain.forecasting.baselines import BASELINES
    from drivetrain.learn.forecast.bank import BankLearner

    data = cast("Forecasting", learner.data)
    past = data.part(part).column(PAST)
    ((target, codec),) = data.signature.targets.items()
    found: dict[str, Array] = {}
    for name, rule in BASELINES.items():
        if name == "seasonal naive" and not 1 < data.season <= data.context:
            continue
        made = [
            rule(past.gather(slice(start, start + AT_ONCE))[:, :, 0], data.horizon, data.season)
            for start in range(0, max(1, len(past)), AT_ONCE)
        ]
        point = np.concatenate(made).astype(np.float32)
        found[name] = np.repeat(point[:, :, None], codec.output_shape[1], axis=2)
    if not isinstance(learner, BankLearner):
        bank = BankLearner(data, bare=True)
        bank.solve()
        found[BANK] = bank.predict_part(part)[target]
    return found


def statistical(learner: BaseLearner, part: str) -> list[str]:
    """How exponential smoothing does at a few origins, and this model at the same, where statsforecast is installed: it is fitted
    at each origin, so that all of them would take longer than all else."""
    from drivetrain.forecasting.baselines import METHODS, has_statsforecast

    data = cast("Forecasting", learner.data)
    found = data.part(part)
    if not has_statsforecast() or not len(found):
        return []
    rows = np.unique(np.linspace(0, len(found) - 1, FITTED_ANEW).astype(int))
    past = found.column(PAST).gather(rows)[:, -MOST_READ:, 0]
    ((target, codec),) = data.signature.targets.items()
    outputs, truths = learner.outputs(part)
    ours = losses(codec, outputs[target][rows], truths[target][rows]).mean()
    told: list[str] = []
    for name, method in METHODS.items():
        made = method(past, data.horizon, data.season)[:, :, None]
        made = np.repeat(made, codec.output_shape[1], axis=2)
        theirs = losses(codec, made, truths[target][rows]).mean()
        told.append(f"{name} {theirs:.4g}")
    return [
        f"fitted anew at {len(rows)} of the origins: MAE of {' and '.join(told)}, of this model at the same {ours:.4g}"
    ]
