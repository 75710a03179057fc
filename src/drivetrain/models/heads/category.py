"""Features -> one score per class; softmax in the exported graph; cross-entropy as the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from drivetrain.codecs.category import Category
from drivetrain.models.heads import Head, HeadOptions, in_one_row, last_layer

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

OF_MEMBERS = True


class CategoryHead(Head):
    """float32 (N, features) -> logits (N, classes). Without a layer of its own, features are the logits.

    Of members' features: logits (N, members, classes) in training, else those of the mean of their probabilities."""

    error_name = "error_rate"
    weights: Tensor | None

    def __init__(self, classes: int, features: int | None, options: HeadOptions) -> None:
        super().__init__()
        self.classes = classes
        self.label_smoothing = options.label_smoothing
        self.register_buffer("weights", options.class_weights, persistent=False)
        self.members = options.members
        self.layers = last_layer(features, classes, options)

    def forward(self, features: Tensor) -> Tensor:
        logits = self.layers(features)
        if logits.ndim == 2 or self.training:
            return logits
        return logits.float().log_softmax(2).logsumexp(1)

    def losses(self, logits: Tensor, codes: Tensor) -> Tensor:
        """Cross-entropy (N,); label smoothing and class weights in training only, so that validation compares
        between runs."""
        smoothing, weights = self._training_only()
        rows = len(codes)
        if logits.ndim == 3:
            logits, codes = in_one_row(logits, codes)
        each = F.cross_entropy(logits.float(), codes, weights, reduction="none", label_smoothing=smoothing)
        return each if len(each) == rows else each.view(rows, -1).mean(1)

    def loss(self, logits: Tensor, codes: Tensor) -> Tensor:
        """The (weighted) mean of `losses`, in one fused call."""
        smoothing, weights = self._training_only()
        if logits.ndim == 3:
            logits, codes = in_one_row(logits, codes)
        return F.cross_entropy(logits.float(), codes, weights, label_smoothing=smoothing)

    def total_weight(self, codes: Tensor) -> Tensor | None:
        """What `loss` divides the sum of `losses` by, where the classes do not count alike."""
        _, weights = self._training_only()
        return None if weights is None else weights[codes].sum()

    def _training_only(self) -> tuple[float, Tensor | None]:
        return (self.label_smoothing, self.weights) if self.training else (0.0, None)

    def error(self, logits: Tensor, codes: Tensor) -> Tensor:
        """Wrong answers in the batch, a sum (); of members their mean."""
        if logits.ndim == 2:
            return (logits.argmax(1) != codes).count_nonzero()
        return (logits.argmax(2) != codes.unsqueeze(1)).count_nonzero() / logits.shape[1]

    def finish(self, logits: Tensor) -> Tensor:
        """Probabilities (N, classes)."""
        return logits.float().softmax(1)

    def write_graph(self, graph: NetworkGraph, features: str, output: str) -> None:
        logits = graph.write(self.layers, features)
        if self.members == 1:
            graph.add("Softmax", logits, axis=-1, output=output)
        else:
            graph.add(
                "ReduceMean", graph.add("Softmax", logits, axis=-1), graph.whole(1), keepdims=0, output=output
            )


def build(codec: Category, features: int | None, options: HeadOptions) -> CategoryHead:
    return CategoryHead(codec.output_shape[0], features, options)
