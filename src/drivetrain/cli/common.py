"""What the verbs share: what an answer is, lines for a person, tables of metrics, what must not be overwritten."""

from __future__ import annotations

import math
import os
import shlex
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from drivetrain.figures import steady
from drivetrain.files import file_error, refuse_taken

Reply = tuple[dict[str, Any], int]
"""The JSON object that a verb answers with, and the exit code."""


BEAM = "of a model that writes: keep the B likeliest beginnings at once, and take the likeliest text (1)"


def add_bundle(command: ArgumentParser) -> None:
    """The bundle that a verb works with, and whether it is tried in a child process first."""
    command.add_argument("bundle", metavar="BUNDLE")
    command.add_argument(
        "--trusted",
        action="store_true",
        help="the bundle is yours: don't try it in a process of its own first",
    )


def say(text: str, options: Namespace) -> None:
    """A line for a person, on standard error."""
    if not options.json:
        print(text, file=sys.stderr)


def duration(text: str) -> float:
    """Seconds of "90", "90s", "5m", "1.5h". Raises ValueError, which argparse tells."""
    unit = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text[-1:].lower())
    seconds = float(text) if unit is None else float(text[:-1]) * unit
    if not 0 < seconds < math.inf:
        raise ValueError(text)
    return seconds


def refuse_unwritable(path: str | None, options: Namespace) -> None:
    """Before the work, and not after it: what stands in the way of a file to write."""
    if path is None:
        return
    refuse_taken(path, options.force)
    folder = os.path.dirname(os.path.abspath(path))
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as fault:
        raise file_error(fault, path) from fault


def refuse_no_bundle(path: str | None, options: Namespace) -> None:
    """As `refuse_unwritable`, for a bundle: it replaces another bundle at most, whatever --force says."""
    from drivetrain import bundle

    if path is not None:
        bundle.refuse_no_bundle(path, options.force)
    refuse_unwritable(path, options)


def resume_command(learner: Any, options: Namespace) -> str:
    """What to type to go on with a run, with what was asked for beside the training."""
    source = (learner.data.recipe or {}).get("source") or getattr(options, "source", "SOURCE")
    command = ["drivetrain", "train", str(source), "--out", str(learner.run), "--resume"]
    if getattr(options, "export", None):
        command += ["--export", options.export, *(["--force"] if options.force else [])]
    return shlex.join(command)


def terminal() -> Console:
    return Console(highlight=False, soft_wrap=True, emoji=False)


def plain_table(title: str, *columns: str) -> Table:
    """A table without lines. A narrow terminal wraps its cells and cuts nothing off."""
    table = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in columns:
        table.add_column(escape(column), overflow="fold")
    return table


def estimate_text(value: dict[str, Any] | None, between: str = " ") -> str:
    """0.912 [0.905, 0.918]"""
    if value is None or value["value"] is None:
        return "-"
    if value["low"] is None:
        return f"{value['value']:.4g}"
    return f"{steady(value['value'])}{between}[{steady(value['low'])}, {steady(value['high'])}]"


def metrics_table(columns: dict[str, dict[str, Any]], title: str, console: Console) -> Table:
    """Metrics down, models across, each with its 95 % interval: beside it, or under it where the width asks for that."""
    table = _metrics_table(columns, title, " ")
    endless = console.options.update(width=10_000)
    if Measurement.get(console, endless, table).maximum <= console.width:
        return table
    return _metrics_table(columns, title, "\n")


def _metrics_table(columns: dict[str, dict[str, Any]], title: str, between: str) -> Table:
    from drivetrain.metrics.names import printed

    first = next(iter(columns.values()))
    cells = {
        name: [estimate_text(values.get(metric), between) for metric in first]
        for name, values in columns.items()
    }
    table = plain_table(title, "metric", *columns)
    for column, texts in zip(table.columns[1:], cells.values()):
        # Only names are wrapped: an interval that is broken inside reads as two numbers.
        column.min_width = max((len(line) for text in texts for line in text.split("\n")), default=0)
    for metric, *row in zip(first, *cells.values()):
        table.add_row(escape(printed(metric)), *map(escape, row))
    return table


def by_baselines(
    metrics: dict[str, Any], baselines: dict[str, dict[str, Any]]
) -> list[dict[str, dict[str, Any]]]:
    """Columns of one table, or of several where some metrics have other baselines than others: ratings and rankings."""
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    for name, value in metrics.items():
        beside = tuple(key for key, found in baselines.items() if name in found)
        beside = beside or next(iter(groups), tuple(baselines))
        groups.setdefault(beside, {})[name] = value
    return [
        {"this model": values, **{key: baselines[key] for key in beside}} for beside, values in groups.items()
    ]
