"""Rows of what came back: a table, or the records of a model with their outcomes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from drivetrain.errors import DataError, UsageError
from drivetrain.records import Store
from drivetrain.runtime.columns import Columns, read_columns
from drivetrain.types import Array

Given = Any
"""A path, a mapping of columns, a frame, `Columns`, or a `Store` of records."""


def columns_of(
    given: Given,
    names: Iterable[str],
    *,
    model: str = "",
    outcome: str = "",
    of: str = "",
    since: int | None = None,
    until: int | None = None,
) -> Columns:
    """Columns of what came back.

    Of a store they are those of the records of `model` from `since` until before `until` (ns since 1970) that have an outcome:
    what they were asked, by `names`, and the outcome under the name `outcome`: with `of` whether it is this class, else the
    number that it is. Raises UsageError and DataError.
    """
    if not isinstance(given, Store):
        return read_columns(given)
    if not model or not outcome:
        raise UsageError(
            "which records, and what their outcome is called, isn't said.", where="model, outcome",
            fix='Such as model="buys", outcome="buys", of="yes".',
        )  # fmt: skip
    asked = [name for name in names if name != outcome]
    found = given.read(model, since, until, ["outcome", *(f"inputs.{name}" for name in asked)])
    came = found["outcome"]
    told = (
        ~np.isnan(came) if came.dtype == np.float64 else np.array([each is not None for each in came], bool)
    )
    if not told.any():
        raise DataError(
            f"no record of {model!r} has an outcome.",
            where=given.name,
            fix="Tell the outcomes first: drivetrain records.",
        )
    columns: dict[str, Any] = {name: found[f"inputs.{name}"][told] for name in asked}
    kept = {
        name: each
        for name, each in columns.items()
        if any(cell is not None and cell == cell for cell in each)
    }
    return read_columns({**kept, outcome: _numbers(came[told], of, given.name)})


def _numbers(came: Array, of: str, where: str) -> Array:
    if of:
        return np.array([str(each) == of for each in came.tolist()], np.float64)
    try:
        return came.astype(np.float64)
    except (TypeError, ValueError) as fault:
        known = sorted({str(each) for each in came.tolist()})
        raise DataError(
            "the outcomes are no numbers.", where=where, fix=f'Say which class counts: of = "{known[0]}".'
        ) from fault
