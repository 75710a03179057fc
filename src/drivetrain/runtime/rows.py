"""From a raw item to an encoded row, and from a row of outputs to an answer: the way of all that answer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from drivetrain.bundle.golden import finite
from drivetrain.codecs import Codec
from drivetrain.cores import usable_cores
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.ragged import Column, row_of
from drivetrain.types import Answer, Array, Failure, Unusual

if TYPE_CHECKING:
    from concurrent.futures import Executor

# What a codec may let slip on a value of the wrong kind. One bad item must not cost the others their answers.
_SLIPS = (TypeError, ValueError, OverflowError, OSError, MemoryError)


class Stretch(NamedTuple):
    """A part of an input, from second to second, encoded."""

    start: float
    stop: float
    encoded: dict[str, Array]


_NOTHING: Mapping[str, Unusual] = {}


class Row(NamedTuple):
    """One input, encoded or refused."""

    input: str
    encoded: dict[str, Array] | None = None
    error: DrivetrainError | None = None
    unusual: Mapping[str, Unusual] = _NOTHING
    stretches: Iterator[Stretch] | None = None
    """Of an input that is more than a model takes at once; `encoded` is then the first."""


class _Form(NamedTuple):
    """What one input has to become."""

    field: str
    codec: Codec
    profile: Mapping[str, Any]


class Reader:
    """Reads and encodes items for a model's inputs: mappings from their names to raw values, or, where there is one input,
    its raw value alone. By the `profile` of the training rows it says what none of them was like."""

    def __init__(self, inputs: Mapping[str, Codec], profile: Mapping[str, Any] | None = None) -> None:
        self.inputs = inputs
        self.files = any(codec.from_files for codec in inputs.values())
        self._forms = [_Form(name, codec, _profile(profile or {}, name)) for name, codec in inputs.items()]

    def rows(self, batch: list[Any], pool: Executor | None) -> Iterator[Row]:
        """Read and encode a batch: at once by the pool's threads, where there is one, else when it is asked
        for; cells by whole columns."""
        if pool is None and not self.files:
            return iter(self._columns(batch))
        if pool is None:
            return map(self.row, batch)
        # A few slices for each thread: one task for each item costs more than a small picture does.
        size = -(-len(batch) // (4 * usable_cores()))
        slices = [batch[start : start + size] for start in range(0, len(batch), size)]
        return chain.from_iterable(pool.map(self._slice, slices))

    def _slice(self, items: list[Any]) -> list[Row]:
        return [self.row(item) for item in items]

    def row(self, item: Any) -> Row:
        """Read and encode one item."""
        if isinstance(item, DrivetrainError):
            return Row(item.where, error=item)
        name = describe(item)
        try:
            sample = sample_of(item, self.inputs)
            encoded: dict[str, Array] = {}
            unusual: dict[str, Unusual] = {}
            parts: Iterator[Stretch] | None = None
            for form in self._forms:
                try:
                    if parts := self._stretches(form, sample[form.field]):
                        first = next(parts)
                        parts = chain([first], parts)
                        encoded[form.field] = first.encoded[form.field]
                    else:
                        encoded[form.field] = encode(form.codec, sample[form.field])
                except DrivetrainError as fault:
                    return Row(name, error=self._named(fault, form.field).at(name))
                if not form.codec.drawn:
                    column = form.codec.together([encoded[form.field]])
                    found = _unusual(form, _column([sample], form.field), column)
                    unusual.update((form.field, value) for value in found.values())
                if len(self._forms) > 1 and form.codec.stretches(sample[form.field]) is not None:
                    for reason in form.codec.lost(sample[form.field], encoded[form.field]):
                        unusual.setdefault(form.field, Unusual(_shown(sample[form.field]), reason))
            return Row(name, encoded, unusual=unusual, stretches=parts)
        except DrivetrainError as fault:
            return Row(name, error=fault.at(name))

    def _stretches(self, form: _Form, raw: Any) -> Iterator[Stretch] | None:
        """What the only input is cut into, where it is too long; None where it isn't. Raises DataError."""
        if len(self._forms) > 1:
            return None
        try:
            found = form.codec.stretches(raw)
        except _SLIPS:  # `encode` says why.
            return None
        if found is None:
            return None
        return (Stretch(start, stop, {form.field: encoded}) for start, stop, encoded in found)

    def _columns(self, items: list[Any]) -> list[Row]:
        """As `row` for each, but a column at a time, which for a table is many times as quick."""
        if any(isinstance(item, DrivetrainError) for item in items):
            good = [item for item in items if not isinstance(item, DrivetrainError)]
            found = iter(self._columns(good))
            return [self.row(item) if isinstance(item, DrivetrainError) else next(found) for item in items]
        samples: list[Mapping[str, Any]] = []
        try:
            samples = [sample_of(item, self.inputs) for item in items]
            raws = {form.field: _column(samples, form.field) for form in self._forms}
            columns = {form.field: form.codec.encode_column(raws[form.field]) for form in self._forms}
            unusual: dict[int, dict[str, Unusual]] = {}
            for form in self._forms:
                for place, found in _unusual(form, raws[form.field], columns[form.field][0]).items():
                    unusual.setdefault(place, {})[form.field] = found
        except (DrivetrainError, *_SLIPS):
            return [self.row(item) for item in items]
        rows: list[Row] = []
        for place, item in enumerate(items):
            faults = [(field, faults[place]) for field, (_, faults) in columns.items() if place in faults]
            name = describe(item)
            if faults:
                field, fault = faults[0]
                rows.append(Row(name, error=self._named(fault, field).at(name)))
            else:
                encoded = {field: row_of(column, place) for field, (column, _) in columns.items()}
                rows.append(Row(name, encoded, None, unusual.get(place, _NOTHING)))
        return rows

    def _named(self, fault: DrivetrainError, field: str) -> DrivetrainError:
        """The fault with its column, where there are several."""
        return fault.in_column(field) if len(self._forms) > 1 else fault


