"""Which files are sounds: by their names, and those without a sound's name by their first bytes."""

from __future__ import annotations

import os

from drivetrain.sound.file import EXTENSIONS, form_of

_HEAD = 12


def is_sound(path: str) -> bool:
    """Whether a file is called like a sound, or begins like one that can be read; MP3 by its name alone, for two bytes say
    little."""
    return path.lower().endswith(EXTENSIONS) or _begins_like_one(path)


def _begins_like_one(path: str) -> bool:
    if not os.path.isfile(path):  # A pipe would hang.
        return False
    try:
        with open(path, "rb") as handle:
            head = handle.read(_HEAD)
    except OSError:
        return False
    return form_of(head) not in ("", "MP3")
