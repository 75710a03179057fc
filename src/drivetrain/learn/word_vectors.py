"""The pretrained vectors that the words of a dataset begin with, at the start of a run and where it is gone on with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.data.dataset import Dataset, Part
from drivetrain.errors import TrainingError
from drivetrain.models.vectors import WordVectors, read_vectors


def vectors_for(data: Dataset, train: Part, given: str | Path | WordVectors | None) -> WordVectors | None:
    """Those in a file for the words of the training rows; what is no path is known already. Raises as `read_vectors` does."""
    if given is None or isinstance(given, WordVectors):
        return given
    names = {
        name: codec.word_names
        for name, codec in data.signature.inputs.items()
        if codec.word_names is not None
    }
    counts = {
        name: np.bincount(train.column(name).flat.astype(np.int64), minlength=len(words))
        for name, words in names.items()
    }
    return read_vectors(given, names, counts)


def recorded(record: Mapping[str, Any], checkpoints: Path) -> WordVectors | str:
    """What a run begins with again: its weights hold what became of the vectors, and before the first checkpoint they are as in
    the file."""
    return WordVectors.from_json(record) if any(checkpoints.iterdir()) else record["file"]


def refuse_others(vectors: WordVectors | None, record: Mapping[str, Any] | None) -> None:
    """Raises TrainingError where a file that was read again holds other vectors than those that a run has recorded."""
    if record is not None and vectors is not None and vectors.sha256 != record["sha256"]:
        raise TrainingError(
            "these are not the vectors that this run began with.", where=record["file"],
            fix="Put them back, or train anew in another folder.",
        )  # fmt: skip
