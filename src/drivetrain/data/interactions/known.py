"""Who has had what, read from a file of ratings or picks for a model that has been trained. No polars needed for CSV."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from drivetrain.codecs.base import is_missing
from drivetrain.codecs.number import Number
from drivetrain.data.read.rows import read_rows
from drivetrain.errors import DataError, DrivetrainError, nearest
from drivetrain.values import as_text, canonical


def read_seen(
    path: str | os.PathLike[str], facts: Mapping[str, Any], user: Any
) -> dict[str, float] | list[str] | None:
    """What a user has had: item -> rating, or items where the model knows no ratings; None where they have no row.

    `facts` are those of the recommender: the columns of its training data, and the sign that groups the digits of its
    ratings. Rows without a rating are left out, as in training. Of several ratings of one item the last counts.
    Raises DataError for a column that isn't there and a rating that is no number.
    """
    if not {"user", "item"} <= {*facts}:
        raise DataError(
            "the bundle doesn't say which columns hold users and items.", where=path, fix="Export it anew."
        )
    who, what = str(facts["user"]), str(facts["item"])
    rating: str | None = facts.get("rating")
    wanted = canonical(as_text(user, "user"))
    found: dict[str, float] = {}
    number = Number(missing=True, thousands=facts.get("thousands", ""))
    for origin, row in read_rows(path, header=facts.get("header")):
        for column in (who, what, rating):
            if column is not None and column not in row:
                fix = nearest(column, row) or f"The columns are {', '.join(row)}."
                raise DataError(
                    f"there is no column {column!r}, which the model was trained with.", where=path, fix=fix
                )
        if is_missing(row[who]) or canonical(as_text(row[who], "user")) != wanted or is_missing(row[what]):
            continue
        try:
            value = 1.0 if rating is None else number.read(row[rating])
        except DrivetrainError as fault:
            raise fault.at(origin) from None
        if not math.isnan(value):
            found[as_text(row[what], "item")] = value
    if not found:
        return None
    return list(found) if rating is None else found
