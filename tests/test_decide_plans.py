"""Plans as people write them, each against another way to its answer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from drivetrain import decide
from drivetrain.decide.solve import solve
from drivetrain.decide.solve.planned import problem_of
from drivetrain.decide.solve.solution import Solution
from drivetrain.errors import UsageError


def solved(plan: decide.Plan) -> Solution:
    return solve(problem_of(decide.Simulator(plan)))


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_a_marketing_mix_with_carry_over_is_proven_in_any_unit(unit: float) -> None:
    levers = {name: decide.Lever(low=0, high=100, now=20) for name in ("tv", "web")}
    models = {
        "response": decide.formula("50 * tv ^ 2 / (tv ^ 2 + 900) + 40 * (1 - exp(-web / 20))"),
        "kept": decide.formula("response * 0.6 ^ t"),
    }
    objective = decide.maximise(f"{unit} * (2 * kept - (tv + web) / 3)", horizon=3)
    found = solved(decide.Plan(objective, levers, models, None, ["tv + web <= 60"]))
    tv, web = np.meshgrid(np.linspace(0, 60, 601), np.linspace(0, 60, 601))
    worth = 2 * 1.96 * (50 * tv**2 / (tv**2 + 900) + 40 * (1 - np.exp(-web / 20))) - (tv + web)
    brute = unit * worth[tv + web <= 60 + 1e-9].max()
    assert brute <= found.objective * (1 + 1e-9)
    assert found.objective == pytest.approx(brute, rel=1e-4)
    assert found.certificate.proves
    assert found.certificate.bound is not None
    assert found.certificate.bound >= brute


def test_an_equation_that_conflicts_is_named_once() -> None:
    levers = {"x": decide.Lever(low=0, high=10), "y": decide.Lever(kind="whole", low=1, high=9)}
    with pytest.raises(UsageError) as fault:
        solved(decide.Plan("x + y", levers, {}, None, [decide.constraint("sqrt(x) + y == 0.5", name="sum")]))
    assert str(fault.value).count("'sum'") == 1


def test_shifts_are_staffed_as_by_an_integer_program() -> None:
    from scipy import optimize

    need = [17, 13, 15, 19, 14, 16, 11]
    covers = np.array([[float((day - shift) % 7 < 5) for shift in range(7)] for day in range(7)])
    levers = {f"s{shift}": decide.Lever(kind="whole", low=0, high=30) for shift in range(7)}
    limits = [
        f"{' + '.join(f's{shift}' for shift in range(7) if covers[day, shift])} >= {need[day]}"
        for day in range(7)
    ]
    found = solved(decide.Plan(decide.minimise(" + ".join(levers)), levers, {}, None, limits))
    other = optimize.milp(
        np.ones(7), constraints=optimize.LinearConstraint(covers, need), integrality=np.ones(7),
        bounds=optimize.Bounds(0, 30),
    )  # fmt: skip
    assert found.objective == pytest.approx(other.fun)
    assert found.certificate.proves


def test_a_fleet_that_meets_demand_in_most_draws_is_the_cheapest() -> None:
    levers = {
        "small": decide.Lever(kind="whole", low=0, high=6), "big": decide.Lever(kind="whole", low=0, high=6),
        "hire": decide.Lever(low=0, high=50),
    }  # fmt: skip
    models = {
        "demand": decide.chance(poisson=30),
        "room": decide.formula("4 * small + 9 * big + hire"),
        "cost": decide.formula("10 * small + 18 * big + 3 * hire + 8 * max(demand - room, 0)"),
    }
    served = decide.constraint("room >= demand", statistic="quantile 0.95", name="served")
    plan = decide.Plan(decide.minimise("cost"), levers, models, None, [served], draws=100)
    demand = np.ravel(decide.Simulator(plan).values(dict.fromkeys(levers, 1.0))["demand"])
    costs = list[float]()
    for small, big in itertools.product(range(7), repeat=2):
        for hire in np.clip(
            np.concatenate([demand, [np.quantile(demand, 0.95)]]) - 4 * small - 9 * big, 0, 50
        ):
            short = demand - 4 * small - 9 * big - hire
            if np.quantile(short, 0.95) <= 1e-9:
                costs.append(10 * small + 18 * big + 3 * hire + 8 * float(np.maximum(short, 0).mean()))
    assert solved(plan).objective == pytest.approx(min(costs), rel=1e-4)


def test_prices_in_steps_under_a_quantile_keep_to_it() -> None:
    rows = {"age": np.linspace(20, 80, 45), "cost": np.linspace(8, 14, 45)}
    models = {
        "slope": decide.chance(normal=[0.1, 0.02]),
        "buys": decide.formula("sigmoid(4 - slope * price - 0.01 * (age - 40))"),
    }
    share = decide.constraint("mean(buys) >= 0.6", statistic="quantile 0.95", name="share")
    lever = decide.Lever(low=20, high=80, now=30, step=0.5, each=True)
    plan = decide.Plan("buys * (price - cost)", {"price": lever}, models, rows, [share], draws=20)
    found, problem = solved(plan), problem_of(decide.Simulator(plan))
    assert problem.holds(problem.evaluate(found.levers["price"][None])[1]).all()
    assert np.allclose(found.levers["price"] * 2 % 1, 0)
    assert not found.certificate.proves
    assert "first-order" not in found.certificate.words
    value, excess = problem.evaluate(np.repeat(np.arange(20, 80.5, 0.5)[:, None], 45, axis=1))
    flat = -value[problem.holds(excess)].min()
    assert found.objective >= flat
    share = decide.constraint("mean(buys) >= 0.95", statistic="quantile 0.95", name="share")
    hard = decide.Plan("buys * (price - cost)", {"price": lever}, models, rows, [share], draws=20)
    with pytest.raises(UsageError, match="share"):
        solved(hard)
