"""How long a network is trained on a table. Measured: docs/decisions/tables.md."""

from __future__ import annotations

from drivetrain.data.dataset import Dataset

MANY, VERY_MANY = 10_000, 200_000
"""Rows from which fewer epochs are enough."""


def lengths(data: Dataset) -> list[int]:
    """The numbers of epochs that are worth trying, the fewest first. Which is best is told by the loss on rows that were
    not learned from, at the end of each: the best epoch of a long schedule is not as good as the end of a short one."""
    rows = len(data.rows("train"))
    if rows > VERY_MANY:
        return [2, 5]
    if any(codec.labels is not None for codec in data.signature.targets.values()):
        return [5, 10]  # Who learns classes longer says what it says more surely than it is right.
    return [10, 30] if rows < MANY else [10, 20]
