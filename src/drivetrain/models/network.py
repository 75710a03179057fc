"""A network made from the signature: encoders for the inputs, a combiner of their features, a head per target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from drivetrain.codecs import Codec, Signature
from drivetrain.errors import TrainingError, UsageError
from drivetrain.extensions import facet, kind_of
from drivetrain.models.encoders import Encoder, EncoderOptions
from drivetrain.models.heads import HeadOptions
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph


class Network(nn.Module):
    """Encoded batch -> for each target what its head's loss wants. `finish` makes graph outputs of that."""

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        combiner: nn.Module,
        heads: Mapping[str, nn.Module],
        notes: list[str],
    ) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(dict(encoders))
        self.combiner = combiner
        self.head_modules = nn.ModuleList(heads.values())
        self.heads: dict[str, Any] = dict(heads)
        """Target -> its head: a plain dict, for a target may have a name that no module can."""
        self.notes = notes

    @property
    def joined(self) -> list[tuple[str, ...]]:
        """The inputs that an encoder takes as one array: what a batch should hold side by side."""
        return [encoder.names for encoder in self.encoders.values() if encoder.joined]

    def features(self, batch: Mapping[str, Tensor]) -> Tensor:
        """float32 (N, features): what all encoders make of their inputs, side by side."""
        parts: list[Tensor] = []
        for encoder in self.encoders.values():
            parts += encoder.of(batch)
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def from_features(self, features: Tensor) -> dict[str, Tensor]:
        combined = self.combiner(features)
        return {name: head(combined) for name, head in self.heads.items()}

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return self.from_features(self.features(batch))

    def finish(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the exported graph puts out: probabilities, numbers in natural units."""
        return {name: head.finish(outputs[name]) for name, head in self.heads.items()}

    def write_graph(self, graph: NetworkGraph) -> None:
        parts = [part for encoder in self.encoders.values() for part in graph.write(encoder)]
        combined = graph.write(self.combiner, graph.beside(parts))
        for name, head in self.heads.items():
            graph.write(head, combined, graph.outputs[name])

    @property
    def bodies(self) -> list[nn.Module]:
        """The bodies of the inputs that have one of their own."""
        return [body for encoder in self.encoders.values() for body in getattr(encoder, "bodies", [])]

    @property
    def top(self) -> nn.ModuleList:
        """What comes after the features: combiner and heads."""
        return nn.ModuleList([self.combiner, *self.head_modules])

    def blocks(self) -> list[list[nn.Parameter]]:
        """Trainable parameters from input to output; combiner and heads are last. For discriminative learning rates."""
        bodies = [body.blocks() if hasattr(body, "blocks") else [body] for body in self.bodies]  # type: ignore[operator]
        depth = max((len(blocks) for blocks in bodies), default=1)
        groups: list[list[nn.Parameter]] = [[] for _ in range(depth)]
        for blocks in bodies:
            for place, block in enumerate(blocks, start=depth - len(blocks)):
                groups[place].extend(block.parameters())
        placed = {id(parameter) for group in groups for parameter in group}
        groups[-1].extend(p for p in self.encoders.parameters() if id(p) not in placed)
        return [group for group in [*groups, list(self.top.parameters())] if group]

    def running_statistics(self) -> list[Tensor]:
        """The buffers that a forward pass in training may change: those of bodies and combiner. Ours are constants."""
        return [
            buffer
            for body in (*self.bodies, self.combiner)
            for buffer in body.buffers()
            if buffer.is_floating_point() and buffer.numel()
        ]

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


def build_network(
    signature: Signature,
    rows: Mapping[str, Array],
    model: str | nn.Module,
    *,
    pretrained: bool | str = "auto",
    dropout: float = 0.0,
    heads: Mapping[str, HeadOptions] | None = None,
    count: int | None = None,
) -> Network:
    """The network for a signature. `rows` are a sample of encoded training rows by field, for statistics and shapes.

    `model` is a name (see `registry.py`): of a body for pictures, of a combiner for what is no picture. Or it is a
    torch module, which takes the prepared input (a picture: normalised float32 (N, C, H, W); all else: the features
    of the inputs side by side (N, features)) and gives the output itself: (N, classes) scores or (N, 1).
    `heads` has options by target; `count` is the number of training rows where `rows` are not all.
    Raises UsageError for an unknown name, TrainingError where a module does not fit.
    """
    from drivetrain.models import registry

    notes: list[str] = []
    own = isinstance(model, nn.Module)

    def body(codec: Codec) -> nn.Module:
        if own:
            return model
        made = registry.build_body(model, codec.shape, pretrained=pretrained, dropout=dropout)  # type: ignore[arg-type]
        notes.extend(getattr(made, "notes", []))
        return made

    if model in registry.PAIRS:
        registry.refuse_no_pair(model, signature)  # type: ignore[arg-type]
    shape = registry.TableShape()
    if model == "mlp" and not any(len(codec.shape) == 3 for codec in signature.inputs.values()):
        numbers = sum(kind_of(codec) == "number" for codec in signature.inputs.values())
        shape = registry.table_shape(count or len(next(iter(rows.values()))), numbers)
    options = EncoderOptions(body) if own else registry.encoder_options(model, body, shape)
    encoders: dict[str, Encoder] = {}
    for part, codecs in _by_part(signature.inputs).items():
        encoders[part.__name__.rpartition(".")[2]] = part.build(codecs, rows, options)
    flat = all(encoder.flat for encoder in encoders.values())
    chosen = heads or {}
    if own:
        combiner = model if flat else nn.Identity()
        return _around(signature, rows, model, encoders, combiner, chosen)
    sample = _two_rows(signature.inputs, rows)
    inputs = _inputs_of_features(encoders, sample)
    combined = any(encoder.flat for encoder in encoders.values())
    combiner = registry.build_combiner(model, inputs, dropout, shape) if combined else nn.Identity()  # type: ignore[arg-type]
    width = getattr(combiner, "features", len(inputs))
    made = {
        name: _part("heads", codec, "a target").build(
            codec, width, replace(chosen.get(name, HeadOptions(dropout)), members=shape.members)
        )
        for name, codec in signature.targets.items()
    }
    return Network(encoders, combiner, made, notes)


def _by_part(codecs: Mapping[str, Codec]) -> dict[ModuleType, dict[str, Codec]]:
    """Codecs by the file that encodes them, both in order of first appearance."""
    found: dict[ModuleType, dict[str, Codec]] = {}
    for name, codec in codecs.items():
        found.setdefault(_part("encoders", codec, "an input"), {})[name] = codec
    return found


def _part(package: str, codec: Codec, role: str) -> ModuleType:
    if (module := facet(f"models.{package}", codec)) is None:
        raise UsageError(f"no network can have {kind_of(codec)} as {role} yet.", where=package)
    return module


def _two_rows(codecs: Mapping[str, Codec], rows: Mapping[str, Array]) -> dict[str, Tensor]:
    """Two rows of the size that the network will get: training rows may be kept larger for random crops."""
    return {
        name: torch.as_tensor(rows[name][(slice(2), *(slice(side) for side in codec.shape))])
        for name, codec in codecs.items()
    }


def _inputs_of_features(encoders: Mapping[str, Encoder], sample: Mapping[str, Tensor]) -> list[int]:
    """For each of the features that the encoders give together, the number of the input that it is of."""
    found: list[int] = []
    first = 0
    with torch.no_grad():
        for encoder in encoders.values():
            encoder.eval()
            widths = [part.shape[1] for part in encoder.of(sample)]
            encoder.train()
            found += [first + place for place in encoder.inputs_of(widths)]
            first += len(encoder.names)
    return found


def _around(
    signature: Signature,
    rows: Mapping[str, Array],
    module: nn.Module,
    encoders: dict[str, Encoder],
    combiner: nn.Module,
    heads: Mapping[str, HeadOptions],
) -> Network:
    """A network around somebody's own module, tried on two rows so that a misfit is told at once."""
    pictures = [codec for codec in signature.inputs.values() if len(codec.shape) == 3]
    if len(signature.targets) != 1 or (pictures and len(signature.inputs) != 1):
        raise UsageError(
            "a torch module can stand for a network of one target, and of one picture or of inputs without pictures.",
            where="model",
        )
    ((target, codec),) = signature.targets.items()
    head = _part("heads", codec, "a target").build(codec, None, heads.get(target, HeadOptions()))
    network = Network(encoders, combiner, {target: head}, [])
    wanted = codec.output_shape or (1,)
    sample = _two_rows(signature.inputs, rows)
    mode = module.training
    network.eval()
    with torch.no_grad():
        prepared = _prepared(network, sample)
        given = tuple(prepared.shape)
        try:
            output = module(prepared)
        except (RuntimeError, ValueError, TypeError, IndexError) as fault:
            raise TrainingError(
                f"the module can't take its input: {str(fault).splitlines()[0]}.", where=type(module).__name__,
                fix=f"It gets float32 of shape (batch, {', '.join(map(str, given[1:]))}).",
            ) from fault  # fmt: skip
        finally:
            network.train(mode)
    if tuple(output.shape[1:]) != wanted:
        raise TrainingError(
            f"the module gives {tuple(output.shape)} for an input of {given}; {target!r} needs (batch, {wanted[0]}).",
            where=type(module).__name__, fix="Change its last layer.",
        )  # fmt: skip
    if (
        codec.output_shape
        and bool((output >= 0).all())
        and torch.allclose(output.sum(1), torch.ones(len(output)))
    ):
        network.notes.append(
            "the module ends in a softmax; the loss applies one itself. Leave it out, or it learns slowly."
        )
    return network


def _prepared(network: Network, sample: Mapping[str, Tensor]) -> Tensor:
    """What somebody's own module gets: the picture normalised, or all features."""
    if isinstance(network.combiner, nn.Identity):
        (images,) = sample.values()
        (encoder,) = network.encoders.values()
        return encoder.pictures[0].prepare(images)  # type: ignore[union-attr,index]
    return network.features(sample)
