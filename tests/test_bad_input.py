"""What people get wrong: one clear line, the right exit code, nothing half-written, no traceback."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Done, drivetrain, finish, start, tree
from pictures import class_folder, huge_png, picture

from drivetrain.models import hub

QUICK = ("--model", "linear", "--epochs", "1", "--batch-size", "4", "--no-check")


def refused(done: Done, code: int, *words: str) -> None:
    assert done.code == code, done.err
    assert done.out == ""
    line = done.err.splitlines()[-1]
    assert line.startswith("drivetrain: ")
    assert "Traceback" not in done.err
    for word in words:
        assert word in line


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, a run and a bundle. Tests leave them as they are."""
    folder = tmp_path_factory.mktemp("bad")
    class_folder(folder / "p", {"cat": 8, "dog": 6}, size=(16, 16))
    done = drivetrain("train", folder / "p", *QUICK, "--out", folder / "run", "--export", folder / "a.bundle")
    assert done.code == 0, done.err
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return class_folder(tmp_path / "p", {"cat": 8, "dog": 6}, size=(16, 16))


class TestFolders:
    """Folders that can't be trained on. Nothing is written, not even the run's folder."""

    @pytest.fixture(autouse=True)
    def _nothing_is_written(self, tmp_path: Path) -> Iterator[None]:
        yield
        assert not (tmp_path / "run").exists()
        assert not (tmp_path / "b.bundle").exists()

    def train(self, tmp_path: Path, *options: object) -> Done:
        return drivetrain(
            "train", tmp_path / "p", *options, "--out", tmp_path / "run", "--export", tmp_path / "b.bundle"
        )

    def test_missing(self, tmp_path: Path) -> None:
        refused(self.train(tmp_path), 1, "there is no such file or folder", str(tmp_path / "p"))

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "p").write_bytes(b"x")
        refused(self.train(tmp_path, "--task", "image_classification"), 1, "this is a file, not a folder")

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "p").mkdir()
        refused(self.train(tmp_path), 1, "no pictures", ".jpg", "one folder per class")

    def test_without_labels(self, tmp_path: Path) -> None:
        (tmp_path / "p").mkdir()
        picture(0).save(tmp_path / "p" / "a.png")
        refused(self.train(tmp_path), 1, "no labels")

    def test_one_class(self, tmp_path: Path) -> None:
        class_folder(tmp_path / "p", {"cat": 5})
        refused(self.train(tmp_path), 1, "only one class, 'cat'", "at least two classes")

    def test_no_picture_that_can_be_read(self, tmp_path: Path) -> None:
        class_folder(tmp_path / "p", {"cat": 3, "dog": 3})
        for file in (tmp_path / "p").rglob("*.png"):
            file.write_bytes(b"")
        refused(self.train(tmp_path), 1, "no picture could be read", "drivetrain check")

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (("--valid", "2"), "from 0 to below 1, not 2.0"),
            (("--valid", "nan"), "not nan"),
            (("--epochs", "0"), "from 1, not 0"),
            (("--image-size", "0"), "from 1 to 4096"),
            (("--image-size", "-3"), "from 1 to 4096"),
            (("--image-size", "1000000"), "from 1 to 4096"),
            (("--lr", "nan"), "above 0, not nan"),
            (("--lr", "0"), "above 0, not 0.0"),
            (("--lr", "-1"), "above 0, not -1.0"),
            (("--lr", "inf"), "above 0, not inf"),
            (("--batch-size", "0"), "from 1, not 0"),
            (("--seed", "-1"), "from 0"),
            (("--seed", "99999999999999999999"), "from 0"),
            (("--frozen-epochs", "-1"), "from 0, not -1"),
            (("--weight-decay", "nan"), "0 or more"),
            (("--dropout", "1"), "below 1"),
            (("--clip", "0"), "above 0"),
            (("--ema", "1"), "between 0 and 1"),
            (("--accumulate", "0"), "from 1"),
            (("--early-stopping", "0"), "number of epochs"),
            (("--augment", "loud"), "invalid choice: 'loud'"),
            (("--layout", "heap"), "class folders"),
            (("--resume",), "no such run: it had not begun"),
            (("--model", "resnet19"), "Did you mean resnet18"),
            (("--model", "lineer"), "Did you mean"),
            (("--model", "zzz"), "Choose one of linear, mlp, cnn, residual"),
            (("--model", "weights.pth"), "pickles"),
            (("--model", "./nowhere/at/all"), "no such folder"),
        ],
    )
    def test_absurd_options(
        self, tmp_path: Path, pictures: Path, options: tuple[str, ...], words: str
    ) -> None:
        done = self.train(tmp_path, "--no-check", *options)
        refused(done, 1 if words.startswith("no such") else 2, words)

    @pytest.mark.slow
    def test_a_rate_that_explodes_stops_and_names_the_batch(self, pictures: Path, tmp_path: Path) -> None:
        done = drivetrain("train", pictures, *QUICK, "--lr", "1e30", "--out", tmp_path / "other")
        refused(done, 1, "epoch 1, batch ", "the loss is", "Lower the learning rate")
        assert not list((tmp_path / "other").rglob("*.tmp"))


