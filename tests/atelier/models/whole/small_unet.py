"""A U-Net (Ronneberger, Fischer and Brox 2015) of one level: down, up again, and beside it what was there before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.codecs import Signature
from drivetrain.models.base import BaseNetwork
from drivetrain.models.parts import build_heads
from drivetrain.models.registry import Model
from drivetrain.models.takes import Takes, exactly
from drivetrain.models.whole import WholeOptions
from drivetrain.types import Array

MODEL = Model(
    "a U-Net of one level",
    takes=Takes("a picture", exactly("image"), "an outline in it", exactly("outline")),
)


class SmallUNet(BaseNetwork):
    def __init__(self, channels: int, picture: str, outline: str, heads: Mapping[str, nn.Module]) -> None:
        super().__init__(heads)
        self.picture, self.outline = picture, outline
        self.first = nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.low = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.last = nn.Conv2d(16, 1, 1)

    def forward(
        self, batch: Mapping[Any, Tensor], targets: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        high = self.first(batch[self.picture].float().permute(0, 3, 1, 2) / 255)
        low = F.interpolate(self.low(F.max_pool2d(high, 2)), high.shape[2:])
        return {self.outline: self.last(torch.cat([high, low], 1)).squeeze(1)}


def build(signature: Signature, rows: Mapping[str, Array], options: WholeOptions) -> SmallUNet:
    ((picture, codec),) = signature.inputs.items()
    (outline,) = signature.targets
    return SmallUNet(codec.shape[2], picture, outline, build_heads(signature.targets, None, options.heads))
