"""What the command line promises to other programs: one JSON object, its shape, and the exit code."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from commands import Done, drivetrain, finish, start
from pictures import class_folder, split_folder

from drivetrain.cli.verbs import predict

METRICS = {"accuracy", "error_rate", "log_loss", "auc", "calibration_error"}
QUICK = ("--model", "linear", "--epochs", "2", "--batch-size", "2", "--no-check")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in train/val/test folders, a run of them and its bundle."""
    folder = tmp_path_factory.mktemp("contract")
    classes = {"cat": 8, "dog": 6}
    parts = {"train": classes, "val": {"cat": 4, "dog": 4}, "test": {"cat": 3, "dog": 2}}
    split_folder(folder / "pictures", parts, size=(16, 16))
    return folder


@pytest.fixture(scope="module")
def trained(home: Path) -> Done:
    return drivetrain(
        "train", home / "pictures", *QUICK, "--out", home / "run", "--export", home / "a.bundle", "--json"
    )


def check_estimates(estimates: Mapping[str, Mapping[str, Any]]) -> None:
    assert estimates.keys() == METRICS
    for estimate in estimates.values():
        assert {"value", "low", "high"} <= estimate.keys()
        assert all(math.isfinite(estimate[part]) for part in ("value", "low", "high"))
        assert estimate["low"] <= estimate["value"] <= estimate["high"]


