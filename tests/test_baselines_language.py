"""The n-gram model beside a network that writes: probabilities that sum to 1, those of a slow reader of the same pages, and what
more context is worth."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from drivetrain.errors import UsageError
from drivetrain.learn.baselines.language import KneserNey
from drivetrain.metrics.estimate import Statistic
from drivetrain.types import Array

V = 7


def sentence(n: int, seed: int = 0) -> Array:
    """Tokens of which each depends on the two before it."""
    generator = np.random.default_rng(seed)
    table = np.random.default_rng(9).dirichlet(np.full(V, 0.2), (V, V)).cumsum(axis=-1)
    tokens = [0, 1]
    for draw in generator.random(n - 2):
        tokens.append(min(V - 1, int(np.searchsorted(table[tokens[-2], tokens[-1]], draw))))
    return np.array(tokens)


class Slow:
    """Chen and Goodman's equations, one n-gram after the other."""

    def __init__(self, tokens: list[int], order: int) -> None:
        self.counts: list[Counter[tuple[int, ...]]] = []
        for size in range(1, order + 1):
            grams = [tuple(tokens[at : at + size]) for at in range(len(tokens) - size + 1)]
            if size < order:
                before: dict[tuple[int, ...], set[int]] = defaultdict(set)
                for at, gram in enumerate(grams):
                    if at:
                        before[gram].add(tokens[at - 1])
                self.counts.append(Counter({gram: max(1, len(before[gram])) for gram in grams}))
            else:
                self.counts.append(Counter(grams))

    def discount(self, size: int, count: int) -> float:
        n = Counter(self.counts[size - 1].values())
        count = min(count, 3)
        if not (n[1] and n[2] and n[count] and n[count + 1]):
            return 0.5
        found = count - (count + 1) * n[1] / (n[1] + 2 * n[2]) * n[count + 1] / n[count]
        return found if 0 < found < count else 0.5

    def probability(self, context: tuple[int, ...], token: int) -> float:
        lower = self.probability(context[1:], token) if context else 1 / V
        after = {g: c for g, c in self.counts[len(context)].items() if g[:-1] == context}
        if not after:
            return lower
        size, total = len(context) + 1, sum(after.values())
        left = sum(self.discount(size, count) for count in after.values())
        count = after.get((*context, token), 0)
        return ((count - self.discount(size, count)) if count else 0.0) / total + left / total * lower


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_it_is_what_the_pages_say(order: int) -> None:
    text, held = sentence(300), sentence(40, seed=1)
    model, slow = KneserNey.fit(text, V, order), Slow(text.tolist(), order)
    found = np.exp(model.log_probabilities(held))
    for at, token in enumerate(held.tolist()):
        context = tuple(held[max(0, at - order + 1) : at].tolist())
        assert found[at] == pytest.approx(slow.probability(context, token), rel=1e-9)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 400])
@pytest.mark.parametrize("order", [1, 3, 6])
def test_probabilities_sum_to_1(n: int, order: int) -> None:
    text = sentence(402)[:n]
    model = KneserNey.fit(text, V + 3, order)  # Three tokens never come.
    generator = np.random.default_rng(n)
    contexts = [text[:k] for k in range(5)] + [text[k : k + 6] for k in range(0, n, 50)] + [text[-3:]]
    contexts += [generator.integers(0, V + 3, size) for size in (0, 1, 2, 5, 9)]
    for context in contexts:
        found = model.next(context)
        assert found.sum() == pytest.approx(1, abs=1e-12)
        assert (found > 0).all()


def test_a_token_after_another_is_one_of_the_next() -> None:
    text, held = sentence(2000), sentence(60, seed=2)
    model = KneserNey.fit(text, V, 4)
    found = model.log_probabilities(held, text)
    whole = np.concatenate([text, held])
    for at in range(len(held)):
        assert found[at] == pytest.approx(math.log(model.next(whole[: len(text) + at])[held[at]]), rel=1e-12)


def test_more_context_is_worth_something() -> None:
    text, held = sentence(20_000), sentence(3000, seed=3)
    nats = [-KneserNey.fit(text, V, order).log_probabilities(held).mean() for order in (1, 2, 3, 5)]
    assert nats[0] > nats[1] + 0.1 > nats[2] + 0.2
    assert nats[3] < nats[2] + 0.05  # What has nothing to tell costs next to nothing.


def test_costs_of_stretches_are_those_of_their_tokens() -> None:
    text = sentence(3000)
    model = KneserNey.fit(text[:2500], V, 3)
    starts, lengths = np.array([2500, 2600, 2700, 2999]), np.array([100, 100, 7, 1])
    costs, nats = model.costs(text, starts, lengths), -model.log_probabilities(text)
    assert costs.shape == (4, 100)
    for row, start, length in zip(costs, starts, lengths):
        np.testing.assert_array_equal(row[:length], nats[start : start + length])
        assert not row[length:].any()
    found = Statistic((costs.sum(axis=1), lengths.astype(float))).estimate()
    assert found.low < found.value < found.high
    assert model.costs(text, starts[:0], lengths[:0]).shape == (0, 0)


def test_what_is_no_text_is_refused() -> None:
    for tokens, vocabulary, order in (
        ([7], 7, 2),
        ([-1], 7, 2),
        ([0.5], 7, 2),
        ([[1]], 7, 2),
        ([1], 0, 2),
        ([1], 7, 0),
    ):
        with pytest.raises(UsageError):
            KneserNey.fit(np.array(tokens), vocabulary, order)
    with pytest.raises(UsageError):
        KneserNey.fit(np.array([1, 2]), V, 2).log_probabilities(np.array([V]))
