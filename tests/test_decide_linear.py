"""Plans that are linear in their levers, and combinations of whole numbers, switches and choices."""

from __future__ import annotations

import importlib.util
import itertools
import os
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from drivetrain import decide
from drivetrain.decide.solve import combinations, linear, solve
from drivetrain.decide.solve.combined.choices import choices
from drivetrain.decide.solve.combined.descend import descend
from drivetrain.decide.solve.combined.tables import tabled
from drivetrain.decide.solve.highs import Infeasible, Unbounded
from drivetrain.decide.solve.planned import problem_of
from drivetrain.decide.solve.problem import Problem
from drivetrain.errors import UsageError

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


def problem(plan: decide.Plan) -> Problem:
    return problem_of(decide.Simulator(plan))


def number(**more: float) -> decide.Lever:
    return decide.Lever(low=0, **more)  # pyright: ignore[reportArgumentType]


def test_a_linear_plan_is_solved_with_its_proof_and_prices() -> None:
    # Dantzig's example: 3 x + 5 y, at 2 and 6.
    levers = {"x": number(), "y": number()}
    plan = decide.Plan("3 * x + 5 * y", levers, {}, None, ["x <= 4", "2 * y <= 12", "3 * x + 2 * y <= 18"])
    assert linear.fits(problem(plan))
    found = solve(problem(plan))
    assert (float(found.levers["x"]), float(found.levers["y"])) == pytest.approx((2, 6))
    assert found.objective == pytest.approx(36)
    assert found.certificate.proves
    assert found.certificate.bound == pytest.approx(36)
    assert found.duals == pytest.approx({"x <= 4": 0, "2 * y <= 12": 1.5, "3 * x + 2 * y <= 18": 1})


def test_whole_numbers_come_out_whole_and_an_equation_is_kept() -> None:
    levers = {"x": decide.Lever(kind="whole", low=0, high=1000), "y": number(high=1000.0)}
    plan = decide.Plan(
        decide.minimise("1.5 * x + 3.5 * y"), levers, {}, None, ["x + 2 * y == 7.5", "x <= 4.7"]
    )
    found = solve(problem(plan))
    assert float(found.levers["x"]) == 4
    assert float(found.levers["y"]) == pytest.approx(1.75)
    assert found.certificate.proves


def test_levers_of_each_row_with_limits_of_each_row_and_of_all() -> None:
    data = {"worth": [5.0, 4.0, 3.0], "most": [2.0, 3.0, 4.0]}
    levers = {"send": decide.Lever(low=0, high=10, each=True), "hire": number(high=3.0)}
    plan = decide.Plan(
        "sum(worth * send) - 10 * hire", levers, {}, data, ["send <= most", "sum(send) <= 4 + 2 * hire"]
    )
    assert linear.fits(problem(plan))
    found = solve(problem(plan))
    # The first 4 go to the best rows; a hire lets 2 more, worth 8 or less, and costs 10.
    np.testing.assert_allclose(found.levers["send"], [2, 2, 0], atol=1e-9)
    assert found.objective == pytest.approx(18)
    assert found.duals["send <= most"] == pytest.approx(1)


def test_a_limit_on_switches_has_the_price_of_the_next_best_one() -> None:
    data = {"worth": [5.0, 4.0, 3.0, 2.0]}
    levers = {"call": decide.Lever(kind="switch", each=True)}
    found = solve(problem(decide.Plan("worth * call", levers, {}, data, ["sum(call) <= 2"])))
    plenty = decide.Plan("worth * call", levers, {}, {"worth": np.linspace(1, 2, 400)}, ["sum(call) <= 100"])
    assert found.objective == pytest.approx(9)
    assert linear.solve(problem(plenty), seed=0).duals["sum(call) <= 100"] == pytest.approx(1.75, abs=0.01)


def test_what_has_no_end_or_no_solution_is_told() -> None:
    with pytest.raises(Unbounded, match=r"better for ever.*x up"):
        solve(problem(decide.Plan("x - y", {"x": number(), "y": number()}, {}, None, ["y <= 3"])))
    levers = {"x": number(high=10.0), "y": number(high=10.0)}
    bounds = ["x + y <= 3", "x >= 2", "y >= 2"]
    with pytest.raises(UsageError, match=r"x >= 2.*y >= 2"):
        solve(problem(decide.Plan("x + y", levers, {}, None, bounds)))


def test_what_isnt_linear_is_left_to_others() -> None:
    levers = {"x": number(high=10.0), "y": number(high=10.0)}
    for objective in ("x * y", "x ^ 2 + y", "max(x, y)", "x / y", "log(x) + y", "if(x > 3, x, y)"):
        assert not linear.fits(problem(decide.Plan(objective, levers)))
    risky = decide.maximise("x + y", statistic="cvar 0.1")
    assert not linear.fits(problem(decide.Plan(risky, levers)))


def by_hand(seed: int, levers: int, size: int) -> tuple[list[int], Places, Floats, Floats]:
    """Random tables of one and two levers: sizes, all combinations, what each is worth and uses."""
    made = np.random.default_rng(seed)
    every = np.array([*itertools.product(range(size), repeat=levers)], np.intp)
    value, use = np.zeros(len(every)), np.full(len(every), -0.4 * levers)
    for i in range(levers):
        value += made.normal(size=size)[every[:, i]]
        use += made.uniform(0, 1, size)[every[:, i]]
        for j in range(i):
            if made.random() < 0.5:
                value += made.normal(size=(size, size))[every[:, i], every[:, j]]
    return [size] * levers, every, value, use


