"""The report and the card of a table: what was found is told, and nothing in a cell or a name comes alive."""

from __future__ import annotations

import csv
import io
import re
import shutil
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from given import Given, dataset, people, two_classes
from tables import incomes, rentals, write_csv
from test_report import Checked
from test_report_browser import CHROMIUM, WIDTH_PROBE, chromium

import drivetrain as dt
from drivetrain.charts import columns as spread_of
from drivetrain.charts import rows as rows_chart
from drivetrain.charts import table_html
from drivetrain.cli.main import main
from drivetrain.data.show import overview
from drivetrain.files import formula_safe
from drivetrain.files import write_csv as write_safe_csv
from drivetrain.findings.report_content import card_content, report_content
from drivetrain.report.card import model_card
from drivetrain.report.page import report_html

LIVE = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3+cmd",
    "@SUM(A1)",
    "\t=1",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
]


def train(path: Path, target: str | list[str], **options: object) -> tuple[Path, str]:
    """The run of a table, and the card of its bundle."""
    data = dt.tabular.from_csv(path, target, **options)  # type: ignore[arg-type]
    data.check()
    learner = data.learner("linear", out=path.parent / f"run-{path.stem}", quiet=True)
    learner.fit(2)
    return learner.run, model_card(card_content(learner, f"{path.stem}.bundle", 9))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report-tables")


@pytest.fixture(scope="module")
def trained(folder: Path) -> tuple[Path, str]:
    return train(incomes(folder / "adult.csv", 700), "income")


@pytest.fixture(scope="module")
def adult(trained: tuple[Path, str]) -> Path:
    return trained[0]


@pytest.fixture(scope="module")
def bikes(folder: Path) -> Path:
    path = rentals(folder / "bikes.csv", 260)
    return train(path, "rented", log_target=True, split=dt.split.by_time("day", valid=0.3))[0]


