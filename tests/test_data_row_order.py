"""An order of the rows that no date tells is seen, a split by position offered, and none where there is no such order."""

import os

import numpy as np
import pytest

import drivetrain as dt
from drivetrain.data import split
from drivetrain.data.kinds.guess import guess_kinds, to_table
from drivetrain.data.proposals import propose_split
from drivetrain.data.read.readers import read_frame
from drivetrain.findings.split_effect import split_difference

pytest.importorskip("polars")
N = 800


def proposed(columns):
    frame = read_frame(columns, name="t")
    kinds = guess_kinds(frame, "y")
    found = propose_split(to_table(frame, kinds), kinds, "y")
    return found and found.option


def columns_of(seed):
    rng = np.random.default_rng(seed)
    x, z, noise = rng.normal(size=(3, N))
    walk = np.cumsum(rng.normal(size=N))
    time = np.arange(N) / N
    plain = {"x": x, "z": z, "c": rng.choice(list("abc"), N)}
    return {
        "a drift of the target": {**plain, "y": x + 2 * time + 0.5 * noise},
        "a drift of the inputs": {**plain, "x": x + 3 * time, "z": z - 3 * time, "y": noise},
        "rows that go on": {**plain, "x": walk, "y": walk + noise},
        "classes that go on": {**plain, "y": np.where(walk - walk.mean() + x > 0, "up", "down")},
        "no order": {**plain, "y": x + noise},
        "sorted by class": {**plain, "y": np.sort(rng.choice(list("abc"), N))},
        "sorted by an input": {**plain, "x": np.sort(x), "y": np.sort(x) + 0.3 * noise},
        "sorted by a few values": {
            **plain,
            "c": np.sort(plain["c"]),
            "y": (np.sort(plain["c"]) == "a") + noise,
        },
    }


@pytest.mark.parametrize("name", columns_of(0))
def test_an_order_of_the_rows(name):
    wanted = None if name == "no order" or name.startswith("sorted") else "--split position"
    assert {proposed(columns_of(seed)[name]) for seed in range(5)} == {wanted}


def test_a_date_comes_first_and_check_tells_the_proposal_once():
    columns = columns_of(1)["rows that go on"]
    (note,) = (fault for fault in dt.tabular.from_frame(columns, "y").check().faults if fault.kind == "split")
    assert note.severity == "note"
    assert note.message.startswith(
        "A random split may flatter: rows that follow each other are alike in 'x', 'y' (2 of 4"
    )
    assert note.fix == "Try --split position."
    given = dt.tabular.from_frame(columns, "y", split=split.by_position())
    assert not [fault for fault in given.check().faults if fault.kind == "split"]
    columns["day"] = np.datetime64("2020-01-01") + np.arange(N)
    assert proposed(columns) == "--split time:day"
    named = {"a column": columns["day"], **columns}
    del named["day"]
    assert proposed(named) == "--split 'time:a column'"


def test_what_the_order_changes_is_measured():
    # Walks of their own: what tells the rows beside a row says nothing of those that come later.
    walks = np.cumsum(np.random.default_rng(0).normal(size=(3, N)), axis=1)
    walks[2] += np.arange(N) / 5  # Beyond what trees have seen they answer with the last of it.
    found = split_difference(dt.tabular.from_frame(dict(zip(("x", "z", "y"), walks)), "y"))
    assert found is not None
    assert found.option == "--split position"
    assert "the random split flatters" in found.words


@pytest.mark.slow
def test_a_real_table_in_order():
    if "DRIVETRAIN_DATA" not in os.environ:
        pytest.skip("DRIVETRAIN_DATA is not set")
    frame = read_frame(os.path.join(os.environ["DRIVETRAIN_DATA"], "elec2_electricity/elec.csv"))
    kinds = guess_kinds(frame, "class")
    found = propose_split(to_table(frame, kinds), kinds, "class")
    assert found is not None
    assert found.option == "--split position"
