"""What a bundle says of its training, read as values of known types within bounds.

Facts and profile are free JSON of whoever wrote the file, and everything that uses them reads them here. They are
something to compare with or to show: nothing in them names what is read or run. So a recipe is given without its
source and its query, whatever stands there, and with the options that this version knows.
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


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _many(fits: Fits) -> Fits:
    def all_fit(value: Any) -> bool:
        return isinstance(value, list) and _few(value) and all(map(fits, cast("list[Any]", value)))

    return all_fit


def _texts_by_text(value: Any) -> bool:
    return isinstance(value, dict) and _few(value) and all(
        is_text(part) for pair in cast("dict[Any, Any]", value).items() for part in pair
    )  # fmt: skip


def _many_by_text(value: Any) -> bool:
    return isinstance(value, dict) and _few(value) and all(
        is_text(name) and _many(is_text)(texts) for name, texts in cast("dict[Any, Any]", value).items()
    )  # fmt: skip


def _or_none(fits: Fits) -> Fits:
    return lambda value: value is None or fits(value)


def _few(value: Any) -> bool:
    return len(value) <= MOST_ITEMS


def _is_cost(value: Any) -> bool:
    return isinstance(value, list) and len(pair := cast("list[Any]", value)) == 3 and (
        is_text(pair[0]) and is_text(pair[1]) and is_number(pair[2])
    )  # fmt: skip


def _is_split(value: Any, inner: bool = False) -> bool:
    """A splitter as JSON: `split.from_json` looks at its kind and fields. One by a pattern is refused: a pattern can be made
    to search for ever."""
    if not isinstance(value, dict) or len(fields := cast("dict[str, Any]", value)) > 20:
        return False
    return fields.get("kind") != "by_path" and is_text(fields.get("kind")) and all(
        is_text(name) and (part is None or is_text(part) or is_number(part) or (not inner and _is_split(part, True)))
        for name, part in fields.items()
    )  # fmt: skip


_SHARED: dict[str, Fits] = {
    "valid": is_number,
    "seed": _is_whole,
    "test": is_number,
    "split": _or_none(_is_split),
    "interval": _or_none(is_number),
}
OPTIONS: dict[str, dict[str, Fits]] = {
    "tabular": {
        **_SHARED,
        "target": _many(is_text),
        "columns": _or_none(_texts_by_text),
        "ignore": _many(is_text),
        "missing": _many_by_text,
        "log_target": _is_bool,
        "costs": _or_none(_many(_is_cost)),
        "rare": _is_whole,
        "drop_copies": _is_bool,
    },
    "recommendation": {
        **_SHARED,
        "user": is_text,
        "item": is_text,
        "rating": _or_none(is_text),
        "timestamp": _or_none(is_text),
        "header": _or_none(_many(is_text)),
        "liked": _or_none(is_number),
        "most_items": _is_whole,
        "keep_seen": _is_bool,
    },
}
"""Task -> the options in its recipe, and what each has to be. An option that names a file has no place here."""
NOT_TAKEN = ("task", "source", "query", "titles")


def recipe_for(facts: Mapping[str, Any], digest: str | None) -> dict[str, Any] | None:
    """By what recipe the rows of a file were split, where the facts name the file's SHA-256, which is `digest`; None where
    they don't, and for a source that has none.

    It is for `data.recipe.from_recipe`, once a `source` is put in. Raises BundleError for a recipe that this version can't
    follow.
    """
    data = facts.get("data")
    if not isinstance(data, dict) or digest is None or cast("dict[str, Any]", data).get("sha256") != digest:
        return None
    recipe = cast("dict[str, Any]", data).get("recipe")
    task = cast("dict[str, Any]", recipe).get("task") if isinstance(recipe, dict) else None
    if not isinstance(task, str) or task not in OPTIONS:
        raise _wrong("data.recipe.task")
    given = cast("dict[str, Any]", recipe)
    options = {name: value for name, value in given.items() if name not in NOT_TAKEN}
    for name, value in options.items():
        if name not in OPTIONS[task] or not OPTIONS[task][name](value):
            raise _wrong(f"data.recipe.{name:.50}")
    return {"task": task, **options}


def recommends(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a recommender's training data: its columns `user`, `item`, `rating`, `timestamp`, the `header` of
    a file that names none, the sign for `thousands`, and the rating from which on something was `liked`."""
    kinds: dict[str, Fits] = {
        "user": is_text,
        "item": is_text,
        "rating": _or_none(is_text),
        "timestamp": _or_none(is_text),
        "header": _or_none(_many(is_text)),
        "thousands": is_text,
        "liked": _or_none(is_number),
        "users": _is_whole,
    }
    record = facts.get("recommendation", {})
    if not isinstance(record, dict):
        raise _wrong("recommendation")
    found = {name: value for name, value in cast("dict[str, Any]", record).items() if name in kinds}
    for name, value in found.items():
        if not kinds[name](value):
            raise _wrong(f"recommendation.{name}")
    return found


def number_range(profile: Mapping[str, Any], field: str) -> tuple[float, float] | None:
    """The smallest and largest training value of a number, as its profile says; None where it doesn't."""
    record = profile.get(field)
    quantiles = cast("dict[str, Any]", record).get("quantiles") if isinstance(record, dict) else None
    if not isinstance(quantiles, dict):
        return None
    low, high = (cast("dict[str, Any]", quantiles).get(edge) for edge in ("0.0", "1.0"))
    return (float(low), float(high)) if is_number(low) and is_number(high) and low <= high else None


def _wrong(name: str) -> BundleError:
    return BundleError(
        f"its facts have {name!r} in a form that this drivetrain doesn't know.", where=MANIFEST,
        fix="Install a newer drivetrain, or get the bundle again.",
    )  # fmt: skip
