"""Two models on the same items: their difference, its interval, and how often it holds the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.errors import DataError
from drivetrain.files import to_json
from drivetrain.metrics import Statistic, difference, measure, paired, paired_difference
from drivetrain.metrics.paired import TANGO
from drivetrain.types import Array

YES = Category(classes=("no", "yes"))


def sigmoid(scores: Array) -> Array:
    share = 1 / (1 + np.exp(-scores))
    return np.stack([1 - share, share], axis=1)


def two_models(n: int, noise: float = 0.5, seed: int = 0) -> tuple[Array, Array, Array]:
    """Probabilities of a model, of one that sees the same through noise, and true codes."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(0, 2, n)
    codes = (generator.random(n) < sigmoid(scores)[:, 1]).astype(np.int64)
    return sigmoid(scores), sigmoid(scores + generator.normal(0, noise, n)), codes


def of_shares(only_a: int, only_b: int, n: int) -> tuple[Statistic, Statistic]:
    return Statistic.mean_of(np.arange(n) < only_a), Statistic.mean_of(np.arange(n)[::-1] < only_b)


def test_every_resampled_metric_is_compared_and_the_difference_is_that_of_the_values() -> None:
    one, other, codes = two_models(300)
    found, a, b = paired(YES, one, other, codes), measure(YES, one, codes), measure(YES, other, codes)
    assert found.keys() == a.keys() - {"calibration_error"}
    numbers = paired(Number(), one[:, 1], other[:, 1], codes)
    assert numbers.keys() == measure(Number(), one[:, 1], codes).keys()
    for name, estimate in found.items():
        assert estimate.value == pytest.approx(a[name].value - b[name].value)
        assert estimate.low < estimate.value < estimate.high
        assert estimate.n == 300
    to_json({name: estimate.to_json() for name, estimate in {**found, **numbers}.items()})


@pytest.mark.parametrize("n", [50, 3000])
def test_a_model_beside_itself_differs_by_exactly_nothing(n: int) -> None:
    one, _, codes = two_models(n)
    for name, found in {
        **paired(YES, one, one, codes),
        **paired(Number(), one[:, 0], one[:, 0], codes),
    }.items():
        assert (found.value, found.p) == (0, 1)
        assert math.isnan(found.effect_size)
        if name in ("accuracy", "error_rate"):
            # On these items; on others like them the two might still be apart.
            assert 0 < found.high < 4 / n
            assert found.low == pytest.approx(-found.high)
        else:
            assert (found.low, found.high) == (0, 0)


def test_swapped_models_change_the_sign() -> None:
    one, other, codes = two_models(400)
    there, back = paired(YES, one, other, codes), paired(YES, other, one, codes)
    for name, found in there.items():
        turned = back[name]
        assert (-turned.value, -turned.high, -turned.low) == pytest.approx(
            (found.value, found.low, found.high)
        )
        assert turned.p == pytest.approx(found.p)
        assert -turned.effect_size == pytest.approx(found.effect_size)


def test_what_is_hard_for_both_cancels_out() -> None:
    one, other, codes = two_models(2000, noise=0.2)
    alone, apart = measure(YES, one, codes), paired(YES, one, other, codes)
    for name, found in apart.items():
        assert found.high - found.low < 0.6 * (alone[name].high - alone[name].low), name


def test_a_difference_of_losses_is_the_paired_difference() -> None:
    one, other, codes = two_models(500)
    losses = [-np.log(np.clip(outputs[np.arange(500), codes], 2.0**-23, 1)) for outputs in (one, other)]
    found, expected = paired(YES, one, other, codes)["log_loss"], paired_difference(losses[0], losses[1])
    assert found.value == pytest.approx(expected.value)
    assert (found.low, found.high) == pytest.approx(
        (expected.low, expected.high), abs=0.1 * (found.high - found.low)
    )
    items = losses[0] - losses[1]
    assert found.effect_size == pytest.approx(items.mean() / items.std(ddof=1))


def test_the_effect_size_of_what_is_no_mean_is_that_of_its_standard_error() -> None:
    """Where errors are of one size, the root of their mean square differs as their mean does."""
    generator = np.random.default_rng(0)
    true = np.zeros(2000)
    a, b = (generator.normal(1, 0.1, 2000) + extra for extra in (0.0, 0.02))
    found = paired(Number(), a, b, true)
    absolute, squared = (
        found[name].effect_size for name in ("mean_absolute_error", "root_mean_squared_error")
    )
    assert squared == pytest.approx(absolute, rel=0.1)


def test_p_and_interval_say_the_same() -> None:
    for seed in range(30):
        found = paired(YES, *two_models(150, seed=seed))
        for name, estimate in found.items():
            if estimate.method == TANGO or min(abs(estimate.low), abs(estimate.high)) > 1e-4:
                assert (estimate.p < 0.05) == (estimate.low > 0 or estimate.high < 0), (name, estimate)


