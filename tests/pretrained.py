"""Tiny models of texts with tokenizers of their own, in folders as `save_pretrained` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from texts import made_texts

SIZES = {
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 66,
}
WIDTH = 16
CORPUS = [text for text, _ in made_texts(60)]
SPECIAL = {
    "bert": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    "roberta": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    "t5": ("<pad>", "</s>", "<unk>"),
}
KINDS = ("bert", "distilbert", "roberta", "xlm-roberta", "t5")


def tokenizer_of(kind: str) -> Any:
    """A tokenizer of transformers whose vocabulary is learned of made texts."""
    import transformers

    if kind in ("bert", "distilbert"):
        return transformers.BertTokenizer(vocab=_wordpieces())
    if kind == "roberta":
        vocabulary, merges = _merges()
        return transformers.RobertaTokenizer(vocab=vocabulary, merges=merges)
    if kind == "xlm-roberta":
        return transformers.XLMRobertaTokenizer(vocab=_scored(("<s>", "<pad>", "</s>", "<unk>")))
    return transformers.T5Tokenizer(vocab=_scored(SPECIAL["t5"]), extra_ids=0)


def model_of(kind: str, size: int) -> Any:
    """A model of this kind with random weights, for so many tokens."""
    import torch
    import transformers

    torch.manual_seed(0)
    if kind == "distilbert":
        return transformers.DistilBertModel(
            transformers.DistilBertConfig(
                vocab_size=size, dim=WIDTH, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=66
            )
        )
    if kind == "t5":
        return transformers.T5EncoderModel(
            transformers.T5Config(vocab_size=size, d_model=WIDTH, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
        )
    name = {"bert": "Bert", "roberta": "Roberta", "xlm-roberta": "XLMRoberta"}[kind]
    config = getattr(transformers, f"{name}Config")(vocab_size=size, hidden_size=WIDTH, **SIZES)
    return getattr(transformers, f"{name}Model")(config)


def backbone(folder: Path, kind: str = "bert") -> Path:
    """A folder with such a model and its tokenizer."""
    from transformers.utils import logging

    tokenizer = tokenizer_of(kind)
    logging.disable_progress_bar()
    try:
        model_of(kind, len(tokenizer)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    finally:
        logging.enable_progress_bar()
    return folder


def _wordpieces() -> dict[str, int]:
    """Letters, within words too, and the words: the library's trainer gives other ones in each process."""
    letters = [
        *"abcdefghijklmnopqrstuvwxyz",
        *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"),
        *".,'()-_!:",
    ]
    words = sorted({word for text in CORPUS for word in text.split() if len(word) > 1})
    return {name: number for number, name in enumerate([*SPECIAL["bert"], *letters, *words])}


def _merges() -> tuple[dict[str, int], list[tuple[str, str]]]:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=[*SPECIAL["roberta"]], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    made.train_from_iterator(CORPUS, trainer)
    return made.get_vocab(), [tuple(pair) for pair in json.loads(made.to_str())["model"]["merges"]]


def _scored(special: tuple[str, ...]) -> list[tuple[str, float]]:
    letters = sorted({letter for text in CORPUS for letter in text if letter != " "} | set("NAÏVE.,'()-"))
    words = sorted({word for text in CORPUS for word in text.split()})
    scored = [(name, 0.0) for name in special]
    scored += [("\u2581", -3.0), *((letter, -8.0) for letter in letters)]
    return [*scored, *(("\u2581" + word, -4.0 - len(word) / 10) for word in words)]
