"""Dense layers on the pixels, on the mean of the vectors of tokens, or on all values of a window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from drivetrain.models.body import Body
from drivetrain.models.sequences import Flat, Mean

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

WIDTHS = (128, 64)


def dense(wide: int, widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Dense + ReLU for each of `widths`, with dropout between them."""
    layers: list[nn.Module] = []
    for place, units in enumerate(widths):
        both: list[nn.Module] = [nn.Linear(wide, units), nn.ReLU()]
        layers.append(
            nn.Sequential(nn.Dropout(dropout), *both) if place and dropout else nn.Sequential(*both)
        )
        wide = units
    return nn.Sequential(*layers)


class MLP(Body):
    """Flatten, then dense + ReLU for each of `widths`, with dropout between them."""

    def __init__(self, shape: tuple[int, ...], widths: Sequence[int] = WIDTHS, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = dense(math.prod(shape), widths, dropout)
        self.features = widths[-1] if widths else math.prod(shape)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images.flatten(1))

    def write_graph(self, graph: NetworkGraph, images: str) -> str:
        return graph.write(self.layers, graph.add("Flatten", images, axis=1))

    def blocks(self) -> list[nn.Module]:
        return list(self.layers)


def build(shape: tuple[int, ...], dropout: float = 0.0) -> Body:
    if len(shape) == 2:
        return Mean(shape[1], dense(shape[1], WIDTHS, dropout), WIDTHS[-1])
    return MLP(shape, dropout=dropout)


def build_series(shape: tuple[int, ...], dropout: float = 0.0) -> Body:
    """On the values of a window side by side; of rows of different lengths on the mean of each channel."""
    if not shape[0]:
        return build(shape, dropout)
    return Flat(shape, dense(math.prod(shape), WIDTHS, dropout), WIDTHS[-1])
