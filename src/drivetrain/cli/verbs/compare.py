"""`drivetrain compare`: which of several runs is better, and could that be chance."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from rich.markup import escape

from drivetrain.cli.common import Reply, refuse_unwritable, terminal

HELP = "which of several runs is better on the same validation rows, and whether that could be chance"
EXAMPLE = "drivetrain compare runs/network runs/trees"


def add(command: ArgumentParser) -> None:
    command.add_argument("runs", nargs="+", metavar="RUN")
    command.add_argument("--metric", help="compare by this one; default: log loss, or mean absolute error")
    command.add_argument("--all-pairs", action="store_true", help="each with each, not only with the best")
    command.add_argument("--out", default=None, metavar="PNG", help="where to write the chart")
    command.add_argument("--force", action="store_true", help="replace an existing chart")


def act(options: Namespace) -> Reply:
    from drivetrain.findings.comparison import compare

    refuse_unwritable(options.out, options)
    found = compare(options.runs, metric=options.metric, all_pairs=options.all_pairs)
    if options.out:
        found.chart.save(options.out)
    if not options.json:
        found.print(terminal())
    return {**found.to_json(), "picture": options.out}, 0


def show(answer: dict[str, Any]) -> None:
    """The comparison has printed itself."""
    if answer["picture"]:
        terminal().print(f"picture {escape(answer['picture'])}")
