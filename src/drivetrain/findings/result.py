"""What came out of a training: the result with intervals, and how it stands against each simple method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.codecs import Signature
from drivetrain.data.wholes import measure_with_wholes
from drivetrain.figures import rough
from drivetrain.learn.base import without_intervals
from drivetrain.learn.baselines.supervised import TREES, Baseline, fit_baselines
from drivetrain.metrics import (
    Estimate,
    Statistic,
    difference,
    has_metrics,
    is_large,
    losses,
    metrics_of,
    names,
    paired_difference,
)
from drivetrain.metrics.estimate import Floats
from drivetrain.metrics.overfitting import worsened
from drivetrain.metrics.streamed import numbers
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.learn.base import BaseLearner

TRAINED_ON = ["there are no validation rows: the figures are of rows that it was trained on, and flatter it"]
LEAST_ROWS = 50
"""Fewer rows may all be right by chance."""
COLUMNS_TOO_GOOD = (
    "Is every column known when the model is asked, and no row in both parts? What it relies on most is the first to "
    "look at."
)
SURER = 1.25
"""A valid loss that ends so many times above its lowest is told."""
SURE = 1e-3
"""A loss below this is that of a model that is right, and as sure as it says."""


def result_of(
    learner: BaseLearner,
    metrics: Mapping[str, Any],
    baselines: Mapping[str, Any] | None = None,
    against: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """`{"run", "task", "metrics", "baselines", "against", "epochs", "seconds", "notes"}`, JSON values; `notes` follow those of the
    learner."""
    return {
        "run": None if learner.run is None else str(learner.run),
        "task": learner.data.task.name,
        "metrics": metrics,
        "baselines": baselines or {},
        "against": against or {},
        "epochs": learner.epochs,
        "seconds": learner.seconds,
        "notes": [*learner.notes, *notes],
    }


def make_result(learner: BaseLearner) -> dict[str, Any]:
    """The result (see `result_of`), beside simple methods, with what more a learner tells."""
    data, part, settings = learner.data, learner.data.measured_part, learner.settings
    metrics = {name: estimate.to_json() for name, estimate in learner.validate(part).items()}
    train, measured = learner.training_batch(), {**data.part(part).batch(), **learner.outputs(part)[1]}
    stopped = getattr(settings, "early_stopping", None) is not None  # It has the best epoch's weights.
    with learner.progress("Fitting baselines", 1) as advance:
        if data.task.own_baselines:
            simple = data.task.baselines(data.signature, train, measured, settings.seed)
        else:
            seen, rows = data, (train, measured)
            if data.plain is not None:
                seen = data.plain
                rows = (seen.part("train").batch(), seen.part(part).batch())
            simple = fit_baselines(
                seen.signature, *rows, settings.seed, class_weights=settings.class_weights, loss=settings.loss,
                trees=not learner.has_trees,
            )  # fmt: skip
        simple = [*simple, *learner.companions]
        advance(1)
    groups = data.together(part)
    beside = baseline_metrics(data.signature, simple, measured, settings.seed, groups)
    if len(data.signature.targets) == 1:
        beside = {found.name: {**beside[found.name], **data.task.metrics(found.outputs)} for found in simple}
    ours = {target: learner.losses(part, target) for target in {found.target for found in simple}}
    against = compare_with(data.signature, ours, simple, measured, settings.seed, groups)
    for found in learner.companions:
        against[found.name]["tried"] = True
    baselines = {name: {key: e.to_json() for key, e in values.items()} for name, values in beside.items()}
    return {
        **result_of(learner, {part: metrics}, baselines, against),
        "notes": learner.notes
        + batch_by_batch(data.signature)
        + (TRAINED_ON if part == "train" else too_good(metrics, bool(data.kinds)))
        + too_few(data.signature, metrics, measured)
        + ([] if learner.has_trees else better_trees(against))
        + ([] if learner.has_trees or stopped else worse_metric(learner.history))
        + right_more_often(data.signature, learner.outputs(part)[0], simple, measured, against, groups)
        + learner.told(against)
        + fitted_again(learner),
        **learner.more(),
    }


def fitted_again(learner: BaseLearner) -> list[str]:
    """That what answers has learned from more rows than what was measured."""
    shipped = learner.shipped
    if shipped is learner or not len(learner.data.rows("valid")):
        return []
    if told := learner.data.task.fitted_again:
        return [told]
    return [
        f"measured as fitted to {len(learner.data.part('train')):,} {learner.data.things}; what answers was fitted again to "
        f"{len(shipped.data.part('train')):,}, the valid rows too"
    ]


def brief_result(learner: BaseLearner) -> dict[str, Any]:
    """The result without a look at baselines; and without metrics, where nothing can be measured."""
    part, metrics = learner.data.measured_part, {}
    if not learner.unmeasured:
        metrics[part] = {name: found.to_json() for name, found in learner.validate(part).items()}
    return result_of(learner, metrics, notes=batch_by_batch(learner.data.signature))


def batch_by_batch(signature: Signature) -> list[str]:
    """A plain sentence for each target whose outputs are never held whole."""
    return [
        f"the outputs of {name} are measured batch by batch, for they have {numbers(codec):,} numbers a row: there is no metric "
        "that looks at all of them at once, and no section of the report about it"
        for name, codec in signature.targets.items()
        if is_large(codec)
    ]


def baseline_metrics(
    signature: Signature,
    simple: Sequence[Baseline],
    encoded: Mapping[str, Array],
    seed: int = 0,
    groups: Array | None = None,
) -> dict[str, dict[str, Estimate]]:
    """Name -> metric -> estimate, of the rows whose encoded targets these are. The model's intervals are not theirs."""
    targets = without_intervals(signature).targets
    return {
        found.name: measure_with_wholes(
            targets[found.target], found.outputs, encoded[found.target], seed, groups
        )
        for found in simple
    }


