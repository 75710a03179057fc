"""What a network does for each kind of target: one file per codec, named like it, with `build(codec, features, options)`.

A head maps features to what the loss wants (`forward`), gives the loss per item (`losses`), what a person
watches per epoch (`error`, with `error_name`), and what the graph puts out (`finish`). Without `features` it has
no layer of its own: its input is the output already.

Where the features are those of several members, (N, members, features), each member has an output of its own while the
network trains: (N, members, ...), of which `losses` gives the mean. Otherwise `forward` gives one answer, of the mean of
what they say.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from drivetrain.models.dense import MemberLinear


@dataclass(frozen=True)
class HeadOptions:
    """What the settings say of heads. `class_weights` is (classes,), or None where all count alike; `loss` of a number
    is squared, huber or absolute. `members` is how many a network has whose features are (N, members, features), and
    `limits` are the lowest and the highest answer of a number on the scale that its layer predicts."""

    dropout: float = 0.0
    label_smoothing: float = 0.0
    class_weights: Tensor | None = None
    loss: str = "squared"
    members: int = 1
    limits: tuple[float, float] | None = None


def last_layer(features: int | None, outputs: int, options: HeadOptions) -> nn.Module:
    """Dropout, where there is some, and a dense layer; nothing where the features are the outputs already."""
    if features is None:
        return nn.Identity()
    several = options.members > 1
    dense = MemberLinear(options.members, features, outputs) if several else nn.Linear(features, outputs)
    return nn.Sequential(nn.Dropout(options.dropout), dense) if options.dropout else dense


def in_one_row(outputs: Tensor, truths: Tensor) -> tuple[Tensor, Tensor]:
    """The members' outputs (N, members, ...) one below the other (N * members, ...), each with its row's truth."""
    return outputs.flatten(0, 1), truths.repeat_interleave(outputs.shape[1], 0)
