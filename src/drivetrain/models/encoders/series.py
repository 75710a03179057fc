"""Series -> scaled moments before a body that reads them; what is known ahead goes to the head as it is.

Channels are scaled by the mean and the spread of the training rows, in the graph. Where a series is to be continued
(`EncoderOptions.relative`), the channel that is continued, the first, is scaled by each window's own level and spread instead
(Kim et al. 2022, Reversible Instance Normalization, ICLR): what is told of it is told in these, and its head puts them back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from drivetrain.codecs import Codec
from drivetrain.errors import UsageError
from drivetrain.models.encoders import Encoder, EncoderOptions, Places
from drivetrain.models.sequences import SequenceBody, there, write_there
from drivetrain.models.takes import SERIES
from drivetrain.ragged import as_batch, lengths_of
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

FORM = SERIES
MOST_ROWS = 512
"""Rows that statistics are taken from."""
FLAT, SHARE = 0.1, 0.1
"""A window that is flatter than FLAT of what a SHARE of the training windows is below counts as if it weren't, half and half:
what follows a constant is not told in billionths."""
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
        self.level = getattr(body, "level", "mean")
        self.register_buffer("center", torch.tensor(center, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(1 / spread, dtype=torch.float32))
        self.register_buffer("flat", torch.tensor(flat or 0.0, dtype=torch.float32))

    def lengths(self, batch: Mapping[Any, Tensor], name: str) -> Tensor:
        """How many moments each row has, 1 at least."""
        if self.moments is None:
            return batch[lengths_of(name)].clamp(min=1)
        values = batch[name]
        return torch.full((len(values),), self.moments, device=values.device)

    def prepare(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scaled moments, zeros where there are none; and of each row (N, 1) its own level and spread."""
        if not self.relative:
            scaled = (values - self.center) * self.scale
            if self.moments is None:
                scaled = scaled * there(values, lengths)
            return scaled, scaled, scaled
        own = values[:, :, 0]
        variance, mean = torch.var_mean(own, 1, correction=0, keepdim=True)
        spread = (variance + self.flat.square()).sqrt()
        level = own[:, -1:] if self.level == "last" else mean
        scaled = ((own - level) / spread).unsqueeze(2)
        if values.shape[2] > 1:
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
        level = mean
        if self.level == "last":
            level = graph.add("Gather", own, graph.whole(-1), axis=1)
            apart = graph.add("Sub", own, level)
        scaled = graph.add("Unsqueeze", graph.add("Div", apart, spread), graph.whole(2))
        if len(self.center) > 1:
            edges = (graph.whole(edge) for edge in (1, len(self.center), 2))
            others = self._write_scaled(graph, graph.add("Slice", values, *edges), 1)
            scaled = graph.add("Concat", scaled, others, axis=2)
        return scaled, level, spread

    def _write_scaled(self, graph: NetworkGraph, values: str, first: int) -> str:
        apart = graph.add("Sub", values, graph.tensor(self.center[first:]))
        return graph.add("Mul", apart, graph.tensor(self.scale[first:]))


