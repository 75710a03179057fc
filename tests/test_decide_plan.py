"""Plans as files: PLAN.md says every key, its example is one, and what can't be meant is told with its place."""

import contextlib
import copy
import math
import random
import re
import tomllib
from pathlib import Path

import pytest

import drivetrain.decide
from drivetrain import decide, extensions
from drivetrain.decide.expressions.expression import BY_ROW, FUNCTIONS
from drivetrain.decide.nodes.chance import FORMS
from drivetrain.decide.plans import plan_file
from drivetrain.errors import DrivetrainError

SPECIFIED = Path(drivetrain.decide.__file__).with_name("PLAN.md").read_text("utf-8")
EXAMPLE = re.findall(r"```toml\n(.*?)```", SPECIFIED, re.DOTALL)[0]
WORDS = re.sub(r"```toml\n.*?```", "", SPECIFIED, flags=re.DOTALL)
BASE = """
[objective]
maximise = "profit"
[data]
file = "rows.csv"
[levers.price]
low = 10
high = 80
now = 20
[models]
buys = "sigmoid(4 - 0.1*price)"
profit = "buys*(price-20)"
"""


def test_the_specification_says_every_key_law_and_function():
    said = set(re.findall(r"[A-Za-z_0-9]+", " ".join(re.findall(r"`([^`]+)`", WORDS))))
    keys = {
        *plan_file.TABLES,
        *plan_file._PLAN,
        *plan_file._OBJECTIVE,
        *plan_file._LEVER,
        *plan_file._CONSTRAINT,
    }
    for name in extensions.names(plan_file.ROOM):
        keys |= extensions.find(plan_file.ROOM, name).KEYS
    assert {*keys, *FORMS, *FUNCTIONS, *BY_ROW} <= said


def test_the_example_is_a_plan_and_the_same_again_from_what_it_says_of_itself():
    plan = decide.Plan.from_json(tomllib.loads(EXAMPLE))
    told = plan.to_json()
    assert decide.Plan.from_json(told).to_json() == told
    assert [each.name for each in plan.constraints] == ["share [region = north]", "share [region = south]"]
    assert plan.claim().kind == "randomised"
    found = decide.Simulator(plan).simulate({})
    assert found.objective.mean() > 0
    assert not found.extrapolates["price"].any()


