"""`drivetrain curve`: would more data help?"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from rich.markup import escape

from drivetrain.cli.common import Reply, refuse_unwritable, terminal
from drivetrain.cli.source import add_source, dataset
from drivetrain.extras import require

HELP = "train on growing parts of the data: would more of it help?"
EXAMPLE = "drivetrain curve adult.csv --target income --out curve.png"


def add(command: ArgumentParser) -> None:
    add_source(command)
    command.add_argument("--model", help="as in train")
    command.add_argument("--epochs", type=int, help="for all rows; default: as in train")
    command.add_argument("--repeats", type=int, default=1, metavar="N", help="trainings for each size (1)")
    command.add_argument("--out", metavar="PNG", help="where to write the chart")
    command.add_argument("--force", action="store_true", help="replace an existing chart")


def act(options: Namespace) -> Reply:
    require("torch", "training", "train")
    from drivetrain.charts.chart import refuse_form
    from drivetrain.findings.learning_curve import learning_curve

    refuse_unwritable(options.out, options)
    if options.out:
        refuse_form(options.out)  # Before the trainings, and not after them.
    data = dataset(options)
    found = learning_curve(
        data,
        options.model,
        epochs=options.epochs,
        seeds=options.repeats,
        seed=options.seed,
        quiet=options.json,
    )
    if options.out:
        found.chart.save(options.out)
    if not options.json:
        terminal().print(escape(str(found)))
    return {**found.to_json(), "picture": options.out}, 0


def show(answer: dict[str, Any]) -> None:
    """The curve has printed itself."""
    if answer["picture"]:
        terminal().print(f"picture {escape(answer['picture'])}")
