"""Where records are kept for good: what every store does, whichever database it is."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import unquote, urlsplit

from drivetrain.errors import UsageError
from drivetrain.files import from_json, to_json
from drivetrain.records import words
from drivetrain.records.columns import Columns
from drivetrain.records.database import Database, Row
from drivetrain.records.forgetting import Forgetting, digest_of, matches, whose
from drivetrain.records.frames import Line, line_of, record_of
from drivetrain.records.ids import Clock, Ids
from drivetrain.records.kept import Kept
from drivetrain.records.record import Outcome, Record, Told
from drivetrain.records.schema import META, STEPS
from drivetrain.records.truths import as_answered, no_classes
from drivetrain.state_folder import state_folder
from drivetrain.types import Array

AT_ONCE = 5_000
"""Rows that are read, changed or deleted in one go: nobody waits for longer than these take."""
DAY = 86_400_000_000_000
"""Nanoseconds."""
EXTENSIONS = (".sqlite", ".sqlite3", ".db")
RECORDS = "drivetrain_records"
MOST_ODD = 20
"""Values that are told to be no classes."""
_COLUMNS = ", ".join((*Line._fields, "outcome", "outcome_time"))


class Added(NamedTuple):
    """Records that are new in the store, that were there already, and that were forgotten before they came."""

    new: int
    known: int
    forgotten: int


class Tally(NamedTuple):
    """Records of a version of a model, how many of them have an outcome, and when the first and last were answered (ns)."""

    model: str
    version: int
    records: int
    outcomes: int
    first: int
    last: int


_PASSWORD = re.compile(r"(://[^:@/?]*:).*@")
_SECRET = re.compile(r"([?&][^=&#]*pass[^=&#]*=)[^&#]*", re.IGNORECASE)
"""Where a URL has passwords: before its host, and as libpq's parameters password and sslpassword."""


def open_store(url: str, *, create: bool = False) -> Store:
    """The store at `sqlite:///FILE` (beside us; with four slashes from the root), at a path that ends in .sqlite, .sqlite3 or
    .db, or at `postgresql://...`. Raises UsageError for another URL, FileError for a file that isn't there unless it may be made,
    StoreGone, NotInstalled."""
    journals, path = journals_of(url), _sqlite_path(url)
    if path is not None:
        from drivetrain.records.sqlite import SQLite

        return Store(SQLite(path, create), journals)
    from drivetrain.records.postgres import Postgres

    return Store(Postgres(url, without_password(url)), journals)


def journals_of(url: str) -> Path:
    """The folder where processes of this machine keep what the store has not taken yet: beside a file, else in the state folder.
    Raises UsageError for what is no URL of a store."""
    if (path := _sqlite_path(url)) is not None:
        return Path(f"{os.path.realpath(path)}.journals")
    parts = urlsplit(without_password(url))
    if parts.scheme not in ("postgresql", "postgres"):
        raise UsageError(
            "this names no store of records.", where=without_password(url),
            fix="Give sqlite:///FILE or postgresql://USER@HOST/DATABASE.",
        )  # fmt: skip
    place = parts._replace(scheme="postgresql", netloc=parts.netloc.rpartition("@")[2]).geturl()
    return state_folder() / "records" / hashlib.sha256(place.encode()).hexdigest()[:16]


def _sqlite_path(url: str) -> str | None:
    """The file of a URL, or path, of SQLite; None where it is none."""
    try:
        scheme = urlsplit(url).scheme
    except ValueError as fault:
        raise UsageError(
            f"this is no URL: {fault}.",
            where=without_password(url),
            fix="Give sqlite:///FILE or postgresql://USER@HOST/DATABASE.",
        ) from fault
    if scheme != "sqlite" and (scheme or not url.endswith(EXTENSIONS)):
        return None
    rest = url.removeprefix("sqlite:")
    path = unquote(rest[3:].partition("?")[0] if rest.startswith("///") else "") if scheme else url
    if not path or "\0" in path:
        raise UsageError("this URL names no file.", where=url, fix="Write sqlite:///records.sqlite.")
    return path


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    return _SECRET.sub(r"\1***", _PASSWORD.sub(r"\1***@", url))


