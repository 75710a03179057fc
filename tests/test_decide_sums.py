"""Proofs for many levers that act each by itself: they hold, for hollow curves too, and aren't given where levers act together."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.decide import Lever, Plan, Simulator, chance, constraint, maximise, minimise
from drivetrain.decide.solve import solve
from drivetrain.decide.solve.planned import problem_of
from drivetrain.decide.solve.proofs.sums import by_itself, prove_sum


def channels(curve, n, budget, **said):
    levers = {f"x{at}": Lever(low=0, high=100) for at in range(n)}
    text = " + ".join(curve.format(w=1 + at, x=f"x{at}") for at in range(n))
    limit = constraint(" + ".join(levers) + f" <= {budget}", name="budget")
    return problem_of(Simulator(Plan(maximise(text), levers, constraints=[limit], **said)))


def test_a_budget_over_more_channels_than_boxes_can_be_cut_for():
    of = channels("{w} * log(1 + {x})", 12, 66)
    found = solve(of)
    weights = np.arange(1, 13)
    np.testing.assert_allclose([*found.levers.values()], 78 * weights / weights.sum() - 1, atol=1e-4)
    assert found.duals["budget"] == pytest.approx(1.0, rel=1e-5)
    assert found.certificate.kind == "kkt"
    proof = prove_sum(of, np.array([*found.levers.values()]), -found.objective, 1.0, np.ones(1))
    for bound in (found.certificate.bound, -proof.bound):
        assert found.objective <= bound <= found.objective * (1 + 1e-5)


def test_curves_like_an_s_are_proven_too():
    found = solve(
        channels("s * {w} * {x} ^ 2 / (9 + {x} ^ 2)", 6, 30, models={"s": chance(normal=[1, 0.1])}, draws=10)
    )
    assert found.certificate.kind == "gap"
    made = np.random.default_rng(0).dirichlet(np.ones(6), 20_000) * 30
    best = (np.arange(1, 7) * made**2 / (9 + made**2)).sum(1).max()
    assert best <= found.certificate.bound * (1 + 1e-9)


def test_a_bound_holds_where_prices_leave_a_gap():
    # Of two alike hollow curves the whole budget goes to one: at the budget's price both are taken, or none.
    of = channels("{x} ^ 2 + 0 * {w}", 2, 100)
    proof = prove_sum(of, np.array([100.0, 0.0]), -1e4, 1e4, np.array([100.0]))
    assert proof.bound <= -1e4


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("a + 2 * b", True), ("3 * (log(1 + a) - b / 2) * c", True), ("a * b", False), ("a / b", False), ("c / b", True),
        ("max(a, b)", False), ("sum(c * a) + mean(c * b | c > 1)", True), ("mean(a * c | b > c)", False),
        ("sum(each * c)", True), ("max(sum(each), 3)", False), ("if(c > 1, a, b)", False),
    ],
)  # fmt: skip
def test_which_levers_act_together(text, alone):
    levers = {"a": Lever(low=0, high=9), "b": Lever(low=1, high=9), "each": Lever(low=0, high=9, each=True)}
    plan = Plan(minimise(f"{text} + 0 * (a + b + sum(each))"), levers, data={"c": np.array([1.0, 2.0])})
    assert by_itself(plan, plan.formula_of(plan.objectives[0].expression)) == alone
