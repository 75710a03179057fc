"""The way of arrays: what a graph takes and gives in the words of tensor protocols, what is sent held against it, and run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drivetrain.codecs import Codec, Signature
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.ragged import as_batch, lengths_of
from drivetrain.serve.raw import PIXELS, Budget, from_wire
from drivetrain.serve.tensors import datatype_of
from drivetrain.serve.types import Port
from drivetrain.types import Array, Session

LENGTHS = "_lengths"
"""Behind an input's name: the input that has the lengths of its rows, where they are padded."""


class TensorGraph:
    """A graph that answers arrays with arrays, rows first.

    An input is what its codec encodes to. It may also be given as it is before that, a BYTES tensor of files or texts, (n) or
    (n, 1): then the codec reads it, as it does for those who send raw values.
    """

    pixels = PIXELS
    """Of a picture, at most; what serves it sets it."""

    def __init__(self, signature: Signature, session: Session) -> None:
        self.session = session
        self.codecs = signature.inputs
        self.targets = [*signature.targets]
        self.inputs = tuple(port for name, codec in signature.inputs.items() for port in _ports(name, codec))
        self.varies = any(codec.varies for codec in signature.inputs.values())
        self._plain = {name: (codec.dtype, codec.shape) for name, codec in signature.inputs.items()}
        self.outputs = tuple(_output(name, codec) for name, codec in signature.targets.items())

    def feeds(self, given: Mapping[str, Array]) -> tuple[dict[str, Array], int]:
        """What the session takes, and how many rows it is, of arrays that `tensors.check_feeds` has let pass. Raises UsageError and
        DataError that name the tensor."""
        feeds: dict[str, Array] = {}
        for name, codec in self.codecs.items():
            feeds.update(self._encoded(name, codec, given[name], given.get(name + LENGTHS)))
        return feeds, len(given[next(iter(self.codecs))])

    def as_they_are(self, given: Mapping[str, Array]) -> int:
        """How many rows arrays are that the session takes as they are: each input is there, as its codec encodes to. 0 where
        more has to be looked at."""
        if self.varies or given.keys() != self._plain.keys():
            return 0
        rows = -1
        for name, array in given.items():
            dtype, shape = self._plain[name]
            sides = array.shape
            if array.dtype is not dtype or dtype.hasobject or sides[1:] != shape or not sides:
                return 0
            if rows not in (-1, sides[0]):
                return 0
            rows = sides[0]
        return rows

    def _encoded(self, name: str, codec: Codec, array: Array, lengths: Array | None) -> dict[str, Array]:
        if array.dtype == object and codec.dtype != object:
            return self._read(name, codec, array)
        if array.dtype == object:
            texts = np.empty(array.size, object)
            budget = Budget(self.pixels)
            texts[:] = [_raw(codec, value, budget) for value in array.reshape(-1)]
            array = texts.reshape(array.shape)
        if not codec.varies:
            if lengths is not None:
                raise UsageError(
                    "the rows of this input have one length: there are none to give.", where=name + LENGTHS
                )
            return {name: array}
        count, longest = int(array.shape[0]), int(array.shape[1])
        lengths = np.full(count, longest, np.int64) if lengths is None else lengths
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
        values = np.empty(len(array), object)
        try:
            budget = Budget(self.pixels)
            values[:] = [_raw(codec, value, budget) for value in array.reshape(-1)]
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


def longest(feeds: Mapping[str, Array], codecs: Mapping[str, Codec]) -> int:
    """How many bits tell how long the rows are, of inputs whose rows are of different lengths: what is equal in this is at most
    twice as long as another; 0 where there are none."""
    return max(
        (feeds[name].shape[1].bit_length() for name, codec in codecs.items() if codec.varies), default=0
    )


def _raw(codec: Codec, value: Any, budget: Budget) -> Any:
    """An element of a BYTES tensor, as a codec reads it. Raises DataError."""
    if codec.from_files or not isinstance(value, bytes):
        return from_wire(value, codec, budget)
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        raise DataError("a text is not UTF-8.") from None


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


def _ports(name: str, codec: Codec) -> list[Port]:
    sides = (-1 if side is None else int(side) for side in codec.shape)
    extra = {"raw": "BYTES"} if codec.from_text else {}
    found = [Port(name, datatype_of(codec.dtype), (-1, *sides), extra)]
    if codec.varies:
        found.append(Port(name + LENGTHS, "INT64", (-1,), {"lengths_of": name, "required": False}))
    return found


def _output(name: str, codec: Codec) -> Port:
    extra = {"labels": [*codec.labels]} if codec.labels is not None else {}
    return Port(name, datatype_of(codec.output_dtype), (-1, *codec.output_shape), extra)
