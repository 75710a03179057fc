"""Columns of a table as the columns of a regression: numbers, bends, levels, what is missing; and products of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drivetrain.runtime.columns import Columns

Floats = npt.NDArray[np.float64]
Kind = Literal["number", "bend", "at", "is", "other", "missing"]

FEWEST_OF_A_LEVEL, MOST_LEVELS = 10, 30
"""Levels with fewer rows, and those beyond the most frequent, are one: the others."""


@dataclass(frozen=True, slots=True)
class Atom:
    """One column made of one column. `number`: less `centre`, over `scale`, 0 where missing. `bend`: the `which`-th curved
    function of a natural cubic spline with these `knots`, of the number.
    `at`: 1 where the number is `centre`. `is`: 1 where the text is the first of `levels`.
    `other`: 1 where it is none of `levels`. `missing`: 1 where there is no value."""

    column: str
    kind: Kind
    centre: float = 0.0
    scale: float = 1.0
    knots: tuple[float, ...] = ()
    which: int = 0
    levels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        if self.kind == "bend":
            return f"{self.column} bend {self.which + 1}"
        if self.kind == "at":
            return f"{self.column} = {self.centre:g}"
        if self.kind == "is":
            return f"{self.column} = {self.levels[0]}"
        return self.column if self.kind == "number" else f"{self.column} {self.kind}"

    def of(self, value: Floats, levels: Sequence[str]) -> Floats:
        """In the shape of the column's values; texts are places in `levels`."""
        if self.kind == "number":
            return np.where(np.isnan(value), 0.0, (value - self.centre) / self.scale)
        if self.kind == "bend":
            return np.where(np.isnan(value), 0.0, _bend(self._scaled(value), *self._ends(), slope=False))
        if self.kind == "at":
            return (value == self.centre).astype(np.float64)
        if self.kind == "missing":
            return (np.isnan(value) | ((value < 0) if levels else False)).astype(np.float64)
        known = [float(place) for place, each in enumerate(levels) if each in self.levels]
        inside = np.isin(value, known)
        return (inside if self.kind == "is" else (~inside & (value >= 0))).astype(np.float64)

    def slope(self, value: Floats) -> Floats:
        """The change by one more of the column."""
        if self.kind == "number":
            return np.full(np.shape(value), 1 / self.scale)
        if self.kind == "bend":
            return _bend(self._scaled(value), *self._ends(), slope=True) / (self.knots[-1] - self.knots[0])
        return np.zeros(np.shape(value))

    def _scaled(self, value: Floats) -> Floats:
        return (value - self.knots[0]) / (self.knots[-1] - self.knots[0])

    def _ends(self) -> tuple[float, float]:
        """The bend's own knot and the last but one, where the first is 0 and the last 1."""
        span = self.knots[-1] - self.knots[0]
        return (self.knots[self.which] - self.knots[0]) / span, (self.knots[-2] - self.knots[0]) / span

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {"column": self.column, "kind": self.kind}
        if self.kind in ("number", "at"):
            plain |= {"centre": self.centre, "scale": self.scale}
        if self.kind == "bend":
            plain |= {"knots": [*self.knots], "which": self.which}
        return plain | ({"levels": [*self.levels]} if self.levels else {})

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Atom:
        tuples: dict[str, Any] = {name: tuple(given[name]) for name in ("knots", "levels") if name in given}
        return cls(**{**given, **tuples})


def _bend(x: Floats, own: float, last: float, *, slope: bool) -> Floats:
    """Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, (5.4) and (5.5): a cubic between the knots,
    straight beyond the first (0) and the last (1). Or its slope."""

    def cut(knot: float) -> Floats:
        beyond, end = np.maximum(x - knot, 0.0), np.maximum(x - 1, 0.0)
        power = 3 * (beyond**2 - end**2) if slope else beyond**3 - end**3
        return power / (1 - knot)

    return cut(own) - cut(last)


Term = tuple[Atom, ...]
"""The product of its atoms; () is 1."""


def name_of(term: Term) -> str:
    return " x ".join(atom.name for atom in term) or "one"


