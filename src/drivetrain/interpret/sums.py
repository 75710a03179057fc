"""Scores that are sums over n-grams, dealt to the words that these stand over; and the words that add most of all."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drivetrain.codecs import Codec
from drivetrain.learn.features.base import Sums
from drivetrain.types import Array

Floats = npt.NDArray[np.float64]
Spans = Sequence[tuple[int, int]]

FEWEST_TEXTS = 3
"""A word that fewer texts have is not told among the strongest: it may be anything."""
_AROUND = re.compile(r"^\W+|\W+$")


def plain(word: str) -> str:
    """A word in small letters, without the signs around it; signs alone stay."""
    return _AROUND.sub("", word).lower() or word


class Summed(NamedTuple):
    """What each word of a text adds to each score (words, scores), and what else these are (scores,)."""

    adds: Floats
    rest: Floats


def summed(
    sums: Sums,
    codes: Sequence[int | None],
    codec: Codec,
    field: str,
    batch: Mapping[str, Any],
    texts: Sequence[str],
    spans: Sequence[Spans],
) -> list[Summed | None]:
    """Of encoded rows whose texts in `field` are `texts`, with words at `spans`: what these add to the scores for the codes of
    classes (None: of a number). None for a row that has what stands nowhere in its text."""
    weights, bias = _towards(sums, codes)
    rest = np.tile(bias, (len(texts), 1))
    found: list[Summed | None] = []
    own: tuple[Any, Floats, Any] | None = None
    start = 0
    for columns in sums.columns:
        part = weights[start : start + columns.count]
        start += columns.count
        features = columns.of(batch[columns.field])
        if columns.field == field:
            own = (features, part, columns)
        else:
            rest += features @ part
    for place, (text, words) in enumerate(zip(texts, spans)):
        if own is None:
            found.append(Summed(np.zeros((len(words), len(codes))), rest[place]))
            continue
        features, part, columns = own
        edges = slice(*features.indptr[place : place + 2])
        which = features.indices[edges]
        each = features.data[edges, None].astype(np.float64) * part[which]
        dealt = _deal(columns.stretches(codec, text), which, each, text, words)
        found.append(
            None if dealt is None else Summed(dealt, rest[place] + each.sum(axis=0) - dealt.sum(axis=0))
        )
    return found


def _towards(sums: Sums, codes: Sequence[int | None]) -> tuple[Floats, Floats]:
    """Weights (columns, scores) and biases (scores,) of the scores for classes, or of a number."""
    sides = np.zeros((sums.weights.shape[1], len(codes)))
    present, centers = sums.scored, np.zeros(len(codes))
    for place, code in enumerate(codes):
        if code is None:
            sides[:, place] = sums.scale[1]
            centers[place] = sums.scale[0]
        elif code in present and len(present) > 1:
            sides[present, place] = -1 / (len(present) - 1)
            sides[code, place] = 1
    return sums.weights @ sides, sums.bias @ sides + centers


def _deal(
    stretches: tuple[Array, Array, Array], columns: Array, each: Floats, text: str, spans: Spans
) -> Floats | None:
    """What the columns (m,) of a row add (m, scores), by word."""
    if not len(columns):
        return np.zeros((len(spans), each.shape[1]))
    order = np.argsort(columns)
    columns, each = columns[order], each[order]
    which, begin, end = stretches
    place = np.minimum(np.searchsorted(columns, which), len(columns) - 1)
    known = columns[place] == which  # What a long text has too many of is not looked at.
    place, begin, end = place[known], begin[known], end[known]
    times = np.bincount(place, minlength=len(columns))
    if (each[times == 0] != 0).any():
        return None
    solid = np.fromiter((not sign.isspace() for sign in text), np.int64, len(text))
    letters = np.concatenate([[0], np.cumsum(solid)])
    share = each[place] / (times[place] * np.maximum(1, letters[end] - letters[begin]))[:, None]
    found = np.zeros((len(spans), each.shape[1]))
    first, last = np.array(spans, np.int64).reshape(-1, 2).T
    for score in range(each.shape[1]):
        # Between its ends each letter has the share: what begins is added, what ends is taken off.
        rises, falls = (np.bincount(edge, share[:, score], len(text) + 1) for edge in (begin, end))
        whole = np.concatenate([[0], np.cumsum(np.cumsum(rises - falls)[:-1] * solid)])
        found[:, score] = whole[last] - whole[first]
    return found


def strongest(
    texts: Sequence[str],
    spans: Sequence[Spans],
    found: Iterator[Summed | None] | Sequence[Summed | None],
    n: int,
) -> list[list[tuple[str, float, int]]]:
    """For each score the `n` words that add most to it where they stand: (word, mean over the texts that have it, how many
    these are). Words are in small letters, without the signs around them."""
    totals: dict[str, Floats] = {}
    counts: dict[str, int] = defaultdict(int)
    for text, words, row in zip(texts, spans, found):
        if row is None:
            continue
        here: dict[str, Floats] = {}
        for (begin, end), adds in zip(words, row.adds):
            word = plain(text[begin:end])
            here[word] = here.get(word, 0.0) + adds
        for word, adds in here.items():
            totals[word] = totals.get(word, 0.0) + adds
            counts[word] += 1
    kept = [word for word in totals if counts[word] >= FEWEST_TEXTS]
    if not kept:
        return []
    means = np.array([totals[word] / counts[word] for word in kept])
    ranked = np.argsort(-means, axis=0, kind="stable")[:n].T.tolist()
    return [
        [
            (kept[place], float(means[place, score]), counts[kept[place]])
            for place in places
            if means[place, score] > 0
        ]
        for score, places in enumerate(ranked)
    ]
