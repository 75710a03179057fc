"""Slices where a model is worst: planted ones are found, chance is not named, and the words say what was tried."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from given import Given, dataset, people, two_classes

from drivetrain.codecs.category import Category
from drivetrain.codecs.date import Date
from drivetrain.codecs.number import Number
from drivetrain.data.association import by_telling
from drivetrain.data.dataset import Dataset
from drivetrain.data.groups import groupings
from drivetrain.deadline import Deadline
from drivetrain.errors import UsageError
from drivetrain.interpret import slices
from drivetrain.interpret.significance import p_higher
from drivetrain.tasks.block import DataBlock
from drivetrain.types import Array

TRIES = 40


def labelled(columns: dict[str, list[Any]], wrong: Array, seed: int = 0) -> Given:
    """A model of two classes, on a target that has nothing to do with the columns, that is wrong where `wrong` says."""
    rows = len(wrong)
    truth = np.random.default_rng(seed).integers(0, 2, rows)
    data = dataset({**columns, "label": [["no", "yes"][code] for code in truth]}, "label")
    said = np.where(wrong, 1 - truth, truth)
    learner = Given(data, lambda batch: {})
    for part in ("train", "valid"):
        shares = np.where(said[data.part(part).rows] == 1, 0.9, 0.1)
        learner._outputs[part] = {"label": two_classes(shares)}
    return learner


@pytest.fixture(scope="module")
def unrelated() -> Dataset:
    columns = people(1600)
    draw = np.random.default_rng(1)
    labels = [["no", "yes"][code] for code in draw.integers(0, 2, 1600)]
    return dataset(
        {**columns, "label": labels, "amount": draw.normal(size=1600).tolist()}, ["label", "amount"]
    )


def test_random_labels_have_no_bad_slice(unrelated: Dataset) -> None:
    part = unrelated.part("valid")
    clean = 0
    for seed in range(TRIES):
        draw = np.random.default_rng(seed)
        part.arrays["label"][:] = draw.integers(0, 2, len(part))
        # What it says depends on the columns, as that of a model does; whether it is right doesn't.
        town, age = part.arrays["town"] == seed % 4, np.nan_to_num(part.arrays["age"], nan=50)
        score = town + 0.02 * age - 1 + draw.normal(size=len(part))
        learner = Given(unrelated, lambda batch: {})
        learner._outputs["valid"] = {
            "label": two_classes(1 / (1 + np.exp(-score))),
            "amount": np.zeros(len(part)),
        }
        found = slices(learner, target="label")
        assert found.tried > 300
        clean += not found.found
    assert clean >= 0.9 * TRIES


def test_errors_of_numbers_with_heavy_tails_have_no_bad_slice(unrelated: Dataset) -> None:
    part = unrelated.part("valid")
    clean = 0
    for seed in range(TRIES):
        learner = Given(unrelated, lambda batch: {})
        errors = np.random.default_rng(seed).standard_cauchy(len(part))
        learner._outputs["valid"] = {
            "amount": part.batch()["amount"] + errors.clip(-1e6, 1e6),
            "label": np.zeros((len(part), 2)),
        }
        clean += not slices(learner, target="amount").found
    assert clean >= 0.9 * TRIES


def test_a_planted_slice_of_one_column_is_found_with_its_numbers() -> None:
    columns = people(4000)
    draw = np.random.default_rng(2)
    bad = np.array([town == "Bonn" for town in columns["town"]])
    learner = labelled(columns, draw.random(4000) < np.where(bad, 0.3, 0.06))
    found = slices(learner)
    worst, *others = found.found
    assert worst.words == "town = Bonn"
    assert worst.inside.value == pytest.approx(0.3, abs=0.05)
    assert worst.inside.low < 0.3 < worst.inside.high
    assert worst.outside.value == pytest.approx(0.06, abs=0.02)
    assert worst.p < 1e-6
    assert not others
    table = learner.data.table
    assert {table["town"][row] for row in learner.data.part("valid").rows[worst.positions]} == {"Bonn"}
    assert found.words()[0].startswith("Rows with town = Bonn: error rate ")
    assert f"elsewhere, n = {worst.inside.n:,}" in found.words()[0]
    assert f"{found.tried:,} slices of at least 20 of the 2,000 rows were tried" in found.summary()


def test_a_planted_slice_of_two_columns_is_named_by_both_and_its_halves_are_not() -> None:
    columns = people(6000)
    draw = np.random.default_rng(3)
    bad = np.array(
        [town == "Kiel" and member == 1 for town, member in zip(columns["town"], columns["member"])]
    )
    found = slices(labelled(columns, draw.random(6000) < np.where(bad, 0.5, 0.1)))
    assert {("town", "= Kiel"), ("member", "= 1")} == set(found.found[0].conditions)
    assert slices(labelled(columns, draw.random(6000) < 0.1)).found == []


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (lambda row: row["age"] is None, "age is missing"),
        (lambda row: row["since"][5:7] == "12", "since in December"),
        (lambda row: np.datetime64(row["since"]).astype(int) % 7 == 2, "since on a Saturday"),
        (lambda row: row["income"] > 70_000, "income from "),
        (lambda row: row["words"].count(" ") < 5, "words from 1 to "),
    ],
)  # fmt: skip
def test_gaps_parts_of_dates_ranges_and_lengths_are_slices(bad: Any, words: str) -> None:
    columns = people(6000)
    hit = np.array([bad(dict(zip(columns, row))) for row in zip(*columns.values())])
    wrong = np.random.default_rng(4).random(6000) < np.where(hit, 0.6, 0.05)
    found = slices(labelled(columns, wrong))
    named = [found.found[0].words, *found.found[0].same]
    assert any(name.startswith(words) for name in named), named


def test_slices_of_much_the_same_rows_are_told_as_one() -> None:
    columns = people(3000)
    columns["copy"] = [None if town is None else town.upper() for town in columns["town"]]
    bad = np.array([town == "Ulm" for town in columns["town"]])
    found = slices(labelled(columns, np.random.default_rng(5).random(3000) < np.where(bad, 0.4, 0.05)))
    assert [each.words for each in found.found] in (["town = Ulm"], ["copy = ULM"])
    assert {"copy = ULM", "town = Ulm"} & set(found.found[0].same)


def test_with_costs_the_dear_mistakes_make_a_slice() -> None:
    columns = people(4000)
    draw = np.random.default_rng(6)
    bad = np.array([town == "Bonn" for town in columns["town"]])
    # As many mistakes everywhere, but in Bonn all are of the dear kind: what is yes is called no.
    wrong = draw.random(4000) < 0.2
    truth = np.where(wrong & bad, 1, np.where(wrong, 0, draw.integers(0, 2, 4000)))
    data = dataset(
        {**columns, "label": [["no", "yes"][code] for code in truth]}, "label", costs={("yes", "no"): 20.0}
    )
    learner = Given(data, lambda batch: {})
    said = np.where(wrong, 1 - truth, truth)[data.part("valid").rows]
    learner._outputs["valid"] = {"label": two_classes(np.where(said == 1, 0.99, 0.001))}
    found = slices(learner)
    assert found.metric == "mean_cost"
    assert [each.words for each in found.found] == ["town = Bonn"]


def test_a_number_learned_by_its_logarithm_is_judged_by_it() -> None:
    columns = people(3000)
    truth = np.array(columns["income"])
    data = dataset({**columns, "price": truth.tolist()}, "price", log_target=True)
    learner = Given(data, lambda batch: {"price": batch["price"] * np.where(batch["member"] == 1, 1.5, 1.05)})
    found = slices(learner)
    assert found.metric == "mean_absolute_log_error"
    assert found.found[0].words == "member = 1"
    assert found.found[0].inside.value == pytest.approx(np.log(1.5), abs=0.01)
    assert "some 10 %" in found.summary()


def test_pictures_are_sliced_by_class_and_brightness() -> None:
    draw = np.random.default_rng(7)
    levels = draw.integers(0, 256, 800)
    images = [np.full((8, 8, 3), level, np.uint8) for level in levels]
    labels = [["cat", "dog", "fox"][code] for code in draw.integers(0, 3, 800)]
    from drivetrain.codecs.image import Image

    block = DataBlock(inputs={"image": Image(size=8)}, targets={"label": Category()})
    data = block.from_columns({"image": images, "label": labels})
    part = data.part("train")
    batch = part.batch()
    dark = batch["image"].reshape(len(part), -1).mean(axis=1) < 50
    for bad, words in ((dark, "image brightness from 0 to "), (batch["label"] == 2, "label = fox")):
        wrong = draw.random(len(part)) < np.where(bad, 0.5, 0.03)
        said = np.eye(3)[np.where(wrong, (batch["label"] + 1) % 3, batch["label"])]
        learner = Given(data, lambda batch: {})
        learner._outputs["train"] = {"label": said.astype(np.float32)}
        assert slices(learner, "train").found[0].words.startswith(words)


def test_too_few_rows_and_unknown_targets_are_said() -> None:
    learner = labelled(people(60), np.zeros(60, bool))
    assert "none is worse" in slices(learner).summary() or "no slice" in slices(learner).summary()
    assert slices(learner, least=40).tried == 0
    assert "There is no slice of at least 40 of the 30 rows to try." in slices(learner, least=40).words()
    with pytest.raises(UsageError, match="no target 'labl'"):
        slices(learner, target="labl")


def test_what_was_found_is_a_chart_a_page_and_json() -> None:
    columns = people(2000)
    columns["<b>"] = columns.pop("town")
    bad = np.array([town == "Ulm" for town in columns["<b>"]])
    found = slices(labelled(columns, np.random.default_rng(8).random(2000) < np.where(bad, 0.5, 0.05)))
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["slices"][0]["conditions"] == [{"column": "<b>", "holds": "= Ulm"}]
    assert told["slices"][0]["inside"]["n"] == told["slices"][0]["n"]
    html = found._repr_html_()
    assert "&lt;b&gt; = Ulm" in html
    assert "<b> = Ulm" not in html
    assert "<b> = Ulm" in found.chart.to_svg().replace("&lt;", "<").replace("&gt;", ">")
    assert found.chart.to_svg(narrow=True)


# Groups and tests.


def test_ranges_hold_each_value_once_and_say_what_is_in_them() -> None:
    values = np.array([0.0] * 80 + [float("nan")] * 5 + list(np.arange(1.0, 41.0)), np.float32)
    (found,) = groupings("x", Number(missing=True, center=0.0, spread=1.0), values)
    counts = np.bincount(found.codes, minlength=len(found.names))
    assert counts.sum() == len(values)
    assert found.names[0] == "= 0"
    assert dict(zip(found.names, counts.tolist()))["is missing"] == 5
    for name, code in zip(found.names, range(len(found.names))):
        held = values[found.codes == code]
        if name.startswith("from "):
            low, high = (float(word) for word in name.removeprefix("from ").split(" to "))
            assert (held.min(), held.max()) == (low, high)
    spans = [values[found.codes == code] for code in range(len(found.names) - 1)]
    assert all(a.max() < b.min() for a, b in pairwise(spans))


def test_dates_are_told_apart_by_time_month_weekday_and_hour() -> None:
    codec = Date(missing=True).fit(
        np.array(["2024-02-29 13:00", "2025-07-01 09:30", None, "2025-07-05"], object)
    )
    encoded, _ = codec.encode_column(
        np.array(["2024-02-29 13:00", "2025-07-01 09:30", None, "2025-07-05"], object)
    )
    words = {found.words(int(code)) for found in groupings("d", codec, encoded) for code in found.codes}
    assert {"d in February", "d on a Thursday", "d at 13 h", "d on a Saturday", "d is missing"} <= words


def test_the_most_telling_columns_come_first_whatever_their_kind() -> None:
    draw = np.random.default_rng(9)
    label = draw.integers(0, 3, 900)
    batch = {"noise": draw.normal(size=900).astype(np.float32), "half": ((label + draw.integers(0, 2, 900)) % 3).astype(np.int64),
             "all": (label * 10 + draw.random(900)).astype(np.float32), "label": label}  # fmt: skip
    number = Number(center=0.0, spread=1.0)
    classes = Category(classes=("a", "b", "c"))
    found = by_telling({"noise": number, "half": classes, "all": number}, {"label": classes}, batch)
    assert list(found) == ["all", "half", "noise"]
    assert found["all"] > 0.7
    assert abs(found["noise"]) < 0.05


def test_p_values_are_those_of_fishers_and_wilcoxons_tests() -> None:
    from scipy import stats

    draw = np.random.default_rng(10)
    codes = draw.integers(0, 4, 200)
    hits = draw.random(200) < np.array([0.1, 0.4, 0.2, 0.1])[codes]
    values = draw.gamma(1, size=200).round(1) * (1 + 0.5 * (codes == 2))
    p_hits, p_values = p_higher(hits, codes, 4), p_higher(values, codes, 4)
    for code in range(4):
        inside, outside = codes == code, codes != code
        table = [[int((hits & rows).sum()), int((~hits & rows).sum())] for rows in (inside, outside)]
        fisher = stats.fisher_exact(table, alternative="greater").pvalue
        assert p_hits[code] == (pytest.approx(fisher) if hits[inside].mean() > hits.mean() else 1.0)
        told = stats.mannwhitneyu(
            values[inside], values[outside], alternative="greater", method="asymptotic"
        ).pvalue
        assert p_values[code] == pytest.approx(told)


def test_columns_that_there_is_no_time_for_are_left_out_and_said() -> None:
    columns = {f"c{place}": np.random.default_rng(place).normal(size=800).tolist() for place in range(40)}
    learner = labelled(columns, np.random.default_rng(0).random(800) < 0.2)
    assert slices(learner).left_out == ()
    found = slices(learner, deadline=Deadline(0))
    assert len(found.left_out) == 32
    assert "32 columns were left out for want of time" in found.words()[-1]
    assert found.to_json()["left_out"] == list(found.left_out)
