"""Dense layers on the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from drivetrain.models.body import Body

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

WIDTHS = (128, 64)


class MLP(Body):
    """Flatten, then dense + ReLU for each of `widths`, with dropout between them."""

    def __init__(
        self, shape: tuple[int, int, int], widths: Sequence[int] = WIDTHS, dropout: float = 0.0
    ) -> None:
        super().__init__()
        channels, height, width = shape
        layers: list[nn.Module] = []
        wide = height * width * channels
        for place, units in enumerate(widths):
            dense: list[nn.Module] = [nn.Linear(wide, units), nn.ReLU()]
            layers.append(
                nn.Sequential(nn.Dropout(dropout), *dense) if place and dropout else nn.Sequential(*dense)
            )
            wide = units
        self.layers = nn.Sequential(*layers)
        self.features = wide

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images.flatten(1))

    def write_graph(self, graph: NetworkGraph, images: str) -> str:
        return graph.write(self.layers, graph.add("Flatten", images, axis=1))

    def blocks(self) -> list[nn.Module]:
        return list(self.layers)


def build(shape: tuple[int, int, int], dropout: float = 0.0) -> MLP:
    return MLP(shape, dropout=dropout)
