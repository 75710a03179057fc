"""How a generated token is chosen from logits: plain data with bounds. What each does exactly is in OPS.md, "Choosing tokens".

`runtime/programs/choose.py` does it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from drivetrain.bundle.facts import is_number, is_whole
from drivetrain.errors import BundleError, DrivetrainError, UsageError

MOST_BEAMS = 64
MOST_SEED = 2**53 - 1
"""So that JSON carries a seed in every language."""
MEAN, MOST_PENALTY = 1.0, 10.0
LEAST_TEMPERATURE, MOST_TEMPERATURE = 1e-3, 1e3


@dataclass(frozen=True)
class Greedy:
    """The likeliest token each time."""

    name: ClassVar[str] = "greedy"


@dataclass(frozen=True)
class Sampling:
    """A token drawn by its probability, the same one for the same `seed` (from 0) in every runtime.

    `temperature` divides the logits. Only the `top_k` likeliest tokens (0: all) take part, and of these only the likeliest that
    together have at least the share `top_p`.
    """

    name: ClassVar[str] = "sampling"
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not is_number(self.temperature) or not LEAST_TEMPERATURE <= self.temperature <= MOST_TEMPERATURE:
            raise _wrong("temperature", f"a number from {LEAST_TEMPERATURE:g} to {MOST_TEMPERATURE:g}")
        if not is_whole(self.top_k, 0, 2**31):
            raise _wrong("top_k", "a whole number from 1, or 0 for all tokens")
        if not is_number(self.top_p) or not 0 < self.top_p <= 1:
            raise _wrong("top_p", "a share above 0, and 1 at most")
        if not is_whole(self.seed, 0, MOST_SEED):
            raise _wrong("seed", f"a whole number from 0 to {MOST_SEED}")


@dataclass(frozen=True)
class Beam:
    """The best sequence that a search which keeps `width` of them finds: of the largest log-probability, divided by its number of
    tokens to the power of `length_penalty`. 1 is the mean; a larger one prefers longer sequences, and 0 shorter ones."""

    name: ClassVar[str] = "beam"
    width: int = 4
    length_penalty: float = MEAN

    def __post_init__(self) -> None:
        if not is_whole(self.width, 1, MOST_BEAMS):
            raise _wrong("width", f"a whole number from 1 to {MOST_BEAMS}")
        if not is_number(self.length_penalty) or not 0 <= self.length_penalty <= MOST_PENALTY:
            raise _wrong("length_penalty", f"a number from 0 to {MOST_PENALTY:g}")


Strategy = Greedy | Sampling | Beam
_KINDS: dict[str, type[Strategy]] = {kind.name: kind for kind in (Greedy, Sampling, Beam)}


def strategy_to_json(strategy: Strategy) -> dict[str, Any]:
    """`{"name": ..., field: value, ...}`; a length penalty of 1 is not said, as before there were any."""
    fields = {"name": strategy.name, **dataclasses.asdict(strategy)}
    if fields.get("length_penalty") == MEAN:
        del fields["length_penalty"]
    return fields


def strategy_from_json(record: Any, where: object) -> Strategy:
    """The strategy that exactly these fields describe. Raises BundleError."""
    fields = dict(cast("dict[str, Any]", record)) if isinstance(record, dict) else {}
    name = fields.pop("name", None)
    kind = _KINDS.get(name) if isinstance(name, str) else None
    said = fields.get("length_penalty") == MEAN  # Which is not said.
    if kind is Beam:
        fields.setdefault("length_penalty", MEAN)
    if kind is None or said or fields.keys() != {field.name for field in dataclasses.fields(kind)}:
        raise BundleError("a strategy is not one of those that there are.", where=where)
    try:
        return kind(**fields)
    except DrivetrainError as fault:
        raise BundleError(f"a strategy is wrong: {fault.error}", where=where) from fault


def _wrong(field: str, wanted: str) -> UsageError:
    return UsageError(f"it has to be {wanted}.", where=field)
