"""Looking up: what queries find among keys, as torch computes it and as a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from drivetrain.models.bodies.transformer import FAR
from drivetrain.models.sequences import there, write_there

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph


def split(values: Tensor, heads: int) -> Tensor:
    """(N, T, width) -> (N, heads, T, head)."""
    return values.unflatten(2, (heads, -1)).transpose(1, 2)


def lookup(
    query: Tensor, keys: Tensor, values: Tensor, heads: int, mask: Tensor | None = None, causal: bool = False
) -> Tensor:
    """Queries (N, n, width), keys and values (N, S, width) -> (N, n, width). A mask of bool says which places may be seen, one of
    floats is added to the scores; `causal`: each place sees none after it."""
    parts = (split(each, heads) for each in (query, keys, values))
    found = F.scaled_dot_product_attention(*parts, attn_mask=mask, is_causal=causal)
    return found.transpose(1, 2).flatten(2)


def shares(query: Tensor, keys: Tensor, heads: int, mask: Tensor) -> Tensor:
    """(N, heads, n, S): how much each query looks at each place."""
    scores = split(query, heads) @ split(keys, heads).transpose(2, 3)
    return (scores * (query.shape[2] // heads) ** -0.5 + mask).softmax(3)


def unseen(memory: Tensor, lengths: Tensor) -> Tensor:
    """(N, S): what is added to the scores of places, FAR where there is none."""
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
