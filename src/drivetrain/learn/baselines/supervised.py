"""What a simple method reaches on the same rows: the figures that a model has to beat to be worth its trouble.

For a choice among classes "majority class" and "logistic regression", for a number "mean" and "linear
regression"; for both, where there is text, "TF-IDF and logistic regression" (or "ridge regression") of its words and
characters; beside tables, "gradient-boosted trees". The regressions
are fitted to at most 10,000 training rows, the trees to at most 200,000, which their name says when it is so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.codecs import Signature
from drivetrain.learn.baselines.missing import has_baselines
from drivetrain.learn.closed_form.columns import fit_columns_of
from drivetrain.learn.closed_form.linear import fit_dense, fit_sparse
from drivetrain.learn.closed_form.solver import Choice
from drivetrain.learn.features.base import (
    Features,
    for_baselines,
    for_ngrams,
    for_regression,
    for_trees,
    unseen,
)
from drivetrain.learn.goals import Goal, goal_of
from drivetrain.learn.trees.growth import FEW_ROUNDS, LOSSES, MOST_ROUNDS
from drivetrain.learn.trees.model import fit_trees
from drivetrain.ragged import column_in
from drivetrain.types import Array, Batch

MOST_ROWS = 10_000
MOST_TREE_ROWS = 200_000
PENALTY, TFIDF_PENALTY = 1.0, 0.1
"""scikit-learn's alpha, or 1 / C: on columns of about unit size, and what the usual recipe of TF-IDF has."""
TREES = "gradient-boosted trees"
MOST_TREE_WORK = 1e9
"""Rows x inputs x trees: some 20 s on one core."""
CHUNK_BYTES = 32 * 2**20

Rows = npt.NDArray[np.int64]
Fit = Callable[[Goal, Array, str], Array]
"""A target's goal, its encoded training values and `class_weights` -> outputs for the measured rows."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """A simple method's outputs (n, *output_shape) for a target of the measured rows, as a model would give them."""

    name: str
    target: str
    outputs: Array


def fit_baselines(
    signature: Signature,
    train: Batch,
    valid: Batch,
    seed: int = 0,
    *,
    class_weights: str = "none",
    loss: str = "squared",
    trees: bool = True,
) -> list[Baseline]:
    """Each simple method fitted to `train` and asked about `valid`, target by target, simplest first.

    Both batches hold encoded columns, field -> (n, ...). With several targets the name ends with " of TARGET".
    Empty when either batch has no rows. Regressions are left out where there is nothing to regress on: inputs that they see
    nothing of, or a single class; trees beside pictures, and where `trees` is False. `class_weights` and
    `loss` are those of the model that they stand beside. Deterministic for a seed on one machine.
    """
    rows, others = _rows(signature, train), _rows(signature, valid)
    if not rows or not others:
        return []
    sample = _sample(rows, MOST_ROWS, seed)
    on_columns = _on_columns(signature, train, valid, sample)
    on_ngrams = _on_ngrams(signature, train, valid, sample)
    trees = trees and _trees_see(signature)
    found: list[Baseline] = []
    for name, codec in signature.targets.items():
        if not has_baselines(codec):
            continue
        encoded = np.asarray(train[name])
        goal, sampled = goal_of(codec, encoded), goal_of(codec, encoded[sample])
        methods = [(goal.constant, goal.constant_answers(encoded, others))]
        if on_columns is not None and len(sampled.scored):
            outputs = on_columns(sampled, encoded[sample], class_weights)
            methods.append((goal.regression + _on_rows(sample, rows), outputs))
        if on_ngrams is not None and sampled.varies:
            outputs = on_ngrams(sampled, encoded[sample], class_weights)
            methods.append((goal.text_regression + _on_rows(sample, rows), outputs))
        if trees and goal.varies:
            options = {
                "seed": seed,
                "class_weights": class_weights,
                "loss": loss if loss in LOSSES else "squared",
            }
            methods.append(_trees(signature, train, valid, name, len(goal.scored), options))
        suffix = f" of {name}" if len(signature.targets) > 1 else ""
        found += [Baseline(method + suffix, name, outputs) for method, outputs in methods]
    return found


