"""The kinds of files that a folder may hold, a class in each of its folders: what they are called, and how they are known."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from drivetrain.codecs.image import EXTENSIONS
from drivetrain.sound import file as sound_file

_HEAD = 12


@dataclass(frozen=True)
class FileKind:
    """`column` is what the column of their paths is called, `extensions` what is named to people; `begins` tells one that is called
    otherwise by its first bytes (None: any file is one), `or_else` is what else there is to do with files that have no labels."""

    column: str
    one: str
    extensions: tuple[str, ...]
    begins: Callable[[bytes], bool] | None
    or_else: str = ""

    def is_one(self, path: str) -> bool:
        """Whether a file is called like one, or begins like one that can be read: `.jfif`, or no extension at all."""
        if path.lower().endswith(self.extensions):
            return True
        if not os.path.isfile(path):  # A pipe would hang.
            return False
        return self.begins is None or self.begins(_head(path))

    @property
    def things(self) -> str:
        return f"{self.one}s"

    @property
    def arrange(self) -> str:
        """What to do with files that have no labels."""
        return f"Put the {self.things} into one folder per class, or beside a CSV of file and label{self.or_else}."


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as handle:
            return handle.read(_HEAD)
    except OSError:
        return b""


def _is_picture(head: bytes) -> bool:
    return (
        head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"))
        or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")
        or (head.startswith(b"BM") and head[6:10] == bytes(4))
    )


def _is_sound(head: bytes) -> bool:
    """MP3 is one by its name alone, for two bytes say little."""
    return sound_file.form_of(head) not in ("", "MP3")


PICTURES = FileKind("image", "picture", EXTENSIONS, _is_picture)
SOUNDS = FileKind(
    "audio",
    "sound",
    sound_file.EXTENSIONS,
    _is_sound,
    ", or say how their names tell the class: --name-pattern '([a-z]+)_'",
)
FILES = FileKind("file", "file", (), None)
"""Of any kind."""
