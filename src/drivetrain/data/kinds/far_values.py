"""Numbers and dates that stand apart from all others of their column: a sign for "missing" such as -200, or a slip.

A sign is the least or the largest value, comes again, and lies farther from the others than these from their own
quartile: -200 where all else is 2 and above, 99999 beyond 41,310. A zero is one where it is rare and all else is far from
it on a scale of ratios: an area of 0 among 334 and more. A far value is beyond eight times the spread between the
quartiles, and from the next one much farther than those are from each other: so incomes and counts, whose largest is
always far out, raise no alarm.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.data.faults import Fault
from drivetrain.data.kinds.base import DATE, NUMBER, ColumnKind
from drivetrain.data.table import Table
from drivetrain.figures import counted, grouped, share_of
from drivetrain.types import Array

Floats = npt.NDArray[np.float64]
SAMPLE = 20_000
LEAST, DIFFERENT, AGAIN = 40, 10, 3
"""Fewer rows, different values or repetitions say nothing."""
APART, APART_IF_KNOWN = 2.0, 0.5
"""How many times the way from the next value to its quartile a sign lies away; less of those that many people use."""
RARE_ZERO, RATIO = 0.05, 0.1
"""The largest share of zeros that stand for nothing, and how near to the middle value the least other one is."""
COMMON = 0.05
"""-1 beside 0, 1, 2 and no other negative number is a sign where it has this share of the rows."""
FAR, FAR_APART, STEPS, TAIL = 8.0, 1.0, 5.0, 12
"""A far value is so many spreads away from the middle one; its logarithm so far from the next one's, and so many times the
mean step of as many values as are then the farthest."""
FEW, FEW_SHARE = 3, 0.0005
"""More far values than so many, or than this share of the rows, are a tail."""
SHOWN = 3


def find_far_values(
    table: Table, kinds: Mapping[str, ColumnKind], names: Sequence[str], targets: Sequence[str] = ()
) -> list[Fault]:
    """Warnings of signs for "missing" and of far values in the numbers and dates among these columns and targets."""
    signs: dict[str, list[_Sign]] = {}
    far: dict[str, Floats] = {}
    for name in (*names, *targets):
        if kinds[name].alike not in (NUMBER, DATE) or table[name].dtype.kind not in "iufM":
            continue
        values = _numbers(table[name])
        known = values[~np.isnan(values)]
        if len(known) < LEAST:
            continue
        signs[name] = list(_signs(known))
        for sign in signs[name]:
            known = known[known != sign.value]
        far[name] = _far(known)
    return [*_told_signs(table, signs), *_told_far(table, far, targets)]


def has_far_values(numbers: Floats) -> bool:
    """Whether one of these finite numbers (n,) stands apart from the others, as a sign or by itself."""
    return len(numbers) >= LEAST and (any(True for _ in _signs(numbers)) or len(_far(numbers)) > 0)


def _numbers(values: Array) -> Floats:
    """The values (n,) as numbers, dates as days that are all above 0."""
    if values.dtype.kind != "M":
        return values.astype(np.float64)
    days = (values - np.datetime64("0000-01-01", "us")) / np.timedelta64(1, "D")
    return np.where(np.isnat(values), np.nan, days)


@dataclass(frozen=True)
class _Sign:
    value: float
    count: int
    low: float
    high: float
    """The least and the largest of all others."""


def _signs(known: Floats) -> Iterator[_Sign]:
    for way in (1, -1):
        turned = known * way  # So that the end in question is the low one.
        value = float(turned.min())
        count = int((turned == value).sum())
        rest = _sample(turned[turned != value]) if count < len(turned) else turned[:0]
        if len(rest) < LEAST or len(np.unique(rest)) < DIFFERENT:
            continue
        following = float(turned.min(where=turned > value, initial=np.inf))
        is_zero = value == 0 and way == 1
        if (_is_rare_zero if is_zero else _is_sign)(value * way, count, following * way, rest * way):
            others = known[known != value * way]
            yield _Sign(value * way, count, float(others.min()), float(others.max()))


def _sample(values: Floats) -> Floats:
    return (
        values if len(values) <= SAMPLE else values[np.linspace(0, len(values) - 1, SAMPLE).astype(np.int64)]
    )


def _is_sign(value: float, count: int, following: float, rest: Floats) -> bool:
    """Whether the extreme `value`, `count` times there, stands apart from the others, the nearest being `following`."""
    if count < AGAIN:
        return False
    away = abs(following - value)
    quartile = np.quantile(rest, 0.25 if following > value else 0.75)
    only_negative = value < 0 <= following
    if only_negative and away <= 3 * _step(
        rest, following
    ):  # -1 beside 0, 1, 2: a sign only where it is common.
        return (
            count > COMMON * (count + len(rest)) and count > 3 * np.unique(rest, return_counts=True)[1].max()
        )
    factor = APART_IF_KNOWN if only_negative or _is_known(value) else APART
    return away > factor * abs(quartile - following) and away > _step(rest, following)


def _is_known(value: float) -> bool:
    """Nines, or a power of ten that nothing is measured in: 999, -9999, 1e9, 1e20."""
    digits = np.format_float_positional(abs(value), trim="-")
    return len(digits) > 1 and (set(digits) == {"9"} or (len(digits) > 6 and digits.strip("0") == "1"))


def _is_rare_zero(_: float, count: int, following: float, rest: Floats) -> bool:
    is_rare = count <= RARE_ZERO * (count + len(rest))
    return is_rare and following >= RATIO * np.median(rest) and following > 3 * _step(rest, following)


def _step(rest: Floats, end: float) -> float:
    """The usual distance between neighbours of the quarter of the values that lies at this end."""
    low, high = np.quantile(rest, (0.25, 0.75))
    near = np.unique(rest[rest <= low] if end <= low else rest[rest >= high])
    return float(np.median(np.diff(near))) if len(near) > 1 else 0.0


def _far(known: Floats) -> Floats:
    """The different far values (k,) among these, the farthest first."""
    sample = _sample(known)
    low, middle, high = np.quantile(sample, (0.25, 0.5, 0.75)) if len(sample) else (0.0, 0.0, 0.0)
    if low == high:  # Most are the same: what far out means, the others say.
        sample = sample[sample != middle]
        if len(sample) < LEAST:
            return known[:0]
        low, middle, high = np.quantile(sample, (0.25, 0.5, 0.75))
        if low == high:
            return known[:0]
    found: list[Floats] = []
    for way in (1, -1):
        distance = (known - middle) * way / (high - low)
        if distance.max() > FAR:
            found.append(known[distance >= _far_from(distance)])
    return np.unique(np.concatenate(found))[::-1] if found else known[:0]


def _far_from(distance: Floats) -> float:
    """From which distance on values stand apart; infinity where they are a tail.

    The log of the largest is beyond that of the next by the mean step of the tail (Hill's estimate of its slope) on
    average, and by five times as much once in 150.
    """
    few = int(max(FEW, FEW_SHARE * len(distance)))
    count = min(few + TAIL + 1, len(distance))
    ordered = np.sort(np.partition(distance, len(distance) - count)[-count:])[::-1]
    logs = np.log(np.maximum(ordered, 0.5))
    for far in range(1, min(few, count - 2) + 1):
        tail = logs[far : far + TAIL + 1]
        if logs[far - 1] - logs[far] > max(FAR_APART, STEPS * float(tail[:-1].mean() - tail[-1])):
            return float(ordered[far - 1]) if ordered[far - 1] > FAR else np.inf
    return np.inf


def _told_signs(table: Table, signs: Mapping[str, list[_Sign]]) -> list[Fault]:
    where = [
        f"{name}: {_told(table[name], sign.value)} in {sign.count:,} row{'s' * (sign.count > 1)} "
        f"({share_of(sign.count, len(table))}), all others from {_told(table[name], sign.low)} to {_told(table[name], sign.high)}"
        for name, found in signs.items()
        for sign in found
    ]
    if not where:
        return []
    columns_of: dict[float, list[str]] = {}
    for name, found in signs.items():
        for sign in found:
            columns_of.setdefault(sign.value, []).append(name)
    # A zero and a date are one in their columns alone; any other sign of several columns is likely one in all.
    options = [
        _option(table, column, value)
        for value, columns in columns_of.items()
        for column in (
            [""] if value and len(columns) > 1 and table[columns[0]].dtype.kind != "M" else columns
        )
    ]
    how = " ".join(options[:SHOWN]) + (" ..." if len(options) > SHOWN else "")
    columns = sum(map(bool, signs.values()))
    message = f"Numbers that look like a sign for 'missing', in {counted(columns, 'column', 'columns')}."
    return [Fault("sign for missing", "warning", message, where, f"If they mean that, say so: {how}.")]


def _told_far(table: Table, far: Mapping[str, Floats], targets: Sequence[str]) -> list[Fault]:
    where: list[str] = []
    for name, found in far.items():
        values = _numbers(table[name]) if len(found) else found
        for value in found[:SHOWN].tolist():
            rows = np.flatnonzero(values == value)
            more = f" and {len(rows) - 1:,} more" if len(rows) > 1 else ""
            others = values[~np.isin(values, found)]
            ends = [_told(table[name], float(end)) for end in (np.nanmin(others), np.nanmax(others))]
            told = f"{name}: {_told(table[name], value)} ({table.origin(int(rows[0]))}{more})"
            where.append(f"{told}, all others from {' to '.join(ends)}")
    if not where:
        return []
    columns = sum(len(found) > 0 for found in far.values())
    message = f"Far from all other values: {counted(columns, 'column', 'columns')}."
    name, value = next((name, found[0]) for name, found in far.items() if len(found))
    fix = f"Look at these rows. Mend what is a slip, or count it as missing: {_option(table, name, float(value))}."
    if any(len(far.get(name, ())) for name in targets):
        fix += (
            " If they are true, train with --loss absolute: by squares one such target outweighs all others."
        )
    return [Fault("far value", "warning", message, where, fix)]


def _told(values: Array, value: float) -> str:
    """A value of a column for a person."""
    return _moment(value) if values.dtype.kind == "M" else grouped(value)


def _moment(days: float) -> str:
    """What `_numbers` made of a date, as ISO 8601."""
    moment = np.datetime64("0000-01-01", "us") + np.timedelta64(round(days * 86_400_000_000), "us")
    return str(moment.astype("datetime64[s]")).removesuffix("T00:00:00").replace("T", " ")


def _option(table: Table, column: str, value: float) -> str:
    """What makes a value of a column, or of all, count as missing."""
    text = str(int(value)) if value == round(value) and abs(value) < 1e15 else repr(value)
    if column and table[column].dtype.kind == "M":
        text = _moment(value)
    return f"--missing {shlex.quote(f'{column}={text}')}" if column else f"--missing={text}"