ENGINES = ["highs", *(["cp-sat"] if importlib.util.find_spec("ortools") else [])]


@pytest.mark.parametrize("by", ENGINES)
@pytest.mark.parametrize("seed", range(3))
def test_tables_of_two_levers_give_the_best_of_all_combinations(seed: int, by: str) -> None:
    sizes, _, value, use = by_hand(seed, 6, 3)

    def ask(places: Places) -> Floats:
        at = np.ravel_multi_index(tuple(places.T), sizes)
        return np.column_stack([value[at], use[at]])

    tables = tabled(ask, sizes)
    assert tables is not None
    found = choices(tables[0], tables[1:], sizes, by=by)
    assert found.value == pytest.approx(value[use <= 0].min())
    assert found.certificate.value == pytest.approx(0, abs=1e-6)


ELSEWHERE = os.environ.get("DRIVETRAIN_CLIENTS", "")
SCRIPT = """
import numpy as np
from drivetrain.decide.solve.combined.choices import choices
from drivetrain.decide.solve.combined.tables import Tabled
made = np.random.default_rng(0)
gain = Tabled(1.5, [np.r_[0, made.normal(size=2)] for _ in range(8)])
for i in range(8):
    for j in range(i):
        gain.pairs[i, j] = np.pad(made.normal(size=(2, 2)), ((1, 0), (1, 0)))
most = Tabled(-6.0, [np.arange(3.0) for _ in range(8)])
ways = [choices(gain, [most], [3] * 8, by=by) for by in ("highs", "cp-sat")]
print(*(way.value for way in ways), *(way.certificate.value for way in ways))
"""


@pytest.mark.skipif(
    not ELSEWHERE,
    reason="DRIVETRAIN_CLIENTS names no Python with OR-tools in it: make test-clients makes one",
)
def test_cp_sat_elsewhere_comes_to_what_highs_does() -> None:
    """Its protobuf isn't ours, so it is installed elsewhere."""
    source = str(Path(decide.__file__).parents[2])
    done = subprocess.run(
        [ELSEWHERE, "-c", SCRIPT], env={**os.environ, "PYTHONPATH": source}, capture_output=True, text=True, check=True
    )  # fmt: skip
    highs, cpsat, *gaps = map(float, done.stdout.split())
    assert cpsat == pytest.approx(highs)
    assert max(gaps) < 1e-6


def test_three_levers_that_work_together_are_seen() -> None:
    sizes = [3, 3, 3, 3]
    assert tabled(lambda at: (at[:, :1] * at[:, 1:2] * at[:, 2:3]).astype(float), sizes) is None


def test_a_billion_combinations_are_solved_by_their_tables_and_not_by_trying() -> None:
    made = np.random.default_rng(5)
    names = [f"s{n}" for n in range(30)]
    gain = " + ".join(f"{made.normal():.3f} * {name}" for name in names)
    both = " + ".join(f"{made.normal():.3f} * s{n} * s{n + 1}" for n in range(29))
    levers = {name: decide.Lever(kind="switch") for name in names}
    plan = decide.Plan(f"{gain} + {both}", levers, {}, None, [f"{' + '.join(names)} <= 12"])
    given = problem(plan)
    assert combinations.fits(given)
    found = solve(given)
    assert found.certificate.kind == "gap"
    assert found.certificate.value < 1e-6
    assert found.evaluations < 10_000
    assert "1.07e9 combinations" in found.certificate.words


def test_choices_are_no_numbers() -> None:
    levers = {f"c{n}": decide.Lever(kind="choice", choices=("a", "b", "c", "d")) for n in range(12)}
    worth = " + ".join(f"if(c{n} == 'c', {n + 1}, if(c{n} == 'a', 2, 0))" for n in range(12))
    found = solve(problem(decide.Plan(worth, levers)))
    assert found.objective == pytest.approx(2 + sum(range(2, 13)))
    assert float(found.levers["c5"]) == 2
    assert found.certificate.proves


def test_combinations_of_which_nothing_is_known_are_searched_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(combinations, "CALLS", 6000)
    levers = {f"s{n}": decide.Lever(kind="switch") for n in range(31)}
    worth = " + ".join(f"s{n} * s{n + 1} * (1 - s{n + 2})" for n in range(0, 30, 2))
    plan = decide.Plan(f"exp(0.1 * ({worth})) - s0", levers, draws=1)
    found = solve(problem(plan))
    assert found.certificate.kind == "search"
    assert not found.certificate.proves
    assert found.evaluations <= 12_000
    assert found.objective == solve(problem(plan)).objective


def test_a_descent_finds_the_best_of_what_is_small() -> None:
    sizes, every, value, use = by_hand(7, 7, 3)

    def ask(places: Places) -> tuple[Floats, Floats]:
        at = np.ravel_multi_index(tuple(places.T), sizes)
        return value[at], np.maximum(use[at], 0)

    found, holds = descend(ask, sizes, calls=20_000)
    assert holds
    assert found.value == pytest.approx(value[use <= 0].min())
    assert len(every) == 3**7


def test_no_combination_is_told() -> None:
    levers = {f"s{n}": decide.Lever(kind="switch") for n in range(20)}
    total = " + ".join(levers)
    with pytest.raises((UsageError, Infeasible), match="at least"):
        solve(
            problem(
                decide.Plan(
                    f"({total}) ^ 2", levers, {}, None, [decide.constraint(f"{total} >= 21", name="at least")]
                )
            )
        )
