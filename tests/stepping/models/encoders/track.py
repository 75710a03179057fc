"""Tracks -> what an LSTM remembers at the last moment of each."""

from __future__ import annotations

from torch import nn

from drivetrain.models.encoders import Encoder
from drivetrain.ragged import lengths_of

WIDTH = 8


class TrackEncoder(Encoder):
    """One direction alone, so what comes after the last moment can't matter to what was remembered at it."""

    def __init__(self, codecs) -> None:
        super().__init__(list(codecs))
        self.cells = nn.ModuleList(
            nn.LSTM(codec.channels, WIDTH, batch_first=True) for codec in codecs.values()
        )

    def of(self, batch):
        found = []
        for name, cell in zip(self.names, self.cells):
            states, _ = cell(batch[name])
            last = (batch[lengths_of(name)] - 1).clamp(min=0)
            found.append(states.gather(1, last[:, None, None].expand(-1, 1, WIDTH)).squeeze(1))
        return found


def build(codecs, rows, options):
    assert all(len(rows[name]) for name in codecs)
    del options
    return TrackEncoder(codecs)
