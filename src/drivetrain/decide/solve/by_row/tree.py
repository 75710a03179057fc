"""The tree of few questions by which a lever's settings lose least: a search through all trees of two questions deep, not a
greedy one.

A tree of depth 2 is exact among its questions (Bertsimas and Dunn, 2017, Machine Learning 106:1039-1082, on why greedy trees
aren't): of each pair of questions the sums over rows come from one table of both columns' bins. At depth 3 the first question
is one of those that a tree of depth 2 would begin with best.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.decide.solve.library import scipy

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]
QUESTIONS = 480
"""In all: a column of numbers has at most 32 thresholds, and fewer where there are many columns."""
THRESHOLDS = 32
FIRST = 6
"""First questions that are tried at depth 3."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """What questions are asked about: numbers (R,), NaN where missing; or, with `levels`, the places of texts, -1 where missing."""

    name: str
    values: Floats
    levels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """`column <= at`, or, of a text, `column is level`. What is missing answers no."""

    column: str
    at: float
    level: str = ""

    def yes(self, values: Floats) -> Flags:
        return values == self.at if self.level else values <= self.at

    def words(self, answer: bool) -> str:
        if self.level:
            return f"{self.column} is {'' if answer else 'not '}{self.level}"
        return f"{self.column} {'<=' if answer else '>'} {self.at:g}"


@dataclass(frozen=True, slots=True)
class Leaf:
    """Rows that get the setting number `place`."""

    place: int


@dataclass(frozen=True, slots=True)
class Branch:
    question: Question
    yes: Tree
    no: Tree


Tree = Leaf | Branch


def leaves(tree: Tree, said: tuple[str, ...] = ()) -> Iterator[tuple[str, int]]:
    """(condition in words, place of the setting) of each leaf, from left to right; thresholds that others make needless are left
    out."""
    if isinstance(tree, Leaf):
        yield " and ".join(said) or "all", tree.place
        return
    for answer, below in ((True, tree.yes), (False, tree.no)):
        words = tree.question.words(answer)
        start = words[: words.rfind(" ") + 1]
        # `age <= 40` within `age <= 60`: the first says it all.
        kept = tuple(each for each in said if tree.question.level or not each.startswith(start))
        yield from leaves(below, (*kept, words))


def leaf_of(tree: Tree, columns: dict[str, Floats], count: int) -> Places:
    """(R,) which leaf each row comes to, counted from left to right."""
    found, at = np.zeros(count, np.intp), 0

    def walk(part: Tree, inside: Flags) -> None:
        nonlocal at
        if isinstance(part, Leaf):
            found[inside] = at
            at += 1
            return
        yes = part.question.yes(columns[part.question.column])
        walk(part.yes, inside & yes)
        walk(part.no, inside & ~yes)

    walk(tree, np.ones(count, np.bool_))
    return found


def best_tree(values: Floats, columns: Sequence[Column], depth: int, least: int = 1) -> Tree:
    """The tree of at most `depth` (1 to 3) under which `values` (R, L) of rows and settings, of which less is better, sum to the
    least. Each leaf has at least `least` rows. Of equally good trees it is the one with fewer questions, then the first."""
    count = len(values)
    binned = [
        each
        for each in (
            _binned(column, max(4, min(THRESHOLDS, QUESTIONS // max(len(columns), 1)))) for column in columns
        )
        if each.questions
    ]
    return _grown(values, np.arange(count), binned, depth, least)[1]


@dataclass(slots=True, eq=False)
class _Binned:
    """A column's questions and, of each row, its bin (R,); `asks` (Q, B) says which bins answer a question with yes."""

    name: str
    bins: Places
    questions: list[Question]
    asks: Floats


def _binned(column: Column, most: int) -> _Binned:
    values = column.values
    if column.levels:
        counts = np.bincount(values[values >= 0].astype(np.intp), minlength=len(column.levels))
        asked = np.sort(np.argsort(-counts, kind="stable")[:most])
        asked = asked[counts[asked] > 0]
        bins = np.full(len(values), len(asked), np.intp)
        for place, level in enumerate(asked):
            bins[values == level] = place
        questions = [Question(column.name, float(level), column.levels[int(level)]) for level in asked]
        return _Binned(column.name, bins, questions, np.eye(len(asked), len(asked) + 1))
    known = np.unique(values[~np.isnan(values)])
    if len(known) > most + 1:
        known = np.unique(np.quantile(values[~np.isnan(values)], np.linspace(0, 1, most + 2), method="lower"))
    cuts = _readable(known)
    bins = np.where(np.isnan(values), len(cuts) + 1, np.searchsorted(cuts, values)).astype(np.intp)
    questions = [Question(column.name, float(cut)) for cut in cuts]
    return _Binned(column.name, bins, questions, np.tril(np.ones((len(cuts), len(cuts) + 2))))


def _readable(known: Floats) -> Floats:
    """Between neighbours the number with the fewest digits."""
    low, high = known[:-1], known[1:]
    if not len(low):
        return low
    middle = (low + high) / 2
    rounded, fits = middle, middle >= low
    with np.errstate(all="ignore"):
        unit = 10.0 ** np.ceil(np.log10(np.maximum(high - low, 1e-300)))
        for _ in range(3):
            rounded = np.round(middle / unit) * unit
            fits = (rounded >= low) & (rounded < high)
            if fits.all():
                break
            unit = np.where(fits, unit, unit / 10)
    return np.where(fits, rounded, middle)


