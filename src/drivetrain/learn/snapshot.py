"""What a batch may have changed before its loss turns out to be no number: put back then, as if it had not come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class Snapshot:
    """The buffers of all modules, such as running statistics; and where a batch makes several updates, of which a later
    one may fail, also weights and the state of the optimisers.

    Buffers that no checkpoint keeps (`persistent=False`) are left out: training can't depend on what they hold.
    """

    def __init__(
        self, networks: Iterable[nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]
    ) -> None:
        self._places = [
            (module, name)
            for network in networks
            for module in network.modules()
            for name in module._buffers
            if name not in module._non_persistent_buffers_set
        ]
        self._optimizers = list(optimizers.values()) if len(optimizers) > 1 else []
        self._fresh: list[torch.optim.Optimizer] = []
        self._kept: list[Tensor] = []

    def keep(self) -> None:
        """Remember everything as it is now."""
        self._fresh = [optimizer for optimizer in self._optimizers if not optimizer.state]
        now = self._tensors()
        if len(now) != len(self._kept):
            self._kept = [torch.empty_like(tensor, requires_grad=False) for tensor in now]
        _copy(self._kept, now)

    def restore(self) -> None:
        """Make everything what it was when it was kept."""
        for optimizer in self._fresh:
            optimizer.state.clear()
        for optimizer in self._optimizers:
            optimizer.zero_grad(set_to_none=True)
        _copy(self._tensors(), self._kept)

    def _tensors(self) -> list[Tensor]:
        """In one order, until an optimiser takes its first step and has a state."""
        found = [module._buffers[name] for module, name in self._places]
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                for weight in group["params"]:
                    found += [weight, *optimizer.state.get(weight, {}).values()]
        return [tensor for tensor in found if isinstance(tensor, Tensor) and tensor.numel()]


@torch.no_grad()
def _copy(to: list[Tensor], source: list[Tensor]) -> None:
    """On a GPU tensors of one dtype together, which is one kernel; on the CPU to sort them costs more than it saves."""
    if to and not to[0].is_cuda:
        torch._foreach_copy_(to, source)
        return
    dtypes: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
    for one, other in zip(to, source):
        lists = dtypes.setdefault(one.dtype, ([], []))
        lists[0].append(one)
        lists[1].append(other)
    for lists in dtypes.values():
        torch._foreach_copy_(*lists)
