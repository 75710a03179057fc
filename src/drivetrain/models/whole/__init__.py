"""Whole networks, which are no encoders, combiner and heads: encoder-decoders, U-Nets, generators. One file each, found by
its name, here and in extensions.

A file says in MODEL, a `drivetrain.models.registry.Model`, what it is and fits, and has `build(signature, rows, options)`,
which gives a `drivetrain.models.base.BaseNetwork`; where words after its name say more of it, `build` takes them too, and
WORDS shows how they are written. `rows` are a sample of encoded training rows by field, for statistics
and shapes. Losses and what the graph puts out may come from the heads of the targets' kinds: `parts.build_heads` without
features gives heads that take the network's outputs as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drivetrain.models.heads import HeadOptions


@dataclass(frozen=True)
class WholeOptions:
    """What the settings say of a whole network. `heads` has options by target, `rows` is the number of training rows."""

    dropout: float = 0.0
    pretrained: bool | str = "auto"
    heads: Mapping[str, HeadOptions] = field(default_factory=dict)
    rows: int = 0
