"""Features -> one number; trained on the scaled target, put out in natural units."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from drivetrain.codecs.number import Number
from drivetrain.graphs.builder import LARGEST_EXPONENT
from drivetrain.models.heads import Head, HeadOptions, last_layer
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

BEYOND = 0.5
"""How far an answer may lie outside of what was learned, in spreads of the target."""

_LOSSES = {"squared": F.mse_loss, "huber": F.huber_loss, "absolute": F.l1_loss}

OF_MEMBERS = True


class NumberHead(Head):
    """float32 (N, features) -> scaled prediction (N,). Without a layer of its own, features are (N, 1) or (N,).

    Of members' features: (N, members) in training, else their mean."""

    center: Tensor
    spread: Tensor

    def __init__(self, codec: Number, features: int | None, options: HeadOptions) -> None:
        super().__init__()
        self.layers = last_layer(features, 1, options)
        self.members = options.members
        self.limits = options.limits
        center, spread = codec.graph_scale
        self.log = codec.log
        self.loss_of = _LOSSES[options.loss]
        self.register_buffer("center", torch.tensor(center))
        self.register_buffer("spread", torch.tensor(spread))

    @property
    def error_name(self) -> str:
        return "root_mean_squared_log_error" if self.log else "root_mean_squared_error"

    def forward(self, features: Tensor) -> Tensor:
        predictions = self.layers(features)
        if self.members == 1:
            return predictions.reshape(-1)
        return predictions.squeeze(2) if self.training else predictions.mean((1, 2))

    def scaled(self, values: Tensor) -> Tensor:
        """True values in the units that the layer predicts."""
        if self.log:
            values = values.sign() * values.abs().log1p()
        return (values - self.center) / self.spread

    def losses(self, predictions: Tensor, values: Tensor) -> Tensor:
        """The loss of each item (N,), in scaled units (Huber's knee is at one spread)."""
        if predictions.ndim == 1:
            return self.loss_of(predictions.float(), self.scaled(values), reduction="none")
        return self.loss_of(*self._of_members(predictions, self.scaled(values)), reduction="none").mean(1)

    def loss(self, predictions: Tensor, values: Tensor) -> Tensor:
        """The mean of `losses`."""
        if predictions.ndim == 1:
            return self.loss_of(predictions.float(), self.scaled(values))
        return self.loss_of(*self._of_members(predictions, self.scaled(values)))

    @staticmethod
    def _of_members(predictions: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Both as (N, members)."""
        return predictions.float(), values.unsqueeze(1).expand_as(predictions)

    def error(self, predictions: Tensor, values: Tensor) -> Tensor:
        """Squared error in natural units, or on the log scale where the codec has one, a sum (); of members the mean's."""
        if predictions.ndim == 2:
            predictions = predictions.mean(1)
        if self.log:
            return ((predictions.float() - self.scaled(values)) * self.spread).square().sum()
        # In 64 bits: the square of what fits into 32 bits may not.
        return (self.finish(predictions).double() - values).square().sum()

    def error_of_mean(self, mean: float) -> float:
        """`error_name`, from the mean of what `error` sums."""
        return math.sqrt(mean)

    def finish(self, predictions: Tensor) -> Tensor:
        """The number (N,) in natural units."""
        if self.limits is not None:
            predictions = predictions.float().clamp(*self.limits)
        values = predictions.float() * self.spread + self.center
        # Beyond that the number would not fit into 32 bits: inputs far from the training data must not give infinity.
        return values.sign() * values.abs().clamp(max=LARGEST_EXPONENT).expm1() if self.log else values

    def write_graph(self, graph: NetworkGraph, features: str, output: str) -> None:
        scaled = graph.write(self.layers, features)
        if self.members == 1:
            scaled = graph.add("Reshape", scaled, graph.whole(-1))
        else:
            scaled = graph.add("ReduceMean", scaled, graph.whole(1, 2), keepdims=0)
        if self.limits is not None:
            scaled = graph.add("Clip", scaled, *map(graph.constant, self.limits))
        wide = graph.add("Mul", scaled, graph.tensor(self.spread))
        values = graph.add("Add", wide, graph.tensor(self.center), output="" if self.log else output)
        if self.log:
            graph.natural(values, output)


def limits_of(codec: Number, values: Array) -> tuple[float, float] | None:
    """The lowest and the highest answer on the scale that the layer predicts, from the target's training values (n,).

    Only for a target on a log scale, where a guess a little too far out is a number many times too large; others may
    rightly go on as they rose."""
    if not codec.log:
        return None
    logs = codec.transform(values)
    center, spread = codec.graph_scale
    beyond = BEYOND * (codec.spread or 1.0)
    return (float(logs.min()) - beyond - center) / spread, (float(logs.max()) + beyond - center) / spread


def build(codec: Number, features: int | None, options: HeadOptions) -> NumberHead:
    return NumberHead(codec, features, options)
