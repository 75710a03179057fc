"""What a form of texts is to all who deal with them: the ordinary answers are those of any text."""

from __future__ import annotations

import os
from typing import ClassVar

from drivetrain.data.read.textfile import read_text
from drivetrain.errors import UsageError
from drivetrain.files import write_text


class Form:
    """A text as it is read and written."""

    name: ClassVar[str] = "text"
    """As its file is called; in the facts of bundles."""
    things: ClassVar[str] = "texts"
    """What its files are called."""
    extensions: ClassVar[tuple[str, ...]] = (".txt",)
    """How the files are called that it is read from."""
    tokenizer: ClassVar[str] = "characters"
    """What it is cut into where nobody said."""
    copied: ClassVar[int | None] = None
    """How many words in a row make a copy, where the usual number is too small."""
    large: ClassVar[bool] = True
    """Whether its files are text as it is, which may be read in chunks."""
    between: ClassVar[str] = "\n"
    """What stands between two files."""

    def read(self, path: str) -> tuple[str, tuple[str, ...]]:
        """The text of a file, and what a person should know of how it was read. Raises FileError and DataError."""
        found = read_text(path)
        text = "".join(found.lines()).replace("\r\n", "\n")
        return text, tuple(f"{found.place}: {note}" for note in found.notes)

    def recognises(self, text: str) -> bool:
        """Whether a text of no form is of this one."""
        del text
        return False

    def prompt(self, prompt: str) -> str:
        """The text that a prompt is: where it names a file of the form, what that holds."""
        return prompt

    def faults(self, text: str) -> list[str]:
        """What is not sound in what was written, in words: nothing in a text."""
        del text
        return []

    def save(self, text: str, path: str | os.PathLike[str]) -> None:
        """Write a file of a text. Raises UsageError for the name of one that it can't be."""
        if os.path.splitext(path)[1].lower() in (".mid", ".midi", ".png", ".svg"):
            raise UsageError(
                f"this model writes {self.things}, and no {os.path.splitext(path)[1]} files.", where=path,
                fix="End the name in .txt.",
            )  # fmt: skip
        write_text(path, text if text.endswith("\n") else text + "\n")
