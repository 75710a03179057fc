"""The way of arrays: what a graph takes and gives in the words of tensor protocols, what is sent held against it, and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drivetrain.codecs import Codec, Signature
from drivetrain.errors import DataError, DrivetrainError, UsageError, nearest
from drivetrain.ragged import as_batch, lengths_of
from drivetrain.serve.types import Port
from drivetrain.types import Array, Session

DATATYPES = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "int8": "INT8", "int16": "INT16",
    "int32": "INT32", "int64": "INT64", "float16": "FP16", "float32": "FP32", "float64": "FP64", "object": "BYTES",
}  # fmt: skip
"""numpy's names -> those of the Open Inference Protocol."""
LENGTHS = "_lengths"
"""Behind an input's name: the input that has the lengths of its rows, where they are padded."""


class TensorGraph:
    """A graph that answers arrays with arrays, rows first.

    An input is what its codec encodes to. It may also be given as it is before that, a BYTES tensor of files or texts, (n) or
    (n, 1): then the codec reads it, as it does for those who send raw values.
    """

    def __init__(self, signature: Signature, session: Session) -> None:
        self.session = session
        self.codecs = signature.inputs
        self.targets = [*signature.targets]
        self.inputs = tuple(port for name, codec in signature.inputs.items() for port in _ports(name, codec))
        self.outputs = tuple(_output(name, codec) for name, codec in signature.targets.items())
        self._known = {port.name: port for port in self.inputs}

    def feeds(self, given: Mapping[str, Array]) -> tuple[dict[str, Array], int]:
        """What the session takes, and how many rows it is. Raises UsageError and DataError that name the tensor."""
        for name in given.keys() - self._known.keys():
            fix = nearest(name, self._known) or f"It takes {', '.join(self._known)}."
            raise UsageError(f"the model has no input {name!r:.60}.", where=name[:60], fix=fix)
        feeds: dict[str, Array] = {}
        rows = -1
        for name, codec in self.codecs.items():
            if name not in given:
                raise UsageError(
                    f"the input {name!r} is missing.", where=name, fix=f"Give {', '.join(self.codecs)}."
                )
            array = given[name]
            if array.ndim == 0:
                raise UsageError("a tensor has its rows as its first axis.", where=name)
            if rows not in (-1, len(array)):
                raise UsageError(f"it has {len(array):,} rows, and another input {rows:,}.", where=name)
            rows = len(array)
            feeds.update(self._encoded(name, codec, array, given.get(name + LENGTHS)))
        if rows < 1:
            raise UsageError("there are no rows in it.", fix="Give one at least.")
        return feeds, rows

    def _encoded(self, name: str, codec: Codec, array: Array, lengths: Array | None) -> dict[str, Array]:
        if array.dtype == object and codec.dtype != object:
            return self._read(name, codec, array)
        _refuse_other(name, codec, array)
        if not codec.varies:
            if lengths is not None:
                raise UsageError(
                    "the rows of this input have one length: there are none to give.", where=name + LENGTHS
                )
            return {name: array}
        count, longest = int(array.shape[0]), int(array.shape[1])
        lengths = np.full(count, longest, np.int64) if lengths is None else lengths
        if lengths.dtype != np.int64 or lengths.shape != (count,):
            raise UsageError(f"it has to be INT64 [{count}].", where=name + LENGTHS)
        if len(lengths) and not (lengths.min() >= 0 and lengths.max() <= longest):
            raise UsageError(f"a length is not from 0 to {longest:,}.", where=name + LENGTHS)
        if longest > codec.most_steps:
            raise DataError(f"it is {longest:,} long; {codec.most_steps:,} is the most.", where=name)
        beyond = np.arange(longest) >= lengths[:, None]
        if beyond.any():  # What pads a row is nobody's to choose.
            array = array.copy()
            array[beyond] = codec.padding
        if not longest:  # No graph takes 0 steps.
            array = np.full((count, 1, *array.shape[2:]), codec.padding, array.dtype)
        return {name: array, lengths_of(name): lengths}

    def _read(self, name: str, codec: Codec, array: Array) -> dict[str, Array]:
        """Raw values, read and encoded."""
        if array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1):
            raise UsageError(f"raw values have the shape [n] or [n, 1], not {list(array.shape)}.", where=name)
        values = np.empty(len(array), object)
        values[:] = [_raw(name, codec, value) for value in array.reshape(-1)]
        try:
            column, faults = codec.encode_column(values)
        except DrivetrainError as fault:
            raise fault.at(name) from fault
        if faults:
            row = min(faults)
            raise faults[row].at(f"{name}, row {row}")
        return as_batch({name: column})

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by target. Raises BundleError."""
        return self.session.run(feeds)

    def chosen(self, names: Sequence[str] | None) -> list[str]:
        """The outputs that are asked for. Raises UsageError."""
        for name in names or ():
            if name not in self.targets:
                fix = nearest(name, self.targets) or f"It has {', '.join(self.targets)}."
                raise UsageError(f"the model has no output {name!r:.60}.", where=name[:60], fix=fix)
        return [*names] if names else self.targets


def joined(several: Sequence[Mapping[str, Array]], codecs: Mapping[str, Codec]) -> dict[str, Array]:
    """The feeds of several requests as one."""
    if len(several) == 1:
        return dict(several[0])
    found: dict[str, Array] = {}
    for name in several[0]:
        arrays = [feeds[name] for feeds in several]
        if name in codecs and codecs[name].varies:
            arrays = _as_long(arrays, codecs[name].padding)
        found[name] = np.concatenate(arrays)
    return found


def _as_long(arrays: list[Array], padding: float) -> list[Array]:
    longest = max(array.shape[1] for array in arrays)
    made: list[Array] = []
    for array in arrays:
        if array.shape[1] < longest:
            wider = np.full((len(array), longest, *array.shape[2:]), padding, array.dtype)
            wider[:, : array.shape[1]] = array
            array = wider
        made.append(array)
    return made


def _raw(name: str, codec: Codec, value: Any) -> Any:
    if codec.from_files:
        return value if isinstance(value, bytes) else str(value).encode()
    if not isinstance(value, bytes):
        return value
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        raise DataError("a text is not UTF-8.", where=name) from None


def _refuse_other(name: str, codec: Codec, array: Array) -> None:
    wanted = ("-1" if side is None else str(side) for side in codec.shape)
    port = DATATYPES[codec.dtype.name]
    shape = array.shape[1:]
    fits = len(shape) == len(codec.shape) and all(
        side in (None, own) for side, own in zip(codec.shape, shape)
    )
    if array.dtype != codec.dtype or not fits:
        raise UsageError(
            f"it is {DATATYPES.get(array.dtype.name, array.dtype.name)} {list(array.shape)}, and has to be "
            f"{port} [{', '.join(['-1', *wanted])}].",
            where=name,
        )  # fmt: skip


def _ports(name: str, codec: Codec) -> list[Port]:
    sides = (-1 if side is None else int(side) for side in codec.shape)
    extra = {} if codec.dtype == object else {"raw": "BYTES"}
    found = [Port(name, DATATYPES[codec.dtype.name], (-1, *sides), extra)]
    if codec.varies:
        found.append(Port(name + LENGTHS, "INT64", (-1,), {"lengths_of": name, "required": False}))
    return found


def _output(name: str, codec: Codec) -> Port:
    extra = {"labels": [*codec.labels]} if codec.labels is not None else {}
    return Port(name, "FP32", (-1, *codec.output_shape), extra)
