"""Text files as people have them: which encoding, which separator, which columns, and rows that are cut short.

`readers.py` (training, by polars) and `rows.py` (prediction, by the standard library) both read through this, so
that a file means the same to both. Rows count as in a spreadsheet: the first record of the file is row 1.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drivetrain.data.table import shown
from drivetrain.errors import DataError, FileError, nearest
from drivetrain.field_names import field_name
from drivetrain.files import file_error, open_regular
from drivetrain.limits import memory_budget, refuse_many_columns, refuse_too_large

SEPARATORS = ",;\t|"
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars (|)"}
_SAMPLE = 1 << 16
_PIECE = 1 << 24
TIMES = 10
"""A table takes about so many times its size in memory while it is read and looked at, measured: 9 to 37."""
_SEPARATOR_LINE = re.compile(rb'"?sep=([\t !#-/:-@|~^])"?\r?\n', re.IGNORECASE)
_KNOWN = (".csv", ".tsv", ".tab", ".txt", ".jsonl", ".ndjson", ".parquet", ".pq")
_OTHER = {
    b"PK\x03\x04": ("a ZIP archive, such as an Excel file", "Save the sheet as CSV."),
    b"\xd0\xcf\x11\xe0": ("an old Excel or Word file", "Save the sheet as CSV."),
    b"PAR1": ("a parquet file", "Name it .parquet."),
    b"ARROW1": ("an Arrow file", "Save it as parquet or CSV."),
    b"SQLite format 3\0": ("an SQLite database", "Give its URL, sqlite:///FILE, and a query."),
    b"%PDF": ("a PDF", "Save the table as CSV."),
}
_AS_TEXT = "Save it as plain text in UTF-8."
_UNICODE = (  # The longer marks first: that of UTF-32 begins as that of UTF-16 does.
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

csv.field_size_limit(1 << 26)  # The standard limit of 131,072 characters would refuse the text of a book.


@dataclass(frozen=True, eq=False)
class TextFile:
    """A file's text as UTF-8 without a mark in front, `place` its short name and `notes` what was done to it.

    `separator` is what parts the cells where the file says so: in a line like sep=; for Excel, which is not in `data`.
    """

    data: bytes
    place: str
    notes: tuple[str, ...] = ()
    separator: str = ""

    def lines(self) -> io.TextIOWrapper:
        """The text to read from, its ends of line as they are."""
        return io.TextIOWrapper(io.BytesIO(self.data), encoding="utf-8", newline="")


def extension(path: str) -> str:
    """The lower-case extension that says what a file is: that in front of .gz, where there is one."""
    name = os.path.basename(path).lower()
    return os.path.splitext(name.removesuffix(".gz"))[1]


def read_file(path: str, text: bool = False) -> bytes:
    """The bytes of a file, decompressed where it is gzip; of what is to be `text` and is not, some of them.

    Raises FileError for what is no regular file, DataError where it is empty, or there is not enough memory for it.
    """
    place = shown(path)
    if not os.path.exists(path):
        if os.path.islink(path):
            raise FileError(
                "this is a link to what is not there.", where=place, fix="Mend it, or take it out."
            )
        folder = os.path.dirname(path) or "."
        names = os.listdir(folder) if os.path.isdir(folder) else []
        fix = nearest(os.path.basename(path), names) or "Check the path."
        raise FileError("there is no such file.", where=place, fix=fix)
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        refuse_too_large(size * TIMES, f"reading {_gigabytes(size)} of a table", place)
        zipped = file.peek(2)[:2] == b"\x1f\x8b"
        try:
            data = _pieces(gzip.GzipFile(fileobj=file) if zipped else file, place, text)
        except (OSError, EOFError, zlib.error) as fault:
            if isinstance(fault, OSError) and fault.errno:
                raise file_error(fault, place) from fault
            raise DataError(
                f"the gzip file is damaged: {fault}.", where=place, fix="Copy it again."
            ) from fault
    if not data:
        raise DataError("the file is empty (0 bytes).", where=place, fix="Export or copy it again.")
    return data


def _pieces(stream: io.BufferedIOBase, place: str, text: bool) -> bytes:
    """All of a stream, which may hold far more than its file's size says: as long as there is memory for it."""
    data = io.BytesIO()
    most = memory_budget() // TIMES
    while piece := stream.read(_PIECE):
        if (
            text
            and not data.tell()
            and b"\0" in piece
            and not piece.startswith(tuple(mark for mark, _ in _UNICODE))
        ):
            return piece
        data.write(piece)
        if data.tell() > most:
            refuse_too_large(
                data.tell() * TIMES, f"reading more than {_gigabytes(data.tell())} of a table", place
            )
    return data.getvalue()


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2g} GB" if size > 5e7 else f"{size / 1e6:.2g} MB"


