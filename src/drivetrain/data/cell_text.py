"""What the encoded rows of a column hold, as short texts: what a person sees of what the model gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.codecs.category import Category
from drivetrain.codecs.date import MISSING as NO_DATE
from drivetrain.codecs.date import Date
from drivetrain.codecs.tags import Tags
from drivetrain.types import Array

Texts = list[str | None]
DAY = 86_400


def cell_texts(codec: Codec, encoded: Array, raw: Array) -> Texts:
    """A text for each of the encoded rows (n, *shape), whose raw values are `raw` (n,); None where there is no value.

    A category's level that is no class of its own is told with what became of it: "Astronaut (other)".
    """
    make = _TEXTS.get(codec.op.split("@")[0])
    return make(codec, encoded, raw) if make else [str(value) for value in raw]


def number_text(value: float) -> str:
    """A number as it would be written by hand: whole ones without a point, others with up to six figures."""
    if value == round(value) and abs(value) < 1e15:
        return str(round(value))
    return f"{value:.6g}"


def _numbers(codec: Codec, encoded: Array, raw: Array) -> Texts:
    return [None if value != value else number_text(value) for value in encoded.reshape(-1).tolist()]


def _categories(codec: Codec, encoded: Array, raw: Array) -> Texts:
    classes = cast("Category", codec).classes
    absent = len(classes) + 1
    return [
        classes[code] if code < len(classes) else None if code == absent else f"{value} (other)"
        for code, value in zip(encoded.tolist(), raw)
    ]


def _dates(codec: Codec, encoded: Array, raw: Array) -> Texts:
    elapsed, clock = encoded[:, 0], cast("Date", codec).clock
    return [None if seconds == NO_DATE else date_text(seconds, clock) for seconds in elapsed.tolist()]


def date_text(seconds: int, clock: bool = False) -> str:
    """Seconds since 1970 as ISO 8601; the day alone at midnight, the time alone for one of day."""
    text = str(np.datetime64(seconds, "s"))
    if clock:
        return text[11:16]
    return text[:10] if seconds % DAY == 0 else text[:16].replace("T", " ")


def _tags(codec: Codec, encoded: Array, raw: Array) -> Texts:
    names = np.array(cast("Tags", codec).tags, object)
    return [", ".join(names[row]) or None for row in encoded.astype(bool)]


def _words(codec: Codec, encoded: Array, raw: Array) -> Texts:
    return [
        " ".join(str(value).split()) if row.any() and value is not None else None
        for row, value in zip(encoded, raw)
    ]


_TEXTS: dict[str, Callable[[Codec, Array, Array], Texts]] = {
    "number": _numbers,
    "category": _categories,
    "date": _dates,
    "tags": _tags,
    "text": _words,
}
