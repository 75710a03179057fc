"""A table as HTML, for notebook and page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from drivetrain.files import formula_safe

_NUMBER = re.compile(r"[-+−]?[\d.,]+(e[-+]?\d+)?(\s?%)?( \(.*\))?|-|undefined|", re.IGNORECASE)


def table_html(rows: Iterable[Sequence[Any]], columns: Sequence[str]) -> str:
    """A table of `rows` under `columns`, every cell escaped; columns of numbers are set right.

    None is an empty cell, a float has four figures; a text that a spreadsheet would take for a formula, were the
    page opened or pasted there, gets an apostrophe. Raises ValueError for a row of another length.
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
        f'<th scope="col"{style}>{escape(formula_safe(str(name)))}</th>'
        for name, style in zip(columns, styles)
    )
    body = "".join(
        "<tr>" + "".join(f"<td{style}>{escape(text)}</td>" for text, style in zip(row, styles)) + "</tr>"
        for row in texts
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.4g}"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    return formula_safe(str(cell))
