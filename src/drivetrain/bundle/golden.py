"""Golden cases: what went through the model when it was trained, kept at five stages.

raw -> read -> encoded -> output -> answer. Each stage is made from what the stage before it stored, so that
a runtime that differs can be told where it begins to.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from drivetrain.bundle.npy import from_npy, to_npy
from drivetrain.codecs import Codec, Signature
from drivetrain.errors import BundleError, DataError, DrivetrainError, UsageError
from drivetrain.field_names import can_be_shown
from drivetrain.files import from_json, sha256, to_json
from drivetrain.ragged import Column, Ragged, as_batch, row_of
from drivetrain.types import Array, Batch, Sample

Kind = Literal["validation", "nasty"]
KINDS: tuple[Kind, ...] = ("validation", "nasty")
CASES = "golden/cases.json"
MOST_CASES = 1000
READ_ELEMENTS = 65_536
OUTPUT_TOLERANCE = 1e-4
ANSWER_TOLERANCE = 1e-6
LONGEST_NAME = 200
MOST_NAME = 1000
Stages = tuple[dict[str, bytes], dict[str, Any], dict[str, Array]]
"""What goes into a model, by field: raw, read and encoded."""


@dataclass(frozen=True, eq=False)
class ReadArray:
    """What `read` gave, where that is an array: its shape, and every `step`-th element along its first two
    axes.

    A photograph read to pixels is a megabyte. What the thinning leaves out still counts through the encoded
    stage.
    """

    shape: tuple[int, ...]
    step: int
    values: Array


@dataclass(frozen=True, eq=False)
class GoldenCase:
    """One row at five stages. `encoded` has the codec's shape and dtype, and its own length where that varies; `output` is
    of its output_shape and output_dtype."""

    name: str
    kind: Kind
    raw: dict[str, bytes]
    read: dict[str, Any]
    encoded: dict[str, Array]
    output: dict[str, Array]
    answer: dict[str, dict[str, Any]]


def make_cases(
    signature: Signature,
    samples: Sequence[tuple[str, Kind, Sample]],
    run: Callable[[Batch], Mapping[str, Array]],
) -> list[GoldenCase]:
    """Golden cases from (name, kind, sample) and the training framework's own forward pass.

    `run` takes the encoded batch {input: (n, *shape)}, as `as_batch` makes it, and gives what the graph is to give,
    {target: (n, *output_shape)}. A case that decides nothing is left out: one whose two largest outputs are nearly, but
    not exactly, equal. Raises DataError naming the sample that can't be read.
    """
    _refuse_count(len(samples))
    stages = [read_and_encode(signature, name, sample) for name, _, sample in samples]
    batch = encoded_batch(signature, [encoded for _, _, encoded in stages])
    targets = signature.targets
    outputs = {
        name: np.asarray(array, targets[name].output_dtype)
        for name, array in run(batch).items()
        if name in targets
    }
    for name, codec in targets.items():
        shape = (len(samples), *codec.output_shape)
        if name not in outputs or outputs[name].shape != shape or not finite(outputs[name]).all():
            raise DrivetrainError(
                f"the model gives no finite output of shape {shape} for {name!r}.", where="golden cases"
            )
    cases: list[GoldenCase] = []
    for row, ((name, kind, _), (raw, read, encoded)) in enumerate(zip(samples, stages)):
        output = {target: outputs[target][row, ...] for target in signature.targets}
        answer = {target: codec.decode(output[target]) for target, codec in signature.targets.items()}
        cases.append(GoldenCase(name, kind, raw, read, encoded, output, answer))
    return [case for case in cases if not _nearly_tied(case, signature)] or cases


def encoded_batch(signature: Signature, rows: Sequence[Mapping[str, Array]]) -> Batch:
    """Encoded inputs, row by row, as one batch."""
    return as_batch({
        field: codec.together([row[field] for row in rows]) for field, codec in signature.inputs.items()
    })  # fmt: skip


def nasty_samples(signature: Signature, base: Sample) -> list[tuple[str, Kind, Sample]]:
    """`base` with one input at a time replaced by each example that its codec calls nasty."""
    return [
        (f"{field}: {name}" if len(signature.inputs) > 1 else name, "nasty", {**base, field: raw})
        for field, codec in signature.inputs.items()
        for name, raw in codec.nasty_examples()
    ]


def kept(value: Any, step: int | None = None) -> Any:
    """A read value as a golden case keeps it: an array thinned (by `step`, or as far as needed), else as
    JSON values, NaN as null."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if not isinstance(value, np.ndarray):
        return from_json(to_json(value))
    array = cast("Array", value)
    thinning = step or _thinning(array)
    return ReadArray(array.shape, thinning, _thinned(array, thinning).copy())


