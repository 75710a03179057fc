"""Files whose names say the class: recordings/7_theo_3.wav, and a pattern that finds the 7 and the speaker in it."""

from __future__ import annotations

import os
import re

from drivetrain.data.read.file_kinds import FileKind
from drivetrain.data.read.folders import files_of, label_of, table_of
from drivetrain.data.table import Table, shown
from drivetrain.errors import DataError, FileError, UsageError

SHOWN = 3
LABEL = "label"
FORM = (
    "Write a pattern with one pair of parentheses around the class, as '([0-9])_', or with names, which become columns to "
    "split by: '(?P<label>[0-9])_(?P<speaker>[a-z]+)_'."
)


def named_files(path: str | os.PathLike[str], kind: FileKind, pattern: str) -> Table:
    """The files of a kind below `path` whose path, with / between folders, the pattern is found in: columns as
    `labelled_folder` has them, and one for each further name in the pattern.

    Files that it is not found in are left out and counted. Raises UsageError for what is no such pattern, FileError where
    there is no such folder, DataError where it is found in no file.
    """
    searched = _compiled(pattern)
    root = os.path.abspath(os.fspath(path))
    if not os.path.isdir(root):
        raise FileError("there is no such folder.", where=shown(path), fix="Check the path.")
    files, others = files_of(root, kind)
    if not files:
        raise DataError(
            f"there are no {kind.things} in the folder.", where=shown(root),
            fix=f"Readable are {', '.join(kind.extensions)}.",
        )  # fmt: skip
    matches = [searched.search(os.path.relpath(file, root).replace(os.sep, "/")) for file in files]
    found = [(file, match) for file, match in zip(files, matches) if match and _label(match)]
    if not found:
        raise DataError(
            f"the pattern {pattern!r} is found in no name, such as {os.path.basename(files[0])!r}.",
            where=shown(root), fix=FORM,
        )  # fmt: skip
    without = [
        shown(os.path.basename(file)) for file, match in zip(files, matches) if not (match and _label(match))
    ]
    notes = [f"left out, no {kind.things} by name or content: {len(others):,}"] if others else []
    if without:
        more = f" and {len(without) - SHOWN:,} more" if len(without) > SHOWN else ""
        notes.append(f"left out, without the pattern in the name: {', '.join(without[:SHOWN])}{more}")
    paths = [file for file, _ in found]
    labels = [label_of(_label(match)) for _, match in found]
    beside = {
        name: [match.group(name) or "" for _, match in found] for name in searched.groupindex if name != LABEL
    }
    return table_of(root, "labels in the names", kind, paths, labels, None, paths, notes, beside)


def _label(match: re.Match[str]) -> str:
    """The class that a match says; empty where it says none."""
    return (match.group(LABEL) if LABEL in match.re.groupindex else match.group(1)) or ""


def _compiled(pattern: str) -> re.Pattern[str]:
    """Raises UsageError for what is no pattern, or doesn't say which part is the class."""
    try:
        found = re.compile(pattern)
    except (re.error, OverflowError) as fault:
        raise UsageError(f"{pattern!r} is no pattern: {fault}.", where="name_pattern", fix=FORM) from None
    names = found.groupindex
    if (LABEL not in names) if names else found.groups != 1:
        raise UsageError(f"{pattern!r} doesn't say which part is the class.", where="name_pattern", fix=FORM)
    if taken := [name for name in names if name in ("split", "image", "audio")]:
        raise UsageError(
            f"{taken[0]!r} is called so already.", where="name_pattern", fix="Name it otherwise."
        )
    return found
