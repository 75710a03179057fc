"""The data of `language_model`; what follows a training is in `written.py`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from drivetrain.arguments import public
from drivetrain.codecs import Signature
from drivetrain.codecs.tokens import Tokens
from drivetrain.data.conclusion import Conclusion
from drivetrain.data.dataset import Part
from drivetrain.data.forms.base import Form
from drivetrain.data.forms.source import TextSource
from drivetrain.data.recipe import task_named
from drivetrain.data.split import Split
from drivetrain.data.split_words import VALID_SHARE
from drivetrain.data.table import Origins, Table
from drivetrain.errors import DataError, UsageError
from drivetrain.ragged import Ragged
from drivetrain.tasks import writers
from drivetrain.tasks.problem import Problem
from drivetrain.tasks.writers import CONTEXT, TOKENIZERS, full_name, moved
from drivetrain.tasks.written import Written
from drivetrain.tokenizer import FIRST
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.charts import Chart

_TASK = "language_model"
PROMPT, TEXT = "prompt", "text"
MOST_CONTEXT = 16_384
MOST_TOKENS = 65_536
"""Of a prompt: none is cut."""
ALL_KNOWN = ("characters", "words")
"""Of these what comes once in the training text is a token too: a model that has read unknown ones writes them."""


class Writing(Problem):
    """A text as stretches of one long array of tokens; what each is to tell are the same tokens, a place later."""

    conclusion: ClassVar[Conclusion | None] = Written()
    form: Form
    source: TextSource
    edge: int
    """The character where the end begins that validates."""
    tokens: Array
    starts: Array
    lengths: Array
    context: int

    def _encode(self, rows: Array, name: str, enlarge: float) -> Part:
        del name, enlarge
        starts, lengths = self.starts[rows], self.lengths[rows]
        arrays = self._arrays(starts, lengths)
        keys = {field: self._digest(starts, lengths, shift) for shift, field in enumerate(arrays)}
        return Part(arrays, np.arange(len(rows)), np.asarray(rows), keys)

    def _arrays(self, starts: Array, lengths: Array) -> dict[str, Ragged]:
        return {
            PROMPT: Ragged(self.tokens, starts, lengths, whole=True),
            TEXT: Ragged(self.tokens, starts + 1, lengths, whole=True),
        }

    def _digest(self, starts: Array, lengths: Array, shift: int) -> str:
        """What the stretches hold, as one short text. They lie one after the other."""
        found = hashlib.sha256(f"{shift} {self.tokens.dtype}".encode() + lengths.tobytes())
        if len(starts):
            found.update(self.tokens[int(starts[0]) : int(starts[-1] + lengths[-1]) + 1].data)
        return found.hexdigest()

    def texts(self, part: str, positions: Array) -> list[str]:
        """What stands in some stretches of a part."""
        return [self.raw(PROMPT, int(row)) for row in self.part(part).rows[positions]]

    def raw(self, column: str, row: int) -> str:
        start, length = int(self.table[column][row]), int(self.lengths[row])
        codec = self.signature.inputs[PROMPT]
        return codec.decode(self.tokens[start : start + length].astype(np.int64))["text"]

    @public
    def show(self, n: int = 16, part: str = "train", seed: int = 0) -> Chart:
        """Stretches of a part, as the model gets them: a chart for notebook, page or PNG."""
        from drivetrain.charts import tokens
        from drivetrain.charts.passages import Passage, passages

        found, codec = self.part(part), self.signature.inputs[PROMPT]
        chosen = np.sort(np.random.default_rng(seed).permutation(len(found))[: max(0, n)])
        items = [
            Passage(tokens.pieces(codec, text), f"stretch {place + 1:,}")
            for place, text in zip(chosen.tolist(), self.texts(part, chosen))
        ]
        return passages(items, f"{len(items)} of {len(found):,} stretches of {part}", tokens.NOTE)

    def overview(self, n: int, part: str, seed: int) -> Chart:
        return self.show(n, part, seed)

    def learner(self, model: Any = None, **options: Any) -> Any:
        """A learner of a network whose places know of no later ones: lstm, gru or transformer, with words after them. What is not
        said of its settings is as language models have it (`drivetrain.tasks.writers`)."""
        model = self.default_model if model is None else model
        options = writers.settings(options, self.told, self.context, bool(len(self.rows("valid"))))
        return super().learner(writers.full_name(model), **options)

    @property
    def told(self) -> int:
        """How many tokens an epoch of the training tells."""
        return int(self.lengths[self.rows("train")].sum())

    def model_named(self, name: str) -> str:
        return full_name(name)

    def part_of_epoch(self, seed: int, epoch: int) -> Part:
        rows = self.rows("train")
        starts, lengths = moved(self.starts[rows], self.lengths[rows], self.context, seed, epoch)
        return Part(self._arrays(starts, lengths), np.arange(len(rows)), rows)


def _refuse(valid: float, tokenizer: str, context: int) -> None:
    if not 0 <= valid < 1:
        raise UsageError(f"{valid} is no share.", where="valid", fix="Give 0 or more, and less than 1.")
    if tokenizer not in TOKENIZERS:
        raise UsageError(
            f"there is no tokenizer {tokenizer!r:.50}.",
            where="tokenizer",
            fix=f"Use {', '.join(TOKENIZERS)}.",
        )
    if type(context) is not int or not 2 <= context <= MOST_CONTEXT:
        raise UsageError(
            f"a context has 2 to {MOST_CONTEXT:,} tokens, not {context}.", where="context", fix=f"Such as {CONTEXT}."
        )  # fmt: skip


def _writing(
    source: TextSource, name: str, valid: float, tokenizer: str, context: int, recipe: dict[str, Any]
) -> Writing:
    """The end of a text validates; the tokenizer is learned of what comes before."""
    edge = source.edge(valid)
    # Words have the spaces before them, so that what is written reads as what was read.
    declared = Tokens(
        tokenizer=tokenizer,  # type: ignore[arg-type]
        length=MOST_TOKENS,
        lines=tokenizer == "wordpiece",
        spaced=tokenizer == "words",
        rare=1 if tokenizer in ALL_KNOWN else 2,
    )
    if not edge:
        raise DataError("there is no text to train on.", where=name, fix="Give a longer text.")
    codec = declared.fit_blocks(source.blocks(0, edge))
    assert codec.size is not None
    tokens, first = encoded(codec, source.blocks(0, edge), source.blocks(edge, source.characters))
    stretches = [_stretches(count, context) for count in (first, len(tokens) - first)]
    if not len(stretches[0][0]):
        raise DataError("the text is too short: it has one token, or none.", where=name, fix="Give a longer one.")  # fmt: skip
    starts = np.concatenate([stretches[0][0], stretches[1][0] + first])
    lengths = np.concatenate([each[1] for each in stretches])
    rows = np.arange(len(starts))
    split = Split(rows[: len(stretches[0][0])], rows[len(stretches[0][0]) :], rows[:0])
    # Where each stretch begins stands for its text, which would be the whole text once more.
    table = Table(
        {PROMPT: starts, TEXT: starts + 1}, Origins(name, rows + 1), name=name, source=recipe["source"],
        notes=tuple(source.notes),
    )  # fmt: skip
    told = f"{len(tokens):,} tokens, {codec.size - FIRST:,} different ones ({tokenizer}), in stretches of {context}"
    data = Writing(
        table,
        Signature({PROMPT: codec}, {TEXT: codec}),
        split,
        task=task_named(_TASK),
        recipe=recipe,
        notes=[*source.notes, told],
    )
    data.form, data.source, data.edge = source.form, source, edge
    data.tokens, data.starts, data.lengths, data.context = tokens, starts, lengths, context
    return data


def encoded(codec: Tokens, *texts: Iterable[str]) -> tuple[Array, int]:
    """The tokens of texts in blocks, one after the other, each in as few bytes as hold all; and how many the first has."""
    assert codec.size is not None
    dtype = next(kind for kind in (np.uint8, np.int16, np.int32) if codec.size <= np.iinfo(kind).max + 1)
    found = bytearray()  # It grows in place.
    counts = []
    for text in texts:
        for block in text:
            found += codec.encode(codec.read(block)).astype(dtype).tobytes()
        counts.append(len(found) // np.dtype(dtype).itemsize)
    return np.frombuffer(found, dtype), counts[0]


def _stretches(tokens: int, context: int) -> tuple[Array, Array]:
    """Where stretches of a context begin and how long each is: each token but the first is told once."""
    starts = np.arange(0, max(0, tokens - 1), context)
    return starts, np.minimum(context, tokens - 1 - starts)


@public
def from_file(
    source: str | os.PathLike[str],
    valid: float = VALID_SHARE,
    *,
    tokenizer: str | None = None,
    context: int = CONTEXT,
) -> Writing:
    """A text to learn to write like, from a .txt file or a folder of them; the share `valid` at its end validates. So are
    tunes (.abc) and MIDI files (.mid).

    `tokenizer` is characters, words (of MIDI the default), bpe, wordpiece or unigram; `context` is how many tokens are read to
    tell the next. Raises DataError where there is no text, UsageError.
    """
    return made(source, valid, 0, tokenizer, context)


def made(source: Any, valid: float, seed: int, tokenizer: str | None, context: int) -> Writing:
    """The dataset, with a recipe that has the seed of the training too."""
    _refuse(valid, tokenizer or TOKENIZERS[0], context)
    text = TextSource(os.fspath(source))
    tokenizer = tokenizer or text.form.tokenizer
    recipe = task_named(_TASK).recipe(
        os.path.abspath(source), valid=valid, seed=seed, tokenizer=tokenizer, context=context
    )
    return _writing(text, Path(source).name, valid, tokenizer, context, recipe)
