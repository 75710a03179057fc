"""What is said beside a result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.findings.result import compare_with, right_more_often, too_few, too_good, worse_metric
from drivetrain.learn.baselines.supervised import Baseline
from drivetrain.metrics import losses

SIGNATURE = Signature({"x": Number()}, {"y": Category(classes=("a", "b"))})
TRUE = np.tile([0, 1], 200)


def says(right: float, sure: float) -> np.ndarray:
    """Probabilities (n, 2) that are `sure` of the right class in a share of the rows, and of the wrong one in the others."""
    chosen = np.where(np.arange(len(TRUE)) / len(TRUE) < right, TRUE, 1 - TRUE)
    return np.where(np.arange(2) == chosen[:, None], sure, 1 - sure).astype(np.float32)


def epochs(train: list[float], valid: list[float], errors: list[float]) -> list[dict[str, float]]:
    return [
        {"epoch": place + 1, "train_loss": one, "valid_loss": other, "train_error": one, "valid_error": error, "valid_rows": 400}
        for place, (one, other, error) in enumerate(zip(train, valid, errors))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (epochs([0.6, 0.4, 0.2], [0.5, 0.4, 0.6], [0.2, 0.1, 0.3]), "valid error was best in epoch 2"),
        (epochs([0.6, 0.4, 0.2], [0.5, 0.4, 0.6], [0.2, 0.2, 0.2]), "valid loss was lowest in epoch 2 (0.4) and ended at 0.6"),
        (epochs([0.6, 0.4, 0.2], [0.5, 0.4, 0.42], [0.2, 0.2, 0.2]), ""),
        (epochs([0.2, 0.4, 0.6], [0.5, 0.4, 0.6], [0.2, 0.2, 0.2]), ""),
        ([], ""),
    ],
)  # fmt: skip
def test_what_got_worse_is_said(history: list[dict[str, float]], words: str) -> None:
    notes = worse_metric(history)
    assert len(notes) == bool(words)
    assert all(words in note for note in notes)


def test_what_is_right_is_the_answer_of_least_cost() -> None:
    """With such costs both always answer b: neither is right more often."""
    signature = Signature({"x": Number()}, {"y": Category(classes=("a", "b"), costs=((0, 1), (100, 0)))})
    ours, simple = says(0.90, 0.9), [Baseline("simple", "y", says(0.95, 0.55))]
    against = compare_with(signature, {"y": losses(signature.targets["y"], ours, TRUE)}, simple, {"y": TRUE})
    assert right_more_often(signature, {"y": ours}, simple, {"y": TRUE}, against) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (says(0.90, 0.9), says(0.95, 0.55), ["simple is right more often than this model, 0.950 to 0.900", "by 0.05 (0.0"]),
        (says(0.900, 0.9), says(0.903, 0.55), ["simple is right more often", "could be chance"]),
        (says(0.95, 0.55), says(0.90, 0.9), ["this model is right more often than simple, 0.950 to 0.900"]),
        (says(0.95, 0.9), says(0.90, 0.55), []),
        (says(0.90, 0.55), says(0.95, 0.9), []),
        (says(0.90, 0.9), says(0.90, 0.9), []),
    ],
)  # fmt: skip
def test_where_accuracy_and_log_loss_disagree_it_is_said(
    ours: np.ndarray, theirs: np.ndarray, words: list[str]
) -> None:
    simple = [Baseline("simple", "y", theirs)]
    against = compare_with(SIGNATURE, {"y": losses(SIGNATURE.targets["y"], ours, TRUE)}, simple, {"y": TRUE})
    notes = right_more_often(SIGNATURE, {"y": ours}, simple, {"y": TRUE}, against)
    assert len(notes) == bool(words)
    assert all(word in notes[0] for word in words)


def test_what_is_too_good_to_be_true_is_asked_about() -> None:
    def metrics(value: float | None, n: int = 400) -> dict[str, dict[str, Any]]:
        return {"accuracy": {"value": 1.0, "n": n}, "y.auc": {"value": value, "n": n}}

    (note,) = too_good(metrics(0.9991), is_table=True)
    assert note.startswith("AUC of y 0.9991 on 400 rows: hardly any task is so easy. Is every column known")
    assert "copies" in too_good({"r2": {"value": 1.0, "n": 60}}, is_table=False)[0]
    for fine in (metrics(0.998), metrics(None), metrics(1.0, 30)):
        assert too_good(fine, is_table=True) == []


def test_an_interval_that_is_right_and_useless_is_said_to_be() -> None:
    signature = Signature({"x": Number()}, {"y": Category(classes=("no", "yes"))})
    few = np.array([0] * 25 + [1] * 14)
    metrics = {
        "auc": {"value": 1.0, "low": 0.785, "high": 1.0, "n": 39},
        "accuracy": {"value": 1.0, "low": 0.91, "high": 1.0, "n": 39},
    }
    (note,) = too_few(signature, metrics, {"y": few})
    assert note == (
        "too few rows to say how good it is: 39 rows, of which 14 are of the rarest class, leave AUC anywhere from 0.79 "
        "to 1.00. Hold out more of them, or get more rows."
    )
    metrics["auc"]["low"] = 0.95
    assert too_few(signature, metrics, {"y": few}) == []
    undefined = {"r2": {"value": None, "low": None, "high": None, "n": 1}}
    assert too_few(Signature({}, {"y": Number()}), undefined, {"y": np.zeros(1)}) == []
    both = Signature({}, {"y": Number(), "z": Number()})
    wide = {"z.r2": {"value": 0.5, "low": 0.1, "high": 0.8, "n": 30}}
    (note,) = too_few(both, wide, {"y": np.zeros(30), "z": np.zeros(30)})
    assert "30 rows leave R² of z anywhere from 0.10 to 0.80" in note
