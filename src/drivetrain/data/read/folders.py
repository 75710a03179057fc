"""Sources: from a folder of pictures, or of sounds, to a table of files and labels, saying how the folder was understood.

class folders              FOLDER/<class>/**/*.jpg
train/valid/test folders   FOLDER/train/<class>/*, and so for valid (val, validation) and test
CSV of file and label      FOLDER/labels.csv or .tsv, the files anywhere in FOLDER (see `labels.py`)
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from drivetrain.data.read.file_kinds import PICTURES, FileKind
from drivetrain.data.read.labels import is_table_file, names_files, read_labels
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
    "labelled_folder",
    "parent_folder",
    "picture_files",
]

CLASS_FOLDERS, SPLIT_FOLDERS, CSV = LAYOUTS = (
    "class folders",
    "train/valid/test folders",
    "CSV of file and label",
)
ENOUGH = 1_000
"""So many files more of something else, and a folder is taken for one of that."""
_SKIPPED = ("__macosx", "thumbs.db", "desktop.ini", "@eadir")


def image_folder(path: str | os.PathLike[str], layout: str | None = None) -> Table:
    """The pictures below `path`, as `labelled_folder` has them: columns `image`, `label`."""
    return labelled_folder(path, PICTURES, layout)


def labelled_folder(path: str | os.PathLike[str], kind: FileKind, layout: str | None = None) -> Table:
    """The files of a kind below `path`: columns `image` or what the kind calls it (str paths), `label` (str) and, where
    there is one, `split`; of a CSV the others too.

    `layout` is one of LAYOUTS; None looks which it is, and `table.layout` says what was found. What was left
    out is in `table.notes`. A CSV row whose file is missing, or whose label is empty, is kept for `check`.
    Raises FileError where there is no such folder, DataError where it holds no labelled files of the kind, UsageError
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
            fix=f"Name the folder that holds it. {kind.arrange}",
        )
    tree = _Tree(root, kind)
    layout = layout or tree.layout()
    if layout == CSV:
        found = read_labels(root, tree.tables, files_of(root, kind)[0], kind)
        notes = [*tree.notes(layout), *found.notes]
        return table_of(
            root, layout, kind, found.files, found.labels, found.splits, found.origins, notes, found.others
        )
    paths, labels, splits, notes = [], [], [], tree.notes(layout)
    for part, folder in tree.split_folders().items() if layout == SPLIT_FOLDERS else [("", root)]:
        for label, files in tree.classes(folder, notes):
            paths += files
            labels += [label] * len(files)
            splits += [part] * len(files)
    if not paths:
        raise DataError(f"no {kind.things} in {layout}.", where=shown(path), fix=kind.arrange)
    parts = splits if layout == SPLIT_FOLDERS else None
    return table_of(root, layout, kind, paths, labels, parts, paths, notes)


def labelled_table(path: str | os.PathLike[str], kind: FileKind) -> Table:
    """The same of a CSV or TSV of file and label, whose files lie in its folder or below."""
    table = os.path.abspath(os.fspath(path))
    if not os.path.isfile(table):
        raise FileError("there is no such file.", where=shown(path), fix="Check the path.")
    if not is_table_file(table):
        raise DataError("this is no CSV or TSV of file and label.", where=shown(path), fix=kind.arrange)
    root = os.path.dirname(table)
    found = read_labels(root, [table], files_of(root, kind)[0], kind)
    return table_of(
        root, CSV, kind, found.files, found.labels, found.splits, found.origins, found.notes, found.others
    )


def holds_mostly(folder: str, kind: FileKind) -> bool:
    """Whether most of the files in a folder and below are of a kind by their names; what is hidden is passed over."""
    found = others = 0
    for _, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "."]
        of_kind = sum(file.lower().endswith(kind.extensions) for file in files if file[0] != ".")
        found += of_kind
        others += sum(file[0] != "." for file in files) - of_kind
        if others > ENOUGH + found:
            return False  # Before all of a large folder of something else is walked through.
    return found > others


def image_files(path: str | os.PathLike[str]) -> list[str]:
    """Every picture below `path`, by name or content, sorted; what is hidden is skipped. Raises FileError."""
    return picture_files(path)[0]


def picture_files(path: str | os.PathLike[str]) -> tuple[list[str], list[str]]:
    """The pictures below `path`, and the other files: each sorted, what is hidden skipped. Raises FileError."""
    return files_of(path, PICTURES)


