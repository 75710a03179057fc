"""`check` of a text that a model is to write on from: what of its end stands in its beginning, and what it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from drivetrain.codecs.tokens import Tokens
from drivetrain.data.checks.languages import check_languages
from drivetrain.data.faults import Fault, Report
from drivetrain.data.table import Table, as_column
from drivetrain.findings.copying import stretches_in
from drivetrain.tokenizer import FIRST, UNKNOWN
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.tasks.writing import Writing

PASSAGE = {"characters": 100}
OTHERS = 25
"""Tokens that are the same in both parts before it is a copy: nobody writes so much alike by chance."""
LOOKED, IN = 2**20, 2**23
"""Tokens of the end, and of what comes before, that are looked at: those where the parts meet."""
BLOCKS = 500
"""Blocks of text whose language and encoding are looked at."""
MUCH, UNKNOWN_MUCH = 0.02, 0.05
FEW_TOKENS, FEW_LINES, ONE_LINE = 10_000, 10, 20_000


def check_text(data: Writing) -> Report:
    """The report of a text."""
    (codec,) = data.signature.targets.values()
    assert isinstance(codec, Tokens)
    train, end = parts_of(data)
    faults = [*_content(data, codec, train, end), *_copies(codec, train, end), *_read(data)]
    counts = {
        "rows": len(data.table),
        "parts": {name: len(rows) for name, rows in data.split.parts().items() if len(rows)},
    }
    return Report(data.table.name, "", tuple(faults), counts=counts, things=data.things)


def parts_of(data: Writing) -> tuple[Array, Array]:
    """The tokens of training, and those of the end that validates."""
    first = len(data.tokens) if not len(data.rows("valid")) else int(data.starts[data.rows("valid")].min())
    return data.tokens[:first], data.tokens[first:]


def _content(data: Writing, codec: Tokens, train: Array, end: Array) -> Iterator[Fault]:
    assert codec.size is not None
    if codec.size - FIRST < 2:
        yield Fault(
            "one token", "error", "The training text has one token, over and over: nothing can be learned.",
            fix="Give a text of several words.",
        )  # fmt: skip
    elif len(train) < FEW_TOKENS:
        yield Fault(
            "short", "note",
            f"The training text has {len(train):,} tokens: a network learns little of so few, and n-grams may do better.",
        )  # fmt: skip
    unknown = float(np.mean(end == UNKNOWN)) if len(end) else 0.0
    if unknown > UNKNOWN_MUCH:
        yield Fault(
            "unknown tokens", "note",
            f"Of the end that validates {unknown:.1%} are tokens that stand nowhere before it: all alike to a model.",
            fix="With --tokenizer bpe they are made of parts that it knows.",
        )  # fmt: skip
    lines = sum(block.count("\n") for block in data.source.between(0, data.source.characters))
    if lines < FEW_LINES and data.source.characters > ONE_LINE and data.form.large:
        yield Fault(
            "few lines", "note",
            f"{data.source.characters:,} characters in {lines + 1:,} {'lines' if lines else 'line'}: so will be what is written.",
        )  # fmt: skip
    if (
        faults := data.form.faults("".join(data.source.between(0, data.source.characters)))
        if not data.form.large
        else []
    ):
        yield Fault("not sound", "warning", f"Not all of it is sound: {len(faults):,} places.", faults)


def _copies(codec: Tokens, train: Array, end: Array) -> Iterator[Fault]:
    """Passages of the end that stand in the training text."""
    length = PASSAGE.get(codec.tokenizer, OTHERS)
    end = end[:LOOKED]
    if len(end) < length or not len(train):
        return
    found = np.fromiter((at for at, _ in stretches_in(end.astype(np.int64), train[-IN:], length)), np.int64)
    if not len(found):
        return
    covered = np.zeros(len(end) + 1, np.int64)
    np.add.at(covered, found, 1)
    np.add.at(covered, found + length, -1)
    inside = np.cumsum(covered)[:-1] > 0
    starts = np.flatnonzero(inside & ~np.concatenate([[False], inside[:-1]]))
    ends = np.flatnonzero(inside & ~np.concatenate([inside[1:], [False]])) + 1
    share = float(inside.mean())
    where = []
    for start, stop in sorted(zip(starts.tolist(), ends.tolist()), key=lambda part: part[0] - part[1]):
        text = codec.decode(end[start : min(stop, start + 60)].astype(np.int64))["text"]
        where.append(f"token {start + 1:,} of the end, {stop - start:,} tokens: {text!r}")
    yield Fault(
        "copies", "warning" if share >= MUCH else "note",
        f"Of the end that validates {share:.1%} stands in the training text too, in {len(where):,} "
        f"{'passage' if len(where) == 1 else 'passages'} of {length} tokens or more: there it is measured on what it has read.",
        where, "Take out what stands there twice, or expect to do worse on new text.",
    )  # fmt: skip


def _read(data: Writing) -> list[Fault]:
    """Blocks in another language than the others, or read in a wrong encoding; by the line that they begin in."""
    if not data.form.large:
        return []
    texts = [*islice(data.source.blocks(0, data.source.characters), BLOCKS)]
    lines = np.cumsum([1, *(text.count("\n") for text in texts)])[: len(texts)]
    origins = as_column([f"{data.table.name}, from line {line:,} on" for line in lines.tolist()])
    return check_languages(Table({"text": as_column(texts)}, origins, name=data.table.name), texts)
