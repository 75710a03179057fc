"""`drivetrain labels`: the items whose label a model that was trained on the others doubts."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from rich.markup import escape

from drivetrain.cli.common import Reply, refuse_unwritable, terminal
from drivetrain.cli.source import add_source, dataset
from drivetrain.errors import UsageError
from drivetrain.extras import require

HELP = "items whose label is doubtful, ranked, by cross-validation"
EXAMPLE = "drivetrain labels flowers/ --out doubtful.csv"


def add(command: ArgumentParser) -> None:
    add_source(command)
    command.add_argument("--model", default="fast", help="fast, or as in train (fast)")
    command.add_argument("--folds", type=int, default=5, metavar="N", help="parts that take turns (5)")
    command.add_argument("--epochs", type=int, help="of each training; default: by model")
    command.add_argument(
        "--out", metavar="FILE", help="where to write the doubtful ones: a table (.csv) or a picture (.png)"
    )
    command.add_argument("--force", action="store_true", help="replace an existing file")


def act(options: Namespace) -> Reply:
    require("torch", "training", "train")
    from drivetrain.data.show import inputs_looked_at
    from drivetrain.findings.label_faults import label_faults

    refuse_unwritable(options.out, options)
    data, table = dataset(options), str(options.out).lower().endswith(".csv")
    if options.out and not table and not inputs_looked_at(data):
        raise UsageError("these rows have no pictures.", where="--out", fix="Name a table: --out labels.csv.")
    found = label_faults(data, options.model, options.folds, options.epochs, options.seed, quiet=options.json)
    if options.out:
        found.save_csv(options.out) if table else found.chart().save(options.out)
    if not options.json:
        terminal().print(escape(str(found)))
    written = {"table": options.out if table else None, "picture": None if table else options.out}
    return {**found.to_json(), **written}, 0


def show(answer: dict[str, Any]) -> None:
    """The doubtful ones have printed themselves."""
    for kind in ("picture", "table"):
        if answer[kind]:
            terminal().print(f"{kind} {escape(answer[kind])}")
