"""Charts: readable, deterministic, in light and dark, and safe with any text from the data."""

from __future__ import annotations

import io
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drivetrain import charts
from drivetrain.charts.chart import DARK, LIGHT, Chart, apart, recoloured
from drivetrain.charts.importance import importance
from drivetrain.charts.regression import errors, predictions
from drivetrain.charts.results import _cell_colour, _luminance, _readable
from drivetrain.charts.slices import slices
from drivetrain.charts.thresholds import thresholds
from drivetrain.charts.tuning import trials
from drivetrain.codecs.category import Category
from drivetrain.errors import DataError, DrivetrainError, FileError, UsageError
from drivetrain.figures import percent, plain
from drivetrain.metrics import measure, reliability
from drivetrain.metrics.overfitting import worsened

HOSTILE = '"><script>alert("$a_b$")</script>'


def history(
    valid_error: list[float | None], train_error: list[float] | None = None
) -> list[dict[str, object]]:
    train = train_error or [0.5 / (i + 1) for i in range(len(valid_error))]
    rows: list[dict[str, object]] = []
    for i, (t, v) in enumerate(zip(train, valid_error)):
        losses = {"train_loss": 2 * t, "valid_loss": None if v is None else 2 * v}
        rows.append({"epoch": i + 1, "phase": 1 + (i > 1), **losses, "train_error": t, "valid_error": v})
    return rows


def classifier() -> tuple[Category, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(200, 3)) * 2
    codes = np.array([generator.choice(3, p=np.exp(row) / np.exp(row).sum()) for row in logits], np.int64)
    outputs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Category(classes=("a", "b", "c")), outputs.astype(np.float32), codes


def estimates() -> dict[str, dict[str, object]]:
    codec, outputs, codes = classifier()
    ours = measure(codec, outputs, codes)["accuracy"].to_json()
    return {
        "ours": ours,
        HOSTILE: {"value": 0.3, "low": None, "high": None},
        "unknown": {"value": None, "low": None, "high": None},
    }


def compared() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    values = {
        name: {"accuracy": {"value": v, "low": v - 0.1, "high": v + 0.1}}
        for name, v in (("good", 0.8), (HOSTILE, 0.6))
    }
    values["unknown"] = {"accuracy": {"value": None, "low": None, "high": None}}
    pair = {
        "a": "good",
        "metric": "accuracy",
        "value": 0.2,
        "low": 0.1,
        "high": 0.3,
        "winner": "good",
        "sure": True,
    }
    nothing = {"value": None, "low": None, "high": None, "winner": None, "sure": False}
    return values, [{**pair, "b": HOSTILE}, {**pair, **nothing, "b": "unknown"}]


