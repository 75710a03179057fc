"""Decisions of which the answer is known in closed form: levers to 1e-4, objectives to 1e-6, relative."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.decide import Lever, Plan, Simulator, chance, maximise, minimise
from drivetrain.decide.solve import solve, solve_worst
from drivetrain.decide.solve.downhill.least import least
from drivetrain.decide.solve.planned import problem_of

LEVER, OBJECTIVE = 1e-4, 1e-6


def best(plan, seed=0):
    return solve(problem_of(Simulator(plan)), seed=seed)


def price(low=20.0, high=200.0, **said):
    return {"price": Lever("price", low=low, high=high, **said)}


def logit(a=4, objective="buys * (price - 20)", **said):
    return Plan(maximise(objective), price(), {"buys": f"sigmoid({a} - 0.1 * price)"}, **said)


def expect(solution, objective, **levers):
    assert solution.objective == pytest.approx(objective, rel=OBJECTIVE)
    for name, value in levers.items():
        np.testing.assert_allclose(solution.levers[name], value, rtol=LEVER)


def test_linear_demand():
    plan = Plan(maximise("demand * (price - 10)"), price(0, 50), {"demand": "100 - 2 * price"})
    found = best(plan)
    expect(found, 800, price=30)
    assert found.certificate.proves


@pytest.mark.parametrize(("a", "at", "profit"), [(4, 40, 10), (3, 35.671433, 5.671433)])
def test_logit_demand(a, at, profit):
    found = best(logit(a))
    assert found.objective == pytest.approx(profit, rel=OBJECTIVE)
    expect(found, profit, price=at)
    assert found.certificate.proves


def test_the_value_of_a_renewal_moves_the_price_and_ignoring_it_costs():
    whole = logit(3, "buys * (price - 20 + 10)")
    found, ignorant = best(whole), best(logit(3))
    expect(found, 10, price=30)
    got = Simulator(whole).simulate(ignorant.levers).objective.mean()
    assert 1 - got / found.objective == pytest.approx(0.07096, abs=5e-6)


def test_a_share_to_keep():
    found = best(logit(4, constraints=["buys >= 0.6"]))
    expect(found, 9.567209, price=35.945349)
    looser = best(logit(4, constraints=["buys >= 0.599"]))
    assert found.duals["buys >= 0.6"] == pytest.approx((looser.objective - found.objective) / 0.001, rel=0.02)
    assert found.certificate.proves


def two_slopes(low=20.0, high=200.0, draws=2):
    models = {
        "slope": chance(choice={"values": [0.05, 0.15], "shares": [0.5, 0.5]}),
        "buys": "sigmoid(4 - slope * price)",
    }
    return Plan(maximise("buys * (price - 20)"), price(low, high), models, draws=draws)


def test_two_slopes_that_may_be():
    found = best(two_slopes())
    expect(found, 15.6044, price=70.856)
    assert found.certificate.proves
    plug_in = Simulator(two_slopes()).simulate({"price": 40.0}).objective.mean()
    assert 1 - plug_in / found.objective == pytest.approx(0.359, abs=5e-4)


def test_a_local_optimum_catches_no_start():
    made = np.random.default_rng(1)
    for seed in range(100):
        problem = problem_of(Simulator(two_slopes(made.uniform(0, 30), made.uniform(90, 1000))))
        found = least(problem, seed)
        assert found.x[0] == pytest.approx(70.856, rel=LEVER)
        assert found.value == pytest.approx(-15.6044, rel=OBJECTIVE)


def test_constant_elasticity():
    plan = Plan(maximise("1e6 * price ^ -3 * (price - 10)"), price(1, 100))
    expect(best(plan), 1e6 * 15**-3 * 5, price=15)


@pytest.mark.parametrize(
    ("demand", "at", "profit"),
    [({"normal": [100, 20]}, 108.61455, 534.5520), ({"exponential": [100]}, 109.86123, 800 / 3)],
)
def test_newsvendor(demand, at, profit):
    profits = "10 * min(order, demand) + 1 * max(order - demand, 0) - 4 * order"
    plan = Plan(
        maximise(profits), {"order": Lever(low=0, high=300)}, {"demand": chance(**demand)}, draws=40_000
    )
    found = best(plan)
    np.testing.assert_allclose(found.levers["order"], at, rtol=LEVER)
    if "normal" in demand:
        assert found.objective == pytest.approx(profit, rel=OBJECTIVE)


@pytest.mark.parametrize(
    ("gain", "at"), [("log", (12.5, 25, 62.5)), ("sqrt", (100 / 30, 400 / 30, 2500 / 30))]
)
def test_budget_over_channels(gain, at):
    levers = {name: Lever(low=0.01, high=100) for name in "abc"}
    plan = Plan(
        maximise(f"{gain}(a) + 2 * {gain}(b) + 5 * {gain}(c)"), levers, constraints=["a + b + c <= 100"]
    )
    found = best(plan)
    worth = sum(w * getattr(np, gain)(x) for w, x in zip((1, 2, 5), at))
    expect(found, worth, a=at[0], b=at[1], c=at[2])
    price_of = 8 / 100 if gain == "log" else 0.5 * np.sqrt(30 / 100)
    assert found.duals["a + b + c <= 100"] == pytest.approx(price_of, rel=1e-4)


def test_what_to_keep_away_from():
    plan = Plan(minimise("cost"), price(0, 50), {"cost": "(price - 30) ^ 2"})
    worst = solve_worst(problem_of(Simulator(plan)))
    expect(worst, 900, price=0)
