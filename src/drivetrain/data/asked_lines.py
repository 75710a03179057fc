"""Texts that somebody gives a translator: a file of lines, each a text, standard input, or the columns of tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from drivetrain.codecs import Signature
from drivetrain.data.asked import Asked, ask_rows
from drivetrain.data.read.line_files import TABBED, places, read_lines, tab_rows
from drivetrain.data.read.rows import ROW_FILES
from drivetrain.data.read.textfile import extension
from drivetrain.errors import DataError, FileError, UsageError

STANDARD_INPUT = "-"
LINES = ".txt"
"""A file of such a name is one of lines here, whatever is in it."""


def ask_lines(inputs: Sequence[str], keep: Sequence[str], signature: Signature) -> Asked:
    """The lines of files, in their order, empty ones too; of tables the rows. Raises FileError, DataError and UsageError."""
    asked = Asked()
    (name,) = signature.inputs
    for given in inputs:
        table = extension(given) in ROW_FILES and extension(given) != LINES
        if keep and not table:
            raise UsageError("lines have no columns to keep.", where="--keep", fix="Leave it out.")
        if not table:
            _lines(given, name, asked)
        elif extension(given) in TABBED:
            asked.add(_tabs(given, keep, name))
        else:
            asked.add(ask_rows([given], keep, signature))
    if not asked.items:
        raise DataError("there are no lines in it.", where=inputs[0], fix="Write a text into each line.")
    return asked


def _lines(given: str, name: str, found: Asked) -> None:
    try:
        data = sys.stdin.buffer.read() if given == STANDARD_INPUT else None
        place, lines, notes = read_lines(given, data)
    except FileError as fault:
        if " " in given:
            fault.fix = "Texts come in a file, one in each line, or through a pipe: echo '...' | drivetrain predict BUNDLE -"
        raise
    found.notes += [f"{place}: {note}" for note in notes]
    empty = [number for number, line in enumerate(lines, start=1) if line == ""]
    if empty:
        found.notes.append(f"{place}: empty, and so is the answer: {places(empty, 'line')}")
    for number, line in enumerate(lines, start=1):
        origin = f"{place}, line {number}"
        found.origins.append(origin)
        wrong = DataError("this line is no UTF-8.", where=origin, fix="Save the file as UTF-8.")
        found.items.append(wrong if line is None else {name: line})


def _tabs(given: str, keep: Sequence[str], name: str) -> Asked:
    rows = tab_rows(given, [name])
    wanted = rows.names if list(keep) == ["all"] and "all" not in rows.names else list(keep)
    for column in wanted:
        rows.place_of(column)
    found = Asked(notes=list(rows.notes), kept={column: [] for column in wanted})
    for number, cells in rows.cells:
        origin = f"{rows.place}, row {number}"
        wrong = isinstance(cells, DataError)
        found.origins.append(origin)
        found.items.append(
            cells if isinstance(cells, DataError) else {name: cells[rows.place_of(name)].strip()}
        )
        for column in wanted:
            found.kept[column].append(None if wrong else cells[rows.place_of(column)])
    return found
