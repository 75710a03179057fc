"""How wide the vectors are that stand for levels and tokens."""

from __future__ import annotations


def embedding_width(levels: int) -> int:
    """The width of a category's vector: three times the fourth root of its levels. Measured on Adult, where it beats
    fastai's rule (1.6 levels ** 0.56), which is wider: see docs/decisions/tables.md."""
    return max(2, round(3 * levels**0.25))
