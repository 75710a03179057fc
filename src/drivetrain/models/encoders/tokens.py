"""Tokens -> their vectors, one after the other, before a body that reads them; padding is never looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from drivetrain.codecs import Codec
from drivetrain.codecs.tokens import Tokens
from drivetrain.errors import UsageError
from drivetrain.models.encoders import Encoder, EncoderOptions, Places
from drivetrain.models.sequences import SequenceBody, there, write_there
from drivetrain.models.takes import TOKENS
from drivetrain.models.widths import embedding_width
from drivetrain.ragged import lengths_of
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph
    from drivetrain.models.vectors import WordVectors

FORM = TOKENS


class TokensReader(nn.Module):
    """int64 (N, T) and how many of each row are tokens, int64 (N,) -> what `body` makes of their vectors (N, T, width)."""

    def __init__(self, size: int, width: int, body: nn.Module) -> None:
        super().__init__()
        self.table = nn.Embedding(size, width)
        with torch.no_grad():
            self.table.weight.mul_(width**-0.5)
        self.body = body

    @torch.no_grad()
    def begin_with(self, vectors: WordVectors, name: str) -> None:
        """Give the tokens of the input `name` the vectors that there are of them, and the others ones of the same scale."""
        if name in vectors.found:
            places, values = vectors.found[name]
            self.table.weight.mul_(vectors.spread * vectors.width**0.5)
            self.table.weight[torch.as_tensor(places)] = torch.as_tensor(values)

    def prepare(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors, zeros where there is no token; a row without any is one zero long."""
        vectors = self.table(tokens)
        return vectors * there(vectors, lengths), lengths.clamp(min=1)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        return self.body(*self.prepare(tokens, lengths))

    def write_graph(self, graph: NetworkGraph, tokens: str, lengths: str) -> str:
        vectors = graph.add("Gather", graph.table(self.table.weight, tokens), tokens)
        vectors = graph.add("Mul", vectors, graph.floats(write_there(graph, vectors, lengths)))
        return graph.write(self.body, vectors, graph.add("Max", lengths, graph.constant(1, "i8")))


class TokensEncoder(Encoder):
    """The tokens of each input through a table and a body of its own."""

    def __init__(self, readers: Mapping[str, TokensReader]) -> None:
        super().__init__(list(readers))
        self.readers = nn.ModuleList(readers.values())

    @property
    def bodies(self) -> list[nn.Module]:
        return [reader.body for reader in self.readers]  # type: ignore[misc]

    def of(self, batch: Mapping[Any, Tensor]) -> list[Tensor]:
        found = zip(self.names, self.readers)
        return [reader(batch[name], batch[lengths_of(name)]) for name, reader in found]

    def with_places(self, batch: Mapping[Any, Tensor]) -> tuple[list[Tensor], dict[str, Places]]:
        parts: list[Tensor] = []
        places: dict[str, Places] = {}
        for name, reader in zip(self.names, self.readers):
            vectors, lengths = reader.prepare(batch[name], batch[lengths_of(name)])  # type: ignore[operator]
            body = reader.body
            if isinstance(body, SequenceBody):
                vectors = body.maps(vectors, lengths)
                parts.append(body.pooled(vectors, lengths))
            else:
                parts.append(body(vectors, lengths))  # type: ignore[operator]
            places[name] = Places.of_lengths(vectors, batch[lengths_of(name)])
        return parts, places

    def places(self, batch: Mapping[Any, Tensor]) -> dict[str, Places]:
        found: dict[str, Places] = {}
        for name, reader in zip(self.names, self.readers):
            vectors, lengths = reader.prepare(batch[name], batch[lengths_of(name)])  # type: ignore[operator]
            body = reader.body
            maps = body.maps(vectors, lengths) if isinstance(body, SequenceBody) else vectors
            found[name] = Places.of_lengths(maps, batch[lengths_of(name)])
        return found

    def write_graph(self, graph: NetworkGraph) -> list[str]:
        found = zip(self.names, self.readers)
        return [
            graph.write(reader, graph.inputs[name], graph.inputs[lengths_of(name)]) for name, reader in found
        ]


def build(codecs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions) -> TokensEncoder:
    del rows
    readers: dict[str, TokensReader] = {}
    for name, codec in cast("Mapping[str, Tokens]", codecs).items():
        size = codec.size or 1
        vectors = options.vectors if codec.word_names is not None else None
        width = vectors.width if vectors else (options.width or embedding_width)(size)
        body = options.body((codec.length or codec.longest, width))
        if isinstance(body, nn.Identity):
            raise UsageError(
                f"a torch module that takes {name!r} beside other inputs takes it raw.", where="model",
                fix="Set takes_raw = True in it.",
            )  # fmt: skip
        readers[name] = TokensReader(size, width, body)
        if vectors:
            readers[name].begin_with(vectors, name)
    return TokensEncoder(readers)
