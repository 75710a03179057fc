"""A network around somebody's own module, tried on two rows so that a misfit is told at once, with shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from drivetrain.codecs import Signature
from drivetrain.errors import TrainingError, UsageError
from drivetrain.models.base import BaseNetwork
from drivetrain.models.encoders import Encoder, EncoderOptions
from drivetrain.models.heads import HeadOptions
from drivetrain.models.network import Network
from drivetrain.models.parts import build_encoders, build_heads, part_of, two_rows
from drivetrain.models.takes import form_of
from drivetrain.ragged import lengths_of
from drivetrain.types import Array

NOT_TAKEN = (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError)
"""What a module raises for an input that it was not made for."""


class OwnNetwork(BaseNetwork):
    """Somebody's module on its input, or on several by name: each prepared by an encoder, or raw where there are none."""

    module: nn.Module

    def __init__(
        self,
        module: nn.Module,
        inputs: Sequence[str],
        encoders: Sequence[Encoder],
        heads: Mapping[str, nn.Module],
    ) -> None:
        super().__init__(heads, encoders=nn.ModuleList(encoders), module=module)
        self.inputs, self.prepare = tuple(inputs), list(encoders)
        self.bodies = [module]

    def given(self, batch: Mapping[Any, Tensor]) -> Tensor | dict[str, Tensor]:
        """What the module gets."""
        beside = [lengths_of(name) for name in self.inputs if not self.prepare]
        found = {name: batch[name] for name in (*self.inputs, *beside) if name in batch}
        for name, encoder in zip(self.inputs, self.prepare):
            found[name] = torch.cat(encoder.of(batch), 1)
        return found if len(found) > 1 else found[self.inputs[0]]

    def forward(
        self, batch: Mapping[Any, Tensor], targets: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        del targets
        output = self.module(self.given(batch))
        return {name: head(output) for name, head in self.heads.items()}


def build_own(
    signature: Signature, rows: Mapping[str, Array], module: nn.Module, options: Mapping[str, HeadOptions]
) -> BaseNetwork:
    """The network around a module (see `build_network`); a BaseNetwork is one itself. Raises UsageError where a module can't
    stand for one, TrainingError for a misfit."""
    if isinstance(module, BaseNetwork):
        return module
    if len(signature.targets) != 1:
        raise UsageError(
            "a torch module can stand for a network of one target.", where="model",
            fix="For several, derive it from drivetrain.models.base.BaseNetwork.",
        )  # fmt: skip
    heads = build_heads(signature.targets, None, options)
    network = _around(signature, rows, module, heads)
    _try(network, module, signature, two_rows(signature.inputs, rows))
    return network


def _around(
    signature: Signature, rows: Mapping[str, Array], module: nn.Module, heads: Mapping[str, nn.Module]
) -> BaseNetwork:
    """The module as the body of the only input, as what combines the features of inputs that need none, or on its own."""
    inputs = signature.inputs
    if getattr(module, "takes_raw", False):
        return OwnNetwork(module, list(inputs), [], heads)
    forms = [form_of(codec) for codec in inputs.values()]
    if any(forms) and len(forms) > 1:
        bare = EncoderOptions(lambda shape, form="": nn.Identity())
        encoders = [
            part_of("encoders", codec).build({name: codec}, rows, bare) for name, codec in inputs.items()
        ]
        return OwnNetwork(module, list(inputs), encoders, heads)
    encoders = build_encoders(inputs, rows, EncoderOptions(lambda shape, form="": module))
    return Network(encoders, nn.Identity() if any(forms) else module, heads, [])


def _try(network: BaseNetwork, module: nn.Module, signature: Signature, sample: Mapping[str, Tensor]) -> None:
    """Raises TrainingError for a module that can't take what it gets, or doesn't give what the target needs."""
    got: list[Any] = []
    gave: list[Any] = []
    handles = (
        module.register_forward_pre_hook(lambda _, given: got.append(given[0])),
        module.register_forward_hook(lambda _, given, output: gave.append(output)),
    )
    mode = module.training
    network.eval()
    try:
        with torch.no_grad():
            network(sample)
    except NOT_TAKEN as fault:
        if not got:
            raise
        if not gave:
            raise TrainingError(
                f"the module can't take its input: {next(iter(str(fault).splitlines()), type(fault).__name__)}.",
                where=type(module).__name__, fix=f"It gets {_described(got[0])}.",
            ) from fault  # fmt: skip
    finally:
        network.train(mode)
        for handle in handles:
            handle.remove()
    ((target, codec),) = signature.targets.items()
    wanted, output = codec.output_shape or (1,), gave[0]
    if not isinstance(output, Tensor) or tuple(output.shape[1:]) != wanted:
        found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise TrainingError(
            f"the module gives {found} for an input of {_shapes(got[0])}; {target!r} needs "
            f"(batch, {', '.join(map(str, wanted))}).",
            where=type(module).__name__, fix="Change its last layer.",
        )  # fmt: skip
    if codec.labels and bool((output >= 0).all()) and torch.allclose(output.sum(1), torch.ones(len(output))):
        network.notes.append(
            "the module ends in a softmax; the loss applies one itself. Leave it out, or it learns slowly."
        )


def _shapes(given: Any) -> str:
    if isinstance(given, Tensor):
        return str(tuple(given.shape))
    return ", ".join(f"{name} {tuple(array.shape)}" for name, array in given.items())


def _described(given: Any) -> str:
    """ "float32 of shape (batch, 3, 32, 32)", or that of each of several inputs."""
    if isinstance(given, Tensor):
        dtype = str(given.dtype).removeprefix("torch.")
        return f"{dtype} of shape ({', '.join(['batch', *map(str, given.shape[1:])])})"
    return "a mapping: " + "; ".join(f"{name!r}, {_described(array)}" for name, array in given.items())
