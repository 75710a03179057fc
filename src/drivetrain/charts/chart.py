"""A chart: one definition, drawn for light and dark, for notebook, page and file."""

from __future__ import annotations

import base64
import importlib
import io
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.errors import NotInstalled, UsageError
from drivetrain.extras import installing
from drivetrain.figures import plain
from drivetrain.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Formatter

NARROW = 520
"""A window of at most so many CSS pixels gets the narrow drawing of a chart that has one."""
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
STEPS = (1, 2, 5, 10)
"""Ticks are these times a power of ten apart."""
MOST_FIGURES = 12
_TAG, _COLOUR = re.compile("<[^>]*>"), re.compile('#[0-9a-f]{6}(?=[;"])')
_DRAWING = threading.Lock()
"""matplotlib's settings are global to the process: one drawing at a time."""


def refuse_form(path: str | os.PathLike[str]) -> None:
    """Raises UsageError for the name of a file that a chart can't be written to."""
    extension = Path(path).suffix.lower()
    if extension not in (".png", ".svg"):
        kind = f"{extension} files" if extension else "a file without an extension"
        raise UsageError(
            f"a chart can't be written as {kind}.", where=path, fix="End the name in .png or .svg."
        )


@dataclass(frozen=True)
class Palette:
    """The colours of a drawing. Blue and orange stay apart for every common colour blindness; what orange says
    is also said by a word, a shape or a place."""

    surface: str
    ink: str
    muted: str
    grid: str
    neutral: str
    accent: str
    soft: str
    warning: str


LIGHT = Palette("#ffffff", "#1c2430", "#5d6876", "#e5e8ed", "#8a95a3", "#0b66c3", "#9cc5ee", "#c04a00")
DARK = Palette("#161b22", "#e8ecf1", "#9da8b6", "#2b333e", "#7d8896", "#64aef5", "#2d5c8f", "#ff9d52")
DARK_OF = dict(zip(astuple(LIGHT), astuple(DARK)))


