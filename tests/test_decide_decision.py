"""A decision: what it promises, when it says to act, and that it comes out the same again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain import decide
from drivetrain.decide.judge.decision import Decision
from drivetrain.errors import DataError, FileError, UsageError

ASSUMED, WORDS = decide.Claim("assumed"), decide.Claim("definition")


def price(claim: decide.Claim = ASSUMED, *, cost: str = "20", draws: int = 200, **lever: Any) -> decide.Plan:
    """Logit demand: best at 40, where the profit is 10."""
    lever = {"low": 20.0, "high": 80.0, "now": 30.0, "unit": "EUR", **lever}
    models = {
        "buys": decide.formula("sigmoid(4 - 0.1 * price)", claim=claim),
        "profit": decide.formula(f"(price - {cost}) * buys", claim=WORDS, unit="EUR"),
    }
    return decide.Plan("profit", {"price": decide.Lever(**lever)}, models, draws=draws)


PLAN = """
[plan]
name = "price"
draws = 100
simulated = true
[objective]
maximise = "profit"
unit = "EUR"
[data]
file = "rows.csv"
[levers.price]
low = 20
high = 60
step = 1
now = 30
[models.buys]
formula = "sigmoid(4 - 0.1 * price + taste)"
claim = "randomised"
[models.cost]
chance = { normal = [20, 1] }
[models.profit]
formula = "(price - cost) * buys"
claim = "definition"
[[constraints]]
that = "mean(buys) >= 0.4"
name = "share"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "rows.csv").write_text("taste\n" + "\n".join(map(str, np.linspace(-1, 1, 20))))
    return tmp_path


def test_the_gain_on_now_is_told_with_its_verdict() -> None:
    made = decide.decide(price())
    (lever,) = made.levers
    assert lever.proposed == pytest.approx(40, rel=1e-5)
    assert made.result.proposed.value == pytest.approx(10)
    assert made.result.gain is not None
    assert made.result.gain.value == pytest.approx(10 - 10 / (1 + np.exp(-1)))
    assert made.verdict.word == "act"
    assert "30 EUR -> 40 EUR" in made.words
    assert made.worst is not None
    assert made.worst["objective"] == pytest.approx(0)


def test_sure_is_said_only_where_nothing_is_left_to_chance() -> None:
    assert "is sure by these models" in decide.decide(price()).words
    lever = {"price": decide.Lever(low=20, high=200, now=40)}
    for slopes, said in (
        ([0.05, 0.15], "Act, if the mean is what counts: 50 % of the draws are a loss"),
        ([0.05, 0.06], "in none of the draws"),
    ):
        models = {
            "slope": decide.chance(choice={"values": slopes, "shares": [0.5, 0.5]}),
            "buys": decide.formula("sigmoid(4 - slope * price)", claim=ASSUMED),
        }
        made = decide.decide(decide.Plan(decide.maximise("(price - 20) * buys"), lever, models, draws=200))
        assert made.verdict.word == "act"
        assert said in made.words
        assert " sure" not in made.words
        assert any("slope is the same for all rows" in each for each in made.verdict.because) == (
            slopes[1] == 0.15
        )


def test_without_a_claim_it_is_only_a_comparison_and_never_optimal() -> None:
    made = decide.decide(price(decide.Claim(), step=1.0))
    assert (made.verdict.word, made.verdict.optimal) == ("comparison only", False)
    assert "optimal" not in json.dumps(made.to_json()["verdict"]["words"])
    assert made.certificate["proves"]


def test_optimal_needs_a_proof_beside_the_claim() -> None:
    assert decide.decide(price(step=1.0)).verdict.optimal
    found = decide.decide(price(step=1.0)).verdict.words
    assert "optimal" in found


def test_what_was_never_tried_is_to_be_tested_first() -> None:
    made = decide.decide(price(observed=np.linspace(22, 38, 20)))
    assert made.verdict.word == "test first"
    (beyond,) = made.extrapolates
    assert "22 to 38" in beyond.words
    assert made.try_first is not None


