"""What random changes to training rows are to those who ask for them, whatever the rows are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from drivetrain.errors import UsageError, nearest


class Changes(ABC):
    """A frozen dataclass of amounts and probabilities. Raises `UsageError` for a value out of its range.

    A file of this room that has changes of its own kind names them `CHANGES`; to a kind without, an option of the pictures'
    presets says whether it is changed at all.
    """

    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """Lowest and highest value of the fields that are not probabilities."""
    presets: ClassVar[tuple[str, ...]] = ("none",)
    """The names that stand for a whole record: classmethods."""
    mixup: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            low, high = self.ranges.get(field.name, (0.0, 1.0))
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise UsageError(
                    f"{value!r} is not a number from {low:g} to {high:g}.",
                    where=f"augment {field.name}",
                    fix=f"The default is {field.default}.",
                )

    @classmethod
    @abstractmethod
    def none(cls) -> Self:
        """Leave rows as they are."""

    @classmethod
    @abstractmethod
    def usual(cls, photos: bool) -> Self:
        """What "auto" means; `photos`: where pictures are large."""

    @classmethod
    def from_name(cls, name: str) -> Self:
        """The preset of that name. Raises UsageError."""
        if name not in cls.presets:
            raise UsageError(
                f"There is no augmentation {name!r} for these data.",
                where="augment",
                fix=nearest(name, cls.presets) or f"Known are {', '.join(cls.presets)}.",
            )
        return getattr(cls, name)()

    def to_json(self) -> dict[str, float]:
        return asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        for name in record:
            if name not in known:
                raise UsageError(f"There is no setting {name!r}.", where="augment", fix=nearest(name, known))
        return cls(**record)

    @abstractmethod
    def scaled(self, strength: float) -> Self:
        """Each amount times `strength`, as far as it may go; probabilities stay."""

    @abstractmethod
    def mix(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Each row blended with another of the batch: (rows, partner int64 (n,), weight float32 (n,) of the row itself)."""

    def partners(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """With which other row each is mixed, int64 (n,), and the weight float32 (n,) of the row itself: Beta(mixup, mixup),
        folded to 0.5 to 1 so that a row stays mostly itself. With mixup 0 nothing is drawn, and each row is its own partner."""
        count, device = len(rows), rows.device
        if self.mixup == 0:
            return torch.arange(count, device=device), torch.ones(count, device=device)
        partner = torch.randperm(count, generator=generator, device=generator.device).to(device)
        # torch's own Beta takes no generator: numpy's is seeded from ours.
        seed = torch.randint(2**62, (), generator=generator, device=generator.device)
        share = np.random.default_rng(int(seed)).beta(self.mixup, self.mixup, size=count)
        weight = torch.from_numpy(np.maximum(share, 1 - share).astype(np.float32)).to(device)
        return partner, weight
