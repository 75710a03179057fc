"""What recommends beside a model of ratings: fitted along with it, measured with it, and put into its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from drivetrain.findings.result import compare_with, make_result
from drivetrain.learn.baselines.recommend import POPULARITY
from drivetrain.learn.baselines.supervised import Baseline
from drivetrain.learn.recommend.ease import EaseLearner
from drivetrain.learn.recommend.items import without
from drivetrain.metrics import losses, measure
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.data.dataset import Dataset
    from drivetrain.learn.base import BaseLearner

BY_RATING = "sorted by predicted rating"
PAIRS = 2_000_000
"""So many ratings are predicted at most to see how well they rank; with many items that is of fewer users."""
ROWS = 65_536
_RECOMMENDERS: WeakKeyDictionary[BaseLearner, EaseLearner] = WeakKeyDictionary()
EXAMPLES = 5
"""So many items of a history, and so many recommendations, are an example."""


def recommender_beside(fitted: BaseLearner, data: Dataset) -> EaseLearner:
    """What recommends by what the users of the same training rows liked, `data`; fitted when it is first asked for."""
    if fitted not in _RECOMMENDERS:
        found = _RECOMMENDERS[fitted] = EaseLearner(data, quiet=fitted.quiet, seed=fitted.settings.seed)
        found.solve()
    return _RECOMMENDERS[fitted]


def add_ranking(fitted: BaseLearner, ranker: EaseLearner, result: dict[str, Any]) -> None:
    """Add to the result of a model of ratings how well is recommended, beside simple methods and beside sorting by the
    ratings that it predicts."""
    part = ranker.data.measured_part
    if part not in result["metrics"]:
        return
    ranked = ranker.result = make_result(ranker)
    result["metrics"][part] |= ranked["metrics"][part]
    for name in ("baselines", "against"):
        result[name] |= ranked[name]
    result["seconds"] += ranked["seconds"]
    with fitted.progress("Ranking by rating", 1) as advance:
        found, rows = by_rating(fitted, ranker, part)
        advance(1)
    codec = ranker.data.signature.targets[found.target]
    outputs, encoded = ranker.outputs(part)
    true = encoded[found.target][rows]
    metrics = measure(codec, found.outputs, true) | ranker.data.task.metrics(found.outputs)
    result["baselines"][BY_RATING] = {name: estimate.to_json() for name, estimate in metrics.items()}
    ours = {found.target: losses(codec, outputs[found.target][rows], true)}
    result["against"] |= compare_with(ranker.data.signature, ours, [found], {found.target: true})
    result["notes"] += [*ranker.told(ranked["against"]), *_warned(result["baselines"])]


def _warned(baselines: dict[str, dict[str, Any]]) -> list[str]:
    """What a person who sorts by predicted rating should know."""
    sorted_so, popular = (baselines[name]["ndcg_at_10"]["value"] for name in (BY_RATING, POPULARITY))
    if sorted_so is None or popular is None or sorted_so >= popular:
        return []
    return [
        f"recommendations are made by what was liked, not by the ratings that this model predicts: sorted by those, "
        f"NDCG@10 is {sorted_so:.3f}, below the {popular:.3f} of what is popular"
    ]


def by_rating(fitted: BaseLearner, ranker: EaseLearner, part: str) -> tuple[Baseline, Array]:
    """Items in the order of their predicted ratings, as outputs of a ranking, for the first so many rows of a part."""
    data = ranker.data.part(part)
    rows = np.arange(min(len(data), max(1, PAIRS // len(ranker.items))))
    (user, users), (item, items) = fitted.data.signature.inputs.items()
    (rating,) = fitted.data.signature.targets
    (target,) = ranker.data.signature.targets
    who, _ = users.encode_column(ranker.data.table["user"][data.rows[rows]])
    what, _ = items.encode_column(np.array(ranker.items, object))
    pairs = {user: np.repeat(who, len(what)), item: np.tile(what, len(who))}
    predicted = [
        fitted.run_arrays({name: codes[start : start + ROWS] for name, codes in pairs.items()})[rating]
        for start in range(0, len(pairs[user]), ROWS)
    ]
    scores = np.concatenate(predicted).reshape(len(who), len(what))
    had = data.batch(rows)
    # From 0 up, so that what was had already comes last whatever the scale of the ratings.
    outputs = without(scores - scores.min(), had["history"], had.get("seen")).astype(np.float32)
    return Baseline(BY_RATING, target, outputs), rows


def example(ranker: BaseLearner, titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """The section of a report: what a user with a history of usual length would have been recommended, and whether they came
    to like it. None where nothing was held out."""
    part = ranker.data.measured_part
    outputs, encoded = ranker.outputs(part)
    ((target, scores),) = outputs.items()
    history = ranker.data.part(part).column("history")
    lengths = np.where(encoded[target].any(axis=1), history.sum(axis=1, dtype=np.int64), -1)
    if not (lengths > 0).any():
        return []
    row = int(np.argmin(np.abs(lengths - np.median(lengths[lengths > 0]))))
    items = ranker.data.signature.targets[target].items  # type: ignore[attr-defined]
    names = [titles.get(item, item) for item in items]
    liked = [names[place] for place in np.flatnonzero(history[row]).tolist()]
    best = np.argsort(-scores[row], kind="stable")[:EXAMPLES].tolist()
    more = f" and {len(liked) - EXAMPLES:,} more" if len(liked) > EXAMPLES else ""
    return [{
        "title": "An example",
        "words": f"Somebody liked {', '.join(liked[:EXAMPLES])}{more}. They would have been recommended:",
        "columns": ["", "item", "liked later"],
        "rows": [
            [place, names[item], "yes" if encoded[target][row, item] else ""] for place, item in enumerate(best, 1)
        ],
    }]  # fmt: skip
