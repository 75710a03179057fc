"""`drivetrain train`: data, checks, training, and the result beside what a sober person would use instead."""

from __future__ import annotations

import math
import os
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from drivetrain.cli.common import (
    Reply,
    by_baselines,
    duration,
    metrics_table,
    plain_table,
    refuse_no_bundle,
    resume_command,
    say,
    terminal,
)
from drivetrain.cli.going_on import AUGMENTS, refuse_others
from drivetrain.cli.source import add_source, dataset
from drivetrain.errors import FileError, Interrupted, UsageError, one_line
from drivetrain.extras import require
from drivetrain.learn.distributed import processes
from drivetrain.learn.runs.folder import Run, is_used, refuse_used
from drivetrain.learn.settings import (
    CLASS_WEIGHTS,
    EPOCHS,
    EPOCHS_OF_COLUMNS,
    FROZEN_EPOCHS,
    LOSSES,
    OPTIMIZERS,
    PRECISIONS,
    telling,
)

if TYPE_CHECKING:
    from drivetrain.tasks.problem import Problem

HELP = "train a model on pictures, sounds, a table, series, texts, or ratings"
EXAMPLE = "drivetrain train flowers/ --epochs 4 --export flowers.bundle"

MOST_SIDES = 4
"""Classes whose words are told in the terminal; the report has all."""
SETTINGS: dict[str, dict[str, Any]] = {
    "batch_size": {"type": int, "metavar": "N", "help": "items in a batch; default: by the size of the data"},
    "optimizer": {"choices": OPTIMIZERS, "help": "what updates the weights (adamw)"},
    "weight_decay": {"type": float, "help": "how strongly weights are pulled to zero (0.01; to translate 0.0001)"},
    "dropout": {"type": float, "help": "share of features left out at random in training (0; to write text 0.4, to translate 0.1)"},
    "label_smoothing": {"type": float, "help": "share of certainty taken from the labels (0; to translate 0.1)"},
    "class_weights": {"choices": CLASS_WEIGHTS, "help": "balanced: rare classes count as much as frequent ones"},
    "loss": {"choices": LOSSES, "help": "of a number; huber and absolute mind outliers less (squared; of a series absolute)"},
    "clip": {"type": float, "help": "largest norm of the gradient (any; to write text 1)"},
    "accumulate": {"type": int, "help": "batches per step of the optimiser (1)"},
    "ema": {"type": float, "help": "decay of averaged weights, such as 0.999"},
    "early_stopping": {
        "type": int, "metavar": "EPOCHS",
        "help": "stop after so many epochs without a lower valid loss (to write text 5, to translate 10)",
    },
    "precision": {
        "choices": PRECISIONS,
        "help": "auto: bfloat16 on a GPU, and to write text on a CPU that multiplies in it, else float32",
    },
    "shard": {"action": "store_true", "default": None, "help": "under torchrun: each process keeps a shard of the weights"},
}  # fmt: skip
"""Fields of `drivetrain.learn.settings.Settings` as options."""


def add(command: ArgumentParser) -> None:
    add_source(command)
    command.add_argument(
        "--model",
        help="best (tables), trees, regression, ngrams, mlp, linear, lstm, gru, transformer, cnn, resnet18, ..., a hub name, a "
        "folder or weights file",
    )
    command.add_argument(
        "--epochs",
        type=int,
        help=f"default {EPOCHS}; {EPOCHS_OF_COLUMNS} for most tables; to write text 5 to 40, to translate 20; 0: of a pretrained "
        "model the head alone",
    )
    command.add_argument(
        "--time",
        type=duration,
        metavar="TIME",
        help="for --model best to try, choose and fit again in: 90s, 5m (10m)",
    )
    command.add_argument("--lr", type=float, help="peak learning rate; default: by model")
    command.add_argument(
        "--augment", choices=AUGMENTS, help="random changes to training pictures, or sounds (auto)"
    )
    command.add_argument(
        "--frozen-epochs",
        type=int,
        default=FROZEN_EPOCHS,
        help=f"epochs of the head alone, for a pretrained model ({FROZEN_EPOCHS})",
    )
    command.add_argument(
        "--vectors",
        metavar="FILE",
        help="pretrained vectors that words begin with, in the format of GloVe (with --column NAME=tokens)",
    )
    for name, option in SETTINGS.items():
        command.add_argument("--" + name.replace("_", "-"), **option)
    command.add_argument("--no-check", action="store_true", help="don't look for faults and leaks first")
    command.add_argument("--out", metavar="RUN", help="run folder; default: the next free one under runs/")
    command.add_argument("--export", metavar="BUNDLE", help="write a bundle when done")
    command.add_argument("--resume", action="store_true", help="go on with the run in --out")
    command.add_argument("--force", action="store_true", help="replace an existing run or bundle")


