"""What every network is to what trains it and writes it: encoded batches in, an output for each target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn


class BaseNetwork(nn.Module):
    """Encoded batch -> for each target what its head's loss wants. `finish` makes graph outputs of that.

    `parts` are modules under their names; they come before the heads. A network writes its own graph where it has
    `write_graph(graph)` (see `drivetrain.graphs.network`); else torch's exporter does.
    """

    sees_targets = False
    """Whether `forward` is given the targets where a loss is computed, as a decoder is that learns the next token."""
    keeps_features = False
    """Whether its top can be trained alone, on rows of features that are computed once."""
    bodies: Sequence[nn.Module] = ()
    """The bodies of the inputs that have one of their own."""
    joined: Sequence[tuple[str, ...]] = ()
    """The inputs that are taken as one array: what a batch should hold side by side."""

    def __init__(self, heads: Mapping[str, nn.Module], notes: Sequence[str] = (), **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.head_modules = nn.ModuleList(heads.values())
        self.heads: dict[str, Any] = dict(heads)
        """Target -> its head: a plain dict, for a target may have a name that no module can."""
        self.notes = list(notes)

    def forward(
        self, batch: Mapping[Any, Tensor], targets: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Target -> output. `targets` are the encoded true ones, where a loss is computed and the network sees them. What
        is to be told is never read out of `batch`: it is not there where the network answers."""
        raise NotImplementedError

    def finish(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the exported graph puts out: probabilities, numbers in natural units."""
        return {name: head.finish(outputs[name]) for name, head in self.heads.items()}

    @property
    def top(self) -> nn.Module:
        """What comes after the features."""
        return self

    def blocks(self) -> list[list[nn.Parameter]]:
        """Trainable parameters from input to output, in groups; the last is the top. For discriminative learning rates."""
        return [list(self.parameters())]

    @property
    def pretrained(self) -> bool:
        """True where a body has weights that were trained before."""
        return any(getattr(body, "pretrained", None) for body in self.bodies)

    def keep_norms_frozen(self) -> None:
        """Put batch norm of bodies that ask for it into eval mode; call after `train()`."""
        for body in self.bodies:
            if getattr(body, "frozen_norm", False):
                for module in body.modules():
                    if isinstance(module, nn.modules.batchnorm._BatchNorm):
                        module.eval()