def files_of(path: str | os.PathLike[str], kind: FileKind) -> tuple[list[str], list[str]]:
    """The same of the files of any kind."""
    found: list[str] = []
    others: list[str] = []
    for file in files_below(path):
        (found if kind.is_one(file) else others).append(file)
    return found, others


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


def table_of(
    root: str,
    layout: str,
    kind: FileKind,
    paths: list[str],
    labels: list[str],
    splits: list[str] | None,
    origins: list[str],
    notes: list[str],
    others: Mapping[str, list[str]] | None = None,
) -> Table:
    """The table of these files, with `others` as further columns."""
    columns = {name: as_column(values) for name, values in (others or {}).items()}
    columns |= {kind.column: as_column(paths), "label": as_column(labels)}
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
    """The top of a folder, looked at once: its folders, files of the kind and tables."""

    def __init__(self, root: str, kind: FileKind) -> None:
        self.root, self.kind = root, kind
        self.reached = {_identity(root)}
        entries = _entries(root)
        self.folders = {entry.name: entry.path for entry in entries if _is_folder(entry)}
        files = [entry for entry in entries if entry.name not in self.folders]
        self.files = [entry.path for entry in files if kind.is_one(entry.path)]
        self.tables = [entry.path for entry in files if is_table_file(entry.name)]

    def fault(self, error: str, fix: str = "") -> DataError:
        return DataError(error, where=shown(self.root), fix=fix or self.kind.arrange)

    def holds_some(self, folder: str) -> bool:
        return any(self.kind.is_one(file) for file in _walk(folder))

    def holds_class_folders(self, folder: str) -> bool:
        return any(map(self.holds_some, _folders(folder)))

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
        things = self.kind.things
        parts = [name for name in self.folders if name.lower() in SYNONYMS]
        only_parts = len(parts) == len(self.folders)
        trains = [self.folders[name] for name in parts if SYNONYMS[name.lower()] == "train"]
        if any(map(self.holds_class_folders, trains)) and (len(parts) > 1 or only_parts):
            return SPLIT_FOLDERS
        holders = [folder for folder in self.folders.values() if self.holds_some(folder)]
        class_folders = len(holders) > 1 and not only_parts
        if self.tables and (not class_folders or names_files(self.root, self.tables, self.files, self.kind)):
            return CSV
        if not holders and not self.files:
            tables = any(is_table_file(file) for file in files_below(self.root))
            sensors = (
                " Of recordings of sensors in tables say --task sequence_classification." if tables else ""
            )
            raise self.fault(
                f"there are no {things} in the folder.",
                f"Readable are {', '.join(self.kind.extensions)}. {self.kind.arrange}{sensors}",
            )
        if not holders:
            raise self.fault(f"the {things} have no labels: there are no class folders and no CSV.")
        if len(holders) == 1 and sum(map(self.holds_some, _folders(holders[0]))) > 1:
            name = shown(os.path.basename(holders[0]))
            raise self.fault(
                f"{name!r} is the only folder with {things}, and they lie in folders of its own.",
                f"Give {shown(holders[0])!r} where those are the classes. To learn a class takes a second one.",
            )
        if trains and only_parts:
            raise self.fault(f"{shown(os.path.basename(trains[0]))}/ holds no class folders.")
        return CLASS_FOLDERS

    def classes(self, folder: str, notes: list[str]) -> Iterator[tuple[str, list[str]]]:
        """Label and files of each class folder in `folder`; what is left out is added to `notes`."""
        things, loose = self.kind.things, 0
        first: dict[str, str] = {}
        for entry in _entries(folder):
            place = f"{shown(os.path.relpath(entry.path, self.root))}/"
            if not _is_folder(entry):
                loose += self.kind.is_one(entry.path)
            elif not _enter(entry, self.reached):
                notes.append(f"{place} is a link to a folder that was read already: left out")
            else:
                files = list(_walk(entry.path, self.reached))
                found = [file for file in files if self.kind.is_one(file)]
                if not found:
                    notes.append(f"{place} holds no {things}: it is no class")
                elif len(files) > len(found):
                    notes.append(
                        f"{place}: left out, no {things} by name or content: {len(files) - len(found):,}"
                    )
                label = label_of(entry.name)
                if first.setdefault(label, place) != place:
                    notes.append(f"{first[label]!r} and {place!r} are one class: {label!r}")
                yield label, found
        if loose:
            place = "the top folder" if folder == self.root else f"{shown(os.path.basename(folder))}/"
            notes.append(f"{place}: left out, {things} in no class folder: {loose:,}")

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
