"""Convolutions along series or tokens: `conv1d`, `conv1d:4-layers`, `conv1d:32-wide`, or several of these.

As Wang, Yan and Oates 2017 (arXiv:1611.06455) have them, without their batch norm, whose statistics rows of different lengths would
mix up, and each layer looks twice as far as the one before. No place sees what comes after the end of its row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.models.registry import Model
from drivetrain.models.sequences import (
    SequenceBody,
    largest_of,
    mean_of,
    there,
    told,
    write_largest,
    write_mean,
    write_there,
)
from drivetrain.models.takes import SEQUENCES

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

MODEL = Model("convolutions along series or tokens", takes=SEQUENCES)
WORDS = ("4-layers", "32-wide", "64-embedded")
WIDTH, LAYERS, KERNEL = 64, 3, 7
LEAST = 0.0
"""No value after a ReLU is below it."""


class Conv1d(SequenceBody):
    """The features are the mean and the largest of each of the last layer's values over all places of a row."""

    def __init__(self, channels: int, wide: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv1d(
                wide if place else channels, wide, KERNEL, dilation=2**place, padding=KERNEL // 2 * 2**place
            )
            for place in range(layers)
        )
        self.dropout = nn.Dropout(dropout)
        self.features = 2 * wide

    def maps(self, values: Tensor, lengths: Tensor) -> Tensor:
        own = there(values, lengths).transpose(1, 2)
        values = values.transpose(1, 2)
        for place, layer in enumerate(list[Any](self.layers)):
            values = self.dropout(values) if place else values
            values = F.relu(layer(values)) * own
        return values.transpose(1, 2)

    def pooled(self, maps: Tensor, lengths: Tensor) -> Tensor:
        return torch.cat([mean_of(maps, lengths), largest_of(maps, lengths, LEAST)], 1)

    def write_maps(self, graph: NetworkGraph, values: str, lengths: str) -> str:
        own = graph.floats(write_there(graph, values, lengths))
        own = graph.add("Transpose", own, perm=[0, 2, 1])
        values = graph.add("Transpose", values, perm=[0, 2, 1])
        for layer in list[Any](self.layers):
            weights = map(graph.tensor, (layer.weight, layer.bias))
            found = graph.add("Conv", values, *weights, dilations=layer.dilation, pads=[*layer.padding] * 2)
            values = graph.add("Mul", graph.add("Relu", found), own)
        return graph.add("Transpose", values, perm=[0, 2, 1])

    def write_pooled(self, graph: NetworkGraph, maps: str, lengths: str) -> str:
        return graph.beside([write_mean(graph, maps, lengths), write_largest(graph, maps, lengths, LEAST)])

    def blocks(self) -> list[nn.Module]:
        return list(self.layers)


def build(shape: tuple[int, ...], dropout: float = 0.0, *words: str) -> Conv1d:
    says = told(words, [], {"layers": LAYERS, "wide": WIDTH, "embedded": shape[1]})
    return Conv1d(shape[1], says["wide"], says["layers"], dropout)
