"""Texts in expressions: columns and choices are compared with texts that they hold, and nothing else is done with them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from drivetrain.decide.expressions.expression import Call, Expression, Name, Text, Tree, parts
from drivetrain.errors import UsageError, nearest

EQUAL = ("==", "!=")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_MARKED = re.compile(r"[^\w\s]?\s?\d{1,3}([.,' ]\d{3})*([.,]\d+)?\s?[^\w\s]?")


def check_texts(expression: Expression, levels: Mapping[str, tuple[str, ...]], where: str = "") -> None:
    """Raises UsageError where a text is anything but compared, or compared with what it can't be, or a name that has texts for
    values is calculated with: its codes mean nothing."""
    tree = expression.tree
    if isinstance(tree, (Name, Text)):
        _refuse(tree, levels, where)
    for part in parts(tree):
        if not isinstance(part, Call):
            continue
        texts = [each for each in part.arguments if isinstance(each, Text)]
        names = [each for each in part.arguments if isinstance(each, Name) and each.name in levels]
        if part.function in EQUAL and len(texts) == 1 and names:
            _check_level(names[0], texts[0], levels[names[0].name], where)
        elif part.function in EQUAL and texts and isinstance(part.arguments[0], Name) and len(texts) == 1:
            raise UsageError(
                f"{part.arguments[0].name} holds numbers, and is compared with {texts[0].value!r}.", where=where,
                fix="Compare it with a number.",
            )  # fmt: skip
        else:
            for each in [*texts, *names]:
                _refuse(each, levels, where)
        if isinstance(part.over, (Name, Text)):
            _refuse(part.over, levels, where)


def _check_level(name: Name, text: Text, levels: tuple[str, ...], where: str) -> None:
    if text.value not in levels:
        fix = nearest(text.value, levels) or f"It is {', '.join(levels[:8])}."
        raise UsageError(f"{name.name} is never {text.value!r}.", where=where, fix=fix)


def _refuse(part: Tree, levels: Mapping[str, tuple[str, ...]], where: str) -> None:
    if isinstance(part, Text):
        raise UsageError(
            f"the text {part.value!r} can only be compared with a column or a choice.", where=where,
            fix="Write a name that is calculated with without quotes.",
        )  # fmt: skip
    if isinstance(part, Name) and (known := levels.get(part.name)):
        raise UsageError(
            f"{part.name} holds texts, and can't be calculated with.", where=where,
            fix=_meant_as_numbers(known) or f"Compare it: {part.name} == '{known[0]}' is 1 where it holds, else 0.",
        )  # fmt: skip


def _meant_as_numbers(known: Sequence[str]) -> str:
    """What to mend of a column that was to hold numbers, "" where it seems to hold texts indeed."""
    plain = [each for each in known if _NUMBER.fullmatch(each)]
    odd = [each for each in known if each not in plain]
    if odd and len(plain) >= len(odd):
        return f"In it {odd[0]!r} is no number: write it as one, or leave its cell empty."
    if all(_MARKED.fullmatch(each) for each in known):
        return f"Write its numbers as 1234.5, without signs between digits or units; it has {known[0]!r}."
    return ""
