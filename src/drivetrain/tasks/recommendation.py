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
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from drivetrain.arguments import public
from drivetrain.bundle import facts
from drivetrain.bundle.optional import RECOMMENDER, ranking_of
from drivetrain.bundle.reader import Bundle, open_bundle
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.data import split as splits
from drivetrain.data.dataset import Dataset, make_dataset
from drivetrain.data.interactions.histories import Interactions
from drivetrain.data.interactions.ratings import check_ratings, read_ratings
from drivetrain.data.interactions.titles import read_titles
from drivetrain.data.option import NUMBER, Option
from drivetrain.data.read.frame import Frame
from drivetrain.data.read.readers import read_frame
from drivetrain.data.refit import whole
from drivetrain.data.split import Splitter
from drivetrain.data.split_words import refuse_shares
from drivetrain.data.task import ALONE, BESIDE, Task
from drivetrain.errors import DataError, UsageError
from drivetrain.files import to_json
from drivetrain.learn.applies import refuse_pointless
from drivetrain.learn.names import EASE, FACTORS
from drivetrain.learn.recommend.items import BeyondAccuracy
from drivetrain.metrics import Estimate, measure
from drivetrain.runtime import OnnxSession
from drivetrain.runtime.recommend import Alike, Recommendations, Recommender
from drivetrain.tasks.options import (
    FLAG,
    HELD,
    INTERVAL,
    QUERY,
    SEED,
    SPLIT,
    TEST,
    VALID,
    Words,
    refuse_no_share,
)
from drivetrain.tasks.problem import Problem
from drivetrain.types import Array, Batch

if TYPE_CHECKING:
    from drivetrain.data.faults import Report
    from drivetrain.learn.base import BaseLearner
    from drivetrain.learn.baselines.supervised import Baseline
    from drivetrain.learn.recommend.ease import EaseLearner

MOST_ITEMS = 5000
"""So many items are recommended at most: a weight for each pair of them must fit."""

NAMES_ARE_IN_IT = (
    "The names of the users that it was trained on are in the bundle, and some of their ratings.",
)
SEEN_IS_IN_IT = ("What each user has had is in the bundle, by name.",)
TEXT = {"metavar": "COLUMN"}


class Titles(Option):
    """A file of titles, whose path is kept whole."""

    def read(self, typed: str | None) -> Path | None:
        return None if typed is None else Path(typed)

    def plain(self, value: Any) -> Any:
        return os.path.abspath(value) if isinstance(value, os.PathLike) else value


class Recommendation(Task):
    """Who liked what, from a table of ratings or picks. What only a training needs is imported then: a base install lacks
    what it is made with."""

    name = "recommendation"
    heading = "ratings"
    asked_for = own_baselines = True
    command = "recommend {bundle} USER --seen {table}"
    card_use = (
        'import drivetrain as dt\nprint(dt.Recommender("{bundle}").recommend(history=[...], n=10))',
        "drivetrain recommend {bundle} USER --seen ratings.csv",
    )
    options = (
        VALID,
        SEED,
        SPLIT,
        TEST,
        Option("user", "who", TEXT, question="which column is the user", fits=facts.is_text),
        Option("item", "what", TEXT, question="which column is the item", fits=facts.is_text),
        Option("rating", "how much; without it, that it was picked", TEXT, fits=facts.or_none(facts.is_text)),
        Option(
            "timestamp", "when: validate on each user's latest", TEXT, fits=facts.or_none(facts.is_text)
        ),
        Option(
            "liked_from", "what counts as liked; default: the mean and above", {"type": float, "metavar": "RATING"},
            argument="liked", needs=NUMBER, fits=facts.or_none(facts.is_number),
        ),
        Words(
            "header", "the columns of a file that doesn't name them: a,b,c", {"metavar": "NAMES"},
            fits=facts.or_none(facts.many(facts.is_text)),
        ),
        Titles("titles", "a table of items and their titles", {"metavar": "FILE"}),
        Option("keep_seen", "the bundle holds what each user has had, by name", FLAG, fits=facts.is_bool),
        QUERY,
        INTERVAL,
        Option("most_items", typed=None, fits=facts.is_whole),
    )  # fmt: skip

    def way_to(self, source: str) -> str:
        return "name a table" if os.path.isdir(source) else super().way_to(source)

    def make(self, source: Any, **call: Any) -> Problem:
        return from_csv(source, **call)

    def split_words(self, recipe: Mapping[str, Any]) -> str:
        """Without a split, ratings that have a time are split by it."""
        return "" if recipe.get("split") is None and recipe.get("timestamp") else super().split_words(recipe)

    own_file = "what was right to recommend is known where histories are: in the file of the training."

    def measures(self, bundle: Bundle) -> str:
        if ranking_of(bundle.signature) is not None:
            return ALONE
        return "" if bundle.recommender is None else BESIDE

    def measure(self, bundle: Bundle, data: Dataset, part: str) -> dict[str, Estimate]:
        return measure_bundle(bundle, data, part)


