"""A lever by a rule that a person can read."""

from __future__ import annotations

import re

import numpy as np
import pytest

from drivetrain import decide
from drivetrain.decide.solve import solve
from drivetrain.decide.solve.planned import problem_of
from drivetrain.errors import UsageError


def customers(rows: int = 400) -> dict[str, list[str] | np.ndarray]:
    made = np.random.default_rng(0)
    age, region = np.round(made.uniform(18, 80, rows)), made.integers(0, 2, rows)
    willing = np.where((age <= 40) & (region == 0), 3.0, 4.0) + 0.05 * made.normal(size=rows)
    return {"age": age, "region": [("north", "south")[each] for each in region], "a": willing}


def plan(depth: int = 2, constraints: tuple[str, ...] = (), **lever: float) -> decide.Plan:
    price = decide.Lever(low=20, high=80, rule=decide.Rule(("age", "region"), depth), **lever)  # pyright: ignore
    return decide.Plan(
        "sigmoid(a - 0.1 * price) * (price - 20)", {"price": price}, {}, customers(), constraints, draws=1
    )


def test_a_rule_is_told_in_words_and_keeps_to_its_leaves() -> None:
    found = solve(problem_of(decide.Simulator(plan(step=0.5))))
    told = [each for each in found.notes if "rows)" in each]
    assert any(re.fullmatch(r"region is north and age <= \d+: 35.5 \(\d+ rows\)", each) for each in told)
    assert len(np.unique(found.levers["price"])) <= 4
    data = customers()
    young_north = (data["age"] <= 40) & (np.array(data["region"]) == "north")
    assert (found.levers["price"][young_north] == 35.5).all()
    assert np.abs(found.levers["price"][~young_north] - 40).max() <= 0.5
    assert found.certificate.proves
    assert "No other rule of 2 such questions in a row" in found.certificate.words


def test_a_rule_is_worth_more_than_one_price_and_less_than_one_for_each_row() -> None:
    of_a_rule = solve(problem_of(decide.Simulator(plan(step=0.5)))).objective
    data, models = customers(), {"profit": "sigmoid(a - 0.1 * price) * (price - 20)"}
    one = decide.Plan("profit", {"price": decide.Lever(low=20, high=80, step=0.5)}, models, data, draws=1)
    each = decide.Plan(
        "profit", {"price": decide.Lever(low=20, high=80, step=0.5, each=True)}, models, data, draws=1
    )
    least, most = (solve(problem_of(decide.Simulator(given))).objective for given in (one, each))
    assert least < of_a_rule <= most
    notes = solve(problem_of(decide.Simulator(plan(step=0.5)))).notes
    gain = float(re.search(r"better than one setting for all by (\S+) a row", " ".join(notes))[1])
    assert gain == pytest.approx((of_a_rule - least) / 400, rel=0.1)  # On the other half, so not the same.


def test_a_rule_keeps_to_a_share() -> None:
    given = problem_of(decide.Simulator(plan(constraints=("mean(sigmoid(a - 0.1 * price)) >= 0.6",))))
    found = solve(given)
    assert given.evaluate(found.levers["price"][None])[1][0, 0] == pytest.approx(0, abs=1e-6)
    assert len(np.unique(found.levers["price"])) <= 4


def test_noise_gains_nothing_on_the_other_half() -> None:
    made = np.random.default_rng(1)
    data = {"x": made.normal(size=2000), "y": made.normal(size=2000), "a": made.normal(size=2000)}
    lever = decide.Lever(kind="switch", rule=decide.Rule(("x", "y")))
    found = solve(problem_of(decide.Simulator(decide.Plan("a * treat", {"treat": lever}, {}, data, draws=1))))
    told = re.search(r"a row \((\S+) to (\S+)\)", " ".join(found.notes))
    assert told is None or float(told[1]) <= 0 <= float(told[2]) + 0.02
    assert set(re.findall(r": (off|on) \(", " ".join(found.notes))) <= {"off", "on"}


def test_rows_that_hang_together_have_no_rule() -> None:
    lever = decide.Lever(low=0, high=1, rule=decide.Rule(("x",)))
    given = decide.Plan("log(sum(price)) * x", {"price": lever}, {}, {"x": [1.0, 2.0, 3.0]}, draws=1)
    with pytest.raises(UsageError, match="a rule can't be found"):
        solve(problem_of(decide.Simulator(given)))


def test_a_rule_keeps_to_a_budget_and_to_what_each_group_is_to_get_at_least() -> None:
    chosen = np.random.default_rng(0)
    late = chosen.integers(-1, 3, 60).astype(float)
    group = np.array(list("abcd"))[chosen.choice(4, 60, p=[0.5, 0.3, 0.17, 0.03])]
    lever = decide.Lever("limit", low=10, high=500, step=10, now=100, rule=decide.Rule(("late",), 2))
    plan = decide.Plan(
        "limit * (0.06 - 0.5 * sigmoid(late * 2 - 3 + 0.001 * limit))", [lever], data={"late": late, "group": group},
        constraints=[decide.constraint("sum(limit) <= 12000"), decide.constraint("mean(limit) >= 150", by="group", name="fair")],
        draws=2,
    )  # fmt: skip
    made = decide.decide(plan).to_json()
    given = np.array(made["levers"][0]["by_row"]["proposed"])
    assert given.sum() <= 12000
    assert min(given[group == each].mean() for each in set(group)) >= 150
    gap = made["certificate"]["value"]
    assert not (made["verdict"]["optimal"] and gap > 0.01 * abs(made["result"]["proposed"]["value"]))
