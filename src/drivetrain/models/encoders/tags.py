"""Tags -> a column for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from drivetrain.codecs import Codec
from drivetrain.models.encoders import Encoder, EncoderOptions
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph


class TagsEncoder(Encoder):
    """uint8 (N, tags) each -> their columns, float32."""

    def forward(self, arrays: list[Tensor]) -> list[Tensor]:
        return [tags.to(torch.float32) for tags in arrays]

    def write_graph(self, graph: NetworkGraph) -> list[str]:
        return [graph.floats(graph.inputs[name]) for name in self.names]


def build(codecs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions) -> TagsEncoder:
    del rows, options
    return TagsEncoder(list(codecs))
