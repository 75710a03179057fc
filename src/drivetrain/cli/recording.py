"""What verbs that answer share where their answers are recorded."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from drivetrain.cli.common import say
from drivetrain.errors import DrivetrainError, UsageError

if TYPE_CHECKING:
    from drivetrain.bundle import Bundle
    from drivetrain.records.batch import Batch


def add_recording(command: ArgumentParser) -> None:
    command.add_argument(
        "--records",
        metavar="STORE",
        help="record the answers, as a server does: sqlite:///FILE or postgresql://...",
    )
    command.add_argument(
        "--record-key",
        metavar="COLUMN",
        help="the column that names each case, by which what was true is told later",
    )
    command.add_argument(
        "--redact",
        action="append",
        default=[],
        metavar="INPUT",
        help="an input that no record has; may be given again",
    )


def recording(opened: Bundle, options: Namespace) -> Batch | None:
    """Where the answers of a bundle are recorded, open; None where they are not. Raises UsageError, and what opening the store
    raises."""
    if not options.records:
        for name in ("record_key", "redact"):
            if getattr(options, name):
                raise UsageError(
                    "nothing is recorded.", where=f"--{name.replace('_', '-')}", fix="Say where to, with --records STORE."
                )  # fmt: skip
        return None
    from drivetrain.records.batch import Batch

    return Batch(options.records, opened, options.bundle, options.redact)


def record(batch: Batch | None, item: Any, answer: Any, key: Any = None) -> None:
    """Record what was answered for an item, where answers are, and it is one."""
    if batch is not None and not isinstance(item, DrivetrainError):
        batch.add(item, answer, "" if key is None else str(key))


def told(batch: Batch | None, options: Namespace) -> dict[str, Any]:
    """What the answer of the verb says of it; what a person should know is said."""
    if batch is None:
        return {}
    if batch.waiting:
        why = batch.told[-1] if batch.told else "they are on their way"
        say(f"note: the records are in a journal here, and not in their store yet: {why}", options)
    if lost := batch.recorder.counts.get("lost", 0):
        say(f"note: {lost:,} answers could not be recorded", options)
    return {"recorded": batch.recorded, "records": batch.where}
