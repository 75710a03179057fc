"""The data of `translation`; what follows a training is in `translated.py`."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from drivetrain.arguments import public
from drivetrain.codecs.base import FieldError
from drivetrain.codecs.tokens import MOST_LENGTH, Tokens
from drivetrain.data import split as splits
from drivetrain.data.conclusion import Conclusion
from drivetrain.data.dataset import make_dataset
from drivetrain.data.faults import Fault, Report
from drivetrain.data.read.parallel import SPLIT, read_pairs
from drivetrain.data.recipe import task_named
from drivetrain.data.split import Splitter
from drivetrain.data.split_words import VALID_SHARE, refuse_shares
from drivetrain.data.table import Table
from drivetrain.errors import DataError, UsageError
from drivetrain.extras import require
from drivetrain.tasks.problem import Problem
from drivetrain.tasks.translated import Translated

_TASK = "translation"
USUAL: dict[str, Any] = {"dropout": 0.1, "label_smoothing": 0.1, "early_stopping": 10, "weight_decay": 0.0001}
"""Settings of a training where nobody said: as Vaswani et al. have them, and the best epoch is kept."""
MODEL, KINDS = "encoder_decoder", ("transformer", "gru")


class Translating(Problem):
    """Pairs of texts that share one tokenizer."""

    conclusion: ClassVar[Conclusion | None] = Translated()

    @property
    def source(self) -> str:
        return next(iter(self.signature.inputs))

    @property
    def target(self) -> str:
        return next(iter(self.signature.targets))

    def learner(self, model: Any = None, **options: Any) -> Any:
        """A learner of transformer or gru, with words such as 4-layers and 256-wide after them."""
        model = self.default_model if model is None else model
        model = self.model_named(model) if isinstance(model, str) else model
        if not isinstance(model, str) or model.split(":")[0] != MODEL:
            raise UsageError(
                f"{model!r:.80} can't translate: it has to read one text and write another.", where="model",
                fix="Choose transformer or gru, such as transformer:4-layers:128-wide.",
            )  # fmt: skip
        require("sacrebleu", "measuring translations", "train")
        usual = {
            name: value for name, value in USUAL.items() if name != "early_stopping" or len(self.split.valid)
        }
        return super().learner(model, **{**usual, **options})

    def model_named(self, name: str) -> str:
        return f"{MODEL}:{name}" if name.split(":")[0] in KINDS else name


@public
def from_csv(
    path: str | os.PathLike[str],
    source: str,
    target: str,
    valid: float = VALID_SHARE,
    seed: int = 0,
    *,
    test: float = 0.0,
    split: Splitter | None = None,
    tokens: int = Tokens.most,
) -> Translating:
    """Pairs of texts from two columns of a file (TSV, CSV, JSON lines, Parquet), from two files of lines (`train.en` beside
    `train.fr`: either names both), or from a folder of these, where train, val and test in the names of files say their part
    (see `data/read/parallel.py`). The options are those of `from_table`. Raises FileError, DataError and UsageError that name
    file, row and column."""
    table = read_pairs(path, source, target, _also(split, (source, target)))
    return _made(table, source, target, valid, seed, test, split, tokens, os.path.abspath(path))


@public
def from_table(
    frame: Any,
    source: str,
    target: str,
    valid: float = VALID_SHARE,
    seed: int = 0,
    *,
    test: float = 0.0,
    split: Splitter | None = None,
    tokens: int = Tokens.most,
    name: str = "table",
) -> Translating:
    """The same of a pandas or polars frame, or a mapping of columns.

    A share `valid` of the pairs validates, chosen by `seed`, and `test` is kept for evaluate, unless a `split` says otherwise. One
    tokenizer (byte-pair encoding) of `tokens` tokens at most is learned of the training texts of both columns. Pairs without a text
    on one side are left out, which is told.
    """
    table = read_pairs(frame, source, target, _also(split, (source, target)), name=name)
    return _made(table, source, target, valid, seed, test, split, tokens, "")


def _also(split: Splitter | None, columns: tuple[str, str]) -> list[str]:
    """The column that a split goes by."""
    column = getattr(split, "column", None)
    return [column] if isinstance(column, str) and column not in columns else []


def _made(
    table: Table, source: str, target: str, valid: float, seed: int, test: float, split: Splitter | None, tokens: int, path: str
) -> Translating:  # fmt: skip
    refuse_shares(split, valid, test)
    given = split
    if split is None:
        split = splits.random(valid, seed=seed, test=test)
        if SPLIT in table:
            split = splits.ByColumn(SPLIT, otherwise=split)
    try:
        declared = Tokens(tokenizer="bpe", most=tokens, length=MOST_LENGTH)
    except FieldError as fault:
        raise UsageError(
            f"a tokenizer can't have {tokens:,} tokens: {fault.error}.", where="tokens"
        ) from fault
    codec = joint(declared, table, split(table).train, (source, target))
    task, recipe = task_named(_TASK), None
    if path:
        recipe = task.recipe(
            path, source_column=source, target=[target], valid=valid, seed=seed, test=test, split=given, tokens=tokens
        )  # fmt: skip
    made = make_dataset(table, {source: codec}, {target: codec}, split, task=task, recipe=recipe)
    return Translating.of(made)


def joint(codec: Tokens, table: Table, rows: Any, columns: tuple[str, str]) -> Tokens:
    """The codec, fitted to the training texts of both columns: one vocabulary. Raises DataError where they hold none."""
    texts = np.concatenate([table[name][rows] for name in columns])
    if not any(codec.read(text).strip() for text in texts):
        raise DataError("every text is empty.", where=table.name, fix="Name the columns that hold texts.")
    return codec.fit(texts)


def find_faults(data: Any) -> Report:
    """What is wrong with the pairs; those that can't be encoded are errors."""
    from drivetrain.data.checks.pairs import check_pairs

    report = check_pairs(data.table, data.source, data.target, data.split)
    for part in data.split.parts():
        data.part(part)
    if not data.bad:
        return report
    where = [str(data.bad[row]) for row in sorted(data.bad)]
    told = Fault(
        "unreadable",
        "error",
        f"Pairs that can't be used: {len(where):,}.",
        where,
        "Mend them, or leave them out.",
    )
    return replace(report, faults=(told, *report.faults), bad_rows=np.array(sorted(data.bad), np.int64))
