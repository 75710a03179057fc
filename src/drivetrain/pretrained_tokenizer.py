"""A tokenizer that somebody else trained, such as that of BERT: what its tokenizer.json may be made of, and the tokens it gives.

The library that reads these files trusts them, and knows many parts: patterns that take forever, tables of bytes that it walks
without looking, texts that grow a thousandfold. So a file is known here field by field, and refused where it says anything else
(codecs/OPS.md has what each part does). What Hugging Face's class for it gives is brought into this form by `plain`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any, cast

from drivetrain.errors import DrivetrainError
from drivetrain.extras import require
from drivetrain.files import from_json, to_json
from drivetrain.tokenizer import HALF, MOST_SIZE, are_merges, has_scores, is_name

LONGEST_NAME = 512
"""Characters of a token."""
MOST_ADDED, MOST_AROUND, MOST_PARTS, LONGEST_WORD = 4096, 8, 8, 1000

Check = Callable[[Any], bool]
Fields = dict[str, Check]


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_sign(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 1 and not HALF.search(value)


def _is_short(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 16 and not HALF.search(value)


def _one_of(*values: Any) -> Check:
    return lambda value: any(type(value) is type(known) and value == known for known in values)


_NOTHING: Fields = {}
NORMALIZERS: dict[str, Fields] = {
    "BertNormalizer": {
        "clean_text": _is_bool, "handle_chinese_chars": _is_bool, "strip_accents": _one_of(None, True, False),
        "lowercase": _is_bool,
    },
    **dict.fromkeys(("Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"), _NOTHING),
    "Strip": {"strip_left": _is_bool, "strip_right": _is_bool},
}  # fmt: skip
"""What changes a text, each with its fields: those that never make it much longer."""
PRE_TOKENIZERS: dict[str, Fields] = {
    "BertPreTokenizer": _NOTHING,
    "WhitespaceSplit": _NOTHING,
    "ByteLevel": {"add_prefix_space": _is_bool, "trim_offsets": _is_bool, "use_regex": _is_bool},
    "Metaspace": {
        "replacement": _is_sign, "prepend_scheme": _one_of("always", "first", "never"), "split": _is_bool,
    },
}  # fmt: skip
"""What cuts it into pieces."""
MODELS: dict[str, Fields] = {
    "WordPiece": {
        "unk_token": _is_short, "continuing_subword_prefix": _is_short,
        "max_input_chars_per_word": lambda most: type(most) is int and 1 <= most <= LONGEST_WORD,
    },
    "BPE": {
        "dropout": _one_of(None), "unk_token": lambda name: name is None or _is_short(name),
        "continuing_subword_prefix": _one_of(None, ""), "end_of_word_suffix": _one_of(None, ""),
        "fuse_unk": _one_of(False), "byte_fallback": _one_of(False), "ignore_merges": _is_bool,
        "merges": lambda merges: isinstance(merges, list),
    },
    "Unigram": {"unk_id": lambda number: type(number) is int, "byte_fallback": _one_of(False)},
}  # fmt: skip
"""What makes tokens of a piece, beside its `vocab`."""
_ADDED: Fields = {
    "id": lambda number: type(number) is int,
    "content": lambda name: _is_name(name),
    **dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), _is_bool),
}
_SEQUENCES = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers"}


class PretrainedTokenizer:
    """A tokenizer.json, checked. `names` has the text of each token by its number, `size` is one more than the largest,
    `unknown` that of what it doesn't know (None where there is no such), `around` how many tokens each text has besides its own."""

    def __init__(self, text: str) -> None:
        record = _checked(text)
        model = record["model"]
        known = _vocabulary(model)
        added = {entry["content"]: entry["id"] for entry in record["added_tokens"]}
        self.names: dict[int, str] = {number: name for name, number in {**known, **added}.items()}
        self.size = 1 + max(self.names)
        unknown = model["unk_id"] if model["type"] == "Unigram" else known.get(model["unk_token"] or "")
        self.unknown: int | None = unknown
        template = record["post_processor"]
        self.around = 0 if template is None else len(template["single"]) - 1
        self._text = text
        self._cut: dict[tuple[int, str], Any] = {}

    def tokens(self, text: str, length: int, keep: str) -> list[int]:
        """The tokens of a text, those around it included: `length` of them at most, of a longer one those at its beginning, or
        its end. Raises DrivetrainError where the library isn't there."""
        made = self._cut.get((length, keep))
        if made is None:
            made = self._cut[length, keep] = self._library()
            made.enable_truncation(length, direction="left" if keep == "end" else "right")
        return made.encode(text).ids

    def whole(self, text: str) -> int:
        """How many tokens a text has, uncut."""
        return len(self._uncut.encode(text))

    def places(self, text: str) -> list[tuple[int, int, int]]:
        """From where to before where each token of a text stands in it, nowhere those around it, and its number; uncut."""
        found = self._uncut.encode(text)
        return [(*span, number) for span, number in zip(found.offsets, found.ids)]

    @cached_property
    def _uncut(self) -> Any:
        return self._library()

    def _library(self) -> Any:
        require("tokenizers", "a text that is cut as a pretrained model wants it", "text")
        from tokenizers import Tokenizer

        return Tokenizer.from_str(self._text)


