"""A task that is somebody else's, `signals` of the package in `tests/outsider/`: on the command line like ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from commands import drivetrain

from drivetrain import extensions
from drivetrain.cli.main import build_parser

OUTSIDER = Path(__file__).parent / "outsider"


@pytest.fixture(scope="module", autouse=True)
def laboratory() -> Iterator[None]:
    """The package as if it were installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(OUTSIDER))
        extensions.forget()
        yield
    extensions.forget()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slow and fast signals, by folder; by name they would be odd and even."""
    home, generator = tmp_path_factory.mktemp("signals") / "waves", np.random.default_rng(0)
    for label, pace in (("slow", 0.2), ("fast", 1.2)):
        (home / label).mkdir(parents=True)
        for place in range(20):
            wave = np.sin(pace * np.arange(16) + generator.normal(0, 0.1, 16))
            name = f"{'odd' if place % 2 else 'even'}_{place}.npy"
            np.save(home / label / name, np.stack([wave, wave**2]).astype(np.float32))
    return home


def test_it_is_among_the_tasks_with_its_options() -> None:
    (verbs,) = [action for action in build_parser()._actions if action.dest == "verb"]
    told = " ".join(verbs.choices["train"].format_help().split())  # type: ignore[index,union-attr]
    assert "a folder of signals (.npy)" in told
    assert "signals: --label-by {folder,name}" in told
    assert "'signals'" in drivetrain("check", "x", "--task", "nonsense").err


def test_options_of_another_task_are_refused_with_the_way_to_it(folder: Path, tmp_path: Path) -> None:
    done = drivetrain("check", folder, "--target", "label")
    assert "this is an option of tabular" in done.err
    assert "is taken for signals" in done.err
    assert "name a table" in done.err
    (tmp_path / "t.csv").write_text("a,y\n1,2\n")
    done = drivetrain("check", tmp_path / "t.csv", "--target", "y", "--label-by", "name")
    assert "this is an option of signals" in done.err
    assert "name a folder of signals" in done.err


def test_its_source_is_recognised_shown_and_checked(folder: Path) -> None:
    shown = drivetrain("show", folder, "--json")
    assert shown.code == 0, shown.err
    assert shown.json["classes"] == ["fast", "slow"]
    assert drivetrain("show", folder, "--label-by", "name", "--json").json["classes"] == ["even", "odd"]
    first, second = sorted((folder / "slow").iterdir())[:2]
    before = second.read_bytes()
    second.write_bytes(first.read_bytes())
    checked = drivetrain("check", folder)
    second.write_bytes(before)
    assert checked.code == 0
    assert "40 signals" in checked.out
    assert "2.5%" in checked.out


@pytest.mark.slow
def test_it_trains_goes_on_exports_predicts_and_is_measured(folder: Path, tmp_path: Path) -> None:
    run, bundle = tmp_path / "run", tmp_path / "a.bundle"
    done = drivetrain(
        "train", folder, "--label-by", "folder", "--test", "0.2", "--out", run, "--export", bundle,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert f"drivetrain predict {bundle} SIGNAL.npy" in done.out
    again = drivetrain("train", folder, "--out", run, "--resume", "--json")
    assert again.code == 0, again.err
    assert (again.json["task"], again.json["epochs"]) == ("signals", 2)
    other = drivetrain("train", folder, "--out", run, "--resume", "--label-by", "name")
    assert "this run has label by folder, not name" in other.err
    assert drivetrain("export", run, tmp_path / "b.bundle").code == 0
    predicted = drivetrain("predict", bundle, folder, "--json")
    assert predicted.code == 0, predicted.err
    assert len(predicted.json["answers"]) == 40
    assert os.path.basename(predicted.json["answers"][0]["input"]).endswith(".npy")
    judged = drivetrain("evaluate", bundle, folder, "--json")
    assert judged.code == 0, judged.err
    assert (judged.json["n"], judged.json["failed"]) == (40, [])
    strange = drivetrain("evaluate", bundle, folder, "--label-by", "name", "--json")
    assert "no such class" in strange.json["error"]
    page = (run / "report.html").read_text()
    assert "signals" in page
