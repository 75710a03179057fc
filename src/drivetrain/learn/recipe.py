"""How a network is trained on a table where nobody said."""

from __future__ import annotations

from drivetrain.data.dataset import Dataset


def lengths(data: Dataset) -> list[int]:
    """The numbers of epochs that are worth trying, the fewest first."""
    return [10, 30]
