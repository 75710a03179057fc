"""Kinds of column that are somebody else's: a package of files in the rooms that this one has, and no line here about it.

`tests/outsider/` is what would be installed: the package `laboratory`, with its entry point. `duration` is a scalar, input
and target, that says that it is like a number; `window`, signals by channel and time, has a codec, an encoder and how its
columns are read; `angle` is a target that is like no other: neither a choice nor a number.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import drivetrain, finish, start

import drivetrain as dt
from drivetrain import extensions
from drivetrain.cli.main import build_parser
from drivetrain.codecs import codec_names, from_spec
from drivetrain.data.kinds.guess import guess_kinds, to_table
from drivetrain.data.read.readers import read_frame
from drivetrain.runtime import Predictor
from drivetrain.testing.codecs import check_codec

OUTSIDER = Path(__file__).parent / "outsider"


@pytest.fixture(scope="module", autouse=True)
def laboratory() -> Iterator[None]:
    """The package as if it were installed, in this process and in those that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(OUTSIDER))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(OUTSIDER), os.environ.get("PYTHONPATH", "")]))
        extensions.forget()
        yield
    extensions.forget()


def journey(place: int, generator: np.random.Generator) -> tuple[dict[str, str], np.ndarray]:
    """A row of a table, and the signal that its file holds: it took longer where the first channel swings fast."""
    distance, wait, pace = (
        generator.uniform(2, 40),
        int(generator.integers(0, 40)),
        generator.uniform(0.1, 0.6),
    )
    seconds = 60 * (2 * distance + wait) + 8_000 * pace
    minutes, rest = divmod(round(seconds), 60)
    window = np.stack([np.sin(pace * np.arange(24)), generator.normal(size=24)]).astype(np.float32)
    row = {
        "distance": f"{distance:.1f}", "wait": f"{wait} min", "signal": f"windows/{place}.npy",
        "took": f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if place % 3 else f"{minutes} min",
    }  # fmt: skip
    return row, window


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, generator = tmp_path_factory.mktemp("journeys"), np.random.default_rng(0)
    (folder / "windows").mkdir()
    rows = []
    for place in range(120):
        row, window = journey(place, generator)
        np.save(folder / row["signal"], window)
        rows.append(row)
    with (folder / "journeys.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder / "journeys.csv"


def test_its_kinds_are_among_all_others() -> None:
    assert {"duration", "window"} <= {*codec_names()}
    check_codec(from_spec({"op": "duration@1"}), ["1:30:05", "90 min", 5400, "2 h 3 min"])
    check_codec(from_spec({"op": "window@1"}), [np.ones((2, 8)), np.arange(16.0).reshape(2, 8).tolist()])
    assert [from_spec({"op": "duration@1"}).read(raw) for raw in ("1:30:05", "90 min", 5400)] == [
        5405,
        5400,
        5400,
    ]


def test_columns_are_guessed_and_told(table: Path) -> None:
    frame = read_frame(table)
    kinds = guess_kinds(frame, "took")
    assert [kinds[name].kind for name in ("distance", "wait", "signal", "took")] == [
        "number", "duration", "window", "duration",
    ]  # fmt: skip
    assert kinds["took"].reason.startswith("durations from 0:")
    found = to_table(frame, kinds)
    assert found["wait"].dtype == np.float64
    assert found["wait"][0] == 60 * int(frame.column("wait").values[0].split()[0])
    assert guess_kinds(frame, "took", {"distance": "duration"})["distance"].kind == "duration"


def test_help_names_its_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser("train").parse_args(["train", "--help"])
    assert "duration" in capsys.readouterr().out


def test_what_can_not_be_a_kind_is_refused_in_words(table: Path) -> None:
    done = drivetrain("show", table, "--target", "took", "--column", "wait=durations")
    assert (done.code, done.line) == (
        2,
        "drivetrain: column wait: there is no kind 'durations'. Did you mean duration or tokens?",
    )
    done = drivetrain("show", table, "--target", "took", "--column", "signal=duration")
    assert "'signal' can't be duration: its cells are no durations." in done.line
    done = drivetrain("train", table, "--target", "took", "--column", "took=window")
    assert "a target can't be window yet. It is a" in done.line
    assert "duration" in done.line


@dataclass
class Trained:
    """Runs of two models of the same rows, one that sees the signal, and its bundle."""

    said: dict[str, Any]
    run: Path
    other: Path
    bundle: Path


@pytest.fixture(scope="module")
def trained(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    common = (
        "train",
        table,
        "--target",
        "took",
        "--model",
        "mlp",
        "--epochs",
        "3",
        "--test",
        "0.2",
        "--json",
    )
    made = Trained({}, folder / "run", folder / "other", folder / "journeys.bundle")
    done = finish(start(*common, "--out", made.run, "--export", made.bundle), timeout=110)
    assert done.code == 0, done.err
    made.said = done.json
    other = drivetrain(*common, "--out", made.other, "--ignore", "signal")
    assert other.code == 0, other.err
    return made


@pytest.mark.slow
def test_a_duration_is_learned_of_durations_and_windows(trained: Trained) -> None:
    result = trained.said
    measured, baselines = result["metrics"]["valid"], result["baselines"]
    assert {"mean_absolute_error", "within_a_tenth"} <= {*measured}
    assert {"mean", "linear regression"} <= {*baselines}
    assert "within_a_tenth" in baselines["mean"]
    assert not any("no simple method" in note for note in result["notes"])
    page = (trained.run / "report.html").read_text()
    assert "within a tenth" in page
    assert "predictions" in page.lower()
    assert "No slice goes by signal" in page


@pytest.mark.slow
def test_its_bundle_answers_in_its_words(trained: Trained, table: Path, tmp_path: Path) -> None:
    done = drivetrain("verify", trained.bundle, "--json")
    assert done.code == 0, done.err
    done = finish(start("predict", trained.bundle, table, "--json"))
    assert done.code == 0, done.err
    answer = done.json["answers"][0]
    assert answer["text"].count(":") == 2
    assert done.json["units"] == {"took": "s"}
    assert drivetrain("predict", trained.bundle, table, "--out", tmp_path / "a.csv").code == 0
    with (tmp_path / "a.csv").open() as file:
        row = next(csv.DictReader(file))
    assert row["duration"] == answer["text"]
    assert float(row["low"]) <= float(row["value"]) <= float(row["high"])
    assert f"  {answer['text']}" in drivetrain("predict", trained.bundle, table).out
    # The signal may come as what it is, too.
    predictor = Predictor(trained.bundle)
    window = np.load(table.parent / "windows/0.npy")
    with table.open() as file:
        given = next(csv.DictReader(file))
    told = predictor.predict({**given, "signal": window}).targets["took"]["text"]
    assert told == answer["text"]


@pytest.mark.slow
def test_it_is_measured_and_compared(trained: Trained, table: Path) -> None:
    done = drivetrain("evaluate", trained.bundle, table, "--json")
    assert done.code == 0, done.err
    assert done.json["part"] == "test"
    assert {"mean_absolute_error", "within_a_tenth", "interval_coverage"} <= {*done.json["metrics"]}
    done = drivetrain("compare", trained.run, trained.other, "--json")
    assert done.code == 0, done.err
    assert "within_a_tenth" in json.dumps(done.json)


@pytest.mark.slow
def test_the_other_commands_work_on_it_or_say_why_not(table: Path, tmp_path: Path) -> None:
    done = drivetrain("check", table, "--target", "took", "--json")
    assert [fault["where"] for fault in done.json["faults"] if fault["kind"] == "not looked into"] == [
        ["signal: window"]
    ]
    done = drivetrain("show", table, "--target", "took", "--out", tmp_path / "table.png")
    assert done.code == 0, done.err
    done = drivetrain("labels", table, "--target", "took", "--json")
    assert done.code == 0, done.err
    done = drivetrain(
        "tune",
        table,
        "--target",
        "took",
        "--model",
        "mlp",
        "--trials",
        "2",
        "--epochs",
        "1",
        "--out",
        tmp_path / "tune",
    )
    assert done.code == 0, done.err
    done = drivetrain(
        "train", table, "--target", "took", "--model", "trees", "--out", tmp_path / "trees", "--json"
    )
    assert done.code == 0, done.err
    assert not any("see nothing" in note for note in done.json["notes"])


@pytest.mark.slow
def test_windows_alone_are_files_or_rows_of_a_table(table: Path, tmp_path: Path) -> None:
    bundle, few = tmp_path / "signal.bundle", table.with_name("few.csv")
    few.write_text("\n".join(table.read_text().splitlines()[:41]))
    done = drivetrain(
        "train", few, "--target", "took", "--ignore", "distance", "--ignore", "wait", "--model", "mlp", "--epochs", "1",
        "--out", tmp_path / "run", "--export", bundle,
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = drivetrain("predict", bundle, few, "--json").json["answers"]
    file = drivetrain("predict", bundle, table.parent / "windows/0.npy", "--json").json["answers"]
    assert [answer["text"] for answer in file] == [rows[0]["text"]]
    assert drivetrain("evaluate", bundle, table, "--json").json["n"] == 120


@pytest.mark.slow
def test_a_target_that_is_like_no_other(tmp_path: Path) -> None:
    table, run, bundle = tmp_path / "wind.csv", tmp_path / "run", tmp_path / "wind.bundle"
    east, north = np.random.default_rng(0).normal(size=(2, 120)).round(3)
    degrees = np.degrees(np.arctan2(east, north)).round(1) % 360
    table.write_text("east,north,from\n" + "".join(f"{a},{b},{c}\n" for a, b, c in zip(east, north, degrees)))
    common = (table, "--target", "from", "--column", "from=angle", "--json")
    done = drivetrain("train", *common, "--model", "mlp", "--epochs", "2", "--out", run, "--export", bundle)
    assert done.code == 0, done.err
    assert "there is no baseline for 'from': no simple method answers with angle" in done.json["notes"]
    assert [*done.json["metrics"]["valid"]] == ["degrees_off"]
    page = (run / "report.html").read_text()
    assert "Off by" in page
    assert "degrees over" in page
    assert "°</td>" in page
    assert drivetrain("evaluate", bundle, table, "--json").json["metrics"]["degrees_off"]["value"] < 90
    assert drivetrain("predict", bundle, table, "--json").json["answers"][0]["text"].endswith("°")
    assert drivetrain("compare", run, run, "--json").code == 0
    done = drivetrain("train", *common, "--model", "trees", "--out", tmp_path / "trees")
    assert "trees can't answer with angle" in done.json["error"]
    assert "labels are looked at for a category or a number" in drivetrain("labels", *common).json["error"]


def in_memory(
    rows: list[tuple[dict[str, str], np.ndarray]], targets: dict[str, Any], **columns: list[Any]
) -> Any:
    block = dt.DataBlock(
        inputs={"signal": from_spec({"op": "window@1"})}, targets=targets, split=dt.split.random(0.3)
    )
    return block.from_columns({"signal": [window for _, window in rows], **columns})


@pytest.mark.slow
def test_windows_in_memory_make_a_dataset() -> None:
    generator = np.random.default_rng(0)
    rows = [journey(place, generator) for place in range(60)]
    data = in_memory(rows, {"took": from_spec({"op": "duration@1"})}, took=[row["took"] for row, _ in rows])
    learner = data.learner("mlp")
    learner.fit(1)
    assert set(learner.predict(rows[0][1]).targets["took"]) >= {"value", "text"}
    # Of other targets too; where they are classes, what was mistaken is looked at.
    far = ["far" if float(row["distance"]) > 20 else "near" for row, _ in rows]
    data = in_memory(rows, {"far": from_spec({"op": "category@1"})}, far=far)
    learner = data.learner("mlp")
    learner.fit(1)
    assert "near" in learner.interpret().top_losses(4).to_html()
    assert 'class="dt-pictures"' in data.show(4).to_html()
