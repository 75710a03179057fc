"""Leaks: columns that give the target away, told before anybody trains on them. Nothing is left out in silence.

On at most 20,000 rows drawn by the seed, each input column alone is held against the target: is it a copy of it (in
the same order, or one to one)? Does it predict it nearly perfectly? To predict, one half of the rows gives each value
of a category, or each of equally full ranges of a number (of 25 rows or more, 200 ranges at most), the mean of the
target, and the other half is measured: classes by the area under the ROC curve (one class against the rest, the mean
over the 20 largest), a number by R2 of its rank. At 0.995 a column gives the target away.

Last, numbers that add up to the target, or multiply: of least squares over all numbers those with a coefficient near
1 or -1, if what they leave of the target is one of ten values in nine of ten rows (0, or fees).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from drivetrain.codecs.base import distinct
from drivetrain.data.faults import Fault
from drivetrain.data.kind_types import (
    CATEGORY,
    DATE,
    ENOUGH,
    IDENTIFIER,
    MANY,
    MOSTLY,
    NUMBER,
    YES_NO,
    ColumnKind,
)
from drivetrain.data.table import Table, missing
from drivetrain.types import Array

SAMPLE = 20_000
GIVES_AWAY = 0.995
LEAST = 40
"""In fewer rows anything may look like a leak."""
_BINS, _ROWS = 200, 25
_CLASSES = 20
_NEAR_ONE = 0.15
_LEFT_VALUES = 10
_LEFT_SHARE = 0.9
_LEAVE = "Leave it out, unless it is known when the model is asked."


def find_leaks(
    table: Table, kinds: Mapping[str, ColumnKind], target: str | Sequence[str], seed: int = 0
) -> list[Fault]:
    """Warnings of columns that give a target away, and of columns that name the rows. See the top of this file."""
    targets = [target] if isinstance(target, str) else list(target)
    inputs = [name for name, kind in kinds.items() if kind.codec is not None and name not in targets]
    faults: list[Fault] = []
    for name in targets:
        known = np.flatnonzero(~missing(table[name]))
        if len(known) >= LEAST:
            chosen = np.random.Generator(np.random.PCG64(seed)).permutation(known)[:SAMPLE]
            faults += _of_target(table.take(chosen), kinds, inputs, name)
    return [*faults, *_identifiers(table, kinds, inputs)]


@dataclass(frozen=True, eq=False)
class _Target:
    """The target on the sample: `numbers` (its ranks if it is a number, its codes if it has classes)."""

    name: str
    values: Array
    classes: int
    """0 for a number."""

    @property
    def train(self) -> slice:
        return slice(0, len(self.values) // 2)

    @property
    def held_out(self) -> slice:
        return slice(len(self.values) // 2, None)


def _of_target(sample: Table, kinds: Mapping[str, ColumnKind], inputs: list[str], name: str) -> list[Fault]:
    is_number = kinds[name].kind == NUMBER
    if is_number:
        target = _Target(name, ranks(sample[name].astype(np.float64)), 0)
    else:
        different, which = distinct(sample[name])
        target = _Target(name, which, len(different))
    faults: list[Fault] = []
    for column in inputs:
        if kinds[column].kind in (NUMBER, YES_NO, CATEGORY, MANY, DATE):
            values, is_ordered = _as_numbers(sample[column])
            told = _copy(values, is_ordered, target) or _predicts(values, is_ordered, target)
            if told:
                message = f"{column!r} gives the target {name!r} away: {told}."
                faults.append(Fault("leak of the target", "warning", message, [], _LEAVE))
    if is_number:
        numbers = [column for column in inputs if kinds[column].kind == NUMBER]
        faults += _sums(sample, numbers, name)
    return faults


def _as_numbers(values: Array) -> tuple[Array, bool]:
    """A column as float64 (n,), NaN where missing, and whether its order means something (else these are codes)."""
    if values.dtype.kind == "M":
        return np.where(np.isnat(values), np.nan, values.astype("datetime64[us]").astype(np.float64)), True
    if values.dtype.kind in "iufb":
        return values.astype(np.float64), True
    gone = missing(values)
    return np.where(gone, np.nan, distinct(values)[1].astype(np.float64)), False


def _copy(values: Array, is_ordered: bool, target: _Target) -> str:
    """How a column says the same as the target; empty where it does not."""
    known = ~np.isnan(values)
    if known.sum() < LEAST:
        return ""
    column, same = values[known], target.values[known]
    if not target.classes:
        if not is_ordered or len(np.unique(same)) < _BINS // 10:
            return ""
        by_rank = ranks(column)
        own = ranks(same)
        if np.array_equal(by_rank, own):
            return "it has the same order, row by row"
        return "it has the opposite order, row by row" if np.array_equal(by_rank, len(own) - own) else ""
    pairs = len(np.unique(np.stack([column, same]), axis=1).T)
    levels, classes = len(np.unique(column)), len(np.unique(same))
    if pairs == levels == classes > 1:
        return "each of its values stands for one class"
    return ""


def ranks(values: Array) -> Array:
    """The rank of each value (n,), from 0 to n, the mean of the places of equals."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - counts / 2)[which]


