"""Attention alone (Vaswani et al. 2017, arXiv:1706.03762), with the norms before what they feed (Xiong et al. 2020,
arXiv:2002.04745). Places are told by sines, so that no table of them says how long a text may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from drivetrain.errors import UsageError
from drivetrain.models.attention import (
    FAR,
    HEAD,
    lookup,
    shares,
    sines,
    speeds_of,
    unseen,
    write_lookup,
    write_parts,
    write_sines,
    write_unseen,
)
from drivetrain.models.encoder_decoder.network import Attending, State
from drivetrain.models.sequences import told, write_places

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

WIDTH, LAYERS, DENSE = 128, 4, 2
"""`DENSE` times the width has the layer between the two dense ones."""


class SelfAttention(nn.Module):
    """Each place looks at those of its own text."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inward, self.outward = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, values: Tensor, mask: Tensor | None) -> Tensor:
        query, keys, kept = self.inward(values).chunk(3, 2)
        return self.outward(lookup(query, keys, kept, self.heads, mask))

    def write_graph(self, graph: NetworkGraph, values: str, mask: str) -> str:
        query, keys, kept = self.write_parts(graph, values)
        found = write_lookup(graph, query, keys, kept, self.heads, HEAD, mask)
        return graph.write(self.outward, found)

    def write_parts(self, graph: NetworkGraph, values: str) -> list[str]:
        """Queries, keys and values."""
        return write_parts(graph, graph.write(self.inward, values), 3, self.outward.in_features)


class CrossAttention(nn.Module):
    """Each place of what is written looks at what was read."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.kept = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.outward = nn.Linear(width, width)

    def forward(self, values: Tensor, keys: Tensor, kept: Tensor, mask: Tensor) -> Tensor:
        """Keys and values (N, S, width) of what was read; `mask` is added to the scores, (N, 1, 1, S)."""
        return self.outward(lookup(self.query(values), keys, kept, self.heads, mask))

    def write_graph(self, graph: NetworkGraph, values: str, keys: str, kept: str, mask: str) -> str:
        found = write_lookup(graph, graph.write(self.query, values), keys, kept, self.heads, HEAD, mask)
        return graph.write(self.outward, found)

    def weights(self, values: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """(N, T, S), the mean of all heads."""
        keys = self.kept(memory).chunk(2, 2)[0]
        return shares(self.query(values), keys, self.heads, mask).mean(1)


def dense(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, DENSE * width), nn.ReLU(), nn.Linear(DENSE * width, width))


class ReadingLayer(nn.Module):
    """Attention and two dense layers, each added to what it is given."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.dense = SelfAttention(width, heads), dense(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        values = values + self.dropout(self.attention(self.first(values), mask))
        return values + self.dropout(self.dense(self.second(values)))

    def write_graph(self, graph: NetworkGraph, values: str, mask: str) -> str:
        values = graph.add("Add", values, graph.write(self.attention, graph.write(self.first, values), mask))
        return graph.add("Add", values, graph.write(self.dense, graph.write(self.second, values)))


