"""On whom a treatment works: effects that are known come out, as sure as they say, and a null is told to be one."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain.effects.uplift.learners import Study, learn
from drivetrain.effects.uplift.learning import learn_uplift
from drivetrain.effects.uplift.model import Uplift
from drivetrain.errors import DrivetrainError

JOBS = np.asarray(["services", "student", "retired", "management"])


def bank(n: int, seed: int, differs: float = 1.0, coin: bool = True) -> tuple[dict[str, Any], np.ndarray]:
    """Simulated calls of a bank, and the true effect (n,) of each on the probability to buy: students gain .1, those who bought
    before lose .06; `coin` False: who bought before and who is old was called more often."""
    made = np.random.default_rng(seed)
    age = np.round(np.clip(made.normal(42, 12, n), 18, 85))
    job = JOBS[made.choice(4, n, p=[0.4, 0.15, 0.15, 0.3])]
    before = made.random(n) < 0.25
    chance = np.full(n, 0.5) if coin else 1 / (1 + np.exp(-(1.2 * before + 0.02 * (age - 42))))
    called = made.random(n) < chance
    effect = 0.02 + differs * (0.1 * (job == "student") + 0.0012 * (age - 42) - 0.06 * before)
    bought = made.random(n) < np.clip(
        0.08 + 0.15 * before + 0.03 * (job == "management") + called * effect, 0, 1
    )
    columns = {
        "age": age, "job": job, "before": np.where(before, "yes", "no"), "called": np.where(called, "yes", "no"),
        "bought": bought * 1, "chance": chance,
    }  # fmt: skip
    return columns, effect


CALL: Mapping[str, Any] = {"treatment": "called", "outcome": "bought", "of": ["age", "job", "before"]}


@pytest.fixture(scope="module")
def calls() -> Uplift:
    return learn_uplift(bank(8000, 1)[0], **CALL, claim="randomised")


def test_effects_come_out_and_are_told(calls: Uplift) -> None:
    _, effect = bank(8000, 1)
    rows, true = bank(3000, 2)
    found = calls.effect(rows)
    assert np.sqrt(np.mean((found - true) ** 2)) < 0.6 * true.std()
    assert calls.average.low < effect.mean() < calls.average.high
    least, *_, most = calls.groups()
    assert least.effect.value < 0.01 < most.effect.low
    assert calls.calibration.low < 1 < calls.calibration.high
    words = [each.words for each in calls.profile()]
    assert words[0].startswith("job student")
    assert any(each.startswith("before no") for each in words)
    assert calls.qini().words.startswith("Treating by score beats")
    assert "randomised" in str(calls)
    assert json.loads(json.dumps(calls.to_json(), allow_nan=False))["claim"]["kind"] == "randomised"


def test_the_interval_of_a_row_covers() -> None:
    at = {
        "age": np.asarray([42.0, 42, 60]),
        "job": np.asarray(["student", "services", "retired"]),
        "before": np.asarray(["no", "yes", "no"]),
    }
    true = np.asarray([0.12, -0.04, 0.02 + 0.0012 * 18])
    covered = []
    for seed in range(15):
        low, high = learn_uplift(bank(1200, seed)[0], **CALL, claim="randomised", seed=seed).interval(at)
        covered.append((low <= true) & (true <= high))
    assert np.mean(covered) > 0.84


def test_the_rule_is_worth_what_it_says() -> None:
    rows, effect = bank(20_000, 3)
    found = learn_uplift(rows, **CALL, claim="randomised").whom(gain=100, cost=4)
    assert found.verdict == "treat these"
    judged = found.treat * (100 * effect - 4)
    assert found.value.low < judged.mean() < found.value.high
    assert found.beside["all"].low > 0
    assert found.beside["most likely anyway"].low > 0
    assert 0.1 < found.share < 0.35
    assert "more than treating all" in str(found)
    json.dumps(found.to_json(), allow_nan=False)


def test_a_budget_is_kept(calls: Uplift) -> None:
    new, _ = bank(1000, 4)
    found = calls.whom(gain=100, cost=4, budget=200, rows=new)
    assert found.treat.sum() == 50
    assert found.effect[found.treat].min() >= found.effect[~found.treat].max()
    assert "all" not in found.beside
    rich = calls.whom(gain=100, cost=4, budget=1e9, rows=new)
    assert rich.treat.sum() == (rich.effect > 0.04).sum()


def test_gain_and_cost_may_differ_by_row() -> None:
    rows, effect = bank(20_000, 3)
    rows["worth"] = np.where(rows["age"] > 45, 200.0, 5.0)
    rows["fee"] = np.where(rows["before"] == "yes", 3.0, 2.0)
    found = learn_uplift(rows, **CALL, claim="randomised").whom(gain="worth", cost="fee")
    picked = rows["worth"] * found.effect > rows["fee"]
    assert (found.treat == picked).all()
    true = (picked * (rows["worth"] * effect - rows["fee"])).mean()
    assert found.value.low < true < found.value.high
    some = learn_uplift(rows, **CALL, claim="randomised").whom(gain="worth", cost="fee", budget=1000.0)
    assert 990 < rows["fee"][some.treat].sum() <= 1000
    assert (rows["worth"][some.treat] == 200).all()


def test_without_differences_none_are_told() -> None:
    """Everybody gains .02: at a cost of 1 of 100 all are treated, at 4 none or a test comes first."""
    shown, verdicts, dear = 0, [], []
    for seed in range(10):
        found = learn_uplift(bank(2000, seed, differs=0.0)[0], **CALL, claim="randomised", seed=seed)
        shown += found.qini().words.startswith("Treating by score beats")
        dear.append(found.whom(100, 6).verdict)
        verdicts.append(found.whom(1000, 1).verdict)
    assert shown <= 2
    assert {*dear} <= {"treat none", "test first"}
    assert "treat these" not in verdicts or verdicts.count("treat all") > verdicts.count("treat these")


def test_what_moved_both_is_held_fixed() -> None:
    rows, effect = bank(12_000, 5, coin=False)
    naive = rows["bought"][rows["called"] == "yes"].mean() - rows["bought"][rows["called"] == "no"].mean()
    found = learn_uplift(
        rows, treatment="called", outcome="bought", claim={"adjusted": ["age", "before"]}, of=["job"]
    )
    assert naive > found.average.high
    assert found.average.low < effect.mean() < found.average.high
    assert str(found.claim) == "adjusted for age, before"
    known = learn_uplift(rows, **CALL, claim="randomised", propensity="chance")
    assert known.average.low < effect.mean() < known.average.high
    with pytest.raises(DrivetrainError, match="doesn't look set by chance"):
        learn_uplift(rows, **CALL, claim="randomised")


@pytest.mark.parametrize("learner", ["s", "t", "x", "dr"])
@pytest.mark.parametrize("known", [True, False])
def test_each_learner_finds_what_is_straight(learner: Any, known: bool) -> None:
    made = np.random.default_rng(6)
    x = made.normal(size=(3000, 4))
    chance = np.full(3000, 0.5) if known else 1 / (1 + np.exp(-x[:, 0]))
    treated = (made.random(3000) < chance) * 1.0
    effect = 0.5 + 0.5 * x[:, 1]
    outcome = 2 * x[:, 0] + x[:, 3] + treated * effect + made.normal(size=3000)
    found = learn(Study(x, treated, outcome, chance if known else None), learner, "linear", seed=1)
    assert np.sqrt(np.mean((found.effect(x) - effect) ** 2)) < 0.15
    judged = found.judged
    assert np.sqrt(np.mean((judged.effect - effect[judged.rows]) ** 2)) < 0.25
    assert len(judged.rows) == 1800
    assert judged.scores.mean() == pytest.approx(effect[judged.rows].mean(), abs=0.2)


def test_trees_find_what_is_not_straight() -> None:
    pytest.importorskip("lightgbm")
    made = np.random.default_rng(7)
    x = made.normal(size=(3000, 3))
    treated = (made.random(3000) < 0.5) * 1.0
    effect = np.where((x[:, 0] > 0) & (x[:, 1] > 0), 2.0, 0.0)
    rows = {
        "a": x[:, 0],
        "b": x[:, 1],
        "c": x[:, 2],
        "w": treated,
        "y": 2 * x[:, 2] + treated * effect + made.normal(size=3000),
    }
    errors = {}
    for base in ("linear", "trees"):
        found = learn_uplift(rows, treatment="w", outcome="y", claim="randomised", base=base, learner="t")  # type: ignore[arg-type]
        errors[base] = np.sqrt(np.mean((found.effect(rows) - effect) ** 2))
    assert errors["trees"] < 0.7 * errors["linear"]
    with pytest.raises(DrivetrainError, match="no interval"):
        found.interval(rows)


def test_the_same_seed_gives_the_same(calls: Uplift) -> None:
    again = learn_uplift(bank(8000, 1)[0], **CALL, claim="randomised")
    assert again.to_json() == calls.to_json()


def test_rows_of_one_household_stay_together() -> None:
    rows, _ = bank(600, 8)
    home = np.arange(600)
    twice = {name: np.concatenate([values] * 2) for name, values in rows.items()} | {"home": np.tile(home, 2)}
    blind = learn_uplift({**twice}, **CALL, claim="randomised")
    told = learn_uplift({**twice}, **CALL, claim="randomised", cluster="home")
    assert told.average.high - told.average.low > 1.25 * (blind.average.high - blind.average.low)
    low, high = told.interval(rows)
    narrow = blind.interval(rows)
    assert (high - low).mean() > 1.2 * (narrow[1] - narrow[0]).mean()


def test_texts_say_who_is_treated() -> None:
    rows, _ = bank(2000, 9)
    arms = np.asarray(["nothing", "letter", "call"])[np.random.default_rng(0).choice(3, 2000)]
    asked: dict[str, Any] = {
        "treatment": "called",
        "outcome": "bought",
        "claim": "randomised",
        "of": ["age", "before"],
    }
    found = learn_uplift(rows | {"called": arms}, **asked, treated="call", control="nothing")
    assert "neither call nor nothing" in found.notes[0]
    assert len(found.scores) == (arms != "letter").sum()
    with pytest.raises(DrivetrainError, match="treated= and control="):
        learn_uplift(rows | {"called": arms}, **asked)


SMALL = {name: values[:300] for name, values in bank(300, 10)[0].items()}


@pytest.mark.parametrize(
    ("changed", "options", "says"),
    [
        ({}, {"claim": None}, "that is a comparison"),
        ({}, {"treatment": "cald"}, "Did you mean called"),
        ({}, {"outcome": "called"}, "both the lever and the outcome"),
        ({}, {"of": ["called"]}, "can't be held fixed"),
        ({}, {"learner": "magic"}, "must be one of"),
        ({}, {"base": "magic"}, "must be one of"),
        ({}, {"propensity": 1.0}, "always or never treated"),
        ({}, {"clip": 0.5}, "clip"),
        ({"called": np.asarray(["yes"] * 300)}, {"treated": "yes", "control": "no"}, "treated= and control="),
        ({"called": np.ones(300)}, {}, "in all 300 rows"),
        ({"called": np.asarray(["yes"] * 30 + ["no"] * 270)}, {}, "30 rows with called"),
        ({"age": np.ones(300), "job": ["a"] * 300, "before": ["no"] * 300}, {}, "tells rows apart"),
        ({"called": np.arange(300) % 3}, {}, "treated= and control="),
        ({"bought": ["x"] * 300}, {}, "texts"),
        ({"home": np.arange(300) % 10}, {"cluster": "home"}, "in 10 clusters"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_is_told(changed: Any, options: Any, says: str) -> None:
    with pytest.raises(DrivetrainError) as caught:
        learn_uplift(SMALL | changed, **{**CALL, "claim": "randomised", **options})
    assert says in str(caught.value)


def test_a_table_is_a_table_wherever_it_comes_from(tmp_path: Path) -> None:
    rows = SMALL | {"income": np.where(np.arange(300) % 7 == 0, "", np.arange(300).astype(str))}
    path = tmp_path / "calls.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[*rows], *zip(*rows.values())])
    found = learn_uplift(path, **{**CALL, "of": ["age", "income"]}, claim="randomised")
    assert "income is missing in 43 rows, which are told apart by that." in found.notes
    polars = pytest.importorskip("polars")
    again = learn_uplift(polars.read_csv(path), **{**CALL, "of": ["age", "income"]}, claim="randomised")
    assert again.to_json() == found.to_json()
    assert np.isfinite(found.effect({"age": [40.0, np.nan], "income": [np.nan, 3.0]})).all()


def test_no_overlap_is_refused() -> None:
    made = np.random.default_rng(11)
    x = made.normal(size=2000)
    treated = (made.random(2000) < 1 / (1 + np.exp(-8 * x))) * 1
    rows = {"x": x, "w": treated, "y": x + made.normal(size=2000)}
    with pytest.raises(DrivetrainError, match="no overlap"):
        learn_uplift(rows, treatment="w", outcome="y", claim={"adjusted": ["x"]})
    told = learn_uplift(rows, treatment="w", outcome="y", claim={"adjusted": ["x"]}, clip=0.05)
    assert any("a guess" in note for note in told.notes)


def test_what_is_asked_of_an_uplift_that_cannot_be_meant_is_told(calls: Uplift) -> None:
    for options, says in (
        ({"gain": -1.0}, "turn it round"),
        ({"gain": float("nan")}, "can't be weighed"),
        ({"gain": 0.0}, "can't be weighed"),
        ({"cost": "job"}, "holds texts"),
        ({"cost": "price"}, "no column"),
        ({"budget": 10.0}, "how many to treat"),
        ({"cost": 1.0, "budget": -1.0}, "how many to treat"),
    ):
        with pytest.raises(DrivetrainError, match=says):
            calls.whom(**options)
    with pytest.raises(DrivetrainError, match="1 to 100"):
        calls.groups(0)
    with pytest.raises(DrivetrainError, match="no column 'job'"):
        calls.effect({"age": [40.0], "before": ["no"]})
