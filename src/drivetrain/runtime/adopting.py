"""A bundle of an ONNX graph that was made elsewhere: arrays in, arrays out, as the graph has them.

It needs neither torch nor the onnx package. What the graph may be is what is allowed in every bundle (FORMAT.md, section 4).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from drivetrain.arguments import public
from drivetrain.bundle import Bundle, make_cases, refuse_no_bundle, write_bundle
from drivetrain.bundle.adopted import GraphPort, adopted, ports_of
from drivetrain.bundle.tensors import made_names
from drivetrain.codecs import Signature
from drivetrain.codecs.tensor import FLOATS, STRING, TYPES, Tensor
from drivetrain.errors import BundleError, CheckFailed, DataError, DrivetrainError, UsageError
from drivetrain.files import file_error
from drivetrain.runtime.known import MADE, remember
from drivetrain.runtime.programs import verified
from drivetrain.runtime.session import OnnxSession
from drivetrain.types import Array, Batch, Sample

TASK = "tensors"
ROWS, MOST_ROWS = 4, 64


@public
def from_onnx(
    model: str | os.PathLike[str] | bytes,
    path: str | os.PathLike[str],
    *,
    examples: Mapping[str, Any] | None = None,
    name: str | None = None,
    seed: int = 0,
    force: bool = False,
) -> Bundle:
    """Write a verified bundle of an ONNX graph, by its path or its bytes, and give back what a reader sees in it.

    The first axis of each input and output is the rows. `examples` are rows for each input, (n, ...) of its type, that the graph
    was made for: what it gives for them are the golden cases by which every runtime is checked. Without them they are drawn by
    the `seed`: then all sides but the rows must be written in the graph. Each input and output keeps its name and becomes a field
    of the kind tensor.

    Raises FileError where `path` is taken, BundleError for a graph that may not be run, UsageError and DataError for examples
    that it can't take, CheckFailed where rows have other answers in company than alone.
    """
    refuse_no_bundle(path, force)
    data = model if isinstance(model, bytes) else _bytes_of(model)
    inputs, outputs = ports_of(data)
    feeds = _examples(inputs, examples, seed)
    found = _run(data, inputs, feeds, drawn=examples is None)
    signature = Signature(
        {port.name: _codec(port, feeds[port.name].shape[1:]) for port in inputs},
        {port.name: _codec(port, found[port.name].shape[1:]) for port in outputs},
    )
    names = made_names(signature)
    rows = len(next(iter(feeds.values())))
    graph = adopted(
        data, [_of_a_row(port, feeds) for port in inputs], [_of_a_row(port, found) for port in outputs],
        {**names.inputs, **names.outputs},
    )  # fmt: skip
    samples: list[tuple[str, Literal["validation"], Sample]] = [
        (f"example {row}", "validation", {field: array[row, ...] for field, array in feeds.items()})
        for row in range(rows)
    ]

    def stored(batch: Batch) -> Mapping[str, Array]:
        del batch  # They are the examples: what the graph gave for them is known.
        return found

    title = name or Path(path).stem
    bundle = write_bundle(
        path, name=title, task=TASK, signature=signature, graph=graph, cases=make_cases(signature, samples, stored),
        profile={field: codec.profile(feeds[field]) for field, codec in signature.inputs.items()},
        card=_card(title, signature, rows, drawn=examples is None), facts={"examples": "drawn" if examples is None else "given"},
        force=force, check=_check,
    )  # fmt: skip
    remember(bundle.hash, MADE)
    return bundle


def _check(bundle: Bundle) -> None:
    try:
        verified(bundle).require(bundle.name)
    except CheckFailed as fault:
        raise CheckFailed(
            fault.error, where=fault.where,
            fix="A graph answers each row by itself, however many come together: export it with a dynamic first axis.",
        ) from fault  # fmt: skip


def _bytes_of(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as fault:
        raise file_error(fault, path) from fault


def _examples(ports: Sequence[GraphPort], given: Mapping[str, Any] | None, seed: int) -> dict[str, Array]:
    """Rows for each input, equally many."""
    if not ports:
        raise BundleError("the graph has no inputs.", where="model.onnx")
    random = np.random.default_rng(seed)
    if given is not None and (other := given.keys() ^ {port.name for port in ports}):
        takes = ", ".join(port.name for port in ports)
        raise UsageError(
            f"the examples and the graph's inputs differ: {min(other)!r}.",
            where="examples",
            fix=f"It takes {takes}.",
        )
    found = {
        port.name: _drawn(port, random) if given is None else _given(port, given[port.name]) for port in ports
    }
    if len({len(rows) for rows in found.values()}) > 1 or not 1 <= len(found[ports[0].name]) <= MOST_ROWS:
        raise UsageError(f"each input has to have equally many examples, 1 to {MOST_ROWS}.", where="examples")
    return found


def _given(port: GraphPort, rows: Any) -> Array:
    array = np.array(rows, object if port.type == STRING else port.type)
    if array.ndim < 1 or (port.dims is not None and not _fits(array.shape, port.dims)):
        raise UsageError(
            f"it is {list(array.shape)}, and the graph says {_shown(port)}.", where=f"examples, {port.name}"
        )
    return array


def _drawn(port: GraphPort, random: np.random.Generator) -> Array:
    sides = None if port.dims is None else port.dims[1:]
    if sides is None or None in sides or not port.dims:
        raise UsageError(
            f"the graph says of the input {port.name!r} that it is {_shown(port)}: not how large a row is.", where="examples",
            fix=f"Give examples: examples={{{port.name!r}: rows, ...}}.",
        )  # fmt: skip
    shape = (ROWS, *(side for side in sides if side is not None))
    if port.type in FLOATS:
        return random.normal(size=shape).astype(port.type)
    if port.type == STRING:
        return random.integers(0, 10, shape).astype(str).astype(object)
    return random.integers(0, 2 if port.type == "bool" else 10, shape).astype(port.type)


def _run(
    data: bytes, inputs: Sequence[GraphPort], feeds: Mapping[str, Array], *, drawn: bool
) -> dict[str, Array]:
    """What the graph, by its own names, gives for the examples, a row at a time where it says that it takes no more."""
    for port in inputs:
        if port.type not in TYPES:
            raise BundleError(
                f"the input {port.name!r} is {port.type}, which no bundle takes.", where="model.onnx"
            )
        if port.dims is not None and (not port.dims or port.dims[0] not in (None, 1)):
            raise BundleError(
                f"the input {port.name!r} is {_shown(port)}: it has a fixed number of rows.", where="model.onnx",
                fix="Export it with a dynamic first axis.",
            )  # fmt: skip
    session = OnnxSession(data, threads=1)
    count = len(feeds[inputs[0].name])
    try:
        parts = [
            session.run({name: rows[row : row + 1] for name, rows in feeds.items()}) for row in range(count)
        ]
    except BundleError as fault:
        if drawn:
            raise DataError(
                f"the graph can't take rows that were drawn by chance: {fault.error}", where="examples",
                fix="Give rows that it was made for: examples={INPUT: rows, ...}.",
            ) from fault  # fmt: skip
        raise
    for name, array in parts[0].items():
        if array.ndim < 1 or any(part[name].shape != (1, *array.shape[1:]) for part in parts):
            raise BundleError(
                f"the output {name!r} has not one row, always of the same shape, for each row.",
                where="model.onnx",
            )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _codec(port: GraphPort, dims: tuple[int, ...]) -> Tensor:
    try:
        return Tensor(port.type, dims)
    except DrivetrainError as fault:
        raise BundleError(f"{port.name!r}: {fault.error}", where="model.onnx") from fault


def _of_a_row(port: GraphPort, arrays: Mapping[str, Array]) -> GraphPort:
    return port._replace(dims=arrays[port.name].shape[1:])


def _fits(shape: tuple[int, ...], dims: tuple[int | None, ...]) -> bool:
    return len(shape) == len(dims) and all(
        wanted in (None, side) for side, wanted in zip(shape[1:], dims[1:])
    )


def _shown(port: GraphPort) -> str:
    return (
        "of any shape"
        if port.dims is None
        else f"[{', '.join('?' if side is None else str(side) for side in port.dims)}]"
    )


def _card(name: str, signature: Signature, rows: int, *, drawn: bool) -> str:
    lines = [
        f"# {name}",
        "",
        "An ONNX graph that was made elsewhere. Arrays go in and come out as the graph has them.",
        "",
    ]
    lines += [f"- takes `{field}`: {codec.input_words()}" for field, codec in signature.inputs.items()]
    lines += [f"- gives `{field}`: {codec.answer_words()}" for field, codec in signature.targets.items()]
    how = (
        "drawn by chance: they show that it runs alike everywhere, not that it is right"
        if drawn
        else "given by whoever made this bundle"
    )
    return "\n".join([*lines, "", f"Its {rows} golden cases were {how}.", ""])
