"""Files tokenizer.json of pretrained models, each of a few tokens."""

from __future__ import annotations

import json
from typing import Any

from drivetrain.codecs.subwords import Subwords
from drivetrain.pretrained_tokenizer import plain

NAMES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefilmtx", "##a", "##b", "##s", "film", "##ed", "'", "!"]


def added(name: str, number: int) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": name, **flags, "special": True}


BERT: dict[str, Any] = {
    "version": "1.0", "truncation": None, "padding": None,
    "added_tokens": [added(name, number) for number, name in enumerate(NAMES[:4])],
    "normalizer": {
        "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
    "model": {
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
        "vocab": {name: number for number, name in enumerate(NAMES)},
    },
}  # fmt: skip
BYTES: dict[str, Any] = {
    **BERT, "added_tokens": [], "normalizer": None, "post_processor": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "model": {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "",
        "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
        "vocab": {"a": 0, "b": 1, "ab": 2, "\u0120": 3}, "merges": [["a", "b"]],
    },
}  # fmt: skip
PIECES: dict[str, Any] = {
    **BERT, "added_tokens": [], "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]},
    "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
    "post_processor": None,
    "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["\u2581", -2.0], ["a", -3], ["\u2581ab", -1.5]],
              "byte_fallback": False},
}  # fmt: skip
ALL = {"bert": BERT, "bytes": BYTES, "pieces": PIECES}


def codec(record: dict[str, Any] = BERT, **fields: Any) -> Subwords:
    return Subwords(plain(json.dumps(record)), **fields)