@pytest.mark.slow
class TestTrained:
    def test_train_gives_run_task_metrics_baselines_epochs_and_seconds(
        self, home: Path, trained: Done
    ) -> None:
        assert trained.code == 0
        answer = trained.json
        assert {"run", "task", "metrics", "baselines", "epochs", "seconds"} <= answer.keys()
        assert answer.keys() <= {
            "run",
            "task",
            "metrics",
            "baselines",
            "epochs",
            "seconds",
            "notes",
            "against",
            "epoch_name",
            "bundle",
        }
        assert (answer["run"], answer["task"], answer["epochs"]) == (
            str(home / "run"),
            "image_classification",
            2,
        )
        assert answer["metrics"].keys() == {"valid"}
        check_estimates(answer["metrics"]["valid"])
        assert answer["metrics"]["valid"]["accuracy"]["n"] == 8
        assert {"majority class", "logistic regression"} == answer["baselines"].keys()
        for estimates in answer["baselines"].values():
            check_estimates(estimates)
        assert answer["seconds"] > 0
        assert json.loads((home / "run" / "result.json").read_text())["metrics"] == answer["metrics"]

    def test_evaluate_gives_n_and_metrics_of_the_test_part(self, home: Path, trained: Done) -> None:
        done = drivetrain("evaluate", home / "a.bundle", home / "pictures", "--json")
        assert done.code == 0
        assert done.json.keys() == {
            "n", "metrics", "part", "target", "unknown", "failed", "unusual", "opened", "note", "notes",
        }  # fmt: skip
        assert (done.json["n"], done.json["part"], done.json["failed"]) == (5, "test", [])
        check_estimates(done.json["metrics"])

    def test_predict_gives_an_answer_or_an_error_for_each_input(self, home: Path, trained: Done) -> None:
        picture, absent = str(home / "pictures/test/cat/000.png"), str(home / "absent.png")
        done = drivetrain("predict", home / "a.bundle", absent, picture, "--json")
        assert done.code == 3
        assert done.json.keys() == {"answers"}
        failure, answer = done.json["answers"]
        assert failure.keys() == {"input", "error", "where", "fix"}
        assert (failure["input"], failure["where"]) == (absent, absent)
        assert "no such file" in failure["error"]
        assert answer.keys() == {"input", "label", "probability", "probabilities"}
        assert (answer["input"], answer["label"]) == (picture, "cat")
        assert answer["probabilities"].keys() == {"cat", "dog"}
        assert math.isclose(sum(answer["probabilities"].values()), 1, abs_tol=1e-6)
        assert (
            answer["probability"] == max(answer["probabilities"].values()) == answer["probabilities"]["cat"]
        )

    def test_predict_with_no_answer_at_all_exits_1(self, home: Path, trained: Done) -> None:
        done = drivetrain("predict", home / "a.bundle", home / "absent.png", "--json")
        assert done.code == 1
        assert "error" in done.json["answers"][0]

    def test_verify_gives_ok_and_stages(self, home: Path, trained: Done) -> None:
        done = drivetrain("verify", home / "a.bundle", "--json")
        assert done.code == 0
        assert done.json.keys() == {"ok", "stages"}
        assert done.json["ok"] is True
        names = [stage["stage"] for stage in done.json["stages"]]
        assert names == ["members", "graph", "raw", "read", "encoded", "output", "answer"]
        assert all(stage["ok"] for stage in done.json["stages"])

    def test_verify_of_a_damaged_bundle_exits_3_and_names_the_stage(
        self, home: Path, trained: Done, tmp_path: Path
    ) -> None:
        damaged = bytearray((home / "a.bundle").read_bytes())
        damaged[len(damaged) // 2] ^= 1
        (tmp_path / "damaged.bundle").write_bytes(damaged)
        done = drivetrain("verify", tmp_path / "damaged.bundle", "--json")
        assert done.code == 3
        assert done.json["ok"] is False
        assert done.json["stages"][-1]["stage"] == "members"
        assert not done.json["stages"][-1]["ok"]

    def test_export_gives_the_bundle_and_its_size(self, home: Path, trained: Done, tmp_path: Path) -> None:
        done = drivetrain("export", home / "run", tmp_path / "again.bundle", "--json")
        assert done.code == 0
        assert done.json["bundle"] == str(tmp_path / "again.bundle")
        assert done.json["bytes"] == (tmp_path / "again.bundle").stat().st_size
        assert done.json["metrics"] == trained.json["metrics"]

    def test_show_of_a_run_gives_its_history_and_result(
        self, home: Path, trained: Done, tmp_path: Path
    ) -> None:
        done = drivetrain("show", home / "run", "--out", tmp_path / "losses.png", "--json")
        assert done.code == 0
        assert [row["epoch"] for row in done.json["history"]] == [1, 2]
        assert done.json["result"]["metrics"] == trained.json["metrics"]
        assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")

    def test_for_a_person_each_command_says_what_matters(
        self, home: Path, trained: Done, tmp_path: Path
    ) -> None:
        shown = drivetrain("show", home / "run")
        assert "epoch   2" in shown.out
        for words in ("accuracy", "majority class", "logistic regression", str(home / "run")):
            assert words in shown.out
        value = trained.json["metrics"]["valid"]["accuracy"]
        assert f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]" in shown.out
        assert "…" not in shown.out, "a number was cut off"
        predicted = drivetrain("predict", home / "a.bundle", home / "pictures/test/dog/000.png")
        assert "000.png  dog  " in predicted.out
        assert "verified" in drivetrain("verify", home / "a.bundle").out
        assert "test, n = 5" in drivetrain("evaluate", home / "a.bundle", home / "pictures").out
        exported = drivetrain("export", home / "run", tmp_path / "b.bundle")
        assert exported.out.startswith(str(tmp_path / "b.bundle"))

    def test_a_process_of_its_own_prints_the_same_object(self, home: Path, trained: Done) -> None:
        picture = home / "pictures/test/cat/000.png"
        inside = drivetrain("predict", home / "a.bundle", picture, "--json")
        outside = finish(start("predict", home / "a.bundle", picture, "--json"))
        assert (outside.code, outside.err) == (0, "")
        assert outside.json == inside.json

    def test_names_that_are_no_utf_8_come_out_as_json_that_names_the_same_file(
        self, home: Path, trained: Done, tmp_path: Path
    ) -> None:
        names = [b"\xff.png", "猫 \N{CAT}.png".encode()]
        try:
            for name in names:
                shutil.copy(home / "pictures/test/cat/000.png", bytes(tmp_path) + b"/" + name)
        except OSError:
            pytest.skip("this file system has no such names")
        done = finish(
            start("predict", home / "a.bundle", tmp_path, "--json", PYTHONIOENCODING="ascii:strict")
        )
        assert done.code == 0, done.err
        given = {answer["input"].encode(errors="surrogateescape") for answer in done.json["answers"]}
        assert given == {bytes(tmp_path) + b"/" + name for name in names}
        plain = finish(start("predict", home / "a.bundle", tmp_path, PYTHONIOENCODING="ascii:strict"))
        assert plain.code == 0, plain.err
        assert plain.out.count("  cat  ") == 2

    def test_names_with_line_breaks_and_control_signs_keep_to_their_line(
        self, home: Path, trained: Done, tmp_path: Path
    ) -> None:
        (tmp_path / "bro\nken.png").write_text("no picture")
        shutil.copy(home / "pictures/test/cat/000.png", tmp_path / "re\x1b[31md.png")
        done = drivetrain("predict", home / "a.bundle", tmp_path)
        broken, red = done.out.splitlines()
        assert broken.startswith(rf"{tmp_path}/bro\nken.png  this is not a picture")
        assert red.startswith(rf"{tmp_path}/re\x1b[31md.png  cat  ")
        named = drivetrain("predict", tmp_path / "bro\nken.png", "x")
        assert named.err.startswith(rf"drivetrain: {tmp_path}/bro\nken.png: this is not a bundle")

    def test_a_pipe_that_is_closed_early_makes_no_noise(self, home: Path, trained: Done) -> None:
        for options in ([], ["--json"]):
            process = start("predict", home / "a.bundle", home / "pictures", *options)
            assert process.stdout is not None
            process.stdout.close()
            process.stdout = None
            done = finish(process)
            assert (done.code, done.err) == (1, "")


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize(
    "verb", ["check", "show", "labels", "compare", "export", "verify", "predict", "nonsense"]
)
def test_an_error_into_a_closed_pipe_makes_no_noise(verb: str, stream: str) -> None:
    process = start(verb, "nowhere", "nothing", *(["--json"] if stream == "stdout" else []))
    pipe = getattr(process, stream)
    pipe.close()
    setattr(process, stream, None)
    done = finish(process)
    assert done.code == 1
    assert not done.err
    assert not done.out


