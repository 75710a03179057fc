"""Folders of texts, a file for each: class folders, or train/valid/test folders of these.

FOLDER/<class>/**/*.txt              the folder is the class
FOLDER/train/<class>/**/*.txt        and so for valid (val, validation) and test
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from drivetrain.codecs.image import EXTENSIONS
from drivetrain.data.read.folders import CLASS_FOLDERS, SPLIT_FOLDERS, files_below, label_of
from drivetrain.data.read.textfile import as_utf8, read_file
from drivetrain.data.split import SYNONYMS
from drivetrain.data.table import Table, as_column, shown
from drivetrain.errors import DataError, FileError

TEXT_FILE = ".txt"
SHOWN = 5
_MANY, _HARDLY = 1_000, 0.05
_ARRANGE = f"Put the texts ({TEXT_FILE}) into one folder per class."
_ENCODING = "Save it as a text in UTF-8."


def is_text_file(path: str) -> bool:
    return path.lower().endswith(TEXT_FILE)


def holds_texts(folder: str) -> bool:
    """Whether the folders in a folder hold mostly texts by their names, and hardly a picture."""
    texts = others = pictures = 0
    for place, _, files in os.walk(folder):
        for file in files:
            pictures += file.lower().endswith(EXTENSIONS)
            if place != folder and not file.startswith("."):
                texts += is_text_file(file)
                others += not is_text_file(file)
        if pictures > _MANY + texts:
            return False  # Before all of a large folder of pictures is walked through.
    return texts > others and pictures <= texts * _HARDLY


def read_text_file(path: str) -> tuple[str, str]:
    """The text of a file, and what was done to read it, or nothing. UTF-8 or UTF-16, else Windows-1252; an empty file is
    an empty text. Raises FileError and DataError."""
    place = shown(path)
    if os.path.isfile(path) and not os.path.getsize(path):
        return "", ""
    data, notes = as_utf8(read_file(path, text=True), place)
    if (zero := data.find(b"\0")) >= 0:
        raise DataError(f"this is no text: byte {zero + 1:,} is NUL.", where=place, fix=_ENCODING)
    return data.decode("utf-8"), "; ".join(notes)


@dataclass(frozen=True, eq=False)
class TextFolder:
    """The texts of a folder: columns `text`, `label` and, where the folders say it, `split`. `unread` tells of each file
    that is no text, and is in no row."""

    table: Table
    unread: Sequence[str]


def text_folder(path: str | os.PathLike[str]) -> TextFolder:
    """The texts below `path`. What was left out, is empty, or is read in another encoding is in `table.notes`, by file.
    Raises FileError where there is no such folder, DataError where it holds no texts in class folders."""
    root = os.path.abspath(os.fspath(path))
    if not os.path.exists(root):
        raise FileError("there is no such folder.", where=shown(path), fix="Check the path.")
    files = files_below(root)
    found = [file for file in files if is_text_file(file)]
    placed = [(file, os.path.relpath(file, root).split(os.sep)[:-1]) for file in found]
    tops = {folders[0] for _, folders in placed if folders}
    by_part = {top.lower() for top in tops} & {name for name, part in SYNONYMS.items() if part == "train"}
    depth = 2 if by_part and all(top.lower() in SYNONYMS for top in tops) else 1
    texts: list[str] = []
    labels: list[str] = []
    parts: list[str] = []
    origins: list[str] = []
    unread: list[str] = []
    empty: list[str] = []
    coded: list[str] = []
    loose = 0
    for file, folders in placed:
        if len(folders) < depth:
            loose += 1
            continue
        name = shown(os.path.relpath(file, root))
        try:
            text, note = read_text_file(file)
        except (DataError, FileError) as fault:
            unread.append(f"{name}: {fault.error}")
            continue
        empty += [name] if not text.strip() else []
        coded += [f"{name}: {note}"] if note else []
        texts.append(text)
        labels.append(label_of(folders[depth - 1]))
        parts.append(SYNONYMS[folders[0].lower()] if depth == 2 else "")
        origins.append(shown(file))
    if not texts:
        lack = "no texts in class folders" if found else f"no texts ({TEXT_FILE}) in the folder"
        more = f"; {_some(unread)}" if unread else ""
        raise DataError(f"there are {lack}{more}.", where=shown(path), fix=_ARRANGE)
    others = len(files) - len(found)
    notes = [
        *([f"left out, texts in no class folder: {loose:,}"] if loose else []),
        *([f"left out, no texts by name ({TEXT_FILE}): {others:,}"] if others else []),
        *([f"left out, files that are no text: {_some(unread)}"] if unread else []),
        *([f"empty texts: {_some(empty)}"] if empty else []),
        *([f"in another encoding: {_some(coded)}"] if coded else []),
    ]
    columns = {"text": as_column(texts), "label": as_column(labels)}
    columns |= {"split": as_column(parts)} if depth == 2 else {}
    table = Table(
        columns, as_column(origins), name=shown(os.path.basename(root) or root), source=shown(root),
        layout=f"texts in {SPLIT_FOLDERS if depth == 2 else CLASS_FOLDERS}", notes=tuple(notes),
    )  # fmt: skip
    return TextFolder(table, unread)


def _some(told: Sequence[str]) -> str:
    more = f" and {len(told) - SHOWN:,} more" if len(told) > SHOWN else ""
    return f"{len(told):,} ({'; '.join(told[:SHOWN])}{more})"
