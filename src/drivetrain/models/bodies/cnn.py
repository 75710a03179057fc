"""The plain convolutional network of the textbooks.

28x28: conv 3x3 (32) -> 26, pool -> 13, conv 3x3 (64) -> 11, pool -> 5, flatten, dense 128.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from torch import Tensor, nn

from drivetrain.models.body import Body, halved, pool

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

WIDTHS = (32, 64, 128)
DENSE = 128
LONGEST = 7
"""The last map is at most this long, so that the dense layer stays small for photographs."""
SHORTEST_UNPADDED = 10
"""A map shorter than this is padded before the convolution, or an 8x8 digit would be gone after two pairs."""


class BiasOf(nn.Module):
    """Takes the bias of a convolution, to add it later: to its (N, C, H, W) after pooling."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.bias = cast(nn.Parameter, convolution.bias)
        convolution.bias = None

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.bias.view(-1, 1, 1)

    def write_graph(self, graph: NetworkGraph, maps: str) -> str:
        return graph.add("Add", maps, graph.tensor(self.bias.view(-1, 1, 1)))


class CNN(Body):
    """Pairs of convolution and pooling (at least two), then one dense layer of 128.

    Max pooling comes before the bias and the ReLU: the maximum of the ReLUs is the ReLU of the maximum, so the answer
    is the same, and both have a quarter of the work.
    """

    has_maps = True

    def __init__(self, shape: tuple[int, int, int], dropout: float = 0.0) -> None:
        super().__init__()
        channels, height, width = shape
        pairs: list[nn.Module] = []
        while len(pairs) < 2 or max(height, width) > LONGEST:
            wide = WIDTHS[min(len(pairs), len(WIDTHS) - 1)]
            padding = 0 if min(height, width) >= SHORTEST_UNPADDED else 1
            height, width = (side + 2 * padding - 2 for side in (height, width))
            convolution = nn.Conv2d(channels, wide, 3, padding=padding)
            pairs.append(nn.Sequential(convolution, pool(height, width), BiasOf(convolution), nn.ReLU()))
            height, width, channels = halved(height), halved(width), wide
        self.pairs = nn.Sequential(*pairs)
        self.dense = nn.Sequential(
            nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels * height * width, DENSE), nn.ReLU()
        )
        self.features = DENSE

    def forward(self, images: Tensor) -> Tensor:
        return self.pooled(self.maps(images))

    def maps(self, images: Tensor) -> Tensor:
        return self.pairs(images)

    def pooled(self, maps: Tensor) -> Tensor:
        return self.dense(maps)

    def write_graph(self, graph: NetworkGraph, images: str) -> str:
        return graph.write(self.dense, graph.write(self.pairs, images))

    def blocks(self) -> list[nn.Module]:
        return [*self.pairs, self.dense]


def build(shape: tuple[int, int, int], dropout: float = 0.0) -> CNN:
    return CNN(shape, dropout)
