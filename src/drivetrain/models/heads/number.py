"""Features -> one number; trained on the scaled target, put out in natural units."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.codecs.number import Number


class NumberHead(nn.Module):
    """float32 (N, features) -> scaled prediction (N,). Without a layer of its own, features are (N, 1) or (N,)."""

    mean: Tensor
    std: Tensor
    error_name = "root_mean_squared_error"

    def __init__(self, features: int | None, dropout: float, mean: float, std: float) -> None:
        super().__init__()
        self.layers = (
            nn.Identity() if features is None else nn.Sequential(nn.Dropout(dropout), nn.Linear(features, 1))
        )
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features).reshape(-1)

    def losses(self, predictions: Tensor, values: Tensor) -> Tensor:
        """Squared error (N,) in scaled units."""
        return (predictions.float() - (values - self.mean) / self.std).square()

    def loss(self, predictions: Tensor, values: Tensor) -> Tensor:
        """The mean of `losses`."""
        return F.mse_loss(predictions.float(), (values - self.mean) / self.std)

    def error(self, predictions: Tensor, values: Tensor) -> Tensor:
        """Squared error in natural units, a sum ()."""
        return (self.finish(predictions) - values).square().sum()

    def error_of_mean(self, mean: float) -> float:
        """`error_name`, from the mean of what `error` sums."""
        return math.sqrt(mean)

    def finish(self, predictions: Tensor) -> Tensor:
        """The number (N,) in natural units."""
        return predictions.float() * self.std + self.mean


def build(codec: Number, features: int | None, dropout: float, label_smoothing: float) -> NumberHead:
    del label_smoothing
    if not codec.normalize:
        return NumberHead(features, dropout, 0.0, 1.0)
    return NumberHead(features, dropout, codec.mean or 0.0, codec.std or 1.0)
