"""Series -> scaled moments before a body that reads them; what is known ahead goes to the head as it is.

Channels are scaled by the mean and the spread of the training rows, in the graph. Where one is to be continued
(`EncoderOptions.continued`), which is the first of its series, the last value of each window is taken off it, and it is
divided by the window's own spread (as NLinear does the one, arXiv:2205.13504, and Reversible Instance Normalization the other, Kim
et al. 2022, ICLR): what is told of it is told in these, and its head puts them back. Series that don't have it are known ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from drivetrain.codecs import Codec
from drivetrain.codecs.series import Series
from drivetrain.errors import UsageError
from drivetrain.models.encoders import Encoder, EncoderOptions, Places, ScaledPlaces
from drivetrain.models.sequences import SequenceBody, there, write_there
from drivetrain.models.takes import SERIES
from drivetrain.ragged import lengths_of
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

FORM = SERIES
MOST_ROWS = 512
"""Rows that statistics are taken from."""
FLAT, SHARE = 0.1, 0.1
"""A window that is flatter than FLAT of what a SHARE of the training windows is below counts as if it weren't, half and half:
what follows a constant is not told in billionths."""
FARTHEST = 3.0
"""How far from the mean of training the level of a window is told at most, in spreads: a series that has risen beyond all that was
seen goes on from where it is."""
LONGEST = 336
"""Moments of a window that a network sees which is no sum: of a thousand it learns by heart which window it is (ETTh1-OT: MAE 1.6,
and 1.3 of the last two weeks)."""
LEAST = 1e-6
"""The least spread, in spreads of the training rows."""


class SeriesReader(nn.Module):
    """Moments float32 (N, T, C), and how many of each row are there, int64 (N,) -> what `body` makes of them, scaled.

    `flat` is a spread of windows of the first channel (see FLAT), None where no window is scaled by itself.
    """

    center: Tensor
    scale: Tensor
    flat: Tensor

    def __init__(
        self, center: Array, spread: Array, body: nn.Module, flat: float | None, moments: int | None
    ) -> None:
        super().__init__()
        self.body: Any = body
        self.relative, self.moments = flat is not None, moments
        self.register_buffer("center", torch.tensor(center, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(1 / spread, dtype=torch.float32))
        self.register_buffer("flat", torch.tensor(flat or 0.0, dtype=torch.float32))

    @property
    def read(self) -> int | None:
        """How many moments of a row the body reads, the newest; None: as many as there are."""
        newest = getattr(self.body, "newest", None) if self.relative else None
        return min(newest, self.window) if newest else self.window

    @property
    def window(self) -> int | None:
        """How many moments of a row stand for it, the newest."""
        if self.moments is None or not self.relative or self.body.linear:
            return self.moments
        return min(self.moments, LONGEST)

    def lengths(self, batch: Mapping[Any, Tensor], name: str) -> Tensor:
        """How many moments of each row the body reads, 1 at least."""
        if self.read is None:
            return batch[lengths_of(name)].clamp(min=1)
        values = batch[name]
        return torch.full((len(values),), self.read, device=values.device)

    def prepare(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scaled moments, zeros where there are none; and of each row (N, 1) its own level and spread."""
        if not self.relative:
            scaled = (values - self.center) * self.scale
            if self.moments is None:
                scaled = scaled * there(values, lengths)
            return scaled, scaled, scaled
        own = values[:, :, 0].contiguous()
        level = own[:, -1:]
        # Five times as fast as torch's var, which goes through the values one by one.
        variance = (own - own.mean(1, keepdim=True)).square().mean(1, keepdim=True)
        spread = (variance + self.flat.square()).sqrt()
        scaled = ((own - level) / spread).unsqueeze(2)
        if values.shape[2] > 1 and not self.body.own_past_alone:
            others = (values[:, :, 1:] - self.center[1:]) * self.scale[1:]
            scaled = torch.cat([scaled, others], 2)
        return scaled, level, spread

    def write_prepared(self, graph: NetworkGraph, values: str, lengths: str) -> tuple[str, str, str]:
        if not self.relative:
            scaled = self._write_scaled(graph, values, 0)
            if self.moments is None:
                scaled = graph.add("Mul", scaled, graph.floats(write_there(graph, values, lengths)))
            return scaled, "", ""
        own = graph.add("Gather", values, graph.constant(0, "i8"), axis=2)
        mean = graph.add("ReduceMean", own, graph.whole(1), keepdims=1)
        apart = graph.add("Sub", own, mean)
        variance = graph.add("ReduceMean", graph.add("Mul", apart, apart), graph.whole(1), keepdims=1)
        spread = graph.add("Sqrt", graph.add("Add", variance, graph.tensor(self.flat.square())))
        level = graph.add("Gather", own, graph.whole(-1), axis=1)
        scaled = graph.add(
            "Unsqueeze", graph.add("Div", graph.add("Sub", own, level), spread), graph.whole(2)
        )
        if len(self.center) > 1 and not self.body.own_past_alone:
            edges = (graph.whole(edge) for edge in (1, len(self.center), 2))
            others = self._write_scaled(graph, graph.add("Slice", values, *edges), 1)
            scaled = graph.add("Concat", scaled, others, axis=2)
        return scaled, level, spread

    def _write_scaled(self, graph: NetworkGraph, values: str, first: int) -> str:
        apart = graph.add("Sub", values, graph.tensor(self.center[first:]))
        return graph.add("Mul", apart, graph.tensor(self.scale[first:]))


