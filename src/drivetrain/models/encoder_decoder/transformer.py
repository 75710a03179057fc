"""Attention alone (Vaswani et al. 2017, arXiv:1706.03762), with the norms before what they feed (Xiong et al. 2020,
arXiv:2002.04745). Places are told by sines, so that no table of them says how long a text may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.errors import UsageError
from drivetrain.models.bodies.transformer import FAR, HEAD, PERIOD
from drivetrain.models.encoder_decoder.network import Attending, State
from drivetrain.models.sequences import there, told

WIDTH, LAYERS, DENSE = 128, 4, 2
"""`DENSE` times the width has the layer between the two dense ones."""


def split(values: Tensor, heads: int) -> Tensor:
    """(N, T, width) -> (N, heads, T, head)."""
    return values.unflatten(2, (heads, -1)).transpose(1, 2)


def together(values: Tensor) -> Tensor:
    """And back."""
    return values.transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    """Each place looks at those of its own text."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inward, self.outward = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, values: Tensor, mask: Tensor | None, causal: bool = False) -> Tensor:
        query, key, value = (split(each, self.heads) for each in self.inward(values).chunk(3, 2))
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)
        return self.outward(together(found))


class CrossAttention(nn.Module):
    """Each place of what is written looks at what was read."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.kept = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.outward = nn.Linear(width, width)

    def forward(self, values: Tensor, keys: Tensor, kept: Tensor, mask: Tensor) -> Tensor:
        """Keys and values (N, S, width) of what was read; `mask` is added to the scores, (N, 1, 1, S)."""
        query, keys, kept = (split(each, self.heads) for each in (self.query(values), keys, kept))
        return self.outward(together(F.scaled_dot_product_attention(query, keys, kept, attn_mask=mask)))

    def weights(self, values: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """(N, T, S), the mean of all heads."""
        query, keys = (
            split(self.query(values), self.heads),
            split(self.kept(memory).chunk(2, 2)[0], self.heads),
        )
        return ((query @ keys.transpose(2, 3)) * query.shape[3] ** -0.5 + mask).softmax(3).mean(1)


def dense(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, DENSE * width), nn.ReLU(), nn.Linear(DENSE * width, width))


class ReadingLayer(nn.Module):
    """Attention and two dense layers, each added to what it is given."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.dense = SelfAttention(width, heads), dense(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        values = values + self.dropout(self.attention(self.first(values), mask))
        return values + self.dropout(self.dense(self.second(values)))


class WritingLayer(nn.Module):
    """The same, with a look at what was read between the two."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.first, self.between, self.second = (nn.LayerNorm(width) for _ in range(3))
        self.attention, self.across = SelfAttention(width, heads), CrossAttention(width, heads)
        self.dense = dense(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        values = values + self.dropout(self.attention(self.first(values), None, causal=True))
        keys, kept = self.across.kept(memory).chunk(2, 2)
        values = values + self.dropout(self.across(self.between(values), keys, kept, mask))
        return values + self.dropout(self.dense(self.second(values)))

    def step(
        self, values: Tensor, past: State, read: State, seen: Tensor, mask: Tensor
    ) -> tuple[Tensor, State]:
        """New places after `past` keys and values, which become longer; `read` has those of what was read."""
        heads = self.attention.heads
        query, *new = self.attention.inward(self.first(values)).chunk(3, 2)
        after = [torch.cat(pair, 1) for pair in zip(past, new)]
        parts = (split(each, heads) for each in (query, *after))
        found = F.scaled_dot_product_attention(*parts, attn_mask=seen)
        values = values + self.attention.outward(together(found))
        values = values + self.across(self.between(values), *read, mask)
        return values + self.dense(self.second(values)), after


class Transformer(Attending):
    speeds: Tensor

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.width, heads = width, width // HEAD
        self.reading = nn.ModuleList(ReadingLayer(width, heads, dropout) for _ in range(layers))
        self.writing = nn.ModuleList(WritingLayer(width, heads, dropout) for _ in range(layers))
        self.has_read, self.has_written = nn.LayerNorm(width), nn.LayerNorm(width)
        self.changed = 2 * layers
        self.sides = [["past", width]] * (2 * layers) + [["read", width]] * (2 * layers) + [["read"]]
        speeds = torch.exp(torch.arange(0, width, 2) * (-math.log(PERIOD) / width))
        self.register_buffer("speeds", speeds, persistent=False)

    def placed(self, vectors: Tensor, first: int = 0) -> Tensor:
        places = torch.arange(first, first + vectors.shape[1], device=vectors.device)
        angles = places[:, None] * self.speeds
        return vectors + torch.cat([angles.sin(), angles.cos()], 1)

    def read(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        values, mask = self.placed(vectors), unseen(vectors, lengths)
        for layer in self.reading:
            values = layer(values, mask)
        return self.has_read(values)

    def written(self, vectors: Tensor, memory: Tensor, lengths: Tensor) -> Tensor:
        values, mask = self.placed(vectors), unseen(memory, lengths)
        for layer in self.writing:
            values = layer(values, memory, mask)
        return self.has_written(values)

    def begin(self, memory: Tensor, lengths: Tensor) -> State:
        layers: Any = self.writing
        none = [memory.new_zeros(len(memory), 0, self.width)] * self.changed
        read = [each for layer in layers for each in layer.across.kept(memory).chunk(2, 2)]
        return [*none, *read, unseen(memory, lengths)[:, 0, 0]]

    def step(self, vectors: Tensor, state: State) -> tuple[Tensor, State]:
        past, new = state[0].shape[1], vectors.shape[1]
        values, mask = self.placed(vectors, past), state[-1][:, None, None]
        places = torch.arange(past + new, device=vectors.device)
        seen = places <= places[past:, None]
        after: State = []
        layers: Any = self.writing
        for place, layer in enumerate(layers):
            first = 2 * place
            read = state[self.changed + first : self.changed + first + 2]
            values, kept = layer.step(values, state[first : first + 2], read, seen, mask)
            after += kept
        return self.has_written(values), after

    def weights(self, vectors: Tensor, memory: Tensor, lengths: Tensor) -> Tensor:
        values, mask = self.placed(vectors), unseen(memory, lengths)
        *layers, last = list[Any](self.writing)
        for layer in layers:
            values = layer(values, memory, mask)
        values = values + last.attention(last.first(values), None, causal=True)
        return last.across.weights(last.between(values), memory, mask)


def unseen(memory: Tensor, lengths: Tensor) -> Tensor:
    """(N, 1, 1, S): what is added to the scores of places, FAR where there is none."""
    return (~there(memory, lengths)).squeeze(2).to(memory.dtype)[:, None, None] * FAR


def build(words: Sequence[str], dropout: float) -> Transformer:
    says = told(words, [], {"layers": LAYERS, "wide": WIDTH})
    if says["wide"] % HEAD:
        raise UsageError(
            f"a transformer is a multiple of {HEAD} wide.", where="model", fix=f"Say {WIDTH}-wide."
        )
    return Transformer(says["wide"], says["layers"], dropout)
