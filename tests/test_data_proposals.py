"""Proposals of a split: for time and for things that come again, and none where rows stand for themselves."""

import os

import numpy as np
import pytest

from drivetrain.data import split
from drivetrain.data.kinds.guess import guess_kinds, to_table
from drivetrain.data.proposals import propose_split
from drivetrain.data.read.readers import read_frame

pytest.importorskip("polars")
RNG = np.random.default_rng(0)
N = 600
X = RNG.normal(size=N)
Y = RNG.choice(["yes", "no"], N)
DAYS = np.datetime64("2024-01-01") + np.arange(N) // 3
MIXED = RNG.permutation(N)
USERS = [f"u{k}" for k in RNG.integers(0, 60, N)]


def proposal(columns, target="y", **options):
    frame = read_frame({"x": X, "y": Y, **columns}, name="t")
    kinds = guess_kinds(frame, target, **options)
    table = to_table(frame, kinds)
    found = propose_split(table, kinds, target)
    if found:
        parts = found.splitter(table)
        assert len(parts.train) > 0
        assert 0 < len(parts.valid) < N / 2
    return found


def test_nothing_is_proposed_for_rows_that_stand_for_themselves():
    assert proposal({}) is None
    assert proposal({"town": RNG.choice(list("ABC"), N), "key": [f"k{row}" for row in range(N)]}) is None
    assert proposal({"date_of_birth": DAYS[MIXED]}) is None
    assert (
        proposal({"zone": [f"z{k}" for k in RNG.integers(0, 60, N)], "customer_age": RNG.integers(18, 60, N)})
        is None
    )


def test_a_date_that_rises_or_is_named_so():
    found = proposal({"pickup": DAYS})
    assert found.splitter == split.by_time("pickup", valid=0.2)
    assert found.reason.startswith(
        "'pickup' rises down the rows, from 2024-01-01 to 2024-07-18: a model is asked"
    )
    assert proposal({"pickup": DAYS[MIXED]}) is None
    assert proposal({"dteday": [str(day) for day in DAYS[MIXED]]}).column == "dteday"
    assert (
        proposal({"sold": [f"{day.month}/{day.day}/{day.year}" for day in DAYS.astype(object)]}).column
        == "sold"
    )
    assert proposal({"timestamp": 1_700_000_000 + MIXED * 1000}).column == "timestamp"
    gaps = DAYS.copy()
    gaps[5] = np.datetime64("NaT")
    assert proposal({"date": gaps}) is None


def test_a_year_that_is_the_time_of_a_row():
    years = 2015 + np.arange(N) // 150
    assert proposal({"year": years}).splitter == split.by_time("year", valid=0.2)
    assert proposal({"YrSold": years[MIXED], "MoSold": RNG.integers(1, 13, N)}).column == "YrSold"
    assert proposal({"YearBuilt": years[MIXED], "MoSold": RNG.integers(1, 13, N)}) is None


@pytest.mark.parametrize("name", ["patient_id", "user", "customer", "Store", "movieId", "account number"])
def test_a_thing_that_comes_again(name):
    found = proposal({name: USERS})
    assert found.splitter == split.by_group(name, valid=0.2)
    assert found.reason.startswith(f"{name!r} has 60 values, each in 10.0 rows on average")


def test_time_comes_first_and_what_is_left_out_counts():
    assert proposal({"date": DAYS, "user": USERS}).column == "date"
    assert proposal({"user": USERS}, ignore=["user"]).column == "user"
    assert proposal({"user": USERS, "store": RNG.integers(0, 25, N)}).column == "store"


@pytest.mark.slow
def test_real_tables():
    if "DRIVETRAIN_DATA" not in os.environ:
        pytest.skip("DRIVETRAIN_DATA is not set")
    expected = {
        "adult_census/train.csv income": None,
        "titanic/titanic.csv Survived": None,
        "credit_default_uci/credit.csv default": None,
        "bike_sharing/hour.csv cnt": "dteday",
        "acs_employment_ma/employment_ma.csv employed": "year",
        "ames_house_prices/house.csv SalePrice": "YrSold",
        "delaware_card_transactions/transactions.csv MERCHANDISE_AMT": "TRANS_DT",
    }
    for told, column in expected.items():
        name, target = told.split()
        frame = read_frame(os.path.join(os.environ["DRIVETRAIN_DATA"], name))
        kinds = guess_kinds(frame, target)
        table = to_table(frame, kinds)
        found = propose_split(table, kinds, target)
        assert (found and found.column) == column, name
        if found:
            found.splitter(table)
