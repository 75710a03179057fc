"""What a decision rests on, as a graph: levers on the left, the objective on the right, each arrow with what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.charts.chart import Chart, Palette, message, shorten, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NARROW = 480
PERIOD = "t"
"""Which year it is, is nothing that a decision rests on."""
MOST = 30
"""Of more things only those are drawn that a lever moves."""
HIGH, ROW = 34, 62
"""CSS pixels of a box, and from one to the next."""
GIVEN = "given"
"""The arrow of what no lever moves: nothing is claimed of it."""
LINES = {
    "definition": ("neutral", 1.2, "solid"), "randomised": ("accent", 2.4, "solid"), "adjusted": ("accent", 1.6, "solid"),
    "assumed": ("ink", 1.6, (0, (5, 3))), "undeclared": ("warning", 1.8, (0, (1.5, 2))), GIVEN: ("grid", 1.4, "solid"),
}  # fmt: skip
"""Claim -> the colour of its arrows, their width and how they are drawn: told apart without colour too."""


def claims(rests_on: Mapping[str, Any], levers: Sequence[str], title: str = "") -> Chart:
    """The nodes [{"name", "inputs", "kind", "moved"}] and arrows [{"from", "to", "claim"}] of a plan."""
    arrows = [
        each for each in rests_on.get("arrows") or () if each["from"] != each["to"] and each["from"] != PERIOD
    ]
    moved = {
        *levers,
        "objective",
        *(str(node["name"]) for node in rests_on.get("nodes") or () if node.get("moved")),
    }
    names = list(dict.fromkeys([*levers, *(str(each[end]) for each in arrows for end in ("from", "to"))]))
    if len(names) > MOST:
        arrows = [each for each in arrows if {each["from"], each["to"]} <= moved]
        names = [name for name in names if name in moved][:MOST]
    arrows = [each for each in arrows if each["from"] in names and each["to"] in names]
    arrows = [each if each["from"] in moved else {**each, "claim": GIVEN} for each in arrows]
    steps = _steps(names, arrows)
    across = [
        [name for name in names if steps[name] == step] for step in range(max(steps.values(), default=-1) + 1)
    ]
    most = max(map(len, across), default=1)

    def draw(figure: Figure, palette: Palette) -> None:
        if not arrows:
            return message(figure, palette, "no arrows")
        figure.set_layout_engine("none")
        narrow = width_of(figure) < NARROW
        axes = figure.add_axes((0, 0, 1, 1))
        wide, high = (float(side) for side in figure.get_size_inches() * 72)
        axes.set_xlim(0, wide)
        axes.set_ylim(high, 0)
        axes.axis("off")
        places, box = _places(across, wide, high - 26, narrow)
        for each in arrows:
            _arrow(axes, palette, each, places, box, narrow, steps[each["to"]] - steps[each["from"]] > 1)
        for name in names:
            role = (
                "lever"
                if name in levers
                else "objective"
                if name == "objective"
                else "moved"
                if name in moved
                else "given"
            )
            _box(axes, palette, name, places[name], box, role)
        _legend(axes, palette, list(dict.fromkeys(_kind(each) for each in arrows)), wide, high)

    down = 60 + ROW * most
    return Chart(
        title or "What it rests on",
        draw,
        (720, down),
        (340, 60 + 74 * sum(-(-len(each) // 3) for each in across)),
    )


def _kind(arrow: Mapping[str, Any]) -> str:
    claim = arrow["claim"]
    return str(claim["kind"] if isinstance(claim, Mapping) else claim)


def _steps(names: Sequence[str], arrows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many arrows each is from where nothing leads to it, the longest way; what leads to nothing before it stands as late as
    it can."""
    steps = dict.fromkeys(names, 0)
    for _ in names:
        before = dict(steps)
        for each in arrows:
            steps[each["to"]] = max(steps[each["to"]], steps[each["from"]] + 1)
        if steps == before:
            break
    entered = {each["to"] for each in arrows}
    for name in names:
        after = [steps[each["to"]] for each in arrows if each["from"] == name]
        if name not in entered and after:
            steps[name] = min(after) - 1
    return steps