def page_of(run: Path) -> Checked:
    return Checked((run / "report.html").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_classifier_of_a_table_has_its_sections(adult: Path) -> None:
    page = page_of(adult)
    assert page.sections == [
        "result", "training", "classes", "confusion", "mistakes", "calibration", "threshold", "where-it-is-worst",
        "what-it-relies-on", "data", "columns", "settings", "use-the-model",
    ]  # fmt: skip
    # Each column, its kind, how much is missing, and why it was left out.
    assert re.search(r"workclass category \d+\.\d % ", page.text)
    assert (
        "Left out column taken for missing why it is left out id identifier every value is different"
        in page.text
    )
    assert "income (target) category" in page.text
    assert re.search(r"[\d,]+ slices of at least 20 of the 140 rows were tried", page.text)
    assert "Each column was shuffled 5 times over 140 rows" in page.text
    assert "predict adult.csv.bundle ROWS.csv --out answers.csv" in page.text


@pytest.mark.slow
def test_settings_of_pictures_are_not_among_those_of_a_table(trained: tuple[Path, str]) -> None:
    page = (trained[0] / "report.html").read_text("utf-8")
    settings = page[page.index('class="settings"') :]
    assert "weight_decay" in settings
    for word in ("augmentation", "rotate", "zoom", "views"):
        assert f"<td>{word}" not in settings
        assert f"<h3>{word}" not in settings


@pytest.mark.slow
def test_a_number_has_its_predictions_and_range(bikes: Path) -> None:
    page = page_of(bikes)
    assert page.sections[:3] == ["result", "training", "predictions"]
    assert "shall hold the true number in 90 % of cases" in page.text
    assert re.search(r"Measured by halves, .* it held in \d+\.\d % \([\d.]+ to [\d.]+\) of them", page.text)
    alts = [attrs.get("alt") for tag, attrs in page.tags if tag == "img"]
    assert {"rented: predicted and true", "Errors", "What the model relies on"} <= set(alts)
    assert "mean absolute log error" in page.text or "none is worse than the rest" in page.text


@pytest.mark.slow
def test_several_targets_have_a_section_each(tmp_path: Path) -> None:
    run, card = train(incomes(tmp_path / "two.csv", 300), ["income", "age"])
    page = page_of(run)
    assert page.sections[:4] == ["result", "training", "target-1", "target-2"]
    assert "accuracy of income" in page.text
    assert "mean absolute error of age" in page.text
    assert {"income", "age"} <= set(page.texts)
    headings = " ".join(text for text in page.texts)
    assert "Confusion" in headings
    assert "Predictions" in headings
    assert "Out, `age`: a number" in card


@pytest.mark.slow
def test_the_card_names_what_is_left_out_and_the_command(trained: tuple[Path, str]) -> None:
    assert "- Columns left out: id" in trained[1]
    assert "rows.csv --out answers.csv" in trained[1]


def test_weak_slices_are_in_the_card() -> None:
    columns = people(2000)
    truth = np.random.default_rng(0).integers(0, 2, 2000)
    wrong = np.random.default_rng(1).random(2000) < np.where(np.array(columns["member"]) == 1, 0.4, 0.05)
    data = dataset({**columns, "label": [["no", "yes"][code] for code in truth]}, "label")
    said = np.where(wrong, 1 - truth, truth)
    learner = Given(data, lambda batch: {"label": two_classes(np.full(len(batch["member"]), 0.4))})
    learner._outputs["valid"] = {"label": two_classes(np.where(said[data.part("valid").rows] == 1, 0.9, 0.1))}
    card = model_card(card_content(learner, "a.bundle", 5))
    assert "- It does worse on rows with member = 1: error rate " in card
    content = report_content(learner)
    assert "Rows with member = 1: error rate" in Checked(report_html(content)).text


# Hostile cells and names.


def hostile_table(path: Path) -> Path:
    draw = np.random.default_rng(0)
    levels = [*LIVE, "plain"]
    rows = 320
    places = draw.integers(0, len(levels), rows)
    strange = [levels[place].strip() for place in places]
    return write_csv(path, {
        "=HYPERLINK(1)": draw.normal(size=rows).round(3).tolist(), "<script>alert(2)</script>".replace("/", ""): strange,
        "@words": [levels[place] for place in draw.integers(0, len(levels), rows)],
        "=target": [["=yes()", "-no+1"][place % 2] for place in places],
    })  # fmt: skip


class Cells(HTMLParser):
    """The texts of table cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("td", "th"):
            self.inside = True
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.cells[-1] += data


def is_live(cell: str) -> bool:
    begins = cell.lstrip(" ")[:1] in tuple("=+-@\t\r\n")
    return bool(cell) and begins and not re.fullmatch(r"[-+−]?[\d.,]+(e[-+]?\d+)?( %)?( \(.*\))?|-", cell)


@pytest.mark.slow
def test_nothing_in_a_report_a_card_or_a_csv_comes_alive(tmp_path: Path) -> None:
    path = hostile_table(tmp_path / "hostile.csv")
    run, card = train(path, "=target")
    page = (run / "report.html").read_text(encoding="utf-8")
    checked = Checked(page)
    assert not {tag for tag, _ in checked.tags} & {"script", "iframe", "object", "embed", "form"}
    assert not [name for _, attrs in checked.tags for name in attrs if name.startswith("on")]
    assert not [
        attrs["src"]
        for tag, attrs in checked.tags
        if tag == "img" and not attrs["src"].startswith("data:image/")
    ]
    found = Cells(page).cells
    assert any("=yes()" in cell for cell in found)
    assert not [cell for cell in found if is_live(cell)]
    shown = dt.tabular.from_csv(path, "=target").show(20)
    assert not [cell for cell in Cells(shown.to_html()).cells if is_live(cell)]
    assert "<script>alert" not in shown.to_html() + shown.to_svg()
    outside = re.sub(r"```.*?```|`[^`]*`", "", card, flags=re.DOTALL)
    assert not re.search(r"<\w", outside)


@pytest.mark.parametrize("cell", [*LIVE[:5], "\r=1", " =1", "＝1+1", "-a", "-1 (=a() to 2)"])
def test_a_cell_that_would_be_a_formula_gets_an_apostrophe(cell: str, tmp_path: Path) -> None:
    assert formula_safe(cell) == f"'{cell}"
    unseen = """<span style="font-size:0">'</span>"""
    assert f">{unseen}{escape(cell)}</td>" in table_html([[cell]], ["a"])
    assert f">{unseen}{escape(cell)}</th>" in table_html([["x"]], [cell])
    assert f">{unseen}" in rows_chart({cell: [cell, None]}, {"t": ["a", "b"]}).to_html()
    assert [found for found in Cells(table_html([["x", cell]], ["a", cell])).cells if is_live(found)] == []
    chart = rows_chart({cell: [cell, None]}, {"t": ["a", "b"]})
    assert [found for found in Cells(chart.to_html()).cells if is_live(found)] == []
    write_safe_csv(tmp_path / "a.csv", ["a", cell], [[cell, 1.5], [None, -2.0]])
    told = (tmp_path / "a.csv").read_bytes().decode()
    assert list(csv.reader(io.StringIO(told, newline=""))) == [
        ["a", f"'{cell}"],
        [f"'{cell}", "1.5"],
        ["", "-2.0"],
    ]


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "a",
        "-5",
        "+1.5e3",
        "-1,234.5",
        "-0.5 (-1.2 to 0.2)",
        "-3 % (-5\xa0to\xa0-1 %)",
        "5 %",
        "-",
        "1=1",
        "a@b.c",
    ],
)
def test_numbers_and_plain_texts_stay_as_they_are(cell: str) -> None:
    assert formula_safe(cell) == cell


