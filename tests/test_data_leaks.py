"""Leaks: planted ones are named with figures, and honest columns are not."""

import os

import numpy as np
import pytest

import drivetrain as dt
from drivetrain.data.kinds import guess_kinds, to_table
from drivetrain.data.leaks import find_leaks
from drivetrain.data.readers import read_frame

pytest.importorskip("polars")
RNG = np.random.default_rng(0)
N = 2_000
X = RNG.normal(size=N)
AMOUNT = np.round(np.exp(X + RNG.normal(size=N)) * 100, 2)
CLASS = np.where(X + RNG.normal(size=N) > 0, "yes", "no")
HONEST = {
    "x": X,
    "town": RNG.choice(["A", "B", "C"], N),
    "street": [f"s{k}" for k in RNG.integers(0, 400, N)],
}


def leaks(columns, target, overrides=None, seed=0):
    frame = read_frame(columns, name="t")
    kinds = guess_kinds(frame, target, overrides=overrides)
    return find_leaks(to_table(frame, kinds), kinds, target, seed)


def real(name):
    if "DRIVETRAIN_DATA" not in os.environ:
        pytest.skip("DRIVETRAIN_DATA is not set")
    return os.path.join(os.environ["DRIVETRAIN_DATA"], name)


def leaks_of(name, target):
    frame = read_frame(real(name))
    kinds = guess_kinds(frame, target)
    return [fault.message for fault in find_leaks(to_table(frame, kinds), kinds, target)]


def test_honest_columns_raise_no_alarm():
    assert leaks({**HONEST, "y": AMOUNT}, "y") == []
    assert leaks({**HONEST, "y": CLASS}, "y") == []
    assert leaks({**HONEST, "y": RNG.choice(list("abcde"), N)}, "y") == []


NOISE = RNG.normal(size=N)
PLANTED = [
    ("monotone copy", AMOUNT, np.log(AMOUNT), "it has the same order, row by row"),
    ("falling copy", AMOUNT, 5 - AMOUNT * 3, "it has the opposite order"),
    ("noisy copy", AMOUNT, AMOUNT * (1 + 0.001 * NOISE), "alone it predicts it with R2 0.99"),
    ("rounded", AMOUNT, np.round(AMOUNT / 4), "alone it predicts it with R2 0.99"),
    (
        "other words",
        CLASS,
        np.where(CLASS == "yes", "1 (paid)", "0 (due)"),
        "each of its values stands for one class",
    ),
    ("outcome", CLASS, np.where(CLASS == "yes", np.abs(NOISE) + 1, 0), "area under the curve of 1.0000"),
    ("only where yes", CLASS, np.where(CLASS == "yes", NOISE, np.nan), "area under the curve of 1.0000"),
    ("subclass", CLASS, np.char.add(CLASS, RNG.choice(list("abc"), N)), "area under the curve of 1.0000"),
]


@pytest.mark.parametrize(("name", "target", "column", "told"), PLANTED, ids=[name for name, *_ in PLANTED])
def test_a_column_that_gives_the_target_away(name, target, column, told):
    (fault,) = leaks({**HONEST, name: column, "y": target}, "y")
    assert fault.severity == "warning"
    assert fault.message.startswith(f"{name!r} gives the target 'y' away: ")
    assert told in fault.message


def test_sums_and_products():
    a, b, c = RNG.integers(1, 500, N), RNG.integers(1, 300, N), RNG.integers(1, 400, N)
    (fault,) = leaks({**HONEST, "a": a, "b": b, "y": a + b}, "y")
    assert fault.message == "The target 'y' is a + b, in 100.0% of the rows."
    (fault,) = leaks({"c": c, "y": a + b, "total": a + b + c}, "y")
    assert fault.message == "The target 'y' is total - c, in 100.0% of the rows."
    fees = RNG.choice([0.5, 3.3, 3.8], N)
    (fault,) = leaks({"b": b, "c": c, "total": a + b + c + fees, "y": a}, "y")
    assert "is total - b - c, but for 10 different remainders at most, in 100.0%" in fault.message
    (fault,) = leaks({**HONEST, "number": b, "price": c / 4, "y": b * c / 4}, "y")
    assert fault.message.startswith("The target 'y' is number * price")


def test_gaps_in_the_target_and_rows_of_one_seed():
    y = AMOUNT.copy()
    y[::3] = np.nan
    first, second = (leaks({**HONEST, "copy": AMOUNT + NOISE, "y": y}, "y", seed=7) for _ in range(2))
    assert [fault.message for fault in first] == [fault.message for fault in second]
    assert "R2" in first[0].message
    assert leaks({"x": [1, 2, 3], "y": [1.5, 2.5, 3.5]}, "y") == []


def test_columns_that_name_the_rows():
    keys = [f"k{row:05d}" for row in range(N)]
    columns = {**HONEST, "key": keys, "row": np.arange(N), "y": CLASS}
    (fault,) = leaks(columns, "y")
    assert fault.message == "Left out, for they name the rows: key, row."
    assert fault.where[1] == "row: every value is different, rising by one: a row number"
    messages = [fault.message for fault in leaks(columns, "y", {"key": "category"})]
    assert messages[1] == "'key' has 2,000 different values in 2,000 rows: it names the row."


def test_each_of_several_targets_is_checked_and_none_is_an_input_of_another():
    columns = {**HONEST, "one": AMOUNT, "three": 3 * AMOUNT, "answer": CLASS, "said": CLASS}
    data = dt.tabular.from_frame(columns, ["one", "three", "answer"])
    messages = [fault.message for fault in data.check().faults]
    (leak,) = (message for message in messages if "away" in message)
    assert leak == "'said' gives the target 'answer' away: each of its values stands for one class."
    rare = dt.tabular.from_frame({**HONEST, "y": AMOUNT, "z": ["odd", *["even"] * (N - 1)]}, ["y", "z"])
    assert "Imbalance: 'even' has 1,999 rows and 'odd' 1." in [fault.message for fault in rare.check().faults]


@pytest.mark.slow
def test_real_tables():
    assert leaks_of("adult_census/train.csv", "income") == []
    assert leaks_of("titanic/titanic.csv", "Survived") == ["Left out, for they name the rows: PassengerId."]
    assert (
        leaks_of("bike_sharing/hour.csv", "cnt")[0]
        == "The target 'cnt' is casual + registered, in 100.0% of the rows."
    )
    assert "'fare' is total - tip - tolls, but for" in leaks_of("nyc_taxis/taxis.csv", "fare")[0]
    assert leaks_of("ames_house_prices/house.csv", "SalePrice") == ["Left out, for they name the rows: Id."]
    assert leaks_of("elec2_electricity/elec.csv", "class") == []
