"""Features -> one score per tag, each on its own; sigmoid in the exported graph; binary cross-entropy as the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from drivetrain.codecs.tags import Tags
from drivetrain.models.heads import Head, HeadOptions, last_layer

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

OF_MEMBERS = True


class TagsHead(Head):
    """float32 (N, features) -> logits (N, tags). Without a layer of its own, features are the logits.

    Of members' features: logits (N, members, tags) in training, else those of the mean of their probabilities."""

    error_name = "wrong tags"

    def __init__(self, tags: int, features: int | None, options: HeadOptions) -> None:
        super().__init__()
        self.members = options.members
        self.layers = last_layer(features, tags, options)

    def forward(self, features: Tensor) -> Tensor:
        logits = self.layers(features)
        if logits.ndim == 2 or self.training:
            return logits
        members = logits.float()
        return F.logsigmoid(members).logsumexp(1) - F.logsigmoid(-members).logsumexp(1)

    def losses(self, logits: Tensor, tags: Tensor) -> Tensor:
        """Binary cross-entropy (N,), the mean over tags."""
        true = _beside(logits, tags)
        return F.binary_cross_entropy_with_logits(logits.float(), true, reduction="none").flatten(1).mean(1)

    def loss(self, logits: Tensor, tags: Tensor) -> Tensor:
        """The mean of `losses`."""
        return F.binary_cross_entropy_with_logits(logits.float(), _beside(logits, tags))

    def error(self, logits: Tensor, tags: Tensor) -> Tensor:
        """The share of tags said wrongly, summed over the batch ()."""
        return ((logits > 0) != (_beside(logits, tags) > 0)).float().flatten(1).mean(1).sum()

    def finish(self, logits: Tensor) -> Tensor:
        """Probabilities (N, tags)."""
        return logits.float().sigmoid()

    def write_graph(self, graph: NetworkGraph, features: str, output: str) -> None:
        logits = graph.write(self.layers, features)
        if self.members == 1:
            graph.add("Sigmoid", logits, output=output)
        else:
            graph.add("ReduceMean", graph.add("Sigmoid", logits), graph.whole(1), keepdims=0, output=output)


def _beside(logits: Tensor, tags: Tensor) -> Tensor:
    """The true tags, float32 of the shape of the logits: of each row, or of each of its members."""
    return tags.float() if logits.ndim == 2 else tags.float().unsqueeze(1).expand_as(logits)


def build(codec: Tags, features: int | None, options: HeadOptions) -> TagsHead:
    return TagsHead(codec.output_shape[0], features, options)
