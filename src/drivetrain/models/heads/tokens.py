"""What is known at each place of the only sequence -> how likely each token is to come next there.

It learns from the same tokens a place later, so what is known at a place must hang on no later one (see
`drivetrain.models.steps`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.codecs.tokens import Tokens
from drivetrain.errors import UsageError
from drivetrain.models.encoders import Places
from drivetrain.models.heads import HeadOptions, last_layer, one_sequence
from drivetrain.tokenizer import PADDING


class TokensHead(nn.Module):
    """Places of (N, T, features) -> scores (N, T, tokens). Padding is a token that no text has, so no target is it."""

    asks_places = True
    error_name = "perplexity"

    def __init__(self, size: int, width: int, options: HeadOptions) -> None:
        super().__init__()
        self.layers = last_layer(width, size, options)
        self.smoothing = options.label_smoothing

    def forward(self, features: Tensor, places: Mapping[str, Places]) -> Tensor:
        del features
        (sequence,) = (each for each in places.values() if each.values.ndim == 3)
        return self.layers(sequence.values)

    def losses(self, scores: Tensor, tokens: Tensor) -> Tensor:
        """Nats (N,): the mean over the tokens of each row; 0 for one without any."""
        each = self._nats(scores, tokens, self.smoothing)
        return each.sum(1) / (tokens != PADDING).sum(1).clamp(min=1)

    def loss(self, scores: Tensor, tokens: Tensor) -> Tensor:
        """The mean over all tokens ()."""
        return self._nats(scores, tokens, self.smoothing).sum() / (tokens != PADDING).sum().clamp(min=1)

    def error(self, scores: Tensor, tokens: Tensor) -> Tensor:
        """Nats a token, summed over the rows (), without smoothing."""
        return (self._nats(scores, tokens, 0.0).sum(1) / (tokens != PADDING).sum(1).clamp(min=1)).sum()

    def error_of_mean(self, mean: float) -> float:
        """`error_name`, from the mean of what `error` sums."""
        return math.exp(min(mean, 700.0))

    def finish(self, scores: Tensor) -> Tensor:
        """Scores, as a step of the program `generate` gives them."""
        return scores.float()

    def _nats(self, scores: Tensor, tokens: Tensor, smoothing: float) -> Tensor:
        """(N, T), 0 where there is padding."""
        return F.cross_entropy(
            scores.float().transpose(1, 2), tokens, ignore_index=PADDING, label_smoothing=smoothing, reduction="none"
        )  # fmt: skip


def build(codec: Tokens, features: int | None, options: HeadOptions) -> TokensHead:
    if features is None or not codec.tokenizer or codec.size is None:
        raise UsageError(
            "tokens are told by a network that reads texts, and are of a tokenizer.", where="model",
            fix="Use --task language_model.",
        )  # fmt: skip
    return TokensHead(codec.size, one_sequence(options)[1], options)
