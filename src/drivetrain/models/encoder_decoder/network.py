"""An encoder and a decoder with one table of vectors for what is read, what is written, and the scores of what is to come
(Press and Wolf 2017, arXiv:1608.05859)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.errors import UsageError
from drivetrain.models.base import BaseNetwork
from drivetrain.models.costs import Costs
from drivetrain.models.heads import CostsHead
from drivetrain.models.sequences import there
from drivetrain.ragged import lengths_of
from drivetrain.tokenizer import PADDING, START, STOP, UNKNOWN

State = list[Tensor]
"""What a step is handed, rows first: those that it changes, and then those that stay as reading has made them."""


class Attending(nn.Module):
    """How texts are read and written: vectors in, what is known at each place out. One file for each kind.

    `sides` has the shape of each state without the rows, "past" and "read" where it is as long as what was written or read;
    a step changes the first `changed` of them.
    """

    width: int
    sides: Sequence[tuple[int | str, ...]]
    changed: int

    def read(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        """(N, S, width) and how many of each row are there, int64 (N,) from 1 -> what is known of each place."""
        raise NotImplementedError

    def written(self, vectors: Tensor, memory: Tensor, lengths: Tensor) -> Tensor:
        """Vectors of what was written before each place (N, T, width) -> what is known there."""
        raise NotImplementedError

    def begin(self, memory: Tensor, lengths: Tensor) -> State:
        """The state before the first step."""
        raise NotImplementedError

    def step(self, vectors: Tensor, state: State) -> tuple[Tensor, State]:
        """(N, n, width) and a state -> what is known at these places, and what has changed of the state."""
        raise NotImplementedError

    def weights(self, vectors: Tensor, memory: Tensor, lengths: Tensor) -> Tensor:
        """(N, T, S): how much the last layer looks at each place of what was read, all its heads together."""
        raise NotImplementedError


class TextHead(CostsHead):
    """Losses of what the network has found out; after each row of true tokens comes the one that ends it."""

    def __init__(self, table: nn.Embedding, smoothing: float) -> None:
        super().__init__()
        self._table, self.smoothing = [table], smoothing  # In a list, or its weights were there twice.

    def costs(self, outputs: Tensor, truths: Tensor) -> tuple[Tensor, Tensor]:
        return Costs.apply(outputs, self._table[0].weight, ended(truths)[_places(truths)], self.smoothing)  # type: ignore[return-value]

    def counts(self, truths: Tensor) -> Tensor:
        return _lengths(truths) + 1

    def finish(self, outputs: Tensor) -> Tensor:
        return outputs


class EncoderDecoder(BaseNetwork):
    """Text to text. Its output is what it knows at each place of the target, see `TextHead`; `scores` are made of that."""

    sees_targets = True

    def __init__(
        self, source: str, target: str, size: int, kind: str, words: Sequence[str], dropout: float, smoothing: float
    ) -> None:  # fmt: skip
        module = importlib.import_module(f"drivetrain.models.encoder_decoder.{kind}")
        attending: Attending = module.build(words, dropout)
        table = nn.Embedding(size, attending.width)
        nn.init.normal_(table.weight, std=attending.width**-0.5)
        super().__init__({target: TextHead(table, smoothing)}, table=table, attending=attending)
        self.source, self.target, self.kind = source, target, kind
        self.dropout = nn.Dropout(dropout)

    def vectors(self, tokens: Tensor) -> Tensor:
        table: Any = self.table
        return self.dropout(table(tokens) * table.embedding_dim**0.5)

    def read(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """int64 (N, S) and lengths (N,) -> what is known of each place, and lengths from 1: a row without any token is one place
        of zeros long."""
        vectors = self.vectors(tokens)
        vectors = vectors * there(vectors, lengths)
        lengths = lengths.clamp(min=1)
        return self.attending.read(vectors, lengths), lengths  # type: ignore[operator]

    def forward(
        self, batch: Mapping[Any, Tensor], targets: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        if targets is None:
            raise UsageError(
                "this network writes token by token.", where="model",
                fix="Ask `translate`, or a bundle of it: drivetrain.runtime.Generator.",
            )  # fmt: skip
        memory, lengths = self.read(batch[self.source], batch[lengths_of(self.source)])
        tokens = targets[self.target]
        known = self.attending.written(self.vectors(begun(tokens)), memory, lengths)  # type: ignore[operator]
        return {self.target: known[_places(tokens)]}

    def scores(self, known: Tensor) -> Tensor:
        """(..., tokens): how likely each is to come next."""
        return F.linear(known, self.table.weight)  # type: ignore[arg-type]

    def begin(self, tokens: Tensor, lengths: Tensor) -> State:
        """The state once these texts have been read."""
        return self.attending.begin(*self.read(tokens, lengths))  # type: ignore[operator]

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """int64 (N, n) and the state before them -> scores (N, tokens) of what is to come, and the state after."""
        known, changed = self.attending.step(self.vectors(tokens), state)  # type: ignore[operator]
        return self.scores(known[:, -1]), [*changed, *state[len(changed) :]]

    @torch.no_grad()
    def translate(self, tokens: Tensor, lengths: Tensor, most: int) -> list[list[int]]:
        """The likeliest token each time, for each row, without the one that ends it. Rows that have ended are left out."""
        state = self.begin(tokens, lengths)
        found: list[list[int]] = [[] for _ in range(len(tokens))]
        rows = torch.arange(len(tokens), device=tokens.device)
        last = torch.full_like(rows, START)
        for _ in range(most):
            scores, state = self.step(last[:, None], state)
            scores[:, [PADDING, UNKNOWN, START]] = -torch.inf
            last = scores.argmax(1)
            for row, token in zip(rows.tolist(), last.tolist()):
                if token != STOP:
                    found[row].append(token)
            going = last != STOP
            if not bool(going.all()):
                rows, last, state = rows[going], last[going], [each[going] for each in state]
            if not len(rows):
                break
        return found


def begun(tokens: Tensor) -> Tensor:
    """int64 (N, T) -> (N, T + 1): what stands before each place, the first after START."""
    return F.pad(tokens, (1, 0), value=START)


def ended(tokens: Tensor) -> Tensor:
    """int64 (N, T) -> (N, T + 1): what is to be told at each place: STOP after the last of a row."""
    return F.pad(tokens, (0, 1), value=PADDING).scatter(1, _lengths(tokens)[:, None], STOP)


def _lengths(tokens: Tensor) -> Tensor:
    return (tokens != PADDING).sum(1)


def _places(tokens: Tensor) -> Tensor:
    """bool (N, T + 1): where something is to be told."""
    return torch.arange(tokens.shape[1] + 1, device=tokens.device) <= _lengths(tokens)[:, None]
