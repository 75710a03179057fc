"""What a search varies: ranges and choices by the name of a setting."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivetrain.codecs.category import Category
from drivetrain.data.augment import Augment
from drivetrain.errors import UsageError, nearest
from drivetrain.learn.make import NETWORK, WITHOUT_EPOCHS, one_model
from drivetrain.learn.settings import Settings

if TYPE_CHECKING:
    from optuna.trial import Trial

    from drivetrain.data.dataset import Dataset

PLAN = ("model", "lr", "epochs", "frozen_epochs", "augment_strength")
"""What can be searched beside the fields of `Settings`."""
NAMES = (
    *PLAN,
    *(field.name for field in dataclasses.fields(Settings) if field.name not in ("seed", "shard")),
)


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`: whole ones where both ends are, on a logarithmic scale with `log`."""

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def suggest(self, trial: Trial, name: str) -> float:
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def holds(self, value: Any) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def to_json(self) -> list[Any]:
        return [self.low, self.high, *(["log"] if self.log else [])]


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple[Any, ...]

    def suggest(self, trial: Trial, name: str) -> Any:
        return trial.suggest_categorical(name, self.values)

    def holds(self, value: Any) -> bool:
        return value in self.values

    def to_json(self) -> dict[str, Any]:
        return {"choices": list(self.values)}


Space = dict[str, Range | Choice]


def default_space(data: Dataset, model: Any, pretrained: bool, settings: Settings) -> Space:
    """What is searched where nobody said: see `tune`."""
    decay = Range(1e-4, max(0.3, 3 * settings.weight_decay), log=True)
    space: Space = {"weight_decay": decay, "dropout": Range(0.0, 0.5)}
    if data.pictures:
        space["lr"] = Range(2e-5, 2e-3, log=True) if pretrained else Range(3e-4, 2e-2, log=True)
        return space | {"augment_strength": Range(0.0, 2.0), "epochs": Range(4, 12)}
    space |= {"lr": Range(3e-4, 3e-2, log=True), "epochs": Range(5, 25)}
    space["batch_size"] = Choice(
        tuple(max(8, int(settings.batch_size * factor)) for factor in (0.5, 1, 2, 4))
    )
    if any(isinstance(codec, Category) for codec in data.signature.targets.values()):
        space["label_smoothing"] = Range(0.0, 0.2)
    if model is None and one_model(data) == NETWORK:
        space["model"] = Choice((NETWORK, "linear"))
    return space


def read_space(given: Mapping[str, Any]) -> Space:
    """`{"lr": (1e-4, 1e-2, "log"), "epochs": (5, 20), "model": ["mlp", "linear"]}`: a tuple is a range, a list are choices.

    Raises UsageError for a name that can't be searched and for ends that are no range.
    """
    return {name: _read(name, value) for name, value in given.items()}


def _read(name: str, value: Any) -> Range | Choice:
    if name not in NAMES:
        raise UsageError(f"there is no setting {name!r} to search.", where="space", fix=nearest(name, NAMES))
    if isinstance(value, Range | Choice):
        return value
    if isinstance(value, list):
        return _choice(name, value)
    numbers = [part for part in value if isinstance(part, int | float)] if isinstance(value, tuple) else []
    scale = value[2:] if len(numbers) == 2 else None
    if scale not in ((), ("log",)) or not numbers[0] < numbers[1] or (scale and numbers[0] <= 0):
        raise UsageError(
            f"{value!r} is no range.", where=name,
            fix='Write (low, high), (low, high, "log") with low above 0, or a list of choices.',
        )  # fmt: skip
    return Range(numbers[0], numbers[1], log=bool(scale))


def _choice(name: str, values: Sequence[Any]) -> Choice:
    plain = all(value is None or isinstance(value, bool | int | float | str) for value in values)
    if len(set(values) if plain else []) < 2:
        raise UsageError(
            f"{values!r} are no choices.", where=name, fix="Give at least two texts or numbers that differ."
        )
    if name == "model" and (without := [value for value in values if value in WITHOUT_EPOCHS]):
        raise UsageError(
            f"{without[0]!r} has nothing to search.", where="model", fix="Compare it with the best: drivetrain compare."
        )  # fmt: skip
    return Choice(tuple(values))


def suggest(trial: Trial, space: Space) -> dict[str, Any]:
    """A value for every setting; those that the trial has already stay."""
    return {name: part.suggest(trial, name) for name, part in space.items()}


def scaled(augment: Augment, strength: float) -> Augment:
    """The augmentation with each amount times `strength`, as far as it may go; probabilities stay."""
    return dataclasses.replace(
        augment,
        rotate=min(180.0, augment.rotate * strength),
        zoom=min(10.0, 1 + (augment.zoom - 1) * strength),
        shift=min(0.5, augment.shift * strength),
        warp=min(0.5, augment.warp * strength),
        lighting=min(0.9, augment.lighting * strength),
    )
