"""The loop: phases, epochs, batches, one step. Read it from the bottom up, or the top down."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import torch

from drivetrain.data.loader import TensorBatch
from drivetrain.errors import DrivetrainError, TrainingError, UsageError
from drivetrain.learn import schedules
from drivetrain.learn.diagnose import not_finite
from drivetrain.learn.hooks import overridden
from drivetrain.learn.interrupt import InterruptGuard
from drivetrain.learn.objectives.base import NETWORK
from drivetrain.learn.training import Training, start_phase
from drivetrain.memory import kept_memory

if TYPE_CHECKING:
    from drivetrain.learn.learner import Learner


@dataclass
class Position:
    """How far a learner's plan has come: phase, epoch in it, batches of that epoch, optimiser steps of the phase;
    `sums` has for each figure of the epoch so far (its sum over rows, these rows)."""

    phase: int = 0
    epoch: int = 0
    batch: int = 0
    step: int = 0
    sums: dict[str, tuple[float, int]] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """What `dataclasses.asdict` gave. Runs of version 0.1.0 have two sums, over the rows `seen`."""
        found = dict(values)
        if "seen" in found:
            rows = found.pop("seen")
            found["sums"] = {f"train_{kind}": (found.pop(f"{kind}_sum"), rows) for kind in ("loss", "error")}
        return cls(**found)

    def start_epoch(self) -> None:
        self.batch, self.sums, self.seconds = 0, {}, 0.0

    def add(self, figure: str, value: float, rows: int) -> None:
        before, count = self.sums.get(figure, (0.0, 0))
        self.sums[figure] = (before + value, count + rows)

    def mean(self, figure: str) -> float | None:
        """A figure's mean over the rows so far; None where there are none."""
        value, rows = self.sums.get(figure, (0.0, 0))
        return value / rows if rows else None


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
            learner.restore_optimizers(training)
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
    batches = learner.epoch_batches(tensors)
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
        rows, done = len(batches[position.batch]), position.batch + 1
        whole = done % settings.accumulate == 0 or done == len(batches)
        factor = schedules.factor(training.phase.schedule, position.step, total_steps)
        figures: dict[str, float] = {}
        value = math.nan
        for name, loss, error in training.updates(batch, share):
            for hook in on_loss:
                hook(learner, loss)
            value, wrong = learner.processes.totals(loss, error)
            if not math.isfinite(value):
                place = f"epoch {position.epoch + 1}, batch {done} of {len(batches)}"
                raise no_number(learner, training, batch, value, place, mine=not math.isfinite(loss.item()))
            (loss / settings.accumulate if settings.accumulate > 1 else loss).backward(
                inputs=training.inputs(name)
            )
            if whole:
                update(learner, training, name, factor)
            figures[loss_name(name)] = value * rows
            if error is not None:
                figures["train_error"] = wrong
        position.batch = done
        for figure, total in figures.items():
            position.add(figure, total, rows)
        if whole:
            position.step += 1
            if learner.average is not None and loss_name(NETWORK) in figures:
                learner.average.update_parameters(learner.network)
        for hook in on_end:
            hook(learner, position.step, value)
        table.batch(done, position.mean(loss_name(NETWORK)) or 0.0)
        position.seconds = before + time.perf_counter() - started
        if whole and learner.processes.agreed(guard.pressed or learner.stopping):
            break
    over = position.batch == len(batches)
    if over and not position.sums and position.phase == position.epoch == 0:
        raise UsageError(
            "the step asked for no update in the whole first epoch.", where=learner.objective.name,
            fix='Let it yield "network", loss.',
        )  # fmt: skip
    return over


def no_number(
    learner: Learner, training: Training, batch: TensorBatch, value: float, where: str, mine: bool
) -> DrivetrainError:
    """The error of a batch whose loss is no number, after which nothing is as this batch has made it. `mine`: the rows
    are among those of this process."""
    again = functools.partial(training.again, batch)
    with learner.processes.alone():
        fault = not_finite(learner.networks, again, batch, value, where)
    training.snapshot.restore()
    return learner.processes.same_fault(fault, mine)


def update(learner: Learner, training: Training, name: str, factor: float) -> None:
    """One step of a network's optimiser at `factor` of the phase's learning rate."""
    learner.processes.sum_gradients(training.parameters(name))
    if learner.settings.clip is not None:
        torch.nn.utils.clip_grad_norm_(list(training.parameters(name)), learner.settings.clip)
    optimizer = training.optimizers[name]
    for group in optimizer.param_groups:
        group["lr"] = training.phase.learning_rate * group["share"] * factor
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def loss_name(network: str) -> str:
    """What a network's loss is called in the row of an epoch."""
    return "train_loss" if network == NETWORK else f"{network}_loss"


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
    error = position.mean("train_error")
    row = {
        "epoch": epoch,
        "phase": position.phase + 1,
        "train_loss": position.mean("train_loss"),
        "valid_loss": valid[0],
        "train_error": None if error is None else learner.error_value(error),
        "valid_rows": len(training.valid),
        "valid_error": None if valid[1] is None else learner.error_value(valid[1]),
        "learning_rate": training.optimizers[NETWORK].param_groups[-1]["lr"],
        **{
            loss_name(name): position.mean(loss_name(name)) for name in training.optimizers if name != NETWORK
        },
        "seconds": position.seconds,
        **({} if learner.padding is None else {"padding": learner.padding}),
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
    """(mean loss, mean error) on the valid part; None without one, or where the objective has none."""
    valid = learner.objective.valid
    if not len(training.valid) or valid is None:
        return None, None
    nets = SimpleNamespace(**{**learner.networks, NETWORK: learner.evaluated_network()})
    for network in vars(nets).values():
        network.eval()
    loss_sum = error_sum = 0.0
    has_error = False
    size = 2 * learner.settings.batch_size
    for batch, share in training.valid.in_shares(size, learner.processes.share, alike=True):
        with learner.autocast():
            found = valid(training, nets, batch)
        has_error = isinstance(found, tuple)
        if share is not None and share.idle:
            continue
        loss, error = found if has_error else (found.sum(), 0.0)
        loss_sum += float(loss)
        error_sum += float(error)
    loss_sum, error_sum = learner.processes.sums(loss_sum, error_sum)
    return loss_sum / len(training.valid), error_sum / len(training.valid) if has_error else None
