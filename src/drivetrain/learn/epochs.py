"""How often a network goes through its training rows. Measured: docs/decisions/tables.md."""

from __future__ import annotations

from drivetrain.data.dataset import Dataset
from drivetrain.learn.features.base import is_text
from drivetrain.learn.settings import EPOCHS, EPOCHS_OF_COLUMNS

FEW_ROWS = 5_000
"""Fewer rows of a category are soon known by heart."""
MANY, VERY_MANY = 10_000, 200_000
"""Rows from which fewer epochs are worth trying."""


def usual_epochs(data: Dataset) -> int:
    """How many epochs there are where nobody said. Where they tell a category and are few, or
    hold texts, it soon knows them by heart and says what it says more surely than it is right."""
    if (wished := data.task.epochs_of(data)) is not None:
        return wished
    texts = any(map(is_text, data.signature.inputs.values()))
    choices = any(codec.labels is not None for codec in data.signature.targets.values())
    by_heart = choices and (texts or len(data.rows("train")) < FEW_ROWS)
    return EPOCHS if data.large or by_heart else EPOCHS_OF_COLUMNS


def lengths(data: Dataset) -> list[int]:
    """The numbers of epochs that are worth trying on a table, the fewest first. Which is best is told by the loss on rows
    that were not learned from, at the end of each: the best epoch of a long schedule is not as good as the end of a short
    one."""
    if (wished := data.task.epochs_of(data)) is not None:
        return [wished]
    rows = len(data.rows("train"))
    if rows > VERY_MANY:
        return [2, 5]
    if any(codec.labels is not None for codec in data.signature.targets.values()):
        return [5, 10]  # Who learns classes longer says what it says more surely than it is right.
    return [10, 30] if rows < MANY else [10, 20]