@lru_cache(maxsize=8)
def open_pretrained(text: str) -> PretrainedTokenizer:
    """The tokenizer of a tokenizer.json. Raises DrivetrainError for one that isn't made of known parts."""
    return PretrainedTokenizer(text)


def plain(text: str) -> str:
    """A tokenizer.json in the form that is known here, of one that Hugging Face's library writes: what says nothing of the tokens
    of one text is left out (decoder, padding, cut, pairs). Raises DrivetrainError where it has a part that isn't known."""
    record = _record(text)
    template = _template(*_around(record.get("post_processor")))
    made = to_json(
        {**record, "truncation": None, "padding": None, "decoder": None, "post_processor": template}
    )
    _checked(made)
    return made


def _around(processor: Any) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """(name, number) of the tokens before each text, and of those after it."""
    try:
        return _sides(processor)
    except (KeyError, TypeError, ValueError, IndexError) as fault:
        raise _refused("a post-processor of another form") from fault


def _sides(processor: Any) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    if processor is None:
        return [], []
    kind = _type_of(processor)
    if kind == "ByteLevel":  # It moves offsets alone.
        return [], []
    if kind in ("BertProcessing", "RobertaProcessing"):
        (first, last) = processor["cls"], processor["sep"]
        return [(first[0], first[1])], [(last[0], last[1])]
    if kind == "Sequence":
        sides = [_sides(part) for part in processor["processors"]]
        telling = [side for side in sides if any(side)]
        if len(telling) <= 1:
            return telling[0] if telling else ([], [])
    if kind == "TemplateProcessing":
        before: list[tuple[str, int]] = []
        after: list[tuple[str, int]] = []
        side = before
        for step in processor["single"]:
            if "Sequence" in step:
                side = after
                continue
            name = step["SpecialToken"]["id"]
            numbers = processor["special_tokens"][name]["ids"]
            if len(numbers) != 1:
                raise _refused("a special token of several numbers")
            side.append((name, numbers[0]))
        return before, after
    raise _refused(f"a post-processor {kind}")


def _template(before: list[tuple[str, int]], after: list[tuple[str, int]]) -> dict[str, Any] | None:
    """What puts these tokens around a text, as the library writes it."""
    if not (before or after):
        return None

    def steps(pairs: list[tuple[str, int]]) -> list[dict[str, Any]]:
        return [{"SpecialToken": {"id": name, "type_id": 0}} for name, _ in pairs]

    first, second = ({"Sequence": {"id": which, "type_id": 0}} for which in "AB")
    return {
        "type": "TemplateProcessing",
        "single": [*steps(before), first, *steps(after)],
        "pair": [first, second],
        "special_tokens": {
            name: {"id": name, "ids": [number], "tokens": [name]}
            for name, number in sorted({*before, *after})
        },
    }


def _record(text: str) -> dict[str, Any]:
    try:
        record = from_json(text)
    except (DrivetrainError, RecursionError) as fault:
        raise _refused("no JSON") from fault
    if not isinstance(record, dict):
        raise _refused("no JSON object")
    return cast("dict[str, Any]", record)


def _checked(text: str) -> dict[str, Any]:
    """The content of a tokenizer.json, when each of its parts is known. Raises DrivetrainError."""
    record = _record(text)
    parts = (
        "version",
        "truncation",
        "padding",
        "added_tokens",
        *_SEQUENCES,
        "post_processor",
        "decoder",
        "model",
    )
    if record.keys() != {*parts} or record["version"] != "1.0":
        raise _refused("more, or less, than a tokenizer")
    if not all(record[part] is None for part in ("truncation", "padding", "decoder")):
        raise _refused("a cut, padding or a decoder")
    _check_steps(record, "normalizer", NORMALIZERS)
    _check_steps(record, "pre_tokenizer", PRE_TOKENIZERS)
    model = record["model"]
    _check_fields(model, MODELS, "model", "vocab")
    known = _vocabulary(model)
    if model["type"] == "BPE" and not are_merges(model["merges"], known):
        raise _refused("pairs that aren't of its vocabulary")
    if model["type"] == "Unigram":
        if not 0 <= model["unk_id"] < len(known):
            raise _refused("an unknown token that isn't there")
    elif model["unk_token"] is not None and model["unk_token"] not in known:
        raise _refused("an unknown token that isn't there")
    _check_added(record["added_tokens"], known)
    _check_template(record["post_processor"], {**known, **_numbers(record["added_tokens"])})
    return record


