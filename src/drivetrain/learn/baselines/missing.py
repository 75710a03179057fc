"""What stands beside no model, told before it is trained: a report that is shorter than others must not be a surprise."""

from __future__ import annotations

from drivetrain.codecs import Codec, Signature
from drivetrain.extensions import kind_of
from drivetrain.learn.features.base import for_baselines, for_ngrams, for_regression, for_trees, with_kinds
from drivetrain.metrics import has_metrics
from drivetrain.models.takes import is_plain


def has_baselines(codec: Codec) -> bool:
    """Whether simple methods answer with such a target, and can be measured."""
    return is_plain(codec) and has_metrics(codec)


def missing_baselines(signature: Signature) -> list[str]:
    """A plain sentence for each target without metrics or without baselines, and for the inputs that no simple method sees."""
    notes: list[str] = []
    for name, codec in signature.targets.items():
        if not has_metrics(codec):
            notes.append(
                f"there are no metrics for {name!r}, {kind_of(codec)}: it is judged by its loss alone, and beside no baseline"
            )
        elif not is_plain(codec):
            notes.append(f"there is no baseline for {name!r}: no simple method answers with {kind_of(codec)}")
    facets = (for_trees, for_regression, for_ngrams, for_baselines)
    unseen = [
        name for name, codec in signature.inputs.items() if all(offered(codec) is None for offered in facets)
    ]
    if unseen and any(map(has_baselines, signature.targets.values())):
        told = f"no simple method sees anything of {with_kinds(signature, unseen)}"
        alone = ": what ignores all inputs is all that stands beside the model"
        notes.append(told + (alone if len(unseen) == len(signature.inputs) else ""))
    return notes
