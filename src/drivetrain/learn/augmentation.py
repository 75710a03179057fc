"""Which random changes training rows get: what the option `augment` means for a dataset, and rows mixed in pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from drivetrain.data.augment.base import Changes
from drivetrain.data.augment.pictures import PICTURES, Augment, blend
from drivetrain.data.dataset import Dataset
from drivetrain.data.loader import BatchAugment
from drivetrain.data.share import Share
from drivetrain.errors import UsageError
from drivetrain.extensions import find

ENLARGE = 8 / 7
"""Photographs are packed this much larger than the model's size for training: 256 for 224."""
PHOTO_SIDE = 64
"""Pictures from this size up are photographs to the defaults: augmented, transferred to."""


@dataclass(frozen=True)
class Mixed:
    """A batch with rows mixed in pairs: the targets of their partners, weight (N,) of the first of each pair."""

    batch: dict[str, Tensor]
    partners: dict[str, Tensor]
    weight: Tensor


class Augmentation:
    """What a learner does to training rows. Raises UsageError for an unknown name, and for a codec that names no file of
    changes."""

    def __init__(self, data: Dataset, augment: str | Changes | None) -> None:
        inputs = data.signature.inputs
        self.kind = kind_of_changes(data)
        self.sizes: dict[str, tuple[int, int]] = {
            name: (codec.shape[0], codec.shape[1])
            for name, codec in inputs.items()
            if codec.augment == PICTURES
        }
        """(height, width) of the inputs that may be changed as pictures are."""
        self._others = len(self.sizes) < len(data.augmented)
        self._mixed = [*self.sizes] if self.kind is Augment else data.augmented
        self.augment = self.meant(augment)
        self.of_batch = self._of_batch(data)
        """What changes the inputs of a batch that may be; None where nothing does."""
        zoom = self.augment.zoom if isinstance(self.augment, Augment) else 1.0
        crops = self.of_batch is not None and zoom > 1 and self.photos
        self.enlarge = ENLARGE if crops else 1.0

    @property
    def photos(self) -> bool:
        return any(min(size) >= PHOTO_SIDE for size in self.sizes.values())

    def meant(self, augment: str | Changes | None) -> Changes:
        """What the option means for these data. Raises UsageError for an unknown name, and for changes of another kind of
        rows."""
        if augment is None:
            return self.kind.none()
        if isinstance(augment, Changes):
            if not isinstance(augment, self.kind):
                raise UsageError(
                    f"{type(augment).__name__} changes other rows than these.", where="augment",
                    fix=f"Give a {self.kind.__name__}.",
                )  # fmt: skip
            return augment
        if augment == "auto":
            return self.kind.usual(self.photos or self._others)
        return self.kind.from_name(augment)

    def means(self, name: str) -> bool:
        """Whether the option means what is done here."""
        return name in ("auto", *self.kind.presets) and self.meant(name) == self.augment

    def _of_batch(self, data: Dataset) -> BatchAugment | None:
        changes: dict[str, Callable[..., Tensor]] = {}
        for name in data.augmented:
            codec = data.signature.inputs[name]
            if (file := find("data.augment", codec.augment)) is None:
                raise UsageError(
                    f"{codec.op} is to be changed as {codec.augment!r}, which nothing does.", where=name
                )
            if (change := file.change(codec, self.augment)) is not None:
                changes[name] = change
        return BatchAugment(changes) if changes else None

    @property
    def mixes(self) -> bool:
        """Whether rows are mixed in pairs."""
        return self.augment.mixup > 0 and bool(self._mixed)

    def mix(
        self,
        batch: Mapping[Any, Tensor],
        targets: Iterable[str],
        chance: torch.Generator,
        share: Share | None,
    ) -> Mixed:
        """The batch, or the share of it, with its rows mixed: all of a row with those of the same other row."""
        name, *others = self._mixed
        mixed_rows, partner, weight = self.augment.mix(batch[name], chance)
        blended = {name: mixed_rows, **{other: blend(batch[other], partner, weight) for other in others}}
        rows = slice(None) if share is None else share.rows
        mixed = {field: values[rows] for field, values in {**batch, **blended}.items()}
        partners = {target: batch[target][partner[rows]] for target in targets}
        return Mixed(mixed, partners, weight[rows])


def kind_of_changes(data: Dataset) -> type[Changes]:
    """What the changes of a dataset's rows are told by: those of the first input whose file has some of its own, else those
    of pictures."""
    for name in data.augmented:
        file = find("data.augment", data.signature.inputs[name].augment)
        if file is not None and (found := getattr(file, "CHANGES", None)) is not None:
            return found
    return Augment
