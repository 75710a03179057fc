"""One value, wherever it comes from: the scalars of Python, numpy, pandas and databases, and the text that each has.

A cell of a CSV is text, of JSON a number or a truth value, of a frame something of numpy's or pandas' own. What means
the same is brought to the same here, once, for the readers of files and for the codecs alike.
"""

from __future__ import annotations

import datetime
import decimal
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from drivetrain.errors import DataError

WHOLE = 2.0**53
"""From here on not every whole number is a float64, and the digits of one say more than is known."""
_NOTHING = ("NAType", "NaTType")
"""What pandas puts where there is no value, besides None and NaN."""
_WHOLE_TEXT = re.compile(r"([+-]?)(0|[1-9][0-9]*)\.0+")
_MOMENT_TEXT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}.*")
_AS_NUMBER = {"false": "0", "true": "1", "0": "false", "1": "true"}
_TRUTH = ({"false", "true"}, {"0", "1"})
FORMS = r"^(?i:true|false)$|^[+-]?(?:0|[1-9][0-9]*)\.0+$|^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}"
"""What only these texts match, `canonical` may change."""


def scalar(raw: Any) -> Any:
    """A scalar as plain Python has it: None for pandas' NA and NaT, a Decimal and numpy's numbers as int or float, a
    duration in seconds. Anything else is as it was, a numpy datetime64 too."""
    if type(raw) in (str, float, int, bool):
        return raw
    if isinstance(raw, np.timedelta64):
        return None if raw != raw else float(cast("Any", raw) / np.timedelta64(1, "s"))
    if isinstance(raw, np.datetime64):
        return raw
    if isinstance(raw, np.generic):
        return cast("Any", raw).item()
    if isinstance(raw, decimal.Decimal):
        if raw.is_nan():
            return None
        return int(raw) if raw.is_finite() and raw == raw.to_integral_value() else float(raw)
    if type(raw).__name__ in _NOTHING:
        return None
    return raw.total_seconds() if isinstance(raw, datetime.timedelta) else raw


def as_text(raw: Any, what: str) -> str:
    """A scalar's text: digits of a number (3.0 is "3"), true or false, a date as ISO 8601 in UTC. A text is trimmed and
    else stays. Raises DataError for what has none."""
    if isinstance(raw, str):
        return raw.strip()
    value = scalar(raw)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < WHOLE:
        return str(int(value))
    if isinstance(value, np.datetime64):
        return canonical(str(cast("object", value)))
    if isinstance(value, datetime.datetime):
        return _moment(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bytes, list, dict, tuple, np.ndarray)):
        kind = type(value).__name__  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
        raise DataError(f"a {what} is text, not {kind}.")
    return str(cast("object", value)).strip()


def canonical(text: str) -> str:
    """The one text of what is written in several ways: True and TRUE are true, 3.0 is 3, and a moment is as `as_text` has
    it (2020-01-05 00:00:00 is 2020-01-05). Every other text is its own: 02139 is not 2139, nor 1.10 1.1."""
    if text[-1:] in "eE" and (lower := text.lower()) in ("true", "false"):
        return lower
    if match := _WHOLE_TEXT.fullmatch(text):
        sign = "-" if match[1] == "-" and match[2] != "0" else ""
        return sign + match[2]
    if _MOMENT_TEXT.fullmatch(text):
        try:
            return _moment(datetime.datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            return text
    return text


def places_by_text(names: Sequence[str]) -> dict[str, int]:
    """Name -> place, and canonical text -> place where one name alone has it and none is called so.

    Where the names are truth values and nothing else, or 0 and 1, each is the other: SQLite and MySQL have no truth values.
    """
    forms = [canonical(name) for name in names]
    counts = Counter(forms)
    found = {form: place for place, form in enumerate(forms) if counts[form] == 1}
    if {*found} in _TRUTH:
        found |= {_AS_NUMBER.get(form, form): place for form, place in found.items()}
    return found | {name: place for place, name in enumerate(names)}


def is_exact(number: int) -> bool:
    """Whether a float64 holds a whole number to its last digit."""
    try:
        return abs(number) < WHOLE or int(float(number)) == number
    except OverflowError:
        return False


def in_utc(moment: datetime.date) -> datetime.datetime:
    """A moment in UTC without a zone; midnight of a day, and one that has no zone is in UTC."""
    if not isinstance(moment, datetime.datetime):
        return datetime.datetime.combine(moment, datetime.time())
    moment = moment.astimezone(datetime.UTC) if moment.tzinfo is not None else moment
    # Without what a subclass such as pandas' adds.
    return datetime.datetime.combine(moment.date(), moment.time())


def _moment(moment: datetime.datetime) -> str:
    """The day alone at midnight, and no more of a second than there is."""
    text = in_utc(moment).isoformat()
    return (text.rstrip("0") if "." in text else text).removesuffix("T00:00:00")


def is_nothing(raw: Any) -> bool:
    """Whether a value of any type but text says that there is none: None, NaN, not-a-time, pandas' NA."""
    if isinstance(raw, (float, np.floating, np.datetime64, np.timedelta64)):
        return bool(raw != raw)  # NaN and not-a-time alone differ from themselves.
    if isinstance(raw, decimal.Decimal):
        return raw.is_nan()
    return raw is None or type(raw).__name__ in _NOTHING


def short(value: float | None) -> float | None:
    """With the digits that a 32-bit number has: 0.9 and not 0.8999999761581421."""
    return None if value is None else float(str(np.float32(value)))