@dataclass(frozen=True, eq=False)
class Ranking(Recommendation):
    """Of a dataset of histories, which come from a log: what was liked next."""

    log: Interactions
    known: Mapping[str, Any]
    """What a bundle knows of the log's columns."""
    keep_seen: bool
    titles: Mapping[str, str]
    beyond: BeyondAccuracy

    things = "users"
    no_network = (
        "what comes next in a history is ranked by ease alone.",
        "Leave the model out, or name a rating column: then the model is for the ratings.",
    )
    fitted_again = (
        "measured without what the valid rows say of users; what answers was fitted again to them too"
    )

    @classmethod
    def of(
        cls, log: Interactions, known: Mapping[str, Any], keep_seen: bool, titles: Mapping[str, str]
    ) -> Problem:
        """The dataset of histories of a log."""
        data = Problem.of(log.ranking())
        data.task = cls(log, known, keep_seen, titles, BeyondAccuracy(data))
        data.default_model = EASE
        return data

    @property
    def limits(self) -> tuple[str, ...]:
        return SEEN_IS_IN_IT if self.keep_seen else ()

    def find_faults(self, data: Dataset) -> Report:
        del data
        log = self.log
        return check_ratings(log.table, log.user, log.item, log.split.train)

    def baselines(self, signature: Signature, train: Batch, measured: Batch, seed: int) -> list[Baseline]:
        from drivetrain.learn.baselines.recommend import ranking_baselines

        return ranking_baselines(signature, train, measured, seed)

    def metrics(self, outputs: Array) -> dict[str, Estimate]:
        return self.beyond(outputs)

    def whole(self, data: Dataset) -> Problem:
        """That of the log in which what validates trains."""
        del data
        return self.of(self.log.whole(), self.known, self.keep_seen, self.titles)

    def facts(self, data: Dataset) -> dict[str, Any]:
        return {"recommendation": {**self.known, "users": len(data.split.train)}}

    def members(self, learner: BaseLearner) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        if self.keep_seen:
            people = {user: list(both) for user, both in self.log.histories().items()}
            found["seen.json"] = to_json(people).encode()
        items = next(iter(learner.shipped.data.signature.targets.values())).items  # type: ignore[attr-defined]
        if titles := {item: self.titles[item] for item in items if item in self.titles}:
            found["titles.json"] = to_json(titles).encode()
        return found

    def sections(self, learner: BaseLearner) -> list[dict[str, Any]]:
        from drivetrain.findings.ranking_beside import example

        return example(learner, self.titles)

    def ranker(self, learner: BaseLearner) -> BaseLearner:
        """What recommends."""
        return learner


@dataclass(frozen=True, eq=False)
class Ratings(Recommendation):
    """Of a dataset of ratings, which say no more than how much: what to recommend is learned from histories beside it."""

    ranking: Problem

    things = "ratings"

    @property
    def log(self) -> Interactions:
        """Who had what, of which the histories are made."""
        return cast("Ranking", self.ranking.task).log

    @property
    def limits(self) -> tuple[str, ...]:
        return (*NAMES_ARE_IN_IT, *self.ranking.task.limits)

    def default_model(self, signature: Signature) -> str:
        return FACTORS

    def find_faults(self, data: Dataset) -> Report:
        return self.ranking.task.find_faults(data)

    def baselines(self, signature: Signature, train: Batch, measured: Batch, seed: int) -> list[Baseline]:
        from drivetrain.learn.baselines.recommend import rating_baselines

        return rating_baselines(signature, train, measured, seed)

    def for_whole(self) -> Ratings:
        return replace(self, ranking=whole(self.ranking))

    def add_to_result(self, learner: BaseLearner, result: dict[str, Any]) -> None:
        from drivetrain.findings.ranking_beside import add_ranking

        add_ranking(learner, self.ranker(learner), result)

    def members(self, learner: BaseLearner) -> dict[str, bytes]:
        """The bundle of what recommends: opened, checked and verified like any."""
        from drivetrain.findings.result import make_result

        ranker = self.ranker(learner)
        if ranker.result is None:
            ranker.result = make_result(ranker)
        with tempfile.TemporaryDirectory() as folder:
            return {RECOMMENDER: ranker.export(Path(folder) / RECOMMENDER).read_bytes()}

    def sections(self, learner: BaseLearner) -> list[dict[str, Any]]:
        return self.ranking.task.sections(self.ranker(learner))

    def ranker(self, learner: BaseLearner) -> EaseLearner:
        """What recommends beside this learner, fitted when it is first asked for."""
        from drivetrain.findings.ranking_beside import recommender_beside

        return recommender_beside(learner, self.ranking)


TASK = Recommendation()


