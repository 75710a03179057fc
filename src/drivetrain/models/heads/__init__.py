"""What a network does for each kind of target: one file per codec, named like it, with `build(codec, features, options)`.

A head maps features to what the loss wants (`forward`), gives the loss per item (`losses`), what a person
watches per epoch (`error`, with `error_name`), and what the graph puts out (`finish`). Without `features` it has
no layer of its own: its input is the output already.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class HeadOptions:
    """What the settings say of heads. `class_weights` is (classes,), or None where all count alike; `loss` of a number
    is squared, huber or absolute."""

    dropout: float = 0.0
    label_smoothing: float = 0.0
    class_weights: Tensor | None = None
    loss: str = "squared"


def last_layer(features: int | None, outputs: int, options: HeadOptions) -> nn.Module:
    """Dropout, where there is some, and a dense layer; nothing where the features are the outputs already."""
    if features is None:
        return nn.Identity()
    dense = nn.Linear(features, outputs)
    return nn.Sequential(nn.Dropout(options.dropout), dense) if options.dropout else dense
