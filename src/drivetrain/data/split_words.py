"""Splits as a person asks for them: by a share, or random, time:COLUMN, group:WHAT, column:COLUMN, position.

One by time may say a gap, in rows or as a length of time: time:COLUMN,gap=100 or time:COLUMN,gap=7d.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivetrain.data import split as splits
from drivetrain.data.split import Splitter
from drivetrain.errors import UsageError, nearest

WORDS = {
    "random": "random",
    "time": "time:COLUMN",
    "group": "group:COLUMN",
    "column": "column:COLUMN",
    "position": "position",
}
VALID_SHARE = 0.2
"""What validates where nobody said."""
FILE_GROUPS = "group:COLUMN of the CSV, group:parent, group:LEVEL or group:PATTERN"


def from_words(
    words: str,
    valid: float,
    seed: int = 0,
    test: float = 0.0,
    *,
    stratify: str | None = None,
    files: str = "",
) -> Splitter:
    """The splitter that `words` name. A random one, and one by groups, has each class of `stratify` in its shares.

    `files` is the column of paths, where there is one: a group may then be a folder or a pattern (see `split.ByPath`).
    Raises UsageError that says what to write.
    """
    how, colon, what = words.partition(":")
    how = how.strip().lower()
    if how not in WORDS:
        known = ", ".join(WORDS.values())
        raise UsageError(
            f"there is no split {words!r}.",
            where="--split",
            fix=nearest(how, WORDS) or f"Say one of: {known}.",
        )
    if bool(what) != (":" in WORDS[how]):
        fix = f"Write {FILE_GROUPS if files and how == 'group' else WORDS[how]}."
        told = (
            f"a split by {how} needs to know which"
            if not what
            else f"a split by {how} takes nothing after the colon"
        )
        raise UsageError(f"{told}.", where=f"--split {how}{colon}{what}", fix=fix)
    if how == "group" and files and _is_path(what):
        return splits.by_path(what, valid=valid, seed=seed, test=test, column=files, stratify=stratify)
    column, said, gap = what.partition(",gap=")
    if said and not gap:
        raise UsageError(
            "a gap needs to know how long it is.",
            where=f"--split {words}",
            fix="Write gap=100 for rows, or gap=7d.",
        )
    makers: dict[str, Any] = {
        "random": lambda: splits.random(valid, seed=seed, test=test, stratify=stratify),
        "time": lambda: splits.by_time(column, valid=valid, test=test, gap=_gap(gap)),
        "group": lambda: splits.by_group(what, valid=valid, seed=seed, test=test, stratify=stratify),
        "column": lambda: splits.by_column(what),
        "position": lambda: splits.by_position(valid, test=test),
    }
    return makers[how]()


def _gap(text: str) -> int | str | None:
    return int(text) if text.isdecimal() else text or None


def _is_path(what: str) -> bool:
    """True for a folder or a pattern, which no column is called."""
    return what == "parent" or what.isdecimal() or "(" in what


def to_words(split: Splitter | Mapping[str, Any]) -> str:
    """A splitter, or what its `to_json` gave, as it is written."""
    record = split.to_json() if isinstance(split, Splitter) else split
    how = {"by_path": "group"}.get(record["kind"], str(record["kind"]).removeprefix("by_"))
    what = record.get("group") or record.get("column")
    gap = "" if record.get("gap") is None else f",gap={record['gap']}"
    return f"{how}:{what}{gap}" if what and how != "random" else how


def refuse_shares(split: Splitter | None, valid: float, test: float = 0.0) -> None:
    """Raises UsageError for shares that were given beside a split, which has its own or needs none."""
    own = (getattr(split, "valid", None), getattr(split, "test", 0.0))
    if split is not None and (valid, test) not in ((VALID_SHARE, 0.0), own):
        name = "valid" if valid != VALID_SHARE else "test"
        raise UsageError(
            f"the split {split.kind} says itself which rows are in which part.",
            where=name,
            fix="Leave it out here.",
        )
