"""`drivetrain evaluate`: a bundle on labelled data."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from rich.markup import escape

from drivetrain.cli.common import BEAM, Reply, add_bundle, metrics_table, terminal
from drivetrain.cli.source import add_reading, reading
from drivetrain.errors import one_line

HELP = "measure a bundle on labelled data (their test part if there is one)"
EXAMPLE = "drivetrain evaluate flowers.bundle flowers/"


def add(command: ArgumentParser) -> None:
    add_bundle(command)
    command.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder of labelled pictures or texts, a table or database with the target in it, or a text for a language model",
    )
    add_reading(command)
    command.add_argument("--beam", type=int, metavar="B", help=BEAM)


def act(options: Namespace) -> Reply:
    from drivetrain.evaluate import evaluate as evaluate_bundle

    answer = evaluate_bundle(
        options.bundle, options.source, beam=options.beam, trusted=options.trusted, quiet=options.json, **reading(options)
    )  # fmt: skip
    return answer, 0


def show(answer: dict[str, Any]) -> None:
    console = terminal()
    columns = {f"{answer['part']}, n = {answer['n']:,}": answer["metrics"], **answer.get("baselines", {})}
    console.print(metrics_table(columns, "with 95 % intervals", console))
    if answer["note"]:
        console.print(f"note: {escape(answer['note'])}")
    for note in answer["notes"]:
        console.print(f"note: {escape(one_line(note))}")
