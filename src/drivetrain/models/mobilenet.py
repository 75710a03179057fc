"""MobileNet version 1 and 2, with the key names of their published weights.

Howard et al., "MobileNets" (arXiv:1704.04861); Sandler et al., "MobileNetV2" (arXiv:1801.04381). The keys of
version 2 are those of torchvision's `mobilenet_v2`; version 1 is a flat list of convolutions with batch norm folded in.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.errors import UsageError
from drivetrain.models.body import Body, repeat_grey

PADDINGS = ("same", "symmetric")
CHANNELS = 3

V1_WIDTHS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
V1_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)

V2_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, output channels, blocks, stride of the first block."""


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: with stride 2 an even side gets its padding right and below only.

    Weights trained so lose accuracy with the symmetric padding of torch, which shifts every map by a pixel.
    """

    def forward(self, maps: Tensor) -> Tensor:
        edges: list[int] = []
        for side, kernel, stride in zip(
            reversed(maps.shape[2:]), reversed(self.kernel_size), reversed(self.stride)
        ):
            whole = max(0, (-(-side // stride) - 1) * stride + kernel - side)
            edges += [whole // 2, whole - whole // 2]
        return self._conv_forward(F.pad(maps, edges), self.weight, self.bias)


def convolution(
    wide: int, wider: int, kernel: int, stride: int, groups: int, bias: bool, padding: str
) -> nn.Conv2d:
    """Stride 1 and odd sizes are padded alike in both; only stride 2 needs the other class."""
    if padding not in PADDINGS:
        raise UsageError(f"padding must be {' or '.join(PADDINGS)}, not {padding!r}.", where="padding")
    if stride > 1 and padding == "same":
        return SameConv2d(wide, wider, kernel, stride, 0, groups=groups, bias=bias)
    return nn.Conv2d(wide, wider, kernel, stride, kernel // 2, groups=groups, bias=bias)


def even(channels: float) -> int:
    """Channels rounded to a multiple of 8, never down by more than a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def unit(wide: int, wider: int, kernel: int, stride: int, groups: int, padding: str) -> nn.Sequential:
    """Convolution, batch norm, ReLU6."""
    conv = convolution(wide, wider, kernel, stride, groups, False, padding)
    return nn.Sequential(conv, nn.BatchNorm2d(wider), nn.ReLU6())


class InvertedResidual(nn.Module):
    """1x1 up, depthwise 3x3, 1x1 down without activation; added to its input where the shapes agree."""

    def __init__(self, wide: int, wider: int, stride: int, expansion: int, padding: str) -> None:
        super().__init__()
        hidden = wide * expansion
        layers: list[nn.Module] = [unit(wide, hidden, 1, 1, 1, padding)] if expansion != 1 else []
        layers += [unit(hidden, hidden, 3, stride, hidden, padding)]
        layers += [nn.Conv2d(hidden, wider, 1, bias=False), nn.BatchNorm2d(wider)]
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and wide == wider

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.conv(maps) if self.shortcut else self.conv(maps)


class MobileNet(Body):
    """Convolutions down to 1/32 of the picture, then the mean over the map. `block_ends` are where the map shrinks."""

    has_maps = True
    published_keys = {"features.": "layers."}
    """Published weights say `features.`; that name is the width of a body here."""
    published_extras = ("classifier.",)
    """What published weights have beyond the body."""

    def __init__(self, layers: Sequence[nn.Module], width: int, block_ends: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.features = width
        self.block_ends = block_ends

    def maps(self, images: Tensor) -> Tensor:
        """The last map (N, features, H / 32, W / 32)."""
        return self.layers(repeat_grey(images, CHANNELS))

    def pooled(self, maps: Tensor) -> Tensor:
        return maps.mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.pooled(self.maps(images))

    def blocks(self) -> list[nn.Module]:
        ends = (*self.block_ends, len(self.layers))
        return [self.layers[start:end] for start, end in zip((0, *ends), ends)]


class MobileNetV1(MobileNet):
    """Only convolutions, with batch norm folded into weights and biases; ReLU6 after each."""

    def maps(self, images: Tensor) -> Tensor:
        images = repeat_grey(images, CHANNELS)
        for layer in self.layers:
            images = F.relu6(layer(images))
        return images


def mobilenet_v1(width: float = 1.0, padding: str = "same") -> MobileNet:
    """MobileNetV1. `width` scales all channels."""
    wide = int(32 * width)
    layers: list[nn.Conv2d] = [convolution(CHANNELS, wide, 3, 2, 1, True, padding)]
    ends: list[int] = []
    for channels, stride in zip(V1_WIDTHS, V1_STRIDES):
        if stride == 2:
            ends.append(len(layers))
        wider = int(channels * width)
        layers.append(convolution(wide, wide, 3, stride, wide, True, padding))
        layers.append(convolution(wide, wider, 1, 1, 1, True, padding))
        wide = wider
    for layer in layers:
        # Without batch norm, torch's own initialisation fades out over 27 layers.
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return MobileNetV1(layers, wide, tuple(ends))


def mobilenet_v2(width: float = 1.0, padding: str = "same") -> MobileNet:
    """MobileNetV2. `width` scales all channels but the last, which has at least 1280."""
    wide = even(32 * width)
    layers: list[nn.Module] = [unit(CHANNELS, wide, 3, 2, 1, padding)]
    ends: list[int] = []
    for expansion, channels, blocks, first_stride in V2_STAGES:
        if first_stride == 2:
            ends.append(len(layers))
        for stride in (first_stride, *[1] * (blocks - 1)):
            layers.append(InvertedResidual(wide, even(channels * width), stride, expansion, padding))
            wide = even(channels * width)
    last = even(1280 * max(1.0, width))
    return MobileNet([*layers, unit(wide, last, 1, 1, 1, padding)], last, tuple(ends))
