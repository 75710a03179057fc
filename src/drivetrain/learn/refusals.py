"""What several models refuse alike, before they are fitted."""

from __future__ import annotations

from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.data.dataset import Dataset
from drivetrain.errors import TrainingError, UsageError


def refuse_targets(data: Dataset, model: str) -> None:
    """Raises UsageError for a target that is neither a category nor a number, TrainingError for one with a single class.
    `model` is what answers, in words."""
    for name, codec in data.signature.targets.items():
        if not isinstance(codec, Category | Number):
            kind = codec.op.split("@")[0]
            raise UsageError(
                f"{model} can't answer with {kind}.", where=name, fix="Use another model, such as mlp."
            )
        if isinstance(codec, Category) and len(codec.classes) < 2:
            raise TrainingError(
                f"there is only one class, {codec.classes[0]!r}: nothing to tell apart.",
                where=f"{data.table.name}, {name}",
            )


def refuse_no_rows(data: Dataset) -> None:
    """Raises TrainingError where there is nothing to train on."""
    if not len(data.part("train")):
        raise TrainingError(
            "no training row can be used.",
            where=data.table.name,
            fix="Run 'drivetrain check' to see why.",
        )