def act(options: Namespace) -> Reply:
    require("torch", "training", "train")
    from drivetrain.learn.applies import refuse_unfit
    from drivetrain.learn.epochs import usual_epochs
    from drivetrain.learn.names import is_network

    if processes.is_first():
        refuse_no_bundle(options.export, options)
    if _goes_on(options):
        return _resume(options)
    _check_training(options)
    data = dataset(options)
    if options.model is not None:
        refuse_unfit(data, options.model)
    describe(data, options)
    looks = not options.no_check and processes.is_first()
    if looks:
        _say_faults(data, options)
    proposal = _propose(data, options) if looks and not options.split else None
    learner = data.learner(_model(data, options), out=options.out, force=options.force, **_given(options))
    learner.notes_told.update(learner.notes if options.json else data.notes)  # `describe` has told those.
    learner.tell_notes()
    say(repr(learner), options)
    epochs = usual_epochs(learner.data) if options.epochs is None else options.epochs
    if epochs == 0 and not (
        is_network(learner.model_name) and learner.network.pretrained and options.frozen_epochs
    ):
        raise UsageError(
            "epochs must be a whole number from 1, not 0.",
            where="--epochs",
            fix="Of a pretrained model 0 train the head alone; this is none.",
        )
    try:
        if is_network(learner.model_name):
            learner.fine_tune(epochs, options.lr, frozen_epochs=options.frozen_epochs)
        else:
            learner.fit()
    except KeyboardInterrupt as stop:
        raise _interrupted(learner, options) from stop
    answer, code = _trained(learner, options)
    return ({**answer, "proposal": proposal} if proposal else answer), code


def _propose(data: Problem, options: Namespace) -> dict[str, Any] | None:
    """A split that suits the table better than a random one, with what it changes."""
    if not data.kinds:
        return None
    from drivetrain.findings.split_effect import split_difference

    found = split_difference(data, options.seed)
    if found is None:
        return None
    say(f"proposal: {found.option}. {found.words}", options)  # Why, the checks have said.
    return found.to_json()


def describe(data: Problem, options: Namespace) -> None:
    """What was recognised: for a table each column's kind and the reason."""
    say(data.describe(left_out=not data.kinds), options)
    if data.kinds and not options.json:
        table = plain_table("", "column", "taken for", "because")
        for name, kind in data.kinds.items():
            table.add_row(escape(name), kind.kind, escape(kind.reason))
        Console(stderr=True, highlight=False, emoji=False).print(table)


def _settings(options: Namespace) -> dict[str, Any]:
    """The settings that were given on the command line, and the seed."""
    given = {name: getattr(options, name) for name in SETTINGS}
    return {"seed": options.seed, **{name: value for name, value in given.items() if value is not None}}


def _model(data: Problem, options: Namespace) -> str:
    """The model that was named, or else the default: a network where an option is given that only a network has."""
    from drivetrain.learn.names import default_model

    if options.model is not None:
        return options.model
    of_network = [name for name in ("epochs", "lr") if getattr(options, name) is not None]
    return default_model(data, [*of_network, *telling(_given(options))])


def _given(options: Namespace) -> dict[str, Any]:
    augment = (
        {} if options.augment is None else {"augment": None if options.augment == "none" else options.augment}
    )
    time = {} if options.time is None else {"time": options.time}
    vectors = {} if options.vectors is None else {"vectors": options.vectors}
    return {**_settings(options), **time, **augment, **vectors}


def _check_training(options: Namespace) -> None:
    """What can be told at once is told before a picture is read or torch imported: a wrong option or name, a run
    in the way, a hub that can't be reached."""
    from drivetrain.learn.settings import Settings

    if options.epochs is not None and options.epochs < 0:
        raise UsageError(f"epochs must be a whole number from 1, not {options.epochs}.", where="--epochs")
    if options.frozen_epochs < 0:
        raise UsageError(
            f"epochs must be a whole number from 0, not {options.frozen_epochs}.", where="--frozen-epochs"
        )
    if options.lr is not None and not 0 < options.lr < math.inf:
        raise UsageError(f"the learning rate must be a number above 0, not {options.lr}.", where="--lr")
    Settings(**_settings(options))
    if options.out and processes.is_first():
        refuse_used(Path(options.out), options.force)
    if options.model is not None and os.path.isdir(options.source):
        from drivetrain.models import registry

        registry.folder_of(options.model)


def _say_faults(data: Problem, options: Namespace) -> None:
    most = data.task.quick_to_check
    if most is not None and len(data) > most:
        say(
            f"{len(data):,} {data.things}: not checked for faults and leaks; 'drivetrain check' does it",
            options,
        )
        return
    report = data.check()
    if data.kinds:  # `describe` has told what is left out.
        from drivetrain.data.checks.leaks import LEFT_OUT_COLUMNS

        report = replace(
            report, faults=tuple(fault for fault in report.faults if fault.kind != LEFT_OUT_COLUMNS)
        )
    if report.faults and not options.json:
        report.print()


