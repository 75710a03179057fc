"""Sequence classification: from the source to answers for new recordings, by window and for the whole."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sensors
from commands import drivetrain as commanded

import drivetrain as dt
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.data.recipe import from_recipe
from drivetrain.data.wholes import measure_with_wholes, whole_answers
from drivetrain.errors import DataError
from drivetrain.learn.by_name import make_learner
from drivetrain.learn.graph_model import GraphModel
from drivetrain.learn.names import default_model, network_of
from drivetrain.models.registry import fitting
from drivetrain.tasks.sequence_classification import TASK
from drivetrain.types import Answer, Failure

make = dt.sequence_classification


def drivetrain(verb: str, *arguments: object) -> tuple[int, Any]:
    """Exit code, and what the command says as JSON."""
    done = commanded(verb, *arguments, "--json")
    return done.code, done.json if done.out.strip() else done.err


class TestDataset:
    def test_a_recipe_makes_it_again(self, tmp_path: Path) -> None:
        path = sensors.write_table(tmp_path / "log.csv", sensors.long_table())
        data = make.from_csv(
            path, "label", sequence="id", window=16, split=dt.split.by_group("person", valid=0.3)
        )
        again = from_recipe(json.loads(json.dumps(data.recipe)))
        assert again.signature == data.signature
        assert np.array_equal(again.rows("valid"), data.rows("valid"))
        people = [{*data.table["person"][rows]} for rows in data.split.parts().values()]
        assert not people[0] & people[1]
        assert data.task.facts(data)["recordings"]["window"] == 16

    def test_models_that_fit(self) -> None:
        data = make.from_table(sensors.long_table(), "label", sequence="id")
        assert {"best", "minirocket", "regression", "trees", "conv1d", "lstm", "gru", "mlp"} <= {
            *fitting(data.signature)
        }
        assert not {"cnn", "ngrams", "resnet18", "dot"} & {*fitting(data.signature)}
        assert default_model(data) == "best"
        assert network_of(data) == "conv1d"
        assert "minirocket" not in fitting(
            dt.tabular.from_frame({"x": [1, 2] * 9, "y": [*"ab"] * 9}, "y").signature
        )

    def test_rows_are_told_apart_by_who_wore_it(self) -> None:
        data = make.from_table(sensors.long_table(), "label", sequence="id")
        assert data.task.told_apart(data) == ["person"]
        note = next(fault for fault in data.check().faults if fault.kind == "split")
        assert "--split group:person" in note.fix
        parted = make.from_table(
            sensors.long_table(), "label", sequence="id", split=dt.split.by_group("person", valid=0.3)
        )
        assert not any(fault.kind == "split" for fault in parted.check().faults)

    def test_lengths_that_tell_the_class_are_a_leak(self) -> None:
        rows: dict[str, list[Any]] = {"id": [], "t": [], "a": [], "label": []}
        for number in range(80):
            label = "long" if number % 2 else "short"
            size = 12 + number % 5 + 12 * (label == "long")
            rows["id"] += [number] * size
            rows["t"] += [*range(size)]
            rows["a"] += np.random.default_rng(number).normal(size=size).round(3).tolist()
            rows["label"] += [label] * size
        found = [
            fault
            for fault in make.from_table(rows, "label", sequence="id").check().faults
            if fault.kind == "telling form"
        ]
        assert len(found) == 1
        assert "length of a sequence" in found[0].message

    def test_copies_across_the_split_are_a_leak(self) -> None:
        rows = sensors.long_table()
        again = {
            name: [f"{value}-again" if name == "id" else value for value in values]
            for name, values in rows.items()
        }
        both = {name: values + again[name] for name, values in rows.items()}
        faults = make.from_table(both, "label", sequence="id", valid=0.4).check().faults
        leak = next(fault for fault in faults if fault.kind == "leak")
        assert "Sequences that are there already" in leak.message
        assert "--drop-copies" not in leak.fix

    def test_gaps_and_dead_channels_are_told(self) -> None:
        rows = sensors.long_table()
        rows["a"][5:20] = [None] * 15
        rows["b"] = [0.5] * len(rows["b"])
        rows["step"][3] = 2.9
        for place in range(4, len(rows["id"])):
            if rows["id"][place] == "s0":
                rows["step"][place] += 9  # type: ignore[operator]
        data = make.from_table(rows, "label", sequence="id", order="step", channels=["a", "b"])
        kinds = {fault.kind: fault.message for fault in data.check().faults}
        assert "15 of them in a row" in kinds["missing values"]
        assert "'b' never changes" in kinds["dead channel"]
        assert "1 time" in kinds["missing moments"]


class TestWholes:
    def test_a_recording_is_answered_by_the_mean_of_its_windows(self) -> None:
        signature = Signature({}, {"label": Category(classes=("a", "b"))})
        shares = [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]
        answers: list[Answer | Failure] = [
            Answer("", {}, outputs={"label": np.array(share, np.float32)}) for share in shares
        ]
        answers.append(Failure("x", DataError("too short.")))
        found = [*whole_answers(signature, ["x", "x", "", "x"], answers)]
        assert [(each["input"], each["windows"], each["label"]) for each in found] == [("x", 2, "a")]
        assert found[0]["probability"] == pytest.approx(0.55)

    def test_those_of_one_true_value_are_measured(self) -> None:
        codec = Category(classes=("a", "b"))
        shares = np.array(
            [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.9, 0.1], [0.8, 0.2], [0.1, 0.9]], np.float32
        )
        true = np.array([0, 0, 1, 0, 0, 0])
        found = measure_with_wholes(codec, shares, true, groups=np.array([7, 7, 0, 0, 3, 5]))
        assert found["accuracy"].value == pytest.approx(4 / 6)
        assert (found["recording.accuracy"].n, found["recording.accuracy"].value) == (3, pytest.approx(2 / 3))
        assert measure_with_wholes(codec, shares, true).keys() == {
            name for name in found if not name.startswith("recording.")
        }
        one = measure_with_wholes(codec, shares[:4], true[:4], groups=np.array(["x", "x", "y", "y"]))
        assert "recording.accuracy" not in one


@pytest.mark.slow
@pytest.mark.parametrize("model", ["conv1d", "conv1d:2-layers:16-wide", "lstm:16-wide", "gru:16-wide"])
def test_networks_read_no_padding_and_their_graphs_say_the_same(model: str) -> None:
    data = sensors.dataset(24)
    learner = make_learner(data, model, bare=True, quiet=True)
    learner.fit(2)
    part = data.part("valid")
    answers = learner.run_arrays(part.batch())["label"]
    alone = np.concatenate(
        [learner.run_arrays(part.batch(slice(row, row + 1)))["label"] for row in range(len(part))]
    )
    assert np.abs(alone - answers).max() < 1e-5
    graph = GraphModel(data, learner.graph(), learner.settings)
    assert np.abs(graph.predict_part("valid")["label"] - answers).max() < 1e-4


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of windows that were cut from files, a folder for each class."""
    folder = tmp_path_factory.mktemp("sensors")
    for number in range(12):
        label = list(sensors.PERIODS)[number % 3]
        sensors.write_recording(folder / "all" / label / f"{number}.csv", label, 90, number, labelled=False)
    options = [
        "--task",
        "sequence_classification",
        "--window",
        "30",
        "--step",
        "15",
        "--model",
        "minirocket",
    ]
    code, answer = drivetrain(
        "train", folder / "all", *options, "--out", folder / "run", "--export", folder / "w.bundle"
    )
    assert code == 0, answer
    return folder / "w.bundle"


