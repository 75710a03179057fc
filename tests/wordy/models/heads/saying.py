"""Features -> a score of each word at each place, as a sum of one of the place and one of the word."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.models.heads import HeadOptions


class SayingHead(nn.Module):
    error_name = "wrong words"

    def __init__(self, places: int, words: int, features: int) -> None:
        super().__init__()
        self.places, self.words = nn.Linear(features, places), nn.Linear(features, words)

    def forward(self, features: Tensor) -> Tensor:
        return self.places(features)[:, :, None] * self.words(features)[:, None, :]

    def losses(self, scores: Tensor, true: Tensor) -> Tensor:
        return (
            F.cross_entropy(scores.flatten(0, 1), true.flatten(), reduction="none")
            .view(len(true), -1)
            .mean(1)
        )

    def loss(self, scores: Tensor, true: Tensor) -> Tensor:
        return self.losses(scores, true).mean()

    def error(self, scores: Tensor, true: Tensor) -> Tensor:
        return (scores.argmax(2) != true).float().mean(1).sum()

    def error_of_mean(self, mean: float) -> float:
        return mean

    def finish(self, scores: Tensor) -> Tensor:
        return scores.softmax(2)


def build(codec, features: int | None, options: HeadOptions) -> SayingHead:  # type: ignore[no-untyped-def]
    assert features is not None
    return SayingHead(*codec.output_shape, features)
