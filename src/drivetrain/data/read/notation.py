"""How the numbers of a column of text are written, found from its cells: grouping, decimal mark, unit, parentheses.

A way of writing is a `Number` with these fields. Texts are read exactly as that codec reads them, but by polars and a
whole column at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from drivetrain.codecs.number import GROUPED, PARENTHESES, SPACES, UNIT, WRITTEN, Number, unit_patterns

if TYPE_CHECKING:
    import polars as pl

PLAIN = Number()
MARKS = (
    PLAIN, *(Number(thousands=sign) for sign in (",", ".", "'", " ")), Number(thousands=" ", decimal=","),
    Number(thousands="'", decimal=","),
)  # fmt: skip
"""Of ways that read equally many numbers the first is taken."""
DECIMALS = {"decimal-point": False, "decimal-comma": True}
"""What a person may say of a column of numbers -> whether the decimal mark is a comma."""
LOOKED_AT = 2_000
_CODES = (
    "USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RON|BRL|MXN|ZAR|TRY|KRW|SGD|HKD|Rs|kr|Fr"
)
_BEFORE = rf"^\(?[+-]?{SPACES}(\p{{Sc}}|[A-Z]{{1,2}}\$|{_CODES}){SPACES}\(?[+-]?[.,]?[0-9]"
_AFTER = rf"^\(?[+-]?{SPACES}[0-9][0-9.,'\x{{2019}} \x{{a0}}\x{{202f}}]*?{SPACES}({UNIT.pattern})\)?$"
"""Before a number only money has its sign: "zone 7" is the name of a zone, and "7 rooms" a number of rooms."""
_SHARES = ("%", "‰")
_ENOUGH_GROUPS = 5


@dataclass(frozen=True)
class Doubt:
    """A number that can be read in two ways: its text, what it is taken for, what it would be by `said` (one of DECIMALS),
    and whether that is as likely as not."""

    text: str
    taken: str
    other: str
    said: str
    likely: bool


def written_as(codec: Number) -> Number:
    """How a codec's texts are written, and nothing else of it."""
    return Number(
        thousands=codec.thousands, decimal=codec.decimal, unit=codec.unit, accounting=codec.accounting
    )


def plain_texts(texts: pl.Series, way: Number) -> pl.Series:
    """Numbers as every language writes them (n,), null where it is none: what `way` reads of each trimmed text."""
    import polars as pl

    texts = _bodies(texts, way)
    if signs := way.signs:
        texts = texts.str.replace_many([chr(code) for code in signs], [chr(code) for code in signs.values()])
    plain = texts.str.contains(f"^(?:{WRITTEN.pattern})$").fill_null(False)
    if way.thousands:
        grouped = texts.str.contains(f"^(?:{GROUPED.pattern})$").fill_null(False)
        texts = texts.zip_with(~grouped, texts.str.replace_all(",", "", literal=True))
        plain |= grouped
    return texts.zip_with(plain, pl.Series([None], dtype=pl.String))


def _bodies(texts: pl.Series, way: Number) -> pl.Series:
    """The texts without unit and parentheses, which become a minus."""
    texts = _without_unit(texts, way.unit)
    if way.accounting:
        inside = texts.str.contains(f"(?s)^{PARENTHESES}$").fill_null(False)
        inner = _without_unit(texts.str.replace(f"(?s)^{PARENTHESES}$", "${1}"), way.unit)
        texts = texts.zip_with(~inside, "-" + inner)
    return texts


def _without_unit(texts: pl.Series, unit: str) -> pl.Series:
    if not unit:
        return texts
    before, after = unit_patterns(unit)
    return texts.str.replace(f"(?s)^{before}$", "${1}${2}").str.replace(f"(?s)^{after}$", "${1}")


def find_way(different: pl.Series, comma: bool | None = None) -> Number:
    """How the numbers among different texts are written: the way that reads most of them. `comma` says, where it is
    known, whether that is the decimal mark.

    Where a comma may as well be the decimal mark (1,234), it groups, unless some text begins with 0, as no grouped
    number does. Where a point may as well group (1.505, beside 147), it does: decimals of one length stand in every
    cell, and those of their own length end in 0 nowhere and are shorter now and then.
    """
    marks = [way for way in MARKS if comma is None or way.marks_by_comma == comma]
    found = {marks[0]: _reads(different, marks[0])}
    # No other way could read more than all, and of equals the first is taken.
    if found[marks[0]] < len(different):
        found |= {way: _reads(different, way) for way in marks[1:]}
    best = max(found, key=found.__getitem__)
    if found[best] < len(different) and (how := _unit_and_parentheses(different)):
        found |= {way: _reads(different, way) for way in [replace(way, **how) for way in marks]}
        best = max(found, key=found.__getitem__)
    if comma is not None:
        return best
    if best.thousands == "," and different.str.contains("^[+-]?0+,").any():
        other = replace(best, thousands=".")
        return other if found[other] == found[best] else best
    return replace(best, thousands=".") if not best.thousands and _points_group(different, best) else best


def _reads(texts: pl.Series, way: Number) -> int:
    return len(texts) - plain_texts(texts, way).null_count()


def _unit_and_parentheses(different: pl.Series) -> dict[str, str | bool]:
    """The fields of a way by which most numbers that have a unit, or are below zero in parentheses, can be read."""
    some = different.gather_every(max(1, len(different) // LOOKED_AT)).drop_nulls()
    how: dict[str, str | bool] = {}
    if some.str.contains(r"^.{0,3}\([^()]*[0-9][^()]*\).{0,3}$").any():
        how["accounting"] = True
    units = some.str.extract(_BEFORE, 1).fill_null(some.str.extract(_AFTER, 1)).drop_nulls()
    if len(units):
        unit, count = units.value_counts(sort=True).row(0)
        if count >= len(some) * (0.95 if unit in _SHARES else 0.5) and UNIT.fullmatch(unit):
            how["unit"] = unit
    return how


def _points_group(different: pl.Series, way: Number) -> bool:
    found = _grouped(different, way, ".")
    if found is None or not len(found[1]):
        return False
    return len(found[0]) >= _ENOUGH_GROUPS or bool(found[0].str.ends_with("0").any())


def _grouped(different: pl.Series, way: Number, mark: str) -> tuple[pl.Series, pl.Series] | None:
    """The numbers that have a mark and those that have none, where each mark stands before exactly three digits and
    no number without one is larger than these: the mark may group them, or be the decimal one."""
    numbers = _bodies(different.filter(plain_texts(different, way).is_not_null()), way)
    marked = numbers.str.contains(rf"^[+-]?[1-9][0-9]{{0,2}}\{mark}[0-9]{{3}}$")
    rest = numbers.filter(~marked)
    small = bool(rest.str.contains("^[+-]?[0-9]{1,3}$").all())
    return (numbers.filter(marked), rest) if marked.any() and small else None


def find_doubt(different: pl.Series, way: Number) -> Doubt | None:
    """What may as well be read otherwise. Decimals of one length stand in every cell: points in some cells only, and
    commas in all, are likely to be the other thing than by custom they are."""
    for mark in ".,":
        if way.decimal == "." and (found := _grouped(different, way, mark)):
            marked, rest = found
            text = str(marked[0])
            readings = [text.replace(mark, "."), text.replace(mark, "")]
            groups = way.thousands == mark
            said = "decimal-point" if (mark == ".") == groups else "decimal-comma"
            return Doubt(text, readings[groups], readings[not groups], said, (len(rest) > 0) == (mark == "."))
    return None
