"""The closed-form forecaster: its solve is ridge regression, its choice looks at nothing that is to come, its bands hold."""

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from drivetrain.forecasting import bands, baselines, ridge
from drivetrain.forecasting.bands import (
    DECILES,
    RATE,
    adapted,
    coverage,
    followed,
    quantiles,
    shifted,
    spread_of,
)
from drivetrain.forecasting.bank import Choice, Recipe, lookbacks
from drivetrain.forecasting.choosing import Trial, fit, folds_of, solve, task_of
from drivetrain.forecasting.effects import fit_effects
from drivetrain.forecasting.shape import fit_shape


def _seasonal(size, season=12, seed=0, level=10.0):
    steps, random = np.arange(size), np.random.default_rng(seed)
    return level + 3 * np.sin(2 * np.pi * steps / season) + 0.01 * steps + random.normal(scale=0.5, size=size)


def _windows(series, context, horizon):
    rows = np.lib.stride_tricks.sliding_window_view(series, context + horizon)
    return rows[:, :context], rows[:, context:]


def test_products_are_those_of_all_windows_without_copying_any():
    series = np.random.default_rng(0).normal(size=80).cumsum()
    rows = np.lib.stride_tricks.sliding_window_view(series, 11)
    found = ridge.products_of(series, 11)
    assert found.count == len(rows)
    np.testing.assert_allclose(found.matrix, rows.T @ rows, rtol=1e-9)
    assert ridge.products_of(series[:5], 11).count == 0


def test_solve_is_ridge_regression_of_windows_less_their_last_value():
    series = np.random.default_rng(1).normal(size=200).cumsum()
    past, after = _windows(series[:], 6, 3)
    past, after = past - past[:, -1:], after - past[:, -1:]
    square, product = ridge.products_of(series, 12 + 3).part(6, 3)
    rows = slice(6, None)  # The products are of windows of 15, which begin 6 moments earlier.
    np.testing.assert_allclose(square, past[rows].T @ past[rows], atol=1e-7)
    weights = ridge.solve(square, product, 0.01)
    size = 0.01 * np.trace(square)
    wanted = np.linalg.solve(square + size * np.eye(6), past[rows].T @ after[rows])
    np.testing.assert_allclose(weights, wanted, atol=1e-6)
    matrix = ridge.with_level(weights)
    np.testing.assert_allclose(matrix.sum(axis=0), 1.0)  # What is higher by 5 goes on higher by 5.


def test_a_constant_series_stays_what_it_is():
    bank = fit([np.full((60, 1), 7.0)], 4, (12,), context=14)
    found = bank.forecast(np.full((2, 14, 1), 7.0))
    np.testing.assert_allclose(found, 7.0, atol=1e-5)


def test_the_bank_beats_the_naive_ones_on_a_season_and_tells_by_how_much():
    series = _seasonal(400)
    context = lookbacks(300, 6, (12,))[-1]
    bank = fit([series[:300, None]], 6, (12,), context=context)
    past, after = _windows(series[300 - context :], context, 6)
    found = bank.forecast(past[:, :, None])
    assert found.shape == (len(past), 6, 10)
    error = np.abs(found[:, :, 0] - after).mean()
    for rule in (baselines.naive, baselines.seasonal_naive):
        assert error < np.abs(rule(past, 6, 12) - after).mean()
    assert (np.diff(found[:, :, 1:], axis=2) >= 0).all()
    assert 0.65 < coverage(found, after, DECILES) < 0.95
    told = bank.told()
    assert "ridge" in told[0]
    assert "of what the season before was" in told[1]
    assert sum(each.share for each in bank.recipe.members) == pytest.approx(1.0)


def test_choosing_looks_at_nothing_after_the_series_that_it_is_given():
    series = _seasonal(260)
    first = fit([series[:200, None]], 4, (12,), context=24)
    series[200:] = 1e6
    assert fit([series[:200, None]], 4, (12,), context=24).recipe == first.recipe


def test_a_recipe_goes_through_json_and_is_solved_anew():
    series = _seasonal(300)
    bank = fit([series[:200, None]], 4, (12,), context=24)
    recipe = Recipe.from_json(bank.recipe.to_json())
    assert recipe == bank.recipe
    past = series[None, 176:200, None]
    np.testing.assert_allclose(
        solve(recipe, [series[:200, None]]).forecast(past), bank.forecast(past), rtol=1e-12
    )
    longer = solve(recipe, [series[:, None]])
    assert not np.allclose(longer.point(past), bank.point(past))


def test_several_series_share_the_matrix_each_by_its_own_spread():
    many = [_seasonal(200, seed=k) * 10.0**k for k in range(4)]
    bank = fit([each[:160, None] for each in many], 5, (12,), context=30)
    for each in many:
        past, after = _windows(each[130:], 30, 5)
        error = np.abs(bank.point(past[:, :, None]) - after).mean()
        assert error < np.abs(baselines.naive(past, 5) - after).mean()