def _read(folder, text):
    (folder / "plan.toml").write_text(text)
    (folder / "rows.csv").write_text("region,paid,cost\nnorth,30,1\nsouth,31,2\nsouth,40,\n")
    return decide.Plan.read(folder / "plan.toml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "[levers.price]",
            "[lever.price]",
            "plan.toml: nothing is called 'lever' here. Did you mean levers?",
        ),
        ("low = 10", "lo = 10", "plan.toml, levers.price: nothing is called 'lo' here. Did you mean low?"),
        ("low = 10", 'low = "10"', "plan.toml, levers.price.low: this must be a number"),
        ("low = 10", "low = 100", "plan.toml, levers.price: low = 100 is above high = 80"),
        ("low = 10", "low = 10\nstep = 0", "step = 0 is not above 0"),
        ("low = 10\nhigh = 80", 'kind = "whole"', "a whole number needs low and high"),
        ("now = 20", 'now = "paid"', "Give each = true"),
        ("now = 20", 'now = "pad"', "Did you mean paid"),
        ("now = 20", 'now = "cost"\neach = true', "cost is missing in row 3"),
        ("now = 20", "now = 500\nrate = 5", "from 500 it moves by at most 5"),
        ("now = 20", 'rule = { of = ["regoin"] }', "levers.price, rule: there is no column 'regoin'"),
        ("now = 20", 'unit = "1000 EUR"', "'1000 EUR' is no unit"),
        (
            '"profit"\n',
            '"profitt"\n',
            "plan.toml, objective: nothing is called 'profitt'. Did you mean profit",
        ),
        ('maximise = "profit"', 'maximise = "profit"\nminimise = "buys"', "both maximise and minimise"),
        ("rows.csv", "rwos.csv", "plan.toml, data.file: there is no file"),
        ("buys*(", "byus*(", "plan.toml, models.profit: nothing is called 'byus'. Did you mean buys?"),
        ("buys*(price-20)", "open('x').read()", "plan.toml, models.profit: there is no function 'open'"),
        ("buys*(price-20)", "(region == 'nroth')*price", "region is never 'nroth'. Did you mean north"),
        ("buys*(price-20)", "region*price", "region holds texts, and can't be calculated with"),
        ("sigmoid(4", "profit*sigmoid(4", "circle: buys -> profit -> buys"),
        ("buys = ", "cost = ", "'cost' is a column and a model"),
        ("buys = ", "price = ", "'price' is a lever and a model"),
        ('buys = "sigmoid(4 - 0.1*price)"', 'buys = { formla = "1" }', "models.buys: it doesn't say what"),
        (
            '"sigmoid(4 - 0.1*price)"',
            '{ formula = "price", claim = "randomized" }',
            "Did you mean randomised",
        ),
        ('"sigmoid(4 - 0.1*price)"', '{ function = "os.system" }', "can't be read from a plan"),
        ('"sigmoid(4 - 0.1*price)"', "{ chance = { nromal = [0, 1] } }", "Did you mean normal"),
        (
            '"sigmoid(4 - 0.1*price)"',
            '{ table = { x = "price", points = [[1, 2], [1, 3]] } }',
            "has a value twice",
        ),
        ("buys*(price-20)", "log(price)*cost", "models.profit: the column cost is missing in row 3"),
        ("buys*(price-20)", "price/0", "it is infinite somewhere"),
        ("[models]", '[[constraints]]\nthat = "sum(cost) < 9"\n[models]', "no lever moves it"),
        (
            "[models]",
            '[[constraints]]\nthat = "mean(buys)"\n[models]',
            "constraints 1: 'mean(buys)' is no comparison",
        ),
        (
            "[models]",
            '[[constraints]]\nthat = "price < 9"\nstatistic = "P(< 0)"\n[models]',
            'say "quantile 0.95"',
        ),
        (
            "[models]",
            '[[constraints]]\nthat = "mean(buys) > 0.1"\nby = "regoin"\n[models]',
            "Did you mean region",
        ),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_place(tmp_path, old, new, said):
    with pytest.raises(DrivetrainError) as fault:
        decide.Simulator(_read(tmp_path, BASE.replace(old, new))).simulate({})
    assert said in str(fault.value).replace(f"{tmp_path}/", "")


def test_a_plan_knows_what_it_was_read_from(tmp_path):
    (tmp_path / "curve.csv").write_text("price,buys\n10,0.9\n80,0.1\n")
    table = '{ table = { file = "curve.csv", x = "price", y = "buys" } }'
    plan = _read(tmp_path, BASE.replace('"sigmoid(4 - 0.1*price)"', table))
    assert [each.name for each in plan.files] == ["rows.csv", "curve.csv"]
    again = decide.Plan.from_json(plan.to_json(), plan.folder)
    assert (
        decide.Simulator(again).evaluate(decide.Simulator(plan).now)[0]
        == decide.Simulator(plan).evaluate(decide.Simulator(again).now)[0]
    )


def _places(tables, above=()):
    inside = (
        tables.items() if isinstance(tables, dict) else enumerate(tables) if isinstance(tables, list) else ()
    )
    for key, value in inside:
        yield (*above, key)
        yield from _places(value, (*above, key))


def test_no_change_of_a_plan_gives_anything_but_a_plan_or_a_fault_in_words():
    chosen = random.Random(0)
    junk = [
        None,
        0,
        -1,
        2.5,
        math.nan,
        1e308,
        10**400,
        "",
        "price",
        "t",
        "'a'",
        "(",
        "1/0",
        "region",
        [],
        ["a"],
        {},
        True,
    ]
    for _ in range(150):
        tables = copy.deepcopy(tomllib.loads(EXAMPLE))
        tables["plan"]["draws"] = 5
        *above, last = chosen.choice(list(_places(tables)))
        inside = tables
        for key in above:
            inside = inside[key]
        inside[last] = chosen.choice(junk)
        with contextlib.suppress(DrivetrainError):
            decide.Simulator(decide.Plan.from_json(tables)).simulate({})