def random_pictures(n: int, *shape: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (n, *shape), dtype=np.uint8))


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def predicted(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    true = np.exp(generator.normal(size=n))
    return true * np.exp(generator.normal(size=n) / 4), true


def bins_by_size() -> list[dict[str, Any]]:
    return [{"middle": 10**i, "error": interval(0.4), "bias": interval(0.1)} for i in range(4)]


def answered() -> dict[str, Any]:
    shares = np.linspace(0.05, 0.95, 19).tolist()
    lists = {
        "threshold": shares,
        "precision": [None, *shares[1:]],
        "recall": shares[::-1],
        "cost": [abs(t - 0.4) for t in shares],
    }
    return {**lists, "positive": HOSTILE, "chosen": 0.5, "cheapest": 0.4}  # fmt: skip


CHARTS: dict[str, Callable[[], Chart]] = {
    "losses": lambda: charts.losses(history([0.5, 0.3, 0.2, 0.25, 0.3])),
    "losses of one epoch": lambda: charts.losses(history([0.5])),
    "losses without valid": lambda: charts.losses(history([None, None, None])),
    "no losses": lambda: charts.losses([]),
    "learning rate": lambda: charts.learning_rate([1e-5, 1e-4, 1e-3, 1e-2, 1.0], [2, 1.9, 1, 0.9, 8], 1e-3),
    "schedule": lambda: charts.schedule(np.linspace(1e-3, 0, 40).tolist()),
    "confusion": lambda: charts.confusion([[5, 1], [0, 7]], ["a", HOSTILE]),
    "empty confusion": lambda: charts.confusion(np.zeros((3, 3), int), ["a", "b", "c"]),
    "large confusion": lambda: charts.confusion(np.eye(40, dtype=int), [f"a long class name {i}" for i in range(40)]),
    "very large confusion": lambda: charts.confusion(np.eye(70, dtype=int), [str(i) for i in range(70)]),
    "calibration": lambda: charts.calibration(reliability(*classifier())),
    "empty calibration": lambda: charts.calibration([]),
    "pictures": lambda: charts.pictures(random_pictures(3, 8, 8, 1), ["a", HOSTILE, "c"], [True, False, True], title=HOSTILE),
    "photos": lambda: charts.pictures(random_pictures(5, 120, 200, 3)),
    "no pictures": lambda: charts.pictures([], []),
    "bars": lambda: charts.bars(estimates(), HOSTILE, "%"),
    "comparison": lambda: charts.comparison(*compared(), "good"),
    "no comparison": lambda: charts.comparison({}, [], ""),
    "learning curve": lambda: charts.learning_curve(
        [{"rows": 10 * 3**i, "value": 0.5 / (i + 1), "low": 0.4 / (i + 1), "high": 0.6 / (i + 1)} for i in range(4)],
        [(10 * 3**i, 0.5 / (i + 1)) for i in range(5)], {"rows": 540, "value": 0.1, "low": 0.08, "high": 0.13},
    ),
    "learning curve alone": lambda: charts.learning_curve([{"rows": 10, "value": 0.0, "low": 0.0, "high": 0.0}]),
    "class counts": lambda: charts.class_counts({"train": {"a": 5, HOSTILE: 2}, "valid": {"a": 1}, "test": {}}),
    "importance": lambda: importance({"a": interval(0.2), HOSTILE: interval(0.0)}, "error", True, more=3),
    "predictions": lambda: predictions(*predicted(), lambda x: (x * 0.7, x * 1.4), "y", log=True),
    "errors": lambda: errors(np.subtract(*predicted()), bins_by_size(), "y", log=True),
    "slices": lambda: slices([{"words": HOSTILE, "n": 40, "inside": interval(0.5), "outside": interval(0.2)}], "error", True),
    "no slices": lambda: slices([], "error", True),
    "thresholds": lambda: thresholds(answered(), "cost", True),
    "trials": lambda: trials([{"trial": i, "value": None if i == 2 else 1 / (i + 1)} for i in range(6)], "loss", False),
    "rows": lambda: charts.rows({"a": ["1", None], HOSTILE: ["x", HOSTILE]}, {"y": ["0.5", "7"]}, note="more"),
    "many class counts": lambda: charts.class_counts({"train": {f"c{i}": i + 1 for i in range(300)}}),
}  # fmt: skip


def marked(name: str) -> Any:
    return pytest.param(name, marks=pytest.mark.slow) if "large" in name or "many" in name else name


@pytest.fixture(params=[marked(name) for name in CHARTS], ids=str)
def chart(request: pytest.FixtureRequest) -> Chart:
    return CHARTS[request.param]()


def texts(svg: str) -> list[str]:
    return [
        "".join(node.itertext())
        for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    ]


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def test_every_chart_is_a_png_and_an_svg_of_its_size_on_the_surface_of_its_palette(chart: Chart) -> None:
    for dark, palette in ((False, LIGHT), (True, DARK)):
        image = pixels(chart.to_png(dark, scale=1))
        assert image.shape == (chart.size[1], chart.size[0], 3)
        assert image[0, 0].tolist() == image[-1, -1].tolist() == rgb(palette.surface)
        assert (image != image[0, 0]).any()
    for dark in (False,) if chart.size[0] > 700 else (False, True):
        root = ElementTree.fromstring(chart.to_svg(dark))
        assert (root.get("width"), root.get("height")) == (str(chart.size[0]), str(chart.size[1]))
        assert root.get("viewBox") == f"0 0 {chart.size[0]} {chart.size[1]}"


def without_ids(svg: str) -> str:
    """matplotlib names a shape after its colours too."""
    return re.sub(r"\b[mp][0-9a-f]{10}\b", "id", svg)


def test_a_recoloured_drawing_is_the_one_drawn_for_dark(chart: Chart) -> None:
    for narrow in (False, True) if chart.narrow else (False,):
        recolour, dark = recoloured(chart.to_svg(narrow=narrow)), chart.to_svg(dark=True, narrow=narrow)
        assert chart.mixes or without_ids(recolour) == without_ids(dark)


def test_text_that_looks_like_a_colour_keeps_its_letters() -> None:
    named = f"fill: {LIGHT.ink};"
    assert f"{named}</text>" in recoloured(charts.class_counts({"train": {named: 5}}).to_svg())


@pytest.mark.parametrize("name", ["losses", "confusion", "pictures", "bars", "class counts"])
def test_the_same_chart_gives_the_same_bytes_and_has_no_date(name: str) -> None:
    svg, png = CHARTS[name]().to_svg(), CHARTS[name]().to_png(scale=1)
    assert (svg, png) == (CHARTS[name]().to_svg(), CHARTS[name]().to_png(scale=1))
    assert "<dc:date>" not in svg
    assert b"Software" not in png


@pytest.mark.parametrize("name", ["losses", "confusion", "pictures", "photos", "bars", "class counts"])
def test_html_has_no_script_no_outside_address_and_hostile_text_escaped(name: str) -> None:
    html = CHARTS[name]().to_html()
    assert "<script" not in html
    assert not [
        a for a in re.findall(r'(?:src|srcset|href)="([^"]*)"', html) if not a.startswith("data:image/")
    ]
    assert "prefers-color-scheme: dark" in html


def test_bytes_do_not_depend_on_the_users_settings_and_leave_them_alone() -> None:
    import matplotlib

    chart = CHARTS["losses"]()
    before = chart.to_svg()
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "figure.facecolor": "red"}):
        settings = dict(matplotlib.rcParams)
        assert chart.to_svg() == before
        assert dict(matplotlib.rcParams) == settings


