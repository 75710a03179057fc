"""A lever for each row: each by itself, under limits on sums, and by a rule that a person can read."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pytest

from drivetrain import decide
from drivetrain.decide.solve import separable as way
from drivetrain.decide.solve import solve
from drivetrain.decide.solve.by_row.rows import separable
from drivetrain.decide.solve.by_row.tree import Column, best_tree, leaf_of, leaves
from drivetrain.decide.solve.planned import problem_of
from drivetrain.decide.solve.solution import Solution
from drivetrain.errors import DataError, UsageError

Floats = npt.NDArray[np.float64]


@dataclass
class Rows:
    """Rows whose value and uses are functions of the setting and of the row's own numbers."""

    lower: Floats
    upper: Floats
    of: Callable[..., Floats]
    columns: tuple[Floats, ...] = ()
    used: Callable[..., Floats] | None = None
    limits: Floats = field(default_factory=lambda: np.zeros(0))
    levels: Floats | None = None
    names: tuple[str, ...] = ("first", "second", "third")

    def value(self, x: Floats) -> tuple[Floats, Floats]:
        with np.errstate(all="ignore"):
            uses = np.zeros((0, *x.shape)) if self.used is None else self.used(x, *self.columns)
            return self.of(x, *self.columns), uses

    def part(self, rows: slice) -> Rows:
        columns = tuple(each[rows] for each in self.columns)
        return replace(self, lower=self.lower[rows], upper=self.upper[rows], columns=columns)

    def rough(self, settings: int) -> None:
        return None


def budget(of: Callable[..., Floats], a: Floats, whole: float, **more: object) -> Rows:
    rows = Rows(np.zeros(len(a)), np.full(len(a), whole), of, (a,), lambda x, a: x[None], np.array([whole]))
    return replace(rows, **more)  # pyright: ignore[reportArgumentType]


def minus_log(x: Floats, a: Floats) -> Floats:
    return -a * np.log(x)


def minus_root(x: Floats, a: Floats) -> Floats:
    return -a * np.sqrt(x)


A = np.array([1.0, 2.0, 5.0])


@pytest.mark.parametrize(
    ("of", "best"), [(minus_log, [12.5, 25, 62.5]), (minus_root, [10 / 3, 40 / 3, 250 / 3])]
)
def test_a_budget_is_shared_out_as_the_closed_form_says(of: Callable[..., Floats], best: list[float]) -> None:
    found = separable(budget(of, A, 100.0))
    np.testing.assert_allclose(found.x, best, rtol=1e-6)
    assert found.value == pytest.approx(of(np.array(best), A).sum(), rel=1e-9)
    assert found.certificate.value == pytest.approx(0, abs=1e-6)


def test_a_thousand_concave_levers_share_a_budget_exactly_within_the_blink_of_an_eye() -> None:
    a = np.random.default_rng(0).uniform(0.5, 5, 1000)
    separable(budget(minus_log, a, 100.0))  # What is imported is.
    began = time.process_time()
    found = separable(budget(minus_log, a, 100.0), convex=True)
    spent = time.process_time() - began
    np.testing.assert_allclose(found.x, 100 * a / a.sum(), rtol=1e-5)
    assert found.certificate.kind == "kkt"
    assert found.duals[0] == pytest.approx(a.sum() / 100, rel=1e-6)
    assert spent < 0.05


def test_two_limits_are_priced_together() -> None:
    a = np.random.default_rng(1).uniform(0.5, 5, 200)
    first = np.arange(200) % 2 == 0
    rows = Rows(
        np.zeros(200), np.full(200, 100.0), lambda x, a, g: minus_log(x, a), (a, first.astype(float)),
        lambda x, a, g: np.stack([x, x * g]), np.array([100.0, 20.0]),
    )  # fmt: skip
    found = separable(rows)
    np.testing.assert_allclose(found.x[first], 20 * a[first] / a[first].sum(), rtol=1e-4)
    np.testing.assert_allclose(found.x[~first], 80 * a[~first] / a[~first].sum(), rtol=1e-4)


def logit_profit(x: Floats, a: Floats) -> Floats:
    return -(x - 20) / (1 + np.exp(-(a - 0.1 * x)))


def test_each_row_has_its_own_best_price() -> None:
    from scipy.special import lambertw

    a = np.random.default_rng(2).uniform(3, 5, 5000)  # More than one block of rows.
    found = separable(Rows(np.full(5000, 20.0), np.full(5000, 80.0), logit_profit, (a,)))
    np.testing.assert_allclose(found.x, 20 + 10 * (1 + lambertw(np.exp(a - 3)).real), rtol=1e-7)
    assert not found.certificate.proves


