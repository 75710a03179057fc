"""GRU on tokens: `gru`, `gru:bidirectional`, `gru:2-layers`, `gru:256-wide`, or several of these."""

from __future__ import annotations

from drivetrain.models import recurrent
from drivetrain.models.registry import Model
from drivetrain.models.takes import TOKENS, takes_form

MODEL = Model("GRU", takes=takes_form(TOKENS, "tokens"))
WORDS = ("bidirectional", "2-layers", "256-wide", "64-embedded")


def build(shape: tuple[int, ...], dropout: float = 0.0, *words: str) -> recurrent.Recurrent:
    return recurrent.build("GRU", shape, dropout, words)
