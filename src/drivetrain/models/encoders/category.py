"""Categories -> a learned vector each, from one table; or one column per level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.codecs import Codec
from drivetrain.codecs.category import Category
from drivetrain.models.encoders import Encoder, EncoderOptions
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph


class CategoryEncoder(Encoder):
    """int64 (N, k) -> their rows of one table (N, k * width): a single lookup for all of them. With `biases` then a
    number of each (N, k), which has one dimension and so does not decay."""

    joined = True
    offsets: Tensor

    def __init__(
        self, levels: Mapping[str, int], width: int, untrained: list[int], biases: bool = False
    ) -> None:
        super().__init__(list(levels))
        sizes = list(levels.values())
        starts = [sum(sizes[:place]) for place in range(len(sizes))]
        self.register_buffer("offsets", torch.tensor(starts, dtype=torch.int64))
        self.table = nn.Embedding(sum(sizes), width)
        with torch.no_grad():
            self.table.weight.mul_(width**-0.5)
            # What no training row has would answer at random: at zero it says nothing.
            self.table.weight[untrained] = 0.0
        self.biases = nn.Parameter(torch.zeros(sum(sizes))) if biases else None

    def forward(self, levels: Tensor) -> list[Tensor]:
        codes = levels + self.offsets
        vectors = self.table(codes).flatten(1)
        return [vectors] if self.biases is None else [vectors, self.biases[codes]]

    def write_graph(self, graph: NetworkGraph) -> list[str]:
        inputs = [graph.inputs[name] for name in self.names]
        levels = graph.beside([graph.column(name) for name in inputs])
        codes = graph.add("Add", levels, graph.tensor(self.offsets))
        table = graph.table(self.table.weight, *inputs)
        vectors = graph.add("Flatten", graph.add("Gather", table, codes), axis=1)
        return (
            [vectors]
            if self.biases is None
            else [vectors, graph.add("Gather", graph.tensor(self.biases), codes)]
        )


class OneHotEncoder(Encoder):
    """int64 (N,) each -> a column per level."""

    def __init__(self, levels: Mapping[str, int]) -> None:
        super().__init__(list(levels))
        self.sizes = list(levels.values())

    def forward(self, arrays: list[Tensor]) -> list[Tensor]:
        return [F.one_hot(codes, size).to(torch.float32) for codes, size in zip(arrays, self.sizes)]

    def write_graph(self, graph: NetworkGraph) -> list[str]:
        return [
            graph.one_hot(graph.column(graph.inputs[name]), size)
            for name, size in zip(self.names, self.sizes)
        ]


def build(codecs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions) -> Encoder:
    """The width of the table is that of the input with most levels, by the model's rule."""
    categories = cast("Mapping[str, Category]", codecs)
    levels = {name: codec.levels for name, codec in categories.items()}
    if options.width is None:
        return OneHotEncoder(levels)
    untrained: list[int] = []
    start = 0
    for name, count in levels.items():
        seen = torch.bincount(torch.as_tensor(rows[name]), minlength=count)
        open_codes = range(len(categories[name].classes), count)
        untrained += [start + code for code in open_codes if not seen[code]]
        start += count
    width = max(options.width(count) for count in levels.values())
    return CategoryEncoder(levels, width, untrained, options.biases)
