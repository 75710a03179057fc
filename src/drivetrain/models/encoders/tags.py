"""Tags -> a column for each."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from drivetrain.codecs import Codec
from drivetrain.models.encoders import Encoder, EncoderOptions
from drivetrain.types import Array


class TagsEncoder(Encoder):
    """uint8 (N, tags) each -> their columns side by side, float32."""

    def forward(self, arrays: list[Tensor]) -> Tensor:
        return (arrays[0] if len(arrays) == 1 else torch.cat(arrays, 1)).to(torch.float32)


def build(codecs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions) -> TagsEncoder:
    del rows, options
    return TagsEncoder(list(codecs))
