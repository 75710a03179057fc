"""Which files are sounds: by their names, and those without a sound's name by their first bytes."""

from __future__ import annotations

import os

SOUND_EXTENSIONS = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".au")
_HEAD = 12


def is_sound(path: str) -> bool:
    """Whether a file is called like a sound, or begins like one that can be read."""
    return path.lower().endswith(SOUND_EXTENSIONS) or _begins_like_one(path)


def _begins_like_one(path: str) -> bool:
    if not os.path.isfile(path):  # A pipe would hang.
        return False
    try:
        with open(path, "rb") as handle:
            head = handle.read(_HEAD)
    except OSError:
        return False
    return (
        (head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE")
        or head.startswith((b"fLaC", b"OggS", b"ID3", b".snd"))
        or (head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"))
    )
