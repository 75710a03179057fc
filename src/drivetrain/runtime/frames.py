"""Frames of pandas, polars or pyarrow, none of which is imported: their rows, and frames of answers like them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, cast

from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.field_names import field_name

_KINDS = {
    "polars": ("iter_rows", "columns"),
    "pandas": ("to_dict", "iloc", "columns", "index"),
    "pyarrow": ("to_pylist", "column_names", "slice"),
}
"""Library -> what only its frames have."""


def library_of(items: Any) -> str:
    """The library whose frame this is; "" where it is none. Raises UsageError for a frame that isn't computed yet."""
    for kind, names in _KINDS.items():
        if all(hasattr(items, name) for name in names):
            return kind
    if hasattr(items, "collect") and hasattr(items, "collect_schema"):
        raise UsageError(
            "this frame is not computed yet.", where="items", fix="Give it collected: .collect()."
        )
    if hasattr(items, "__dataframe__"):
        raise UsageError(
            f"rows can't be taken from {type(items).__name__}.", where="items",
            fix="Give a frame of pandas, polars or pyarrow, or a list of mappings.",
        )  # fmt: skip
    return ""


def names_of(frame: Any) -> list[str]:
    """The columns' names, as they would be from a file."""
    names: Iterable[Any] = frame.column_names if library_of(frame) == "pyarrow" else frame.columns
    return [field_name(name, number) for number, name in enumerate(names, start=1)]


def frame_rows(frame: Any, fields: Sequence[str], batch: int) -> Iterator[Mapping[str, Any]]:
    """The rows one by one, made `batch` at a time. Raises DataError where a field has no column, or several."""
    names = names_of(frame)
    for field in fields:
        if names.count(field) != 1:
            many = "comes twice" if field in names else "is not there"
            raise DataError(
                f"the column {field!r} {many}.", where="frame",
                fix=nearest(field, names) or f"Give {', '.join(fields)}, each once.",
            )  # fmt: skip
    kind = library_of(frame)
    if kind == "polars":
        rows: Iterator[Sequence[Any]] = frame.iter_rows()
    elif kind == "pandas":
        # Column by column: a row of its own would bring numbers and truth values to one type.
        rows = chain.from_iterable(
            zip(*(part.iloc[:, place].tolist() for place in range(len(names))))
            for part in (frame.iloc[start : start + batch] for start in range(0, len(frame), batch))
        )
    else:
        rows = chain.from_iterable(
            zip(*(column.to_pylist() for column in frame.slice(start, batch).columns))
            for start in range(0, frame.num_rows, batch)
        )
    return (dict(zip(names, row)) for row in rows)


def column_of(frame: Any, name: str) -> list[Any]:
    """The values of a column, by its name as a field. Raises DataError where there is none."""
    names = names_of(frame)
    if name not in names:
        raise DataError(f"there is no column {name!r}.", where="frame", fix=nearest(name, names))
    place = names.index(name)
    kind = library_of(frame)
    if kind == "pyarrow":
        return list(frame.columns[place].to_pylist())
    return list(frame.iloc[:, place].tolist() if kind == "pandas" else frame.to_series(place).to_list())


def frame_like(frame: Any, columns: Mapping[str, list[Any]]) -> Any:
    """A frame of the same library with these columns, and in pandas the same index."""
    kind = library_of(frame)
    if kind == "pyarrow":
        return cast("Any", type(frame)).from_pydict(dict(columns))
    return type(frame)(dict(columns), **({"index": frame.index} if kind == "pandas" else {}))
