"""Names of fields: what a column of a file or frame is called, and what a field can't be called."""

from __future__ import annotations

JOINERS = {0x200C: None, 0x200D: None}
LONGEST_NAME = 200
"""Letters of a field's name."""


def can_be_shown(text: str) -> bool:
    """Whether there is no control sign in it. Joiners are part of words and of pictures, though Python prints none."""
    return text.translate(JOINERS).isprintable()


def field_name(given: object, number: int) -> str:
    """What the `number`-th column (from 1) of a file or frame is called as a field: surrounding space goes, what can't be
    shown becomes a space, and no name at all becomes column_N."""
    text = "" if given is None else str(given)
    plain = "".join(letter if can_be_shown(letter) else " " for letter in text).strip()
    return plain[:LONGEST_NAME].strip() or f"column_{number}"


def field_name_fault(name: str) -> str:
    """Why a field can't be called so; empty where it can. Any column's name will do that can be shown and sent."""
    if not 1 <= len(name) <= LONGEST_NAME:
        return f"has no letter, or more than {LONGEST_NAME}"
    if not can_be_shown(name):
        return "holds a character that can't be shown"
    return "begins or ends with white space" if name != name.strip() else ""