@pytest.mark.slow
def test_a_class_with_one_picture_trains_and_check_says_so(tmp_path: Path) -> None:
    class_folder(tmp_path / "p", {"cat": 8, "dog": 6, "emu": 1}, size=(16, 16))
    done = drivetrain("train", tmp_path / "p", *QUICK[:-1], "--out", tmp_path / "r", "--json")
    assert done.code == 0, done.err
    assert done.json["metrics"]["valid"]["accuracy"]["n"] >= 2
    faults = drivetrain("check", tmp_path / "p", "--json").json["faults"]
    assert any("emu" in str(fault) for fault in faults)


@pytest.mark.slow
def test_pictures_that_cannot_be_read_are_left_out_and_counted(pictures: Path, tmp_path: Path) -> None:
    (pictures / "cat" / "zero.png").write_bytes(b"")
    (pictures / "cat" / "cut.png").write_bytes((pictures / "cat" / "000.png").read_bytes()[:300])
    (pictures / "dog" / "text.jpg").write_text("This was a letter.\n" * 20)
    (pictures / "dog" / "huge.png").write_bytes(huge_png())
    done = drivetrain(
        "train",
        pictures,
        *QUICK,
        "--image-size",
        "16",
        "--out",
        tmp_path / "r",
        "--export",
        tmp_path / "b",
        "--json",
    )
    assert done.code == 0, done.err
    (note,) = [note for note in done.json["notes"] if "can't be used" in note]
    assert note.startswith("4 items can't be used and are left out: ")
    told = drivetrain("predict", tmp_path / "b", pictures, "--json")
    assert told.code == 3
    errors = {
        Path(answer["input"]).name: answer["error"] for answer in told.json["answers"] if "error" in answer
    }
    assert errors.keys() == {"zero.png", "cut.png", "text.jpg", "huge.png"}
    assert "89,478,485" in errors["huge.png"]
    assert len(told.json["answers"]) == 14 + 4
    report = drivetrain("check", pictures, "--json")
    assert report.code == 3
    kinds = {fault["kind"] for fault in report.json["faults"] if fault["severity"] == "error"}
    assert kinds >= {"empty file", "truncated", "not a picture", "too large"}
    all_bad = drivetrain(
        "predict", tmp_path / "b", pictures / "cat" / "zero.png", pictures / "dog" / "text.jpg"
    )
    assert all_bad.code == 1
    assert all_bad.err == ""


