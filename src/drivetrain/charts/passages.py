"""Texts with marks in them: words shaded by what they add to an answer, tokens told apart, what a model does not see.

No mark is a colour alone: what speaks for is underlined, what speaks against is underlined in dashes, what is unknown is in
brackets, what is cut off is struck through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from drivetrain.charts.chart import DARK, LIGHT, Chart, Palette, message, shorten, size_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = 4
"""Strengths that are told apart."""
MOST_WORDS, AROUND = 110, 3
"""Of a longer text only what stands so many words around the strongest is shown."""
WIDTH, NARROW_WIDTH = 760, 340
LINE, FONT, LETTER, EDGE = 19, 10.5, 6.33, 12
"""CSS pixels: the height of a line, the size and the width of a letter of DejaVu Sans Mono, the margin."""
HEAD = 26
ALPHAS = (0.0, 0.14, 0.26, 0.38, 0.5)


@dataclass(frozen=True)
class Piece:
    """Some of a text. `strength` from -1 to 1 says how much it speaks for (above 0) or against an answer; `mark` is "unknown",
    "cut", "gap" (what is left out of a long text), "token" (one of several that a word is made of), or nothing."""

    text: str
    strength: float = 0.0
    mark: str = ""

    @property
    def level(self) -> int:
        """-LEVELS to LEVELS."""
        size = min(LEVELS, round(abs(self.strength) * LEVELS))
        return size if self.strength > 0 else -size


@dataclass(frozen=True)
class Passage:
    """A text in pieces, what stands over it and what under it."""

    pieces: Sequence[Piece]
    head: str = ""
    foot: str = ""


def shaded(told: Mapping[str, Any], head: str = "") -> Passage:
    """The text of a `Telling` as JSON, its words shaded: the strongest fully."""
    text: str = told["text"]
    words: list[list[Any]] = told["words"]
    most = max((abs(adds) for _, _, adds in words), default=0.0) or 1.0
    kept = _kept([abs(adds) for _, _, adds in words])
    pieces: list[Piece] = []
    last = 0
    for place, (begin, end, adds) in enumerate(words):
        if place not in kept:
            if not pieces or pieces[-1].mark != "gap":
                pieces.append(Piece(" … ", mark="gap"))
        else:
            between = " " if place - 1 in kept and begin > last else ""
            pieces += [Piece(between)] if between else []
            pieces.append(Piece(text[begin:end], adds / most))
        last = end
    sides = ("for", "against") if told["toward"] else ("more", "less")
    foot: list[str] = []
    for side, above in zip(sides, (True, False)):
        said = [f"{word} {adds:+.2f}" for word, adds in told["strongest"] if (adds > 0) == above]
        if said:
            foot.append(" ".join([side, told["toward"]]).strip() + ": " + ", ".join(said))
    shown = "; ".join(foot).replace("-", "\N{MINUS SIGN}")
    return Passage(pieces or [Piece("no text", mark="gap")], head, shown)


def _kept(sizes: list[float]) -> set[int]:
    """The places of words that are shown."""
    if len(sizes) <= MOST_WORDS:
        return set(range(len(sizes)))
    kept: set[int] = set()
    for place in sorted(range(len(sizes)), key=lambda place: -sizes[place]):
        near = range(max(0, place - AROUND), min(len(sizes), place + AROUND + 1))
        if len(kept.union(near)) > MOST_WORDS:
            break
        kept.update(near)
    return kept


def passages(items: Sequence[Passage], title: str = "", note: str = "") -> Chart:
    """Texts under each other; `note` says under them what the marks mean."""
    heights = {width: _height(items, width, note) for width in (WIDTH, NARROW_WIDTH)}

    def draw(figure: Figure, palette: Palette) -> None:
        if not items:
            return message(figure, palette, "no texts")
        figure.figure.set_layout_engine("none")
        _draw(figure, palette, items, note)

    return Chart(
        title, draw, (WIDTH, heights[WIDTH]), (NARROW_WIDTH, heights[NARROW_WIDTH]), html=lambda: _html(items, note), mixes=True
    )  # fmt: skip


# As a picture.


def _columns(width: float) -> int:
    return int((width - 2 * EDGE) / LETTER)


def _lines(pieces: Sequence[Piece], columns: int) -> Iterator[list[tuple[int, str, Piece]]]:
    """Lines of (column, text, piece): broken at pieces, and within one that is longer than a line."""
    line: list[tuple[int, str, Piece]] = []
    column = 0
    for piece in pieces:
        rest = " ".join(piece.text.split("\n")) if piece.text.strip() else " "
        if column and column + len(rest.rstrip()) > columns:
            yield line
            line, column = [], 0
        while rest:
            if not column:
                rest = rest.lstrip() or ""
            part, rest = rest[: columns - column], rest[columns - column :]
            if part:
                line.append((column, part, piece))
                column += len(part)
            if rest:
                yield line
                line, column = [], 0
    if line:
        yield line


def _wrapped(
    passage: Passage, width: float
) -> tuple[list[str], list[list[tuple[int, str, Piece]]], list[str]]:
    """Lines of head, text and foot."""
    columns = _columns(width)
    head = [shorten(passage.head, columns)] if passage.head else []
    foot = ["".join(part for _, part, _ in line) for line in _lines(_by_word(passage.foot), columns)]
    return head, list(_lines(passage.pieces, columns)), foot


def _by_word(text: str) -> list[Piece]:
    return [Piece(f"{word} ") for word in text.split()]


def _height(items: Sequence[Passage], width: float, note: str) -> int:
    lines = sum(1 + sum(map(len, _wrapped(passage, width))) for passage in items)
    lines += sum(1 for _ in _lines(_by_word(note), _columns(width)))
    return LINE * lines + 2 * EDGE + HEAD


def _draw(figure: Figure, palette: Palette, items: Sequence[Passage], note: str) -> None:
    page = _Page(figure, palette)
    for passage in items:
        head, lines, foot = _wrapped(passage, page.width)
        for text in head:
            page.say(0, text, fontweight="bold", color=palette.muted)
            page.y += LINE
        for line in lines:
            for column, text, piece in line:
                page.mark(column * LETTER, text, piece)
            page.y += LINE
        for text in foot:
            page.say(0, text, color=palette.muted, fontsize=FONT - 1)
            page.y += LINE
        page.y += LINE
    for line in _lines(_by_word(note), _columns(page.width)):
        page.say(0, "".join(part for _, part, _ in line), color=palette.muted, fontsize=FONT - 1)
        page.y += LINE


class _Page:
    """A figure that is written on from top to bottom; `y` is where the line begins, all in CSS pixels."""

    def __init__(self, figure: Figure, palette: Palette) -> None:
        self.figure, self.palette = figure, palette
        self.width, self.height = size_of(figure)
        self.y = float(EDGE + (HEAD if figure.figure.get_suptitle() else 0))

    def up(self, down: float) -> float:
        """What is so far below the line's beginning, as the figure counts."""
        return 1 - (self.y + down) / self.height

    def say(self, x: float, text: str, **more: Any) -> None:
        look = {"fontsize": FONT, "fontfamily": "DejaVu Sans Mono", **more}
        self.figure.text((EDGE + x) / self.width, self.up(LINE * 0.72), text, **look)

    def mark(self, x: float, text: str, piece: Piece) -> None:
        palette, across = self.palette, len(text) * LETTER
        if piece.level:
            colour = palette.accent if piece.level > 0 else palette.warning
            self._shade(x, across, colour, ALPHAS[abs(piece.level)])
            self._line(x, across, LINE - 2, colour, "-" if piece.level > 0 else (0, (2, 1.5)))
        elif piece.mark == "cut":
            self._line(x, across, LINE * 0.55, palette.neutral)
        elif piece.mark in ("unknown", "token") and text.strip():
            self._line(
                x + 1, across - 2, LINE - 2, palette.warning if piece.mark == "unknown" else palette.neutral
            )
        muted = piece.mark in ("cut", "gap")
        strange = piece.mark == "unknown"
        self.say(x, text, color=palette.neutral if muted else palette.warning if strange else palette.ink)

    def _shade(self, x: float, across: float, colour: str, alpha: float) -> None:
        from matplotlib.patches import Rectangle

        corner, size = (
            ((EDGE + x) / self.width, self.up(LINE - 2)),
            (across / self.width, (LINE - 4) / self.height),
        )
        self.figure.add_artist(Rectangle(corner, *size, facecolor=colour, alpha=alpha, linewidth=0))

    def _line(self, x: float, across: float, down: float, colour: str, style: Any = "-") -> None:
        from matplotlib.lines import Line2D

        ends = [(EDGE + x) / self.width, (EDGE + x + across) / self.width]
        self.figure.add_artist(
            Line2D(ends, [self.up(down)] * 2, color=colour, linewidth=1.3, linestyle=style)
        )


