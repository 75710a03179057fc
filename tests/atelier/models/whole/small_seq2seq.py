"""Sequence to sequence (Sutskever, Vinyals and Le 2014): it reads a chant, then says one letter after the other. While it
learns, each follows the true one before it (teacher forcing); when it answers, its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from atelier.codecs.chant import LETTERS
from drivetrain.codecs import Signature
from drivetrain.models.base import BaseNetwork
from drivetrain.models.parts import build_heads
from drivetrain.models.registry import Model
from drivetrain.models.takes import Takes, exactly
from drivetrain.models.whole import WholeOptions
from drivetrain.types import Array

MODEL = Model(
    "reads and says letters", takes=Takes("one chant", exactly("chant"), "one chant", exactly("chant"))
)
WIDTH, START = 24, len(LETTERS)


class SmallSeq2Seq(BaseNetwork):
    sees_targets = True

    def __init__(self, length: int, read: str, said: str, heads: Mapping[str, nn.Module]) -> None:
        super().__init__(heads)
        self.length, self.read, self.said = length, read, said
        self.letters = nn.Embedding(len(LETTERS) + 1, WIDTH)
        self.reader, self.writer = nn.GRUCell(WIDTH, WIDTH), nn.GRUCell(WIDTH, WIDTH)
        self.last = nn.Linear(WIDTH, len(LETTERS))

    def forward(
        self, batch: Mapping[Any, Tensor], targets: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        heard = self.letters(batch[self.read])
        state = torch.zeros_like(heard[:, 0])
        for letter in heard.unbind(1):
            state = self.reader(letter, state)
        before = torch.full_like(batch[self.read][:, 0], START)
        said: list[Tensor] = []
        for place in range(self.length):
            state = self.writer(self.letters(before), state)
            said.append(self.last(state))
            before = said[-1].argmax(1) if targets is None else targets[self.said][:, place]
        return {self.said: torch.stack(said, 1)}


def build(signature: Signature, rows: Mapping[str, Array], options: WholeOptions) -> SmallSeq2Seq:
    (read,) = signature.inputs
    ((said, codec),) = signature.targets.items()
    return SmallSeq2Seq(codec.shape[0], read, said, build_heads(signature.targets, None, options.heads))
