"""The learner that a model's name stands for: trees, EASE, or a network. Torch is imported for networks alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.codecs.category import Category
from drivetrain.codecs.text import Text
from drivetrain.errors import UsageError
from drivetrain.learn import distribution
from drivetrain.learn.run import Run
from drivetrain.learn.settings import EPOCHS, EPOCHS_OF_COLUMNS

if TYPE_CHECKING:
    from drivetrain.data.dataset import Dataset
    from drivetrain.learn.ease import EaseLearner
    from drivetrain.learn.learner import Learner
    from drivetrain.learn.trees import TreesLearner

TREES, EASE = "trees", "ease"
FEW_ROWS = 5_000
WITHOUT_EPOCHS = (TREES, EASE)
"""Models whose learner has `fit()` and no epochs."""


def usual_epochs(data: Dataset) -> int:
    """How often a network goes through the training rows where nobody said. Where they tell a category and are few, or
    hold texts, it soon knows them by heart and says what it says more surely than it is right."""
    codecs = data.signature.inputs.values(), data.signature.targets.values()
    texts, categories = (
        any(isinstance(codec, kind) for codec in found) for found, kind in zip(codecs, (Text, Category))
    )
    by_heart = categories and (texts or len(data.rows("train")) < FEW_ROWS)
    return EPOCHS if data.pictures or by_heart else EPOCHS_OF_COLUMNS


def _one_process() -> None:
    if distribution.count() > 1:
        raise UsageError("this model is fitted in one process.", where="torchrun", fix="Leave torchrun out.")


def make_learner(data: Dataset, model: Any = None, **options: Any) -> Learner | TreesLearner | EaseLearner:
    """A learner of a dataset. `model` is "trees", "ease", a name of `drivetrain.models.registry`, a torch module, or None for
    the dataset's default; the options are those of `Learner`, of which trees take a few."""
    if (data.default_model if model is None else model) == TREES:
        from drivetrain.learn.trees import TreesLearner

        _one_process()
        return TreesLearner(data, **options)
    if (data.default_model if model is None else model) == EASE:
        from drivetrain.learn.ease import EaseLearner

        _one_process()
        return EaseLearner(data, **options)
    if data.default_model == EASE:
        raise UsageError(
            "what comes next in a history is ranked by ease alone.", where="model",
            fix="Leave the model out, or name a rating column: then the model is for the ratings.",
        )  # fmt: skip
    from drivetrain.learn.learner import Learner

    return Learner(data, model, **options)


def resume(
    run: str | Path, data: Dataset | None = None, model: Any = None, **options: Any
) -> Learner | TreesLearner | EaseLearner:
    """The learner of a run, as far as it had come (see `Learner.resume`)."""
    if Run.open(run).read_config()["model"]["name"] == TREES:
        from drivetrain.learn.trees import TreesLearner

        _one_process()
        return TreesLearner.resume(run, data, **options)
    if Run.open(run).read_config()["model"]["name"] == EASE:
        from drivetrain.learn.ease import EaseLearner

        _one_process()
        return EaseLearner.resume(run, data, **options)
    from drivetrain.learn.learner import Learner

    return Learner.resume(run, data, model, **options)
