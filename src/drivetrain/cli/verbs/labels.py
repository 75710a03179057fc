"""`drivetrain labels`: the items whose label a model that was trained on the others doubts."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from rich.markup import escape

from drivetrain.cli.common import Outcome, refuse_unwritable, terminal
from drivetrain.cli.source import add_source, dataset

HELP = "items whose label is doubtful, ranked, by cross-validation"
EXAMPLE = "drivetrain labels flowers/ --out doubtful.png"


def add(command: ArgumentParser) -> None:
    add_source(command)
    command.add_argument("--model", default="fast", help="fast, or as in train (fast)")
    command.add_argument("--folds", type=int, default=5, metavar="N", help="parts that take turns (5)")
    command.add_argument("--epochs", type=int, help="of each training; default: by model")
    command.add_argument("--out", metavar="PNG", help="where to write the doubtful ones as a picture")
    command.add_argument("--force", action="store_true", help="replace an existing picture")


def act(options: Namespace) -> Outcome:
    from drivetrain.interpret.label_faults import label_faults

    refuse_unwritable(options.out, options)
    found = label_faults(
        dataset(options), options.model, options.folds, options.epochs, options.seed, quiet=options.json
    )
    if options.out:
        found.chart().save(options.out)
    if not options.json:
        terminal().print(escape(str(found)))
    return {**found.to_json(), "picture": options.out}, 0


def show(answer: dict[str, Any]) -> None:
    """The doubtful ones have printed themselves."""
    if answer["picture"]:
        terminal().print(f"picture {escape(answer['picture'])}")
