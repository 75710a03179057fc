"""Checkpoints: everything that a run needs to go on as if it had not stopped, without pickle.

checkpoints/step-00000120.safetensors   every tensor: weights, optimiser, averages, generator states
checkpoints/step-00000120.json          the rest, and the SHA-256 of both
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from drivetrain.errors import DrivetrainError, TrainingError
from drivetrain.files import from_json, sha256, to_json, write_bytes, write_text

KEEP = 2
"""The newest, and one before it in case the newest is damaged."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Tensors by name, and what is not a tensor. `skipped` names newer checkpoints that were damaged."""

    tensors: dict[str, Tensor]
    progress: dict[str, Any]
    skipped: tuple[str, ...] = ()


def save(
    folder: Path, step: int, tensors: dict[str, Tensor], progress: dict[str, Any], name: str = "step"
) -> None:
    """Write a checkpoint, tensors first; a crash between the two files leaves the one before in force."""
    stem = folder / f"{name}-{step:08d}"
    whole = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    data = safetensors.torch.save(whole)
    write_bytes(stem.with_suffix(".safetensors"), data)
    write_text(stem.with_suffix(".json"), _text(data, progress))
    for old in _newest_first(folder, name)[KEEP if name == "step" else 1 :]:
        for suffix in (".json", ".safetensors"):
            old.with_suffix(suffix).unlink(missing_ok=True)


def load(folder: Path, name: str = "step") -> Checkpoint | None:
    """The newest whole checkpoint, or None where there is none. Raises TrainingError when all are damaged."""
    skipped: list[str] = []
    for path in _newest_first(folder, name):
        try:
            text = path.read_bytes()
            data = path.with_suffix(".safetensors").read_bytes()
            progress = from_json(text, where=path)["progress"]
            if text != _text(data, progress).encode():
                raise DrivetrainError("its bytes are not those that were written", where=path)
            return Checkpoint(safetensors.torch.load(data), progress, tuple(skipped))
        except (OSError, KeyError, TypeError, ValueError, DrivetrainError, safetensors.SafetensorError):
            skipped.append(path.stem)
    if skipped:
        raise TrainingError("every checkpoint is damaged.", where=folder, fix="Train again with --force.")
    return None


def _text(data: bytes, progress: dict[str, Any]) -> str:
    """The JSON file beside these tensors. Both ways: what doesn't come out again as it was read is damaged."""
    both = sha256(data) + to_json(progress)
    return to_json({"sha256": sha256(both.encode()), "progress": progress})


def _newest_first(folder: Path, name: str) -> list[Path]:
    """By their numbers, which have more digits from the hundredth epoch on."""
    return sorted(folder.glob(f"{name}-*.json"), key=lambda path: (len(path.stem), path.stem), reverse=True)