def _rows(signature: Signature, batch: Batch) -> int:
    return min((len(batch[name]) for name in signature.fields), default=0)


def _sample(rows: int, most: int, seed: int) -> Rows:
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def _on_rows(sample: Rows, rows: int) -> str:
    return f" on {len(sample):,} rows" if len(sample) < rows else ""


def _on_columns(signature: Signature, train: Batch, valid: Batch, chosen: Rows) -> Fit | None:
    """What gives a target's outputs by a regression on the columns of the inputs; None where it sees nothing of them."""
    parts: list[tuple[Features, Features]] = []
    if len(unseen(signature, for_regression)) < len(signature.inputs):
        known = {
            name: column_in(train, name)[chosen] for name in signature.inputs if _is_plain(signature, name)
        }
        columns = fit_columns_of(Signature({name: signature.inputs[name] for name in known}, {}), known)
        parts.append((columns.features(known), columns.features(valid)))
    for name, codec in signature.inputs.items():
        if (make := for_baselines(codec)) is not None:
            of = make(codec)
            every = np.arange(len(valid[name]))
            parts.append(
                (
                    _in_pieces(of, column_in(train, name), chosen),
                    _in_pieces(of, column_in(valid, name), every),
                )
            )
    if not parts:
        return None
    features, others = (np.concatenate(side, axis=1) for side in zip(*parts))

    def answer(goal: Goal, encoded: Array, class_weights: str) -> Array:
        within = goal.limited(0.0) if goal.steep else goal
        return fit_dense(within, features, encoded, PENALTY, class_weights).answer(others)

    return answer


def _is_plain(signature: Signature, name: str) -> bool:
    return for_regression(signature.inputs[name]) is not None


def _in_pieces(of: Callable[[Any], Features], array: Any, chosen: Rows) -> Features:
    """The columns of some rows of an array that may lie on disk: pictures as a whole may not fit in memory."""
    each = max(1, array.nbytes // max(1, len(array)))
    step = max(1, CHUNK_BYTES // each)
    starts = range(0, len(chosen), step)
    return np.concatenate([of(array[chosen[start : start + step]]) for start in starts])


def _on_ngrams(signature: Signature, train: Batch, valid: Batch, chosen: Rows) -> Fit | None:
    """What gives a target's outputs by the words and characters of the texts alone; None where there are no texts."""
    if len(unseen(signature, for_ngrams)) == len(signature.inputs):
        return None
    from drivetrain.learn.closed_form.ngram_model import features_of, fit_columns

    drawn = {name: column_in(train, name)[chosen] for name in signature.inputs}
    columns = fit_columns(signature, drawn)
    features, others = features_of(columns, drawn), features_of(columns, valid)

    def answer(goal: Goal, encoded: Array, class_weights: str) -> Array:
        choice = Choice(TFIDF_PENALTY, 0.0)
        return fit_sparse(
            goal, lambda rarity, rows: features, encoded, class_weights=class_weights, choice=choice
        ).answer(others)

    return answer


def _trees_see(signature: Signature) -> bool:
    """Whether there is anything that trees see; beside pictures and the like that they don't, they are not worth their time."""
    rest = unseen(signature, for_trees)
    return len(rest) < len(signature.inputs) and not any(signature.inputs[name].large for name in rest)


def _trees(
    signature: Signature, train: Batch, valid: Batch, target: str, scores: int, options: Mapping[str, Any]
) -> tuple[str, Array]:
    """(name, outputs) of the trees for one target, by LightGBM where it is installed."""
    rows = _rows(signature, train)
    chosen = _sample(rows, MOST_TREE_ROWS, options["seed"])
    drawn = {name: column_in(train, name)[chosen] for name in (*signature.inputs, target)}
    work = len(chosen) * len(signature.inputs) * scores
    rounds = int(np.clip(MOST_TREE_WORK / work, FEW_ROUNDS, MOST_ROUNDS))
    model = fit_trees(signature, drawn, target, most_rounds=rounds, **options)
    return TREES + _on_rows(chosen, rows), model.predict(valid)
