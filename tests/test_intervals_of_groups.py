"""Intervals of items that are alike in groups, as windows of one recording are: what is drawn is a group."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sensors

import drivetrain as dt
from drivetrain.codecs.category import Category
from drivetrain.findings.result import surer_than_right
from drivetrain.metrics import Statistic, difference, measure, paired_difference, per_class
from drivetrain.metrics.estimate import FEWEST_GROUPS, wilson

SIZE = 30


def windows(groups: int, seed: int, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Whether each window is right, and whose it is: some people are hard, others easy."""
    draw = np.random.default_rng(seed)
    share = np.clip(0.7 + spread * draw.standard_normal(groups), 0.02, 0.98)
    of = np.repeat(np.arange(groups), SIZE)
    return draw.random(len(of)) < share[of], of


def test_an_interval_of_windows_holds_what_people_reach():
    truth = float(np.mean(windows(20_000, 99)[0]))
    held = {True: 0, False: 0}
    for seed in range(100):
        right, of = windows(20, seed)
        for drawn, groups in ((True, of), (False, None)):
            found = Statistic.mean_of(right).drawn_by(groups).estimate()
            held[drawn] += found.low <= truth <= found.high
    assert held[True] >= 88
    assert held[False] < 60


def test_groups_of_one_are_items():
    right, _ = windows(3, 0)
    alone = Statistic.mean_of(right).drawn_by(np.arange(len(right))).estimate()
    usual = wilson(int(right.sum()), len(right))
    assert (alone.low, alone.high) == pytest.approx((usual.low, usual.high), abs=0.005)
    numbers = np.random.default_rng(0).normal(size=200)
    alone, usual = (Statistic.mean_of(numbers).drawn_by(of).estimate() for of in (np.arange(200), None))
    assert (alone.low, alone.high) == (usual.low, usual.high)


def test_where_all_are_right_there_are_as_many_as_groups():
    of = np.repeat(np.arange(8), SIZE)
    found = Statistic.mean_of(np.ones(len(of), bool)).drawn_by(of).estimate()
    assert (found.value, found.low, found.n) == (1, wilson(8, 8).low, len(of))


@pytest.mark.parametrize("kind", [bool, float])
def test_few_groups_have_no_interval(kind: type):
    of = np.repeat(np.arange(FEWEST_GROUPS - 1), SIZE)
    made = Statistic.mean_of((np.arange(len(of)) % 3 == 0).astype(kind)).drawn_by(of)
    found = made.estimate()
    assert found.value == pytest.approx(1 / 3)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    apart = difference(made, Statistic.mean_of(np.ones(len(of), kind)).drawn_by(of))
    assert math.isnan(apart.low)
    assert math.isnan(apart.p)


def test_two_models_are_compared_by_people():
    right, of = windows(12, 3)
    other = right.copy()
    other[of == 2] = ~right[of == 2]  # One person makes all of the difference.
    apart = difference(*(Statistic.mean_of(each).drawn_by(of) for each in (right, other)))
    assert apart.low <= 0 <= apart.high
    assert "12 groups" in apart.method
    losses = [1.0 - each.astype(float) for each in (right, other)]
    alone, drawn = (paired_difference(*losses, groups=groups) for groups in (None, of))
    assert drawn.high - drawn.low > 2 * (alone.high - alone.low)


def test_of_what_cannot_be_drawn_there_is_no_interval():
    codec = Category(classes=["a", "b"])
    draw = np.random.default_rng(0)
    first = draw.random(240).astype(np.float32)
    outputs, true = np.stack([first, 1 - first], 1), draw.integers(0, 2, 240)
    alone, drawn = (measure(codec, outputs, true, groups=of) for of in (None, np.repeat([*"abcdefgh"], 30)))
    assert drawn.keys() == alone.keys()
    assert {name: each.value for name, each in drawn.items()} == pytest.approx(
        {name: each.value for name, each in alone.items()}
    )
    assert math.isnan(drawn["calibration_error"].low)
    assert not math.isnan(drawn["auc"].low)


def test_what_is_told_of_a_class_is_of_groups_too():
    codec = Category(classes=["a", "b"])
    draw = np.random.default_rng(0)
    first = draw.random(240).astype(np.float32)
    outputs, true = np.stack([first, 1 - first], 1), draw.integers(0, 2, 240)
    alone, items = (per_class(codec, outputs, true, of) for of in (None, np.arange(240)))
    for name, found in alone.items():
        for key, each in found.items():
            told = items[name][key]
            assert (told.value, told.n) == (each.value, each.n)
            assert (told.low, told.high) == pytest.approx((each.low, each.high), abs=0.005)
    few = per_class(codec, outputs, true, np.repeat([0, 1, 2], 80))
    assert math.isnan(few["a"]["f1"].low)


def test_a_loss_of_nothing_is_no_overconfidence():
    rows = [(1, 0.5, 0.01), (2, 0.1, 1e-9), (3, 0.05, 1e-7)]
    history = [{"epoch": epoch, "train_loss": train, "valid_loss": valid} for epoch, train, valid in rows]
    assert surer_than_right(history) == []
    history[-1]["valid_loss"] = 0.2
    assert surer_than_right(history)


@pytest.mark.slow
@pytest.mark.parametrize("split", [None, "random"])
def test_kernels_leave_out_recordings_however_rows_are_split(split: str | None):
    from drivetrain.learn.closed_form.minirocket import MiniRocketLearner
    from drivetrain.tasks import sequence_classification

    chosen = dt.split.random(0.25, seed=0) if split else None
    data = sequence_classification.from_table(
        sensors.long_table(12), "label", sequence="id", window=16, split=chosen
    )
    groups = MiniRocketLearner(data)._training_rows()[1]
    assert groups is not None
    names = data.table["id"][data.part("train").rows]
    assert len(set(zip(groups.tolist(), names))) == len(set(names)) == len(set(groups.tolist()))