def _grown(
    values: Floats, rows: Places, columns: list[_Binned], depth: int, least: int
) -> tuple[float, Tree]:
    """(sum, tree) of some of the rows."""
    whole = values[rows].sum(0)
    place = int(whole.argmin())
    leaf = (float(whole[place]), Leaf(place))
    if depth == 0 or len(rows) < 2 * least or not columns:
        return leaf
    sums = _Sums(values, rows, columns, pairs=depth > 1)
    found = sums.stump(least) if depth == 1 else sums.pair(least)
    if depth == 3:
        for question in sums.first(least):
            yes = sums.answers(question)
            left, right = (_grown(values, rows[side], columns, 2, least) for side in (yes, ~yes))
            if left[0] + right[0] < found[0] - 1e-12 * abs(found[0]):
                found = left[0] + right[0], Branch(sums.questions[question], left[1], right[1])
    return found if found[0] < leaf[0] - 1e-12 * (1 + abs(leaf[0])) else leaf


class _Sums:
    """Of each question, and of each two, the sums (L,) over the rows that answer yes (to both), and how many these are."""

    def __init__(self, values: Floats, rows: Places, columns: list[_Binned], *, pairs: bool) -> None:
        given = np.column_stack([values[rows], np.ones(len(rows))])
        self.rows, self.columns = rows, columns
        self.questions = [each for column in columns for each in column.questions]
        ends = np.cumsum([0, *(len(column.questions) for column in columns)])
        self.slices = [slice(*ends[at : at + 2]) for at in range(len(columns))]
        self.total = given.sum(0)
        count, width = len(self.questions), given.shape[1]
        self.one = np.zeros((count, width))
        self.both = np.zeros((count, count, width)) if pairs else np.zeros((0, 0, width))

        def binned(places: Places, size: int) -> Floats:
            hot = scipy("sparse").csr_array(
                (np.ones(len(rows)), (places, np.arange(len(rows)))), shape=(size, len(rows))
            )
            return np.asarray(hot @ given)

        for a, first in enumerate(columns):
            mine, size = first.bins[rows], first.asks.shape[1]
            single = binned(mine, size)
            self.one[self.slices[a]] = first.asks @ single
            for b, second in enumerate(columns[: a + 1] if pairs else ()):
                if a == b:
                    self.both[self.slices[a], self.slices[a]] = np.einsum(
                        "pb,qb,bl->pql", first.asks, first.asks, single, optimize=True
                    )
                    continue
                other = second.asks.shape[1]
                table = binned(mine * other + second.bins[rows], size * other).reshape(size, other, width)
                joint = np.einsum("pa,qb,abl->pql", first.asks, second.asks, table, optimize=True)
                self.both[self.slices[a], self.slices[b]] = joint
                self.both[self.slices[b], self.slices[a]] = joint.transpose(1, 0, 2)

    def answers(self, question: int) -> Flags:
        """Which of the rows say yes."""
        at = next(at for at, each in enumerate(self.slices) if each.start <= question < each.stop)
        column = self.columns[at]
        return column.asks[question - self.slices[at].start, column.bins[self.rows]] > 0

    def stump(self, least: int) -> tuple[float, Tree]:
        split = _least(self.one, least) + _least(self.total - self.one, least)
        if not np.isfinite(split.min(initial=np.inf)):
            return np.inf, Leaf(0)
        at = int(split.argmin())
        return float(split[at]), Branch(
            self.questions[at], _leaf(self.one[at]), _leaf(self.total - self.one[at])
        )

    def _sides(self, least: int) -> tuple[Floats, Floats, Floats, Floats]:
        """(Q, Q) the least sums of a second question among the rows that say yes to the first, and no; and (Q,) of no second."""
        no = self.one[:, None] - self.both  # Yes to the first, no to the second.
        yes = _least(self.both, least) + _least(no, least)
        other = self.one[None] - self.both  # No to the first, yes to the second.
        rest = self.total - self.one[:, None] - other
        return (
            yes,
            _least(other, least) + _least(rest, least),
            _least(self.one, least),
            _least(self.total - self.one, least),
        )

    def pair(self, least: int) -> tuple[float, Tree]:
        yes, no, yes_alone, no_alone = self._sides(least)
        worth = np.minimum(yes.min(1), yes_alone) + np.minimum(no.min(1), no_alone)
        if not np.isfinite(worth.min(initial=np.inf)):
            return np.inf, Leaf(0)
        at = int(worth.argmin())
        one, total = self.one[at], self.total
        left, right = _leaf(one), _leaf(total - one)
        if yes[at].min() < yes_alone[at] - 1e-12 * abs(yes_alone[at]):
            second = int(yes[at].argmin())
            both = self.both[at, second]
            left = Branch(self.questions[second], _leaf(both), _leaf(one - both))
        if no[at].min() < no_alone[at] - 1e-12 * abs(no_alone[at]):
            second = int(no[at].argmin())
            other = self.one[second] - self.both[at, second]
            right = Branch(self.questions[second], _leaf(other), _leaf(total - one - other))
        return float(worth[at]), Branch(self.questions[at], left, right)

    def first(self, least: int) -> list[int]:
        """The questions that a tree of depth 2 begins with best, best first."""
        yes, no, yes_alone, no_alone = self._sides(least)
        worth = np.minimum(yes.min(1), yes_alone) + np.minimum(no.min(1), no_alone)
        return [int(at) for at in np.argsort(worth, kind="stable")[:FIRST] if np.isfinite(worth[at])]


def _least(sums: Floats, least: int) -> Floats:
    """The least over settings of (..., L + 1) sums, of which the last is the number of rows; inf where these are too few."""
    return np.where(sums[..., -1] >= least, sums[..., :-1].min(-1), np.inf)


def _leaf(sums: Floats) -> Leaf:
    return Leaf(int(sums[:-1].argmin()))
