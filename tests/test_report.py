"""The report page stands alone, escapes what comes from the data and says no more than the numbers; so does the card."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain import charts, metrics
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.image import Image
from drivetrain.codecs.number import Number
from drivetrain.errors import FileError
from drivetrain.report import words
from drivetrain.report.card import model_card
from drivetrain.report.page import report_html, write_report

HOSTILE = '<script>alert("x")</script>'
VOID = {"meta", "img", "source", "br"}


def estimate(value: float | None, low: float | None, high: float | None, n: int = 360) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "method": "Wilson score, 95 %", "n": n}


def measured() -> tuple[Category, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(300, 3)) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    codes = np.array([generator.choice(3, p=row) for row in probabilities], np.int64)
    return Category(classes=("ants", "bees", HOSTILE)), probabilities.astype(np.float32), codes


def full(text: str = HOSTILE) -> dict[str, Any]:
    """Everything that a page can hold, with `text` wherever a name or a sentence of the user's may be."""
    codec, outputs, codes = measured()
    classes = metrics.per_class(codec, outputs, codes)
    found = {name: e.to_json() for name, e in metrics.measure(codec, outputs, codes).items()}
    pictures = charts.pictures([np.zeros((8, 8), np.uint8)], [text], [False], title=text)
    return {
        "name": text, "task": text, "model": text, "created": text, "things": text,
        "metrics": {"valid": found}, "baselines": {text: {"accuracy": estimate(0.4, 0.3, 0.5)}}, "notes": [text],
        "history": [{"epoch": e, "train_loss": 1 / e, "valid_loss": 1 / e, "train_error": 0.1, "valid_error": 0.1} for e in (1, 2)],
        "per_class": {name: {k: e.to_json() for k, e in values.items()} for name, values in classes.items()},
        "confusion": {"matrix": metrics.confusion_matrix(codec, outputs, codes), "classes": list(codec.classes)},
        "calibration": metrics.reliability(codec, outputs, codes),
        "mistakes": pictures,
        "data": {
            "source": text, "layout": text, "split": {text: text}, "note": text, "left_out": 2, "pictures": pictures,
            "counts": {"train": {"ants": 20, text: 7}, "valid": {"ants": 5, text: 3}},
            "faults": [{"kind": text, "severity": text, "message": text, "where": [text] * 7, "fix": text}],
        },
        "settings": {text: text, "rate": 0.001, "group": {text: [1, text], "frozen": True}},
        "use": [(text, text)], "versions": {text: text},
        "file": text, "cases": 31, "seed": 0, "limits": [text],
        "signature": Signature({"image": Image(size=(28, 28), channels=1)}, {"label": codec}).to_json(),
    }  # fmt: skip