def _places(
    across: Sequence[Sequence[str]], wide: float, high: float, narrow: bool
) -> tuple[dict[str, tuple[float, float]], tuple[float, float]]:
    """The middle of each box, and how wide and high a box is."""
    places: dict[str, tuple[float, float]] = {}
    if narrow:
        lines = [list(each[at : at + 3]) for each in across for at in range(0, len(each), 3)]
        for row, line in enumerate(lines):
            for column, name in enumerate(line):
                places[name] = wide * (column + 0.5) / len(line), high * (row + 0.5) / len(lines)
        return places, (wide / 3 - 14, HIGH)
    for column, names in enumerate(across):
        for row, name in enumerate(names):
            places[name] = wide * (column + 0.5) / len(across), high * (row + 0.5) / len(names)
    return places, (min(150, 0.62 * wide / len(across)), HIGH)


def _box(
    axes: Axes, palette: Palette, name: str, place: tuple[float, float], box: tuple[float, float], role: str
) -> None:
    from matplotlib.patches import FancyBboxPatch

    edge = {"lever": palette.accent, "objective": palette.ink}.get(role, palette.neutral)
    corner = place[0] - box[0] / 2, place[1] - box[1] / 2
    axes.add_patch(FancyBboxPatch(corner, *box, boxstyle="round,pad=0,rounding_size=6", facecolor=palette.surface, edgecolor=edge,
                                  linewidth=2 if role in ("lever", "objective") else 1, zorder=3))  # fmt: skip
    axes.text(
        *place, shorten(name, max(4, int(box[0] / 6.6))), ha="center", va="center", fontsize=10.5, zorder=4,
        color=palette.muted if role == "given" else palette.ink, fontweight="bold" if role == "lever" else "normal",
    )  # fmt: skip


def _arrow(
    axes: Axes, palette: Palette, arrow: Mapping[str, Any], places: Mapping[str, tuple[float, float]],
    box: tuple[float, float], narrow: bool, around: bool,
) -> None:  # fmt: skip
    from matplotlib.patches import FancyArrowPatch

    colour, width, style = LINES.get(_kind(arrow), LINES["undeclared"])
    (x, y), (u, v) = places[arrow["from"]], places[arrow["to"]]
    shift = (0, box[1] / 2) if narrow else (box[0] / 2, 0)
    start, end = (
        (x + shift[0], y + shift[1]),
        (u - shift[0] - (0 if narrow else 3), v - shift[1] - (3 if narrow else 0)),
    )
    # Past the boxes between, on the outer side.
    bend = (
        0.0
        if not around
        else (0.3 if x <= u else -0.3)
        if narrow
        else -0.14
        if y < v
        else 0.14
        if y > v
        else 0.3
    )
    axes.add_patch(FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=11, shrinkA=0, shrinkB=0, color=getattr(palette, colour),
        linewidth=width, linestyle=style, zorder=2, connectionstyle=f"arc3,rad={bend}",
    ))  # fmt: skip


def _legend(axes: Axes, palette: Palette, kinds: Sequence[str], wide: float, high: float) -> None:
    step = min(130.0, (wide - 16) / max(1, len(kinds)))
    small = step < 100
    for place, kind in enumerate(kinds):
        colour, width, style = LINES.get(kind, LINES["undeclared"])
        left = 10 + step * place
        axes.plot(
            [left, left + (16 if small else 26)],
            [high - 12] * 2,
            color=getattr(palette, colour),
            linewidth=width,
            linestyle=style,
        )
        axes.text(
            left + (19 if small else 32),
            high - 12,
            kind,
            fontsize=8.5 if small else 10,
            va="center",
            color=palette.muted,
        )
