"""What the files of this room give, how they are asked, and columns side by side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from drivetrain.codecs import Codec, Signature
from drivetrain.extensions import facet, kind_of
from drivetrain.graphs.builder import Builder
from drivetrain.ragged import column_in
from drivetrain.types import Array, Batch

if TYPE_CHECKING:
    from scipy import sparse

Features = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Columns(ABC):
    """Columns of float32 that are made of the encoded rows of an input."""

    field: str

    @abstractmethod
    def of(self, encoded: Array) -> Features:
        """(n, *shape) -> (n, width)."""

    @abstractmethod
    def write(self, builder: Builder) -> str:
        """Add what `of` computes to a graph; the name of the columns there."""


@dataclass(frozen=True, eq=False)
class SparseColumns(ABC):
    """Columns that are mostly 0, made of the encoded rows of an input; `count` of them."""

    field: str

    @property
    @abstractmethod
    def count(self) -> int:
        """How many columns."""

    def weighed(self, rarity: float) -> Self:
        """The same columns, with that power of what each weighs for being rare, where there is such a thing."""
        del rarity
        return self

    @abstractmethod
    def of(self, encoded: Array) -> sparse.csr_matrix:
        """(n, *shape) -> float32 (n, count)."""

    def stretches(self, codec: Codec, raw: Any) -> tuple[Array, Array, Array]:
        """Of one raw value that is a text: which columns what is in it adds to (m,), each as often as it comes, and the
        characters that it stands over, from (m,) to before (m,). Nothing where that can't be said."""
        del codec, raw
        none = np.zeros(0, np.int64)
        return none, none, none

    @abstractmethod
    def write(self, builder: Builder) -> tuple[str, str]:
        """Add to a graph which columns each row has, from 1, 0 for none (n, most), and what they are there (n, 1, most)."""


@dataclass(frozen=True, eq=False)
class Sums:
    """A model whose scores are sums over columns: `weights` (columns of all, outputs) and `bias` (outputs,), which of these are
    `scored`, and the `scale` of a number's score (see `Goal.scale`)."""

    columns: tuple[SparseColumns, ...]
    weights: Features
    bias: Features
    scored: npt.NDArray[np.int64]
    scale: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Raw:
    """What a regression makes its columns of. Where they are `scaled`, each loses its mean and is divided by its spread, the
    `logged` ones as sign(x) log(1 + |x|). The columns at the places of `values` also have one column for each of these."""

    columns: Columns
    scaled: bool = True
    logged: bool = False
    values: Mapping[int, Array] = field(default_factory=dict)


def for_trees(codec: Codec) -> Callable[..., Columns] | None:
    """What makes columns for trees of an input; None where they see nothing of it."""
    return _offered(codec, "for_trees")


def for_regression(codec: Codec) -> Callable[..., Raw] | None:
    """What makes columns for a regression of an input; None where it sees nothing of it."""
    return _offered(codec, "for_regression")


def for_ngrams(codec: Codec) -> Callable[..., SparseColumns] | None:
    """What makes sparse columns of an input; None where it has none."""
    has = _offered(codec, "has_ngrams")
    return None if has is not None and not has(codec) else _offered(codec, "for_ngrams")


def for_kernels(codec: Codec) -> Callable[..., Columns] | None:
    """What makes columns of many kernels (`kernels.py`) of an input that is a series; None where it is none."""
    return _offered(codec, "for_kernels")


def for_baselines(codec: Codec) -> Callable[..., Callable[[Array], Features]] | None:
    """What makes columns for baselines alone of an input; None where they have those of a regression."""
    return _offered(codec, "for_baselines")


def is_text(codec: Codec) -> bool:
    """Whether an input may have sparse columns, as texts have: of so many the training rows are soon known by heart."""
    return _offered(codec, "for_ngrams") is not None


def _offered(codec: Codec, what: str) -> Any:
    return getattr(facet("learn.features", codec), what, None)


def unseen(signature: Signature, offered: Callable[[Codec], Any]) -> list[str]:
    """The inputs that a model sees nothing of: `offered` is one of those above."""
    return [name for name, codec in signature.inputs.items() if offered(codec) is None]


def with_kinds(signature: Signature, names: Sequence[str]) -> str:
    """Inputs by name and kind: "'note' (text), 'photo' (image)"."""
    return ", ".join(f"{name!r} ({kind_of(signature.inputs[name])})" for name in names)


def tree_columns(signature: Signature, train: Batch, direction: Array) -> tuple[Columns, ...]:
    """The columns of each input that trees see, in the signature's order. `train` holds encoded rows."""
    found = ((name, codec, for_trees(codec)) for name, codec in signature.inputs.items())
    return tuple(
        make(name, codec, column_in(train, name), direction)
        for name, codec, make in found
        if make is not None
    )


def matrix(columns: Sequence[Columns], batch: Batch) -> Features:
    """All columns side by side (n, width), of encoded rows."""
    return np.concatenate([part.of(column_in(batch, part.field)) for part in columns], axis=1)
