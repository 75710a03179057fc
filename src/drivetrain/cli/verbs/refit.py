"""`drivetrain refit`: a bundle of the same model in closed form, solved with a longer history, without torch."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from rich.markup import escape

from drivetrain.cli.common import Reply, add_bundle, refuse_no_bundle, terminal
from drivetrain.cli.histories import read_history, show_notes
from drivetrain.figures import counted

HELP = "solve a forecast's closed form anew with a longer history"
EXAMPLE = "drivetrain refit sales.bundle sales.csv --out newer.bundle"


def add(command: ArgumentParser) -> None:
    add_bundle(command)
    command.add_argument(
        "history", metavar="FILE", help="a table with the columns of the training, old rows and new"
    )
    command.add_argument("--out", required=True, metavar="BUNDLE", help="where to write it")
    command.add_argument("--force", action="store_true", help="replace an existing bundle")


def act(options: Namespace) -> Reply:
    from drivetrain.bundle import open_bundle
    from drivetrain.export.refitting import refit_bundle
    from drivetrain.runtime.forecaster import Forecaster

    refuse_no_bundle(options.out, options)
    opened = open_bundle(options.bundle)
    forecaster = Forecaster(opened, trusted=options.trusted)
    history = read_history(forecaster, options.history)
    return refit_bundle(opened, history, Path(options.out), force=options.force).to_json(), 0


def show(answer: dict[str, Any]) -> None:
    fresh = f", {answer['fresh']:,} of them new" if answer["fresh"] else ""
    many = (
        f"{counted(answer['series'], 'series', 'series')}, {counted(answer['moments'], 'moment', 'moments')}"
    )
    console = terminal()
    console.print(f"solved anew with {many}{fresh}, up to {escape(answer['until'])}")
    console.print(f"bundle  {escape(answer['bundle'])}  (verified)")
    show_notes(answer["notes"])
