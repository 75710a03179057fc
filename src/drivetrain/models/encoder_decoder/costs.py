"""What it costs to tell tokens from what is known before them, with its gradients: scores of all tokens are never kept.

Scores (places, tokens) are by far the largest array of such a network, and torch keeps several of them. Here they are made
for some places at a time and turned into their own gradient at once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

PLACES = 256
"""Of which scores are made at once: with 8,000 tokens they stay in a processor's cache."""


class Costs(torch.autograd.Function):
    """known (P, F), table (tokens, F), told int64 (P,), smoothing -> (loss (P,), nats (P,)), of which the mean of the loss may
    be taken, or its sum: a gradient must be the same for all places. `nats` is without smoothing, and has no gradient.

    Label smoothing as Szegedy et al. 2016 (arXiv:1512.00567): the share `smoothing` of what is to be told is all tokens alike.
    """

    @staticmethod
    def forward(
        ctx: Any, known: Tensor, table: Tensor, told: Tensor, smoothing: float
    ) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        loss, nats = known.new_empty(len(known)), known.new_empty(len(known))
        wanted = any(ctx.needs_input_grad[:2])
        of_known, of_table = (torch.empty_like(known), torch.zeros_like(table)) if wanted else (None, None)
        for start in range(0, len(known), PLACES):
            some = slice(start, start + PLACES)
            scores = known[some] @ table.T
            right = told[some, None]
            ours, mean = scores.gather(1, right).squeeze(1), scores.mean(1)
            top = scores.amax(1, keepdim=True)
            total = scores.sub_(top).exp_().sum(1, keepdim=True)
            whole = (total.log() + top).squeeze(1)
            nats[some] = whole - ours
            loss[some] = whole - (1 - smoothing) * ours - smoothing * mean
            if of_known is None or of_table is None:
                continue
            scores.div_(total).sub_(smoothing / table.shape[0])
            scores.scatter_add_(1, right, scores.new_full(right.shape, smoothing - 1))
            of_known[some] = scores @ table
            of_table.addmm_(scores.T, known[some])
        ctx.save_for_backward(of_known, of_table)
        ctx.mark_non_differentiable(nats)
        return loss, nats

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, Tensor, None, None]:
        of_known, of_table = ctx.saved_tensors
        each = given[0].flatten()[0]
        return of_known * each, of_table * each, None, None