def sample_of(item: Any, inputs: Mapping[str, object]) -> Mapping[str, Any]:
    """Input -> raw value. Raises DataError."""
    if hasattr(item, "to_dict") and hasattr(item, "keys"):  # A row of pandas.
        item = item.to_dict()
    if isinstance(item, Mapping):
        sample = cast("Mapping[str, Any]", item)
        if missing := [field for field in inputs if field not in sample]:
            raise DataError(f"there is no {missing[0]!r} in it.", fix=f"Give {', '.join(inputs)}.")
        return sample
    if len(inputs) != 1:
        raise DataError("this model has several inputs.", fix=f"Give a mapping with {', '.join(inputs)}.")
    return {next(iter(inputs)): item}


def answers(
    targets: Mapping[str, Codec], rows: Sequence[Row], outputs: Mapping[str, Array], keep: bool = False
) -> list[Answer | Failure]:
    """The answers for rows of which a model has put these out, a row each; with `keep` each has its outputs beside it."""
    finite = {name: _finite_rows(outputs[name]) for name in targets}
    return [
        _answer(targets, row, {name: outputs[name][n, ...] for name in finite if finite[name][n]}, keep)
        for n, row in enumerate(rows)
    ]


def _answer(
    targets: Mapping[str, Codec], row: Row, output: Mapping[str, Array], keep: bool
) -> Answer | Failure:
    """The answer for one row of finite outputs."""
    decoded: dict[str, dict[str, Any]] = {}
    for target, codec in targets.items():
        if target not in output:
            fault = DataError(f"the model's output for {target!r} is not a finite number.", where=row.input)
            return Failure(row.input, fault)
        decoded[target] = codec.decode(output[target])
    return Answer(row.input, decoded, row.unusual, outputs=output if keep else {})


def encode(codec: Codec, raw: Any) -> Array:
    """A raw value encoded, whatever it is. Raises DataError."""
    try:
        return codec.fitting(codec.encode_raw(raw))
    except _SLIPS as fault:
        raise DataError(f"{type(raw).__name__} can't be read as {codec.op}: {fault}") from fault


def _column(samples: Sequence[Mapping[str, Any]], field: str) -> Array:
    """The raw values (n,) of a field."""
    values = np.empty(len(samples), object)
    for place, sample in enumerate(samples):  # One by one, or cells that are lists would become an axis.
        values[place] = sample[field]
    return values


def _unusual(form: _Form, values: Array, encoded: Column) -> dict[int, Unusual]:
    """By place, what of raw values (n,) nothing in training was like."""
    return {
        place: Unusual(_shown(values[place]), reason)
        for reason, rows in form.codec.unusual(values, encoded, form.profile)
        for place in np.flatnonzero(rows).tolist()
    }


def _shown(raw: Any) -> str:
    """A value in a note: a text in quotes, whatever is long cut off; "" where there is none."""
    if raw is None or (isinstance(raw, float) and raw != raw):
        return ""
    if isinstance(raw, (bytes, bytearray, memoryview, np.ndarray)) or _holds_array(raw):
        return describe(raw)
    text = repr(cast("object", raw)) if isinstance(raw, (str, list, tuple)) else str(raw)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _profile(profile: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """What a bundle says of a field's training values; nothing where that is no object."""
    found = profile.get(field)
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}


def _finite_rows(output: Array) -> list[bool]:
    found = finite(output).reshape(len(output), -1)
    return cast("list[bool]", found.all(axis=1).tolist())


_CELLS = frozenset({int, float, bool, type(None)})


def describe(item: Any) -> str:
    """A short name of an item for answers and errors: a path as it is, the kind and size of anything else."""
    if type(item) in _CELLS:  # The most there is, and the quickest told.
        return repr(item)
    if isinstance(item, (str, os.PathLike)):
        return os.fspath(cast("str", item))[:1000]
    if isinstance(item, (bytes, bytearray, memoryview)):
        return f"{memoryview(cast('bytes', item)).nbytes} bytes"
    if isinstance(item, np.ndarray):
        array = cast("Array", item)
        return f"{array.dtype} array {'x'.join(map(str, array.shape))}"
    if _holds_array(item):
        return ", ".join(map(describe, cast("tuple[Any, ...]", item)))[:200]
    if isinstance(item, Mapping):
        sample = cast("Mapping[str, Any]", item)
        if len(sample) == 1:
            return describe(next(iter(sample.values())))
        return ", ".join(f"{field}={describe(raw)}" for field, raw in islice(sample.items(), 20))[:200]
    return repr(item)[:100]


def _holds_array(item: Any) -> bool:
    """Whether it is such as (samples, rate)."""
    return isinstance(item, tuple) and any(
        isinstance(part, np.ndarray) for part in cast("tuple[Any, ...]", item)
    )
