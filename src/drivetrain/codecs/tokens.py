"""tokens@1: whole numbers from 0, one after the other, that stand for pieces of a text or for whatever comes in a row.

The exact semantics, for other languages, are in OPS.md. All that a program which generates asks of a codec is `of_tokens`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Self, cast

import numpy as np

from drivetrain import tokenizer as tokenizers
from drivetrain.codecs.base import Cell, Codec, FieldError, absent_words, distinct, is_missing
from drivetrain.codecs.text import nasty_texts
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.pieces import clean, spaced_words, stretches, words
from drivetrain.tokenizer import FIRST, MOST_SIZE, UNKNOWN, Tokenizer, open_tokenizer
from drivetrain.types import Array
from drivetrain.values import as_text, scalar

MOST_LENGTH = 512
"""Tokens that `fit` keeps of a text at most; who wants more says so."""
ENOUGH = 0.95
"""The share of the training texts that `length` holds whole, where it is learned."""
LEVELS = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_CUT: dict[str, Callable[[str], list[str]]] = {
    "words": words, "wordpiece": words, "bpe": stretches, "unigram": stretches, "characters": list,
}  # fmt: skip
"""How texts are cut for each tokenizer."""


@dataclass(frozen=True)
class Tokens(Codec):
    """Tokens from 0, below `size`. Encodes to int64, as long as the tokens are.

    Without a `tokenizer` raw values are lists of whole numbers, and `size` is learned unless it is given: one more than the
    largest token of the training values. With one they are texts. These are cleaned (see `drivetrain.pieces`): without HTML
    (`strip_html`), in lower case (`lower`), without accents and without signs (`strip_accents`, `strip_punctuation`), without
    `stop_words`. What is left is cut into words and signs (`words`, and `wordpiece`, which knows the parts of words; `lines`:
    ends of lines too), into stretches of which no letter is lost (`bpe`, `unigram`, and `words` with `spaced`: a word with the
    space before it) or into `characters`.

    `fit` learns the tokenizer of the training texts, of `most` tokens at most, none of which comes fewer than `rare` times; where
    there are more than half a million different pieces, the rarest are forgotten on the way. It is kept as the text of its
    `tokenizer_json` (see `drivetrain.tokenizer`). `length` is how many tokens of a text are kept, those at its beginning or, with
    `keep="end"`, at its end: enough for 95 % of the training texts, 1 to 512, unless it is given. `whole` is the share of these
    that it holds whole. Missing text, and what is one of `absent`, has no tokens.
    """

    op: ClassVar[str] = "tokens@1"
    called: ClassVar[str] = "tokens"
    learned: ClassVar[tuple[str, ...]] = ("size",)
    apart: ClassVar[Mapping[str, str]] = {"tokenizer_json": "tokenizer"}
    of_tokens: ClassVar[bool] = True
    no_value: ClassVar[frozenset[str]] = frozenset({""})
    size: int | None = None
    tokenizer: Literal["", "words", "characters", "bpe", "wordpiece", "unigram"] = ""
    strip_html: bool = False
    lower: bool = False
    strip_accents: bool = False
    strip_punctuation: bool = False
    stop_words: tuple[str, ...] = ()
    lines: bool = False
    spaced: bool = False
    most: int = 8000
    rare: int = 2
    length: int | None = None
    keep: Literal["beginning", "end"] = "beginning"
    absent: tuple[str, ...] | None = None
    tokenizer_json: str | None = None
    whole: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop_words", tuple(self.stop_words))
        if self.size is not None and (type(self.size) is not int or not 1 <= self.size <= MOST_SIZE):
            raise FieldError(f"size must be a whole number from 1 to {MOST_SIZE:,}")
        if self.tokenizer not in ("", *_CUT):
            raise FieldError(f"tokenizer must be one of {', '.join(_CUT)}")
        if self.keep not in ("beginning", "end"):
            raise FieldError("keep must be beginning or end")
        if self.spaced and self.tokenizer != "words":
            raise FieldError("spaced is said of words")
        if not (type(self.most) is int and FIRST < self.most <= MOST_SIZE):
            raise FieldError(f"most must be a whole number from {FIRST + 1} to {MOST_SIZE:,}")
        if not (type(self.rare) is int and self.rare >= 0):
            raise FieldError("rare is a whole number from 0")
        if self.length is not None and not (type(self.length) is int and 1 <= self.length <= self.longest):
            raise FieldError(f"length must be a whole number from 1 to {self.longest:,}")
        if self.whole is not None and not 0 <= self.whole <= 1:
            raise FieldError("whole is a share")
        self._check_learned()

    def _check_learned(self) -> None:
        """Of texts all is learned, or nothing is."""
        if not self.tokenizer:
            if self.tokenizer_json is not None or self.length is not None or self.whole is not None:
                raise FieldError("tokenizer_json, length and whole are those of texts: name a tokenizer")
            return
        known = [field is not None for field in (self.size, self.tokenizer_json, self.length, self.whole)]
        if all(known):
            if len(self._tokenizer.names) != self.size:
                raise FieldError(
                    f"the tokenizer has {len(self._tokenizer.names):,} tokens, not {self.size:,}"
                )
        elif known[0] or known[1] or known[3]:
            raise FieldError("size and whole are learned of texts, with the tokenizer: say what is the most")

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        if self.tokenizer_json is None:
            raise DrivetrainError("tokens@1 has no tokenizer yet.", fix="Call fit first.")
        return open_tokenizer(self.tokenizer_json, self.tokenizer)

    @cached_property
    def _absent(self) -> frozenset[str]:
        return absent_words(self.absent, self.no_value)

    @cached_property
    def _stop_words(self) -> frozenset[str]:
        return frozenset(self.stop_words)

    def fit(self, values: Iterable[Any]) -> Self:
        if self.size is not None:
            return self
        if not self.tokenizer:
            return replace(self, size=1 + max((max(self.read(raw), default=0) for raw in values), default=0))
        different, which = distinct(values)
        rows = np.bincount(which, minlength=len(different)).tolist()
        counts: Counter[str] = Counter()
        for raw, times in zip(different, rows):
            for piece, count in Counter(self._pieces(self.read(raw))).items():
                counts[piece] += count * times
            tokenizers.forget(counts, self.most)
        found = tokenizers.train(self.tokenizer, counts, self.most, self.rare)
        tokens = open_tokenizer(found, self.tokenizer).tokens
        sizes = np.array(
            [sum(len(tokens(piece)) for piece in self._pieces(self.read(raw))) for raw in different]
        )
        sizes = sizes[which] if len(sizes) else np.zeros(1, np.int64)
        length = self.length or min(
            MOST_LENGTH, max(1, int(np.quantile(sizes, ENOUGH, method="inverted_cdf")))
        )
        return replace(
            self, size=len(open_tokenizer(found, self.tokenizer).names), tokenizer_json=found, length=length,
            whole=round(float((sizes <= length).mean()), 6),
        )  # fmt: skip

    def fit_blocks(self, blocks: Iterable[str]) -> Self:
        """Fitted on one text that comes in blocks, of which each is let go before the next: `length` has to be given."""
        counts: Counter[str] = Counter()
        for block in blocks:
            counts.update(self._pieces(self.read(block)))
            tokenizers.forget(counts, self.most)
        found = tokenizers.train(self.tokenizer, counts, self.most, self.rare)
        size = len(open_tokenizer(found, self.tokenizer).names)
        return replace(self, size=size, tokenizer_json=found, whole=1.0)

    def read(self, raw: Any) -> Any:
        """The tokens; of a text what is left of it once it is cleaned, empty where there is none."""
        if not self.tokenizer:
            return self._read_list(raw)
        if is_missing(raw, self._absent):
            return ""
        return clean(
            raw if isinstance(raw, str) else as_text(raw, "text"), self.strip_html, self.lower, self.strip_accents,
            self.strip_punctuation, self._stop_words,
        )  # fmt: skip

    def _read_list(self, raw: Any) -> list[int]:
        if not isinstance(raw, (list, tuple, np.ndarray)):
            raise DataError(
                "this is no list of tokens.", fix="Give whole numbers from 0, one after the other."
            )
        tokens = [scalar(token) for token in cast("Sequence[Any]", raw)]
        most = MOST_SIZE if self.size is None else self.size
        for token in tokens:
            if type(token) is not int or not 0 <= token < most:
                raise DataError(f"{token!r:.50} is no token: they are whole numbers from 0 to {most - 1:,}.")
        return tokens

    def _pieces(self, text: str) -> list[str]:
        if self.tokenizer in ("words", "wordpiece") and not self.spaced:
            return words(text, self.lines)
        return spaced_words(text) if self.spaced else _CUT[self.tokenizer](text)

    def sizes(self, values: Array) -> Array:
        """(n,) how many tokens raw texts have, before anything is cut off."""
        return self.with_fields(length=self.longest).encode_column(values)[0].lengths

    @property
    def unknown(self) -> int:
        """The token that stands for what is not known."""
        return UNKNOWN

    def cut(self, value: str) -> Iterator[tuple[str, list[int]]]:
        """The pieces of a text that was read, and the tokens of each: all, also those that are not kept."""
        for piece in self._pieces(value):
            yield piece, self._tokenizer.tokens(piece)

    @property
    def name_of(self) -> Callable[[int], str]:
        """The text that stands for a token in its piece."""
        names = self._tokenizer.names
        return lambda token: (
            names[token].removeprefix(tokenizers.INNER) if self.tokenizer == "wordpiece" else names[token]
        )

    def places(self, value: str) -> tuple[Array, Array, Array]:
        """The tokens of a text that was read, as many as are kept, and where in it each begins and ends; none where pieces are
        not what stands in it."""
        found: list[tuple[int, int, int]] = []
        end = 0
        for piece, tokens in self.cut(value):
            begin = value.find(piece, end)
            if begin < 0:
                return tuple(np.zeros(0, np.int64) for _ in range(3))  # type: ignore[return-value]
            end = begin + len(piece)
            place = begin
            for token in tokens:
                after = end if token == UNKNOWN else min(end, place + len(self.name_of(token)))
                found.append((token, place, after))
                place = after
        kept = slice(-(self.length or 0), None) if self.keep == "end" else slice(self.length)
        tokens, begins, ends = np.array(found, np.int64).reshape(-1, 3)[kept].T
        return tokens, begins, ends

    def encode(self, value: Any) -> Array:
        if not self.tokenizer:
            return np.array(value, np.int64)
        tokens, length = self._tokenizer.tokens, self.length or 0
        if self.keep == "end":
            return np.array(
                deque((t for piece in self._pieces(value) for t in tokens(piece)), length), np.int64
            )
        found: list[int] = []
        for piece in self._pieces(value):
            found += tokens(piece)
            if len(found) >= length:
                break
        return np.array(found[:length], np.int64)

    def decode(self, output: Array) -> dict[str, Any]:
        """int64 (n,), chosen by a program -> the same as a list, and the text that they are."""
        if output.ndim != 1 or output.dtype != np.int64:
            raise DrivetrainError("tokens@1 decodes what a program has chosen: int64, one axis.")
        tokens = output.tolist()
        if not self.tokenizer:
            return {"tokens": tokens}
        if not all(0 <= token < len(self._tokenizer.names) for token in tokens):
            raise DrivetrainError(f"tokens@1 has tokens from 0 to {len(self._tokenizer.names) - 1:,} only.")
        return {"tokens": tokens, "text": "".join(self.texts(tokens))}

    def answer_cells(self, answer: Mapping[str, Any] | None, brief: bool = False) -> dict[str, Cell]:
        """`answer`: the text where there is one."""
        if answer is None or "text" not in answer:
            return super().answer_cells(answer, brief)
        return {"answer": answer["text"]}

    def texts(self, tokens: Iterable[int]) -> Iterator[str]:
        """The text of each of the tokens with what parts it from the one before."""
        if not self.tokenizer:
            yield from super().texts(tokens)
            return
        last = "\n"
        for token in tokens:
            if token < FIRST and token != UNKNOWN:
                yield ""
                continue
            name = "\ufffd" if token == UNKNOWN else self._tokenizer.names[token]
            if (
                self.tokenizer == "wordpiece"
                and name.startswith(tokenizers.INNER)
                and len(name) > len(tokenizers.INNER)
            ):
                yield name[len(tokenizers.INNER) :]
            elif self.tokenizer in ("words", "wordpiece") and not self.spaced and "\n" not in (name, last):
                yield " " + name
            else:
                yield name
            last = name

    def profile(self, encoded: Any) -> dict[str, Any]:
        """How many rows there are, and tokens in the longest and together; of texts also how many have none and how many
        unknown ones alone, quantiles of their lengths, and the share of unknown tokens."""
        found = profile_of_tokens(encoded, UNKNOWN)
        return found if self.tokenizer else {name: found[name] for name in ("n", "longest", "tokens")}

    def unusual(self, values: Array, encoded: Any, profile: Mapping[str, Any]) -> list[tuple[str, Array]]:
        return unusual_tokens(encoded, UNKNOWN, profile) if self.tokenizer else []

    def lost(self, raw: Any, encoded: Array) -> Mapping[str, str]:
        told: dict[str, str] = {}
        if not self.tokenizer:
            return told
        if len(encoded) >= (self.length or 0):
            whole = sum(len(self._tokenizer.tokens(piece)) for piece in self._pieces(self.read(raw)))
            side = "first" if self.keep == "beginning" else "last"
            if whole > len(encoded):
                told["not read to the end, for being too long"] = (
                    f"only the {side} {len(encoded):,} of its {whole:,} tokens are read"
                )
        if unknown := int(np.count_nonzero(encoded == UNKNOWN)):
            part = "" if unknown == len(encoded) else " in part"
            told[f"unknown to the model{part}"] = (
                f"{unknown:,} of {len(encoded):,} tokens {'is' if unknown == 1 else 'are'} unknown to the model"
            )
        return told

    @property
    def code_names(self) -> Sequence[str]:
        return self._tokenizer.names if self.tokenizer else [str(token) for token in range(self.size or 0)]

    @property
    def first_word(self) -> int:
        return FIRST if self.tokenizer else 0

    @property
    def told(self) -> str:
        if self.whole is None:
            return ""
        if self.size == FIRST:
            return f"no piece of the training texts comes {self.rare} times: all of them are unknown, and tell nothing"
        return (
            f"{self.size:,} different tokens ({self.tokenizer}); {self.whole:.0%} of the training texts have at most "
            f"{self.length:,} of them, and of longer ones those at the {self.keep} are kept"
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int64)

    @property
    def shape(self) -> tuple[int | None, ...]:
        return (None,)

    @property
    def word_names(self) -> tuple[str, ...] | None:
        if self.tokenizer != "words":
            return None
        return ("",) * FIRST + self._tokenizer.names[FIRST:]

    @property
    def holds_texts(self) -> bool:
        return bool(self.tokenizer)

    def schema(self) -> dict[str, Any]:
        if self.tokenizer:
            return {"type": ["string", "null"]}
        return {"type": "array", "items": {"type": "integer", "minimum": 0}}

    def to_bytes(self, raw: Any) -> bytes:
        return super().to_bytes(raw if self.tokenizer else self.read(raw))

    def nasty_examples(self) -> list[tuple[str, Any]]:
        if self.tokenizer:
            return self._nasty_texts()
        last = (self.size or 1) - 1
        return [("one token", [0]), ("the last token", [last]), ("one token many times", [last] * 20)]

    def _nasty_texts(self) -> list[tuple[str, Any]]:
        names = self._tokenizer.names
        known = names[FIRST] if len(names) > FIRST else "word"
        return [
            *nasty_texts(known),
            ("stop words alone", " ".join(self.stop_words[:5]) or known),
            ("a word without an end", known * 300),
            ("more than is kept", " ".join([known] * ((self.length or 1) + 3))),
        ]


def profile_of_tokens(encoded: Any, unknown: int | None, around: int = 0) -> dict[str, Any]:
    """Of rows of tokens, of which so many stand `around` each text: how many rows there are, tokens in the longest and together;
    how many rows have none of their own and how many unknown ones alone, the share of unknown tokens, and quantiles of the
    lengths."""
    own, strange = _own_and_unknown(encoded, unknown, around)
    lengths = own + around
    found: dict[str, Any] = {
        "n": len(lengths), "longest": int(lengths.max(initial=0)), "tokens": int(lengths.sum()),
    }  # fmt: skip
    if not len(lengths):
        return found
    quantiles: list[float] = np.quantile(lengths.astype(np.float64), LEVELS).tolist()
    return found | {
        "empty": int(np.count_nonzero(own <= 0)),
        "strange": int(np.count_nonzero((own > 0) & (strange == own))),
        "unknown": int(strange.sum()) / max(1, found["tokens"]),
        "lengths": dict(zip(map(str, LEVELS), quantiles)),
    }


def unusual_tokens(
    encoded: Any, unknown: int | None, profile: Mapping[str, Any], around: int = 0
) -> list[tuple[str, Array]]:
    """Texts without a token of their own, and those of unknown ones alone, bool (n,), where no training text was so."""
    own, strange = _own_and_unknown(encoded, unknown, around)
    found = {
        "empty": ("without a token", own <= 0),
        "strange": ("of unknown tokens alone", (own > 0) & (strange == own)),
    }
    return [told for name, told in found.items() if profile.get(name) == 0]


def _own_and_unknown(encoded: Any, unknown: int | None, around: int) -> tuple[Array, Array]:
    """How many tokens of its own each row has, and how many unknown ones, int64 (n,)."""
    own = np.array([len(row) - around for row in encoded], np.int64)
    return own, np.array([np.count_nonzero(row == unknown) for row in encoded], np.int64)
