"""A table as HTML, for notebook and page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from drivetrain.charts.chart import shorten
from drivetrain.files import formula_safe

_NUMBER = re.compile(r"[-+−]?[\d.,]+(e[-+]?\d+)?(\s?%)?( \(.*\))?|-|undefined|", re.IGNORECASE)


def table_html(rows: Iterable[Sequence[Any]], columns: Sequence[str], *, longest: int | None = None) -> str:
    """A table of `rows` under `columns`, every cell escaped (see `text_html`); columns of numbers are set right.

    None is an empty cell, a float has four figures. A name in the first column that has more than `longest` signs is
    cut, and whole where the pointer rests on it. Raises ValueError for a row of another length.
    """
    texts = [[_text(cell) for cell in row] for row in rows]
    for row in texts:
        if len(row) != len(columns):
            raise ValueError(f"a row of {len(row)} cells under {len(columns)} columns")
    # The first column names its row, even where the names are numbers.
    right = [
        i > 0 and bool(texts) and all(_NUMBER.fullmatch(row[i]) for row in texts) for i in range(len(columns))
    ]
    styles = [f' style="text-align:{"right" if number else "left"}"' for number in right]
    head = "".join(
        f'<th scope="col"{style}>{text_html(str(name))}</th>' for name, style in zip(columns, styles)
    )
    body = ""
    for name, *rest in texts:
        cells = [_name_cell(name, styles[0], longest)]
        cells += [f"<td{style}>{text_html(text)}</td>" for text, style in zip(rest, styles[1:])]
        body += f"<tr>{''.join(cells)}</tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def text_html(text: str) -> str:
    """The text, escaped. Before one that a spreadsheet would take for a formula, were the page opened or pasted there,
    an apostrophe that nobody sees."""
    guard = "" if formula_safe(text) == text else """<span style="font-size:0">'</span>"""
    return guard + escape(text)


def _name_cell(name: str, style: str, longest: int | None) -> str:
    if longest is None or len(name) <= longest:
        return f"<td{style}>{text_html(name)}</td>"
    return f'<td{style} title="{escape(name)}">{text_html(shorten(name, longest))}</td>'


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.4g}"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    return str(cell)