def test_a_known_covariate_is_used_where_it_says_something():
    random = np.random.default_rng(3)
    price = random.integers(0, 2, 400).astype(float)
    series = _seasonal(400, 7) - 4 * price
    columns = np.stack([series, price], axis=1)
    bank = fit([columns[:300]], 5, (7,), context=28, future=(1,))
    assert any(each.way.lag for each in bank.recipe.members)
    rows = np.arange(300, 395)
    past = np.stack([columns[row - 28 : row] for row in rows])
    ahead = np.stack([columns[row : row + 5, 1:] for row in rows])
    after = np.stack([series[row : row + 5] for row in rows])
    with_it = np.abs(bank.point(past, ahead) - after).mean()
    alone = np.abs(fit([columns[:300]], 5, (7,), context=28).point(past) - after).mean()
    assert with_it < 0.6 * alone


def test_effects_are_found_from_differences_and_none_where_nothing_varies():
    random = np.random.default_rng(0)
    known = random.normal(size=(300, 1))
    series = np.cumsum(random.normal(scale=0.1, size=300)) + 2 * known[:, 0]
    effects = fit_effects([series], [known], 7)
    moved = effects.of(np.array([[1.0]])) - effects.of(np.array([[0.0]]))
    assert moved == pytest.approx(2.0, abs=0.1)
    assert fit_effects([series], [np.ones((300, 1))], 7) is None


