"""What models, labels, versions and addresses may look like."""

from __future__ import annotations

import os
import re

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""What a model or a label may be called: the same in a path, a URL, a file's name and a metric."""
MOST_VERSION = 2**63 - 1
_VERSION = re.compile(r"0|[1-9][0-9]{0,18}")
BUNDLE = ".bundle"
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")


def is_version(text: str) -> bool:
    """Whether a text is a whole number that a version can have, written in the one way: no sign, no zero before it."""
    return _VERSION.fullmatch(text) is not None and int(text) <= MOST_VERSION


def is_url(path: str) -> bool:
    """Whether this is an address, such as s3://bucket/models: a scheme of two letters or more, so that C:// is none."""
    return _URL.match(path) is not None


def name_of(path: str) -> str:
    """What a model is called that is a file or folder by itself: the last part of its path, made safe."""
    last = path.rstrip("/\\").replace("\\", "/").rpartition("/")[2].removesuffix(BUNDLE)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", last).lstrip("._-")[:128] or "model"


def place_of(path: str) -> tuple[str, int]:
    """The name and version of the one bundle at an absolute path: of MODELS/NAME/VERSION.bundle and of what lies in
    MODELS/NAME/VERSION/ these, else the last part and 1."""
    parts = path.removesuffix(BUNDLE).split(os.sep)
    for place in range(len(parts) - 1, max(0, len(parts) - 3), -1):
        if is_version(parts[place]) and SAFE_NAME.fullmatch(parts[place - 1]):
            return parts[place - 1], int(parts[place])
    return name_of(parts[-1]), 1
