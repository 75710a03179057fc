"""Charts of series, sensors and sounds: gaps are seen and told, no peak is lost, a page plays what it can hold."""

from __future__ import annotations

import base64
import io
import re
import wave
import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pytest

from drivetrain.charts.audio import sheet
from drivetrain.charts.chart import Chart
from drivetrain.charts.series import Line, Span, Window, drawn, sensors, series
from drivetrain.charts.waves import MOST_BYTES, Sound, _kept, spectrogram, waves
from drivetrain.errors import DataError
from drivetrain.types import Array

HOSTILE = '"><script>alert("$a_b$")</script>'
DAYS = np.arange("2024-01-01", "2024-04-10", dtype="datetime64[D]")


def texts(svg: str) -> str:
    root = ElementTree.fromstring(svg)
    return " | ".join("".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text"))


def daily(**gaps: slice) -> Line:
    values = np.sin(np.arange(len(DAYS)) / 5)
    for where in gaps.values():
        values[where] = np.nan
    return Line("units", DAYS, values)


CHARTS: dict[str, Any] = {
    "gaps, parts and windows": lambda: series(
        [daily(one=slice(3, 9), other=slice(90, 100))], "sales", [Span("valid", *DAYS[[60, 80]]), Span(HOSTILE, *DAYS[[80, 99]])],
        [Window(DAYS[k], DAYS[k + 20], DAYS[k + 27]) for k in range(20)], note="filled with the last value",
    ),
    "constant": lambda: series([Line("flat", np.arange(50), np.ones(50))], unit="step"),
    "one moment": lambda: series([Line("one", np.arange(1), np.ones(1))]),
    "nothing known": lambda: series([Line("none", DAYS, np.full(100, np.nan)), Line("infinite", DAYS, np.full(100, np.inf))]),
    "no series": lambda: series([]),
    "sensors": lambda: sensors(
        list(np.random.default_rng(0).normal(size=(3, 20, 2))), ["a", HOSTILE], list("x<y"), "s", 0.1, marks=[True, False, True]
    ),
    "sensors of one moment, and of none": lambda: sensors([np.ones((1, 1)), np.full((3, 1), np.nan), np.ones((0, 1))], ["a"]),
    "no sensors": lambda: sensors([], []),
    "waves": lambda: waves(
        [Sound(np.sin(np.arange(4000) / 3), 8000, "a\n" + HOSTILE), Sound(np.ones((500, 2), np.int16), 96000)], "t", [True, False]
    ),
    "odd waves": lambda: waves([Sound(np.zeros(n, np.float32), 8000) for n in (0, 1, 900)]),
    "no waves": lambda: waves([]),
}  # fmt: skip


@pytest.mark.parametrize("name", CHARTS)
def test_each_is_drawn_wide_and_narrow_and_the_same_each_time(name: str) -> None:
    chart: Chart = CHARTS[name]()
    for narrow in (False, True) if chart.narrow else (False,):
        ElementTree.fromstring(chart.to_svg(narrow=narrow))
    assert chart.to_png(scale=1).startswith(b"\x89PNG")
    html = chart.to_html()
    assert "<script" not in html
    assert not re.search("https?:|url[(]", html)


def test_a_gap_is_told_where_values_are_missing_and_where_some_were_filled() -> None:
    told = texts(series([daily(one=slice(3, 9), other=slice(90, 100))]).to_svg())
    assert "16 missing in 2 gaps" in told
    filled = np.zeros(len(DAYS), bool)
    filled[:4] = True
    told = texts(series([Line("units", DAYS, np.ones(len(DAYS)), filled)]).to_svg())
    assert "4 filled in one gap" in told
    assert "missing" not in told


def test_series_that_are_not_drawn_are_told() -> None:
    assert "1 more series are not drawn." in texts(series([daily()] * 9).to_svg())


def test_of_a_long_series_no_peak_is_lost() -> None:
    values = np.zeros(100_000)
    values[54_321] = 7
    places, heights = drawn(np.arange(100_000.0), values, 760)
    assert heights.max() == 7
    assert len(places) == len(heights) <= 760
    values[10_000:30_000] = np.nan
    assert np.isnan(drawn(np.arange(100_000.0), values, 760)[1]).any()


def test_stamps_and_channels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="3 values and 2 stamps"):
        series([Line("units", np.arange(2), np.ones(3))])
    with pytest.raises(DataError, match="2 channels, with 1 names"):
        sensors([np.ones((4, 2))], ["a"])
    with pytest.raises(DataError, match="no sound"):
        waves([Sound(np.ones(3), 0)])
    with pytest.raises(DataError, match="1 marks for 2 sounds"):
        waves([Sound(np.ones(3), 8000)] * 2, marks=[True])


