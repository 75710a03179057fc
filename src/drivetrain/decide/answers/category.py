"""A class as a number: the chance of one of them."""

from __future__ import annotations

from drivetrain.codecs import Codec
from drivetrain.decide.answers.base import Uncertain, chance_of


def uncertain(codec: Codec, answers: str, draws: str, where: str) -> Uncertain:
    """`answers` names the class, which needn't be said of two where one of them is yes, true or 1."""
    names = tuple(codec.labels or ())
    if not answers and len(names) == 2:
        yes = [name for name in names if name.strip().lower() in ("yes", "true", "1", "1.0")]
        answers = yes[0] if len(yes) == 1 else answers
    return chance_of(names, answers, draws, where, "class")
