"""DLinear: a moving average of the window and what is left of it, each through a linear layer (Zeng et al. 2023,
arXiv:2205.13504). The series' own past alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from drivetrain.models.registry import Model
from drivetrain.models.sequences import SequenceBody
from drivetrain.models.takes import FORECASTS

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

MODEL = Model("a linear layer on the window's trend and one on the rest", takes=FORECASTS)
WINDOW = 25
"""Moments that the moving average is over, as in the paper; at both ends the outermost value is repeated."""


class DLinear(SequenceBody):
    """Windows (N, T, F) -> trend and rest of the first channel (N, 2 T)."""

    averaging: Tensor
    linear = own_past_alone = True

    def __init__(self, moments: int) -> None:
        super().__init__()
        self.features = 2 * moments
        self.register_buffer("averaging", averaging(moments), persistent=False)

    def pooled(self, maps: Tensor, lengths: Tensor) -> Tensor:
        del lengths
        values = maps[:, :, 0]
        trend = values @ self.averaging
        return torch.cat([trend, values - trend], 1)

    def write_pooled(self, graph: NetworkGraph, maps: str, lengths: str) -> str:
        del lengths
        values = graph.add("Gather", maps, graph.constant(0, "i8"), axis=2)
        trend = graph.add("MatMul", values, graph.tensor(self.averaging))
        return graph.beside([trend, graph.add("Sub", values, trend)])

    def blocks(self) -> list[nn.Module]:
        return []


def averaging(moments: int) -> Tensor:
    """float32 (T, T): values @ it is their moving average."""
    half = WINDOW // 2
    places = (torch.arange(moments)[None, :] + torch.arange(-half, half + 1)[:, None]).clamp(0, moments - 1)
    columns = torch.arange(moments).expand_as(places)
    ones = torch.full(places.shape, 1 / WINDOW)
    return torch.zeros(moments, moments).index_put((places, columns), ones, accumulate=True)


def build(shape: tuple[int, ...], dropout: float = 0.0) -> DLinear:
    del dropout
    return DLinear(shape[0])
