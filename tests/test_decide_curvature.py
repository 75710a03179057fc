"""What is told to bend one way does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain import decide
from drivetrain.decide.expressions.calculate import calculate
from drivetrain.decide.expressions.curvature import Shape, shape_of
from drivetrain.decide.expressions.expression import Tree, parse
from drivetrain.decide.solve import solve
from drivetrain.decide.solve.planned import problem_of
from drivetrain.decide.solve.proofs.bends import is_convex


def shape(text: str, low: float = 0.0, high: float = 5.0) -> Shape:
    def named(name: str) -> Shape | Tree:
        return Shape("affine", low, high) if name == "x" else Shape("constant", 0.5, 2.0)

    return shape_of(parse(text).tree, named)


@pytest.mark.parametrize(
    ("text", "curvature"),
    [
        ("3 * x - 2", "affine"), ("a * log(x)", "concave"), ("-a * sqrt(x + 1)", "convex"), ("a * (1 - exp(-x / a))", "concave"),
        ("x ^ 2", "convex"), ("x ^ 0.5", "concave"), ("1 / (1 + x)", "convex"), ("a / (a + x) - x", "convex"),
        ("min(x, a) * 10 - 4 * x", "concave"), ("max(x - a, a - x)", "convex"), ("abs(x - 3)", "convex"), ("sigmoid(x)", "concave"),
        ("sigmoid(x - 2)", "unknown"), ("x * x", "unknown"), ("exp(-x ^ 2)", "unknown"), ("if(a > 1, log(x), sqrt(x))", "concave"),
        ("if(x > 1, x, 2 * x)", "unknown"), ("(a - 1) * sqrt(x)", "unknown"), ("(a - 1) * x", "affine"), ("floor(x)", "unknown"),
    ],
)  # fmt: skip
def test_the_rules(text: str, curvature: str) -> None:
    assert shape(text).curvature == curvature


LEAVES = st.sampled_from(["x", "a", "1", "2.5", "(0 - 2)"])
TEXTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda each: f"({each[0]} {each[1]} {each[2]})"),
        st.tuples(
            st.sampled_from(["exp", "log", "sqrt", "abs", "sigmoid", "tanh", "log1p", "-", "normal_cdf"]),
            inner,
        ).map(lambda each: f"{each[0]}({each[1]})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(
            lambda each: f"{each[0]}({each[1]}, {each[2]})"
        ),
        st.tuples(inner, st.sampled_from(["2", "0.5", "3", "(0 - 1)"])).map(
            lambda each: f"({each[0]}) ^ {each[1]}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(TEXTS, st.sampled_from([0.5, 1.3, 2.0]), st.sampled_from([(0.0, 5.0), (-2.0, 3.0), (1.0, 1.5)]))
def test_what_is_convex_lies_below_its_chords(text: str, a: float, bounds: tuple[float, float]) -> None:
    found = shape(text, *bounds)
    if found.curvature == "unknown":
        return
    x = np.linspace(*bounds, 41)[:, None, None]
    values = {"x": x, "a": np.full((1, 1, 1), a)}
    y = np.broadcast_to(calculate(parse(text), values), (41, 1, 1))[:, 0, 0]
    if not np.isfinite(y).all() or np.abs(y).max() > 1e9:
        return
    bend = y[2:] - 2 * y[1:-1] + y[:-2]
    slack = 1e-9 * (1 + np.abs(y).max())
    assert found.curvature not in ("convex", "affine", "constant") or (bend >= -slack).all()
    assert found.curvature not in ("concave", "affine", "constant") or (bend <= slack).all()
    assert (y >= found.low - slack).all()
    assert (y <= found.high + slack).all()


def test_a_concave_budget_is_proven() -> None:
    lever = {"spend": decide.Lever(low=0, high=100, each=True)}
    a = np.array([1.0, 2.0, 5.0])
    plan = decide.Plan("a * log(spend)", lever, {}, {"a": a}, ["sum(spend) <= 100"], draws=1)
    found = solve(problem_of(decide.Simulator(plan)))
    np.testing.assert_allclose(found.levers["spend"], [12.5, 25, 62.5], rtol=1e-6)
    assert found.certificate.proves
    mixed = decide.Plan("a * sigmoid(spend - 5)", lever, {}, {"a": a}, ["sum(spend) <= 20"], draws=1)
    assert not solve(problem_of(decide.Simulator(mixed))).certificate.proves


def test_what_is_convex_in_many_levers_is_proven_by_its_conditions() -> None:
    made = np.random.default_rng(0)
    a = made.uniform(0.5, 5, 5)
    levers = {f"x{n}": decide.Lever(low=0, high=100) for n in range(5)}
    gain = " + ".join(f"{each:.4f} * pull * log(x{n} + 1)" for n, each in enumerate(a))
    models = {"pull": decide.chance(uniform=[0.5, 1.5])}
    budget = f"{' + '.join(levers)} <= 100"
    for statistic in ("mean", "cvar 0.2"):
        plan = decide.Plan(
            decide.maximise(gain, statistic=statistic), levers, models, None, [budget], draws=20
        )
        problem = problem_of(decide.Simulator(plan))
        assert is_convex(problem)
        assert not is_convex(problem.worst())
        found = solve(problem)
        assert found.certificate.proves


def test_a_sum_over_rows_bends_as_its_parts_do() -> None:
    assert shape("sum(a * log(x))").curvature == "concave"
    assert shape("mean(x ^ 2 | a > 1)").curvature == "convex"
    assert shape("mean(x ^ 2 | x > 1)").curvature == "unknown"
    assert shape("largest(x ^ 2)").curvature == "convex"
    assert shape("share(x > 1)").curvature == "unknown"
