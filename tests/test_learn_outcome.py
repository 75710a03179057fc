"""What is said of a training when it is over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.learn.baselines import Baseline
from drivetrain.learn.outcome import better_trees, compare_with, worse_metric
from drivetrain.report.words import verdict
from drivetrain.types import Array


def history(valid: list[float], rows: int) -> list[dict[str, float]]:
    return [
        {"epoch": number, "train_error": 1 / number, "valid_error": error, "valid_rows": rows}
        for number, error in enumerate(valid, 1)
    ]


def test_a_metric_that_got_worse_by_more_than_chance_is_told() -> None:
    (told,) = worse_metric(history([0.3, 0.1, 0.2], rows=1000))
    assert "best in epoch 2 (0.1) and ended at 0.2" in told


def test_what_could_be_chance_is_not() -> None:
    assert worse_metric(history([0.3, 0.1, 0.12], rows=200)) == []
    assert worse_metric(history([0.3, 0.2, 0.1], rows=200)) == []
    assert worse_metric([]) == []


YES_NO = Signature({"x": Number()}, {"y": Category(classes=("no", "yes"))})


def compared(ours: Array, theirs: Array, true: Array, name: str = "simple") -> dict[str, Any]:
    sure = [np.stack([1 - shares, shares], axis=1) for shares in (ours, theirs)]
    return compare_with(YES_NO, {"y": sure[0]}, [Baseline(name, "y", sure[1])], {"y": true})[name]


def test_a_baseline_is_compared_row_by_row() -> None:
    chance = np.random.default_rng(0)
    true = chance.integers(0, 2, 500)
    good, poor = np.where(true == 1, 0.8, 0.2), np.full(500, 0.5)
    better, worse, equal = compared(good, poor, true), compared(poor, good, true), compared(good, good, true)
    assert better["better"] is True
    assert better["difference"]["value"] == pytest.approx(np.log(0.5) - np.log(0.8))
    assert better["words"].startswith("better than simple: log loss lower by 0.47 (")
    assert worse["better"] is False
    assert worse["words"].startswith("worse than simple: log loss higher by 0.47 (")
    assert equal["better"] is None
    noisy = np.clip(good + chance.normal(0, 0.1, 500), 0.01, 0.99)
    apart = compared(noisy, np.clip(good + chance.normal(0, 0.1, 500), 0.01, 0.99), true)
    assert apart["better"] is None
    assert "as far as these rows tell: log loss apart by -0.0" in apart["words"]
    assert compared(good[:1], poor[:1], true[:1])["words"] == "too few rows to compare with simple"


def test_who_wins_in_a_sentence() -> None:
    chance = np.random.default_rng(0)
    true = chance.integers(0, 2, 300)
    rising = [np.where(true == 1, share, 1 - share) for share in (0.5, 0.6, 0.7, 0.8)]

    def told(ours: int, *theirs: int) -> str:
        found = {
            f"no. {rival}": compared(rising[ours], rising[rival], true, f"no. {rival}") for rival in theirs
        }
        return verdict(found)

    assert told(3, 0, 1).startswith(
        "This model wins against all simple methods on the same rows. The closest is no. 1: "
    )
    assert told(2, 1).startswith("This model wins against no. 1 on the same rows: log loss lower by ")
    assert told(1, 0, 3, 2).startswith(
        "The winner on the same rows is no. 3, not this model: log loss higher by "
    )
    assert told(2, 0, 2).startswith(
        "No winner: what this model and no. 2 differ by on the same rows could be chance: "
    )
    assert verdict({}) == ""
    one, two = compared(rising[3], rising[0], true, "a"), compared(rising[0], rising[3], true, "b")
    both = verdict({"a": {**one, "target": "y"}, "b": {**two, "target": "z"}})
    assert both.startswith("y: This model wins")
    assert " z: The winner" in both


def test_trees_that_answer_better_are_named_with_their_command() -> None:
    worse = {
        "better": False,
        "words": "worse than gradient-boosted trees: log loss higher by 0.1 (0.05 to 0.2)",
    }
    (note,) = better_trees({"gradient-boosted trees on 200,000 rows": worse, "mean": worse})
    assert "--model trees" in note
    assert better_trees({"gradient-boosted trees": {"better": None, "words": ""}}) == []
    assert better_trees({"LightGBM": worse}) == [
        "LightGBM answers better than this model, by more than chance."
    ]
