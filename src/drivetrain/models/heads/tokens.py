"""What is known at each place of the only sequence -> how likely each token is to come next there.

It learns from the same tokens a place later, so what is known at a place must hang on no later one (see
`drivetrain.models.steps`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from drivetrain.codecs.tokens import Tokens
from drivetrain.errors import UsageError
from drivetrain.models.costs import Costs
from drivetrain.models.encoders import Places
from drivetrain.models.heads import CostsHead, HeadOptions, last_layer, one_sequence
from drivetrain.tokenizer import PADDING


class TokensHead(CostsHead):
    """Places of (N, T, features) -> scores (N, T, tokens). Padding is a token that no text has, so no target is it.

    Where a loss is computed its output is what is known at the places that have a target (P, features).
    """

    asks_places = sees_target = True
    asks_features = False

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

    def costs(self, outputs: Tensor, truths: Tensor) -> tuple[Tensor, Tensor]:
        dense: Any = self.layers[-1] if isinstance(self.layers, nn.Sequential) else self.layers
        smoothing = self.smoothing if self.training else 0.0
        return Costs.apply(outputs, dense.weight, truths[truths != PADDING], smoothing, dense.bias)  # type: ignore[return-value]

    def counts(self, truths: Tensor) -> Tensor:
        return (truths != PADDING).sum(1)

    def finish(self, scores: Tensor) -> Tensor:
        """Scores, as a step of the program `generate` gives them."""
        return scores.float()


def build(codec: Tokens, features: int | None, options: HeadOptions) -> TokensHead:
    if features is None or not codec.tokenizer or codec.size is None:
        raise UsageError(
            "tokens are told by a network that reads texts, and are of a tokenizer.", where="model",
            fix="Use --task language_model.",
        )  # fmt: skip
    return TokensHead(codec.size, one_sequence(options)[1], options)