def test_a_shape_times_a_level_goes_on_growing():
    steps = np.arange(120)
    series = 100 * 1.02 ** (steps // 6) * (1 + 0.5 * np.sin(2 * np.pi * steps / 6))
    made = fit_shape([series[:90]], 6, 6, 48)
    past, after = _windows(series[90 - 48 :], 48, 6)
    at = np.arange(len(past)) % 6 == 0
    np.testing.assert_allclose(made.forecast(past)[at], after[at], rtol=0.02)
    assert fit_shape([series - 1000], 6, 6, 48) is None


def test_too_short_to_choose_is_the_season_before_with_a_wide_band():
    bank = fit([np.arange(6.0)[:, None]], 4, (3,), context=4)
    assert [each.kind for each in bank.recipe.members] == ["seasonal"]
    found = bank.forecast(np.arange(4.0)[None, :, None])
    np.testing.assert_allclose(found[0, :, 0], [1, 2, 3, 1])
    assert (found[0, :, -1] > found[0, :, 1]).all()


# --- bands ------------------------------------------------------------------------------------------------


def test_quantiles_are_those_of_conformal_prediction():
    scores = np.arange(1.0, 10.0)[:, None]  # 9 of them: of 10 places, the 9th is at 0.9.
    found = quantiles(scores, (0.1, 0.5, 0.9))
    np.testing.assert_allclose(found, [[1, 5, 9]])
    assert quantiles(scores[:0], (0.1, 0.9)).tolist() == [[0, 0]]
    gaps = np.concatenate([scores, [[np.nan]]])
    np.testing.assert_allclose(quantiles(gaps, (0.1, 0.5, 0.9)), found)


def test_quantiles_hold_as_often_as_they_say():
    random = np.random.default_rng(0)
    held = []
    for _ in range(400):
        drawn = random.normal(size=(31, 1))
        low, high = quantiles(drawn[:-1], (0.1, 0.9))[0]
        held.append(low <= drawn[-1, 0] <= high)
    assert 0.78 <= np.mean(held) <= 0.9


def test_weights_let_the_latest_scores_count_most():
    scores = np.concatenate([np.full(50, 10.0), np.full(50, 1.0)])[:, None]
    weights = np.concatenate([np.full(50, 0.01), np.ones(50)])
    assert quantiles(scores, (0.9,), weights)[0, 0] == 1.0
    assert quantiles(scores, (0.9,))[0, 0] == 10.0


def test_scores_that_overlap_are_few_and_the_band_wider_for_it():
    scores = np.repeat(np.arange(1.0, 31.0)[:, None], 2, axis=1)
    weights = np.broadcast_to([1.0, 0.2], scores.shape)  # Of the second 30 are as good as 6.
    first, second = quantiles(scores, (0.8,), weights)[:, 0]
    assert (first, second) == (25.0, 28.0)


def test_bands_follow_a_level_that_moves_and_learn_from_what_is_known_alone():
    random = np.random.default_rng(0)
    count, horizon = 1500, 3
    truths = random.normal(size=(count, horizon)) + np.linspace(0, 4, count)[:, None]
    band = np.array([0.0, *np.linspace(-1.28, 1.28, 9)])
    outputs = np.broadcast_to(band, (count, horizon, 10)).copy()
    shifts = adapted(outputs, truths, DECILES)
    held = coverage(shifted(outputs, shifts)[500:], truths[500:], DECILES)
    assert 0.75 < held < 0.85
    assert coverage(outputs[500:], truths[500:], DECILES) < 0.4
    later = truths.copy()
    later[900:] = -99.0
    again = adapted(outputs, later, DECILES)
    np.testing.assert_array_equal(again[:901], shifts[:901])  # The horizon 0 of origin 900 is known at 901.
    assert not np.array_equal(again[901], shifts[901])
    assert (shifts[: horizon - 1, horizon - 1] == 0).all()


def test_origins_that_are_apart_know_more_and_gaps_teach_nothing():
    outputs = np.broadcast_to(np.arange(10.0), (4, 2, 10)).copy()
    truths = np.full((4, 2), 99.0)
    truths[0, 1] = np.nan
    shifts = adapted(outputs, truths, DECILES, np.array([0, 2, 4, 6]))
    assert (shifts[1, 0] > 0).all()
    assert (shifts[1, 1] == 0).all()
    assert (shifts[2, 1] > 0).all()


@pytest.mark.parametrize("at_once", [bands.AT_ONCE, 1])
def test_items_are_gone_through_together_as_each_alone(at_once, monkeypatch):
    monkeypatch.setattr(bands, "AT_ONCE", at_once)
    random = np.random.default_rng(1)
    items = np.repeat([0, 1, 2], [40, 40, 25])
    places = np.concatenate([np.arange(5, 45), np.arange(5, 45), np.arange(25)])
    outputs = np.sort(random.normal(size=(105, 3, 10)), axis=2)
    truths = random.normal(size=(105, 3)) * 2
    truths[7, 1] = np.nan
    found = followed(outputs, truths, DECILES, items, places)
    for each in range(3):
        own = items == each
        alone = shifted(outputs[own], adapted(outputs[own], truths[own], DECILES))
        np.testing.assert_allclose(found[own], alone)


def test_how_far_an_average_is_off_is_told_by_folds_that_it_was_not_chosen_by():
    random = np.random.default_rng(2)
    task = task_of([random.normal(size=(150, 1))], 5, (), 20, ())
    trial = Trial(task, folds_of(task))
    for size in range(40):  # Noise: the best of it at some outcomes is no better at others.
        trial.keep(Choice("mean", size, 0.0), [random.normal(size=fold.truths.shape) for fold in trial.folds])
    taken = trial.average()
    chosen = sum(trial.found[replace(each, share=0.0)] * each.share for each in taken)
    flattered = np.abs(chosen - trial.truth).mean()
    assert flattered < 0.95 * trial.error
    assert np.abs(trial.total - trial.truth).mean() == pytest.approx(trial.error)


def test_spread_is_of_the_last_steps():
    assert spread_of(np.array([[0.0, 5.0, 6.0, 4.0]]), 2) == pytest.approx(1.5)
    assert spread_of(np.zeros((1, 4)), 2) > 0
    rough = np.resize(
        [0.0, 10.0], 30
    )  # A shop that was closed for ten days is not one that sells the same from then on.
    assert spread_of(np.concatenate([rough, np.full(10, 10.0)])[None], 7) == pytest.approx(0.2 * 290 / 39)


# --- plain rules ------------------------------------------------------------------------------------------


def test_plain_rules():
    past = np.arange(6.0)[None]
    assert baselines.naive(past, 2).tolist() == [[5, 5]]
    assert baselines.seasonal_naive(past, 5, 3).tolist() == [[3, 4, 5, 3, 4]]
    assert baselines.seasonal_naive(past, 2, 7).tolist() == [[5, 5]]
    assert baselines.drift(past, 2).tolist() == [[6, 7]]
    assert baselines.moving_average(past, 2, 2).tolist() == [[4.5, 4.5]]


def test_lookbacks_hold_seasons_and_leave_enough_to_learn_from():
    found = lookbacks(2920, 7, (7, 365))
    assert {7, 14} <= set(found)
    assert found[-1] <= 2920 // 3
    assert list(found) == sorted(found)
    assert lookbacks(5, 4, (7,)) == (1,)
    assert lookbacks(10**6, 24, (24, 168))[-1] == 1024


def test_exponential_smoothing_follows_a_trend_and_bears_what_it_cannot_fit():
    pytest.importorskip("statsforecast")
    past = np.stack([np.arange(48.0), np.full(48, 3.0)])
    found = baselines.ets(past, 3, 1)
    np.testing.assert_allclose(found, [[48, 49, 50], [3, 3, 3]], atol=0.1)


def test_format_states_the_rate_at_which_bands_follow():
    """Another language reads it there, and its bands would differ by a few widths in a hundred."""
    text = (files("drivetrain.bundle") / "FORMAT.md").read_text(encoding="utf-8")
    assert f"by {RATE:g} (level_j - 1)" in text
    assert f"by {RATE:g} level_j where" in text
