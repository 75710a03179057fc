"""What is done to a spectrogram: what sounds is stretched over it, and in training frequencies and time are read at other places,
and some of both left out.

`drivetrain.data.augment.sounds` draws what, and a batch has it beside the sounds, under `changes_of` their field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

SOUNDING = 30.0
"""Decibels: a frame that is further below the loudest one is before or after what sounds."""
LEAST_FRAMES = 64
"""What sounds is laid over half as many frames as there are, and over no fewer than these where there are as many."""


ENDS = slice(2, 4)
"""The columns of the draws that are for `Span`."""


def changed(decibels: Tensor, frequencies: Tensor, draws: Tensor) -> Tensor:
    """(N, bands, frames), whose bands are at these frequencies in Hz (bands,), changed by draws (N, 19) as
    `SoundAugment.apply` tells them.

    A band shows what stands at its frequency times the factor, a frame what stands at its time times the factor, read
    between neighbours by a straight line; beyond the ends it is what stands there. Then bands become softer or louder, and
    what is left out is as loud as the mean of its clip.
    """
    count, bands, frames = decibels.shape
    device, dtype = decibels.device, decibels.dtype
    wanted = (frequencies * draws[:, :1]).contiguous()
    above = torch.searchsorted(frequencies, wanted).clamp(1, bands - 1)
    low, high = frequencies[above - 1], frequencies[above]
    place = (above - 1 + (wanted - low) / (high - low)).clamp(0, bands - 1)
    time = (torch.arange(frames, device=device) * draws[:, 1:2]).clamp(max=frames - 1)
    grid = torch.stack([
        (time * (2 / max(1, frames - 1)) - 1)[:, None, :].expand(count, bands, frames),
        (place * (2 / max(1, bands - 1)) - 1)[:, :, None].expand(count, bands, frames),
    ], dim=-1).to(dtype)  # fmt: skip
    read = F.grid_sample(decibels[:, None], grid, padding_mode="border", align_corners=True)[:, 0]
    read = read + _loudness(bands, draws[:, 12:])[:, :, None].to(dtype)
    out = _masked(bands, draws[:, 4:8])[:, :, None] | _masked(frames, draws[:, 8:12])[:, None, :]
    return torch.where(out, read.mean((1, 2), keepdim=True), read)


def _loudness(bands: int, draws: Tensor) -> Tensor:
    """(N, bands) decibels: the low cut, and the colour between its places."""
    steps = torch.arange(bands, device=draws.device) / max(1, bands - 1)
    cut = draws[:, :1] * (1 - steps / draws[:, 1:2].clamp(min=1e-3)).clamp(min=0)
    colour = F.interpolate(draws[:, None, 2:], size=bands, mode="linear", align_corners=True)[:, 0]
    return colour - cut


def _masked(size: int, draws: Tensor) -> Tensor:
    """bool (N, size): what lies in one of two stretches, each told by where it begins and how wide it is."""
    steps = (torch.arange(size, device=draws.device) + 0.5) / size
    starts, ends = draws[:, 0::2, None], draws[:, 0::2, None] + draws[:, 1::2, None]
    return ((steps >= starts) & (steps < ends)).any(1)


class Span(nn.Module):
    """float32 decibels (N, bands, frames) -> (N, bands, `wide`): what sounds, from the first to the last frame that comes within
    `SOUNDING` of the loudest, stretched or pressed to that many frames by weighted means of neighbours.

    A word said slowly, or late in the window, then lies where one does that was said at once and fast.
    """

    steps: Tensor
    shares: Tensor

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.wide = min(frames, max(LEAST_FRAMES, frames // 2))
        self.register_buffer("steps", torch.arange(frames, dtype=torch.float32), persistent=False)
        self.register_buffer("shares", torch.arange(self.wide) / max(1, self.wide - 1), persistent=False)

    def ends(self, decibels: Tensor) -> tuple[Tensor, Tensor]:
        """float32 (N, 1) each: the first and the last frame that sounds."""
        loudest = decibels.amax(1)
        sounds = (loudest >= loudest.amax(1, keepdim=True) - SOUNDING).to(decibels.dtype)
        count = len(self.steps) - 1
        return count - (sounds * (count - self.steps)).amax(1, keepdim=True), (sounds * self.steps).amax(
            1, keepdim=True
        )

    def forward(self, decibels: Tensor, moved: Tensor | None = None) -> Tensor:
        """`moved` (N, 2), in shares of what sounds, moves its ends: in training."""
        first, last = self.ends(decibels)
        if moved is not None:
            long = last - first
            first, last = first + moved[:, :1] * long, last + moved[:, 1:] * long
        places = (first + (last - first) * self.shares).clamp(0, len(self.steps) - 1)
        apart = (self.steps[:, None] - places[:, None]).abs()
        reach = ((last - first) / max(1, self.wide - 1)).clamp(min=1)
        weights = (reach[:, None] - apart).relu()
        return torch.matmul(decibels, weights / weights.sum(1, keepdim=True))

    def write_graph(self, graph: NetworkGraph, decibels: str) -> str:
        count = float(len(self.steps) - 1)
        loudest = graph.add("ReduceMax", decibels, graph.whole(1), keepdims=0)
        least = graph.add("Sub", graph.add("ReduceMax", loudest, graph.whole(1)), graph.constant(SOUNDING))
        sounds = graph.floats(graph.add("GreaterOrEqual", loudest, least))
        back = graph.add("Mul", sounds, graph.tensor(count - self.steps))
        first = graph.add("Sub", graph.constant(count), graph.add("ReduceMax", back, graph.whole(1)))
        last = graph.add("ReduceMax", graph.add("Mul", sounds, graph.tensor(self.steps)), graph.whole(1))
        long = graph.add("Sub", last, first)
        places = graph.add("Add", first, graph.add("Mul", long, graph.tensor(self.shares)))
        between = graph.add(
            "Sub", graph.tensor(self.steps[:, None]), graph.add("Unsqueeze", places, graph.whole(1))
        )
        reach = graph.add(
            "Max", graph.add("Div", long, graph.constant(float(max(1, self.wide - 1)))), graph.constant(1.0)
        )
        apart = graph.add("Abs", between)
        weights = graph.add("Relu", graph.add("Sub", graph.add("Unsqueeze", reach, graph.whole(1)), apart))
        sums = graph.add("ReduceSum", weights, graph.whole(1))
        return graph.add("MatMul", decibels, graph.add("Div", weights, sums))
