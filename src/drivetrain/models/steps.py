"""A network that tells the next token, as the graph `step` of the program `generate` (FORMAT.md, section 5.4).

While it trains, a network reads whole stretches; to write, it takes the newest tokens and a state: what an LSTM or a GRU
remembers, or the keys and values of a causal transformer, which grow by a place for each token. Both are the same weights,
and `difference` holds one against the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from drivetrain.codecs import Signature
from drivetrain.errors import UsageError
from drivetrain.graphs.builder import Port
from drivetrain.graphs.network import NetworkGraph
from drivetrain.models.attention import FAR, lookup, sines, write_lookup, write_sines
from drivetrain.models.bodies.transformer import Attention, Transformer
from drivetrain.models.network import Network
from drivetrain.models.recurrent import GATES, Direction, Recurrent
from drivetrain.ragged import lengths_of
from drivetrain.types import Array

State = list[Tensor]
"""Of each layer what it hands on, rows first: `state_0`, `state_1` ... of the graph."""


class RecurrentSteps:
    """Layers that remember a row of numbers each: an LSTM two."""

    def __init__(self, body: Recurrent) -> None:
        self.cells: list[Direction] = [layer[0] for layer in body.layers]  # type: ignore[index]
        self.each = 2 if self.cells[0].kind == "LSTM" else 1
        self.sides: list[list[int | str]] = [[body.states]] * (self.each * len(self.cells))

    def step(self, values: Tensor, state: State) -> tuple[Tensor, State]:
        """(N, n, F) and the state before -> what is known at each place, and the state after."""
        after: State = []
        for place, layer in enumerate(self.cells):
            given = [each.unsqueeze(0) for each in state[place * self.each : (place + 1) * self.each]]
            values, left = layer.cell(values, tuple(given) if self.each == 2 else given[0])
            after += [each.squeeze(0) for each in (left if self.each == 2 else [left])]
        return values, after

    def write(self, graph: NetworkGraph, values: str) -> str:
        values = graph.add("Transpose", values, perm=[1, 0, 2])
        for place, layer in enumerate(self.cells):
            values = self._write_layer(graph, layer, values, place * self.each)
        return graph.add("Transpose", values, perm=[1, 0, 2])

    def _write_layer(self, graph: NetworkGraph, layer: Direction, values: str, first: int) -> str:
        from onnx import helper

        cell, count = layer.cell, len(GATES[layer.kind])
        parts = (cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0, cell.bias_hh_l0)
        ordered = [
            torch.cat([part.detach().chunk(count)[gate] for gate in GATES[layer.kind]]) for part in parts
        ]
        weights = [graph.tensor(each.unsqueeze(0)) for each in (*ordered[:2], torch.cat(ordered[2:]))]
        before = [
            graph.add("Unsqueeze", f"state_{first + place}", graph.whole(0)) for place in range(self.each)
        ]
        made = [f"read_{first}", *(f"left_{first + place}" for place in range(self.each))]
        more: dict[str, Any] = {"linear_before_reset": 1} if layer.kind == "GRU" else {}
        graph.nodes.append(
            helper.make_node(
                layer.kind, [values, *weights, "", *before], made, hidden_size=cell.hidden_size, **more
            )
        )
        for place, name in enumerate(made[1:], start=first):
            graph.add("Squeeze", name, graph.whole(0), output=f"next_{place}")
        return graph.add("Squeeze", made[0], graph.whole(1))


class AttentionSteps:
    """Layers that keep keys and values (N, past, width) of all that was read."""

    def __init__(self, body: Transformer) -> None:
        self.body = body
        width = body.features
        self.sides: list[list[int | str]] = [["past", width]] * (2 * len(body.layers))

    def step(self, values: Tensor, state: State) -> tuple[Tensor, State]:
        past, new = state[0].shape[1], values.shape[1]
        places = torch.arange(past + new)
        values = self.body.inward(values) + sines(places[past:], self.body.speeds)
        seen = places <= places[past:, None]
        after: State = []
        for place, layer in enumerate(self.body.layers):
            attention: Attention = layer.attention  # type: ignore[assignment]
            query, *kept = attention.inward(layer.first(values)).chunk(3, 2)  # type: ignore[operator]
            kept = [torch.cat(pair, 1) for pair in zip(state[2 * place : 2 * place + 2], kept)]
            found = lookup(query, *kept, attention.heads, seen)
            values = values + attention.outward(found)
            values = values + layer.dense(layer.second(values))  # type: ignore[operator]
            after += kept
        return self.body.norm(values), after

    def write(self, graph: NetworkGraph, values: str) -> str:
        past, new = (
            graph.add("Squeeze", graph.add("Shape", of, start=1, end=2), graph.whole(0))
            for of in ("state_0", values)
        )
        zero, one = graph.constant(0, "i8"), graph.constant(1, "i8")
        whole = graph.add("Add", past, new)
        tall = graph.add("Unsqueeze", graph.add("Range", past, whole, one), graph.whole(1))
        told = write_sines(graph, tall, self.body.speeds)
        seen = graph.add("LessOrEqual", graph.add("Range", zero, whole, one), tall)
        unseen = graph.add("Where", seen, graph.constant(0), graph.constant(FAR))
        values = graph.add("Add", graph.write(self.body.inward, values), told)
        layers: Any = self.body.layers
        for place, layer in enumerate(layers):
            found = self._write_attention(graph, layer, values, unseen, 2 * place)
            values = graph.add("Add", values, found)
            dense = graph.write(layer.dense, graph.write(layer.second, values))
            values = graph.add("Add", values, dense)
        return graph.write(self.body.norm, values)

    def _write_attention(self, graph: NetworkGraph, layer: Any, values: str, unseen: str, first: int) -> str:
        attention: Attention = layer.attention
        width, head = attention.width, attention.width // attention.heads
        projected = graph.write(attention.inward, graph.write(layer.first, values))

        def part(place: int) -> str:
            edges = (graph.whole(edge) for edge in (place * width, (place + 1) * width, 2))
            return graph.add("Slice", projected, *edges)

        keys, kept = (
            graph.add(
                "Concat", f"state_{first + place}", part(1 + place), axis=1, output=f"next_{first + place}"
            )
            for place in range(2)
        )
        found = write_lookup(graph, part(0), keys, kept, attention.heads, head, unseen)
        return graph.write(attention.outward, found)


class Steps(nn.Module):
    """The steps of a network with one input and one target, both of tokens: its own weights, read token by token.

    Raises UsageError for a network that has no steps: one whose places know of later ones, or of another shape.
    """

    def __init__(self, network: Network, signature: Signature) -> None:
        super().__init__()
        ((self.input, codec),), ((self.target, _),) = signature.inputs.items(), signature.targets.items()
        encoder: Any = next(iter(network.encoders.values()))
        self.network, self.reader = network, encoder.readers[0]
        self.size: int = codec.size  # type: ignore[attr-defined]
        self.body = steps_of(self.reader.body)

    @property
    def any_length(self) -> bool:
        """Whether its state is as large however much was read; else more than it was trained on is unknown to it."""
        return isinstance(self.body, RecurrentSteps)

    @property
    def states(self) -> list[str]:
        return [f"state_{place}" for place in range(len(self.body.sides))]

    def first_state(self, rows: int) -> State:
        """Zeros, or caches of no length."""
        return [
            torch.zeros(rows, *(0 if side == "past" else int(side) for side in sides))
            for sides in self.body.sides
        ]

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """int64 (N, n) and the state before them -> scores (N, size) of the token to come, and the state after."""
        values, after = self.body.step(self.reader.table(tokens), state)
        return self.network.heads[self.target].layers(values[:, -1]), after

    def run(self, graph: str, batch: Mapping[str, Array]) -> dict[str, Array]:
        """The same by the names of the graph (see `drivetrain.runtime.programs.generate.Run`)."""
        del graph
        state = [torch.tensor(batch[name]) for name in self.states]
        with torch.no_grad():
            scores, after = self(torch.tensor(batch["tokens"]), state)
        made = {"logits": scores, **dict(zip((name.replace("state", "next") for name in self.states), after))}
        return {name: array.numpy() for name, array in made.items()}

    def difference(self, tokens: Tensor) -> float:
        """The largest difference of scores between a stretch int64 (n,) read whole, as in training, and token by token."""
        row = tokens[None]
        with torch.no_grad():
            whole = self.network({self.input: row, lengths_of(self.input): torch.tensor([len(tokens)])})
            state, scores = self.first_state(1), []
            for place in range(len(tokens)):
                found, state = self(row[:, place : place + 1], state)
                scores.append(found)
        return float((torch.cat(scores) - whole[self.target][0]).abs().max())

    def write(self) -> bytes:
        """The serialised graph, checked by onnx."""
        from onnx import TensorProto

        graph = NetworkGraph(Signature({}, {}))
        values = graph.add("Gather", graph.table(self.reader.table.weight, "tokens"), "tokens")
        values = self.body.write(graph, values)
        last = graph.add("Gather", values, graph.constant(-1, "i8"), axis=1)
        graph.add("Identity", graph.write(self.network.heads[self.target].layers, last), output="logits")
        given: list[Port] = [("tokens", TensorProto.INT64, ["rows", "new"])]
        made: list[Port] = [("logits", TensorProto.FLOAT, ["rows", self.size])]
        for name, sides in zip(self.states, self.body.sides):
            given.append((name, TensorProto.FLOAT, ["rows", *sides]))
            after = ["all" if side == "past" else side for side in sides]
            made.append((name.replace("state", "next"), TensorProto.FLOAT, ["rows", *after]))
        return graph.model_between("step", given, made)


def steps_of(body: nn.Module) -> RecurrentSteps | AttentionSteps:
    """The steps of a body that reads tokens. Raises UsageError for one that has none."""
    if isinstance(body, Recurrent) and not body.both:
        return RecurrentSteps(body)
    if isinstance(body, Transformer) and body.causal:
        return AttentionSteps(body)
    raise UsageError(
        "this model can't write: what it knows at a place hangs on later ones, or it reads no places.", where="model",
        fix="Choose lstm, gru or transformer:causal.",
    )  # fmt: skip
