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


def test_what_was_trained_on_a_gpu_is_exported_and_verified(tmp_path: Path) -> None:
    assert start(tmp_path / "run").export(tmp_path / "gpu.bundle").is_file()