def played(html: str) -> list[tuple[int, Array]]:
    found: list[tuple[int, Array]] = []
    for data in re.findall(r'src="data:audio/wav;base64,([^"]+)"', html):
        with wave.open(io.BytesIO(base64.b64decode(data))) as file:
            found.append((file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")))
    return found


def test_a_page_plays_the_very_samples() -> None:
    samples = np.array([0, 0.5, -0.5, 1, -1], np.float32)
    ((rate, heard),) = played(waves([Sound(samples, 11025)]).to_html())
    assert rate == 11025
    np.testing.assert_array_equal(heard, np.round(samples * 32767))


def test_what_a_page_keeps_is_bounded_and_the_cut_is_told() -> None:
    long = Sound(np.ones(44100 * 60, np.float32), 44100, "long")
    assert "its first 10 s" in waves([long]).to_html()
    many = [long] * 9 + [Sound(np.ones(800, np.float32), 8000, "short")]
    kept = _kept(many)
    assert kept[-1] == 0.1
    assert min(kept[:9]) > 2
    assert sum(2 * each.rate * seconds for each, seconds in zip(many, kept)) <= MOST_BYTES + 1


def test_more_sounds_than_a_page_holds_are_not_played_and_that_is_told() -> None:
    kept = _kept([Sound(np.ones(96000 * 9, np.int8), 96000)] * 200)
    assert 0 < kept.count(0.0) < 200
    assert sum(kept) * 96000 * 2 <= MOST_BYTES + 1
    assert (
        waves([Sound(np.ones(9, np.int8), 1), Sound(np.ones(8, np.int8), 90_000_000)])
        .to_html()
        .count("<audio")
        == 2
    )


def test_a_page_of_32_sounds_is_light() -> None:
    """Beside what is played: noise is the worst to press."""
    rate, draw = 8000, np.random.default_rng(0)
    sounds = [Sound(draw.uniform(-1, 1, rate // 2).astype(np.float32), rate, "a") for _ in range(32)]
    page = waves(sounds).to_html()
    heard = sum(len(each) for each in re.findall(r'src="data:audio/wav;base64,([^"]+)"', page))
    assert len(page) - heard < 800_000
    assert page.count("prefers-color-scheme: dark") >= 64


def test_silence_and_clipping_are_told() -> None:
    svg = waves(
        [
            Sound(np.zeros(100, np.float32), 8000, "a"),
            Sound(np.sign(np.sin(np.arange(800.0) + 0.5)), 8000, "b"),
        ]
    ).to_svg()
    assert "silent" in texts(svg)
    assert "100.0 % clipped" in texts(svg)
    assert texts(svg).count("clipped") == 1


@pytest.mark.parametrize("rate", [8000, 44100])
def test_a_tone_lies_in_its_band(rate: int) -> None:
    image, marks = spectrogram(np.sin(2 * np.pi * 1000 * np.arange(rate) / rate), rate)
    row = int(np.median(image.argmax(axis=0)))
    at = next(place for name, place in marks.items() if name.startswith("1"))
    assert abs(row + 0.5 - at) <= 1.5


def test_a_sheet_of_sounds_leaves_out_the_zeros_that_fill_them_up() -> None:
    class Codec:
        rate = 8000

    padded = np.concatenate([np.ones(800, np.float32), np.zeros(7200, np.float32)])
    assert "0.1 s" in texts(sheet(Codec(), [padded], ["a"], "").to_svg())  # type: ignore[arg-type]
