"""`drivetrain check`: faults of the data, and leaks between its parts."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from drivetrain.cli.common import Reply
from drivetrain.cli.source import add_source, dataset, recognise, refuse_foreign

HELP = "look for faults in the data and leaks between its parts"
EXAMPLE = "drivetrain check flowers/"


def add(command: ArgumentParser) -> None:
    add_source(command)


def act(options: Namespace) -> Reply:
    task = recognise(options)
    refuse_foreign(options, task)
    report = task.check_source(options.source, vars(options), options.json)
    if report is None:
        report = dataset(options).check()
    if not options.json:
        report.print()
    return report.to_json(), 0 if report.ok else 3


def show(answer: dict[str, Any]) -> None:
    """`check` has printed its own report."""
