"""A small transformer on patches of a series: `patch`, `patch:16-moments`, `patch:3-layers`, `patch:64-wide`.

Nie et al. 2023 (PatchTST, arXiv:2211.14730), whose patches overlap: here they lie side by side, and hold all channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.errors import UsageError
from drivetrain.models.attention import FAR, HEAD, sines, speeds_of, write_sines
from drivetrain.models.bodies.transformer import Block
from drivetrain.models.registry import Model
from drivetrain.models.sequences import (
    SequenceBody,
    mean_of,
    there,
    told,
    write_mean,
    write_places,
    write_there,
)
from drivetrain.models.takes import SERIES, takes_form

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

MODEL = Model("a small transformer on patches", takes=takes_form(SERIES, "series"))
WORDS = ("16-moments", "3-layers", "64-wide")
WIDTH, LAYERS = 64, 2
MOST_PATCHES = 24
"""Patches that a window is cut into, where nobody says how long they are: so many, of 2, 4, 8 ... moments."""


class Patches(SequenceBody):
    """Windows of one length (N, T, F): each patch is a place of its own among the features. Rows of different lengths: the mean."""

    speeds: Tensor

    def __init__(
        self, shape: tuple[int | None, int], moments: int, width: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        longest, channels = shape
        self.moments, self.wide = moments, width
        self.inward = nn.Linear(moments * channels, width)
        self.layers = nn.ModuleList(Block(width, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.patches = None if longest is None else -(-longest // moments)
        self.more = None if longest is None else -longest % moments
        """Moments of nothing before a window."""
        self.features = width * (self.patches or 1)
        self.register_buffer("speeds", speeds_of(width), persistent=False)

    def maps(self, values: Tensor, lengths: Tensor) -> Tensor:
        """(N, patches, width)."""
        before = self.more or 0
        behind = 0 if self.patches else -values.shape[1] % self.moments
        values = F.pad(values, (0, 0, before, behind))
        patches = values.unflatten(1, (-1, self.moments)).flatten(2)
        places = torch.arange(patches.shape[1], device=values.device)
        found = self.dropout(self.inward(patches) + sines(places, self.speeds))
        seen = there(found, self._lengths(lengths)).squeeze(2)[:, None, None, :]
        for layer in self.layers:
            found = layer(found, seen)
        return self.norm(found)

    def _lengths(self, lengths: Tensor) -> Tensor:
        """How many patches each row has."""
        return (lengths + self.moments - 1 + (self.more or 0)) // self.moments

    def pooled(self, maps: Tensor, lengths: Tensor) -> Tensor:
        return maps.flatten(1) if self.patches else mean_of(maps, self._lengths(lengths))

    def write_maps(self, graph: NetworkGraph, values: str, lengths: str) -> str:
        if self.more:
            values = graph.add("Pad", values, graph.whole(0, self.more, 0, 0, 0, 0))
        if not self.patches:
            values = self._write_whole_patches(graph, values)
        wide = self.inward.in_features
        patches = graph.add("Reshape", values, graph.whole(0, self.patches or -1, wide))
        places = graph.add("Unsqueeze", write_places(graph, patches), graph.whole(1))
        found = graph.add("Add", graph.write(self.inward, patches), write_sines(graph, places, self.speeds))
        seen = write_there(graph, found, self._write_lengths(graph, lengths))
        seen = graph.add("Reshape", seen, graph.whole(0, 1, 1, -1))
        unseen = graph.add("Where", seen, graph.constant(0), graph.constant(FAR))
        for layer in self.layers:
            found = graph.write(layer, found, unseen)
        return graph.write(self.norm, found)

    def _write_whole_patches(self, graph: NetworkGraph, values: str) -> str:
        """Moments of nothing behind the rows, up to a whole number of patches."""
        most = self.moments - 1
        if not most:
            return values
        longer = graph.add("Pad", values, graph.whole(0, 0, 0, 0, most, 0))
        side = graph.add("Shape", longer, start=1, end=2)
        whole = graph.add("Mul", graph.add("Div", side, graph.whole(self.moments)), graph.whole(self.moments))
        return graph.add("Slice", longer, graph.whole(0), whole, graph.whole(1))

    def _write_lengths(self, graph: NetworkGraph, lengths: str) -> str:
        longer = graph.add("Add", lengths, graph.constant(self.moments - 1 + (self.more or 0), "i8"))
        return graph.add("Div", longer, graph.constant(self.moments, "i8"))

    def write_pooled(self, graph: NetworkGraph, maps: str, lengths: str) -> str:
        if self.patches:
            return graph.add("Flatten", maps, axis=1)
        return write_mean(graph, maps, self._write_lengths(graph, lengths))

    def blocks(self) -> list[nn.Module]:
        return [self.inward, *self.layers, self.norm]


def moments_for(longest: int | None) -> int:
    """How long a patch is where nobody says so."""
    moments = 2
    while longest is not None and longest > moments * MOST_PATCHES:
        moments *= 2
    return moments if longest is not None else 8


def build(shape: tuple[int, ...], dropout: float = 0.0, *words: str) -> Patches:
    says = told(words, [], {"moments": moments_for(shape[0]), "layers": LAYERS, "wide": WIDTH})
    if says["wide"] % HEAD:
        raise UsageError(f"it is a multiple of {HEAD} wide.", where="model", fix=f"Say {WIDTH}-wide.")
    return Patches((shape[0], shape[1]), says["moments"], says["wide"], says["layers"], dropout)
