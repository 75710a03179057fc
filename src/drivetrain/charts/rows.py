"""Rows of a table as the model gets them: what is missing is marked, what is to be predicted is set apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from drivetrain.charts.chart import DARK, LIGHT, Chart, Palette, message, shorten
from drivetrain.charts.table import text_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cells = Sequence[str | None]

MOST_COLUMNS = 14
WIDEST = 22
"""No cell shows more characters than this in a picture; a page wraps them."""
ROW, CHARACTER, PAD, EDGE = 25, 6.6, 16, 12
"""CSS pixels: the height of a row, the width of a character, what a column has around its text, the margin."""
MISSING = "missing"


def rows(
    columns: Mapping[str, Cells], targets: Mapping[str, Cells], title: str = "", note: str = ""
) -> Chart:
    """Texts by column, equally many in each; None is a missing one. Targets come first, on a tinted ground.

    `note` goes under the table: what is left out.
    """
    shown = {**targets, **columns}
    lines = max((len(cells) for cells in shown.values()), default=0)
    widths = [_width(name, cells) for name, cells in shown.items()]
    right = [_all_numbers(cells) for cells in shown.values()]
    width = max(320, round(sum(widths) + 2 * EDGE))
    head = 30 if title else 0
    height = head + ROW * (lines + 1) + (26 if note else 0) + 2 * EDGE

    def draw(figure: Figure, palette: Palette) -> None:
        if not shown or not lines:
            return message(figure, palette, "no rows")
        figure.figure.set_layout_engine("none")
        total = float(figure.bbox.height)
        _draw(figure, palette, total, head if figure.get_suptitle() else 0)

    def _draw(figure: Figure, palette: Palette, total: float, top: float) -> None:
        from matplotlib.lines import Line2D
        from matplotlib.patches import Rectangle

        def up(y: float) -> float:
            return 1 - (top + EDGE + y) / total

        apart = sum(widths[: len(targets)])
        if targets:
            tint = Rectangle(
                (EDGE / width, up(ROW * (lines + 1))), apart / width, ROW * (lines + 1) / total,
                facecolor=palette.soft, alpha=0.28, linewidth=0,
            )  # fmt: skip
            figure.add_artist(tint)
        for line in range(lines + 1):
            y = up(ROW * (line + 1))
            colour = palette.neutral if line == 0 else palette.grid
            figure.add_artist(Line2D([EDGE / width, 1 - EDGE / width], [y, y], color=colour, linewidth=0.8))
        x = float(EDGE)
        for (name, cells), across, numbers in zip(shown.items(), widths, right):
            place, ha = (x + across - PAD / 2, "right") if numbers else (x + PAD / 2, "left")
            figure.text(place / width, up(ROW * 0.68), shorten(name, WIDEST), ha=ha, fontsize=10, color=palette.muted,
                        fontweight="bold" if name in targets else "normal")  # fmt: skip
            for line, cell in enumerate(cells, start=1):
                figure.text(
                    place / width,
                    up(ROW * (line + 0.68)),
                    MISSING if cell is None else shorten(cell, WIDEST),
                    ha=ha,
                    fontsize=10.5,
                    color=palette.warning if cell is None else palette.ink,
                    fontstyle="italic" if cell is None else "normal",
                )
            x += across
        if note:
            figure.text(
                EDGE / width,
                up(ROW * (lines + 1) + 20),
                shorten(note, int(width / 6)),
                fontsize=10.5,
                color=palette.muted,
            )

    return Chart(title, draw, (width, height), html=lambda: _html(columns, targets, right, note))


def _width(name: str, cells: Cells) -> float:
    texts = [name, *(MISSING if cell is None else cell for cell in cells)]
    return CHARACTER * max(3, min(WIDEST, max(map(len, texts)))) + PAD


def _all_numbers(cells: Cells) -> bool:
    known = [cell for cell in cells if cell is not None]
    return bool(known) and all(cell.replace(".", "", 1).lstrip("-").isdigit() for cell in known)


TINT_LIGHT, TINT_DARK = "#e6f0fa", "#1b2c40"
STYLE = (
    "<style>.dt-rows{overflow-x:auto;margin:8px 0 0}.dt-rows table{border-collapse:collapse;font-size:13.5px;width:auto;margin:0;"
    "font-variant-numeric:tabular-nums}"
    f".dt-rows th{{font-weight:500;color:{LIGHT.muted};text-align:left;white-space:nowrap;background:none}}"
    f".dt-rows th,.dt-rows td{{padding:5px 10px;border-bottom:1px solid {LIGHT.grid};vertical-align:top;white-space:nowrap}}"
    ".dt-rows .w{white-space:normal;min-width:16em;max-width:24em;overflow-wrap:anywhere}.dt-rows .n{text-align:right}"
    # The targets stay in sight while a wide table is scrolled.
    f".dt-rows .t{{background:{TINT_LIGHT};font-weight:600}}.dt-rows .t:first-child{{position:sticky;left:0}}"
    f".dt-rows i{{color:{LIGHT.warning}}}.dt-rows p{{color:{LIGHT.muted};font-size:13px;margin:6px 0 0}}"
    "@media (prefers-color-scheme: dark){"
    f".dt-rows th{{color:{DARK.muted}}}.dt-rows th,.dt-rows td{{border-color:{DARK.grid}}}"
    f".dt-rows .t{{background:{TINT_DARK}}}.dt-rows i{{color:{DARK.warning}}}.dt-rows p{{color:{DARK.muted}}}}}</style>"
)


def _html(
    columns: Mapping[str, Cells], targets: Mapping[str, Cells], right: Sequence[bool], note: str
) -> str:
    shown = {**targets, **columns}
    classes = []
    for (name, cells), numbers in zip(shown.items(), right):
        long = any(cell is not None and len(cell) > WIDEST for cell in cells)
        kinds = " ".join(
            kind for kind, holds in (("t", name in targets), ("n", numbers), ("w", long)) if holds
        )
        classes.append(f' class="{kinds}"' if kinds else "")
    head = "".join(f'<th scope="col"{kind}>{text_html(name)}</th>' for name, kind in zip(shown, classes))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{_cell(cell)}</td>" for cell, kind in zip(cells, classes)) + "</tr>"
        for cells in zip(*shown.values())
    )
    told = f"<p>{escape(note)}</p>" if note else ""
    return f'{STYLE}<div class="dt-rows"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{told}</div>'


def _cell(cell: str | None) -> str:
    return f"<i>{MISSING}</i>" if cell is None else text_html(shorten(cell, 200))
