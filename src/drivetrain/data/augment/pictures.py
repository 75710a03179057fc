"""Random changes to a batch of pictures, for training only, with all geometry composed into one resampling.

Flip, rotation, zoom, shift and perspective are matrices; their product says where each output pixel lies in
the stored picture, which is read once, bilinearly (`resample`). A store of larger pictures (256 for 224)
lands at the model's size in that same step. That is not antialiased: with a store above about 1.5 times the
model's size, fine texture begins to alias. What lies outside the picture is its reflection.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Self, cast

import numpy as np
import torch
from torch import Tensor

from drivetrain.codecs import Codec
from drivetrain.data.augment.base import Changes
from drivetrain.data.augment.resample import look_up, resample, resize
from drivetrain.data.share import Share
from drivetrain.errors import UsageError
from drivetrain.types import Array

PICTURES = "pictures"
"""What a codec calls these changes."""
DRAWS = 19
"""Uniform numbers drawn per picture, whatever is switched on: one setting never moves another's draws."""


@dataclass(frozen=True)
class Augment(Changes):
    """What may happen to a picture during training. All zero (and zoom 1) is no augmentation.

    Raises `UsageError` for a value out of its range.
    """

    flip: float = 0.5
    """Probability of a left-right flip."""
    flip_vertical: float = 0.0
    """Probability of an upside-down flip."""
    rotate: float = 10.0
    """Largest rotation in degrees, to either side, 0 to 180."""
    zoom: float = 1.1
    """Largest enlargement, drawn from 1 to this, about a random point: a random crop in effect. 1 to 10."""
    shift: float = 0.0
    """Largest shift along each axis, as a share of the side, 0 to 0.5."""
    warp: float = 0.2
    """Largest perspective tilt about each axis, 0 to 0.5: at 0.2 one edge is seen up to 1.2/0.8 as long as
    its opposite (fastai's symmetric warp)."""
    lighting: float = 0.2
    """Strength of brightness and contrast changes, 0 to 0.9. Both act on the logit of the grey level, as in
    fastai, so black and white stay and nothing is cut off."""
    erase: float = 0.0
    """Probability that one rectangle of 2 to 30 % of the area is replaced by the picture's mean colour
    (Zhong et al. 2017, "Random Erasing Data Augmentation")."""
    mixup: float = 0.0
    """Alpha of mixup's Beta(alpha, alpha) distribution, 0 for none, 0.2 to 0.4 usual (Zhang et al. 2017,
    "mixup: Beyond Empirical Risk Minimization"). Used by `mix`, not by `apply`."""
    probability: float = 0.75
    """Probability that a picture's geometry is changed (rotate, zoom, shift and warp together), and,
    independently, its lighting. Flips and erasing have their own."""

    ranges: ClassVar = {
        "rotate": (0.0, 180.0),
        "zoom": (1.0, 10.0),
        "shift": (0.0, 0.5),
        "warp": (0.0, 0.5),
        "lighting": (0.0, 0.9),
        "mixup": (0.0, 100.0),
    }
    presets: ClassVar = ("photos", "digits", "none")

    @classmethod
    def none(cls) -> Augment:
        """Leave pictures as they are."""
        return cls(flip=0.0, rotate=0.0, zoom=1.0, warp=0.0, lighting=0.0)

    @classmethod
    def photos(cls) -> Augment:
        """Photographs of things that may face left or right: the defaults."""
        return cls()

    @classmethod
    def digits(cls) -> Augment:
        """Characters: no flips, small rotation, shift and zoom."""
        return cls(flip=0.0, rotate=8.0, zoom=1.1, shift=0.06, warp=0.0, lighting=0.0)

    @classmethod
    def usual(cls, photos: bool) -> Augment:
        """Photographs are changed, small pictures are not."""
        return cls.photos() if photos else cls.none()

    def scaled(self, strength: float) -> Self:
        return replace(
            self,
            rotate=min(180.0, self.rotate * strength),
            zoom=min(10.0, 1 + (self.zoom - 1) * strength),
            shift=min(0.5, self.shift * strength),
            warp=min(0.5, self.warp * strength),
            lighting=min(0.9, self.lighting * strength),
        )

    @property
    def moves(self) -> bool:
        """Whether any geometry may be changed."""
        geometry = self.rotate > 0 or self.zoom > 1 or self.shift > 0 or self.warp > 0
        return self.flip > 0 or self.flip_vertical > 0 or (geometry and self.probability > 0)

    @property
    def lights(self) -> bool:
        """Whether brightness or contrast may be changed."""
        return self.lighting > 0 and self.probability > 0

    def apply(
        self,
        images: Tensor,
        size: tuple[int, int],
        generator: torch.Generator,
        share: Share | None = None,
    ) -> Tensor:
        """Uint8 (n, *size, channels) from uint8 (n, height, width, channels), on the pictures' device.

        `size` is (height, width). Where nothing is active, pictures of that size come back as they are (the
        same tensor, nothing drawn) and others are resized (bilinear, antialiased). Otherwise n * DRAWS
        uniform numbers are drawn from `generator`; the same state gives the same bits on a CPU. A generator
        on the CPU spares a GPU from waiting. Where the pictures are a `share` of a batch, the numbers of the
        whole batch are drawn, so that each picture gets its own, whoever has it. Raises
        `UsageError` for pictures of another type or shape.
        """
        _require_pictures(images)
        if not (self.moves or self.lights or self.erase > 0):
            return resize(images, size)
        if share is None:
            draws = _uniform(len(images), generator)
        else:
            draws = _uniform(share.total, generator)[share.rows]
        if self.moves:
            changed = resample(images, self._homographies(draws, size), size)
        else:
            changed = resize(images, size)
            changed = changed.clone() if changed is images else changed
        if self.lights:
            look_up(changed, self._lighting_tables(draws))
        if self.erase > 0:
            self._erase(changed, draws)
        return changed

    def mix(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Mixup: each picture blended with another of the batch.

        Returns (images, partner int64 (n,), weight float32 (n,)), on the pictures' device: a picture becomes
        weight * itself + (1 - weight) * its partner, rounded to uint8, and its loss is
        weight * loss(target) + (1 - weight) * loss(target[partner]). Weights follow Beta(alpha, alpha),
        folded to 0.5 to 1 so that a picture stays mostly itself. With mixup 0 nothing changes or is drawn.
        """
        _require_pictures(rows)
        partner, weight = self.partners(rows, generator)
        return rows if self.mixup == 0 else blend(rows, partner, weight), partner, weight

    def _homographies(self, draws: Array, size: tuple[int, int]) -> Array:
        """(n, 3, 3): from a place in the output to the place in the picture, -1 to 1 along each side."""
        signed = 2 * draws - 1
        changed = (draws[:, 2] < self.probability).astype(np.float64)
        one, zero = np.ones_like(changed), np.zeros_like(changed)
        across = np.where(draws[:, 0] < self.flip, -one, one)
        down = np.where(draws[:, 1] < self.flip_vertical, -one, one)
        angle = signed[:, 3] * math.radians(self.rotate) * changed
        cos, sin, aspect = np.cos(angle), np.sin(angle), size[1] / size[0]
        scale = 1 / (1 + draws[:, 4] * (self.zoom - 1) * changed)
        right = (1 - scale) * signed[:, 5] + 2 * self.shift * signed[:, 7] * changed
        below = (1 - scale) * signed[:, 6] + 2 * self.shift * signed[:, 8] * changed
        tilt_x, tilt_y = signed[:, 9] * self.warp * changed, signed[:, 10] * self.warp * changed
        flip = _matrices([across, zero, zero], [zero, down, zero], [zero, zero, one])
        crop = _matrices([scale, zero, right], [zero, scale, below], [zero, zero, one])
        turn = _matrices([cos, -sin / aspect, zero], [sin * aspect, cos, zero], [zero, zero, one])
        # A tilt lengthens one edge and shortens its opposite; both stay where they are.
        tilt = _matrices([one, zero, tilt_x], [zero, 1 - tilt_x**2, zero], [tilt_x, zero, one])
        nod = _matrices([1 - tilt_y**2, zero, zero], [zero, one, tilt_y], [zero, tilt_y, one])
        return flip @ crop @ turn @ tilt @ nod

    def _lighting_tables(self, draws: Array) -> Array:
        """uint8 (n, 256): what each grey level becomes. sigmoid(contrast * (logit(level) + brightness))."""
        changed = draws[:, 11] < self.probability
        middle = 0.5 + 0.5 * self.lighting * (2 * draws[:, 12] - 1) * changed
        brightness = np.log(middle / (1 - middle))
        contrast = np.exp(-math.log(1 - self.lighting) * (2 * draws[:, 13] - 1) * changed)
        level = np.clip(np.linspace(0, 1, 256), 1e-7, 1 - 1e-7)
        changed_logit = contrast[:, None] * (np.log(level / (1 - level)) + brightness[:, None])
        return np.rint(255 / (1 + np.exp(-changed_logit))).astype(np.uint8)

    def _erase(self, images: Tensor, draws: Array) -> None:
        """Fill one rectangle in some of the pictures, in place."""
        height, width = images.shape[1:3]
        step = max(1, min(height, width) // 32)  # about a thousand pixels make the mean
        area = (0.02 + 0.28 * draws[:, 15]) * height * width
        aspect = np.exp((2 * draws[:, 16] - 1) * math.log(3))
        tall = np.clip(np.rint(np.sqrt(area * aspect)), 1, height)
        wide = np.clip(np.rint(np.sqrt(area / aspect)), 1, width)
        top = np.floor((height - tall + 1) * draws[:, 17])
        left = np.floor((width - wide + 1) * draws[:, 18])
        boxes = np.stack([top, left, top + tall, left + wide], axis=1).astype(int).tolist()
        pictures = images.numpy() if images.device.type == "cpu" else images  # numpy's fill wakes no threads
        for row in np.flatnonzero(draws[:, 14] < self.erase).tolist():
            start, left_edge, stop, right_edge = boxes[row]
            mean = images[row, ::step, ::step].float().mean((0, 1)).round().to(torch.uint8)
            pictures[row, start:stop, left_edge:right_edge] = mean


def change(codec: Codec, augment: Augment) -> Callable[..., Tensor] | None:
    """What brings pictures, as they are stored, to the codec's size, changed."""
    size = cast("tuple[int, int]", codec.shape[:2])
    return None if augment == Augment.none() else partial(augment.apply, size=size)


def _require_pictures(images: Tensor) -> None:
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise UsageError(
            f"{images.dtype} of shape {tuple(images.shape)} are not pictures.",
            where="augment",
            fix="Give uint8 (n, height, width, channels).",
        )


# The small sums are numpy's whatever the device, so geometry doesn't depend on it. (Torch would also wake its
# threads for them, which then wait in a loop for milliseconds.)


def _uniform(count: int, generator: torch.Generator) -> Array:
    """float64 (count, DRAWS) in [0, 1)."""
    draws = torch.rand(count, DRAWS, generator=generator, device=generator.device, dtype=torch.float64)
    return draws.cpu().numpy()


def _matrices(*rows: list[Array]) -> Array:
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def blend(images: Tensor, partner: Tensor, weight: Tensor) -> Tensor:
    """weight * picture + (1 - weight) * its partner, rounded."""
    if images.device.type != "cpu":
        blend = torch.lerp(images[partner].float(), images.float(), weight.view(-1, 1, 1, 1))
        return blend.round_().to(torch.uint8)
    source, mixed = images.numpy(), np.empty(images.shape, np.uint8)
    for row, (other, share) in enumerate(zip(partner.numpy(), weight.numpy())):
        np.rint(source[row] * share + source[other] * (1 - share), out=mixed[row], casting="unsafe")
    return torch.from_numpy(mixed)


CHANGES = Augment
"""What this room's files call the changes of their kind."""
