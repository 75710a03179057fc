"""trace@1: the path of a mouse or a pen, drawn."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drivetrain as dt
from drivetrain.codecs.trace import CLICK, LIFT, Trace, speeds_of
from drivetrain.data.kinds.guess import guess_kinds, to_table
from drivetrain.data.read.readers import read_frame
from drivetrain.errors import DataError, UsageError

LINE = Trace(size=20, slow=1.0, fast=10.0)


def by_the_book(points: Any, codec: Trace) -> Any:
    """As OPS.md says it, pixel by pixel and line by line, from what was read."""
    size = codec.size
    box = codec.bounds or (*points[:, :2].min(0), *points[:, :2].max(0))
    wide = max(box[2] - box[0], box[3] - box[1])
    k = (size - 6) / wide if wide else 0.0
    at = [
        ((x - (box[0] + box[2]) / 2) * k + size / 2, (y - (box[1] + box[3]) / 2) * k + size / 2)
        for x, y, *_ in points
    ]
    made = np.zeros((size, size, 3), np.uint8)

    def away(p: Any, a: Any, b: Any) -> float:
        square = (b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2
        share = ((p[0] - a[0]) * (b[0] - a[0]) + (p[1] - a[1]) * (b[1] - a[1])) / square if square else 0
        share = min(1, max(0, share))
        return math.hypot(p[0] - a[0] - share * (b[0] - a[0]), p[1] - a[1] - share * (b[1] - a[1]))

    def part(value: float) -> int:
        return math.floor(255 * min(1, max(0, value)) + 0.5)

    for row in range(size):
        for column in range(size):
            centre, best, red, green = (column + 0.5, row + 0.5), 0, 0, 0
            for number, (x, y, t, mark) in enumerate(points):
                begin = number if mark >= 2 else number - 1
                shade = part(1.25 - away(centre, at[begin], at[number]))
                way = math.hypot(x - points[begin][0], y - points[begin][1])
                took = t - points[begin][2]
                speed = way / took if took else math.inf * bool(way) if way else 0
                colour = (
                    part(math.log(speed / codec.slow) / math.log(codec.fast / codec.slow)) if speed else 0
                )
                if shade >= best:
                    best, red = shade, (colour * shade + 127) // 255
                if mark % 2:
                    green = max(green, part(3 - math.dist(centre, at[number])))
            made[row, column] = red, green, best
    return made


@pytest.mark.parametrize("bounds", [None, (-3.0, -1.0, 8.0, 4.0)])
def test_a_trace_is_drawn_as_the_book_says(bounds: Any) -> None:
    codec = Trace(size=20, bounds=bounds, slow=0.5, fast=20.0)
    turn = [[5 * math.sin(n), 4 * math.cos(n / 2), n**1.3, n % 7 == 3] for n in range(24)]
    turn[10:10] = [None]
    for raw in (
        turn,
        *(raw for name, raw in codec.nasty_examples() if name not in ("round", "a line, far away")),
    ):
        points = codec.read(raw)
        found, want = codec.encode(points).astype(int), by_the_book(points, codec).astype(int)
        assert np.abs(found - want).max() <= 1


def test_what_is_read() -> None:
    points = LINE.read("[[0, 0, 0], [3, 4, 1, 1], [3, 4, 2, true], null, [6, 8, 4, 0], [6, 8, 4, 1]]")
    assert points[:, 3].tolist() == [LIFT, CLICK, 0, LIFT, CLICK]
    assert speeds_of(points).tolist() == [0, 5, 0, 0, 0]
    assert np.isinf(speeds_of(LINE.read([[0, 0, 1], [1, 0, 1]]))[1])
    assert np.isinf(speeds_of(LINE.read([[0, 0, 0], [1e12, -1e12, 1e-300]]))[1])


def test_a_line_that_leaves_the_picture_has_no_gap() -> None:
    codec = LINE.with_fields(bounds=(0.0, 0.0, 10.0, 10.0))
    far = codec.encode_raw([[-1e9, 5.01, 0], [1e9, 5.01, 1]])
    near = codec.encode_raw([[-9, 5.01, 0], [19, 5.01, 1]])
    assert np.array_equal(far[..., 2], near[..., 2])
    assert (near[10, :, 2] > 190).all()
    assert not codec.encode_raw([[99, 99, 0, 1], [999, 99, 1, 1]]).any()


def test_faster_is_redder_and_a_click_is_green() -> None:
    drawing = LINE.encode_raw([[0, 0, 0], [10, 0, 10], [20, 0, 11, 1]])
    middle = drawing[10]
    assert middle[5].tolist() == [0, 0, 191]
    assert middle[13].tolist() == [191, 0, 191]
    assert middle[16][1] > 200
    assert not middle[:13, 1].any()
    lifted = LINE.encode_raw([[0, 0, 0], None, [20, 0, 11]])
    assert not lifted[10, 8:12].any()


def test_speeds_are_learned() -> None:
    straight = [[n * n, 0, n] for n in range(101)]
    fitted = Trace().fit([straight, "no trace"])
    speeds = np.arange(1, 201, 2)
    assert (fitted.slow, fitted.fast) == pytest.approx(tuple(np.quantile(speeds, (0.05, 0.95))))
    assert Trace(slow=7.0).fit([straight]).slow == 7.0
    assert Trace().fit([[[0, 0, 0]]]).fast == 2.0
    assert Trace().fit([[[0, 0, 0], [1, 0, 1]]]).spec()["fast"] == 2.0


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ([], "no points"), ([None], "no points"), ("[[1, 2", "not JSON"), (7, "int is not a trace"),
        ([[1, 2]], "point 1 is"), ([[0, 0, 0], [1, math.nan, 1]], "point 2 is"), ([[0, 0, "a"]], "no place and time"),
        ([[0, 0, 5], [0, 0, 4]], "at point 2 time goes back, from 5 to 4"), ([[0, 0, 0]] * 100_001, "100,001 points"),
        ([[1e13, 0, 0]], "no place"), ([{"x": 1}], "point 1 is"),
    ],
)  # fmt: skip
def test_what_is_no_trace_is_told(raw: Any, told: str) -> None:
    with pytest.raises(DataError) as caught:
        LINE.read(raw)
    assert told in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize(
    "fields", [{"size": 3}, {"bounds": (1.0, 0.0, 0.0, 1.0)}, {"slow": 0.0}, {"slow": 2.0, "fast": 1.0}]
)
def test_wrong_fields_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Trace(**fields)


def strokes(path: Path, count: int = 60) -> Path:
    """Circles and zigzags, drawn at different places and speeds, a row each."""
    generator = np.random.default_rng(0)
    rows = ["path,shape"]
    for number in range(count):
        turn = np.linspace(0, 2 * np.pi, 30) + generator.uniform(0, 6)
        shape = ("circle", "zigzag")[number % 2]
        y = np.sin(turn) if shape == "circle" else np.abs((turn / 1.5) % 2 - 1)
        x = np.cos(turn) if shape == "circle" else turn / 3
        points = np.stack([x, y, turn], axis=1) + generator.normal(0, 0.02, (30, 3)) * (1, 1, 0)
        text = str((points * generator.uniform(50, 200)).round(1).tolist())
        rows.append(f'"{text}",{shape}')
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_column_of_traces_is_told(tmp_path: Path) -> None:
    frame = read_frame(strokes(tmp_path / "strokes.csv", 20))
    kinds = guess_kinds(frame, "shape", {"path": "trace:64-pixels"})
    assert kinds["path"].codec == Trace(size=64)
    assert to_table(frame, kinds)["path"][0].startswith("[[")
    lists = read_frame({"a": [[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]] * 2, "b": ["x", "y"]})
    assert to_table(lists, guess_kinds(lists, "b", {"a": "trace"}))["a"][1][1] == [1.0, 1.0, 1.0]


@pytest.mark.slow
def test_traces_are_trained_on_as_pictures_are(tmp_path: Path) -> None:
    data = dt.tabular.from_csv(strokes(tmp_path / "strokes.csv"), target="shape", columns={"path": "trace"})
    assert data.drawn == ["path"]
    assert data.check().ok is not None
    learner = data.learner("cnn", seed=0)
    learner.fit(4)
    learner.export(tmp_path / "strokes.bundle")
    turn = np.linspace(0, 6.28, 40)
    circle = np.stack([np.cos(turn), np.sin(turn), turn], axis=1).tolist()
    predictor = dt.Predictor(tmp_path / "strokes.bundle")
    assert predictor.predict({"path": circle}).targets["shape"]["label"] == "circle"
    assert data.show().to_svg()
