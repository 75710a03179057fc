"""What each command calls. Every function gives (a JSON object, the exit code)."""

from __future__ import annotations

import math
import os
import shlex
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DataError, FileError, Interrupted, TrainingError, UsageError

if TYPE_CHECKING:
    from drivetrain.data.dataset import Dataset

EPOCHS = 5
CHECK_UP_TO = 10_000
"""`train` checks the data by itself up to this many pictures; more take minutes, and `check` is there."""

Outcome = tuple[dict[str, Any], int]


def say(text: str, options: Namespace) -> None:
    """A line for a person, on standard error."""
    if not options.json:
        print(text, file=sys.stderr)


def _dataset(options: Namespace) -> Dataset:
    from drivetrain.tasks import image_classification

    return image_classification.from_folder(
        options.folder, options.valid, options.seed, image_size=getattr(options, "image_size", None),
        resize=getattr(options, "resize", "crop"), layout=options.layout,
    )  # fmt: skip


def _refuse_existing(path: str | None, options: Namespace) -> None:
    """Before the work, and not after it: what stands in the way of a file to write."""
    if path is None or not os.path.lexists(path):
        return
    if os.path.isdir(path):
        raise FileError("this is a folder.", where=path, fix="Name a file that doesn't exist yet.")
    if not options.force:
        raise FileError(
            "this exists already.", where=path, fix="Choose another name, or replace it with --force."
        )


def train(options: Namespace) -> Outcome:
    _refuse_existing(options.export, options)
    if options.resume:
        return _resume(options)
    _check_training(options)
    data = _dataset(options)
    say(data.describe(), options)
    if not options.no_check:
        _say_faults(data, options)
    learner = data.learner(
        options.model, augment=None if options.augment == "none" else options.augment, out=options.out, force=options.force,
        **_settings(options),
    )  # fmt: skip
    for note in learner.notes:
        say(f"note: {note}", options)
    say(repr(learner), options)
    try:
        learner.fine_tune(options.epochs or EPOCHS, options.lr, frozen_epochs=options.frozen_epochs)
    except KeyboardInterrupt as stop:
        raise _interrupted(learner, options) from stop
    return _trained(learner, options)


def _settings(options: Namespace) -> dict[str, Any]:
    """The options of a Learner that are on the command line."""
    names = (
        "seed", "batch_size", "optimizer", "weight_decay", "dropout", "label_smoothing", "clip", "accumulate", "ema",
        "early_stopping", "precision",
    )  # fmt: skip
    return {name: getattr(options, name) for name in names}


def _check_training(options: Namespace) -> None:
    """What can be told at once is told before a picture is read or torch imported: a wrong option or name, a run
    in the way, a hub that can't be reached."""
    from drivetrain.learn.settings import Settings

    if options.epochs is not None and options.epochs < 1:
        raise UsageError(f"epochs must be a whole number from 1, not {options.epochs}.", where="--epochs")
    if options.frozen_epochs < 0:
        raise UsageError(
            f"epochs must be a whole number from 0, not {options.frozen_epochs}.", where="--frozen-epochs"
        )
    if options.lr is not None and not 0 < options.lr < math.inf:
        raise UsageError(f"the learning rate must be a number above 0, not {options.lr}.", where="--lr")
    Settings(**{name: value for name, value in _settings(options).items() if value is not None})
    if options.out and not options.force and os.path.isdir(options.out) and os.listdir(options.out):
        raise FileError(
            "this folder has something in it already.", where=options.out,
            fix="Choose another --out, go on with --resume, or replace it with --force.",
        )  # fmt: skip
    if options.model is not None and os.path.isdir(options.folder):
        from drivetrain.models import hub, registry

        source = registry.resolve(options.model)
        if source.kind == "hub" and options.model not in registry.MODELS:
            hub.fetch(source.location)


def _say_faults(data: Dataset, options: Namespace) -> None:
    if len(data) > CHECK_UP_TO:
        say(f"{len(data):,} pictures: not checked for faults and leaks; 'drivetrain check' does it", options)
        return
    report = data.check()
    if report.faults and not options.json:
        report.print()


def _resume(options: Namespace) -> Outcome:
    from drivetrain.learn.learner import Learner

    if not options.out:
        raise UsageError("which run is to go on?", where="--resume", fix="Name it with --out RUN.")
    learner = Learner.resume(options.out)
    source = (learner.data.recipe or {}).get("source", "")
    if source != os.path.abspath(options.folder):
        raise UsageError(f"this run was started on {source}.", where=options.folder, fix="Name that folder.")
    for note in learner.notes:
        say(f"note: {note}", options)
    try:
        learner.go_on()
    except KeyboardInterrupt as stop:
        raise _interrupted(learner, options) from stop
    return _trained(learner, options)


