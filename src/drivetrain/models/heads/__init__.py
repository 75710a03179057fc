"""What a network does for each kind of target: one file per codec, named like it, with `build(codec, features, options)`.

A head maps features to what the loss wants (`forward`), gives the loss per item (`losses`), what a person
watches per epoch (`error`, with `error_name`), and what the graph puts out (`finish`). Without `features` it has
no layer of its own: its input is the output already.

A file that says OF_MEMBERS = True has heads for features of several members, (N, members, features): each member has an
output of its own while the network trains, (N, members, ...), of which `losses` gives the mean. Otherwise `forward` gives
one answer, of the mean of what they say. Without it the network has one member.

A file that says USUAL has heads that are learned with these settings where nobody says others. One with `continued(codec)`
names the channel of the inputs that its target goes on with (`drivetrain.models.encoders.EncoderOptions`).

A head with `asks_places` is called with `places=`, input -> `drivetrain.models.encoders.Places`, too: the sequences and
maps that encoders give beside the row; `one_sequence` and `one_map` say which there is. One that says `asks_features = False`
as well gets None for the row, which then is never computed. One with `sees_target` is called
with `target=`, its encoded true values where a loss is computed, and None where the network answers.

One that `calibrates` is told after training what the network says of valid rows and what was true (`calibrate`), which
`uncalibrate` forgets and `take_calibration` takes over from another; `by_halves` is what such rows are measured by
(`drivetrain.models.heads.series` has them).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from drivetrain.errors import UsageError
from drivetrain.models.dense import MemberLinear


@dataclass(frozen=True)
class HeadOptions:
    """What the settings say of heads. `class_weights` is (classes,), or None where all count alike; `loss` of a number
    is squared, huber or absolute. `members` is how many a network has whose features are (N, members, features), and
    `limits` are the lowest and the highest answer of a number on the scale that its layer predicts. `places` has the
    shapes of what encoders give beside the row of features, input -> (T, F) or (C, H, W); `scaled` are those of them whose rows
    were scaled by themselves. `linear`: what is told shall be a sum of the features."""

    dropout: float = 0.0
    label_smoothing: float = 0.0
    class_weights: Tensor | None = None
    loss: str = "squared"
    members: int = 1
    limits: tuple[float, float] | None = None
    places: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    scaled: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    linear: bool = False


class Head(nn.Module):
    """What heads have in common; one that is a module with all of it by itself will do as well."""

    error_name = ""
    calibrates = False

    def losses(self, outputs: Tensor, truths: Tensor) -> Tensor:
        """The loss of each item (N,)."""
        raise NotImplementedError

    def loss(self, outputs: Tensor, truths: Tensor) -> Tensor:
        """The mean of `losses`."""
        return self.losses(outputs, truths).mean()

    def error_of_mean(self, mean: float) -> float:
        """`error_name`, from the mean of what `error` sums."""
        return mean


class CostsHead(Head):
    """A head of tokens. Its outputs are what is known at the places where one is told, one row after the other (P, F); the true
    tokens are int64 (N, T), padded with what no text has (see `drivetrain.models.costs`)."""

    error_name = "perplexity"

    def costs(self, outputs: Tensor, truths: Tensor) -> tuple[Tensor, Tensor]:
        """Of each place the loss, and nats without smoothing (P,), float32."""
        raise NotImplementedError

    def counts(self, truths: Tensor) -> Tensor:
        """At how many places of each row a token is told, int64 (N,)."""
        raise NotImplementedError

    def row_means(self, values: Tensor, truths: Tensor) -> Tensor:
        """The mean (N,) of what the places have (P,), row by row; 0 where there are none."""
        counts = self.counts(truths)
        rows = torch.arange(len(truths), device=truths.device).repeat_interleave(counts)
        return values.new_zeros(len(truths)).index_add(0, rows, values) / counts.clamp(min=1)

    def losses(self, outputs: Tensor, truths: Tensor) -> Tensor:
        """Nats (N,): the mean over the tokens of each row; 0 for one without any."""
        return self.row_means(self.costs(outputs, truths)[0], truths)

    def loss(self, outputs: Tensor, truths: Tensor) -> Tensor:
        """The mean over all tokens ()."""
        return self.costs(outputs, truths)[0].mean()

    def error(self, outputs: Tensor, truths: Tensor) -> Tensor:
        """Nats a token, summed over the rows (), without smoothing."""
        return self.row_means(self.costs(outputs, truths)[1], truths).sum()

    def error_of_mean(self, mean: float) -> float:
        """`error_name`, from the mean of what `error` sums."""
        return math.exp(min(mean, 700.0))


def one_sequence(options: HeadOptions) -> tuple[str, int]:
    """The input that gives a sequence, and the width F of what it says at each place. Raises UsageError unless one does."""
    name, (_, width) = _one(options, 2, "a sequence")
    return name, width


def one_map(options: HeadOptions) -> tuple[str, tuple[int, ...]]:
    """The input that gives a map, and the map's shape (C, H, W). Raises UsageError unless one does."""
    return _one(options, 3, "a map")


def _one(options: HeadOptions, axes: int, what: str) -> tuple[str, tuple[int, ...]]:
    found = {name: shape for name, shape in options.places.items() if len(shape) == axes}
    if len(found) != 1:
        there = f"{', '.join(found)} give one each" if found else "no input gives one"
        raise UsageError(
            f"this target is told from {what}, and {there}.", where="model", fix="Choose the inputs for it."
        )
    return next(iter(found.items()))


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
