"""A report of faults: to print in a terminal, to show in a notebook, to write as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from drivetrain.errors import one_line
from drivetrain.types import Array

if TYPE_CHECKING:
    from rich.console import Console, Group

FIRST = 5
"""How many places are named in a text; JSON has them all."""
CLASSES = 12
_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
SEVERITIES = tuple(_COLOURS)
"""The worst first."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault: `message` says what and how often, `where` names each place, `fix` what to do.

    A note is no fault: a question, or a proposal."""

    kind: str
    severity: Literal["error", "warning", "note"]
    message: str
    where: list[str] = field(default_factory=list)
    fix: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "severity": self.severity,
            "message": self.message,
            "where": self.where,
            "fix": self.fix,
        }

    def places(self) -> list[str]:
        """The first places, and how many more there are."""
        more = len(self.where) - FIRST
        return [*map(one_line, self.where[:FIRST]), *([f"and {more:,} more"] if more > 0 else [])]


@dataclass(frozen=True, eq=False)
class Report:
    """What `check` found, the worst first. `bad_rows` (int64, sorted) can't be used; `counts` has rows, classes, sizes.

    `things` is what the rows are called.
    """

    name: str
    layout: str
    faults: tuple[Fault, ...]
    bad_rows: Array = field(default_factory=lambda: np.empty(0, np.int64))
    counts: dict[str, Any] = field(default_factory=dict)
    things: str = "pictures"

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "faults", tuple(sorted(self.faults, key=lambda fault: SEVERITIES.index(fault.severity)))
        )

    @property
    def ok(self) -> bool:
        """True where there is no error; warnings may remain."""
        return not any(fault.severity == "error" for fault in self.faults)

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "source": self.name,
            "layout": self.layout,
            "counts": self.counts,
            "faults": [fault.to_json() for fault in self.faults],
            "bad_rows": self.bad_rows.tolist(),
        }

    def summary(self) -> str:
        """One line: how many rows, classes, errors and warnings."""
        parts = [f"{self.counts.get('rows', 0):,} {self.things}"]
        if "classes" in self.counts:
            classes = len(self.counts["classes"])
            parts.append(f"{classes:,} {'class' if classes == 1 else 'classes'}")
        if self.layout:
            parts.append(self.layout)
        return f"{self.name}: {', '.join(parts)}. {self.verdict()}"

    def verdict(self) -> str:
        counts = Counter(fault.severity for fault in self.faults)
        told = [
            f"{counts[name]} {name}{'' if counts[name] == 1 else 's'}"
            for name in ("error", "warning")
            if counts[name]
        ]
        return f"{' and '.join(told)}." if told else "No faults found."

    def __str__(self) -> str:
        lines = [self.summary()]
        for fault in self.faults:
            lines.append(f"{fault.severity}: {fault.message} {fault.fix}".rstrip())
            lines += [f"    {place}" for place in fault.places()]
        return "\n".join(lines)

    def print(self, console: Console | None = None) -> None:
        """Print the report, in colour where the terminal has it."""
        from rich.console import Console

        (console or Console()).print(self)

    def __rich__(self) -> Group:
        from rich.console import Group
        from rich.padding import Padding
        from rich.text import Text

        parts: list[Any] = [Text(self.summary(), style="bold"), *self._rich_counts()]
        for fault in self.faults:
            colour = _COLOURS[fault.severity]
            line = Text.assemble((f"{fault.severity:<8}", f"bold {colour}"), fault.message)
            parts += [Text(), line]
            parts += [
                Padding(Text(place, style="dim", overflow="fold"), (0, 0, 0, 10)) for place in fault.places()
            ]
            if fault.fix:
                parts.append(Padding(Text(fault.fix), (0, 0, 0, 8)))
        return Group(*parts)

    def _rich_counts(self) -> Iterator[Any]:
        from rich.table import Table
        from rich.text import Text

        classes = self.counts.get("classes", {})
        parts = list(self.counts.get("parts", {}))
        if classes:
            table = Table(box=None, pad_edge=False, header_style="dim")
            table.add_column("class", overflow="fold")
            for column in (*parts, self.things):
                table.add_column(column, justify="right")
            for cells in self._class_rows():
                table.add_row(*(Text(cell) for cell in cells))
            yield table
        for line in self._told_sizes():
            yield Text(line, style="dim")

    def _told_sizes(self) -> Iterator[str]:
        if line := self._sizes():
            yield line
        for each in self.counts.get("lengths", []):
            yield each["words"]

    def _class_rows(self) -> Iterator[list[str]]:
        """Class, rows by part and in all; the largest first, and the rest in one line."""
        classes, parts = self.counts["classes"], list(self.counts.get("parts", {}))
        ordered = sorted(classes, key=lambda name: (-classes[name], name))
        for name in ordered[:CLASSES]:
            by_part = self.counts["classes_by_part"][name] if parts else {}
            yield [name, *(f"{by_part[part]:,}" for part in parts), f"{classes[name]:,}"]
        if rest := ordered[CLASSES:]:
            yield [
                f"and {len(rest):,} more",
                *("" for _ in parts),
                f"{sum(classes[name] for name in rest):,}",
            ]

    def _sizes(self) -> str:
        sizes = self.counts.get("sizes")
        if not sizes:
            return ""
        # Written as everybody writes them: the width comes first.
        told = [
            f"{width} x {height}" for height, width in (sizes["smallest"], sizes["middle"], sizes["largest"])
        ]
        forms = ", ".join(f"{form} {count:,}" for form, count in self.counts.get("formats", {}).items())
        range_ = (
            f"all {told[0]} pixels"
            if sizes["different"] == 1
            else f"{told[0]} to {told[2]} pixels, middle {told[1]}"
        )
        return f"{range_}{f' ({forms})' if forms else ''}"

    def _classes_html(self) -> str:
        from drivetrain.charts import table_html

        if not self.counts.get("classes"):
            return ""
        return table_html(self._class_rows(), ["class", *self.counts.get("parts", {}), self.things])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(fault.severity)}</td><td>{escape(fault.message)}</td>"
            f"<td>{'<br>'.join(map(escape, fault.places()))}</td><td>{escape(fault.fix)}</td></tr>"
            for fault in self.faults
        )
        head = "<tr><th></th><th>fault</th><th>where</th><th>what to do</th></tr>"
        table = f"<table>{head}{rows}</table>" if rows else ""
        return f"<div><b>{escape(self.summary())}</b><br>{escape(' '.join(self._told_sizes()))}{self._classes_html()}{table}</div>"
