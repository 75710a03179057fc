"""A budget of time for work that could take any. Who has one begins with what matters most, stops when it is spent, and
says what was left out. It decides how much is done, never what comes out of it."""

from __future__ import annotations

import math
import time

clock = time.perf_counter


class Deadline:
    """`Deadline(5)` has passed in 5 seconds, `Deadline()` never."""

    def __init__(self, seconds: float = math.inf) -> None:
        self.end = clock() + seconds

    @property
    def left(self) -> float:
        """Seconds, 0 where it has passed."""
        return max(0.0, self.end - clock())

    @property
    def passed(self) -> bool:
        return clock() >= self.end

    def part(self, share: float) -> Deadline:
        """The deadline of a share of what is left."""
        return Deadline(self.left * share)


NEVER = Deadline()
