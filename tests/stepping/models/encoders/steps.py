"""Steps -> the mean of their vectors; zeros where there is none."""

from __future__ import annotations

import torch
from torch import nn

from drivetrain.models.encoders import Encoder, Places
from drivetrain.ragged import lengths_of

WIDTH = 8


class MeanOfSteps(nn.Module):
    """int64 (N, longest) and lengths (N,) -> (N, WIDTH)."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.table = nn.Embedding(levels, WIDTH)

    def forward(self, steps, lengths):
        values, mask = Places.of_lengths(self.table(steps.clamp(min=0)), lengths)
        return (values * mask.unsqueeze(2)).sum(1) / lengths.clamp(min=1).unsqueeze(1)

    def write_graph(self, graph, steps, lengths):
        known = graph.add("Max", steps, graph.constant(0, "i8"))
        vectors = graph.add("Gather", graph.tensor(self.table.weight), known)
        there = graph.floats(graph.add("GreaterOrEqual", steps, graph.constant(0, "i8")))
        masked = graph.add("Mul", vectors, graph.add("Unsqueeze", there, graph.whole(2)))
        count = graph.column(graph.add("Max", graph.floats(lengths), graph.constant(1)))
        return graph.add("Div", graph.add("ReduceSum", masked, graph.whole(1), keepdims=0), count)


class StepsEncoder(Encoder):
    def __init__(self, codecs) -> None:
        super().__init__(list(codecs))
        self.means = nn.ModuleList(MeanOfSteps(codec.levels) for codec in codecs.values())

    def of(self, batch):
        return [mean(batch[name], batch[lengths_of(name)]) for name, mean in zip(self.names, self.means)]

    def write_graph(self, graph):
        return [
            graph.write(mean, graph.inputs[name], graph.inputs[lengths_of(name)])
            for name, mean in zip(self.names, self.means)
        ]


def build(codecs, rows, options):
    del rows, options
    assert torch.is_grad_enabled()
    return StepsEncoder(codecs)
