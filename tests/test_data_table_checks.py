"""`check` of a table: each planted fault is found, counted and named, and a clean table has none."""

import os
import time
from dataclasses import replace

import numpy as np
import pytest

from drivetrain.data.checks.tables import check_table
from drivetrain.data.kinds.guess import guess_kinds, to_table
from drivetrain.data.read.readers import read_frame
from drivetrain.data.split import ByColumn, Split, random
from drivetrain.files import from_json, to_json

pytest.importorskip("polars")
N = 400


def clean():
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    return {
        "x": x,
        "z": rng.normal(size=N),
        "w": np.exp(rng.normal(size=N)),
        "town": rng.choice(["Ulm", "Rom", "Linz"], N),
        "y": np.where(x + rng.normal(size=N) > 0, "yes", "no"),
    }


PARTS = Split(np.arange(0, 300), np.arange(300, 350), np.arange(350, 400))


def check(columns, split=PARTS, target="y", **options):
    frame = replace(read_frame(columns, name="t"), typed=False)
    kinds = guess_kinds(frame, target, **options)
    return check_table(to_table(frame, kinds), kinds, split, target)


def kinds(report):
    return {fault.kind: fault for fault in report.faults}


def test_a_clean_table_has_no_faults():
    report = check(clean())
    assert report.faults == ()
    assert report.ok
    assert len(report.bad_rows) == 0
    assert str(report).startswith("t: 400 rows, 2 classes. No faults found.")
    assert report.counts["parts"] == {"train": 300, "valid": 50, "test": 50}
    assert report.counts["classes_by_part"].keys() == {"yes", "no"}
    assert from_json(to_json(report.to_json()))["counts"]["missing"] == {"x": 0, "z": 0, "w": 0, "town": 0}
    report.print()


def test_gaps_are_counted_by_column_and_rows_without_a_target_are_bad():
    columns = clean()
    columns["x"][:40] = np.nan
    columns["town"] = ["?", *columns["town"][1:]]
    columns["y"] = ["NA", "", *columns["y"][2:]]
    report = check(columns)
    found = kinds(report)
    assert found["missing values"].where == ["x: 40 (10.0%)", "town: 1 (0.2%)"]
    assert found["missing values"].message == "Missing values in 2 of 4 columns."
    assert found["target gaps"].where == ["t, row 1", "t, row 2"]
    assert report.bad_rows.tolist() == [0, 1]
    assert report.counts["usable"] == 398


def test_values_that_train_has_not():
    columns = clean()
    columns["town"] = [*columns["town"][:310], "Oslo", "Oslo", "Bern", *columns["town"][313:]]
    (fault,) = check(columns).faults
    assert fault.kind == "unseen values"
    assert fault.where == ["town: 2 values in 3 rows of valid, such as 'Oslo'"]


def test_columns_without_news():
    columns = clean()
    columns["late"] = np.where(np.arange(N) < 300, 7.0, columns["x"])
    columns["copy"] = columns["x"] * 2.54 + 1
    columns["code"] = [{"Ulm": "U", "Rom": "R", "Linz": "L"}[town] for town in columns["town"]]
    found = kinds(check(columns))
    assert found["constant in train"].where == ["late"]
    assert found["same columns"].where == ["x = copy", "town = code"]


def test_columns_on_a_line_in_a_wide_table():
    rng = np.random.default_rng(0)
    columns = {f"x{place}": rng.normal(size=N) for place in range(400)}
    columns |= {f"c{place}": rng.integers(0, 3, N) for place in range(400)}
    columns |= {
        "down": 5 - 3 * columns["x7"],
        "twice": 2 * columns["x7"],
        "near": columns["x8"] + 1e-3 * rng.normal(size=N),
    }
    columns |= {"words": np.array(["a", "b", "c"])[columns["c9"]], "y": rng.normal(size=N)}
    started = time.process_time()
    fault = kinds(check(columns))["same columns"]
    assert fault.where == ["x7 = down", "x7 = twice", "c9 = words"]
    assert time.process_time() - started < 5  # Compared by pairs they would take a minute.


def test_rows_that_come_again_in_other_parts():
    columns = clean()
    for values in columns.values():
        values[[310, 360, 20]] = values[[5, 6, 7]]
    found = list(check(columns).faults)
    assert [fault.kind for fault in found] == ["leak"]
    assert found[0].message == (
        "Rows that are there already, target and all: 3 of 400 (0.8%); 1 of 50 in valid (2.0%) and 1 of 50 in test (2.0%) "
        "are rows of train."
    )
    assert found[0].where == [
        "valid: t, row 311 = train: t, row 6",
        "test: t, row 361 = train: t, row 7",
        "train: t, row 21 = train: t, row 8",
    ]
    (inside,) = check(columns, split=None).faults
    assert inside.kind == "duplicate"
    assert inside.message == "Rows that are there already, target and all: 3 of 400 (0.8%)."


def test_rows_that_are_nearly_the_same():
    columns = clean()
    rng = np.random.default_rng(1)
    rows, sources = np.arange(300, 350), rng.permutation(300)[:50]
    for name, values in columns.items():
        values[rows] = values[sources]
        if name in ("x", "z", "w"):
            values[rows] *= 1 + 1e-4 * rng.normal(size=50)
    (fault,) = check(columns).faults
    assert fault.kind == "near leak"
    assert " in valid (" in fault.message
    assert fault.message.endswith(" are rows of train, nearly.")
    assert len(fault.where) >= 45
    assert fault.where[0] == f"valid: t, row 301 ~ train: t, row {sources[0] + 1}"
    columns["x"][rows] += 0.5
    assert check(columns).faults == ()