# The chart of rows.


def test_rows_are_shown_as_the_model_gets_them_with_gaps_marked(folder: Path) -> None:
    data = dt.tabular.from_csv(incomes(folder / "shown.csv", 400), "income", valid=0.2)
    chart = data.show(30)
    svg, html = chart.to_svg(), chart.to_html()
    for name in ("income", "age", "workclass", "education", "capital-gain", "hours-per-week"):
        assert f">{name}<" in svg
        assert f">{name}<" in html
    assert "<i>missing</i>" in html
    assert ">id<" not in html
    # The target comes first, and stays.
    assert html.index(">income<") < html.index(">age<")
    assert data.show(30).to_svg() == svg != data.show(30, seed=1).to_svg()
    assert data.show(5, "valid").to_html().count("<tr>") == 6


def test_show_on_the_command_line_writes_the_rows_and_says_what_the_columns_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = incomes(tmp_path / "adult.csv", 200), tmp_path / "rows.png"
    assert main(["show", str(path), "--target", "income", "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    printed = " ".join(capsys.readouterr().out.split())
    assert "id identifier every value is different" in printed
    assert "age number numbers from 17 to" in printed


def test_how_columns_are_spread_is_drawn_above_the_rows_by_class(tmp_path: Path) -> None:
    data = dt.tabular.from_csv(incomes(tmp_path / "adult.csv", 200), "income")
    drawn = overview(data, 5, "train", 0).to_svg()
    alone = data.show(5)
    assert drawn.count("<path") > 2 * alone.to_svg().count("<path")
    assert overview(data, 5, "train", 0).size[1] > alone.size[1] + 2 * 150
    for name in data.signature.fields:  # Once above its spread, once above its rows.
        assert len(re.findall(f">{name}(, \\d+ % missing)?</text>", drawn)) == 2, name


def test_a_column_of_one_value_of_none_or_of_a_long_tail_is_drawn() -> None:
    values = {
        "one": np.full(50, 3.0),
        "none": np.full(50, np.nan),
        "tail": np.r_[np.arange(49.0), 1e9],
        "infinite": np.r_[np.arange(49.0), np.inf],
        "no level": [None] * 50,
        "many": [f"level {place}" for place in range(50)],
    }
    for classes in (None, ["a", "b"] * 25, [str(place) for place in range(50)]):
        assert "45 more" in spread_of(values, classes, "t").to_svg()
    assert "100 % missing" in spread_of(values).to_svg()
    assert "no columns" in spread_of({}).to_svg()


def test_an_unseen_level_is_told_with_what_the_model_takes_it_for(tmp_path: Path) -> None:
    columns = {
        "town": ["Ulm", "Bonn"] * 100,
        "x": [float(row % 13) + 0.5 for row in range(200)],
        "y": ["a", "b"] * 100,
    }
    columns["town"][3] = "Atlantis"
    data = dt.tabular.from_csv(write_csv(tmp_path / "towns.csv", columns), "y", valid=0.01)
    assert "Atlantis (other)" in data.show(250).to_html()


def test_of_a_wide_table_the_most_telling_columns_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    columns = {f"c{place:02}": draw.normal(size=200).round(4).tolist() for place in range(60)}
    columns["target"] = [round(10 * a + 5 * b, 3) for a, b in zip(columns["c41"], columns["c07"])]
    data = dt.tabular.from_csv(write_csv(tmp_path / "wide.csv", columns), "target")
    chart = data.show(4)
    heads = re.findall(r"<th[^>]*>([^<]*)</th>", chart.to_html())
    assert heads[:3] == ["target", "c41", "c07"]
    assert len(heads) == 15
    assert "and 46 more" in chart.to_html()
    assert chart.size[0] < 1600


def test_pictures_with_other_columns_have_them_as_captions() -> None:
    images = [np.full((16, 16), 40 * (row % 5), np.uint8) for row in range(60)]
    columns = {
        "picture": images,
        "width": [float(row) for row in range(60)],
        "level": [str(row % 5) for row in range(60)],
    }
    block = dt.DataBlock(
        inputs={"picture": dt.Image(size=16), "width": dt.Number()}, targets={"level": dt.Category()}
    )
    html = block.from_columns(columns).show(4).to_html()
    assert html.count("<img") == 4
    assert re.search(r"<figcaption>[0-4]<br>width: \d+</figcaption>", html)


# In a browser.


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [390, 900])
@pytest.mark.parametrize("which", ["adult", "bikes"])
def test_nothing_is_wider_than_the_window(
    which: str, width: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    shutil.copy(request.getfixturevalue(which) / "report.html", tmp_path / "report.html")
    probe = tmp_path / "probe.html"
    probe.write_text(WIDTH_PROBE.format(width=width))
    page = chromium(
        tmp_path, "--allow-file-access-from-files", "--window-size=1200,900", "--dump-dom", probe.as_uri()
    )
    assert f"wide={width}<" in page


@pytest.mark.parametrize(
    ("column", "counts"),
    [
        ([0.0, 1.0, 0.0], {"0": 2, "1": 1}),
        ([True, False, True], {"false": 1, "true": 2}),
        (["10", "9", " 9 "], {"9": 2, "10": 1}),
    ],
)
def test_classes_are_counted_by_the_names_that_they_have_elsewhere(
    column: list[object], counts: dict[str, int]
) -> None:
    block = dt.DataBlock(inputs={"x": dt.Number()}, targets={"y": dt.Category()}, split=dt.split.none())
    data = block.from_columns({"x": np.arange(3.0), "y": column})
    shares = two_classes(np.full(3, 0.5))
    (found,) = card_content(Given(data, lambda _: {"y": shares}), "a.bundle", 9)["data"]["counts"].values()
    assert list(found.items()) == list(counts.items())
    assert set(found) == set(data.signature.targets["y"].classes)
