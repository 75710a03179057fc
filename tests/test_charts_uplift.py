"""Charts of whom to treat: what they say, for light and dark, wide and narrow, with nothing and with hostile names."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pytest

from drivetrain.charts.chart import Chart
from drivetrain.charts.uplift import effect_groups, qini_curve
from drivetrain.effects.uplift.curve import qini

HOSTILE = '"><script>alert("$a_b$")</script>'


def curve(**options: Any) -> dict[str, Any]:
    made = np.random.default_rng(0)
    x, w = made.normal(size=400), (np.arange(400) % 2) * 1.0
    return qini(options.pop("score", x), w, w * x + made.normal(size=400), **options).to_json()


def group(low: float | None = -0.1) -> dict[str, Any]:
    return {
        "share": 0.5,
        "predicted": 0.1,
        "effect": {"value": 0.05, "low": low, "high": None if low is None else 0.2},
    }


CHARTS: dict[str, Any] = {
    "a curve": lambda: qini_curve(curve(), "sales"),
    "no interval": lambda: qini_curve(curve(cluster=np.arange(400) % 3), HOSTILE),
    "one step": lambda: qini_curve(curve(score=np.zeros(400))),
    "groups": lambda: effect_groups([group()] * 5, HOSTILE, 0.04),
    "one group without interval": lambda: effect_groups([group(None)]),
    "no groups": lambda: effect_groups([]),
}


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_drawn_and_says_what_it_shows(name: str) -> None:
    chart: Chart = CHARTS[name]()
    for narrow in (False, True):
        root = ElementTree.fromstring(chart.to_svg(narrow=narrow))
        said = " | ".join("".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text"))
        expected = (
            "no groups"
            if name == "no groups"
            else "predicted effect"
            if "group" in name
            else "of the rows are treated"
        )
        assert expected in said
    assert chart.to_svg() == CHARTS[name]().to_svg()


def test_what_pays_is_marked() -> None:
    assert "pays from 0.04 on" in effect_groups([group()] * 5, "sales", 0.04).to_svg()
    assert "pays" not in effect_groups([group()] * 5, "sales").to_svg()
