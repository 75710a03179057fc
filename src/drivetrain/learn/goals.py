"""What simple models learn of a target, and how what they say becomes its answer: a choice among classes by a score for
each, or a quantity on a scale of its own. Trees, regressions and baselines ask for nothing else, so a kind of target that
is either has all of them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from drivetrain.codecs import Codec, Quantity
from drivetrain.errors import UsageError
from drivetrain.extensions import kind_of
from drivetrain.graphs.builder import Builder
from drivetrain.metrics import losses
from drivetrain.types import Array

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

NEVER = -1e4
"""The score of a class that the training rows lack: its probability is 0 in float32."""


@dataclass(frozen=True, eq=False)
class Goal(ABC):
    """A target, fitted to its encoded training values (n,). A model gives scores; `scored` says which output each adds to."""

    codec: Codec
    classifies: ClassVar[bool]
    constant: ClassVar[str]
    """What the simplest method is called, `regression` that on columns and `text_regression` that on n-grams."""
    regression: ClassVar[str]
    text_regression: ClassVar[str]

    @property
    @abstractmethod
    def scored(self) -> Codes:
        """(scores,) the outputs that are scored; none where there is nothing to tell apart."""

    @property
    @abstractmethod
    def varies(self) -> bool:
        """Whether the training rows differ in it."""

    @property
    def steep(self) -> bool:
        """Whether a small step on the scale that is learned may be a large one of what is answered."""
        return False

    @property
    def scale(self) -> tuple[float, float]:
        """Where a score of 0 is on the codec's own scale, and a step of 1; of a choice a score is on no other scale."""
        return 0.0, 1.0

    @abstractmethod
    def learned(self, encoded: Array) -> Array:
        """(n,) what a model is fitted to: codes from 0, or numbers of mean 0 and deviation 1."""

    @abstractmethod
    def direction(self, encoded: Array) -> Floats:
        """(n, directions) that levels without an order may be put in order by."""

    @abstractmethod
    def constant_answers(self, encoded: Array, rows: int) -> Array:
        """What is answered for so many rows by who only knows the training values (n,)."""

    @abstractmethod
    def limited(self, room: float) -> Self:
        """With answers at most so many times the training's range beyond it."""

    @abstractmethod
    def expanded(self, scores: Array) -> Floats:
        """Scores (..., scores) -> the sums that are answered by (..., outputs)."""

    @abstractmethod
    def answers(self, sums: Floats) -> Array:
        """Sums (n, outputs) -> float32, as a model puts it out: probabilities (n, classes), or numbers (n,)."""

    @abstractmethod
    def write(self, builder: Builder, sums: str, output: str) -> None:
        """Add what `answers` computes to a graph."""

    @abstractmethod
    def apart(self, answers: Array, others: Array) -> Floats:
        """How far answers are from others, as far as it matters."""

    @abstractmethod
    def measured(self, answers: Array, encoded: Array) -> tuple[float, float]:
        """(loss, error) of answers, for a curve."""


@dataclass(frozen=True, eq=False)
class Classes(Goal):
    """A choice: each class has a score, of two classes the second alone. `present` are the codes that training has."""

    present: Codes
    classifies: ClassVar[bool] = True
    constant: ClassVar[str] = "majority class"
    regression: ClassVar[str] = "logistic regression"
    text_regression: ClassVar[str] = "TF-IDF and logistic regression"

    @classmethod
    def fit(cls, codec: Codec, encoded: Array) -> Classes:
        return cls(codec, np.unique(encoded))

    @property
    def scored(self) -> Codes:
        return self.present[1:] if len(self.present) <= 2 else self.present

    @property
    def varies(self) -> bool:
        return len(self.present) > 1

    def learned(self, encoded: Array) -> Array:
        return np.searchsorted(self.present, encoded)

    def direction(self, encoded: Array) -> Floats:
        wanted = self.scored if self.varies else self.present
        return (encoded[:, None] == wanted).astype(np.float64)

    def constant_answers(self, encoded: Array, rows: int) -> Array:
        counts = np.bincount(encoded, minlength=self._classes)
        return np.tile(counts / counts.sum(), (rows, 1))

    def limited(self, room: float) -> Classes:
        del room
        return self

    def expanded(self, scores: Array) -> Floats:
        sums = np.full((*scores.shape[:-1], self._classes), NEVER)
        sums[..., self.present] = 0.0
        sums[..., self.scored] = scores
        return sums

    def answers(self, sums: Floats) -> Array:
        shares = np.exp(sums - sums.max(axis=1, keepdims=True))
        return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)

    def write(self, builder: Builder, sums: str, output: str) -> None:
        builder.add("Softmax", sums, output=output, axis=-1)

    def apart(self, answers: Array, others: Array) -> Floats:
        """As they are: a small share of a probability is nothing to an answer."""
        return np.abs(answers.astype(np.float64) - others)

    def measured(self, answers: Array, encoded: Array) -> tuple[float, float]:
        """Log loss and error rate."""
        wrong = self.codec.chosen(answers) != encoded
        return float(losses(self.codec, answers, encoded).mean()), float(wrong.mean())

    @property
    def _classes(self) -> int:
        return len(self.codec.labels or ())


