"""What happens to records on their way: counted, and told where a person should know."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

Log = Callable[[str, Mapping[str, Any]], None]
Count = Callable[[str, int], None]


class Events:
    """Thread-safe. `log` is told (what, details), `count` (what, how many more); both are called by whichever thread it happens in.

    `counts`: recorded (in the journal), left_out (not in the share), lost (not in the journal, and should be), stored, known (in
    the store already), forgotten (before they came there), refused (by the store), retries (of the store), taken_over (journals of
    processes that died), torn (writes that a death cut off), damaged, expired (by retention).
    """

    def __init__(self, log: Log | None = None, count: Count | None = None) -> None:
        self._log, self._count = log, count
        self.counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, what: str, many: int = 1) -> None:
        if many:
            with self._lock:
                self.counts[what] = self.counts.get(what, 0) + many
            if self._count is not None:
                self._count(what, many)

    def tell(self, what: str, **details: Any) -> None:
        if self._log is not None:
            self._log(what, details)
