"""The user's state folder, where what outlives a run is kept: `DRIVETRAIN_STATE`, else `XDG_STATE_HOME/drivetrain`,
`~/.local/state/drivetrain`, or on Windows `LOCALAPPDATA/drivetrain`."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def state_folder() -> Path:
    """Where what outlives a run is kept."""
    if given := os.environ.get("DRIVETRAIN_STATE"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "drivetrain"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "drivetrain"


def append_line(path: Path, line: str) -> None:
    """One line, in one write at the file's end: two processes don't mix theirs. After a line that was cut off it starts
    a new one. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
    try:
        size = os.fstat(handle).st_size
        if size:
            os.lseek(handle, size - 1, os.SEEK_SET)
            line = line if os.read(handle, 1) == b"\n" else f"\n{line}"
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)
