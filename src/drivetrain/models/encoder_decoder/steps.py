"""An encoder and a decoder as the graphs `prefill` and `step` of the program `generate` (FORMAT.md, section 5.4): the first
reads a text once, the second writes, with what was read as a state that stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from drivetrain.bundle.program import PREFILL, STEP
from drivetrain.codecs import Signature
from drivetrain.graphs.network import NetworkGraph
from drivetrain.models.encoder_decoder.network import EncoderDecoder, begun
from drivetrain.models.sequences import write_there
from drivetrain.ragged import lengths_of
from drivetrain.types import Array


class Steps:
    """The steps of a network: its own weights, read token by token."""

    def __init__(self, network: EncoderDecoder, signature: Signature) -> None:
        self.network, self.signature = network, signature
        self.attending: Any = network.attending
        self.table: Any = network.table
        self.states = [f"state_{place}" for place in range(len(self.attending.sides))]
        self.after = [f"next_{place}" for place in range(self.attending.changed)]

    @property
    def size(self) -> int:
        return self.table.num_embeddings

    @property
    def made(self) -> list[str]:
        """The states that `prefill` makes: not those that begin with no places."""
        return [name for name, sides in zip(self.states, self.attending.sides) if "past" not in sides]

    def run(self, graph: str, batch: Mapping[str, Array]) -> dict[str, Array]:
        """What the graphs do, by their names (see `drivetrain.runtime.programs.generate.Run`)."""
        given = {name: torch.tensor(array) for name, array in batch.items()}
        with torch.no_grad():
            if graph == PREFILL:
                source = self.network.source
                state = self.network.begin(given[source], given[lengths_of(source)])
                made = {name: each for name, each in zip(self.states, state) if name in self.made}
            else:
                scores, state = self.network.step(given["tokens"], [given[name] for name in self.states])
                made = {"logits": scores, **dict(zip(self.after, state))}
        return {name: array.contiguous().numpy() for name, array in made.items()}

    def difference(self, source: Tensor, target: Tensor) -> float:
        """The largest difference of scores between a target int64 (n,) written whole, as in training, and token by token."""
        network, lengths = self.network, torch.tensor([len(source)])
        row = F.pad(
            source[None], (0, int(not len(source)))
        )  # As a batch has it: no row is shorter than one place.
        with torch.no_grad():
            whole = network(
                {network.source: row, lengths_of(network.source): lengths}, {network.target: target[None]}
            )
            state, scores = network.begin(row, lengths), []
            for token in begun(target[None]).unbind(1):
                found, state = network.step(token[:, None], state)
                scores.append(found)
            return float((torch.cat(scores) - network.scores(whole[network.target])).abs().max())

    def write(self) -> dict[str, bytes]:
        """The serialised graphs, checked by onnx."""
        return {PREFILL: self._prefill(), STEP: self._step()}

    def _vectors(self, graph: NetworkGraph, table: str, tokens: str) -> str:
        return graph.add(
            "Mul", graph.add("Gather", table, tokens), graph.constant(self.table.embedding_dim**0.5)
        )

    def _prefill(self) -> bytes:
        from onnx import TensorProto

        graph = NetworkGraph(self.signature)
        source = self.network.source
        names = {key: graph.inputs[key] for key in (source, lengths_of(source))}
        tokens, lengths = names.values()
        vectors = self._vectors(graph, graph.table(self.table.weight, tokens), tokens)
        vectors = graph.add("Mul", vectors, graph.floats(write_there(graph, vectors, lengths)))
        lengths = graph.add("Max", lengths, graph.constant(1, "i8"))
        self.attending.write_begin(graph, vectors, lengths, self.states)
        ports = [(name, *graph.port(key)) for key, name in names.items()]
        made = [
            (name, TensorProto.FLOAT, ["rows", *sides])
            for name, sides in zip(self.states, self.attending.sides)
            if name in self.made
        ]
        return graph.model_between(PREFILL, ports, made)

    def _step(self) -> bytes:
        from onnx import TensorProto

        graph = NetworkGraph(Signature({}, {}))
        table = graph.table(self.table.weight, "tokens")
        vectors = self._vectors(graph, table, "tokens")
        values = self.attending.write_step(graph, vectors, self.states, self.after)
        last = graph.add("Gather", values, graph.constant(-1, "i8"), axis=1)
        graph.add("Gemm", last, table, transB=1, output="logits")
        sides = [
            (name, TensorProto.FLOAT, ["rows", *each])
            for name, each in zip(self.states, self.attending.sides)
        ]
        made: list[Any] = [("logits", TensorProto.FLOAT, ["rows", self.size])]
        for name, (_, kind, each) in zip(self.after, sides):
            made.append((name, kind, ["all" if side == "past" else side for side in each]))
        return graph.model_between(STEP, [("tokens", TensorProto.INT64, ["rows", "new"]), *sides], made)
