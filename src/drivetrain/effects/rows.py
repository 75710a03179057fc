"""What is asked of a table: what does a lever do to an outcome, with which columns held fixed; and whether it can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from drivetrain.effects.claim import Claim, claimed
from drivetrain.errors import DataError, UsageError
from drivetrain.figures import percent
from drivetrain.metrics.estimate import FEWEST_GROUPS
from drivetrain.runtime.columns import Columns, Source, read_columns

Floats = npt.NDArray[np.float64]
LeverKind = Literal["number", "switch", "choice"]

FEWEST, FEWEST_OF_A_SETTING = 20, 5
"""Rows from which an effect is estimated at all; and of each setting of a switch or a choice."""
MOST_SETTINGS, UNLIKE, LEAST_LOST = 20, 4.0, 0.05
"""Of settings of which it is looked whether the outcome is missing more often: standard errors, and shares, from which
it is told."""
COPIES = 0.1
LEAST_SPREAD = 1e-60
"""Squares of what spreads less can't be told from 0."""


@dataclass(frozen=True, eq=False)
class Asked:
    """The `rows` that have both, the `lever` as `t` (n,), a number, 0 or 1, or a place in `levels` (the first is what others are
    compared with), and the `outcome` as `y` (n,). `adjust` are the columns to hold fixed, `others` those that nobody named.
    `clusters` (n,) are numbered from 0. `notes` are to be told."""

    rows: Columns
    lever: str
    outcome: str
    kind: LeverKind
    levels: tuple[str, ...]
    t: Floats
    y: Floats
    adjust: tuple[str, ...]
    others: tuple[str, ...]
    claim: Claim
    clusters: npt.NDArray[np.int64] | None
    notes: tuple[str, ...]

    @property
    def n(self) -> int:
        return len(self.y)

    def part(self, keep: npt.NDArray[np.bool_]) -> Asked:
        """Of the rows that `keep` (n,) says."""
        clusters = self.clusters
        kept = (
            None if clusters is None else np.unique(clusters[keep], return_inverse=True)[1].astype(np.int64)
        )
        return replace(self, rows=self.rows.take(keep), t=self.t[keep], y=self.y[keep], clusters=kept)

    @property
    def known_before(self) -> tuple[str, ...]:
        """What a randomised lever must have nothing to do with: what is held fixed, or, where nobody said, all the rest."""
        return self.adjust or self.others


def ask(
    source: Source,
    *,
    lever: str,
    outcome: str,
    claim: object = None,
    adjust: Sequence[str] | None = None,
    clusters: str | None = None,
    base: str | None = None,
    apart: Sequence[str] = (),
) -> Asked:
    """What is asked, of a table that `runtime.columns` reads. `adjust` None: what the claim is adjusted for. `base` is the choice
    that others are compared with (the first by the alphabet, unless told). `apart` are columns with a part of their own.

    Raises UsageError for names that don't fit together, DataError for rows that can't tell: a lever that never varies, too few
    rows, an outcome of texts.
    """
    rows, declared = read_columns(source), claimed(claim)
    held = tuple(dict.fromkeys((*declared.adjusted_for, *(adjust or ()))))
    where = rows.source or "data"
    _check_names(rows, lever, outcome, held, clusters, where)
    if outcome in rows.levels:
        raise DataError(
            f"the outcome {outcome!r} holds texts.", where=where,
            fix="Give it as numbers: 1 where it came about, 0 where not.",
        )  # fmt: skip
    value, y = rows.of(lever), rows.of(outcome)
    gone = np.isnan(value) | np.isnan(y) | ((value < 0) if lever in rows.levels else False)
    notes = list[str]()
    for name in (lever, outcome):
        if np.isinf(rows.of(name)).any():
            at = int(np.argmax(np.isinf(rows.of(name)))) + 1
            raise DataError(
                f"{name} is infinite.", where=f"{where}, row {at}", fix="Correct it, or leave it empty."
            )
    if gone.any():
        lost = _lost(value, np.isnan(y), lever, outcome, rows.levels.get(lever))
        rows = rows.take(~gone)
        notes += [f"{int(gone.sum()):,} rows without {lever} or {outcome} are left out.", *lost]
    notes += _copies(rows, outcome)
    if rows.rows < FEWEST:
        raise DataError(
            f"{rows.rows} rows with {lever} and {outcome}.", where=where, fix=f"Give {FEWEST} at least."
        )
    kind, levels, t = _lever(rows, lever, base, where)
    _check_spread(rows.of(outcome), outcome, where)
    codes = (
        None if clusters is None else np.unique(rows.of(clusters), return_inverse=True)[1].astype(np.int64)
    )
    if codes is not None and codes.max() + 1 < FEWEST_GROUPS:
        raise DataError(
            f"{int(codes.max()) + 1} clusters of {clusters} tell nothing of how they differ.", where=where,
            fix=f"Give {FEWEST_GROUPS} at least.",
        )  # fmt: skip
    named = {lever, outcome, clusters, *held, *apart}
    others = () if adjust is not None else tuple(name for name in rows.names if name not in named)
    return Asked(
        rows, lever, outcome, kind, levels, t, rows.of(outcome), held, others, declared, codes, tuple(notes)
    )


