"""To act or not, what it is worth to know more, and experiments that may be looked at whenever one likes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drivetrain import evidence
from drivetrain.errors import DataError, UsageError


def test_the_table_of_the_lesson() -> None:
    found = evidence.weigh_action(0.3, evidence.Table(act_true=90, act_false=-10), 4, unit="EUR")
    assert found.posterior == pytest.approx(0.631579, abs=1e-6)
    assert found.threshold == pytest.approx(0.1)
    assert found.act == found.expected == pytest.approx(53.158, abs=1e-3)
    assert found.perfect_before == pytest.approx(7.0)
    assert found.perfect == pytest.approx(0.368421 * 10, abs=1e-5)
    assert found.best == "act"
    assert found.words.startswith("Act: worth 53.2 EUR")


def test_each_cell_turns_the_choice_where_it_is_said_to() -> None:
    table = evidence.Table(5, -4, -1, 0.5)
    found = evidence.weigh_action(0.4, table)
    for cell, turns in found.turns.items():
        assert turns is not None
        values = {name: getattr(table, name) for name in found.turns} | {cell: turns}
        other = evidence.weigh_action(0.4, evidence.Table(**values))
        assert other.act == pytest.approx(other.wait)
    assert found.drives in found.turns
    assert found.ratio_to_turn is not None
    assert evidence.weigh_action(0.4, table, found.ratio_to_turn).posterior == pytest.approx(found.threshold)


def test_a_claim_that_nothing_hangs_on() -> None:
    found = evidence.weigh_action(0.4, evidence.Table(5, 5, 1, 1))
    assert math.isnan(found.threshold)
    assert found.to_json()["threshold"] is None
    assert found.perfect == 0
    assert evidence.weigh_action(0.0, evidence.Table(1, -1)).best == "don't act"


def test_where_acting_is_worse_if_it_is_true() -> None:
    found = evidence.weigh_action(0.2, evidence.Table(-10, 5))
    assert found.best == "act"
    assert "up to" in found.words


@pytest.mark.parametrize(("prior", "ratio"), [(1.2, 1), (-0.1, 1), (0.5, 0), (0.5, math.inf), (math.nan, 1)])
def test_chances_that_can_not_be(prior: float, ratio: float) -> None:
    with pytest.raises(UsageError):
        evidence.weigh_action(prior, evidence.Table(1, -1), ratio)


def test_information_in_closed_form() -> None:
    assert evidence.evsi_normal(-1, 2, 4, 4) == pytest.approx(0.199641, abs=1e-6)
    assert evidence.evpi_normal(-1, 2) == pytest.approx(0.395593, abs=1e-6)
    assert evidence.evsi_normal(-1, 2, 4, 1e12) == pytest.approx(evidence.evpi_normal(-1, 2))
    assert evidence.evsi_normal(-1, 2, 4, 0) == 0


def test_information_of_trials_is_a_sum_over_what_they_may_show() -> None:
    # One trial of Beta(1, 1): 2/3 or 1/3 after it, with 1/2 each; acting is worth 1/6 after the one.
    assert evidence.evsi_binomial((1, 1), 1, -0.5, 1) == pytest.approx(1 / 12)
    assert evidence.evsi_binomial((1, 1), 2_000, -0.5, 1) == pytest.approx(
        1 / 8, abs=1e-3
    )  # E max(share - 1/2, 0).
    assert evidence.evsi_binomial((2, 5), 0, -0.2, 1) == pytest.approx(0)


def test_information_by_simulation_agrees_with_the_closed_form() -> None:
    generator = np.random.default_rng(0)
    effect = generator.normal(-1, 2, 20_000)
    seen = effect + generator.normal(0, 2, 20_000)  # The mean of 4 observations of sd 4.
    worth = np.stack([np.zeros_like(effect), effect], axis=1)
    assert evidence.evpi(worth) == pytest.approx(0.395593, abs=0.02)
    assert evidence.evsi(worth, seen) == pytest.approx(0.199641, abs=0.02)
    assert evidence.evsi(worth, generator.normal(size=20_000)) == pytest.approx(0, abs=0.01)
    with pytest.raises(DataError, match="too many"):
        evidence.evsi(worth[:300], generator.normal(size=(300, 6)))


def test_another_experiment_is_worth_its_cost_up_to_a_size() -> None:
    found = evidence.worth_it(-1, 2, 4, scale=100, cost=2, cost_each=0.5, unit="EUR")
    sizes = np.arange(1, 200)
    nets = [100 * evidence.evsi_normal(-1, 2, 4, n) - 2 - 0.5 * n for n in sizes.tolist()]
    assert found.n == sizes[int(np.argmax(nets))]
    assert found.net == pytest.approx(max(nets))
    assert found.sample < found.perfect == pytest.approx(39.559, abs=1e-3)
    assert found.words.startswith("Yes: with n = 14")
    dear = evidence.worth_it(-1, 2, 4, scale=100, cost=50)
    assert not dear.worth_it
    assert dear.n == dear.net == 0
    assert dear.words.startswith("No:")


def test_an_experiment_on_those_who_are_decided_about_takes_them_away() -> None:
    """By simulation: n of 1,000 are tried, half of them acted on, and the rest gets what was learned."""
    found = evidence.worth_it(-1, 2, 40, scale=1_000, share=0.5)
    apart = evidence.worth_it(-1, 2, 40, scale=1_000)
    assert 0 < found.n < apart.n
    generator = np.random.default_rng(0)
    effect = generator.normal(-1, 2, 200_000)
    seen = effect + generator.normal(0, 40 / math.sqrt(found.n), 200_000)
    after = (-1 / 4 + seen * found.n / 1_600) / (1 / 4 + found.n / 1_600)
    gained = 0.5 * found.n * effect + (1_000 - found.n) * effect * (after > 0)
    assert gained.mean() == pytest.approx(found.net, abs=4 * gained.std() / math.sqrt(200_000))
    assert found.cost == pytest.approx(0.5 * found.n)
    with pytest.raises(UsageError, match="nothing to compare"):
        evidence.worth_it(-1, 2, 40, scale=10, share=1)


def test_the_boundary_is_as_confseq_has_it() -> None:
    # confseq 0.0.11: normal_mixture_bound(v, alpha=0.05, v_opt=100, alpha_opt=0.05, is_one_sided=False).
    known = [9.08437943731, 12.1907531463, 30.3520899038, 102.512286832, 1223.62825548]
    assert evidence.boundary([1, 10, 100, 1000, 1e5], 100) == pytest.approx(known, rel=1e-10)


def test_betting_is_as_confseq_has_it() -> None:
    # confseq 0.0.11: betting_cs(x, breaks=1000, alpha=0.05).
    shares = (np.random.default_rng(0).random(500) < 0.3).astype(float)
    found = evidence.betting(shares)
    at = [9, 49, 199, 499]
    assert found.low[at] == pytest.approx([0.035, 0.129, 0.186, 0.203], abs=1e-9)
    assert found.high[at] == pytest.approx([0.767, 0.464, 0.38, 0.338], abs=1e-9)
    scaled = evidence.betting(10 * shares - 5, low=-5, high=5)
    assert scaled.low == pytest.approx(10 * found.low - 5)
    with pytest.raises(DataError, match="not all numbers"):
        evidence.betting([0.5, 2])


def test_betting_goes_on_from_part_to_part(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).beta(2, 5, 300)
    whole = evidence.betting(x)
    monkeypatch.setattr("drivetrain.evidence.sequential.CELLS", 50_000)
    parts = evidence.betting(x)
    assert (whole.low == parts.low).all()
    assert (whole.high == parts.high).all()


def test_a_running_interval_is_left_by_the_truth_as_seldom_as_it_says() -> None:
    """At any of 1,000 times: in 5 % of runs at most, where the usual interval is left in more than a third."""
    generator, runs = np.random.default_rng(0), 300
    left = usual = 0
    for _ in range(runs):
        x = generator.normal(size=1_000)
        left += evidence.running_mean(x, tightest=200).stopped() is not None
        n = np.arange(1, 1_001)
        usual += bool((np.abs(x.cumsum()[29:]) > 1.96 * np.sqrt(n[29:])).any())
    assert left <= 0.05 * runs
    assert usual > 0.3 * runs


def test_there_is_no_running_interval_of_what_is_rare_before_it_came_often_enough() -> None:
    """After 30 observations with none of one in twenty the estimated spread is 0, and would leave the truth out for sure."""
    left = 0
    for seed in range(200):
        x = np.random.default_rng(seed).random(2_000) < 0.05
        found = evidence.running_mean(x, tightest=500)
        first = int(np.flatnonzero(np.isfinite(found.low))[0])
        assert x[: first + 1].sum() >= 15
        left += found.stopped(0.05) is not None
    assert left <= 0.09 * 200
    assert not np.isfinite(evidence.running_mean(np.ones(99), tightest=500).low).any()


def test_a_running_difference_is_the_difference() -> None:
    generator = np.random.default_rng(0)
    z = generator.random(4_000) < 0.3
    y = generator.normal(50 + 0.4 * z, 1)
    found = evidence.running_difference(y, z, share=0.3, tightest=1_000)
    assert found.estimate[-1] == pytest.approx(y[z].mean() - y[~z].mean(), abs=0.02)
    assert found.low[-1] < 0.4 < found.high[-1]
    assert found.high[-1] - found.low[-1] < 2 * 2 * 1.96 * math.sqrt(1 / z.sum() + 1 / (~z).sum())
    stopped = found.stopped()
    assert stopped is not None
    assert 30 <= stopped < 4_000
    told = found.to_json()
    assert told["low"][0] is None
    assert len(told["n"]) <= 400
    with pytest.raises(UsageError):
        evidence.running_difference(y, z, share=1.0, tightest=9)


def test_an_experiment_sees_what_it_was_made_for() -> None:
    plan = evidence.experiment(0.5, 5, per_day=100, unit="EUR")
    assert plan.n == evidence.size_for(0.5, 5)
    assert (plan.days, plan.days_most) == (math.ceil(plan.n / 100), math.ceil(plan.most / 100))
    assert plan.n < plan.most < 2 * plan.n
    assert plan.expected < plan.n * 1.1
    assert plan.false_alarms < 0.05
    assert f"tightest={plan.n}" in plan.rule


def test_its_rule_stops_as_often_as_planned() -> None:
    plan, generator = evidence.experiment(0.4, 1.0), np.random.default_rng(0)
    found = {0.0: 0, 0.4: 0}
    for effect in found:
        for _ in range(300):
            z = generator.random(plan.most) < 0.5
            running = evidence.running_difference(generator.normal(3 + effect * z, 1), z, tightest=plan.n)
            found[effect] += running.stopped() is not None
    assert found[0.0] <= 0.06 * 300
    assert found[0.4] >= 0.74 * 300


def test_no_experiment_is_smaller_than_its_own_rule_allows() -> None:
    plan = evidence.experiment(500, 5)
    assert plan.n >= 20
    assert min(plan.most, plan.expected, plan.median) >= 30
