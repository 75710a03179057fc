"""Files of lines, each a text or, parted by tabs, a row. A line ends with LF or CR LF, and with no other sign."""

from __future__ import annotations

import codecs
import os
from collections.abc import Sequence
from dataclasses import dataclass

from drivetrain.data.read.textfile import as_utf8, column_names, read_file
from drivetrain.data.table import shown
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.figures import counted

SHOWN = 5
"""Lines that are named of those left out."""
TABBED = (".tsv", ".tab", ".txt")


def read_lines(path: str, data: bytes | None = None) -> tuple[str, list[str | None], list[str]]:
    """A short name of a file of lines, or of `data` that came otherwise, its lines, stripped, and what was done to read it; None
    for a line that is no UTF-8. Raises FileError, DataError."""
    place = "standard input" if data is not None else shown(os.path.basename(path))
    lines, notes = lines_of(path, place, data)
    return place, [None if line is None else line.strip() for line in lines], notes


def lines_of(path: str, place: str, data: bytes | None = None) -> tuple[list[str | None], list[str]]:
    """A file's lines, None for one that is no UTF-8, and what was done to read it."""
    data = read_file(path, text=True) if data is None else data
    if not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        _refuse_nul(data, place)
    lines = _split(data)
    wrong = [at for at, line in enumerate(lines) if not line.isascii() and not _is_utf8(line)]
    letters = sum(not line.isascii() for line in lines)
    if wrong and 2 * len(wrong) < letters:
        broken = set(wrong)
        told = f"no UTF-8, and so no text: {places([at + 1 for at in wrong], 'line')}"
        read = [None if at in broken else line.decode("utf-8") for at, line in enumerate(lines)]
        return read, [told]
    data, notes = as_utf8(data, place)
    _refuse_nul(data, place)
    return [line.decode("utf-8") for line in _split(data)], notes


def _split(data: bytes) -> list[bytes]:
    """At ends of line alone: what else Python takes for one, such as U+2028, is inside of sentences."""
    if b"\n" not in data and b"\r" in data:
        data = data.replace(b"\r", b"\n")
    lines = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
    return lines[:-1] if not lines[-1] else lines


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _refuse_nul(data: bytes, place: str) -> None:
    """Raise DataError where a file has a NUL in it, with its line."""
    if (zero := data.find(b"\0")) >= 0:
        line = data.count(b"\n", 0, zero) + 1
        raise DataError(
            f"this is no text: byte {zero + 1:,} is NUL.", where=f"{place}, line {line:,}",
            fix="Take it out, or save the file as text in UTF-8.",
        )  # fmt: skip


@dataclass(frozen=True)
class TabRows:
    """The lines of a tab-separated file that are not empty: their numbers, and their cells or what is wrong with them."""

    place: str
    names: list[str]
    cells: list[tuple[int, list[str] | DataError]]
    notes: list[str]

    def place_of(self, name: str) -> int:
        """Where a column is. Raises UsageError for one that isn't there."""
        if name not in self.names:
            known = f"The first line names {', '.join(text[:40] for text in self.names[:20])}"
            fix = (
                nearest(name, self.names) or f"{known}; write the names of the columns there if it does not."
            )
            raise UsageError(f"there is no column {name!r}.", where=self.place, fix=fix)
        return self.names.index(name)


def tab_rows(path: str, columns: Sequence[str]) -> TabRows:
    """A row in each line, whatever quotes are in it; the first names the columns. Raises UsageError where it names others than
    `columns`, FileError, DataError."""
    place = shown(os.path.basename(path))
    lines, notes = lines_of(path, place)
    if not lines or not lines[0]:
        raise DataError(
            "the first line is empty.", where=place, fix="Write the names of the columns into it, parted by a tab."
        )  # fmt: skip
    names, changed = column_names(lines[0].rstrip("\r").split("\t"), place)
    found = TabRows(place, names, [], notes + changed)
    for name in columns:
        found.place_of(name)
    blank: list[int] = []
    for number, line in enumerate(lines[1:], start=2):
        cells = [] if line is None else line.rstrip("\r").split("\t")
        if line is not None and not line.strip():
            blank.append(number)
            continue
        error = None
        if line is None:
            error = DataError(
                "this line is no UTF-8.", where=f"{place}, line {number:,}", fix="Save it as UTF-8."
            )
        elif len(cells) != len(names):
            error = DataError(
                f"this line has {counted(len(cells), 'cell', 'cells')} and the first has {len(names):,}.",
                where=f"{place}, line {number:,}",
                fix="Part the cells by one tab each, and leave none inside of a sentence.",
            )
        found.cells.append((number, error or cells))
    if blank:
        found.notes.append(f"left out, empty: {places(blank, 'line')}")
    return found


def places(numbers: Sequence[int], thing: str) -> str:
    """ "3 lines (4, 17, 20)" """
    told = ", ".join(f"{number:,}" for number in numbers[:SHOWN])
    more = f" and {len(numbers) - SHOWN:,} more" if len(numbers) > SHOWN else ""
    return f"{counted(len(numbers), thing, f'{thing}s')} ({told}{more})"
