"""What the parts of a blend say beside what they say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drivetrain.bundle.parts import Part
from drivetrain.codecs import Signature
from drivetrain.errors import BundleError
from drivetrain.types import Array

CLOSE = 1e-3
RANGE = ("low", "high")
"""Of an answer: it was measured of all parts together, and is no part's."""


def tensors_of(parts: Sequence[Part]) -> list[str]:
    """The outputs of the graph that say what the parts say."""
    return [tensor for part in parts for tensor in part.tensors.values()]


def check_parts(parts: Sequence[Part], outputs: Mapping[str, Array]) -> None:
    """Raise BundleError where the weighted parts are not the answer: then they explain nothing."""
    for target in {target: None for part in parts for target in part.weights}:
        terms = [
            np.float64(part.weights[target]) * outputs[part.tensors[target]]
            for part in parts
            if target in part.weights
        ]
        whole, sizes = outputs[target], sum(np.abs(term) for term in terms)
        gaps = np.abs(sum(terms) - whole)
        if (np.isfinite(whole) & ~(gaps <= CLOSE * np.maximum(sizes, 1e-6))).any():
            raise BundleError(
                f"what the parts of the model say of {target!r} doesn't add up to its answer.",
                where="model.onnx",
            )


def parts_of(
    parts: Sequence[Part], signature: Signature, outputs: Mapping[str, Array], row: int
) -> dict[str, dict[str, dict[str, Any]]]:
    """By target and part the part's weight and its own answer for a row."""
    found: dict[str, dict[str, dict[str, Any]]] = {target: {} for target in signature.targets}
    for part in parts:
        for target, tensor in part.tensors.items():
            decoded = signature.targets[target].decode(outputs[tensor][row])
            own = {name: value for name, value in decoded.items() if name not in RANGE}
            found[target][part.name] = {"weight": part.weights[target], **own}
    return found
