"""Batch norm over a batch that several processes share: its mean and variance are those of the whole batch.

Ioffe and Szegedy (2015), arXiv:1502.03167. Torch's SyncBatchNorm does the same, but on GPUs alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from drivetrain.learn import distribution


class SharedBatchNorm(_BatchNorm):
    """Batch norm, whatever its number of dimensions, that trains on the rows of all processes.

    It answers, and is exported, as the layer that it was.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Its dimensions were checked when it was another class."""

    def forward(self, input: Tensor) -> Tensor:
        group = distribution.start()
        if not self.training or group.apart:
            return super().forward(input)
        axes = [0, *range(2, input.ndim)]
        var, mean = torch.var_mean(input.float(), axes, correction=0)
        mean, var = mean.double(), var.double()
        n = mean.new_full((1,), 0.0 if group.idle else input.numel() / input.shape[1])
        moments = torch.cat([n * mean, n * (var + mean.square()), n])
        total, squares, n = _Sum.apply(moments).split([len(mean), len(mean), 1])
        mean = total / n
        var = (squares / n - mean.square()).clamp(min=0)
        self._follow(mean.detach(), var.detach(), n.detach())
        scale = (var + self.eps).rsqrt().float()
        if self.affine:
            scale = scale * self.weight
        shift = -mean.float() * scale
        if self.affine:
            shift = shift + self.bias
        shape = (1, -1, *(1,) * (input.ndim - 2))
        return torch.addcmul(shift.view(shape), input, scale.view(shape)).to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, var: Tensor, n: Tensor) -> None:
        """Move the running statistics as torch does."""
        if not self.track_running_stats or self.running_mean is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_((var * n / (n - 1).clamp(min=1)).to(self.running_var.dtype), share)


class _Sum(torch.autograd.Function):
    """The sum over the processes; so is its gradient, for every process's loss depends on it."""

    @staticmethod
    def forward(context: Any, tensor: Tensor) -> Tensor:
        return distribution.start().sum(tensor.clone())

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        return distribution.start().sum(gradients[0].clone())


def share_norms(network: nn.Module) -> None:
    """Make every batch norm of the network one that is shared, in place: weights, buffers and names stay."""
    for module in network.modules():
        if isinstance(module, _BatchNorm) and not isinstance(module, nn.SyncBatchNorm):
            module.__class__ = SharedBatchNorm
