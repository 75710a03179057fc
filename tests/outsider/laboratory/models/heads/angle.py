"""Features -> sine and cosine, with the squared distance from the true pair as the loss."""

from __future__ import annotations

from torch import Tensor, nn

from drivetrain.codecs import Codec
from drivetrain.models.heads import HeadOptions, in_one_row, last_layer

OF_MEMBERS = True


class AngleHead(nn.Module):
    error_name = "squared_distance"

    def __init__(self, features: int | None, options: HeadOptions) -> None:
        super().__init__()
        self.layers, self.members = last_layer(features, 2, options), options.members

    def forward(self, features: Tensor) -> Tensor:
        """(N, 2); while members train (N, members, 2)."""
        pairs = self.layers(features)
        return pairs if self.members == 1 or self.training else pairs.mean(1)

    def losses(self, pairs: Tensor, true: Tensor) -> Tensor:
        if pairs.ndim == 2:
            return (pairs - true).square().sum(1)
        return self.losses(*in_one_row(pairs, true)).reshape(pairs.shape[:2]).mean(1)

    def loss(self, pairs: Tensor, true: Tensor) -> Tensor:
        return self.losses(pairs, true).mean()

    def error(self, pairs: Tensor, true: Tensor) -> Tensor:
        return self.losses(pairs, true).sum()

    def error_of_mean(self, mean: float) -> float:
        return mean

    def finish(self, pairs: Tensor) -> Tensor:
        return pairs


def build(codec: Codec, features: int | None, options: HeadOptions) -> AngleHead:
    return AngleHead(features, options)
