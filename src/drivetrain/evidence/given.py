"""Columns as they are given, as arrays: numbers, and labels as codes. What is wrong with them is said with its row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.errors import DataError

Floats = npt.NDArray[np.float64]


def numbers(values: npt.ArrayLike, name: str, *, least: int = 1, rows: int | None = None) -> Floats:
    """(n,) finite numbers, `least` of them or as many as there are `rows`. Raises DataError."""
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        place = _first_other(values)
        raise DataError(
            f"{name} holds what is no number{place}.",
            fix="Give numbers; of two answers 0 and 1, or truth values.",
        ) from None
    if found.ndim != 1:
        raise DataError(f"{name} has shape {found.shape}.", fix="Give one number for each row.")
    if rows is not None and len(found) != rows:
        raise DataError(
            f"{name} has {len(found):,} rows, not {rows:,}.", fix="Give columns of the same rows."
        )
    if len(found) < least:
        raise DataError(f"{name} has {len(found):,} rows: {least:,} are the fewest that tell anything.")
    if not np.isfinite(found).all():
        row = int(np.argmin(np.isfinite(found))) + 1
        raise DataError(
            f"{name} holds {found[row - 1]}.",
            where=f"row {row}",
            fix="Leave such rows out, and say how many they were.",
        )
    return found


def labels(values: npt.ArrayLike | None, name: str, rows: int) -> npt.NDArray[np.int64]:
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
