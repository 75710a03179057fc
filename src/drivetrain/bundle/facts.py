"""What a bundle says of its training, read as values of known types within bounds.

Facts and profile are free JSON of whoever wrote the file, and everything that uses them reads them here. They are
something to compare with or to show: nothing in them names what is read or run. (For their recipe see `data/recipe.py`.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard, cast

from drivetrain.bundle.archive import MANIFEST
from drivetrain.errors import BundleError

MOST_TEXT = 1000
MOST_ITEMS = 100_000
Fits = Callable[[Any], bool]


def is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MOST_TEXT


def is_number(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and abs(value) <= 1e300


def is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def is_whole(value: Any, least: int = 0, most: int = 2**63 - 1) -> bool:
    return type(value) is int and least <= value <= most


def many(fits: Fits) -> Fits:
    def all_fit(value: Any) -> bool:
        return isinstance(value, list) and _few(value) and all(map(fits, cast("list[Any]", value)))

    return all_fit


def texts_by_text(value: Any) -> bool:
    return isinstance(value, dict) and _few(value) and all(
        is_text(part) for pair in cast("dict[Any, Any]", value).items() for part in pair
    )  # fmt: skip


def many_texts_by_text(value: Any) -> bool:
    return isinstance(value, dict) and _few(value) and all(
        is_text(name) and many(is_text)(texts) for name, texts in cast("dict[Any, Any]", value).items()
    )  # fmt: skip


def or_none(fits: Fits) -> Fits:
    return lambda value: value is None or fits(value)


def _few(value: Any) -> bool:
    return len(value) <= MOST_ITEMS


def is_cost(value: Any) -> bool:
    return isinstance(value, list) and len(pair := cast("list[Any]", value)) == 3 and (
        is_text(pair[0]) and is_text(pair[1]) and is_number(pair[2])
    )  # fmt: skip


def is_split(value: Any, inner: bool = False) -> bool:
    """A splitter as JSON: `split.from_json` looks at its kind and fields. One by a pattern is refused: a pattern can be made
    to search for ever."""
    if not isinstance(value, dict) or len(fields := cast("dict[str, Any]", value)) > 20:
        return False
    return fields.get("kind") != "by_path" and is_text(fields.get("kind")) and all(
        is_text(name) and (part is None or is_text(part) or is_number(part) or (not inner and is_split(part, True)))
        for name, part in fields.items()
    )  # fmt: skip


def number_range(profile: Mapping[str, Any], field: str) -> tuple[float, float] | None:
    """The smallest and largest training value of a number, as its profile says; None where it doesn't."""
    record = profile.get(field)
    quantiles = cast("dict[str, Any]", record).get("quantiles") if isinstance(record, dict) else None
    if not isinstance(quantiles, dict):
        return None
    low, high = (cast("dict[str, Any]", quantiles).get(edge) for edge in ("0.0", "1.0"))
    return (float(low), float(high)) if is_number(low) and is_number(high) and low <= high else None


def wrong(name: str) -> BundleError:
    """The error of a fact that is not what it has to be."""
    return BundleError(
        f"its facts have {name!r} in a form that this drivetrain doesn't know.", where=MANIFEST,
        fix="Install a newer drivetrain, or get the bundle again.",
    )  # fmt: skip
