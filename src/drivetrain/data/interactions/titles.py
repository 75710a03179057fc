"""What items are called: titles by item, read from a table beside the ratings."""

from __future__ import annotations

import os
from collections.abc import Collection

from drivetrain.codecs.base import is_missing
from drivetrain.data.read.frame import Frame
from drivetrain.data.read.readers import read_frame
from drivetrain.data.read.textfile import csv_records, extension, find_separator, read_text
from drivetrain.errors import DataError
from drivetrain.values import as_text

NAMES = ("title", "name", "titel", "titre", "nombre", "label", "description")
"""What a column of titles is usually called; the first that there is."""
TYPED = (".jsonl", ".ndjson", ".parquet", ".pq")
ENOUGH = 0.5
"""A column that holds a smaller share of the items is not the one that names them."""
LONGEST = 200


def read_titles(path: str | os.PathLike[str], item: str, items: Collection[str]) -> dict[str, str]:
    """Item -> title, of the items there are. The column of items is the one of that name, else the one that holds most of
    them; that of titles is called so, else the one with most different texts. A file without a header will do.
    Raises DataError where neither is found."""
    known = {str(each) for each in items}
    frame = read_frame(path, header=_header(os.fspath(path), known))
    columns = {name: _texts(frame, name) for name in frame.columns}
    shares = {name: len(known & set(texts)) / len(known) for name, texts in columns.items()}
    who = item if shares.get(item, 0) >= ENOUGH else max(shares, key=shares.__getitem__)
    if shares[who] < ENOUGH:
        raise DataError(
            f"no column holds the items: {who!r} has {shares[who]:.0%} of them.", where=path,
            fix=f"Items are called {', '.join(sorted(known)[:5])}.",
        )  # fmt: skip
    others = {name: texts for name, texts in columns.items() if name != who}
    if not others:
        raise DataError("there is no column beside that of the items.", where=path, fix="Add one of titles.")
    named = [name for wish in NAMES for name in others if name.strip().lower() == wish]
    what = named[0] if named else max(others, key=lambda name: _telling(others[name]))
    pairs = zip(columns[who], others[what])
    return {key: title[:LONGEST] for key, title in pairs if key in known and title}


def _header(path: str, known: Collection[str]) -> list[str] | None:
    """Names for the columns of a text file whose first row holds an item already; None where it holds names."""
    if extension(path) in TYPED:
        return None
    text = read_text(path)
    first = next(csv_records(text, find_separator(text, path)))[2]
    begins = any(cell.strip() in known for cell in first)
    return [f"column {n}" for n in range(1, len(first) + 1)] if begins else None


def _texts(frame: Frame, name: str) -> list[str]:
    values = frame.column(name).values
    return ["" if is_missing(value) else as_text(value, name) for value in values]


def _telling(texts: list[str]) -> tuple[int, int]:
    """How many different texts with a letter there are, links left out."""
    said = {text for text in texts if any(sign.isalpha() for sign in text) and "://" not in text}
    return len(said), -max(map(len, said), default=0)