def _interrupted(learner: Any, options: Namespace) -> Interrupted:
    """How far it came, and the command that goes on from there."""
    if learner.run is None:
        return Interrupted("stopped before the training began.")
    epochs, done = sum(phase.epochs for phase in learner.plan), len(learner.history)
    place = f"stopped in epoch {done + 1} of {epochs}." if done < epochs else "stopped after the last epoch."
    command = ["drivetrain", "train", options.folder, "--out", str(learner.run), "--resume"]
    if options.export:
        command += ["--export", options.export]
    return Interrupted(place, where=learner.run, fix=f"Go on with: {shlex.join(command)}")


def _trained(learner: Any, options: Namespace) -> Outcome:
    result = dict(learner.result)
    if options.export:
        result["bundle"] = str(learner.export(options.export, force=options.force))
    return result, 0


def check(options: Namespace) -> Outcome:
    report = _dataset_or_table(options)
    if not options.json:
        report.print()
    return report.to_json(), 0 if report.ok else 3


def _dataset_or_table(options: Namespace) -> Any:
    """The check's report. One class or an unreadable picture is its finding, not its failure."""
    from drivetrain.data.checks import check_with_progress
    from drivetrain.data.sources import image_folder
    from drivetrain.tasks.image_classification import default_split

    table = image_folder(options.folder, layout=options.layout)
    splitter = default_split(table, options.valid, options.seed)
    try:
        split = splitter(table)
    except DataError:
        split = None
    return check_with_progress(table, split, quiet=options.json)


def export(options: Namespace) -> Outcome:
    from drivetrain.learn.learner import Learner

    _refuse_existing(options.bundle, options)
    learner = Learner.resume(options.run, quiet=options.json)
    learner.result = learner.last_result()
    if learner.result is None:
        raise TrainingError(
            "this run is not finished.", where=options.run, fix="Go on with it: drivetrain train --resume."
        )
    path = learner.export(options.bundle, force=options.force)
    return {
        "bundle": str(path),
        "bytes": path.stat().st_size,
        "metrics": (learner.result or {}).get("metrics", {}),
    }, 0


def verify(options: Namespace) -> Outcome:
    from drivetrain.runtime import verify_bundle

    report = verify_bundle(options.bundle)
    return report.to_json(), 0 if report.ok else 3


def predict(options: Namespace) -> Outcome:
    from drivetrain.data.sources import image_files
    from drivetrain.progress import progress
    from drivetrain.runtime import Predictor

    predictor = Predictor(options.bundle)
    paths: list[str] = []
    for given in options.inputs:
        paths += image_files(given) if os.path.isdir(given) else [given]
    if not paths:
        raise DataError(
            "there are no pictures in it.", where=options.inputs[0], fix="Name pictures, or a folder of them."
        )
    answers = []
    with progress("Predicting", len(paths), quiet=options.json) as advance:
        for answer in predictor.stream(paths):
            answers.append(answer.to_json())
            advance(1)
    failed = sum("error" in answer for answer in answers)
    return {"answers": answers}, 1 if failed == len(answers) else 0


def evaluate(options: Namespace) -> Outcome:
    from drivetrain.evaluate import evaluate as evaluate_bundle

    return evaluate_bundle(options.bundle, options.folder, layout=options.layout, quiet=options.json), 0


def show(options: Namespace) -> Outcome:
    _refuse_existing(options.out, options)
    source = Path(options.source)
    if (source / "config.toml").is_file():
        from drivetrain.learn.run import Run

        run = Run.open(source)
        result = run.read_result()
        history = run.read_history()
        if options.out:
            from drivetrain.charts import losses

            losses(history).save(options.out)
        return {"run": str(source), "history": history, "result": result, "picture": options.out,
                "report": str(source / "report.html") if result else None}, 0  # fmt: skip
    from drivetrain.tasks import image_classification

    data = image_classification.from_folder(source)
    if options.out:
        data.show().save(options.out)
    counts = {part: len(rows) for part, rows in data.split.parts().items()}
    return {
        "source": str(source),
        "description": data.describe(),
        "rows": counts,
        "classes": data.classes,
        "picture": options.out,
    }, 0
