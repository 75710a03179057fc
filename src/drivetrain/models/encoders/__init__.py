"""What a network does with each kind of input: one file per codec, named like it, with `build`.

`build(codecs, rows, options)` takes all inputs of that codec at once, field -> codec, and a sample of their
encoded training rows, field -> (n, ...). It gives an Encoder: their arrays, in that order, to parts of a row of features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from drivetrain.codecs import Codec


@dataclass(frozen=True)
class EncoderOptions:
    """What a model wants of its encoders.

    `body` makes the body of an input that needs one of its own (a picture). `bins` is the number of pieces that a
    number is cut into beside being scaled (0: scaled only). `width` is the rule for the width of an embedding,
    levels -> width (None: one column per level). With `biases` each level also has a number of its own.
    """

    body: Callable[[Codec], nn.Module]
    bins: int = 0
    width: Callable[[int], int] | None = None
    biases: bool = False


def side_by_side(arrays: list[Tensor]) -> Tensor:
    """(N, k) of k arrays (N,): without a copy where a batch was gathered as one block of columns (`data/loader.py`)."""
    first, base = arrays[0], arrays[0]._base
    if len(arrays) == 1:
        return first.unsqueeze(1)
    if base is not None and base.ndim == 2 and all(array._base is base for array in arrays):
        start = first.storage_offset() - base.storage_offset()
        if arrays[-1].storage_offset() - first.storage_offset() == len(arrays) - 1 and base.stride(1) == 1:
            return base[:, start : start + len(arrays)]
    return torch.stack(arrays, 1)


class Encoder(nn.Module):
    """The arrays of `names`, in that order -> float32 (N, ...) each: parts to be put side by side with all others."""

    names: tuple[str, ...]
    flat = True
    """False where an input needs a body of its own before it is a row of features."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)

    def forward(self, arrays: list[Tensor]) -> list[Tensor]:
        raise NotImplementedError
