"""What a model relies on: columns that it reads cost it when shuffled, columns that it doesn't cost nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from given import Given, dataset, people, two_classes

from drivetrain.codecs.category import Category
from drivetrain.codecs.image import Image
from drivetrain.codecs.number import Number
from drivetrain.deadline import Deadline
from drivetrain.errors import UsageError
from drivetrain.interpret import importance, importances
from drivetrain.tasks.block import DataBlock


def reader(rows: int = 3000, **options: object) -> Given:
    """A perfect model of two targets: `rich` is read from income alone, `height` from age (strongly) and member."""
    columns = people(rows)
    income, age = (
        np.array(columns["income"]),
        np.array([40 if age is None else age for age in columns["age"]]),
    )
    columns["rich"] = np.where(income > 22_000, "yes", "no").tolist()
    columns["height"] = (age + 3.0 * np.array(columns["member"])).tolist()
    data = dataset(columns, ["rich", "height"], **options)

    def say(batch):  # type: ignore[no-untyped-def]
        known = np.nan_to_num(batch["age"], nan=40)
        shares = np.where(batch["income"] > 22_000, 0.95, 0.05)
        return {"rich": two_classes(shares), "height": known + 3.0 * (batch["member"] == 1)}

    return Given(data, say)


def test_a_column_that_is_read_costs_accuracy_and_the_others_nothing() -> None:
    found = importance(reader(), metric="accuracy")
    assert (found.target, found.metric) == ("rich", "accuracy")
    assert next(iter(found.drops)) == "income"
    assert found.relied_on == ["income"]
    # Shuffled, the answer is right when it happens to be of the same class.
    share = found.drops["income"].value
    assert share == pytest.approx(0.5, abs=0.06)
    assert found.drops["income"].low < share < found.drops["income"].high
    for name, drop in found.drops.items():
        assert name == "income" or (drop.value, drop.low, drop.high) == (0, 0, 0)
    assert found.words()[0].startswith("With income shuffled the accuracy falls by ")
    assert found.words()[0].endswith("percentage points.")


def test_what_moves_probabilities_and_no_answer_is_relied_on() -> None:
    """One chance in ten or in three: the answer is no either way, so that by accuracy the column would look needless."""
    draw = np.random.default_rng(0)
    columns = people(4000)
    shares = np.where(columns["member"], 0.1, 0.3)
    columns["bought"] = np.where(draw.random(4000) < shares, "yes", "no").tolist()
    learner = Given(
        dataset(columns, "bought"),
        lambda batch: {"bought": two_classes(np.where(batch["member"] == 1, 0.1, 0.3))},
    )
    assert importance(learner, metric="accuracy").relied_on == []
    found = importance(learner)
    assert (found.metric, found.relied_on) == ("log_loss", ["member"])
    drop = found.drops["member"]
    assert 0 < drop.low < drop.value < drop.high
    assert found.words()[0].startswith("With member shuffled the log loss rises by ")
    assert found.words()[1].startswith("Of these rows the log loss is ")


def test_of_a_number_it_is_the_squared_error_as_a_share_of_the_variance() -> None:
    learner = reader()
    found = importance(learner, target="height")
    assert (found.metric, found.whole.value) == ("r2", 1)
    true = learner.data.part("valid").column("height").astype(np.float64)
    # Half of the members are dealt the other value, 3 off.
    assert found.drops["member"].value == pytest.approx(0.5 * 9 / true.var(), rel=0.1)
    assert found.words()[0].startswith("With age shuffled R² falls by ")
    assert importance(learner, target="height", metric="mean_absolute_error").metric == "mean_absolute_error"


def test_where_the_logarithm_is_learned_its_error_counts() -> None:
    columns = people(1000)
    noise = np.random.default_rng(0).normal(0, 0.01, 1000)
    columns["price"] = (100 * np.exp(np.array(columns["member"], float) + noise)).tolist()
    data = dataset(columns, "price", log_target=True)
    found = importance(Given(data, lambda batch: {"price": 100 * np.exp(1.0 * (batch["member"] == 1))}))
    # Shuffled, half of the rows are off by all that the two levels are apart: twice the variance of the logarithm.
    assert found.drops["member"].value == pytest.approx(2, abs=0.25)


def test_what_there_is_no_time_for_is_left_out_and_said_and_what_tells_most_is_not() -> None:
    columns = {f"c{place}": np.random.default_rng(place).normal(size=800).tolist() for place in range(60)}
    columns["y"] = np.where(np.array(columns["c40"]) > 0, "yes", "no").tolist()
    learner = Given(
        dataset(columns, "y"), lambda batch: {"y": two_classes(np.where(batch["c40"] > 0, 0.9, 0.1))}
    )
    everything = importance(learner)
    assert (everything.left_out, len(everything.drops)) == ((), 60)
    found = importance(learner, deadline=Deadline(0))
    assert 0 < len(found.drops) < 10
    assert found.relied_on == ["c40"]
    # How much time there was decides what is measured, not what comes out.
    assert found.drops["c40"] == everything.drops["c40"]
    assert len(found.left_out) + len(found.drops) == 60
    assert f"{len(found.left_out)} of 60 columns" in found.words()[-1]
    assert found.to_json()["left_out"] == list(found.left_out)
    assert "columns more" in found.chart.to_svg()


def test_of_a_number_the_error_rises_by_how_much_each_column_says() -> None:
    found = importance(reader(), target="height", metric="mean_absolute_error")
    assert list(found.drops)[:2] == ["age", "member"]
    # |a - b| of two ages drawn from the column; of members half are wrong, by 3.
    assert found.drops["member"].value == pytest.approx(1.5, abs=0.15)
    assert found.drops["age"].value > 10
    assert "the mean absolute error rises by" in found.words()[0]


def test_the_same_seed_gives_the_same_numbers_and_another_one_others() -> None:
    learner = reader(600)
    first, again, other = (importance(learner, seed=seed).to_json() for seed in (0, 0, 1))
    assert first == again
    assert first["drops"]["income"] != other["drops"]["income"]


def test_all_targets_come_from_the_same_passes_and_few_of_them() -> None:
    learner = reader(600)
    found = importances(learner)
    assert list(found) == ["rich", "height"]
    alone = importance(learner, target="height")
    assert found["height"].to_json() == alone.to_json()
    rows, columns = 300, 6
    learner.passes = 0
    importances(learner, repeats=5)
    # Several shuffles share a pass, and one pass is for nothing shuffled.
    assert learner.passes <= 1 + -(-columns * 5 // (4096 // rows)) + 1


def test_of_many_rows_a_sample_is_taken_and_said() -> None:
    found = importance(reader(2000), rows=300)
    assert (found.n, found.rows) == (300, 1000)
    assert "5 times over 300 of 1,000 rows" in found.words()[-1]
    assert "of 1,000" not in importance(reader(2000)).words()[-1]


def test_the_interval_holds_the_mean_of_other_samples() -> None:
    """The effect of `member` is 1.5 in the long run; 95 % intervals of fresh rows hold it in most of 20 tries."""
    held = 0
    for seed in range(20):
        columns = people(500, seed)
        columns = {"member": columns["member"], "income": columns["income"]}
        columns["height"] = (3.0 * np.array(columns["member"]) + np.array(columns["income"])).tolist()
        data = dataset(columns, "height")
        learner = Given(data, lambda batch: {"height": 3.0 * (batch["member"] == 1) + batch["income"]})
        drop = importance(learner, metric="mean_absolute_error", seed=seed).drops["member"]
        held += drop.low <= 1.5 <= drop.high
    assert held >= 17


def test_another_metric_may_be_named_and_what_is_no_mean_is_refused() -> None:
    learner = reader(600)
    assert importance(learner, metric="log_loss").drops["income"].value > 0.5
    with pytest.raises(UsageError, match="'auc' is no mean") as fault:
        importance(learner, metric="auc")
    assert "accuracy" in fault.value.fix
    with pytest.raises(UsageError, match="Did you mean log_loss"):
        importance(learner, metric="logloss")


def test_of_each_shuffle_only_means_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "drivetrain.metrics.category.roc_area", lambda *_: pytest.fail("an area was sorted for")
    )
    assert importance(reader(600)).metric == "log_loss"


def test_with_costs_it_is_the_cost_that_rises() -> None:
    columns = people(600)
    columns["label"] = ["yes" if member else "no" for member in columns["member"]]
    data = dataset(columns, "label", costs={("yes", "no"): 10.0})
    learner = Given(data, lambda batch: {"label": two_classes(np.where(batch["member"] == 1, 0.99, 0.01))})
    found = importance(learner)
    assert found.metric == "mean_cost"
    assert found.relied_on == ["member"]
    assert "the mean cost rises by" in found.words()[0]


def test_pictures_and_columns_are_shuffled_alike() -> None:
    draw = np.random.default_rng(0)
    levels = draw.integers(0, 2, 200)
    block = DataBlock(inputs={"image": Image(size=8), "x": Number()}, targets={"y": Category()})
    data = block.from_columns({
        "image": [np.full((8, 8, 3), 200 * level, np.uint8) for level in levels], "x": draw.normal(size=200).tolist(),
        "y": [str(level) for level in levels],
    })  # fmt: skip
    bright = lambda batch: batch["image"].reshape(len(batch["image"]), -1).mean(axis=1) > 100  # noqa: E731
    found = importance(
        Given(data, lambda batch: {"y": two_classes(np.where(bright(batch), 0.9, 0.1))}), "train"
    )
    assert found.relied_on == ["image"]


def test_what_was_found_is_a_chart_a_page_and_json() -> None:
    found = importance(reader(600), target="height", metric="mean_absolute_error")
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["drops"].keys() == found.drops.keys()
    assert "rise of the mean absolute error when shuffled" in found.chart.to_svg()
    assert "income" in found.chart.to_svg(narrow=True)
    assert "<img" in found._repr_html_()
    assert "age" in repr(found)