def tolerances(signature: Signature) -> dict[str, dict[str, float]]:
    """The tolerances that a bundle declares; how each is applied is said in FORMAT.md."""
    return {
        "read": {name: float(codec.read_tolerance) for name, codec in signature.inputs.items()},
        "encoded": {name: float(codec.encoded_tolerance) for name, codec in signature.inputs.items()},
        "output": dict.fromkeys(signature.targets, OUTPUT_TOLERANCE),
        "answer": dict.fromkeys(signature.targets, ANSWER_TOLERANCE),
    }


def to_members(cases: Sequence[GoldenCase], signature: Signature) -> dict[str, bytes]:
    """The members under `golden/` that hold the cases. Raises UsageError where they are not of this
    signature."""
    members, records = input_members(cases, signature)
    for field in signature.targets:
        members[_stacked("output", field)] = to_npy(np.stack([case.output[field] for case in cases]))
    members[CASES] = to_json({"cases": records}).encode()
    return members


def input_members(
    cases: Sequence[GoldenCase], signature: Signature
) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """The members of what goes into a model, and what cases.json says of each case."""
    _refuse_count(len(cases))
    if any(
        case.raw.keys() != signature.inputs.keys() or case.output.keys() != signature.targets.keys()
        for case in cases
    ):
        raise UsageError(
            "the golden cases have other fields than the signature.", fix="Make them with make_cases."
        )
    members: dict[str, bytes] = {}
    records: list[dict[str, Any]] = []
    for number, case in enumerate(cases):
        read: dict[str, Any] = {}
        for field in signature.inputs:
            members[_raw(number, field)] = case.raw[field]
            value = case.read[field]
            if isinstance(value, ReadArray):
                members[_read(number, field)] = to_npy(value.values)
                read[field] = {"shape": list(value.shape), "step": value.step}
            else:
                read[field] = {"value": value}
        records.append({"name": case.name, "kind": case.kind, "read": read, "answer": case.answer})
    for field, codec in signature.inputs.items():
        column = codec.together([case.encoded[field] for case in cases])
        if isinstance(column, Ragged):
            members[_stacked("lengths", field)] = to_npy(column.lengths)
            column = column.flat
        members[_stacked("encoded", field)] = to_npy(column)
    return members, records


def _refuse_count(cases: int) -> None:
    if not 1 <= cases <= MOST_CASES:
        raise UsageError(f"{cases} golden cases; a bundle has 1 to {MOST_CASES}.", fix="Choose some samples.")


class GoldenMembers:
    """The members under `golden/`, of which each has to be used. Raises BundleError."""

    def __init__(self, members: Mapping[str, memoryview]) -> None:
        self._members = members
        self._used = {CASES}

    def take(self, name: str) -> memoryview:
        """The bytes of a member."""
        self._used.add(name)
        if name not in self._members:
            raise BundleError("this member is missing.", where=name)
        return self._members[name]

    def array(self, name: str, shape: tuple[Any, ...], dtype: np.dtype[Any], missing: bool = False) -> Array:
        """The finite numbers of a member, or such as are `missing`, of this shape and dtype."""
        array = from_npy(self.take(name), name)
        wrong = infinite(array) if missing else ~finite(array)
        if array.shape != shape or array.dtype != dtype or wrong.any():
            raise BundleError("its shape, dtype or content is not what the signature asks for.", where=name)
        return array

    def refuse_unused(self) -> None:
        if extra := sorted(name for name in self._members.keys() - self._used if name.startswith("golden/")):
            raise BundleError("no golden case uses this member.", where=extra[0])


