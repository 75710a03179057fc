"""A window through two layers of convolution over time, and the mean of what they say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from drivetrain.codecs import Codec
from drivetrain.models.encoders import Encoder, EncoderOptions
from drivetrain.types import Array

WIDTH = 16


class WindowEncoder(Encoder):
    """float32 (N, channels, length) each -> (N, WIDTH) each."""

    def __init__(self, rows: Mapping[str, Array]) -> None:
        super().__init__(list(rows))
        self.layers = nn.ModuleList(_layers(windows.shape[1]) for windows in rows.values())
        for place, windows in enumerate(rows.values()):
            mean, std = (
                np.asarray(part, np.float32)[:, None] for part in (windows.mean((0, 2)), windows.std((0, 2)))
            )
            self.register_buffer(f"mean_{place}", torch.from_numpy(mean))
            self.register_buffer(f"std_{place}", torch.from_numpy(std).clamp(min=1e-6))

    def forward(self, arrays: list[Tensor]) -> list[Tensor]:
        scaled = (
            (array - getattr(self, f"mean_{place}")) / getattr(self, f"std_{place}")
            for place, array in enumerate(arrays)
        )
        return [layers(array) for layers, array in zip(self.layers, scaled)]


def _layers(channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(channels, WIDTH, 5, padding=2), nn.ReLU(), nn.Conv1d(WIDTH, WIDTH, 5, padding=2), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(),
    )  # fmt: skip


def build(codecs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions) -> WindowEncoder:
    return WindowEncoder({name: np.asarray(rows[name]) for name in codecs})
