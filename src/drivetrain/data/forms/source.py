"""The text of files in blocks, as often as it is asked for: however long it is, little of it is in memory."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from drivetrain.data.forms import form_of_file, form_of_files, form_of_text
from drivetrain.data.forms.base import Form
from drivetrain.data.read.folders import files_below
from drivetrain.data.table import shown
from drivetrain.errors import DataError

BLOCK = 20_000
"""Characters that are made tokens of at once."""
CHUNK = 2**16
"""Characters that are read at once."""
LARGE = 2**24
"""Bytes: a larger file of text is read in chunks, each time anew."""
MOST_KEPT = 2**26
"""Characters of smaller files that stay in memory."""
NEAR = 100
"""Characters: so far a text is cut later than asked, to cut no word."""
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SPACE = re.compile(r"\s")
_NUMBERS = re.compile("[0-9,.]+")


class TextSource:
    """The texts of files one after the other, in the order of their names.

    `characters` is how many there are, `notes` what a person should know of how they were read. Raises DataError where none
    can be read; what can't be, of several, is left out and told.
    """

    def __init__(self, source: str) -> None:
        form, files = form_of_file(source), [source]
        if os.path.isdir(source):
            form, files = form_of_files(sorted(files_below(source)), source)
        self.form: Form = form
        self.characters = 0
        self.notes: list[str] = []
        self._files: list[str | _Large] = []
        self._kept: dict[str, str] = {}
        faults: list[DataError] = []
        for file in files:
            try:
                self._add(file)
            except DataError as fault:
                faults.append(fault)
        if not self._files:
            raise faults[0]
        self.notes = _gathered(self.notes)
        self.characters += len(form.between) * (len(self._files) - 1)
        if faults:
            more = f", and {len(faults) - 1:,} more" if len(faults) > 1 else ""
            self.notes.append(f"left out of {len(files):,} files: {faults[0].where}: {faults[0].error}{more}")
        self.form = form_of_text(form, next(iter(self._chunks()), ""))

    def facts(self, edge: int) -> dict[str, Any]:
        """Of one file what tells it again, and where its end begins; of several nothing."""
        file = self._files[0]
        path = file.path if isinstance(file, _Large) else file
        if len(self._files) > 1 or not os.path.isfile(path):
            return {}
        return {"sha256": file_digest(path), "edge": edge}

    def _add(self, file: str) -> None:
        if (
            self.form.large
            and os.path.isfile(file)
            and os.path.getsize(file) > LARGE
            and not file.endswith(".gz")
        ):
            large = _Large(file)
            self._files.append(large)
            self.characters += large.characters
            self.notes += large.notes
            return
        text, notes = self.form.read(file)
        if self.characters < MOST_KEPT or not self.form.large:
            self._kept[file] = text
        self._files.append(file)
        self.characters += len(text)
        self.notes += notes

    def _chunks(self) -> Iterator[str]:
        for place, file in enumerate(self._files):
            if place:
                yield self.form.between
            if isinstance(file, _Large):
                yield from file.chunks()
                continue
            text = self._kept[file] if file in self._kept else self.form.read(file)[0]
            for start in range(0, len(text), CHUNK):
                yield text[start : start + CHUNK]

    def between(self, start: int, end: int) -> Iterator[str]:
        """The characters from `start` to `end`, in chunks."""
        place = 0
        for chunk in self._chunks():
            part = chunk[max(0, start - place) : max(0, end - place)]
            place += len(chunk)
            if part:
                yield part
            if place >= end:
                return

    def blocks(self, start: int, end: int) -> Iterator[str]:
        """The same, in blocks."""
        return blocks(self.between(start, end))

    def edge(self, valid: float) -> int:
        """Where the end begins that validates: not within a word, where one ends nearby."""
        edge = self.characters - round(self.characters * valid)
        near = "".join(self.between(max(0, edge - 1), edge + NEAR))
        if not (0 < edge < self.characters and near[0].isalnum() and near[1].isalnum()):
            return edge
        space = _SPACE.search(near, 1)
        return edge - 1 + space.start() if space else edge


def _gathered(notes: list[str]) -> list[str]:
    """Notes of files, of which those that say the same of several but for the numbers are told of the first."""
    found: dict[str, list[str]] = {}
    for note in notes:
        found.setdefault(_NUMBERS.sub("", note.rpartition(": ")[2]), []).append(note)
    return [
        first if not rest else f"{first}; so it is in {len(rest):,} more file{'s' * (len(rest) > 1)}"
        for first, *rest in found.values()
    ]


class _Large:
    """A large file of text: UTF-8, UTF-16 with a mark, else Windows-1252."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.notes: list[str] = []
        with open(path, "rb") as file:
            mark = file.read(2)
        name = shown(os.path.basename(path))
        for encoding in [_MARKS[mark]] if mark in _MARKS else ["utf-8-sig", "cp1252", "latin-1"]:
            self.encoding, self.characters, lines = encoding, 0, 1
            try:
                for chunk in self.chunks():
                    if (zero := chunk.find("\0")) >= 0:
                        line = lines + chunk.count("\n", 0, zero)
                        raise DataError(
                            "this is no text: a character is NUL.", where=f"{name}, line {line:,}", fix="Save it as UTF-8."
                        )  # fmt: skip
                    self.characters += len(chunk)
                    lines += chunk.count("\n")
            except UnicodeError as fault:
                if mark in _MARKS:
                    raise DataError(
                        f"this begins as UTF-16 and is not: {fault}.", where=name, fix="Save it as UTF-8."
                    ) from fault
                told = f"{name}: not UTF-8 after line {lines:,}: read as Windows-1252. Save it as UTF-8 if letters look wrong"
                self.notes = [told] if encoding == "utf-8-sig" else self.notes
                continue
            return

    def chunks(self) -> Iterator[str]:
        """All of it; ends of lines are line feeds."""
        file: TextIO
        with open(self.path, encoding=self.encoding) as file:
            while chunk := file.read(CHUNK):
                yield chunk


def file_digest(path: str) -> str:
    """The SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def blocks(chunks: Iterable[str]) -> Iterator[str]:
    """A text in blocks that end where a line does, or else a word, or at so many characters: no codec takes one of any
    length."""
    left = ""
    for chunk in chunks:
        left += chunk
        start = 0
        while len(left) - start > BLOCK:
            end = _end(left, start)
            yield left[start:end]
            start = end
        left = left[start:]
    if left:
        yield left


def _end(text: str, start: int) -> int:
    """Where the block ends that begins at a place, of a text that is longer."""
    end = start + BLOCK
    if line := text.rfind("\n", start, end) + 1:
        return line
    word = max(text.rfind(" ", start + 1, end), text.rfind("\t", start + 1, end))
    return word if word > 0 else end
