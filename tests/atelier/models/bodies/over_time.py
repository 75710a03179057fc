"""A convolution over time, and the most that it finds."""

from __future__ import annotations

from torch import Tensor, nn

from drivetrain.models.body import Body
from drivetrain.models.registry import Model
from drivetrain.models.takes import takes_form

MODEL = Model("a convolution over time", takes=takes_form("signal", "signals"))


class OverTime(Body):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(channels, 8, 3, padding=1), nn.ReLU())
        self.features = 8

    def forward(self, signals: Tensor) -> Tensor:
        return self.layers(signals).amax(2)

    def blocks(self) -> list[nn.Module]:
        return [self.layers]


def build(shape: tuple[int, ...], dropout: float = 0.0) -> OverTime:
    return OverTime(shape[0])
