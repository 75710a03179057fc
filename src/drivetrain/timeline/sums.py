"""Series that are sums of others: stores in regions in a total, each beside those that it is made of.

A sum has a moment wherever one of its parts has one. It is known where all of them are: a part that has ended no more than a
horizon before is one that lacks, one that has ended earlier counts as nothing, as does one that has not begun. What is known ahead
or up to now of a sum is the mean of its parts'.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from drivetrain.errors import DataError
from drivetrain.forecasting.hierarchy import Tree
from drivetrain.timeline.calendar import features
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.timeline.moments import Moments

Paths = tuple[tuple[str, ...], ...]
Places = npt.NDArray[np.int64]


def with_sums(moments: Moments, paths: Paths) -> Moments:
    """The same moments, and behind them those of the sums that the paths of all series name: the total, then level by level. Raises
    DataError where a sum would be called as a series is."""
    tree = Tree.of(paths)
    upper = tree.nodes - tree.leaves
    names = tree.names[:upper]
    if taken := sorted({*names} & {*moments.names}):
        raise DataError(
            f"a series and a sum of series are both called {taken[0]!r}.", where=moments.layout.item, fix="Rename one."
        )  # fmt: skip
    numbers = moments.layout.beat.index(moments.stamps)
    made = [_sum(moments, numbers, leaves) for leaves in _leaves(tree)]
    parts = [np.concatenate([getattr(moments, field), *(each[field] for each in made)]) for field in _FIELDS]
    sizes = np.concatenate([moments.sizes, [len(each["rows"]) for each in made]])
    statics = {
        name: np.concatenate([values, np.full(upper, None, object)])
        for name, values in moments.statics.items()
    }
    note = f"{upper:,} sums of series are foretold beside them: {', '.join(names[:5])}{' ...' if upper > 5 else ''}"
    return replace(
        moments, names=(*moments.names, *names), sizes=sizes, statics=statics, paths=paths,
        notes=(*moments.notes, note), **dict(zip(_FIELDS, parts)),
    )  # fmt: skip


_FIELDS = ("local", "stamps", "values", "ahead", "truth", "rows")


def _leaves(tree: Tree) -> list[Places]:
    """Of each node above the leaves those below it, by their place among the leaves."""
    upper = tree.nodes - tree.leaves
    found: list[list[int]] = [[] for _ in range(upper)]
    for leaf in range(tree.leaves):
        node = int(tree.parent[upper + leaf])
        while node >= 0:
            found[node].append(leaf)
            node = int(tree.parent[node])
    return [np.array(leaves, np.int64) for leaves in found]


def _sum(moments: Moments, numbers: Places, leaves: Places) -> dict[str, Array]:
    """The fields of the moments of a sum."""
    layout = moments.layout
    own = [
        slice(int(moments.offsets[n]), int(moments.offsets[n] + moments.sizes[n]))
        for n in leaves
        if moments.sizes[n]
    ]
    first = min(int(numbers[each.start]) for each in own)
    last = max(int(numbers[each.stop - 1]) for each in own)
    size = last - first + 1
    total, present, lacking = np.zeros(size), np.zeros(size), np.zeros(size)
    values, ahead = (np.zeros((size, part.shape[1])) for part in (moments.values, moments.ahead))
    rows = np.full(size, -1, np.int64)
    for each in own:
        begin = int(numbers[each.start]) - first
        end = begin + each.stop - each.start
        truth = moments.truth[each, 0]
        total[begin:end] += np.nan_to_num(truth)
        lacking[begin:end] += np.isnan(truth)
        lacking[end : end + layout.horizon] += 1  # What has just ended is only late.
        present[begin:end] += 1
        values[begin:end] += moments.values[each]
        ahead[begin:end] += moments.ahead[each]
        rows[begin:end] = np.maximum(rows[begin:end], moments.rows[each])
    known = (lacking == 0) & (present > 0)
    truth = np.where(known, total, np.nan)
    count = np.maximum(present, 1)[:, None]
    values, ahead = values / count, ahead / count
    places = np.maximum.accumulate(np.where(known, np.arange(size), -1))
    values[:, 0] = np.where(places >= 0, total[np.maximum(places, 0)], 0.0)
    stamps = layout.beat.stamp(first + np.arange(size))
    local = layout.local(stamps)
    if layout.calendar:
        made = features(layout.calendar, local)
        values[:, -made.shape[1] :], ahead[:, -made.shape[1] :] = made, made
    return {
        "local": local, "stamps": stamps, "values": values.astype(np.float32), "ahead": ahead.astype(np.float32),
        "truth": truth.astype(np.float32)[:, None], "rows": rows,
    }  # fmt: skip
