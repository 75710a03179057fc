"""Plans and tables that can't be meant, or are at the end of what can be: one error with its place, or the right answer."""

import operator
from pathlib import Path
from typing import Any

import pytest

from drivetrain import decide
from drivetrain.cli.main import main
from drivetrain.decide.expressions.calculate import calculate
from drivetrain.decide.expressions.expression import Call, parse, parts
from drivetrain.decide.plans.statistic import statistic
from drivetrain.errors import DataError, UsageError
from drivetrain.runtime.columns import read_columns

WAYS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


def plan(**changed: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "plan": {"draws": 10},
        "objective": {"maximise": "(price - 20) * buys"},
        "levers": {"price": {"low": 20.0, "high": 60.0, "now": 30.0}},
        "models": {"buys": {"formula": "sigmoid(4 - 0.1 * price)", "claim": "assumed"}},
    }
    return told | changed


def decided(**changed: Any) -> dict[str, Any]:
    return decide.decide(decide.Plan.from_json(plan(**changed))).to_json()


def deep(text: str) -> int:
    known = dict[int, int]()
    for part in parts(parse(text).tree):
        below = part.children if isinstance(part, Call) else ()
        known[id(part)] = 1 + max((known[id(each)] for each in below), default=0)
    return max(known.values())


@pytest.mark.parametrize("signs", ["+", "-", "+-", "*", "*/", "/"])
def test_a_long_chain_is_as_deep_as_its_logarithm_and_means_the_same(signs: str) -> None:
    text, value = "9", 9.0
    for place in range(200):
        sign = signs[place % len(signs)]
        text += f" {sign} 1.0{place % 7}"
        value = WAYS[sign](value, 1 + place % 7 / 100)
    assert deep(text) < 15
    assert calculate(parse(text), {}).item() == pytest.approx(value, rel=1e-12)


def test_a_chain_of_models_that_is_too_long_is_told() -> None:
    models = {"m0": "-(price - 30)^2"} | {f"m{i}": f"m{i - 1} + 1" for i in range(1, 600)}
    with pytest.raises(UsageError, match="too long to be looked through"):
        decided(objective={"maximise": "m599"}, models=models)


def test_a_lever_whose_worst_has_no_end_has_a_best() -> None:
    found = decided(objective={"maximise": "-(price - 31)^2"}, models={}, levers={"price": {"now": 30}})
    assert found["levers"][0]["proposed"] == pytest.approx(31)
    found = decided(levers={"price": {"high": 80.0, "now": 32.0}})
    assert found["levers"][0]["proposed"] == pytest.approx(decided()["levers"][0]["proposed"], rel=1e-4)


def test_draws_that_differ_by_rounding_have_a_histogram() -> None:
    found = decided(objective={"maximise": "1e200 * (price - 20) * buys"})
    assert sum(found["charts"]["gain"]["counts"]) == 10


def test_what_is_done_now_stays_where_nothing_is_better() -> None:
    found = decided(objective={"maximise": "floor(0 * price)"}, models={})
    assert found["levers"][0]["proposed"] == found["levers"][0]["now"] == 30
    assert found["verdict"]["word"] == "do not act"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"objective": {"maximise": "buys", "horizon": 10_000, "discount": -0.9}}, "outweighs all numbers"),
        ({"objective": {"maximise": "buys", "statistic": "P(> 1e400)"}}, "there is no statistic"),
        ({"levers": {"price": {"kind": "whole", "low": 2.2, "high": 2.8}}}, "no whole number from 2.2 to 2.8"),
        ({"constraints": [{"that": "price < 3", "soft": float("inf")}]}, "a number above 0"),
        ({"models": {"buys": {"chance": {"normal": [1e308, 1]}}}}, "up to 1e[+]100"),
    ],
)  # fmt: skip
def test_what_cant_be_meant_is_told(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        decided(**changed)


@pytest.mark.parametrize("names", [[True], [["age"]], [1.5, "age"], [{"a": 1}]])
@pytest.mark.parametrize("key", ["adjust", "varies_with"])
def test_columns_to_learn_by_are_named_by_texts(key: str, names: list[Any]) -> None:
    rows = {"price": [1.0, 2.0] * 20, "buys": [0.0, 1.0, 1.0, 0.0] * 10, "age": [3.0] * 40}
    learn = {"columns": rows, "outcome": "buys", "lever": "price", key: names}
    with pytest.raises(UsageError, match=f"{key} = .* can't be meant"):
        decided(models={"buys": {"learn": learn}})


@pytest.mark.parametrize(
    "text", ["P(< 123456789)", "quantile 0.123456789", "cvar 0.1", "P(> 1e-09)", "P(> 1e+20)"]
)
def test_a_statistic_is_written_as_it_is_read(text: str) -> None:
    assert statistic(str(statistic(text))) == statistic(text)
    assert str(statistic(text)) in (text, "P(> 1e+20)")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('a,b\n1,2\n3,"4\n5,6\n7,8\n', "begins at line 3"),
        ("a,b\n\n1,2\n\n3\n", "line 5 has 1 cell"),
        ('a,b\n1,"2" x\n', "begins at line 2"),
    ],
)  # fmt: skip
def test_a_csv_loses_no_row(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        read_columns(tmp_path / "rows.csv")


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["1", "2", "n.a."], "'n.a.' is no number"),
        (["1,234", "2,345.5"], "without signs between digits"),
        (["12 %", "9 %"], "without signs between digits"),
        (["north", "south"], "Compare it: cost == 'north'"),
    ],
)
def test_numbers_that_were_read_as_texts_say_which_cell_it_was(cells: list[str], words: str) -> None:
    with pytest.raises(UsageError) as fault:
        decided(data={"columns": {"cost": cells}}, objective={"maximise": "price - cost"}, models={})
    assert words in fault.value.fix


@pytest.mark.parametrize("option", ["--out", "--html"])
def test_a_plan_is_not_replaced_by_its_decision(
    tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plan.toml"
    path.write_text("[objective]\n")
    assert main(["decide", str(path), option, str(tmp_path / "." / "plan.toml"), "--force"]) == 2
    assert "is the plan itself" in capsys.readouterr().err
    assert path.read_text() == "[objective]\n"


def test_what_has_no_unit_is_called_so() -> None:
    price = {"low": 20.0, "high": 60.0, "unit": "EUR"}
    with pytest.raises(UsageError, match="in no unit"):
        decided(levers={"price": price}, objective={"maximise": "price + (price > 30)"}, models={})


def test_a_number_of_two_settings_that_a_column_tells_has_no_overlap() -> None:
    rows = {
        "price": [20.0] * 100 + [50.0] * 100,
        "buys": [float(i % 3 % 2) for i in range(200)],
        "age": [float(i) for i in range(200)],
    }
    told = {"learn": {"columns": rows, "outcome": "buys", "lever": "price"}, "claim": {"adjusted": ["age"]}}
    found = decided(models={"buys": told})
    assert found["verdict"]["word"] == "comparison only"
    assert "next to no row like them" in str(found["rests_on"])
