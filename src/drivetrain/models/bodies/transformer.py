"""A small transformer on tokens or series: `transformer`, `transformer:causal`, `transformer:4-layers`, `transformer:256-wide`.

Vaswani et al. 2017 (arXiv:1706.03762), with the norms before what they feed (Xiong et al. 2020, arXiv:2002.04745). Places
are told by sines, so that no table of them says how long a text may be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from drivetrain.errors import UsageError
from drivetrain.models.attention import FAR, HEAD, attend, sines, speeds_of, write_sines
from drivetrain.models.registry import Model
from drivetrain.models.sequences import (
    NEWEST,
    SequenceBody,
    mean_of,
    there,
    told,
    write_mean,
    write_places,
    write_there,
)
from drivetrain.models.takes import SEQUENCES

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

MODEL = Model("a small transformer", takes=SEQUENCES)
WORDS = ("causal", "4-layers", "256-wide", "64-embedded")
WIDTH, OF_SERIES, LAYERS = 128, 64, 2


class Attention(nn.Module):
    """(N, T, width) and which places may be seen, bool (N, 1, 1, T), or None: those up to itself -> (N, T, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.width = heads, width
        self.inward, self.outward = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, values: Tensor, seen: Tensor | None) -> Tensor:
        rows, places, _ = values.shape
        split = self.inward(values).view(rows, places, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        found = attend(split[0], split[1], split[2], seen)
        return self.outward(found.transpose(1, 2).reshape(rows, places, self.width))

    def write_graph(self, graph: NetworkGraph, values: str, unseen: str) -> str:
        """`unseen` is what is added to the scores."""
        head = self.width // self.heads
        projected = graph.add(
            "Reshape", graph.write(self.inward, values), graph.whole(0, 0, 3, self.heads, head)
        )
        axes = {0: [0, 2, 1, 3], 1: [0, 2, 3, 1], 2: [0, 2, 1, 3]}
        query, key, value = (
            graph.add(
                "Transpose", graph.add("Gather", projected, graph.constant(place, "i8"), axis=2), perm=perm
            )
            for place, perm in axes.items()
        )
        scores = graph.add("Mul", graph.add("MatMul", query, key), graph.constant(head**-0.5))
        shares = graph.add("Softmax", graph.add("Add", scores, unseen), axis=-1)
        found = graph.add("Transpose", graph.add("MatMul", shares, value), perm=[0, 2, 1, 3])
        return graph.write(self.outward, graph.add("Reshape", found, graph.whole(0, 0, self.width)))


class Block(nn.Module):
    """Attention and two dense layers, each added to what it is given."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, width // HEAD)
        self.dense = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor, seen: Tensor | None) -> Tensor:
        values = values + self.dropout(self.attention(self.first(values), seen))
        return values + self.dropout(self.dense(self.second(values)))

    def write_graph(self, graph: NetworkGraph, values: str, unseen: str) -> str:
        found = graph.write(self.attention, graph.write(self.first, values), unseen)
        values = graph.add("Add", values, found)
        return graph.add("Add", values, graph.write(self.dense, graph.write(self.second, values)))


class Louder(nn.Module):
    """Vectors (N, T, width) that are as wide as the layers need no projection, but to be as large as the sines of their places, or
    these were all that is heard at first (Vaswani et al. 2017, 3.4)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.times = width**0.5

    def forward(self, values: Tensor) -> Tensor:
        return values * self.times

    def write_graph(self, graph: NetworkGraph, values: str) -> str:
        return graph.add("Mul", values, graph.constant(self.times))


class Transformer(SequenceBody):
    """Each place looks at all of its row, or where it is `causal` at those up to itself; the features are the mean."""

    speeds: Tensor
    newest = NEWEST

    def __init__(self, inward: int, width: int, layers: int, causal: bool, dropout: float) -> None:
        super().__init__()
        self.causal = causal
        self.inward = nn.Linear(inward, width) if inward != width else Louder(width)
        self.layers = nn.ModuleList(Block(width, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.features = width
        self.register_buffer("speeds", speeds_of(width), persistent=False)

    def maps(self, values: Tensor, lengths: Tensor) -> Tensor:
        places = torch.arange(values.shape[1], device=values.device)
        # Padding comes after a row: a place that sees none after itself sees no padding either.
        seen = None if self.causal else there(values, lengths).squeeze(2)[:, None, None, :]
        values = self.dropout(self.inward(values) + sines(places, self.speeds))
        for layer in self.layers:
            values = layer(values, seen)
        return self.norm(values)

    def pooled(self, maps: Tensor, lengths: Tensor) -> Tensor:
        return mean_of(maps, lengths)

    def write_maps(self, graph: NetworkGraph, values: str, lengths: str) -> str:
        places = write_places(graph, values)
        tall = graph.add("Unsqueeze", places, graph.whole(1))
        told = write_sines(graph, tall, self.speeds)
        seen = graph.add("Reshape", write_there(graph, values, lengths), graph.whole(0, 1, 1, -1))
        if self.causal:
            seen = graph.add("And", seen, graph.add("LessOrEqual", places, tall))
        unseen = graph.add("Where", seen, graph.constant(0), graph.constant(FAR))
        values = graph.add("Add", graph.write(self.inward, values), told)
        for layer in self.layers:
            values = graph.write(layer, values, unseen)
        return graph.write(self.norm, values)

    def write_pooled(self, graph: NetworkGraph, maps: str, lengths: str) -> str:
        return write_mean(graph, maps, lengths)

    def blocks(self) -> list[nn.Module]:
        return [self.inward, *self.layers, self.norm]


def build_series(shape: tuple[int, ...], dropout: float = 0.0, *words: str) -> Transformer:
    """Of series there are fewer than of texts: it is narrower."""
    return build(shape, dropout, *words, wide=OF_SERIES)


def build(shape: tuple[int, ...], dropout: float = 0.0, *words: str, wide: int = WIDTH) -> Transformer:
    says = told(words, ["causal"], {"layers": LAYERS, "wide": wide, "embedded": shape[1]})
    if says["wide"] % HEAD:
        raise UsageError(
            f"a transformer is a multiple of {HEAD} wide.", where="model", fix=f"Say {WIDTH}-wide."
        )
    return Transformer(shape[1], says["wide"], says["layers"], bool(says["causal"]), dropout)
