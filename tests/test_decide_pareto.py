"""Fronts of two and three objectives, against closed forms and against all settings."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.decide import Lever, Plan, Simulator, maximise, minimise
from drivetrain.decide.solve.pareto import front, undominated
from drivetrain.decide.solve.planned import problem_of
from drivetrain.decide.solve.problem import Box, Calls, Problem
from drivetrain.errors import UsageError


def test_two_parabolas():
    plan = Plan([minimise("x ^ 2"), minimise("(x - 2) ^ 2")], {"x": Lever(low=-3, high=5)})
    found = front(problem_of(Simulator(plan)), points=9)
    assert len(found.solutions) == 9
    first, second = found.objectives.T
    np.testing.assert_allclose(np.sqrt(first) + np.sqrt(second), 2, atol=1e-3)
    assert first[0] == pytest.approx(0, abs=1e-6)
    assert second[-1] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(found.best, [0, 0], atol=1e-6)


def test_a_hollow_front_is_found_between_its_ends():
    # Of x^2 + y^2 >= 1 in the square the front is a quarter of the circle: no weighted sum finds what is between.
    problem = Problem(
        Box.of([0, 0], [1, 1]),
        Calls(lambda x: x, lambda x: 1 - (x**2).sum(1)),
        names=("circle",),
        signs=(1, 1),
    )
    found = front(problem, points=7)
    np.testing.assert_allclose((found.objectives**2).sum(1), 1, atol=1e-6)
    assert len(found.solutions) == 7


def test_the_senses_are_the_plans():
    plan = Plan([maximise("x * (4 - x)"), minimise("2 * x")], {"x": Lever(low=0, high=4)})
    found = front(problem_of(Simulator(plan)), points=5)
    np.testing.assert_allclose(found.objectives[0], [4, 4], atol=1e-3)
    np.testing.assert_allclose(found.objectives[-1], [0, 0], atol=1e-3)


def test_few_settings_give_the_front_itself():
    made = np.random.default_rng(3).random((12, 2))
    problem = Problem(Box.of([0], [11], step=1), Calls(lambda x: made[x[:, 0].astype(int)]), signs=(1, -1))
    found = front(problem)
    brute = [
        at
        for at in range(12)
        if not any((made[o] <= made[at]).all() and (made[o] < made[at]).any() for o in range(12))
    ]
    assert sorted(int(each.levers["x0"]) for each in found.solutions) == brute
    assert found.proven


def test_three_objectives():
    problem = Problem(
        Box.of([0, 0], [1, 1]),
        Calls(lambda x: np.stack([x[:, 0], x[:, 1], (1 - x).sum(1)], axis=1)),
        signs=(1, 1, 1),
    )
    found = front(problem, points=9)
    assert len(found.solutions) >= 6
    np.testing.assert_allclose(found.objectives.sum(1), 2, atol=1e-5)


def test_one_objective_has_no_front():
    with pytest.raises(UsageError, match="two or three"):
        front(Problem(Box.of([0], [1]), Calls(lambda x: x[:, 0])))


def test_equal_values_count_once():
    assert undominated(np.array([[1, 1], [1, 1], [0, 2], [2, 2.0]])) == [2, 0]