@pytest.mark.slow
class TestCommands:
    def test_answers_by_window_and_for_the_whole(self, bundle: Path) -> None:
        code, answer = drivetrain("predict", bundle, bundle.parent / "all" / "run" / "1.csv")
        assert code == 0
        assert [each["input"] for each in answer["answers"]] == [
            f"1.csv, rows {first} to {first + 29}" for first in range(2, 63, 15)
        ]
        (whole,) = answer["wholes"]
        assert (whole["input"], whole["windows"], whole["label"]) == ("1.csv", 5, "run")

    def test_a_recording_that_is_too_short_has_no_answer(self, bundle: Path, tmp_path: Path) -> None:
        sensors.write_recording(tmp_path / "short.csv", "run", 20, labelled=False)
        sensors.write_recording(tmp_path / "long.csv", "run", 40, labelled=False)
        (tmp_path / "bad.csv").write_text("t,a\n0,1\n1,2\n")
        code, answer = drivetrain("predict", bundle, tmp_path)
        assert code == 3
        told = {each["input"].rpartition("/")[2]: each.get("error", "") for each in answer["answers"]}
        assert "20 moments, and a window of this model 30" in told["short.csv"]
        assert "no column 'b'" in told["bad.csv"]
        assert told["long.csv, rows 2 to 31"] == ""

    def test_a_table_without_the_columns_of_names_and_times_is_one_recording(self, tmp_path: Path) -> None:
        rows = sensors.long_table(30)
        table = sensors.write_table(tmp_path / "log.csv", rows)
        options = [
            "--task",
            "sequence_classification",
            "--sequence",
            "id",
            "--target",
            "label",
            "--window",
            "16",
        ]
        code, told = drivetrain(
            "train", table, *options, "--model", "minirocket", "--export", tmp_path / "s.bundle", "--out", tmp_path / "run"
        )  # fmt: skip
        assert code == 0, told
        result = json.loads((tmp_path / "run" / "result.json").read_text())
        assert result["metrics"]["valid"]["recording.accuracy"]["n"] == 6
        assert {found["recording.accuracy"]["n"] for found in result["baselines"].values()} == {6}
        code, told = drivetrain("evaluate", tmp_path / "s.bundle", table)
        assert (code, told["metrics"]["recording.accuracy"]["n"]) == (0, 6)
        bare = sensors.write_table(tmp_path / "bare.csv", {name: rows[name][:20] for name in ("b", "a")})
        code, told = drivetrain("predict", tmp_path / "s.bundle", bare)
        assert (code, [each["input"] for each in told["answers"]]) == (0, ["bare.csv, rows 2 to 17"])
        assert told["wholes"][0]["input"] == "bare.csv"

    def test_measures_windows_and_recordings(self, bundle: Path) -> None:
        code, answer = drivetrain("evaluate", bundle, bundle.parent / "all")
        assert code == 0
        assert (answer["n"], answer["metrics"]["recording.accuracy"]["n"]) == (60, 12)
        assert answer["metrics"]["recording.accuracy"]["value"] == 1
        assert "12 groups" in answer["metrics"]["accuracy"]["method"]
        assert any("60 windows of 12 recordings" in note for note in answer["notes"])

    def test_a_folder_may_be_what_it_was_trained_on(self, bundle: Path) -> None:
        _, answer = drivetrain("evaluate", bundle, bundle.parent / "all")
        assert "neither trained nor chosen on" in answer["note"]

    def test_figures_of_a_run_are_of_recordings(self, bundle: Path) -> None:
        result = json.loads((bundle.parent / "run" / "result.json").read_text())
        found = result["metrics"]["valid"]["log_loss"]
        assert found["low"] is None  # Of three recordings.
        compared = dt.compare([bundle.parent / "run", bundle.parent / "run"])
        assert math.isnan(compared.metrics["run (1)"]["log_loss"].low)
        assert any("intervals are of recordings: too few" in note for note in compared.notes)
        code, answer = drivetrain(
            "curve", bundle.parent / "all", "--task", "sequence_classification", "--window", "10", "--step", "5",
            "--model", "minirocket",
        )  # fmt: skip
        assert (code, "too few separate recordings" in answer["error"]) == (1, True)

    def test_what_training_had_is_told_of_the_same_way(self, bundle: Path) -> None:
        known = dt.Predictor(bundle)
        answer = known.predict(sensors.recording("run", 30, 5).tolist())
        assert answer.label == "run"
        with pytest.raises(DataError, match="29 moments, and there must be 30"):
            known.predict(sensors.recording("run", 29, 5).tolist())

    def test_labels_in_a_second_table(self, tmp_path: Path) -> None:
        rows = sensors.long_table(30)
        labels = {"id": rows["id"], "label": rows.pop("label")}
        once = {
            name: [values[labels["id"].index(key)] for key in dict.fromkeys(labels["id"])]
            for name, values in labels.items()
        }
        table, second = (
            sensors.write_table(tmp_path / name, made) for name, made in (("s.csv", rows), ("l.csv", once))
        )
        options = [
            "--task",
            "sequence_classification",
            "--sequence",
            "id",
            "--target",
            "label",
            "--labels",
            second,
        ]
        code, answer = drivetrain(
            "train", table, *options, "--test", "0.3", "--model", "minirocket", "--export", tmp_path / "s.bundle",
            "--out", tmp_path / "run",
        )  # fmt: skip
        assert code == 0, answer
        code, answer = drivetrain("evaluate", tmp_path / "s.bundle", table, "--labels", second)
        assert (code, answer["part"]) == (0, "test")
        code, answer = drivetrain("evaluate", tmp_path / "s.bundle", table)
        assert code != 0


def test_a_task_without_a_layout_takes_each_file_for_a_sequence() -> None:
    from drivetrain.codecs.series import Series

    signature = Signature({"series": Series(("a", "b"))}, {"label": Category(classes=("x", "y"))})
    assert TASK._known(signature).channels == ("a", "b")
