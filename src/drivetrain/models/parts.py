"""The parts of a network that a kind of column brings: its encoder as an input, its head as a target."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

import torch
from torch import Tensor, nn

from drivetrain import extensions
from drivetrain.codecs import Codec
from drivetrain.errors import UsageError
from drivetrain.models.encoders import Encoder, EncoderOptions
from drivetrain.models.heads import HeadOptions
from drivetrain.ragged import as_batch
from drivetrain.types import Array

ROLES = {"encoders": "an input", "heads": "a target"}


def part_of(room: str, codec: Codec) -> ModuleType:
    """The file of a codec's kind in `models/encoders` or `models/heads`. Raises UsageError where there is none."""
    if (module := extensions.facet(f"models.{room}", codec)) is None:
        raise UsageError(f"no network can have {extensions.kind_of(codec)} as {ROLES[room]} yet.", where=room)
    return extensions.offering(module, "build")


def _by_encoder(codecs: Mapping[str, Codec]) -> dict[ModuleType, dict[str, Codec]]:
    """Codecs by the file that encodes them, both in order of first appearance."""
    found: dict[ModuleType, dict[str, Codec]] = {}
    for name, codec in codecs.items():
        found.setdefault(part_of("encoders", codec), {})[name] = codec
    return found


def build_encoders(
    inputs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions
) -> dict[str, Encoder]:
    """An encoder for all inputs that one file encodes, under its name."""
    return {
        part.__name__.rpartition(".")[2]: part.build(codecs, rows, options)
        for part, codecs in _by_encoder(inputs).items()
    }


def two_rows(codecs: Mapping[str, Codec], rows: Mapping[str, Array]) -> dict[str, Tensor]:
    """Two rows as the network will get them: training rows may be kept larger for random crops."""
    two = as_batch({name: rows[name][:2] for name in codecs})
    for name, codec in codecs.items():
        two[name] = two[name][(slice(None), *map(slice, codec.shape))]
    return {name: torch.as_tensor(array) for name, array in two.items()}


def build_heads(
    targets: Mapping[str, Codec], features: int | None, options: Mapping[str, HeadOptions]
) -> dict[str, nn.Module]:
    """A head for each target; without `features` they have no layer, and take the outputs as they are."""
    return {
        name: part_of("heads", codec).build(codec, features, options.get(name, HeadOptions()))
        for name, codec in targets.items()
    }