def _lost(
    value: Floats, missing: npt.NDArray[np.bool_], lever: str, outcome: str, levels: tuple[str, ...] | None
) -> list[str]:
    """Whether the outcome is missing more often at one setting than at another: what is left may then not be alike."""
    known = (value >= 0) if levels else ~np.isnan(value)
    tried, code = np.unique(value[known], return_inverse=True)
    if not 2 <= len(tried) <= MOST_SETTINGS:
        return []
    count, gone = np.bincount(code), np.bincount(code, weights=missing[known])
    share, whole = gone / count, missing[known].mean()
    away = (share - whole) / np.sqrt(np.maximum(whole * (1 - whole), 1e-12) / count)
    if np.abs(away).max() < UNLIKE or np.ptp(share) < LEAST_LOST:
        return []
    most, least = (
        levels[int(tried[at])] if levels else f"{tried[at]:g}" for at in (share.argmax(), share.argmin())
    )
    return [
        f"{outcome} is missing in {percent(share.max())} of the rows with {lever} {most} and in {percent(share.min())} of "
        f"those with {least}: what is left need not be alike, and the difference may come of that."
    ]


def _copies(rows: Columns, outcome: str) -> list[str]:
    """Whether rows are there more than once whose outcome is hardly ever the same otherwise."""
    factor = np.random.default_rng(0).uniform(1, 2, len(rows.names))
    with np.errstate(over="ignore", invalid="ignore"):
        sign = sum(np.nan_to_num(rows.of(name)) * each for name, each in zip(rows.names, factor.tolist()))
    _, first = np.unique(sign, return_index=True)
    twice = rows.rows - len(first)
    if twice < COPIES * rows.rows or len(np.unique(rows.of(outcome)[first])) < 0.9 * len(first):
        return []
    return [
        f"{twice:,} rows are exact copies of others. If each was logged more than once, leave them out: intervals take them for "
        "more than is known."
    ]


def _check_names(
    rows: Columns, lever: str, outcome: str, held: tuple[str, ...], clusters: str | None, where: str
) -> None:
    for name in (lever, outcome, *held, *([clusters] if clusters else ())):
        rows.of(name)
    if lever == outcome:
        raise UsageError(f"{lever!r} is both the lever and the outcome.", where=where)
    if lever in held:
        raise UsageError(f"{lever!r} is the lever: it can't be held fixed.", where=where)
    if outcome in held:
        raise UsageError(
            f"{outcome!r} is the outcome: adjusting for it would hold fixed what is to change.", where=where
        )


def _check_spread(value: Floats, name: str, where: str) -> None:
    with np.errstate(over="ignore", under="ignore"):
        spread = float(value.std())
    if not LEAST_SPREAD < spread < 1 / LEAST_SPREAD:
        what = f"is {value[0]:g} in all rows" if np.ptp(value) == 0 else f"spreads by {spread:g}"
        fix = "Nothing can move it." if np.ptp(value) == 0 else "Give it in another unit."
        raise DataError(f"{name} {what}.", where=where, fix=fix)


def _lever(
    rows: Columns, lever: str, base: str | None, where: str
) -> tuple[LeverKind, tuple[str, ...], Floats]:
    """Its kind, its levels and its values."""
    value = rows.of(lever)
    tried = np.unique(value)
    if len(tried) < 2:
        only = rows.levels[lever][int(tried[0])] if lever in rows.levels else f"{tried[0]:g}"
        raise DataError(
            f"the lever {lever!r} is {only} in all {rows.rows:,} rows: they can't tell what another setting does.",
            where=where, fix="Vary it first, by chance and by a little.",
        )  # fmt: skip
    if lever not in rows.levels:
        _check_spread(value, lever, where)
        switch = tried.tolist() == [0.0, 1.0]
        if switch and min(counts := np.bincount(value.astype(np.int64))) < FEWEST_OF_A_SETTING:
            raise DataError(
                f"{lever} is {int(counts.argmin())} in {int(counts.min())} rows alone.", where=where,
                fix=f"It takes {FEWEST_OF_A_SETTING} of either.",
            )  # fmt: skip
        return ("switch" if switch else "number"), (), value
    known = [rows.levels[lever][int(place)] for place in tried]
    counts = np.bincount(value.astype(np.int64))
    rare = [name for name, place in zip(known, tried) if counts[int(place)] < FEWEST_OF_A_SETTING]
    if rare:
        raise DataError(
            f"{lever} is {rare[0]!r} in {int(counts[rows.levels[lever].index(rare[0])])} rows alone.", where=where,
            fix=f"Leave out what was tried in fewer than {FEWEST_OF_A_SETTING} rows, or join it with another.",
        )  # fmt: skip
    first = base if base is not None else known[0]
    if first not in known:
        raise UsageError(f"{lever!r} is never {first!r}.", where=where, fix=f"It is {', '.join(known[:8])}.")
    levels = (first, *(each for each in known if each != first))
    places = np.full(len(rows.levels[lever]), -1.0)
    for place, each in enumerate(levels):
        places[rows.levels[lever].index(each)] = place
    return "choice", levels, places[value.astype(int)]
