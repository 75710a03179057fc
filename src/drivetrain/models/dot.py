"""Two categories, such as who and what, by the product of their vectors: matrix factorisation with biases.

Koren, Bell and Volinsky (2009), Matrix Factorization Techniques for Recommender Systems, Computer 42:30-37. Here it is
a combiner: the vectors and biases come from the encoder of categories, and what comes out is the target itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

HIDDEN = 64


class Dot(nn.Module):
    """float32 (N, 2 * width + 2), the vectors p and q and then the biases of both -> p . q + biases (N, 1)."""

    features = None
    """The head has no layer of its own: this is what it wants."""

    def __init__(self, features: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.width = (features - 2) // 2
        self.bias = nn.Parameter(torch.zeros(1))
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        vectors = self.dropout(features[:, :-2])
        product = (vectors[:, : self.width] * vectors[:, self.width :]).sum(1, keepdim=True)
        return product + features[:, -2:].sum(1, keepdim=True) + self.bias

    def write_graph(self, graph: NetworkGraph, features: str) -> str:
        width, last = self.width, graph.whole(1)
        first, second, biases = (
            graph.columns(features, *edges)
            for edges in ((0, width), (width, 2 * width), (2 * width, 2 * width + 2))
        )
        terms = (graph.add("Mul", first, second), biases)
        product, added = (graph.add("ReduceSum", each, last, keepdims=1) for each in terms)
        return graph.add("Add", graph.add("Add", product, added), graph.tensor(self.bias))


class Neural(Dot):
    """The same, with what a dense layer makes of both vectors added to it (as NeuMF of He et al. 2017, WWW)."""

    def __init__(self, features: int, dropout: float = 0.0) -> None:
        super().__init__(features, dropout)
        last = nn.Linear(HIDDEN, 1)
        nn.init.zeros_(last.weight)
        self.layers = nn.Sequential(nn.Linear(2 * self.width, HIDDEN), nn.ReLU(), nn.Dropout(dropout), last)

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features) + self.layers(features[:, :-2])

    def write_graph(self, graph: NetworkGraph, features: str) -> str:
        dense = graph.write(self.layers, graph.columns(features, 0, 2 * self.width))
        return graph.add("Add", super().write_graph(graph, features), dense)


def build(name: str, features: int, dropout: float = 0.0) -> Dot:
    return (Neural if name == "neural" else Dot)(features, dropout)
