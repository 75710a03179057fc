"""Which networks write, how they are trained where nobody says otherwise, and which stretches an epoch reads.

Measured on the characters of tiny_shakespeare: docs/decisions/language_models.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from drivetrain.errors import UsageError
from drivetrain.learn.names import is_network
from drivetrain.types import Array

USUAL: dict[str, dict[str, int]] = {
    "lstm": {"wide": 512, "embedded": 64},
    "gru": {"wide": 512, "embedded": 64},
    "transformer": {"layers": 4, "wide": 128, "embedded": 128},
}
"""Of each kind the words that its name has where they are not said."""
TOKENIZERS = ("characters", "words", "bpe", "wordpiece", "unigram")
CONTEXT = 128
"""Tokens that are read to tell the next, where nobody says how many."""
STEPS = 2_400
"""Of a training where nobody says how many epochs it has."""
FEWEST, MOST = 5, 40
"""Epochs of long texts and of short ones."""
LEAST_AT_ONCE, MOST_AT_ONCE = 256, 2048
"""Tokens of a batch."""
IN_AN_EPOCH = 128
"""Batches that even a short text has: how many steps there are counts for more than how full they are."""
PATIENCE = 5


def full_name(model: Any) -> str:
    """The model with all that its name can say: lstm -> lstm:512-wide:64-embedded. Raises UsageError for one that can't write."""
    words = model.split(":") if isinstance(model, str) else [""]
    if not is_network(model) or words[0] not in USUAL or "bidirectional" in words:
        raise UsageError(
            f"{model!r:.80} can't write: it is to tell a token from those before it.", where="model",
            fix="Choose lstm, gru or transformer, such as lstm:2-layers:256-wide.",
        )  # fmt: skip
    kind, *said = words
    if kind == "transformer" and "causal" not in said:
        said = ["causal", *said]
    known = {word.partition("-")[2] for word in said}
    return ":".join(
        [kind, *said, *(f"{number}-{word}" for word, number in USUAL[kind].items() if word not in known)]
    )


def settings(given: Mapping[str, Any], tokens: int, context: int, validated: bool) -> dict[str, Any]:
    """The options of a learner on so many tokens: those that were `given`, and what a language model has where they say nothing."""
    usual: dict[str, Any] = {"batch_size": max(1, at_once(tokens) // context), "dropout": 0.4, "clip": 1.0}
    if computes_bfloat16():
        usual["precision"] = "bfloat16"
    if validated:
        usual["early_stopping"] = PATIENCE
    return {
        **usual,
        **{name: value for name, value in given.items() if value not in (None, "auto") or name not in usual},
    }


def computes_bfloat16() -> bool:
    """Whether this processor multiplies in bfloat16 by itself, where a step takes half the time; else it takes longer."""
    import torch

    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def at_once(tokens: int) -> int:
    """The tokens of a batch of a text of so many."""
    return 2 ** int(
        np.clip(math.log2(max(1, tokens) / IN_AN_EPOCH), math.log2(LEAST_AT_ONCE), math.log2(MOST_AT_ONCE))
    )


def usual_epochs(tokens: int) -> int:
    """For a text of so many tokens to train on: many of a short one, of which the best is kept."""
    return min(MOST, max(FEWEST, math.ceil(STEPS * at_once(tokens) / max(1, tokens))))


def moved(starts: Array, lengths: Array, context: int, seed: int, epoch: int) -> tuple[Array, Array]:
    """The stretches of an epoch: all begin so many places later, by chance less than a context, so that each token is told from
    more and from less before it. What then remains at the end is a stretch; where nothing does, the beginning is."""
    shift = int(np.random.default_rng([seed, epoch]).integers(context))
    end = int((starts + lengths).max())
    later = starts + shift
    left = np.minimum(context, end - later)
    beyond = left <= 0
    return np.where(beyond, starts[0], later), np.where(
        beyond, np.maximum(1, np.minimum(shift, end - starts[0])), left
    )
