"""Charts of evidence, of what dt.evidence found: drawn in each case that there is, and safe with any text."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import numpy as np
import pytest

from drivetrain import evidence
from drivetrain.charts import evidence as charts
from drivetrain.charts.chart import Chart, recoloured

HOSTILE = '"><script>alert("$a_b$")</script>'
WAVE = np.sin(np.arange(30.0))
UNKNOWN = {"value": 0.1, "low": None, "high": None}

DRAWN: dict[str, tuple[Callable[[], Chart], str]] = {
    "a null": (
        lambda: charts.null(evidence.permutation_test(WAVE, np.arange(30), times=300, what=HOSTILE).to_json()),
        "of 300 cases in which there is nothing",
    ),
    "an exact null of one tail": (
        lambda: charts.null(evidence.permutation_test([1, 2, 3, 9], [0, 0, 1, 1], tail="above").to_json()),
        "observed 4.5, p 0.17",
    ),
    "effects": (
        lambda: charts.estimates(
            {"a": {"value": 0.3, "low": 0.2, "high": 0.4}, HOSTILE: UNKNOWN}, matters=0.1, measure="gain"
        ),
        "shaded: below 0.1, too small to matter",
    ),
    "no effects": (lambda: charts.estimates({}), "no effects"),
    "priors": (
        lambda: charts.priors(evidence.prior_sensitivity(0.5, 0.2, {"flat": (0, 1e6), HOSTILE: (0, 0.1)}).to_json()),
        "flat: 99.4 %",
    ),
    "when acting pays": (
        lambda: charts.action(evidence.weigh_action(0.3, evidence.Table(90, -10), 4, unit="EUR").to_json()),
        "worth the same at 10.0 %",
    ),
    "acting that always pays": (
        lambda: charts.action(evidence.weigh_action(0.3, evidence.Table(9, 1)).to_json()), "now 30.0 %",
    ),
    "an experiment's worth": (
        lambda: charts.worth(evidence.worth_it(-1, 2, 4, scale=100, cost=2, cost_each=0.5, most=999).to_json()),
        "best: n = 14, which leaves 22.4",
    ),
    "no experiment": (
        lambda: charts.worth(evidence.worth_it(5, 1, 4, scale=1, cost=2).to_json()), "no size is worth its cost",
    ),
    "a running interval": (
        lambda: charts.running(evidence.running_mean(np.tile([1.0, 3.0], 200), tightest=100).to_json()),
        "0 left out at 30",
    ),
    "no running interval yet": (
        lambda: charts.running(evidence.running_mean(WAVE[:9], tightest=100).to_json()), "9 observations are too few",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
def test_each_case_is_drawn(name: str) -> None:
    made, told = DRAWN[name]
    chart = made()
    svg = chart.to_svg(narrow=True)
    found = [
        "".join(node.itertext())
        for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert any(told in text for text in found), found
    assert "<script" not in svg


def test_a_recoloured_drawing_has_no_colour_of_the_light_one() -> None:
    for name in ("a null", "when acting pays"):
        dark = recoloured(DRAWN[name][0]().to_svg())
        assert "#ffffff" not in dark
        assert "#1c2430" not in dark
