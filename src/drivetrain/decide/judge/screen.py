"""A decision on one screen: lines and small tables, for the terminal, for `print`, for a notebook. Made from its JSON alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivetrain.decide.judge import words
from drivetrain.errors import one_line

Found = Mapping[str, Any]
MOST = 8
"""Levers, constraints or outcomes that are listed on the screen; the page and the JSON have all."""


@dataclass(frozen=True, slots=True)
class Table:
    """At most MOST `rows` under `columns`, and how many `more` there are."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int = 0


Block = str | Table
"""A line, "" between parts, or a table."""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    kept = tuple(tuple(one_line(cell) for cell in row) for row in rows[:MOST])
    return Table(tuple(one_line(name) for name in columns), kept, max(0, len(rows) - MOST))


def screen(decision: Found) -> list[Block]:
    """The name first."""
    return [one_line(each) if isinstance(each, str) else each for each in _blocks(decision)]


def text(blocks: Sequence[Block]) -> str:
    """As plain text, for any width."""
    lines = list[str]()
    for each in blocks:
        lines += [each] if isinstance(each, str) else _lines(each)
    return "\n".join(lines)


def _lines(found: Table) -> list[str]:
    rows = [found.columns, *found.rows]
    widths = [max(map(len, cells)) for cells in zip(*rows)]
    lines = [" ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return [*lines, f"and {found.more:,} more"] if found.more else lines


def _blocks(decision: Found) -> list[Block]:
    blocks: list[Block] = [str(decision.get("name") or "decision")]
    blocks += [told] if (told := _words(decision, "objective")) else []
    made_up = words.simulated(decision)
    noted = [*([made_up] if made_up else []), *words.beyond(decision)[:3], *words.notes(decision)[:3]]
    blocks += [f"note: {note}" for note in noted]
    blocks += ["", *(each for each in words.headline(decision) if each)]
    rows = words.lever_rows(decision)
    blocks += _part(["lever", "now", "proposed", "observed"], [[*row[:3], row[4]] for row in rows])
    levers: Sequence[Found] = decision.get("levers") or ()
    for lever in levers:
        if tree := _words(lever, "rule"):
            blocks += ["", *(f"  {line}" for line in tree[:MOST])]
    blocks += _part([words.measure(decision), "with 90 % interval"], words.result_rows(decision))
    blocks += _part(*words.front_rows(decision, most=MOST - 1))
    constraints: Sequence[Found] = decision.get("constraints") or ()
    listed = zip(words.constraint_rows(decision), constraints)
    tight = [row for row, found in listed if found.get("active") or found.get("holds") is False]
    blocks += _part(words.CONSTRAINT_COLUMNS, tight)
    last = {
        "rests on": _words(decision, "rests_on"),
        "could turn it": next(iter(words.turning(decision)), None),
        "try it first": _words(decision, "try_first"),
        "search": _words(decision, "certificate"),
    }
    return [*blocks, "", *(f"{name}: {told}" for name, told in last.items() if told)]


def _words(found: Found, key: str) -> Any:
    part: Found = found.get(key) or {}
    return part.get("words")


def _part(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Block]:
    return ["", table(columns, rows)] if rows else []


def held(found: Found) -> list[Block]:
    """What came back, beside what was promised."""
    columns, rows = words.held_rows(found)
    return [one_line(str(found.get("words") or found.get("verdict"))), "", table(columns, rows)]
