"""Rows that are asked only once, whatever number of settings, rows and draws ask them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MOST_KEPT = 2**20
"""Rows whose answers are kept; beyond them all are forgotten."""


def distinct(columns: Sequence[Floats]) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Columns, broadcastable to one shape -> the rows that they make (m, columns), each once, and for each place of that shape
    which of them it is."""
    shape = np.broadcast_shapes(*(np.shape(each) for each in columns))
    tables = list[Floats]()
    which = np.zeros((1,) * len(shape), np.int64)
    for each in columns:  # Each on its own small shape first: the broadcast one may have millions of places.
        values, places = np.unique(each, return_inverse=True)
        joined = which * len(values) + places.reshape(np.shape(each))
        found, inverse = np.unique(joined, return_inverse=True)
        which = inverse.reshape(joined.shape)
        before, here = np.divmod(found, len(values))
        tables = [*(table[before] for table in tables), values[here]]
    return np.stack(tables, axis=1) if tables else np.zeros((1, 0)), np.broadcast_to(which, shape)


class Known:
    """What was asked before, and what the answer was."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._keys = np.zeros(0, np.uint64)
        self._rows: Floats | None = None
        self._answers: Floats | None = None

    def of(self, rows: Floats, ask: Callable[[Floats], Floats]) -> Floats:
        """The answers (m, k) for distinct rows (m, columns), of which only new ones are asked: what `ask` says (n, k) of some (n,
        columns)."""
        keys = _keys(rows)
        if self._rows is None or self._answers is None:
            self._keep(keys, rows, answers := ask(rows))
            return answers
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        known = (self._keys[places] == keys) & (self._rows[places].view(np.int64) == rows.view(np.int64)).all(
            axis=1
        )
        if known.all():
            return self._answers[places]
        made = ask(rows[~known])
        answers = np.empty((len(rows), made.shape[1]))
        answers[known], answers[~known] = self._answers[places[known]], made
        if len(self._rows) + len(made) > MOST_KEPT:
            self._forget()
            self._keep(keys, rows, answers)
        else:
            self._keep(
                np.concatenate([self._keys, keys[~known]]),
                np.concatenate([self._rows, rows[~known]]),
                np.concatenate([self._answers, made]),
            )
        return answers

    def _keep(self, keys: npt.NDArray[np.uint64], rows: Floats, answers: Floats) -> None:
        if len(rows) > MOST_KEPT:
            return
        order = np.argsort(keys, kind="stable")
        self._keys, self._rows, self._answers = keys[order], rows[order], answers[order]


def _keys(rows: Floats) -> npt.NDArray[np.uint64]:
    """A number for each row (m,), by which it is found; that it is the same row is looked at afterwards.

    The mixing of SplitMix64 (Steele, Lea and Flood, 2014, OOPSLA, Fast splittable pseudorandom number generators).
    """
    made = np.full(len(rows), 0x9E3779B97F4A7C15, np.uint64)
    for column in rows.T:
        made = made ^ np.ascontiguousarray(column).view(np.uint64)
        made = (made ^ (made >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        made = (made ^ (made >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        made = made ^ (made >> np.uint64(31))
    return made
