"""What goes wrong for a user's reason: what, where and how to mend it, in one line and without a traceback."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import ClassVar

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""The last two ranges turn the direction of writing around, of all that follows too."""


def one_line(text: str) -> str:
    """Line breaks and control signs as escapes: a file's name can neither break a line nor steer a terminal,
    nor turn around what stands after it."""
    return CONTROL.sub(lambda sign: repr(sign[0])[1:-1], text)


class DrivetrainError(Exception):
    """A fault that a person can mend.

    `error` says what is wrong, `where` names the file, row, column or option, `fix` says what to do.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, error: str, *, where: object = "", fix: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.where = str(where)
        self.fix = fix

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        end = "" if not self.fix or self.error.endswith((".", "?", "!")) else "."
        remedy = f" {self.fix}" if self.fix else ""
        return one_line(f"{place}{self.error}{end}{remedy}")

    def to_json(self) -> dict[str, str]:
        """The error as the command line prints it with `--json`."""
        return {"error": self.error, "where": self.where, "fix": self.fix}

    def at(self, where: object) -> DrivetrainError:
        """The same error with the place set, where the code that raised it could not know the place."""
        if not self.where:
            self.where = str(where)
        return self

    def also_at(self, where: str) -> DrivetrainError:
        """The same error with this place too, unless it is the one that is known: a file, and the row that names it."""
        if self.where and where not in self.where and self.where not in where:
            where = f"{self.where} ({where})"
        self.where = where if len(where) > len(self.where) else self.where
        return self

    def in_column(self, name: str) -> DrivetrainError:
        """The same error with its column named, where the code that raised it could not know it: of one in several."""
        if not self.where:
            self.error = f"column {name!r}: {self.error}"
        return self


class UsageError(DrivetrainError):
    """An option, a name or an argument that can't be meant. Exit code 2."""

    exit_code = 2


class DataError(DrivetrainError):
    """A value, file or table that can't be read or doesn't fit its codec."""


class FileError(DrivetrainError):
    """A file or folder that can't be read or written: missing, read-only, full, in the way."""


class BundleError(DrivetrainError):
    """A bundle that must not be opened: damaged, altered, of a newer format, or hostile."""


class NotInstalled(DrivetrainError):
    """A package that this needs is not installed here; `fix` says how to install it."""


class CheckFailed(DrivetrainError):
    """A check that ran and did not hold (a golden case, a fault in the data). Exit code 3."""

    exit_code = 3


class Interrupted(DrivetrainError):
    """Somebody pressed Ctrl-C; `fix` says how to go on. Exit code 130."""

    exit_code = 130


class TrainingError(DrivetrainError):
    """Training can't go on: a loss that is not a number, no items, a model that doesn't fit the data."""


def nearest(name: str, known: Iterable[str], most: int = 3) -> str:
    """The known names closest to `name`, as a phrase to end an error with; empty when none is close."""
    close = difflib.get_close_matches(name, list(known), n=most, cutoff=0.5)
    return f"Did you mean {' or '.join(close)}?" if close else ""
