"""A record as bytes in a journal, and back.

A frame is `DTR1`, the length of its payload and the payload's CRC-32 (IEEE, as zlib has it), both uint32, and the payload; all
numbers are little-endian. The payload: version and time (int64), probability and latency_ms (float64, NaN for none), the lengths
in bytes of eight texts (uint32), and these texts in UTF-8: id, model, bundle, key, inputs, answer, request, source. `inputs` and
`answer` are JSON (see `words.py`), `inputs` empty where none were kept.

What a killed process or a full disk cut off is told by its length or its sum; what comes behind it is found by the next `DTR1` with
a sum that holds.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple
from zlib import crc32

from drivetrain.records import words
from drivetrain.records.record import Record

MAGIC = b"DTR1"
_FRAME = struct.Struct("<4sII")
_HEAD = struct.Struct("<qqdd8I")


class Line(NamedTuple):
    """A record as a store has it: its columns, JSON as text, None where there is nothing."""

    id: str
    time: int
    model: str
    version: int
    bundle: str
    key: str | None
    inputs: str | None
    answer: str
    probability: float | None
    latency_ms: float | None
    request: str
    source: str


def pack(record: Record) -> bytes:
    """The frame of a record. Raises ValueError, TypeError or RecursionError for what can't be written as JSON."""
    inputs, answer = record.inputs, words.dumps(record.answer)
    texts = (
        record.id.encode(), _text(record.model), _text(record.bundle), _text(record.key),
        b"" if inputs is None else words.dumps(inputs), answer, _text(record.request), _text(record.source),
    )  # fmt: skip
    payload = b"".join((
        _HEAD.pack(
            record.version, record.time, _or_nan(record.probability), _or_nan(record.latency_ms), *map(len, texts)
        ),
        *texts,
    ))  # fmt: skip
    return _FRAME.pack(MAGIC, len(payload), crc32(payload)) + payload


def _text(text: str) -> bytes:
    """A text that every database takes: NUL and halves of letters as escapes."""
    data = text.encode("utf-8", "backslashreplace")
    return data.replace(b"\0", b"\\x00") if b"\0" in data else data


def _or_nan(number: float | None) -> float:
    return math.nan if number is None else number


def unpack(payload: bytes) -> Line:
    """The record of a payload whose sum holds."""
    version, time, probability, latency, *lengths = _HEAD.unpack_from(payload)
    texts: list[str] = []
    start = _HEAD.size
    for length in lengths:
        texts.append(payload[start : start + length].decode())
        start += length
    id, model, bundle, key, inputs, answer, request, source = texts
    return Line(
        id, time, model, version, bundle, key or None, inputs or None, answer,
        None if probability != probability else probability, None if latency != latency else latency, request, source,
    )  # fmt: skip


class Stretch(NamedTuple):
    """Bytes of a journal from `start` to `end`: a record, or None for what is none."""

    start: int
    end: int
    line: Line | None


def scan(data: bytes) -> Iterator[Stretch]:
    """The records in these bytes, and between them and at the end what is damaged or cut off."""
    place = 0
    while place < len(data):
        found = _frame(data, place)
        if found is None:
            after = place
            while found is None and (after := data.find(MAGIC, after + 1)) >= 0:
                found = _frame(data, after)
            end = after if found is not None else len(data)
            yield Stretch(place, end, None)
            place = end
        if found is not None:
            yield Stretch(place, place + found[0], found[1])
            place += found[0]


def _frame(data: bytes, place: int) -> tuple[int, Line] | None:
    """The length of the frame that begins here, and its record; None where there is none."""
    if len(data) < place + _FRAME.size:
        return None
    magic, length, total = _FRAME.unpack_from(data, place)
    start = place + _FRAME.size
    payload = data[start : start + length]
    if magic != MAGIC or len(payload) < max(length, _HEAD.size) or crc32(payload) != total:
        return None
    # No text holds a NUL, so that none can hold a frame: the lengths of one that is shorter than 128 MB do.
    if _HEAD.size + sum(_HEAD.unpack_from(payload)[4:]) != length:
        return None
    return _FRAME.size + length, unpack(payload)


def line_of(record: Record) -> Line:
    """A record as a store has it: what comes of it by way of a journal."""
    return unpack(pack(record)[_FRAME.size :])


def record_of(row: tuple[Any, ...]) -> Record:
    """The record of a store's row: the columns of a line, and the outcome, as JSON, and its time."""
    line, (outcome, outcome_time) = Line(*row[: len(Line._fields)]), row[len(Line._fields) :]
    return Record(
        line.model, line.version, line.bundle, None if line.inputs is None else words.loads(line.inputs),
        words.loads(line.answer), line.probability, line.latency_ms, line.request, line.key or "", line.source, line.id,
        line.time, None if outcome is None else words.loads(outcome), outcome_time,
    )  # fmt: skip
