"""`drivetrain check`: faults of the data, and leaks between its parts."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from drivetrain.cli.common import Outcome
from drivetrain.cli.source import add_source, dataset, recognise, refuse_foreign, splitter
from drivetrain.errors import DataError

HELP = "look for faults in the data and leaks between its parts"
EXAMPLE = "drivetrain check flowers/"


def add(command: ArgumentParser) -> None:
    add_source(command)


def act(options: Namespace) -> Outcome:
    report = _pictures(options) if recognise(options) == "image_classification" else dataset(options).check()
    if not options.json:
        report.print()
    return report.to_json(), 0 if report.ok else 3


def _pictures(options: Namespace) -> Any:
    """The report of a picture folder. One class or an unreadable picture is its finding, not its failure."""
    from drivetrain.data.checks.copies import without_copies
    from drivetrain.data.checks.pictures import check_with_progress
    from drivetrain.data.read.folders import image_folder
    from drivetrain.tasks.image_classification import default_split

    refuse_foreign(options, "image_classification")
    table = image_folder(options.source, layout=options.layout)
    asked = splitter(options, "image_classification")
    splits = asked or default_split(table, options.valid, options.seed)
    if options.drop_copies:
        table = without_copies(table, ("image", "label"), splits, files=("image",), things="pictures")
    try:
        split = splits(table)
    except DataError:
        if asked:
            raise
        split = None
    return check_with_progress(table, split, quiet=options.json)


def show(answer: dict[str, Any]) -> None:
    """`check` has printed its own report."""
