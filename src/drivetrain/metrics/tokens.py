"""What is measured of tokens that are told one by one: scores (n, T, tokens) against the tokens that came, int64 (n, T).

Padding, a token that no text has, is no place. Scores are large: they come a batch at a time. What a model writes, and not tells,
is measured as text (`translation.py`).
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from drivetrain.codecs.base import Codec
from drivetrain.codecs.tokens import Tokens
from drivetrain.errors import DataError
from drivetrain.metrics import translation
from drivetrain.metrics.estimate import Estimate, Floats, Statistic, ratio
from drivetrain.metrics.metric import Metric
from drivetrain.types import Array

METRICS = (
    Metric("nats", "nats a token", higher=False, sentence="A token costs {value} nats on {rows}"),
    Metric("perplexity", "perplexity", higher=False, sentence="A perplexity of {value} on {rows}"),
    Metric(
        "bits_per_character", "bits a character", higher=False,
        sentence="A character costs {value} bits on {rows}",
    ),
    *translation.METRICS,
)  # fmt: skip
DECIDES = "nats"


def measure(codec: Codec, outputs: Array, encoded: Array, seed: int = 0) -> dict[str, Estimate]:
    """nats, perplexity (e to the nats) and bits_per_character, which alone compares models of other tokens; each over all
    tokens alike, with its bootstrap interval over the rows. n = 0: undefined. Raises DataError."""
    return {name: made.estimate(seed) for name, made in statistics(codec, outputs, encoded).items()}


def statistics(codec: Codec, outputs: Array, encoded: Array) -> dict[str, Statistic]:
    """The same metrics as what can be resampled."""
    return of_costs(codec, _costs(codec, outputs, encoded), encoded)


def losses(codec: Codec, outputs: Array, encoded: Array) -> Floats:
    """Nats a token of each row (n,); 0 of one without any."""
    return _costs(codec, outputs, encoded).sum(axis=1) / np.maximum(1, (encoded != codec.padding).sum(axis=1))


def of_costs(codec: Codec, costs: Floats, encoded: Array) -> dict[str, Statistic]:
    """The metrics of what each token cost, nats (n, T), 0 for padding: of models that give no scores of all tokens too."""
    there = encoded != codec.padding
    nats = costs.sum(axis=1)
    terms = (nats, there.sum(axis=1).astype(np.float64))
    characters = [len(_text(cast("Tokens", codec), row[here])) for row, here in zip(encoded, there)]
    return {
        "nats": Statistic(terms),
        "perplexity": Statistic(terms, _perplexity),
        "bits_per_character": Statistic((nats / math.log(2), np.array(characters, np.float64))),
    }


def _perplexity(sums: Floats) -> Floats:
    return np.exp(ratio(sums))


def _text(codec: Tokens, tokens: Array) -> str:
    """What some tokens are in letters; of tokens that are no text, each stands for one."""
    said: dict[str, Any] = codec.decode(tokens)
    return said.get("text", "\0" * len(tokens))


def _costs(codec: Codec, outputs: Array, encoded: Array) -> Floats:
    """float64 (n, T): -log of the share that the token had which came."""
    if (
        outputs.ndim != 3
        or outputs.shape[:2] != encoded.shape
        or outputs.shape[2] != cast("Tokens", codec).size
    ):
        raise DataError(
            f"scores of tokens are (rows, places, {cast('Tokens', codec).size}); these are {outputs.shape}, and the true tokens "
            f"{encoded.shape}."
        )  # fmt: skip
    costs = np.zeros(encoded.shape)
    for row, (some, tokens) in enumerate(
        zip(outputs, encoded)
    ):  # One at a time, or they were there thrice in float64.
        there = tokens != codec.padding
        scores = some[there].astype(np.float64)
        if not np.isfinite(scores).all():
            raise DataError(f"row {row} of the scores has NaN or infinity.")
        top = scores.max(axis=1, initial=-np.inf)
        total = top + np.log(np.exp(scores - top[:, None]).sum(axis=1))
        costs[row, there] = total - np.take_along_axis(scores, tokens[there][:, None], axis=1)[:, 0]
    return costs
