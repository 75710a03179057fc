"""The picture of where a translator looked: every token stands at its row or column, and each row's most is ringed."""

from __future__ import annotations

import re

import numpy as np
import pytest

from drivetrain.charts import attention
from drivetrain.errors import DataError


def made(sources: int, targets: int) -> tuple[list[str], list[str], np.ndarray]:
    drawn = np.random.default_rng(0).random((targets, sources)) + 1e-9
    return (
        [f"s{i}" for i in range(sources)],
        [f"t{i}" for i in range(targets)],
        drawn / drawn.sum(1, keepdims=True),
    )


def test_20_by_20_tokens_can_be_read() -> None:
    chart = attention(*made(20, 20))
    told = chart.to_svg()
    assert {f"s{i}" for i in range(20)} | {f"t{i}" for i in range(20)} <= set(
        re.findall(r">([st]\d+)<", told)
    )
    sizes = [float(size) for size in re.findall(r"font(?:-size)?: ([\d.]+)px", told)]
    assert min(sizes) >= 9
    assert chart.size[0] < 700


def test_dark_and_png_and_a_narrow_window() -> None:
    chart = attention(*made(8, 6))
    assert chart.to_png()[:4] == b"\x89PNG"
    assert "#161b22" in chart.to_svg(dark=True)
    assert attention(*made(12, 6)).narrow is not None
    assert attention(*made(20, 6)).narrow is None  # Its cells would be too small: it scrolls.


def test_tokens_of_space_long_ones_many_and_none() -> None:
    told = attention([" ", "a" * 60, "$x$", "\u200f\u0634"], ["<b>", "&"], np.full((2, 4), 0.25)).to_svg()
    assert "\u2423" in told
    assert "a" * 13 + "…" in told
    assert attention(*made(300, 200)).size[0] < 1300
    assert "no tokens" in attention([], [], np.zeros((0, 0))).to_svg()


@pytest.mark.parametrize(
    "weights", [np.ones((3, 2)), np.full((2, 3), np.nan), np.full((2, 3), 2.0), np.full((2, 3), -1.0)]
)
def test_what_are_no_weights(weights: np.ndarray) -> None:
    with pytest.raises(DataError, match="weights of"):
        attention(["a", "b", "c"], ["x", "y"], weights)
