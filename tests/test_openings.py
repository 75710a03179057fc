"""A test set is opened by `evaluate` alone, each opening is noted, and who opens it often is told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commands import drivetrain
from pictures import split_folder

from drivetrain import test_set_uses as openings
from drivetrain.state_folder import state_folder
from drivetrain.test_set_uses import FILE, Opened, record_opening, rows_key

METRICS = {
    "accuracy": {"value": 0.9, "low": 0.8, "high": 0.95, "method": "", "n": 40},
    "auc": {"value": None},
}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRIVETRAIN_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_openings_and_different_models_are_counted_for_each_test_set() -> None:
    found = [record_opening("a", model, METRICS) for model in ("m1", "m1", "m2", "m3")]
    assert [(one.times, one.models) for one in found] == [(1, 1), (2, 1), (3, 2), (4, 3)]
    assert record_opening("b", "m1", METRICS) == Opened(1, 1)
    assert len(openings.openings("a")) == 4
    assert openings.openings("c") == []


def test_from_the_third_model_on_it_is_said_what_the_figure_is_worth() -> None:
    notes = [record_opening("a", model, METRICS).note for model in ("m1", "m2", "m2", "m3", "m1")]
    assert notes[:3] == ["", "", ""]
    assert "chosen between 3 models: its figure flatters the best of them" in notes[3]
    assert notes[4] == notes[3]


def test_rows_that_are_no_test_set_are_not_called_one() -> None:
    notes = [record_opening("a", model, METRICS, is_test=False).note for model in ("m1", "m2", "m3")]
    assert notes[2].startswith("these items have now chosen between 3 models")
    assert "test set" not in notes[2]


def test_notes_are_sentences() -> None:
    assert (
        openings.sentences("there is none", "", "these have. Keep some")
        == "there is none. These have. Keep some"
    )
    assert openings.sentences("", "these") == "these"


def test_a_line_holds_key_model_figures_and_time_and_no_more(state: Path) -> None:
    record_opening("a", "m1", METRICS)
    (line,) = (state / FILE).read_text().splitlines()
    found = json.loads(line)
    assert found.keys() == {"key", "bundle", "metrics", "time"}
    assert found["metrics"] == {"accuracy": 0.9, "auc": None}


@pytest.mark.parametrize(
    "damage",
    [
        b'{"key": "a", "bun',
        b"\xff\xfe\n",
        b"[1]\n",
        b'{"key": "a"}\n',
        b'{"key": "a", "bundle": 1}\n',
        b"\n\n",
    ],
)
def test_damaged_lines_are_passed_over_and_cost_no_other(state: Path, damage: bytes) -> None:
    record_opening("a", "m1", METRICS)
    with open(state / FILE, "ab") as file:
        file.write(damage)
    assert record_opening("a", "m2", METRICS) == Opened(2, 2)
    assert [found["bundle"] for found in openings.openings("a")] == ["m1", "m2"]


def test_many_at_once_lose_nothing() -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: record_opening("a", f"m{number}", METRICS), range(40)))
    assert len({found["bundle"] for found in openings.openings("a")}) == 40


def test_a_state_folder_that_cannot_be_written_is_a_note_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DRIVETRAIN_STATE", str(tmp_path / "file" / "state"))
    found = record_opening("a", "m1", METRICS)
    assert (found.times, found.models) == (1, 1)
    assert "could not be noted" in found.note
    assert "file" in found.note


def test_where_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_folder() == tmp_path / "state"
    monkeypatch.delenv("DRIVETRAIN_STATE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert state_folder() == tmp_path / "xdg" / "drivetrain"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert state_folder() == tmp_path / "home" / ".local" / "state" / "drivetrain"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert state_folder() == tmp_path / "local" / "drivetrain"


def test_the_key_is_that_of_names_sizes_and_labels_in_any_order_and_place(tmp_path: Path) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        for name, size in (("a.png", 3), ("b.png", 5)):
            (tmp_path / folder / name).write_bytes(b"x" * size)
    a, b = (str(tmp_path / "here" / name) for name in ("a.png", "b.png"))
    key = rows_key([(a, "cat"), (b, "dog")])
    assert key == rows_key([(b, "dog"), (a, "cat")])
    assert key == rows_key((path.replace("here", "there"), label) for path, label in ((a, "cat"), (b, "dog")))
    Path(b).write_bytes(b"xxxxxx")
    others = [
        [(a, "cat")],
        [(a, "dog"), (b, "dog")],
        [(a, "cat"), (b, "dog")],
        [("t.csv, row 1", 1, 0)],
        [("t.csv, row 1", 10)],
    ]
    assert len({key, *map(rows_key, others)}) == 6


def test_it_needs_no_torch() -> None:
    code = "import sys, drivetrain.test_set_uses; assert not {'torch', 'numpy', 'onnxruntime'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.slow
def test_evaluate_counts_and_tells(tmp_path: Path, state: Path) -> None:
    pictures = split_folder(
        tmp_path / "pictures",
        {part: {"cat": 4, "dog": 4} for part in ("train", "valid", "test")},
        size=(16, 16),
    )
    for seed in range(3):
        done = drivetrain("train", pictures, "--model", "linear", "--epochs", "1", "--no-check", "--seed", seed,
                          "--out", tmp_path / f"run{seed}", "--export", tmp_path / f"{seed}.bundle", "--json")  # fmt: skip
        assert done.code == 0, done.json
    assert not (state / FILE).exists(), "training must not open the test set"
    opened = []
    for seed in (0, 0, 1, 2):
        done = drivetrain("evaluate", tmp_path / f"{seed}.bundle", pictures, "--json")
        opened.append(done.json["opened"])
        assert ("chosen between" in done.json["note"]) == (seed == 2)
    assert opened == [{"times": t, "models": m} for t, m in ((1, 1), (2, 1), (3, 2), (4, 3))]
    shown = drivetrain("evaluate", tmp_path / "0.bundle", pictures)
    assert "note: this test set has now chosen between 3 models" in shown.out
    shutil.move(pictures, tmp_path / "moved")
    assert (
        drivetrain("evaluate", tmp_path / "0.bundle", tmp_path / "moved", "--json").json["opened"]["times"]
        == 6
    )
