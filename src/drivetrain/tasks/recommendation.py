"""Recommendation: who liked what, and what would they like next.

data = drivetrain.recommendation.from_csv("ratings.csv", user="user", item="film", rating="stars", timestamp="when")

With a rating there are two models in one: what somebody would give (user, item -> rating), and what to show them,
learned from what they liked. For a model of ratings ranks badly: it is sure of the few who praised what hardly anybody
saw. Without a rating there is the second alone.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.bundle.reader import Bundle, open_bundle
from drivetrain.codecs import Signature
from drivetrain.codecs.base import distinct
from drivetrain.codecs.category import Category, order
from drivetrain.codecs.number import Number
from drivetrain.codecs.ranking import Ranking
from drivetrain.codecs.tags import Tags
from drivetrain.data import split as splits
from drivetrain.data.dataset import Dataset, Extras, make_dataset
from drivetrain.data.ratings import check_ratings, read_ratings
from drivetrain.data.readers import Frame, read_frame
from drivetrain.data.split import Split, Splitter
from drivetrain.data.table import Table
from drivetrain.errors import DataError, UsageError
from drivetrain.metrics import Estimate, measure
from drivetrain.runtime import OnnxSession
from drivetrain.runtime.recommend import Alike, Recommendations, Recommender
from drivetrain.types import Array

NAME = "recommendation"
MOST_ITEMS = 5000
"""So many items are recommended at most: a weight for each pair of them must fit."""
MOST_CELLS = 10_000_000
"""So many scores are measured at most: of that many users over items."""

NAMES_ARE_IN_IT = (
    "The names of the users that it was trained on are in the bundle, and some of their ratings.",
)
SEEN_IS_IN_IT = ("What each user has had is in the bundle, by name.",)


def from_csv(
    path: str | os.PathLike[str],
    user: str,
    item: str,
    rating: str | None = None,
    timestamp: str | None = None,
    valid: float = 0.2,
    seed: int = 0,
    *,
    header: Sequence[str] | None = None,
    query: str | None = None,
    split: Splitter | None = None,
    **options: Any,
) -> Dataset:
    """Ratings from a file (CSV, TSV, Parquet, JSON lines), or from a database: its URL and a `query`.

    `header` names the columns of a file that doesn't. The other options are those of `from_frame`. Raises FileError,
    DataError and UsageError that name file, row and column.
    """
    frame = read_frame(path, query=query, header=header)
    recipe = {
        "task": NAME,
        "source": os.fspath(path) if query else os.path.abspath(path),
        "user": user,
        "item": item,
        "rating": rating,
        "timestamp": timestamp,
        "valid": valid,
        "seed": seed,
        "header": None if header is None else list(header),
        "query": query,
        "split": None if split is None else split.to_json(),
        **options,
    }
    return from_frame(
        frame, user, item, rating, timestamp, valid, seed, split=split, recipe=recipe, **options
    )


def from_frame(
    frame: Any,
    user: str,
    item: str,
    rating: str | None = None,
    timestamp: str | None = None,
    valid: float = 0.2,
    seed: int = 0,
    *,
    test: float = 0.0,
    split: Splitter | None = None,
    liked: float | None = None,
    most_items: int = MOST_ITEMS,
    keep_seen: bool = False,
    interval: float | None = 0.9,
    recipe: dict[str, Any] | None = None,
    name: str = "ratings",
) -> Dataset:
    """A pandas or polars frame, or a mapping of columns.

    Without `split` the latest share `valid` (and `test`) of each user's rows is held out where there is a `timestamp`,
    else as many rows at random. `liked` is the rating from which on something was liked (the mean of the training
    ratings); `most_items` the number of items that may be recommended, the most liked ones. With `keep_seen` a bundle
    holds what each user has had, by name; else who asks gives their history. `interval` is for the rating, as in
    `tabular`.
    """
    frame = frame if isinstance(frame, Frame) else read_frame(frame, name=name)
    if most_items < 2:
        raise UsageError("most_items is a whole number from 2.", where="most_items")
    columns = [value for value in (getattr(split, "column", None), getattr(split, "within", None)) if value]
    table = read_ratings(frame, user, item, rating, timestamp, columns)
    splitter = split or _default_split(user, timestamp, valid, test, seed)
    parts = splitter(table)
    if not len(parts.train):
        raise DataError(
            "there is nothing to train on.", where=table.name, fix="Make the other parts smaller."
        )
    log = _Log(
        table,
        parts,
        user,
        item,
        rating,
        timestamp,
        liked,
        most_items,
        keep_seen,
        (recipe or {}).get("header"),
        seed,
    )
    notes = [*log.notes, *_split_notes(splitter, timestamp)]
    ranking = log.ranking()
    if rating is None:
        data = ranking
        data.recipe = recipe
        data.notes = [*table.notes, *([parts.note] if parts.note else []), *notes, *data.notes]
    else:
        data = make_dataset(
            table, {user: Category(open=True), item: Category(open=True)}, {rating: Number()}, lambda _: parts,  # type: ignore[arg-type]
            task=NAME, recipe=recipe, default_model="dot",
        )  # fmt: skip
        data.notes += [*notes, *ranking.notes]
        data.interval = interval
        limits = (*NAMES_ARE_IN_IT, *ranking.extras.limits)
        data.extras = Extras("ratings", baselines=_rating_baselines, limits=limits, recommends=ranking)
    data.find_faults = lambda _: check_ratings(table, user, item, parts.train)
    return data


def from_recipe(recipe: Mapping[str, Any]) -> Dataset:
    """The dataset that `from_csv` made."""
    options = {name: value for name, value in recipe.items() if name not in ("task", "source", "split")}
    split = recipe.get("split")
    return from_csv(recipe["source"], split=None if split is None else splits.from_json(split), **options)


def recommender(model: Any, *, seen: Mapping[Any, Any] | None = None) -> Recommender:
    """What recommends: of a bundle (its path, or opened) or of a trained learner, which then knows the histories of its own
    users. `seen` says who has had what: user -> items, or items with ratings."""
    if isinstance(model, Recommender):
        return model
    if isinstance(model, (str, os.PathLike, Bundle)):
        return Recommender(model, seen=seen)
    ranker = model if model.data.extras.recommends is None else model.recommender
    with tempfile.TemporaryDirectory() as folder:
        bundle = open_bundle(model.export(Path(folder) / "model.bundle"))
    if ranker.data.extras.histories is None:
        return Recommender(bundle, check=False, seen=seen)
    histories = {user: (tuple(a), tuple(b)) for user, (a, b) in ranker.data.extras.histories().items()}
    if bundle.recommender is None:
        bundle = replace(bundle, seen=histories)
    else:
        bundle = replace(bundle, recommender=replace(bundle.recommender, seen=histories))
    return Recommender(bundle, check=False, seen=seen)


def recommend(model: Any, user: Any = None, n: int = 10, **wishes: Any) -> Recommendations:
    """The best `n` items for a user, from a bundle or a trained learner: see `Recommender.recommend` for the wishes. Who
    asks more than once makes a `Recommender` first."""
    return recommender(model).recommend(user, n, **wishes)


def similar(model: Any, item: Any, n: int = 10) -> list[Alike]:
    """The `n` items most like another one: see `Recommender.similar`."""
    return recommender(model).similar(item, n)


def measure_bundle(bundle: Bundle, data: Dataset, part: str) -> dict[str, Estimate]:
    """How well a bundle ranks for the users of a part of its own data, run as it will be."""
    ranker, ranking = bundle.recommender or bundle, data.extras.recommends or data
    batch = ranking.part(part).batch()
    ((target, codec),) = ranking.signature.targets.items()
    feeds = {name: batch[name] for name in ranking.signature.inputs}
    return measure(codec, OnnxSession(ranker.graph).run(feeds)[target], batch[target])


def _default_split(user: str, timestamp: str | None, valid: float, test: float, seed: int) -> Splitter:
    """The latest of each user: at one date for all, most users of most data sets are either before it or behind it."""
    if timestamp is None:
        return splits.random(valid, seed=seed, test=test)
    return splits.by_time(timestamp, valid, test, within=user)


def _split_notes(splitter: Splitter, timestamp: str | None) -> list[str]:
    if isinstance(splitter, splits.ByTime) and splitter.within is not None:
        return [
            "validated on the latest rows of each user, trained on those before. What other users did later is in training, "
            f"which flatters all methods alike; --split time:{splitter.column} cuts at one date for all"
        ]
    if isinstance(splitter, splits.Random) and timestamp is None:
        return [
            "validated on rows drawn at random: later rows tell of earlier ones, which flatters all methods; "
            "name a --timestamp to hold out the latest"
        ]
    return []


def _rating_baselines(*given: Any) -> Any:
    from drivetrain.learn.simple_recommenders import rating_baselines

    return rating_baselines(*given)


def _ranking_baselines(*given: Any) -> Any:
    from drivetrain.learn.simple_recommenders import ranking_baselines

    return ranking_baselines(*given)


@dataclass(frozen=True, eq=False)
class _Log:
    """Who had what, in codes, and what is held out: from which histories are made."""

    table: Table
    split: Split
    user: str
    item: str
    rating: str | None
    timestamp: str | None
    given: float | None
    most_items: int
    keep_seen: bool
    header: Sequence[str] | None
    seed: int

    @cached_property
    def threshold(self) -> float | None:
        """The rating from which on something was liked."""
        if self.rating is None or self.given is not None:
            return self.given
        return float(self.table[self.rating][self.split.train].mean())

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
        data = Dataset(table, signature, split, task=NAME, notes=notes, default_model="ease")
        facts = {
            "user": self.user, "item": self.item, "rating": self.rating, "timestamp": self.timestamp, "liked": self.threshold,
            "users": len(split.train), "header": self.header,
        }  # fmt: skip
        data.extras = Extras(
            "users", _ranking_baselines, _BeyondAccuracy(data), {"recommendation": facts}, self._histories, self.keep_seen,
            SEEN_IS_IN_IT if self.keep_seen else (),
        )  # fmt: skip
        return data

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

    def _histories(self) -> dict[str, tuple[list[str], list[str]]]:
        """User -> what they liked, and what else they had, in all parts."""
        people = self._by_user(np.arange(len(self.table)))
        return {self.users[0][user]: both for user, both in people.items()}


class _BeyondAccuracy:
    """Novelty and diversity of a dataset's rankings, by who had what in training."""

    def __init__(self, data: Dataset) -> None:
        self.data = data

    @cached_property
    def items(self) -> Any:
        from drivetrain.learn.items import Items

        return Items(self.data.part("train").batch()["history"])

    def __call__(self, outputs: Array) -> Any:
        return self.items.beyond_accuracy(outputs)
