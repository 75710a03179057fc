"""Solvers on problems made here: against brute force, against closed forms, and what they say of problems that have no answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivetrain.decide.solve import solve, solve_worst
from drivetrain.decide.solve.problem import Box, Calls, Problem
from drivetrain.errors import UsageError


def rosenbrock(x):
    return (1 - x[:, 0]) ** 2 + 100 * (x[:, 1] - x[:, 0] ** 2) ** 2


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_the_unit_of_a_lever_does_not_matter(size):
    problem = Problem(Box.of([-5 * size, -5], [5 * size, 5]), Calls(lambda x: rosenbrock(x / [size, 1])))
    found = solve(problem)
    assert found.levers["x0"] == pytest.approx(size, rel=1e-5)
    assert found.levers["x1"] == pytest.approx(1, rel=1e-5)


def test_a_kink_is_no_obstacle():
    problem = Problem(
        Box.of([-5, -5], [5, 5]),
        Calls(lambda x: abs(x[:, 0] - 1.2345678) + 2 * abs(x[:, 1] + x[:, 0] - 3)),
    )
    found = solve(problem)
    assert found.levers["x0"] == pytest.approx(1.2345678, abs=1e-6)
    assert found.levers["x1"] == pytest.approx(1.7654322, abs=1e-6)


def test_steps_are_kept_to():
    box = Box.of([0.1, 0, 0, 0], [50, 50, 50, 50], step=[1, 0.5, 0, 0])
    problem = Problem(
        box,
        Calls(lambda x: (x[:, 0] - 7.3) ** 2 + (x[:, 1] - x[:, 0]) ** 2 + (x[:, 2] - x[:, 1]) ** 2 + x[:, 3]),
    )
    found = solve(problem)
    assert found.levers["x0"] == pytest.approx(7.1, abs=1e-12)
    assert found.levers["x1"] == 7.0
    assert found.levers["x2"] == pytest.approx(7.0, abs=1e-6)
    assert found.levers["x3"] == 0.0


def test_a_looser_bound_brings_what_its_price_says():
    def problem(budget):
        weights = np.array([1, 2, 5.0])
        return Problem(
            Box.of([0.01] * 3, [100] * 3), Calls(lambda x: -(weights * np.log(x)).sum(1), lambda x: x.sum(1) - budget),
            names=("budget",), signs=(-1,),
        )  # fmt: skip

    tight, loose = solve(problem(100.0)), solve(problem(100.1))
    assert tight.duals["budget"] == pytest.approx((loose.objective - tight.objective) / 0.1, rel=1e-3)
    assert tight.duals["budget"] == pytest.approx(8 / 100, rel=1e-5)


def test_a_constraint_that_does_not_bind_is_free():
    problem = Problem(
        Box.of([0], [9]), Calls(lambda x: (x[:, 0] - 3) ** 2, lambda x: x[:, 0] - 5), names=("most",)
    )
    assert solve(problem).duals == {"most": 0.0}


def test_the_worst_is_the_best_of_the_other_sense():
    problem = Problem(Box.of([0], [10]), Calls(lambda x: -((x[:, 0] - 3) ** 2)), signs=(-1,))
    best, worst = solve(problem), solve_worst(problem)
    assert best.levers["x0"] == 10
    assert best.objective == 49
    assert worst.levers["x0"] == pytest.approx(3, abs=1e-6)
    assert worst.objective == pytest.approx(0, abs=1e-9)


def test_equal_seeds_give_equal_bits():
    problem = Problem(Box.of([-5] * 3, [5] * 3), Calls(lambda x: np.sin(3 * x).sum(1) + (x**2).sum(1) / 9))
    one, two = solve(problem, seed=5), solve(problem, seed=5)
    assert [each.tobytes() for each in one.levers.values()] == [
        each.tobytes() for each in two.levers.values()
    ]
    assert one.objective == two.objective


def test_few_settings_are_all_computed():
    box = Box.of([0, 1], [3, 2], step=1, nominal=[True, False], names=["channel", "many"])
    found = solve(Problem(box, Calls(lambda x: np.abs(x[:, 0] - 2) + x[:, 1])))
    assert found.certificate.kind == "enumeration"
    assert found.certificate.proves
    assert found.evaluations == 8
    assert (found.levers["channel"], found.levers["many"]) == (2, 1)


def test_an_objective_without_end_says_which_way():
    endless = Problem(
        Box.of([0, 0], [np.inf, 1], names=["price", "share"]), Calls(lambda x: -x[:, 0]), signs=(-1,)
    )
    with pytest.raises(UsageError, match=r"the further price goes up.*Give high to price"):
        solve(endless)


def test_bounds_that_nobody_gave_are_found():
    problem = Problem(Box.of([-np.inf, 0], [np.inf, 9]), Calls(lambda x: (x[:, 0] - 12_345) ** 2 + x[:, 1]))
    found = solve(problem)
    assert found.levers["x0"] == pytest.approx(12_345, rel=1e-6)
    assert found.levers["x1"] == 0


def test_a_smallest_set_of_constraints_that_conflict_is_named():
    problem = Problem(
        Box.of([0, 0], [1, 1]), Calls(lambda x: x[:, 0], lambda x: np.stack(
            [1.5 - x.sum(1), x[:, 0] - 0.5, x[:, 1] - 0.6, x[:, 0] - 0.9], 1)),
        names=("enough", "little a", "little b", "idle"),
    )  # fmt: skip
    with pytest.raises(UsageError) as fault:
        solve(problem)
    assert "'enough' and 'little a' and 'little b' together" in str(fault.value)
    assert "idle" not in str(fault.value)


def test_a_constraint_that_can_not_hold_at_all_is_named_alone():
    problem = Problem(
        Box.of([0], [1]), Calls(lambda x: x[:, 0], lambda x: np.stack([2 - x[:, 0], x[:, 0] - 0.5], 1)),
        names=("share", "low"),
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"satisfies the constraint 'share'.* by 1: looser"):
        solve(problem)


def test_an_objective_without_values_is_told():
    with pytest.raises(UsageError, match="no value"):
        solve(Problem(Box.of([0], [1]), Calls(lambda x: np.full(len(x), np.nan))))


@settings(max_examples=10, deadline=None, derandomize=True)
@example(centre=[2.0, 0.0], tilt=0.0, limit=0.0, stepped=True)
@given(
    centre=st.lists(st.floats(-2, 2), min_size=2, max_size=2), tilt=st.floats(-1, 1), limit=st.floats(-1, 2),
    stepped=st.booleans(),
)  # fmt: skip
@example(centre=[2.0, 0.0], tilt=0.0, limit=0.0, stepped=True)  # Neither a step nor a slope alone leads on.
def test_nothing_on_a_fine_grid_is_better(centre, tilt, limit, stepped):
    def value(x):
        apart = x - np.array(centre)
        return (apart**2).sum(1) + tilt * apart[:, 0] * apart[:, 1] + 0.3 * np.sin(5 * x[:, 0])

    box = Box.of([-1.0, -1.0], [1.0, 1.0], step=[0.25, 0] if stepped else 0)
    problem = Problem(box, Calls(value, lambda x: x.sum(1)[:, None] - limit), names=("sum",))
    found = solve(problem, seed=1)
    x = np.array([[found.levers["x0"], found.levers["x1"]]])
    assert problem.holds(problem.evaluate(x)[1])[0]
    assert (box.nearest(x) == x).all()
    side = np.linspace(-1, 1, 201)
    first = np.arange(-1, 1.01, 0.25) if stepped else side
    grid = np.stack([each.ravel() for each in np.meshgrid(first, side, indexing="ij")], axis=1)
    brute = value(grid)[problem.holds(problem.evaluate(grid)[1])].min()
    assert found.objective <= brute + 1e-9


@pytest.mark.filterwarnings("ignore:delta_grad")
@pytest.mark.parametrize("seed", range(5))
def test_convex_problems_come_out_as_another_solver_has_them(seed):
    from scipy.optimize import LinearConstraint, minimize

    made = np.random.default_rng(seed)
    root, goal, limits = made.normal(size=(4, 4)), made.normal(size=4) * 2, made.normal(size=(3, 4))
    weight = root @ root.T + np.eye(4)

    def value(x):
        apart = np.atleast_2d(x) - goal
        return np.einsum("si,ij,sj->s", apart, weight, apart) + np.exp(np.atleast_2d(x).sum(1) / 4)

    def excess(x):
        return np.atleast_2d(x) @ limits.T - 0.5

    problem = Problem(Box.of([-1] * 4, [1] * 4), Calls(value, excess), names=("a", "b", "c"))
    found = solve(problem)
    other = minimize(
        lambda x: value(x)[0], np.zeros(4), bounds=[(-1, 1)] * 4, method="trust-constr",
        constraints=LinearConstraint(limits, -np.inf, 0.5), options={"gtol": 1e-9, "xtol": 1e-10},
    )  # fmt: skip
    assert found.objective <= other.fun + 1e-5
    np.testing.assert_allclose([*found.levers.values()], other.x, atol=2e-3)
    assert found.certificate.value < 1e-5
