"""The network of parts: encoders for the inputs, a combiner of their features, a head per target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from drivetrain.graphs.network import NotWritten
from drivetrain.models.base import BaseNetwork
from drivetrain.models.encoders import Encoder, Places

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph


class Network(BaseNetwork):
    """Encoders -> a row of features -> a combiner -> heads. What of these has `asks_places` gets sequences and maps too."""

    encoders: nn.ModuleDict
    combiner: nn.Module

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        combiner: nn.Module,
        heads: Mapping[str, nn.Module],
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__(heads, notes, encoders=nn.ModuleDict(dict(encoders)), combiner=combiner)
        self._encoders = list(encoders.values())
        self.asks_places = any(getattr(part, "asks_places", False) for part in (combiner, *heads.values()))
        self.sees_targets = any(getattr(head, "sees_target", False) for head in heads.values())
        self.keeps_features = not (self.asks_places or self.sees_targets)
        self.only_places = isinstance(combiner, nn.Identity) and not any(
            getattr(head, "asks_features", True) for head in heads.values()
        )

    @property
    def joined(self) -> list[tuple[str, ...]]:
        return [encoder.names for encoder in self._encoders if encoder.joined]

    def features(self, batch: Mapping[Any, Tensor]) -> Tensor:
        """float32 (N, features): what all encoders make of their inputs, side by side."""
        parts: list[Tensor] = []
        for encoder in self._encoders:
            parts += encoder.of(batch)
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def from_features(self, features: Tensor) -> dict[str, Tensor]:
        combined = self.combiner(features)
        return {name: head(combined) for name, head in self.heads.items()}

    def forward(
        self, batch: Mapping[Any, Tensor], targets: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        if self.keeps_features:
            return self.from_features(self.features(batch))
        if self.only_places:
            found = {name: each for encoder in self._encoders for name, each in encoder.places(batch).items()}
            return {name: self._answer(name, None, found, targets) for name in self.heads}
        features, places = self.with_places(batch)
        more = {"places": places} if getattr(self.combiner, "asks_places", False) else {}
        combined = self.combiner(features, **more)
        return {name: self._answer(name, combined, places, targets) for name in self.heads}

    def _answer(
        self,
        name: str,
        combined: Tensor | None,
        places: Mapping[str, Places],
        targets: Mapping[str, Tensor] | None,
    ) -> Tensor:
        head, more = self.heads[name], {}
        if getattr(head, "asks_places", False):
            more["places"] = places
        if getattr(head, "sees_target", False):
            more["target"] = None if targets is None else targets[name]
        return head(combined, **more)

    def with_places(self, batch: Mapping[Any, Tensor]) -> tuple[Tensor, dict[str, Places]]:
        """The features, and input -> its places, where it has some."""
        parts: list[Tensor] = []
        places: dict[str, Places] = {}
        for encoder in self._encoders:
            found, there = encoder.with_places(batch)
            parts += found
            places |= there
        return torch.cat(parts, dim=1), places

    def write_graph(self, graph: NetworkGraph) -> None:
        if self.sees_targets or self.only_places or getattr(self.combiner, "asks_places", False):
            raise NotWritten("more than a row of features")
        parts = [part for encoder in self._encoders for part in graph.write(encoder)]
        combined = graph.write(self.combiner, graph.beside(parts))
        for name, head in self.heads.items():
            graph.write(head, combined, graph.outputs[name])

    @property
    def bodies(self) -> list[nn.Module]:
        return [body for encoder in self._encoders for body in getattr(encoder, "bodies", [])]

    @property
    def top(self) -> nn.ModuleList:
        """Combiner and heads."""
        return nn.ModuleList([self.combiner, *self.head_modules])

    def blocks(self) -> list[list[nn.Parameter]]:
        bodies = [body.blocks() if hasattr(body, "blocks") else [body] for body in self.bodies]  # type: ignore[operator]
        depth = max([1, *map(len, bodies)])  # A body may have none that learns.
        groups: list[list[nn.Parameter]] = [[] for _ in range(depth)]
        for blocks in bodies:
            for place, block in enumerate(blocks, start=depth - len(blocks)):
                groups[place].extend(block.parameters())
        placed = {id(parameter) for group in groups for parameter in group}
        groups[-1].extend(p for p in self.encoders.parameters() if id(p) not in placed)
        return [group for group in [*groups, list(self.top.parameters())] if group]
