"""What it costs to tell tokens from what is known before them, with its gradients: scores of all tokens are never kept.

Scores (places, tokens) are by far the largest array of such a network, and torch keeps several of them. Here they are made
for some places at a time and turned into their own gradient at once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

AT_ONCE = 2**21
"""How many scores are made at once: those of some 260 places where there are 8,000 tokens stay in a processor's cache."""


class Costs(torch.autograd.Function):
    """known (P, F), table (tokens, F), told int64 (P,), smoothing, bias (tokens,) or None -> (loss (P,), nats (P,)), float32, of
    which the mean of the loss may be taken, or its sum: a gradient must be the same for all places. `nats` is without
    smoothing, and has no gradient.

    Under autocast the products are of its type, and all else is float32. Label smoothing as Szegedy et al. 2016
    (arXiv:1512.00567): the share `smoothing` of what is to be told is all tokens alike.
    """

    @staticmethod
    def forward(
        ctx: Any, known: Tensor, table: Tensor, told: Tensor, smoothing: float, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        device = known.device.type
        if torch.is_autocast_enabled(device):
            known, factor = (each.to(torch.get_autocast_dtype(device)) for each in (known, table))
        else:
            factor = table
        loss, nats = torch.empty(2, len(known), device=known.device)
        wanted = any(ctx.needs_input_grad)
        of_known, of_table, of_bias = (
            (
                torch.empty_like(known),
                torch.zeros_like(table),
                None if bias is None else torch.zeros_like(bias),
            )
            if wanted
            else (None, None, None)
        )
        places = max(1, AT_ONCE // len(table))
        for start in range(0, len(known), places):
            some = slice(start, start + places)
            scores = (known[some] @ factor.T).float()
            if bias is not None:
                scores += bias
            right = told[some, None]
            ours = scores.gather(1, right).squeeze(1)
            others = scores.mean(1) if smoothing else ours
            top = scores.amax(1, keepdim=True)
            total = scores.sub_(top).exp_().sum(1, keepdim=True)
            whole = (total.log() + top).squeeze(1)
            nats[some] = whole - ours
            loss[some] = whole - (1 - smoothing) * ours - smoothing * others
            if of_known is None or of_table is None:
                continue
            scores.div_(total)
            if smoothing:
                scores.sub_(smoothing / len(table))
            scores.scatter_add_(1, right, scores.new_full(right.shape, smoothing - 1))
            if of_bias is not None:
                of_bias += scores.sum(0)
            scores = scores.to(known.dtype)
            of_known[some] = scores @ factor
            of_table += scores.T @ known[some]
        ctx.save_for_backward(of_known, of_table, of_bias)
        ctx.mark_non_differentiable(nats)
        return loss, nats

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, Tensor, None, None, Tensor | None]:
        of_known, of_table, of_bias = ctx.saved_tensors
        each = given[0].flatten()[0]
        return (
            of_known * each.to(of_known.dtype),
            of_table * each,
            None,
            None,
            None if of_bias is None else of_bias * each,
        )