def compare_with(
    signature: Signature,
    ours: Mapping[str, Floats],
    simple: Sequence[Baseline],
    encoded: Mapping[str, Array],
    seed: int = 0,
    groups: Array | None = None,
) -> dict[str, dict[str, Any]]:
    """Name of a baseline -> `{"target", "measure", "difference", "better", "words"}`, JSON values.

    `ours` are the model's losses (n,) by target, `measure` is the key of the metric that decides, `difference` the mean of
    our losses less its losses on the same rows, below 0 where the model is better (the loss of a ranking is what its NDCG
    lacks of 1). `better` is None where the difference could be chance.
    """
    compared: dict[str, dict[str, Any]] = {}
    for found in simple:
        codec = signature.targets[found.target]
        theirs = losses(codec, found.outputs, encoded[found.target])
        apart = paired_difference(ours[found.target], theirs, seed, groups)
        compared[found.name] = told_apart(found.name, found.target, names.deciding(codec), apart)
    return compared


def told_apart(name: str, target: str, key: str, apart: Estimate) -> dict[str, Any]:
    """How a model stands against a simple method, by our losses less its losses: one value of `compare_with`."""
    better = True if apart.high < 0 else False if apart.low > 0 else None
    words = in_words(name, key, apart, better)
    return {"target": target, "measure": key, "difference": apart.to_json(), "better": better, "words": words}


def in_words(baseline: str, key: str, apart: Estimate, better: bool | None) -> str:
    """`better than logistic regression: log loss lower by 0.021 (0.015 to 0.027)`."""
    name, higher = names.metric(key).name, names.metric(key).higher
    if math.isnan(apart.low):
        return f"too few rows to compare with {baseline}"
    if better is None:
        sides = (-apart.high, -apart.low) if higher else (apart.low, apart.high)
        low, high = map(rough, sides)
        return (
            f"no better or worse than {baseline}, as far as these rows tell: {name} apart by {low} to {high}"
        )
    way = "higher" if better == higher else "lower"
    return f"{'better' if better else 'worse'} than {baseline}: {name} {way} by {_amount(apart)}"


def _amount(apart: Estimate) -> str:
    """`0.021 (0.015 to 0.027)`, whichever is ahead."""
    low, high = sorted((abs(apart.low), abs(apart.high)))
    return f"{rough(abs(apart.value))} ({rough(low)} to {rough(high)})"


def too_good(metrics: Mapping[str, Mapping[str, Any]], is_table: bool) -> list[str]:
    """A question for each metric that hardly any honest task comes to. `metrics` are those of rows not trained on."""
    notes: list[str] = []
    for key, found in metrics.items():
        most, value = names.metric(key).too_good, found["value"]
        if most is not None and value is not None and value >= most and found["n"] >= LEAST_ROWS:
            notes.append(
                f"{names.printed(key)} {found['value']:.4f} on {found['n']:,} rows: hardly any task is so easy. "
                + (
                    COLUMNS_TOO_GOOD
                    if is_table
                    else "Are there copies, or pictures of one scene, in both parts?"
                )
            )
    return notes