def test_the_same_inputs_with_another_target():
    columns = {"a": ["p", "q"] * 200, "b": [1, 1, 2, 2] * 100, "y": (["u"] * 4 + ["v"] * 4) * 50}
    columns["y"][0] = "v"
    fault = kinds(check(columns))["conflict"]
    assert (
        "400 of 400 rows (100.0%). No model that sees these inputs can be right on more than 50.2%"
        in fault.message
    )
    numbers = {"a": ["p", "q"] * 200, "y": np.arange(N) / 7}
    assert "No model" not in kinds(check(numbers))["conflict"].message


def test_classes_that_are_rare_lost_or_alone():
    columns = clean()
    columns["y"] = ["c", *["a"] * 330, "b", "b", *["a"] * 67]
    report = check(columns)
    found = kinds(report)
    assert found["rare class"].where == ["c: 1"]
    assert found["imbalance"].message == "Imbalance: 'a' has 397 rows and 'c' 1."
    assert found["class not in train"].where == ["b"]
    assert found["class not in valid"].where == ["c"]
    assert found["class not in valid"].fix.startswith("A class of one row can't be in both parts: ")
    assert not report.ok
    columns["y"] = [*["a"] * 300, *["b"] * 100]
    assert check(columns).ok is False
    assert "class not in train" in kinds(check(columns))


def test_what_was_seen_while_guessing_is_told_again():
    columns = clean()
    columns["x"] = [*[str(x) for x in columns["x"][:396]], "n.b.", "inf", "0", "1"]
    columns["town"] = ["ULM", *columns["town"][1:]]
    found = kinds(check(columns))
    assert found["mixed cells"].where == ["t, row 397: 'n.b.'"]
    assert found["infinite numbers"].where == ["t, row 398: 'inf'"]
    assert found["spellings"].where == ["'Ulm' = 'ULM'"] or found["spellings"].where == ["'ULM' = 'Ulm'"]


def test_without_a_split_and_with_lists_and_dates():
    columns = clean()
    columns["tags"] = [["a", "b"], [], ["b"], ["a"]] * 100
    columns["day"] = np.datetime64("2024-01-01") + np.arange(N)
    report = check(columns, split=None)
    assert report.faults == ()
    assert "parts" not in report.counts
    part = np.array(["train", "valid"])[np.arange(N) % 2]
    frame = read_frame({**columns, "split": part}, name="t")
    told = guess_kinds(frame, "y", ignore=["split"])
    table = to_table(frame, told)
    assert check_table(table, told, ByColumn("split")(table), "y").counts["parts"] == {
        "train": 200,
        "valid": 200,
    }


def real(name, target):
    if "DRIVETRAIN_DATA" not in os.environ:
        pytest.skip("DRIVETRAIN_DATA is not set")
    frame = read_frame(os.path.join(os.environ["DRIVETRAIN_DATA"], name))
    told = guess_kinds(frame, target)
    table = to_table(frame, told)
    return check_table(table, told, random(0.2, seed=0)(table), target)


def test_real_tables():
    adult = kinds(real("adult_census/train.csv", "income"))
    assert adult["same columns"].where == ["education = education_num"]
    assert adult["missing values"].where[0] == "occupation: 1,843 (5.7%)"
    bought = kinds(real("delaware_card_transactions/transactions.csv", "MERCHANDISE_AMT"))
    assert "484 of 15,156" in bought["leak"].message
    (dry,) = real("bike_sharing/hour.csv", "cnt").faults  # The sensor was out on 2011-03-10.
    assert dry.where == ["hum: 0 in 22 rows (0.1%), all others from 0.08 to 1"]


@pytest.mark.slow
def test_a_million_rows_are_read_guessed_and_checked_in_time(tmp_path):
    rng = np.random.default_rng(0)
    count, path = 1_000_000, tmp_path / "million.csv"
    import polars as pl

    zones = pl.Series([f"zone {k}" for k in range(300)])
    users = pl.Series([f"user {k}" for k in range(60_000)])
    pl.DataFrame(
        {
            "id": np.arange(count),
            **{f"x{k}": np.round(rng.normal(size=count), 4) for k in range(6)},
            "zone": zones.gather(rng.integers(0, 300, count)),
            "user": users.gather(rng.integers(0, 60_000, count)),
            "flag": rng.integers(0, 2, count),
            "when": np.datetime64("2020-01-01", "ms") + 60_000 * np.arange(count),
            "y": np.round(rng.normal(size=count), 3),
        }
    ).write_csv(path)
    start = time.process_time()
    frame = read_frame(path)
    told = guess_kinds(frame, "y")
    table = to_table(frame, told)
    seconds = time.process_time() - start
    assert len(table) == count
    assert seconds < 20  # CPU seconds: about 6 alone on the machine.
    start = time.process_time()
    check_table(table, told, random(0.2, seed=0)(table), "y")
    assert time.process_time() - start < 20
