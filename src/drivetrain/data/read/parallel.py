"""Sentences in two languages, side by side: a table with a column of each, or two files whose lines belong together.

NAME.tsv, .csv, .jsonl, .parquet   a column for each side; a tab-separated file may be called .txt too
NAME.en and NAME.fr                line N of one belongs to line N of the other; either file, or NAME, names both
a folder of any of these           train, val and test in a file's name say its part
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.data.read.line_files import TABBED, places, read_lines, tab_rows
from drivetrain.data.read.textfile import extension
from drivetrain.data.split import PARTS, SYNONYMS
from drivetrain.data.table import Origins, Table, as_column, shown
from drivetrain.errors import DataError, FileError, UsageError
from drivetrain.figures import counted
from drivetrain.types import Array

SPLIT = "split"
TABLES = (".csv", ".jsonl", ".ndjson", ".parquet", ".pq")
_PART_OF = {**SYNONYMS, "dev": "valid"}
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""NUL, and half a character."""
_QUOTED = re.compile('"(?:[^"]|"")*""(?:[^"]|"")*"')
FEWEST_TO_FIT = 10
"""Lines of the shorter file, at least, for their lengths to tell anything."""
_SURELY = 0.6
"""Lengths have to fit each other so much better than by chance, for the line to be named up to which they do."""


@dataclass
class _Side:
    """Lines of a file, stripped; None for one that is no text: a line that is no UTF-8 in a file that is else. A file with hardly
    any UTF-8 in it is read as Windows-1252. `notes` are what was done to read it."""

    place: str
    lines: list[str | None]
    notes: list[str] = field(default_factory=list)


@dataclass
class _Pairs:
    """The pairs of one file or two: both sides of row `numbers[i]`, as a person counts them."""

    name: str
    sources: Sequence[str | None]
    targets: Sequence[str | None]
    numbers: Array
    notes: list[str]
    things: str = "row"
    also: Mapping[str, Sequence[Any]] = field(default_factory=dict[str, Sequence[Any]])


def read_pairs(
    source: Any, source_column: str, target_column: str, also: Sequence[str] = (), *, name: str | None = None
) -> Table:
    """The pairs of a table, of two files of lines, or of a folder of these: two columns of text without white space around
    it, and `split` where the names of several files say parts.

    A tab-separated file has a row in each line, and a quote in it is a letter as any other; a CSV has quotes as a CSV has.
    A line ends with LF or CR LF, and with no other sign. Pairs without a text on one side are left out, and told by line.
    A frame or a mapping of columns is a table too, called `name`. `also` are more columns of a table to keep.
    Raises FileError, DataError where lines don't fit each other, UsageError for a column that isn't there.
    """
    if source_column == target_column:
        raise UsageError(
            f"the source and the target are both {source_column!r}.", where="target", fix="Name two columns."
        )
    if SPLIT in (source_column, target_column):
        raise UsageError(
            f"a side can't be called {SPLIT!r}: that is where the parts of the data stand.",
            where=SPLIT,
            fix="Rename it.",
        )
    columns = (source_column, target_column, *also)
    if not isinstance(source, (str, os.PathLike)):
        return _table({"": _of_table(source, columns, name)}, "", source_column, target_column)
    path = os.fspath(source)
    root = os.path.abspath(path)
    parts = _of_folder(root, columns) if os.path.isdir(path) else {"": _of_file(path, columns)}
    return _table(parts, root, source_column, target_column)


def _of_folder(root: str, columns: Sequence[str]) -> dict[str, _Pairs]:
    """By part; of a folder of one pair of files alone the part is ""."""
    source, target, *_ = columns
    stems = _stems(root, source, target)
    tables = [] if stems else [
        name for name in sorted(os.listdir(root))
        if extension(name) in (*TABLES, *TABBED) and _part(name) and not name.startswith(".")
    ]  # fmt: skip
    if not stems and not tables:
        raise DataError(
            f"there are no two files of lines NAME.{source} and NAME.{target}, and no tables train, val, test.",
            where=shown(root), fix="Name the file.",
        )  # fmt: skip
    found: dict[str, _Pairs] = {}
    named: dict[str, str] = {}
    for name in stems or tables:
        part = _part(name) if len(stems or tables) > 1 else ""
        if len(stems or tables) > 1 and (not part or part in named):
            twice = f"{named[part]} and {name} are both {part}" if part else f"{name} is of no part"
            raise DataError(
                f"there are several files and {twice}.", where=shown(root),
                fix="Call them train, val and test, or name one file.",
            )  # fmt: skip
        named[part] = name
        found[part] = _of_file(os.path.join(root, name), columns)
    return {part: found[part] for part in ("", *PARTS) if part in found}


