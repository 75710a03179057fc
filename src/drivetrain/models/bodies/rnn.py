"""A plain recurrent network (tanh) on tokens or series: `rnn`, `rnn:bidirectional`, `rnn:2-layers`, `rnn:256-wide`, or several
of these."""

from __future__ import annotations

from drivetrain.models import recurrent
from drivetrain.models.registry import Model
from drivetrain.models.takes import SEQUENCES

MODEL = Model("a plain recurrent network", takes=SEQUENCES)
WORDS = ("bidirectional", "2-layers", "256-wide", "64-embedded")


def build(shape: tuple[int, ...], dropout: float = 0.0, *words: str) -> recurrent.Recurrent:
    return recurrent.build("RNN", shape, dropout, words)


def build_series(shape: tuple[int, ...], dropout: float = 0.0, *words: str) -> recurrent.Recurrent:
    """Of series there are fewer than of texts: it is narrower."""
    return recurrent.build("RNN", shape, dropout, words, recurrent.OF_SERIES)
