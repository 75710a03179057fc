"""Which random changes training rows get: what the option `augment` means for a dataset, and pictures mixed in pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

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
    """A batch with pictures mixed in pairs: the targets of their partners, weight (N,) of the first of each pair."""

    batch: dict[str, Tensor]
    partners: dict[str, Tensor]
    weight: Tensor


class Augmentation:
    """What a learner does to training rows. Raises UsageError for an unknown name, and for a codec that names no file of
    changes."""

    def __init__(self, data: Dataset, augment: str | Augment | None) -> None:
        inputs = data.signature.inputs
        self.sizes: dict[str, tuple[int, int]] = {
            name: (codec.shape[0], codec.shape[1])
            for name, codec in inputs.items()
            if codec.augment == PICTURES
        }
        """(height, width) of the inputs that may be changed as pictures are."""
        self._others = len(self.sizes) < len(data.augmented)
        self.augment = self.meant(augment)
        self.of_batch = self._of_batch(data)
        """What changes the inputs of a batch that may be; None where nothing does."""
        crops = self.of_batch is not None and self.augment.zoom > 1 and self.photos
        self.enlarge = ENLARGE if crops else 1.0

    @property
    def photos(self) -> bool:
        return any(min(size) >= PHOTO_SIDE for size in self.sizes.values())

    def meant(self, augment: str | Augment | None) -> Augment:
        """What the option means for these data. Raises UsageError for an unknown name."""
        if augment is None:
            return Augment.none()
        if isinstance(augment, Augment):
            return augment
        if augment == "auto":
            augment = "photos" if self.photos or self._others else "none"
        return Augment.from_name(augment)

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
        """Whether pictures are mixed in pairs."""
        return self.augment.mixup > 0 and bool(self.sizes)

    def mix(
        self,
        batch: Mapping[Any, Tensor],
        targets: Iterable[str],
        chance: torch.Generator,
        share: Share | None,
    ) -> Mixed:
        """The batch, or the share of it, with its pictures mixed: all of a row with those of the same other row."""
        name, *others = self.sizes
        images, partner, weight = self.augment.mix(batch[name], chance)
        blended = {name: images, **{other: blend(batch[other], partner, weight) for other in others}}
        rows = slice(None) if share is None else share.rows
        mixed = {field: values[rows] for field, values in {**batch, **blended}.items()}
        partners = {target: batch[target][partner[rows]] for target in targets}
        return Mixed(mixed, partners, weight[rows])
