"""Pictures as they are packed -> features: scaling and normalising in the graph, then a body."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from drivetrain.codecs import Codec
from drivetrain.types import Array


class ImageEncoder(nn.Module):
    """uint8 (or float 0..255) (N, H, W, C) -> what `body` makes of normalised float32 (N, C, H, W)."""

    shift: Tensor
    scale: Tensor

    def __init__(self, body: nn.Module, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("shift", -mean / std)
        self.register_buffer("scale", 1 / std)

    def prepare(self, images: Tensor) -> Tensor:
        """Normalised pictures; the NHWC input makes them channels-last without a copy."""
        return torch.addcmul(self.shift, images.to(self.scale.dtype), self.scale).permute(0, 3, 1, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.body(self.prepare(images))


def build(codec: Codec, body: nn.Module, rows: Array) -> ImageEncoder:
    """`rows` are a sample of encoded training pictures, for the mean and deviation of a body that has none of its own."""
    del codec
    normalization = getattr(body, "normalization", None)
    if normalization is not None:
        mean, std = (torch.tensor(part, dtype=torch.float32) * 255 for part in normalization)
        return ImageEncoder(body, mean, std)
    pixels = torch.as_tensor(rows).to(torch.float32).flatten(0, -2)
    return ImageEncoder(body, pixels.mean(0), pixels.std(0).clamp(min=1.0))
