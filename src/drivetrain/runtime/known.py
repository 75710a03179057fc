"""Which bundles this machine knows: those that were made here, and those that a child process has verified here.

A line for each in `bundles.txt` in the user's state folder (see `state_folder.py`): the bundle hash, and `made` or the
version of onnxruntime that verified it. Nobody but the user can write there; who can may do worse.
"""

from __future__ import annotations

import os

from drivetrain.state_folder import append_line, state_folder

FILE = "bundles.txt"
MOST_BYTES = 2**22
"""Of the list, its end: 40,000 bundles."""
MADE = "made"


def is_known(hash: str, runtime: str) -> bool:
    """Whether a bundle was made here, or verified by this version of the runtime."""
    wanted = {f"{hash} {MADE}".encode(), f"{hash} {runtime}".encode()}
    try:
        with open(state_folder() / FILE, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - MOST_BYTES))
            return not wanted.isdisjoint(file.read(MOST_BYTES).splitlines())
    except OSError:
        return False


def remember(hash: str, how: str) -> None:
    """Note a bundle. A state folder that can't be written costs the next opening its time, and is no failure."""
    try:
        append_line(state_folder() / FILE, f"{hash} {how}")
    except OSError:
        return
