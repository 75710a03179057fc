"""Causal dilated convolutions on tokens or series: `tcn`, `tcn:4-layers`, `tcn:32-wide`, or several of these.

Bai, Kolter and Koltun 2018 (arXiv:1803.01271), without their weight norm: a layer is two convolutions over 3 places that lie
1, 2, 4 ... apart, and what it is given is added to what it finds. No place hangs on a later one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.models.registry import Model
from drivetrain.models.sequences import NEWEST, SequenceBody, last_of, mean_of, told, write_last, write_mean
from drivetrain.models.takes import SEQUENCES

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

MODEL = Model("causal dilated convolutions", takes=SEQUENCES)
WORDS = ("4-layers", "32-wide", "64-embedded")
WIDTH, OF_SERIES, KERNEL = 32, 16, 3


class Causal(nn.Module):
    """Values (N, C, T) -> (N, wide, T): a convolution that sees the place itself and two before it, `apart` places each."""

    def __init__(self, channels: int, wide: int, apart: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(channels, wide, KERNEL, dilation=apart)
        self.before = (KERNEL - 1) * apart

    def forward(self, values: Tensor) -> Tensor:
        return self.convolution(F.pad(values, (self.before, 0)))

    def write_graph(self, graph: NetworkGraph, values: str) -> str:
        weights = (graph.tensor(each) for each in self.convolution.parameters())
        return graph.add("Conv", values, *weights, dilations=self.convolution.dilation, pads=[self.before, 0])


class Layer(nn.Module):
    """(N, C, T) -> (N, wide, T): ReLU(x + two convolutions of x)."""

    def __init__(self, channels: int, wide: int, apart: int, dropout: float) -> None:
        super().__init__()
        self.found = nn.Sequential(
            Causal(channels, wide, apart), nn.ReLU(), nn.Dropout(dropout),
            Causal(wide, wide, apart), nn.ReLU(), nn.Dropout(dropout),
        )  # fmt: skip
        self.beside = nn.Identity() if channels == wide else nn.Conv1d(channels, wide, 1)

    def forward(self, values: Tensor) -> Tensor:
        return F.relu(self.beside(values) + self.found(values))

    def write_graph(self, graph: NetworkGraph, values: str) -> str:
        beside: Any = self.beside
        kept = values
        if isinstance(beside, nn.Conv1d):
            kept = graph.add("Conv", values, *map(graph.tensor, beside.parameters()))
        return graph.add("Relu", graph.add("Add", kept, graph.write(self.found, values)))


class TCN(SequenceBody):
    """The features are what is known at the last place of each row, and the mean over all places."""

    newest = NEWEST

    def __init__(self, channels: int, wide: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(Layer(wide if place else channels, wide, 2**place, dropout) for place in range(layers))
        )
        self.features = 2 * wide

    def maps(self, values: Tensor, lengths: Tensor) -> Tensor:
        del lengths
        return self.layers(values.transpose(1, 2)).transpose(1, 2)

    def pooled(self, maps: Tensor, lengths: Tensor) -> Tensor:
        return torch.cat([last_of(maps, lengths), mean_of(maps, lengths)], 1)

    def write_maps(self, graph: NetworkGraph, values: str, lengths: str) -> str:
        del lengths
        found = graph.write(self.layers, graph.add("Transpose", values, perm=[0, 2, 1]))
        return graph.add("Transpose", found, perm=[0, 2, 1])

    def write_pooled(self, graph: NetworkGraph, maps: str, lengths: str) -> str:
        return graph.beside([write_last(graph, maps, lengths), write_mean(graph, maps, lengths)])

    def blocks(self) -> list[nn.Module]:
        return list(self.layers)


def layers_for(places: int | None) -> int:
    """As many layers as it takes for the last place to see all of them, NEWEST at most: n layers see 1 + 4 (2^n - 1)."""
    layers = 2
    while 1 + 2 * (KERNEL - 1) * (2**layers - 1) < min(places or 0, NEWEST):
        layers += 1
    return layers


def build_series(shape: tuple[int, ...], dropout: float = 0.0, *words: str) -> TCN:
    """Of series there are fewer than of texts: it is narrower."""
    return build(shape, dropout, *words, wide=OF_SERIES)


def build(shape: tuple[int, ...], dropout: float = 0.0, *words: str, wide: int = WIDTH) -> TCN:
    says = told(words, [], {"layers": layers_for(shape[0]), "wide": wide, "embedded": shape[1]})
    return TCN(shape[1], says["wide"], says["layers"], dropout)
