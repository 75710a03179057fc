"""What a phase trains on and with: tensors, the forward pass, what the objective asks for, the optimisers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from drivetrain.data.loader import TensorBatch, Tensors
from drivetrain.data.share import Share
from drivetrain.errors import UsageError, nearest
from drivetrain.learn.objectives.base import NETWORK, Asked, Update
from drivetrain.learn.settings import Phase, Settings
from drivetrain.learn.snapshot import Snapshot
from drivetrain.models.network import Network

if TYPE_CHECKING:
    from drivetrain.learn.augmentation import Mixed
    from drivetrain.learn.learner import Learner

TOLD_TO_COMPILER = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
"""Methods of torch's optimisers, besides `step`, that ask its compiler to pass them over."""


def averaging(decay: float) -> Callable[[Any, Any, Any], None]:
    """An exponential moving average that follows quickly at first, or after a short training it would still be mostly
    the weights before it: after n steps the decay is at most (1 + n) / (10 + n), as in TensorFlow's."""

    def average(averaged: Any, current: Any, count: Any) -> None:
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
        self.network: Any = learner.network
        self.share: Share | None = None
        """Of the batch that is trained on: which rows of it these are; None where they are all."""
        self.optimizers = {
            name: make_optimizer(groups, learner.settings)
            for name, groups in self._groups().items()
            if groups
        }
        self.snapshot = Snapshot((learner.networks[name] for name in self.optimizers), self.optimizers)
        self.valid = learner.tensors("valid")

    def _groups(self) -> dict[str, list[dict[str, Any]]]:
        """For each network the groups of its weights; none where no weight needs a gradient."""
        decay, found = self.learner.settings.weight_decay, {}
        for name, network in self.learner.networks.items():
            if name == NETWORK:
                found[name] = parameter_groups(self.network, self.phase, decay)
            else:
                found[name] = groups_of([list(network.parameters())], self.phase, decay)
        return found

    def parameters(self, name: str) -> Iterable[Tensor]:
        """The weights that a network's optimiser changes."""
        return (weight for group in self.optimizers[name].param_groups for weight in group["params"])

    def inputs(self, name: str) -> list[Tensor] | None:
        """What the backward pass of a network's loss goes to, which may come through another network; None: all."""
        return list(self.parameters(name)) if len(self.optimizers) > 1 else None

    @property
    def step(self) -> int:
        """How many steps of the optimisers the phase has behind it."""
        return self.learner.position.step

    def updates(self, batch: TensorBatch, share: Share | None) -> Iterator[Update]:
        """What the objective asks for of a batch. Each is to be done before the next is asked for."""
        self.share = share
        self.snapshot.keep()
        asked, names = self._asked(batch), set[str]()
        while True:
            with self.learner.autocast():
                update = next(asked, None)
            if update is None:
                return
            update = self._checked(update)
            if update.name in names:
                raise UsageError(
                    f"the step asks twice for {update.name!r} of one batch.",
                    where=self.learner.objective.name,
                )
            names.add(update.name)
            yield update

    def again(self, batch: TensorBatch) -> None:
        """The same forward passes once more, without an update: to find out where a loss became no number."""
        self.share = None
        for _ in self._asked(batch):
            pass

    def _asked(self, batch: TensorBatch) -> Iterator[Any]:
        asked: Any = self.learner.objective.step(self, SimpleNamespace(**self.learner.networks), batch)
        if not inspect.isgenerator(asked):
            raise UsageError(
                "the step gives nothing to train by.", where=self.learner.objective.name,
                fix='Let it yield "network", loss.',
            )  # fmt: skip
        return asked

    def _checked(self, asked: Asked) -> Update:
        """The update that was asked for; of a plain one, among several processes, what its rows add to the whole batch's
        mean. Raises UsageError for what can't be done."""
        if isinstance(asked, Update):
            return asked
        where = self.learner.objective.name
        if (
            not isinstance(asked, tuple)
            or len(asked) != 2
            or not isinstance(asked[1], Tensor)
            or asked[1].ndim
        ):
            raise UsageError(
                "the step must yield the name of a network and its loss, a tensor of one number.", where=where
            )
        name, loss = asked
        if name not in self.optimizers:
            raise UsageError(
                f"there is no network {name!r} to train.", where=where,
                fix=nearest(name, self.optimizers) or f"There are {', '.join(self.optimizers)}.",
            )  # fmt: skip
        if not loss.requires_grad:
            raise UsageError(f"the loss of {name!r} does not depend on any weight.", where=where)
        if self.share is None:
            return Update(name, loss)
        rows = loss.expand(max(1, len(self.share)))
        return Update(name, self.learner.processes.part_of_mean(rows, self.share))

    def mix(self, batch: Mapping[Any, Tensor]) -> Mixed | None:
        """The batch with its pictures mixed; None where the settings don't say so."""
        if not self.mixes:
            return None
        learner = self.learner
        return learner.augmentation.mix(batch, learner.network.heads, learner.generators.augment, self.share)

    @property
    def mixes(self) -> bool:
        """Whether pictures are mixed in pairs in this phase."""
        return self.learner.augmentation.mixes and not self.phase.frozen

    def train_tensors(self, epoch: int) -> Tensors:
        return self.learner.epoch_tensors(epoch)

    def batch(self, tensors: Tensors, positions: Tensor) -> tuple[TensorBatch, Share | None]:
        """The rows at these positions, augmented on the device; among several processes the share of this one.

        Pictures that are mixed need their partners, so the whole batch is made then; `mix` takes the share.
        """
        share = self.learner.processes.share(len(positions))
        if share is None or self.mixes:
            return self.prepare(tensors.gather(positions), None), share
        return self.prepare(tensors.gather(positions[share.rows]), share), share

    def prepare(self, batch: TensorBatch, share: Share | None) -> TensorBatch:
        """Augmentation, on the device."""
        augment = self.learner.augmentation.of_batch
        return augment(batch, self.learner.generators.augment, share) if augment else batch

    def forward(self, network: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What a network makes of a batch as this phase has them: whole rows, or kept features. It is for a loss: what sees
        targets is given them."""
        if getattr(network, "sees_targets", False):
            return network(batch, {name: batch[name] for name in network.heads})
        return network(batch)

    def train_mode(self) -> None:
        for name, network in self.learner.networks.items():
            network.train(name in self.optimizers)
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
        augment = self.learner.augmentation.of_batch
        collected: list[Tensor] = []
        processes, shares = self.learner.processes, []
        # Shards keep what they gather for the first time, and could not write to it in training.
        mode = torch.no_grad if self.learner.settings.shard else torch.inference_mode
        with mode(), self.learner.progress("Computing features", len(tensors)) as advance:
            for batch, share in tensors.in_shares(2 * self.learner.settings.batch_size, processes.share):
                shares.append(share)
                if augment and generator is not None:
                    batch = augment(batch, generator, share)
                with self.learner.autocast():
                    collected.append(self.network.features(batch).float())
                advance(len(collected[-1]) if share is None else share.total)
            features = processes.joined(collected, shares)
        arrays = {name: tensors.column(name) for name in self.network.heads}
        arrays["features"] = features.clone()  # no inference tensor any more
        return Tensors(arrays, torch.arange(len(tensors), device=tensors.device), tensors.device)

    def prepare(self, batch: TensorBatch, share: Share | None) -> TensorBatch:
        return batch

    def forward(self, network: Any, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return network.from_features(batch["features"])

    def train_mode(self) -> None:
        self.network.eval()
        self.network.top.train()


def start_phase(learner: Learner, phase: Phase) -> Training:
    return (FrozenTraining if phase.frozen else Training)(learner, phase)


def parameter_groups(network: Network, phase: Phase, weight_decay: float) -> list[dict[str, Any]]:
    """The groups of the weights that a phase trains of the learner's own network."""
    return groups_of(
        [list(network.top.parameters())] if phase.frozen else network.blocks(), phase, weight_decay
    )


def groups_of(blocks: list[list[nn.Parameter]], phase: Phase, weight_decay: float) -> list[dict[str, Any]]:
    """One group per block of a network, with `share` of the phase's learning rate; biases and norms, which
    have one dimension, do not decay."""
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