def test_neither_pyplot_nor_torch_is_imported_and_importing_charts_imports_no_matplotlib() -> None:
    program = (
        "import sys; from drivetrain import charts; assert 'matplotlib' not in sys.modules;"
        "charts.schedule([1.0, 2.0]).to_png(); assert 'matplotlib.figure' in sys.modules;"
        "assert 'matplotlib.pyplot' not in sys.modules; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.style", None)
    with pytest.raises(DrivetrainError, match=r"\.\[train\]"):
        CHARTS["schedule"]().to_png()


def test_text_stays_text_also_where_it_looks_like_mathematics() -> None:
    svg = charts.confusion([[5, 1], [0, 7]], ["$x^2$", "<b>&"]).to_svg()
    assert texts(svg).count("$x^2$") == 2
    assert texts(svg).count("<b>&") == 2


def test_text_in_an_svg_takes_the_readers_fonts() -> None:
    styles = re.findall(r'<text style="([^"]*)"', CHARTS["losses"]().to_svg())
    assert styles
    assert all("system-ui" in style for style in styles)


def test_names_in_any_script_are_drawn_without_a_warning() -> None:
    chart = charts.confusion([[5, 1], [0, 7]], ["蜜蜂", "نحلة 🐝"])
    assert "蜜蜂" in texts(chart.to_svg())
    assert chart.to_png(scale=1)


