"""Records in a SQLite file: nothing to install, nothing to run.

The file is in WAL mode: who reads never waits for who writes. Commits are `synchronous=FULL`: a journal is deleted after a
commit, so a commit has to be on the disk; one for some hundred records costs less than a hundredth of a millisecond for each.
Several processes write by turns (`BEGIN IMMEDIATE`, up to BUSY_SECONDS of waiting, then the journals wait). What is deleted is
overwritten (`secure_delete`); where somebody is forgotten the whole file is written anew (VACUUM). The file, its WAL and the
folder of its journals are the user's alone (0600, 0700).
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar
from urllib.parse import quote

from drivetrain.errors import FileError
from drivetrain.files import file_error
from drivetrain.records.database import Database, Row
from drivetrain.records.frames import Line
from drivetrain.records.record import StoreGone

BUSY_SECONDS = 10.0
_COLUMNS = ", ".join(Line._fields)
_ROW = f"({', '.join('?' * len(Line._fields))})"
_SIZES = (256, 32, 4, 1)
"""Rows of one statement: while it runs, the other threads of the process do too, which is not so between two of them."""
_FULL = ("disk is full", "disk I/O error")


class SQLite(Database):
    """See above. Raises FileError where the file is absent and may not be made, or is no database."""

    types: ClassVar[dict[str, str]] = {
        "number": "INTEGER PRIMARY KEY", "integer": "INTEGER", "real": "REAL", "text": "TEXT",
    }  # fmt: skip

    def __init__(self, path: str, create: bool) -> None:
        self.path = os.path.realpath(path)
        self.name = os.path.basename(self.path)
        self._create = create
        self._open: sqlite3.Connection | None = None
        self._inside: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._connection()
        self._create = True  # From now on: what is deleted while we write is made again.

    def _connection(self) -> sqlite3.Connection:
        if self._open is not None:
            return self._open
        self._make()
        try:
            made = sqlite3.connect(
                f"file:{quote(self.path)}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None,
                check_same_thread=False,
            )  # fmt: skip
            try:
                # Of a new file; before WAL, or it comes too late.
                made.execute("PRAGMA auto_vacuum = INCREMENTAL")
                made.execute("PRAGMA journal_mode = WAL")
                made.execute("PRAGMA synchronous = FULL")
                made.execute("PRAGMA secure_delete = ON")
                made.execute("PRAGMA trusted_schema = OFF")
            except BaseException:
                made.close()
                raise
        except sqlite3.Error as fault:
            if "not a database" in str(fault):
                raise FileError(
                    "this is no SQLite database.", where=self.path, fix="Name another file."
                ) from fault
            raise self._gone(fault) from fault
        self._open, self._file = made, self._identity()
        return made

    def _make(self) -> None:
        """Make the file where it may be made: so it is nobody else's from the beginning, and SQLite gives its other files the same
        mode. Raises FileError.

        What is there already is not opened, not even for a moment: to close a file gives up the locks that this process has on it
        by other descriptors, those of another connection too (https://sqlite.org/howtocorrupt.html, section 2.2).
        """
        try:
            if self._create:
                with suppress(FileExistsError):
                    os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            if stat.S_ISDIR(os.stat(self.path).st_mode):
                raise IsADirectoryError(errno.EISDIR, "")
            if not os.access(self.path, os.R_OK | os.W_OK):
                raise PermissionError(errno.EACCES, "")
        except OSError as fault:
            raise file_error(fault, self.path) from fault

    def _identity(self) -> tuple[int, int]:
        with suppress(OSError):
            found = os.stat(self.path)
            return found.st_dev, found.st_ino
        return 0, 0

    def _gone(self, fault: Exception) -> StoreGone:
        reason = str(fault)
        fix = (
            "Free some space." if any(words in reason for words in _FULL)
            else "Another program holds it; it is tried again." if "locked" in reason
            else "Check the file, its folder and their permissions."
        )  # fmt: skip
        return StoreGone(f"the store of records can't be used: {reason}.", where=self.path, fix=fix)

    @contextmanager
    def _telling(self) -> Generator[sqlite3.Connection, None, None]:
        """The connection, that of the block of `changing` where we are in one; it is closed where it fails, and the failure
        told."""
        if self._inside is not None:
            yield self._inside
            return
        if self._open is not None and self._identity() != self._file:
            self.close()  # Somebody deleted or replaced the file: what we wrote there nobody would find.
        connection = self._connection()
        try:
            yield connection
        except sqlite3.Error as fault:
            if isinstance(fault, (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError)):
                raise
            self.close()
            raise self._gone(fault) from fault

    @contextmanager
    def changing(self, alone: bool = False) -> Generator[None, None, None]:
        del alone  # They all are.
        with self._telling() as connection:
            connection.execute("BEGIN IMMEDIATE")
            self._inside = connection
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            finally:
                self._inside = None
        if self._identity() != self._file:
            self.close()
            raise StoreGone(
                "the store of records was deleted while it was written to.", where=self.path,
                fix="It is made again.",
            )  # fmt: skip

    def run(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        with self._telling() as connection:
            return connection.execute(sql, values).fetchall()

    def has(self, table: str) -> bool:
        return bool(self.run("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", [table]))

    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        with self._telling() as connection:
            connection.executemany(sql, rows)

    def stream(self, sql: str, values: Sequence[Any], at_once: int) -> Iterator[list[Row]]:
        with self._telling() as connection:
            cursor = connection.execute(sql, values)
            yield from iter(lambda: cursor.fetchmany(at_once), [])

    def insert(self, lines: Sequence[Line]) -> int:
        with self._telling() as connection:
            before, place = connection.total_changes, 0
            for size in _SIZES:
                sql = f"INSERT INTO drivetrain_records ({_COLUMNS}) VALUES {', '.join([_ROW] * size)} ON CONFLICT (id) DO NOTHING"
                while len(lines) - place >= size:
                    connection.execute(sql, [value for line in lines[place : place + size] for value in line])
                    place += size
            return connection.total_changes - before

    def erase(self) -> None:
        with self._telling() as connection:
            # Where pages were merged and split, their free space has copies of rows, which secure_delete leaves there.
            connection.execute("VACUUM")
            (blocked, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if blocked:
                raise sqlite3.OperationalError("somebody reads in it, and what is deleted stays in its log")

    def shrink(self) -> None:
        with self._telling() as connection:
            # A step of this statement is one page, and `execute` takes one step of what has no columns.
            connection.executescript("PRAGMA incremental_vacuum")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        if self._open is not None:
            with suppress(sqlite3.Error):
                self._open.close()
            self._open = None
