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
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.arguments import public
from drivetrain.bundle.reader import Bundle, open_bundle
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.data import split as splits
from drivetrain.data.dataset import Dataset, Extras, make_dataset
from drivetrain.data.interactions.histories import Log
from drivetrain.data.interactions.ratings import check_ratings, read_ratings
from drivetrain.data.interactions.titles import read_titles
from drivetrain.data.read.frame import Frame
from drivetrain.data.read.readers import read_frame
from drivetrain.data.split import Splitter
from drivetrain.errors import DataError, UsageError
from drivetrain.evidence.ranking_beside import recommender_of
from drivetrain.learn.applies import refuse_pointless, refuse_shares
from drivetrain.learn.recommend.items import BeyondAccuracy
from drivetrain.metrics import Estimate, measure
from drivetrain.runtime import OnnxSession
from drivetrain.runtime.recommend import Alike, Recommendations, Recommender
from drivetrain.tasks.problem import Problem
from drivetrain.types import Array

NAME = "recommendation"
INTERVAL = 0.9
"""How often a rating's interval shall hold it where nobody said."""
MOST_ITEMS = 5000
"""So many items are recommended at most: a weight for each pair of them must fit."""

NAMES_ARE_IN_IT = (
    "The names of the users that it was trained on are in the bundle, and some of their ratings.",
)
SEEN_IS_IN_IT = ("What each user has had is in the bundle, by name.",)


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
        **{name: _plain(value) for name, value in options.items()},
    }
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
    interval: float | None = INTERVAL,
    recipe: dict[str, Any] | None = None,
    name: str = "ratings",
) -> Dataset:
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
    if interval is not None and not 0 < interval < 1:
        raise UsageError(f"this must be a share between 0 and 1, not {interval}.", where="interval")
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
    log = Log(table, parts, user, item, rating, liked, most_items, seed)
    notes = [*log.notes, *_split_notes(splitter, timestamp)]
    way = Number() if rating is None else frame.column(rating).way()
    facts = {
        "user": user, "item": item, "rating": rating, "timestamp": timestamp, "liked": log.threshold,
        "header": (recipe or {}).get("header"), "thousands": way.thousands,
    }  # fmt: skip
    extras = Extras(
        "users", _ranking_baselines, facts={"recommendation": facts}, histories=log.histories, keep_seen=keep_seen,
        titles=_titles(titles, item, table[item]), limits=SEEN_IS_IN_IT if keep_seen else (),
    )  # fmt: skip
    ranking = _ranking(log, extras)
    if rating is None:
        data = ranking
        data.recipe = recipe
        data.notes = [*table.notes, *([parts.note] if parts.note else []), *notes, *data.notes]
    else:
        data = Problem.of(make_dataset(
            table, {user: Category(open=True), item: Category(open=True)}, {rating: _on_its_scale(way, table[rating][parts.train])},
            lambda _: parts,  # type: ignore[arg-type]
            task=NAME, recipe=recipe, default_model="factors",
        ))  # fmt: skip
        data.notes += [*notes, *ranking.notes]
        data.interval = interval
        limits = (*NAMES_ARE_IN_IT, *ranking.extras.limits)
        data.extras = Extras("ratings", baselines=_rating_baselines, limits=limits, recommends=ranking)
    said = {"liked": liked is not None, "interval": interval not in (None, INTERVAL)}
    refuse_pointless(data, None, [name for name, given in said.items() if given])
    data.find_faults = lambda _: check_ratings(table, user, item, parts.train)
    return data


def _ranking(log: Log, extras: Extras) -> Dataset:
    """The dataset of histories of a log. All its rows but the test's are those of the log in which what validates trains."""
    ranking = Problem.of(log.ranking())
    ranking.task = NAME
    facts = {"recommendation": {**extras.facts["recommendation"], "users": len(ranking.split.train)}}
    ranking.extras = replace(
        extras, metrics=BeyondAccuracy(ranking), facts=facts, whole=lambda: _ranking(log.whole(), extras)
    )
    return ranking


def _plain(value: Any) -> Any:
    """An option as a run's config can hold it."""
    return os.path.abspath(value) if isinstance(value, os.PathLike) else value


def _titles(
    given: str | os.PathLike[str] | Mapping[str, str] | None, item: str, items: Array
) -> Mapping[str, str]:
    """Item -> title."""
    if given is None or isinstance(given, Mapping):
        return given or {}
    return read_titles(given, item, set(items.tolist()))


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
    ranker = model if model.data.extras.recommends is None else recommender_of(model)
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


def _rating_baselines(*given: Any) -> Any:
    from drivetrain.learn.baselines.recommend import rating_baselines

    return rating_baselines(*given)


def _ranking_baselines(*given: Any) -> Any:
    from drivetrain.learn.baselines.recommend import ranking_baselines

    return ranking_baselines(*given)
