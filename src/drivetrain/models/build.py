"""A network for a signature: by the name of a model, or around somebody's own module."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

from torch import nn

from drivetrain.codecs import Signature
from drivetrain.models import registry
from drivetrain.models.base import BaseNetwork
from drivetrain.models.heads import HeadOptions
from drivetrain.models.network import Network
from drivetrain.models.own import build_own
from drivetrain.models.parts import build_encoders, build_heads, part_of, two_rows
from drivetrain.models.takes import form_of
from drivetrain.models.tried import looks_of_features, try_heads
from drivetrain.models.vectors import WordVectors
from drivetrain.models.whole import WholeOptions
from drivetrain.types import Array


def build_network(
    signature: Signature,
    rows: Mapping[str, Array],
    model: str | nn.Module,
    *,
    pretrained: bool | str = "auto",
    dropout: float = 0.0,
    heads: Mapping[str, HeadOptions] | None = None,
    count: int | None = None,
    vectors: WordVectors | None = None,
) -> BaseNetwork:
    """The network for a signature. `rows` are a sample of encoded training rows by field, for statistics and shapes.

    `model` is a name (see `registry.py`): of a body for inputs that need one, of a combiner for those that need none, or
    of a whole network. Or it is a torch module, which gives the output itself: (N, classes) scores or (N, 1). It gets
    the only input as its encoder prepares it for a body, a picture as normalised float32 (N, C, H, W); inputs that need
    no body, as the features of all of them side by side (N, features); and else a mapping, input -> what is prepared of
    it. With `takes_raw = True` it gets what the codecs encode, unprepared: a window of float32, tokens, pixels from 0 to 255;
    of rows of different lengths also how long each is, in the mapping under `drivetrain.ragged.lengths_of(input)`.
    `heads` has options by target; `count` is the number of training rows where `rows` are not all; words begin with `vectors`.
    Raises UsageError for an unknown name or one that doesn't fit, TrainingError where a module does not fit.
    """
    chosen = heads or {}
    if isinstance(model, nn.Module):
        return build_own(signature, rows, model, chosen)
    registry.refuse_unfit(model, signature)
    count = count or len(next(iter(rows.values())))
    source = registry.resolve(model)
    if source.kind == "whole":
        options = WholeOptions(dropout, pretrained, chosen, count)
        return importlib.import_module(source.location).build(signature, rows, options, *source.words)
    notes: list[str] = []

    def body(shape: tuple[int, ...], form: str = "") -> nn.Module:
        made = registry.build_body(model, shape, form, pretrained=pretrained, dropout=dropout)
        notes.extend(getattr(made, "notes", []))
        return made

    shape = registry.shape_of(model, signature, count)
    if not all(getattr(part_of("heads", codec), "OF_MEMBERS", False) for codec in signature.targets.values()):
        shape = replace(shape, members=1)
    continued = _continued(signature)
    options = replace(registry.encoder_options(model, body, shape, vectors), continued=continued)
    encoders = build_encoders(signature.inputs, rows, options)
    inputs, places, scaled = looks_of_features(encoders, two_rows(signature.inputs, rows))
    # A forecast is a linear one, and what was found beside it: the head puts these together.
    combined = not continued and not all(map(form_of, signature.inputs.values()))
    combiner = registry.build_combiner(model, inputs, dropout, shape) if combined else nn.Identity()
    bodies = [each for encoder in encoders.values() for each in getattr(encoder, "bodies", [])]
    linear = bool(bodies) and all(getattr(each, "linear", False) for each in bodies)
    wishes = {
        name: replace(
            chosen.get(name, HeadOptions(dropout)),
            members=shape.members,
            places=places,
            scaled=scaled,
            linear=linear,
        )
        for name in signature.targets
    }
    width = getattr(combiner, "features", len(inputs))
    network = Network(encoders, combiner, build_heads(signature.targets, width, wishes), notes)
    if any(getattr(body, "heads_from_zero", False) for body in network.bodies):
        _from_zero(network.heads.values())
    try_heads(network, signature, rows)
    return network


def _continued(signature: Signature) -> str:
    """The channel of its inputs that a target continues, as its head says; "" where none does."""
    heads = ((codec, part_of("heads", codec)) for codec in signature.targets.values())
    found = [head.continued(codec) for codec, head in heads if hasattr(head, "continued")]
    return found[0] if found else ""


def _from_zero(heads: Iterable[nn.Module]) -> None:
    """Begin the last layer of each head with zeros."""
    for head in heads:
        layers = [module for module in head.modules() if isinstance(module, nn.Linear)]
        for parameter in layers[-1].parameters() if layers else ():
            nn.init.zeros_(parameter)
