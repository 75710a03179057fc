"""Leaks: columns that give the target away, told before anybody trains on them. Nothing is left out in silence.

On at most 20,000 rows drawn by the seed (of 2,000 columns and more fewer), each input column alone is held against the
target: is it a copy of it (in the same order, one to one, or a range for each class)? How well does it tell it? A row is
guessed from the rows beside it in the column's order, or with its value, never from itself; classes are measured by the
area under the ROC curve (one class against the rest, the mean over the 20 largest; also by rank), a number by R2 of its
rank. At 0.995 a column gives the target away. Of one that tells nearly all, or much more than every other, it is asked
whether it is known when the model is asked: how long a call took is not.

Last, numbers that add up to the target, or multiply: of least squares over all numbers those with a coefficient near
1 or -1, if what they leave of the target is one of ten values in nine of ten rows (0, or fees).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from drivetrain.codecs.base import distinct
from drivetrain.data.faults import Fault
from drivetrain.data.kinds.base import (
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
from drivetrain.interface import column_option
from drivetrain.types import Array

LEFT_OUT_COLUMNS = "left out"
"""The fault that names the columns which are left out: who has shown the kind of each column needs it no more."""
SAMPLE, CELLS, FEWEST = 20_000, 40_000_000, 400
"""So many rows are looked at; of a table of thousands of columns fewer, but so many at least."""
GIVES_AWAY = 0.995
TELLS_NEARLY_ALL, TELLS_MUCH, STANDS_OUT = 0.8, 0.5, 1.25
"""Shares of the way from chance to certainty, and how many times the next one's."""
LEAST = 40
"""In fewer rows anything may look like a leak."""
_BESIDE = (1, 3, 12)
_CLASSES, _EACH = 20, 5
_SURE = 5
"""An area so many standard errors above one half is not chance, among thousands of columns neither."""
_BY_CHANCE = 1e-6
_NEAR_ONE = 0.15
_LEFT_VALUES = 10
_LEFT_SHARE = 0.9
_KNOWN = "Is it known when the model is asked? Leave it out if it is known only afterwards, as how long a call took."
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
            count = min(SAMPLE, max(FEWEST, CELLS // (len(inputs) + 1)))
            chosen = np.random.Generator(np.random.PCG64(seed)).permutation(known)[:count]
            faults += _of_target(table.take(chosen), kinds, inputs, name)
    return [*faults, *_identifiers(table, kinds, inputs)]


@dataclass(frozen=True, eq=False)
class _Target:
    """The target on the sample: `values` are its ranks if it is a number, its codes if it has classes."""

    name: str
    values: Array
    classes: int
    """0 for a number."""


def _of_target(sample: Table, kinds: Mapping[str, ColumnKind], inputs: list[str], name: str) -> list[Fault]:
    is_number = kinds[name].alike == NUMBER
    if is_number:
        target = _Target(name, ranks(sample[name].astype(np.float64)), 0)
    else:
        different, which = distinct(sample[name])
        target = _Target(name, which, len(different))
    faults: list[Fault] = []
    strengths: dict[str, _Strength] = {}
    for column in inputs:
        if kinds[column].alike not in (NUMBER, YES_NO, CATEGORY, MANY, DATE):
            continue
        values, is_ordered = _as_numbers(sample[column])
        told = _copy(values, is_ordered, target)
        if not told and (strength := _strength(values, is_ordered, target)) and strength.is_sure:
            if strength.value >= GIVES_AWAY:
                told = f"alone it tells it with {strength}"
            elif kinds[column].alike != DATE:  # Which is known.
                strengths[column] = strength
        if told:
            message = f"{column!r} gives the target {name!r} away: {told}."
            faults.append(Fault("leak of the target", "warning", message, [], _LEAVE))
    if is_number:
        numbers = [column for column in inputs if kinds[column].alike == NUMBER]
        found, terms = _sums(sample, numbers, name)
        faults += found
        strengths = {column: strength for column, strength in strengths.items() if column not in terms}
    return [*faults, *_telling(strengths, name, bool(faults))]


def _telling(strengths: Mapping[str, _Strength], target: str, has_leak: bool) -> list[Fault]:
    """The columns of which a person is to say whether they are known when the model is asked: those that alone tell
    nearly all of the target, else the one that tells much more than every other, a leak among them."""
    ordered = sorted(strengths, key=lambda column: -strengths[column].share)
    nearly = [column for column in ordered if strengths[column].share >= TELLS_NEARLY_ALL]
    if nearly:
        message = (
            f"{nearly[0]!r} tells nearly all of the target {target!r}: alone with {strengths[nearly[0]]}."
        )
        where = [f"so does {column!r}, with {strengths[column]}" for column in nearly[1:]]
        return [Fault("telling column", "warning", message, where, _KNOWN)]
    if not ordered or has_leak:
        return []
    best, *others = ordered
    share = strengths[best].share
    second = strengths[others[0]].share if others else 0.0
    if share < TELLS_MUCH or share < STANDS_OUT * second:
        return []
    next_one = f", the next, {others[0]!r}, with {strengths[others[0]]}" if others else ""
    message = f"{best!r} tells most of the target {target!r}: alone with {strengths[best]}{next_one}."
    return [Fault("telling column", "note", message, [], _KNOWN)]


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
        if not is_ordered or len(np.unique(same)) < LEAST // 2:
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
    return "its order parts the classes, row by row" if is_ordered and _parts(values, target) else ""


def _parts(values: Array, target: _Target) -> bool:
    """True where each class is one range of the column, what is missing another, and chance would not do that."""
    levels = np.unique(values, return_inverse=True)[1]  # To which all gaps are one level.
    order = np.lexsort((target.values, levels))
    column, classes = levels[order], target.values[order]
    changes = classes[1:] != classes[:-1]
    if (
        not changes.any()
        or changes.sum() >= len(np.unique(classes))
        or (column[1:] == column[:-1])[changes].any()
    ):
        return False
    counts = np.bincount(classes)
    arrangements = math.lgamma(len(classes) + 1) - sum(math.lgamma(count + 1) for count in counts.tolist())
    return arrangements - math.lgamma(np.count_nonzero(counts) + 1) > -math.log(_BY_CHANCE)


def ranks(values: Array) -> Array:
    """The rank of each value (n,), from 0 to n, the mean of the places of equals."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - counts / 2)[which]


def _strength(values: Array, is_ordered: bool, target: _Target) -> _Strength | None:
    """How well a column alone tells the target; None where too few rows say so."""
    beside = _Beside(values, is_ordered)
    if not target.classes:
        spread = float(((target.values - target.values.mean()) ** 2).sum())
        if not spread:
            return None
        left = min(float(((target.values - guess) ** 2).sum()) for guess in beside.guesses(target.values))
        return _Strength(1 - left / spread, "R2 {:.4f} (of the rank)")
    counts = np.bincount(target.values, minlength=target.classes)
    frequent = np.argsort(-counts, kind="stable")[: 1 if target.classes == 2 else _CLASSES]
    found: list[tuple[float, float]] = []
    for code in frequent:
        rows, others = int(counts[code]), int(counts.sum() - counts[code])
        if min(rows, others) >= _EACH:
            chance = math.sqrt((rows + others + 1) / (12 * rows * others))
            found.append((beside.area(target.values == code), chance))
    if not found:
        return None
    area, chance = np.mean(found, axis=0).tolist()
    return _Strength(area, "an area under the curve of {:.4f}", 0.5, area - 0.5 > _SURE * chance)


@dataclass(frozen=True)
class _Strength:
    """`value` is 1 at best and `chance` where a column tells nothing; `form` makes words of it. `is_sure` is False where
    so much could be chance in so few rows."""

    value: float
    form: str
    chance: float = 0.0
    is_sure: bool = True

    @property
    def share(self) -> float:
        """From 0, no better than chance, to 1."""
        return (self.value - self.chance) / (1 - self.chance)

    def __str__(self) -> str:
        return self.form.format(self.value)


class _Beside:
    """The rows of a column in its order: what lies beside a row says what the row should be, the row itself left out.

    Each of `_BESIDE` gives a guess: the mean of so many rows below and above in the order. Where more rows than that have
    one value, or there is no order, it is the mean of the others with this value, drawn a little to the mean of all.
    """

    def __init__(self, values: Array, is_ordered: bool) -> None:
        self.values, self.is_ordered = values, is_ordered
        _, self.level, counts = np.unique(values, return_inverse=True, return_counts=True)
        self.alike = counts[self.level]
        self.order = np.argsort(self.level, kind="stable")

    def guesses(self, goal: Array) -> Iterator[Array]:
        """Guesses of `goal` (n,), each without a look at the row itself."""
        goal = goal.astype(np.float64)
        by_level = (np.bincount(self.level, goal)[self.level] - goal + goal.mean()) / self.alike
        if not self.is_ordered or self.alike.min() > 2 * _BESIDE[-1]:
            yield by_level
            return
        at = np.arange(len(goal))
        sums = np.r_[0.0, np.cumsum(goal[self.order])]
        for rows in _BESIDE:
            low, high = np.maximum(at - rows, 0), np.minimum(at + rows + 1, len(goal))
            near = np.empty(len(goal))
            near[self.order] = (sums[high] - sums[low] - goal[self.order]) / (high - low - 1)
            yield np.where(self.alike > 2 * rows, by_level, near)

    def area(self, truth: Array) -> float:
        """The largest area under the curve of the guesses and, of an order, of its ranks with what is missing at either
        end. Ranks fit nothing but their direction, so that they need no row left out."""
        areas = [_area(guess, truth) for guess in self.guesses(truth)]
        if self.is_ordered:
            gone = np.isnan(self.values)
            for ranked in [self.level, np.where(gone, -1, self.level)][: 1 + gone.any()]:
                area = _area(ranked, truth)
                areas += [area, 1 - area]
        return max(areas)


def _area(scores: Array, truth: Array) -> float:
    """The area under the ROC curve: how often a row of the class scores above one that is not."""
    positive = int(truth.sum())
    above = ranks(scores)[truth].sum() - positive * positive / 2
    return float(above / (positive * (len(truth) - positive)))


def _sums(sample: Table, columns: list[str], name: str) -> tuple[list[Fault], Collection[str]]:
    """Numbers that add up to the target, or whose product it is; and which they are."""
    goal = sample[name].astype(np.float64)
    if len(np.unique(goal)) <= 5 * _LEFT_VALUES:
        return [], ()
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
            return [Fault("leak of the target", "warning", message, [], fix)], terms
    return [], ()


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
    left_out = [name for name, kind in kinds.items() if kind.alike == IDENTIFIER]
    if left_out:
        message = f"Left out, for they name the rows: {', '.join(left_out)}."
        where = [f"{name}: {kinds[name].reason}" for name in left_out]
        fix = f"Say what they are where they mean more: {column_option(left_out[0], CATEGORY)}."
        faults.append(Fault(LEFT_OUT_COLUMNS, "warning", message, where, fix))
    for name in inputs:
        if kinds[name].alike in (CATEGORY, MANY):
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
