"""What each option applies to. One that would mean nothing for the data or the model is refused, not passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivetrain.codecs import Codec, Quantity
from drivetrain.data import option
from drivetrain.errors import UsageError
from drivetrain.extensions import kind_of
from drivetrain.learn.distributed import processes
from drivetrain.learn.names import default_model, is_network, is_several
from drivetrain.models import registry
from drivetrain.models.takes import PICTURE, form_of, is_like

if TYPE_CHECKING:
    from drivetrain.data.dataset import Dataset

FAST = "fast"
"""What `labels` trains where nobody named a model."""


@dataclass(frozen=True)
class Needs:
    """What an option is for, in words; whether data and model are of that; and what they are instead, in words."""

    what: str
    met: Callable[[Dataset, Any], bool]
    instead: Callable[[Dataset, Any], str]


def _has(asked: Callable[[Codec], bool]) -> Callable[[Dataset, Any], bool]:
    return lambda data, _: any(map(asked, data.signature.targets.values()))


def _targets(data: Dataset, _: Any) -> str:
    targets = data.signature.targets.items()
    return ", ".join(f"{name!r} is {codec.called or f'a {kind_of(codec)}'}" for name, codec in targets)


def _named(_: Dataset, model: Any) -> str:
    return f"the model is {model if isinstance(model, str) else 'a module of your own'}"


def _may_be_pretrained(data: Dataset, model: Any) -> bool:
    """Whether there may be weights that were trained before, which only a look at the hub could tell."""
    may = any(form_of(codec) == PICTURE or codec.holds_texts for codec in data.signature.inputs.values())
    return may and (not isinstance(model, str) or registry.may_be_pretrained(model))


PICTURES = Needs("pictures", lambda data, _: bool(data.augmented), lambda *_: "no input is a picture")
CATEGORY = Needs("a target that is a category", _has(lambda codec: codec.labels is not None), _targets)
TOLD = Needs(
    "a target that is a category or a text",
    _has(lambda codec: codec.labels is not None or codec.of_tokens),
    _targets,
)
NUMBER = Needs("a target that is a number", _has(lambda codec: isinstance(codec, Quantity)), _targets)
NUMBERS = Needs(
    "a target that is a number, or a series of them",
    _has(lambda codec: isinstance(codec, Quantity) or is_like(codec, "series")),
    _targets,
)
NETWORK = Needs("a network", lambda _, model: is_network(model) and model != FAST, _named)
OWN_NETWORK = Needs("a network that has a name", lambda _, model: isinstance(model, str), _named)
PRETRAINED = Needs("a pretrained network", _may_be_pretrained, _named)
SEARCHED = Needs("a model that is looked for among several", lambda _, model: is_several(model), _named)
WORDS = Needs(
    "columns that are read word by word, such as --column X=tokens",
    lambda data, _: any(codec.word_names is not None for codec in data.signature.inputs.values()),
    lambda *_: "there is none",
)
VALID = Needs(
    "data with validation rows", lambda data, _: bool(len(data.rows("valid"))), lambda *_: "there are none"
)
TORCHRUN = Needs(
    "several processes", lambda *_: processes.under_torchrun(), lambda *_: "torchrun started none"
)

APPLIES: dict[str, tuple[Needs, ...]] = {
    "augment": (PICTURES, NETWORK),
    "augment_strength": (PICTURES, NETWORK),
    "class_weights": (CATEGORY,),
    "dropout": (NETWORK, OWN_NETWORK),
    "early_stopping": (NETWORK, VALID),
    "epochs": (NETWORK,),
    "frozen_epochs": (NETWORK, PRETRAINED),
    "label_smoothing": (TOLD, NETWORK),
    "loss": (NUMBERS,),
    "lr": (NETWORK,),
    "pretrained": (PRETRAINED,),
    "shard": (NETWORK, TORCHRUN),
    "spread": (PRETRAINED,),
    "time": (SEARCHED,),
    "vectors": (NETWORK, OWN_NETWORK, WORDS),
    "views": (PRETRAINED,),
}
"""By the name of an option of training, here and on the command line. What isn't listed applies to all."""
BY_NEED = {option.CATEGORY: CATEGORY, option.NUMBER: NUMBER}
"""What an option of a task may need (see `Option.needs`)."""


def refuse_unfit(data: Dataset, model: Any) -> None:
    """Raises UsageError for a name of no model, or of one that can't take these data; before the work is begun."""
    if isinstance(model, str) and is_network(model) and model != FAST:
        registry.resolve(model, registry.fitting(data.signature))
        registry.refuse_unfit(model, data.signature)


def refuse_pointless(data: Dataset, model: Any, given: Iterable[str]) -> None:
    """Raises UsageError for the first of the options in `given` that means nothing for the data or the model. `model` is a
    name, a module, or None for the default."""
    given = list(given)
    model = default_model(data, given) if model is None else model
    of_task = {
        name: BY_NEED[each.needs]
        for each in data.task.options
        if each.needs
        for name in (each.name, each.key)
    }
    for name in given:
        for needs in (of_task[name],) if name in of_task else APPLIES.get(name, ()):
            if not needs.met(data, model):
                raise UsageError(
                    f"this is for {needs.what}, and {needs.instead(data, model)}.",
                    where=name, fix="Leave it out.",
                )  # fmt: skip
