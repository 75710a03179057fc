"""tensor@1: an array of a fixed shape and type as it is, for models that were made elsewhere.

Nothing is learned and nothing scaled. The exact semantics, for other languages, are in OPS.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

import numpy as np

from drivetrain.codecs.base import Codec, Errors, FieldError
from drivetrain.errors import DataError
from drivetrain.files import to_json
from drivetrain.types import Array

STRING = "string"
FLOATS = ("float16", "float32", "float64")
WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
TYPES = (*FLOATS, *WHOLE, "bool", STRING)
MOST_SIDES, MOST_ELEMENTS = 8, 2**26
_GIVEN: dict[str, frozenset[type]] = {
    **dict.fromkeys(FLOATS, frozenset({int, float, type(None)})),
    **dict.fromkeys(WHOLE, frozenset({int})),
    "bool": frozenset({bool}),
    STRING: frozenset({str}),
}
_KINDS = {**dict.fromkeys(FLOATS, "iuf"), **dict.fromkeys(WHOLE, "iu"), "bool": "b", STRING: "UO"}


@dataclass(frozen=True)
class Tensor(Codec):
    """An array of `dims` (without the rows) and `type`, as an input and as a target. Encodes to itself; texts to an array of
    objects. Decodes to nested lists, under "value".

    A raw value is an array, or nested lists of that shape; null stands for NaN among floats. Whole numbers must lie within
    their type.
    """

    op: ClassVar[str] = "tensor@1"
    called: ClassVar[str] = "an array"
    from_text: ClassVar[bool] = False
    type: str = "float32"
    dims: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "dims", tuple(self.dims))
        if self.type not in TYPES:
            raise FieldError(f"type must be one of {', '.join(TYPES)}")
        if len(self.dims) > MOST_SIDES or not all(type(side) is int and side >= 1 for side in self.dims):
            raise FieldError(f"dims must be at most {MOST_SIDES} whole numbers from 1")
        if self._elements > MOST_ELEMENTS:
            raise FieldError(f"dims must make at most {MOST_ELEMENTS:,} elements")

    @property
    def _elements(self) -> int:
        elements = 1
        for side in self.dims:
            elements *= side
        return elements

    def fit(self, values: Iterable[Any]) -> Self:
        """Nothing is learned."""
        del values
        return self

    def read(self, raw: Any) -> Array:
        """The array. Raises DataError for another shape, and for elements that the type can't hold."""
        if isinstance(raw, (np.ndarray, np.generic)):
            array = np.asarray(cast("Array", raw))
        else:
            found = _types_in(raw, len(self.dims))
            if found is None or not found <= _GIVEN[self.type]:
                raise DataError(f"it is not {self._words}.", fix="Give nested lists, row by row.")
            try:
                array = np.array(
                    raw, object if self.type == STRING else np.float64 if self.type in FLOATS else None
                )
            except (ValueError, OverflowError):
                raise DataError(f"it is not {self._words}.") from None
        if array.shape != self.dims or array.dtype.kind not in _KINDS[self.type]:
            raise DataError(f"it is {array.dtype} {list(array.shape)}, not {self._words}.")
        return self._of_type(array)

    def _of_type(self, array: Array) -> Array:
        if self.type == STRING:
            texts = array.astype(object)
            if not {*map(type, texts.reshape(-1))} <= {str}:
                raise DataError("an element is no text.")
            return texts
        with np.errstate(over="ignore"):
            made = array.astype(self.dtype)
        if self.type in FLOATS and np.isinf(made).any():
            raise DataError(f"a number is beyond {self.type}.")
        if self.type in WHOLE and not np.array_equal(made, array):
            raise DataError(f"a number is beyond {self.type}.")
        return made

    @property
    def _words(self) -> str:
        return f"{self.type} {list(self.dims)}"

    def encode(self, value: Array) -> Array:
        return np.array(value, self.dtype)

    def encode_column(self, values: Array) -> tuple[Any, Errors]:
        """Numbers all at once, where each value is as it should be."""
        rows = values.tolist()
        if (
            self.type != STRING
            and rows
            and (found := _types_in(rows, 1 + len(self.dims)))
            and found <= _GIVEN[self.type]
        ):
            try:
                array = np.array(rows, np.float64 if self.type in FLOATS else None)
                if array.shape == (len(rows), *self.dims) and array.dtype.kind in _KINDS[self.type]:
                    return self._of_type(array), {}
            except (DataError, ValueError, OverflowError):  # Which of them it is, is found one by one.
                pass
        return super().encode_column(values)

    def decode(self, output: Array) -> dict[str, Any]:
        """`{"value": nested lists}`; null where a number is NaN."""
        return {"value": _plain(output)}

    def profile(self, encoded: Array) -> dict[str, Any]:
        return {"n": len(encoded)}

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(object if self.type == STRING else self.type)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.dims

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.dims

    @property
    def output_dtype(self) -> np.dtype[Any]:
        return self.dtype

    def input_words(self) -> str:
        return f"an array of {self._words}, as the graph takes it."

    def answer_words(self) -> str:
        return f"an array of {self._words}, as the graph gives it."

    def schema(self) -> dict[str, Any]:
        kind: Any = "boolean" if self.type == "bool" else self.type
        kind = ["number", "null"] if self.type in FLOATS else "integer" if self.type in WHOLE else kind
        found: dict[str, Any] = {"type": kind}
        for side in reversed(self.dims):
            found = {"type": "array", "items": found, "minItems": side, "maxItems": side}
        return found

    def to_bytes(self, raw: Any) -> bytes:
        return to_json(_plain(self.read(raw))).encode()

    def nasty_examples(self) -> list[tuple[str, Any]]:
        def full(value: Any) -> Any:
            return np.full(self.dims, value, object).tolist()

        if self.type == STRING:
            return [("empty", full("")), ("other scripts", full("a \0\u00e9\u4e2d\U0001f600 b"))]
        if self.type == "bool":
            return [("true", full(True)), ("false", full(False))]
        if self.type in FLOATS:
            return [("zeros", full(0)), ("not numbers", full(None)), ("small", full(-6e-8))]
        ends = np.iinfo(self.type)
        return [("smallest", full(int(ends.min))), ("largest", full(int(ends.max)))]


def _types_in(raw: Any, depth: int) -> frozenset[type] | None:
    """The types of the elements of lists that are nested so deep; None where they aren't."""
    if depth == 0:
        return None if isinstance(raw, (list, tuple)) else frozenset({type(cast("object", raw))})
    if not isinstance(raw, (list, tuple)):
        return None
    found: set[type] = set()
    for row in cast("list[Any]", raw) if depth > 1 else ():
        within = _types_in(row, depth - 1)
        if within is None:
            return None
        found |= within
    leaves = cast("list[object]", raw)
    return frozenset(found) if depth > 1 else frozenset(map(type, leaves))


def _plain(array: Array) -> Any:
    """Nested lists of what JSON has."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        plain = array.astype(object)
        plain[~np.isfinite(array)] = None
        return plain.tolist()
    return array.tolist()
