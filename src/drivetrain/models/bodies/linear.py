"""No layers: with the head, softmax regression on the pixels, or on the mean of the vectors of tokens (Joulin et al. 2016,
arXiv:1607.01759), or on all values of a window."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor, nn

from drivetrain.models.body import Body
from drivetrain.models.sequences import Flat, Mean, SequenceBody

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph


class Linear(Body):
    """Pictures (N, C, H, W) -> their values (N, C * H * W)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.features = math.prod(shape)

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)

    def write_graph(self, graph: NetworkGraph, images: str) -> str:
        return graph.add("Flatten", images, axis=1)

    def blocks(self) -> list[nn.Module]:
        return [self]


def build(shape: tuple[int, ...], dropout: float = 0.0) -> Body:
    del dropout
    return Mean(shape[1]) if len(shape) == 2 else Linear(shape)


def build_series(shape: tuple[int, ...], dropout: float = 0.0) -> SequenceBody:
    """The values of a window side by side; of rows of different lengths the mean of each channel."""
    del dropout
    body = Flat(shape) if shape[0] else Mean(shape[1])
    body.linear = True
    return body
