"""A checkpoint is taken as it was written or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from drivetrain.learn.runs import checkpoints

PROGRESS = {"position": {"batch": 43, "loss_sum": 1e-05}, "history": [{"epoch": 1, "valid_loss": 0.25}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for step in (1, 2):
        checkpoints.save(tmp_path, step, {"weight": torch.full((2,), float(step))}, PROGRESS)
    return tmp_path


def flipped(data: bytes) -> Iterator[bytes]:
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def test_a_checkpoint_is_read_as_it_was_written(folder: Path) -> None:
    found = checkpoints.load(folder)
    assert found is not None
    assert found.tensors["weight"].tolist() == [2.0, 2.0]
    assert found.progress == PROGRESS
    assert found.skipped == ()


def test_the_hundredth_epoch_is_newer_than_the_one_before(tmp_path: Path) -> None:
    for epoch in (98, 99, 100, 101):
        checkpoints.save(tmp_path, epoch * 1_000_000, {"weight": torch.full((1,), float(epoch))}, PROGRESS)
    found = checkpoints.load(tmp_path)
    assert found is not None
    assert found.tensors["weight"].tolist() == [101.0]
    assert len([*tmp_path.glob("*.json")]) == checkpoints.KEEP


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_no_flipped_bit_of_either_file_passes(folder: Path, suffix: str) -> None:
    path = folder / f"step-00000002{suffix}"
    for damaged in flipped(path.read_bytes()):
        path.write_bytes(damaged)
        found = checkpoints.load(folder)
        assert found is not None
        assert found.skipped == ("step-00000002",), damaged
        assert found.tensors["weight"].tolist() == [1.0, 1.0]
