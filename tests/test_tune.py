"""Searching for settings: the same search gives the same, goes on where it stopped, and keeps its best run."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import several
from commands import drivetrain

import drivetrain as dt
from drivetrain.data.augment.pictures import Augment
from drivetrain.errors import FileError, TrainingError, UsageError
from drivetrain.files import from_json
from drivetrain.learn.names import network_of
from drivetrain.learn.settings import Settings
from drivetrain.learn.trees import learner as trees
from drivetrain.learn.trees.learner import TreeSettings
from drivetrain.search import tune as tuning_module
from drivetrain.search.result import Tuning
from drivetrain.search.space import Choice, Range, default_space, names_of, read_space
from drivetrain.search.tune import Search

SPACE = {"lr": (1e-3, 3e-1, "log"), "weight_decay": (1e-4, 0.1, "log"), "dropout": (0.0, 0.5)}
FIXED: dict[str, Any] = {"model": "linear", "batch_size": 32, "epochs": 4}
TRIALS = 6


def search(out: Path, trials: int = TRIALS, **options: Any) -> Tuning:
    given = {"space": SPACE, "seed": 3, "quiet": True, **FIXED, **options}
    return dt.tune(several.columns(), trials, out=out, **given)


def told(found: Tuning) -> list[tuple[Any, ...]]:
    return [(row["trial"], row["state"], row["value"], row["settings"]) for row in found.trials]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Tuning:
    return search(tmp_path_factory.mktemp("tune") / "whole")


# --- the search -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_best_trial_is_the_one_with_the_least_loss_and_the_first_has_the_defaults(whole: Tuning) -> None:
    assert whole.metric == "log_loss"
    values = [row["value"] for row in whole.trials if row["value"] is not None]
    assert whole.best["value"] == min(values)
    assert whole.trials[0]["settings"] == {"lr": 3e-3, "weight_decay": 0.01, "dropout": 0.0}
    assert len({str(row["settings"]) for row in whole.trials}) == TRIALS
    for name, (low, high, *_) in SPACE.items():
        assert all(low <= row["settings"][name] <= high for row in whole.trials)


@pytest.mark.slow
def test_a_search_that_goes_on_in_two_calls_is_the_search_in_one(whole: Tuning, tmp_path: Path) -> None:
    search(tmp_path / "out", 2)
    assert told(search(tmp_path / "out")) == told(whole)


@pytest.mark.slow
def test_ctrl_c_in_a_trial_keeps_what_is_done_and_the_trial_goes_on(
    whole: Tuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = tuning_module.Watch.on_epoch_end

    def interrupt(watch: Any, learner: Any, row: dict[str, Any]) -> None:
        usual(watch, learner, row)
        if watch.trial.number == 2 and row["epoch"] == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(tuning_module.Watch, "on_epoch_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "out")
    assert len((tmp_path / "out/runs/003/metrics.jsonl").read_text().splitlines()) == 2
    monkeypatch.undo()
    assert told(search(tmp_path / "out")) == told(whole)


@pytest.mark.slow
def test_nothing_in_the_folder_is_pickled_and_only_the_best_keeps_its_weights(whole: Tuning) -> None:
    for name in ("study.jsonl", "tune.json", "result.json"):
        text = (whole.folder / name).read_text()
        for line in text.splitlines() if name.endswith("l") else [text]:
            from_json(line, where=name)
    kinds = {path.name.split(".")[0] for path in whole.folder.iterdir()}
    assert kinds == {"study", "tune", "result", "runs", "best", ""}
    kept = {path.parent.parent.name for path in whole.folder.glob("runs/*/checkpoints/*.safetensors")}
    assert kept == {Path(whole.best["run"]).name}
    assert (whole.folder / "best").resolve() == Path(whole.best["run"]).resolve()


@pytest.mark.slow
def test_the_best_model_answers_as_it_was_measured_and_is_exported(whole: Tuning, tmp_path: Path) -> None:
    learner = whole.learner()
    assert learner.validate()["log_loss"].value == pytest.approx(whole.best["value"], abs=1e-6)
    assert whole.export(tmp_path / "best.bundle").is_file()
    assert "against" in whole.result, "the best run has its baselines"
    assert (Path(whole.best["run"]) / "report.html").is_file()


@pytest.mark.slow
def test_trials_that_fall_behind_are_stopped_early_and_those_without_a_loss_fail(tmp_path: Path) -> None:
    space = {"lr": [3e-2, 1e-6, 1e30]}
    found = search(tmp_path / "out", 12, space=space, epochs=6, metric="accuracy", keep_all=True, seed=1)
    assert found.higher
    by_rate: dict[float, set[str]] = {}
    for row in found.trials:
        by_rate.setdefault(row["settings"]["lr"], set()).add(row["state"])
        if row["state"] == "stopped early":
            epochs = len((Path(row["run"]) / "metrics.jsonl").read_text().splitlines())
            assert tuning_module.WARM_UP <= epochs * tuning_module.TENTHS // 6 < tuning_module.TENTHS
    assert by_rate[3e-2] <= {"finished", "stopped early"}
    assert "stopped early" in by_rate[1e-6]
    assert by_rate[1e30] == {"failed"}
    assert found.best["settings"]["lr"] == 3e-2
    assert "best: trial" in found.history_chart.to_svg()
    assert all(
        any(Path(row["run"]).glob("checkpoints/*")) for row in found.trials if row["state"] != "failed"
    )


@pytest.mark.slow
def test_pictures_are_searched_with_the_strength_of_their_augmentation(tmp_path: Path) -> None:
    found = dt.tune(
        several.pictures, 2, out=tmp_path / "out", model="cnn", epochs=1, batch_size=32, quiet=True
    )
    assert set(found.trials[1]["settings"]) == {"weight_decay", "dropout", "lr", "augment_strength"}


@pytest.mark.slow
def test_the_command_goes_on_and_its_best_run_becomes_a_bundle(tmp_path: Path) -> None:
    data = several.columns().table
    lines = [f"{number},{letter},{label}" for number, letter, label in zip(*data.columns.values())]
    (tmp_path / "t.csv").write_text("\n".join(["number,letter,label", *lines]) + "\n")
    out = tmp_path / "out"
    command = (
        "tune",
        tmp_path / "t.csv",
        "--target",
        "label",
        "--test",
        "0.2",
        "--epochs",
        "2",
        "--out",
        out,
    )
    first = drivetrain(*command, "--trials", "1", "--json")
    assert first.code == 0, first.out
    done = drivetrain(*command, "--trials", "2", "--json")
    assert [row["trial"] for row in done.json["trials"]] == [1, 2]
    assert done.json["trials"][0] == first.json["trials"][0]
    assert done.json["best"]["test"]["n"] > 0
    assert any("test rows" in note for note in done.json["notes"])
    assert any("blends several models" in note for note in done.json["notes"])
    assert from_json((out / "result.json").read_bytes()) == done.json
    assert (out / "history.png").is_file()
    shown = drivetrain(*command, "--trials", "2")
    assert "next    drivetrain export" in shown.out
    assert drivetrain("export", out / "best", tmp_path / "best.bundle").code == 0
    other = drivetrain(*command, "--trials", "2", "--model", "linear", "--json")
    assert other.code == 2
    assert "another" in other.json["error"]


@pytest.mark.slow
def test_the_first_trials_are_the_defaults_of_each_model_and_the_next_have_only_what_their_model_has(
    tmp_path: Path,
) -> None:
    def asked(out: str, trials: int) -> Tuning:
        return dt.tune(several.columns(), trials, out=tmp_path / out, seed=1, quiet=True)

    asked("out", 2)
    found = asked("out", 7)
    assert told(found) == told(asked("whole", 7)), "it goes on as if it had not been stopped"
    first = [(row["settings"]["model"], row["default"]) for row in found.trials[:4]]
    assert first == [("trees", True), ("mlp", True), ("regression", True), ("mlp", False)]
    assert found.trials[0]["settings"] == {"model": "trees"}
    epochs = {"epochs": found.trials[1]["settings"]["epochs"]}
    assert {**found.trials[3]["settings"], **epochs} == found.trials[1]["settings"]
    assert found.trials[3]["settings"]["epochs"] > epochs["epochs"]
    for row in found.trials[4:]:
        model = row["settings"]["model"]
        assert set(row["settings"]) <= {"model", *names_of(model)}
        assert ("rate" in row["settings"]) == (model == "trees")
    assert len(list(found.folder.glob("runs/*/model.onnx"))) <= 1, "only the best keeps what it has learned"


@pytest.mark.slow
@pytest.mark.parametrize("model", ["trees", "ngrams", "regression"])
def test_a_model_without_epochs_is_searched_alone(model: str, tmp_path: Path) -> None:
    found = dt.tune(reviews(), 3, out=tmp_path / "out", model=model, quiet=True)
    assert found.trials[0]["settings"] == {}, "the model's own"
    own = {
        "trees": set(TreeSettings.searched(classes=False)),
        "ngrams": {"penalty", "power", "rarity"},
        "regression": {"penalty"},
    }
    assert set(found.trials[1]["settings"]) == own[model]
    settings = found.learner().settings.to_json()
    assert {name: settings[name] for name in found.best["settings"]} == found.best["settings"]
    assert found.learner().validate()["log_loss"].value == pytest.approx(found.best["value"], abs=1e-6)
    assert found.export(tmp_path / "best.bundle").is_file()


@pytest.mark.slow
def test_ctrl_c_while_trees_grow_keeps_what_is_done_and_they_are_grown_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(out: str) -> Tuning:
        return dt.tune(several.columns(), 3, out=tmp_path / out, model="trees", quiet=True)

    usual, grown = trees.fit_trees, []

    def interrupt(*given: Any, **options: Any) -> Any:
        grown.append(1)
        if len(grown) == 2:
            raise KeyboardInterrupt
        return usual(*given, **options)

    monkeypatch.setattr(trees, "fit_trees", interrupt)
    with pytest.raises(KeyboardInterrupt):
        asked("out")
    assert not (tmp_path / "out/runs/002/result.json").exists()
    assert told(asked("out")) == told(asked("whole"))


# --- what is asked for ----------------------------------------------------------------------------------------


def test_the_default_space_is_that_of_the_data() -> None:
    settings = Settings(batch_size=32)
    columns = default_space(several.columns(), ("trees", "mlp"), False, settings)
    assert columns["model"] == Choice(("trees", "mlp"))
    assert columns["batch_size"] == Choice((16, 32, 64, 128))
    assert columns["epochs"] == Range(5, 60, log=True)
    assert "model" not in default_space(several.columns(), ("mlp",), False, settings)
    assert set(default_space(several.columns(), ("trees",), False, settings)) == set(
        TreeSettings.searched(classes=False)
    )
    assert "label_smoothing" not in default_space(several.amounts(), ("mlp",), False, settings)
    assert "power" not in default_space(several.amounts(), ("ngrams",), False, settings)
    scratch, ready = (
        default_space(several.pictures(), ("cnn",), pretrained, settings) for pretrained in (False, True)
    )
    assert ready["lr"].to_json()[1] < scratch["lr"].to_json()[1]
    assert "augment_strength" in ready


def reviews() -> dt.Dataset:
    chance = np.random.default_rng(0)
    words = np.array(["good", "kind", "dull", "loud", "slow", "film", "actor", "plot", "music", "scene"])
    drawn = [chance.choice(words, 12) for _ in range(200)]
    return dt.tabular.from_frame(
        {
            "text": [" ".join(each) + "." for each in drawn],
            "length": chance.normal(size=200),
            "liked": ["yes" if sum(np.isin(each, words[:2])) > 2 else "no" for each in drawn],
        },
        target="liked",
    )


def models(data: dt.Dataset, space: dict[str, Any] | None = None, **fixed: Any) -> tuple[Any, ...]:
    return Search(data, None, space, 0, fixed, quiet=True).models


def test_the_models_are_those_of_the_table_that_have_what_was_fixed() -> None:
    assert models(several.columns()) == ("trees", "mlp", "regression")
    assert models(reviews()) == ("ngrams", "trees", "mlp", "linear")
    assert models(several.pictures(), model="cnn") == ("cnn",)
    assert models(several.columns(), epochs=3) == ("mlp", "linear")
    assert models(several.columns(), rate=0.1) == ("trees",)
    assert models(several.columns(), class_weights="balanced") == ("trees", "mlp", "regression")
    assert models(several.amounts(), loss="huber") == ("mlp", "linear"), "trees have no such loss"
    assert models(several.columns(), {"lr": (1e-3, 1e-2)}) == ("mlp",)
    assert models(several.columns(), {"leaves": (4, 8)}) == ("trees",)
    assert models(ratings()) == ("dot",)


def ratings() -> dt.Dataset:
    chance = np.random.default_rng(0)
    columns = {
        name: [f"{name[0]}{code}" for code in chance.integers(0, 20, 400)] for name in ("user", "item")
    }
    return dt.recommendation.from_frame(
        {**columns, "rating": chance.integers(1, 6, 400).astype(float)}, "user", "item", "rating"
    )


@pytest.mark.parametrize("data", [several.pictures, several.columns, ratings])
def test_the_default_space_holds_the_defaults(data: Callable[[], dt.Dataset]) -> None:
    search = Search(data(), None, None, 0, {}, quiet=True)
    assert search.space
    network = network_of(data())
    defaults, own = search.defaults[network], {name for name in search.space if name in names_of(network)}
    assert all(search.space[name].holds(defaults[name]) for name in own)
    learner = search._learner(network, {name: defaults[name] for name in own}, None)
    assert (learner.settings.weight_decay, learner.augment) == (
        defaults["weight_decay"],
        data().learner(network).augment,
    )


def test_a_space_is_read() -> None:
    found = read_space({"lr": (1e-4, 1e-2, "log"), "epochs": (2, 5), "model": ["mlp", "linear"]})
    assert found == {"lr": Range(1e-4, 1e-2, True), "epochs": Range(2, 5), "model": Choice(("mlp", "linear"))}
    assert found["epochs"].whole
    assert not found["lr"].whole


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"learning": (1, 2)}, "no setting 'learning'"),
        ({"lr": (1e-2, 1e-4)}, "no range"),
        ({"lr": (0.0, 1e-4, "log")}, "no range"),
        ({"lr": (1e-4, 1e-2, "logs")}, "no range"),
        ({"lr": 3e-3}, "no range"),
        ({"model": ["mlp"]}, "no choices"),
        ({"model": ["mlp", "best"]}, "nothing to search"),
        ({"batch_size": [8, [1]]}, "no choices"),
    ],
)
def test_a_space_that_is_none_is_refused(space: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_space(space)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"trials": 0}, "whole number from 1"),
        ({"trials": True}, "a whole number, not True"),
        ({"seconds": -1}, "above 0"),
        ({"metric": "log_los"}, "Did you mean log_loss"),
        ({"model": "best"}, "nothing to search"),
        ({"model": "trees"}, "for a network, and the model is trees"),
        ({"rate": 0.1}, "a network has no rate"),
        ({"space": {"rate": (0.0, 0.1)}, "model": "trees"}, "a network|trees"),
        ({"space": {"dropout": (0.0, 2.0)}}, "below 1"),
        ({"droput": 0.1}, "no option 'droput'"),
        ({"space": {"lr": (1e-4, 1e-2)}, "lr": 1e-3}, "nothing to search"),
    ],
)
def test_what_can_not_be_meant_is_refused(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        search(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_search_of_ratings_says_that_their_default_model_is_another(tmp_path: Path) -> None:
    found = dt.tune(ratings(), 1, out=tmp_path / "out", epochs=1, quiet=True)
    assert any("factors" in note for note in found.notes)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(FileError, match="something else"):
        search(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_data_without_validation_rows_is_refused(tmp_path: Path) -> None:
    data = several.columns()
    data.split = dt.split.random(0.0, seed=0)(data.table)
    with pytest.raises(UsageError, match="no validation rows"):
        dt.tune(data, 2, out=tmp_path / "out", quiet=True)


@pytest.mark.slow
def test_where_every_trial_fails_it_is_said_why(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no trial could be finished: the loss is nan"):
        search(tmp_path / "out", 2, space={"dropout": (0.0, 0.1)}, lr=1e30)
    shutil.rmtree(tmp_path / "out")


def test_strength_scales_amounts_and_leaves_probabilities() -> None:
    photos = Augment.photos()
    double = photos.scaled(2.0)
    assert (double.rotate, double.zoom, double.flip) == (20.0, pytest.approx(1.2), photos.flip)
    assert photos.scaled(1e9).lighting <= 0.9


def test_the_note_tells_how_much_the_best_of_many_flatters_itself() -> None:
    """Against the mean of the best of n standard normal numbers, drawn."""
    n = 20
    rows = [{"trial": i + 1, "state": "finished", "value": 0.5} for i in range(n)]
    best = {"trial": 2, "value": 0.5, "low": 0.5 - 1.96, "high": 0.5 + 1.96, "test": None}
    found = Tuning(Path("x"), "log_loss", False, rows, best, {}, {}, lambda: None)  # type: ignore[arg-type,return-value]
    drawn = np.random.default_rng(0).normal(size=(4000, n)).max(axis=1).mean()
    by = float(found.notes[1].rpartition("by up to ")[2])
    assert by == pytest.approx(drawn, rel=0.03)
    assert "keep a test set" in found.notes[2]