def test_save_by_extension_all_or_nothing(tmp_path) -> None:  # type: ignore[no-untyped-def]
    chart = CHARTS["schedule"]()
    assert chart.save(tmp_path / "a.PNG").read_bytes() == chart.to_png()
    assert chart.save(tmp_path / "a.svg").read_text(encoding="utf-8") == chart.to_svg()
    for name in ("a.jpg", "a"):
        with pytest.raises(UsageError, match=r"\.png or \.svg"):
            chart.save(tmp_path / name)
    with pytest.raises(FileError):
        chart.save(tmp_path / "a.svg" / "b.svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.PNG", "a.svg"]


def test_a_notebook_gets_html_and_a_png() -> None:
    chart = CHARTS["losses"]()
    bundle = chart._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert bundle["text/html"] == chart._repr_html_()
    assert chart._repr_png_().startswith(b"\x89PNG")


def contrast(one: list[float], other: list[float]) -> float:
    bright, dim = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(palette: charts.Palette) -> None:
    surface = [c / 255 for c in rgb(palette.surface)]
    for colour in (palette.ink, palette.muted, palette.accent, palette.warning):
        assert contrast(surface, [c / 255 for c in rgb(colour)]) >= 4.5
    for share in np.linspace(0, 1, 21):
        for right in (True, False):
            cell = _cell_colour(float(share), right, palette)
            assert contrast(list(cell), [c / 255 for c in rgb(_readable(cell))]) >= 4.5


def test_the_best_epoch_is_marked() -> None:
    found = texts(CHARTS["losses"]().to_svg())
    assert "lowest 0.2" in found
    assert "phase 2" in found


def test_the_lowest_value_is_told_where_it_hides_no_line() -> None:
    from matplotlib.figure import Figure

    figure = Figure((7.2, 2.9))
    charts.losses(history([0.5, 0.2, 0.25, 0.3])).draw(figure, LIGHT)
    for axes in figure.axes:
        assert axes.get_title("right").startswith("lowest 0.")
        assert not [text for text in axes.texts if text.get_bbox_patch() is not None]


def test_overfitting_is_named_and_only_then() -> None:
    worse = charts.losses(history([0.5, 0.2, 0.25, 0.3]))
    assert {"valid error worse", "since epoch 2"} <= set(texts(worse.to_svg()))
    for fine in (
        history([0.5, 0.3, 0.2, 0.21]),  # within a tenth of the best
        history([0.5, 0.2, 0.25, 0.3], [0.4, 0.1, 0.2, 0.3]),  # train got worse as well
        history([0.2, 0.3]),  # too short to say
    ):
        assert not [text for text in texts(charts.losses(fine).to_svg()) if "worse" in text]


def test_worsened_passes_over_missing_values() -> None:
    nan = math.nan
    assert worsened([4, 3, 2, 1], [nan, 0.1, 0.2, 0.3]) == 1
    assert worsened([4, 3, 2, 1], [0.3, 0.1, 0.2, nan]) is None
    assert worsened([4, 3, 2, 1], [nan, nan, nan, nan]) is None


def test_the_suggested_learning_rate_is_told_and_the_divergence_does_not_flatten_the_curve() -> None:
    rates, heights = np.geomspace(1e-6, 1, 50).tolist(), [*np.linspace(2, 1, 40), *np.linspace(1, 1e6, 10)]
    found = texts(charts.learning_rate(rates, heights, 0.00123).to_svg())
    assert "suggested 0.00123" in found
    assert {"1", "2"} <= set(found)