def _stems(root: str, source: str, target: str) -> list[str]:
    """The names that two files of lines of a folder have in common."""
    names = {name.removesuffix(".gz") for name in os.listdir(root) if not name.startswith(".")}
    sources = sorted(name.removesuffix(f".{source}") for name in names if name.endswith(f".{source}"))
    return [stem for stem in sources if stem and f"{stem}.{target}" in names]


def _part(name: str) -> str:
    """The part that a file's name says, as a word of it: "" where it says none or several."""
    words = {_PART_OF.get(word, "") for word in re.split(r"[^a-z]+", os.path.basename(name).lower())} - {""}
    return words.pop() if len(words) == 1 else ""


def _sides_of(path: str, source: str, target: str) -> tuple[str, str] | None:
    """The two files of lines that a path means: it is one of them, or the name that they have in common."""
    plain = path.removesuffix(".gz")
    stem = next(
        (plain.removesuffix(end) for end in (f".{source}", f".{target}") if plain.endswith(end)), path
    )
    if stem == path and os.path.isfile(path):
        return None
    files = [
        next((name for name in (f"{stem}.{side}", f"{stem}.{side}.gz") if os.path.isfile(name)), "")
        for side in (source, target)
    ]
    return (files[0], files[1]) if all(files) else None


def _of_file(path: str, columns: Sequence[str]) -> _Pairs:
    source, target, *also = columns
    if sides := _sides_of(path, source, target):
        if also:
            raise UsageError(
                f"two files of lines have no column {also[0]!r}.", where=shown(path), fix="Leave it out."
            )
        return _of_lines(*sides)
    kind = extension(path)
    if kind in (f".{source}", f".{target}"):
        other = target if kind == f".{source}" else source
        raise FileError(
            f"there is no file of the other side beside it, {shown(Path(path).stem)}.{other}.",
            where=shown(path), fix="Put both into one folder.",
        )  # fmt: skip
    if kind in TABBED:
        return _of_tabs(path, columns)
    if kind in TABLES:
        return _of_table(path, columns)
    if not os.path.exists(path):
        raise FileError("there is no such file.", where=shown(path), fix="Check the path.")
    raise DataError(
        "this is neither a table nor one of two files of lines.", where=shown(path),
        fix=f"Name it .tsv, .csv, .jsonl or .parquet, or NAME.{source} beside NAME.{target}.",
    )  # fmt: skip


def _of_lines(source: str, target: str) -> _Pairs:
    a, b = (_Side(*read_lines(path)) for path in (source, target))
    if len(a.lines) != len(b.lines):
        raise _unequal(a, b)
    notes = [f"{side.place}: {note}" for side in (a, b) for note in side.notes]
    name = f"{a.place} + {b.place}"
    return _Pairs(name, a.lines, b.lines, np.arange(1, len(a.lines) + 1), notes, "line")


def _unequal(a: _Side, b: _Side) -> DataError:
    longer, shorter = (a, b) if len(a.lines) > len(b.lines) else (b, a)
    first = len(shorter.lines) + 1
    told = f"line {first:,} of {longer.place} is the first without a partner"
    if (
        at := where_they_part([line or "" for line in a.lines], [line or "" for line in b.lines])
    ) is not None:
        told += f"; by their lengths they fit up to line {at:,}, and not from line {at + 1:,} on"
    return DataError(
        f"{a.place} has {len(a.lines):,} lines and {b.place} {len(b.lines):,}: {told}.",
        where=longer.place, fix="Mend the file that lost or gained lines: line N of one belongs to line N of the other.",
    )  # fmt: skip


def where_they_part(sources: Sequence[str], targets: Sequence[str]) -> int | None:
    """After how many lines the longer of two files has lines too many, by the lengths of their sentences; None where these
    don't tell.

    Translations are about as long as what they translate (Gale and Church 1993, A program for aligning sentences in bilingual
    corpora, Computational Linguistics 19:75-102). Of all places the one is taken with the least squared differences of the
    logarithms of lengths: as the lines stand before it, moved by what one file has more after it.
    """
    a, b = (np.log1p([len(line) for line in lines]) for lines in (sources, targets))
    a, b = (a, b) if len(a) < len(b) else (b, a)
    n, more = len(a), len(b) - len(a)
    if n < FEWEST_TO_FIT:
        return None
    apart = float(np.median(b)) - float(np.median(a))  # One language is wordier.
    stands, moved = (b[:n] - a - apart) ** 2, (b[more:] - a - apart) ** 2
    costs = np.concatenate([[0.0], np.cumsum(stands)]) + np.concatenate([np.cumsum(moved[::-1])[::-1], [0.0]])
    at = int(costs.argmin())
    by_chance = float(a.var() + b.var())  # Of lines that have nothing to do with each other.
    return at if at < n and costs[at] / n < _SURELY * by_chance else None


