"""How long a network is trained on a table. Measured: docs/decisions/tables.md."""

from __future__ import annotations

from drivetrain.codecs.category import Category
from drivetrain.data.dataset import Dataset

OF_CATEGORIES, OF_NUMBERS = [5, 10], [10, 30]
"""Who learns classes longer says what it says more surely than it is right; numbers gain by a long schedule, or don't."""


def lengths(data: Dataset) -> list[int]:
    """The numbers of epochs that are worth trying, the fewest first. Which is best is told by the loss on rows that were
    not learned from, at the end of each: the best epoch of a long schedule is not as good as the end of a short one."""
    tells_classes = any(isinstance(codec, Category) for codec in data.signature.targets.values())
    return OF_CATEGORIES if tells_classes else OF_NUMBERS
