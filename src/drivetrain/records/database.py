"""What a database has to do its own way for a store of records. SQL is the same for all; places for values are `?`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from drivetrain.records.frames import Line

Row = tuple[Any, ...]


class Database(ABC):
    """One connection, for one thread at a time. Where the database is gone, locked, full or damaged, everything raises StoreGone,
    and the next call tries it anew."""

    types: ClassVar[dict[str, str]]
    """What the schema's words for kinds of columns are here."""
    name: str
    """What it is called in messages: no password."""

    @abstractmethod
    def changing(self, alone: bool = False) -> AbstractContextManager[None]:
        """A block that is committed, to the disk, or leaves no trace. `alone`: nobody else's change overlaps with it."""

    @abstractmethod
    def run(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """What one statement gives, all of it."""

    @abstractmethod
    def has(self, table: str) -> bool:
        """Whether there is such a table."""

    @abstractmethod
    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """One statement for each row of values."""

    @abstractmethod
    def stream(self, sql: str, values: Sequence[Any], at_once: int) -> Iterator[list[Row]]:
        """What one statement gives, so many rows at a time: a picture of one moment, whatever others write meanwhile."""

    @abstractmethod
    def insert(self, lines: Sequence[Line]) -> int:
        """Insert those whose ids are not there yet, in a block of `changing`; how many they are."""

    @abstractmethod
    def erase(self) -> None:
        """What was deleted is nowhere in the database's files any more, as far as we can see to that."""

    @abstractmethod
    def shrink(self) -> None:
        """Give the room of what was deleted back."""

    @abstractmethod
    def close(self) -> None: ...