class TestErrors:
    def check(self, done: Done, code: int, where: str, words: str, fix: str = "") -> None:
        assert done.code == code
        assert done.json.keys() == {"error", "where", "fix"}
        assert where in done.json["where"]
        assert words in done.json["error"]
        assert fix in done.json["fix"]

    @pytest.mark.parametrize(
        ("arguments", "words", "fix"),
        [
            ((), "required", "--help"),
            (("trian", "x"), "invalid choice: 'trian'", "drivetrain --help"),
            (("train",), "SOURCE", "drivetrain train --help"),
            (("train", "x", "--epochs", "many"), "--epochs: invalid int value: 'many'", "train --help"),
            (("train", "x", "--epochs", "1.5"), "invalid int value", "train --help"),
            (("train", "x", "--epoch", "1"), "--epoch", "Did you mean --epochs"),
            (("train", "x", "--zzzzz"), "--zzzzz", "train --help"),
            (("train", "x", "--resize", "fold"), "invalid choice: 'fold'", "train --help"),
            (("predict", "a.bundle"), "FILE_OR_FOLDER", "predict --help"),
            (("evaluate", "a.bundle", "x", "y"), "unrecognized arguments: y", "--help"),
        ],
    )
    def test_a_wrong_command_line_exits_2_with_and_without_json(
        self, arguments: tuple[str, ...], words: str, fix: str
    ) -> None:
        self.check(drivetrain(*arguments, "--json"), 2, "", words, fix)
        plain = drivetrain(*arguments)
        assert (plain.code, plain.out) == (2, "")
        assert plain.line.startswith("drivetrain: ")
        assert words in plain.line

    def test_a_missing_folder_or_bundle_exits_1(self, tmp_path: Path) -> None:
        for verb in ("train", "check", "show"):
            done = drivetrain(verb, tmp_path / "nowhere", "--json")
            self.check(done, 1, str(tmp_path / "nowhere"), "no such file or folder", "Check the path")
        for rest in (["verify"], ["predict", "x.png"], ["evaluate", tmp_path]):
            done = drivetrain(rest[0], tmp_path / "nowhere.bundle", *rest[1:], "--json")
            self.check(done, 1, str(tmp_path / "nowhere.bundle"), "no such file", "Check the path")

    def test_check_exits_3_for_faults_and_0_without(self, tmp_path: Path) -> None:
        class_folder(tmp_path, {"cat": 5, "dog": 5})
        assert drivetrain("check", tmp_path, "--json").code == 0
        (tmp_path / "cat" / "empty.png").write_bytes(b"")
        done = drivetrain("check", tmp_path, "--json")
        assert done.code == 3
        assert "empty file" in [fault["kind"] for fault in done.json["faults"]]
        told = drivetrain("check", tmp_path)
        assert told.code == 3
        assert "empty.png" in told.out

    def test_a_process_of_its_own_has_the_same_exit_code_and_no_traceback(self, tmp_path: Path) -> None:
        done = finish(start("train", tmp_path / "nowhere"))
        assert (done.code, done.out) == (1, "")
        assert (
            done.line
            == f"drivetrain: {tmp_path / 'nowhere'}: there is no such file or folder. Check the path."
        )
        assert finish(start("train")).code == 2
        helped = finish(start("train", "--help"))
        assert (helped.code, helped.err) == (0, "")
        assert "--epochs" in helped.out
        assert finish(start("--version")).out.startswith("drivetrain ")


def test_names_are_printed_as_they_are_and_not_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("[red]a[/red]", ":cat:", "[/]", "back\\"):
        predict.show({"answers": [{"input": name, "label": name, "probability": 0.5, "probabilities": {}}]})
        assert capsys.readouterr().out == f"{name}  {name}  0.500\n"
        predict.show({"answers": [{"input": name, "error": name, "where": "", "fix": name}]})
        assert capsys.readouterr().out == f"{name}  {name}. {name}\n"


def test_one_input_is_no_plural(capsys: pytest.CaptureFixture[str]) -> None:
    predict.show({"answers": [{"input": "a", "value": 1.0}], "out": "a.csv"})
    assert capsys.readouterr().out == "answers of 1 input in a.csv\n"
