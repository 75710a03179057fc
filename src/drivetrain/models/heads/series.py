"""Features -> a series that is continued: each moment's point, and quantiles that never cross, on the series' own scale.

What is learned and told is scaled by the level and the spread of the row's window (see `encoders/series.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.codecs.series import Series
from drivetrain.errors import UsageError
from drivetrain.forecasting.bands import quantiles
from drivetrain.models.encoders import Places, ScaledPlaces
from drivetrain.models.heads import Head, HeadOptions
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

USUAL = {"loss": "absolute", "weight_decay": 1.0, "dropout": 0.2}
"""The settings where nobody says others. The median has the least absolute error. Windows overlap, so that there are fewer of
them than it seems: what nets find beside the linear forecast has to be held back, or of few years they learn the noise."""
NARROW, WIDE = 16, 64
"""What is known of a window, for its quantiles and for each moment ahead; and the layer in which they meet."""
STEP = 0.25
"""How far two quantiles are apart before anything is learned, in spreads of the window."""

FEW = 100
"""With fewer rows each moment of the horizon has too few to tell its quantiles."""

_LOSSES = {"squared": F.mse_loss, "huber": F.huber_loss, "absolute": F.l1_loss}


class SeriesHead(Head):
    """float32 (N, features) -> (N, H, 1 + L + 2): of each moment the point and L quantiles in units of the window, then the
    window's level and spread.

    The point is a dense layer of the features. The quantiles lie around it: from its step to the next each is a softplus away
    (as in Gasthaus et al. 2019, AISTATS, "Probabilistic Forecasting with Spline Quantile Function RNNs", by sums of what is
    not negative). What is known of a moment ahead (N, H, K) adds to both, by a dense layer that all moments share."""

    asks_places = calibrates = True
    error_name = "mean_absolute_error"
    levels: Tensor
    steps: Tensor
    band: Tensor
    learned: Tensor

    def __init__(self, horizon: int, levels: tuple[float, ...], features: int, options: HeadOptions) -> None:
        super().__init__()
        ((self.window, _),) = options.scaled.items()
        ahead = {name: shape for name, shape in options.places.items() if name not in options.scaled}
        self.ahead = list(ahead)
        self.horizon, self.loss_of = horizon, _LOSSES[options.loss]
        self.dropout = nn.Dropout(options.dropout)
        self.point = nn.Linear(features, horizon)
        nn.init.zeros_(self.point.weight)
        nn.init.zeros_(self.point.bias)
        known = sum(shape[1] for shape in ahead.values())
        self.linear = options.linear
        self.narrow = (
            nn.Sequential(nn.Linear(features, NARROW), nn.ReLU())
            if levels or (known and not self.linear)
            else None
        )
        self.apart = nn.Linear(NARROW, horizon * len(levels)) if levels else None
        if self.apart is not None:
            nn.init.constant_(self.apart.bias, float(np.log(np.expm1(STEP))))
        self.moment: nn.Module | None = None
        if known and self.linear:
            self.moment = nn.Linear(known, 1)
        elif known:
            self.moment = nn.Sequential(
                nn.Linear(known + NARROW, WIDE), nn.ReLU(), nn.Linear(WIDE, 1 + len(levels))
            )
        if known:
            last: Any = self.moment if self.linear else self.moment[-1]  # type: ignore[index]
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float32), persistent=False)
        self.register_buffer("steps", steps_between(levels), persistent=False)
        self.register_buffer("band", torch.zeros(horizon, len(levels)))
        self.register_buffer("learned", torch.ones(()))
        self.middle = levels.index(0.5) if 0.5 in levels and options.loss != "absolute" else None
        """The place of the median where the point is another: it may lie beside it."""

    def forward(self, features: Tensor, places: Mapping[str, Places]) -> Tensor:
        window = places[self.window]
        assert isinstance(window, ScaledPlaces)
        features = self.dropout(features)
        point = self.point(features).unsqueeze(2)
        rows = len(point)
        narrow = None if self.narrow is None else self.narrow(features)
        apart = None if self.apart is None else self.apart(narrow).view(rows, self.horizon, -1)
        if self.moment is not None:
            known = [places[name].values for name in self.ahead]
            if not self.linear:
                assert narrow is not None
                known.append(narrow.unsqueeze(1).expand(-1, self.horizon, -1))
            more = self.moment(torch.cat(known, 2) if len(known) > 1 else known[0])
            point = point + more[:, :, :1]
            if apart is not None and not self.linear:
                apart = apart + more[:, :, 1:]
        told = [point]
        if apart is not None:
            offsets = F.softplus(apart) @ self.steps
            if self.middle is not None:
                offsets = offsets + apart[:, :, self.middle : self.middle + 1]
            told.append(point + offsets)
        scale = torch.cat([window.level, window.spread], 1).unsqueeze(1).expand(-1, self.horizon, -1)
        return torch.cat([*told, scale], 2)

    def losses(self, outputs: Tensor, truths: Tensor) -> Tensor:
        """(N,): of the point as the settings say, and twice the mean pinball loss of the quantiles, in units of each window."""
        outputs = outputs.float()
        true = (truths - outputs[:, :, -2:-1]) / outputs[:, :, -1:]
        return _losses(self, outputs[:, :, :-2], true)

    def error(self, outputs: Tensor, truths: Tensor) -> Tensor:
        """How far the point is off, the mean over moments, summed over the batch ()."""
        outputs = outputs.float()
        return _absolute(outputs[:, :, :1] * outputs[:, :, -1:] + outputs[:, :, -2:-1], truths)

    def finish(self, outputs: Tensor) -> Tensor:
        """(N, H, 1 + L) on the series' own scale, with the quantiles of `calibrate`."""
        outputs = outputs.float()
        told = outputs[:, :, :-2]
        if self.apart is not None:
            point = told[:, :, :1]
            apart = told[:, :, 1:] - point
            wide = apart[:, :, -1:] - apart[:, :, :1]
            told = torch.cat([point, point + self.learned * apart + wide * self.band], 2)
        return told * outputs[:, :, -1:] + outputs[:, :, -2:-1]

    @torch.no_grad()
    def calibrate(self, outputs: Array, truths: Array) -> None:
        """Put the quantiles where those of what was not learned from are: `outputs` (n, H, 1 + L) are what the network told of
        rows that it did not learn from, `truths` (n, H, 1) what came, NaN where nothing was measured.

        How far a quantile lies from the point is then a number for each moment of the horizon, times how wide the network says
        that the row's band is: what is off by so much, in these widths, as often as the level says (see `bands.quantiles`)."""
        if self.apart is not None and len(outputs):
            self.band.copy_(
                torch.tensor(band_of(outputs, truths, tuple(self.levels.tolist())), dtype=torch.float32)
            )
            self.learned.zero_()

    def uncalibrate(self) -> None:
        """As the network has learned them."""
        self.band.zero_()
        self.learned.fill_(1.0)

    def by_halves(self, outputs: Array, truths: Array) -> Array:
        """Outputs (n, H, 1 + L) with the quantiles that the other half of the rows speaks for: those that they come from would
        flatter them. The halves are the earlier and the later rows, as they lie."""
        halves = np.array_split(np.arange(len(outputs)), 2)
        found = outputs.copy()
        if self.apart is None:
            return found
        for half, other in (halves, halves[::-1]):
            if len(other):
                point, wide = outputs[half, :, :1], outputs[half, :, -1:] - outputs[half, :, 1:2]
                found[half, :, 1:] = point + wide * band_of(
                    outputs[other], truths[other], tuple(self.levels.tolist())
                )
        return found

    def take_calibration(self, other: SeriesHead) -> None:
        """That of the same network, trained on fewer rows."""
        self.band.copy_(other.band)
        self.learned.copy_(other.learned)

    def write_graph(self, graph: NetworkGraph, features: str, output: str) -> None:
        level, spread = (graph.add("Unsqueeze", each, graph.whole(2)) for each in graph.places[self.window])
        point = graph.add("Unsqueeze", graph.write(self.point, features), graph.whole(2))
        narrow = apart = ""
        if self.narrow is not None:
            narrow = graph.write(self.narrow, features)
        if self.apart is not None:
            apart = graph.add(
                "Reshape", graph.write(self.apart, narrow), graph.whole(-1, self.horizon, len(self.levels))
            )
        if self.moment is not None:
            known = [graph.places[name] for name in self.ahead]
            if not self.linear:
                tall = graph.add("Unsqueeze", narrow, graph.whole(1))
                known.append(graph.add("Tile", tall, graph.whole(1, self.horizon, 1)))
            more = graph.write(
                self.moment, graph.add("Concat", *known, axis=2) if len(known) > 1 else known[0]
            )
            point = graph.add("Add", point, self._slice(graph, more, 0, 1))
            if apart and not self.linear:
                apart = graph.add("Add", apart, self._slice(graph, more, 1, 1 + len(self.levels)))
        told = [point]
        if apart:
            offsets = graph.add("MatMul", graph.add("Softplus", apart), graph.tensor(self.steps))
            if self.middle is not None:
                offsets = graph.add("Add", offsets, self._slice(graph, apart, self.middle, self.middle + 1))
            edges = (0, len(self.levels) - 1)
            low, high = (self._slice(graph, offsets, edge, edge + 1) for edge in edges)
            wide = graph.add("Mul", graph.add("Sub", high, low), graph.tensor(self.band))
            offsets = graph.add("Add", graph.add("Mul", offsets, graph.tensor(self.learned)), wide)
            told.append(graph.add("Add", point, offsets))
        told_ = graph.add("Concat", *told, axis=2) if len(told) > 1 else point
        graph.add("Add", graph.add("Mul", told_, spread), level, output=output)

    @staticmethod
    def _slice(graph: NetworkGraph, values: str, first: int, end: int) -> str:
        return graph.add("Slice", values, *(graph.whole(edge) for edge in (first, end, 2)))


