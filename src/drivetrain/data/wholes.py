"""Whole recordings, answered by the mean of what is put out for their windows: what is said of them, and how good that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from drivetrain.codecs import Codec, Signature
from drivetrain.figures import counted
from drivetrain.metrics import Estimate, measure
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


def measure_with_wholes(
    codec: Codec, outputs: Array, true: Array, seed: int = 0, groups: Array | None = None
) -> dict[str, Estimate]:
    """The metrics of rows (see `metrics.measure`). Where `groups` (n,) tells of which recording each is, also those of recordings,
    named `recording.METRIC`: of such whose windows have one true value, unless there are hardly any."""
    found = measure(codec, outputs, true, seed, groups)
    parts = [] if groups is None else parts_of(groups.astype(str).tolist()).values()
    alike = [places for places in parts if (true[places] == true[places[0]]).all()]
    if len(alike) < FEWEST:
        return found
    means = np.stack([mean(outputs[places]) for places in alike])
    whole = measure(codec, means, true[[places[0] for places in alike]], seed)
    return found | {f"recording.{name}": each for name, each in whole.items()}


def drawn_whole(windows: int, recordings: int) -> str:
    """What intervals of windows are of, in words."""
    few = f": too few for any (from {FEWEST_GROUPS} on)" if recordings < FEWEST_GROUPS else ""
    of = counted(recordings, "recording", "recordings")
    return f"{counted(windows, 'window', 'windows')} of {of}: windows of one are alike, so intervals are of recordings{few}"


def mean(outputs: Sequence[Array] | Array) -> Array:
    """Of outputs (*output_shape) each."""
    return np.asarray(np.mean(np.asarray(outputs), axis=0, dtype=np.float64), np.float32)
