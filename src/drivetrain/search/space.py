"""What a search varies: ranges and choices by the name of a setting."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivetrain.errors import UsageError, nearest
from drivetrain.learn.best.candidates import candidates
from drivetrain.learn.epochs import MANY, VERY_MANY
from drivetrain.learn.names import (
    NETWORK,
    NGRAMS,
    REGRESSION,
    TREES,
    is_network,
    network_of,
    one_model,
    settings_of,
)
from drivetrain.learn.settings import Settings, telling
from drivetrain.models.registry import LEARNERS

if TYPE_CHECKING:
    from optuna.trial import Trial

    from drivetrain.data.dataset import Dataset

LINEAR = "linear"
LIKELIEST = (NGRAMS, TREES, NETWORK, REGRESSION, LINEAR)
"""Models of a table in the order in which they are tried first."""
INSTEAD = {REGRESSION: NGRAMS, LINEAR: REGRESSION}
"""A model that isn't searched beside another one, of which more is to be hoped. The penalties of both regressions have one
name, and sizes of their own."""
PLAN = ("lr", "epochs", "frozen_epochs", "augment_strength")
"""What can be searched of a network beside the fields of `Settings`."""
NOT_SEARCHED = ("seed", "shard")


def can_be_searched(model: Any) -> bool:
    """Whether there is something to search of a model."""
    return is_network(model) or bool(settings_of(model).searched(classes=True))


def names_of(model: Any) -> tuple[str, ...]:
    """What can be searched of a model."""
    fields = [field.name for field in dataclasses.fields(settings_of(model))]  # type: ignore[arg-type]
    own = [name for name in fields if name not in NOT_SEARCHED]
    return (*PLAN, *own) if is_network(model) else tuple(own)


NAMES = (
    "model",
    *dict.fromkeys(
        name for model in (NETWORK, *filter(can_be_searched, LEARNERS)) for name in names_of(model)
    ),
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


def searched_models(
    data: Dataset, fixed: Mapping[str, Any], space: Mapping[str, Range | Choice] | None
) -> tuple[Any, ...]:
    """The models that a search chooses among: those that were named; else, of a table, all that have what was `fixed`, or
    with a `space` the first that has all of it. Raises UsageError where there is none."""
    named = (space or {}).get("model")
    if "model" in fixed or isinstance(named, Choice):
        models = (fixed["model"],) if "model" in fixed else named.values  # type: ignore[union-attr]
        for model in models:
            _refuse_unsearchable(model)
        return models
    if data.large or one_model(data) != NETWORK:
        return (network_of(data),)
    fitting = {LINEAR, *(candidate.model for candidate in candidates(data))}
    wanted = [*telling(fixed), *(space or {})]
    models = tuple(
        model
        for model in LIKELIEST
        if model in fitting and {"augment", "device", *names_of(model)}.issuperset(wanted)
    )
    if space is not None:
        models = (NETWORK,) if NETWORK in models else models[:1]
    else:
        if {"augment", "device"}.intersection(wanted):
            models = tuple(filter(is_network, models))
        shown: list[str] = []
        for model in models:
            if INSTEAD.get(model) not in shown:
                shown.append(model)
        models = tuple(shown)
    if not models:
        raise UsageError(
            f"no model of this table has all of {', '.join(wanted)}.", where=wanted[0],
            fix='Name fewer, or say among which models they are searched: space={"model": ["mlp", "trees"], ...}.',
        )  # fmt: skip
    return models


def _refuse_unsearchable(model: Any) -> None:
    if not can_be_searched(model):
        raise UsageError(
            f"{model!r} has nothing to search.", where="model", fix="Compare it with the best: drivetrain compare."
        )  # fmt: skip


def default_space(data: Dataset, models: Sequence[Any], pretrained: bool, settings: Settings) -> Space:
    """What is searched where nobody said: see `tune`. `settings` are the network's."""
    categories = any(codec.labels is not None for codec in data.signature.targets.values())
    space: Space = {"model": Choice(tuple(models))} if len(models) > 1 else {}
    for model in models:
        if not is_network(model):
            space |= read_space(settings_of(model).searched(categories))
    if not any(map(is_network, models)):
        return space
    decay = Range(1e-4, max(0.3, 3 * settings.weight_decay), log=True)
    space |= {"weight_decay": decay, "dropout": Range(0.0, 0.5)}
    if data.large:
        space["lr"] = Range(2e-5, 2e-3, log=True) if pretrained else Range(3e-4, 2e-2, log=True)
        if data.augmented:
            space["augment_strength"] = Range(0.0, 2.0)
        return space | {"epochs": Range(4, 12)}
    space |= {"lr": Range(3e-4, 3e-2, log=True), "epochs": _epochs(len(data.rows("train")))}
    space["batch_size"] = Choice(
        tuple(max(8, int(settings.batch_size * factor)) for factor in (0.5, 1, 2, 4))
    )
    if categories:
        space["label_smoothing"] = Range(0.0, 0.2)
    return space


def _epochs(rows: int) -> Range:
    """Twice what `recipe.lengths` tries: dropout and weight decay can make long trainings worth it."""
    if rows > VERY_MANY:
        return Range(2, 10)
    return Range(5, 60 if rows < MANY else 25, log=True)


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
    if name == "model":
        for value in values:
            _refuse_unsearchable(value)
    return Choice(tuple(values))


def refuse_values(space: Space, models: Sequence[Any]) -> None:
    """Raises UsageError for a name that none of the models has, and for ends and choices that one of them can't have."""
    for name, part in space.items():
        having = [model for model in models if name in names_of(model)]
        if name != "model" and not having:
            raise _no_such(name, models[0])
        ends = part.values if isinstance(part, Choice) else (part.low, part.high)
        for model in having:
            if name not in PLAN:
                for value in ends:
                    settings_of(model)(**{name: value})


def refuse_fixed(fixed: Mapping[str, Any], models: Sequence[Any]) -> None:
    """Raises UsageError for a fixed setting that none of the models has."""
    for name in telling(fixed):
        if name not in ("model", "augment", "device") and not any(
            name in names_of(model) for model in models
        ):
            raise _no_such(name, models[0])


def _no_such(name: str, model: Any) -> UsageError:
    told = "a network" if is_network(model) else model
    return UsageError(f"{told} has no {name}.", where=name, fix=f"It has {', '.join(names_of(model))}.")


def suggest(trial: Trial, space: Space, model: Any, left: Sequence[str] = ()) -> dict[str, Any]:
    """A value for the model, where it is searched (else it is `model`), and then for every setting that it has, but for those
    that are `left` as they are; those that the trial has already stay."""
    chosen: dict[str, Any] = {}
    if "model" in space:
        model = chosen["model"] = space["model"].suggest(trial, "model")
    own = [name for name in space if name in names_of(model) and name not in left]
    return chosen | {name: space[name].suggest(trial, name) for name in own}
