"""A proof that nothing is better holds against brute force, and comes across what a search missed."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.decide import Lever, Plan, Simulator, chance, constraint, maximise, minimise, table
from drivetrain.decide.nodes.learn import learned
from drivetrain.decide.solve import solve
from drivetrain.decide.solve.planned import problem_of
from drivetrain.decide.solve.proofs import bound
from drivetrain.decide.solve.proofs.bound import prove

LEVERS = {"a": Lever(low=-1, high=2), "b": Lever(low=0, high=2)}


def problem(objective, *constraints, models=(), levers=LEVERS, **said):
    return problem_of(Simulator(Plan(objective, levers, dict(models), constraints=constraints, **said)))


def none(of):
    return np.zeros(len(of.constraint_names))


def test_a_proof_comes_across_what_a_search_missed():
    two = {
        "slope": chance(choice={"values": [0.05, 0.15], "shares": [0.5, 0.5]}),
        "buys": "sigmoid(4 - slope * price)",
    }
    of = problem(
        maximise("buys * (price - 20)"), models=two, levers={"price": Lever(low=20, high=200)}, draws=2
    )
    local = -float(of.source.simulator.evaluate(np.array([[40.0]]))[0][0])
    proof = prove(of, local, 10.0, none(of))
    assert proof.better[0] == pytest.approx(70.856, abs=1)
    assert -15.6045 < proof.bound <= -15.6044


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    tilt=st.floats(-3, 3), bend=st.floats(-2, 2), limit=st.floats(-0.5, 3), price=st.floats(0.1, 3),
    statistic=st.sampled_from(["mean", "quantile 0.2", "cvar 0.3", "P(> 0.5)"]), up=st.booleans(),
)  # fmt: skip
def test_no_setting_of_a_grid_is_below_the_bound(tilt, bend, limit, price, statistic, up):
    text = f"{bend:.3f} * a ^ 2 + {tilt:.3f} * a * b + noise * sigmoid(3 * a) - abs(b - 1)"
    of = problem(
        (maximise if up else minimise)(text, statistic=statistic), f"a + b <= {limit:.3f}",
        constraint("a * b <= 0.5", soft=price), models={"noise": chance(normal=[0, 1])}, draws=10,
    )  # fmt: skip
    side = np.linspace(-1, 2, 31)
    grid = np.stack(
        [each.ravel() for each in np.meshgrid(side, np.linspace(0, 2, 21), indexing="ij")], axis=1
    )
    value, excess = of.evaluate(grid)
    value = value[of.holds(excess)]
    with mock.patch.object(bound, "_MOST", 500):
        proof = prove(of, float(value.min()) + 0.1, 1.0, np.array([0.3]))
    assert proof.bound <= value.min() + 1e-12


def test_bounds_of_rows_and_periods_hold():
    rows = {"age": np.linspace(20, 70, 9), "w": np.linspace(0.5, 2, 9)}
    models = {"stays": "sigmoid(1 - b + 0.01 * age)", "gain": "w * (a + 1) * (2 - a) * stays ^ t"}
    of = problem(
        maximise("gain", horizon=3, discount=0.1), "mean(stays | age > 40) >= 0.6", models=models, data=rows
    )
    found = solve(of)
    assert found.certificate.kind == "gap"
    assert abs(found.certificate.bound - found.objective) <= 1e-4 * found.objective


def test_every_row_has_its_own_lever():
    rows = {"w": np.array([0.5, 1.0, 2.0])}
    price = {"price": Lever(low=0, high=20, each=True)}
    of = problem(maximise("price * (10 - w * price)"), levers=price, data=rows)
    found = solve(of)
    np.testing.assert_allclose(found.levers["price"], 5 / rows["w"], rtol=1e-5)


def test_of_what_is_no_formula_nothing_is_proven():
    of = problem(maximise("f"), models={"f": lambda a, b: -((a - 1) ** 2) - b})
    found = solve(of)
    assert found.certificate.kind == "multistart"
    assert not found.certificate.proves
    assert "not known" in found.certificate.words
    assert found.levers["a"] == pytest.approx(1, abs=1e-5)


def proven(of):
    found = solve(of)
    assert found.certificate.proves, found.certificate.words
    return found


def test_choices_switches_whole_numbers_and_tables_can_be_proven():
    levers = {
        "p": Lever(low=0, high=5), "c": Lever(kind="choice", choices=("x", "y")), "s": Lever(kind="switch"),
        "w": Lever(kind="whole", low=0, high=500),
    }  # fmt: skip
    models = {"gain": "if(c == 'x', 1, 2) * p * (5 - p)", "curve": table("w", [[0, 0], [2, 9], [500, 0]])}
    found = proven(problem(maximise("gain + 3 * s + curve"), models=models, levers=levers))
    assert (found.levers["c"], found.levers["s"], found.levers["w"]) == (1, 1, 2)
    assert found.objective == pytest.approx(12.5 + 3 + 9)


def test_the_mean_of_the_worst_draws_can_be_proven_under_a_budget():
    models = {"d": chance(normal=[100, 20]), "e": chance(normal=[120, 40])}
    text = "10 * min(a, d) - 4 * a + 12 * min(b, e) - 5 * b"
    levers = {name: Lever(low=0, high=300) for name in "ab"}
    budget = constraint("4 * a + 5 * b <= 700", name="money")
    of = problem(maximise(text, statistic="cvar 0.2"), budget, models=models, levers=levers, draws=100)
    found = proven(of)
    made = np.random.default_rng(0).uniform(0, 160, (4000, 2))
    value, excess = of.evaluate(made)
    assert -value[of.holds(excess)].max() <= found.objective * (1 + 1e-6)


@pytest.mark.parametrize("bends", [0, 2])
def test_what_was_learned_from_rows_can_be_proven(bends):
    made = np.random.default_rng(2)
    price = made.uniform(20, 60, 2000)
    rows = {"price": price, "buys": (made.random(2000) < 1 / (1 + np.exp(0.1 * price - 4))).astype(float)}
    node = learned(rows, outcome="buys", lever="price", claim="randomised", family="logit", bends=bends)
    of = problem(
        maximise("buys * (price - 20)"),
        models={"buys": node},
        levers={"price": Lever(low=20, high=60)},
        draws=50,
    )
    found = proven(of)
    side = np.linspace(20, 60, 4001)[:, None]
    assert -of.evaluate(side)[0].min() <= found.certificate.bound
    assert found.levers["price"] == pytest.approx(side[of.evaluate(side)[0].argmin(), 0], abs=0.02)
