"""A simulator of which one answer takes long: few settings, well chosen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from drivetrain import decide
from drivetrain.decide.solve import solve
from drivetrain.decide.solve.costly.dear import dear
from drivetrain.decide.solve.costly.process import fitted
from drivetrain.decide.solve.planned import problem_of
from drivetrain.decide.solve.problem import Box

Floats = npt.NDArray[np.float64]


def branin(x: Floats, y: Floats) -> Floats:
    bent = y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6
    return bent**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10


def test_branin_is_solved_in_forty_calls_where_chance_does_not() -> None:
    def ask(x: Floats) -> tuple[Floats, Floats]:
        return branin(x[:, 0], x[:, 1]), np.zeros((len(x), 0))

    box = Box.of([-5, 0], [10, 15])
    found, _ = dear(ask, box, calls=40, seed=1)
    assert found.value == pytest.approx(0.397887, abs=1e-2)
    assert found.evaluations == 40
    assert not found.certificate.proves
    again, _ = dear(ask, box, calls=40, seed=1)
    np.testing.assert_array_equal(found.x, again.x)


@pytest.mark.slow
def test_a_dear_function_of_a_plan_is_asked_few_times_and_keeps_to_a_constraint() -> None:
    calls = list[int]()

    def cost(x: Floats, y: Floats) -> Floats:
        calls.append(len(np.broadcast_arrays(x, y)[0]))
        return branin(x, y)

    levers = {"x": decide.Lever(low=-5, high=10), "y": decide.Lever(low=0, high=15)}
    models = {"cost": decide.function(cost, dear=True)}
    plan = decide.Plan(decide.minimise("cost"), levers, models, None, ["x + y <= 5"], draws=1)
    found = solve(problem_of(decide.Simulator(plan)))
    assert sum(calls) <= 61
    assert float(found.levers["x"] + found.levers["y"]) <= 5 + 1e-6
    x = np.linspace(-5, 10, 601)[:, None]
    y = np.linspace(0, 15, 601)[None]
    best = np.where(x + y <= 5, branin(x, y), np.inf).min()
    assert found.objective <= best + 0.05


def test_choices_and_steps_are_settings_too() -> None:
    def ask(x: Floats) -> tuple[Floats, Floats]:
        return (x[:, 0] - 3) ** 2 + 5 * (x[:, 1] != 2), np.zeros((len(x), 0))

    box = Box.of([0, 0], [10, 5], step=[1, 1], nominal=[False, True])
    found, _ = dear(ask, box, calls=25, seed=0, batch=3)
    assert found.value == 0
    assert found.evaluations <= 25


def test_a_process_goes_through_what_it_was_told_and_knows_less_elsewhere() -> None:
    x = np.linspace(0, 1, 8)[:, None]
    made = fitted(x, np.sin(6 * x[:, 0]))
    mean, deviation = made.at(np.linspace(0, 1, 29)[:, None])
    assert np.abs(mean - np.sin(6 * np.linspace(0, 1, 29))).max() < 0.05
    assert deviation[2] > 2 * deviation[0]
