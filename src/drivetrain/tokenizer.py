"""What makes tokens of the pieces of texts: learned by Hugging Face's `tokenizers`, kept as the text of its tokenizer.json.

Of such a file only the model is used, for pieces are cut by `drivetrain.pieces`; a file that says more is refused, and so is
one whose model isn't whole: the library trusts what it opens. Words and characters need no library.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from functools import cached_property, lru_cache
from itertools import repeat
from typing import Any, cast

from drivetrain.errors import DrivetrainError
from drivetrain.extras import require
from drivetrain.files import from_json, to_json

MODELS = {
    "words": "WordLevel", "characters": "WordLevel", "bpe": "BPE", "wordpiece": "WordPiece", "unigram": "Unigram",
}  # fmt: skip
"""By the name of a tokenizer, the type of its model."""
NAMES = ("<pad>", "<unk>", "<s>", "</s>")
PADDING, UNKNOWN, START, STOP = range(4)
FIRST = len(NAMES)
"""No text has the tokens below this but UNKNOWN; what generates begins with START and ends with STOP. No piece of a text is
called as they are, for its signs are pieces of their own."""
MOST_SIZE = 2**20
SEEDS, LEFT = 4, 0.75
"""Of a unigram: how many times as many parts it begins with, and the share that is left each time."""
MOST_COUNTED = 2**24
"""Pieces that are learned from; of more, each counts in proportion."""
MOST_PIECES = 2**19
"""Different pieces that are counted at once."""
INNER = "##"
"""Before a WordPiece that begins no word."""
LONGEST_WORD = 100
LONGEST_NAME = 200
HALF = re.compile("[\ud800-\udfff]")
"""Of a character: the library takes none."""
KEPT = 2**16
"""Pieces whose tokens are remembered."""
_WITHOUT = (
    "truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder",
)  # fmt: skip
_FIXED: dict[str, dict[str, Any]] = {
    "WordLevel": {"unk_token": NAMES[UNKNOWN]},
    "WordPiece": {
        "unk_token": NAMES[UNKNOWN], "continuing_subword_prefix": INNER, "max_input_chars_per_word": LONGEST_WORD,
    },
    "BPE": {
        "dropout": None, "unk_token": NAMES[UNKNOWN], "continuing_subword_prefix": None, "end_of_word_suffix": None,
        "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
    },
    "Unigram": {"unk_id": UNKNOWN, "byte_fallback": False},
}  # fmt: skip
"""What a model says beside its vocabulary."""


class Tokenizer:
    """A tokenizer.json, checked: `names` are the texts of its tokens, in their order."""

    def __init__(self, text: str, kind: str) -> None:
        self.type = MODELS[kind]
        self._model = _model_in(text, self.type)
        vocabulary: Any = self._model["vocab"]
        self.names: tuple[str, ...] = tuple(
            [name for name, _ in vocabulary]
            if self.type == "Unigram"
            else sorted(vocabulary, key=vocabulary.__getitem__)
        )
        self._known = {name: [place] for place, name in enumerate(self.names)}
        self._found: dict[str, list[int]] = {}

    def tokens(self, piece: str) -> list[int]:
        """The tokens of a piece. Raises DrivetrainError where the library is needed and isn't there."""
        if self.type == "WordLevel":
            return self._known.get(piece, _UNKNOWN)
        found = self._found.get(piece)
        if found is None:
            found = [token.id for token in self._library.tokenize(piece)]
            if len(self._found) >= KEPT:
                self._found.clear()
            self._found[piece] = found
        return found

    @cached_property
    def _library(self) -> Any:
        require("tokenizers", f"a text that is cut by {self.type}", "text")
        from tokenizers import models

        model = self._model
        if self.type == "BPE":
            merges = [(left, right) for left, right in model["merges"]]
            return models.BPE(vocab=model["vocab"], merges=merges, unk_token=NAMES[UNKNOWN])
        if self.type == "WordPiece":
            return models.WordPiece(
                vocab=model["vocab"], unk_token=NAMES[UNKNOWN], max_input_chars_per_word=LONGEST_WORD,
                continuing_subword_prefix=INNER,
            )  # fmt: skip
        scores = [(name, float(score)) for name, score in model["vocab"]]
        return models.Unigram(scores, unk_id=UNKNOWN, byte_fallback=False)


_UNKNOWN = [UNKNOWN]


@lru_cache(maxsize=16)
def open_tokenizer(text: str, kind: str) -> Tokenizer:
    """The tokenizer of a tokenizer.json. Raises DrivetrainError for one that can't be."""
    return Tokenizer(text, kind)


