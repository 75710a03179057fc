"""Weights of a blend: they come of rows that no model has seen, and what is measured of rows that did not choose them."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.learn.best.blending import LEAST, blend_weights, blended, learned_losses, unseen_blend

YES_NO = Category(classes=("no", "yes"))


def answers(n: int = 400, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Two models that see half of what there is to see each, and one that guesses."""
    draw = np.random.default_rng(seed)
    a, b = draw.normal(0, 1, n), draw.normal(0, 1, n)
    true = (draw.random(n) < 1 / (1 + np.exp(-2 * (a + b)))).astype(np.int64)

    def said(score: np.ndarray) -> np.ndarray:
        yes = 1 / (1 + np.exp(-score))
        return np.stack([1 - yes, yes], axis=1).astype(np.float32)

    return {"left": said(2 * a), "right": said(2 * b), "guess": said(draw.normal(0, 3, n))}, true


def test_a_blend_is_better_than_each_of_its_parts_and_a_guess_has_nothing_to_say() -> None:
    outputs, true = answers()
    weights = blend_weights(YES_NO, outputs, true)
    assert set(weights) == {"left", "right"}
    assert sum(weights.values()) == pytest.approx(1)
    assert min(weights.values()) >= LEAST

    def loss(said: np.ndarray) -> float:
        return float(learned_losses(YES_NO, said, true).mean())

    assert loss(blended(outputs, weights)) < 0.95 * min(loss(said) for said in outputs.values())


def test_a_model_that_is_right_alone_stays_alone() -> None:
    outputs, true = answers()
    outputs["right"] = np.eye(2, dtype=np.float32)[true] * 0.98 + 0.01
    assert blend_weights(YES_NO, outputs, true) == {"right": 1.0}


@pytest.mark.parametrize("loss", ["squared", "absolute"])
def test_numbers_are_blended_by_the_loss_that_was_learned(loss: str) -> None:
    draw = np.random.default_rng(1)
    true = draw.normal(100, 10, 300).astype(np.float32)
    number = Number().fit(true)
    outputs = {
        "low": (true - 4 + draw.normal(0, 1, 300)).astype(np.float32),
        "high": (true + 4 + draw.normal(0, 1, 300)).astype(np.float32),
    }
    weights = blend_weights(number, outputs, true, loss)
    assert weights["low"] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("folds", [1, 3])
def test_no_row_chooses_the_weights_that_it_is_measured_with(folds: int) -> None:
    outputs, true = answers(300)
    pieces = np.array_split(np.arange(300), folds)

    def measured(labels: np.ndarray) -> list[np.ndarray]:
        cut = {name: [rows[piece] for piece in pieces] for name, rows in outputs.items()}
        return unseen_blend(YES_NO, cut, [labels[piece] for piece in pieces], "squared", 0)

    before = measured(true)
    turned = true.copy()
    chosen = pieces[0] if folds > 1 else np.random.default_rng(0).permutation(300)[:150]
    turned[chosen] = 1 - turned[chosen]
    after = measured(turned)
    kept = [np.arange(len(pieces[0]))] if folds > 1 else [chosen]
    np.testing.assert_array_equal(before[0][kept[0]], after[0][kept[0]])
    changed = [not np.array_equal(one, other) for one, other in zip(before, after)]
    assert any(changed)  # The others' weights do come of these rows.