def test_nothing_to_gain_is_nothing_to_do() -> None:
    made = decide.decide(price(now=40.0, step=1.0))
    assert made.verdict.word == "do not act"
    assert made.try_first is None


def test_without_a_practice_there_is_no_gain_but_the_average_of_what_was_tried() -> None:
    made = decide.decide(price(now=None, step=1.0))
    assert made.result.gain is None
    assert "nobody said" in made.notes[0]
    seen = decide.decide(price(now=None, step=1.0, observed=np.linspace(20, 60, 9)))
    assert seen.result.gain is not None
    assert "average of what was observed" in seen.notes[0]


def test_a_chance_that_is_believed_decides_by_what_is_expected() -> None:
    # Newsvendor: many draws lose by ordering more, and it is right on average all the same.
    models = {
        "demand": decide.chance(normal=[100, 20]),
        "profit": decide.formula("10 * min(order, demand) - 4 * order + max(order - demand, 0)", claim=WORDS),
    }
    plan = decide.Plan("profit", {"order": decide.Lever(low=0, high=200, now=80.0)}, models, draws=1000)
    made = decide.decide(plan)
    assert made.verdict.word == "act"
    assert made.levers[0].proposed == pytest.approx(108.61, abs=0.2)
    assert made.result.chance_of_loss > 0.1
    assert "of the draws are a loss" in made.words
    assert " sure" not in made.words
    (bar,) = made.could_turn.tornado
    assert bar["name"] == "demand"
    assert bar["turns"]
    assert any("loss" in each for each in made.could_turn.words)


def test_it_is_read_back_as_it_was_written(folder: Path) -> None:
    made = decide.decide(folder / "plan.toml")
    made.save(folder / "decision.json")
    again = decide.open_decision(folder / "decision.json")
    assert again.to_json() == made.to_json()
    assert made.simulated
    (held,) = made.constraints
    assert held.holds
    assert held.value >= 0.4
    assert held.value == pytest.approx(held.bound + held.slack)
    assert {each.name for each in made.promise} == {"buys", "profit"}


def test_the_same_plan_decides_the_same_again_from_its_file_alone(folder: Path) -> None:
    decide.decide(folder / "plan.toml").save(folder / "decision.json")
    found = decide.replay(decide.open_decision(folder / "decision.json"))
    assert found.same
    assert not found.changed
    (folder / "rows.csv").rename(folder / "other.csv")
    gone = decide.replay(decide.open_decision(folder / "decision.json"))
    assert not gone.same
    assert "rows.csv can't be read" in gone.words


def test_a_file_that_has_changed_is_named(folder: Path) -> None:
    made = decide.decide(folder / "plan.toml")
    with open(folder / "rows.csv", "a") as file:
        file.write("\n3")
    found = decide.replay(made)
    assert not found.same
    assert found.changed[0] == "rows.csv has changed."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "else"}, "no decision"),
        ({"version": 99}, "newer drivetrain"),
        ({"rows": "many"}, r"\.rows"),
        ({"levers": {}}, r"\.levers"),
        ({"verdict": {"word": "hurrah", "optimal": True, "words": "", "because": []}}, r"\.verdict\.word"),
    ],
)
def test_a_file_that_is_no_decision_is_refused_with_the_key(change: dict[str, Any], said: str) -> None:
    told = decide.decide(price(step=10.0)).to_json()
    with pytest.raises(DataError, match=said):
        Decision.from_json(told | change)
    del told["levers"]
    with pytest.raises(DataError, match="'levers'"):
        Decision.from_json(told)


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError):
        decide.open_decision(tmp_path / "nowhere.json")


def test_levers_of_each_row_are_told_by_what_they_come_to() -> None:
    rows = {"taste": np.linspace(-1, 1, 8), "paid": [30.0] * 8}
    models = {
        "buys": decide.formula("sigmoid(4 - 0.1 * price + taste)", claim=ASSUMED),
        "profit": decide.formula("(price - 20) * buys", claim=WORDS),
    }
    lever = decide.Lever(low=20, high=60, step=5, now="paid", each=True)
    made = decide.decide(decide.Plan("profit", {"price": lever}, models, rows, draws=50))
    (told,) = made.levers
    assert told.by_row is not None
    assert len(told.by_row["proposed"]) == 8
    assert told.spread is not None
    assert sum(told.spread["proposed"]) == 8
    assert told.spread["changed"] == 8
    assert isinstance(told.proposed, float)