def forget(counts: Counter[str], most: int) -> None:
    """Forget the rarest pieces counted so far where they are more than the memory shall hold; of a vocabulary of `most` it takes
    nothing that is frequent (lossy counting: Manku and Motwani 2002, Approximate frequency counts over data streams)."""
    limit, least = max(MOST_PIECES, 4 * most), 1
    if len(counts) <= limit:
        return
    while len(counts) > limit // 2:
        for piece in [piece for piece, count in counts.items() if count <= least]:
            del counts[piece]
        least *= 2


def train(kind: str, counts: Counter[str], most: int, rare: int) -> str:
    """The tokenizer.json that is learned of pieces and how often they come: of `most` tokens at most, as far as its kind keeps
    to that, and of none that comes fewer than `rare` times."""
    if MODELS[kind] == "WordLevel":
        known = Counter({piece: count for piece, count in counts.items() if count >= rare})
        return _written(
            {name: place for place, name in enumerate([*NAMES, *_most_frequent(known, most - FIRST)])}
        )
    return _trained(MODELS[kind], counts, most, rare)


def _trained(kind: str, counts: Counter[str], most: int, rare: int) -> str:
    if kind == "BPE":
        model = _merged(counts, most, rare)
        return _written(model["vocab"], kind, model["merges"])
    return _wordpiece(counts, most, rare) if kind == "WordPiece" else _unigram(counts, most, rare)


