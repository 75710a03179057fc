"""What a phase trains on and with: tensors, the forward pass, the optimiser."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from drivetrain.data.loader import Batch, Tensors
from drivetrain.data.share import Share
from drivetrain.learn.settings import Phase, Settings
from drivetrain.models.network import Network

if TYPE_CHECKING:
    from drivetrain.learn.learner import Learner

TOLD_TO_COMPILER = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
"""Methods of torch's optimisers, besides `step`, that ask its compiler to pass them over."""


def averaging(decay: float) -> Callable[[list[Tensor], list[Tensor], Any], None]:
    """An exponential moving average that follows quickly at first, or after a short training it would still be mostly
    the weights before it: after n steps the decay is at most (1 + n) / (10 + n), as in TensorFlow's."""

    def average(averaged: list[Tensor], current: list[Tensor], count: Any) -> None:
        n = int(count)
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + n) / (10 + n)))
        else:
            torch._foreach_copy_(averaged, current)

    return average


class Training:
    """The whole network on encoded batches."""

    def __init__(self, learner: Learner, phase: Phase) -> None:
        self.learner, self.phase = learner, phase
        learner.processes.shards = learner.settings.shard
        self.network: Network = learner.network
        self.optimizer = make_optimizer(
            parameter_groups(self.network, phase, learner.settings.weight_decay), learner.settings
        )
        self.valid = learner.tensors("valid")

    @property
    def parameters(self) -> Iterable[Tensor]:
        return (parameter for group in self.optimizer.param_groups for parameter in group["params"])

    def train_tensors(self, epoch: int) -> Tensors:
        del epoch
        return self.learner.tensors("train")

    def batch(self, tensors: Tensors, positions: Tensor) -> tuple[Batch, Share | None]:
        """The rows at these positions, augmented on the device; among several processes the share of this one.

        Pictures that are mixed need their partners, so the whole batch is made then; `learner.mix` takes the share.
        """
        share = self.learner.processes.share(len(positions))
        if share is None or self.learner.mixes(self):
            return self.prepare(tensors.gather(positions), None), share
        return self.prepare(tensors.gather(positions[share.rows]), share), share

    def prepare(self, batch: Batch, share: Share | None) -> Batch:
        """Augmentation, on the device."""
        augment = self.learner.picture_augment
        return augment(batch, self.learner.generators.augment, share) if augment else batch

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.network(batch)

    def valid_forward(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return network(batch)

    def train_mode(self) -> None:
        self.network.train()
        self.network.keep_norms_frozen()


class FrozenTraining(Training):
    """Combiner and heads alone, on features that are computed once for each augmented view and kept."""

    def __init__(self, learner: Learner, phase: Phase) -> None:
        super().__init__(learner, phase)
        self._views: dict[int, Tensors] = {}
        self.valid = self._features(self.valid, None) if len(self.valid) else self.valid

    def train_tensors(self, epoch: int) -> Tensors:
        view = epoch % self.phase.views
        if view not in self._views:
            # A view's generator depends on seed and view alone, so a resumed run makes the same features.
            generator = torch.Generator().manual_seed(self.learner.settings.seed * 1_000_003 + view)
            self._views[view] = self._features(self.learner.tensors("train"), generator)
        return self._views[view]

    def _features(self, tensors: Tensors, generator: torch.Generator | None) -> Tensors:
        self.network.eval()
        augment = self.learner.picture_augment
        collected: dict[str, list[Tensor]] = {"features": [], **{name: [] for name in self.network.heads}}
        processes, shares = self.learner.processes, []
        # Shards keep what they gather for the first time, and could not write to it in training.
        mode = torch.no_grad if self.learner.settings.shard else torch.inference_mode
        with mode(), self.learner.progress("Computing features", len(tensors)) as advance:
            for batch, share in tensors.in_shares(2 * self.learner.settings.batch_size, processes.share):
                shares.append(share)
                if augment and generator is not None:
                    batch = augment(batch, generator, share)
                with self.learner.autocast():
                    collected["features"].append(self.network.features(batch).float())
                for name in self.network.heads:
                    collected[name].append(batch[name])
                advance(len(batch[name]) if share is None else share.total)
            arrays = {name: processes.joined(parts, shares) for name, parts in collected.items()}
        arrays = {name: array.clone() for name, array in arrays.items()}  # no inference tensors any more
        return Tensors(arrays, torch.arange(len(tensors), device=tensors.device), tensors.device)

    def prepare(self, batch: Batch, share: Share | None) -> Batch:
        return batch

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.network.from_features(batch["features"])

    def valid_forward(self, network: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return network.from_features(batch["features"])

    def train_mode(self) -> None:
        self.network.eval()
        self.network.top.train()


def start_phase(learner: Learner, phase: Phase) -> Training:
    return (FrozenTraining if phase.frozen else Training)(learner, phase)


def parameter_groups(network: Network, phase: Phase, weight_decay: float) -> list[dict[str, Any]]:
    """One group per block of the network, with `share` of the phase's learning rate; biases and norms, which
    have one dimension, do not decay."""
    blocks = [list(network.top.parameters())] if phase.frozen else network.blocks()
    groups: list[dict[str, Any]] = []
    for depth, parameters in enumerate(blocks):
        share = phase.spread ** (1 - depth / max(1, len(blocks) - 1)) if len(blocks) > 1 else 1.0
        for decays in (True, False):
            chosen = [p for p in parameters if p.requires_grad and (p.ndim > 1 or not weight_decay) == decays]
            if chosen:
                groups.append({"params": chosen, "share": share, **({} if decays else {"weight_decay": 0.0})})
    if phase.spread == 1.0:  # Fewer groups are fewer kernels.
        merged = [{"params": [], "share": 1.0}, {"params": [], "share": 1.0, "weight_decay": 0.0}]
        for group in groups:
            merged["weight_decay" in group]["params"] += group["params"]
        groups = [group for group in merged if group["params"]]
    return groups


def make_optimizer(groups: list[dict[str, Any]], settings: Settings) -> torch.optim.Optimizer:
    """The optimiser with torch's fused step, which SGD does not have for shards."""
    if settings.optimizer == "sgd":
        decay, fused = settings.weight_decay, not settings.shard
        kind = not_compiled(torch.optim.SGD)
        return kind(groups, lr=1.0, momentum=settings.momentum, weight_decay=decay, fused=fused)
    kind = not_compiled(torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam)
    return kind(groups, lr=1.0, weight_decay=settings.weight_decay, fused=True)


def not_compiled(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """The same optimiser, whose methods don't say to torch's compiler to leave them alone: to say so they import it, which
    takes a second of CPU, and nothing is compiled here."""
    plain: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in TOLD_TO_COMPILER}
    return type(kind.__name__, (kind,), {**plain, "step": torch.no_grad()(inspect.unwrap(kind.step))})
