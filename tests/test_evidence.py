"""A claim weighed: effects with their intervals and words, the null, resampling, power and priors."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from drivetrain import evidence
from drivetrain.errors import DataError, UsageError


def test_welch_is_as_statsmodels_has_it() -> None:
    found = evidence.difference([1, 4, 2, 7, 5, 3], [2, 1, 0, 3, 1, 2, 1], what="gain")
    assert (found.low, found.high, found.p) == pytest.approx(
        (-0.0408256249864, 4.5170161011769, 0.0531813126861)
    )
    assert found.words.startswith("gain: 2.24 (-0.04 to 4.52)")
    assert found.words.index("deviations") < found.words.index("p 0.053")  # The effect first, p last.


def test_the_interval_of_shares_ends_where_its_test_says_so() -> None:
    a, b = np.arange(49) < 15, np.arange(50) < 7
    found = evidence.difference(a, b)
    assert (found.low, found.high) == pytest.approx((0.00154278, 0.32800501), abs=1e-7)
    # p by statsmodels.stats.proportion.test_proportions_2indep(15, 49, 7, 50, method="score").
    assert found.p == pytest.approx(0.0479588139)
    assert (evidence.difference(np.arange(10) < 3, np.arange(10) < 0).low < 0) == (
        evidence.difference(np.arange(10) < 3, np.arange(10) < 0).p > 0.05
    )


def test_shares_of_all_and_of_none_have_an_interval() -> None:
    found = evidence.difference(np.ones(20, bool), np.zeros(20, bool))
    assert found.value == 1 == found.high
    assert 0.7 < found.low < 1
    same = evidence.difference(np.ones(20, bool), np.ones(30, bool))
    assert same.p == 1
    assert same.low < 0 < same.high


def test_rows_of_few_clusters_tell_less() -> None:
    generator = np.random.default_rng(0)
    clusters = np.arange(400) // 20
    y = generator.normal(size=20)[clusters] + generator.normal(size=400)
    a, b = y[:200], y[200:]
    alone = evidence.difference(a, b)
    found = evidence.difference(a, b, clusters=(clusters[:200], clusters[200:]))
    assert found.high - found.low > 2 * (alone.high - alone.low)
    assert "20 clusters" in found.method


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [
        (1.2, 3, "matters"), (-3, -2, "matters"), (0.1, 0.5, "too small to matter"), (-0.2, 0.3, "none that matters"),
        (-0.5, 3, "can't tell"), (0.2, 4, "there, size unclear"), (math.nan, math.nan, "can't tell"),
    ],
)  # fmt: skip
def test_no_difference_is_not_said_where_there_may_be_one(low: float, high: float, answer: str) -> None:
    found = evidence.Effect((low + high) / 2, low, high, "", 9, 1, 0.1, 0, 0, 0, 0.95)
    assert evidence.weigh(found, 1).answer == answer
    with pytest.raises(UsageError):
        evidence.weigh(found, 0)


def test_all_orders_are_looked_at_where_they_are_few() -> None:
    found = evidence.permutation_test([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1])
    assert found.exact
    assert len(found.simulated) == math.comb(6, 3)
    assert found.p == pytest.approx(2 / 20)
    own = evidence.permutation_test(
        [1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1], statistic=lambda y, g: y[g == 1].mean() - y[g == 0].mean()
    )
    assert sorted(own.simulated) == pytest.approx(sorted(found.simulated))


def test_orders_by_chance_agree_with_all_orders() -> None:
    generator = np.random.default_rng(1)
    y, group = generator.normal(size=14), np.arange(14) % 2
    y += 0.8 * group
    exact = evidence.permutation_test(y, group)
    drawn = evidence.permutation_test(y, group, times=2_000)
    assert exact.exact
    assert not drawn.exact
    assert drawn.p_low - 0.005 <= exact.p <= drawn.p_high + 0.005


def test_rows_are_exchanged_within_strata_and_clusters_as_wholes() -> None:
    y, group = np.arange(8.0), np.array([0, 0, 1, 1, 0, 0, 1, 1])
    within = evidence.permutation_test(y, group, strata=np.arange(8) // 4)
    assert len(within.simulated) == math.comb(4, 2) ** 2
    whole = evidence.permutation_test(y, group, clusters=np.arange(8) // 2)
    assert len(whole.simulated) == math.comb(4, 2)
    with pytest.raises(DataError, match="more than one group"):
        evidence.permutation_test(y, group, clusters=np.arange(8) // 4)


def test_what_is_permuted_is_told_with_its_effect_first() -> None:
    generator = np.random.default_rng(0)
    group = np.arange(40) % 2
    y = generator.normal(size=40) + group
    found = evidence.permutation_test(y, group, times=500, what="gain")
    plain = evidence.difference(y[group == 1], y[group == 0])
    assert found.effect is not None
    assert found.effect.value == found.observed == pytest.approx(plain.value)
    assert (found.effect.low, found.effect.high) == pytest.approx((plain.low, plain.high), abs=0.03)
    assert found.effect.size == pytest.approx(plain.size, abs=0.05)
    assert found.words.startswith(
        f"gain: {found.effect.told}; {found.effect.told_size}; where there is nothing"
    )


def test_strata_that_differ_hide_nothing() -> None:
    generator = np.random.default_rng(0)
    group, strata = np.arange(40) % 2, np.arange(40) // 4
    y = generator.normal(size=40) + group + 5 * strata
    within = evidence.permutation_test(y, group, strata=strata, times=500)
    across = evidence.permutation_test(y, group, times=500)
    assert within.p < 0.02 < 0.2 < across.p
    assert within.effect is not None
    assert within.effect.low > 0
    assert abs(within.simulated.mean()) < 0.1
    unequal = evidence.permutation_test(y, np.arange(40) % 3 == 0, strata=strata, times=500)
    by_hand = [y[(strata == s)] for s in range(10)]
    assert unequal.observed == pytest.approx(
        np.polyfit(
            np.concatenate([g - g.mean() for g in np.split((np.arange(40) % 3 == 0) * 1.0, 10)]),
            np.concatenate([v - v.mean() for v in by_hand]),
            1,
        )[0]
    )
    with pytest.raises(DataError, match="no stratum"):
        evidence.permutation_test(y, strata % 2, strata=strata)


def test_a_permutation_of_numbers_is_of_their_slope() -> None:
    x, y = np.arange(7.0), np.array([1, 3, 2, 5, 4, 6, 7.0])
    found = evidence.permutation_test(y, x)
    assert found.observed == pytest.approx(np.polyfit(x, y, 1)[0])
    slopes = [np.polyfit(order, y, 1)[0] for order in itertools.islice(itertools.permutations(x), 40)]
    assert found.exact
    assert np.isclose(found.simulated[:, None], slopes, atol=1e-9).any(axis=0).all()


def test_p_is_uniform_where_there_is_nothing() -> None:
    generator = np.random.default_rng(0)
    p = [
        evidence.permutation_test(generator.normal(size=20), np.arange(20) % 2, times=199, seed=run).p
        for run in range(300)
    ]
    assert np.mean(np.array(p) <= 0.1) == pytest.approx(0.1, abs=0.05)


def test_a_simulated_null_is_never_impossible() -> None:
    found = evidence.simulate_null(lambda generator: generator.normal(), 9.0, times=99)
    assert found.p == pytest.approx(2 / 100)
    assert sum(found.to_json()["histogram"]["counts"]) == 99
    assert (
        "simulate more" in evidence.simulate_null(lambda generator: generator.normal(), 1.9, times=99).words
    )


@pytest.mark.parametrize("tail", ["both", "above", "below"])
def test_tails(tail: str) -> None:
    found = evidence.simulate_null(lambda generator: generator.normal(), 1.0, times=999, tail=tail)  # type: ignore[arg-type]
    assert found.p == pytest.approx({"both": 0.317, "above": 0.159, "below": 0.841}[tail], abs=0.04)


def test_what_can_not_be_tested_is_refused() -> None:
    for call, told in (
        (lambda: evidence.permutation_test([1, 2], [1, 1]), "nothing to compare"),
        (lambda: evidence.permutation_test([1, np.nan], [0, 1]), "row 2: the outcome holds nan"),
        (lambda: evidence.permutation_test([1, 2, 3], ["a", "b", "c"]), "no one difference"),
        (lambda: evidence.permutation_test([1, 2], [0, 1], tail="left"), "one of both, above, below"),  # type: ignore[arg-type]
        (lambda: evidence.simulate_null(lambda _: math.nan, 1), "NaN"),
        (lambda: evidence.difference([1], [1, 2]), "a has 1 row: 2 are the fewest"),
        (lambda: evidence.difference([1, 2], ["1", "two"]), r"b can't be read .* \('two' in row 2\)"),
        (lambda: evidence.difference([[1, 2]], [1, 2]), "shape"),
        (lambda: evidence.together([1, 2, 3, 4], {}), "no column"),
        (lambda: evidence.difference([1, 2], [3, 4], confidence=95), "confidence of 95 can't be"),
        (lambda: evidence.best_of([1, 2], [1, 1], confidence=0), "confidence of 0 can't be"),
        (lambda: evidence.best_of(["x"], [1]), r"'x' in row 1"),
        (lambda: evidence.evpi([[1, 2], [3]]), "rows of equal length"),
        (lambda: evidence.bootstrap(lambda x: "half", [1, 2, 3]), "gave 'half'"),
        (lambda: evidence.bootstrap(np.mean, "abc"), "not beside"),
        (lambda: evidence.bootstrap(np.mean, [1, 2], times=0), "none"),
        (lambda: evidence.permutation_test([1, 2], [0, 1], times=0), "none"),
        (lambda: evidence.Table("a", 1), "must be a number"),  # type: ignore[arg-type]
        (lambda: evidence.regress([1, 2], [1, 2]), "no table"),
        (lambda: evidence.experiment(1), "needs spread"),  # type: ignore[call-arg]
        (lambda: evidence.boundary(-1, 3), "0 at least"),
        (lambda: evidence.permutation_test([1, 2], [0, np.nan]), "groups hold NaN"),
        (lambda: evidence.permutation_test([1, 2], [0, 1, 1]), "don't fit 2 rows"),
        (lambda: evidence.running_difference([1, 2], [0], tightest=9), "treated has 1 row, not 2"),
        (lambda: evidence.difference([1, np.inf], [1, 2]), "row 2: a holds inf"),
        (lambda: evidence.difference([1, 2], [1, 2], clusters=([1, 2], [3, 4])), "too few"),
        (lambda: evidence.bootstrap(np.mean, [1, 2], [1]), "not beside"),
        (lambda: evidence.bootstrap(np.mean, [1, 2, 3], clusters=[1, 1, 2], strata=[1, 2, 2]), "more than one stratum"),
        (lambda: evidence.beta_binomial(3, 2), "can't be"),
        (lambda: evidence.normal_normal(1, 1, (0, 0)), "above 0"),
        (lambda: evidence.size_for(0, 1), "no size"),
    ):  # fmt: skip
        with pytest.raises((DataError, UsageError), match=told):
            call()


def test_the_bootstrap_of_clusters_holds_the_truth_where_that_of_rows_does_not() -> None:
    generator, clusters = np.random.default_rng(0), np.arange(120) // 8
    held = np.zeros(2)
    for run in range(80):
        y = generator.normal(size=15)[clusters] + generator.normal(size=120)
        for place, labels in enumerate((None, clusters)):
            found = evidence.bootstrap(np.mean, y, clusters=labels, times=200, seed=run)
            held[place] += found.low <= 0 <= found.high
    assert held[0] < 55  # Of 80, where 76 were promised.
    assert held[1] > 69


def test_strata_keep_their_rows() -> None:
    y, strata = np.array([0, 0, 0, 10, 10.0]), np.array([0, 0, 0, 1, 1])
    found = evidence.bootstrap(np.mean, y, strata=strata, times=100)
    assert (found.low, found.high) == (4, 4)


def test_too_few_clusters_have_no_interval() -> None:
    assert math.isnan(evidence.bootstrap(np.mean, np.arange(10.0), clusters=np.arange(10) // 2).low)


def test_power_and_size_are_as_statsmodels_has_them() -> None:
    # NormalIndPower().power(effect_size=.1, nobs1=1000, alpha=.05) and .solve_power(effect_size=.1, power=.8, alpha=.05).
    assert evidence.power(0.1, math.sqrt(2 / 1000)) == pytest.approx(0.6087794846)
    assert evidence.size_for(0.1, 1) == math.ceil(2 * 1569.7721019)
    assert evidence.power(evidence.smallest_effect(2.0), 2.0) == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize(
    ("value", "se", "opposite", "answer"),
    [
        (3, 1, 3, "there is something"),
        (0.1, 1, 3, "the opposite is refuted"),
        (1.5, 1, 3, "neither is refuted"),
        (3, 1, 6, "both are refuted"),
    ],
)
def test_could_these_data_have_shown_the_opposite(
    value: float, se: float, opposite: float, answer: str
) -> None:
    found = evidence.could_have_shown(value, se, opposite)
    assert found.answer == answer
    assert found.power == evidence.power(opposite, se)
    assert found.to_json()["words"] == found.words


def test_seven_of_ten_by_no_opinion() -> None:
    found = evidence.beta_binomial(7, 10)
    assert found.above(0.5) == pytest.approx(0.88671875, abs=1e-12)
    assert found.mean == pytest.approx(8 / 12)
    low, high = found.interval()
    assert 1 - found.above(low) == pytest.approx(0.025)
    assert found.above(high) == pytest.approx(0.025)


def test_prior_and_data_are_averaged() -> None:
    found = evidence.normal_normal(2, 1, (0, 1))
    assert (found.mean, found.sd) == pytest.approx((1, math.sqrt(0.5)))
    assert evidence.normal_normal(2, 1, (0, math.inf)) == evidence.NormalPosterior(2, 1)


def test_how_sceptical_one_must_have_been_not_to_be_convinced() -> None:
    found = evidence.prior_sensitivity(0.5, 0.2, {"flat": (0, 1e9), "sceptical": (0, 0.2)})
    assert found.sceptic is not None
    assert evidence.normal_normal(0.5, 0.2, (0, found.sceptic)).above(0) == pytest.approx(0.95)
    assert found.above["sceptical"] < found.above["flat"]
    assert evidence.prior_sensitivity(0.1, 0.2, {"flat": (0, 1e9)}).sceptic is None


def test_what_is_undefined_is_null_in_json() -> None:
    found = evidence.from_estimate(1, 0.5, n=10, what="slope").to_json()
    assert found["size"] is None
    assert found["p"] == pytest.approx(0.0455, abs=1e-4)
    assert evidence.from_estimate(1, 0.5, n=10, df=8).p > found["p"]


def cities(seed: int, n: int = 100) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Simulated: temperature, humidity and transmission of cities, with the slopes that were published of 100 real ones."""
    generator = np.random.default_rng(seed)
    warm = generator.normal(8, 9, n)
    humid = np.clip(65 + 0.5 * (warm - 8) + generator.normal(0, 12, n), 20, 100)
    return warm, humid, 3.968 - 0.038 * warm - 0.0239 * humid + generator.normal(0, 0.9, n)


