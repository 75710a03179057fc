"""An answer and how sure it is, as numbers that can be drawn: what the file of each kind of target makes of its outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from drivetrain import extensions
from drivetrain.codecs import Codec
from drivetrain.errors import UsageError, nearest
from drivetrain.types import Array

Floats = npt.NDArray[np.float64]
ROOM = "decide.answers"
EXPECTED, EACH = "expected", "each"


@dataclass(frozen=True, eq=False)
class Uncertain:
    """`of`: outputs (m, ...) -> what the distribution of each is made of, (m, k). `quantile`: such (..., k) and chances in (0, 1),
    broadcastable to its first axes -> the numbers that lie there; None: the first of the k is the number itself.
    `words` say which distribution it is, and why."""

    words: str
    of: Callable[[Array], Floats]
    quantile: Callable[[Floats, Floats], Floats] | None = None


class Kind(Protocol):
    """The file of a kind of target."""

    def uncertain(self, codec: Codec, answers: str, draws: str, where: str) -> Uncertain:
        """What of an answer is meant (`answers`: a class, a tag...), and how it is drawn: as the bundle's table in a plan says, ""
        where it doesn't. Raises UsageError where it can't be meant, or where the model doesn't say how sure it is."""
        ...


def uncertain(codec: Codec, answers: str, draws: str, where: str) -> Uncertain:
    """See `Kind`. Raises UsageError, also for a kind of target that is no number in any sense."""
    if (found := extensions.facet(ROOM, codec)) is None:
        raise UsageError(
            f"what this model answers, {codec.answer_words}, is no number that a decision could be made of.", where=where,
            fix="Use a model of a category, tags, a number or a forecast.",
        )  # fmt: skip
    kind = cast("Kind", extensions.offering(found, "uncertain"))
    return kind.uncertain(codec, answers, draws, where)


def chance_of(names: tuple[str, ...], answers: str, draws: str, where: str, what: str) -> Uncertain:
    """The chance of one of the `names` of which a model puts out probabilities (m, names): the chance itself, or with draws =
    "each" whether it comes true."""
    if answers not in names:
        fix = (nearest(answers, names) if answers else "") or f"answers = one of {', '.join(names[:8])}."
        error = f"there is no {what} {answers!r}." if answers else f"which {what} is meant isn't said."
        raise UsageError(error, where=where, fix=fix)
    if draws not in ("", EXPECTED, EACH):
        raise UsageError(
            f"draws = {draws!r}.", where=where, fix=f'draws = "{EXPECTED}" (the chance itself) or "{EACH}".'
        )
    place = names.index(answers)

    def of(outputs: Array) -> Floats:
        return np.clip(outputs.reshape(len(outputs), -1)[:, place : place + 1].astype(np.float64), 0, 1)

    if draws == EACH:
        return Uncertain(f"{answers!r} or not, drawn by its chance", of, _comes_true)
    return Uncertain(f"the chance of {answers!r}", of)


def _comes_true(chances: Floats, uniform: Floats) -> Floats:
    return (uniform < chances[..., 0]).astype(np.float64)