def matrix(terms: Sequence[Term], rows: Columns) -> Floats:
    """(rows, terms)."""
    found = np.ones((rows.rows, len(terms)))
    made = dict[Atom, Floats]()
    for place, term in enumerate(terms):
        for atom in term:
            if atom not in made:
                made[atom] = atom.of(rows.of(atom.column), rows.levels.get(atom.column, ()))
            found[:, place] *= made[atom]
    return found


def atoms_of(
    rows: Columns, name: str, bends: int = 0, *, fewer: bool = False
) -> tuple[list[Atom], list[str]]:
    """A column's atoms, with as many bends as told (`knots_of`) of a number with values enough; and what of it is to be told."""
    value = rows.of(name)
    if name in rows.levels:
        return _levels(value, name, rows.levels[name])
    given = value[~np.isnan(value)]
    if not len(given) or not given.std() > 0:
        return [], [f"{name} is the same in all rows, and is left out."]
    found = [Atom(name, "number", float(given.mean()), float(given.std()))]
    if bends and (knots := knots_of(given, bends, fewer=fewer)):
        found += [Atom(name, "bend", knots=knots, which=which) for which in range(len(knots) - 2)]
    missing = len(value) - len(given)
    if not missing:
        return found, []
    return [*found, Atom(name, "missing")], [
        f"{name} is missing in {missing:,} rows, which are told apart by that."
    ]


def often(counts: npt.NDArray[np.int64]) -> list[int]:
    """The places of levels with rows enough to be told apart, the most frequent first."""
    order = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
    return [int(place) for place in order if counts[place] >= FEWEST_OF_A_LEVEL]


def _levels(value: Floats, name: str, levels: tuple[str, ...]) -> tuple[list[Atom], list[str]]:
    counts = np.bincount(value[value >= 0].astype(int), minlength=len(levels))
    order = [int(place) for place in np.argsort(-counts, kind="stable") if counts[place] > 0]
    kept = often(counts)
    missing = int((value < 0).sum())
    if len(order) + (missing > 0) < 2:
        return [], [f"{name} is the same in all rows, and is left out."]
    told = list[str]()
    found = [Atom(name, "is", levels=(levels[place],)) for place in kept[1:]]
    others = sum(int(counts[place]) for place in order if place not in kept)
    if not kept:
        told.append(f"{name} is different in nearly every row, and can't be held fixed.")
    elif others:
        found.append(Atom(name, "other", levels=tuple(levels[place] for place in kept)))
        told.append(f"{len(order) - len(kept)} rare levels of {name}, of {others:,} rows, are taken as one.")
    if missing:
        found.append(Atom(name, "missing"))
        told.append(f"{name} is missing in {missing:,} rows, which are told apart by that.")
    return found, told


def knots_of(value: Floats, bends: int, *, fewer: bool = False) -> tuple[float, ...]:
    """Knots at even quantiles, `bends` + 2 of them; () where the values are too few for so many. Where many rows have one value,
    so that quantiles are the same: even steps through the values that there are, or with `fewer` those quantiles that differ."""
    known = np.unique(value)
    if len(known) < bends + 3:
        return ()
    knots = np.unique(np.quantile(value, np.linspace(0.05, 0.95, bends + 2)))
    if len(knots) < bends + 2 and not fewer:
        knots = np.quantile(known, np.linspace(0, 1, bends + 2))
    return tuple(float(each) for each in knots) if len(knots) > 2 else ()


def terms_of(rows: Columns, names: Sequence[str], bends: int = 0) -> tuple[list[Term], list[str]]:
    """A term for each atom of the columns, without the one; and what is to be told of them."""
    terms, told = list[Term](), list[str]()
    for name in names:
        atoms, said = atoms_of(rows, name, bends, fewer=True)
        terms += [(atom,) for atom in atoms]
        told += said
    return terms, told


def independent(x: Floats) -> npt.NDArray[np.bool_]:
    """(p,): which columns are no combination of a one and of those before them."""
    x = x - x.mean(axis=0)
    size = np.sqrt((x * x).sum(axis=0))
    own = np.abs(np.diag(np.linalg.qr(x / np.where(size > 0, size, 1.0), mode="r")))
    found = np.zeros(x.shape[1], bool)
    found[: len(own)] = own > 1e-7
    return found