def test_the_best_of_two_hills_is_taken_in_each_row_and_a_kink_is_found() -> None:
    a = np.linspace(-1, 1, 41)
    two = Rows(np.full(41, -2.0), np.full(41, 2.0), lambda x, a: (x * x - 1) ** 2 + 0.3 * a * x, (a,))
    found = separable(two)
    grid = np.linspace(-2, 2, 400_001)
    for at in range(0, 41, 8):
        assert two.value(found.x[None])[0][0, at] <= ((grid**2 - 1) ** 2 + 0.3 * a[at] * grid).min() + 1e-9
    kink = Rows(np.full(41, -2.0), np.full(41, 2.0), lambda x, a: np.maximum(x - a, 3 * (a - x)), (a,))
    np.testing.assert_allclose(separable(kink).x, a, atol=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_steps_under_limits_come_within_the_gap_of_the_best_of_all(seed: int) -> None:
    made = np.random.default_rng(seed)
    levels, rows, limits = np.arange(4.0), 6, seed % 2 + 1
    value, uses = made.normal(size=(4, rows)), made.uniform(0, 1, (limits, 4, rows))
    uses[:, 0] = 0.0  # There is a setting that uses nothing.

    def at(table: Floats, x: Floats) -> Floats:
        return np.take_along_axis(table, x.astype(int), axis=0)

    problem = Rows(
        np.zeros(rows), np.full(rows, 3.0), lambda x: at(value, x), (),
        lambda x: np.stack([at(each, x) for each in uses]), np.full(limits, 1.5), levels,
    )  # fmt: skip
    found = separable(problem)
    every = np.array([*itertools.product(range(4), repeat=rows)])
    total = value[every, np.arange(rows)].sum(1)
    holds = (uses[:, every, np.arange(rows)].sum(2) <= 1.5).all(0)
    best = total[holds].min()
    chosen = found.x.astype(int)
    assert (uses[:, chosen, np.arange(rows)].sum(1) <= 1.5 + 1e-9).all()
    assert found.certificate.kind == "gap"
    assert found.certificate.bound is not None
    assert found.certificate.bound <= best + 1e-9
    assert best - 1e-9 <= found.value <= best + found.certificate.value + 1e-9


def test_what_no_setting_keeps_to_is_named() -> None:
    rows = budget(minus_root, A, 100.0, lower=np.full(3, 40.0), names=("the budget",))
    with pytest.raises(UsageError, match=r"'the budget'.*passes it by 20"):
        separable(rows)
    with pytest.raises(DataError, match="row 2"):
        separable(Rows(np.zeros(3), np.ones(3), lambda x, a: np.where(a == 2, np.nan, x), (A,)))


def test_a_tree_of_two_questions_is_the_best_of_all_trees() -> None:
    made = np.random.default_rng(3)
    columns = [
        Column("age", made.integers(2, 10, 120) * 10.0),
        Column("region", made.integers(-1, 3, 120).astype(float), ("north", "south", "west")),
    ]
    values = made.normal(size=(120, 3))
    tree = best_tree(values, columns, 2)
    given = {each.name: each.values for each in columns}
    places = np.array([place for _, place in leaves(tree)])[leaf_of(tree, given, 120)]
    asked = [columns[0].values <= cut for cut in range(20, 100, 10)]
    asked += [columns[1].values == level for level in range(3)]

    def least(inside: npt.NDArray[np.bool_], depth: int) -> float:
        alone = float(values[inside].sum(0).min()) if inside.any() else np.inf
        if not depth:
            return alone
        return min([alone, *(least(inside & q, depth - 1) + least(inside & ~q, depth - 1) for q in asked)])

    assert values[np.arange(120), places].sum() == pytest.approx(least(np.ones(120, bool), 2))


def test_a_plan_with_a_price_for_each_row_goes_through_the_simulator() -> None:
    a = np.random.default_rng(4).uniform(3, 5, 60)
    models = {
        "slope": decide.chance(uniform=[0.08, 0.12]),
        "buys": "sigmoid(a - slope * price)",
        "profit": "buys * (price - 20)",
    }
    levers = {"price": decide.Lever(low=20, high=80, each=True)}
    plan = decide.Plan("profit", levers, models, {"a": a}, ["mean(buys) >= 0.7"], draws=50)
    problem = problem_of(decide.Simulator(plan))
    assert way.fits(problem)
    found = solve(problem)
    value, over = problem.evaluate(found.levers["price"][None])
    assert found.objective == pytest.approx(-value[0])
    assert over[0, 0] == pytest.approx(0, abs=1e-7)  # Active.
    # The dual is what a looser share is worth.
    looser = decide.Plan("profit", levers, models, {"a": a}, ["mean(buys) >= 0.699"], draws=50)
    more = solve(problem_of(decide.Simulator(looser))).objective - found.objective
    assert found.duals["mean(buys) >= 0.7"] == pytest.approx(more / 0.001, rel=0.02)
    worst = solve(problem.worst())
    assert worst.objective < found.objective


def test_a_rows_own_constraint_and_a_horizon_are_kept_to() -> None:
    data = {"a": np.array([3.0, 4, 5]), "was": np.array([30.0, 30, 30])}
    levers = {"price": decide.Lever(low=20, high=80, each=True)}
    models = {"profit": "(1 + 0.1 * t) * sigmoid(a - 0.1 * price) * (price - 20)"}
    objective = decide.maximise("profit", horizon=3, discount=0.1)
    plan = decide.Plan(objective, levers, models, data, ["price <= 1.2 * was"], draws=1)
    found = solve(problem_of(decide.Simulator(plan)))
    np.testing.assert_allclose(found.levers["price"], [35.671433, 36, 36], rtol=1e-6)


def test_a_mean_among_some_of_very_many_rows_is_that_of_all_of_them() -> None:
    """Rows are worked on in blocks, and what is of all rows is not."""
    made = np.random.default_rng(6)
    count = 5000
    data = {"a": made.uniform(3, 5, count), "region": [("north", "south")[n % 3 == 0] for n in range(count)]}
    levers = {"price": decide.Lever(low=20, high=80, each=True)}
    models = {"buys": "sigmoid(a - 0.1 * price)", "profit": "buys * (price - 20)"}
    shares = ["mean(buys | region == 'south') >= 0.75", "mean(price) <= 1.1 * mean(a) * 8"]
    problem = problem_of(decide.Simulator(decide.Plan("profit", levers, models, data, shares, draws=1)))
    found = solve(problem)
    over = problem.evaluate(found.levers["price"][None])[1][0]
    assert over == pytest.approx(0, abs=1e-6)
    assert found.certificate.bound == pytest.approx(found.objective, rel=1e-9)


@pytest.mark.parametrize("share", [(), ("mean(buys) >= 0.7",)])
@pytest.mark.parametrize("step", [None, 0.5])
def test_a_rough_look_first_leads_to_the_same(
    monkeypatch: pytest.MonkeyPatch, share: tuple[str, ...], step: float | None
) -> None:
    data = {"a": np.random.default_rng(7).uniform(3, 5, 50)}
    levers = {"price": decide.Lever(low=20, high=80, step=step, each=True)}
    models = {
        "slope": decide.chance(uniform=[0.08, 0.12]),
        "buys": "sigmoid(a - slope * price)",
        "profit": "buys * (price - 20)",
    }
    problem = problem_of(decide.Simulator(decide.Plan("profit", levers, models, data, share, draws=512)))
    exact = solve(problem)
    monkeypatch.setattr("drivetrain.decide.solve.by_row.apart.DEAR", 1.0)
    rough = solve(problem)
    np.testing.assert_allclose(rough.levers["price"], exact.levers["price"], rtol=1e-6, atol=step or 0)
    assert rough.objective == pytest.approx(exact.objective, rel=1e-4 if step and share else 1e-8)
    assert not rough.certificate.proves


def test_a_constraint_that_differs_by_period_holds_in_each_of_them() -> None:
    rows = {"cost": [8.0, 9.0, 10.0, 11.0], "paid": [30.0] * 4}
    models = {
        "buys": decide.formula("sigmoid(4 - 0.1 * price) * 0.8 ^ t"),
        "profit": decide.formula("buys * (price - cost)"),
    }

    def plan(share: float, step: float | None = None) -> decide.Plan:
        lever = decide.Lever(low=20, high=60, each=True, now="paid", step=step)
        objective = decide.maximise("profit", horizon=3, discount=0.1)
        return decide.Plan(
            objective,
            {"price": lever},
            models,
            rows,
            [decide.constraint(f"mean(buys) >= {share}", name="share")],
        )

    tight, loose = (solve(problem_of(decide.Simulator(plan(share)))) for share in (0.45, 0.44999))
    simulator = decide.Simulator(plan(0.45))
    assert simulator.simulate(dict(tight.levers)).measured.excess[0, 0] == pytest.approx(0, abs=1e-8)
    assert tight.duals["share"] == pytest.approx((loose.objective - tight.objective) / 0.00001, rel=0.01)
    grid = np.stack(np.meshgrid(*[np.arange(20, 61, 2.0)] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    value, excess = simulator.evaluate(grid[(grid.sum(1) > 80) & (grid.sum(1) < 160)])
    found = solve(problem_of(decide.Simulator(plan(0.45, step=2))))
    assert found.objective >= value[(excess <= 1e-9).all(1)].max() - 1e-3 * abs(found.objective)
    assert found.certificate.bound is not None
    assert found.objective <= tight.objective + 1e-9
    assert found.objective <= found.certificate.bound + 1e-9
    with pytest.raises(UsageError, match="share"):
        solve(problem_of(decide.Simulator(plan(0.6))))


def test_the_price_of_an_equation_has_a_sign() -> None:
    def solved(mean: float) -> Solution:
        lever = {"x": decide.Lever(low=0, high=10, each=True, now=2)}
        plan = decide.Plan(
            decide.minimise("w * (x - 3) ^ 2"), lever, {}, {"w": [1.0, 2.0, 3.0]}, [f"mean(x) == {mean}"]
        )
        return solve(problem_of(decide.Simulator(plan)))

    for mean in (2.0, 4.0):
        here, there = solved(mean), solved(mean + 1e-4)
        (price,) = here.duals.values()
        assert price == pytest.approx((here.objective - there.objective) / 1e-4, rel=1e-2)
