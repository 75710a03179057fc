"""Ratings and picks: who, what, how much and when, as a table with each pair of user and item once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from drivetrain.codecs.base import distinct
from drivetrain.data.faults import Fault, Report
from drivetrain.data.table import Table, complete
from drivetrain.data.times import times_of
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.data.read.columns import Column
    from drivetrain.data.read.frame import Frame

FEW_PEOPLE = 20
"""With fewer users than this hardly anything can be learned of who likes what."""


def read_ratings(
    frame: Frame, user: str, item: str, rating: str | None, timestamp: str | None, more: Sequence[str] = ()
) -> Table:
    """The columns of a frame that are named, users and items as text.

    Rows without a user, an item or a rating are left out. A pair that occurs several times counts once: with the last
    rating where there are times, else with the mean of all. Both are told in the table's notes. Raises UsageError for
    a column that isn't there, DataError for a rating that is no number and where nothing could be learned.
    """
    roles = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
    named = [name for name in roles.values() if name is not None]
    for role, name in roles.items():
        if name is not None and name not in frame.columns:
            fix = nearest(name, frame.columns) or f"The columns are {', '.join(frame.columns[:20])}."
            raise UsageError(
                f"there is no column {name!r} ({role}).", where=frame.source or frame.name, fix=fix
            )
    if len(set(named)) < len(named):
        raise UsageError(
            "user, item, rating and timestamp are different columns.",
            where=frame.source or frame.name,
            fix="Name each once.",
        )
    columns: dict[str, Array] = {name: frame.column(name).classes() for name in (user, item)}
    absent = {name: np.array([text is None for text in columns[name]]) for name in (user, item)}
    if rating is not None:
        columns[rating] = _numbers(frame, rating)
        absent[rating] = np.isnan(columns[rating])
    for name in (*([] if timestamp is None else [timestamp]), *more):
        if name not in columns and name in frame.columns:
            columns[name] = _values(frame.column(name))
    table = Table(columns, frame.origins, frame.name, frame.source, notes=frame.notes)
    table = complete(table, absent)
    table = _once(table, user, item, rating, timestamp)
    _check(table, user, item, rating)
    return table


def _values(column: Column) -> Array:
    if column.is_text:
        return column.texts()
    if column.kind == "number":
        return column.numbers.column()
    return column.values.to_numpy()


def _numbers(frame: Frame, name: str) -> Array:
    """(n,) float64, NaN where there is none. Raises DataError naming the first cell that is no number."""
    found = frame.column(name).numbers
    for rows, what in ((found.others, "is no number"), (found.infinite, "is not finite")):
        if len(rows):
            more = f" ({len(rows):,} cells are none)" if len(rows) > 1 else ""
            raise DataError(
                f"{str(frame.data[name][int(rows[0])])!r:.60} {what}{more}.", where=f"{frame.origins[int(rows[0])]}, {name}",
                fix="Ratings are numbers. Without a rating column each row counts as a pick.",
            )  # fmt: skip
    return found.values


def pairs(table: Table, user: str, item: str) -> Array:
    """(n,) for each row a number that it shares with the rows of the same user and item."""
    (_, users), (different, items) = distinct(table[user]), distinct(table[item])
    return users.astype(np.int64) * len(different) + items


def _once(table: Table, user: str, item: str, rating: str | None, timestamp: str | None) -> Table:
    """Each pair once, at the place of its last row."""
    which = pairs(table, user, item)
    times = np.zeros(len(table)) if timestamp is None else times_of(table, timestamp)
    order = np.lexsort((np.arange(len(table)), times, which))
    last = np.append(np.flatnonzero(np.diff(which[order])), len(order) - 1)
    if len(last) == len(order):
        return table
    kept = order[last]
    columns = dict(table.columns)
    if rating is not None and timestamp is None:
        _, group = np.unique(which, return_inverse=True)
        columns[rating] = (np.bincount(group, columns[rating]) / np.bincount(group))[group]
    how = (
        "each counts once" if rating is None
        else "the last rating counts" if timestamp is not None
        else "the mean of their ratings counts"
    )  # fmt: skip
    told = f"{len(order) - len(last):,} rows rate or pick again what the same user had before: {how}"
    merged = replace(table, columns=columns).take(np.sort(kept))
    return replace(merged, notes=(*merged.notes, told))


def _check(table: Table, user: str, item: str, rating: str | None) -> None:
    for name, role in ((user, "user"), (item, "item")):
        if len(set(table[name])) < 2:
            raise DataError(
                f"there is only one {role}, {table[name][0]!r}: nothing to learn from others.",
                where=f"{table.name}, {name}", fix="Give ratings of several users and items.",
            )  # fmt: skip
    if rating is not None and np.ptp(table[rating]) == 0:
        raise DataError(
            f"all ratings are {table[rating][0]:g}: nothing to predict.", where=f"{table.name}, {rating}",
            fix="Leave the rating column out: then each row counts as a pick.",
        )  # fmt: skip


def check_ratings(table: Table, user: str, item: str, train: Array) -> Report:
    """Report what makes ratings hard to learn from: few people, people and items with a single row, new ones."""
    faults: list[Fault] = []
    of_users, of_items = (distinct(table[name]) for name in (user, item))
    for (names, which), what, fix in (
        (of_users, "user", "Of them nothing can be held out: they train, and validate nothing."),
        (of_items, "item", "Hardly anything is learned of these."),
    ):
        alone = [str(names[place]) for place in np.flatnonzero(np.bincount(which) == 1)]
        if len(alone) * 2 > len(names):
            faults.append(
                Fault("single rows", "warning", f"{len(alone):,} of {len(names):,} {what}s have one row only.", alone, fix)
            )  # fmt: skip
    if len(of_users[0]) < FEW_PEOPLE:
        told = f"there are {len(of_users[0])} users: what some like says little about others."
        faults.append(Fault("few users", "warning", told, [], "Get ratings of more people."))
    for (names, which), what in ((of_users, "user"), (of_items, "item")):
        known = np.zeros(len(names), bool)
        known[which[train]] = True
        strange = [str(names[place]) for place in np.flatnonzero(~known)]
        if strange:
            told = f"{len(strange):,} {what}s are not in the training rows."
            fix = "They get what is popular." if what == "user" else "They can't be recommended."
            faults.append(Fault("not in train", "warning", told, strange, fix))
    counts = {"rows": len(table), "users": len(of_users[0]), "items": len(of_items[0])}
    return Report(table.name, table.layout, tuple(faults), counts=counts, things="ratings")
