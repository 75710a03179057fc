"""In what form columns are held fixed: straight lines and two bends, or, where rows show that it takes more, freer ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from drivetrain.effects.design import Atom, Term, atoms_of, independent, matrix, terms_of
from drivetrain.effects.nuisance import cross_fitted
from drivetrain.effects.randomised import lever_columns
from drivetrain.effects.rows import Asked
from drivetrain.runtime.columns import Columns

Floats = npt.NDArray[np.float64]

BENDS, MORE_BENDS = 2, (8, 4)
"""Of each number that is held fixed: a straight line would leave what bends."""
FEW_VALUES = 12
"""A number with no more values than these may have a mean of its own at each: it may be the code of a shop."""
FEWEST_A_TERM, ROWS_A_TERM, MOST_TERMS = 10, 20, 60
"""Rows for each term with bends, where there are fewer, lines are straight; and for each of the freer form: where there are
fewer, products of columns, then bends, are left away."""
ENOUGH = 10_000
"""Rows that tell which form comes nearer."""


def form(asked: Asked, fold: npt.NDArray[np.int64], free: bool | None = None) -> tuple[list[Term], bool]:
    """The terms of the columns held fixed, and whether they are of the freer form: with more bends, a mean for each value of a
    number with few, and products of two columns. `free` None: where it comes nearer to the lever or to the outcome of other
    folds' rows, by more than a standard error. A confounder held fixed in a form that is too stiff is not held fixed."""
    plain, _ = terms_of(asked.rows, asked.adjust, BENDS)
    if len(plain) * FEWEST_A_TERM > asked.n:
        plain, _ = terms_of(asked.rows, asked.adjust)
    if free is False:
        return plain, False
    freer = _freer(asked)
    if len(freer) <= len(plain):
        return plain, False
    if free is None:
        stiff, loose = (columns_of(terms, asked.rows)[0] for terms in (plain, freer))
        lever, _ = lever_columns(asked)
        some = slice(0, None) if asked.n <= ENOUGH else np.random.default_rng(0).permutation(asked.n)[:ENOUGH]
        free = any(_nearer(stiff[some], loose[some], y[some], fold[some]) for y in (*lever.T, asked.y))
    return (freer, True) if free else (plain, False)


def columns_of(terms: Sequence[Term], rows: Columns) -> tuple[Floats, list[Term]]:
    """(n, p) of the terms that are no combination of a one and of those before them; and these."""
    x = matrix(terms, rows)
    keep = independent(x)
    return x[:, keep], [term for term, kept in zip(terms, keep) if kept]


def _nearer(plain: Floats, freer: Floats, y: Floats, fold: npt.NDArray[np.int64]) -> bool:
    losses = [(y - cross_fitted(x, y, fold)) ** 2 for x in (plain, freer)]
    gain = losses[0] - losses[1]
    return bool(gain.mean() > gain.std() / np.sqrt(len(y)))


def _freer(asked: Asked) -> list[Term]:
    most = min(asked.n // ROWS_A_TERM, MOST_TERMS)
    ways = (
        [term for name in asked.adjust for term in _more_of(asked.rows, name, bends)] for bends in MORE_BENDS
    )
    single = next((terms for terms in ways if len(terms) <= most), None)
    if single is None:
        return []
    straight = [term for term in single if term[0].kind in ("number", "is")]
    products = [(*a, *b) for a, b in combinations(straight, 2) if a[0].column != b[0].column]
    return single + (products if len(single) + len(products) <= most else [])


def _more_of(rows: Columns, name: str, bends: int) -> list[Term]:
    value = rows.of(name)
    atoms, _ = atoms_of(rows, name, 0 if name in rows.levels else bends, fewer=True)
    known = np.unique(value[~np.isnan(value)])
    if name not in rows.levels and 3 <= len(known) <= FEW_VALUES:
        each = [Atom(name, "at", float(one)) for one in known[1:-1]]
        atoms = [*(atom for atom in atoms if atom.kind != "bend"), *each]
    return [(atom,) for atom in atoms]
