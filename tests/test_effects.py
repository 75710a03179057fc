"""What a lever does to an outcome: known effects come out, and where rows can't tell, no effect is said to be one."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import numpy as np
import pytest

from drivetrain.effects.result import effect
from drivetrain.effects.rows import ask
from drivetrain.effects.sensitivity import e_value, sensitivity
from drivetrain.errors import DataError, NotInstalled, UsageError
from drivetrain.evidence.regression import regress

Rows = dict[str, Any]


def confounded(seed: int, n: int = 1000) -> Rows:
    """A price that is higher where demand is anyway: its slope is -3, and +1.8 where nothing is held fixed."""
    rng = np.random.default_rng(seed)
    u = rng.normal(size=n)
    price = 10 + 2 * u + rng.normal(size=n)
    return {"price": price, "demand": 100 - 3 * price + 12 * u + rng.normal(size=n), "season": u}


def trial(seed: int, n: int = 400, effect: float = 2.0) -> Rows:
    rng = np.random.default_rng(seed)
    age = rng.normal(50, 10, n)
    mailed = rng.integers(0, 2, n) * 1.0
    return {"mailed": mailed, "spent": effect * mailed + 0.3 * age + rng.normal(size=n), "age": age}


def test_a_randomised_switch_moves_the_outcome_by_the_difference_of_means_with_neymans_error() -> None:
    rows = trial(0)
    found = effect(rows, lever="mailed", outcome="spent", claim="randomised")
    on, off = rows["spent"][rows["mailed"] == 1], rows["spent"][rows["mailed"] == 0]
    assert found.value == pytest.approx(on.mean() - off.mean())
    error = np.sqrt(on.var(ddof=1) / len(on) + off.var(ddof=1) / len(off))
    assert found.contrasts[0].error == pytest.approx(error)
    assert found.is_effect
    assert found.checks[0].holds
    assert "mailed on instead of off moves spent by +" in found.words.lower()


def test_columns_known_before_take_noise_from_a_randomised_effect() -> None:
    rows = trial(1)
    alone = effect(rows, lever="mailed", outcome="spent", claim="randomised")
    held = effect(rows, lever="mailed", outcome="spent", claim="randomised", adjust=["age"])
    assert held.contrasts[0].error < 0.4 * alone.contrasts[0].error
    assert held.contrasts[0].low < 2 < held.contrasts[0].high


def test_intervals_of_a_randomised_effect_hold_it_as_often_as_they_say() -> None:
    inside = 0
    for seed in range(200):
        one = effect(
            trial(seed, 120), lever="mailed", outcome="spent", claim="randomised", adjust=["age"]
        ).contrasts[0]
        inside += one.low <= 2 <= one.high
    assert 180 <= inside <= 199


def test_a_propensity_that_is_known_is_weighed_out() -> None:
    rng = np.random.default_rng(3)
    n = 4000
    rich = rng.integers(0, 2, n)
    chance = np.where(rich == 1, 0.8, 0.2)
    mailed = (rng.random(n) < chance) * 1.0
    spent = 1.0 * mailed + 5 * rich + rng.normal(size=n)
    rows = {"mailed": mailed, "spent": spent, "rich": rich, "p": np.where(mailed == 1, chance, 1 - chance)}
    weighed = effect(rows, lever="mailed", outcome="spent", claim="randomised", propensity="p")
    assert weighed.is_effect
    assert weighed.value == pytest.approx(1, abs=0.3)
    ignored = effect(rows, lever="mailed", outcome="spent", claim="randomised")
    assert not ignored.is_effect
    assert ignored.value > 3
    with pytest.raises(DataError, match=r"row 1, p.*no propensity"):
        effect({**rows, "p": chance * 0}, lever="mailed", outcome="spent", claim="randomised", propensity="p")


def test_without_a_claim_it_is_a_comparison_and_the_column_that_turns_it_is_told() -> None:
    found = effect(confounded(0), lever="price", outcome="demand")
    assert not found.is_effect
    assert found.value == pytest.approx(1.8, abs=0.2)
    assert "comparison, not an effect" in found.words
    assert "moves demand" not in found.words
    assert "With season held fixed too it would turn to -" in found.words


def test_adjusted_for_what_moved_both_the_slope_is_the_true_one() -> None:
    found = effect(confounded(1, 2000), lever="price", outcome="demand", claim={"adjusted": ["season"]})
    assert found.is_effect
    assert found.contrasts[0].low < -3 < found.contrasts[0].high
    assert found.value == pytest.approx(-3, abs=0.1)
    assert {each.name for each in found.checks} == {
        "overlap", "placebo lever", "dummy outcome", "random common cause", "subset",
    }  # fmt: skip
    assert all(each.holds for each in found.checks if each.name != "overlap")
    assert found.sensitivity[0].strongest == "season"
    assert found.sensitivity[0].turns


@pytest.mark.parametrize("claim", [None, "randomised"])
def test_a_confounded_lever_is_refused_in_nearly_all_runs(claim: str | None) -> None:
    refused = sum(
        not effect(confounded(seed, 200), lever="price", outcome="demand", claim=claim).is_effect
        for seed in range(100)
    )
    assert refused >= 99


def test_a_lever_set_by_chance_is_seldom_taken_for_another() -> None:
    doubted = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        rows = {name: rng.normal(size=100) for name in ("a", "b", "c", "price", "demand")}
        doubted += not effect(rows, lever="price", outcome="demand", claim="randomised").checks[0].holds
    assert doubted <= 8  # 1 % of 200 is 2.


def test_a_choice_is_compared_level_by_level() -> None:
    rng = np.random.default_rng(5)
    n = 3000
    age = rng.normal(size=n)
    sent = (rng.random((n, 1)) > np.array([0.3, 0.6]) + 0.15 * np.tanh(age)[:, None]).sum(axis=1)
    spent = np.array([0.0, 1.0, 3.0])[sent] + 2 * age + rng.normal(size=n)
    rows = {"sent": np.array(["none", "letter", "call"])[sent].tolist(), "spent": spent, "age": age}
    found = effect(rows, lever="sent", outcome="spent", claim={"adjusted": ["age"]}, base="none", tries=0)
    assert [each.label for each in found.contrasts] == [
        "'call' instead of 'none'",
        "'letter' instead of 'none'",
    ]
    assert found.contrasts[0].low < 3 < found.contrasts[0].high
    assert found.contrasts[1].low < 1 < found.contrasts[1].high
    assert found.plain[0].value - 3 < -0.3 or found.plain[0].high < 3


def test_rows_that_were_always_treated_one_way_are_no_ground_for_an_effect() -> None:
    rng = np.random.default_rng(6)
    age = rng.normal(size=2000)
    mailed = (age + 0.2 * rng.normal(size=2000) > 0) * 1.0
    rows = {"mailed": mailed, "spent": mailed + age + rng.normal(size=2000), "age": age}
    found = effect(rows, lever="mailed", outcome="spent", claim={"adjusted": ["age"]})
    assert not found.is_effect
    assert found.claim.kind == "undeclared"
    assert "These data can't tell" in found.words
    exact = {**rows, "price": age * 3 + 1e-3 * rng.normal(size=2000)}
    assert (
        "hardly ever moved by itself"
        in effect(exact, lever="price", outcome="spent", claim={"adjusted": ["age"]}).words
    )


def test_rows_in_clusters_have_the_error_of_clusters() -> None:
    rng = np.random.default_rng(7)
    shop = np.repeat(np.arange(40), 25)
    mailed = (rng.permutation(40) % 2)[shop] * 1.0
    rows = {
        "mailed": mailed,
        "spent": mailed + rng.normal(size=40)[shop] + rng.normal(size=1000),
        "shop": shop,
    }
    alone = effect({**rows}, lever="mailed", outcome="spent", claim="randomised", adjust=[])
    held = effect(rows, lever="mailed", outcome="spent", claim="randomised", clusters="shop")
    assert held.contrasts[0].error > 3 * alone.contrasts[0].error
    assert "40 clusters" in held.contrasts[0].method


def test_the_same_rows_and_seed_give_the_same_effect() -> None:
    one, two = (
        effect(confounded(0), lever="price", outcome="demand", claim={"adjusted": ["season"]}).to_json()
        for _ in "ab"
    )
    assert one == two


def test_texts_gaps_and_constants_are_held_fixed_as_they_can_be_and_told() -> None:
    rng = np.random.default_rng(8)
    rows = trial(2, 600)
    age = rows["age"].copy()
    age[::7] = np.nan
    rows |= {
        "age": age,
        "town": [f"town {at}" for at in rng.integers(0, 40, 600)],
        "year": np.full(600, 2024.0),
    }
    rows["spent"][0] = np.nan
    found = effect(
        rows, lever="mailed", outcome="spent", claim={"adjusted": ["age", "town", "year"]}, tries=0
    )
    told = " ".join(found.notes)
    assert "1 rows without mailed or spent are left out" in told
    assert "age is missing in" in told
    assert "year is the same in all rows" in told
    assert found.contrasts[0].low < 2 < found.contrasts[0].high


@pytest.mark.parametrize(
    ("asked", "fault", "told"),
    [
        ({"lever": "prise"}, UsageError, "Did you mean price"),
        ({"lever": "demand"}, UsageError, "both the lever and the outcome"),
        (
            {"claim": {"adjusted": ["demand"]}},
            UsageError,
            "adjusting for it would hold fixed what is to change",
        ),
        ({"claim": {"adjusted": ["price"]}}, UsageError, "is the lever"),
        ({"claim": {"adjusted": ["seasn"]}}, UsageError, "Did you mean season"),
        ({"lever": "flat"}, DataError, "is 3 in all 100 rows"),
        ({"outcome": "town"}, DataError, "holds texts"),
        ({"lever": "town", "base": "C"}, UsageError, "never 'C'.*It is A, B"),
        ({"propensity": "season"}, UsageError, "of a randomised lever"),
        ({"outcome": "flat"}, DataError, "flat is 3 in all rows"),
        ({"outcome": "tiny"}, DataError, "in another unit"),
        ({"lever": "seldom"}, DataError, "seldom is 1 in 2 rows alone"),
        ({"lever": "rare"}, DataError, "rare is 'B' in 3 rows alone"),
        ({"clusters": "pair"}, DataError, "2 clusters of pair"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_reason(
    asked: dict[str, Any], fault: type[Exception], told: str
) -> None:
    at = np.arange(100)
    rows = {
        **confounded(0, 100), "flat": np.full(100, 3.0), "town": ["A", "B"] * 50, "tiny": at * 1e-200, "pair": at % 2 * 1.0,
        "seldom": (at < 2) * 1.0, "rare": ["B"] * 3 + ["A"] * 97,
    }  # fmt: skip
    with pytest.raises(fault, match=told):
        effect(rows, **{"lever": "price", "outcome": "demand", **asked})


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(DataError, match="5 rows with price and demand"):
        effect(confounded(0, 5), lever="price", outcome="demand")


def test_the_bias_of_a_hidden_cause_is_exactly_what_leaving_it_out_does() -> None:
    rng = np.random.default_rng(9)
    hidden, seen = rng.normal(size=(2, 500))
    t = hidden + 0.5 * seen + rng.normal(size=500)
    y = t + 2 * hidden + seen + rng.normal(size=500)
    ones = np.ones(500)

    def told(x: list[np.ndarray], more: np.ndarray, of: np.ndarray) -> float:
        def left(columns: list[np.ndarray]) -> float:
            design = np.column_stack(columns)
            return float(((of - design @ np.linalg.lstsq(design, of, rcond=None)[0]) ** 2).sum())

        return 1 - left([*x, more]) / left(x)

    short = regress(np.column_stack([ones, t, seen]), y, errors="classic")
    full = regress(np.column_stack([ones, t, seen, hidden]), y, errors="classic")
    of_lever, of_outcome = told([ones, seen], hidden, t), told([ones, seen, t], hidden, y)
    bias = np.sqrt(of_outcome * of_lever / (1 - of_lever)) * short.standard_errors[1] * np.sqrt(short.freedom)
    assert short.beta[1] - full.beta[1] == pytest.approx(bias)
    robust = sensitivity(
        ask({"t": t, "y": y, "seen": seen}, lever="t", outcome="y", claim={"adjusted": ["seen"]})
    )
    assert robust.robustness**2 / (1 - robust.robustness) == pytest.approx(
        (short.beta[1] / short.standard_errors[1]) ** 2 / short.freedom, rel=0.02
    )  # What a cause of that strength takes away is the whole effect.


def test_the_e_value_of_a_published_example_comes_out() -> None:
    assert e_value(3.9) == pytest.approx(
        7.26, abs=0.01
    )  # VanderWeele and Ding (2017): formula feeding, a ratio of 3.9.
    assert e_value(1 / 3.9) == pytest.approx(e_value(3.9))
    assert np.isnan(e_value(float("nan")))


@pytest.mark.slow
def test_learners_of_trees_find_what_no_line_does() -> None:
    pytest.importorskip("lightgbm")
    rng = np.random.default_rng(10)
    a, b = rng.uniform(-2, 2, (2, 1500))
    t = np.sign(a * b) + rng.normal(size=1500)
    rows = {"t": t, "y": t + 4 * np.sign(a * b) + rng.normal(size=1500), "a": a, "b": b}
    claim = {"adjusted": ["a", "b"]}
    assert effect(rows, lever="t", outcome="y", claim=claim, tries=0).value > 2
    found = effect(rows, lever="t", outcome="y", claim=claim, tries=0, by="auto")
    assert found.value == pytest.approx(1, abs=0.2)


def test_econml_is_asked_for_where_it_is_not_installed_and_agrees_where_it_is() -> None:
    claim = {"adjusted": ["season"]}
    if importlib.util.find_spec("econml") is None:
        with pytest.raises(NotInstalled, match="needs econml"):
            effect(confounded(0), lever="price", outcome="demand", claim=claim, tries=0, by="econml")
        return
    found = effect(confounded(0), lever="price", outcome="demand", claim=claim, tries=0, by="econml")
    assert found.value == pytest.approx(-3, abs=0.1)


def lalonde() -> tuple[Any, Any]:
    """The rows of the experiment, and those of its treated beside a survey's; where causaldata is installed with its data."""
    nsw = pytest.importorskip("causaldata.nsw_mixtape.data").load_pandas().data.drop(columns="data_id")
    cps = pytest.importorskip("causaldata.cps_mixtape.data").load_pandas().data.drop(columns="data_id")
    pandas = pytest.importorskip("pandas")
    return nsw, pandas.concat([nsw[nsw.treat == 1], cps])


