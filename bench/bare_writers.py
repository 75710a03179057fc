"""Plain torch loops that a language model's training stands beside: nanoGPT's network and step as it publishes them, and a
word LSTM as torch's own tutorial builds it. In our own words, after https://github.com/karpathy/nanoGPT (MIT)."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CausalAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inward, self.outward = (
            nn.Linear(width, 3 * width, bias=False),
            nn.Linear(width, width, bias=False),
        )

    def forward(self, values: Tensor) -> Tensor:
        rows, places, width = values.shape
        query, key, value = (
            part.view(rows, places, self.heads, width // self.heads).transpose(1, 2)
            for part in self.inward(values).split(width, dim=2)
        )
        found = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.outward(found.transpose(1, 2).contiguous().view(rows, places, width))


class Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, values: Tensor) -> Tensor:
        return F.layer_norm(values, self.weight.shape, self.weight, None, 1e-5)


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.first, self.second = Norm(width), Norm(width)
        self.attention = CausalAttention(width, heads)
        self.up, self.down = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        values = values + self.attention(self.first(values))
        return values + self.down(F.gelu(self.up(self.second(values))))


class NanoGpt(nn.Module):
    """nanoGPT's CPU configuration by default: 4 layers of 4 heads, 128 wide, a context of 64, no dropout, no biases, one table
    for what goes in and what comes out."""

    def __init__(
        self, vocabulary: int, context: int = 64, layers: int = 4, heads: int = 4, width: int = 128
    ) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = Norm(width)
        self.out = nn.Linear(width, vocabulary, bias=False)
        self.tokens.weight = self.out.weight
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                deep = name.endswith(("outward.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / (math.sqrt(2 * layers) if deep else 1))

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        values = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            values = block(values)
        scores = self.out(self.norm(values))
        return F.cross_entropy(scores.view(-1, scores.shape[2]), targets.view(-1), ignore_index=-1)


class NanoLoop:
    """Its training step: stretches cut at random out of uint16 tokens, a warm-up and a cosine, gradients of a norm of 1 at
    most, AdamW of two groups (0.9, 0.99; decay 0.1). `fused` is torch's fused AdamW, which nanoGPT takes on a GPU alone."""

    def __init__(
        self, tokens: np.ndarray, vocabulary: int, batch: int = 12, context: int = 64, fused: bool = False
    ) -> None:
        self.data, self.batch, self.context, self.steps = tokens.astype(np.uint16), batch, context, 0
        self.network = NanoGpt(vocabulary, context).train()
        decay = [weight for weight in self.network.parameters() if weight.ndim > 1]
        rest = [weight for weight in self.network.parameters() if weight.ndim < 2]
        groups = [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), fused=fused or None)
        self.next = self._batch()

    def _batch(self) -> tuple[Tensor, Tensor]:
        starts = torch.randint(len(self.data) - self.context, (self.batch,))
        first, second = (
            torch.stack(
                [
                    torch.from_numpy(self.data[i + off : i + off + self.context].astype(np.int64))
                    for i in starts
                ]
            )
            for off in (0, 1)
        )
        return first, second

    def step(self) -> None:
        rate = 1e-3 * min(1.0, (self.steps + 1) / 101)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self.network(*self.next)
        self.next = self._batch()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps += 1


class WordLstm(nn.Module):
    """One layer of LSTM, dropout, and the scores of all tokens."""

    def __init__(self, vocabulary: int, embedded: int, width: int, dropout: float) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, embedded)
        self.lstm = nn.LSTM(embedded, width, batch_first=True)
        self.dropout, self.out = nn.Dropout(dropout), nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        scores = self.out(self.dropout(self.lstm(self.table(tokens))[0]))
        return F.cross_entropy(scores.flatten(0, 1), targets.flatten())


class WordLoop:
    """Its training step, as well as one writes it: rows of one tensor, gradients of a norm of 1 at most, torch's fused AdamW."""

    def __init__(
        self, tokens: np.ndarray, vocabulary: int, batch: int, context: int, width: int, embedded: int
    ) -> None:
        rows = (len(tokens) - 1) // context
        self.read = torch.from_numpy(tokens[: rows * context].astype(np.int64)).view(rows, context)
        self.told = torch.from_numpy(tokens[1 : rows * context + 1].astype(np.int64)).view(rows, context)
        self.network, self.batch = WordLstm(vocabulary, embedded, width, 0.4).train(), batch
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-3, weight_decay=0.01, fused=True)

    def step(self) -> None:
        rows = torch.randint(len(self.read), (self.batch,))
        loss = self.network(self.read[rows], self.told[rows])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        loss.item()