class WritingLayer(nn.Module):
    """The same, with a look at what was read between the two."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.first, self.between, self.second = (nn.LayerNorm(width) for _ in range(3))
        self.attention, self.across = SelfAttention(width, heads), CrossAttention(width, heads)
        self.dense = dense(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        values = values + self.dropout(self.attention(self.first(values), None))
        keys, kept = self.across.kept(memory).chunk(2, 2)
        values = values + self.dropout(self.across(self.between(values), keys, kept, mask))
        return values + self.dropout(self.dense(self.second(values)))

    def step(
        self, values: Tensor, past: State, read: State, seen: Tensor, mask: Tensor
    ) -> tuple[Tensor, State]:
        """New places after `past` keys and values, which become longer; `read` has those of what was read."""
        attention = self.attention
        query, keys, kept = attention.inward(self.first(values)).chunk(3, 2)
        keys, kept = torch.cat([past[0], keys], 1), torch.cat([past[1], kept], 1)
        values = values + attention.outward(lookup(query, keys, kept, attention.heads, seen))
        values = values + self.across(self.between(values), read[0], read[1], mask)
        return values + self.dense(self.second(values)), [keys, kept]

    def write_step(
        self,
        graph: NetworkGraph,
        values: str,
        past: list[str],
        read: list[str],
        masks: list[str],
        after: list[str],
    ) -> str:
        """`past`, `read` and `after` name the states, `masks` what is added to the scores of places written and read."""
        query, *new = self.attention.write_parts(graph, graph.write(self.first, values))
        keys, kept = (
            graph.add("Concat", before, each, axis=1, output=name)
            for before, each, name in zip(past, new, after)
        )
        found = write_lookup(graph, query, keys, kept, self.attention.heads, HEAD, masks[0])
        values = graph.add("Add", values, graph.write(self.attention.outward, found))
        found = graph.write(self.across, graph.write(self.between, values), *read, masks[1])
        values = graph.add("Add", values, found)
        return graph.add("Add", values, graph.write(self.dense, graph.write(self.second, values)))


class Transformer(Attending):
    speeds: Tensor

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.width, heads = width, width // HEAD
        self.reading = nn.ModuleList(ReadingLayer(width, heads, dropout) for _ in range(layers))
        self.writing = nn.ModuleList(WritingLayer(width, heads, dropout) for _ in range(layers))
        self.has_read, self.has_written = nn.LayerNorm(width), nn.LayerNorm(width)
        self.changed = 2 * layers
        self.sides = [*[("past", width)] * (2 * layers), *[("read", width)] * (2 * layers), ("read",)]
        self.register_buffer("speeds", speeds_of(width), persistent=False)

    def placed(self, vectors: Tensor, first: int = 0) -> Tensor:
        places = torch.arange(first, first + vectors.shape[1], device=vectors.device)
        return vectors + sines(places, self.speeds)

    def read(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        values, mask = self.placed(vectors), unseen(vectors, lengths)[:, None, None]
        for layer in self.reading:
            values = layer(values, mask)
        return self.has_read(values)

    def written(self, vectors: Tensor, memory: Tensor, lengths: Tensor) -> Tensor:
        values, mask = self.placed(vectors), unseen(memory, lengths)[:, None, None]
        for layer in self.writing:
            values = layer(values, memory, mask)
        return self.has_written(values)

    def begin(self, memory: Tensor, lengths: Tensor) -> State:
        layers: Any = self.writing
        none = [memory.new_zeros(len(memory), 0, self.width)] * self.changed
        read = [each for layer in layers for each in layer.across.kept(memory).chunk(2, 2)]
        return [*none, *read, unseen(memory, lengths)]

    def step(self, vectors: Tensor, state: State) -> tuple[Tensor, State]:
        past, new = state[0].shape[1], vectors.shape[1]
        values, mask = self.placed(vectors, past), state[-1][:, None, None]
        places = torch.arange(past + new, device=vectors.device)
        seen = places <= places[past:, None]
        after: State = []
        layers: Any = self.writing
        for place, layer in enumerate(layers):
            first = 2 * place
            read = state[self.changed + first : self.changed + first + 2]
            values, kept = layer.step(values, state[first : first + 2], read, seen, mask)
            after += kept
        return self.has_written(values), after

    def write_begin(self, graph: NetworkGraph, vectors: str, lengths: str, states: list[str]) -> None:
        """Reads, and gives the states that don't begin with nothing, under their names."""
        places = graph.column(write_places(graph, vectors))
        mask = write_unseen(graph, vectors, lengths)
        graph.add("Identity", mask, output=states[-1])
        mask = graph.add("Unsqueeze", mask, graph.whole(1, 2))
        values = graph.add("Add", vectors, write_sines(graph, places, self.speeds))
        for layer in self.reading:
            values = graph.write(layer, values, mask)
        values = graph.write(self.has_read, values)
        for place, layer in enumerate(list[Any](self.writing)):
            found = graph.write(layer.across.kept, values)
            names = states[self.changed + 2 * place :][:2]
            write_parts(graph, found, 2, self.width, names)

    def write_step(self, graph: NetworkGraph, vectors: str, states: list[str], after: list[str]) -> str:
        past, new = (
            graph.add("Squeeze", graph.add("Shape", of, start=1, end=2), graph.whole(0))
            for of in (states[0], vectors)
        )
        whole = graph.add("Add", past, new)
        one = graph.constant(1, "i8")
        tall = graph.column(graph.add("Range", past, whole, one))
        seen = graph.add("LessOrEqual", graph.add("Range", graph.constant(0, "i8"), whole, one), tall)
        masks = [
            graph.add("Where", seen, graph.constant(0), graph.constant(FAR)),
            graph.add("Unsqueeze", states[-1], graph.whole(1, 2)),
        ]
        values = graph.add("Add", vectors, write_sines(graph, tall, self.speeds))
        for place, layer in enumerate(list[Any](self.writing)):
            mine = slice(2 * place, 2 * place + 2)
            values = layer.write_step(
                graph, values, states[mine], states[self.changed :][mine], masks, after[mine]
            )
        return graph.write(self.has_written, values)

    def weights(self, vectors: Tensor, memory: Tensor, lengths: Tensor) -> Tensor:
        values, mask = self.placed(vectors), unseen(memory, lengths)[:, None, None]
        *layers, last = list[Any](self.writing)
        for layer in layers:
            values = layer(values, memory, mask)
        values = values + last.attention(last.first(values), None)
        return last.across.weights(last.between(values), memory, mask)


def build(words: Sequence[str], dropout: float) -> Transformer:
    says = told(words, [], {"layers": LAYERS, "wide": WIDTH})
    if says["wide"] % HEAD:
        raise UsageError(
            f"a transformer is a multiple of {HEAD} wide.", where="model", fix=f"Say {WIDTH}-wide."
        )
    return Transformer(says["wide"], says["layers"], dropout)
