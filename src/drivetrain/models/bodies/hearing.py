"""A small residual network for spectrograms, quick to train on a CPU: (bands, frames) laid out as a picture.

What differs from a network of photographs: over time the mean is taken, so that it matters little when something sounds,
and each band's row is kept, for it matters how high it does.
"""

from __future__ import annotations

from torch import Tensor, nn

from drivetrain.models.bodies.residual import Block, convolution
from drivetrain.models.body import Body, halved, pool
from drivetrain.models.registry import Model
from drivetrain.models.takes import Takes, form_of, is_like

SOUNDS = Takes(
    "sounds, and columns beside them",
    lambda codecs: (
        any(is_like(codec, "audio") for codec in codecs)
        and all(is_like(codec, "audio") or form_of(codec) == "" for codec in codecs)
    ),
)
MODEL = Model(
    "a small residual network for spectrograms, quick on a CPU; the best start on sounds", takes=SOUNDS
)
WIDTH = 8
STAGES = 4


class Hearing(Body):
    """Stages that halve the map and double the width, a residual block in each but the first; then the mean over time of each
    row that is left."""

    has_maps = True

    def __init__(self, shape: tuple[int, int, int], dropout: float = 0.0) -> None:
        super().__init__()
        channels, tall, broad = shape
        stages: list[nn.Module] = []
        for stage in range(STAGES):
            wide = WIDTH * 2**stage
            parts = [convolution(channels, wide), pool(tall, broad), nn.BatchNorm2d(wide), nn.ReLU()]
            stages.append(nn.Sequential(*parts, *([Block(wide)] if stage else [])))
            tall, broad, channels = halved(tall), halved(broad), wide
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(dropout)
        self.features = channels * tall

    def forward(self, images: Tensor) -> Tensor:
        return self.pooled(self.maps(images))

    def maps(self, images: Tensor) -> Tensor:
        return self.stages(images)

    def pooled(self, maps: Tensor) -> Tensor:
        return self.dropout(maps.mean(3).flatten(1))

    def blocks(self) -> list[nn.Module]:
        return [*self.stages]


def build(shape: tuple[int, int, int], dropout: float = 0.0) -> Hearing:
    return Hearing(shape, dropout)
