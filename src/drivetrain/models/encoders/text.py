"""Texts -> the mean of their words' vectors: a bag of words with a learned meaning for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from drivetrain.codecs import Codec
from drivetrain.codecs.text import Text
from drivetrain.models.encoders import Encoder, EncoderOptions, Places
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

WIDTH = 64
KNOWN_FROM = 1
"""Ids below this are padding."""


class MeanOfWords(nn.Module):
    """int32 (N, length) word ids, 0 = padding -> (N, WIDTH); zeros for a text without words."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.table = nn.Embedding(words, WIDTH)
        with torch.no_grad():
            self.table.weight.mul_(WIDTH**-0.5)

    def forward(self, words: Tensor) -> Tensor:
        present = (words >= KNOWN_FROM).to(torch.float32).unsqueeze(2)
        return (self.table(words) * present).sum(1) / present.sum(1).clamp(min=1.0)

    def places(self, words: Tensor) -> Places:
        """The vector of each word (N, length, WIDTH), zeros where there is none."""
        known = words >= KNOWN_FROM
        return Places(self.table(words) * known.unsqueeze(2), known)

    def write_graph(self, graph: NetworkGraph, words: str, text: str) -> str:
        """Of the words of an input `text`."""
        add, length = graph.add, graph.whole(1)
        known = add("GreaterOrEqual", words, graph.constant(KNOWN_FROM, np.int32))
        present = add("Unsqueeze", graph.floats(known), graph.whole(2))
        vectors = add("Mul", add("Gather", graph.table(self.table.weight, text), words), present)
        total, count = (add("ReduceSum", each, length, keepdims=0) for each in (vectors, present))
        return add("Div", total, add("Max", count, graph.constant(1)))


class TextEncoder(Encoder):
    """The mean of the words of each text; what follows them, n-grams, is for other models."""

    def __init__(self, codecs: Mapping[str, Text]) -> None:
        super().__init__(list(codecs))
        self.lengths = [codec.length or 0 for codec in codecs.values()]
        self.texts = nn.ModuleList(MeanOfWords(codec.levels) for codec in codecs.values())

    def forward(self, arrays: list[Tensor]) -> list[Tensor]:
        return [mean(words[:, :length]) for mean, words, length in zip(self.texts, arrays, self.lengths)]

    def with_places(self, batch: Mapping[Any, Tensor]) -> tuple[list[Tensor], dict[str, Places]]:
        found = zip(self.names, list[Any](self.texts), self.lengths)
        return self.of(batch), {name: mean.places(batch[name][:, :length]) for name, mean, length in found}

    def write_graph(self, graph: NetworkGraph) -> list[str]:
        texts = [graph.inputs[name] for name in self.names]
        words = [graph.columns(text, 0, end) for text, end in zip(texts, self.lengths)]
        return [graph.write(mean, ids, text) for mean, ids, text in zip(self.texts, words, texts)]


def build(codecs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions) -> TextEncoder:
    del rows, options
    return TextEncoder(cast("Mapping[str, Text]", codecs))
