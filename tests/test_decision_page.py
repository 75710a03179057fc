"""The page of a decision and its charts: all parts are there, what is missing is left out, and no word says more than is known."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from decisions import decision, estimate
from test_report_browser import CHROMIUM, WIDTH_PROBE, chromium

from drivetrain.charts import Chart
from drivetrain.charts import decision as charts
from drivetrain.charts.claims import _steps, claims
from drivetrain.decide.judge import words
from drivetrain.report.decision import SECTIONS, decision_html, write_decision


@pytest.fixture(scope="module")
def page() -> str:
    return decision_html(decision())


def text_of(page: str) -> str:
    return re.sub(r"<style>.*?</style>|<[^>]+>", " ", page)


def test_the_page_has_every_section_once_and_runs_nothing(page: str) -> None:
    titles = re.findall("<h2>(.*?)</h2>", page)
    assert titles == [title for title, _ in SECTIONS]
    assert "default-src 'none'" in page
    assert not re.search(r"<script|https?://|<link", page)


def test_the_page_says_what_is_known_and_not_more(page: str) -> None:
    text = text_of(page)
    for told in ("test first", "extrapolates", "simulated data", "538 EUR (412 to 664)", "531 EUR (407 to 655)", "71.25 EUR",
                 "changes for 120 of 200 rows", "age &lt;= 40: on", "randomised: the lever was set by chance",
                 "a hidden cause of 12 %", "0123456789abcdef", "It is a proof."):  # fmt: skip
        assert told in text, told
    assert "optimal" not in text


def test_optimal_is_said_where_the_decision_says_it() -> None:
    sure = decision(
        verdict={"word": "act", "optimal": True, "words": "", "because": []}, extrapolates=[], simulated=False
    )
    text = text_of(decision_html({**sure, "charts": {}}))
    assert "optimal" in text
    assert "extrapolates" not in text
    assert "simulated" not in text


def test_a_search_proves_nothing_and_says_so() -> None:
    found = decision_html(
        {
            "certificate": {
                "kind": "search",
                "value": 0.1,
                "proves": False,
                "words": "the best of 60 looked at",
            }
        }
    )
    assert "It is no proof" in found


@pytest.mark.parametrize("missing", [*decision()])
def test_any_part_may_be_missing(missing: str) -> None:
    whole = decision(charts={}, rests_on={}, could_turn={}, result={})  # Charts are drawn elsewhere.
    assert "</html>" in decision_html({name: part for name, part in whole.items() if name != missing})
    assert "</html>" in decision_html({**whole, missing: None})


def test_what_a_plan_is_called_cannot_write_the_page() -> None:
    evil = "<script>alert(1)</script>"
    found = decision_html(
        decision(
            name=evil, words=evil, notes=[evil], levers=[{**decision()["levers"][0], "name": evil}], charts={}
        )
    )
    assert evil not in found
    assert "&lt;script&gt;" in found


def test_what_came_back_stands_first() -> None:
    held = {"words": "Fewer bought than promised.", "verdict": "worse than promised", "rows": 150, "promised": [
        {"name": "buys", "promised": estimate(0.5, 0.05), "came": estimate(0.41, 0.04), "inside": False}]}  # fmt: skip
    found = decision_html(decision(charts={}), held)
    assert found.index("What came back</h2>") < found.index("What to do</h2>")
    assert "0.500 (0.450 to 0.550)" in found
    assert "outside" in text_of(found)


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    path = write_decision(tmp_path / "page.html", {"name": "nothing"})
    assert path.read_text(encoding="utf-8").endswith("</html>\n")


WHOLE = decision()
DRAWINGS: dict[str, Callable[[], Chart]] = {
    "curve": lambda: charts.curve(WHOLE["levers"][0], WHOLE["charts"]["curves"][0], "profit"),
    "curve of choices": lambda: charts.curve(
        {"name": "way", "now": "mail", "proposed": "phone"}, {"x": ["mail", "phone"], "mean": [3, 5], "low": None}, "profit"
    ),
    "curve of a switch": lambda: charts.curve(
        {"name": "on", "now": False, "proposed": True}, {"x": [False, True], "mean": [3, 5], "high": [4, 6]}, "profit"
    ),
    "curve of one point": lambda: charts.curve({"name": "x", "now": 1.0, "proposed": 1.0}, {"x": [1.0], "mean": [2.0]}, "profit"),
    "curve with holes": lambda: charts.curve({"name": "x"}, {"x": [1.0, 2.0, 3.0], "mean": [None, 2.0, 3.0]}, "profit"),
    "surface": lambda: charts.surface(
        {**WHOLE["charts"]["surface"], "holds": [[x < 9 for x in range(13)] for _ in range(11)]},
        {lever["name"]: lever for lever in WHOLE["levers"]}, "profit",
    ),
    "flat surface": lambda: charts.surface(
        {"x": {"lever": "a", "values": [0, 1]}, "y": {"lever": "b", "values": [0, 1]}, "value": [[1, 1], [1, 1]]}, {}, "profit"
    ),
    "promise": lambda: charts.promise(words.promise_rows(WHOLE), "profit"),
    "tornado": lambda: charts.tornado(WHOLE["could_turn"]["tornado"], 538.0, "gain"),
    "front of three": lambda: charts.front({"names": ["a", "b", "c"], "points": [{"values": [1, 2, 3]}, {"values": [2, 1, 4]}]}),
    "spread": lambda: charts.spread({"name": "price", "spread": {"edges": [0, 1, 2], "now": None, "proposed": [3, 4]}}),
    "claims": lambda: claims(WHOLE["rests_on"], ["price", "bonus", "letter"]),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWINGS)
def test_each_chart_is_drawn_wide_and_narrow(name: str) -> None:
    chart = DRAWINGS[name]()
    assert "<svg" in chart.to_svg()
    assert "<svg" in chart.to_svg(narrow=True, dark=True)


def test_what_was_never_observed_is_said_in_the_picture() -> None:
    assert "observed" in DRAWINGS["curve"]().to_svg()
    assert "never" in DRAWINGS["curve"]().to_svg()


def test_what_turns_the_sign_is_said_without_colour() -> None:
    drawn = DRAWINGS["tornado"]().to_svg()
    assert "slope: turns it" in drawn
    assert "age: turns it" not in drawn


def test_a_graph_of_claims_goes_from_the_levers_to_the_objective() -> None:
    arrows = [
        {"from": one, "to": other} for one, other in (("a", "b"), ("b", "c"), ("a", "c"), ("late", "c"))
    ]
    assert _steps(["a", "b", "c", "late"], arrows) == {"a": 0, "b": 1, "c": 2, "late": 1}


def test_of_a_large_plan_what_the_levers_move_is_drawn() -> None:
    given = [{"from": f"column {number}", "to": "profit", "claim": "definition"} for number in range(60)]
    own = [
        {"from": "price", "to": "profit", "claim": "assumed"},
        {"from": "profit", "to": "objective", "claim": "definition"},
    ]
    found = {"nodes": [{"name": "profit", "moved": True}], "arrows": [*given, *own]}
    drawn = claims(found, ["price"]).to_svg()
    assert "profit" in drawn
    assert "column 1" not in drawn


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [(35.671433, "EUR", "35.6714 EUR"), (-2.0, "", "\N{MINUS SIGN}2"), (True, "", "on"), ("north", "EUR", "north"),
     (None, "EUR", "-"),
     (float("nan"), "", "-"), (1234567.0, "EUR", "1,234,567 EUR")],
)  # fmt: skip
def test_values_as_a_person_reads_them(value: Any, unit: str, told: str) -> None:
    assert words.value_text(value, unit) == told


def test_a_lever_for_each_row_says_how_many_change() -> None:
    rows = {row[0]: row for row in words.lever_rows(WHOLE)}
    assert rows["price"][1:] == ["30 EUR", "40 EUR", "20 to 80, in steps of 0.5", "22 to 38 (144 rows)"]
    assert rows["letter"][1:3] == ["mostly off", "mostly on; changes for 120 of 200 rows"]
    assert rows["bonus"][2] == "6 % (as now)"


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [360, 1000])
def test_nothing_is_wider_than_the_window(page: str, width: int, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(page)
    probe = tmp_path / "probe.html"
    probe.write_text(WIDTH_PROBE.format(width=width))
    told = chromium(
        tmp_path, "--window-size=1200,900", "--allow-file-access-from-files", "--dump-dom", probe.as_uri()
    )
    assert f"wide={width}<" in told


def test_what_a_model_says_is_not_called_certain() -> None:
    found = {**decision(), "could_turn": {}}
    assert "as good as its formulas" in text_of(decision_html(found))
    nodes = [
        {
            "name": "default",
            "kind": "bundle",
            "inputs": ["limit"],
            "moved": True,
            "claim": {"kind": "assumed"},
        }
    ]
    trusting = text_of(decision_html({**found, "rests_on": {**found["rests_on"], "nodes": nodes}}))
    assert "as good as its formulas" not in trusting
    assert "what default says is taken as it is" in trusting
