"""A plan as solvers see it: its box, its values, and slopes that are those of differences."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.decide import Lever, Plan, Simulator, chance, constraint, maximise, minimise
from drivetrain.decide.solve.planned import coarser, problem_of

ROWS = {
    "age": np.linspace(20, 70, 7),
    "region": ["north", "south", "south", "north", "north", "south", "north"],
}
LEVERS = {
    "price": Lever(low=10, high=60), "each": Lever(low=0, high=5, each=True), "start": Lever(kind="whole", low=0, high=4),
}  # fmt: skip
MODELS = {
    "slope": chance(normal=[0.1, 0.02]), "noise": chance(uniform=[0, 1], each_row=True),
    "buys": "sigmoid(3 - slope * price + 0.02 * age + 0.1 * each)", "stays": "sigmoid(1 - 0.01 * price * noise)",
    "profit": "buys * (price - 12 - each) * stays ^ t",
}  # fmt: skip


def problem(statistic="mean", over="sum", objective=maximise):
    constraints = [
        "mean(buys | region == 'north') >= 0.6", constraint("buys >= 0.2", statistic="quantile 0.8", name="all"),
        constraint("sum(each) <= 12", soft=3.0, name="gifts"), constraint("stays * buys >= 0.1", name="late"),
        constraint("price + start == 30", name="even"),
    ]  # fmt: skip
    text = objective("profit + start", statistic=statistic, over=over, horizon=3, discount=0.1)
    return problem_of(Simulator(Plan(text, LEVERS, MODELS, ROWS, constraints, draws=40)))


@pytest.mark.parametrize("over", ["sum", "mean"])
@pytest.mark.parametrize("statistic", ["mean", "quantile 0.3", "cvar 0.25"])
@pytest.mark.parametrize("objective", [maximise, minimise])
def test_slopes_are_those_of_differences(statistic, over, objective):
    of = problem(statistic, over, objective)
    made = np.random.default_rng(4)
    x = of.box.lower + made.random(of.box.size) * (of.box.upper - of.box.lower)
    x[1:8] = made.uniform(2, 4, 7)  # More gifts than the soft constraint would have.
    slope, slopes = of.slopes(x)
    numeric, numerics = of._differences(x)
    np.testing.assert_allclose(slope, numeric, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(slopes, numerics, rtol=1e-5, atol=1e-6)


def test_an_equation_is_two_constraints():
    of = problem()
    assert of.constraint_names == ("mean(buys | region == 'north') >= 0.6", "all", "late", "even", "even")
    x = np.concatenate([[25.0], np.zeros(7), [4.0]])
    _, excess = of.evaluate(x[None])
    assert excess[0, 3:].tolist() == [-1.0, 1.0]


def test_the_box_is_the_levers():
    box = problem().box
    assert box.names == ("price", *["each"] * 7, "start")
    assert box.step.tolist() == [0.0] * 8 + [1.0]
    assert box.levers(np.arange(9.0))["each"].tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_fewer_draws_cost_less_and_say_about_the_same():
    of = problem()
    rough = coarser(of, 7 * 10)
    assert rough.cells == 70
    assert coarser(of, of.cells) is None
    x = np.concatenate([[25.0], np.ones(7), [2.0]])[None]
    assert rough.evaluate(x)[0] == pytest.approx(of.evaluate(x)[0], rel=0.02)