def test_of_two_variables_each_has_the_slope_it_was_made_with() -> None:
    held = {"temperature": 0, "humidity": 0}
    alone = []
    for seed in range(60):
        warm, humid, spread = cities(seed)
        found = evidence.together(spread, {"temperature": warm, "humidity": humid})
        for name, slope in (("temperature", -0.038), ("humidity", -0.0239)):
            held[name] += found.together[name].low <= slope <= found.together[name].high
        alone.append(found.alone["temperature"].value)
    assert min(held.values()) >= 52  # Of 60, where 57 were promised.
    assert np.mean(alone) < -0.045  # By itself temperature is credited with what comes with humidity.


def test_variables_of_one_city_are_not_as_many_cities() -> None:
    warm, humid, spread = cities(0)
    city = np.repeat(np.arange(100), 14)  # Two weeks, each of which says the same.
    rows = evidence.together(spread[city], {"temperature": warm[city], "humidity": humid[city]})
    fair = evidence.together(
        spread[city], {"temperature": warm[city], "humidity": humid[city]}, clusters=city
    )
    once = evidence.together(spread, {"temperature": warm, "humidity": humid})
    assert rows.together["temperature"].se < 0.4 * once.together["temperature"].se
    assert fair.together["temperature"].se == pytest.approx(once.together["temperature"].se, rel=0.1)
    assert "100 clusters" in fair.together["temperature"].method
    assert fair.words.splitlines()[0].startswith("temperature: -0.041")


def test_columns_that_are_not_beside_each_other_are_refused() -> None:
    with pytest.raises(DataError, match="'x' has 2 rows, not 3"):
        evidence.together([1, 2, 3], {"x": [1, 2]})
    with pytest.raises(DataError, match="combination"):
        evidence.together([1, 2, 4, 5.0], {"x": [1, 2, 3, 5], "y": [2, 4, 6, 10]})


def test_rows_that_are_all_alike_do_not_tell_how_sure_a_difference_is() -> None:
    with pytest.raises(DataError, match="how sure the difference is"):
        evidence.difference([5, 5], [3, 3])
    with pytest.raises(DataError, match="how sure the difference is"):
        evidence.difference([0.1 + 0.2, 0.3, 0.3], [0.1, 0.1, 0.1])
    shares = evidence.difference([1, 1], [0, 0])
    assert shares.low < 0.1
    assert shares.p > 0.05
    told = evidence.permutation_test([1, 1, 1, 0, 0, 0], ["a", "a", "a", "b", "b", "b"])
    assert told.p == pytest.approx(0.1)
    assert "standard deviations" not in told.words
