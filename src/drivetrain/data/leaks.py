"""Leaks: columns that give the target away, told before anybody trains on them. Nothing is left out in silence.

On at most 20,000 rows drawn by the seed, each input column alone is held against the target: is it a copy of it (in
the same order, or one to one)? Does it predict it nearly perfectly? To predict, one half of the rows gives each of
200 equally full ranges of a number, or each value of a category, the mean of the target, and the other half is
measured: a class by the area under the ROC curve (one class against the rest, the mean over classes), a number by R2 of its rank.
At 0.995 a column gives the target away. Last, numbers that add up to the target, or multiply, are looked for:
of least squares those with a coefficient near 1 or -1, if what they leave of the target is one of ten values in
nine of ten rows (0, or fees).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from drivetrain.codecs.base import MISSING_WORDS, distinct, is_missing
from drivetrain.data.faults import Fault
from drivetrain.data.kind_rules import (
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
from drivetrain.data.table import Table
from drivetrain.types import Array

SAMPLE = 20_000
GIVES_AWAY = 0.995
LEAST = 40
"""In fewer rows anything may look like a leak."""
_BINS = 200
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


def missing(values: Array) -> Array:
    """True (n,) where a table's column has no value."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind == "M":
        return np.isnat(values)
    if values.dtype != object:
        return np.zeros(len(values), bool)
    different, which = distinct(values)
    return np.array([is_missing(value, MISSING_WORDS) for value in different], bool)[which]


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
    seen = np.bincount(train, minlength=count) + 1.0
    if not target.classes:
        goal, truth = target.values[target.train], target.values[target.held_out]
        means = (np.bincount(train, goal, count) + goal.mean()) / seen
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
            areas.append(_area(((np.bincount(train, hits, count) + hits.mean()) / seen)[rest], truth))
    if not areas or np.mean(areas) < GIVES_AWAY:
        return ""
    return f"alone it tells the classes apart with an area under the curve of {np.mean(areas):.4f} on held-out rows"


def _cells(values: Array, is_ordered: bool, train: slice) -> Array:
    """The range or level (n,) of each value; what is missing has one of its own, 0."""
    known = ~np.isnan(values)
    if is_ordered:
        some = values[train][known[train]]
        edges = np.unique(np.quantile(some, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(some) else np.empty(0)
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
    for told, take in (("the sum", False), ("the product", True)):
        if take:
            values = {column: array for column, array in values.items() if np.nanmin(array) > 0}
            if goal.min() <= 0:
                break
            goal, values = np.log(goal), {column: np.log(array) for column, array in values.items()}
        if found := _unit_terms(goal, values):
            terms = " and ".join(
                f"{'' if sign > 0 else ('1/' if take else '-')}{column}" for column, sign, _ in found
            )
            share = found[0][2]
            message = f"The target {name!r} is {told} of {terms}, but for {_LEFT_VALUES} values at most, in {share:.1%} of the rows."
            fix = "Leave them out, unless they are known when the model is asked."
            return [Fault("leak of the target", "warning", message, [], fix)]
    return []


def _unit_terms(goal: Array, values: Mapping[str, Array]) -> list[tuple[str, int, float]]:
    """(column, 1 or -1, share of rows) of two or more columns that add up to `goal`; else nothing."""
    kept: dict[str, Array] = {}
    for column, array in values.items():
        filled = np.where(np.isnan(array), np.nanmean(array), array)
        scaled = filled - filled.mean()
        length = np.linalg.norm(scaled)
        copies = any(abs(scaled @ other) > (1 - 1e-9) * length for other in kept.values())
        if length > 0 and not copies:
            kept[column] = scaled / length
    if len(kept) < 2:
        return []
    matrix = np.stack(list(kept.values()), axis=1)
    weights, *_ = np.linalg.lstsq(matrix, goal - goal.mean(), rcond=None)
    terms: list[tuple[str, int]] = []
    for column, weight in zip(kept, weights):
        array = values[column]
        weight /= np.linalg.norm(np.where(np.isnan(array), 0.0, array - np.nanmean(array)))
        if abs(abs(weight) - 1) < _NEAR_ONE:
            terms.append((column, 1 if weight > 0 else -1))
    if len(terms) < 2:
        return []
    left = goal - sum(sign * values[column] for column, sign in terms)
    left = left[~np.isnan(left)]
    _, counts = np.unique(np.round(left / (np.std(goal) * 1e-6)), return_counts=True)
    share = float(np.sort(counts)[-_LEFT_VALUES:].sum() / len(goal))
    return [(column, sign, share) for column, sign in terms] if share >= _LEFT_SHARE else []


def _identifiers(table: Table, kinds: Mapping[str, ColumnKind], inputs: list[str]) -> list[Fault]:
    faults: list[Fault] = []
    left_out = [f"{name}: {kind.reason}" for name, kind in kinds.items() if kind.kind == IDENTIFIER]
    if left_out:
        message = f"Left out, for a row's name says nothing of other rows: {', '.join(name.partition(':')[0] for name in left_out)}."
        faults.append(Fault("identifier", "warning", message, left_out, "Name their kind if they are more."))
    for name in inputs:
        if kinds[name].kind in (CATEGORY, MANY):
            different, which = distinct(table[name])
            present = int((~missing(table[name])).sum())
            if present >= ENOUGH and len(different) >= MOSTLY * present:
                message = (
                    f"{name!r} has {len(different):,} different values in {present:,} rows: it names the row."
                )
                faults.append(
                    Fault("identifier", "warning", message, [], "Leave it out: no new row will have them.")
                )
    return faults
