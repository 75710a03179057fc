"""`drivetrain export`: the bundle of a run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from rich.markup import escape

from drivetrain.cli.common import Reply, refuse_no_bundle, resume_command, terminal
from drivetrain.errors import TrainingError

HELP = "write the bundle of a run"
EXAMPLE = "drivetrain export runs/flowers-001 flowers.bundle"


def add(command: ArgumentParser) -> None:
    command.add_argument("run", metavar="RUN")
    command.add_argument("bundle", metavar="BUNDLE")
    command.add_argument("--force", action="store_true", help="replace an existing bundle")


def act(options: Namespace) -> Reply:
    from drivetrain.learn.by_name import resume

    refuse_no_bundle(options.bundle, options)
    learner = resume(options.run, quiet=options.json)
    learner.result = learner.last_result()
    if learner.result is None:
        raise TrainingError(
            " ".join(["this run is not finished.", *(f"Note: {note}." for note in learner.notes)]),
            where=options.run, fix=f"Go on with it: {resume_command(learner, options)}",
        )  # fmt: skip
    path = learner.export(options.bundle, force=options.force)
    return {
        "bundle": str(path),
        "bytes": path.stat().st_size,
        "metrics": (learner.result or {}).get("metrics", {}),
    }, 0


def show(answer: dict[str, Any]) -> None:
    terminal().print(f"{escape(answer['bundle'])}  {answer['bytes'] / 1e6:.2f} MB, verified")
