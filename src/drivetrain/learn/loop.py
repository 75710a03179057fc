"""The loop: phases, epochs, batches, one step. Read it from the bottom up, or the top down."""

from __future__ import annotations

import functools
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from drivetrain.data.share import Share
from drivetrain.errors import TrainingError
from drivetrain.learn import schedules
from drivetrain.learn.diagnose import not_finite
from drivetrain.learn.hooks import overridden
from drivetrain.learn.interrupt import InterruptGuard
from drivetrain.learn.training import Training, start_phase
from drivetrain.memory import kept_memory

if TYPE_CHECKING:
    from drivetrain.learn.learner import Learner


@dataclass
class Position:
    """How far a learner's plan has come: phase, epoch in it, batches of that epoch, optimiser steps of the phase,
    and the sums of the epoch so far."""

    phase: int = 0
    epoch: int = 0
    batch: int = 0
    step: int = 0
    seen: int = 0
    loss_sum: float = 0.0
    error_sum: float = 0.0
    seconds: float = 0.0

    def start_epoch(self) -> None:
        self.batch = self.seen = 0
        self.loss_sum = self.error_sum = self.seconds = 0.0


def run_plan(learner: Learner) -> bool:
    """Train from where the learner is to the end of its plan. False when it was stopped; it can be resumed."""
    with (
        kept_memory(),
        learner.threads(),
        InterruptGuard() as guard,
        learner.generators.for_torch(),
        learner.epoch_table() as table,
    ):
        while learner.position.phase < len(learner.plan):
            phase = learner.plan[learner.position.phase]
            training = start_phase(learner, phase)
            learner.restore_optimizer(training)
            for hook in overridden(learner.hooks, "on_fit_start"):
                hook(learner, phase)
            while not learner.phase_is_over():
                if train_epoch(learner, training, guard, table):
                    finish_epoch(learner, training, table)
                learner.save_checkpoint(training)
                pressed, stopping = learner.processes.any(guard.pressed, learner.stopping)
                if pressed or stopping:
                    return stop(learner, pressed)
            learner.end_phase()
            for hook in overridden(learner.hooks, "on_fit_end"):
                hook(learner, phase)
    return True


def stop(learner: Learner, pressed: bool) -> bool:
    """Leave a run that can be resumed: as KeyboardInterrupt where somebody pressed Ctrl-C."""
    learner.stopping = False
    for hook in overridden(learner.hooks, "on_stop"):
        hook(learner)
    if pressed:
        raise KeyboardInterrupt
    return False


def train_epoch(learner: Learner, training: Training, guard: InterruptGuard, table: Any) -> bool:
    """The rest of the current epoch. False when training was stopped before its end."""
    position, settings = learner.position, learner.settings
    tensors = training.train_tensors(position.epoch)
    batches = learner.epoch_batches(len(tensors))
    updates = math.ceil(len(batches) / settings.accumulate)
    total_steps = updates * training.phase.epochs
    on_start, on_loss, on_end = (
        overridden(learner.hooks, moment) for moment in ("on_batch_start", "on_loss", "on_batch_end")
    )
    if position.batch == 0:
        for hook in overridden(learner.hooks, "on_epoch_start"):
            hook(learner, position.epoch)
    table.start(len(batches), done=position.batch)
    started, before = time.perf_counter(), position.seconds
    training.train_mode()
    while position.batch < len(batches):
        learner.processes.own_chance(settings.seed, position.phase, position.epoch, position.batch)
        batch, share = training.batch(tensors, batches[position.batch])
        for hook in on_start:
            hook(learner, batch)
        loss, error = forward(learner, training, batch, share)
        for hook in on_loss:
            hook(learner, loss)
        value, wrong = learner.processes.totals(loss, error)
        if not math.isfinite(value):
            place = f"epoch {position.epoch + 1}, batch {position.batch + 1} of {len(batches)}"
            again = functools.partial(training.forward, batch)
            with learner.processes.alone():
                fault = not_finite(learner.network, again, batch, value, place)
            learner.restore_buffers()  # Both forward passes have moved the running statistics.
            raise learner.processes.same_fault(fault, mine=not math.isfinite(loss.item()))
        (loss / settings.accumulate if settings.accumulate > 1 else loss).backward()
        rows = len(batches[position.batch])
        position.batch += 1
        position.seen += rows
        position.loss_sum += value * rows
        position.error_sum += wrong
        whole = position.batch % settings.accumulate == 0 or position.batch == len(batches)
        if whole:
            update(learner, training, schedules.factor(training.phase.schedule, position.step, total_steps))
        for hook in on_end:
            hook(learner, position.step, value)
        table.batch(position.batch, position.loss_sum / position.seen)
        position.seconds = before + time.perf_counter() - started
        if whole and learner.processes.agreed(guard.pressed or learner.stopping):
            break
    return position.batch == len(batches)


