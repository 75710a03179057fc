"""Signals, scaled, before a body for them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from drivetrain.codecs import Codec
from drivetrain.models.encoders import Encoder, EncoderOptions
from drivetrain.types import Array

FORM = "signal"


class SignalEncoder(Encoder):
    """float32 (N, channels, moments) each -> what its body makes of it."""

    def __init__(self, bodies: Mapping[str, nn.Module]) -> None:
        super().__init__(list(bodies))
        self.bodies = nn.ModuleList(bodies.values())

    def forward(self, arrays: list[Tensor]) -> list[Tensor]:
        return [body(signal / 10) for body, signal in zip(self.bodies, arrays)]


def build(codecs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions) -> SignalEncoder:
    return SignalEncoder({name: options.body(codec.shape) for name, codec in codecs.items()})
