"""What is said to lie between bounds does, for expressions made at random and settings drawn at random."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.decide.expressions.calculate import calculate
from drivetrain.decide.expressions.expression import parse
from drivetrain.decide.expressions.interval import NoBounds, fixed, lever, spans, tightened

ONE = [
    "exp",
    "log",
    "log1p",
    "sqrt",
    "abs",
    "sigmoid",
    "tanh",
    "normal_cdf",
    "floor",
    "ceil",
    "round",
    "not",
    "-",
]
TWO = ["+", "-", "*", "/", "min", "max", "<", "<=", ">", ">=", "==", "!=", "and", "or"]
ROWS = ["sum", "mean", "smallest", "largest", "share"]


@st.composite
def expressions(draw, depth=4):
    kind = (
        draw(st.sampled_from(["leaf", "one", "two", "two", "two", "power", "if", "clip", "rows"]))
        if depth
        else "leaf"
    )
    part = expressions(depth - 1) if depth else None
    if kind == "leaf":
        return draw(st.sampled_from(["x", "x", "y", "c", "2", "0.3", "1.7"]))
    if kind == "one":
        return f"{draw(st.sampled_from(ONE))}({draw(part)})"
    if kind == "power":
        return f"({draw(part)}) ^ {draw(st.sampled_from(['2', '3', '(-1)', '(-2)', '0.5', '1.5', '(-0.5)', 'x']))}"
    if kind == "if":
        return f"if({draw(part)}, {draw(part)}, {draw(part)})"
    if kind == "clip":
        return f"clip({draw(part)}, -1, 2)"
    if kind == "rows":
        return f"{draw(st.sampled_from(ROWS))}({draw(part)}{draw(st.sampled_from(['', ' | c > 0']))})"
    name = draw(st.sampled_from(TWO))
    left, right = draw(part), draw(part)
    return (
        f"{name}({left}, {right})"
        if name.isalpha() and name not in ("and", "or")
        else f"(({left}) {name} ({right}))"
    )


COLUMN = np.array([-1.2, 0.0, 0.7, 2.0]).reshape(1, 4, 1)


def box(low, width):
    ends = np.array(low), np.array(low) + np.array(width)
    made = {
        name: lever(*(end[at].reshape(1, 1, 1) for end in ends), np.eye(2)[at].reshape(2, 1, 1, 1))
        for at, name in enumerate("xy")
    }
    return made | {"c": fixed(COLUMN)}, ends


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    text=expressions(), low=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    width=st.tuples(st.floats(0, 2), st.floats(0, 2)), seed=st.integers(0, 9),
)  # fmt: skip
def test_values_lie_within_their_span(text, low, width, seed):
    expression = parse(text)
    given, (least, most) = box(low, width)
    try:
        span = spans(expression, given, {}, 4)
    except NoBounds:
        return
    x = least + np.random.default_rng(seed).random((40, 2)) * (most - least)
    x[:2] = least, most

    def values(x):
        return calculate(expression, {"x": x[:, :1, None], "y": x[:, 1:, None], "c": COLUMN}, {})

    found = values(x)
    defined = np.isfinite(found)
    found = np.where(defined, found, 0.0)
    slack = 1e-9 * (1 + abs(found))
    tight = tightened(span, values((least + most)[None] / 2), ((most - least) / 2).reshape(2, 1, 1, 1))
    for each in (span, tight):
        low_, high = np.broadcast_to(each.low, found.shape), np.broadcast_to(each.high, found.shape)
        assert not (defined & ((found < low_ - slack) | (found > high + slack))).any(), text


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("x * (2 - x)", 0, 4),
        ("x ^ 2", 0, 4),
        ("sigmoid(x)", 0.5, 0.8807970779778823),
        ("if(x > 5, 1, 2)", 2, 2),
    ],
)
def test_spans_are_as_narrow_as_they_can_be_said(text, low, high):
    found = spans(parse(text), box((0, 0), (2, 0))[0], {}, 4)
    assert (found.low.min(), found.high.max()) == (pytest.approx(low), pytest.approx(high))


def test_a_narrow_box_is_known_to_the_square_of_its_width():
    expression, width = parse("(x - 1) * sigmoid(3 - x)"), 1e-3
    given, (least, most) = box((1.9, 0), (width, 0))
    middle = calculate(expression, {"x": np.full((1, 1, 1), 1.9 + width / 2)}, {})
    span = tightened(spans(expression, given, {}, 1), middle, ((most - least) / 2).reshape(2, 1, 1, 1))
    x = np.linspace(1.9, 1.9 + width, 101).reshape(-1, 1, 1)
    values = calculate(expression, {"x": x}, {})
    assert float(span.high.max() - values.max()) < 2 * width**2
    assert float(values.min() - span.low.min()) < 2 * width**2
