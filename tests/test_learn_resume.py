"""A run that was stopped and resumed ends as if it had not been."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import resuming
from PIL import Image as Picture

import drivetrain as dt
from drivetrain.errors import FileError, TrainingError, UsageError
from drivetrain.learn.learner import Learner
from drivetrain.learn.runs import checkpoints
from drivetrain.learn.settings import Phase

pytestmark = pytest.mark.slow
PROGRAM = str(Path(resuming.__file__))


def run_program(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, PROGRAM, *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    run_program("stop", str(folder))
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    (found,) = run_program("whole", str(tmp_path_factory.mktemp("whole") / "run"))
    return found


def copy(source: Path, target: Path) -> str:
    shutil.copytree(source, target)
    return str(target)


def test_stopping_after_any_batch_and_resuming_in_a_fresh_process_ends_bit_identical(
    stopped: Path, whole: str, tmp_path: Path
) -> None:
    ends = run_program("resume", copy(stopped, tmp_path / "runs"))
    assert len(ends) == resuming.BATCHES
    assert ends == [whole] * resuming.BATCHES


@pytest.mark.parametrize("generator", ["shuffle", "augment", "torch"])
def test_leaving_out_the_restore_of_one_generator_shows(
    stopped: Path, whole: str, tmp_path: Path, generator: str
) -> None:
    ends = run_program("resume", copy(stopped, tmp_path / "runs"), "--skip", generator)
    assert any(end != whole for end in ends)


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before_and_says_so(tmp_path: Path) -> None:
    run = tmp_path / "run"
    learner = Learner(resuming.dataset(), resuming.module(), augment="digits", **resuming.options(run))
    learner.train([Phase(2, 1e-2)])
    newest = max(run.glob("checkpoints/*.safetensors"))
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(bytes(data))
    resumed = Learner.resume(run, resuming.dataset(), resuming.module(), quiet=True)
    assert newest.stem in resumed.notes[-1]
    assert len(resumed.history) == 1
    resumed.go_on()
    assert resuming.state_hash(resumed) == resuming.state_hash(learner)


def test_all_checkpoints_damaged_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "step-00000001.json").write_text("{}")
    with pytest.raises(TrainingError, match="damaged") as caught:
        checkpoints.load(tmp_path)
    assert "--force" in caught.value.fix


def test_resuming_on_other_data_is_refused(tmp_path: Path) -> None:
    resuming.start(tmp_path / "run", 2)
    other = resuming.dataset()
    other.split = resuming.dt.split.random(0.3, seed=9)(other.table)
    with pytest.raises(TrainingError, match="not those"):
        Learner.resume(tmp_path / "run", other, resuming.module(), quiet=True)


@pytest.mark.parametrize("changed", ["picture", "label"])
def test_resuming_on_values_that_have_changed_is_refused(tmp_path: Path, changed: str) -> None:
    resuming.start(tmp_path / "run", 2)
    other = resuming.dataset()
    column = {"picture": "image", "label": "label"}[changed]
    values = other.table.columns[column]
    values[0] = 255 - values[0] if changed == "picture" else values[1]
    with pytest.raises(TrainingError, match="not those"):
        Learner.resume(tmp_path / "run", other, resuming.module(), quiet=True)


def folder_of_pictures(folder: Path, brightness: int) -> dt.Dataset:
    """Twelve grey pictures; files of one name and size, whatever they show."""
    for row in range(12):
        path = folder / "ab"[row % 2] / f"{row}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        Picture.new("RGB", (8, 8), (brightness, 20 * row, 0)).save(path)
    return dt.image_classification.from_folder(folder, valid=0.3, seed=0)


def test_resuming_on_pictures_that_were_overwritten_is_refused(tmp_path: Path) -> None:
    data = folder_of_pictures(tmp_path / "data", 10)
    hooks = [resuming.StopAfter(1)]
    learner = Learner(data, "linear", batch_size=4, out=tmp_path / "run", hooks=hooks, quiet=True)
    learner.fit(2)
    (tmp_path / "data").rename(tmp_path / "moved")
    moved = dt.image_classification.from_folder(tmp_path / "moved", valid=0.3, seed=0)
    Learner.resume(tmp_path / "run", moved, quiet=True)
    Learner.resume(tmp_path / "run", quiet=True)  # It knows the new place by itself now.
    folder_of_pictures(tmp_path / "moved", 200)
    with pytest.raises(TrainingError, match="not those") as caught:
        Learner.resume(tmp_path / "run", quiet=True)
    assert "Put them back" in caught.value.fix


def test_a_run_that_kept_nothing_of_what_its_data_held_is_refused(tmp_path: Path) -> None:
    resuming.start(tmp_path / "run", 2)
    config = tmp_path / "run" / "config.toml"
    lines = config.read_text().splitlines()
    config.write_text("\n".join(line for line in lines if not line.startswith("content")))
    with pytest.raises(TrainingError, match="older drivetrain"):
        Learner.resume(tmp_path / "run", resuming.dataset(), resuming.module(), quiet=True)


@pytest.mark.parametrize(
    "changed", ["position", "history", "generator.shuffle", "generator.augment", "index"]
)
def test_a_checkpoint_that_does_not_fit_is_an_error_with_a_way_out(tmp_path: Path, changed: str) -> None:
    resuming.start(tmp_path / "run", 2)
    folder = tmp_path / "run" / "checkpoints"
    found = checkpoints.load(folder)
    assert found is not None
    if changed in found.progress:
        found.progress[changed] = {"nonsense": 1}
    elif changed == "index":
        found.tensors["optimizer.network.99.step"] = found.tensors["optimizer.network.0.step"].clone()
    else:
        found.tensors[changed] = found.tensors[changed][:3]
    checkpoints.save(folder, 99, found.tensors, found.progress)
    with pytest.raises(TrainingError, match="can't be taken up") as caught:
        Learner.resume(tmp_path / "run", resuming.dataset(), resuming.module(), quiet=True).go_on()
    assert "--force" in caught.value.fix


def test_resuming_needs_what_the_run_could_not_keep(tmp_path: Path) -> None:
    resuming.start(tmp_path / "run", 2)
    with pytest.raises(UsageError, match="give its data"):
        Learner.resume(tmp_path / "run")
    with pytest.raises(UsageError, match="network of its own"):
        Learner.resume(tmp_path / "run", resuming.dataset())
    with pytest.raises(FileError, match="no such run"):
        Learner.resume(tmp_path / "nowhere")


def test_a_finished_run_is_taken_up_with_the_weights_that_were_measured(tmp_path: Path) -> None:
    """Early stopping measures the best epoch's weights; the newest checkpoint has others."""
    learner = Learner(
        resuming.dataset(), resuming.module(), early_stopping=1, **resuming.options(tmp_path / "run")
    )
    learner.train([Phase(8, 0.2, "constant")])
    losses = [row["valid_loss"] for row in learner.history]
    assert losses[-1] > min(losses), "it was stopped early"
    resumed = Learner.resume(tmp_path / "run", resuming.dataset(), resuming.module(), quiet=True)
    assert (resumed.predict_part("valid")["label"] == learner.predict_part("valid")["label"]).all()