def _of_tabs(path: str, columns: Sequence[str]) -> _Pairs:
    found = tab_rows(path, columns)
    # A line that is no UTF-8 is left out, and told, as one without a text; one of other cells may be two sentences.
    odd = [error for _, error in found.cells if isinstance(error, DataError) and "cell" in error.error]
    if odd:
        if len(odd) > 1:
            odd[0].error += f" So have {len(odd) - 1:,} more lines."
        raise odd[0]
    at = [found.place_of(name) for name in columns]
    sides = [
        [None if isinstance(cells, DataError) else cells[place].strip() for _, cells in found.cells]
        for place in at
    ]
    quoted = sum(bool(text and _QUOTED.fullmatch(text)) for side in sides[:2] for text in side)
    notes = list(found.notes)
    if quoted:
        notes.append(
            f"{counted(quoted, 'cell', 'cells')} in quotes, as a spreadsheet writes them, taken as written: save it as CSV if "
            "these are no part of the sentences"
        )  # fmt: skip
    numbers = np.array([number for number, _ in found.cells], np.int64)
    return _Pairs(found.place, sides[0], sides[1], numbers, notes, also=dict(zip(columns[2:], sides[2:])))


def _of_table(source: Any, columns: Sequence[str], name: str | None = None) -> _Pairs:
    from drivetrain.data.read.readers import read_frame

    frame = read_frame(source, name=name)
    sides: list[list[str | None]] = []
    for each in columns[:2]:
        column = frame.column(each)
        if column.kind != "text":
            raise DataError(
                f"the column {each!r} holds {column.type_name}, not text.", where=frame.name,
                fix="Name the columns of the sentences; where it is one, make it text.",
            )  # fmt: skip
        sides.append(column.values.to_list())
    also = {each: frame.column(each).plain().tolist() for each in columns[2:]}
    return _Pairs(frame.name, sides[0], sides[1], frame.numbers, list(frame.notes), also=also)


def _table(parts: dict[str, _Pairs], root: str, source: str, target: str) -> Table:
    """All parts one after the other, without the pairs that lack a side."""
    notes: list[str] = []
    columns: dict[str, list[Any]] = {source: [], target: [], SPLIT: []}
    origins: list[Origins] = []
    for part, pairs in parts.items():
        before = f"{pairs.name}: " if len(parts) > 1 else ""
        notes += [before + note for note in pairs.notes]
        lacking = [at for at, both in enumerate(zip(pairs.sources, pairs.targets)) if not all(both)]
        kept = np.delete(np.arange(len(pairs.numbers)), lacking)
        if lacking:
            told = places(pairs.numbers[lacking].tolist(), pairs.things)
            notes.append(f"{before}left out, a side is empty or no text: {told}")
        halves = 0
        for name, side in ((source, pairs.sources), (target, pairs.targets)):
            texts = [side[at] or "" for at in kept.tolist()]
            if any(map(_NO_TEXT.search, texts)):
                halves += sum(map(bool, map(_NO_TEXT.search, texts)))
                texts = [_NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", text) for text in texts]
            columns[name] += texts
        for name, values in pairs.also.items():
            columns.setdefault(name, []).extend(values[at] for at in kept.tolist())
        if halves:
            notes.append(
                f"{before}NUL and halves of characters, which are no text, became U+FFFD: {counted(halves, 'text', 'texts')}"
            )
        columns[SPLIT] += [part] * (len(kept) if SPLIT not in pairs.also else 0)
        origins.append(Origins(pairs.name, pairs.numbers[kept]))
    name = shown(os.path.basename(root)) if len(parts) > 1 else next(iter(parts.values())).name
    if not columns[source]:
        raise DataError("there is no pair of sentences.", where=name, fix="Add some.")
    if len(parts) == 1 and SPLIT not in next(iter(parts.values())).also:
        del columns[SPLIT]
    return Table(
        {column: as_column(texts) for column, texts in columns.items()},
        origins[0] if len(parts) == 1 else as_column(list(_each(origins))),
        name=name, source=root, layout="pairs of sentences", notes=tuple(notes),
    )  # fmt: skip


def _each(origins: Iterable[Origins]) -> Iterable[str]:
    for some in origins:
        yield from some
