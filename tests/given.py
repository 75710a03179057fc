"""A model that says what a test wants, so that what is said about models can be tested without training one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import drivetrain as dt
from drivetrain.data.dataset import Dataset
from drivetrain.learn.base import BaseLearner
from drivetrain.learn.settings import Settings
from drivetrain.types import Array


class Given(BaseLearner):
    """`say` takes an encoded batch and gives the outputs by target."""

    def __init__(self, data: Dataset, say: Callable[[Mapping[str, Array]], dict[str, Array]]) -> None:
        super().__init__(data, None, False, quiet=True)
        self.settings, self.model_name, self.say = Settings(), "", say
        self.passes = 0

    def description(self) -> str:
        return "given"

    def predict_part(self, part: str) -> dict[str, Array]:
        return self.say(self.data.part(part).batch())

    def run_arrays(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        self.passes += 1
        return self.say(batch)

    def graph(self) -> bytes:
        raise NotImplementedError


def two_classes(shares: Array) -> Array:
    """(n, 2) probabilities, of the second class `shares` (n,)."""
    return np.stack([1 - shares, shares], axis=1).astype(np.float32)


def people(rows: int = 2000, seed: int = 0) -> dict[str, list[Any]]:
    """Columns of each kind, with gaps, none of which has anything to do with another."""
    draw = np.random.default_rng(seed)
    days = np.datetime64("2024-01-01") + draw.integers(0, 366, rows)
    return {
        "town": [["Ulm", "Bonn", "Kiel", None][place] for place in draw.integers(0, 4, rows)],
        "age": [None if draw.random() < 0.1 else int(age) for age in draw.integers(18, 80, rows)],
        "income": draw.lognormal(10, 1, rows).round(2).tolist(),
        "member": draw.integers(0, 2, rows).tolist(),
        "since": [str(day) for day in days],
        "words": [
            " ".join(f"w{word}" for word in draw.integers(0, 500, count))
            for count in draw.integers(1, 30, rows)
        ],
    }


def dataset(columns: Mapping[str, Any], target: str | list[str], **options: Any) -> Dataset:
    return dt.tabular.from_frame(dict(columns), target, 0.5, 0, **options)
