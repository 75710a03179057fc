"""Answers for whole recordings, of those for the windows that were cut from them: the mean of what was put out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from drivetrain.codecs import Signature
from drivetrain.figures import counted
from drivetrain.metrics.estimate import FEWEST_GROUPS
from drivetrain.types import Answer, Array, Failure

FEWEST = 2
"""Recordings that are measured as wholes."""


def parts_of(wholes: Sequence[str]) -> dict[str, list[int]]:
    """Recording -> the places of its windows; of what is no window of any, nothing."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(wholes):
        if name:
            found.setdefault(name, []).append(place)
    return found


def whole_answers(
    signature: Signature, wholes: Sequence[str], answers: Sequence[Answer | Failure]
) -> Iterator[dict[str, Any]]:
    """`{"input", "windows", ...}` of each recording that has answers: what is said of it, as of a single item."""
    for name, places in parts_of(wholes).items():
        outputs = [answer.outputs for place in places if isinstance(answer := answers[place], Answer)]
        if not outputs:
            continue
        told = {
            target: codec.decode(mean([each[target] for each in outputs]))
            for target, codec in signature.targets.items()
        }
        alone = next(iter(told.values())) if len(told) == 1 else told
        yield {"input": name, "windows": len(outputs), **alone}


def whole_rows(
    wholes: Sequence[str], truths: Mapping[str, Sequence[Any] | Array], known: Sequence[int]
) -> list[list[int]]:
    """Of the rows that are `known` those of each recording whose windows all have one true value."""
    own = set(known)
    found = [[place for place in places if place in own] for places in parts_of(wholes).values()]
    return [
        places
        for places in found
        if places and all(len({str(values[place]) for place in places}) == 1 for values in truths.values())
    ]


def drawn_whole(windows: int, recordings: int) -> str:
    """What intervals of windows are of, in words."""
    few = f": too few for any (from {FEWEST_GROUPS} on)" if recordings < FEWEST_GROUPS else ""
    of = counted(recordings, "recording", "recordings")
    return f"{counted(windows, 'window', 'windows')} of {of}: windows of one are alike, so intervals are of recordings{few}"


def mean(outputs: Sequence[Array]) -> Array:
    """Of outputs (*output_shape) each."""
    return np.asarray(np.mean(np.stack(outputs), axis=0, dtype=np.float64), np.float32)