def read_text(path: str, table: bool = True) -> TextFile:
    """A text file in UTF-8 or UTF-16, else in Windows-1252 with a note. Raises FileError and DataError.

    Of a `table` a first line sep=; for Excel is not in what is given; any other text is given with all its lines.
    """
    data = read_file(path, text=True)
    place = shown(os.path.basename(path))
    for magic, (what, fix) in _OTHER.items():
        if data.startswith(magic):
            raise DataError(f"this is {what}, not text.", where=place, fix=fix if table else _AS_TEXT)
    data, notes = as_utf8(data, place)
    if (zero := data.find(b"\0")) >= 0:
        line = data.count(b"\n", 0, zero) + 1
        raise DataError(
            f"this is no text: byte {zero + 1:,} is NUL.",
            where=f"{place}, line {line}",
            fix="Save the table as CSV in UTF-8." if table else _AS_TEXT,
        )
    if b"\n" not in data and b"\r" in data:
        data = data.replace(b"\r", b"\n")
    if table and extension(path) not in _KNOWN:
        notes.append("read as text with a separator, for the name does not say what it is")
    data = data.rstrip(b"\r\n")
    if not data.strip():
        raise DataError("the file is empty.", where=place, fix="Export or copy it again.")
    if table and (told := _SEPARATOR_LINE.match(data)):
        return TextFile(data[told.end() :], place, tuple(notes), told[1].decode())
    return TextFile(data, place, tuple(notes))


def as_utf8(data: bytes, place: str) -> tuple[bytes, list[str]]:
    """A text's bytes as UTF-8 without a mark in front, and what was done to them. Raises DataError."""
    for mark, encoding in _UNICODE:
        if data.startswith(mark):
            if encoding == "utf-8-sig":
                data = data[len(mark) :]
                break
            try:
                return data.decode(encoding).encode("utf-8"), []
            except UnicodeError as fault:
                raise DataError(
                    f"this begins as {encoding.upper()} and is not: {fault}.",
                    where=place,
                    fix="Save it as UTF-8.",
                ) from fault
    bad = _first_not_utf8(data)
    if bad is None:
        return data, []
    try:
        text, name = data.decode("cp1252"), "Windows-1252"
    except UnicodeDecodeError:
        text, name = data.decode("latin-1"), "Latin-1"
    if "\0" in text:
        return data, []  # Binary: the caller says so.
    line = data.count(b"\n", 0, bad) + 1
    told = f"not UTF-8 in line {line:,}: read as {name}. Save it as UTF-8 if letters look wrong"
    return text.encode("utf-8"), [told]


def _first_not_utf8(data: bytes) -> int | None:
    """The first byte that is no UTF-8, block by block: a whole text of 4-byte characters would fill the memory."""
    if data.isascii():
        return None
    decoder = codecs.getincrementaldecoder("utf-8")()
    block = 1 << 24
    for start in range(0, len(data), block):
        try:
            decoder.decode(data[start : start + block], final=start + block >= len(data))
        except UnicodeDecodeError as fault:
            return max(0, start + fault.start)
    return None


