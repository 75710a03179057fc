"""Members that only the bundles of recommenders have: vectors and titles of items, and who has had what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from drivetrain.bundle.facts import Fits, is_number, is_text, is_whole, many, or_none, wrong
from drivetrain.bundle.manifest import load_json
from drivetrain.bundle.npy import from_npy
from drivetrain.codecs import Signature
from drivetrain.codecs.ranking import Ranking
from drivetrain.errors import BundleError
from drivetrain.types import Array

VECTORS, SEEN, TITLES = "item_vectors.npy", "seen.json", "titles.json"
RECOMMENDER = "recommender.bundle"
OPTIONAL = (VECTORS, SEEN, TITLES, RECOMMENDER)
MOST_WIDTH = 4096

Histories = dict[str, tuple[tuple[str, ...], tuple[str, ...]]]
"""User -> what they liked, and what else they have had."""


def ranking_of(signature: Signature) -> Ranking | None:
    """The ranking that is the only target; None where there is none."""
    targets = list(signature.targets.values())
    return targets[0] if len(targets) == 1 and isinstance(targets[0], Ranking) else None


def vectors_in(members: Mapping[str, memoryview], signature: Signature) -> Array | None:
    """float32 (items, width), finite; None where there are none. Raises BundleError."""
    if VECTORS not in members:
        return None
    ranking, vectors = ranking_of(signature), from_npy(members[VECTORS], VECTORS)
    if ranking is None or vectors.dtype != np.float32 or vectors.ndim != 2:
        raise BundleError("it is not a vector for each item of a ranking.", where=VECTORS)
    if len(vectors) != len(ranking.items) or vectors.shape[1] > MOST_WIDTH or not np.isfinite(vectors).all():
        raise BundleError(
            f"it doesn't hold a vector for each of {len(ranking.items):,} items.", where=VECTORS
        )
    return vectors


def seen_in(members: Mapping[str, memoryview], signature: Signature) -> Histories | None:
    """Who has had what; None where the bundle doesn't say. Raises BundleError."""
    if SEEN not in members:
        return None
    record = load_json(members[SEEN], SEEN)
    if ranking_of(signature) is None or not isinstance(record, dict):
        raise BundleError("it doesn't say what users of a ranking have had.", where=SEEN)
    found: Histories = {}
    for user, both in cast("dict[str, Any]", record).items():
        lists: list[Any] = cast("list[Any]", both) if isinstance(both, list) else []
        if len(lists) != 2 or not all(_are_texts(each) for each in lists):
            raise BundleError(f"{user[:50]!r} has not two lists of items.", where=SEEN)
        found[user] = (tuple(lists[0]), tuple(lists[1]))
    return found


def titles_in(members: Mapping[str, memoryview], signature: Signature) -> dict[str, str]:
    """Item -> title, of the items that have one. Raises BundleError."""
    if TITLES not in members:
        return {}
    ranking, record = ranking_of(signature), load_json(members[TITLES], TITLES)
    if ranking is None or not isinstance(record, dict):
        raise BundleError("it doesn't hold titles of the items of a ranking.", where=TITLES)
    titles, items = cast("dict[str, Any]", record), set(ranking.items)
    for item, title in titles.items():
        if item not in items or not isinstance(title, str):
            raise BundleError(f"{item[:50]!r} is no item with a title.", where=TITLES)
    return titles


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in cast("list[Any]", value))


def recommends(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a recommender's training data: its columns `user`, `item`, `rating`, `timestamp`, the `header` of
    a file that names none, the sign for `thousands`, and the rating from which on something was `liked`."""
    kinds: dict[str, Fits] = {
        "user": is_text,
        "item": is_text,
        "rating": or_none(is_text),
        "timestamp": or_none(is_text),
        "header": or_none(many(is_text)),
        "thousands": is_text,
        "liked": or_none(is_number),
        "users": is_whole,
    }
    record = facts.get("recommendation", {})
    if not isinstance(record, dict):
        raise wrong("recommendation")
    found = {name: value for name, value in cast("dict[str, Any]", record).items() if name in kinds}
    for name, value in found.items():
        if not kinds[name](value):
            raise wrong(f"recommendation.{name}")
    return found
