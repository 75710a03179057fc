"""Logits of letters, and their cross-entropy. With a layer, each letter is told from the word before it in a text, and
from the true letter before it where that is known."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from atelier.codecs.chant import LETTERS, Chant
from drivetrain.models.encoders import Places
from drivetrain.models.heads import HeadOptions, one_sequence


class ChantHead(nn.Module):
    """Logits (N, length, letters)."""

    error_name = "wrong letters"

    def __init__(self, codec: Chant, features: int | None, options: HeadOptions) -> None:
        super().__init__()
        self.length = codec.shape[0]
        self.asks_places = self.sees_target = features is not None
        if features is not None:
            self.input, width = one_sequence(options)
            self.layer = nn.Linear(width, len(LETTERS))
            self.after = nn.Embedding(len(LETTERS), len(LETTERS))

    def forward(
        self, features: Tensor, places: Mapping[str, Places] | None = None, target: Tensor | None = None
    ) -> Tensor:
        if places is None:
            return features
        logits = self.layer(places[self.input].values[:, : self.length])
        if target is None:
            return logits
        return logits + F.pad(self.after(target[:, :-1]), (0, 0, 1, 0))

    def losses(self, logits: Tensor, letters: Tensor) -> Tensor:
        return F.cross_entropy(logits.transpose(1, 2), letters, reduction="none").mean(1)

    def loss(self, logits: Tensor, letters: Tensor) -> Tensor:
        return self.losses(logits, letters).mean()

    def error(self, logits: Tensor, letters: Tensor) -> Tensor:
        return (logits.argmax(2) != letters).float().mean(1).sum()

    def error_of_mean(self, mean: float) -> float:
        return mean

    def finish(self, logits: Tensor) -> Tensor:
        return torch.softmax(logits.float(), 2)


def build(codec: Chant, features: int | None, options: HeadOptions) -> ChantHead:
    return ChantHead(codec, features, options)
