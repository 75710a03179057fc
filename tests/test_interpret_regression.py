"""Predictions of numbers beside the truth; and which interpretation a target gets."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import numpy as np
import pytest
from given import Given, dataset, people, two_classes

from drivetrain.codecs.category import Category
from drivetrain.codecs.tags import Tags
from drivetrain.errors import UsageError
from drivetrain.findings.conformal import fit_intervals
from drivetrain.interpret import Classification, Interpretation, Regression
from drivetrain.interpret.thresholds import thresholds
from drivetrain.tasks.block import DataBlock


def estimator(rows: int = 1200, log: bool = False, interval: float | None = 0.8) -> Given:
    """Answers a price too high by a fifth where there is no member, and with noise of a tenth."""
    columns = people(rows)
    columns["price"] = columns["income"]
    data = dataset(columns, "price", log_target=log, interval=interval)

    def say(batch):  # type: ignore[no-untyped-def]
        noise = 1 + 0.1 * np.sin(np.arange(len(batch["income"])))
        return {"price": batch["income"] * noise * np.where(batch["member"] == 1, 1.0, 1.2)}

    learner = Given(data, say)
    fit_intervals(learner)
    return learner


def test_worst_rows_have_truth_prediction_range_and_their_columns() -> None:
    learner = estimator()
    found = learner.interpret()
    assert isinstance(found, Regression)
    worst = found.worst(5)
    errors = [abs(row["error"]) for row in worst]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] == pytest.approx(np.abs(found.residuals).max())
    for row in worst:
        assert row["error"] == pytest.approx(row["predicted"] - row["true"])
        assert row["low"] < row["predicted"] < row["high"]
        assert learner.data.table["price"][row["row"]] == pytest.approx(row["true"], rel=1e-6)
        assert row["origin"] == learner.data.table.origin(row["row"])
        assert float(row["columns"]["income"]) == pytest.approx(row["true"], rel=1e-5)
    json.dumps(worst, allow_nan=False)


def test_bins_by_the_prediction_hold_all_rows_and_tell_the_direction() -> None:
    found = estimator().interpret()
    assert isinstance(found, Regression)
    bins = found.by_size()
    assert sum(each.error.n for each in bins) == len(found.true)
    assert all(a.high <= b.low for a, b in pairwise(bins))
    assert all(each.bias.value > 0 for each in bins)
    total = sum(each.error.value * each.error.n for each in bins) / len(found.true)
    assert total == pytest.approx(np.abs(found.residuals).mean())


@pytest.mark.slow
@pytest.mark.parametrize("log", [False, True])
def test_charts_are_drawn_wide_narrow_light_and_dark(log: bool) -> None:
    found = estimator(400, log).interpret()
    assert isinstance(found, Regression)
    for chart in (found.predicted_against_true(), found.errors()):
        for dark in (False, True):
            assert chart.to_svg(dark, narrow=dark).startswith("<?xml")
    assert "predicted price" in found.predicted_against_true().to_svg()
    assert "too low" in found.errors().to_svg()
    assert "price: predicted and true" in found._repr_html_()


def test_the_range_is_put_in_words_and_its_absence_leaves_none() -> None:
    told = estimator().interpret().interval_words()  # type: ignore[attr-defined]
    assert "in 80 % of cases" in told
    assert "600 validation rows" in told
    assert "for the smallest third of the answers" in estimator(log=True).interpret().interval_words()  # type: ignore[attr-defined]
    bare = estimator(interval=None).interpret()
    assert isinstance(bare, Regression)
    assert bare.interval_words() == ""
    assert bare.bounds is None
    assert "low" not in bare.worst(1)[0]


def test_points_outside_the_range_are_orange() -> None:
    found = estimator(600).interpret()
    assert isinstance(found, Regression)
    low, high = found.bounds or (found.true, found.true)
    outside = int(((found.true < low) | (found.true > high)).sum())
    svg = found.predicted_against_true().to_svg()
    assert len(re.findall(r'<use [^>]*style="fill: #c04a00', svg)) == outside > 0


def test_a_target_gets_the_interpretation_of_its_kind_and_several_are_named() -> None:
    columns = people(400)
    columns["price"], columns["label"] = (
        columns["income"],
        ["yes" if member else "no" for member in columns["member"]],
    )
    data = dataset(columns, ["price", "label"])
    learner = Given(
        data,
        lambda batch: {
            "price": batch["income"],
            "label": two_classes(np.where(batch["member"] == 1, 0.8, 0.3)),
        },
    )
    assert isinstance(learner.interpret(), Regression)
    label = learner.interpret(target="label")
    assert isinstance(label, Classification)
    assert label.confusion_matrix().trace() == len(data.part("valid"))
    row = label.worst(1)[0]
    assert {"true", "predicted", "probability", "loss", "columns"} <= row.keys()
    assert row["columns"].keys() <= data.signature.inputs.keys()
    assert "member" in row["columns"]
    with pytest.raises(UsageError, match="There is price, label"):
        learner.interpret(target="prize")


def test_a_target_of_tags_has_its_worst_rows_and_slices() -> None:
    columns = {"x": list(range(300)), "tags": [["red"] if row % 2 else ["blue", "red"] for row in range(300)]}
    from drivetrain.codecs.number import Number

    data = DataBlock(inputs={"x": Number()}, targets={"tags": Tags()}).from_columns(columns)

    def say(batch):  # type: ignore[no-untyped-def]
        right = batch["tags"].astype(np.float32) * 0.8 + 0.1
        return {"tags": np.where((batch["x"] > 240)[:, None], 1 - right, right)}

    found = Given(data, say).interpret("train")
    assert type(found) is Interpretation
    worst = found.worst(3)
    assert all(int(row["columns"]["x"]) > 240 for row in worst)
    assert {(row["true"], row["predicted"]) for row in worst} <= {("red", "blue"), ("blue, red", "")}
    assert found.slices().metric == "tags_wrong"
    assert "x from " in found.slices().found[0].words


def test_thresholds_count_what_each_would_answer_and_mark_the_one_of_the_costs() -> None:
    shares = np.array([0.1, 0.4, 0.6, 0.9])
    codes = np.array([0, 1, 0, 1])
    plain = thresholds(Category(classes=("no", "yes")), two_classes(shares), codes)
    at = {round(float(level), 2): place for place, level in enumerate(plain.threshold)}
    assert (plain.precision[at[0.5]], plain.recall[at[0.5]], plain.cost[at[0.5]]) == (0.5, 0.5, 0.5)
    assert (plain.precision[at[0.3]], plain.recall[at[0.3]], plain.cost[at[0.3]]) == (
        pytest.approx(2 / 3),
        1.0,
        0.25,
    )
    assert plain.chosen == 0.5
    assert np.isnan(plain.precision[at[1.0]])
    dear = thresholds(Category(classes=("no", "yes"), costs=((0, 1), (9, 0))), two_classes(shares), codes)
    assert dear.chosen == pytest.approx(0.1)
    assert dear.cost[at[0.5]] == pytest.approx((9 + 1) / 4)
    assert dear.cheapest <= 0.4
    json.dumps(dear.to_json(), allow_nan=False)
    assert "answers now: 0.10" in dear.chart.to_svg()
    assert "mean cost" in dear.chart.to_svg(narrow=True)
    # What the codec answers is what the threshold says.
    codec = Category(classes=("no", "yes"), costs=((0, 1), (9, 0)))
    assert codec.chosen(two_classes(np.array([0.09, 0.11]))).tolist() == [0, 1]
    with pytest.raises(UsageError, match="two classes, and there are 3"):
        thresholds(Category(classes=("a", "b", "c")), np.full((4, 3), 1 / 3), codes)
