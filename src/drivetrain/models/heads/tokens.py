"""What is known at each place of the only sequence -> how likely each token is to come next there.

It learns from the same tokens a place later, so what is known at a place must hang on no later one (see
`drivetrain.models.steps`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from drivetrain.codecs.tokens import Tokens
from drivetrain.errors import UsageError
from drivetrain.models.costs import Costs
from drivetrain.models.encoders import Places
from drivetrain.models.heads import Head, HeadOptions, last_layer, one_sequence
from drivetrain.tokenizer import PADDING


class TokensHead(Head):
    """Places of (N, T, features) -> scores (N, T, tokens). Padding is a token that no text has, so no target is it.

    Where a loss is computed its output is what is known at the places that have a target, one row after the other
    (P, features), and scores of all tokens are never kept.
    """

    asks_places = sees_target = True
    asks_features = False
    error_name = "perplexity"

    def __init__(self, size: int, width: int, options: HeadOptions) -> None:
        super().__init__()
        self.layers = last_layer(width, size, options)
        self.smoothing = options.label_smoothing

    def forward(self, features: None, places: Mapping[str, Places], target: Tensor | None = None) -> Tensor:
        del features
        (sequence,) = (each for each in places.values() if each.values.ndim == 3)
        known = sequence.values
        if target is None:
            return self.layers(known)
        there = target != PADDING
        known = known.flatten(0, 1) if bool(there.all()) else known[there]
        return self.layers[0](known) if isinstance(self.layers, nn.Sequential) else known

    def costs(self, known: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Of each place that has a target the loss, and nats without smoothing (P,)."""
        dense: Any = self.layers[-1] if isinstance(self.layers, nn.Sequential) else self.layers
        smoothing = self.smoothing if self.training else 0.0
        return Costs.apply(known, dense.weight, tokens[tokens != PADDING], smoothing, dense.bias)  # type: ignore[return-value]

    def losses(self, outputs: Tensor, truths: Tensor) -> Tensor:
        """Nats (N,): the mean over the tokens of each row; 0 for one without any."""
        return row_means(self.costs(outputs, truths)[0], truths)

    def loss(self, outputs: Tensor, truths: Tensor) -> Tensor:
        """The mean over all tokens ()."""
        return self.costs(outputs, truths)[0].mean()

    def error(self, outputs: Tensor, truths: Tensor) -> Tensor:
        """Nats a token, summed over the rows (), without smoothing."""
        return row_means(self.costs(outputs, truths)[1], truths).sum()

    def error_of_mean(self, mean: float) -> float:
        """`error_name`, from the mean of what `error` sums."""
        return math.exp(min(mean, 700.0))

    def finish(self, scores: Tensor) -> Tensor:
        """Scores, as a step of the program `generate` gives them."""
        return scores.float()


def row_means(values: Tensor, tokens: Tensor) -> Tensor:
    """The mean (N,) of what the places have that are told (P,), row by row; 0 where there are none."""
    counts = (tokens != PADDING).sum(1)
    rows = torch.arange(len(tokens), device=tokens.device).repeat_interleave(counts)
    return values.new_zeros(len(tokens)).index_add(0, rows, values) / counts.clamp(min=1)


def build(codec: Tokens, features: int | None, options: HeadOptions) -> TokensHead:
    if features is None or not codec.tokenizer or codec.size is None:
        raise UsageError(
            "tokens are told by a network that reads texts, and are of a tokenizer.", where="model",
            fix="Use --task language_model.",
        )  # fmt: skip
    return TokensHead(codec.size, one_sequence(options)[1], options)
