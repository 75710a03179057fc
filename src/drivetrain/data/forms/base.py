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
        found = read_text(path, table=False)
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

    written: ClassVar[tuple[str, ...]] = ()
    """How the files are called that can be made of it; empty: as anybody likes, but not as another form's are."""

    def refuse(self, path: str) -> None:
        """Raise UsageError for the name of a file that it can't be written to."""
        end = os.path.splitext(path)[1].lower()
        if end not in self.written if self.written else end in (".mid", ".midi", ".png", ".svg"):
            names = ", ".join(self.written or self.extensions)
            raise UsageError(
                f"this model writes {self.things}, and no {end or 'nameless'} files.", where=path, fix=f"End the name in {names}."
            )  # fmt: skip

    def save(self, text: str, path: str) -> None:
        """Write a file of a text, by the end of its name. Raises UsageError, FileError; DataError where there is nothing to
        write."""
        self.refuse(path)
        write_text(path, text if text.endswith("\n") else text + "\n")
