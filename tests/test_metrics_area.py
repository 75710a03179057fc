"""The area under the ROC curve against scikit-learn's, and how often its interval holds the truth."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from drivetrain.metrics.area import DELONG, roc_area
from drivetrain.types import Array


def two(scores: Array) -> Array:
    return np.stack([1 - scores, scores], axis=1)


@pytest.mark.parametrize("decimals", [None, 1, 0])
def test_two_classes(decimals: int | None) -> None:
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(0)
    codes = (generator.random(500) < 0.3).astype(np.int64)
    scores = codes + generator.normal(size=500)
    scores = scores if decimals is None else scores.round(decimals)
    found = roc_area(two(scores), codes)
    assert found.value == pytest.approx(roc_auc_score(codes, scores), abs=1e-12)
    assert found.influence.sum() == pytest.approx(0, abs=1e-9)
    turned = roc_area(two(-scores), codes)
    assert turned.value == pytest.approx(1 - found.value)
    assert turned.estimate().low == pytest.approx(1 - found.estimate().high)
    shuffled = generator.permutation(500)
    assert roc_area(two(scores[shuffled]), codes[shuffled]).estimate().low == pytest.approx(
        found.estimate().low
    )


def test_delongs_variance_is_that_of_the_definition() -> None:
    """All pairs, one by one."""
    generator = np.random.default_rng(1)
    codes = np.array([0] * 12 + [1] * 7)
    scores = (codes + generator.normal(size=19)).round(1)
    pairs = [[(a > b) + (a == b) / 2 for b in scores[codes == 0]] for a in scores[codes == 1]]
    won, lost = np.mean(pairs, axis=1), np.mean(pairs, axis=0)
    variance = won.var(ddof=1) / 7 + lost.var(ddof=1) / 12
    found = roc_area(two(scores), codes)
    assert found.value == pytest.approx(np.mean(pairs))
    assert np.square(found.influence).sum() / 19**2 == pytest.approx(variance)
    logit, error = (
        math.log(found.value / (1 - found.value)),
        math.sqrt(variance) / (found.value * (1 - found.value)),
    )
    low, high = (1 / (1 + math.exp(-(logit + sign * 1.959964 * error))) for sign in (-1, 1))
    estimate = found.estimate()
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=1e-6)
    assert (estimate.method, estimate.n) == (DELONG, 19)


def test_several_classes_each_against_all_others() -> None:
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(0)
    codes = generator.choice(4, size=600, p=[0.6, 0.3, 0.09, 0.01])
    scores = generator.random((600, 4)) + np.eye(4)[codes] * 0.5
    shares = scores / scores.sum(axis=1, keepdims=True)
    assert roc_area(shares, codes).value == pytest.approx(roc_auc_score(codes, shares, multi_class="ovr"))
    five = np.concatenate([shares, np.zeros((600, 1))], axis=1)
    assert roc_area(five, codes).value == pytest.approx(roc_area(shares, codes).value)
    found = roc_area(shares, codes).estimate()
    assert 0.5 < found.low < found.value < found.high < 1


@pytest.mark.parametrize("codes", [[], [0, 0], [1, 1], [2]])
def test_one_class_has_no_area(codes: list[int]) -> None:
    found = roc_area(np.full((len(codes), 3), 1 / 3), np.array(codes, np.int64)).estimate()
    assert found.to_json() == {"value": None, "low": None, "high": None, "method": DELONG, "n": len(codes)}


def test_edges() -> None:
    """In perfect order nothing varies, and the interval is no point all the same."""
    codes = np.array([0] * 20 + [1] * 5)
    best = roc_area(two(codes.astype(np.float64)), codes).estimate()
    assert (best.value, best.high) == (1, 1)
    assert best.low == pytest.approx(1 / (1 + 1.959964**2 / 5), abs=1e-6)
    worst = roc_area(two(1.0 - codes), codes).estimate()
    assert (worst.value, worst.low, worst.high) == (0, 0, pytest.approx(1 - best.low))
    constant = roc_area(two(np.full(25, 0.5)), codes).estimate()
    assert (constant.value, constant.low, constant.high) == (0.5, 0.5, 0.5)
    pair = roc_area(two(np.array([0.1, 0.9])), np.array([0, 1])).estimate()
    assert (pair.value, pair.high) == (1, 1)
    assert pair.low < 0.3
    single = roc_area(two(np.array([0.1, 0.4, 0.3, 0.2])), np.array([0, 0, 1, 0])).estimate()
    assert single.low < 0.2
    assert single.high > 0.9


@pytest.mark.parametrize("classes", range(2, 30))
def test_perfect_order_is_seen_whatever_the_number_of_classes(classes: int) -> None:
    codes = np.repeat(np.arange(classes), 10)
    best = roc_area(np.eye(classes)[codes], codes).estimate()
    assert (best.value, best.high) == (1, 1)
    assert best.low == pytest.approx(1 / (1 + 1.959964**2 / 10), abs=1e-6)


def test_it_is_resampled_around_its_value() -> None:
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 2, 800)
    found = roc_area(two(codes + generator.normal(size=800)), codes)
    exact, drawn = found.estimate(), found.statistic().estimate()
    assert drawn.value == pytest.approx(found.value)
    assert (drawn.low, drawn.high) == pytest.approx((exact.low, exact.high), abs=0.004)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "share"), [(40, 0.5), (150, 0.1), (600, 0.5)])
@pytest.mark.parametrize("truth", [0.6, 0.9, 0.98])
def test_intervals_hold_the_truth(n: int, share: float, truth: float) -> None:
    """Two normal distributions that far apart. A bootstrap holds it in 69 to 87 % of the smaller samples near 1."""
    generator = np.random.default_rng(0)
    apart = math.sqrt(2) * NormalDist().inv_cdf(truth)
    codes = (np.arange(n) < n * share).astype(np.int64)
    held: list[bool] = []
    for _ in range(400):
        found = roc_area(two(codes * apart + generator.normal(size=n)), codes).estimate()
        held.append(found.low <= truth <= found.high)
    assert 0.92 <= np.mean(held) <= 1


@pytest.mark.slow
def test_intervals_of_several_classes_hold_the_truth() -> None:
    generator = np.random.default_rng(0)

    def sample(n: int) -> tuple[Array, Array]:
        codes = generator.choice(3, size=n, p=[0.5, 0.35, 0.15])
        return np.eye(3)[codes] * 1.2 + generator.normal(size=(n, 3)), codes

    truth = roc_area(*sample(1_000_000)).value
    found = [roc_area(*sample(120)).estimate() for _ in range(400)]
    assert 0.93 <= np.mean([estimate.low <= truth <= estimate.high for estimate in found]) <= 0.98