@pytest.mark.slow
class TestExisting:
    """What is there already is kept, unless --force says to replace it."""

    def test_a_run(self, home: Path) -> None:
        before = tree(home)
        done = drivetrain("train", home / "p", *QUICK, "--out", home / "run")
        refused(done, 1, "something in it already", "--resume", "--force")
        assert tree(home) == before

    def test_a_bundle(self, home: Path, tmp_path: Path) -> None:
        before = tree(home)
        new_run = ("--out", tmp_path / "r", "--export", home / "a.bundle")
        refused(drivetrain("train", home / "p", *QUICK, *new_run), 1, "exists already", "--force")
        refused(drivetrain("export", home / "run", home / "a.bundle"), 1, "exists already", "--force")
        resumed = ("train", home / "p", "--out", home / "run", "--resume", "--export", home / "a.bundle")
        refused(drivetrain(*resumed), 1, "exists already", "--force")
        picture = home / "p" / "cat" / "000.png"
        for command in (("export", home / "run"), (*resumed[:-1],)):
            done = drivetrain(*command, picture, "--force")
            refused(done, 1, str(picture), "this is no bundle", "Choose another name")
        assert not (tmp_path / "r").exists()
        assert tree(home) == before

    def test_force_is_no_leave_to_write_among_what_is_no_run(self, home: Path, tmp_path: Path) -> None:
        class_folder(tmp_path / "p", {"cat": 8, "dog": 6}, size=(16, 16))
        (tmp_path / "p" / "config.toml").write_text("mine = true")
        before = tree(tmp_path)
        for force in ([], ["--force"]):
            done = drivetrain("train", tmp_path / "p", *QUICK, "--out", tmp_path / "p", *force)
            refused(done, 1, "something in it already", "It is not a run")
            assert "--force" not in done.err
        assert tree(tmp_path) == before

    def test_a_run_goes_on_with_what_it_was_started_with(self, home: Path) -> None:
        before = tree(home)
        resumed = ("train", home / "p", "--out", home / "run", "--resume")
        refused(drivetrain(*resumed, "--epochs", "7"), 2, "--epochs", "this run has epochs 1, not 7")
        refused(drivetrain(*resumed, "--model", "cnn"), 2, "--model", "has model linear")
        refused(drivetrain(*resumed, "--batch-size", "8"), 2, "--batch-size", "has batch size 4")
        assert tree(home) == before
        assert drivetrain(*resumed, *QUICK).code == 0

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            (("--lr", "0.5"), "this run has lr 0.003, not 0.5"),
            (("--valid", "0.4"), "this run has valid 0.2, not 0.4"),
            (("--augment", "photos"), "this run has augment none, not photos"),
            (("--image-size", "99"), "this run was started without it"),
            (("--resize", "stretch"), "this run has resize crop, not stretch"),
            (("--layout", "flat"), "this run was started without it"),
            (("--target", "label"), "this run was started without it"),
            (("--task", "tabular"), "this run has task image_classification, not tabular"),
        ],
    )
    def test_no_option_is_passed_over_by_a_run_that_goes_on(
        self, home: Path, given: tuple[str, str], words: str
    ) -> None:
        resumed = ("train", home / "p", "--out", home / "run", "--resume")
        refused(drivetrain(*resumed, *given), 2, given[0], words, "start another run")

    def test_options_that_are_the_runs_own_are_no_hindrance(self, home: Path) -> None:
        same = (
            "--lr", "0.003", "--valid", "0.2", "--resize", "crop", "--augment", "none", "--seed", "0", "--frozen-epochs", "4",
        )  # fmt: skip
        done = drivetrain("train", home / "p", "--out", home / "run", "--resume", *same, "--augment=auto")
        assert done.code == 0, done.err

    @pytest.mark.parametrize("model", ["linear", "trees"])
    def test_a_run_of_a_table_goes_on_with_its_columns(self, tmp_path: Path, model: str) -> None:
        rows = "".join(f"{37 * n % 61},{n % 7},{n // 9},{'yes' if n % 3 else 'no'}\n" for n in range(60))
        (tmp_path / "t.csv").write_text(f"a,b,day,y\n{rows}")
        own = (
            "--target", "y", "--ignore", "b", "--column", "day=number", "--split", "time:day", "--cost", "yes:no=5",
            "--test", "0.1",
        )  # fmt: skip
        run = ("train", tmp_path / "t.csv", "--model", model, "--out", tmp_path / "run")
        epochs = ("--epochs", "1") if model == "linear" else ()
        assert drivetrain(*run, *own, *epochs, "--no-check").code == 0
        for given, words in {
            ("--target", "a"): "this run has target y, not a",
            ("--ignore", "a"): "this run has ignore b, not a",
            ("--column", "a=category"): "this run has column day=number, not a=category",
            ("--split", "group:b"): "this run has split time:day, not group:b",
            ("--split", "random"): "this run has split time:day, not random",
            ("--cost", "yes:no=6"): "this run has cost yes:no=5, not yes:no=6",
            ("--test", "0.2"): "this run has test 0.1, not 0.2",
            ("--interval", "0.5"): "this run has interval 0.9, not 0.5",
            ("--user", "a"): "this run was started without it",
            ("--log-target",): "this run was started without it",
        }.items():
            refused(drivetrain(*run, "--resume", *given), 2, given[0], words)
        if model == "trees":
            refused(drivetrain(*run, "--resume", "--epochs", "3"), 2, "--epochs", "started without it")
        done = drivetrain(*run, "--resume", *own, *epochs, "--interval", "0.9", "--batch-size", "64")
        assert done.code == (0 if model == "trees" else 2), done.err

    def test_a_place_for_the_bundle_that_cannot_be(self, home: Path, tmp_path: Path) -> None:
        """It is told before the training, not after it."""
        (tmp_path / "file").touch()
        new_run = ("--out", tmp_path / "r", "--export", tmp_path / "file" / "a.bundle")
        refused(drivetrain("train", home / "p", *QUICK, *new_run), 1, "a.bundle", "a file, not a folder")
        assert not (tmp_path / "r").exists()

    def test_a_run_whose_newest_weights_are_lost_is_not_exported_as_it_was(
        self, home: Path, tmp_path: Path
    ) -> None:
        """The bundle would be of older weights under the figures of the newer ones."""
        run = tmp_path / "run"
        done = drivetrain("train", home / "p", *QUICK[:2], "--epochs", "2", "--no-check", "--out", run)
        assert done.code == 0
        newest = max((run / "checkpoints").glob("*.safetensors"))
        data = bytearray(newest.read_bytes())
        data[-1] ^= 1
        newest.write_bytes(data)
        words = ("is not finished", "damaged", f"drivetrain train {home / 'p'} --out {run} --resume")
        refused(drivetrain("export", run, tmp_path / "a.bundle"), 1, *words)
        resumed = drivetrain("train", home / "p", "--out", run, "--resume")
        assert resumed.code == 0
        assert "damaged" in resumed.err
        assert drivetrain("export", run, tmp_path / "a.bundle").code == 0

    def test_a_folder_where_a_bundle_or_picture_should_go(self, home: Path, tmp_path: Path) -> None:
        for force in ([], ["--force"]):
            refused(drivetrain("export", home / "run", tmp_path, *force), 1, "this is a folder")
            refused(drivetrain("show", home / "run", "--out", tmp_path, *force), 1, "this is a folder")
        assert tree(tmp_path) == {}

    def test_a_run_that_had_not_begun_is_not_gone_on_with(self, home: Path, tmp_path: Path) -> None:
        (tmp_path / "empty" / "checkpoints").mkdir(parents=True)
        for name in ("absent", "empty"):
            done = drivetrain("train", home / "p", "--out", tmp_path / name, "--resume")
            refused(done, 1, name, "there is no such run: it had not begun", "Leave out --resume")

    def test_force_replaces_run_bundle_and_picture(self, home: Path, tmp_path: Path) -> None:
        shutil.copytree(home / "run", tmp_path / "run")
        (tmp_path / "run" / "notes.txt").write_text("mine")
        shutil.copy(home / "a.bundle", tmp_path / "b.bundle")
        (tmp_path / "l.png").write_bytes(b"old")
        command = (
            "train",
            home / "p",
            *QUICK,
            "--epochs",
            "2",
            "--out",
            tmp_path / "run",
            "--force",
            "--json",
        )
        done = drivetrain(*command, "--export", tmp_path / "b.bundle")
        assert done.code == 0, done.err
        assert done.json["epochs"] == 2
        assert (tmp_path / "run" / "notes.txt").read_text() == "mine", "--force removes what a run wrote only"
        assert drivetrain("verify", tmp_path / "b.bundle").code == 0
        assert drivetrain("show", tmp_path / "run", "--out", tmp_path / "l.png").code == 1
        assert drivetrain("show", tmp_path / "run", "--out", tmp_path / "l.png", "--force").code == 0
        assert (tmp_path / "l.png").read_bytes().startswith(b"\x89PNG")

    def test_a_run_goes_on_with_data_that_have_moved(self, tmp_path: Path) -> None:
        class_folder(tmp_path / "old", {"dark": 8, "light": 8})
        (tmp_path / "old.csv").write_text("x,y\n" + "".join(f"{37 * n % 61},{n % 7}\n" for n in range(60)))
        for name, own in ("old", ["--epochs", "1"]), ("old.csv", ["--target", "y", "--model", "trees"]):
            run = tmp_path / f"run of {name}"
            assert drivetrain("train", tmp_path / name, *own, "--no-check", "--out", run).code == 0
            now = tmp_path / name.replace("old", "new")
            (tmp_path / name).rename(now)
            done = drivetrain("train", now, "--out", run, "--resume", "--json")
            assert done.code == 0, done.err
            assert drivetrain("export", run, tmp_path / f"{name}.bundle").code == 0, "it knows the new place"

    def test_resuming_a_run_on_other_data_is_refused(self, home: Path, tmp_path: Path) -> None:
        pictures = class_folder(tmp_path / "p", {"cat": 8, "dog": 6}, size=(16, 16), seed=1)
        before = (home / "run" / "config.toml").read_bytes()
        done = drivetrain("train", pictures, "--out", home / "run", "--resume")
        refused(done, 1, "the data are not those", "started with, on " + str(home / "p"))
        assert (home / "run" / "config.toml").read_bytes() == before
        refused(drivetrain("train", home / "p", "--resume"), 2, "--out RUN")