class SeriesEncoder(Encoder):
    """Each series through a body of its own, but those that are `ahead`: these are places alone.

    Where a series is to be continued, its level stands beside what the body found, and its window too unless that is a sum
    already: nets say what they have found beside a linear forecast (as in Lai et al. 2018, LSTNet, arXiv:1703.07015)."""

    def __init__(self, readers: Mapping[str, SeriesReader], ahead: Mapping[str, SeriesReader]) -> None:
        super().__init__([*readers, *ahead])
        self.read, self.ahead = tuple(readers), tuple(ahead)
        self.readers, self.known = nn.ModuleList(readers.values()), nn.ModuleList(ahead.values())

    @property
    def bodies(self) -> list[nn.Module]:
        return [reader.body for reader in list[Any](self.readers)]

    def of(self, batch: Mapping[Any, Tensor]) -> list[Tensor]:
        return self._found(batch, maps_too=False)[0]

    def with_places(self, batch: Mapping[Any, Tensor]) -> tuple[list[Tensor], dict[str, Places]]:
        return self._found(batch, maps_too=True)

    def _found(self, batch: Mapping[Any, Tensor], maps_too: bool) -> tuple[list[Tensor], dict[str, Places]]:
        parts: list[Tensor] = []
        places: dict[str, Places] = {}
        for name, reader in zip(self.read, list[Any](self.readers)):
            lengths = reader.lengths(batch, name)
            scaled, level, spread = reader.prepare(batch[name], lengths)
            maps = reader.body.maps(scaled if reader.read is None else scaled[:, -reader.read :], lengths)
            parts.append(reader.body.pooled(maps, lengths))
            if reader.relative:
                places[name] = ScaledPlaces.of_rows(maps, level, spread)
                parts.append(((level - reader.center[:1]) * reader.scale[:1]).clamp(-FARTHEST, FARTHEST))
                if not reader.body.linear:
                    parts.append(scaled[:, -reader.window :, 0])
            elif maps_too:
                places[name] = Places.of_lengths(maps, lengths)
        for name, reader in zip(self.ahead, list[Any](self.known)):
            values = batch[name]
            places[name] = Places(reader.prepare(values, reader.lengths(batch, name))[0])
        return parts, places

    def inputs_of(self, widths: Any) -> list[int]:
        """The level and the window that stand beside what a body found are of the same input."""
        parts = [
            place
            for place, reader in enumerate(list[Any](self.readers))
            for _ in range(1 + (2 - reader.body.linear if reader.relative else 0))
        ]
        return [place for place, width in zip(parts, widths) for _ in range(width)]

    def write_graph(self, graph: NetworkGraph) -> list[str]:
        parts: list[str] = []
        for name, reader in zip(self.read, list[Any](self.readers)):
            values = graph.inputs[name]
            lengths = self._write_lengths(graph, name, reader)
            scaled, level, spread = reader.write_prepared(graph, values, lengths)
            newest = scaled
            if reader.read != reader.moments:
                edges = (graph.whole(edge) for edge in (-reader.read, reader.moments, 1))
                newest = graph.add("Slice", scaled, *edges)
            parts.append(graph.write(reader.body, newest, lengths))
            if reader.relative:
                graph.places[name] = (level, spread)
                apart = graph.add("Sub", level, graph.tensor(reader.center[:1]))
                apart = graph.add("Mul", apart, graph.tensor(reader.scale[:1]))
                parts.append(graph.add("Clip", apart, graph.constant(-FARTHEST), graph.constant(FARTHEST)))
                if not reader.body.linear:
                    edges = (graph.whole(edge) for edge in (-reader.window, reader.moments, 1))
                    window = graph.add("Slice", scaled, *edges)
                    parts.append(graph.add("Gather", window, graph.constant(0, "i8"), axis=2))
        for name, reader in zip(self.ahead, list[Any](self.known)):
            graph.places[name] = reader.write_prepared(graph, graph.inputs[name], "")[0]
        return parts

    @staticmethod
    def _write_lengths(graph: NetworkGraph, name: str, reader: SeriesReader) -> str:
        if reader.read is None:
            return graph.add("Max", graph.inputs[lengths_of(name)], graph.constant(1, "i8"))
        rows = graph.add("Shape", graph.inputs[name], start=0, end=1)
        return graph.add("Expand", graph.constant([reader.read], "i8"), rows)


