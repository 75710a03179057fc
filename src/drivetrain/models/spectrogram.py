"""What training does to a spectrogram: frequencies and time read at other places, and some of both left out.

`drivetrain.data.augment.sounds` draws what, and a batch has it beside the sounds, under `changes_of` their field.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def changed(spectrogram: Tensor, frequencies: Tensor, draws: Tensor, filling: Tensor | float) -> Tensor:
    """(N, bands, frames), its middle frequencies in Hz (bands,), changed by draws (N, 10) as `SoundAugment.apply` tells
    them; what is left out becomes `filling`.

    A band shows what stands at its frequency times the factor, a frame what stands at its time times the factor, read
    between neighbours by a straight line; beyond the ends it is what stands there.
    """
    count, bands, frames = spectrogram.shape
    device, dtype = spectrogram.device, spectrogram.dtype
    wanted = frequencies * draws[:, :1]
    above = torch.searchsorted(frequencies, wanted.contiguous()).clamp(1, bands - 1)
    low, high = frequencies[above - 1], frequencies[above]
    place = (above - 1 + (wanted - low) / (high - low)).clamp(0, bands - 1)
    time = (torch.arange(frames, device=device) * draws[:, 1:2]).clamp(max=frames - 1)
    grid = torch.stack([
        (time * (2 / max(1, frames - 1)) - 1)[:, None, :].expand(count, bands, frames),
        (place * (2 / max(1, bands - 1)) - 1)[:, :, None].expand(count, bands, frames),
    ], dim=-1).to(dtype)  # fmt: skip
    read = F.grid_sample(spectrogram[:, None], grid, padding_mode="border", align_corners=True)[:, 0]
    bands_out = _masked(bands, draws[:, 2:6])[:, :, None]
    times_out = _masked(frames, draws[:, 6:10])[:, None, :]
    return torch.where(bands_out | times_out, filling, read)


def _masked(size: int, draws: Tensor) -> Tensor:
    """bool (N, size): what lies in one of two stretches, each told by where it begins and how wide it is."""
    steps = (torch.arange(size, device=draws.device) + 0.5) / size
    starts, ends = draws[:, 0::2, None], draws[:, 0::2, None] + draws[:, 1::2, None]
    return ((steps >= starts) & (steps < ends)).any(1)