def _merged(counts: Counter[str], most: int, rare: int) -> dict[str, Any]:
    """The model of byte-pair encoding, by the library. Its trainers of the other two are left alone: they walk through hash
    tables, and learn something else of the same texts each time."""
    require("tokenizers", "to learn the parts of words", "text")
    import tokenizers
    from tokenizers import models, trainers

    make: Any = trainers.BpeTrainer
    trainer = make(
        vocab_size=most, min_frequency=rare, limit_alphabet=max(1, (most - FIRST) // 2), special_tokens=[*NAMES],
        show_progress=False,
    )  # fmt: skip
    learning = tokenizers.Tokenizer(models.BPE(unk_token=NAMES[UNKNOWN]))
    learning.train_from_iterator(_repeated(counts), trainer)
    return cast("dict[str, Any]", from_json(learning.to_str()))["model"]


def _wordpiece(counts: Counter[str], most: int, rare: int) -> str:
    """The parts that merging cuts words into, those that begin a word told from the others; each letter both ways first."""
    merged = _merged(counts, most, rare)
    parts = Tokenizer(_written(merged["vocab"], "BPE", merged["merges"]), "bpe")
    letters: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for word in sorted(counts):
        place = 0
        for token in parts.tokens(word):
            name = parts.names[token] if token != UNKNOWN else ""
            for letter in name:
                letters[letter if place == 0 else INNER + letter] += counts[word]
                place += 1
            if len(name) > 1:
                found[name if place == len(name) else INNER + name] += counts[word]
            place = place or 1
    names = _most_frequent(letters, most - FIRST)
    names += _most_frequent(found, most - FIRST - len(names))
    return _written({name: place for place, name in enumerate([*NAMES, *names])}, "WordPiece")


def _unigram(counts: Counter[str], most: int, rare: int) -> str:
    """Kudo 2018 (arXiv:1804.10959) with the likeliest cut of each piece alone: of the parts that merging finds, many more than
    are wanted, those that are used least are dropped, and what is left is counted again."""
    merged = _merged(counts, min(MOST_SIZE, SEEDS * most), rare)
    names = [name for name in merged["vocab"] if name not in NAMES]
    letters = _most_frequent(
        _letters_of(counts) & Counter(dict.fromkeys(names, 2**62)), max(1, (most - FIRST) // 2)
    )
    scores = dict.fromkeys([*letters, *(name for name in names if len(name) > 1)], -1.0)  # The fewest parts.
    while True:
        used = _used(scores, counts)
        room = max(most - FIRST, int(len(scores) * LEFT)) - len(letters)
        longer = _most_frequent(
            Counter({name: used[name] for name in scores if len(name) > 1 and used[name]}), room
        )
        last, total = len(scores) <= most - FIRST, used.total() or 1
        scores = {name: math.log((used[name] or 0.5) / total) for name in [*letters, *longer]}
        if last:
            return _written(_listed(scores), "Unigram")


def _letters_of(counts: Counter[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for piece, count in counts.items():
        for letter in piece:
            found[letter] += count
    return found


def _listed(scores: Mapping[str, float]) -> list[tuple[str, float]]:
    return [*((name, 0.0) for name in NAMES), *scores.items()]


def _used(scores: Mapping[str, float], counts: Counter[str]) -> Counter[str]:
    """How often each part is used in the likeliest cut of the pieces."""
    tokenizer = Tokenizer(_written(_listed(scores), "Unigram"), "unigram")
    used: Counter[str] = Counter()
    for piece in sorted(counts):
        for token in tokenizer.tokens(piece):
            used[tokenizer.names[token]] += counts[piece]
    return used


def _most_frequent(counts: Counter[str], most: int) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))[: max(0, most)]


def _repeated(counts: Counter[str]) -> Iterator[str]:
    """Each piece as often as it comes, in an order of its own: no tie shall be parted by the order of rows."""
    total = counts.total()
    share = min(1.0, MOST_COUNTED / total) if total else 1.0
    for piece in sorted(counts):
        yield from repeat(piece, max(1, int(counts[piece] * share)))


def _written(vocabulary: Any, kind: str = "WordLevel", merges: Any = None) -> str:
    if isinstance(vocabulary, dict):
        known = cast("dict[str, int]", vocabulary)
        vocabulary = {name: known[name] for name in sorted(known, key=known.__getitem__)}
    more = {} if merges is None else {"merges": merges}
    model = {"type": kind, **_FIXED[kind], "vocab": vocabulary, **more}
    return to_json(_around(model))


def _around(model: Any) -> dict[str, Any]:
    return {"version": "1.0", "added_tokens": [], **dict.fromkeys(_WITHOUT), "model": model}


def _model_in(text: str, kind: str) -> dict[str, Any]:
    """The model of a tokenizer.json. Raises DrivetrainError for anything but one that is whole, and alone."""
    try:
        record = from_json(text)
    except (DrivetrainError, RecursionError) as fault:
        raise _refused("no JSON") from fault
    model: Any = cast("dict[str, Any]", record).get("model") if isinstance(record, dict) else None
    if not isinstance(model, dict) or record != _around(model):
        raise _refused("more, or less, than a model of pieces")
    found = cast("dict[str, Any]", model)
    vocabulary, merges = found.get("vocab"), found.get("merges")
    fixed = {
        "type": kind,
        **_FIXED[kind],
        "vocab": vocabulary,
        **({"merges": merges} if kind == "BPE" else {}),
    }
    if found.keys() != fixed.keys() or any(
        type(found[key]) is not type(fixed[key]) or found[key] != fixed[key] for key in fixed
    ):
        raise _refused(f"another model than {kind}")
    names = _scored(vocabulary) if kind == "Unigram" else _numbered(vocabulary)
    if names[:FIRST] != NAMES or not FIRST <= len(names) <= MOST_SIZE or len({*names}) != len(names):
        raise _refused(f"no vocabulary that begins with {', '.join(NAMES)} and has each token once")
    if kind == "BPE" and not are_merges(merges, {*names}):
        raise _refused("pairs that aren't of its vocabulary")
    return found


def _numbered(vocabulary: Any) -> tuple[str, ...]:
    known = cast("dict[str, Any]", vocabulary) if isinstance(vocabulary, dict) else {}
    if not all(type(number) is int for number in known.values()) or sorted(known.values()) != [
        *range(len(known))
    ]:
        raise _refused("tokens that aren't numbered from 0")
    if not all(is_name(name, LONGEST_NAME) for name in known):
        raise _refused("a token without a text")
    return tuple(sorted(known, key=known.__getitem__))


def _scored(vocabulary: Any) -> tuple[str, ...]:
    if not has_scores(vocabulary) or not all(is_name(name, LONGEST_NAME) for name, _ in vocabulary):
        raise _refused("a token without a text and a score")
    return tuple(name for name, _ in vocabulary)


def is_name(name: Any, most: int) -> bool:
    """Whether a token may be called so: text, of 1 to `most` characters, none of them a half."""
    return isinstance(name, str) and 1 <= len(name) <= most and not HALF.search(name)


def has_scores(vocabulary: Any) -> bool:
    """Whether it is a list of [name, number]."""
    return _all_pairs(vocabulary, lambda _, score: type(score) in (int, float) and math.isfinite(score))


def are_merges(merges: Any, names: Container[str]) -> bool:
    """Whether it is a list of [left, right], both of the names and so put together."""
    return _all_pairs(
        merges,
        lambda left, right: (
            isinstance(left, str)
            and isinstance(right, str)
            and all(name in names for name in (left, right, left + right))
        ),
    )


def _all_pairs(listed: Any, fits: Callable[[Any, Any], bool]) -> bool:
    pairs: list[Any] = cast("list[Any]", listed) if isinstance(listed, list) else [None]
    return all(isinstance(pair, list) and len(cast("list[Any]", pair)) == 2 and fits(*pair) for pair in pairs)


def _refused(what: str) -> DrivetrainError:
    return DrivetrainError(f"the tokenizer holds {what}.", fix="Get it again from where it was made.")