@dataclass(frozen=True, eq=False)
class Chart:
    """A title, a size in CSS pixels, and `draw(figure, palette)`, which puts the rest on a matplotlib Figure.

    `narrow` is the size for a narrow window; `draw` sees the figure's width and may arrange things otherwise.
    Without one, a page lets a chart that is too wide scroll sideways. `html`, where given, makes the content of
    the chart as HTML instead of an image (text that wraps, pictures that flow). A drawing that `mixes` has colours
    besides the palette's own, and is drawn anew for dark instead of being recoloured. The same chart gives the
    same bytes.
    """

    title: str
    draw: Callable[[Figure, Palette], None]
    size: tuple[int, int] = (640, 320)
    narrow: tuple[int, int] | None = None
    html: Callable[[], str] | None = None
    mixes: bool = False

    def to_svg(self, dark: bool = False, *, titled: bool = True, narrow: bool = False) -> str:
        """The chart as an SVG document; its text stays text."""
        size = (self.narrow or self.size) if narrow else self.size
        data = self._render("svg", dark, size, titled, 72).decode()
        # Its own unit is the point; ours is the CSS pixel. It names the one font that it measured with.
        root = f'<svg width="{size[0]}" height="{size[1]}"'
        data = re.sub(r'<svg([^>]*?) width="[^"]*"', rf"{root}\1", data, count=1)
        data = re.sub(r'(<svg width="\d+" height="\d+"[^>]*?) height="[^"]*pt"', r"\1", data, count=1)
        return re.sub(r"(<text style=\"[^\"]*)'DejaVu Sans'", rf"\1{FONTS}", data)

    def to_png(self, dark: bool = False, scale: float = 2, *, titled: bool = True) -> bytes:
        """The chart as a PNG of `scale` pixels per CSS pixel."""
        return self._render("png", dark, self.size, titled, 72 * scale)

    def save(self, path: str | os.PathLike[str], dark: bool = False) -> Path:
        """Write a .png or .svg, all or nothing. Raises UsageError for another extension, FileError."""
        path = Path(path)
        refuse_form(path)
        write_bytes(path, self.to_svg(dark).encode() if path.suffix.lower() == ".svg" else self.to_png(dark))
        return path

    def to_html(self, *, titled: bool = True) -> str:
        """A fragment for a page: the image for light or dark as the reader's system prefers, by no script."""
        if self.html is not None:
            return (f"<b>{escape(self.title)}</b>" if titled and self.title else "") + self.html()
        light, dark = self._uris(titled, narrow=False)
        media = {"(prefers-color-scheme: dark)": dark}
        if self.narrow:
            narrow_light, narrow_dark = self._uris(titled, narrow=True)
            media = {
                f"(prefers-color-scheme: dark) and (max-width: {NARROW}px)": narrow_dark,
                **media,
                f"(max-width: {NARROW}px)": narrow_light,
            }
        sources = "".join(f'<source media="{query}" srcset="{uri}">' for query, uri in media.items())
        # Without a narrow drawing small text would shrink with the window until nobody can read it: it scrolls.
        style = (
            "max-width:100%;height:auto"
            if self.narrow
            else f"width:{self.size[0]}px;max-width:none;height:auto"
        )
        image = f'<img src="{light}" alt="{escape(self.title)}" style="display:block;{style}">'
        return f'<div style="overflow-x:auto"><picture>{sources}{image}</picture></div>'

    def _uris(self, titled: bool, narrow: bool) -> tuple[str, str]:
        """The drawing for light and the one for dark."""
        light = self.to_svg(titled=titled, narrow=narrow)
        dark = self.to_svg(dark=True, titled=titled, narrow=narrow) if self.mixes else recoloured(light)
        return data_uri(light.encode(), "image/svg+xml"), data_uri(dark.encode(), "image/svg+xml")

    def _repr_html_(self) -> str:
        return self.to_html()

    def _repr_png_(self) -> bytes:
        return self.to_png()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """What a notebook shows and keeps: HTML, and a PNG for viewers that show no HTML."""
        return {
            "text/html": self.to_html(),
            "image/png": base64.b64encode(self.to_png()).decode(),
            "text/plain": repr(self),
        }

    def __repr__(self) -> str:
        return f"Chart({self.title!r}, {self.size[0]} x {self.size[1]})"

    def _render(self, form: str, dark: bool, size: tuple[int, int], titled: bool, dpi: float) -> bytes:
        palette = DARK if dark else LIGHT
        buffer = io.BytesIO()
        with _settings(palette):
            from matplotlib.figure import Figure

            # One unit is a CSS pixel: an inch is 72 of them, and so is a point one.
            figure = Figure(figsize=(size[0] / 72, size[1] / 72), dpi=72, layout="constrained")
            figure.get_layout_engine().set(w_pad=0.14, h_pad=0.14, wspace=0.06, hspace=0.06)  # type: ignore[union-attr]
            own, head = figure.get_layout_engine(), None
            if titled and self.title:
                text = shorten(self.title, int(size[0] / 8))
                head = figure.suptitle(text, x=10 / size[0], ha="left", fontsize=13, fontweight="bold")
            self.draw(figure, palette)
            _pin_empty_labels(figure)
            engine = figure.get_layout_engine()
            if head is not None and engine is not own:
                # matplotlib's own place for it is a share of the height: of a high chart far down.
                head.set_y(1 - 8 / size[1])
            if engine is not None:
                # Once, here: savefig would lay out at each of its two drawings.
                engine.execute(figure)
                figure.set_layout_engine("none")
            if form == "svg":  # By its own canvas: savefig draws twice, once for the layout that is done.
                from matplotlib.backends.backend_svg import FigureCanvasSVG

                FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
            else:
                figure.savefig(buffer, format=form, dpi=dpi, metadata={"Software": None})
        return buffer.getvalue()


def _pin_empty_labels(figure: Figure) -> None:
    """Say where the label of an axis would be that has none: matplotlib would measure all ticks, at each drawing anew, to
    find a place for it."""
    for axes in figure.axes:
        for axis in [axis for part in (axes, *axes.child_axes) for axis in (part.xaxis, part.yaxis)]:
            if not axis.get_label_text():
                axis.set_label_coords(0, 0)


def stacked(title: str, charts: Sequence[Chart], constrained: bool = False) -> Chart:
    """Charts under each other as one, as wide as the widest. Their drawings lay themselves out, or are `constrained` as each would
    be alone."""
    heights = [chart.size[1] for chart in charts]

    def draw(figure: Figure, palette: Palette) -> None:
        if not constrained:
            figure.set_layout_engine("none")
        places = figure.subfigures(len(charts), 1, height_ratios=heights, squeeze=False)[:, 0]
        for chart, place in zip(charts, places):
            chart.draw(place, palette)

    return Chart(title, draw, (max(chart.size[0] for chart in charts), sum(heights)))


