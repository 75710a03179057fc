"""What a body is: the part of a network between what an encoder lays before it and its features. This one is of pictures;
`sequences.py` has that of tokens."""

from __future__ import annotations

from torch import Tensor, nn

Normalization = tuple[tuple[float, ...], tuple[float, ...]]


class Body(nn.Module):
    """float32 normalised pictures (N, C, H, W), channels-last in memory -> features float32 (N, `features`).

    An architecture is one file in `bodies/` with a `build(shape, dropout)` that returns a Body, and its record (see
    `registry.py`). `shape` is (channels, height, width); of what is no picture, that which its encoder says. `dropout`
    falls between the body's own dense layers; the head drops features before its last layer, so a body without dense
    layers has no use for it.
    """

    features: int
    """Width of the output."""
    normalization: Normalization | None = None
    """Mean and standard deviation per channel, for pixels in 0..1, that the weights want. None: those of the data."""
    pretrained: str | None = None
    """Where the weights come from, for the record; None when they are random."""
    frozen_norm: bool = False
    """Batch norm must stay in eval mode in transfer learning: its statistics are better than a small batch's."""
    heads_from_zero: bool = False
    """The last layers of heads begin with zeros: of few rows chance weights on many good features are not unlearned."""
    size: int | None = None
    """Height and width in pixels that the weights were trained on."""
    has_maps = False
    """Whether `maps` and `pooled` are there, the two halves of `forward`."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []
        """What a person should know about how the body was made."""

    def maps(self, images: Tensor) -> Tensor:
        """Features of each place (N, C, H, W)."""
        raise NotImplementedError

    def pooled(self, maps: Tensor) -> Tensor:
        """The maps' row of features (N, `features`)."""
        raise NotImplementedError

    def blocks(self) -> list[nn.Module]:
        """The parts that have parameters, from input to output; together they hold each parameter once.

        For discriminative learning rates and for unfreezing from the top.
        """
        raise NotImplementedError


def repeat_grey(images: Tensor, channels: int) -> Tensor:
    """(N, 1, H, W) -> (N, channels, H, W) by repeating the one channel; other pictures as they are."""
    if images.shape[1] == 1 and channels > 1:
        return images.expand(-1, channels, -1, -1)
    return images


def halved(side: int) -> int:
    """A side after max pooling by 2, which a side of 1 survives."""
    return max(1, side // 2)


def pool(height: int, width: int) -> nn.MaxPool2d:
    """Max pooling by 2 on the axes that are long enough."""
    return nn.MaxPool2d((min(2, height), min(2, width)))
