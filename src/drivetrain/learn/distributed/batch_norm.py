"""Batch norm over a batch that several processes share: its mean and variance are those of the whole batch.

Ioffe and Szegedy (2015), arXiv:1502.03167. Torch's SyncBatchNorm does the same, but on GPUs alone.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from drivetrain.learn.distributed.alone import Processes


class SharedBatchNorm(_BatchNorm):
    """Batch norm, whatever its number of dimensions, that trains on the rows of all processes.

    It answers, and is exported, as the layer that it was.
    """

    processes: ClassVar[Processes] = Processes()
    """Those that share a batch: one group in a process, which a copy of a network must not copy."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Its dimensions were checked when it was another class."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.processes.apart:
            return super().forward(input)
        output, mean, var, n = _Normalize.apply(input, self.weight, self.bias, self.running_mean, self.eps)
        self._follow(mean, var, n)
        return output

    @torch.no_grad()
    def _follow(self, mean: Tensor, var: Tensor, n: Tensor) -> None:
        """Move the running statistics as torch does."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_((var * n / (n - 1).clamp(min=1)).to(self.running_var.dtype), share)


class _Normalize(torch.autograd.Function):
    """Normalised rows, and mean, variance (C,) and count (1,) of the whole batch. Two sums travel: one each way."""

    @staticmethod
    def forward(
        context: Any, input: Tensor, weight: Tensor, bias: Tensor, near: Tensor | None, eps: float
    ) -> tuple[Tensor, ...]:
        axes = [0, *range(2, input.ndim)]
        group = SharedBatchNorm.processes
        # What is squared is near zero, or a mean far from it would leave no digits for the variance.
        shifted = input.float() if near is None else input - _wide(near, input.ndim)
        count = 0.0 if group.idle else input.numel() / input.shape[1]
        here = torch.stack([shifted.sum(axes), shifted.square().sum(axes)]).double() * (count > 0)
        n = here.new_full((1,), count)
        total, squares, n = group.sum(torch.cat([*here, n])).split([input.shape[1], input.shape[1], 1])
        offset = total / n
        var = (squares / n - offset.square()).clamp(min=0)
        mean = offset if near is None else offset + near
        context.idle, context.eps = group.idle, eps
        context.save_for_backward(input, weight, mean.float(), var.float(), n)
        context.mark_non_differentiable(mean, var, n)
        output = nn.functional.batch_norm(input, mean.float(), var.float(), weight, bias, False, 0.0, eps)
        return output, mean, var, n

    @staticmethod
    def backward(context: Any, gradient: Tensor, *rest: Any) -> tuple[Tensor | None, ...]:
        """With xhat the normalised input: weight / deviation * (g - mean(g) - xhat mean(g xhat)), means over the whole batch."""
        input, weight, mean, var, n = context.saved_tensors
        straight, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, input, weight, mean, var, None, None, False, context.eps, [True, True, True]
        )
        sums = SharedBatchNorm.processes.sum(torch.cat([of_weight, of_bias]).double())
        if not context.idle:
            with_xhat, plain = (sums / n).float().chunk(2)
            inverse = (var + context.eps).rsqrt()
            scale = inverse if weight is None else inverse * weight
            slope = -scale * inverse * with_xhat
            level = -scale * plain - slope * mean
            straight = straight + torch.addcmul(_wide(level, input.ndim), input, _wide(slope, input.ndim)).to(
                straight.dtype
            )
        known = weight is not None
        return straight, of_weight if known else None, of_bias if known else None, None, None


def _wide(values: Tensor, axes: int) -> Tensor:
    """(C,) as (1, C, 1, ...) of so many axes."""
    return values.view(1, -1, *(1,) * (axes - 2))


def share_norms(network: nn.Module, processes: Processes) -> None:
    """Make every batch norm of the network one that is shared, in place: weights, buffers and names stay."""
    SharedBatchNorm.processes = processes
    for module in network.modules():
        if isinstance(module, _BatchNorm) and not isinstance(module, nn.SyncBatchNorm):
            module.__class__ = SharedBatchNorm
