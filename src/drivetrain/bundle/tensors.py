"""What the inputs and outputs of a graph are called, by field.

A field is called what its column is called, which may be anything, while exporters and runtimes have names of their own
for nodes, weights and operators. So the names in a graph are made. In format 1 they were the fields.
"""

from __future__ import annotations

from typing import NamedTuple

from drivetrain.codecs import Signature
from drivetrain.ragged import lengths_of


class Tensors(NamedTuple):
    """What a batch holds, by its name there -> the name in the graph."""

    inputs: dict[str, str]
    outputs: dict[str, str]


def made_names(signature: Signature) -> Tensors:
    """`input_0`, `input_1`, ... and `output_0`, ... in the order of the signature; the lengths of the rows of `input_1`, where
    they vary, are `lengths_1`."""
    inputs: dict[str, str] = {}
    for place, (field, codec) in enumerate(signature.inputs.items()):
        inputs[field] = f"input_{place}"
        if codec.varies:
            inputs[lengths_of(field)] = f"lengths_{place}"
    return Tensors(inputs, {field: f"output_{place}" for place, field in enumerate(signature.targets)})


def part_tensor(place: int, output: str) -> str:
    """What one part of a blend says for an output."""
    return f"part_{place}_{output}"


def vectors_tensor(*inputs: str) -> str:
    """What a table of vectors is called of which the inputs, as the graph calls them, take a row for each of their values:
    `embedding_0` of `input_0`, `embedding_0_3` of the two, `embedding_tokens` of what a step takes."""
    return "_".join(["embedding", *(name.removeprefix("input_") for name in inputs)])


def own_names(signature: Signature) -> Tensors:
    """The fields themselves."""
    return Tensors(
        {field: field for field in signature.inputs}, {field: field for field in signature.targets}
    )
