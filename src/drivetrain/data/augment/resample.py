"""Read each picture of a batch once, bilinearly, at the places that a homography gives.

Positions are rounded to 1/16 pixel on every device, so the processor's exact integer weights and a GPU's
`grid_sample` agree within one grey level. Places outside the picture are reflected. Nothing is antialiased:
when pictures shrink to less than about two thirds, fine texture begins to alias.
"""

from __future__ import annotations

import threading

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from drivetrain.types import Array

BITS = 4
STEPS = 2**BITS
"""Positions in the picture are rounded to 1/STEPS pixel."""
BLOCK = 2 * 224 * 224
"""Output pixels worked on at once: what a cache holds. Small pictures go many at a time."""
UNCHANGED = bytes(range(256))
"""The table of grey levels that changes none."""


def resample(images: Tensor, homographies: Array, size: tuple[int, int]) -> Tensor:
    """Pictures, uint8 (n, height, width, channels), as seen through homographies (n, 3, 3).

    A homography takes a place in the output, (x, y, 1) with x and y from -1 at one edge to 1 at the other, to
    the place in the picture, up to a factor. Returns uint8 (n, *size, channels) on the pictures' device.
    """
    matrices = _pixel_matrices(homographies, images.shape[1:3], size)
    if images.device.type == "cpu" and images.shape[3] <= 3:
        return torch.from_numpy(_resample_in_blocks(images.numpy(), matrices, size))
    return _resample_tensor(images, torch.from_numpy(matrices).to(images.device), size)


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures, uint8 (n, height, width, channels), at another size: bilinear, antialiased."""
    if tuple(images.shape[1:3]) == tuple(size):
        return images
    planes = images.permute(0, 3, 1, 2)
    if images.device.type == "cpu":
        resized = F.interpolate(planes, size, mode="bilinear", antialias=True)
    else:
        resized = F.interpolate(planes.float(), size, mode="bilinear", antialias=True).round().to(torch.uint8)
    return resized.permute(0, 2, 3, 1).contiguous()


def look_up(images: Tensor, tables: Array) -> None:
    """Replace, in place, each grey level of picture i, uint8 (n, height, width, channels), by what
    `tables[i]`, uint8 (n, 256), has for it."""
    if images.device.type != "cpu":
        levels = images.reshape(len(images), -1).long()
        images.copy_(torch.from_numpy(tables).to(images.device).gather(1, levels).view(images.shape))
        return
    for picture, table in zip(images.numpy(), map(bytes, tables)):
        if table != UNCHANGED:
            looked_up = picture.tobytes().translate(table)  # three times as fast as numpy's indexing
            picture[...] = np.frombuffer(looked_up, np.uint8).reshape(picture.shape)


def _pixel_matrices(homographies: Array, source: tuple[int, ...], size: tuple[int, int]) -> Array:
    """float32 (n, 3, 3): from (column, row, 1) of an output pixel to its place in the picture, in 1/STEPS."""
    (source_height, source_width), (height, width) = source, size
    to_unit = np.array([[2 / width, 0, 1 / width - 1], [0, 2 / height, 1 / height - 1], [0, 0, 1]])
    from_unit = np.array(
        [
            [STEPS * source_width / 2, 0, STEPS * (source_width - 1) / 2],
            [0, STEPS * source_height / 2, STEPS * (source_height - 1) / 2],
            [0, 0, 1],
        ]
    )
    return (from_unit @ homographies @ to_unit).astype(np.float32)


def _resample_tensor(images: Tensor, matrices: Tensor, size: tuple[int, int]) -> Tensor:
    """The same with `grid_sample`, in one go on any device, for any number of channels."""
    source_height, source_width = images.shape[1:3]
    row = torch.arange(size[0], device=images.device, dtype=torch.float32)[:, None]
    column = torch.arange(size[1], device=images.device, dtype=torch.float32)
    m = matrices[..., None, None]
    across, down, depth = (m[:, k, 0] * column + (m[:, k, 1] * row + m[:, k, 2]) for k in range(3))
    grid = [
        (last - (last - (place / depth).abs()).abs()).clamp(0, last).round() * (2 / max(last, 1)) - 1
        for place, last in ((across, STEPS * (source_width - 1)), (down, STEPS * (source_height - 1)))
    ]
    planes = images.permute(0, 3, 1, 2).float()
    read = F.grid_sample(planes, torch.stack(grid, dim=-1), padding_mode="border", align_corners=True)
    return (read + 0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


# On a processor: numpy in one thread, on blocks that stay in its cache: under half the time of grid_sample
# or of Pillow's transform. A second thread was tried: calls are so short that the two mostly wake each other.

_own = threading.local()


def _resample_in_blocks(images: Array, matrices: Array, size: tuple[int, int]) -> Array:
    count, height, width, channels = images.shape
    out = np.empty((count, *size, channels), np.uint8)
    block = max(1, min(count, BLOCK // (size[0] * size[1])))
    for start in range(0, count, block):
        rows = slice(start, start + block)
        blocks = _Blocks.of_this_thread((block, height, width, *size))
        blocks.resample(images[rows], matrices[rows], out[rows])
    return out


class _Blocks:
    """Buffers to resample a few pictures at a time, kept between calls: fresh memory costs page faults.

    A pixel's three bytes lie in one float64, 16 bits apart, so that four reads and three interpolations serve
    all channels at once. The bits are laid out so that nothing need be converted: with the exponent of 2**44,
    bytes 1, 3 and 5 are the channels, bytes 0, 2 and 4 their fractions in 1/256. Weights are multiples of
    1/16, their products of 1/256, so every step is exact in 53 bits and no channel spills into its neighbour.
    The fractions start at one half: taking the whole bytes of the result then rounds it.
    """

    def __init__(self, block: int, height: int, width: int, out_height: int, out_width: int) -> None:
        self.shape = (block, height, width, out_height, out_width)
        # Beyond the last pixel come those below and to the right of it, which are read with weight 0.
        self.flat = np.full(block * height * width + width + 1, 2.0**44 + 0.5 * (1 + 2**16 + 2**32), "<f8")
        self.pixels = self.flat[: block * height * width].view(np.uint8).reshape(block, height, width, 8)
        area = (block, out_height, out_width)
        self.float32 = [np.empty(area, np.float32) for _ in range(3)]
        self.int32 = [np.empty(area, np.int32) for _ in range(3)]
        self.float64 = [np.empty(area, "<f8") for _ in range(5)]
        self.index = np.empty(area, np.intp)
        self.first = (np.arange(block) * height * width).astype(np.int32)[:, None, None]
        self.row = np.arange(out_height, dtype=np.float32)[:, None]
        self.column = np.arange(out_width, dtype=np.float32)

    @classmethod
    def of_this_thread(cls, shape: tuple[int, ...]) -> _Blocks:
        """The buffers that this thread used last, or new ones where the shape has changed."""
        blocks = getattr(_own, "blocks", None)
        if blocks is None or blocks.shape != shape:
            blocks = _own.blocks = cls(*shape)
        return blocks

    def resample(self, source: Array, matrices: Array, out: Array) -> None:
        """Read `source` (k, height, width, channels) at the places of `matrices` (k, 3, 3); k <= block."""
        count, channels, width = len(source), source.shape[3], source.shape[2]
        for channel in range(channels):
            self.pixels[:count, ..., 2 * channel + 1] = source[..., channel]
        top, bottom, other, weight_x, weight_y = (buffer[:count] for buffer in self.float64)
        self._locate(matrices, weight_x, weight_y)
        index = self.index[:count]

        def read_row(offset: int, into: Array) -> None:
            # No index is out of range; but with any other mode numpy would copy the buffers.
            np.take(self.flat[offset:], index, out=into, mode="clip")
            np.take(self.flat[offset + 1 :], index, out=other, mode="clip")
            _interpolate(into, other, weight_x)

        read_row(0, top)
        read_row(width, bottom)
        _interpolate(top, bottom, weight_y)
        parts = top.view(np.uint8).reshape(*top.shape, 8)
        for channel in range(channels):
            out[..., channel] = parts[..., 2 * channel + 1]

    def _locate(self, matrices: Array, weight_x: Array, weight_y: Array) -> None:
        """Set the index of the pixel at the upper left of each place, and the weights of its neighbours."""
        count, (height, width) = len(matrices), self.shape[1:3]
        across, down, depth = (buffer[:count] for buffer in self.float32)
        column, row, part = (buffer[:count] for buffer in self.int32)
        m = matrices[..., None, None]
        for k, place in enumerate((across, down, depth)):
            np.add(m[:, k, 0] * self.column, m[:, k, 1] * self.row + m[:, k, 2], out=place)
        perspective = (matrices[:, 2] != (0, 0, 1)).any()
        for place, last, whole, weight in (
            (across, STEPS * (width - 1), column, weight_x),
            (down, STEPS * (height - 1), row, weight_y),
        ):
            if perspective:
                np.divide(place, depth, out=place)
            _reflect(place, np.float32(last))
            np.copyto(whole, place, casting="unsafe")
            np.bitwise_and(whole, STEPS - 1, out=part)
            np.copyto(weight, part)
            np.multiply(weight, 1 / STEPS, out=weight)
            np.right_shift(whole, BITS, out=whole)
        np.multiply(row, width, out=row)
        np.add(row, column, out=row)
        np.add(row, self.first[:count], out=self.index[:count], casting="unsafe", dtype=np.int32)


def _reflect(place: Array, last: np.float32) -> None:
    """Mirror places at 0 and at `last`, and round them, in place."""
    np.abs(place, out=place)
    np.subtract(last, place, out=place)
    np.abs(place, out=place)
    np.subtract(last, place, out=place)
    np.clip(place, 0, last, out=place)
    np.rint(place, out=place)


def _interpolate(start: Array, end: Array, weight: Array) -> None:
    """start += weight * (end - start); `end` is used up."""
    np.subtract(end, start, out=end)
    np.multiply(end, weight, out=end)
    np.add(start, end, out=start)
