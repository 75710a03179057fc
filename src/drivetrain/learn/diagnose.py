"""Where a loss that is not a number came from: the batch, and the first layer that made one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from drivetrain.data.loader import TensorBatch
from drivetrain.errors import TrainingError
from drivetrain.ragged import lengths_of


def not_finite(
    networks: Mapping[str, nn.Module],
    forward: Callable[[], Any],
    batch: TensorBatch,
    loss: float,
    where: str,
) -> TrainingError:
    """The error that names the batch and, by running `forward` again with a watch on every layer, the layer."""
    (first, *others) = networks.values()
    network = nn.ModuleDict(dict(networks)) if others else first
    may_miss = {name for module in network.modules() for name in getattr(module, "may_be_nan", ())}
    bad_input = [
        name
        for name, rows in batch.fields().items()
        if rows.is_floating_point()
        and name not in may_miss
        and not _given(batch, name, rows).isfinite().all()
    ]
    bad_weight = [name for name, weight in network.named_parameters() if not weight.isfinite().all()]
    if bad_input:
        layer = f"the input {bad_input[0]!r} has it already"
    elif bad_weight:
        layer = f"the weight {bad_weight[0]} is not finite"
    else:
        layer = _first_layer(network, forward) or "the loss function made it: every layer's output is finite"
    return TrainingError(
        f"the loss is {loss} and training has stopped before this batch changed a weight; {layer}.",
        where=where,
        fix="Lower the learning rate (find_lr helps), clip gradients, or look at that batch.",
    )


def _given(batch: TensorBatch, name: str, rows: Tensor) -> Tensor:
    """The rows without what pads them."""
    if (lengths := batch.get(lengths_of(name))) is None:
        return rows
    return rows[torch.arange(rows.shape[1], device=rows.device) < lengths[:, None]]


def _first_layer(network: nn.Module, forward: Callable[[], Any]) -> str:
    found: list[str] = []

    def watch(name: str) -> Callable[..., None]:
        def look(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.is_floating_point() and not output.isfinite().all():
                found.append(f"the first layer that gives it is {name} ({type(module).__name__})")

        return look

    handles = [module.register_forward_hook(watch(name)) for name, module in network.named_modules() if name]
    try:
        with (
            torch.no_grad(),
            suppress(RuntimeError),
        ):  # A step may want gradients, or more memory than there is.
            forward()
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else ""
