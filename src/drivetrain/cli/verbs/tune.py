"""`drivetrain tune`: train with many settings, keep the best, and say how far to believe it."""

from __future__ import annotations

import shlex
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from rich.markup import escape

from drivetrain.cli.common import Reply, duration, plain_table, say, terminal
from drivetrain.cli.going_on import AUGMENTS
from drivetrain.cli.source import add_source, dataset
from drivetrain.cli.verbs.train import SETTINGS, describe
from drivetrain.errors import Interrupted, UsageError
from drivetrain.extras import require

HELP = "search for settings: train many times, keep the best run"
EXAMPLE = "drivetrain tune adult.csv --target income --trials 20 --test 0.2 --out runs/adult-tune"
SHOWN = 10
"""So many trials are shown, the best first."""


def add(command: ArgumentParser) -> None:
    add_source(command)
    command.add_argument("--trials", type=int, required=True, metavar="N", help="how many models to train")
    command.add_argument(
        "--time", type=duration, metavar="TIME", help="begin no new trial after this, such as 90s, 10m"
    )
    command.add_argument("--metric", help="choose by this one; default: log loss, or mean absolute error")
    command.add_argument("--keep-all", action="store_true", help="keep the weights of every trial")
    command.add_argument(
        "--out", metavar="FOLDER", help="folder of the search, which goes on there; default: under runs/"
    )
    fixed = command.add_argument_group("fixed for all trials, and so not searched")
    fixed.add_argument(
        "--model", help="as in train; for tables trees, mlp and regression or ngrams are searched"
    )
    fixed.add_argument("--epochs", type=int, help="epochs of every trial")
    fixed.add_argument("--lr", type=float, help="peak learning rate of every trial")
    fixed.add_argument("--augment", choices=AUGMENTS, help="random changes to training pictures, or sounds")
    fixed.add_argument(
        "--frozen-epochs", type=int, help="epochs of the head alone, for a pretrained model (4)"
    )
    for name, option in SETTINGS.items():
        if name != "shard":
            fixed.add_argument("--" + name.replace("_", "-"), **option)


def act(options: Namespace) -> Reply:
    require("torch", "training", "train")
    fixed = _fixed(options)
    if options.trials < 1:
        raise UsageError(f"trials must be a whole number from 1, not {options.trials}.", where="--trials")
    data = dataset(options)
    describe(data, options)
    if not len(data.rows("test")):
        say(
            "note: there are no test rows; --test SHARE (or a test folder) keeps some that no trial sees",
            options,
        )
    from drivetrain.search.tune import tune

    try:
        found = tune(
            data, options.trials, options.metric, out=options.out, seed=options.seed, seconds=options.time,
            keep_all=options.keep_all, quiet=options.json, **fixed,
        )  # fmt: skip
    except KeyboardInterrupt:
        raise _interrupted(options) from None
    pictures = {
        "history": found.history_chart,
        **({"importance": found.importance_chart} if found.importance else {}),
    }
    for name, chart in pictures.items():
        chart.save(found.folder / f"{name}.png")
    return found.to_json(), 0


def _fixed(options: Namespace) -> dict[str, Any]:
    """The settings that were given, checked before anything is read."""
    from drivetrain.learn.settings import Phase, Settings

    given = {name: getattr(options, name) for name in SETTINGS if getattr(options, name, None) is not None}
    Settings(**given)
    for name in ("model", "epochs", "lr", "frozen_epochs"):
        if getattr(options, name) is not None:
            given[name] = getattr(options, name)
    Phase(given.get("epochs", 1), given.get("lr", 1.0))
    if options.augment is not None:
        given["augment"] = None if options.augment == "none" else options.augment
    return given


def _interrupted(options: Namespace) -> Interrupted:
    if not options.out:
        return Interrupted(
            "stopped.", fix="Its folder is the newest under runs/; name it with --out to go on."
        )
    command = shlex.join(["drivetrain", *sys.argv[1:]])
    return Interrupted("stopped; what is done is kept.", where=options.out, fix=f"Go on with: {command}")


def show(answer: dict[str, Any]) -> None:
    from drivetrain.metrics.names import metric as named
    from drivetrain.report.words import value_text

    console, metric = terminal(), answer["metric"]
    done = [row for row in answer["trials"] if row["value"] is not None]
    done.sort(key=lambda row: row["value"], reverse=named(metric).higher)
    table = plain_table(
        f"{len(done)} of {len(answer['trials'])} trials were finished", "trial", metric, "settings"
    )
    for row in done[:SHOWN]:
        settings = ", ".join(f"{name} {_short(value)}" for name, value in row["settings"].items())
        if row["default"]:
            settings = f"{settings} (defaults)".strip()
        table.add_row(str(row["trial"]), value_text(metric, row["value"]), escape(settings))
    console.print()
    console.print(table)
    for note in answer["notes"]:
        console.print(f"note: {escape(note)}")
    console.print(f"\nbest    {escape(answer['best']['run'])}  (report.html in it)")
    console.print(f"charts  {escape(answer['folder'])}  (history.png)")
    console.print(f"next    drivetrain export {escape(shlex.quote(answer['best']['run']))} MODEL.bundle")


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