def test_what_holds_by_definition_needs_no_trial_where_nobody_was() -> None:
    models = {
        "demand": decide.chance(normal=[100, 20]),
        "profit": decide.formula("10 * min(order, demand) - 4 * order", claim=WORDS),
    }
    lever = decide.Lever(low=0, high=200, step=1, now=60.0, observed=np.arange(40.0, 70))
    made = decide.decide(decide.Plan("profit", {"order": lever}, models, draws=200))
    assert made.verdict.word == "act"
    assert [each.name for each in made.extrapolates] == ["order"]


def test_several_objectives_are_a_trade_that_a_person_makes() -> None:
    models = {"sold": decide.formula("100 - 2 * price", claim=ASSUMED)}
    objectives = [
        decide.maximise("(price - 10) * sold", name="profit"),
        decide.maximise("sold", name="reach"),
    ]
    lever = decide.Lever(low=10, high=40, step=1, now=20.0)
    made = decide.decide(decide.Plan(objectives, {"price": lever}, models, draws=10))
    front = made.charts["front"]
    assert front["names"] == ["profit", "reach"]
    prices = [point["levers"]["price"] for point in front["points"]]
    assert sorted(prices) == list(range(10, 31))  # Beyond 30 both are less.
    assert made.levers[0].proposed == prices[front["chosen"]]
    assert 10 < made.levers[0].proposed < 30
    assert made.verdict.word == "comparison only"
    assert "for a person to say" in made.verdict.words
    assert Decision.from_json(made.to_json()).to_json() == made.to_json()


def test_a_practice_that_breaks_a_constraint_is_left_at_a_cost() -> None:
    plan = price(step=1.0, now=40.0)
    bound = decide.Plan(plan.objectives, plan.levers, plan.nodes, None, ["buys >= 0.6"], draws=10)
    made = decide.decide(bound)
    assert made.levers[0].proposed == 35
    assert made.verdict.word == "act"
    assert "breaks buys >= 0.6" in made.verdict.words
    assert made.result.gain is not None
    assert made.result.gain.value < 0


def test_the_price_of_a_soft_constraint_is_paid() -> None:
    plan = price(step=1.0, now=40.0)
    soft = decide.constraint("buys >= 0.6", soft=1000.0)
    made = decide.decide(decide.Plan(plan.objectives, plan.levers, plan.nodes, None, [soft], draws=10))
    assert made.levers[0].proposed == 35
    assert made.result.gain is not None
    assert made.result.gain.value == pytest.approx(1000 * 0.1, rel=0.05)
    assert made.verdict.word == "act"


@pytest.mark.parametrize(
    ("statistic", "said"),
    [
        ("mean", "on average over 50 draws"),
        ("quantile 0.1", "at the 10 % quantile"),
        ("cvar 0.1", "over the worst 10 %"),
        ("P(< 0)", "the least chance that"),
    ],
)
def test_what_was_asked_is_told_in_words(statistic: str, said: str) -> None:
    models = {
        "demand": decide.chance(normal=[100, 20]),
        "profit": decide.formula("10 * min(order, demand) - 6 * order", claim=WORDS, unit="EUR"),
    }
    sense = decide.minimise if statistic.startswith("P") else decide.maximise
    lever = decide.Lever(low=10, high=200, step=10, now=150.0)
    made = decide.decide(
        decide.Plan(sense("profit", statistic=statistic), {"order": lever}, models, draws=50)
    )
    assert said in made.objective.words
    assert made.verdict.word == "act"
    assert Decision.from_json(made.to_json()).to_json() == made.to_json()


