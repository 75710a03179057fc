"""A contact sheet: a batch, or mistakes."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pillow

from drivetrain.charts.chart import DARK, LIGHT, Chart, Palette, data_uri, message, shorten
from drivetrain.errors import DataError
from drivetrain.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TINY = 96
"""A picture no larger than this is shown pixel by pixel; a larger one is smoothed."""
KEPT = 288
"""A page keeps no more pixels of a side than this."""
CELL, GAP, LINE = 132, 14, 15


def pictures(
    images: Sequence[Array] | Array,
    captions: Sequence[str] | None = None,
    marks: Sequence[bool] | None = None,
    columns: int | None = None,
    title: str = "",
) -> Chart:
    """A sheet of uint8 pictures (height, width), (height, width, 1) or (height, width, 3), which may differ in size.

    `captions` come under them, a caption's lines under each other. `marks` says of each whether it is right: a tick or a
    cross, and a frame in orange for what is wrong. Tiny pictures are enlarged by whole pixels, large ones reduced. Raises
    DataError.
    """
    arrays = [_checked(image) for image in images]
    words = [str(caption) for caption in captions] if captions is not None else [""] * len(arrays)
    for name, values in (("captions", words), ("marks", marks)):
        if values is not None and len(values) != len(arrays):
            raise DataError(f"{len(values)} {name} for {len(arrays)} pictures.", fix="Give one for each.")
    right = list(marks) if marks is not None else None
    across = max(1, min(columns or _columns(len(arrays)), max(1, len(arrays))))
    down = math.ceil(len(arrays) / across)
    texts = [_lines(word) for word in words]
    lines = max((len(text) for text in texts), default=0) if any(words) else 0
    cell_height = CELL + (8 + LINE * lines if lines else 0) + GAP
    width, height = across * (CELL + GAP) + GAP, down * cell_height + GAP
    if not arrays:
        width, height = 320, 120
    head = 32 if title else 0

    def draw(figure: Figure, palette: Palette) -> None:
        if not arrays:
            return message(figure, palette, "no pictures")
        figure.set_layout_engine("none")
        total = float(figure.get_size_inches()[1]) * 72
        top = head if figure.get_suptitle() else 0
        for number, array in enumerate(arrays):
            x = GAP + (number % across) * (CELL + GAP)
            y = top + GAP + (number // across) * cell_height
            _place(
                figure,
                palette,
                array,
                (x, total - y - CELL, width, total),
                None if right is None else right[number],
            )
            mark = "" if right is None else ("✓ " if right[number] else "✗ ")
            wrong = right is not None and not right[number]
            for line, text in enumerate(texts[number] if lines else []):
                # On its baseline: hung by its top, a line without tall letters would sit higher than its neighbours.
                figure.text(x / width, 1 - (y + CELL + 5 + (line + 0.8) * LINE) / total, text if line else mark + text,
                            fontsize=10.5, color=palette.warning if wrong else palette.ink)  # fmt: skip

    def html() -> str:
        cells = "".join(
            _cell(a, word, None if right is None else right[i])
            for i, (a, word) in enumerate(zip(arrays, words))
        )
        most = across * (CELL + GAP)
        return f'{STYLE}<div class="dt-pictures" style="max-width:{most}px;--across:{across}">{cells}</div>'

    return Chart(title, draw, (width, height + head), html=html)


def _lines(caption: str) -> list[str]:
    """A caption as lines: its own, of which the first is broken where it is too long."""
    first, *rest = caption.split("\n")
    return [*(textwrap.wrap(shorten(first, 36), 19) or [""]), *(shorten(line, 20) for line in rest)]


def _columns(n: int) -> int:
    """A sheet a little wider than high, without a ragged last row where a number of columns near by avoids it."""
    ideal = max(1, round(math.sqrt(n * 1.25)))
    if n <= 5:
        return max(1, n)
    near = [columns for columns in (ideal, ideal + 1, ideal - 1) if 2 <= columns <= 8 and n % columns == 0]
    return near[0] if near else min(8, ideal)


def _checked(image: Array) -> Array:
    array = np.asarray(image)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if (
        array.dtype != np.uint8
        or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3))
        or not array.size
    ):
        raise DataError(
            f"an array of shape {array.shape} and dtype {array.dtype} is not a picture.",
            fix="Give uint8 of shape (height, width), (height, width, 1) or (height, width, 3).",
        )
    return np.ascontiguousarray(array)


def _resized(array: Array, side: int) -> Array:
    """The longer side brought to `side`: by whole pixels when the picture is tiny, smoothly when it is larger."""
    longest = max(array.shape[:2])
    if longest <= TINY:
        times = max(1, round(side / longest))
        return array.repeat(times, axis=0).repeat(times, axis=1)
    if longest <= side:
        return array
    height, width = (max(1, round(length * side / longest)) for length in array.shape[:2])
    return np.asarray(Pillow.fromarray(array).resize((width, height), Pillow.Resampling.LANCZOS))


def _place(
    figure: Figure,
    palette: Palette,
    array: Array,
    place: tuple[float, float, float, float],
    right: bool | None,
) -> None:
    """One picture on the lower left of its cell, above its caption; `place` is that corner, and the figure's size."""
    x, y, width, total = place
    longest = max(array.shape[:2])
    inner = [CELL * length / longest for length in array.shape[:2]]
    axes = figure.add_axes((x / width, y / total, inner[1] / width, inner[0] / total))
    shown = _resized(array, 3 * CELL)
    if shown.ndim == 2:  # As three equal channels: through a colour map a level may come out one off.
        shown = shown[:, :, None].repeat(3, axis=2)
    axes.imshow(shown, interpolation="nearest" if longest <= TINY else "antialiased", aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([])
    wrong = right is False
    axes.spines[:].set(
        visible=True, color=palette.warning if wrong else palette.grid, linewidth=2.5 if wrong else 1
    )


STYLE = (
    # As many columns as the sheet has, fewer where they would be under 104 px; pictures and captions of a row in line.
    "<style>.dt-pictures{display:grid;gap:5px 14px;margin:8px 0 0;"
    "grid-template-columns:repeat(auto-fill,minmax(max(104px,calc((100% - (var(--across) - 1)*14px)/var(--across))),1fr))}"
    ".dt-pictures figure{margin:0 0 12px;min-width:0;display:grid;grid-row:span 2;grid-template-rows:subgrid}"
    ".dt-pictures img{display:block;width:100%;height:auto;align-self:end;box-sizing:border-box;"
    f"border:1px solid {LIGHT.grid};border-radius:3px}}"
    ".dt-pictures img.tiny{image-rendering:pixelated}"
    ".dt-pictures figcaption{font-size:12.5px;line-height:1.3;overflow-wrap:anywhere}"
    f".dt-pictures .wrong img{{border:2px solid {LIGHT.warning}}}.dt-pictures .wrong figcaption{{color:{LIGHT.warning}}}"
    "@media (prefers-color-scheme: dark){"
    f".dt-pictures img{{border-color:{DARK.grid}}}.dt-pictures .wrong img{{border-color:{DARK.warning}}}"
    f".dt-pictures .wrong figcaption{{color:{DARK.warning}}}}}"
    "@media print{.dt-pictures figure{break-inside:avoid}}</style>"
)


def _cell(array: Array, caption: str, right: bool | None) -> str:
    tiny = max(array.shape[:2]) <= TINY
    picture = Pillow.fromarray(array if tiny else _resized(array, KEPT))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG") if tiny else picture.save(buffer, "JPEG", quality=85)
    uri = data_uri(buffer.getvalue(), "image/png" if tiny else "image/jpeg")
    mark = "" if right is None else ("✓ " if right else "✗ ")
    told = escape(mark + caption).replace("\n", "<br>")
    shown = f"<figcaption>{told}</figcaption>" if caption or mark else ""
    kind = ' class="wrong"' if right is False else ""
    image = f'<img{" class=tiny" if tiny else ""} src="{uri}" alt="{escape(caption)}">'
    return f"<figure{kind}>{image}{shown}</figure>"
