"""NLinear: the window less its last value through one linear layer, and that value added again (Zeng et al. 2023,
arXiv:2205.13504), which the encoder and the head do for all. The series' own past alone."""

from __future__ import annotations

from drivetrain.models.registry import Model
from drivetrain.models.sequences import Flat
from drivetrain.models.takes import FORECASTS

MODEL = Model("a linear layer on the window less its last value", takes=FORECASTS)


def build(shape: tuple[int, ...], dropout: float = 0.0) -> Flat:
    del dropout
    body = Flat(shape, first=True)
    body.linear = True
    return body
