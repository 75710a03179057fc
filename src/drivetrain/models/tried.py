"""Parts of a network on two rows, before anything is trained: what they give, and what is wrong with somebody else's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from drivetrain.codecs import Codec, Signature
from drivetrain.errors import DrivetrainError, TrainingError
from drivetrain.extensions import is_ours
from drivetrain.models.base import BaseNetwork
from drivetrain.models.encoders import Encoder, ScaledPlaces
from drivetrain.models.parts import part_of, two_rows
from drivetrain.types import Array


def looks_of_features(
    encoders: Mapping[str, Encoder], sample: Mapping[str, Tensor]
) -> tuple[list[int], dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """For each of the features that the encoders give together, the number of the input that it is of; the shapes of
    places, by input; and of those whose rows are scaled by themselves. Raises TrainingError where somebody else's encoder gives
    no rows of features."""
    found: list[int] = []
    places: dict[str, tuple[int, ...]] = {}
    scaled: dict[str, tuple[int, ...]] = {}
    first = 0
    with torch.no_grad():
        for encoder in encoders.values():
            with _told(type(encoder).__module__):
                encoder.eval()
                parts, there = encoder.with_places(sample)
                encoder.train()
                if not is_ours(type(encoder).__module__):
                    _refuse_parts(parts)
                found += [first + place for place in encoder.inputs_of([part.shape[1] for part in parts])]
            places |= {name: tuple(each.values.shape[1:]) for name, each in there.items()}
            scaled |= {name: places[name] for name, each in there.items() if isinstance(each, ScaledPlaces)}
            first += len(encoder.names)
    return found, places, scaled


def try_heads(network: BaseNetwork, signature: Signature, rows: Mapping[str, Array]) -> None:
    """Raises TrainingError where the head of somebody else's target can't be trained or answer, as this would come out in
    an epoch or in the export only."""
    theirs = {
        name: codec
        for name, codec in signature.targets.items()
        if not is_ours(part_of("heads", codec).__name__) and name in rows
    }
    if not theirs:
        return
    truths = two_rows(signature.targets, {name: rows[name] for name in signature.targets})
    network.eval()
    with torch.no_grad():
        for name, codec in theirs.items():
            with _told(part_of("heads", codec).__name__):
                outputs = network(two_rows(signature.inputs, rows), truths)[name]
                _refuse_head(network.heads[name], codec, outputs, truths[name])
    network.train()


def _refuse_parts(parts: Any) -> None:
    wrong = [part for part in parts if not isinstance(part, Tensor) or part.ndim != 2]
    if not isinstance(parts, list) or wrong:
        given = [*map(_look, wrong)] if isinstance(parts, list) else _look(parts)
        raise TrainingError(f"an encoder gives a list of float32 (rows, features); this one gave {given}.")
    if not all(bool(part.isfinite().all()) for part in parts):
        raise TrainingError("the encoder gives NaN or infinity for the first two rows of the training data.")


def _refuse_head(head: Any, codec: Codec, outputs: Tensor, truths: Tensor) -> None:
    count = len(truths)
    _refuse_look("losses", head.losses(outputs, truths), (count,))
    _refuse_look("loss", head.loss(outputs, truths), ())
    error = head.error(outputs, truths)
    _refuse_look("error", error, ())
    if not math.isfinite(head.error_of_mean(error.item() / count)) or not isinstance(head.error_name, str):
        raise TrainingError("error_of_mean gives a number, and error_name is its name.")
    _refuse_look("finish", head.finish(outputs), (count, *codec.output_shape))


def _refuse_look(name: str, gave: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(gave, Tensor) or tuple(gave.shape) != shape:
        raise TrainingError(f"{name} gives {_look(gave)}, not {shape}.")
    if not bool(gave.isfinite().all()):
        raise TrainingError(f"{name} gives NaN or infinity for the first two rows of the training data.")


def _look(given: Any) -> Any:
    return tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__


@contextmanager
def _told(where: str) -> Iterator[None]:
    """What goes wrong in somebody else's file, with the file's name."""
    try:
        yield
    except Exception as fault:
        if is_ours(where):
            raise
        said = str(fault) if isinstance(fault, DrivetrainError) else f"{type(fault).__name__}: {fault}"
        raise TrainingError(
            f"it fails on two rows: {said}", where=where, fix="Mend the extension."
        ) from fault
