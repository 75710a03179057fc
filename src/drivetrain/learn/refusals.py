"""What several models refuse alike, before they are fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivetrain.data.dataset import Dataset
from drivetrain.errors import TrainingError, UsageError
from drivetrain.extensions import kind_of
from drivetrain.metrics import is_large
from drivetrain.metrics.streamed import LARGE, numbers
from drivetrain.models.takes import is_plain

if TYPE_CHECKING:
    from drivetrain.learn.objectives.base import Objective
    from drivetrain.learn.settings import Settings


def refuse_targets(data: Dataset, model: str) -> None:
    """Raises UsageError for a target that simple models can't answer with, TrainingError for one with a single class.
    `model` is what answers, in words."""
    for name, codec in data.signature.targets.items():
        if not is_plain(codec):
            raise UsageError(
                f"{model} can't answer with {kind_of(codec)}.", where=name,
                fix="Use another model, such as mlp.",
            )  # fmt: skip
    refuse_one_class(data)


def refuse_one_class(data: Dataset) -> None:
    """Raises TrainingError for a target of a single class."""
    for name, codec in data.signature.targets.items():
        if codec.labels is not None and len(codec.labels) < 2:
            raise TrainingError(
                f"there is only one class, {', '.join(codec.labels)!r}: nothing to tell apart.",
                where=f"{data.table.name}, {name}",
                fix="Give rows of at least two classes.",
            )


def refuse_large(data: Dataset, model: str) -> None:
    """Raises UsageError for a target with large outputs, by a model that needs them whole."""
    for name, codec in data.signature.targets.items():
        if is_large(codec):
            raise UsageError(
                f"{model} holds its outputs whole, and those of {name!r} have {numbers(codec):,} numbers a row; {LARGE:,} "
                "is the most.",
                where="model", fix="Use another model, such as mlp.",
            )  # fmt: skip


def refuse_written(data: Dataset, verb: str) -> None:
    """Raises UsageError for a target that is written token by token, by what measures all outputs at once."""
    for name, codec in data.signature.targets.items():
        if codec.of_tokens:
            raise UsageError(
                f"{verb} takes models that answer at once, and {name!r} is written token by token.", where=name,
                fix="Train several runs, and look at them side by side with: drivetrain compare RUN RUN",
            )  # fmt: skip


def refuse_no_rows(data: Dataset) -> None:
    """Raises TrainingError where there is nothing to train on."""
    if not len(data.part("train")):
        raise TrainingError(
            "no training row can be used.",
            where=data.table.name,
            fix="Run 'drivetrain check' to see why.",
        )


def refuse_unfit_objective(objective: Objective, settings: Settings) -> None:
    """Raises UsageError for settings that an objective can't be trained with."""
    if settings.early_stopping is not None and objective.valid is None:
        raise UsageError(
            f"the objective {objective.name} has no valid loss.", where="early_stopping",
            fix="Leave it out, or give the objective a function valid.",
        )  # fmt: skip
    if settings.shard and objective.networks:
        raise UsageError(
            "only one network can be in shards.",
            where="shard",
            fix="Leave it out: each process has all networks.",
        )
