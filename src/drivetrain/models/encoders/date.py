"""Dates -> features: how late it is, and where in the year, week and day."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.codecs import Codec
from drivetrain.codecs.date import CALENDAR, MISSING, ROUND, Date
from drivetrain.models.encoders import Encoder, EncoderOptions
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

EARLIEST = MISSING // 2
"""No date is before this; what says that there is none is."""


class DateFeatures(nn.Module):
    """int64 (N, 1 + parts) -> elapsed time, scaled; columns and circles of the parts; whether it is missing."""

    def __init__(self, codec: Date) -> None:
        super().__init__()
        self.center, self.spread = int(codec.center or 0), float(codec.spread or 1.0)
        self.parts, self.missing = codec.parts or (), codec.missing

    def forward(self, dates: Tensor) -> Tensor:
        present = (dates[:, :1] > EARLIEST).to(torch.float32)
        elapsed = (dates[:, :1] - self.center).to(torch.float32) / self.spread
        found = [torch.where(present > 0, elapsed, 0.0)]
        for place, part in enumerate(self.parts, 1):
            if part in CALENDAR:
                first, count = CALENDAR[part]
                column = F.one_hot((dates[:, place] - first).clamp(0, count - 1), count)
                found.append(column.to(torch.float32) * present)
            elif part in ROUND:
                first, count = ROUND[part]
                angle = (dates[:, place : place + 1] - first).to(torch.float32) * (2 * math.pi / count)
                found += [angle.sin() * present, angle.cos() * present]
        if self.missing:
            found.append(1 - present)
        return torch.cat(found, 1)

    def write_graph(self, graph: NetworkGraph, dates: str) -> str:
        add, constant = graph.add, graph.constant

        def part(place: int) -> str:
            """(n, 1)."""
            return add("Gather", dates, graph.whole(place), axis=1)

        there = add("Greater", part(0), constant(EARLIEST, np.int64))
        present = graph.floats(there)
        since = graph.floats(add("Sub", part(0), constant(self.center, np.int64)))
        found = [add("Where", there, add("Div", since, constant(self.spread)), constant(0))]
        for place, name in enumerate(self.parts, 1):
            if name in CALENDAR:
                first, count = CALENDAR[name]
                codes = add("Sub", part(place), constant(first, np.int64))
                codes = add("Clip", codes, constant(0, np.int64), constant(count - 1, np.int64))
                found.append(add("Mul", graph.one_hot(codes, count), present))
            elif name in ROUND:
                first, count = ROUND[name]
                turned = graph.floats(add("Sub", part(place), constant(first, np.int64)))
                angle = add("Mul", turned, constant(2 * math.pi / count))
                found += [add("Mul", add(wave, angle), present) for wave in ("Sin", "Cos")]
        if self.missing:
            found.append(add("Sub", constant(1), present))
        return graph.beside(found)


class DateEncoder(Encoder):
    """The features of each date. The year is in the elapsed time."""

    def __init__(self, codecs: Mapping[str, Date]) -> None:
        super().__init__(list(codecs))
        self.dates = nn.ModuleList(DateFeatures(codec) for codec in codecs.values())

    def forward(self, arrays: list[Tensor]) -> list[Tensor]:
        return [features(dates) for features, dates in zip(self.dates, arrays)]

    def write_graph(self, graph: NetworkGraph) -> list[str]:
        return [graph.write(features, graph.inputs[name]) for name, features in zip(self.names, self.dates)]


def build(codecs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions) -> DateEncoder:
    del rows, options
    return DateEncoder(cast("Mapping[str, Date]", codecs))
