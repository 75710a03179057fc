"""Rows that are there more than once: all columns alike, a picture byte for byte."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from drivetrain.codecs.base import distinct
from drivetrain.data.digest import as_bytes
from drivetrain.data.split import PARTS, ByColumn, Splitter
from drivetrain.data.table import Table
from drivetrain.types import Array


def row_codes(values: Array) -> Array:
    """A number (n,) uint64 for each row of a column, equal where values are."""
    if values.dtype.kind in "Mm":
        return values.astype(np.int64).view(np.uint64)
    if values.dtype.kind in "iufb":
        numbers = values.astype(np.float64) + 0.0  # Minus zero is zero.
        numbers[np.isnan(numbers)] = np.nan  # There is more than one pattern of bits for it.
        return numbers.view(np.uint64)
    if any(isinstance(value, list) for value in values[:1000]):
        values = np.array(
            [tuple(value) if isinstance(value, list) else value for value in values] + [None], object
        )[:-1]
    return distinct(values)[1].astype(np.uint64)


def row_hash(columns: Iterable[Array], count: int) -> Array:
    """64 bits for each of `count` rows of several columns of `row_codes`, by the mixing steps of splitmix64."""
    hashed = np.zeros(count, np.uint64)
    for column in columns:
        hashed += column
        hashed += np.uint64(0x9E3779B97F4A7C15)
        hashed = (hashed ^ (hashed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        hashed = (hashed ^ (hashed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        hashed ^= hashed >> np.uint64(31)
    return hashed


def without_copies(
    table: Table, columns: Sequence[str], splitter: Splitter, files: Sequence[str] = (), things: str = "rows"
) -> Table:
    """The table with each row once; how many are left out is noted.

    Rows are the same where all of these columns are, those of `files` where the bytes are. Where the data say which part a
    row is in, the row in test stays before one in valid, and that before one in train: what a model is measured on is the
    same with and without. Else the first stays.
    """
    codes = [row_codes(contents(table[name]) if name in files else table[name]) for name in columns]
    hashed = row_hash(codes, len(table))
    rank = np.zeros(len(table), np.int64)
    if isinstance(splitter, ByColumn):
        for place, name in enumerate(reversed(PARTS)):
            rank[splitter(table).parts()[name]] = place
    order = np.lexsort((rank, hashed))
    first = np.r_[True, hashed[order][1:] != hashed[order][:-1]]
    kept = np.sort(order[first])
    left_out = len(table) - len(kept)
    if not left_out:
        return replace(table, notes=(*table.notes, f"no two {things} are the same: nothing to drop"))
    are = "is an exact copy of another" if left_out == 1 else "are exact copies of others"
    told = f"{left_out:,} of {len(table):,} {things} {are} and left out"
    kept_table = table.take(kept)
    return replace(kept_table, notes=(*kept_table.notes, told))


def contents(values: Array) -> Array:
    """What each file holds, as a short text (n,): files of different sizes are not read. A file that can't be read is
    only the same as itself."""
    sizes = [_size(value) for value in values]
    often = Counter(sizes)
    found = np.empty(len(values), object)
    for row, (value, size) in enumerate(zip(values, sizes)):
        found[row] = _digest(value) if often[size] > 1 else f"{row}"
    return found


def _size(value: Any) -> int:
    if not isinstance(value, (str, os.PathLike)):
        return 0
    try:
        return os.stat(value).st_size
    except (OSError, ValueError):
        return -1


def _digest(value: Any) -> str:
    if not isinstance(value, (str, os.PathLike)):
        return hashlib.sha256(as_bytes(value)).hexdigest()
    try:
        if not os.path.isfile(value):  # A pipe would be waited for.
            return f"?{os.fspath(value)}"
        with open(value, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return f"?{os.fspath(value)}"
