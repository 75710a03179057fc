"""Expressions against numpy: values, slopes, and the faults of what can't be read."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from drivetrain.decide.expressions.calculate import calculate, gradient
from drivetrain.decide.expressions.expression import Call, parse, parts, substituted
from drivetrain.errors import UsageError

RNG = np.random.default_rng(0)
VALUES = {
    "p": RNG.uniform(0.5, 3, (3, 1, 1)),
    "x": RNG.uniform(0.5, 2, (1, 4, 1)),
    "z": RNG.uniform(0.2, 1, (1, 1, 5)),
    "two words": RNG.uniform(0.5, 1, (3, 4, 1)),
}
ONE = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "abs": np.abs,
    "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
}
TWO = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}
ROWS = {"sum": np.sum, "mean": np.mean, "smallest": np.min, "largest": np.max}


def _leaves():
    numbers = st.floats(0.1, 3).map(lambda v: (repr(round(v, 3)), np.full((1, 1, 1), round(v, 3))))
    names = st.sampled_from(sorted(VALUES)).map(lambda n: (f"`{n}`", VALUES[n]))
    return st.one_of(numbers, names)


def _grown(below):
    def rows(name, of):
        text, value = of
        wide = np.broadcast_to(value, np.broadcast_shapes(value.shape, (1, 4, 1)))
        return f"{name}({text})", ROWS[name](wide, axis=1, keepdims=True)

    return st.one_of(
        st.builds(lambda f, a: (f"{f}({a[0]})", ONE[f](a[1])), st.sampled_from(sorted(ONE)), below),
        st.builds(
            lambda f, a, b: (f"({a[0]}) {f} ({b[0]})", TWO[f](a[1], b[1])),
            st.sampled_from(sorted(TWO)),
            below,
            below,
        ),
        st.builds(
            lambda a, b, c: (f"if({a[0]} > {b[0]}, {b[0]}, {c[0]})", np.where(a[1] > b[1], b[1], c[1])),
            below,
            below,
            below,
        ),
        st.builds(
            lambda a, b: (f"max({a[0]}, {b[0]}, 1)", np.maximum(np.maximum(a[1], b[1]), 1)), below, below
        ),
        st.builds(rows, st.sampled_from(sorted(ROWS)), below),
    )


EXPRESSIONS = st.recursive(_leaves(), _grown, max_leaves=12)


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


@settings(max_examples=120, deadline=None, derandomize=True)
@given(EXPRESSIONS)
def test_values_are_those_of_numpy(made):
    text, value = made
    np.testing.assert_allclose(
        *np.broadcast_arrays(calculate(parse(text), VALUES, rows=4), value), rtol=1e-12
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(EXPRESSIONS, st.integers(0, 1000))
def test_slopes_are_those_of_differences_where_there_is_no_kink(made, seed):
    expression = parse(made[0])
    value = calculate(expression, VALUES, rows=4)
    if not np.isfinite(value).all() or abs(value).max() > 1e6:
        return
    rng = np.random.default_rng(seed)
    of = rng.normal(size=value.shape)
    told = gradient(expression, VALUES, of, {"p", "x", "z"}, rows=4)
    for name in ("p", "x", "z"):
        assert told[name].shape == VALUES[name].shape
        way = rng.normal(size=VALUES[name].shape)

        def along(step, name=name, way=way):
            moved = {**VALUES, name: VALUES[name] + step * way}
            return float((calculate(expression, moved, rows=4) * of).sum())

        up, here, down = along(1e-6), along(0), along(-1e-6)
        scale = 1 + abs(of * value).sum()
        if abs((up - here) - (here - down)) > 1e-8 * scale or not np.isfinite(up + down):
            continue  # A kink, or a slope that changes faster than can be seen in this way.
        np.testing.assert_allclose((told[name] * way).sum(), (up - down) / 2e-6, rtol=1e-3, atol=1e-3 * scale)


def test_a_sum_of_thousands_is_no_deeper_than_one_of_two():
    expression = parse("p" + "+p" * 4_900)
    np.testing.assert_allclose(calculate(expression, VALUES), 4_901 * VALUES["p"])
    np.testing.assert_allclose(gradient(expression, VALUES, np.ones((1, 1, 1)), {"p"})["p"], 4_901)
    assert len(parts(substituted(expression.tree, {"p": parse("x").tree}))) == 4_901  # One x.


def test_what_is_used_twice_is_one_object_and_computed_once():
    doubled = parse("a + a").tree
    tree = parse("a").tree
    for _ in range(60):  # 2^60 parts, were they not the same.
        tree = substituted(doubled, {"a": tree})
    assert len(parts(tree)) == 61
    assert isinstance(tree, Call)
    expression = type(parse("1"))("a * 2^60", tree)
    assert calculate(expression, {"a": np.ones((1, 1, 1))}).item() == 2.0**60
    assert gradient(expression, {"a": np.ones((1, 1, 1))}, np.ones((1, 1, 1)), {"a"})["a"].item() == 2.0**60


def test_functions_over_rows_have_conditions():
    values = {
        "price": np.array([1.0, 2, 3]).reshape(1, 3, 1),
        "region": np.array([0.0, 1, 1]).reshape(1, 3, 1),
    }
    levels = {"region": ("north", "south")}
    for text, found in {
        "mean(price | region == 'south')": 2.5,
        "sum(price | price > 1 and region != 'south')": 0,
        "count(region == 'south')": 2,
        "share(price >= 2)": 2 / 3,
        "largest(price | region == 'north')": 1,
        "sum(2)": 6,
    }.items():
        assert calculate(parse(text), values, levels, 3).item() == pytest.approx(found), text
    slope = gradient(
        parse("mean(price | region == 'south')"), values, np.ones((1, 1, 1)), {"price"}, levels, 3
    )
    np.testing.assert_allclose(slope["price"].ravel(), [0, 0.5, 0.5])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "something is missing"),
        ("1 +", "something is missing"),
        ("(1", "a ) is missing"),
        ("a b", "isn't expected here. In: a »b«"),
        ("__import__('os')", "no function '__import__'"),
        ("a[0]", "'[' isn't part"),
        ("lambda: 1", "':' isn't part"),
        ("1 < 2 < 3", "two comparisons in a row"),
        ("exp()", "takes 1 thing"),
        ("sigmiod(a)", "Did you mean sigmoid"),
        ("(" * 200 + "1" + ")" * 200, "nested more than"),
        ("1" * 20_000, "10,000 are the most"),
        ("a == 'x", "isn't part"),
    ],
)
def test_what_is_no_expression_points_at_why(text, said):
    with pytest.raises(UsageError) as fault:
        parse(text)
    assert said in str(fault.value)


def test_the_side_that_is_not_taken_has_no_slope_however_steep_it_is():
    values = {"p": np.array([0.0, 4.0]).reshape(2, 1, 1)}
    for text, found in {"if(p > 1, sqrt(p), p)": [1, 0.25], "sqrt(clip(p, 0, 3))": [0, 0]}.items():
        slope = gradient(parse(text), values, np.ones((1, 1, 1)), {"p"})["p"].ravel()
        np.testing.assert_allclose(slope, found)
