"""Vectors of words that somebody trained on much more text, in the format of GloVe: a line for each word, the word and its numbers.

Pennington, Socher and Manning 2014 (D14-1162). The first line of word2vec's text format, how many words and how wide, is known too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.errors import DataError, UsageError
from drivetrain.figures import percent
from drivetrain.files import open_regular
from drivetrain.types import Array

MOST_WIDTH = 4096
LONGEST_LINE = 2**17
NAMED = 3
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class WordVectors:
    """What a file has for the words of some inputs.

    `found` has by input the numbers of the words that it has, int64 (k,), and their vectors, float32 (k, width); `spread` is the
    standard deviation of the numbers in these, which the vectors of other words begin with. `coverage` is for people: by input
    `{"words", "of", "places"}`, the last of which is the share of all tokens in the training rows. Where a run is gone on with only
    what it has recorded is known, and nothing is `found`.
    """

    file: str
    sha256: str
    width: int
    coverage: Mapping[str, Mapping[str, Any]]
    found: Mapping[str, tuple[Array, Floats]] = field(default_factory=dict)
    spread: float = 1.0
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What a run keeps of it."""
        return {
            "file": self.file, "sha256": self.sha256, "width": self.width,
            "coverage": {name: dict(covers) for name, covers in self.coverage.items()},
        }  # fmt: skip

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> WordVectors:
        """What a run has kept."""
        return cls(record["file"], record["sha256"], record["width"], record["coverage"])

    def told(self) -> list[str]:
        """A sentence for each input, and what is strange about the file."""
        file = os.path.basename(self.file)
        return [
            *(
                f"{file} has vectors for {covers['words']:,} of {covers['of']:,} words of {name!r}, {percent(covers['places'], 0)} "
                "of all places; they are trained along, and other words begin at random"
                for name, covers in self.coverage.items()
            ),
            *self.notes,
        ]


def read_vectors(
    path: str | os.PathLike[str], names: Mapping[str, tuple[str, ...]], counts: Mapping[str, Array]
) -> WordVectors:
    """The vectors of the words of inputs. `names` has by input what each token is called ("" for what is no word), `counts` how
    often each comes in the training rows. A word that the file doesn't have as it is written has the vector of its small letters.

    Raises FileError, and DataError that names the line: where a line has another number of numbers than the first, where
    what a word has is no finite number, where there is nothing, and where it is no UTF-8.
    """
    wanted = {name for words in names.values() for name in words if name}
    wanted |= {name.lower() for name in wanted}
    lines = _Lines(os.fspath(path), wanted)
    known = dict(lines)
    if not lines.width:
        raise DataError("there are no vectors in it.", where=lines.path, fix="Get the file again.")
    found: dict[str, tuple[Array, Floats]] = {}
    coverage: dict[str, dict[str, Any]] = {}
    for field_name, words in names.items():
        places = [place for place, name in enumerate(words) if _of(known, name) is not None]
        vectors = [_of(known, words[place]) for place in places]
        found[field_name] = (
            np.array(places, np.int64),
            np.stack(vectors) if vectors else np.zeros((0, lines.width), np.float32),  # type: ignore[arg-type]
        )
        total = int(counts[field_name].sum())
        coverage[field_name] = {
            "words": len(places), "of": sum(map(bool, words)),
            "places": round(float(counts[field_name][places].sum()) / max(1, total), 6),
        }  # fmt: skip
    if not any(covers["words"] for covers in coverage.values()):
        raise UsageError(
            "it has a vector for none of the words.",
            where=lines.path,
            fix="Is it of another language? Take another, or none.",
        )
    together = np.concatenate([vectors for _, vectors in found.values()])
    return WordVectors(
        os.path.abspath(lines.path), lines.digest.hexdigest(), lines.width, coverage, found, float(together.std()) or 1.0,
        lines.notes(),
    )  # fmt: skip


def _of(known: Mapping[str, Floats], name: str) -> Floats | None:
    return known.get(name, known.get(name.lower())) if name else None