def build(codecs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions) -> SeriesEncoder:
    """Statistics are those of `rows`. Raises UsageError where several series are to be continued at once, and for somebody's
    own module beside other inputs."""
    readers: dict[str, SeriesReader] = {}
    ahead: dict[str, SeriesReader] = {}
    continued = options.continued
    for name, codec in cast("Mapping[str, Series]", codecs).items():
        if codec.center is None:
            codec = codec.fit(np.asarray(rows[name]))
        scale = (np.array(codec.center), np.array(codec.spread))
        if continued and continued not in codec.channels:
            ahead[name] = SeriesReader(*scale, nn.Identity(), None, codec.length)
            continue
        body = options.body(codec.shape, FORM)
        if continued and (codec.length or 0) > LONGEST and not getattr(body, "linear", False):
            body = options.body((LONGEST, len(codec.channels)), FORM)
        if not isinstance(body, SequenceBody):
            raise UsageError(
                f"a torch module that takes {name!r} takes it raw.", where="model", fix="Set takes_raw = True in it."
            )  # fmt: skip
        flat = flat_of(rows[name], codec.spread[0]) if continued and codec.spread else None
        readers[name] = SeriesReader(*scale, body, flat, codec.length)
    if continued:
        _refuse_windows(continued, {name: cast("Series", codecs[name]) for name in readers})
    return SeriesEncoder(readers, ahead)


def _refuse_windows(continued: str, windows: Mapping[str, Series]) -> None:
    """Raises UsageError unless there is one window to tell from, of a fixed length, with what is continued first."""
    if len(windows) == 1:
        (codec,) = windows.values()
        if codec.length is not None and codec.channels[0] == continued:
            return
    raise UsageError(
        f"{continued!r} is told from one series of a fixed length whose first channel it is; "
        f"here it is in {', '.join(windows) or 'none'}.",
        where="model", fix="Use --task forecast.",
    )  # fmt: skip


def flat_of(rows: Any, spread: float) -> float:
    """How flat a window of the first channel may be (see FLAT), from training rows and the spread of all their moments."""
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).astype(np.int64))
    windows = np.asarray(rows[chosen])[:, :, 0].astype(np.float64)
    return max(FLAT * float(np.quantile(windows.std(1), SHARE)), LEAST * spread)
