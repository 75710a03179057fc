"""Recurrent networks: what is remembered at each place of a sequence, in one direction or in both, in layers on each other.

Elman 1990 (RNN, Cognitive Science 14); Hochreiter and Schmidhuber 1997 (LSTM, Neural Computation 9); Cho et al. 2014 (GRU,
arXiv:1406.1078); Schuster and Paliwal 1997 (both directions, IEEE TSP 45).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from drivetrain.models.sequences import (
    NEWEST,
    SequenceBody,
    largest_of,
    last_of,
    told,
    write_largest,
    write_last,
)

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

WIDTH, OF_SERIES = 128, 32
LEAST = -1.0
"""No state of any is below it."""
GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}
"""In ONNX's order, the places of torch's."""


class Direction(nn.Module):
    """One layer read from the first place to the last, or (`back`) from the last of each row to the first."""

    def __init__(self, kind: str, width: int, states: int, back: bool) -> None:
        super().__init__()
        self.kind, self.back = kind, back
        self.cell: Any = getattr(nn, kind)(width, states, batch_first=True)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """(N, T, width) -> (N, T, states). What is at a place hangs on no padding: it comes after the row, and rows are
        turned round within their lengths."""
        if not self.back:
            return self.cell(values)[0]
        return _turned(self.cell(_turned(values, lengths))[0], lengths)

    def write_graph(self, graph: NetworkGraph, values: str, lengths: str) -> str:
        from onnx import TensorProto

        weights = [
            graph.tensor(self._in_order(torch.as_tensor(each)).unsqueeze(0))
            for each in (self.cell.weight_ih_l0, self.cell.weight_hh_l0)
        ]
        biases = [self._in_order(each) for each in (self.cell.bias_ih_l0, self.cell.bias_hh_l0)]
        more: dict[str, Any] = {"linear_before_reset": 1} if self.kind == "GRU" else {}
        found = graph.add(
            self.kind, graph.add("Transpose", values, perm=[1, 0, 2]), *weights, graph.tensor(torch.cat(biases).unsqueeze(0)),
            graph.add("Cast", lengths, to=TensorProto.INT32), hidden_size=self.cell.hidden_size,
            direction="reverse" if self.back else "forward", **more,
        )  # fmt: skip
        return graph.add("Transpose", graph.add("Squeeze", found, graph.whole(1)), perm=[1, 0, 2])

    def _in_order(self, weights: Tensor) -> Tensor:
        gates = weights.detach().chunk(len(GATES[self.kind]))
        return torch.cat([gates[place] for place in GATES[self.kind]])


def _turned(values: Tensor, lengths: Tensor) -> Tensor:
    """Each row from its last place to its first; what follows it stays."""
    places = torch.arange(values.shape[1], device=values.device)
    turned = torch.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)
    return values.gather(1, turned[:, :, None].expand(-1, -1, values.shape[2]))


class Recurrent(SequenceBody):
    """Layers of LSTM, GRU or RNN; the features are what is remembered when a row has been read, and the largest of each state over
    all places (as Howard and Ruder 2018, arXiv:1801.06146)."""

    newest = NEWEST

    def __init__(
        self,
        kind: str,
        width: int,
        states: int = WIDTH,
        layers: int = 1,
        both: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.states, self.both = states, both
        self.layers = nn.ModuleList()
        for _ in range(layers):
            self.layers.append(
                nn.ModuleList(Direction(kind, width, states, bool(back)) for back in range(1 + both))
            )
            width = states * (1 + both)
        self.dropout = nn.Dropout(dropout)
        self.features = 2 * width

    def maps(self, values: Tensor, lengths: Tensor) -> Tensor:
        for place, layer in enumerate(list[Any](self.layers)):
            values = self.dropout(values) if place else values
            found = [direction(values, lengths) for direction in layer]
            values = torch.cat(found, 2) if self.both else found[0]
        return values

    def pooled(self, maps: Tensor, lengths: Tensor) -> Tensor:
        ends = [last_of(maps[:, :, : self.states], lengths)]
        if self.both:
            ends.append(maps[:, 0, self.states :])
        return torch.cat([*ends, largest_of(maps, lengths, LEAST)], 1)

    def write_maps(self, graph: NetworkGraph, values: str, lengths: str) -> str:
        for layer in list[Any](self.layers):
            found = [graph.write(direction, values, lengths) for direction in layer]
            values = found[0] if len(found) == 1 else graph.add("Concat", *found, axis=2)
        return values

    def write_pooled(self, graph: NetworkGraph, maps: str, lengths: str) -> str:
        def states(first: int) -> str:
            edges = (graph.whole(edge) for edge in (first, first + self.states, 2))
            return graph.add("Slice", maps, *edges)

        ends = [write_last(graph, states(0), lengths)]
        if self.both:
            ends.append(graph.add("Gather", states(self.states), graph.constant(0, "i8"), axis=1))
        return graph.beside([*ends, write_largest(graph, maps, lengths, LEAST)])

    def blocks(self) -> list[nn.Module]:
        return list(self.layers)


def build(
    kind: str, shape: tuple[int, ...], dropout: float, words: Sequence[str], wide: int = WIDTH
) -> Recurrent:
    """LSTM, GRU or RNN on sequences (most T, F), as the words after its name say."""
    says = told(words, ["bidirectional"], {"layers": 1, "wide": wide, "embedded": shape[1]})
    return Recurrent(kind, shape[1], says["wide"], says["layers"], bool(says["bidirectional"]), dropout)