def from_members(
    members: Mapping[str, memoryview], record: Any, signature: Signature
) -> tuple[GoldenCase, ...]:
    """The cases that `record` (the content of cases.json) and the other golden members hold, all of them
    checked.

    Raises BundleError where one is missing, too many, or doesn't fit the signature.
    """
    rows, golden = check_rows(record, signature), GoldenMembers(members)
    output = {
        name: golden.array(_stacked("output", name), (len(rows), *codec.output_shape), codec.output_dtype)
        for name, codec in signature.targets.items()
    }
    cases: list[GoldenCase] = []
    for number, (row, inputs) in enumerate(zip(rows, inputs_in(golden, rows, signature))):
        outputs = {name: array[number, ...] for name, array in output.items()}
        cases.append(GoldenCase(row["name"], row["kind"], *inputs, outputs, row["answer"]))
    golden.refuse_unused()
    return tuple(cases)


def inputs_in(golden: GoldenMembers, rows: Sequence[Mapping[str, Any]], signature: Signature) -> list[Stages]:
    """What goes into a model in each case, of which `rows` is what cases.json says."""

    def encoded_rows(field: str, codec: Codec) -> Column:
        name = _stacked("encoded", field)
        if not codec.varies:
            return golden.array(name, (len(rows), *codec.shape), codec.dtype, missing=True)
        lengths = golden.array(_stacked("lengths", field), (len(rows),), np.dtype(np.int64))
        if not ((lengths >= 0) & (lengths <= codec.most_steps)).all():
            raise BundleError(
                f"a length is not from 0 to {codec.most_steps:,}.", where=_stacked("lengths", field)
            )
        values = golden.array(name, (int(lengths.sum()), *codec.shape[1:]), codec.dtype, missing=True)
        return Ragged.of(values, lengths, codec.padding)

    encoded = {name: encoded_rows(name, codec) for name, codec in signature.inputs.items()}
    found: list[Stages] = []
    for number, row in enumerate(rows):
        raw = {field: bytes(golden.take(_raw(number, field))) for field in signature.inputs}
        read = {
            field: _stored(value, _read(number, field), golden.take) for field, value in row["read"].items()
        }
        found.append((raw, read, {name: row_of(column, number) for name, column in encoded.items()}))
    return found


def read_and_encode(signature: Signature, name: str, sample: Sample) -> Stages:
    """A sample at its first three stages. Raises DataError naming the case."""
    raw: dict[str, bytes] = {}
    read: dict[str, Any] = {}
    encoded: dict[str, Array] = {}
    for field, codec in signature.inputs.items():
        if field not in sample:
            raise DataError(f"the sample has no {field!r}.", where=f"golden case {name!r}")
        try:
            raw[field] = codec.to_bytes(sample[field])
            value = codec.read(codec.from_bytes(raw[field]))
            read[field], encoded[field] = kept(value), codec.encode(value)
        except DrivetrainError as fault:
            raise fault.at(f"golden case {name!r}") from fault
    return raw, read, encoded


def _nearly_tied(case: GoldenCase, signature: Signature) -> bool:
    """Whether an output is off the choice between two answers by less than the tolerance, but not by nothing:
    then no runtime is wrong to choose the other."""
    for target, codec in signature.targets.items():
        margin = codec.margin(case.output[target])
        if not math.isfinite(margin):
            continue
        largest = float(np.abs(case.output[target]).max(initial=0.0))
        if 0 < margin < OUTPUT_TOLERANCE * largest:
            return True
    return False


def finite(array: Array) -> npt.NDArray[np.bool_]:
    """Which elements are finite numbers, or texts."""
    return np.ones(array.shape, bool) if array.dtype == object else np.isfinite(array)


