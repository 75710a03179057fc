"""Dense layers on the features of tables, ratings, texts: what combines the inputs of a network.

Members are the "TabM-mini" of Gorishniy, Kotelnikov and Babenko (2025), "TabM: Advancing Tabular Deep Learning with
Parameter-Efficient Ensembling" (arXiv:2410.24210): several networks that share all layers. Each scales the features in
its own way and has a last layer of its own, learns from its own error, and the answer is the mean of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph


class MemberScales(nn.Module):
    """float32 (N, features) -> (N, members, features): what each member sees of a row.

    A scale is +1 or -1 at first, one for all features of an input: `inputs` has for each feature the number of its input.
    """

    def __init__(self, members: int, inputs: Sequence[int]) -> None:
        super().__init__()
        signs = torch.randint(0, 2, (members, max(inputs) + 1)) * 2.0 - 1.0
        self.scales = nn.Parameter(signs[:, torch.tensor(inputs)])

    def forward(self, features: Tensor) -> Tensor:
        return features.unsqueeze(1) * self.scales

    def write_graph(self, graph: NetworkGraph, features: str) -> str:
        return graph.add("Mul", graph.add("Unsqueeze", features, graph.whole(1)), graph.tensor(self.scales))


class MemberLinear(nn.Module):
    """float32 (N, members, features) -> (N, members, outputs): a dense layer of each member's own."""

    def __init__(self, members: int, features: int, outputs: int) -> None:
        super().__init__()
        bound = features**-0.5  # as nn.Linear
        self.weight = nn.Parameter(torch.empty(members, features, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs).uniform_(-bound, bound))

    def forward(self, features: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, features.transpose(0, 1), self.weight).transpose(0, 1)

    def write_graph(self, graph: NetworkGraph, features: str) -> str:
        """One product for each member: onnxruntime ends its process where a product of stacks is of no rows."""
        members = [
            graph.add(
                "MatMul", graph.add("Gather", features, graph.whole(place), axis=1), graph.tensor(weight)
            )
            for place, weight in enumerate(self.weight)
        ]
        return graph.add("Add", graph.beside(members), graph.tensor(self.bias.squeeze(1)))


class Dense(nn.Module):
    """float32 (N, features) -> (N, `features`), or of several members (N, members, `features`): dense, ReLU and dropout
    for each of `widths`. `inputs` has for each feature the number of the input that it is of."""

    def __init__(self, inputs: Sequence[int], dropout: float, widths: Sequence[int], members: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [MemberScales(members, inputs)] if members > 1 else []
        features = len(inputs)
        for width in widths:
            layers += [nn.Linear(features, width), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
            features = width
        self.layers = nn.Sequential(*layers)
        self.features = features

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)

    def write_graph(self, graph: NetworkGraph, features: str) -> str:
        return graph.write(self.layers, features)