# As HTML.


def _shades(palette: Palette) -> str:
    rules = ""
    for kind, colour in (("f", palette.accent), ("a", palette.warning)):
        red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
        line = "solid" if kind == "f" else "dashed"
        for level in range(1, LEVELS + 1):
            rules += (
                f".dt-text .{kind}{level}{{background:rgba({red},{green},{blue},{ALPHAS[level]});"
                f"border-bottom:2px {line} {colour}}}"
            )
    return (
        f"{rules}.dt-text{{border-color:{palette.grid}}}.dt-text b,.dt-text .foot,.dt-text .gap{{color:{palette.muted}}}"
        f".dt-text .cut{{color:{palette.neutral}}}.dt-text .unknown{{color:{palette.warning}}}"
        f".dt-text .token{{border-bottom:2px solid {palette.grid}}}"
    )


STYLE = (
    "<style>.dt-text{padding:10px 0;border-bottom:1px solid;overflow-wrap:anywhere;line-height:1.75}"
    ".dt-text:last-of-type{border:0}"
    ".dt-text b{display:block;font-weight:500;font-size:13px;line-height:1.5}"
    ".dt-text .foot{display:block;font-size:13px;line-height:1.5}.dt-text .cut{text-decoration:line-through}"
    ".dt-text span,.dt-text mark{color:inherit;background:none;padding:1px 1px 0;border-radius:2px}"
    f"{_shades(LIGHT)}@media (prefers-color-scheme: dark){{{_shades(DARK)}}}</style>"
)


def _html(items: Sequence[Passage], note: str) -> str:
    found = "".join(_passage_html(passage) for passage in items)
    told = f'<p style="font-size:13px;margin:6px 0 0">{escape(note)}</p>' if note else ""
    return f"{STYLE}{found}{told}"


def _passage_html(passage: Passage) -> str:
    head = f"<b>{escape(passage.head)}</b>" if passage.head else ""
    foot = f'<span class="foot">{escape(passage.foot)}</span>' if passage.foot else ""
    return f'<div class="dt-text" dir="auto">{head}{"".join(map(_piece_html, passage.pieces))}{foot}</div>'


def _piece_html(piece: Piece) -> str:
    text = escape(piece.text)
    if level := piece.level:
        return f'<mark class="{"f" if level > 0 else "a"}{abs(level)}">{text}</mark>'
    if piece.mark == "cut":
        return f'<s class="cut">{text}</s>'
    return f'<span class="{piece.mark}">{text}</span>' if piece.mark else text
