"""Which files are pictures: by their names, and those without a picture's name by their first bytes."""

from __future__ import annotations

import os

from drivetrain.codecs.image import EXTENSIONS

_HEAD = 12


def is_picture(path: str) -> bool:
    """Whether a file is called like a picture, or begins like one that can be read: `.jfif`, or no extension at all."""
    return path.lower().endswith(EXTENSIONS) or _begins_like_one(path)


def _begins_like_one(path: str) -> bool:
    if not os.path.isfile(path):  # A pipe would hang.
        return False
    try:
        with open(path, "rb") as handle:
            head = handle.read(_HEAD)
    except OSError:
        return False
    return (
        head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"))
        or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")
        or (head.startswith(b"BM") and head[6:10] == bytes(4))
    )
