"""What the few tokens before one tell of it: an interpolated n-gram model, beside which a network that writes has to stand.

Kneser-Ney smoothing with three discounts ("modified"), interpolated: Chen and Goodman (1999), An empirical study of smoothing
techniques for language modeling, Computer Speech and Language 13:359-394, section 3; the orders below the highest count in how
many contexts an n-gram was seen, not how often (Kneser and Ney, 1995).

An n-gram is one number: the context's place among those of its length, times the vocabulary, plus the last token. So each order is
a sorted array, counts are `np.unique`, and looking up is a binary search; no loop goes over tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.errors import UsageError

MOST_ORDER = 10
MOST_VOCABULARY = 2**20

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Order:
    """The n-grams of one length, by their numbers in ascending order: the `discounted` share (count less discount, over the
    context's sum) of each. `rest` (contexts,) is what is left of a context for the order below."""

    keys: Ints
    discounted: Floats
    rest: Floats


@dataclass(frozen=True, eq=False)
class KneserNey:
    """A fitted model of n-grams of up to `order` tokens; every token of the `vocabulary` has a probability above 0 after
    whatever came before."""

    vocabulary: int
    orders: tuple[_Order, ...]

    @property
    def order(self) -> int:
        return len(self.orders)

    @classmethod
    def fit(cls, tokens: Ints, vocabulary: int, order: int = 5) -> KneserNey:
        """Of tokens int64 (n,), one after the other, from 0 and below `vocabulary`. Raises UsageError."""
        if not 1 <= order <= MOST_ORDER:
            raise UsageError(f"an n-gram has 1 to {MOST_ORDER} tokens.", where="order")
        tokens = _checked(tokens, vocabulary)
        times, keys, places = _counted(tokens, vocabulary, order)
        orders: list[_Order] = []
        for level in range(order):
            if level + 1 < len(keys):
                # In how many contexts: the different n-grams that are one longer, each counted at its end.
                first = np.unique(places[level + 1], return_index=True)[1]
                counts = np.bincount(places[level][first + 1], minlength=len(keys[level]))
                # What stands at the very beginning has nothing before it, and was seen there.
                counts = np.maximum(counts, 1)
            else:
                counts = times[level]
            contexts = 1 if level == 0 else len(keys[level - 1])
            orders.append(_smoothed(keys[level], counts, contexts, vocabulary))
        return cls(vocabulary, tuple(orders))

    def log_probabilities(self, tokens: Ints, before: Ints | None = None) -> Floats:
        """(n,) in nats, of each of `tokens` after those in front of it; in front of the first stand those of `before`, where
        there are some. Raises UsageError."""
        held = _checked(tokens, self.vocabulary)
        past = np.zeros(0, np.int64) if before is None else _checked(before, self.vocabulary)
        past = past[max(0, len(past) - self.order + 1) :]
        whole = np.concatenate([past, held])
        return np.log(self._probabilities(whole))[len(past) :]

    def costs(self, tokens: Ints, starts: Ints, lengths: Ints) -> Floats:
        """(rows, T) nats of the tokens of stretches of a text, `lengths` (rows,) from `starts` on, 0 behind the end of one: as the
        metrics of tokens take them, which resample rows, for neighbours are not independent. All of the text before a token may
        tell of it, so stretches that were held out stand behind what the model learned from. Raises UsageError."""
        nats = np.append(-self.log_probabilities(tokens), 0.0)
        offsets = np.arange(lengths.max(initial=0))
        within = offsets < lengths[:, None]
        return nats[np.where(within, starts[:, None] + offsets, len(tokens))]

    def next(self, context: Ints) -> Floats:
        """(vocabulary,) the probability of each token to come after `context`, int64 (n,)."""
        context = _checked(context, self.vocabulary)[max(0, len(context) - self.order + 1) :]
        size = len(context) + 1
        rows = np.empty((self.vocabulary, size), np.int64)
        rows[:, :-1], rows[:, -1] = context, np.arange(self.vocabulary)
        # Each row by itself: what stands in front of it is of another row, and the places beyond are not looked at.
        found = np.full(self.vocabulary, 1 / self.vocabulary)
        for level, order in enumerate(self.orders[:size]):
            place = np.zeros(self.vocabulary, np.int64)
            for column in range(size - level - 1, size - 1):
                place = self._place(column - (size - level - 1), place, rows[:, column])
            found = self._raised(order, place, rows[:, -1], found)
        return found

    def _probabilities(self, tokens: Ints) -> Floats:
        found = np.full(len(tokens), 1 / self.vocabulary)
        place = np.zeros(
            len(tokens), np.int64
        )  # Of the context before each token: of no tokens there is one.
        for level, order in enumerate(self.orders):
            # At the beginning there are no contexts of this length: there the order below stands.
            found[level:] = self._raised(order, place[level:], tokens[level:], found[level:])
            if level + 1 < self.order:
                # The n-gram that ends at a token is the context, one longer, of the token after it.
                here = np.full(len(tokens), -1, np.int64)
                here[level:] = self._place(level, place[level:], tokens[level:])
                place = np.concatenate([[-1], here[:-1]])
        return found

    def _raised(self, order: _Order, place: Ints, token: Ints, lower: Floats) -> Floats:
        """The probability at an order, from that at the order below. A context that was not seen says nothing."""
        known = (place >= 0) & (place < len(order.rest))
        rest = np.ones(len(place))
        rest[known] = order.rest[place[known]]
        at, seen = _look_up(order.keys, place * self.vocabulary + token, known)
        share = np.where(seen, order.discounted[at], 0.0) if len(order.keys) else 0.0
        return share + rest * lower

    def _place(self, level: int, place: Ints, token: Ints) -> Ints:
        """Where the n-gram of a context and a token stands among those of its length; -1: it was not seen."""
        keys = self.orders[level].keys
        at, seen = _look_up(keys, place * self.vocabulary + token, place >= 0)
        return np.where(seen, at, -1)


def _look_up(keys: Ints, wanted: Ints, known: npt.NDArray[np.bool_]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    at = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
    return at, known & (keys[at] == wanted if len(keys) else np.zeros(len(wanted), bool))


def _counted(tokens: Ints, vocabulary: int, order: int) -> tuple[list[Ints], list[Ints], list[Ints]]:
    """For each length: how often each different n-gram comes, their numbers, and which of them begins at each place of the
    text. There may be fewer lengths than asked for: no text has an n-gram that is longer than it is."""
    times: list[Ints] = []
    keys: list[Ints] = []
    places: list[Ints] = []
    place = np.zeros(len(tokens) + 1, np.int64)
    for level in range(order):
        starts = max(0, len(tokens) - level)
        numbers = place[:starts] * vocabulary + tokens[level:]
        different, place, counts = np.unique(numbers, return_inverse=True, return_counts=True)
        keys.append(different)
        times.append(counts)
        places.append(place)
    return times, keys, places


def _smoothed(keys: Ints, counts: Ints, contexts: int, vocabulary: int) -> _Order:
    """Counts less their discounts, and what that leaves for the order below."""
    context = keys // vocabulary
    sums = np.bincount(context, weights=counts, minlength=contexts)
    discounts = _discounts(counts)
    taken = discounts[np.minimum(counts, 3)]
    left = np.bincount(context, weights=taken, minlength=contexts)
    with np.errstate(invalid="ignore", divide="ignore"):
        # A context that only ends the text was never gone on from.
        rest = np.where(sums > 0, left / sums, 1.0)
    return _Order(keys, (counts - taken) / sums[context], rest)


def _discounts(counts: Ints) -> Floats:
    """(4,) what is taken off a count of 0, 1, 2, and 3 or more: equation 26 of Chen and Goodman.

    Where a text is so small that some count does not occur, or the estimate is out of bounds, it is half a count: something has to
    be left for what was not seen.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(np.float64)
    found = np.array([0.0, 0.5, 0.5, 0.5])
    if n[1] and n[2]:
        share = n[1] / (n[1] + 2 * n[2])
        for count in (1, 2, 3):
            if n[count] and n[count + 1]:
                estimate = count - (count + 1) * share * n[count + 1] / n[count]
                if 0 < estimate < count:
                    found[count] = estimate
    return found


def _checked(tokens: Ints, vocabulary: int) -> Ints:
    if not 1 <= vocabulary <= MOST_VOCABULARY:
        raise UsageError(f"a vocabulary has 1 to {MOST_VOCABULARY:,} tokens.", where="vocabulary")
    found = np.asarray(tokens)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise UsageError("tokens are whole numbers, one after the other.", where="tokens")
    if len(found) and not (found.min() >= 0 and found.max() < vocabulary):
        raise UsageError(f"there are tokens from 0 to {vocabulary - 1:,} only.", where="tokens")
    return found.astype(np.int64)
