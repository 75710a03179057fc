"""What comes back is held against what was promised, and the next plan learns from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain import decide
from drivetrain.decide.judge.luck import luck_of_rows
from drivetrain.decide.nodes.learn import learned
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.records import Outcome, Record, Store, open_store

COST = 20.0


def sold(price: Any, seed: int, taste: float = 4.0) -> np.ndarray:
    """Whether customers buy, by the logit case, whose best price is 40 where `taste` is 4."""
    chance = 1 / (1 + np.exp(-(taste - 0.1 * np.asarray(price))))
    return (np.random.default_rng(seed).random(chance.shape) < chance).astype(float)


def history(n: int = 4000, seed: int = 0) -> dict[str, np.ndarray]:
    price = np.random.default_rng(seed).choice(np.arange(25.0, 56, 5), n)
    return {"price": price, "buys": sold(price, seed + 1)}


def plan(rows: dict[str, np.ndarray], now: float = 30.0) -> decide.Plan:
    models = {
        "buys": learned(rows, outcome="buys", lever="price", claim="randomised", family="logit", bends=0),
        "profit": decide.formula("(price - 20) * buys", claim=decide.Claim("definition"), unit="EUR"),
    }
    lever = decide.Lever(low=20, high=60, step=1, now=now, observed=rows["price"], unit="EUR")
    return decide.Plan("profit", {"price": lever}, models, draws=200)


@pytest.fixture(scope="module")
def decision() -> decide.Decision:
    return decide.decide(plan(history()))


def back(decision: decide.Decision, n: int = 4000, taste: float = 4.0) -> dict[str, np.ndarray]:
    """Rows that come back after the price was set as proposed."""
    price = np.full(n, decision.levers[0].proposed, float)
    return {"price": price, "buys": sold(price, 7, taste)}


def test_a_learned_gain_is_corrected_for_having_been_chosen(decision: decide.Decision) -> None:
    result = decision.result
    assert decision.verdict.word == "act"
    assert result.corrected is not None
    assert result.gain is not None
    assert result.corrected.value == pytest.approx(10 - 7.31, abs=0.2)
    assert 0 < result.corrected.low < result.corrected.value < result.corrected.high
    assert result.compared is not None
    assert result.compared > 10
    assert 38 <= decision.levers[0].proposed <= 42  # type: ignore[operator]


def test_a_lever_that_does_nothing_is_left_alone() -> None:
    acted, told = 0, list[tuple[float, float]]()
    for seed in range(20):
        random = np.random.default_rng(seed)
        rows = {"price": random.uniform(20, 60, 300), "sales": random.normal(100, 30, 300)}
        node = learned(rows, outcome="sales", lever="price", claim="randomised", family="linear", bends=0)
        lever = decide.Lever(low=20, high=60, now=40.0, observed=rows["price"])
        made = decide.decide(decide.Plan("sales", {"price": lever}, {"sales": node}, draws=200, seed=seed))
        acted += made.verdict.word != "do not act"
        result = made.result
        assert result.gain is not None
        assert result.corrected is not None
        told.append((result.gain.value, result.corrected.value))
    assert acted <= 2
    gain, corrected = np.mean(told, axis=0)
    assert gain > 1.5  # By luck alone: nothing is to gain.
    assert abs(corrected) < gain / 2


def noise(seed: int, lever: decide.Lever) -> decide.Plan:
    """A lever that does nothing, learned as though it may do another thing in each row."""
    random = np.random.default_rng(seed)
    names = [f"z{place}" for place in range(5)]
    columns = {name: random.normal(size=400) for name in names}
    rows = {**columns, "letter": random.integers(0, 2, 400).astype(float), "y": random.normal(10, 3, 400)}
    node = learned(rows, outcome="y", lever="letter", claim="randomised", varies_with=names)
    data = {name: values[:80] for name, values in columns.items()}
    return decide.Plan("y", {"letter": lever}, {"y": node}, data=data, draws=100, seed=seed)


@pytest.mark.parametrize(
    "rule", [None, pytest.param(decide.Rule(of=("z0", "z1"), depth=1), marks=pytest.mark.slow)]
)
def test_rows_that_choose_for_themselves_find_no_gain_in_noise(rule: decide.Rule | None) -> None:
    lever = decide.Lever(kind="switch", now=False, each=rule is None, rule=rule)
    told = [decide.decide(noise(seed, lever)) for seed in range(6)]
    assert sum(each.verdict.word != "do not act" for each in told) <= 1
    found = [(each.result.gain, each.result.corrected) for each in told]
    gains = np.array([(gain.value, fixed.value, fixed.low) for gain, fixed in found if gain and fixed])
    assert len(gains) == 6
    assert gains[:, 0].mean() > 10  # By luck alone.
    assert abs(gains[:, 1].mean()) < gains[:, 0].mean() / 2
    assert all("of each row" in each.verdict.words for each in told if each.verdict.word == "do not act")


def test_limits_are_kept_to_in_what_luck_could_choose() -> None:
    lever = decide.Lever(kind="switch", now=False, each=True)
    free = noise(3, lever)
    few = decide.Plan(
        "y",
        {"letter": lever},
        {"y": free.nodes[0]},
        data=free.rows,
        constraints=["sum(letter) <= 8"],
        draws=100,
    )
    of_all, of_few = (
        luck_of_rows(each, np.zeros(80), np.r_[np.ones(8), np.zeros(72)], 0.95) for each in (free, few)
    )
    assert of_all is not None
    assert of_few is not None
    assert 0 < of_few.mean < of_all.mean / 2
    assert 0 < of_few.less < of_all.less / 2


def test_what_comes_back_as_promised_is_told_so(decision: decide.Decision) -> None:
    kept = decide.outcomes(decision, back(decision))
    assert kept.verdict == "as promised"
    assert {each.name for each in kept.promised} == {"buys", "profit"}
    assert "all that has changed since" in kept.words
    assert kept.to_json()["rows"] == 4000


@pytest.mark.parametrize(("taste", "said"), [(3.5, "worse than promised"), (4.5, "better than promised")])
def test_what_comes_back_otherwise_is_told_with_its_side(
    decision: decide.Decision, taste: float, said: str
) -> None:
    assert decide.outcomes(decision, back(decision, taste=taste)).verdict == said


def test_few_rows_say_nothing_yet(decision: decide.Decision) -> None:
    assert decide.outcomes(decision, back(decision, 30)).verdict == "too early to say"
    assert decide.outcomes(decision, back(decision, 3)).verdict == "too early to say"


def test_rows_without_what_was_promised_are_refused(decision: decide.Decision) -> None:
    with pytest.raises(DataError, match="Did you mean buys"):
        decide.outcomes(decision, {"buy": [1, 0]})
    with pytest.raises(DataError, match="texts"):
        decide.outcomes(decision, {"buys": ["yes", "no"]})


@pytest.fixture
def store(tmp_path: Path, decision: decide.Decision) -> Iterator[Store]:
    """Records of a model that was asked at prices drawn by chance, with outcomes for all but the last."""
    prices = np.random.default_rng(3).choice([30.0, 40.0, 50.0], 300)
    bought = sold(prices, 4)
    with open_store(str(tmp_path / "records.sqlite"), create=True) as made:
        made.add_many([
            Record("shop", 1, "hash", {"price": price}, {"label": "yes", "probabilities": {"yes": 0.5, "no": 0.5}}, key=str(n))
            for n, price in enumerate(prices.tolist())
        ])  # fmt: skip
        made.outcomes(
            "shop", [Outcome("yes" if each else "no", key=str(n)) for n, each in enumerate(bought[:-1])]
        )
        yield made


def test_records_are_held_against_the_promise(store: Store, decision: decide.Decision) -> None:
    kept = decide.outcomes(decision, store, model="shop", outcome="buys", of="yes")
    assert kept.rows == 299
    with pytest.raises(UsageError, match="which records"):
        decide.outcomes(decision, store)
    with pytest.raises(DataError, match='of = "no"'):
        decide.outcomes(decision, store, model="shop", outcome="buys")
    with pytest.raises(DataError, match="no record"):
        decide.outcomes(decision, store, model="other", outcome="buys")


def test_the_next_plan_knows_the_old_rows_and_the_new(store: Store, decision: decide.Decision) -> None:
    next_plan = decide.learn_from(
        decision, store, model="shop", outcome="buys", of_class="yes", claim="randomised"
    )
    (node,) = [each for each in next_plan.nodes if each.name == "buys"]
    learn: Any = node.to_json()["learn"]
    assert len(learn["columns"]["price"]) == 4000 + 299
    assert decide.decide(next_plan).verdict.word == "act"


def test_rows_of_one_price_teach_nothing(decision: decide.Decision) -> None:
    with pytest.raises(DataError, match=r"the same in all the rows.*explore"):
        decide.learn_from(decision, back(decision))


def test_rows_that_were_not_drawn_by_chance_weaken_the_claim(decision: decide.Decision) -> None:
    prices = np.random.default_rng(5).choice([30.0, 50.0], 500)
    made = decide.learn_from(decision, {"price": prices, "buys": sold(prices, 6)})
    assert made.claim().kind == "assumed"
    assert "not drawn by chance" in made.claim().why


def test_explored_rows_bring_the_truth_after_a_change(decision: decide.Decision) -> None:
    # Since the decision customers want less; rows that were explored tell it, and the claim stays.
    drawn = decide.explore(decision, rows=20_000, share=0.3)
    columns = drawn.columns("price")
    assert (columns["price"] == decision.levers[0].proposed).mean() > 0.7
    made = decide.learn_from(plan(history(60)), {**columns, "buys": sold(columns["price"], 9, taste=3.0)})
    assert made.claim().kind == "randomised"
    found = decide.decide(made)
    assert found.levers[0].proposed == pytest.approx(35.67, abs=3)
    (lever,) = made.levers
    assert lever.observed is not None
    assert {*columns["price"]} <= {*lever.observed}
    learn: Any = made.nodes[0].to_json()["learn"]
    _, counts = np.unique(learn["columns"]["price"][60:], return_counts=True)
    assert counts.max() < 1.3 * counts.min()  # As if each had been drawn equally often.


def test_explore_asks_for_what_it_must_know(decision: decide.Decision) -> None:
    with pytest.raises(UsageError, match="rows = 1000"):
        decide.explore(decision)
    with pytest.raises(UsageError, match="Did you mean price"):
        decide.explore(decision, "prize", rows=5)
    levels = decide.explore(decision, rows=5).levels
    assert set(levels) - {decision.levers[0].proposed} <= {25.0, 30.0, 32.0, 40.0, 48.0, 55.0}


def test_a_belief_is_brought_up_to_date() -> None:
    models = {
        "rate": decide.chance(beta=[1, 1]),
        "worth": decide.chance(normal=[10.0, 2.0]),
        "profit": decide.formula(
            "calls * (rate * worth - 1) - 0.01 * calls^2", claim=decide.Claim("assumed")
        ),
    }
    before = decide.Plan("profit", {"calls": decide.Lever(low=0, high=1000, now=10.0)}, models, draws=50)
    after = decide.learn_from(
        before, {"rate": [1] * 7 + [0] * 3, "worth": [12.0, 14.0] * 5}, beliefs=["rate", "worth"]
    )
    tables = after.to_json()["models"]
    assert tables["rate"]["chance"] == {"beta": [8.0, 4.0]}
    mean, sd = tables["worth"]["chance"]["normal"]
    precision = 10 / np.var([12.0, 14.0] * 5, ddof=1)
    assert mean == pytest.approx((10 / 4 + 13 * precision) / (0.25 + precision))
    assert sd == pytest.approx((0.25 + precision) ** -0.5)
    with pytest.raises(UsageError, match=r"no chance 'rates'.*Did you mean rate"):
        decide.learn_from(before, {"rate": [1]}, beliefs=["rates"])
    with pytest.raises(UsageError, match="no model of this plan is learned"):
        decide.learn_from(before, {"rate": [1]})


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("replay",), {}),
        (("replay", "plan"), "profit"),
        (("replay", "plan"), {"models": 3}),
        (("replay", "files"), [1]),
        (("replay", "versions"), [1]),
        (("promise",), [{"name": "buys"}]),
        (("rows",), 0),
        (("objective", "expression"), "profit +"),
        (("objective", "expression"), "__import__('os')"),
    ],
)
def test_a_file_that_was_tampered_with_is_told_and_never_a_traceback(
    decision: decide.Decision, place: tuple[str, ...], value: Any
) -> None:
    told = decision.to_json()
    inner = told
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value

    def use() -> None:
        made, rows = decide.Decision.from_json(told), {"price": [40.0, 30], "buys": [1.0, 0]}
        decide.outcomes(made, rows)
        decide.learn_from(made, rows)

    with pytest.raises(DrivetrainError):
        use()


def test_the_gain_is_held_against_rows_that_chance_left_as_they_were(decision: decide.Decision) -> None:
    drawn = decide.explore(decision, rows=40_000, share=0.4, seed=1)
    columns = drawn.columns("price")
    kept = decide.outcomes(decision, {**columns, "buys": sold(columns["price"], 11)})
    assert kept.verdict == "as promised"
    gain = kept.promised[-1]
    assert gain.name == "the gain"
    assert gain.inside
    assert gain.came.low < 10 - 7.31 < gain.came.high
    assert "chance said" in kept.words
    columns["price"] = np.full(40_000, 33.0)
    with pytest.raises(DataError, match="no row had price"):
        decide.outcomes(decision, {**columns, "buys": sold(columns["price"], 11)})
