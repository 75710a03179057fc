"""What a network does with each kind of input: one file per codec, named like it, with `build`.

`build(codecs, rows, options)` takes all inputs of that codec at once, field -> codec, and a sample of their
encoded training rows, field -> (n, ...). It gives an Encoder: their arrays, in that order, to parts of a row of features.

Where inputs need a body, which the name of a model stands for, the file says in `FORM` what it lays before one
(`drivetrain.models.takes` has the forms, and models say which they take), and `options.body` makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from drivetrain.models.vectors import WordVectors


@dataclass(frozen=True)
class EncoderOptions:
    """What a model wants of its encoders.

    `body` makes the body of an input that needs one of its own, for the shape of what it is given: of a picture, and of
    what is laid out as one, (channels, height, width); of tokens (most places, width); of a series, with the form said too,
    (moments or None, channels). `continued` is the channel that shall be told from what came before: windows of it are scaled
    by themselves, and series without it are known ahead. `bins` is the number of pieces that a number is cut into beside being
    scaled (0: scaled only). `width` is the rule for the width of an embedding, levels -> width (None: one column per level).
    With `biases` each level also has a number of its own. `vectors` are those that tokens which are words begin with.
    """

    body: Callable[..., nn.Module]
    bins: int = 0
    width: Callable[[int], int] | None = None
    biases: bool = False
    vectors: WordVectors | None = None
    continued: str = ""


class Places(NamedTuple):
    """What is at each place of an input, beside its row of features: float32 (N, T, F), a sequence, or (N, C, H, W), a
    map. `mask` is bool (N, T) or (N, H, W), True where there is something; None where there is everywhere."""

    values: Tensor
    mask: Tensor | None = None

    @classmethod
    def of_lengths(cls, values: Tensor, lengths: Tensor) -> Places:
        """The places of a sequence (N, T, F) whose rows are so long, int64 (N,): what follows them is padding."""
        return cls(values, torch.arange(values.shape[1], device=values.device) < lengths[:, None])


class ScaledPlaces(Places):
    """Places of rows that were scaled by themselves: `level` (N, 1) was taken off each, and it was divided by `spread` (N, 1)."""

    level: Tensor
    spread: Tensor

    @classmethod
    def of_rows(cls, values: Tensor, level: Tensor, spread: Tensor) -> ScaledPlaces:
        found = cls(values)
        found.level, found.spread = level, spread
        return found


class Encoder(nn.Module):
    """The arrays of `names`, in that order -> float32 (N, ...) each: parts to be put side by side with all others."""

    names: tuple[str, ...]
    joined = False
    """True where each array is (N,), and `forward` takes all of them as one (N, k)."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)

    def of(self, batch: Mapping[Any, Tensor]) -> list[Tensor]:
        """The parts for a batch; where arrays are joined it may have them ready, under all their names."""
        if not self.joined:
            return self([batch[name] for name in self.names])
        ready = batch.get(self.names)
        return self(torch.stack([batch[name] for name in self.names], 1) if ready is None else ready)

    def with_places(self, batch: Mapping[Any, Tensor]) -> tuple[list[Tensor], dict[str, Places]]:
        """The parts, and the places of those inputs that have some: words, moments, pixels. Asked only where a head or
        what combines wants them."""
        return self.of(batch), {}

    def places(self, batch: Mapping[Any, Tensor]) -> dict[str, Places]:
        """The places alone: asked where nothing looks at the row of features."""
        return self.with_places(batch)[1]

    def forward(self, arrays: Any) -> list[Tensor]:
        raise NotImplementedError

    def inputs_of(self, widths: Sequence[int]) -> list[int]:
        """For each feature of the parts, which are so wide, the place in `names` of the input that it is of.

        Where arrays are joined, a part has equally many features of each input, one input after the other."""
        if not self.joined:
            return [place for place, width in enumerate(widths) for _ in range(width)]
        return [place for width in widths for place in _shared_out(width, range(len(self.names)))]


def _shared_out(width: int, places: Sequence[int]) -> list[int]:
    """Each of the places in turn, equally often."""
    return [place for place in places for _ in range(width // len(places))]