class GivenSeries(Head):
    """The series as somebody's own module gives it: (N, H, 1 + L) on the series' own scale, point and quantiles."""

    error_name = "mean_absolute_error"

    def __init__(self, levels: tuple[float, ...], options: HeadOptions) -> None:
        super().__init__()
        self.loss_of = _LOSSES[options.loss]
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float32), persistent=False)

    levels: Tensor

    def forward(self, outputs: Tensor) -> Tensor:
        return outputs

    def losses(self, outputs: Tensor, truths: Tensor) -> Tensor:
        return _losses(self, outputs.float(), truths)

    def error(self, outputs: Tensor, truths: Tensor) -> Tensor:
        return _absolute(outputs, truths)

    def finish(self, outputs: Tensor) -> Tensor:
        """Quantiles in their order."""
        outputs = outputs.float()
        return torch.cat([outputs[:, :, :1], outputs[:, :, 1:].sort(2).values], 2)


def _losses(head: SeriesHead | GivenSeries, told: Tensor, true: Tensor) -> Tensor:
    """(N,): the point's loss and twice the mean pinball loss of the quantiles, told (N, H, 1 + L), true (N, H, 1). What is not
    known of the truth, NaN, counts in neither."""
    known = ~true.isnan()
    true = torch.where(known, true, 0.0)
    found = head.loss_of(told[:, :, :1], true, reduction="none")
    if len(head.levels):
        beyond = true - told[:, :, 1:]
        found = found + 2 * torch.maximum(head.levels * beyond, (head.levels - 1) * beyond).mean(2, True)
    return _mean_of_known(found, known)