def _predicts(values: Array, is_ordered: bool, target: _Target) -> str:
    """How well a column alone predicts the target, in words; empty below the threshold."""
    cells = _cells(values, is_ordered, target.train)
    train, rest = cells[target.train], cells[target.held_out]
    count = int(cells.max()) + 1
    seen = np.bincount(train, minlength=count)
    if not target.classes:
        goal, truth = target.values[target.train], target.values[target.held_out]
        means = np.where(seen > 0, np.bincount(train, goal, count) / np.maximum(seen, 1), goal.mean())
        spread = ((truth - truth.mean()) ** 2).sum()
        r2 = 1 - ((truth - means[rest]) ** 2).sum() / spread if spread else 0.0
        return (
            f"alone it predicts it with R2 {r2:.4f} (of the rank, on held-out rows)"
            if r2 >= GIVES_AWAY
            else ""
        )
    frequent = np.argsort(-np.bincount(target.values, minlength=target.classes), kind="stable")[:_CLASSES]
    areas = []
    for code in frequent:
        hits, truth = target.values[target.train] == code, target.values[target.held_out] == code
        if min(hits.sum(), (~hits).sum(), truth.sum(), (~truth).sum()) >= 5:
            areas.append(_area(((np.bincount(train, hits, count) + hits.mean()) / (seen + 1))[rest], truth))
    if not areas or np.mean(areas) < GIVES_AWAY:
        return ""
    return f"alone it tells the classes apart with an area under the curve of {np.mean(areas):.4f} on held-out rows"