def test_lalondes_experiment_shows_its_effect_and_his_survey_rows_show_none() -> None:
    experiment, survey = lalonde()
    found = effect(experiment, lever="treat", outcome="re78", claim="randomised")
    assert found.is_effect
    assert (found.value, found.contrasts[0].error) == pytest.approx((1794.3, 670.8), abs=0.2)
    columns = ["age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75"]
    for claim in (None, "randomised", {"adjusted": columns}):
        naive = effect(survey, lever="treat", outcome="re78", claim=claim)
        assert not naive.is_effect
        assert naive.plain[0].value == pytest.approx(-8497.5, abs=0.1)


def test_columns_of_any_kind_are_held_fixed_or_refused_in_words() -> None:
    rng = np.random.default_rng(11)
    n = 200
    rows: Rows = {
        "lever": rng.normal(size=n), "outcome": rng.normal(size=n), "empty": [None] * n, "same": np.full(n, 2.0),
        "far": 1e9 + rng.integers(0, 3, n), "wide": np.exp(20 * rng.normal(size=n)), "spike": (np.arange(n) == 0) * 1.0,
        "small": 1e-200 * rng.normal(size=n), "gaps": [None if at % 3 else "a" for at in range(n)],
        "many": [f"level {at}" for at in range(n)],
    }  # fmt: skip
    rows["twin"] = rows["far"]
    for claim in (None, "randomised", {"adjusted": [*rows][2:]}):
        found = effect(rows, lever="lever", outcome="outcome", claim=claim, adjust=[*rows][2:], tries=1)
        json.dumps(found.to_json(), allow_nan=False)
        assert np.isfinite(found.value)
    exact = effect(
        {**rows, "outcome": rows["lever"] * 2}, lever="lever", outcome="outcome", claim={"adjusted": ["far"]}
    )
    assert exact.value == pytest.approx(2)
    assert json.dumps(exact.to_json(), allow_nan=False)
    known = effect(
        {**rows, "copy": rows["lever"]}, lever="lever", outcome="outcome", claim={"adjusted": ["copy"]}
    )
    assert not known.is_effect