def recoloured(light: str) -> str:
    """The SVG of a light drawing as it would be drawn for dark: the colours in its tags exchanged, its text kept."""
    return _TAG.sub(lambda tag: _COLOUR.sub(lambda colour: DARK_OF.get(colour[0], colour[0]), tag[0]), light)


def has_matplotlib() -> bool:
    try:
        importlib.import_module("matplotlib.style")
    except ImportError:
        return False
    return True


def need_matplotlib(extra: str = "train") -> None:
    """Raises NotInstalled where what draws is not installed; `extra` is the smallest that has it and what it is needed for."""
    if not has_matplotlib():
        raise NotInstalled("charts need matplotlib.", fix=f"Install it with: {installing(extra)}")


@contextmanager
def _settings(palette: Palette) -> Iterator[None]:
    """matplotlib with our settings and not the user's, put back at the end."""
    need_matplotlib()
    import matplotlib.style

    ours = {
        "font.family": "DejaVu Sans",  # It comes with matplotlib: the same picture on every machine.
        "font.size": 11,
        "text.color": palette.ink,
        "text.parse_math": False,  # A class may be called a$b$.
        "figure.facecolor": palette.surface,
        "savefig.facecolor": palette.surface,
        "axes.facecolor": palette.surface,
        "axes.edgecolor": palette.grid,
        "axes.labelcolor": palette.muted,
        "axes.labelsize": 11,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "axes.titley": 1.0,  # Nothing is above an axes that has a title: matplotlib need not look for it, at each drawing anew.
        "axes.titlecolor": palette.muted,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.axisbelow": True,
        "grid.color": palette.grid,
        "grid.linewidth": 1,
        "xtick.color": palette.muted,
        "ytick.color": palette.muted,
        "xtick.bottom": False,  # Marks without length would be drawn all the same.
        "ytick.left": False,
        "xtick.major.size": 0,
        "xtick.minor.size": 0,
        "ytick.major.size": 0,
        "ytick.minor.size": 0,
        "lines.linewidth": 2,
        "lines.solid_capstyle": "round",
        "svg.fonttype": "none",
        "svg.hashsalt": "drivetrain",
    }
    with _DRAWING, matplotlib.style.context(["default", ours]), warnings.catch_warnings():
        # A script that the font lacks is drawn as boxes in a PNG; in an SVG the viewer has its own fonts.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font", category=UserWarning)
        warnings.filterwarnings("ignore", message=r"Matplotlib currently does not support .* natively")
        yield


def data_uri(data: bytes, mime: str) -> str:
    """The bytes as the address of an image that needs no network."""
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def shorten(text: str, most: int) -> str:
    """One line of at most `most` characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: max(1, most - 1)].rstrip() + "…"


def width_of(figure: Figure) -> float:
    """The figure's width in CSS pixels."""
    return size_of(figure)[0]


def size_of(figure: Figure) -> tuple[float, float]:
    """The width and the height of a figure, or of a part of one, in CSS pixels."""
    wide, high = (float(side) * 72 / figure.figure.dpi for side in figure.bbox.size)
    return wide, high


def apart(values: Sequence[float]) -> list[str]:
    """Numbers of one axis, with as many figures as tell them apart."""
    texts: list[str] = []
    for figures in range(3, MOST_FIGURES):
        texts = [plain(value, figures) for value in values]
        if len(set(texts)) == len(set(values)):
            break
    return texts


def message(figure: Figure, palette: Palette, text: str) -> None:
    """What is shown where there is nothing to draw."""
    axes = figure.subplots()
    axes.axis("off")
    axes.text(0.5, 0.5, text, color=palette.muted, ha="center", va="center", transform=axes.transAxes)


def whole_ticks(axes: Axes, most: int = 8) -> None:
    """Ticks of the x axis on whole numbers: epochs, steps."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(most, steps=STEPS, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def plain_numbers(end: str = "") -> Formatter:
    """Plain numbers beside the ticks of an axis, no two of which read the same."""
    from matplotlib.ticker import FuncFormatter

    class Apart(FuncFormatter):
        def format_ticks(self, values: Sequence[float]) -> list[str]:
            return [text + end for text in apart([float(value) for value in values])]

    return Apart(lambda value, _: plain(value) + end)


def plain_ticks(axes: Axes, most: int = 5) -> None:
    """At most so many ticks on the y axis, as plain numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(most, steps=STEPS))
    axes.yaxis.set_major_formatter(plain_numbers())
