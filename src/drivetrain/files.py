"""Files that are whole or absent, and JSON that means one thing.

A file is written to a temporary name beside its target, flushed to the disk and renamed, so that a crash,
a full disk or Ctrl-C leaves either the old file or the new one.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import re
import uuid
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from drivetrain.errors import DrivetrainError, FileError

REASONS = {
    errno.ENOSPC: ("no space left on the device", "Free some space or choose another folder."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space or choose another folder."),
    errno.EFBIG: (
        "a file so large is not allowed here",
        "Choose a folder on another disk, or raise the limit that `ulimit -f` shows.",
    ),
    errno.EROFS: ("the file system is read-only", "Choose a folder that you may write to."),
    errno.EACCES: (
        "permission denied",
        "Choose a folder that you may read and write, or change its permissions.",
    ),
    errno.EPERM: (
        "permission denied",
        "Choose a folder that you may read and write, or change its permissions.",
    ),
    errno.ENOENT: ("no such file or folder", "Check the path."),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "Check the path."),
    errno.EISDIR: ("this is a folder, not a file", "Name a file."),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter name."),
}


def file_error(fault: OSError, where: object) -> FileError:
    """The operating system's refusal in words, with what to do."""
    error, fix = REASONS.get(fault.errno or 0, (fault.strerror or str(fault), ""))
    return FileError(error, where=where, fix=fix)


def refuse_taken(path: str | os.PathLike[str], force: bool) -> None:
    """Raise FileError for the name of a folder, and without `force` for that of anything that is there."""
    if os.path.isdir(path):
        raise FileError("this is a folder.", where=path, fix="Name a file that doesn't exist yet.")
    if os.path.lexists(path) and not force:
        raise FileError(
            "this exists already.", where=path, fix="Choose another name, or replace it with --force."
        )


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def atomic_writer(path: str | os.PathLike[str]) -> Generator[BinaryIO, None, None]:
    """A binary file to write; it appears under `path`, complete, when the block ends without an error."""
    path = Path(path)
    temporary = path.with_name(f".{path.name[:200]}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as fault:
        raise file_error(fault, path) from fault
    finally:
        temporary.unlink(missing_ok=True) if temporary.parent.is_dir() else None


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`, all or nothing."""
    with atomic_writer(path) as handle:
        handle.write(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 to `path`, all or nothing."""
    write_bytes(path, text.encode())


_FIGURE = r"[+-]?[0-9][0-9.,' ]*(?:[eE][+-]?[0-9]+)?\s?%?"
_NUMBER = re.compile(rf"{_FIGURE}(?:\s?\({_FIGURE}\sto\s{_FIGURE}\))?")
"""A number as it is written, also with its interval: -0.5 (-1.2 to 0.2)."""
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet takes for the start of a formula, and the wide forms that it takes for the same."""


def formula_safe(text: str) -> str:
    """The text, behind an apostrophe where a spreadsheet would take it for a formula; numbers stay as they are.

    OWASP, "CSV Injection": a cell that begins with = + - @, tab or line end could run something when it is opened.
    """
    begins = text[:1] in _FORMULA or text.lstrip()[:1] in _FORMULA if text else False
    return f"'{text}" if begins and text != "-" and not _NUMBER.fullmatch(text) else text


def write_csv(
    path: str | os.PathLike[str], columns: Sequence[str], rows: Iterable[Sequence[str | float | None]]
) -> None:
    """Write a table as CSV in UTF-8, all or nothing: texts in quotes and `formula_safe`, None an empty cell."""
    with atomic_writer(path) as handle:
        text = io.TextIOWrapper(handle, "utf-8", newline="")
        writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow([formula_safe(name) for name in columns])
        for row in rows:
            writer.writerow([formula_safe(cell) if isinstance(cell, str) else cell for cell in row])
        text.flush()
        text.detach()


def sha256(data: bytes) -> str:
    """The SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON text: keys in their order, UTF-8, and no NaN or Infinity, which are not JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)


def from_json(text: str | bytes, *, where: object = "") -> Any:
    """Parse JSON strictly: NaN, Infinity, numbers beyond float64 and repeated keys are refused.

    Raises DrivetrainError naming `where`.
    """

    def refuse_constant(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    def finite(number: str) -> float:
        value = float(number)
        if value in (float("inf"), float("-inf")):
            raise ValueError(f"the number {number:.40} is out of range")
        return value

    def whole(number: str) -> int:
        if len(number) > 308:  # Shorter ones are within float64; int knows no end.
            finite(number)
        return int(number)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ValueError("a key appears twice")
        return result

    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        return json.loads(
            text,
            parse_constant=refuse_constant,
            parse_float=finite,
            parse_int=whole,
            object_pairs_hook=unique,
        )
    except (ValueError, RecursionError) as fault:
        raise DrivetrainError(f"not valid JSON: {fault}", where=where) from fault
