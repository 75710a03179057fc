"""A network of the N-HiTS kind: blocks of dense layers, each on the window at its own speed and on what those before it left.

Challu et al. 2023 (arXiv:2201.12886): a block sees the window pooled by 8, 4 or 1 moments, explains a part of it, by numbers
between which lines are drawn, and hands on the rest. Its forecast is a sum of learned shapes, as in N-BEATS (Oreshkin et al.
2020, arXiv:1905.10437), where N-HiTS draws lines as well: the shapes are the weights of the head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.models.bodies.mlp import dense
from drivetrain.models.registry import Model
from drivetrain.models.sequences import SequenceBody
from drivetrain.models.takes import FORECASTS

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

MODEL = Model("dense blocks at several speeds (N-HiTS kind)", takes=FORECASTS)
POOLS = (8, 4, 1)
WIDTHS = (32, 32)
SHAPES = 8
"""How many numbers a block says of what comes."""


class Block(nn.Module):
    """The rest of a window (N, T) and what is known beside it (N, K) -> (what it explains (N, T), what it tells (N, SHAPES))."""

    lines: Tensor

    def __init__(self, moments: int, beside: int, pool: int, dropout: float) -> None:
        super().__init__()
        self.pool = min(pool, moments)
        self.more = -moments % self.pool
        seen = (moments + self.more) // self.pool
        self.layers = dense(seen + beside, WIDTHS, dropout)
        self.tells, self.explains = nn.Linear(WIDTHS[-1], SHAPES), nn.Linear(WIDTHS[-1], seen)
        self.register_buffer("lines", lines_between(seen, moments), persistent=False)

    def forward(self, rest: Tensor, beside: Tensor) -> tuple[Tensor, Tensor]:
        pooled = F.max_pool1d(F.pad(rest, (self.more, 0)).unsqueeze(1), self.pool).squeeze(1)
        found = self.layers(torch.cat([pooled, beside], 1))
        return self.explains(found) @ self.lines, self.tells(found)

    def write_graph(self, graph: NetworkGraph, rest: str, beside: str) -> tuple[str, str]:
        padded = graph.add("Pad", rest, graph.whole(0, self.more, 0, 0)) if self.more else rest
        tall = graph.add("Unsqueeze", padded, graph.whole(1))
        pools = graph.add("MaxPool", tall, kernel_shape=[self.pool], strides=[self.pool])
        seen = graph.add("Squeeze", pools, graph.whole(1))
        found = graph.write(self.layers, graph.beside([seen, beside] if beside else [seen]))
        explained = graph.add("MatMul", graph.write(self.explains, found), graph.tensor(self.lines))
        return explained, graph.write(self.tells, found)


class NHiTS(SequenceBody):
    """The features are what all blocks tell. Other channels than the first are seen by each block as they are."""

    def __init__(self, shape: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        moments, channels = shape
        others = moments * (channels - 1)
        self.others = bool(others)
        self.blocks_ = nn.ModuleList(Block(moments, others, pool, dropout) for pool in POOLS)
        self.features = SHAPES * len(POOLS)

    def pooled(self, maps: Tensor, lengths: Tensor) -> Tensor:
        del lengths
        rest, beside = maps[:, :, 0], maps[:, :, 1:].flatten(1)
        told: list[Tensor] = []
        for block in list[Any](self.blocks_):
            explained, tells = block(rest, beside)
            rest = rest - explained
            told.append(tells)
        return torch.cat(told, 1)

    def write_pooled(self, graph: NetworkGraph, maps: str, lengths: str) -> str:
        del lengths
        rest = graph.add("Gather", maps, graph.constant(0, "i8"), axis=2)
        edges = (graph.whole(edge) for edge in (1, 2**31 - 1, 2))
        beside = graph.add("Flatten", graph.add("Slice", maps, *edges), axis=1) if self.others else ""
        told: list[str] = []
        for block in self.blocks_:
            explained, tells = graph.write(block, rest, beside)
            rest = graph.add("Sub", rest, explained)
            told.append(tells)
        return graph.beside(told)

    def blocks(self) -> list[nn.Module]:
        return list(self.blocks_)


def lines_between(points: int, moments: int) -> Tensor:
    """float32 (points, moments): numbers @ it are the lines between them, the first at the first moment, the last at the last."""
    if points == 1:
        return torch.ones(1, moments)
    places = torch.linspace(0, points - 1, moments)
    return (1 - (torch.arange(points)[:, None] - places).abs()).clamp(min=0)


def build(shape: tuple[int, ...], dropout: float = 0.0) -> NHiTS:
    return NHiTS(shape, dropout)
