"""Tags as a number: the chance of one of them."""

from __future__ import annotations

from drivetrain.codecs import Codec
from drivetrain.decide.answers.base import Uncertain, chance_of


def uncertain(codec: Codec, answers: str, draws: str, where: str) -> Uncertain:
    """`answers` names the tag."""
    return chance_of(tuple(codec.labels or codec.output_names), answers, draws, where, "tag")