def forward(
    learner: Learner, training: Training, batch: dict[str, Tensor], share: Share | None = None
) -> tuple[Tensor, Tensor]:
    """The mean loss of a batch, and the sum of what its first head counts as error.

    With a `share` of a batch: what these rows add to the whole one's mean loss, and their errors.
    """
    network = learner.network
    mixed = learner.mix(batch, share) if learner.mixes(training) else None
    if mixed is not None:
        batch = mixed.batch
    learner.keep_buffers()
    with learner.autocast():
        outputs = training.forward(batch)
    losses = []
    for name, head in network.heads.items():
        if mixed is None and share is None:
            losses.append(head.loss(outputs[name], batch[name]))
            continue
        each, weights = head.losses(outputs[name], batch[name]), None
        if mixed is not None:
            other = head.losses(outputs[name], mixed.partners[name])
            each = mixed.weight * each + (1 - mixed.weight) * other
        elif hasattr(head, "total_weight"):
            weights = head.total_weight(batch[name])
        losses.append(each.mean() if share is None else learner.processes.part_of_mean(each, share, weights))
    name, head = next(iter(network.heads.items()))
    error = head.error(outputs[name].detach(), batch[name])
    if share is not None and share.idle:
        error = torch.zeros_like(error)
    return (losses[0] if len(losses) == 1 else torch.stack(losses).sum()), error


def update(learner: Learner, training: Training, factor: float) -> None:
    """One step of the optimiser at `factor` of the phase's learning rate."""
    learner.processes.sum_gradients(training.parameters)
    if learner.settings.clip is not None:
        torch.nn.utils.clip_grad_norm_(list(training.parameters), learner.settings.clip)
    for group in training.optimizer.param_groups:
        group["lr"] = training.phase.learning_rate * group["share"] * factor
    training.optimizer.step()
    training.optimizer.zero_grad(set_to_none=True)
    learner.position.step += 1
    if learner.average is not None:
        learner.average.update_parameters(learner.network)


def finish_epoch(learner: Learner, training: Training, table: Any) -> None:
    """Validate, record, show, and go to the next epoch."""
    position = learner.position
    valid = validate(learner, training)
    epoch = len(learner.history) + 1
    if valid[0] is not None and not math.isfinite(valid[0]):
        raise TrainingError(
            f"the validation loss of epoch {epoch} is {valid[0]}, and the training loss is a number.",
            where=learner.run or "",
            fix="Look at the validation rows, and at what the network does otherwise when it is not in training.",
        )
    row = {
        "epoch": epoch,
        "phase": position.phase + 1,
        "train_loss": position.loss_sum / position.seen,
        "valid_loss": valid[0],
        "train_error": learner.error_value(position.error_sum / position.seen),
        "valid_rows": len(training.valid),
        "valid_error": None if valid[1] is None else learner.error_value(valid[1]),
        "learning_rate": training.optimizer.param_groups[-1]["lr"],
        "seconds": position.seconds,
    }
    learner.history.append(row)
    position.epoch += 1
    position.start_epoch()
    table.epoch(row)
    learner.record(row)
    for hook in overridden(learner.hooks, "on_epoch_end"):
        hook(learner, row)


@torch.inference_mode()
def validate(learner: Learner, training: Training) -> tuple[float | None, float | None]:
    """(mean loss, mean error) on the valid part; None without one."""
    if not len(training.valid):
        return None, None
    network = learner.evaluated_network()
    network.eval()
    loss_sum = error_sum = 0.0
    for batch, share in training.valid.in_shares(2 * learner.settings.batch_size, learner.processes.share):
        with learner.autocast():
            outputs = training.valid_forward(network, batch)
        if share is not None and share.idle:
            continue
        for name, head in network.heads.items():
            loss_sum += head.losses(outputs[name], batch[name]).sum().item()
        name, head = next(iter(network.heads.items()))
        error_sum += head.error(outputs[name], batch[name]).item()
    loss_sum, error_sum = learner.processes.sums(loss_sum, error_sum)
    return loss_sum / len(training.valid), error_sum / len(training.valid)
