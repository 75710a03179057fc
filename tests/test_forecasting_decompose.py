"""What is told of a series is what the test put into it."""

import numpy as np
import pytest

from drivetrain.forecasting.changes import change_points
from drivetrain.forecasting.decompose import autocorrelation, decompose, peak
from drivetrain.forecasting.predictability import predictability, spectral_order

RNG = np.random.default_rng(0)
N = 800
TREND = 0.05 * np.arange(N)
WEEK = np.tile([3.0, 1, -2, -4, 0, 5, -3], N // 7 + 1)[:N]
MONTH = 6 * np.sin(2 * np.pi * np.arange(N) / 30)
NOISE = np.random.default_rng(2).normal(size=N)


def memory(share: float, seed: int, n: int = 500) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(size=n)
    found = np.zeros(n)
    for place in range(1, n):
        found[place] = share * found[place - 1] + steps[place]
    return found


def test_trend_two_seasons_and_noise_are_found_again_and_add_up():
    values = TREND + WEEK + MONTH + NOISE
    parts = decompose(values, [7, 30, 24])
    assert [season.period for season in parts.seasons] == [7, 30]
    inner = slice(60, -60)
    assert np.abs(parts.trend - TREND)[inner].max() < 0.8
    assert np.abs(parts.seasons[0].values - WEEK + WEEK[:7].mean())[inner].mean() < 0.4
    assert np.abs(parts.seasons[1].values - MONTH)[inner].mean() < 0.5
    np.testing.assert_allclose(parts.trend + parts.seasonal + parts.rest, values)
    assert parts.seasons[0].strength > 0.8
    assert parts.trend_strength > 0.9
    assert parts.noise == pytest.approx(1 / values.var(), rel=0.35)


def test_gaps_and_outliers_move_the_parts_little():
    values = TREND + WEEK + NOISE
    spoilt = values.copy()
    spoilt[100:130] = np.nan
    spoilt[::97] += 60
    parts, whole = decompose(spoilt, [7]), decompose(values, [7])
    assert np.isfinite(parts.trend).all()
    assert np.isfinite(parts.seasonal).all()
    assert np.abs(parts.trend - whole.trend).mean() < 0.4
    assert np.abs(parts.seasonal - whole.seasonal).mean() < 0.4
    assert np.isnan(parts.rest[100:130]).all()
    assert not np.isnan(parts.rest[130:]).any()


@pytest.mark.parametrize("share", [0.0, 0.7, 0.95])
def test_what_has_no_season_gets_none(share: float):
    assert not sum(bool(decompose(memory(share, seed), [7, 24]).seasons) for seed in range(10))


def test_a_constant_and_a_short_series_have_no_parts_but_their_level():
    parts = decompose(np.full(60, 7.0), [7])
    assert parts.noise == 0
    assert not parts.seasons
    assert np.allclose(parts.trend, 7)
    assert decompose(np.array([1.0, 2, np.nan, 4]), [7]).rest.shape == (4,)


def test_the_autocorrelation_is_that_of_its_formula_and_passes_over_gaps():
    values = memory(0.8, 3)
    centred = values - values.mean()
    expected = [(centred[:-lag] * centred[lag:]).sum() / (centred**2).sum() for lag in (1, 2, 9)]
    np.testing.assert_allclose(autocorrelation(values, 9)[[0, 1, 8]], expected)
    values[50:80] = np.nan
    assert autocorrelation(values, 9)[0] == pytest.approx(expected[0], abs=0.1)
    assert peak(autocorrelation(np.sin(np.arange(400) * 2 * np.pi / 23), 100), 0.1) == 23


def test_a_break_of_the_level_and_a_turn_of_the_slope_are_found_where_they_are():
    noise = RNG.normal(size=400)
    (step,) = change_points(np.r_[np.zeros(200), np.full(200, 5.0)] + noise)
    assert abs(step.place - 200) <= 2
    assert step.kind == "level"
    assert step.shift == pytest.approx(5, abs=1)
    (turn,) = change_points(np.r_[np.arange(200) * 0.2, 40 - np.arange(200) * 0.2] + noise)
    assert abs(turn.place - 200) <= 8
    assert turn.kind == "slope"
    assert turn.before > 0 > turn.after
    (clean,) = change_points(np.r_[np.zeros(50), np.ones(50)])
    assert clean.place == 50
    (long,) = change_points(np.r_[np.zeros(3000), np.full(3000, 5.0)] + RNG.normal(size=6000))
    assert abs(long.place - 3000) <= 12


def test_noise_walks_outliers_and_rare_sales_have_no_breaks():
    """Of 8 series each, one at most is called broken."""
    for share in (0.0, 0.5, 0.9, 1.0):
        assert sum(bool(change_points(memory(share, seed))) for seed in range(8)) <= 1, share
    rare = [np.random.default_rng(seed).poisson(0.1, 500).astype(float) for seed in range(8)]
    assert sum(bool(change_points(each)) for each in rare) <= 1
    assert not change_points(np.where(np.arange(N) % 97 == 5, 30.0, 0) + NOISE)
    assert not change_points(np.ones(100))
    assert not change_points(np.arange(10.0))


def test_how_far_a_series_can_be_foretold():
    wave = predictability(np.sin(np.arange(600) / 5), 7)
    assert wave is not None
    assert wave.gain > 0.9
    assert wave.low is not None
    assert wave.low > 0.9
    weekly = predictability(WEEK + NOISE, 7, [7])
    assert weekly is not None
    assert weekly.low is not None
    assert weekly.low > 0.2
    assert weekly.error < 1.2
    walk = predictability(memory(1.0, 5, 2000), 7)
    assert walk is not None
    assert abs(walk.gain) < 0.1
    noise = predictability(NOISE, 7)
    assert noise is not None
    assert noise.error == pytest.approx(noise.mean, rel=0.05)
    assert noise.rule
    assert spectral_order(NOISE) < 0.1 < 0.7 < spectral_order(np.sin(np.arange(600) / 5))
    assert predictability(np.arange(19.0), 7) is None
    assert predictability(np.ones(100), 7) is None


def test_a_rule_sees_nothing_of_what_it_foretells():
    values = WEEK + NOISE
    found = predictability(values, 7, [7])
    changed = values.copy()
    changed[-7:] += 1000
    other = predictability(changed, 7, [7])
    assert found is not None
    assert other is not None
    assert other.rule == found.rule
