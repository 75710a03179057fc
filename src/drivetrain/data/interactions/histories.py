"""Histories of people, from their ratings or picks: what each had before, and what they liked next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from drivetrain.codecs import Signature
from drivetrain.codecs.base import distinct
from drivetrain.codecs.category import order
from drivetrain.codecs.ranking import Ranking
from drivetrain.codecs.tags import Tags
from drivetrain.data.dataset import Dataset
from drivetrain.data.split import Split
from drivetrain.data.table import Table
from drivetrain.errors import DataError
from drivetrain.types import Array

MOST_CELLS = 10_000_000
"""So many scores are measured at most: of that many users over items."""


@dataclass(frozen=True, eq=False)
class Interactions:
    """Who had what, in codes, and what is held out: from which histories are made."""

    table: Table
    split: Split
    user: str
    item: str
    rating: str | None
    given: float | None
    most_items: int
    seed: int

    @cached_property
    def threshold(self) -> float | None:
        """The rating from which on something was liked."""
        if self.rating is None or self.given is not None:
            return self.given
        return float(self.table[self.rating][self.split.train].mean())

    def whole(self) -> Interactions:
        """The same, in which what validates trains. Liked is what was liked before."""
        rows = np.sort(np.concatenate([self.split.train, self.split.valid]))
        return replace(self, split=Split(rows, rows[:0], self.split.test), given=self.threshold)

    @cached_property
    def liked(self) -> Array:
        """bool (n,)"""
        if self.rating is None or self.threshold is None:
            return np.ones(len(self.table), bool)
        return self.table[self.rating] >= self.threshold

    @cached_property
    def users(self) -> tuple[list[str], Array]:
        return distinct(self.table[self.user])

    @property
    def notes(self) -> list[str]:
        users, items = len(self.users[0]), len(set(self.table[self.item]))
        what = "picks" if self.rating is None else "ratings"
        told = [f"{len(self.table):,} {what} by {users:,} users of {items:,} items"]
        if self.threshold is not None:
            told.append(f"liked means rated {self.threshold:.3g} or more: that is what is recommended by")
        return told

    def ranking(self) -> Dataset:
        """The dataset of histories -> what was liked next: a row for each user of a part."""
        train = self.split.train[self.liked[self.split.train]]
        if not len(train):
            raise DataError(
                "nothing was liked in the training rows.", where=self.table.name, fix="Lower `liked`."
            )
        names, counts = np.unique(self.table[self.item][train].astype(str), return_counts=True)
        most = np.argsort(-counts, kind="stable")[: self.most_items]
        catalogue = tuple(order(names[most].tolist()))
        inputs = {"history": Tags(catalogue, open=True)}
        if self.rating is not None:
            inputs["seen"] = Tags(catalogue, open=True)
        signature = Signature(inputs, {"next": Ranking(catalogue)})
        table, split = self._people(list(inputs), len(catalogue))
        notes = []
        if len(most) < len(names):
            share = counts[most].sum() / counts.sum()
            notes.append(
                f"the {len(most):,} most liked of {len(names):,} items can be recommended, which have {share:.1%} of the "
                "training rows; the others count as missed"
            )
        return Dataset(table, signature, split, notes=notes)

    def _people(self, inputs: list[str], items: int) -> tuple[Table, Split]:
        """Rows (user, history, seen, next), those that train first."""
        train, valid, test = (self._by_user(rows) for rows in self.split.parts().values())
        both = self._by_user(np.sort(np.concatenate([self.split.train, self.split.valid])))
        rows: list[tuple[int, list[str], list[str], list[str]]] = []
        ends = []
        for before, after in ((train, None), (train, valid), (both, test)):
            people = [user for user, (liked, _) in (before if after is None else after).items() if liked]
            for user in people if after is None else self._some(people, items):
                history, seen = before.get(user, ([], []))
                wanted = [] if after is None else after[user][0]
                rows.append((user, history, seen, wanted))
            ends.append(len(rows))
        columns = {name: np.empty(len(rows), object) for name in ("history", "seen", "next")}
        for place, row in enumerate(rows):
            for name, value in zip(columns, row[1:]):
                columns[name][place] = value
        codes = np.array([row[0] for row in rows], np.int64)
        names = np.array(self.users[0], object)[codes]
        if "seen" not in inputs:
            del columns["seen"]
        origins = np.array([f"{self.table.name}, user {name}" for name in names], object)
        table = Table({"user": names, **columns}, origins, self.table.name, self.table.source)
        return table, Split(*(np.arange(start, end) for start, end in zip([0, *ends], ends)))

    def _some(self, people: list[int], items: int) -> list[int]:
        drawn = np.random.default_rng(self.seed).permutation(len(people))[: max(1, MOST_CELLS // items)]
        return [people[place] for place in np.sort(drawn)]

    def _by_user(self, rows: Array) -> dict[int, tuple[list[str], list[str]]]:
        """User -> (items liked, other items) in these rows, in their order."""
        codes = self.users[1][rows]
        order = np.argsort(codes, kind="stable")
        items, liked = self.table[self.item][rows][order], self.liked[rows][order]
        present, starts = np.unique(codes[order], return_index=True)
        return {
            user: (mine[good].tolist(), mine[~good].tolist())
            for user, mine, good in zip(
                present.tolist(), np.split(items, starts[1:]), np.split(liked, starts[1:])
            )
        }

    def histories(self) -> dict[str, tuple[list[str], list[str]]]:
        """User -> what they liked, and what else they had, in all parts."""
        people = self._by_user(np.arange(len(self.table)))
        return {self.users[0][user]: both for user, both in people.items()}