def _absolute(told: Tensor, true: Tensor) -> Tensor:
    """(): how far points are off, the mean over the moments of each row, the sum over rows."""
    return _mean_of_known((told[:, :, :1] - true).abs(), ~true.isnan()).sum()


def _mean_of_known(values: Tensor, known: Tensor) -> Tensor:
    """(N,) the mean of (N, H, 1) where it is known."""
    return torch.where(known, values, 0.0).sum((1, 2)) / known.sum((1, 2)).clamp(min=1)


def band_of(outputs: Array, truths: Array, levels: tuple[float, ...]) -> Array:
    """float64 (H, L): the quantiles of what came, less the point, in widths of the band that was told. Of few rows all moments
    of the horizon have the same."""
    wide = outputs[:, :, -1].astype(np.float64) - outputs[:, :, 1]
    off = (truths[:, :, 0] - outputs[:, :, 0].astype(np.float64)) / np.maximum(
        wide, np.finfo(np.float32).tiny
    )
    if len(off) < FEW:
        return np.repeat(quantiles(off.reshape(-1, 1), levels), off.shape[1], 0)
    return quantiles(off, levels)


def continued(codec: Series) -> str:
    """The channel that a target continues: it is found in what came before, and scaled there window by window."""
    return codec.channels[0]


def steps_between(levels: tuple[float, ...]) -> Tensor:
    """float32 (L, L): steps that are not negative @ it are how far each quantile lies from the point: below it for levels
    under 0.5, above it for those over, at it for 0.5 itself; the step of a level is that to its neighbour on the way."""
    found = torch.zeros(len(levels), len(levels))
    for place, level in enumerate(levels):
        for step, other in enumerate(levels):
            if level <= other < 0.5:
                found[step, place] = -1.0
            elif 0.5 < other <= level:
                found[step, place] = 1.0
    return found


def build(codec: Series, features: int | None, options: HeadOptions) -> Head:
    horizon, levels = codec.output_shape[0], codec.levels
    if features is None:
        return GivenSeries(levels, options)
    if len(options.scaled) != 1:
        raise UsageError(
            "a series is told from one that came before it.", where="model", fix="Use --task forecast."
        )
    return SeriesHead(horizon, levels, features, options)
