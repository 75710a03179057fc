"""Curves learned from rows: as the models in a plan, and by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain import decide
from drivetrain.decide.expressions.expression import Name
from drivetrain.decide.solve.by_row.separate import Separation
from drivetrain.effects.response import Response, fit
from drivetrain.errors import DataError, UsageError


def sales(seed: int = 0, n: int = 2000) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    price, age = rng.uniform(20, 80, n), rng.normal(size=n)
    buys = rng.random(n) < 1 / (1 + np.exp(-(4 - 0.1 * price + 0.5 * age)))
    return {
        "price": price,
        "buys": buys * 1.0,
        "age": age,
        "region": np.array(["north", "south"])[rng.integers(0, 2, n)].tolist(),
    }


@pytest.fixture(scope="module")
def learned() -> Response:
    return fit(sales(), outcome="buys", lever="price", claim="randomised", adjust=["age", "region"])


def values(settings: int = 5, rows: int = 7) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        "price": np.linspace(20, 80, settings)[:, None, None],
        "age": rng.normal(size=(1, rows, 1)),
        "region": rng.integers(0, 2, (1, rows, 1)) * 1.0,
    }


def test_the_curve_is_that_of_the_regression_in_any_shape(learned: Response) -> None:
    given = values()
    normal = np.random.default_rng(0).normal(size=(len(learned.regression.beta), 11))
    beta = learned.coefficients(normal)
    found = learned.mean(given, beta=beta)
    assert found.shape == (5, 7, 11)
    full = {name: np.broadcast_to(each, (5, 7, 11)) for name, each in given.items()}
    assert learned.mean(full, beta=beta) == pytest.approx(found)
    assert learned.mean(given).shape == (5, 7, 1)
    assert learned.mean(given, beta=beta[:, 3:4])[..., 0] == pytest.approx(found[..., 3])


def test_the_slope_is_the_change_of_the_curve() -> None:
    bent = fit(
        sales(),
        outcome="buys",
        lever="price",
        claim="randomised",
        adjust=["age"],
        bends=3,
        varies_with=["age"],
    )
    given = values(40)
    moved = [bent.mean({**given, "price": given["price"] + step}) for step in (-1e-4, 1e-4)]
    assert bent.slope(given) == pytest.approx((moved[1] - moved[0]) / 2e-4, abs=1e-8)


def test_a_straight_curve_stays_straight_and_a_bent_one_bends() -> None:
    rng = np.random.default_rng(2)
    price = rng.uniform(0, 10, 1500)
    straight = fit({"price": price, "y": 3 - price + rng.normal(size=1500)}, outcome="y", lever="price")
    assert straight.bends == 0
    rows = {"price": price, "y": 5 * np.sqrt(price) + rng.normal(size=1500)}
    bent = fit(rows, outcome="y", lever="price")
    assert bent.bends >= 1
    at = np.linspace(1, 9, 9)[:, None, None]
    assert bent.mean({"price": at})[:, 0, 0] == pytest.approx(5 * np.sqrt(at[:, 0, 0]), abs=0.3)


def test_counts_and_numbers_come_as_often_as_their_mean_says() -> None:
    rng = np.random.default_rng(3)
    price = rng.uniform(0, 2, 3000)
    counts = fit(
        {"price": price, "y": rng.poisson(np.exp(1 - price)) * 1.0},
        outcome="y",
        lever="price",
        family="poisson",
    )
    uniform = (np.arange(20_000) + 0.5) / 20_000
    for mean in (0.01, 0.7, 3.0, 40.0):
        seen = counts.seen(np.full((1, 1), mean), uniform[None])[0]
        assert (seen == 0).mean() == pytest.approx(np.exp(-mean), abs=1e-4)
        assert (seen.mean(), seen.var()) == pytest.approx((mean, mean), rel=5e-3)
    numbers = fit({"price": price, "y": 1 + price + rng.gumbel(size=3000)}, outcome="y", lever="price")
    seen = numbers.seen(np.zeros((1, 1)), uniform[None])
    left = rng.gumbel(size=100_000) - np.euler_gamma
    assert np.quantile(seen, [0.05, 0.5, 0.95]) == pytest.approx(
        np.quantile(left, [0.05, 0.5, 0.95]), abs=0.15
    )


def plan_of(model: Any, data: Any = None, lever: dict[str, Any] | None = None) -> decide.Plan:
    price = decide.Lever("price", **{"low": 20, "high": 80, **(lever or {})})
    return decide.Plan("buys * (price - 20)", {"price": price}, {"buys": model}, data=data)


def test_a_learned_model_in_a_plan_finds_the_price() -> None:
    rows = sales(0, 10_000)
    node = decide.learned(rows, outcome="buys", lever="price", claim="randomised")
    simulator = decide.Simulator(plan_of(node))
    at = np.linspace(30, 50, 41)
    profit = simulator.simulate({"price": at}).objective
    truth = (
        sum(
            (at - 20) / (1 + np.exp(-(4 - 0.1 * at + 0.5 * z)))
            for z in np.random.default_rng(0).normal(size=4000)
        )
        / 4000
    )
    best = int(profit.mean(axis=1).argmax())
    assert truth[best] > 0.99 * truth.max()
    low, high = np.quantile(profit[best], [0.01, 0.99])
    assert low < truth[best] < high


def test_a_plan_without_the_columns_held_fixed_gets_the_average_over_the_rows() -> None:
    node = decide.learned(sales(), outcome="buys", lever="price", claim={"adjusted": ["age", "region"]})
    simulator = decide.Simulator(plan_of(node))
    alone = simulator.simulate({"price": 40.0}).mean["buys"]
    kept = node.response.rows
    with_them = decide.Simulator(plan_of(node, {"age": kept.of("age"), "region": kept.plain("region")}))
    assert alone == pytest.approx(with_them.simulate({"price": 40.0}).mean["buys"], abs=1e-9)
    with pytest.raises(UsageError, match="with region held fixed, and the plan has no region"):
        plan_of(node, {"age": [1.0, 2.0]})


def test_what_a_plans_rows_hold_must_have_been_there_when_it_was_learned() -> None:
    node = decide.learned(sales(), outcome="buys", lever="price", claim={"adjusted": ["age", "region"]})
    with pytest.raises(UsageError, match=r"never had region = 'sauth'.*Did you mean south"):
        plan_of(node, {"age": [1.0, 2.0], "region": ["north", "sauth"]})
    with pytest.raises(DataError, match=r"row 2 of the data.*age is missing"):
        plan_of(node, {"age": [1.0, np.nan], "region": ["north", "south"]})
    with pytest.raises(UsageError, match="with texts as region, and the plan has numbers"):
        plan_of(node, {"age": [1.0, 2.0], "region": [1.0, 2.0]})
    # The codes of texts are those of the plan, whatever their order was when it was learned.
    south = decide.Simulator(plan_of(node, {"age": [0.0], "region": ["south"]})).simulate({"price": 40.0})
    given = {"price": np.full((1, 1, 1), 40.0), "age": np.zeros((1, 1, 1)), "region": np.ones((1, 1, 1))}
    assert south.mean["buys"].mean() == pytest.approx(node.response.mean(given).item(), abs=2e-3)


def test_each_outcome_is_0_or_1_where_that_is_asked() -> None:
    node = decide.learned(sales(), outcome="buys", lever="price", claim="randomised", adjust=[], draws="each")
    values = decide.Simulator(plan_of(node, {"a": np.zeros(50)})).values({"price": 40.0})["buys"]
    assert set(np.unique(values)) == {0.0, 1.0}
    assert values.mean() == pytest.approx(
        node.response.mean({"price": np.full((1, 1, 1), 40.0)}).item(), abs=0.02
    )


def test_a_plan_file_learns_and_comes_back_the_same(tmp_path: Path) -> None:
    rows = sales()
    lines = [
        "price,buys,age",
        *(f"{p},{b:g},{a}" for p, b, a in zip(rows["price"], rows["buys"], rows["age"])),
    ]
    (tmp_path / "history.csv").write_text("\n".join(lines) + "\n")
    text = """
