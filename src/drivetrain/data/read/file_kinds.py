"""The kinds of files that a folder may hold, a class in each of its folders: what they are called, and how they are known."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from drivetrain.codecs.image import EXTENSIONS
from drivetrain.data.read.picture_files import is_picture
from drivetrain.data.read.sound_files import is_sound
from drivetrain.sound import file as sound_file


@dataclass(frozen=True)
class FileKind:
    """`column` is what the column of their paths is called, `extensions` what is named to people; `is_one` tells by name or
    by the first bytes, `or_else` is what else there is to do with files that have no labels."""

    column: str
    one: str
    extensions: tuple[str, ...]
    is_one: Callable[[str], bool]
    or_else: str = ""

    @property
    def things(self) -> str:
        return f"{self.one}s"

    @property
    def arrange(self) -> str:
        """What to do with files that have no labels."""
        return f"Put the {self.things} into one folder per class, or beside a CSV of file and label{self.or_else}."


PICTURES = FileKind("image", "picture", EXTENSIONS, is_picture)
SOUNDS = FileKind(
    "audio",
    "sound",
    sound_file.EXTENSIONS,
    is_sound,
    ", or say how their names tell the class: --name-pattern '([a-z]+)_'",
)
FILES = FileKind("file", "file", (), os.path.isfile)
"""Of any kind."""