class Checked(HTMLParser):
    """The elements and texts of a page; a tag that is closed out of order is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def sections(self) -> list[str | None]:
        return [attrs["id"] for tag, attrs in self.tags if tag == "section"]


@pytest.fixture(scope="module")
def page() -> Checked:
    return Checked(report_html(full()))


def test_the_page_needs_nothing_but_itself(page: Checked) -> None:
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "form"}
    for _, attrs in page.tags:
        for name, value in attrs.items():
            assert not name.startswith("on")
            if name in ("src", "srcset", "href"):
                assert re.match(r"data:image/(svg\+xml|png|jpeg);base64,|#", value or "")
    assert "url(" not in "".join(page.texts)
    assert "@import" not in "".join(page.texts)
    assert any(attrs.get("http-equiv") == "Content-Security-Policy" for _, attrs in page.tags)


def test_each_section_has_its_place_and_its_link(page: Checked) -> None:
    expected = [
        "result",
        "training",
        "classes",
        "confusion",
        "mistakes",
        "calibration",
        "data",
        "settings",
    ]
    expected.append("use-the-model")
    assert page.sections == expected
    assert [attrs["href"] for tag, attrs in page.tags if tag == "a"] == [f"#{name}" for name in expected]


def test_what_comes_from_the_data_is_shown_and_not_obeyed(page: Checked) -> None:
    # 2 for the name (title and heading), 3 above it, note, baseline, class, 3 captions, 5 + 7 + ... of the data, ...
    assert page.text.count(HOSTILE) >= 30
    alts = [attrs["alt"] for tag, attrs in page.tags if tag == "img" and "alt" in attrs]
    assert HOSTILE in alts


def test_dark_narrow_and_print_are_provided_for(page: Checked) -> None:
    style = "".join(page.texts)
    for query in ("@media (prefers-color-scheme:dark)", "@media (max-width:520px)", "@media print{:root"):
        assert query in style
    media = {attrs.get("media") for tag, attrs in page.tags if tag == "source"}
    assert "(prefers-color-scheme: dark)" in media
    assert "(max-width: 520px)" in media
    assert any(attrs.get("name") == "viewport" for _, attrs in page.tags)


@pytest.mark.parametrize(
    ("key", "section"),
    [("metrics", "result"), ("history", "training"), ("per_class", "classes"), ("confusion", "confusion"), ("mistakes", "mistakes"),
     ("calibration", "calibration"), ("data", "data"), ("settings", "settings"), ("use", "use-the-model")],
)  # fmt: skip
def test_a_section_without_content_is_left_out(key: str, section: str) -> None:
    content = {
        "metrics": {"valid": {"accuracy": estimate(0.9, 0.8, 0.95)}},
        "settings": {"seed": 0},
        **{key: None},
    }
    assert section not in Checked(report_html(content)).sections
    assert section in Checked(report_html({key: full("x")[key]})).sections


def test_an_empty_report_is_a_page() -> None:
    assert Checked(report_html({})).sections == []


def test_numbers_have_no_percentages_and_a_test_set_comes_first() -> None:
    error = {"mean_absolute_error": {**estimate(12.34, 11, 13.5), "method": "bootstrap"}}
    other = {"mean_absolute_error": estimate(10, 9, 11)}
    content = {
        "metrics": {"valid": other, "test": error},
        "baselines": {"mean": {"mean_absolute_error": estimate(30, 28, 32)}},
    }
    found = Checked(report_html(content))
    assert "Off by 12.34 on average over 360 test rows" in found.text
    assert "Interval: 11 to 13.5 (bootstrap)" in found.text
    assert "better than the best baseline: mean reaches 30 (28 to 32)" in found.text


def test_the_long_name_of_a_class_leaves_room_for_its_figures() -> None:
    page = report_html(full("W" * 120) | {"per_class": {"W" * 120: {}}})
    assert f'title="{"W" * 120}">{"W" * 39}…</td>' in page


def test_mistakes_may_be_a_table() -> None:
    found = Checked(report_html({"mistakes": [{"origin": "a.csv, row 3", "true": "<a>", "loss": 2.5}]}))
    assert "a.csv, row 3 <a> 2.5" in found.text


def test_whose_history_it_is_is_told() -> None:
    rows = [{"epoch": e, "train_loss": 1 / e, "valid_loss": 1 / e} for e in (1, 2)]
    found = Checked(
        report_html({"history": rows, "history_of": "network, 5 epochs, which has no say in the answers"})
    )
    assert "Of network, 5 epochs, which has no say in the answers. Grey: train." in found.text


def test_faults_name_the_first_places_and_none_is_said() -> None:
    fault = {
        "severity": "error",
        "message": "7 files can't be read.",
        "where": [f"f{i}" for i in range(7)],
        "fix": "Replace them.",
    }
    found = Checked(report_html({"data": {"source": "x", "faults": [fault]}}))
    assert "7 files can't be read. f0 f1 f2 f3 f4 and 2 more Replace them." in found.text
    assert "Faults found None." in Checked(report_html({"data": {"source": "x", "faults": []}})).text
    assert "Faults" not in Checked(report_html({"data": {"source": "x", "faults": None}})).text


def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = write_report(tmp_path / "report.html", {"name": "a"})
    assert path.read_text(encoding="utf-8") == report_html({"name": "a"})
    with pytest.raises(FileError):
        write_report(path / "below", {"name": "a"})
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


BASELINES = {
    "majority": {"accuracy": estimate(0.5, 0.45, 0.55)},
    "linear": {"accuracy": estimate(0.9, 0.87, 0.93)},
}


@pytest.mark.parametrize(
    ("ours", "says"),
    [
        (estimate(0.97, 0.95, 0.99), "better than the best baseline: linear reaches 90.0 % (87.0 to 93.0)"),
        (estimate(0.93, 0.91, 0.95), "The intervals overlap"),
        (estimate(0.9, 0.87, 0.93), "not better than a simple baseline"),
        (estimate(0.8, 0.7, 0.85), "not better than a simple baseline"),
        (estimate(0.95, None, None), "The best baseline, linear, reaches"),
    ],
)
def test_the_comparison_claims_no_more_than_the_intervals_allow(ours: dict[str, Any], says: str) -> None:
    assert says in words.comparison("accuracy", ours, BASELINES)


def test_for_a_loss_lower_is_better() -> None:
    rivals = {"mean": {"log_loss": estimate(2.0, 1.9, 2.1)}, "linear": {"log_loss": estimate(0.5, 0.4, 0.6)}}
    assert words.best_baseline("log_loss", rivals) == "linear"
    assert "better than the best" in words.comparison("log_loss", estimate(0.2, 0.1, 0.3), rivals)
    assert "not better" in words.comparison("log_loss", estimate(0.7, 0.6, 0.8), rivals)


def test_the_card_has_all_that_was_asked_of_it() -> None:
    content = {
        **full("plain"),
        "metrics": {
            "valid": {"accuracy": estimate(0.95, 0.93, 0.97), "calibration_error": estimate(0.02, 0.01, 0.03)}
        },
        "name": "digits",
        "file": "digits.bundle",
        "things": "pictures",
        "versions": {"python": "3.11", "torch": "2"},
    }
    card = model_card(content)
    for piece in (
        "# digits",
        "**95.0 % of 360 validation pictures are classified right** (95 % interval: 93.0 to 97.0 %)",
        "| accuracy | validation | this model | 95.0 % (93.0 to 97.0) | 360 |",
        "| accuracy | validation | plain | 40.0 % (30.0 to 50.0) | 360 |",
        "Wilson score, 95 %: accuracy",
        "- Not measured on a test set.",
        "- The smallest class in training is plain, with 7 of 27.",
        "- Its probabilities are off by 2.0 % (1.0 to 3.0) on average",
        "- It always answers with one of its classes",
        "- Rows: 27 training, 8 validation",
        "To 28 x 28 pixels (height x width): its largest centred part",
        "a probability for each of 3 classes: ants, bees, ",
        "31 golden cases",
        "Drivetrain without its `train` extra is enough: no torch is needed.",
        'predictor = dt.Predictor("digits.bundle")',
        "drivetrain predict digits.bundle photo.jpg --json",
        "- Versions: python 3.11, torch 2",
        "- Seed: 0",
    ):
        assert piece in card
    python = re.search(r"```python\n(.*?)\n```", card, re.DOTALL)
    assert python
    compile(python[1], "card", "exec")
    assert len(python[1].splitlines()) == 3


def test_the_card_says_when_it_was_measured_on_the_training_rows_or_on_a_test_set() -> None:
    accuracy = {"accuracy": estimate(0.9, 0.8, 0.95)}
    assert "on the training rows themselves" in model_card({"metrics": {"train": accuracy}})
    tested = model_card({"metrics": {"valid": accuracy, "test": accuracy}})
    assert "Not measured on a test set" not in tested
    assert "360 test rows" in tested


def test_what_is_missing_leaves_no_trace_in_the_card() -> None:
    card = model_card({})
    assert "None" not in card
    assert "## Result" not in card
    assert "drivetrain.Predictor" in card or "dt.Predictor" in card


def test_markdown_and_html_in_names_mean_nothing_in_the_card() -> None:
    content = full("<img src=x> | *a* `b` [c](d)\n# e")
    card = model_card(content)
    outside = re.sub(r"```.*?```", "", card, flags=re.DOTALL)
    assert not re.search(r"<\w", outside)
    assert "\n# e" not in card
    rows = [line for line in outside.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {6}
    assert r"\*a\* \`b\` \[c\](d)" in card


def test_a_file_name_can_not_leave_its_quotes() -> None:
    card = model_card({"file": "a \"b'; rm -rf $HOME"})
    assert 'dt.Predictor("a \\"b\'; rm -rf $HOME")' in card
    assert "drivetrain verify 'a \"b'\\''; rm -rf $HOME'" in card


def test_numbers_and_other_columns_are_put_in_words() -> None:
    number = Number(center=1.0, spread=2.0)
    signature = Signature({"rooms": number, "town": Category(classes=("a", "b"))}, {"price": number})
    card = model_card({"signature": signature.to_json()})
    assert "- In, `rooms`: a finite number" in card
    assert "- In, `town`: one of 2 classes: a, b." in card
    assert "- Out, `price`: a number, in the units of the training data." in card
    assert 'predictor.predict({"rooms": ..., "town": ...})' in card
    assert "always answers with one of its classes" not in card
