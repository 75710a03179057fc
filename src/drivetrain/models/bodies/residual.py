"""A small residual network, for pictures from 8x8 digits to photographs.

The basic block is that of He et al., "Deep Residual Learning for Image Recognition" (arXiv:1512.03385). As in the
nine-layer nets made for training CIFAR-10 fast, a stage is a convolution with pooling and one residual block.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.models.body import Body, halved, pool

PHOTOGRAPH = 64
"""Pictures with sides from here on are halved by the first convolution already."""
LONGEST = 7
"""Stages are added until the map is no longer than this."""
WIDEST = 512


def convolution(wide: int, wider: int) -> nn.Conv2d:
    return nn.Conv2d(wide, wider, 3, padding=1, bias=False)


class Block(nn.Module):
    """(N, wide, H, W) -> the same shape: ReLU(x + two convolutions of x)."""

    def __init__(self, wide: int) -> None:
        super().__init__()
        self.first = nn.Sequential(convolution(wide, wide), nn.BatchNorm2d(wide), nn.ReLU())
        self.second = nn.Sequential(convolution(wide, wide), nn.BatchNorm2d(wide))

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(maps + self.second(self.first(maps)))


class Residual(Body):
    """Stem, then at least two stages that halve the map and double the width; the maximum over the last map.

    Pooling directly after the convolution leaves batch norm and ReLU a quarter of the work, which on a CPU is
    most of theirs. The stem is 16 wide for small grey pictures, else 32.
    """

    has_maps = True

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, tall, broad = shape
        photograph = min(tall, broad) >= PHOTOGRAPH
        wide = 16 if channels == 1 and not photograph else 32
        if photograph:
            first = nn.Conv2d(channels, wide, 7, stride=2, padding=3, bias=False)
            tall, broad = (tall + 1) // 2, (broad + 1) // 2
        else:
            first = convolution(channels, wide)
        self.stem = nn.Sequential(first, pool(tall, broad), nn.BatchNorm2d(wide), nn.ReLU())
        tall, broad = halved(tall), halved(broad)
        parts: list[nn.Module] = []
        while len(parts) < 2 or max(tall, broad) > LONGEST:
            wider = min(2 * wide, WIDEST)
            halve = [convolution(wide, wider), pool(tall, broad), nn.BatchNorm2d(wider), nn.ReLU()]
            parts.append(nn.Sequential(*halve, Block(wider)))
            tall, broad, wide = halved(tall), halved(broad), wider
        self.parts = nn.Sequential(*parts)
        self.features = wide

    def forward(self, images: Tensor) -> Tensor:
        return self.pooled(self.maps(images))

    def maps(self, images: Tensor) -> Tensor:
        return self.parts(self.stem(images))

    def pooled(self, maps: Tensor) -> Tensor:
        return maps.amax((2, 3))

    def blocks(self) -> list[nn.Module]:
        return [self.stem, *self.parts]


def build(shape: tuple[int, int, int], dropout: float = 0.0) -> Residual:
    del dropout
    return Residual(shape)
