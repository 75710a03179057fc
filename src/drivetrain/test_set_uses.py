"""How often a test set has been opened, and by how many models: one that chooses between models is no test any more.

Each `evaluate` writes a line into `openings.jsonl` in the user's state folder. It holds hashes and figures, no data.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from drivetrain.errors import DrivetrainError
from drivetrain.files import file_error, from_json, to_json
from drivetrain.state_folder import append_line, state_folder

FILE = "openings.jsonl"
FEW = 2
"""Up to so many models a test set stays without a note."""


@dataclass(frozen=True)
class Opened:
    """A test set was opened `times`, by so many different `models`; `note` is for a person, "" where all is well."""

    times: int
    models: int
    note: str = ""

    def to_json(self) -> dict[str, int]:
        return {"times": self.times, "models": self.models}


def rows_key(rows: Iterable[tuple[Any, ...]]) -> str:
    """The key of labelled rows, whatever their order: (where the row is from, its true value for each target). Of a file
    only the name and the size count, so that a folder may move."""
    lines = sorted("\0".join([_place(str(origin)), *map(str, labels)]) for origin, *labels in rows)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _place(origin: str) -> str:
    try:
        return f"{os.path.basename(origin)}\0{os.stat(origin).st_size}"
    except (OSError, ValueError):  # Not a file: "adult.csv, row 12".
        return origin


def openings(key: str) -> list[dict[str, Any]]:
    """The openings of a test set so far: `{"key", "bundle", "metrics", "time"}` each. Damaged lines are passed over."""
    try:
        lines = (state_folder() / FILE).read_bytes().splitlines()
    except OSError:
        return []
    return [found for line in lines if (found := _opening(line)).get("key") == key]


def _opening(line: bytes) -> dict[str, Any]:
    try:
        found = from_json(line)
    except DrivetrainError:
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("bundle"), str) else {}


def record_opening(key: str, bundle_hash: str, metrics: Mapping[str, Any], *, is_test: bool = True) -> Opened:
    """Note that a model was measured on the test set `key`, or on rows that are none (`is_test`). `metrics` are those of
    `Estimate.to_json`.

    A state folder that can't be written is told in the note, and is no failure.
    """
    before = openings(key)
    values = {name: estimate.get("value") for name, estimate in metrics.items()}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    models = len({found["bundle"] for found in before} | {bundle_hash})
    notes = []
    if models > FEW:
        chosen = "this test set has now chosen" if is_test else "these items have now chosen"
        notes.append(
            f"{chosen} between {models} models: {'its' if is_test else 'their'} figure flatters the best of them. "
            "Keep rows that no model has been measured on for the last word"
        )
    try:
        line = to_json({"key": key, "bundle": bundle_hash, "metrics": values, "time": now})
        append_line(state_folder() / FILE, line)
    except OSError as fault:
        notes.append(f"that this was measured could not be noted: {file_error(fault, state_folder())}")
    return Opened(len(before) + 1, models, sentences(*notes))


def sentences(*notes: str) -> str:
    """Notes as one, the later ones with a capital: a note begins without; "" is none."""
    first, *others = [note for note in notes if note] or [""]
    return ". ".join([first, *(note[:1].upper() + note[1:] for note in others)])