@pytest.mark.slow
class TestBundles:
    """Bundles that must not answer."""

    def bundle(self, home: Path, tmp_path: Path, kind: str) -> Path:
        path = tmp_path / "x.bundle"
        whole = (home / "a.bundle").read_bytes()
        if kind == "folder":
            path.mkdir()
        elif kind != "missing":
            flipped = bytearray(whole)
            flipped[len(whole) // 3] ^= 8
            contents = {"empty": b"", "text": b"hello\n", "cut": whole[:-100], "flipped": bytes(flipped)}
            path.write_bytes(contents[kind])
        return path

    @pytest.mark.parametrize("kind", ["missing", "folder", "empty", "text", "cut", "flipped"])
    def test_predict_and_evaluate_refuse_it(self, home: Path, tmp_path: Path, kind: str) -> None:
        path = self.bundle(home, tmp_path, kind)
        refused(drivetrain("predict", path, home / "p"), 1, str(path))
        refused(drivetrain("evaluate", path, home / "p"), 1, str(path))

    @pytest.mark.parametrize("kind", ["folder", "empty", "text", "cut", "flipped"])
    def test_verify_says_which_stage(self, home: Path, tmp_path: Path, kind: str) -> None:
        done = drivetrain("verify", self.bundle(home, tmp_path, kind))
        assert done.code == 3
        assert "members  DIFFERS" in done.out
        assert "not verified" in done.out

    @pytest.mark.parametrize("verb", ["show", "check", "train"])
    def test_a_bundle_or_a_picture_is_not_taken_for_a_table(self, home: Path, verb: str) -> None:
        refused(drivetrain(verb, home / "a.bundle"), 2, "this is a bundle", "drivetrain verify")
        picture = home / "p" / "cat" / "000.png"
        for target in ((), ("--target", "label")):
            refused(drivetrain(verb, picture, *target), 2, "this is a picture", "the folder")

    def test_the_way_out_of_an_option_of_another_task_is_one(self, home: Path, tmp_path: Path) -> None:
        refused(drivetrain("check", home / "p", "--target", "label"), 2, "Leave it out, or name a table.")
        (tmp_path / "t.csv").write_text("a,b\n1,2\n")
        table = ("check", tmp_path / "t.csv", "--target", "a")
        refused(drivetrain(*table, "--resize", "pad"), 2, "Leave it out, or name a folder of pictures.")
        refused(drivetrain(*table, "--user", "a"), 2, "or say --task recommendation")

    def test_predict_says_when_there_is_nothing_to_predict(self, home: Path, tmp_path: Path) -> None:
        refused(drivetrain("predict", home / "a.bundle", tmp_path), 1, "there are no pictures in it")

    def test_evaluate_on_classes_that_the_bundle_does_not_know(self, home: Path, tmp_path: Path) -> None:
        class_folder(tmp_path / "q", {"emu": 2, "gnu": 2}, size=(16, 16))
        done = drivetrain("evaluate", home / "a.bundle", tmp_path / "q", "--json")
        assert done.code == 1
        assert "nothing in it could be measured: 4 rows count in no metric" in done.json["error"]
        assert "no such class of 'label': 'emu' (2), 'gnu' (2)" in done.json["error"]
        assert done.json["fix"].startswith("Give items ")

    def test_exporting_a_run_whose_pictures_have_gone(self, home: Path, tmp_path: Path) -> None:
        shutil.copytree(home / "p", tmp_path / "p")
        done = drivetrain("train", tmp_path / "p", *QUICK, "--out", tmp_path / "run")
        assert done.code == 0, done.err
        shutil.rmtree(tmp_path / "p")
        refused(
            drivetrain("export", tmp_path / "run", tmp_path / "b"),
            1,
            "there is no such folder",
            str(tmp_path / "p"),
        )
        assert not (tmp_path / "b").exists()
        refused(drivetrain("export", tmp_path / "nowhere", tmp_path / "b"), 1, "no such run")

    def test_a_run_whose_config_is_damaged(self, home: Path, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "config.toml").write_text("format = [")
        refused(drivetrain("export", tmp_path / "run", tmp_path / "b"), 1, "config.toml", "not valid TOML")
        (tmp_path / "run" / "config.toml").write_text("format = 99")
        refused(drivetrain("export", tmp_path / "run", tmp_path / "b"), 1, "format 99")
        (tmp_path / "run" / "config.toml").write_text("format = 1")
        refused(drivetrain("export", tmp_path / "run", tmp_path / "b"), 1, "config.toml")


class Refusal:
    """Stands for a function of `os`: raises `code` from call number `first` on."""

    def __init__(self, patch: pytest.MonkeyPatch, name: str, code: int, first: int = 0) -> None:
        self.real, self.code, self.first, self.calls = getattr(os, name), code, first, 0
        patch.setattr(os, name, self)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls > self.first:
            raise OSError(self.code, os.strerror(self.code))
        return self.real(*arguments, **options)


@pytest.mark.slow
class TestDisk:
    """A disk that is full or read-only. Tests may run as root, whom permissions don't stop: the calls are made to
    fail instead."""

    @pytest.mark.parametrize(
        ("code", "words"),
        [(errno.ENOSPC, "no space left"), (errno.EROFS, "read-only"), (errno.EACCES, "permission")],
    )
    def test_the_run_folder_can_not_be_made(
        self, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
    ) -> None:
        made = Path.mkdir

        def mkdir(path: Path, *arguments: Any, **options: Any) -> None:
            if path.is_relative_to(tmp_path / "out"):
                raise OSError(code, os.strerror(code))
            made(path, *arguments, **options)

        monkeypatch.setattr(Path, "mkdir", mkdir)
        done = drivetrain("train", pictures, *QUICK, "--out", tmp_path / "out" / "run")
        refused(done, 1, words, str(tmp_path / "out" / "run"))
        assert not (tmp_path / "out").exists()

    def test_the_cache_is_full(self, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DRIVETRAIN_CACHE", str(tmp_path / "cache"))
        refusal = Refusal(monkeypatch, "pwrite", errno.ENOSPC, first=3)
        done = drivetrain("train", pictures, *QUICK, "--out", tmp_path / "run")
        refused(done, 1, "no space left", str(tmp_path / "cache"), "Free some space")
        assert refusal.calls > 3
        assert not (tmp_path / "run").exists()
        assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]

    @pytest.mark.parametrize("first", range(1, 8, 2))
    def test_the_disk_fills_up_while_it_trains(
        self, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
    ) -> None:
        run = tmp_path / "run"
        warm = drivetrain(
            "show", pictures, "--out", tmp_path / "warm.png"
        )  # Encoded now, so that the run fails.
        assert warm.code == 0
        refusal = Refusal(monkeypatch, "fsync", errno.ENOSPC, first)
        command = ("train", pictures, *QUICK, "--epochs", "2", "--out", run)
        done = drivetrain(*command, "--export", tmp_path / "b.bundle")
        refused(done, 1, "no space left", "Free some space")
        assert refusal.calls == first + 1
        assert not list(tmp_path.rglob("*.tmp"))
        assert not (tmp_path / "b.bundle").exists()
        monkeypatch.undo()
        if (run / "config.toml").exists():
            resumed = drivetrain("train", pictures, "--out", run, "--resume", "--json")
            assert resumed.code == 0, resumed.err
            assert resumed.json["epochs"] == 2

    def test_the_disk_is_full_when_the_bundle_is_written(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copy(home / "a.bundle", tmp_path / "b.bundle")
        Refusal(monkeypatch, "fsync", errno.ENOSPC)
        before = tree(home / "run")
        refused(drivetrain("export", home / "run", tmp_path / "b.bundle", "--force"), 1, "no space left")
        assert tree(tmp_path) == {"b.bundle": (home / "a.bundle").read_bytes()}
        assert tree(home / "run") == before

    def test_a_disk_that_is_really_full(self, pictures: Path, tmp_path: Path) -> None:
        small = tmp_path / "small"
        small.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
        if (
            shutil.which("mount") is None
            or subprocess.run(mount, capture_output=True, check=False).returncode
        ):
            pytest.skip("only root can make a small disk")
        try:
            done = finish(start("train", pictures, *QUICK, "--model", "mlp", "--out", small / "run"))
            refused(done, 1, "no space left", str(small))
            assert not list(small.rglob("*.tmp"))
        finally:
            subprocess.run(["umount", str(small)], check=True)


class TestHub:
    """A model of the hub without network: what to do is said within a second."""

    def told(self, pictures: Path, tmp_path: Path) -> float:
        """Seconds until it is told; the best of three, since this machine may be busy."""
        return min(self.told_once(pictures, tmp_path) for _ in range(3))

    def told_once(self, pictures: Path, tmp_path: Path) -> float:
        began = time.perf_counter()
        done = drivetrain("train", pictures, "--model", "nobody/nothing-here", "--out", tmp_path / "run")
        seconds = time.perf_counter() - began
        refused(done, 1, "nobody/nothing-here", "hf download nobody/nothing-here --local-dir FOLDER")
        assert not (tmp_path / "run").exists()
        return seconds

    def test_no_network(self, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.alone(monkeypatch)
        assert self.told(pictures, tmp_path) < 1

    def test_a_network_that_swallows_everything(
        self, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.alone(monkeypatch)
        over = threading.Event()

        def swallow(*address: Any, timeout: float) -> None:
            over.wait(20)
            raise OSError(errno.ETIMEDOUT, "timed out")

        monkeypatch.setattr(hub.socket, "create_connection", swallow)
        try:
            assert self.told(pictures, tmp_path) < 1
        finally:
            over.set()

    def alone(self, patch: pytest.MonkeyPatch) -> None:
        """No proxy, and a hub at a port where nobody listens."""
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        patch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        hub.cached(
            "nobody/nothing-here"
        )  # Imports the hub's client: the time to import is no part of the promise.
