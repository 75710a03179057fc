"""How a learner trains: every choice that is not the data, as records that go into the run's config."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from drivetrain.arguments import check_fields
from drivetrain.errors import UsageError, nearest

OPTIMIZERS = ("adamw", "adam", "sgd")
CLASS_WEIGHTS = ("none", "balanced")
LOSSES = ("squared", "huber", "absolute")
PRECISIONS = ("auto", "float32", "bfloat16")
SCHEDULES = ("one_cycle", "constant")
EPOCHS, EPOCHS_OF_COLUMNS, FROZEN_EPOCHS = 5, 10, 4


HEADS_FASTER = 30
"""How many times the learning rate of all weights is that of heads alone."""


class Record:
    """A frozen dataclass that goes to JSON and back; an unknown name is refused with the nearest known one."""

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    @classmethod
    def searched(cls, classes: bool) -> dict[str, Any]:
        """What a search varies of the settings of a model without epochs, as a person would write it: name -> (low, high) or
        (low, high, "log"). `classes` tells whether a target is a category. Nothing of one that can't be searched."""
        del classes
        return {}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        for name in values:
            if name not in names:
                raise UsageError(
                    f"there is no setting {name!r}.", where=cls.__name__, fix=nearest(name, names)
                )
        return cls(**values)

    def __post_init__(self) -> None:
        check_fields(self)

    def _require(self, condition: bool, name: str, needs: str) -> None:
        if not condition:
            raise UsageError(f"{name} must be {needs}, not {getattr(self, name)!r}.", where=name)


OF_FIT = ("epochs", "lr", "learning_rate", "schedule")
"""What is given to `fit` of a network, and often to the learner by mistake."""


def unknown_option(name: str, known: Sequence[str], of_fit: Sequence[str] = ()) -> UsageError:
    """The error for an option that no learner has, with the nearest one or the place where it belongs."""
    fix = nearest(name, known) or f"The options are {', '.join(known)}."
    if name in of_fit:
        fix = "Leave it out here and give it to fit: fit(epochs, lr=..., schedule=...)."
    return UsageError(f"a learner has no option {name!r}.", where=name, fix=fix)


Own = TypeVar("Own", bound=Record)


@dataclass(frozen=True)
class Settings(Record):
    """Choices that hold for all of a learner's training."""

    seed: int = 0
    batch_size: int = 64
    optimizer: str = "adamw"
    momentum: float = 0.9
    weight_decay: float = 0.01
    dropout: float = 0.0
    label_smoothing: float = 0.0
    class_weights: str = "none"
    loss: str = "squared"
    clip: float | None = None
    accumulate: int = 1
    ema: float | None = None
    precision: str = "auto"
    early_stopping: int | None = None
    pretrained: bool | str = "auto"
    shard: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(
            isinstance(self.batch_size, int) and self.batch_size >= 1, "batch_size", "a whole number from 1"
        )
        self._require(
            isinstance(self.seed, int) and 0 <= self.seed < 2**32,
            "seed",
            "a whole number from 0 to 2**32 - 1",
        )
        self._require(self.optimizer in OPTIMIZERS, "optimizer", f"one of {', '.join(OPTIMIZERS)}")
        self._require(self.precision in PRECISIONS, "precision", f"one of {', '.join(PRECISIONS)}")
        self._require(0 <= self.dropout < 1, "dropout", "a share from 0 to below 1")
        self._require(0 <= self.label_smoothing < 1, "label_smoothing", "a share from 0 to below 1")
        self._require(
            self.class_weights in CLASS_WEIGHTS, "class_weights", f"one of {', '.join(CLASS_WEIGHTS)}"
        )
        self._require(self.loss in LOSSES, "loss", f"one of {', '.join(LOSSES)}")
        self._require(self.weight_decay >= 0, "weight_decay", "0 or more")
        self._require(0 <= self.momentum < 1, "momentum", "from 0 to below 1")
        self._require(self.clip is None or self.clip > 0, "clip", "above 0, or None")
        self._require(
            isinstance(self.accumulate, int) and self.accumulate >= 1, "accumulate", "a whole number from 1"
        )
        self._require(self.ema is None or 0 < self.ema < 1, "ema", "between 0 and 1, or None")
        self._require(
            self.early_stopping is None or self.early_stopping >= 1,
            "early_stopping",
            "a number of epochs, or None",
        )
        self._require(not (self.shard and self.ema is not None), "shard", "off where ema keeps averages")


@dataclass(frozen=True)
class Phase(Record):
    """A stretch of epochs with one schedule.

    `spread` is the learning rate of the first training over that of the heads (1.0 = the same for all).
    `frozen` trains the heads on features that are computed once for each of `views` augmented views.
    """

    epochs: int
    learning_rate: float
    schedule: str = "one_cycle"
    spread: float = 1.0
    frozen: bool = False
    views: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(isinstance(self.epochs, int) and self.epochs >= 1, "epochs", "a whole number from 1")
        self._require(0 < self.learning_rate < float("inf"), "learning_rate", "a number above 0")
        self._require(self.schedule in SCHEDULES, "schedule", f"one of {', '.join(SCHEDULES)}")
        self._require(0 < self.spread <= 1, "spread", "above 0, at most 1")
        self._require(isinstance(self.views, int) and self.views >= 1, "views", "a whole number from 1")


NETWORKS_ONLY: dict[str, Any] = {
    "objective": None,
    "augment": "auto",
    "device": None,
    "hooks": (),
    "vectors": None,
    **{field.name: field.default for field in dataclasses.fields(Settings)},
}
"""Options of a network's learner, and what they are where nobody gave them."""


def telling(options: Mapping[str, Any]) -> list[str]:
    """The names of the options that say something else than they would where nobody gave them."""
    return [name for name, value in options.items() if value not in (None, "none", NETWORKS_ONLY.get(name))]


def settings_without_epochs(kind: type[Own], options: Mapping[str, Any], model: str) -> Own:
    """The settings of a model without epochs, of its own `kind`. What a network alone can have is passed over where it
    says nothing. Raises UsageError for the rest of that, and for what nobody has."""
    known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for name, value in options.items():
        if name in known or (name in NETWORKS_ONLY and value in (None, NETWORKS_ONLY[name])):
            continue
        if name in NETWORKS_ONLY:
            raise UsageError(f"{model} has no {name}.", where=name, fix=f"It has {', '.join(known)}.")
        raise unknown_option(name, known)
    return kind(**{name: value for name, value in options.items() if name in known})
