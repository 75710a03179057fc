"""What of a decision lies outside of what was ever observed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Beyond:
    """`what` is "lever" or "input", `share` of its values that lie outside, `words` one sentence without its full stop."""

    what: str
    name: str
    share: float
    words: str
