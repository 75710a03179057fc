"""`drivetrain check`: faults of the data, and leaks between its parts."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from rich.markup import escape

from drivetrain.cli.common import Reply, terminal
from drivetrain.cli.source import add_source, dataset, recognise, refuse_foreign

HELP = "look for faults in the data and leaks between its parts"
EXAMPLE = "drivetrain check flowers/"


def add(command: ArgumentParser) -> None:
    add_source(command)


def act(options: Namespace) -> Reply:
    task = recognise(options)
    refuse_foreign(options, task)
    notes: tuple[str, ...] = ()
    report = task.check_source(options.source, vars(options), options.json)
    if report is None:
        data = dataset(options)
        report, notes = data.check(), data.table.notes
    if not options.json:
        report.print()
        for note in notes:  # Of reading: what is not there can't be looked at.
            terminal().print(f"note: {escape(note)}")
    return {**report.to_json(), "notes": [*notes]}, 0 if report.ok else 3


def show(answer: dict[str, Any]) -> None:
    """`check` has printed its own report."""