def test_a_step_beyond_what_was_tried_is_told_and_stops_nobody() -> None:
    made = decide.decide(price(step=1.0, observed=np.linspace(22, 39.9, 20)))
    assert made.verdict.word == "act"
    assert "Extrapolates: price" in " ".join(made.verdict.because)


def test_python_tells_a_decision_as_the_command_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from drivetrain.cli.main import main

    monkeypatch.setenv("COLUMNS", "400")
    made = decide.decide(price())
    made.save(tmp_path / "made.json")
    assert main(["decide", str(tmp_path / "made.json")]) == 0
    told = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert str(made).splitlines() == told
    assert repr(made) == "<Decision '': act; price: 30 EUR -> 40 EUR>"
    with pytest.raises(UsageError, match="page"):
        made.save(tmp_path / "made.html")


def test_a_decision_is_a_page_and_shows_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    made = decide.decide(price(draws=20))
    made.page(tmp_path / "made.html")
    assert "What to do" in (tmp_path / "made.html").read_text()
    came = decide.outcomes(made, {"buys": [0.5] * 30, "profit": [10.0] * 30})
    made.page(tmp_path / "held.html", outcomes=came)
    assert "What came back" in (tmp_path / "held.html").read_text()
    assert str(came).splitlines()[0] == came.words
    assert [each.inside for each in came.promised] == [True, True]
    shown = made._repr_html_()
    assert "<table" in shown
    assert "<img" in shown
    assert "<html" not in shown
    monkeypatch.setattr("drivetrain.report.decision.has_matplotlib", lambda: False)
    assert "<img" not in made._repr_html_()


def test_a_name_turns_nothing_around(tmp_path: Path) -> None:
    plan = price(draws=20).to_json()
    plan["plan"]["name"] = "a\u202ename"
    made = decide.decide(decide.Plan.from_json(plan))
    assert str(made).splitlines()[0] == "a\\u202ename"
    assert "\u202e" not in made._repr_html_()


def test_what_was_tried_of_choices_is_told_by_their_names() -> None:
    data = {"had": ["red", "blue", "blue"], "on": [1, 1, 1]}
    levers = {
        "colour": decide.Lever(kind="choice", choices=("red", "green", "blue"), now="had", each=True),
        "light": decide.Lever(kind="switch", now="on", each=True),
    }
    plan = decide.Plan("if(colour == 'green', 2, 1) - light", levers, data=data, draws=10)
    made = decide.decide(plan)
    told = {lever["name"]: lever["observed"] for lever in made.to_json()["levers"]}
    assert (told["colour"]["values"], told["colour"]["counts"]) == (["red", "blue"], [1, 0, 2])
    assert "red, blue (3 rows)" in str(made)
    assert "on (3 rows)" in str(made)
    assert "colour, by row: green for all; 3 of 3 rows change" in made.words


def test_several_objectives_are_all_told_and_what_is_known_of_a_point_of_their_front() -> None:
    levers = [decide.Lever("n", kind="whole", low=0, high=9, now=1)]
    ends = [decide.maximise("10 * n - n ^ 2", unit="EUR"), decide.minimise("n", unit="h")]
    told = decide.decide(decide.Plan(ends, levers, draws=10)).to_json()
    assert "the most EUR of 10 * n - n ^ 2" in told["objective"]["words"]
    assert "the least h of n" in told["objective"]["words"]
    assert told["certificate"]["words"].startswith(
        "With the other objectives as good as here: all 10 settings"
    )
    assert told["certificate"]["bound"] is None


@pytest.mark.parametrize(
    ("lever", "says"),
    [("sex", 'give the lever now = "sex_now"'), ("woman", "has to be called as the lever is")],
)
def test_a_lever_that_no_model_knows_is_told_what_to_be_called(lever: str, says: str) -> None:
    data = {"sex": ["f", "m"] * 20, "survived": [1, 0, 0, 1] * 10}
    saved = decide.learned(data, outcome="survived", lever="sex", claim="assumed")
    with pytest.raises(UsageError, match=says):
        decide.Plan("saved", {lever: decide.Lever(kind="choice", choices=("f", "m"))}, {"saved": saved}, data)
