"""A number -> one feature, scaled by what the codec learned."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from drivetrain.codecs.number import Number
from drivetrain.types import Array


class NumberEncoder(nn.Module):
    """float32 (N,) -> what `body` makes of (N, 1)."""

    mean: Tensor
    scale: Tensor

    def __init__(self, body: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(1 / std, dtype=torch.float32))

    def prepare(self, values: Tensor) -> Tensor:
        return ((values - self.mean) * self.scale).unsqueeze(1)

    def forward(self, values: Tensor) -> Tensor:
        return self.body(self.prepare(values))


def build(codec: Number, body: nn.Module, rows: Array) -> NumberEncoder:
    """Scales by the codec's mean and deviation when it says so."""
    del rows
    if not codec.normalize:
        return NumberEncoder(body, 0.0, 1.0)
    return NumberEncoder(body, codec.mean or 0.0, codec.std or 1.0)