def _cells(values: Array, is_ordered: bool, train: slice) -> Array:
    """The range or level (n,) of each value; what is missing has one of its own, 0."""
    known = ~np.isnan(values)
    if is_ordered:
        some = values[train][known[train]]
        ranges = int(np.clip(len(some) // _ROWS, 10, _BINS))
        edges = (
            np.unique(np.quantile(some, np.linspace(0, 1, ranges + 1)[1:-1])) if len(some) else np.empty(0)
        )
        found = np.searchsorted(edges, np.where(known, values, 0.0))
    else:
        found = np.where(known, values, 0).astype(np.int64)
    return np.where(known, found + 1, 0)


def _area(scores: Array, truth: Array) -> float:
    """The area under the ROC curve: how often a row of the class scores above one that is not."""
    positive = int(truth.sum())
    above = ranks(scores)[truth].sum() - positive * positive / 2
    return float(above / (positive * (len(truth) - positive)))


def _sums(sample: Table, columns: list[str], name: str) -> list[Fault]:
    """Numbers that add up to the target, or whose product it is."""
    goal = sample[name].astype(np.float64)
    if len(np.unique(goal)) <= 5 * _LEFT_VALUES:
        return []
    values = {column: sample[column].astype(np.float64) for column in columns}
    values = {column: array for column, array in values.items() if np.isnan(array).mean() < 0.2}
    for is_product in (False, True):
        if is_product:
            values = {column: array for column, array in values.items() if np.nanmin(array) > 0}
            if goal.min() <= 0:
                break
            goal, values = np.log(goal), {column: np.log(array) for column, array in values.items()}
        terms = _unit_terms(goal, values)
        shares = _remainders(goal, values, terms) if len(terms) > 1 else (0.0, 0.0)
        if shares[1] >= _LEFT_SHARE:
            told = _formula(terms, is_product)
            rest = (
                "" if shares[0] >= _LEFT_SHARE else f", but for {_LEFT_VALUES} different remainders at most"
            )
            share = shares[0] if shares[0] >= _LEFT_SHARE else shares[1]
            message = f"The target {name!r} is {told}{rest}, in {share:.1%} of the rows."
            fix = "Leave them out, unless they are known when the model is asked."
            return [Fault("leak of the target", "warning", message, [], fix)]
    return []


def _formula(terms: Mapping[str, int], is_product: bool) -> str:
    """The terms as a person writes them: total - tip, price * number."""
    ordered = sorted(terms, key=lambda column: -terms[column])
    plus, minus = (" * ", " / ") if is_product else (" + ", " - ")
    first = "" if terms[ordered[0]] > 0 else ("1 / " if is_product else "-")
    return (
        first
        + ordered[0]
        + "".join((plus if terms[column] > 0 else minus) + column for column in ordered[1:])
    )


def _unit_terms(goal: Array, values: Mapping[str, Array]) -> dict[str, int]:
    """Columns whose coefficient for `goal` is nearly 1 or -1 by least squares over all, and which of the two."""
    kept: dict[str, Array] = {}
    lengths: dict[str, float] = {}
    for column, array in values.items():
        centred = np.nan_to_num(array - np.nanmean(array))
        length = float(np.linalg.norm(centred))
        if length > 0 and not any(abs(centred @ other) > (1 - 1e-9) * length for other in kept.values()):
            kept[column], lengths[column] = centred / length, length
    if len(kept) < 2:
        return {}
    matrix = np.stack(list(kept.values()))
    weights = np.linalg.lstsq(matrix @ matrix.T, matrix @ (goal - goal.mean()), rcond=1e-10)[0]
    found = {column: float(weight) / lengths[column] for column, weight in zip(kept, weights)}
    return {
        column: 1 if weight > 0 else -1
        for column, weight in found.items()
        if abs(abs(weight) - 1) < _NEAR_ONE
    }


def _remainders(goal: Array, values: Mapping[str, Array], terms: Mapping[str, int]) -> tuple[float, float]:
    """In what share of the rows the terms leave 0 of `goal`, and in what share one of its ten commonest remainders."""
    left = goal - sum(sign * values[column] for column, sign in terms.items())
    left = np.round(left[~np.isnan(left)] / (np.std(goal) * 1e-6))
    _, counts = np.unique(left, return_counts=True)
    return float((left == 0).sum() / len(goal)), float(np.sort(counts)[-_LEFT_VALUES:].sum() / len(goal))


def _identifiers(table: Table, kinds: Mapping[str, ColumnKind], inputs: list[str]) -> list[Fault]:
    faults: list[Fault] = []
    left_out = [name for name, kind in kinds.items() if kind.kind == IDENTIFIER]
    if left_out:
        message = f"Left out, for they name the rows: {', '.join(left_out)}."
        where = [f"{name}: {kinds[name].reason}" for name in left_out]
        faults.append(Fault("identifier", "warning", message, where, "Say their kind where they mean more."))
    for name in inputs:
        if kinds[name].kind in (CATEGORY, MANY):
            known = table[name][~missing(table[name])]
            different = len(distinct(known)[0])
            if len(known) >= ENOUGH and different >= MOSTLY * len(known):
                message = (
                    f"{name!r} has {different:,} different values in {len(known):,} rows: it names the row."
                )
                faults.append(
                    Fault("identifier", "warning", message, [], "Leave it out: no new row will have them.")
                )
    return faults