class Store:
    """Records in a database; one connection, for one thread at a time. Everything raises StoreGone where the database can't be used
    for now."""

    def __init__(self, database: Database, journals: Path) -> None:
        self.database, self.journals = database, journals
        self.name = database.name
        self._clock, self._ids = Clock(), Ids()
        try:
            self._migrate()
            self._salt = bytes.fromhex(
                database.run("SELECT value FROM drivetrain_meta WHERE name = 'salt'")[0][0]
            )
        except BaseException:
            database.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    def close(self) -> None:
        self.database.close()

    def _migrate(self) -> None:
        """Bring the tables to today's version, or make them. Raises UsageError for those of a version to come."""
        types, run = self.database.types, self.database.run
        if self._version() == len(STEPS):
            return
        with self.database.changing(alone=True):
            run(META.format(**types))
            run("INSERT INTO drivetrain_meta VALUES ('version', '0') ON CONFLICT (name) DO NOTHING")
            run(
                "INSERT INTO drivetrain_meta VALUES ('salt', ?) ON CONFLICT (name) DO NOTHING",
                [secrets.token_hex(32)],
            )
            version = self._version()
            if version > len(STEPS):
                raise UsageError(
                    f"this store is of version {version}, and {len(STEPS)} is the newest known here.", where=self.name,
                    fix="Install a newer drivetrain.",
                )  # fmt: skip
            for step in STEPS[version:]:
                for statement in step:
                    run(statement.format(**types))
            run("UPDATE drivetrain_meta SET value = ? WHERE name = 'version'", [str(len(STEPS))])

    def _version(self) -> int:
        """0 where there are no tables yet."""
        if not self.database.has("drivetrain_meta"):
            return 0
        found = self.database.run("SELECT value FROM drivetrain_meta WHERE name = 'version'")
        return int(found[0][0]) if found else 0

    # --- writing ---------------------------------------------------------------------------------------------------

    def add_many(self, records: Sequence[Record]) -> Added:
        """Records as they are, without a journal; ids and times are set where they have none."""
        for record in records:
            record.time = record.time or self._clock.now()
            record.id = record.id or self._ids.next(record.time)
        return self.add_lines([line_of(record) for record in records])

    def add_lines(self, lines: Sequence[Line]) -> Added:
        """All of them in one commit, but those that are there already and those that were forgotten."""
        with self.database.changing():
            forgetting = Forgetting(
                self._salt, self.database.run("SELECT model, field, digest, time FROM drivetrain_forgotten")
            )
            left = [line for line in lines if not forgetting.drops(line)] if forgetting else lines
            new = self.database.insert(left)
            for place, dropped in forgetting.dropped.items():
                self.database.run(
                    "UPDATE drivetrain_forgotten SET dropped = dropped + ? WHERE model = ? AND field = ? AND digest = ?",
                    [dropped, *place],
                )  # fmt: skip
        return Added(new, len(left) - new, len(lines) - len(left))

    def outcomes(self, model: str, given: Sequence[Outcome]) -> Told:
        """Keep what turned out to be true, in one commit. A later outcome takes the place of an earlier one; that of a key is
        that of every record with this key, but where there is one for a record's id as well, this one counts. A class is kept by
        its name, also where it was told as a number (`as_answered`)."""
        told, done = Told(), set[int]()
        with self.database.changing():
            for field in ("id", "key"):
                values = {getattr(each, field): each.value for each in given if getattr(each, field)}
                names = list(values)
                for start in range(0, len(names), 500):
                    some = {name: values[name] for name in names[start : start + 500]}
                    self._outcomes_of(model, field, some, told, done)
        return told

    def _outcomes_of(
        self, model: str, field: str, values: dict[str, Any], told: Told, done: set[int]
    ) -> None:
        """Those that are told by this field, of records that are not among the `done`."""
        named = {_storable(name): value for name, value in values.items()}
        places = ", ".join("?" * len(named))
        rows = self.database.run(
            f"SELECT number, {field}, outcome, answer FROM {RECORDS} WHERE model = ? AND {field} IN ({places})", [model, *named]
        )  # fmt: skip
        now, changes = self._clock.now(), list[Row]()
        for number, name, before, answer in rows:
            if number in done:
                continue
            done.add(number)
            value, said = named[name], words.loads(answer)
            value = as_answered(value, said)
            text = words.dumps(value).decode()
            told.no_class += [odd for odd in no_classes(value, said) if odd not in told.no_class][
                : MOST_ODD - len(told.no_class)
            ]
            if before == text:
                told.unchanged += 1
            else:
                told.replaced += before is not None
                told.stored += before is None
                changes.append((text, now, number))
        self.database.run_many(
            f"UPDATE {RECORDS} SET outcome = ?, outcome_time = ? WHERE number = ?", changes
        )
        known = {name for _, name, _, _ in rows}
        told.unknown += [name for name in values if _storable(name) not in known]

    # --- reading ---------------------------------------------------------------------------------------------------

    def find(
        self, *, model: str | None = None, since: int | None = None, until: int | None = None, key: str | None = None,
        id: str | None = None, limit: int = 20,
    ) -> list[Record]:  # fmt: skip
        """The newest records first, of the moments from `since` until before `until` (ns since 1970)."""
        where, values = _where(model=model, since=since, until=until, key=key, id=id)
        sql = f"SELECT {_COLUMNS} FROM {RECORDS}{where} ORDER BY time DESC, id DESC LIMIT ?"
        return [record_of(row) for row in self.database.run(sql, [*values, limit])]

    def stream(
        self,
        *,
        model: str | None = None,
        since: int | None = None,
        until: int | None = None,
        key: str | None = None,
    ) -> Iterator[list[Record]]:
        """All such records, the oldest first, some thousands at a time."""
        where, values = _where(model=model, since=since, until=until, key=key)
        sql = f"SELECT {_COLUMNS} FROM {RECORDS}{where} ORDER BY time, id"
        for rows in self.database.stream(sql, values, AT_ONCE):
            yield [record_of(row) for row in rows]

    def read(
        self, model: str, since: int | None = None, until: int | None = None,
        columns: Sequence[str] = ("time", "version", "probability", "latency_ms"),
    ) -> dict[str, Array]:  # fmt: skip
        """Columns (n,) of a model's records from `since` until before `until` (ns since 1970), the oldest first: see `Columns` for
        their names and dtypes. The answers are joined with their outcomes already: `answer.label`, `outcome`."""
        found = Columns(columns)
        where, values = _where(model=model, since=since, until=until)
        sql = f"SELECT {', '.join(found.needed)} FROM {RECORDS}{where} ORDER BY time"
        for rows in self.database.stream(sql, values, AT_ONCE):
            found.add(rows)
        return found.arrays()

    def count(
        self, *, model: str | None = None, since: int | None = None, until: int | None = None
    ) -> list[Tally]:
        """How many records there are of each version of each model."""
        where, values = _where(model=model, since=since, until=until)
        sql = (
            f"SELECT model, version, COUNT(*), COUNT(outcome_time), MIN(time), MAX(time) FROM {RECORDS}{where} "
            "GROUP BY model, version ORDER BY model, version"
        )
        return [Tally(*row) for row in self.database.run(sql, values)]

    def newest_id(self) -> str:
        """The last of all ids, "" where there is none."""
        return self.database.run(f"SELECT MAX(id) FROM {RECORDS}")[0][0] or ""

    # --- leaving ---------------------------------------------------------------------------------------------------

    def note(self, model: str, kept: Kept) -> None:
        """Note what is kept of a model: `retain` looks at it, and so do jobs that record beside a server."""
        with self.database.changing():
            self.database.run(
                "INSERT INTO drivetrain_kept VALUES (?, ?, ?) ON CONFLICT (model) "
                "DO UPDATE SET keep_days = excluded.keep_days, kept = excluded.kept",
                [model, kept.keep_days, to_json(dataclasses.asdict(kept))],
            )  # fmt: skip

    def kept(self) -> dict[str, Kept]:
        """What was noted last, by model."""
        fields = {field.name for field in dataclasses.fields(Kept)}
        found = {
            model: from_json(text)
            for model, text in self.database.run("SELECT model, kept FROM drivetrain_kept")
        }
        return {
            model: Kept(**{name: _frozen(value) for name, value in kept.items() if name in fields})
            for model, kept in found.items()
        }

    def retain(self, days: float | None = None, model: str | None = None, now: int | None = None) -> int:
        """Delete what is older than so many days; without `days` what is older than was noted for its model. How many that were.
        `now` is in nanoseconds since 1970, by default the machine's."""
        now = time.time_ns() if now is None else now
        if days is None:
            noted = self.database.run("SELECT model, keep_days FROM drivetrain_kept WHERE keep_days > 0")
            return sum(self.retain(kept, name, now) for name, kept in noted if model in (None, name))
        where, values = _where(model=model, until=now - int(days * DAY))
        deleted = 0
        while found := self.database.run(f"SELECT number FROM {RECORDS}{where} LIMIT {AT_ONCE}", values):
            deleted += self._delete([number for (number,) in found])
        if deleted:
            self.database.shrink()
        return deleted

    def forget(
        self, *, key: str | None = None, inputs: tuple[str, str] | None = None, model: str | None = None
    ) -> int:
        """Delete the rows of one person, of one model or of all: those that have this key, or in which an input has a value,
        (name, value). How many that were. What journals still hold of them doesn't come into the store any more.

        A value matches as text: 42 and 42.0 are "42", true is "true"; of several tags one is enough, of a file its SHA-256.
        Raises UsageError where it isn't said whose.
        """
        field, value = whose(key, inputs)
        with self.database.changing(alone=True):
            self.database.run(
                "INSERT INTO drivetrain_forgotten VALUES (?, ?, ?, ?, 0) ON CONFLICT (model, field, digest) "
                "DO UPDATE SET time = excluded.time",
                [model or "", field, digest_of(self._salt, value), time.time_ns()],
            )  # fmt: skip
        deleted, last = 0, -1
        where, values = _where(model=model, key=None if field else _storable(value))
        where = f"{where} AND" if where else " WHERE"
        sql = f"SELECT number, inputs FROM {RECORDS}{where} number > ? ORDER BY number LIMIT {AT_ONCE}"
        while rows := self.database.run(sql, [*values, last]):
            last = rows[-1][0]
            deleted += self._delete(
                [number for number, text in rows if not field or matches(text, field, value)]
            )
        self.database.erase()
        return deleted

    def dropped(
        self, *, key: str | None = None, inputs: tuple[str, str] | None = None, model: str | None = None
    ) -> int:
        """How many records were left out of the store since they were forgotten, as they came out of journals."""
        field, value = whose(key, inputs)
        sql = "SELECT dropped FROM drivetrain_forgotten WHERE model = ? AND field = ? AND digest = ?"
        found = self.database.run(sql, [model or "", field, digest_of(self._salt, value)])
        return found[0][0] if found else 0

    def _delete(self, numbers: Sequence[int]) -> int:
        if numbers:
            with self.database.changing():
                self.database.run_many(
                    f"DELETE FROM {RECORDS} WHERE number = ?", [(number,) for number in numbers]
                )
        return len(numbers)


def _where(**wanted: Any) -> tuple[str, list[Any]]:
    """The condition for what is wanted, and its values."""
    signs = {"since": "time >= ?", "until": "time < ?"}
    given = {name: value for name, value in wanted.items() if value is not None}
    words = [signs.get(name, f"{name} = ?") for name in given]
    return f" WHERE {' AND '.join(words)}" if words else "", list(given.values())


def _frozen(value: Any) -> Any:
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value


def _storable(text: str) -> str:
    """As `frames.pack` writes a text."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
