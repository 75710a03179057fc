"""A map of features -> how sure each place of it is; the picture may be larger than the map."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from atelier.codecs.outline import Outline
from drivetrain.models.encoders import Places
from drivetrain.models.heads import HeadOptions, one_map


class OutlineHead(nn.Module):
    """Maps (N, C, H, W) -> logits (N, height, width). Without a layer of its own, what it gets are the logits."""

    error_name = "wrong places"

    def __init__(self, codec: Outline, features: int | None, options: HeadOptions) -> None:
        super().__init__()
        self.size = codec.shape
        self.asks_places = features is not None
        if features is not None:
            self.input, (channels, _, _) = one_map(options)
            self.layer = nn.Conv2d(channels, 1, 1)

    def forward(self, features: Tensor, places: Mapping[str, Places] | None = None) -> Tensor:
        if places is None:
            return features
        logits = self.layer(places[self.input].values)
        return F.interpolate(logits, self.size, mode="bilinear").squeeze(1)

    def losses(self, logits: Tensor, outlines: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, outlines.float(), reduction="none").mean((1, 2))

    def loss(self, logits: Tensor, outlines: Tensor) -> Tensor:
        return self.losses(logits, outlines).mean()

    def error(self, logits: Tensor, outlines: Tensor) -> Tensor:
        return ((logits > 0) != (outlines > 0)).float().mean((1, 2)).sum()

    def error_of_mean(self, mean: float) -> float:
        return mean

    def finish(self, logits: Tensor) -> Tensor:
        return logits.float().sigmoid()


def build(codec: Outline, features: int | None, options: HeadOptions) -> OutlineHead:
    return OutlineHead(codec, features, options)