def find_separator(text: TextFile, path: str = "") -> str:
    """Which of , ; tab | parts the cells: that which gives most of the first rows as many cells as the header,
    of equals the one that gives most cells, and the tab for .tsv or the comma where there is one column only.
    """
    if text.separator:
        return text.separator
    usual = "\t" if extension(path) in (".tsv", ".tab") else ","
    sample = text.data[:_SAMPLE].decode("utf-8", "ignore")
    cut = len(text.data) > _SAMPLE
    best = (0.0, 1, usual)
    for separator in (usual, *(other for other in SEPARATORS if other != usual)):
        rows: list[list[str]] = []
        try:
            rows += (
                cells for cells in csv.reader(io.StringIO(sample, newline=""), delimiter=separator) if cells
            )
        except csv.Error:
            continue
        rows = rows[:-1] if cut and len(rows) > 1 else rows
        width = len(rows[0]) if rows else 1
        if width > 1:
            alike = sum(len(cells) == width for cells in rows) / len(rows)
            best = max(best, (alike, width, separator), key=lambda found: found[:2])
    return best[2]


def csv_records(
    text: TextFile, separator: str, faults: list[tuple[int, DataError]] | None = None
) -> Iterator[tuple[int, int, list[str]]]:
    """(row, line, cells) of each record that is not blank; both count from 1, the line with the separator is
    no row, as in a spreadsheet. Raises DataError for wrong quotes.

    With `faults` a record that can't be read is added there, with its row, and the next line begins another; only quotes
    that never end are raised, since what follows them isn't known.
    """
    lines = text.lines()
    reader = csv.reader(lines, delimiter=separator, strict=True)
    first = 2 if text.separator else 1
    row, line = 0, first
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as fault:
            error = _unread(str(fault), _place(text.place, row + 1, line))
            if faults is None or "end of data" in str(fault):
                raise error from fault
            row += 1
            faults.append((row, error))
            line = reader.line_num + first
            continue
        if cells is None:
            return
        row += 1
        if cells and (
            len(cells) > 1 or not cells[0] or cells[0].strip()
        ):  # An empty cell alone is one in quotes.
            yield row, line, cells
        line = reader.line_num + first


def _unread(reason: str, where: str) -> DataError:
    if "field limit" in reason:
        most = csv.field_size_limit()
        return DataError(
            f"a cell is longer than {most:,} letters.", where=where, fix="Shorten it, or leave the row out."
        )
    return DataError(
        f"the quotes are wrong: {reason}.", where=where,
        fix='Put a cell that holds a quote in quotes, and write each quote in it twice: "".',
    )  # fmt: skip


def ragged(
    place: str, row: int, line: int, found: int, width: int, separator: str, others: int = 0
) -> DataError:
    """The error of a row that has more or fewer cells than the header."""
    more = f" So have {others:,} more rows." if others > 1 else " So has one more row." if others else ""
    return DataError(
        f"this row has {found:,} {'cell' if found == 1 else 'cells'} and the header has {width:,}.{more}",
        where=_place(place, row, line),
        fix=f"Quote cells that hold the separator {separator!r}, mend the row or leave it out.",
    )


def _place(place: str, row: int, line: int) -> str:
    return f"{place}, row {row}" + (f" (line {line})" if line != row else "")


def column_names(header: Sequence[object], place: str) -> tuple[list[str], list[str]]:
    """Names that a signature can have, from those of a file, and notes of what was changed.

    Surrounding space goes, what can't be shown becomes a space, and no name at all becomes column_N. Raises DataError
    where a name comes twice, or there are too many.
    """
    refuse_many_columns(len(header), place)
    names: list[str] = []
    notes: list[str] = []
    for number, given in enumerate(header, start=1):
        text = "" if given is None else str(given).strip()
        plain = field_name(given, number)
        if not text:
            notes.append(f"column {number} has no name: it is called {plain}")
        elif plain != text:
            notes.append(f"column {text[:60]!r} is called {plain[:60]!r} here")
        names.append(plain)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        where = " and ".join(str(number) for number, name in enumerate(names, start=1) if name == twice[0])
        others = f", and so come {', '.join(twice[1:])}" if len(twice) > 1 else ""
        raise DataError(
            f"the column {twice[0]!r} comes twice (columns {where}){others}.",
            where=f"{place}, row 1",
            fix="Give each column a name of its own.",
        )
    return names, notes
