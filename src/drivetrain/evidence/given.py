"""Columns as they are given, as arrays: numbers, and labels as codes. What is wrong with them is said with its row."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.errors import DataError
from drivetrain.figures import counted

Floats = npt.NDArray[np.float64]
Column = Any
"""What numpy makes an array of: a list, an array, a column of pandas, polars or pyarrow. It is checked here, by what it holds."""


def numbers(values: Column, name: str, *, least: int = 1, rows: int | None = None) -> Floats:
    """(n,) finite numbers, `least` of them or as many as there are `rows`. Raises DataError."""
    found = array(values, name)
    if found.ndim != 1:
        raise DataError(f"{name} has shape {found.shape}.", fix="Give one number for each row.")
    if rows is not None and len(found) != rows:
        raise DataError(
            f"{name} has {counted(len(found), 'row', 'rows')}, not {rows:,}.",
            fix="Give columns of the same rows.",
        )
    if len(found) < least:
        raise DataError(
            f"{name} has {counted(len(found), 'row', 'rows')}: {least:,} are the fewest that tell anything."
        )
    if not np.isfinite(found).all():
        row = int(np.argmin(np.isfinite(found))) + 1
        raise DataError(
            f"{name} holds {found[row - 1]}.",
            where=f"row {row}",
            fix="Leave such rows out, and say how many they were.",
        )
    return found


def array(values: Column, name: str) -> Floats:
    """Numbers of any shape. Raises DataError."""
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"{name} can't be read as an array of numbers{_first_other(values)}.",
            fix="Give numbers, in rows of equal length.",
        ) from None


def outcome_of(statistic: Callable[..., Any], *given: Any) -> float:
    """What a function of the user's gives, as a number. Raises DataError where it is none."""
    found = statistic(*given)
    try:
        return float(found)
    except (TypeError, ValueError):
        raise DataError(f"the statistic gave {found!r:.60}, which is no number.") from None


def labels(values: Column | None, name: str, rows: int) -> npt.NDArray[np.int64]:
    """For each row the number of its label in their order; all 0 where there are none. Raises DataError."""
    if values is None:
        return np.zeros(rows, np.int64)
    found = np.asarray(values)
    if found.shape != (rows,):
        raise DataError(
            f"{name} of shape {found.shape} don't fit {rows:,} rows.", fix="Give one label for each row."
        )
    if found.dtype.kind == "f" and np.isnan(found).any():
        row = int(np.isnan(found).argmax()) + 1
        raise DataError(
            f"{name} hold NaN.", where=f"row {row}", fix="Leave such rows out, or give them a label."
        )
    try:
        return np.unique(found, return_inverse=True)[1].astype(np.int64)
    except TypeError:
        raise DataError(
            f"{name} are of several kinds, such as numbers and texts.", fix="Give texts alone."
        ) from None


def _first_other(values: Any) -> str:
    if not isinstance(values, Sequence) and not isinstance(values, np.ndarray):
        return ""
    for row, value in enumerate(list(values), start=1):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        try:
            math.isnan(float(value))  # pyright: ignore[reportUnknownArgumentType]
        except (TypeError, ValueError):
            return f" ({value!r} in row {row})"
    return ""