class SeriesEncoder(Encoder):
    """Each series through a body of its own, but those that are `ahead`: these are places alone.

    Where a series is to be continued, its window stands beside what the body found, unless that is a sum already: nets say
    what they have found beside a linear forecast (as in Lai et al. 2018, LSTNet, arXiv:1703.07015)."""

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

    def _found(
        self, batch: Mapping[Any, Tensor], maps_too: bool
    ) -> tuple[list[Tensor], dict[str, Places]]:
        parts: list[Tensor] = []
        places: dict[str, Places] = {}
        for name, reader in zip(self.read, list[Any](self.readers)):
            lengths = reader.lengths(batch, name)
            scaled, level, spread = reader.prepare(batch[name], lengths)
            maps = reader.body.maps(scaled, lengths)
            parts.append(reader.body.pooled(maps, lengths))
            if reader.relative:
                places[name] = Places(maps, None, level, spread)
                if not reader.body.linear:
                    parts.append(scaled[:, :, 0])
            elif maps_too:
                places[name] = Places.of_lengths(maps, lengths)
        for name, reader in zip(self.ahead, list[Any](self.known)):
            values = batch[name]
            places[name] = Places(reader.prepare(values, reader.lengths(batch, name))[0])
        return parts, places

    def inputs_of(self, widths: Any) -> list[int]:
        """A window that stands beside what a body found is of the same input."""
        parts = [
            place
            for place, reader in enumerate(list[Any](self.readers))
            for _ in range(1 + (reader.relative and not reader.body.linear))
        ]
        return [place for place, width in zip(parts, widths) for _ in range(width)]

    def write_graph(self, graph: NetworkGraph) -> list[str]:
        parts: list[str] = []
        for name, reader in zip(self.read, list[Any](self.readers)):
            values = graph.inputs[name]
            lengths = self._write_lengths(graph, name, reader)
            scaled, level, spread = reader.write_prepared(graph, values, lengths)
            parts.append(graph.write(reader.body, scaled, lengths))
            if reader.relative:
                graph.places[name] = (level, spread)
                if not reader.body.linear:
                    parts.append(graph.add("Gather", scaled, graph.constant(0, "i8"), axis=2))
        for name, reader in zip(self.ahead, list[Any](self.known)):
            graph.places[name] = reader.write_prepared(graph, graph.inputs[name], "")[0]
        return parts

    @staticmethod
    def _write_lengths(graph: NetworkGraph, name: str, reader: SeriesReader) -> str:
        if reader.moments is None:
            return graph.add("Max", graph.inputs[lengths_of(name)], graph.constant(1, "i8"))
        rows = graph.add("Shape", graph.inputs[name], start=0, end=1)
        return graph.add("Expand", graph.constant([reader.moments], "i8"), rows)


def build(codecs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions) -> SeriesEncoder:
    """Statistics are those of `rows`. Raises UsageError where several series are to be continued at once, and for somebody's
    own module beside other inputs."""
    readers: dict[str, SeriesReader] = {}
    ahead: dict[str, SeriesReader] = {}
    for name, codec in codecs.items():
        center, spread, flat = statistics(rows[name])
        moments, channels = codec.shape
        if getattr(codec, "ahead", False):
            ahead[name] = SeriesReader(center, spread, nn.Identity(), None, moments)
            continue
        body = options.body((moments, channels), FORM)
        if not isinstance(body, SequenceBody):
            raise UsageError(
                f"a torch module that takes {name!r} takes it raw.", where="model", fix="Set takes_raw = True in it."
            )  # fmt: skip
        readers[name] = SeriesReader(center, spread, body, flat if options.relative else None, moments)
    if options.relative and (len(readers) != 1 or next(iter(readers.values())).moments is None):
        raise UsageError(
            f"a series is told from one window, and here are {', '.join(readers) or 'none'}.", where="model",
            fix="Give one series of a fixed length; what is known ahead says ahead=True.",
        )  # fmt: skip
    return SeriesEncoder(readers, ahead)


def statistics(rows: Any) -> tuple[Array, Array, float]:
    """float64 (C,), (C,) the mean and the spread of each channel, and what `SeriesReader` knows as `flat`."""
    some = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).astype(np.int64))]
    batch = as_batch({"": some})
    windows = batch[""].astype(np.float64)
    if lengths_of("") in batch:
        moments = np.concatenate([row[:length] for row, length in zip(windows, batch[lengths_of("")])])
    else:
        moments = windows.reshape(-1, windows.shape[2])
    if not len(moments):
        moments = np.zeros((1, windows.shape[2]))
    center, spread = moments.mean(0), moments.std(0)
    spread[spread == 0] = 1.0
    flat = max(FLAT * float(np.quantile(windows[:, :, 0].std(1), SHARE)), LEAST * float(spread[0]))
    return center, spread, flat
