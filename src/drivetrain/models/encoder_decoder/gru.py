"""Recurrent networks: one reads in both directions, one writes, and what it knows looks up what was read (Luong, Pham and
Manning 2015, arXiv:1508.04025, "general", without input feeding: so a whole text is written at once while it learns)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from drivetrain.errors import UsageError
from drivetrain.models.attention import lookup, shares, unseen, write_lookup, write_unseen
from drivetrain.models.encoder_decoder.network import Attending, State
from drivetrain.models.recurrent import Recurrent
from drivetrain.models.sequences import mean_of, there, told, write_mean
from drivetrain.models.steps import RecurrentSteps

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

WIDTH, LAYERS = 256, 1


class Gru(Attending):
    """The first state of each layer that writes is made of the mean of what was read."""

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.width, self.changed = width, layers
        self.reading = Recurrent("GRU", width, width // 2, layers, both=True, dropout=dropout)
        self.writing = Recurrent("GRU", width, width, layers)
        self.first = nn.Linear(width, layers * width)
        self.query, self.joined = nn.Linear(width, width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)
        self.sides = [*[(width,)] * layers, ("read", width), ("read",)]
        self._steps = RecurrentSteps(self.writing)

    def read(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        memory = self.reading.maps(vectors, lengths)
        return self.dropout(memory * there(memory, lengths))

    def written(self, vectors: Tensor, memory: Tensor, lengths: Tensor) -> Tensor:
        return self.step(vectors, self.begin(memory, lengths))[0]

    def begin(self, memory: Tensor, lengths: Tensor) -> State:
        first = self.first(mean_of(memory, lengths)).tanh().chunk(self.changed, 1)
        return [*(each.contiguous() for each in first), memory, unseen(memory, lengths)]

    def step(self, vectors: Tensor, state: State) -> tuple[Tensor, State]:
        *before, memory, mask = state
        values, after = self._steps.step(vectors, before)
        values = self.dropout(values)
        found = lookup(self.query(values), memory, memory, 1, mask[:, None, None])
        return self.dropout(self.joined(torch.cat([values, found], 2)).tanh()), after

    def weights(self, vectors: Tensor, memory: Tensor, lengths: Tensor) -> Tensor:
        *before, memory, mask = self.begin(memory, lengths)
        values, _ = self._steps.step(vectors, before)
        return shares(self.query(values), memory, 1, mask[:, None, None])[:, 0]

    def write_begin(self, graph: NetworkGraph, vectors: str, lengths: str, states: list[str]) -> None:
        """Reads, and gives the states under their names."""
        memory = self.reading.write_maps(graph, vectors, lengths)
        first = graph.add("Tanh", graph.write(self.first, write_mean(graph, memory, lengths)))
        for place in range(self.changed):
            edges = (graph.whole(edge * self.width) for edge in (place, place + 1))
            graph.add("Slice", first, *edges, graph.whole(1), output=states[place])
        graph.add("Identity", memory, output=states[-2])
        graph.add("Identity", write_unseen(graph, vectors, lengths), output=states[-1])

    def write_step(self, graph: NetworkGraph, vectors: str, states: list[str], after: list[str]) -> str:
        """`after` are the names that the layers give what they leave."""
        del after
        values = self._steps.write(graph, vectors)
        mask = graph.add("Unsqueeze", states[-1], graph.whole(1, 2))
        query = graph.write(self.query, values)
        found = write_lookup(graph, query, states[-2], states[-2], 1, self.width, mask)
        joined = graph.write(self.joined, graph.add("Concat", values, found, axis=2))
        return graph.add("Tanh", joined)


def build(words: Sequence[str], dropout: float) -> Gru:
    says = told(words, [], {"layers": LAYERS, "wide": WIDTH})
    if says["wide"] % 2:
        raise UsageError(
            "a GRU that reads both ways is of an even width.", where="model", fix=f"Say {WIDTH}-wide."
        )
    return Gru(says["wide"], says["layers"], dropout)