@public
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
) -> Problem:
    """Ratings from a file (CSV, TSV, Parquet, JSON lines), or from a database: its URL and a `query`.

    `header` names the columns of a file that doesn't. The other options are those of `from_frame`. Raises FileError,
    DataError and UsageError that name file, row and column.
    """
    frame = read_frame(path, query=query, header=header)
    recipe = TASK.recipe(
        os.fspath(path) if query else os.path.abspath(path),
        user=user, item=item, rating=rating, timestamp=timestamp, valid=valid, seed=seed, header=header, query=query,
        split=split, **options,
    )  # fmt: skip
    return from_frame(
        frame, user, item, rating, timestamp, valid, seed, split=split, recipe=recipe, **options
    )


@public
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
    titles: str | os.PathLike[str] | Mapping[str, str] | None = None,
    interval: float | None = HELD,
    recipe: dict[str, Any] | None = None,
    name: str = "ratings",
) -> Problem:
    """A pandas or polars frame, or a mapping of columns.

    Without `split` the latest share `valid` (and `test`) of each user's rows is held out where there is a `timestamp`,
    else as many rows at random. `liked` is the rating from which on something was liked (the mean of the training
    ratings); `most_items` the number of items that may be recommended, the most liked ones. With `keep_seen` a bundle
    holds what each user has had, by name; else who asks gives their history. `titles` is a table with items and their
    titles (or a mapping of one to the other), by which they are then called. `interval` is for the rating, as in
    `tabular`.
    """
    frame = frame if isinstance(frame, Frame) else read_frame(frame, name=name)
    refuse_shares(split, valid, test)
    refuse_no_share(interval)
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
    log = Interactions(table, parts, user, item, rating, liked, most_items, seed)
    notes = [*log.notes, *_split_notes(splitter, timestamp)]
    way = Number() if rating is None else frame.column(rating).way()
    known = {
        "user": user, "item": item, "rating": rating, "timestamp": timestamp, "liked": log.threshold,
        "header": (recipe or {}).get("header"), "thousands": way.thousands,
    }  # fmt: skip
    ranking = Ranking.of(log, known, keep_seen, _titles(titles, item, table[item]))
    if rating is None:
        data = ranking
        data.recipe = recipe
        data.notes = [*table.notes, *([parts.note] if parts.note else []), *notes, *data.notes]
    else:
        inputs = {user: Category(open=True), item: Category(open=True)}
        targets = {rating: _on_its_scale(way, table[rating][parts.train])}
        made = make_dataset(table, inputs, targets, lambda _: parts, task=Ratings(ranking), recipe=recipe)  # type: ignore[arg-type]
        data = Problem.of(made)
        data.notes += [*notes, *ranking.notes]
        data.interval = interval
    said = {"liked": liked is not None, "interval": interval not in (None, HELD)}
    refuse_pointless(data, None, [name for name, given in said.items() if given])
    return data


def _titles(
    given: str | os.PathLike[str] | Mapping[str, str] | None, item: str, items: Array
) -> Mapping[str, str]:
    """Item -> title."""
    if given is None or isinstance(given, Mapping):
        return given or {}
    return read_titles(given, item, set(items.tolist()))


def recommender(model: Any, *, seen: Mapping[Any, Any] | None = None) -> Recommender:
    """What recommends: of a bundle (its path, or opened) or of a trained learner, which then knows the histories of its own
    users. `seen` says who has had what: user -> items, or items with ratings."""
    if isinstance(model, Recommender):
        return model
    if isinstance(model, (str, os.PathLike, Bundle)):
        return Recommender(model, seen=seen)
    with tempfile.TemporaryDirectory() as folder:
        bundle = open_bundle(model.export(Path(folder) / "model.bundle"))
    task = model.data.task
    if not isinstance(task, Ranking | Ratings):
        return Recommender(bundle, check=False, seen=seen)
    histories = {user: (tuple(a), tuple(b)) for user, (a, b) in task.log.histories().items()}
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
    ranker, ranking = bundle.recommender or bundle, getattr(data.task, "ranking", data)
    if ranker.signature.targets != ranking.signature.targets:  # It was fitted again, and knows more items.
        ranking = replace(ranking, signature=ranker.signature, _parts={}, bad={})
    batch = ranking.part(part).batch()
    ((target, codec),) = ranking.signature.targets.items()
    feeds = {name: batch[name] for name in ranking.signature.inputs}
    return measure(codec, OnnxSession(ranker.graph, ranker.tensors).run(feeds)[target], batch[target])


def _on_its_scale(way: Number, values: Array) -> Number:
    """The codec whose answers stay within the ratings that there were in training: of 1 to 5, never 5.7."""
    known = way.truths(values, values)
    known = known[~np.isnan(known)]
    return replace(way, scale=(float(known.min()), float(known.max()))) if len(known) else way


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
