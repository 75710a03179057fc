"""What a metric is called and which way is better: said once, in the file of metrics that measures it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """`key` in JSON, in files and in Python; `name` in print; whether `higher` values are the better ones.

    `share`: it is told as a percentage. `sentence` tells its value, with {value} and {rows} in it; without one the name
    does. What models are not ranked by (`ranks`) shall be what was asked for, and not more. Hardly any honest task comes
    to `too_good`; an interval of `too_wide` or more is right and says next to nothing.
    """

    key: str
    name: str
    _: KW_ONLY
    higher: bool
    share: bool = False
    ranks: bool = True
    sentence: str = ""
    too_good: float | None = None
    too_wide: float | None = None


LOSS = Metric("loss", "loss", higher=False)
"""What the file of a kind calls the `losses` of rows, where it says nothing else by which they are judged."""