def _goes_on(options: Namespace) -> bool:
    """With --resume; and when torchrun starts the same command again after a process was lost. Under torchrun there
    may be no run to go on with yet: then it begins."""
    restarted = processes.is_restart() and bool(options.out)
    if not (options.resume or restarted) or not (options.out and processes.under_torchrun()):
        return options.resume
    config = os.path.join(options.out, "config.toml")
    return processes.start().from_first(lambda: os.path.isfile(config))


def _resume(options: Namespace) -> Reply:
    from drivetrain.data.recipe import from_recipe
    from drivetrain.learn.by_name import resume

    if not options.out:
        raise UsageError("which run is to go on?", where="--resume", fix="Name it with --out RUN.")
    if not is_used(Path(options.out)):
        raise FileError(
            "there is no such run: it had not begun.", where=options.out,
            fix="Leave out --resume, or name the folder that --out gave.",
        )  # fmt: skip
    recipe = Run.open(options.out).read_config()["data"].get("recipe")
    # From where the data are now; whether they are those of the run is seen by what is in them.
    learner = resume(options.out, recipe and from_recipe({**recipe, "source": options.source}, options.out))
    refuse_others(learner, options)
    learner.notes_told.update(learner.notes if options.json else [])
    learner.tell_notes()
    try:
        learner.go_on()
    except KeyboardInterrupt as stop:
        raise _interrupted(learner, options) from stop
    return _trained(learner, options)


def _interrupted(learner: Any, options: Namespace) -> Interrupted:
    """How far it came, and the command that goes on from there."""
    from drivetrain.learn.names import is_network

    if learner.run is None:
        return Interrupted("stopped before the training began.")
    place = "stopped while the model was fitted."
    if is_network(learner.model_name):
        epochs, done = sum(phase.epochs for phase in learner.plan), len(learner.history)
        place = (
            f"stopped in epoch {done + 1} of {epochs}." if done < epochs else "stopped after the last epoch."
        )
    return Interrupted(place, where=learner.run, fix=f"Go on with: {resume_command(learner, options)}")


def _trained(learner: Any, options: Namespace) -> Reply:
    result = dict(learner.result)
    if not options.json:
        result["notes"] = [note for note in result.get("notes", []) if note not in learner.notes_told]
    if options.export and processes.is_first():
        export = ["drivetrain", "export", str(learner.run)]
        try:
            result["bundle"] = str(learner.export(options.export, force=options.force))
        except FileError as fault:
            fix = f"{fault.fix} The run is saved: {shlex.join([*export, 'MODEL.bundle'])}"
            raise FileError(fault.error, where=options.export, fix=fix) from fault
        except KeyboardInterrupt as stop:
            again = shlex.join([*export, options.export, *(["--force"] if options.force else [])])
            raise Interrupted(
                "stopped while the bundle was made; the run is whole.",
                where=learner.run,
                fix=f"Go on with: {again}",
            ) from stop
    return result, 0


def show(answer: dict[str, Any]) -> None:
    from drivetrain.data.recipe import task_of
    from drivetrain.report.words import tried_rows, verdict

    console = terminal()
    ((part, metrics),) = answer["metrics"].items()
    console.print()
    sure = any(estimate.get("low") is not None for estimate in metrics.values())
    title = f"{part}, with 95 % intervals" if sure else part
    for place, columns in enumerate(by_baselines(metrics, answer["baselines"])):
        console.print(metrics_table(columns, "" if place else title, console))
    if tried := answer.get("tried"):
        columns, rows = tried_rows(tried)
        asked = max(each["value"]["n"] for each in tried)
        table = plain_table(f"what was tried, on {asked:,} rows that it had not seen", *columns)
        for row in rows:
            table.add_row(*map(escape, row))
        console.print(table)
    if told := verdict(answer.get("against") or {}):
        console.print(escape(told))
    for side, words in strongest_in(answer):
        console.print(f"speaks for {escape(one_line(side))}: {escape(one_line(words))}")
    for note in answer.get("notes", []):
        console.print(f"note: {escape(note)}")
    console.print(f"\nrun     {escape(str(answer['run']))}  (report.html in it)")
    if "bundle" in answer:
        console.print(f"bundle  {escape(answer['bundle'])}  (verified)")
        command = task_of(answer["task"]).command.format(bundle=shlex.quote(answer["bundle"]), table="FILE")
        console.print(f"next    drivetrain {escape(command)}")
    else:
        console.print(f"next    drivetrain export {escape(shlex.quote(str(answer['run'])))} MODEL.bundle")


def strongest_in(answer: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Of a model that is a sum over words: a class, or more and less of a number, and the words that add most to it."""
    targets = answer.get("words") or {}
    for target, told in targets.items():
        for side, words in list(told["strongest"].items())[:MOST_SIDES]:
            if words:
                name = side if len(targets) == 1 else f"{target} = {side}"
                yield name, ", ".join(each["word"] for each in words)