def infinite(array: Array) -> npt.NDArray[np.bool_]:
    """Which elements are infinite numbers."""
    return np.zeros(array.shape, bool) if array.dtype == object else np.isinf(array)


def _thinning(array: Array) -> int:
    """The smallest step that brings the array under READ_ELEMENTS; one that leaves a single row where none does."""
    longest = max((1, *array.shape[:2]))
    fitting = (step for step in range(1, longest) if _thinned(array, step).size <= READ_ELEMENTS)
    return next(fitting, longest)


def _thinned(array: Array, step: int) -> Array:
    return array[
        (*(slice(None, None, step) for _ in range(min(array.ndim, 2))), ...)
    ]  # "...": an array, also of one element.


def check_rows(record: Any, signature: Signature, *more: str) -> list[dict[str, Any]]:
    """What cases.json says of each case, some `more` by name than of every one. Raises BundleError."""

    def fits(row: Any) -> bool:
        return (
            isinstance(row, dict)
            and set(cast("dict[str, Any]", row)) == {"name", "kind", "read", "answer", *more}
            and _is_name(row["name"])
            and row["kind"] in KINDS
            and _has_keys(row["read"], signature.inputs)
            and _has_keys(row["answer"], signature.targets)
            and all(isinstance(answer, dict) for answer in cast("dict[str, Any]", row["answer"]).values())
        )

    rows: Any = record.get("cases") if _has_keys(record, ("cases",)) else None
    if not isinstance(rows, list) or not 1 <= len(cast("list[Any]", rows)) <= MOST_CASES:
        raise BundleError(f"it doesn't hold 1 to {MOST_CASES} cases.", where=CASES)
    if not all(fits(row) for row in cast("list[Any]", rows)):
        raise BundleError("a case doesn't have the parts that the signature asks for.", where=CASES)
    return cast("list[dict[str, Any]]", rows)


def _is_name(value: Any) -> bool:
    """Whether a case may be called so: it is printed."""
    return isinstance(value, str) and len(value) <= MOST_NAME and can_be_shown(value)


def _has_keys(value: Any, keys: Mapping[str, Codec] | Sequence[str]) -> bool:
    return isinstance(value, dict) and set(cast("dict[str, Any]", value)) == set(keys)


def _stored(value: Any, name: str, member: Callable[[str], memoryview]) -> Any:
    if _has_keys(value, ("value",)):
        return value["value"]
    shape, step = (
        (value.get("shape"), value.get("step")) if _has_keys(value, ("shape", "step")) else (None, None)
    )
    sides: list[Any] = cast("list[Any]", shape) if isinstance(shape, list) else [None]
    if not all(type(side) is int and side >= 0 for side in sides) or type(step) is not int or step < 1:
        raise BundleError("a read value is neither a value nor a shape and a step.", where=CASES)
    array = from_npy(member(name), name)
    thinned = [-(-side // step) if axis < 2 else side for axis, side in enumerate(sides)]
    if list(array.shape) != thinned:
        raise BundleError(f"its shape is {list(array.shape)} and cases.json says {thinned}.", where=name)
    return ReadArray(tuple(sides), step, array)


def member_part(field: str) -> str:
    """A field's name as member names have it (FORMAT.md, section 1)."""
    escaped = "".join(
        chr(byte) if re.match("[A-Za-z0-9_]", chr(byte)) else f"%{byte:02X}" for byte in field.encode()
    )
    if len(escaped) <= LONGEST_NAME:
        return escaped
    return f"{escaped[: LONGEST_NAME - 66]}%%{sha256(field.encode())}"


def _raw(number: int, field: str) -> str:
    return f"golden/{number:04}.{member_part(field)}.raw"


def _read(number: int, field: str) -> str:
    return f"golden/{number:04}.{member_part(field)}.read.npy"


def _stacked(stage: str, field: str) -> str:
    return f"golden/{stage}.{member_part(field)}.npy"
