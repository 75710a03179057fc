"""subwords@1: texts as the tokens that a pretrained model was trained on, by its own tokenizer.

The exact semantics, for other languages, are in OPS.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np

from drivetrain.codecs.base import Codec, FieldError, absent_words, distinct, is_missing
from drivetrain.codecs.text import nasty_texts
from drivetrain.codecs.tokens import ENOUGH, MOST_LENGTH, profile_of_tokens, unusual_tokens
from drivetrain.errors import DrivetrainError
from drivetrain.pretrained_tokenizer import PretrainedTokenizer, open_pretrained
from drivetrain.tokenizer import HALF
from drivetrain.types import Array
from drivetrain.values import as_text

SAMPLE = 20_000
"""Texts whose lengths are looked at, where there are more."""
REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class Subwords(Codec):
    """Text. An input only: encodes to int64, as long as its tokens are, those that the tokenizer puts around each text included.

    `tokenizer_json` is the text of the pretrained model's own tokenizer (see `drivetrain.pretrained_tokenizer`), which does all
    that is done to a text; nothing of it is learned. `length` is how many tokens of a text are kept, those at its beginning or,
    with `keep="end"`, at its end: enough for 95 % of the training texts, at most 512 and `most`, which is what the model can
    take, unless it is given. `whole` is the share of these texts that it holds whole. Missing text, and what is one of `absent`,
    is empty.
    """

    op: ClassVar[str] = "subwords@1"
    called: ClassVar[str] = "text"
    like: ClassVar[str] = "tokens"
    learned: ClassVar[tuple[str, ...]] = ("length", "whole")
    apart: ClassVar[Mapping[str, str]] = {"tokenizer_json": "tokenizer"}
    no_value: ClassVar[frozenset[str]] = frozenset({""})
    tokenizer_json: str
    most: int = 512
    length: int | None = None
    keep: Literal["beginning", "end"] = "beginning"
    absent: tuple[str, ...] | None = None
    whole: float | None = None

    def __post_init__(self) -> None:
        if self.keep not in ("beginning", "end"):
            raise FieldError("keep must be beginning or end")
        try:
            least = 1 + self.tokenizer.around
        except DrivetrainError as fault:
            raise FieldError(str(fault)) from fault
        if not (type(self.most) is int and least <= self.most <= self.longest):
            raise FieldError(f"most must be a whole number from {least} to {self.longest:,}")
        if self.length is not None and not (type(self.length) is int and least <= self.length <= self.most):
            raise FieldError(f"length must be a whole number from {least} to {self.most:,}")
        if self.whole is not None and not 0 <= self.whole <= 1:
            raise FieldError("whole is a share")

    @cached_property
    def tokenizer(self) -> PretrainedTokenizer:
        """What makes the tokens; `names` are their texts."""
        return open_pretrained(self.tokenizer_json)

    @property
    def size(self) -> int:
        """Tokens are from 0, below it."""
        return self.tokenizer.size

    @cached_property
    def _absent(self) -> frozenset[str]:
        return absent_words(self.absent, self.no_value)

    def fit(self, values: Iterable[Any]) -> Self:
        if self.whole is not None:
            return self
        different, which = distinct(values)
        rows = which[np.linspace(0, len(which) - 1, min(len(which), SAMPLE)).astype(np.int64)]
        known = {
            place: self.tokenizer.whole(self.read(different[place])) for place in np.unique(rows).tolist()
        }
        sizes = np.array([known[place] for place in rows.tolist()] or [0])
        length = self.length
        if length is None:
            enough = int(np.quantile(sizes, ENOUGH, method="inverted_cdf"))
            length = max(1 + self.tokenizer.around, min(MOST_LENGTH, self.most, enough))
        return replace(self, length=length, whole=round(float((sizes <= length).mean()), 6))

    def read(self, raw: Any) -> str:
        """The text, empty where there is none. Halves of characters, which no tokenizer takes, become U+FFFD."""
        if is_missing(raw, self._absent):
            return ""
        return HALF.sub(REPLACEMENT, raw if isinstance(raw, str) else as_text(raw, "text"))

    def sizes(self, values: Array) -> Array:
        """(n,) how many tokens raw values have, before anything is cut off."""
        different, which = distinct(values)
        return np.array([self.tokenizer.whole(self.read(raw)) for raw in different], np.int64)[which]

    @property
    def unknown(self) -> int | None:
        """The token that stands for what is not known."""
        return self.tokenizer.unknown

    def encode(self, value: Any) -> Array:
        if self.length is None:
            raise DrivetrainError("subwords@1 has no length yet.", fix="Call fit first.")
        return np.array(self.tokenizer.tokens(value, self.length, self.keep), np.int64)

    def decode(self, output: Array) -> dict[str, Any]:
        raise DrivetrainError("subwords@1 is an input only.")

    def profile(self, encoded: Any) -> dict[str, Any]:
        return profile_of_tokens(encoded, self.unknown, self.tokenizer.around)

    def unusual(self, values: Array, encoded: Any, profile: Mapping[str, Any]) -> list[tuple[str, Array]]:
        return unusual_tokens(encoded, self.unknown, profile, self.tokenizer.around)

    @property
    def told(self) -> str:
        if self.whole is None or self.length is None:
            return ""
        return (
            f"cut by the model's own tokenizer; {self.whole:.0%} of the training texts have at most {self.length:,} of its tokens, "
            f"and of longer ones those at the {self.keep} are kept"
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int64)

    @property
    def shape(self) -> tuple[int | None, ...]:
        return (None,)

    @property
    def most_steps(self) -> int:
        return self.length or super().most_steps

    @property
    def large(self) -> bool:
        return True

    @property
    def holds_texts(self) -> bool:
        return True

    def input_words(self) -> str:
        return "text."

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"]}

    def nasty_examples(self) -> list[tuple[str, Any]]:
        names = self.tokenizer.names
        known = next((name for name in names.values() if name.isalpha() and name.isascii()), "word")
        special = next(iter(names.values()))
        return [
            *nasty_texts(known),
            ("a special token", f"{known} {special} {known}"),
            ("a word without an end", known * 300),
            ("more than is kept", " ".join([known] * ((self.length or 1) + 3))),
        ]