def _check_steps(record: Mapping[str, Any], part: str, known: Mapping[str, Fields]) -> None:
    """A part that is nothing, one of those that are known, or several of them, one after the other."""
    given = record[part]
    if given is None:
        return
    steps: list[Any] = [given]
    if _type_of(given) == "Sequence":
        steps = given.get(_SEQUENCES[part])
        if given.keys() != {"type", _SEQUENCES[part]} or not isinstance(steps, list):
            raise _refused(f"a {part} of another form")
    if len(steps) > MOST_PARTS:
        raise _refused(f"a {part} of {len(steps)} parts")
    for step in steps:
        _check_fields(step, known, part)


def _check_fields(given: Any, known: Mapping[str, Fields], part: str, *others: str) -> None:
    kind = _type_of(given)
    if kind not in known:
        raise _refused(f"a {part.replace('_', '-')} {kind}")
    fields = known[kind]
    if given.keys() != {"type", *fields, *others}:
        raise _refused(f"{kind} with other fields")
    for name, fits in fields.items():
        if not fits(given[name]):
            raise _refused(f"{kind} with {name} {given[name]!r:.40}")


def _type_of(part: Any) -> str:
    kind = cast("dict[str, Any]", part).get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        raise _refused("a part without a type")
    return kind[:40]


def _vocabulary(model: Mapping[str, Any]) -> dict[str, int]:
    """The tokens that a model makes, by name. Numbers may be left out, and none is there twice."""
    vocabulary: Any = model["vocab"]
    if model["type"] == "Unigram":
        if not has_scores(vocabulary):
            raise _refused("a token without a score")
        known = {name: number for number, (name, _) in enumerate(vocabulary) if isinstance(name, str)}
        if len(known) != len(vocabulary):
            raise _refused("a token twice")
    else:
        known = cast("dict[str, Any]", vocabulary) if isinstance(vocabulary, dict) else {}
    numbers = [*known.values()]
    if not all(type(number) is int and 0 <= number < MOST_SIZE for number in numbers):
        raise _refused("a token without a number")
    if not numbers or len({*numbers}) != len(numbers) or not all(map(_is_name, known)):
        raise _refused("no tokens, two of one number, or one without a text")
    return known


def _is_name(name: Any) -> bool:
    return is_name(name, LONGEST_NAME)


def _numbers(added: Any) -> dict[str, int]:
    return {entry["content"]: entry["id"] for entry in added}


def _check_added(added: Any, known: Mapping[str, int]) -> None:
    """Tokens that are found in a text before anything else: those of the model, or further ones, numbered on from it."""
    listed: list[Any] = cast("list[Any]", added) if isinstance(added, list) else [None]
    if len(listed) > MOST_ADDED:
        raise _refused(f"more than {MOST_ADDED:,} added tokens")
    following, taken = len(known), {*known.values()}
    seen: set[str] = set()
    for entry in listed:
        fields = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
        if fields.keys() != _ADDED.keys() or not all(fits(fields[name]) for name, fits in _ADDED.items()):
            raise _refused("an added token of another form")
        name, number = fields["content"], fields["id"]
        if name in known:
            fits = number == known[name]
        else:
            fits = number == following and number not in taken
            following += 1
        if not fits or name in seen or number >= MOST_SIZE:
            raise _refused(f"an added token {name!r:.40} that has another number")
        seen.add(name)


def _check_template(template: Any, known: Mapping[str, int]) -> None:
    if template is None:
        return
    before, after = _around(template)
    if template != _template(before, after) or len(before) + len(after) > MOST_AROUND:
        raise _refused("a post-processor of another form")
    for name, number in (*before, *after):
        if not isinstance(name, str) or known.get(name) != number or isinstance(number, bool):
            raise _refused("a special token that isn't there")


def _refused(what: str) -> DrivetrainError:
    return DrivetrainError(
        f"the tokenizer holds {what}.",
        fix="Known are those of BERT (WordPiece), RoBERTa (BPE of bytes) and their like: choose such a model.",
    )
