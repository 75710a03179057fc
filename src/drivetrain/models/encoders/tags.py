"""Tags -> a column for each."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from drivetrain.codecs import Codec
from drivetrain.models.encoders import Encoder, EncoderOptions
from drivetrain.types import Array


class TagsEncoder(Encoder):
    """uint8 (N, tags) each -> their columns, float32."""

    def forward(self, arrays: list[Tensor]) -> list[Tensor]:
        return [tags.to(torch.float32) for tags in arrays]


def build(codecs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions) -> TagsEncoder:
    del rows, options
    return TagsEncoder(list(codecs))
