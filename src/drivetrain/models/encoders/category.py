"""A category -> a learned vector."""

from __future__ import annotations

from torch import Tensor, nn

from drivetrain.codecs.category import Category
from drivetrain.types import Array


class CategoryEncoder(nn.Module):
    """int64 (N,) -> what `body` makes of an embedding (N, width)."""

    def __init__(self, body: nn.Module, classes: int, width: int) -> None:
        super().__init__()
        self.body = body
        self.embedding = nn.Embedding(classes, width)
        self.features = width

    def prepare(self, codes: Tensor) -> Tensor:
        return self.embedding(codes)

    def forward(self, codes: Tensor) -> Tensor:
        return self.body(self.prepare(codes))


def build(codec: Category, body: nn.Module, rows: Array) -> CategoryEncoder:
    """The width is the rule of thumb of fastai: min(600, round(1.6 * classes ** 0.56))."""
    del rows
    return CategoryEncoder(body, len(codec.classes), min(600, round(1.6 * len(codec.classes) ** 0.56)))
