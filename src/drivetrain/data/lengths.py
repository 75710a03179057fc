"""How long texts are, and how many of them a model reads whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.charts.lengths import lengths as draw
from drivetrain.extensions import facet
from drivetrain.figures import percent
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.charts import Chart
    from drivetrain.data.dataset import Dataset

SAMPLE = 5_000
"""Of so many training texts at most."""


@dataclass(frozen=True, eq=False)
class Lengths:
    """`sizes` int64 (n,) of training texts in `unit`, "words" or "tokens", of which `kept` are read; `told` says of which that
    is so. `column` is set by who asks, `remark` is a sentence of its own."""

    sizes: Array
    unit: str
    kept: int
    told: str
    column: str = ""
    remark: str = ""

    @cached_property
    def share(self) -> float:
        """Of the texts that are read whole."""
        return float((self.sizes <= self.kept).mean()) if len(self.sizes) else 1.0

    @property
    def words(self) -> str:
        """ "95 % of the texts in 'review' have at most 85 tokens (the middle one 40, the longest 1,203): of longer ones ..."."""
        return f"{self._words} {self.remark}".rstrip()

    @property
    def _words(self) -> str:
        middle, longest = (int(of(self.sizes)) if len(self.sizes) else 0 for of in (np.median, np.max))
        if self.share == 1:
            return (
                f"All texts in {self.column!r} are read whole: the longest has {longest:,} {self.unit}, the middle one {middle:,}, "
                f"and {self.kept:,} are kept."
            )
        return (
            f"{percent(self.share, 0)} of the texts in {self.column!r} have at most {self.kept:,} {self.unit} (the middle one "
            f"{middle:,}, the longest {longest:,}): {self.told}."
        )

    @property
    def chart(self) -> Chart:
        """How many texts are how long, what is read marked."""
        return draw(self.sizes, self.kept, self.unit, f"Lengths of {self.column}")

    def to_json(self) -> dict[str, Any]:
        """`{"column", "unit", "kept", "share", "quantiles", "words"}`, JSON values."""
        levels = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
        sizes = self.sizes if len(self.sizes) else np.zeros(1)
        return {
            "column": self.column, "unit": self.unit, "kept": self.kept, "share": self.share,
            "quantiles": dict(zip(map(str, levels), np.quantile(sizes, levels).tolist())), "words": self.words,
        }  # fmt: skip


def lengths_in(data: Dataset) -> list[Lengths]:
    """Of each input that is a text."""
    return [*_found(data)]


def _found(data: Dataset) -> Iterator[Lengths]:
    rows = data.rows("train")
    chosen = rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:SAMPLE])]
    for name, codec in data.signature.inputs.items():
        measure = getattr(facet("data.kinds", codec), "lengths", None)
        found: Lengths | None = measure(codec, data.table[name][chosen]) if measure else None
        if found is not None:
            yield replace(found, column=name)
