"""Texts as a pretrained model of texts reads them: each input through a body of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from drivetrain.codecs import Codec
from drivetrain.codecs.subwords import Subwords
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.models.encoders import Encoder, EncoderOptions, Places
from drivetrain.models.takes import SUBWORDS
from drivetrain.ragged import lengths_of
from drivetrain.types import Array

FORM = SUBWORDS


class SubwordsEncoder(Encoder):
    """int64 (N, T) and how many of each row are tokens, int64 (N,), of each input -> what its body makes of them."""

    def __init__(self, bodies: Mapping[str, nn.Module]) -> None:
        super().__init__(list(bodies))
        self.texts = nn.ModuleList(bodies.values())

    @property
    def bodies(self) -> list[nn.Module]:
        return list(self.texts)

    def of(self, batch: Mapping[Any, Tensor]) -> list[Tensor]:
        found = zip(self.names, list[Any](self.texts))
        return [body(batch[name], batch[lengths_of(name)]) for name, body in found]

    def with_places(self, batch: Mapping[Any, Tensor]) -> tuple[list[Tensor], dict[str, Places]]:
        parts: list[Tensor] = []
        places: dict[str, Places] = {}
        for name, body in zip(self.names, list[Any](self.texts)):
            lengths = batch[lengths_of(name)]
            maps = body.maps(batch[name], lengths)
            parts.append(body.pooled(maps, lengths))
            places[name] = Places.of_lengths(maps, lengths)
        return parts, places


def build(codecs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions) -> SubwordsEncoder:
    del rows
    bodies: dict[str, nn.Module] = {}
    for name, codec in cast("Mapping[str, Subwords]", codecs).items():
        body: Any = options.body((codec.length or codec.most,))
        if not hasattr(body, "vocabulary"):
            raise UsageError(
                f"{name!r} is cut for a pretrained model: another takes it raw.", where="model",
                fix="Set takes_raw = True in it.",
            )  # fmt: skip
        if codec.size > body.vocabulary:
            raise DrivetrainError(
                f"the tokenizer has {codec.size:,} tokens, and the model knows {body.vocabulary:,}.", where="model",
                fix="Take tokenizer.json and the weights of the same model.",
            )  # fmt: skip
        bodies[name] = body
    return SubwordsEncoder(bodies)
