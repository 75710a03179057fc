"""What several runs share of what they were validated on: the targets, and the rows. Only that can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.errors import DataError
from drivetrain.learn.runs.predictions import Validation
from drivetrain.types import Array


def common_targets(found: Mapping[str, Validation]) -> list[str]:
    """The targets that all of several runs have. Raises DataError where there are none, or they mean other things."""
    first, *rest = found.values()
    targets = [name for name in first.signature.targets if all(name in each.encoded for each in rest)]
    if not targets:
        told = "; ".join(f"{name}: {', '.join(each.encoded)}" for name, each in found.items())
        raise DataError(f"the runs have no target in common ({told}).")
    for target in targets:
        kinds = {name: _meaning(each.signature.targets[target]) for name, each in found.items()}
        if len(set(kinds.values())) > 1:
            told = "; ".join(f"{name}: {_short(kind)}" for name, kind in kinds.items())
            raise DataError(f"{target!r} means different things in these runs ({told}).")
    return targets


def _meaning(codec: Codec) -> tuple[str, ...]:
    """What two codecs share whose outputs can be compared: the kind, and the names of what each place is about."""
    return codec.op, *codec.output_names


def _short(meaning: tuple[str, ...]) -> str:
    text = ", ".join(meaning)
    return text if len(text) <= 80 else f"{text[:79]}…, {len(meaning) - 1:,} in all"


def common_rows(found: Mapping[str, Validation], targets: Sequence[str]) -> dict[str, Array]:
    """For each run the positions, in its own rows, of the rows that all were validated on. Raises DataError where
    their data are not the same."""
    (first, one), *rest = found.items()
    for name, other in rest:
        if fault := _other_data(one, other):
            raise DataError(f"{first} and {name} were not validated on the same data: {fault}.")
    rows = reduce(np.intersect1d, (each.rows for each in found.values()))
    if not len(rows):
        raise DataError(
            "no row is in the validation part of all runs.",
            fix="Train them with the same split: the same --valid and --seed.",
        )  # fmt: skip
    places = {name: _places(each.rows, rows) for name, each in found.items()}
    rows = one.rows[places[first]]
    for name, other in rest:
        if not np.array_equal(rows, other.rows[places[name]]):
            raise DataError(
                f"{first} and {name} cut the recordings that both were validated on into other windows.",
                fix="Train both for windows of one length: the same --seconds.",
            )
    for target in targets:
        true = one.encoded[target][places[first]]
        for name, other in rest:
            also = other.encoded[target][places[name]]
            if true.shape != also.shape:
                sizes = (" x ".join(map(str, each.shape[1:])) for each in (true, also))
                raise DataError(
                    f"{target!r} has another size in {first} than in {name}: {' and '.join(sizes)}.",
                    fix="Train both for the same, such as one horizon.",
                )
            if true.dtype != also.dtype:  # A run of before October 2026 kept its numbers rounded.
                true, also = true.astype(np.float32), also.astype(np.float32)
            # What is not known of a moment is NaN in both.
            apart = (true != also) & ~((true != true) & (also != also))
            if count := int(apart.reshape(len(rows), -1).any(axis=1).sum()):
                raise DataError(
                    f"{first} and {name} were not validated on the same data: of {len(rows):,} rows with the same "
                    f"number {count:,} have another {target!r}.",
                    fix="Train both on one file.",
                )
    return places


def _other_data(one: Validation, other: Validation) -> str:
    """Why two runs with the same validation rows can't be about the same data; "" where they can."""
    if not np.array_equal(one.rows, other.rows):
        return ""
    shared = [name for name in one.signature.inputs if name in other.signature.inputs]
    equal = [name for name in shared if one.columns.get(name) == other.columns.get(name)]
    if shared and not equal:
        return f"the column {shared[0]!r} is another one" if len(shared) == 1 else "all columns are others"
    return ""


def _places(rows: Array, wanted: Array) -> Array:
    """Where the wanted rows are; a recording's windows, which are of one row, in their order."""
    order = np.argsort(rows, kind="stable")
    return order[np.isin(rows[order], wanted)]