def test_confusion_shows_each_count_but_zero_and_colours_by_the_share_of_the_row() -> None:
    chart = charts.confusion([[980, 20], [1, 1]], ["a", "b"])
    assert sorted(text for text in texts(chart.to_svg()) if text.isdigit()) == ["1", "1", "20", "980"]
    whole = [[round(255 * c) for c in _cell_colour(1.0, right, LIGHT)] for right in (True, False)]
    assert whole == [rgb(LIGHT.accent), rgb(LIGHT.warning)]
    image = pixels(chart.to_png(scale=1)).reshape(-1, 3).tolist()
    for share, right in ((0.98, True), (0.02, False), (0.5, True), (0.5, False)):
        colour = [round(255 * c) for c in _cell_colour(share, right, LIGHT)]
        assert sum(max(abs(a - b) for a, b in zip(colour, pixel)) <= 1 for pixel in image) > 300
    with pytest.raises(DataError, match="2 classes"):
        charts.confusion([[1, 2, 3]], ["a", "b"])


@pytest.mark.parametrize("n", [2, 5, 10, 20, 40])
def test_confusion_is_readable_at_each_size(n: int) -> None:
    matrix = np.eye(n, dtype=int) * 120
    matrix[0] += 1
    chart = charts.confusion(matrix, [f"class number {i}" for i in range(n)])
    svg = chart.to_svg()
    assert len([text for text in texts(svg) if text in ("121", "120", "1")]) == 2 * n - 1
    sizes = [float(size) for size in re.findall(r"<text style=\"[^\"]*?([\d.]+)px", svg)]
    assert min(sizes) >= 7
    assert chart.size[0] <= 1200


def test_calibration_takes_the_measured_curve_and_its_json() -> None:
    curve = reliability(*classifier())
    assert (
        charts.calibration(curve).to_svg()
        == charts.calibration([point.to_json() for point in curve]).to_svg()
    )


def test_bars_say_value_and_interval() -> None:
    undefined = {"value": None, "low": None, "high": None}
    shown = charts.bars({"ours": {"value": 0.9, "low": 0.85, "high": 0.94}, "none": undefined}, "t", "%")
    found = [" ".join(text.split()) for text in texts(shown.to_svg())]
    assert "90.0 % (85.0 to 94.0)" in found
    assert "undefined" in found
    metres = charts.bars({"ours": {"value": 12.34, "low": 11, "high": 14}}, "t", "m")
    assert "12.3 m (11 to 14)" in [" ".join(text.split()) for text in texts(metres.to_svg())]


def test_class_counts_show_totals_and_name_what_is_left_out() -> None:
    found = texts(CHARTS["class counts"]().to_svg())
    assert {"a", "6", "2", "train", "valid"} <= set(found)
    assert "test" not in found
    many = texts(CHARTS["many class counts"]().to_svg())
    assert "the 20 largest and the 20 smallest of 300 classes" in many
    assert {"c299", "c0"} <= set(many)
    assert "c150" not in many


def test_tiny_grey_pictures_are_enlarged_by_whole_pixels_and_stay_grey() -> None:
    image = np.array([[0, 90], [170, 255]], np.uint8)
    shown = pixels(charts.pictures([image], ["x"]).to_png(scale=1))
    area = shown[18:140, 18:140]
    assert (area[..., 0] == area[..., 1]).all()
    assert (area[..., 0] == area[..., 2]).all()
    values, counts = np.unique(area[..., 0], return_counts=True)
    assert set(image.ravel().tolist()) <= set(values.tolist())
    assert sum(counts[np.isin(values, image.ravel())]) > 0.97 * area[..., 0].size


def test_large_pictures_are_reduced_in_a_page_and_tiny_ones_kept() -> None:
    def shown(image: np.ndarray) -> Image.Image:
        import base64

        found = re.search(r'src="data:image/\w+;base64,([^"]*)"', charts.pictures([image]).to_html())
        assert found
        return Image.open(io.BytesIO(base64.b64decode(found[1])))

    assert shown(random_pictures(1, 400, 800, 3)[0]).size == (288, 144)
    tiny = random_pictures(1, 8, 6, 1)[0]
    assert (np.asarray(shown(tiny)) == tiny[:, :, 0]).all()


