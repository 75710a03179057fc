"""How much memory a message asks for beside its own size: looked at before it is parsed.

Two bytes can stand for a whole message within a message, of which 32 MB would hold 16 million: parsed they take 36 times the
memory. What callers send in earnest is few fields, some of them large; only a message that is large and all fields is refused.
"""

from __future__ import annotations

from typing import Any

from drivetrain.serve.types import Refusal

LIGHT = 2**20
"""A message of so many bytes can't do much."""
MOST_FIELDS = 50_000
_VARINT, _EIGHT, _SIZED, _FOUR = 0, 1, 2, 5


def refuse_heavy(raw: bytes, descriptor: Any) -> None:
    """Raise Refusal for a large message of more than MOST_FIELDS fields, those of the messages in it counted; what is no message
    is left to the parser."""
    if len(raw) > LIGHT:
        _count(memoryview(raw), descriptor, MOST_FIELDS)


def _count(data: memoryview, descriptor: Any, left: int) -> int:
    """How many fields may still come after those in `data`."""
    place, end = 0, len(data)
    while place < end:
        left -= 1
        if left < 0:
            raise Refusal(
                413,
                f"the message has more than {MOST_FIELDS:,} fields.",
                fix="Give large tensors as raw bytes, or ask in parts.",
            )
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == _VARINT:
            _, place = _varint(data, place)
        elif kind == _SIZED:
            size, place = _varint(data, place)
            field = descriptor.fields_by_number.get(tag >> 3)
            if field is not None and field.message_type is not None:
                left = _count(data[place : place + size], field.message_type, left)
            place += size
        elif kind in (_EIGHT, _FOUR):
            place += 8 if kind == _EIGHT else 4
        else:
            return left  # Groups are in none of our messages: the parser skips them, or refuses.
    return left


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the place behind it."""
    value = shift = 0
    while place < len(data) and shift < 64:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
    return 0, len(data)
