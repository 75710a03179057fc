"""What a pretrained model of texts wants to read: which folders are such models, and their own tokenizer as the codec of a column.

Nothing here imports torch; transformers is asked for the tokenizer alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from drivetrain.codecs import Codec, Signature
from drivetrain.codecs.subwords import Subwords
from drivetrain.codecs.tokens import MOST_LENGTH, Tokens
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.models import hub, registry
from drivetrain.pretrained_tokenizer import plain

NASTY = (
    "", " Hello,  world's\tsigns: (a-b)_c! ", "NAÏVE e\u0301 \u00bd \ufb01 ẞ İI ΑΣ",
    "\u4e2d\u6587 \u0928\u093f \U0001f469\u200d\U0001f680 \u200f\u0645",
    "line\r\nnext\u2028\u00a0\0\ufffd [SEP] <s> </s>", "supercalifragilistic" * 12,
)  # fmt: skip
"""What a tokenizer must cut as transformers does, before it is trusted."""
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")
"""Files of which a tokenizer has one."""


def codecs_for(name: str, signature: Signature) -> dict[str, Codec]:
    """Those of the inputs that a pretrained model of texts reads by its own tokenizer, with the codec that this makes of them,
    not yet fitted. Empty for any other model, and where they have it already. Raises DrivetrainError for a tokenizer that isn't
    known."""
    texts = {field: codec for field, codec in signature.inputs.items() if codec.holds_texts}
    folder = registry.folder_of(name) if texts else None
    if folder is None or not hub.reads_texts(folder):
        return {}
    own = tokenizer_of(folder, name)
    found = {field: _with(own, field, codec) for field, codec in texts.items()}
    return {field: codec for field, codec in found.items() if codec is not None}


def _with(own: Subwords, field: str, codec: Codec) -> Subwords | None:
    """The tokenizer's codec for a column, cut as is said of it; None where it is this tokenizer's already. Raises UsageError where
    more is said."""
    if isinstance(codec, Subwords):
        return None if codec.tokenizer_json == own.tokenizer_json else own
    own = own.with_fields(absent=getattr(codec, "absent", None))
    if not isinstance(codec, Tokens):
        return own
    if (
        codec.tokenizer != "words"
        or codec.stop_words
        or codec.strip_html
        or codec.strip_accents
        or codec.strip_punctuation
    ):
        raise UsageError(
            "a pretrained model reads texts as its own tokenizer cuts them.", where=f"column {field}",
            fix="Say tokens:128-long or tokens:keep-end of it at most.",
        )  # fmt: skip
    if codec.length is not None and codec.length > own.most:
        raise UsageError(
            f"this model takes {own.most:,} tokens at most.",
            where=f"column {field}",
            fix=f"Say {own.most}-long.",
        )
    return own.with_fields(length=codec.length, keep=codec.keep)


def tokenizer_of(folder: Path, where: object = "") -> Subwords:
    """The codec of the tokenizer in a folder. Raises DrivetrainError where there is none that is known."""
    from transformers import AutoTokenizer

    where = where or folder
    if not any(
        (folder / name).is_file() for name in VOCABULARIES
    ):  # transformers would make up an empty one.
        raise UsageError(
            "this model has no tokenizer.",
            where=where,
            fix="A model of texts needs its tokenizer.json beside config.json.",
        )
    try:
        theirs = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        text = theirs.backend_tokenizer.to_str()
    except (OSError, ValueError, KeyError, AttributeError, ImportError, TypeError) as fault:
        first = next((line for line in str(fault).splitlines() if line.strip()), type(fault).__name__)
        raise UsageError(
            f"its tokenizer can't be loaded: {first}", where=where,
            fix="A model of texts needs its tokenizer.json beside config.json.",
        ) from fault  # fmt: skip
    try:
        codec = Subwords(plain(text), most=_most(folder, theirs))
    except DrivetrainError as fault:
        raise fault.at(where) from fault
    _refuse_other_tokens(codec, theirs, where)
    return codec


def _most(folder: Path, theirs: Any) -> int:
    """How many tokens the model can take: it has no more places, or was trained with no more."""
    config = hub.configuration(folder)
    places = config.get("max_position_embeddings")
    relative = config.get("model_type") in ("t5", "mt5", "umt5")
    known = [int(theirs.model_max_length)]
    if isinstance(places, int) and places > 0 and not relative:
        padded = config.get("model_type") in AFTER_PADDING
        known.append(places - (int(config.get("pad_token_id") or 0) + 1 if padded else 0))
    beside = folder / "sentence_bert_config.json"
    if beside.is_file() and isinstance(most := hub.read_json(beside).get("max_seq_length"), int) and most > 0:
        known.append(most)
    return max(1, min([*known, MOST_LENGTH]))


AFTER_PADDING = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "longformer", "mpnet", "esm")
"""Models that number places from the one after the number of their padding."""


def _refuse_other_tokens(codec: Subwords, theirs: Any, where: object) -> None:
    """Raises DrivetrainError where our reading of a tokenizer gives other tokens than transformers does."""
    fitted = codec.with_fields(length=codec.most)
    for text in NASTY:
        wanted = theirs(text, truncation=True, max_length=codec.most)["input_ids"]
        if fitted.encode(fitted.read(text)).tolist() != wanted:
            raise DrivetrainError(
                f"its tokenizer gives other tokens here than in transformers, of {text!r:.60}.", where=where,
                fix="Choose another model.",
            )  # fmt: skip
