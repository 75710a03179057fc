"""No layers: with the head, softmax regression on the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from drivetrain.models.body import Body

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph


class Linear(Body):
    """Pictures (N, C, H, W) -> their values (N, C * H * W)."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, width = shape
        self.features = height * width * channels

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)

    def write_graph(self, graph: NetworkGraph, images: str) -> str:
        return graph.add("Flatten", images, axis=1)

    def blocks(self) -> list[nn.Module]:
        return [self]


def build(shape: tuple[int, int, int], dropout: float = 0.0) -> Linear:
    del dropout
    return Linear(shape)
