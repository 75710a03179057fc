"""Features -> one score per tag, each on its own; sigmoid in the exported graph; binary cross-entropy as the loss."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.codecs.tags import Tags
from drivetrain.models.heads import HeadOptions, last_layer


class TagsHead(nn.Module):
    """float32 (N, features) -> logits (N, tags). Without a layer of its own, features are the logits."""

    error_name = "wrong tags"

    def __init__(self, tags: int, features: int | None, options: HeadOptions) -> None:
        super().__init__()
        self.layers = last_layer(features, tags, options)

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)

    def losses(self, logits: Tensor, tags: Tensor) -> Tensor:
        """Binary cross-entropy (N,), the mean over tags."""
        return F.binary_cross_entropy_with_logits(logits.float(), tags.float(), reduction="none").mean(1)

    def loss(self, logits: Tensor, tags: Tensor) -> Tensor:
        """The mean of `losses`."""
        return F.binary_cross_entropy_with_logits(logits.float(), tags.float())

    def error(self, logits: Tensor, tags: Tensor) -> Tensor:
        """The share of tags said wrongly, summed over the batch ()."""
        return ((logits > 0) != (tags > 0)).float().mean(1).sum()

    def error_of_mean(self, mean: float) -> float:
        """`error_name`, from the mean of what `error` sums."""
        return mean

    def finish(self, logits: Tensor) -> Tensor:
        """Probabilities (N, tags)."""
        return logits.float().sigmoid()


def build(codec: Tags, features: int | None, options: HeadOptions) -> TagsHead:
    return TagsHead(codec.output_shape[0], features, options)