class _Lines:
    """(word, vector) of the wanted words in a file, the first of each; what there is to say of the file afterwards."""

    def __init__(self, path: str, wanted: set[str]) -> None:
        self.path, self.wanted = path, {name.encode(): name for name in wanted}
        self.width = 0
        self.digest = hashlib.sha256()
        self.twice: list[str] = []

    def __iter__(self) -> Iterator[tuple[str, Floats]]:
        seen: dict[bytes, int] = {}
        said = 0
        with open_regular(self.path) as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                self.digest.update(line)
                self._refuse_no_text(line, number)
                parts = line.split()
                if number == 1 and len(parts) == 2 and parts[0].isdigit() and parts[1].isdigit():
                    said = int(parts[1])  # word2vec's first line.
                    continue
                if not parts:
                    continue
                if not self.width:
                    self._begin(len(parts) - 1, said, number)
                word = parts[0]
                if len(parts) != self.width + 1:
                    if not self._is_longer(line, parts):
                        told = f"it has {len(parts) - 1:,} numbers, and {self.width:,} in the lines before"
                        raise self._wrong(number, told)
                    word = line.rsplit(None, self.width)[0].strip()
                if word not in self.wanted:
                    continue
                if word in seen:
                    self.twice.append(f"{self.wanted[word]!r} (lines {seen[word]:,} and {number:,})")
                    continue
                seen[word] = number
                yield self.wanted[word], self._numbers(parts[-self.width :], number)

    def _begin(self, width: int, said: int, number: int) -> None:
        if not 1 <= width <= MOST_WIDTH or (said and said != width):
            wanted = f"{said:,}, as the first line says" if said else f"1 to {MOST_WIDTH:,}"
            raise self._wrong(number, f"it has {width:,} numbers after its word, not {wanted}")
        self.width = width

    def _is_longer(self, line: bytes, parts: list[bytes]) -> bool:
        """Whether a line's word has white space in it, or is nothing but some, as in GloVe's files of the web."""
        if len(parts) == self.width:
            return line[:1].isspace()
        word = parts[: -self.width]
        return len(parts) > self.width + 1 and not all(map(_is_number, word[1:]))

    def _numbers(self, parts: list[bytes], number: int) -> Floats:
        try:
            vector = np.array(parts, np.float64).astype(np.float32)
        except ValueError as fault:
            wrong = next((part for part in parts if not _is_number(part)), parts[0])
            raise self._wrong(number, f"{wrong.decode(errors='replace')!r:.40} is no number") from fault
        if not np.isfinite(vector).all():
            raise self._wrong(number, "it has NaN, or a number without an end")
        return vector

    def _refuse_no_text(self, line: bytes, number: int) -> None:
        if number == 1 and line[:2] in (b"\xff\xfe", b"\xfe\xff", b"PK", b"\x1f\x8b"):
            what = "it is packed" if line[:2] in (b"PK", b"\x1f\x8b") else "it is UTF-16"
            raise DataError(f"{what}.", where=self.path, fix="Unpack it, or save it as UTF-8, first.")
        if b"\0" in line or len(line) >= LONGEST_LINE:
            raise self._wrong(number, "it is no text")
        try:
            line.decode()
        except UnicodeDecodeError as fault:
            raise self._wrong(number, "it is not UTF-8") from fault

    def _wrong(self, number: int, what: str) -> DataError:
        return DataError(
            f"{what}.", where=f"{self.path}, line {number:,}",
            fix="A line is a word and its numbers, all equally many; mend or leave it out.",
        )  # fmt: skip

    def notes(self) -> tuple[str, ...]:
        if not self.twice:
            return ()
        more = f" and {len(self.twice) - NAMED:,} more" if len(self.twice) > NAMED else ""
        which = ", ".join(self.twice[:NAMED]) + more
        return (f"{os.path.basename(self.path)} has words twice, of which the first vector counts: {which}",)


def _is_number(part: bytes) -> bool:
    try:
        float(part)
    except ValueError:
        return False
    return True
