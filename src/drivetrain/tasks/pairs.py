"""The data of `translation`, and what follows a training: what it writes for the valid part, beside simple translators."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from drivetrain.arguments import public
from drivetrain.codecs.tokens import MOST_LENGTH, Tokens
from drivetrain.data import split as splits
from drivetrain.data.conclusion import Conclusion
from drivetrain.data.dataset import make_dataset
from drivetrain.data.faults import Report
from drivetrain.data.read.frame import Frame
from drivetrain.data.read.readers import read_frame
from drivetrain.data.recipe import task_named
from drivetrain.data.split import Splitter
from drivetrain.data.split_words import VALID_SHARE, refuse_shares
from drivetrain.data.table import Table
from drivetrain.errors import DataError, UsageError
from drivetrain.metrics import Estimate
from drivetrain.tasks.conclusion import Concluded
from drivetrain.tasks.problem import Problem

if TYPE_CHECKING:
    from drivetrain.learn.base import BaseLearner
    from drivetrain.learn.learner import Learner

_TASK = "translation"
ROWS_AT_ONCE = 128
USUAL: dict[str, Any] = {"dropout": 0.1, "label_smoothing": 0.1, "early_stopping": 10, "weight_decay": 0.0001}
"""Settings of a training where nobody said: as Vaswani et al. have them, and the best epoch is kept."""
MODEL, KINDS = "encoder_decoder", ("transformer", "gru")


class Translating(Problem):
    """Pairs of texts that share one tokenizer."""

    conclusion: ClassVar[Conclusion | None]

    @property
    def source(self) -> str:
        return next(iter(self.signature.inputs))

    @property
    def target(self) -> str:
        return next(iter(self.signature.targets))

    def learner(self, model: Any = None, **options: Any) -> Any:
        """A learner of transformer or gru, with words such as 4-layers and 256-wide after them."""
        model = self.default_model if model is None else model
        first = model.split(":")[0] if isinstance(model, str) else ""
        if first in KINDS:
            model = f"{MODEL}:{model}"
        elif first != MODEL:
            raise UsageError(
                f"{model!r:.80} can't translate: it has to read one text and write another.", where="model",
                fix="Choose transformer or gru, such as transformer:4-layers:128-wide.",
            )  # fmt: skip
        return super().learner(model, **{**USUAL, **options})


class Translated(Concluded):
    """What it writes for the valid part, measured beside simple translators; and a bundle that writes."""

    def finish(self, learner: BaseLearner) -> dict[str, Any]:
        """The result, with a page of the course of the training."""
        from drivetrain.learn.runs.folder import versions
        from drivetrain.report.page import write_report

        data: Translating = learner.data  # type: ignore[assignment]
        part = data.measured_part
        sources, references = (_texts(data, name, part) for name in (data.source, data.target))
        written = [] if learner.brief else translations(learner, part)  # type: ignore[arg-type]
        result = learner.result = {
            "run": None if learner.run is None else str(learner.run),
            "task": data.task.name,
            "metrics": {part: {name: one.to_json() for name, one in measured(written, references).items()}},
            "baselines": {},
            "against": {},
            "epochs": learner.epochs,
            "seconds": learner.seconds,
            "notes": list(learner.notes),
        }
        del sources
        if learner.kept_run is not None:
            learner.kept_run.write_result(result)
            if not learner.brief:
                content = {
                    "name": data.table.name, "task": _TASK, "model": learner.description(),
                    "things": data.things, "metrics": result["metrics"], "notes": result["notes"],
                    "baselines": result["baselines"], "against": result["against"],
                    "history": learner.history, "settings": learner.choices(), "versions": versions(),
                }  # fmt: skip
                write_report(learner.kept_run.folder / "report.html", content)
        return result

    def finish_beside(self, learner: BaseLearner) -> None:
        """Nothing: it has no intervals."""

    def export(self, learner: BaseLearner, path: str | Path, force: bool) -> Path:
        from drivetrain.export.translating import export_translator

        return export_translator(learner, path, force)  # type: ignore[arg-type]


Translating.conclusion = Translated()


def measured(written: list[str], references: list[str]) -> dict[str, Estimate]:
    """BLEU and chrF of what was written."""
    del written, references
    return {}


def translations(learner: Learner, part: str) -> list[str]:
    """What the network writes for the texts of a part, the likeliest token each time; rows of similar lengths together."""
    import torch

    data: Any = learner.data
    network: Any = learner.evaluated_network().eval()
    codec, rows = data.signature.targets[data.target], data.part(part)
    column = rows.column(data.source)
    order = np.argsort(column.lengths, kind="stable")
    found = [""] * len(rows)
    with learner.progress("Translating", len(rows)) as advance:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = order[start : start + ROWS_AT_ONCE]
            texts = column[some]
            tokens, lengths = (
                torch.as_tensor(each).to(learner.device) for each in (texts.padded(), texts.lengths)
            )
            for row, made in zip(some.tolist(), network.translate(tokens, lengths, codec.length)):
                found[row] = codec.decode(np.array(made, np.int64))["text"]
            advance(len(some))
    return found


def _texts(data: Translating, name: str, part: str) -> list[str]:
    codec: Any = data.signature.fields[name]
    return [codec.read(raw) for raw in data.table[name][data.part(part).rows]]


@public
def from_csv(
    path: str | os.PathLike[str],
    source: str,
    target: str,
    valid: float = VALID_SHARE,
    seed: int = 0,
    **options: Any,
) -> Translating:
    """Pairs of texts from two columns of a file: CSV, TSV, JSON lines or Parquet. The other options are those of
    `from_table`. Raises FileError, DataError and UsageError that name file, row and column."""
    return from_table(read_frame(path), source, target, valid, seed, path=os.path.abspath(path), **options)


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
    path: str = "",
) -> Translating:
    """The same of a pandas or polars frame, or a mapping of columns.

    A share `valid` of the pairs validates, chosen by `seed`, and `test` is kept for evaluate, unless a `split` says otherwise. One
    tokenizer (byte-pair encoding) of `tokens` tokens at most is learned of the training texts of both columns.
    """
    frame = frame if isinstance(frame, Frame) else read_frame(frame, name=name)
    if source == target:
        raise UsageError(
            f"{source!r} is the source and the target.", where="target", fix="Name the other column."
        )
    refuse_shares(split, valid, test)
    split = split or splits.random(valid, seed=seed, test=test)
    codec = Tokens(tokenizer="bpe", most=tokens, length=MOST_LENGTH)
    columns = {each: frame.column(each).texts(codec.no_value) for each in (source, target)}
    extra = [each for each in frame.columns if each not in columns and each == getattr(split, "column", None)]
    columns |= {each: frame.column(each).texts(codec.no_value) for each in extra}
    table = Table(columns, frame.origins, frame.name, path, notes=frame.notes)
    codec = joint(codec, table, split(table).train, (source, target))
    task, recipe = task_named(_TASK), None
    if path:
        recipe = task.recipe(
            path, source_column=source, target=[target], valid=valid, seed=seed, test=test, split=split, tokens=tokens
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
    from drivetrain.data.checks.declared import check_declared

    return check_declared(data)
