"""Features -> a picture, its values from 0 to 1; put out from 0 to 255."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor

from drivetrain.codecs.image import Image
from drivetrain.models.heads import Head, HeadOptions, last_layer

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

WHITE = 255.0


class ImageHead(Head):
    """float32 (N, features) -> (N, height, width, channels). Without a layer of its own, features are the picture."""

    error_name = "mean_absolute_error"

    def __init__(self, shape: tuple[int, ...], features: int | None, options: HeadOptions) -> None:
        super().__init__()
        self.layers = last_layer(features, math.prod(shape), options)
        self.shape = shape

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features).reshape(-1, *self.shape)

    def losses(self, pictures: Tensor, pixels: Tensor) -> Tensor:
        """The squared error (N,), the mean over pixels, where white is 1."""
        return (pictures.float() - pixels / WHITE).square().flatten(1).mean(1)

    def error(self, pictures: Tensor, pixels: Tensor) -> Tensor:
        """How far a pixel is off, where white is 255: the mean over pixels, summed over the batch ()."""
        return (self.finish(pictures) - pixels).abs().flatten(1).mean(1).sum()

    def finish(self, pictures: Tensor) -> Tensor:
        """(N, height, width, channels) from 0 to 255."""
        return pictures.float().clamp(0, 1) * WHITE

    def write_graph(self, graph: NetworkGraph, features: str, output: str) -> None:
        pictures = graph.add("Reshape", graph.write(self.layers, features), graph.whole(-1, *self.shape))
        graph.add(
            "Mul",
            graph.add("Clip", pictures, *map(graph.constant, (0, 1))),
            graph.constant(WHITE),
            output=output,
        )


def build(codec: Image, features: int | None, options: HeadOptions) -> ImageHead:
    return ImageHead(codec.output_shape, features, options)
