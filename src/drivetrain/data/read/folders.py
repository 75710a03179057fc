"""Sources: from a folder of pictures to a table of files and labels, saying how the folder was understood.

class folders              FOLDER/<class>/**/*.jpg
train/valid/test folders   FOLDER/train/<class>/*, and so for valid (val, validation) and test
CSV of file and label      FOLDER/labels.csv or .tsv, the pictures anywhere in FOLDER (see `labels.py`)
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from drivetrain.codecs.image import EXTENSIONS
from drivetrain.data.read.labels import is_table_file, label_pictures, read_labels
from drivetrain.data.read.picture_files import is_picture
from drivetrain.data.split import PARTS, SYNONYMS
from drivetrain.data.table import Table, as_column, from_columns, shown
from drivetrain.errors import DataError, FileError, UsageError, nearest
from drivetrain.files import file_error

__all__ = [
    "LAYOUTS",
    "files_below",
    "from_columns",
    "image_files",
    "image_folder",
    "parent_folder",
    "picture_files",
]

CLASS_FOLDERS, SPLIT_FOLDERS, CSV = LAYOUTS = (
    "class folders",
    "train/valid/test folders",
    "CSV of file and label",
)
_SKIPPED = ("__macosx", "thumbs.db", "desktop.ini", "@eadir")
_ARRANGE = "Put the pictures into one folder per class, or beside a CSV of file and label."


def image_folder(path: str | os.PathLike[str], layout: str | None = None) -> Table:
    """The pictures below `path`: columns `image` (str paths), `label` (str) and, where there is one, `split`; of a CSV
    the others too.

    `layout` is one of LAYOUTS; None looks which it is, and `table.layout` says what was found. What was left
    out is in `table.notes`. A CSV row whose file is missing, or whose label is empty, is kept for `check`.
    Raises FileError where there is no such folder, DataError where it holds no labelled pictures, UsageError
    for an unknown layout.
    """
    if layout is not None and layout not in LAYOUTS:
        raise UsageError(
            f"there is no layout {layout!r}.",
            fix=nearest(layout, LAYOUTS) or f"There are: {'; '.join(LAYOUTS)}.",
        )
    root = os.path.abspath(os.fspath(path))
    if not os.path.exists(root):
        raise FileError("there is no such folder.", where=shown(path), fix="Check the path.")
    if not os.path.isdir(root):
        raise FileError(
            "this is a file, not a folder.",
            where=shown(path),
            fix=f"Name the folder that holds it. {_ARRANGE}",
        )
    tree = _Tree(root)
    layout = layout or tree.layout()
    if layout == CSV:
        found = read_labels(root, tree.tables, image_files(root))
        notes = [*tree.notes(layout), *found.notes]
        return _table(
            root, layout, found.images, found.labels, found.splits, found.origins, notes, found.others
        )
    images, labels, splits, notes = [], [], [], tree.notes(layout)
    for part, folder in tree.split_folders().items() if layout == SPLIT_FOLDERS else [("", root)]:
        for label, files in tree.classes(folder, notes):
            images += files
            labels += [label] * len(files)
            splits += [part] * len(files)
    if not images:
        raise DataError(f"no pictures in {layout}.", where=shown(path), fix=_ARRANGE)
    return _table(root, layout, images, labels, splits if layout == SPLIT_FOLDERS else None, images, notes)


def image_files(path: str | os.PathLike[str]) -> list[str]:
    """Every picture below `path`, by name or content, sorted; what is hidden is skipped. Raises FileError."""
    return picture_files(path)[0]


def picture_files(path: str | os.PathLike[str]) -> tuple[list[str], list[str]]:
    """The pictures below `path`, and the other files: each sorted, what is hidden skipped. Raises FileError."""
    pictures: list[str] = []
    others: list[str] = []
    for file in files_below(path):
        (pictures if is_picture(file) else others).append(file)
    return pictures, others


def files_below(path: str | os.PathLike[str]) -> list[str]:
    """Every file below `path`, sorted; what is hidden is skipped. Raises FileError."""
    root = os.fspath(path)
    if os.path.isfile(root):
        raise FileError(
            "this is a file, not a folder.", where=shown(root), fix="Name the folder that holds it."
        )
    return list(_walk(root))


def parent_folder(path: str | os.PathLike[str]) -> str:
    """The name of the folder that a file is in: the label of a picture in class folders."""
    return label_of(os.path.basename(os.path.dirname(os.path.abspath(os.fspath(path)))))


def _table(
    root: str,
    layout: str,
    images: list[str],
    labels: list[str],
    splits: list[str] | None,
    origins: list[str],
    notes: list[str],
    others: Mapping[str, list[str]] | None = None,
) -> Table:
    columns = {name: as_column(values) for name, values in (others or {}).items()}
    columns |= {"image": as_column(images), "label": as_column(labels)}
    if splits is not None:
        columns["split"] = as_column(splits)
    told = as_column(origins if all(map(str.isascii, origins)) else [shown(origin) for origin in origins])
    return Table(
        columns,
        told,
        name=shown(Path(root).name or root),
        source=shown(root),
        layout=layout,
        notes=tuple(notes),
    )


class _Tree:
    """The top of a folder, looked at once: its folders, pictures and tables."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.reached = {_identity(root)}
        entries = _entries(root)
        self.folders = {entry.name: entry.path for entry in entries if _is_folder(entry)}
        files = [entry for entry in entries if entry.name not in self.folders]
        self.pictures = [entry.path for entry in files if is_picture(entry.path)]
        self.tables = [entry.path for entry in files if is_table_file(entry.name)]

    def fault(self, error: str, fix: str = _ARRANGE) -> DataError:
        return DataError(error, where=shown(self.root), fix=fix)

    def split_folders(self) -> dict[str, str]:
        """Part of the split -> its folder. Raises DataError when a part has two folders, or train none."""
        parts: dict[str, str] = {}
        for name, folder in self.folders.items():
            part = SYNONYMS.get(name.lower())
            if part in parts:
                raise self.fault(
                    f"there is more than one folder for the {part} part: {shown(name)}/.", "Keep one."
                )
            if part:
                parts[part] = folder
        if "train" not in parts:
            raise self.fault("there is no folder train/.")
        return {part: parts[part] for part in PARTS if part in parts}

    def layout(self) -> str:
        """Which layout this is. Raises DataError when it is none."""
        parts = [name for name in self.folders if name.lower() in SYNONYMS]
        only_parts = len(parts) == len(self.folders)
        trains = [self.folders[name] for name in parts if SYNONYMS[name.lower()] == "train"]
        if any(map(_holds_class_folders, trains)) and (len(parts) > 1 or only_parts):
            return SPLIT_FOLDERS
        holders = [folder for folder in self.folders.values() if _holds_pictures(folder)]
        class_folders = len(holders) > 1 and not only_parts
        if self.tables and (not class_folders or label_pictures(self.root, self.tables, self.pictures)):
            return CSV
        if not holders and not self.pictures:
            raise self.fault(
                "there are no pictures in the folder.", f"Readable are {', '.join(EXTENSIONS)}. {_ARRANGE}"
            )
        if not holders:
            raise self.fault("the pictures have no labels: there are no class folders and no CSV.")
        if len(holders) == 1 and sum(map(_holds_pictures, _folders(holders[0]))) > 1:
            name = shown(os.path.basename(holders[0]))
            raise self.fault(
                f"{name!r} is the only folder with pictures, and they lie in folders of its own.",
                f"Give {shown(holders[0])!r} where those are the classes. To learn a class takes a second one.",
            )
        if trains and only_parts:
            raise self.fault(f"{shown(os.path.basename(trains[0]))}/ holds no class folders.")
        return CLASS_FOLDERS

    def classes(self, folder: str, notes: list[str]) -> Iterator[tuple[str, list[str]]]:
        """Label and pictures of each class folder in `folder`; what is left out is added to `notes`."""
        loose = 0
        first: dict[str, str] = {}
        for entry in _entries(folder):
            place = f"{shown(os.path.relpath(entry.path, self.root))}/"
            if not _is_folder(entry):
                loose += is_picture(entry.path)
            elif not _enter(entry, self.reached):
                notes.append(f"{place} is a link to a folder that was read already: left out")
            else:
                files = list(_walk(entry.path, self.reached))
                pictures = [file for file in files if is_picture(file)]
                if not pictures:
                    notes.append(f"{place} holds no pictures: it is no class")
                elif len(files) > len(pictures):
                    notes.append(
                        f"{place}: left out, no pictures by name or content: {len(files) - len(pictures):,}"
                    )
                label = label_of(entry.name)
                if first.setdefault(label, place) != place:
                    notes.append(f"{first[label]!r} and {place!r} are one class: {label!r}")
                yield label, pictures
        if loose:
            place = "the top folder" if folder == self.root else f"{shown(os.path.basename(folder))}/"
            notes.append(f"{place}: left out, pictures in no class folder: {loose:,}")

    def notes(self, layout: str) -> list[str]:
        """What lies at the top and is not used in this layout."""
        unused = [shown(os.path.basename(table)) for table in self.tables] if layout != CSV else []
        if layout == SPLIT_FOLDERS:
            unused += [f"{shown(name)}/" for name in self.folders if name.lower() not in SYNONYMS]
        return [f"not used: {', '.join(unused)}"] if unused else []


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What a folder holds, sorted by name, hidden and system entries skipped. Raises FileError."""
    try:
        with os.scandir(folder) as scan:
            found = [entry for entry in scan if entry.name[0] != "." and entry.name.lower() not in _SKIPPED]
    except OSError as fault:
        raise file_error(fault, shown(folder)) from fault
    found.sort(key=lambda entry: entry.name)
    return found


def _enter(entry: os.DirEntry[str], reached: set[tuple[int, int]]) -> bool:
    """True where a folder is to be read: not where a link leads to one reached before. So loops end."""
    identity = _identity(entry.path)
    if identity in reached and entry.is_symlink():
        return False
    reached.add(identity)
    return True


def _walk(folder: str, reached: set[tuple[int, int]] | None = None) -> Iterator[str]:
    """Every file below `folder`, sorted within each folder, a folder's files before its folders."""
    reached = {_identity(folder)} if reached is None else reached
    waiting = [_entries(folder)]
    while waiting:
        entries = waiting.pop()
        folders = [entry for entry in entries if _is_folder(entry)]
        inside = {entry.name for entry in folders}
        yield from (entry.path for entry in entries if entry.name not in inside)
        waiting += [_entries(entry.path) for entry in reversed(folders) if _enter(entry, reached)]


def _holds_pictures(folder: str) -> bool:
    return any(is_picture(file) for file in _walk(folder))


def _holds_class_folders(folder: str) -> bool:
    return any(map(_holds_pictures, _folders(folder)))


def _folders(folder: str) -> list[str]:
    return [entry.path for entry in _entries(folder) if _is_folder(entry)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link that leads in a circle.
        return False


def _identity(folder: str) -> tuple[int, int]:
    try:
        status = os.stat(folder)
    except OSError as fault:
        raise file_error(fault, shown(folder)) from fault
    return status.st_dev, status.st_ino


def label_of(name: str) -> str:
    """The class that a folder's name means: the same name typed on two systems can differ in its code points (é as one or
    two) and in blanks around it."""
    return unicodedata.normalize("NFC", shown(name)).strip()
