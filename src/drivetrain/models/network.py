"""A network made from the signature: an encoder per input, their features side by side, a head per target."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from drivetrain.codecs import Codec, Signature
from drivetrain.errors import TrainingError, UsageError
from drivetrain.types import Array

PLAIN_WIDTH = 32
"""Features of an input that is not the picture, when a picture's body is asked for by name."""


class Network(nn.Module):
    """Encoded batch -> for each target what its head's loss wants. `finish` makes graph outputs of that."""

    def __init__(self, encoders: dict[str, nn.Module], heads: dict[str, nn.Module], notes: list[str]) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.heads = nn.ModuleDict(heads)
        self.notes = notes

    def features(self, batch: Mapping[str, Tensor]) -> Tensor:
        """float32 (N, features): what all encoders make of their inputs, side by side."""
        parts = [encoder(batch[name]) for name, encoder in self.encoders.items()]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def from_features(self, features: Tensor) -> dict[str, Tensor]:
        return {name: head(features) for name, head in self.heads.items()}

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return self.from_features(self.features(batch))

    def finish(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the exported graph puts out: probabilities, numbers in natural units."""
        return {name: head.finish(outputs[name]) for name, head in self.heads.items()}

    def stages(self) -> list[list[nn.Parameter]]:
        """Trainable parameters from input to output; the heads are last. For discriminative learning rates."""
        bodies = [
            encoder.body.stages() if hasattr(encoder.body, "stages") else [encoder.body]
            for encoder in self.encoders.values()
        ]
        depth = max(len(stages) for stages in bodies)
        groups: list[list[nn.Parameter]] = [[] for _ in range(depth)]
        for stages in bodies:
            for place, stage in enumerate(stages, start=depth - len(stages)):
                groups[place].extend(stage.parameters())
        placed = {id(parameter) for group in groups for parameter in group}
        groups[-1].extend(p for p in self.encoders.parameters() if id(p) not in placed)
        return [group for group in [*groups, list(self.heads.parameters())] if group]

    def running_statistics(self) -> list[Tensor]:
        """The buffers that a forward pass in training may change: those of the bodies. Ours are constants."""
        bodies = [encoder.body for encoder in self.encoders.values()]
        return [
            buffer
            for body in bodies
            for buffer in body.buffers()
            if buffer.is_floating_point() and buffer.numel()
        ]

    @property
    def pretrained(self) -> bool:
        """True where a body has weights that were trained before."""
        return any(getattr(encoder.body, "pretrained", None) for encoder in self.encoders.values())

    def keep_norms_frozen(self) -> None:
        """Put batch norm of bodies that ask for it into eval mode; call after `train()`."""
        for encoder in self.encoders.values():
            if getattr(encoder.body, "frozen_norm", False):
                for module in encoder.body.modules():
                    if isinstance(module, nn.modules.batchnorm._BatchNorm):
                        module.eval()


def _part(kind: str, codec: Codec) -> Any:
    name = codec.op.partition("@")[0]
    try:
        return importlib.import_module(f"drivetrain.models.{kind}.{name}")
    except ModuleNotFoundError as fault:
        if fault.name != f"drivetrain.models.{kind}.{name}":
            raise
        role = "an input" if kind == "encoders" else "a target"
        raise UsageError(f"no network can have {codec.op} as {role} yet.", where=kind) from None


def build_network(
    signature: Signature,
    rows: Mapping[str, Array],
    model: str | nn.Module,
    *,
    pretrained: bool | str = "auto",
    dropout: float = 0.0,
    label_smoothing: float = 0.0,
) -> Network:
    """The network for a signature. `rows` are a sample of encoded training rows by field, for statistics and shapes.

    `model` is the name of a body for the picture inputs (see `registry.py`), or a torch module. A module takes
    the prepared input (pictures: normalised float32 (N, C, H, W); numbers: (N, 1)) and must give the output
    itself: (N, classes) scores or (N, 1). Raises UsageError for an unknown name, TrainingError where a module
    does not fit.
    """
    if isinstance(model, nn.Module):
        return _around(signature, rows, model)
    from drivetrain.models.registry import build_body

    encoders: dict[str, nn.Module] = {}
    notes: list[str] = []
    features = 0
    for name, codec in signature.inputs.items():
        if len(codec.shape) == 3:
            body: nn.Module = build_body(model, codec.shape, pretrained=pretrained, dropout=dropout)
            notes += getattr(body, "notes", [])
        else:
            body = nn.LazyLinear(PLAIN_WIDTH) if model != "linear" else nn.Identity()
            if model != "linear":
                body = nn.Sequential(body, nn.ReLU())
        encoder = _part("encoders", codec).build(codec, body, rows[name])
        encoders[name] = encoder
        with torch.no_grad():
            encoder.eval()
            features += encoder(_two_rows(codec, rows[name])).shape[1]
            encoder.train()
    heads = {
        name: _part("heads", codec).build(codec, features, dropout, label_smoothing)
        for name, codec in signature.targets.items()
    }
    return Network(encoders, heads, notes)


def _two_rows(codec: Codec, rows: Array) -> Tensor:
    """Two rows of the size that the network will get: training rows may be kept larger for random crops."""
    return torch.as_tensor(rows[(slice(2), *(slice(side) for side in codec.shape))])


def _around(signature: Signature, rows: Mapping[str, Array], module: nn.Module) -> Network:
    """A network around somebody's own module, tried on two rows so that a misfit is told at once."""
    if len(signature.inputs) != 1 or len(signature.targets) != 1:
        raise UsageError("a torch module can stand for a network of one input and one target.", where="model")
    ((source, codec),) = signature.inputs.items()
    ((target, target_codec),) = signature.targets.items()
    encoder = _part("encoders", codec).build(codec, module, rows[source])
    head = _part("heads", target_codec).build(target_codec, None, 0.0, 0.0)
    network = Network({source: encoder}, {target: head}, [])
    wanted = target_codec.output_shape or (1,)
    mode = module.training
    try:
        with torch.no_grad():
            network.eval()
            sample = _two_rows(codec, rows[source])
            given = tuple(encoder.prepare(sample).shape)
            output = encoder(sample)
    except (RuntimeError, ValueError, TypeError, IndexError) as fault:
        raise TrainingError(
            f"the module can't take its input: {str(fault).splitlines()[0]}.", where=type(module).__name__,
            fix=f"It gets float32 of shape (batch, {', '.join(map(str, encoder.prepare(sample).shape[1:]))}).",
        ) from fault  # fmt: skip
    finally:
        network.train(mode)
    if tuple(output.shape[1:]) != wanted:
        raise TrainingError(
            f"the module gives {tuple(output.shape)} for an input of {given}; {target!r} needs (batch, {wanted[0]}).",
            where=type(module).__name__, fix="Change its last layer.",
        )  # fmt: skip
    if (
        target_codec.output_shape
        and bool((output >= 0).all())
        and torch.allclose(output.sum(1), torch.ones(len(output)))
    ):
        network.notes.append(
            "the module ends in a softmax; the loss applies one itself. Leave it out, or it learns slowly."
        )
    return network
