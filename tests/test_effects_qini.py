"""The Qini curve: its area is what it should be, its interval holds it, ties and nulls are no accident."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from drivetrain.effects.uplift.curve import qini
from drivetrain.errors import DrivetrainError

ABOVE = 0.3 / (2 * np.sqrt(np.pi))
"""The area above chance of a score x ~ N(0, 1) for an effect .2 + .3 x: .3 E[x F(x)] - 0, and E[x F(x)] = 1 / (2 sqrt(pi))."""


def trial(n: int, seed: int, differs: float = 0.3) -> dict[str, np.ndarray]:
    made = np.random.default_rng(seed)
    x = made.normal(size=(n, 2))
    w = (made.random(n) < 0.5) * 1.0
    return {
        "score": x[:, 0],
        "treatment": w,
        "outcome": x[:, 1] + w * (0.2 + differs * x[:, 0]) + made.normal(size=n),
        "x": x,
    }


def of(rows: dict[str, np.ndarray], **options: Any) -> Any:
    return qini(rows["score"], rows["treatment"], rows["outcome"], **options)


def test_the_area_is_the_true_one_and_the_interval_holds_it() -> None:
    large = of(trial(200_000, 1))
    assert large.coefficient.value == pytest.approx(ABOVE, abs=0.005)
    assert large.area.value == pytest.approx(ABOVE + 0.1, abs=0.008)
    assert large.everyone.value == pytest.approx(0.2, abs=0.015)
    found = [of(trial(800, seed), seed=seed).coefficient for seed in range(60)]
    assert sum(each.low <= ABOVE <= each.high for each in found) >= 51


def test_a_score_that_says_nothing_is_told_so() -> None:
    wrong = 0
    for seed in range(60):
        found = of(trial(500, seed, differs=0.0), seed=seed)
        wrong += not found.words.startswith("No sign")
        assert (found.p < 0.05) == (wrong > 0) or found.p > 0.02
    assert wrong <= 8


def test_a_score_turned_round_is_worse_than_chance() -> None:
    rows = trial(5000, 2)
    rows["score"] = -rows["score"]
    assert of(rows).words.startswith("Treating by score is worse")


def test_known_outcomes_narrow_it() -> None:
    rows = trial(5000, 3)
    x = rows["x"]
    plain, told = of(rows), of(rows, expected=(x[:, 1], x[:, 1] + 0.2 + 0.3 * x[:, 0]))
    assert told.coefficient.high - told.coefficient.low < 0.8 * (
        plain.coefficient.high - plain.coefficient.low
    )
    assert told.coefficient.low < ABOVE < told.coefficient.high


def test_unequal_propensities_do_not_bend_it() -> None:
    """Who gains most is treated most, by known chances, and is better off anyway."""
    made = np.random.default_rng(4)
    x = made.normal(size=100_000)
    chance = np.where(x > 0, 0.8, 0.2)
    w = (made.random(100_000) < chance) * 1.0
    y = 3 * x + w * (0.2 + 0.3 * x) + made.normal(size=100_000)
    told, blind = qini(x, w, y, propensity=chance), qini(x, w, y)
    assert told.coefficient.value == pytest.approx(ABOVE, abs=0.04)
    assert told.everyone.value == pytest.approx(0.2, abs=0.06)
    assert blind.everyone.value > 1


def test_equal_scores_are_one_group_in_no_order() -> None:
    rows = trial(1000, 5)
    rows["score"] = np.zeros(1000)
    flat = of(rows)
    assert flat.share.tolist() == [0, 1]
    assert flat.coefficient.value == 0
    assert "No sign" in flat.words
    rows["score"] = np.round(trial(1000, 5)["score"])
    order = np.random.default_rng(6).permutation(1000)
    other = qini(rows["score"][order], rows["treatment"][order], rows["outcome"][order])
    assert other.gain == pytest.approx(of(rows).gain)
    assert str(other).count("treat") >= 4


def test_clusters_are_drawn_together() -> None:
    rows = {name: np.concatenate([values] * 2) for name, values in trial(400, 7).items()}
    blind, told = of(rows), of(rows, cluster=np.tile(np.arange(400), 2))
    assert told.coefficient.high - told.coefficient.low > 1.25 * (
        blind.coefficient.high - blind.coefficient.low
    )
    few = of(rows, cluster=np.arange(800) % 4)
    assert np.isnan(few.coefficient.low)
    assert "too few groups" in few.words
    json.dumps(few.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"treatment": np.ones(100)}, "0 for some rows"),
        ({"treatment": np.arange(100.0)}, "0 for some rows"),
        ({"score": np.zeros(99)}, "99 scores"),
        ({"outcome": np.where(np.arange(60) == 3, np.inf, 0)}, "row 4"),
        ({"score": np.asarray(["x"] * 100)}, "numbers"),
        ({"score": np.zeros((100, 2))}, "shape"),
    ],
)
def test_what_is_no_trial_is_told(changed: Any, says: str) -> None:
    with pytest.raises(DrivetrainError, match=says):
        of(trial(100, 8) | changed)
    with pytest.raises(DrivetrainError, match="between 0 and 1"):
        of(trial(100, 8), propensity=1.0)
