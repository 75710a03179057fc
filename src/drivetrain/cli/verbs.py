"""What each command calls. Every function gives (a JSON object, the exit code)."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DataError, FileError, UsageError

if TYPE_CHECKING:
    from drivetrain.data.dataset import Dataset

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


def train(options: Namespace) -> Outcome:
    if options.resume:
        return _resume(options)
    if options.export and Path(options.export).exists() and not options.force:
        raise FileError(
            "this exists already.",
            where=options.export,
            fix="Choose another name, or replace it with --force.",
        )
    if options.epochs is not None and options.epochs < 1:
        raise UsageError(f"epochs must be a whole number from 1, not {options.epochs}.", where="--epochs")
    if options.model is not None:
        from drivetrain.models.registry import resolve

        resolve(options.model)  # A wrong name or a missing network is told before torch is imported.
    data = _dataset(options)
    say(data.describe(), options)
    if not options.no_check:
        _say_faults(data, options)
    learner = data.learner(
        options.model, augment=None if options.augment == "none" else options.augment, out=options.out, force=options.force,
        seed=options.seed, batch_size=options.batch_size, optimizer=options.optimizer, weight_decay=options.weight_decay,
        dropout=options.dropout, label_smoothing=options.label_smoothing, clip=options.clip, accumulate=options.accumulate,
        ema=options.ema, early_stopping=options.early_stopping, precision=options.precision,
    )  # fmt: skip
    for note in learner.notes:
        say(f"note: {note}", options)
    say(repr(learner), options)
    epochs = options.epochs or 5
    try:
        learner.fine_tune(epochs, options.lr, frozen_epochs=options.frozen_epochs)
    except KeyboardInterrupt:
        _tell_how_to_resume(learner)
    return _trained(learner, options)


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
    except KeyboardInterrupt:
        _tell_how_to_resume(learner)
    return _trained(learner, options)


def _tell_how_to_resume(learner: Any) -> None:
    done = f"stopped in epoch {len(learner.history) + 1}; all of it is saved."
    source = (learner.data.recipe or {}).get("source", "FOLDER")
    raise KeyboardInterrupt(
        f"{done} Go on with: drivetrain train {source} --out {learner.run} --resume"
    ) from None


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
    from drivetrain.data import split as splits
    from drivetrain.data.checks import check as check_table
    from drivetrain.data.sources import image_folder
    from drivetrain.progress import progress

    table = image_folder(options.folder, layout=options.layout)
    random = splits.random(options.valid, seed=options.seed, stratify="label")
    splitter = splits.ByColumn("split", otherwise=random) if "split" in table else random
    try:
        split = splitter(table)
    except DataError:
        split = None
    with progress("Checking pictures", len(table), quiet=options.json) as advance:
        done = 0

        def report(now: int, total: int) -> None:
            nonlocal done
            advance(now - done)
            done = now

        return check_table(table, split, progress=report)


def export(options: Namespace) -> Outcome:
    from drivetrain.learn.learner import Learner

    if Path(options.bundle).exists() and not options.force:
        raise FileError(
            "this exists already.",
            where=options.bundle,
            fix="Choose another name, or replace it with --force.",
        )
    learner = Learner.resume(options.run, quiet=options.json)
    learner.result = learner.last_result()
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
    source = Path(options.source)
    if (source / "config.toml").is_file():
        from drivetrain.learn.run import Run

        run = Run.open(source)
        result = run.read_result()
        history = run.read_history()
        if options.out:
            from drivetrain.charts import losses

            _save(losses(history), options)
        return {"run": str(source), "history": history, "result": result, "picture": options.out,
                "report": str(source / "report.html") if result else None}, 0  # fmt: skip
    from drivetrain.tasks import image_classification

    data = image_classification.from_folder(source)
    if options.out:
        _save(data.show(), options)
    counts = {part: len(rows) for part, rows in data.split.parts().items()}
    return {
        "source": str(source),
        "description": data.describe(),
        "rows": counts,
        "classes": data.classes,
        "picture": options.out,
    }, 0


def _save(chart: Any, options: Namespace) -> None:
    if Path(options.out).exists() and not options.force:
        raise FileError(
            "this exists already.", where=options.out, fix="Choose another name, or replace it with --force."
        )
    chart.save(options.out)