@pytest.mark.parametrize(
    ("only_a", "only_b", "n"), [(5, 0, 40), (12, 3, 100), (40, 41, 200), (200, 100, 1000)]
)
def test_shares_are_compared_by_mcnemars_test(only_a: int, only_b: int, n: int) -> None:
    from scipy.stats import chi2

    found = difference(*of_shares(only_a, only_b, n))
    assert found.value == pytest.approx((only_a - only_b) / n)
    assert found.p == pytest.approx(chi2.sf((only_a - only_b) ** 2 / (only_a + only_b), 1))
    assert -1 <= found.low < found.value < found.high <= 1


def test_the_score_interval_ends_where_its_score_is_the_normal_quantile() -> None:
    only_a, only_b, n = 14, 5, 60
    found = difference(*of_shares(only_a, only_b, n))
    for end, z in ((found.low, 1.959964), (found.high, -1.959964)):
        # The likeliest share of the items that b alone has, given that difference, from a fine grid.
        grid = np.linspace(max(0.0, -end), (1 - end) / 2, 400_002)[1:-1]
        counts = zip((only_a, only_b, n - only_a - only_b), (grid + end, grid, 1 - 2 * grid - end))
        share = grid[np.argmax(sum(count * np.log(shares) for count, shares in counts))]
        score = (only_a - only_b - n * end) / math.sqrt(n * (2 * share + end - end**2))
        assert score == pytest.approx(z, abs=1e-3)


def test_no_item_and_one_item() -> None:
    none = paired(YES, np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, np.int64))
    for found in none.values():
        assert found.to_json() | {"method": ""} == {
            "value": None, "low": None, "high": None, "method": "", "n": 0, "p": None, "effect_size": None,
        }  # fmt: skip
    one = paired(YES, sigmoid(np.array([1.0])), sigmoid(np.array([2.0])), np.array([1]))
    assert one["log_loss"].to_json()["low"] is None
    assert one["log_loss"].to_json()["p"] is None
    assert one["accuracy"].low < 0 < one["accuracy"].high
    assert one["auc"].to_json()["value"] is None


def test_other_items_are_no_pairs() -> None:
    with pytest.raises(DataError, match="not pairs"):
        difference(Statistic.mean_of(np.zeros(3)), Statistic.mean_of(np.zeros(4)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "only_a", "only_b"), [(50, 0.03, 0.01), (200, 0.005, 0.0), (200, 0.1, 0.05), (1000, 0.02, 0.02)]
)
def test_intervals_of_shares_hold_the_truth(n: int, only_a: float, only_b: float) -> None:
    """Where few items are apart, too, which is where a bootstrap does not."""
    generator = np.random.default_rng(0)
    held, resampled = [], []
    for _ in range(400):
        drawn = generator.random(n)
        a, b = drawn < only_a, (drawn > 1 - only_b)
        found = difference(Statistic.mean_of(a), Statistic.mean_of(b))
        held.append(found.low <= only_a - only_b <= found.high)
        other = paired_difference(a.astype(np.float64), b.astype(np.float64))
        resampled.append(other.low <= only_a - only_b <= other.high)
    assert 0.92 <= np.mean(held) <= 1
    if n * (only_a + only_b) <= 2:
        assert np.mean(resampled) < 0.85


@pytest.mark.slow
@pytest.mark.parametrize(("n", "trials"), [(150, 200), (1500, 50)])
def test_intervals_hold_the_truth_as_often_as_they_say(n: int, trials: int) -> None:
    """The truth is what the same two models differ by on a million items."""
    truth = {name: found.value for name, found in _all(*two_models(1_000_000, seed=1)).items()}
    held: dict[str, list[bool]] = {name: [] for name in truth}
    for seed in range(trials):
        for name, found in _all(*two_models(n, seed=1000 + seed)).items():
            held[name].append(found.low <= truth[name] <= found.high)
    for name, hits in held.items():
        assert 0.88 <= np.mean(hits) <= 1, (name, np.mean(hits))


def _all(one: Array, other: Array, codes: Array):  # type: ignore[no-untyped-def]
    return {**paired(YES, one, other, codes), **paired(Number(), one[:, 1], other[:, 1], codes)}


@pytest.mark.slow
def test_equals_are_seldom_called_different() -> None:
    """Two models of the same noise around the truth: p is below 0.05 in about one sample of twenty."""
    generator, small = np.random.default_rng(0), []
    for _ in range(300):
        scores = generator.normal(0, 2, 200)
        codes = (generator.random(200) < sigmoid(scores)[:, 1]).astype(np.int64)
        one, other = (sigmoid(scores + generator.normal(0, 0.5, 200)) for _ in range(2))
        small.append([found.p < 0.05 for found in paired(YES, one, other, codes).values()])
    assert np.all(np.mean(small, axis=0) < 0.09), np.mean(small, axis=0)
    assert np.all(np.mean(small, axis=0) > 0.01)
