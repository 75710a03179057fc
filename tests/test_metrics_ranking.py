"""Ranking metrics against cases counted by hand, and their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drivetrain.codecs.ranking import Ranking
from drivetrain.errors import DataError
from drivetrain.metrics import difference, measure, ranking, statistics

CODEC = Ranking(items=tuple("abcdefghijkl"))


def encoded(*rows: str) -> np.ndarray:
    return np.stack([CODEC.encode(CODEC.read(list(row))) for row in rows])


def scores(*orders: str) -> np.ndarray:
    """Scores by which the items come in these orders."""
    found = np.zeros((len(orders), 12), np.float32)
    for row, order in enumerate(orders):
        for place, item in enumerate(order):
            found[row, CODEC.items.index(item)] = 100 - place
    return found


def test_by_hand() -> None:
    outputs = scores("abcdefghijkl", "lkjihgfedcba", "abcdefghijkl")
    right = encoded("ac", "ab?", "l")
    found = measure(CODEC, outputs, right)
    first = (1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3))  # hits in places 1 and 3 of two
    second, third = 0.0, 0.0  # a and b are in places 12 and 11; l is in place 12
    assert found["ndcg_at_10"].value == pytest.approx((first + second + third) / 3)
    assert found["recall_at_10"].value == pytest.approx(1 / 3)
    assert found["precision_at_10"].value == pytest.approx((2 / 10) / 3)
    assert found["ndcg_at_10"].n == 3
    assert found["coverage"].value == 1.0  # ten of each end of twelve


def test_what_has_no_score_was_missed_all_the_same() -> None:
    outputs = scores("abcdefghijkl")
    known, unknown = (statistics(CODEC, outputs, encoded(row)) for row in ("ab", "abxy"))
    assert known["recall_at_10"].terms[0].tolist() == [1.0]
    assert unknown["recall_at_10"].terms[0].tolist() == [0.5]
    assert unknown["ndcg_at_10"].terms[0][0] < known["ndcg_at_10"].terms[0][0] == 1.0


def test_a_person_for_whom_nothing_was_right_is_left_out() -> None:
    outputs = scores("abc", "abc")
    found = measure(CODEC, outputs, encoded("a", ""))
    assert (found["ndcg_at_10"].n, found["ndcg_at_10"].value) == (1, 1.0)
    assert ranking.losses(CODEC, outputs, encoded("a", "")).tolist() == [0.0, 0.0]
    nobody = measure(CODEC, outputs, encoded("", ""))
    assert math.isnan(nobody["ndcg_at_10"].value)
    assert measure(CODEC, outputs[:0], encoded("a")[:0])["coverage"].to_json()["value"] is None


def test_of_equals_the_first_comes_first_and_few_items_are_no_fault() -> None:
    assert ranking.top(np.array([[1.0, 3.0, 3.0, 2.0]]), 3).tolist() == [[1, 2, 3]]
    few = Ranking(items=("a", "b"))
    found = measure(few, np.array([[0.1, 0.2]], np.float32), np.array([[1, 0, 0]], np.uint8))
    assert found["recall_at_10"].value == 1.0
    assert found["ndcg_at_10"].value == pytest.approx(1 / math.log2(3))


def test_novelty_is_surprise_in_bits() -> None:
    shares = np.array([0.5, 0.25, 1.0])
    assert ranking.novelty(np.array([[0, 1], [2, 2]]), shares).tolist() == [1.5, 0.0]


def test_diversity_is_one_less_the_mean_similarity_of_pairs() -> None:
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert ranking.diversity(np.array([[0, 1], [0, 2]]), vectors).tolist() == [0.0, 1.0]
    assert ranking.diversity(np.array([[0, 1, 2]]), vectors)[0] == pytest.approx(1 - 1 / 3)
    assert np.isnan(ranking.diversity(np.array([[0]]), vectors)).all()


def test_coverage_and_its_interval() -> None:
    everybody_alike = ranking.coverage(np.tile([0, 1], (50, 1)), 10)
    assert (everybody_alike.value, everybody_alike.low, everybody_alike.high) == (0.2, 0.2, 0.2)
    alone = ranking.coverage(np.array([[0], [1], [1]]), 4)
    assert alone.low < alone.value == 0.5 < alone.high
    assert math.isnan(ranking.coverage(np.array([[0]]), 4).low)


def test_the_interval_of_coverage_holds_what_other_people_would_give() -> None:
    generator = np.random.default_rng(0)
    weights = generator.dirichlet(np.full(300, 0.3))

    def drawn() -> np.ndarray:
        return generator.choice(300, (100, 5), p=weights)

    expected = np.mean([len(np.unique(drawn())) / 300 for _ in range(300)])
    found = [ranking.coverage(drawn(), 300) for _ in range(200)]
    held = np.mean([estimate.low <= expected <= estimate.high for estimate in found])
    assert held >= 0.93


def test_two_models_are_compared_on_the_same_people() -> None:
    generator = np.random.default_rng(0)
    right = np.zeros((200, 13), np.uint8)
    right[np.arange(200), generator.integers(0, 12, 200)] = 1
    good = (right[:, :-1] + generator.normal(0, 0.5, (200, 12))).astype(np.float32)
    bad = generator.normal(0, 1, (200, 12)).astype(np.float32)
    a, b = (statistics(CODEC, outputs, right)["ndcg_at_10"] for outputs in (good, bad))
    found = difference(a, b)
    assert found.low > 0.1
    assert found.n == 200


@pytest.mark.parametrize(
    ("outputs", "right"),
    [
        (np.zeros((2, 11)), np.zeros((2, 13))),
        (np.zeros((1, 12)), np.zeros((2, 13))),
        (np.zeros((2, 12)), np.zeros((2, 12))),
        (np.full((2, 12), np.nan), np.zeros((2, 13))),
    ],
)
def test_what_does_not_fit_is_refused(outputs: np.ndarray, right: np.ndarray) -> None:
    with pytest.raises(DataError):
        measure(CODEC, outputs, right)


def test_the_codec_answers_with_the_best() -> None:
    decoded = Ranking(items=("a", "b", "c"), shown=2).decode(np.array([0.1, 0.5, 0.5], np.float32))
    assert [each["item"] for each in decoded["ranking"]] == ["b", "c"]
    assert decoded["ranking"][0]["score"] == 0.5


@pytest.mark.parametrize("k", [1, 3, 10])
def test_the_largest_are_found_in_their_order_and_of_equals_the_first(k: int) -> None:
    scores = np.random.default_rng(0).integers(0, 4, (50, 8)).astype(np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(ranking.top(scores, k), expected)
