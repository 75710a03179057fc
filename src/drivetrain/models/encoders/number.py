"""Numbers -> features: scaled by what the codec learned, and cut into pieces where the model asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from drivetrain.codecs import Codec
from drivetrain.codecs.number import Number
from drivetrain.models.encoders import Encoder, EncoderOptions
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

FARTHEST = 8.0
"""A scaled value beyond this is cut off where pieces are asked for: one outlier must not outweigh its row."""


class NumberEncoder(Encoder):
    """float32 (N, k), NaN where missing -> scaled (N, k), pieces (N, k * bins), is-missing (N, those that may be).

    The pieces are the piecewise linear encoding of Gorishniy, Rubachev and Babenko (2022), "On Embeddings for
    Numerical Features in Tabular Deep Learning": piece t of x is how far x has come from edge t to edge t + 1, from
    0 to 1. See `_edges` for where they are.
    """

    joined = True
    center: Tensor
    scale: Tensor
    logged: Tensor
    may_miss: Tensor
    low: Tensor
    steepness: Tensor

    def __init__(self, codecs: Mapping[str, Number], edges: Array) -> None:
        super().__init__(list(codecs))
        chosen = list(codecs.values())
        centers, spreads = zip(*(codec.graph_scale for codec in chosen))
        self.register_buffer("center", torch.tensor(centers))
        self.register_buffer("scale", torch.tensor([1 / spread for spread in spreads]))
        self.any_logged = any(codec.log for codec in chosen)
        self.register_buffer("logged", torch.tensor([codec.log for codec in chosen]))
        self.may_be_nan = [name for name, codec in codecs.items() if codec.missing]
        missing = [place for place, codec in enumerate(chosen) if codec.missing]
        self.misses, self.all_miss = bool(missing), len(missing) == len(chosen)
        self.register_buffer("may_miss", torch.tensor(missing, dtype=torch.int64))
        widths = np.diff(edges, axis=1)
        self.bins = widths.shape[1]
        self.register_buffer("low", torch.tensor(edges[:, :-1], dtype=torch.float32))
        # A piece without width is never entered: its neighbours hold the step.
        steep = np.divide(1.0, widths, out=np.zeros_like(widths), where=widths > 0)
        self.register_buffer("steepness", torch.tensor(steep, dtype=torch.float32))

    def forward(self, values: Tensor) -> list[Tensor]:
        parts: list[Tensor] = []
        if self.misses:
            absent = values.isnan()
        if self.any_logged:
            values = torch.where(self.logged, values.sign() * values.abs().log1p(), values)
        scaled = (values - self.center) * self.scale
        if self.misses:
            scaled = scaled.masked_fill(absent, 0.0)
        if self.bins:
            scaled = scaled.clamp(-FARTHEST, FARTHEST)
            parts.append(((scaled.unsqueeze(2) - self.low) * self.steepness).clamp(0, 1).flatten(1))
        if self.misses:
            parts.append(
                (absent if self.all_miss else absent.index_select(1, self.may_miss)).to(scaled.dtype)
            )
        return [scaled, *parts]

    def write_graph(self, graph: NetworkGraph) -> list[str]:
        add = graph.add
        values = graph.beside([graph.column(graph.inputs[name]) for name in self.names])
        parts: list[str] = []
        absent = add("IsNaN", values) if self.misses else ""
        if self.any_logged:
            grown = add("Log", add("Add", add("Abs", values), graph.constant(1)))
            logs = add("Mul", add("Sign", values), grown)
            values = add("Where", graph.constant(self.logged.numpy(force=True), bool), logs, values)
        scaled = add("Mul", add("Sub", values, graph.tensor(self.center)), graph.tensor(self.scale))
        if self.misses:
            scaled = add("Where", absent, graph.constant(0), scaled)
        if self.bins:
            scaled = add("Clip", scaled, graph.constant(-FARTHEST), graph.constant(FARTHEST))
            risen = add("Sub", add("Unsqueeze", scaled, graph.whole(2)), graph.tensor(self.low))
            risen = add("Mul", risen, graph.tensor(self.steepness))
            parts.append(add("Flatten", add("Clip", risen, graph.constant(0), graph.constant(1)), axis=1))
        if self.misses:
            chosen = absent if self.all_miss else add("Gather", absent, graph.tensor(self.may_miss), axis=1)
            parts.append(graph.floats(chosen))
        return [scaled, *parts]

    def inputs_of(self, widths: Sequence[int]) -> list[int]:
        """The last part is of those alone that may be missing."""
        if not self.misses:
            return super().inputs_of(widths)
        return [*super().inputs_of(widths[:-1]), *self.may_miss.tolist()]


def build(codecs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions) -> NumberEncoder:
    """The edges of the pieces are taken from `rows`."""
    numbers = cast("Mapping[str, Number]", codecs)
    plain = NumberEncoder(numbers, np.zeros((len(codecs), 1)))
    if not options.bins:
        return plain
    sample = [torch.as_tensor(np.asarray(rows[name], np.float32)) for name in codecs]
    with torch.no_grad():
        scaled = plain(torch.stack(sample, 1))[0].clamp(-FARTHEST, FARTHEST).double().numpy()
    levels = np.linspace(0, 1, options.bins + 1)
    return NumberEncoder(numbers, np.stack([_edges(column, levels) for column in scaled.T]))


def _edges(values: Array, levels: Array) -> Array:
    """(bins + 1,) rising edges: quantiles, where a value that n rows share counts as the root of n. By plain quantiles
    a column that is 0 nine times in ten would have nine pieces in ten at 0; so rare values keep some of their own."""
    different, counts = np.unique(values, return_counts=True)
    if len(different) == 1:
        return np.full(len(levels), different[0])
    mass = np.sqrt(counts).cumsum()
    return np.interp(levels, (mass - mass[0]) / (mass[-1] - mass[0]), different)