[objective]
maximise = "buys * (price - 20)"
[levers.price]
low = 20
high = 80
[models.buys]
learn = { file = "history.csv", outcome = "buys", lever = "price", adjust = ["age"] }
claim = "randomised"
"""
    (tmp_path / "plan.toml").write_text(text)
    plan = decide.Plan.read(tmp_path / "plan.toml")
    assert plan.claim().kind == "randomised"
    again = decide.Plan.from_json(plan.to_json(), tmp_path)
    one, two = (decide.Simulator(each).simulate({"price": 35.0}).objective for each in (plan, again))
    assert (one == two).all()
    (tmp_path / "plan.toml").write_text(text.replace("adjust", "ajust"))
    with pytest.raises(UsageError, match=r"models.buys, learn.*no key 'ajust'.*Did you mean adjust"):
        decide.Plan.read(tmp_path / "plan.toml")
    (tmp_path / "plan.toml").write_text(text.replace('outcome = "buys"', 'outcome = "bys"'))
    with pytest.raises(UsageError, match="Did you mean buys"):
        decide.Plan.read(tmp_path / "plan.toml")


def test_a_claim_that_the_rows_do_not_bear_out_is_none_in_the_plan() -> None:
    rng = np.random.default_rng(4)
    season = rng.normal(size=1000)
    price = 50 + 10 * season + rng.normal(size=1000)
    rows = {"price": price, "buys": 100 - price + 30 * season, "season": season}
    node = decide.learned(rows, outcome="buys", lever="price", claim="randomised")
    plan = plan_of(node)
    assert plan.claim().kind == "undeclared"
    assert "doesn't look set by chance" in plan.claim().why
    assert (
        plan.to_json()["models"]["buys"]["claim"] == "randomised"
    )  # As declared: read again, it is checked again.
    assert decide.learned(rows, outcome="buys", lever="price").claim.kind == "undeclared"


def test_whether_a_lever_moves_anything_is_told() -> None:
    rng = np.random.default_rng(5)
    moved = sum(
        fit({"x": rng.normal(size=60), "y": rng.normal(size=60)}, outcome="y", lever="x", bends=0).moves
        for _ in range(200)
    )
    assert 2 <= moved <= 20


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"family": "probit"}, "family: this must be one of linear, logit, poisson"),
        ({"bends": 7}, "7 bends"),
        ({"varies_with": ["buys"]}, "is the outcome"),
    ],
)
def test_what_cannot_be_learned_is_told(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        fit(sales(n=100), **{"outcome": "buys", "lever": "price", **asked})


def test_a_plan_knows_what_was_tried_and_what_a_hidden_cause_could_turn() -> None:
    rows = sales()
    node = decide.learned(rows, outcome="buys", lever="price", claim={"adjusted": ["age", "region"]})
    plan = plan_of(node, {"age": [0.0, 9.0], "region": ["north", "south"]}, {"high": 90.0})
    seen = plan.lever("price").observed
    assert seen is not None
    assert "observed" not in plan.to_json()["levers"]["price"]  # It goes without saying, and is long.
    assert (seen.min(), seen.max()) == (rows["price"].min(), rows["price"].max())
    bound = plan.nodes[0]
    values = {"price": np.array([[[30.0]], [[85.0]]]), "age": np.array([[[0.0], [9.0]]])}
    told = {each.name: each for each in bound.beyond({**values, "region": np.zeros((1, 2, 1))})}
    assert (told["price"].what, told["price"].share) == ("lever", 0.5)
    assert (told["age"].what, told["age"].share) == ("input", 0.5)
    assert "50 % of the values of age are beyond" in told["age"].words
    assert "would turn the sign" in bound.sensitivity[0]["words"]
    assert (
        decide.learned(rows, outcome="buys", lever="price", claim="randomised", adjust=[]).sensitivity == ()
    )


def test_a_choice_is_learned_and_known_by_its_text() -> None:
    rng = np.random.default_rng(6)
    sent = rng.integers(0, 3, 900)
    rows = {"sent": np.array(["none", "letter", "call"])[sent].tolist(), "spent": sent + rng.normal(size=900)}
    node = decide.learned(rows, outcome="spent", lever="sent", claim="randomised")
    lever = decide.Lever("sent", "choice", choices=("call", "none", "letter"))
    plan = decide.Plan("spent", {"sent": lever}, {"spent": node})
    means = decide.Simulator(plan).simulate({"sent": np.arange(3.0)}).mean["spent"].mean(axis=1)
    assert means == pytest.approx([2, 0, 1], abs=0.2)
    seen = plan.lever("sent").observed
    assert seen is not None
    assert set(seen) == {0.0, 1.0, 2.0}
    with pytest.raises(UsageError, match="never had sent = 'visit'"):
        decide.Plan(
            "spent", {"sent": decide.Lever("sent", "choice", choices=("none", "visit"))}, {"spent": node}
        )


@pytest.mark.slow
def test_prices_learned_from_rows_are_right_and_nothing_is_done_where_nothing_is_to_gain() -> None:
    """Ten runs of bench/effects_coverage.py, of fewer rows."""
    regrets, held, verdicts = list[float](), 0, list[str]()
    for seed in range(10):
        rng = np.random.default_rng(seed)
        price = rng.uniform(20, 80, 8000)
        rows = {"price": price, "buys": (rng.random(8000) < 1 / (1 + np.exp(-(4 - 0.1 * price)))) * 1.0}
        node = decide.learned(rows, outcome="buys", lever="price", claim="randomised", bends=0)
        simulator = decide.Simulator(plan_of(node))
        at = np.linspace(30, 50, 201)
        profit = simulator.simulate({"price": at}).objective
        best = int(profit.mean(axis=1).argmax())
        truth = (at[best] - 20) / (1 + np.exp(-(4 - 0.1 * at[best])))
        low, high = np.quantile(profit[best], [0.05, 0.95])
        regrets.append(1 - truth / 10)
        held += low <= truth <= high
        flat = decide.learned(
            {"price": price[:500], "y": rng.normal(size=500)}, outcome="y", lever="price", claim="randomised"
        )
        lever = decide.Lever("price", low=20, high=80, now=50)
        verdicts.append(
            decide.decide(decide.Plan("y", {"price": lever}, {"y": flat}, draws=300)).verdict.word
        )
    assert max(regrets) < 0.01
    assert held >= 7
    assert verdicts.count("act") <= 1  # One in twenty may.
    assert verdicts.count("do not act") >= 8


def test_what_bends_is_held_fixed_as_it_bends_and_the_curve_is_held_against_double_machine_learning() -> None:
    rng = np.random.default_rng(7)
    age = rng.uniform(-2, 2, 2000)
    price = age**2 + rng.normal(size=2000)
    rows = {"price": price, "y": 5 - price + 4 * age**2 + rng.normal(size=2000), "age": age}
    found = fit(rows, outcome="y", lever="price", claim={"adjusted": ["age"]}, bends=0)
    slope = found.slope({"price": np.zeros((1, 1, 1)), "age": np.zeros((1, 1, 1))}).item()
    assert slope == pytest.approx(-1, abs=0.15)
    assert [each.name for each in found.checks] == ["overlap", "curve"]
    assert found.checks[1].holds
    mailed = (rng.random(2000) < 1 / (1 + np.exp(-age))) * 1.0
    rows |= {"mailed": mailed, "buys": (rng.random(2000) < 1 / (1 + np.exp(-mailed - age))) * 1.0}
    switch = fit(rows, outcome="buys", lever="mailed", claim={"adjusted": ["age"]})
    assert switch.checks[1].holds
    assert "on instead of off makes 0.2" in switch.checks[1].words
    # Mailing works on the young alone, and the curve has one effect for all; who is mailed are the old.
    rows["mailed"] = (rng.random(2000) < 1 / (1 + np.exp(-1.5 * age))) * 1.0
    rows["spent"] = rows["mailed"] * np.where(age < -1, 6.0, 0.0) + rng.normal(size=2000)
    wrong = fit(rows, outcome="spent", lever="mailed", claim={"adjusted": ["age"]})
    assert not wrong.checks[1].holds
    assert "standard errors apart" in wrong.words


def test_the_column_that_would_turn_what_nobody_vouches_for_is_named_in_the_decision() -> None:
    rng = np.random.default_rng(12)
    u, e, f = rng.normal(size=(3, 500))
    price = 10 + 2 * u + e
    rows = {"price": price, "demand": 100 - 3 * price + 12 * u + f, "season": u}
    for claim in (None, "randomised"):
        node = decide.learned(rows, outcome="demand", lever="price", claim=claim)
        lever = decide.Lever("price", low=5, high=15, now=10)
        plan = decide.Plan("price * demand", {"price": lever}, {"demand": node}, draws=50)
        said = decide.decide(plan).to_json()
        assert said["verdict"]["word"] == "comparison only"
        assert any(
            "With season held fixed too it would turn to -" in each for each in said["could_turn"]["words"]
        )


def test_what_is_drawn_in_each_row_differs_by_row_whatever_moves_it() -> None:
    rows = {name: each for name, each in sales().items() if name in ("price", "buys")}
    for draws in ("expected", "each"):
        node = decide.learned(rows, outcome="buys", lever="price", claim="randomised", draws=draws)
        plan = decide.Plan(
            "buys", [decide.Lever("price", low=20, high=80)], {"buys": node}, data={"age": [1.0, 2.0]}
        )
        assert plan.spreads["buys"] == ("rows" if draws == "each" else "same")
        assert Separation(plan).has_rows(Name("buys")) is (draws == "each")
        assert (node.drawn() is node) is (draws == "each")


def test_what_the_rows_of_a_cluster_share_is_no_bend() -> None:
    bent = 0
    for seed in range(30):
        random = np.random.default_rng(seed)
        group = np.repeat(np.arange(30), 10)
        price, shift = random.uniform(20, 60, 30)[group], random.normal(0, 1, 30)[group]
        rows = {
            "price": price,
            "sold": 10 + shift + random.normal(0, 1, 300),
            "shop": [f"s{each}" for each in group],
        }
        found = fit(rows, outcome="sold", lever="price", claim="randomised", adjust=[], clusters="shop")
        bent += found.bends > 0
    assert bent <= 2