def test_marks_are_said_by_a_sign_as_well_as_by_colour() -> None:
    chart = charts.pictures(random_pictures(2, 8, 8, 3), ["cat", "cat → dog 0.93"], [True, False])
    assert {"✓ cat", "✗ cat → dog 0.93"} <= set(texts(chart.to_svg()))
    assert "✗ cat → dog 0.93</figcaption>" in chart.to_html()
    image = pixels(chart.to_png(scale=1))
    assert (image == rgb(LIGHT.warning)).all(axis=2).sum() > 100


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.float32), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4), np.uint8)]
)
def test_what_is_not_a_picture_is_refused(image: np.ndarray) -> None:
    with pytest.raises(DataError, match="not a picture"):
        charts.pictures([image], ["x"])


def test_captions_and_marks_must_be_as_many_as_the_pictures() -> None:
    with pytest.raises(DataError, match="1 captions for 2 pictures"):
        charts.pictures(random_pictures(2, 8, 8, 3), ["x"])
    with pytest.raises(DataError, match="1 marks for 2 pictures"):
        charts.pictures(random_pictures(2, 8, 8, 3), ["x", "y"], [True])


def test_a_table_is_escaped_and_its_numbers_are_set_right() -> None:
    html = charts.table_html([[HOSTILE, 1234, 0.123456], ["b", None, 2.0]], ["<name>", "n", "share"])
    root = ElementTree.fromstring(html)
    assert [cell.text for cell in root.iter("td")] == [HOSTILE, "1,234", "0.1235", "b", None, "2"]
    assert [cell.text for cell in root.iter("th")] == ["<name>", "n", "share"]
    assert [cell.get("style") for cell in root.iter("th")] == [
        "text-align:left",
        "text-align:right",
        "text-align:right",
    ]
    with pytest.raises(ValueError, match="1 cells under 2"):
        charts.table_html([["a"]], ["a", "b"])


def test_a_long_name_is_cut_and_told_in_full() -> None:
    name = "a<b" * 40
    root = ElementTree.fromstring(
        charts.table_html([[name, name], ["-dash", ""]], ["class", "n"], longest=40)
    )
    first, second, short, _ = root.iter("td")
    assert first.text is not None
    assert (len(first.text), first.get("title")) == (40, name)
    assert (second.text, second.get("title"), short.get("title")) == (name, None, None)


def test_numbers_are_told_without_false_certainty() -> None:
    assert [percent(x) for x in (1.0, 0.0, 0.972, 0.99975, 0.00001)] == [
        "100.0 %",
        "0.0 %",
        "97.2 %",
        "99.98 %",
        "0.001 %",
    ]
    assert [plain(x) for x in (0, 0.0008, 1e-5, 2.5e-6, 1234.4, 0.264)] == [
        "0",
        "0.0008",
        "1e-5",
        "2.5e-6",
        "1,234",
        "0.264",
    ]


@pytest.mark.parametrize(
    "values",
    [[0.69301, 0.69302, 0.69303, 0.69304], [122_000.0, 122_400.0, 122_800.0], [1e-5, 1.04e-5], [1.0, 1.0]],
)
def test_no_two_ticks_of_an_axis_read_the_same(values: list[float]) -> None:
    texts = apart(values)
    assert len(set(texts)) == len(set(values))
    assert [float(text.replace(",", "")) for text in texts] == pytest.approx(values, rel=1e-6)


def test_a_flat_loss_by_learning_rate_has_ticks_that_differ() -> None:
    rates = np.geomspace(1e-6, 1, 20)
    svg = charts.learning_rate(rates.tolist(), (0.6931 - 1e-5 * np.arange(20)).tolist(), 1e-3).to_svg()
    labels = re.findall(r">(0\.69\d*)</text>", svg)
    assert len(labels) >= 3
    assert len(set(labels)) == len(labels)
