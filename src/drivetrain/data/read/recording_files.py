"""Files of recordings, one for each: in class folders, or in one folder where a column says the label of each moment.

FOLDER/<class>/**/*.csv              the folder is the class
FOLDER/train/<class>/**/*.csv        and so for valid (val, validation) and test
FOLDER/**/*.csv                      where a column has the label
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from drivetrain.data.read.folders import CLASS_FOLDERS, SPLIT_FOLDERS, files_below, label_of
from drivetrain.data.read.frame import Frame
from drivetrain.data.read.readers import Missing, read_frame
from drivetrain.data.read.textfile import extension
from drivetrain.data.split import SYNONYMS
from drivetrain.data.table import shown
from drivetrain.errors import DataError, DrivetrainError, FileError

FORMS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq")
ARRANGE = "Put the recordings (.csv) into one folder per class, or name the column that has the label: --target label."
_FEW = 5


@dataclass(frozen=True, eq=False)
class Folder:
    """Frames by file name, the class and the part that the folders of each say ("" where they don't), and remarks."""

    frames: dict[str, Frame]
    labels: dict[str, str]
    parts: dict[str, str]
    layout: str
    notes: list[str]


def is_recording_file(path: str) -> bool:
    return extension(path) in FORMS


def recording_files(folder: str) -> list[str]:
    """The tables below a folder. Raises FileError where there is no folder, DataError where it holds none."""
    root = os.path.abspath(folder)
    if not os.path.exists(root):
        raise FileError("there is no such folder.", where=shown(folder), fix="Check the path.")
    found = [file for file in files_below(root) if is_recording_file(file)]
    if not found:
        raise DataError(
            f"there are no recordings ({', '.join(FORMS)}) in it.", where=shown(folder), fix=ARRANGE
        )
    return found


def read_folder(folder: str, by_folder: bool, missing: Missing = None) -> Folder:
    """The recordings below a folder, `by_folder` where its folders are the classes. Raises DataError for a file that can't be
    read: the recording of a person that is left out unseen may be the one that matters."""
    root = os.path.abspath(folder)
    found = recording_files(folder)
    placed = [(file, os.path.relpath(file, root).split(os.sep)[:-1]) for file in found]
    tops = {folders[0].lower() for _, folders in placed if folders}
    trains = {name for name, part in SYNONYMS.items() if part == "train"}
    depth = 1 if tops & trains and tops <= SYNONYMS.keys() else 0
    loose = [file for file, folders in placed if len(folders) < depth + by_folder]
    kept = [(file, folders) for file, folders in placed if len(folders) >= depth + by_folder]
    if not kept:
        raise DataError("its recordings are in no class folders.", where=shown(folder), fix=ARRANGE)
    notes = [f"left out, recordings in no class folder: {_some(loose, root)}"] if loose else []
    frames: dict[str, Frame] = {}
    for file, _ in kept:
        name = _name(file, root)
        try:
            frame = read_frame(file, name=name, missing=missing)
        except DrivetrainError as fault:
            fault.where = (
                fault.where if name in fault.where else f"{name}: {fault.where}" if fault.where else name
            )
            raise
        frames[name] = frame
    labels = {_name(file, root): label_of(folders[depth]) if by_folder else "" for file, folders in kept}
    parts = {_name(file, root): SYNONYMS[folders[0].lower()] if depth else "" for file, folders in kept}
    layout = (
        f"recordings in {SPLIT_FOLDERS if depth else CLASS_FOLDERS}" if by_folder or depth else "recordings"
    )
    return Folder(frames, labels, parts, layout, notes)


def _name(file: str, root: str) -> str:
    return shown(os.path.relpath(file, root)).replace(os.sep, "/")


def _some(files: Sequence[str], root: str) -> str:
    more = f" and {len(files) - _FEW:,} more" if len(files) > _FEW else ""
    return f"{len(files):,} ({', '.join(_name(file, root) for file in files[:_FEW])}{more})"
