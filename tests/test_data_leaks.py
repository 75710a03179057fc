"""Leaks: planted ones are named with figures, and honest columns are not."""

import os

import numpy as np
import pytest

import drivetrain as dt
from drivetrain.data.checks.leaks import find_leaks
from drivetrain.data.kinds.guess import guess_kinds, to_table
from drivetrain.data.read.readers import read_frame

pytest.importorskip("polars")
RNG = np.random.default_rng(0)
N = 2_000
X = RNG.normal(size=N)
AMOUNT = np.round(np.exp(X + RNG.normal(size=N)) * 100, 2)
CLASS = np.where(X + RNG.normal(size=N) > 0, "yes", "no")
NOISE = RNG.normal(size=N)
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
    assert leaks({**HONEST, "y": RNG.choice(list("abcde"), N)}, "y") == []


def test_the_column_that_tells_most_is_asked_about():
    (fault,) = leaks({**HONEST, "y": CLASS}, "y")
    assert fault.severity == "note"
    assert fault.message.startswith(
        "'x' tells most of the target 'y': alone with an area under the curve of 0.8"
    )
    assert fault.fix.startswith("Is it known when the model is asked?")
    talk = X + 1.5 * RNG.normal(size=N)  # As how long a call took: known only afterwards.
    weaker = [(X + k * RNG.normal(size=N)).round(2) for k in (3, 4)]
    (fault,) = leaks({"talk": talk, "one": weaker[0], "other": weaker[1], "y": X > 0}, "y")
    assert "'talk' tells most" in fault.message
    assert "the next, 'one', with an area" in fault.message
    assert leaks({"talk": talk, "same": X + 1.6 * RNG.normal(size=N), "y": X > 0}, "y") == []


@pytest.mark.parametrize("rows", [200, 2_000])
def test_near_copies_of_the_target(rows):
    amount, said = AMOUNT[:rows], CLASS[:rows]
    wrong = RNG.permutation(rows) < 0.015 * rows
    copy = np.where(wrong == (said == "yes"), "due", "paid")
    (fault,) = leaks({"x": NOISE[:rows], "copy": copy, "y": said}, "y")
    assert fault.severity == "warning"
    assert fault.message.startswith("'copy' tells nearly all of the target 'y': alone with an area under")
    noisy = np.log(amount) + 0.35 * np.log(amount).std() * NOISE[:rows]
    (fault,) = leaks({"town": HONEST["town"][:rows], "copy": noisy, "y": amount}, "y")
    assert fault.message.startswith("'copy' tells nearly all of the target 'y': alone with R2 0.8")


PERFECT = {
    "two classes": lambda x, r: (x, np.where(x > 0, "pos", "neg")),
    "a rare class": lambda x, r: (x, np.where(x > np.quantile(x, 0.88), "pos", "neg")),
    "five classes": lambda x, r: (
        -x,
        np.array(list("abcde"))[np.digitize(x, np.quantile(x, [0.2, 0.4, 0.6, 0.8]))],
    ),
    "inside and outside": lambda x, r: (x, np.where(np.abs(x) > 0.7, "out", "in")),
    "missing or not": lambda x, r: (
        np.where(x > 0, r.normal(size=len(x)), np.nan),
        np.where(x > 0, "yes", "no"),
    ),
    "levels": lambda x, r: (np.char.add(np.where(x > 0, "p", "n"), r.choice(list("ab"), len(x))), x > 0),
    "a number": lambda x, r: (np.exp(x) * (1 + 0.01 * r.normal(size=len(x))), np.exp(x)),
}


@pytest.mark.parametrize("rows", [50, 300, 500])
@pytest.mark.parametrize("kind", PERFECT)
def test_a_perfect_leak_is_found_in_every_draw(kind, rows):
    for draw in range(20):
        rng = np.random.default_rng(draw)
        column, y = PERFECT[kind](rng.normal(size=rows), rng)
        columns = {"score": column, "z": rng.normal(size=rows), "g": rng.choice(list("pqr"), rows), "y": y}
        (fault,) = leaks(columns, "y", seed=draw)
        assert fault.message.startswith("'score' gives the target 'y' away")


def test_noise_raises_no_alarm():
    for draw in range(10):
        rng = np.random.default_rng(draw)
        rows = (50, 200)[draw % 2]
        columns = {f"x{place}": rng.normal(size=rows) for place in range(12)}
        columns |= {f"c{place}": rng.choice(list("abcdef"), rows) for place in range(8)}
        for y in (rng.choice(["a", "b"], rows), rng.choice(list("abcde"), rows), rng.normal(size=rows)):
            assert leaks({**columns, "y": y}, "y") == []


PLANTED = [
    ("monotone copy", AMOUNT, np.log(AMOUNT), "it has the same order, row by row"),
    ("falling copy", AMOUNT, 5 - AMOUNT * 3, "it has the opposite order"),
    ("noisy copy", AMOUNT, AMOUNT * (1 + 0.001 * NOISE), "alone it tells it with R2 1.0000"),
    ("rounded", AMOUNT, np.round(AMOUNT / 4), "alone it tells it with R2 0.99"),
    (
        "other words",
        CLASS,
        np.where(CLASS == "yes", "1 (paid)", "0 (due)"),
        "each of its values stands for one class",
    ),
    ("outcome", CLASS, np.where(CLASS == "yes", np.abs(NOISE) + 1, 0), "its order parts the classes"),
    ("only where yes", CLASS, np.where(CLASS == "yes", NOISE, np.nan), "its order parts the classes"),
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
    _, fault = leaks(columns, "y")
    assert fault.message == "Left out, for they name the rows: key, row."
    assert fault.where[1] == "row: every value is different, rising by one: a row number"
    messages = [fault.message for fault in leaks(columns, "y", {"key": "category"})]
    assert messages[2] == "'key' has 2,000 different values in 2,000 rows: it names the row."


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
    (message,) = leaks_of("elec2_electricity/elec.csv", "class")
    assert message.startswith("'nswprice' tells most of the target 'class': alone with an area")
    assert leaks_of("credit_default_uci/credit.csv", "default") == []