@dataclass(frozen=True, eq=False)
class Scale(Goal):
    """A quantity, learned as (z - center) / spread with the codec's z. Training's go from `low` to `high` there; answers are
    held between the `limits`, where there are any."""

    codec: Quantity
    center: float
    spread: float
    low: float
    high: float
    limits: tuple[float, float] | None = None
    classifies: ClassVar[bool] = False
    constant: ClassVar[str] = "mean"
    regression: ClassVar[str] = "linear regression"
    text_regression: ClassVar[str] = "TF-IDF and ridge regression"

    @classmethod
    def fit(cls, codec: Quantity, encoded: Array) -> Scale:
        z = codec.transform(encoded.reshape(-1))
        center, spread = float(z.mean()), float(z.std()) or 1.0
        scaled = (z - center) / spread
        return cls(codec, center, spread, float(scaled.min()), float(scaled.max()))

    @property
    def scored(self) -> Codes:
        return np.zeros(1, np.int64)

    @property
    def varies(self) -> bool:
        return self.high > self.low

    @property
    def steep(self) -> bool:
        return self.codec.log

    @property
    def scale(self) -> tuple[float, float]:
        return self.center, self.spread

    def learned(self, encoded: Array) -> Array:
        return (self.codec.transform(encoded.reshape(-1)) - self.center) / self.spread

    def direction(self, encoded: Array) -> Floats:
        return self.codec.transform(encoded.reshape(-1))[:, None]

    def constant_answers(self, encoded: Array, rows: int) -> Array:
        return np.full(rows, encoded.mean(dtype=np.float64))

    def limited(self, room: float) -> Scale:
        beyond = room * (self.high - self.low)
        return replace(self, limits=(self.low - beyond, self.high + beyond))

    def expanded(self, scores: Array) -> Floats:
        return np.asarray(scores, np.float64)

    def answers(self, sums: Floats) -> Array:
        scaled = sums[:, 0] if self.limits is None else np.clip(sums[:, 0], *self.limits)
        return self.codec.inverse(scaled * self.spread + self.center).astype(np.float32)

    def write(self, builder: Builder, sums: str, output: str) -> None:
        scaled = builder.add("Reshape", sums, builder.whole(-1))
        if self.limits is not None:
            scaled = builder.add("Clip", scaled, *map(builder.constant, self.limits))
        z = builder.add("Mul", scaled, builder.constant(self.spread))
        logged = self.codec.log
        z = builder.add("Add", z, builder.constant(self.center), output="" if logged else output)
        if logged:
            builder.natural(z, output)

    def apart(self, answers: Array, others: Array) -> Floats:
        """On the scale that was learned, in units of the spread, of large numbers of their size."""
        z = self.codec.transform(others)
        return np.abs(self.codec.transform(answers) - z) / np.maximum(np.abs(z), self.spread)

    def measured(self, answers: Array, encoded: Array) -> tuple[float, float]:
        """Squared loss in units of the spread, and the root mean squared error in natural units or, where the codec has a
        logarithm, of that."""
        true = encoded.reshape(-1)
        apart = self.codec.transform(answers) - self.codec.transform(true)
        natural = apart if self.codec.log else answers.astype(np.float64) - true
        loss = float(np.square(apart / self.spread).mean())
        return loss, math.sqrt(float(np.square(natural).mean()))


def goal_of(codec: Codec, encoded: Array, model: str = "a simple model") -> Goal:
    """The goal of a target whose encoded training values (n,) these are. Raises UsageError where `model`, in words, can't
    answer with it."""
    if codec.labels is not None:
        return Classes.fit(codec, encoded)
    if isinstance(codec, Quantity):
        return Scale.fit(codec, encoded)
    raise UsageError(f"{model} can't answer with {kind_of(codec)}.", fix="Use another model, such as mlp.")
