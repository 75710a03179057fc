"""Training on a GPU: mixed precision, data on the device, resume."""

from __future__ import annotations

from pathlib import Path

import pytest
import resuming
import torch

from drivetrain.learn.learner import Learner
from drivetrain.learn.settings import Phase

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


def start(folder: Path, stop_after: int | None = None) -> Learner:
    hooks = [] if stop_after is None else [resuming.StopAfter(stop_after)]
    learner = Learner(
        resuming.dataset(), resuming.module(), augment="digits", hooks=hooks, **resuming.options(folder)
    )
    learner.train([Phase(12, 1e-2)])
    return learner


def test_it_trains_in_bfloat16_with_the_data_on_the_device(tmp_path: Path) -> None:
    learner = start(tmp_path / "run")
    assert learner.tensors("train").arrays["image"].is_cuda
    with learner.autocast():
        assert torch.is_autocast_enabled("cuda")
    assert learner.history[-1]["train_loss"] < learner.history[0]["train_loss"]
    assert next(learner.network.parameters()).dtype == torch.float32


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    start(tmp_path / "run", stop_after=6)
    resumed = Learner.resume(tmp_path / "run", resuming.dataset(), resuming.module(), quiet=True)
    resumed.go_on()
    assert len(resumed.history) == 12


def test_the_seed_decides_what_is_dropped_on_the_device_and_leaves_its_generator_alone(
    tmp_path: Path,
) -> None:
    ends = []
    for number in range(2):
        torch.cuda.manual_seed(number)
        before = torch.cuda.get_rng_state()
        ends.append(start(tmp_path / str(number)).history[-1]["train_loss"])
        assert torch.equal(before, torch.cuda.get_rng_state())
    assert ends[0] == pytest.approx(ends[1], rel=1e-3)


def test_what_was_trained_on_a_gpu_is_exported_and_verified(tmp_path: Path) -> None:
    assert start(tmp_path / "run").export(tmp_path / "gpu.bundle").is_file()
