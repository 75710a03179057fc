"""Signals laid out as pictures of one channel, for a body of pictures: as a spectrogram would be."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from atelier.models.encoders.signal import SignalEncoder
from drivetrain.codecs import Codec
from drivetrain.models.encoders import EncoderOptions
from drivetrain.types import Array

FORM = "picture"


class ToneEncoder(SignalEncoder):
    """float32 (N, channels, moments) each -> what its body makes of (N, 1, channels, moments)."""

    def forward(self, arrays: list[Tensor]) -> list[Tensor]:
        return super().forward([signal.unsqueeze(1) for signal in arrays])


def build(codecs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions) -> ToneEncoder:
    return ToneEncoder({name: options.body((1, *codec.shape)) for name, codec in codecs.items()})
