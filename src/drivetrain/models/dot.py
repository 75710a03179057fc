"""Two categories, such as who and what, by the product of their vectors: matrix factorisation with biases.

Koren, Bell and Volinsky (2009), Matrix Factorization Techniques for Recommender Systems, Computer 42:30-37. Here it is
a combiner: the vectors and biases come from the encoder of categories, and what comes out is the target itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.errors import UsageError

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


class Neural(Dot):
    """The same, with what a dense layer makes of both vectors added to it (as NeuMF of He et al. 2017, WWW)."""

    def __init__(self, features: int, dropout: float = 0.0) -> None:
        super().__init__(features, dropout)
        last = nn.Linear(HIDDEN, 1)
        nn.init.zeros_(last.weight)
        self.layers = nn.Sequential(nn.Linear(2 * self.width, HIDDEN), nn.ReLU(), nn.Dropout(dropout), last)

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features) + self.layers(features[:, :-2])


def build(name: str, features: int, dropout: float = 0.0) -> Dot:
    return (Neural if name == "neural" else Dot)(features, dropout)


def check(name: str, signature: Signature) -> None:
    """Raise UsageError unless the inputs are two categories and the target one number."""
    inputs, targets = list(signature.inputs.values()), list(signature.targets.values())
    if len(inputs) != 2 or not all(isinstance(codec, Category) for codec in inputs):
        kinds = {field: codec.op.partition("@")[0] for field, codec in signature.inputs.items()}
        here = ", ".join(field if field == kind else f"{field} ({kind})" for field, kind in kinds.items())
        raise UsageError(
            f"{name} takes two categories, such as user and item, and nothing else; "
            f"here {'is' if len(inputs) == 1 else 'are'} {here}.",
            where="model", fix=f"Use another model, such as {'cnn' if 'image' in kinds.values() else 'mlp'}.",
        )  # fmt: skip
    if len(targets) != 1 or not isinstance(targets[0], Number):
        raise UsageError(f"{name} gives one number.", where="model", fix="Use another model, such as mlp.")
