"""What a body for tokens and for series is, and the simplest of them: the mean of their vectors, and all values of a window.

Padding follows shorter rows: a body gets their lengths, and looks at nothing that comes after.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from drivetrain.errors import UsageError, nearest
from drivetrain.models.body import Body

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph


class SequenceBody(Body):
    """Vectors float32 (N, T, F) and how many of each row are there, int64 (N,) from 1 -> features float32 (N, `features`).

    An architecture is a file in `bodies/` with `build(shape, dropout)`, shape (most T, F), and a record MODEL that takes the
    form "tokens", "series" or both (SEQUENCES); where words after its name say more of it, `build` takes them too, and WORDS
    shows how they are written. `forward` is `pooled` of `maps`; both are written as graphs too. Where a series is something else
    to it than tokens are, its file has `build_series`, of the same form; its shape is (None, F) where rows have different lengths.
    """

    has_maps = True
    linear = False
    """Whether its features are sums of its input: then what is told of a series is one too."""
    own_past_alone = False
    """Whether of a series that is continued it reads the first channel and no other."""
    newest: int | None = None
    """How many moments of such a window are read at most, where each takes its time: the newest. A linear forecast has all."""

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        return self.pooled(self.maps(values, lengths), lengths)

    def maps(self, values: Tensor, lengths: Tensor) -> Tensor:
        """What is known at each place (N, T, F'): of places that aren't there, anything finite."""
        return values

    def pooled(self, maps: Tensor, lengths: Tensor) -> Tensor:
        """The features of what is known at all places."""
        raise NotImplementedError

    def write_graph(self, graph: NetworkGraph, values: str, lengths: str) -> str:
        return self.write_pooled(graph, self.write_maps(graph, values, lengths), lengths)

    def write_maps(self, graph: NetworkGraph, values: str, lengths: str) -> str:
        return values

    def write_pooled(self, graph: NetworkGraph, maps: str, lengths: str) -> str:
        raise NotImplementedError


class Mean(SequenceBody):
    """The mean of the vectors, then `layers`: a bag of tokens. Iyyer et al. 2015 (ACL, P15-1162) where there are layers."""

    def __init__(self, width: int, layers: nn.Module | None = None, features: int = 0) -> None:
        super().__init__()
        self.layers = layers or nn.Identity()
        self.features = features or width

    def pooled(self, maps: Tensor, lengths: Tensor) -> Tensor:
        return self.layers(mean_of(maps, lengths))

    def write_pooled(self, graph: NetworkGraph, maps: str, lengths: str) -> str:
        return graph.write(self.layers, write_mean(graph, maps, lengths))

    def blocks(self) -> list[nn.Module]:
        return [self.layers]


class Flat(SequenceBody):
    """All values of windows (N, T, F) side by side, T the same for all, then `layers`. With `first` those of the first channel
    alone: a series that is told from its own past."""

    def __init__(
        self, shape: tuple[int, ...], layers: nn.Module | None = None, features: int = 0, first: bool = False
    ) -> None:
        super().__init__()
        self.layers = layers or nn.Identity()
        self.own_past_alone = first
        self.features = features or shape[0] * (1 if first else shape[1])

    def pooled(self, maps: Tensor, lengths: Tensor) -> Tensor:
        del lengths
        return self.layers(maps[:, :, 0] if self.own_past_alone else maps.flatten(1))

    def write_pooled(self, graph: NetworkGraph, maps: str, lengths: str) -> str:
        del lengths
        if self.own_past_alone:
            return graph.write(self.layers, graph.add("Gather", maps, graph.constant(0, "i8"), axis=2))
        return graph.write(self.layers, graph.add("Flatten", maps, axis=1))

    def blocks(self) -> list[nn.Module]:
        return [self.layers]


def there(values: Tensor, lengths: Tensor) -> Tensor:
    """bool (N, T, 1): whether a place is one of the row's."""
    return (torch.arange(values.shape[1], device=values.device) < lengths[:, None]).unsqueeze(2)


def mean_of(values: Tensor, lengths: Tensor) -> Tensor:
    """(N, F): the mean of the places of each row."""
    return (values * there(values, lengths)).sum(1) / lengths[:, None].to(values.dtype)


def largest_of(values: Tensor, lengths: Tensor, least: float) -> Tensor:
    """(N, F): the largest of the places of each row. No value may be below `least`."""
    # Found first and then taken: its gradient goes to one place, where that of amax is worked out at all of them.
    with torch.no_grad():
        places = values.masked_fill(~there(values, lengths), least).max(1, keepdim=True).indices
    return values.gather(1, places).squeeze(1)


def last_of(values: Tensor, lengths: Tensor) -> Tensor:
    """(N, F): the last place of each row."""
    last = (lengths - 1)[:, None, None].expand(-1, 1, values.shape[2])
    return values.gather(1, last).squeeze(1)


def write_places(graph: NetworkGraph, values: str) -> str:
    """int64 (T,): 0, 1, 2 ..."""
    side = graph.add("Squeeze", graph.add("Shape", values, start=1, end=2), graph.whole(0))
    return graph.add("Range", graph.constant(0, "i8"), side, graph.constant(1, "i8"))


def write_there(graph: NetworkGraph, values: str, lengths: str) -> str:
    """bool (N, T, 1)."""
    found = graph.add("Less", write_places(graph, values), graph.column(lengths))
    return graph.add("Unsqueeze", found, graph.whole(2))


def write_mean(graph: NetworkGraph, values: str, lengths: str) -> str:
    masked = graph.add("Mul", values, graph.floats(write_there(graph, values, lengths)))
    total = graph.add("ReduceSum", masked, graph.whole(1), keepdims=0)
    return graph.add("Div", total, graph.column(graph.floats(lengths)))


def write_largest(graph: NetworkGraph, values: str, lengths: str, least: float) -> str:
    masked = graph.add("Where", write_there(graph, values, lengths), values, graph.constant(least))
    return graph.add("ReduceMax", masked, graph.whole(1), keepdims=0)


def write_last(graph: NetworkGraph, values: str, lengths: str) -> str:
    last = graph.add("Sub", graph.column(lengths), graph.constant(1, "i8"))
    chosen = graph.floats(graph.add("Equal", write_places(graph, values), last))
    return graph.add(
        "ReduceSum", graph.add("Mul", values, graph.add("Unsqueeze", chosen, graph.whole(2))), graph.whole(1), keepdims=0
    )  # fmt: skip


NEWEST = 168
"""A week of hours, half a year of days."""


def told(words: Sequence[str], flags: Sequence[str], numbers: dict[str, int]) -> dict[str, int]:
    """What a name says after its colons, such as lstm:bidirectional:2-layers: 1 for each of `flags` that is among the words, and
    the `numbers`, as they are where it doesn't say otherwise. Raises UsageError for any other word."""
    found = {**dict.fromkeys(flags, 0), **numbers}
    for word in words:
        count, _, name = word.partition("-")
        if word in flags:
            found[word] = 1
        elif name in numbers and count.isascii() and count.isdecimal() and 1 <= int(count[:5]) <= 4096:
            found[name] = int(count[:5])
        else:
            known = [*flags, *(f"{number}-{name}" for name, number in numbers.items())]
            raise UsageError(
                f"a model can't be {word!r}.", where="model",
                fix=nearest(word, known) or f"It can be said: {', '.join(known)}.",
            )  # fmt: skip
    return found
