"""Networks that one device can't hold: each process keeps a shard of every weight, of its gradient and of the optimiser's
state, and has a block whole only while it is used (torch's FSDP2, `fully_shard`).

The network is made whole on the CPU of every process first. What does not go with it is in
docs/decisions/distribution.md.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from drivetrain.models.network import Network

if TYPE_CHECKING:
    from drivetrain.learn.learner import Learner


def shard_network(network: nn.Module, device: torch.device, keep: bool) -> nn.Module:
    """Shard each block of the bodies, the combiner, and what is left, in place, onto the device.

    With `keep` the network remembers a whole copy of itself on the CPU, for `unshard` to fill.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    if keep:
        network.__dict__["whole_copy"] = copy.deepcopy(network)  # no submodule: it has no part in training
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for part in _parts(network):
        if any(True for _ in part.parameters()):
            fully_shard(part, mesh=mesh)
    fully_shard(network, mesh=mesh)
    if isinstance(network, Network):
        for method in ("features", "from_features"):
            register_fsdp_forward_method(network, method)
    return network


def _parts(network: Any) -> Iterator[nn.Module]:
    """The blocks, each a module that is called, and the combiner. A block that is a list of modules, or a slice of
    one, is never called itself."""
    known = set(network.modules())
    for body in network.bodies:
        for block in body.blocks() if hasattr(body, "blocks") else []:
            called = block in known and not isinstance(block, nn.ModuleList)
            yield from [block] if called else block.children()
    if isinstance(network, Network):
        yield network.combiner


def whole(tensors: Mapping[str, Any], keep: bool) -> dict[str, Tensor]:
    """The tensors, those in shards put together on the CPU; all processes must call it, and those with `keep` have
    the result."""
    found: dict[str, Tensor] = {}
    for name, tensor in sorted(tensors.items()):  # in one order in all processes
        together = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
        if keep:
            found[name] = together.cpu() if together is not tensor else tensor
    return found


def like(tensor: Tensor, other: Any) -> Tensor:
    """The tensor laid out in memory as the other of its shape is, and in shards where that is.

    The layout matters: a fused optimiser pairs weights and their averages by place in memory.
    """
    if tensor.shape != other.shape:
        return tensor
    if hasattr(other, "full_tensor"):
        from torch.distributed.tensor import distribute_tensor

        tensor = distribute_tensor(tensor.to(other.device), other.device_mesh, other.placements)
    return torch.empty_like(other, dtype=tensor.dtype, requires_grad=False).copy_(tensor)


def load(network: nn.Module, tensors: Mapping[str, Tensor] | None) -> None:
    """Load whole tensors into a network in shards; all processes must call it, and the first one's are taken."""
    loaded: dict[str, Tensor] = dict(tensors or {})
    for name, value in network.state_dict().items():  # in one order in all processes
        if tensors is None:
            loaded[name] = torch.empty(value.shape, dtype=value.dtype)
        if name in loaded:
            loaded[name] = like(loaded[name], value)
    network.load_state_dict(loaded)


def unshard(learner: Learner) -> None:
    """After training: the first process has the whole network, on the CPU, and answers with it."""
    tensors = whole(learner.network.state_dict(), learner.processes.first)
    if learner.processes.first:
        network: Any = learner.network.__dict__.pop("whole_copy")
        network.load_state_dict(tensors)
        learner.network, learner.device = network, torch.device("cpu")
        learner._tensors.clear()
