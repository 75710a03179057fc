"""Attention: what queries find among keys (Vaswani et al. 2017, arXiv:1706.03762), and sines that tell places, as torch computes
them and as a graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from drivetrain.models.sequences import there, write_there

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph


HEAD = 32
"""How wide a head is."""
PERIOD = 10_000.0
"""Of the slowest sine, in places, over 2 pi."""
FAR = -1e9
"""Added to the score of what may not be seen."""


def speeds_of(width: int) -> Tensor:
    """float32 (width / 2,): by how much the angle of each sine grows from place to place."""
    return torch.exp(torch.arange(0, width, 2) * (-math.log(PERIOD) / width))


def sines(places: Tensor, speeds: Tensor) -> Tensor:
    """Numbers of places (T,) -> what tells one from the others (T, width)."""
    angles = places[:, None] * speeds
    return torch.cat([angles.sin(), angles.cos()], 1)


def write_sines(graph: NetworkGraph, places: str, speeds: Tensor) -> str:
    """The same of places int64 (T, 1)."""
    angles = graph.add("Mul", graph.floats(places), graph.tensor(speeds))
    return graph.add("Concat", graph.add("Sin", angles), graph.add("Cos", angles), axis=1)


def attend(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None) -> Tensor:
    """torch's scaled_dot_product_attention of what may be `seen`, None: places up to itself. On a CPU it is in float32 always,
    whose backward pass is five times as fast as that of bfloat16 (torch 2.13)."""
    if query.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return F.scaled_dot_product_attention(query, key, value, attn_mask=seen, is_causal=seen is None)
    with torch.autocast("cpu", enabled=False):
        seen = seen.float() if seen is not None and seen.is_floating_point() else seen
        return attend(query.float(), key.float(), value.float(), seen)


def split(values: Tensor, heads: int) -> Tensor:
    """(N, T, width) -> (N, heads, T, head)."""
    return values.unflatten(2, (heads, -1)).transpose(1, 2)


def lookup(query: Tensor, keys: Tensor, values: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """Queries (N, n, width), keys and values (N, S, width) -> (N, n, width). A mask of bool says which places may be seen, one of
    floats is added to the scores (N, heads, n, S); None: each place sees none after it."""
    found = attend(split(query, heads), split(keys, heads), split(values, heads), mask)
    return found.transpose(1, 2).flatten(2)


def shares(query: Tensor, keys: Tensor, heads: int, mask: Tensor) -> Tensor:
    """(N, heads, n, S): how much each query looks at each place."""
    scores = split(query, heads) @ split(keys, heads).transpose(2, 3)
    return (scores * (query.shape[2] // heads) ** -0.5 + mask).softmax(3)


def unseen(memory: Tensor, lengths: Tensor) -> Tensor:
    """Of values (N, S, F) and how many of each row are there, (N,): what is added to the scores of places (N, S), FAR where there
    is none."""
    return (~there(memory, lengths)).squeeze(2).to(memory.dtype) * FAR


def write_unseen(graph: NetworkGraph, memory: str, lengths: str) -> str:
    seen = graph.add("Squeeze", write_there(graph, memory, lengths), graph.whole(2))
    return graph.add("Where", seen, graph.constant(0), graph.constant(FAR))


def write_lookup(
    graph: NetworkGraph, query: str, keys: str, values: str, heads: int, head: int, mask: str
) -> str:
    """Of heads that are `head` wide; `mask` is added to the scores (N, heads, n, S)."""

    def apart(name: str, *perm: int) -> str:
        return graph.add(
            "Transpose", graph.add("Reshape", name, graph.whole(0, 0, heads, head)), perm=[*perm]
        )

    scores = graph.add("MatMul", apart(query, 0, 2, 1, 3), apart(keys, 0, 2, 3, 1))
    scores = graph.add("Add", graph.add("Mul", scores, graph.constant(head**-0.5)), mask)
    found = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), apart(values, 0, 2, 1, 3))
    found = graph.add("Transpose", found, perm=[0, 2, 1, 3])
    return graph.add("Reshape", found, graph.whole(0, 0, heads * head))


def write_parts(
    graph: NetworkGraph, values: str, count: int, width: int, names: Sequence[str] = ()
) -> list[str]:
    """(N, T, count * width) -> (N, T, width) of each, called by their `names` where there are some."""
    return [
        graph.add(
            "Slice", values, graph.whole(place * width), graph.whole((place + 1) * width), graph.whole(2),
            output=names[place] if names else "",
        )
        for place in range(count)
    ]  # fmt: skip
