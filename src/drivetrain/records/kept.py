"""What is recorded of a model's answers: how many of them, and what of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from drivetrain.errors import CONTROL, DataError, UsageError, nearest

LONGEST_KEY = 200


@dataclass(frozen=True)
class Kept:
    """What is recorded of a model's answers."""

    share: float = 1.0
    """Of them; the same ones at any time: chosen by the caller's key where there is one, else by the request's id."""
    redact: tuple[str, ...] = ()
    """Inputs that are never written down."""
    inputs: Literal["read", "summary", "none"] = "read"
    """"read": values as they were read, files by their digest and size; "summary": what kind and how much; "none"."""
    keep_days: float = 0.0
    """0: for ever."""
    required: bool = False
    """Whether an answer that can't be recorded is withheld (503); else it is given, and the loss told."""

    @property
    def is_open(self) -> bool:
        """Whether an answer may say again what came: an error, for one, quotes the value that it is about."""
        return not self.redact and self.inputs == "read"


def check_kept(kept: Kept, inputs: Iterable[str], model: str) -> None:
    """Raises UsageError for a redacted input that the model doesn't have, which would leave the one that was meant in the open, and
    for a share or a number of days that can't be meant."""
    names = list(inputs)
    for name in kept.redact:
        if name not in names:
            raise UsageError(
                f"{name!r} is to be redacted, and is no input.", where=model,
                fix=nearest(name, names) or f"Its inputs are {', '.join(names)}.",
            )  # fmt: skip
    if not 0 <= kept.share <= 1:
        raise UsageError(f"a share of {kept.share}.", where=model, fix="Give 0 to 1.")
    if not 0 <= kept.keep_days < 1e6:
        raise UsageError(f"records of {kept.keep_days} days.", where=model, fix="Give 0 (for ever) or more.")
    if kept.inputs not in ("read", "summary", "none"):
        raise UsageError(
            f"inputs are kept as {kept.inputs!r}.", where=model, fix='Give "read", "summary" or "none".'
        )


def check_key(key: str) -> str:
    """The caller's own name for a case, as it came. Raises DataError for one that no database would find again."""
    if not 0 < len(key) <= LONGEST_KEY or CONTROL.search(key) or not _has_letters(key):
        raise DataError(
            f"a key is a text of 1 to {LONGEST_KEY} signs, without line breaks and control signs.",
            where="key", fix="Give a shorter or plainer one, such as the number of the case.",
        )  # fmt: skip
    return key


def _has_letters(text: str) -> bool:
    """Whether there are only whole ones: half of a surrogate pair is none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def chosen(share: float, model: str, of: str) -> bool:
    """Whether what is called `of` is among the share of a model: for a larger share so is all that was for a smaller one."""
    if share >= 1:
        return True
    text = f"{model}\0{of}".encode("utf-8", "surrogatepass")
    place = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
    return place < share * 2**64
