"""Files that are whole or absent, and JSON that means one thing.

A file is written to a temporary name beside its target, flushed to the disk and renamed, so that a crash,
a full disk or Ctrl-C leaves either the old file or the new one. What a process that was killed left under such a name
is removed by the next one that writes into that folder.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import re
import shutil
import stat
import sys
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from drivetrain.errors import DrivetrainError, FileError, UsageError

if sys.platform != "win32":
    import fcntl

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
    errno.ENXIO: ("this is not a regular file", "Name a file."),
}


def file_error(fault: OSError, where: object) -> FileError:
    """The operating system's refusal in words, with what to do."""
    error, fix = REASONS.get(fault.errno or 0, (fault.strerror or str(fault), ""))
    return FileError(error, where=where, fix=fix)


def refuse_others(path: Path) -> None:
    """Raises FileError for a file that is not the user's own, or that others may change: what it names is not imported."""
    try:
        status = path.stat()
    except OSError as fault:
        raise file_error(fault, path) from fault
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & stat.S_IWOTH):
        raise FileError(
            "this file is somebody else's, or anybody may change it: the functions that it names are not imported.",
            where=path, fix="Give the data again in Python: Learner.resume(run, data).",
        )  # fmt: skip


def refuse_special(path: str | os.PathLike[str]) -> None:
    """Raise FileError for no name at all, and for a device or a pipe: a file would take its place, on the whole machine."""
    if not os.path.basename(path):
        raise FileError("this names no file.", where=path, fix="Give the name of a file.")
    with suppress(OSError, ValueError):
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise FileError(
                "this is a device or a pipe, which a file would replace.", where=path, fix="Name a file."
            )


def refuse_taken(path: str | os.PathLike[str], force: bool) -> None:
    """Raise FileError for the name of a folder, and without `force` for that of anything that is there."""
    if os.path.isdir(path):
        raise FileError("this is a folder.", where=path, fix="Name a file that doesn't exist yet.")
    refuse_special(path)
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


def open_regular(path: str | os.PathLike[str], most: int | None = None) -> BufferedReader:
    """A file to read from, whoever made it, of at most `most` bytes. Raises FileError, also for what is no regular file:
    a pipe or a device may never end, and to open it may already wait for ever."""
    where = os.fspath(path)
    try:
        handle = os.open(where, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as fault:
        raise file_error(fault, where) from fault
    except ValueError as fault:  # A NUL, or half of a letter.
        raise FileError("this is not a path.", where=ascii(where)[1:200], fix="Check the path.") from fault
    status = os.fstat(handle)
    fault = None
    if stat.S_ISDIR(status.st_mode):
        fault = FileError("this is a folder, not a file.", where=where, fix="Name a file.")
    elif not stat.S_ISREG(status.st_mode):
        fault = FileError(
            "this is not a regular file.", where=where, fix="Name a file, not a pipe or a device."
        )
    elif most is not None and status.st_size > most:
        fault = FileError(f"the file is larger than {most >> 20} MB.", where=where, fix="Make it smaller.")
    if fault is not None:
        os.close(handle)
        raise fault
    return open(handle, "rb")


def read_toml(path: str | os.PathLike[str], most: int) -> dict[str, Any]:
    """What a TOML file of at most `most` bytes holds. Raises UsageError with the place, FileError."""
    import tomllib  # What answers reads none.

    with open_regular(path, most) as file:
        data = file.read()
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as fault:
        raise UsageError("it is not UTF-8.", where=path, fix="Save it as UTF-8.") from fault
    except (tomllib.TOMLDecodeError, RecursionError) as fault:
        raise UsageError(f"this is not TOML: {fault}.", where=path) from fault


TEMPORARY = re.compile(r"\..*\.drivetrain-[0-9a-f]{8}\.tmp", re.DOTALL)
"""The names under which files and folders are written before they are whole."""
ABANDONED_SECONDS = 86_400
"""What nobody has written to for so long was left by a process that was killed, where that can't be told by a lock."""


@contextmanager
def temporary_beside(path: Path, create: Callable[[Path], int]) -> Generator[tuple[Path, int], None, None]:
    """A new name beside `path`, and the open descriptor of what `create` made there: a file or a folder. What is still
    there at the end of the block is removed, and so is before it what killed processes left in that folder.

    The descriptor is locked as long as the block lasts, so that others can tell this one from what was left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path.parent)
    name = path.name if len(os.fsencode(path.name)) <= 200 else path.name[:50]
    while True:
        temporary = path.with_name(f".{name}.drivetrain-{uuid.uuid4().hex[:8]}.tmp")
        handle = create(temporary)
        # Another process may have taken it for abandoned between these two lines.
        if _lock(handle) is not False and temporary.exists():
            break
        os.close(handle)
    try:
        yield temporary, handle
    finally:
        with suppress(OSError):  # Closed by the block, as Windows needs it.
            os.close(handle)
        _remove(temporary)


def _lock(handle: int) -> bool | None:
    """True where what is open here is now this process's until it closes it or ends, however it ends; False where it is
    another's. None where there are no locks; Windows needs none, since nobody removes there what is open."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _remove_abandoned(folder: Path) -> None:
    with suppress(OSError):  # Of a folder that can't be listed, the caller will tell what matters.
        for entry in [entry for entry in os.scandir(folder) if TEMPORARY.fullmatch(entry.name)]:
            path = Path(entry.path)
            with suppress(OSError):  # Another process has removed it, or we may not.
                handle = os.open(
                    path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
                )
                try:
                    free = _lock(handle)
                    files = [path, *path.iterdir()] if path.is_dir() else [path]
                    newest = max(file.stat().st_mtime for file in files)
                    if free or (free is None and newest < time.time() - ABANDONED_SECONDS):
                        _remove(path)
                finally:
                    os.close(handle)


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


@contextmanager
def atomic_writer(path: str | os.PathLike[str]) -> Generator[BinaryIO, None, None]:
    """A binary file to write; it appears under `path`, complete, when the block ends without an error."""
    refuse_special(path)
    path = Path(path)
    try:
        with temporary_beside(path, _new_file) as (temporary, handle):
            with open(
                handle, "wb", closefd=sys.platform == "win32"
            ) as file:  # Windows renames nothing that is open.
                yield file
                file.flush()
                os.fsync(handle)
            os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as fault:
        raise file_error(fault, path) from fault


def _new_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`, all or nothing."""
    with atomic_writer(path) as handle:
        handle.write(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 to `path`, all or nothing. Of a file's name that is no UTF-8 the bytes are escaped."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


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


def sha256(data: bytes | memoryview) -> str:
    """The SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON text: keys in their order, UTF-8, and no NaN or Infinity, which are not JSON. What is no letter, as the bytes of
    a file's name may be, is escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


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
