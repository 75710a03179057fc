"""A process's share of a batch, where several processes train together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """The rows from `start` to `stop` of a batch of `total`.

    A process for which a small batch has no row takes the first one and counts for nothing (`idle`): every layer
    wants a row, and the other processes wait for it.
    """

    total: int
    start: int
    stop: int
    idle: bool = False

    @classmethod
    def of(cls, total: int, rank: int, count: int) -> Share:
        """The share of process `rank` of `count`: stretches in order, whose sizes differ by one row at most."""
        start, stop = total * rank // count, total * (rank + 1) // count
        return cls(total, start, stop) if start < stop else cls(total, 0, 1, idle=True)

    @property
    def rows(self) -> slice:
        """Where they lie in the batch."""
        return slice(self.start, self.stop)

    def __len__(self) -> int:
        return 0 if self.idle else self.stop - self.start
