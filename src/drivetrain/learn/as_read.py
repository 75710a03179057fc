"""A dataset as a model reads it: a pretrained model of texts brings its own tokenizer, which is the codec of its inputs then."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from drivetrain.codecs import Codec
from drivetrain.data.dataset import Dataset
from drivetrain.data.refit import Resplit, with_inputs
from drivetrain.models import registry
from drivetrain.models.pretrained_texts import codecs_for

_made: WeakKeyDictionary[Dataset, tuple[dict[str, Codec], Dataset]] = WeakKeyDictionary()
"""What was made last of a dataset: models of its parts, such as folds, don't encode all of it anew."""


def as_read_by(model: Any, data: Dataset) -> Dataset:
    """The dataset with the codecs that a model wants of its inputs: itself, but for a pretrained model of texts. Raises UsageError
    where the model can't take its inputs, DrivetrainError for a tokenizer that isn't known."""
    if not isinstance(model, str) or registry.record_of(model) is not None:
        return data
    if not any(codec.holds_texts for codec in data.signature.inputs.values()):
        return data
    registry.refuse_unfit(model, data.signature)
    codecs = codecs_for(model, data.declared or data.signature)
    whole = data.whole if isinstance(data, Resplit) else data
    if not codecs:
        return data
    kept = _made.get(whole)
    if kept is None or kept[0] != codecs:
        kept = _made[whole] = codecs, with_inputs(whole, codecs)
    return Resplit(kept[1], data.split, data.sources) if isinstance(data, Resplit) else kept[1]
