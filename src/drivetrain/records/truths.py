"""What turned out to be true, as the answer has it that it is held against: a class by its name, whoever told it as a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from drivetrain.values import as_text, canonical, places_by_text


def as_answered(value: Any, answer: Any) -> Any:
    """The value, where the answer is a class by the name that the class has: 1 and 1.0 are "1", True is "true" or "True". Of
    several targets each by itself. What has no such name stays as it is told."""
    if not isinstance(answer, Mapping):
        return value
    given = cast("Mapping[str, Any]", answer)
    label = given.get("label")
    if isinstance(label, str):
        return _class(value, label, given.get("probabilities"))
    if isinstance(value, Mapping):
        told = cast("Mapping[str, Any]", value)
        return {name: as_answered(each, given.get(name)) for name, each in told.items()}
    return value


def no_classes(value: Any, answer: Any) -> Iterator[str]:
    """What of a value `as_answered` is none of the classes that the answer chose from."""
    given = cast("Mapping[str, Any]", answer if isinstance(answer, Mapping) else {})
    if isinstance(given.get("label"), str):
        classes = given.get("probabilities")
        if isinstance(value, str) and isinstance(classes, Mapping) and value not in classes:
            yield value
    elif isinstance(value, Mapping):
        for name, each in cast("Mapping[str, Any]", value).items():
            yield from no_classes(each, given.get(name))


def _class(value: Any, label: str, probabilities: Any) -> Any:
    if not isinstance(value, str | int | float):
        return value
    text = as_text(value, "class")
    names = [*cast("Mapping[str, Any]", probabilities)] if isinstance(probabilities, Mapping) else [label]
    places = places_by_text(names)
    place = places.get(text, places.get(canonical(text)))
    return text if place is None else names[place]