def too_few(
    signature: Signature, metrics: Mapping[str, Mapping[str, Any]], measured: Mapping[str, Array]
) -> list[str]:
    """A plain sentence for each target of which the measured rows tell next to nothing."""
    notes: list[str] = []
    for target, codec in signature.targets.items():
        if not has_metrics(codec):
            continue
        several = f"{target}." if len(signature.targets) > 1 else ""
        wide = {
            each.key: estimate
            for each in metrics_of(codec).METRICS
            if each.too_wide is not None
            and (estimate := metrics.get(several + each.key)) is not None
            and estimate["low"] is not None
            and estimate["high"] - estimate["low"] >= each.too_wide
        }
        if not wide:
            continue
        rows = f"{len(measured[target]):,} rows"
        if codec.labels is not None:
            counts = np.bincount(np.asarray(measured[target], np.int64))
            rows += f", of which {counts[counts > 0].min():,} are of the rarest class,"
        told = " and ".join(
            f"{names.printed(several + name)} anywhere from {found['low']:.2f} to {found['high']:.2f}"
            for name, found in wide.items()
        )
        notes.append(
            f"too few rows to say how good it is: {rows} leave {told}. Hold out more of them, or get more rows."
        )
    return notes


def better_trees(against: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A plain sentence for each target whose trees answer better than the model by more than chance."""
    notes: list[str] = []
    for name, found in against.items():
        if found["better"] is False and name.startswith(TREES):
            notes.append(
                f"{name[0].upper()}{name[1:]} answer better than this model, by more than chance: use them. The same "
                'command with --model trees trains and exports them (in Python data.learner("trees").fit()).'
            )
    return notes


def right_more_often(
    signature: Signature,
    outputs: Mapping[str, Array],
    simple: Sequence[Baseline],
    encoded: Mapping[str, Array],
    against: Mapping[str, Mapping[str, Any]],
    groups: Array | None = None,
) -> list[str]:
    """A plain sentence for each simple method of which accuracy says the contrary of log loss."""
    notes: list[str] = []
    for found in simple:
        codec, better = signature.targets[found.target], against[found.name]["better"]
        if codec.labels is None or better is None or is_large(codec):
            continue
        true = encoded[found.target]
        ours, theirs = (codec.chosen(made) == true for made in (outputs[found.target], found.outputs))
        right, also = (Statistic.mean_of(each).drawn_by(groups) for each in (ours, theirs))
        apart = difference(right, also)
        if not (apart.value < 0 if better else apart.value > 0):
            continue
        one, other = ("this model", found.name) if apart.value > 0 else (found.name, "this model")
        by = "which could be chance" if apart.low * apart.high <= 0 else f"by {_amount(apart)}"
        shares = sorted((ours.mean(), theirs.mean()))
        notes.append(
            f"{one} is right more often than {other}, {shares[1]:.3f} to {shares[0]:.3f}, {by}. By log loss it is the "
            "other way round: what it says of its own certainty fits less."
        )
    return notes


def surer_than_right(history: list[dict[str, Any]]) -> list[str]:
    """A plain sentence when the loss ended far above what it had been, though no more answers are wrong than before."""
    losses = [row["valid_loss"] for row in history]
    if not losses or not all(loss is not None and math.isfinite(loss) for loss in losses):
        return []
    best = losses.index(min(losses))
    if (
        losses[-1] < max(SURER * losses[best], SURE)
        or history[-1]["train_loss"] >= history[best]["train_loss"]
    ):
        return []
    return [
        f"the valid loss was lowest in epoch {history[best]['epoch']} ({losses[best]:.4g}) and ended at {losses[-1]:.4g} "
        "while the training loss fell: the model says what it says more surely than it is right. Try dropout, fewer "
        "epochs or early stopping, which keeps the best epoch."
    ]


def worse_metric(history: list[dict[str, Any]]) -> list[str]:
    """A plain sentence when the last epochs made the metric (not just the loss) worse than it had been."""
    rows = [row for row in history if row["valid_error"] is not None]
    train, valid = ([row[name] for row in rows] for name in ("train_error", "valid_error"))
    best = worsened(train, valid, rows[-1]["valid_rows"]) if rows else None
    if best is None:
        return surer_than_right(rows)
    return [
        f"overfitting: the valid error was best in epoch {rows[best]['epoch']} ({valid[best]:.4g}) and ended at "
        f"{valid[-1]:.4g} while the training error fell. Try fewer epochs, augmentation or early stopping."
    ]
