"""Combinations of which nothing is known: from several of them, one lever or two at a time to what is better. It proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.combined.tables import how_many
from drivetrain.decide.solve.point import Point
from drivetrain.decide.solve.solution import Certificate

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
CALLS = 100_000
STARTS = 6
IDLE = 60
"""Kicks in a row that lead to nothing better, after which it ends."""
ONCE = 4096
"""Settings that are asked about at once."""


def descend(
    ask: Callable[[Places], tuple[Floats, Floats]],
    sizes: Sequence[int],
    *,
    starts: Sequence[Places] = (),
    seed: int = 0,
    calls: int = CALLS,
) -> tuple[Point, bool]:
    """(point, whether it keeps to the limits): `ask` gives values (S,) and by how much limits are passed (S,) of places (S, n).

    Less passed comes first, then the value. From `starts` and others by chance each lever in turn takes its best setting while
    that betters anything, then two levers at a time; then a few levers of the best so far are changed by chance, and so on
    (iterated local search: Lourenço, Martin and Stützle, 2003). At most `calls` settings are asked about.
    """
    asked, made, shape = _Counted(ask, calls), np.random.default_rng(seed), np.array(sizes)
    two = _two_at_once(shape)
    given = [np.asarray(each, np.intp) for each in starts]
    given += [made.integers(0, shape) for _ in range(max(STARTS - len(given), 1))]
    best = _down(asked, given[0], shape, two, made)
    idle = number = 0
    while asked.left > 0 and idle < IDLE:
        number += 1
        start = given[number] if number < len(given) else _kicked(best[1], shape, made)
        found = _down(asked, start, shape, two, made)
        idle = 0 if found[0] < best[0] else idle + 1
        best = min(best, found, key=lambda each: each[0])
    (passed, value), places = best
    words = (
        f"The best of {asked.count:,} tries among {how_many(sizes)} combinations, each start "
        "bettered by one or two levers at a time. A better one may exist."
    )
    return Point(
        places.astype(np.float64), value, Certificate("search", np.nan, words), evaluations=asked.count
    ), passed <= 0


def _kicked(places: Places, sizes: Places, made: np.random.Generator) -> Places:
    """Three levers, or an eighth of them, at other settings."""
    which = made.permutation(len(sizes))[: max(3, len(sizes) // 8)]
    found = places.copy()
    found[which] = made.integers(0, sizes[which])
    return found


def _two_at_once(sizes: Places) -> Places | None:
    """(M, 4): lever, by how many places, other lever, by how many (around the end); None where these are too many."""
    total = (int((sizes - 1).sum()) ** 2 - int(((sizes - 1) ** 2).sum())) // 2
    if total > 4 * ONCE:
        return None
    levers = np.repeat(np.arange(len(sizes)), sizes - 1)
    moves = 1 + np.arange(len(levers)) - (np.cumsum(sizes - 1) - (sizes - 1))[levers]
    one, two = np.triu_indices(len(levers), 1)
    apart = levers[one] != levers[two]
    one, two = one[apart], two[apart]
    return np.column_stack([levers[one], moves[one], levers[two], moves[two]])


class _Counted:
    def __init__(self, ask: Callable[[Places], tuple[Floats, Floats]], calls: int) -> None:
        self.ask, self.calls, self.count = ask, calls, 0

    @property
    def left(self) -> int:
        return self.calls - self.count

    def best(self, places: Places) -> tuple[tuple[float, float], int]:
        """((passed, value), which) of the best of the settings."""
        self.count += len(places)
        value, passed = self.ask(places)
        at = int(np.lexsort((value, passed))[0])
        return (float(passed[at]), float(value[at])), at


def _down(
    asked: _Counted, places: Places, sizes: Places, two: Places | None, made: np.random.Generator
) -> tuple[tuple[float, float], Places]:
    worth = asked.best(places[None])[0]
    while asked.left > 0:
        moved = False
        for lever in made.permutation(len(sizes)):
            if asked.left <= 0:
                break
            tried = _changed(places, int(lever), int(sizes[lever]), made)
            found, at = asked.best(tried)
            if found < worth:
                worth, places, moved = found, tried[at], True
        if moved:
            continue
        found, at, tried = _both(asked, places, sizes, two, made, worth)
        if not found < worth:
            break
        worth, places = found, tried[at]
    return worth, places


def _changed(places: Places, lever: int, size: int, made: np.random.Generator) -> Places:
    """The setting with each value of a lever; of a lever of very many, those near and some by chance."""
    if size <= ONCE:
        values = np.arange(size)
    else:
        steps = np.unique(np.round(2.0 ** np.arange(0, np.log2(size), 0.5)).astype(np.intp))
        near = np.concatenate([places[lever] + steps, places[lever] - steps, [places[lever]]])
        values = np.concatenate([near[(near >= 0) & (near < size)], made.integers(0, size, 64)])
    tried = np.repeat(places[None], len(values), axis=0)
    tried[:, lever] = values
    return tried


def _both(
    asked: _Counted,
    places: Places,
    sizes: Places,
    two: Places | None,
    made: np.random.Generator,
    worth: tuple[float, float],
) -> tuple[tuple[float, float], int, Places]:
    """The first batch of changes of two levers in which one is better; where there are too many, a batch by chance."""
    if len(sizes) < 2 or (two is not None and not len(two)):
        return worth, 0, places[None]
    if two is None:
        first = made.integers(0, len(sizes), ONCE)
        second = (first + made.integers(1, len(sizes), ONCE)) % len(sizes)
        two = np.column_stack(
            [first, made.integers(0, sizes[first]), second, made.integers(0, sizes[second])]
        )
    for some in np.split(two, range(ONCE, len(two), ONCE)):
        if asked.left <= 0:
            break
        tried = np.repeat(places[None], len(some), axis=0)
        rows = np.arange(len(some))
        for lever, move in ((some[:, 0], some[:, 1]), (some[:, 2], some[:, 3])):
            tried[rows, lever] = (tried[rows, lever] + move) % sizes[lever]
        found, at = asked.best(tried)
        if found < worth:
            return found, at, tried
    return worth, 0, places[None]
