"""Recommendations from a bundle: what somebody would like next, and why. No torch, ever.

A score is an estimate of the item's share of what people with such a history pick next; `usual` is its share of what
all people pick, which is what they would find anyway. A score is the sum of what each thing in the history adds.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, overload

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.bundle.facts import number_range
from drivetrain.bundle.optional import ranking_of, recommends
from drivetrain.bundle.reader import Bundle, open_bundle
from drivetrain.bundle.verify import verify
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.runtime.predictor import Predictor
from drivetrain.runtime.session import OnnxSession
from drivetrain.runtime.vetting import vet
from drivetrain.types import Array, Failure
from drivetrain.values import as_text, canonical, places_by_text

POOL = 10
"""Novelty and diversity choose among so many times as many items as are wanted, the best ones."""
SMALLEST_POOL = 100
REASONS = 3

Floats = npt.NDArray[np.float64]
History = Iterable[Any] | Mapping[Any, float]


@dataclass(frozen=True, slots=True)
class Reason:
    """What one thing in the history adds to a score."""

    item: str
    adds: float
    title: str | None = None

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.title or self.item


@dataclass(frozen=True, slots=True)
class Recommendation:
    """An item with its `score`, its `usual` share of all picks, and the `reasons` that add most to the score.

    `rating` is what the user would give, where the model predicts ratings and knows the user; else None.
    """

    item: str
    score: float
    usual: float
    reasons: tuple[Reason, ...]
    rating: float | None = None
    title: str | None = None

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.title or self.item

    @property
    def why(self) -> str:
        """The reasons in words."""
        if not self.reasons:
            return f"popular: {_percent(self.usual)} of all picks"
        times = f"; {self.score / self.usual:.1f} times the usual" if self.usual > 0 else ""
        return f"because of {', '.join(reason.name for reason in self.reasons)}{times}"

    def to_json(self) -> dict[str, Any]:
        """`{"item", "title", "score", "usual", "rating", "reasons": [{"item", "title", "adds"}], "why"}`."""
        reasons = [
            {"item": reason.item, "title": reason.title, "adds": reason.adds} for reason in self.reasons
        ]
        found = {
            "item": self.item,
            "title": self.title,
            "score": self.score,
            "usual": self.usual,
            "rating": self.rating,
        }
        return {**found, "reasons": reasons, "why": self.why}


@dataclass(frozen=True)
class Recommendations(Sequence[Recommendation]):
    """The items, best first, for `user` (None: nobody in particular); `notes` are what a person should know."""

    user: str | None
    items: tuple[Recommendation, ...]
    notes: tuple[str, ...] = ()

    @overload
    def __getitem__(self, index: int) -> Recommendation: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Recommendation]: ...
    def __getitem__(self, index: int | slice) -> Recommendation | Sequence[Recommendation]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Recommendation]:
        return iter(self.items)

    def to_json(self) -> dict[str, Any]:
        """`{"user", "items": [...], "notes": [...]}`."""
        return {
            "user": self.user,
            "items": [each.to_json() for each in self.items],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Alike:
    """An item and its similarity to another, up to 1: nearly the correlation of who had the two."""

    item: str
    similarity: float
    title: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"item": self.item, "title": self.title, "similarity": self.similarity}


class Recommender:
    """Recommends from a bundle that was trained with the task recommendation.

    The golden cases are run when it is made (`check=False` leaves that out); `trusted` is as in
    `Predictor`. `seen` says who has had what: user ->
    items, or items with ratings; a bundle may also hold that itself. Raises UsageError for a bundle of another
    task, CheckFailed where the golden cases don't hold.
    """

    @public
    def __init__(
        self,
        bundle: Bundle | str | os.PathLike[str],
        *,
        check: bool = True,
        seen: Mapping[Any, History] | None = None,
        threads: int | None = None,
        trusted: bool = False,
    ) -> None:
        where = bundle.name if isinstance(bundle, Bundle) else os.fspath(bundle)
        opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
        found = vet(opened, trusted=trusted, where=where)
        ranker = opened if opened.recommender is None else opened.recommender
        ranking = ranking_of(ranker.signature)
        if ranking is None:
            raise UsageError(
                "this bundle does not recommend.", where=where, fix="Train it with --task recommendation."
            )
        self.name, self.hash = opened.name, opened.hash
        self.items = ranking.items
        self.facts = recommends(ranker.facts)
        self.titles = ranker.titles
        self._called = _by_title(ranker.titles)
        self._codes = places_by_text(self.items)
        self._target = next(iter(ranker.signature.targets))
        self._fields = list(ranker.signature.inputs)
        self.session = OnnxSession(ranker.graph, ranker.tensors, threads=threads)
        if check:
            (found or verify(ranker, self.session)).require(where)
        self._vectors = ranker.vectors
        self.ratings = (
            None
            if opened is ranker
            else Predictor(opened, verify=check and found is None, threads=threads, trusted=True)
        )
        self._seen = ranker.seen or {}
        self._given = {} if seen is None else {_name(user): history for user, history in seen.items()}
        self._popularity = self._scores(np.zeros((1, len(self.items)), np.uint8))[0]

    def __repr__(self) -> str:
        return f"<Recommender {self.name}: {len(self.items):,} items>"

    @property
    def liked(self) -> float | None:
        """The rating from which on something counts as liked; None where there are no ratings."""
        return self.facts.get("liked")

    def recommend(
        self,
        user: Any = None,
        n: int = 10,
        *,
        history: History | None = None,
        exclude_seen: bool = True,
        novelty: float = 0.0,
        diversity: float = 0.0,
        popularity_correction: float = 0.0,
    ) -> Recommendations:
        """The best `n` items for a user, by what they had before: `history`, or what `seen` says of them.

        A history is items that they liked, or items with ratings. Who has none gets what is popular, and the notes say
        so. The three wishes go from 0 to 1: `popularity_correction` takes off the score what they would have found
        anyway, that is so much of the usual share; `novelty` puts little known items first; `diversity` avoids items
        that are like those before them, by maximal marginal relevance (Carbonell and Goldstein 1998, SIGIR, pages
        335-336). The latter two choose among the best 10 n (100 at least). Raises UsageError and DataError.
        """
        _check(n, novelty=novelty, diversity=diversity, popularity_correction=popularity_correction)
        name = None if user is None else self._user(user)
        liked, others, notes = self._history(name, history)
        places = self._places(liked)
        had = self._places([*liked, *others])
        if lost := len(liked) + len(others) - len(had):
            notes.append(
                f"{lost:,} of {len(liked) + len(others):,} items of the history are not known to the model"
            )
        allowed = np.ones(len(self.items), bool)
        if exclude_seen:
            allowed[had] = False
        pool = np.flatnonzero(allowed)
        usual = _shares(self._popularity, allowed)
        adds = self._summands(places)
        total = float(np.maximum(adds.sum(axis=0), 0.0)[allowed].sum())
        if total > 0:
            adds /= total
            scores = adds.sum(axis=0)
        else:  # Nothing speaks for anything.
            adds, scores = adds[:0], usual
        worth = scores - popularity_correction * usual
        size = max(SMALLEST_POOL, POOL * n) if novelty or diversity else n
        pool = pool[np.argsort(-worth[pool], kind="stable")[:size]]
        order = self._order(pool, worth, usual, n, novelty, diversity)
        chosen: list[int] = pool[order].tolist()
        ratings = self._rated(name, chosen)
        found = tuple(
            Recommendation(
                self.items[place], float(scores[place]), float(usual[place]),
                self._reasons(adds[:, place], places), ratings.get(place),
                self.titles.get(self.items[place]),
            )
            for place in chosen
        )  # fmt: skip
        return Recommendations(name, found, tuple(notes))

    def similar(self, item: Any, n: int = 10) -> list[Alike]:
        """The `n` items that are had by the same people, most alike first. An item may be named by its title. Raises
        UsageError for an unknown one."""
        _check(n)
        text = _name(item)
        place = self._place(text)
        if place is None:
            known = [*self.items, *self.titles.values()]
            raise UsageError(
                f"the model knows no item {text!r}.", where="item",
                fix=nearest(text, known) or f"It knows {', '.join(map(self._title, self.items[:10]))} and others.",
            )  # fmt: skip
        if self._vectors is None:
            raise UsageError(
                "this bundle has no vectors of its items.", where=self.name, fix="Export it anew."
            )
        alike = self._vectors @ self._vectors[place]
        alike[place] = -np.inf
        best: list[int] = np.argsort(-alike, kind="stable")[: min(n, len(self.items) - 1)].tolist()
        return [
            Alike(self.items[other], float(alike[other]), self.titles.get(self.items[other]))
            for other in best
        ]

    def _title(self, item: str) -> str:
        return self.titles.get(item, item)

    # --- what somebody has had ----------------------------------------------------------------------------

    def _place(self, item: str) -> int | None:
        """By what the item is called in training, else by its title in any case of letters."""
        found = self._codes.get(item, self._codes.get(canonical(item)))
        return self._codes.get(self._called.get(item.casefold(), "")) if found is None else found

    def _places(self, items: Sequence[str]) -> npt.NDArray[np.int64]:
        found = dict.fromkeys(map(self._place, items))
        return np.array([place for place in found if place is not None], np.int64)

    def _user(self, user: Any) -> str:
        """As the model has them, where it has; 3.0 is 3."""
        name = _name(user)
        known = name in self._given or name in self._seen
        return name if known else canonical(name)

    def _history(self, user: str | None, given: History | None) -> tuple[list[str], list[str], list[str]]:
        """(what they liked, what else they had, notes)."""
        if given is None and user is not None:
            given = self._given.get(user)
            if given is None and user in self._seen:
                liked, others = self._seen[user]
                return list(liked), list(others), []
        liked, others = self._parted(given)
        if liked:
            return liked, others, []
        who = "nobody in particular" if user is None else f"user {user!r}"
        what = "liked nothing that is known" if others else "has no history here"
        return liked, others, [f"{who} {what}: these are what most people have"]

    def _parted(self, history: History | None) -> tuple[list[str], list[str]]:
        """Items liked and other items, each once."""
        if history is None:
            return [], []
        if isinstance(history, (str, bytes)):
            raise UsageError("a history is a list of items.", where="history", fix=f"Give [{history!r}].")
        if not isinstance(history, Mapping):
            return list(dict.fromkeys(_name(item) for item in history)), []
        ratings = {_name(item): value for item, value in cast("Mapping[Any, Any]", history).items()}
        least = self.liked
        if least is None:
            return list(ratings), []
        for item, value in ratings.items():
            if not _is_number(value):
                raise DataError(
                    f"{value!r:.60} is no rating.", where=f"history, {item}", fix="Give a number."
                )
        liked = [item for item, value in ratings.items() if value >= least]
        return liked, [item for item, value in ratings.items() if value < least]

    # --- scores -------------------------------------------------------------------------------------------

    def _scores(self, histories: Array) -> Floats:
        """(n, items) of histories (n, items), what was had at -1."""
        feeds = {name: np.zeros_like(histories) for name in self._fields}
        feeds["history"] = histories
        return self.session.run(feeds)[self._target].astype(np.float64)

    def _summands(self, places: npt.NDArray[np.int64]) -> Floats:
        """(len(places), items): what each thing in the history adds to each score; nothing to its own."""
        alone = np.zeros((len(places), len(self.items)), np.uint8)
        alone[np.arange(len(places)), places] = 1
        if not len(places):
            return alone.astype(np.float64)
        adds = self._scores(alone)
        adds[np.arange(len(places)), places] = 0.0
        return adds

    def _reasons(self, adds: Floats, places: npt.NDArray[np.int64]) -> tuple[Reason, ...]:
        most = np.argsort(-adds, kind="stable")[:REASONS].tolist()
        found = [(self.items[int(places[i])], float(adds[i])) for i in most if adds[i] > 0]
        return tuple(Reason(item, each, self.titles.get(item)) for item, each in found)

    def _order(
        self,
        pool: npt.NDArray[np.int64],
        worth: Floats,
        usual: Floats,
        n: int,
        novelty: float,
        diversity: float,
    ) -> list[int]:
        """Places in the pool, which is sorted by worth."""
        if not (novelty or diversity) or not len(pool):
            return list(range(min(n, len(pool))))
        surprise = -np.log2(np.maximum(usual[pool], 1e-9))
        value = (1 - novelty) * _scaled(worth[pool]) + novelty * _scaled(surprise)
        if not diversity:
            return np.argsort(-value, kind="stable")[:n].tolist()
        if self._vectors is None:
            raise UsageError(
                "this bundle has no vectors of its items.", where="diversity", fix="Export it anew."
            )
        vectors = self._vectors[pool]
        nearest_chosen, left = np.zeros(len(pool)), np.ones(len(pool), bool)
        order: list[int] = []
        for _ in range(min(n, len(pool))):
            marginal = np.where(left, (1 - diversity) * value - diversity * nearest_chosen, -np.inf)
            best = int(np.argmax(marginal))
            order.append(best)
            left[best] = False
            nearest_chosen = np.maximum(nearest_chosen, np.clip(vectors @ vectors[best], 0, 1))
        return order

    def _rated(self, user: str | None, chosen: list[int]) -> dict[int, float]:
        """Item -> the rating that a known user would give, within the range of ratings there were."""
        if self.ratings is None or user is None:
            return {}
        (who, users), (what, _) = self.ratings.signature.inputs.items()
        (target,) = self.ratings.signature.targets
        if user not in (users.labels or ()):
            return {}
        low, high = number_range(self.ratings.profile, target) or (-math.inf, math.inf)
        answers = self.ratings.predict_many([{who: user, what: self.items[place]} for place in chosen])
        return {
            place: min(max(answer.value, low), high)
            for place, answer in zip(chosen, answers)
            if not isinstance(answer, Failure)
        }


def _name(value: Any) -> str:
    """A user or an item as the model has it: 3 and 3.0 are "3"."""
    return as_text(value, "user")


def _by_title(titles: Mapping[str, str]) -> dict[str, str]:
    """Title in small letters -> item; a title of several items names none."""
    found: dict[str, str] = {}
    for item, title in titles.items():
        found[title.casefold()] = item if title.casefold() not in found else ""
    return {title: item for title, item in found.items() if item}


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return False
    return math.isfinite(cast("float", value))


def _check(n: int, **wishes: float) -> None:
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"n is a whole number from 1, not {n!r}.", where="n")
    for name, value in wishes.items():
        if not 0 <= value <= 1:
            raise UsageError(f"{name} is a number from 0 to 1, not {value!r}.", where=name)


def _shares(values: Floats, allowed: npt.NDArray[np.bool_]) -> Floats:
    """Of what is allowed, as shares of their sum."""
    found = np.where(allowed, np.maximum(values, 0.0), 0.0)
    total = float(found.sum())
    return found / total if total > 0 else found


def _scaled(values: Floats) -> Floats:
    """From 0 to 1."""
    spread = float(np.ptp(values))
    return (values - values.min()) / spread if spread > 0 else np.zeros_like(values)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"
