"""The simulator against closed forms and numpy: draws through the graph, rows, periods, constraints, blocks."""

import numpy as np
import pytest

from drivetrain import decide
from drivetrain.decide import simulator
from drivetrain.errors import DrivetrainError


def _two_slopes(**more):
    models = {
        "slope": decide.chance(choice={"values": [0.05, 0.15], "shares": [0.5, 0.5]}),
        "buys": "sigmoid(4 - slope * price)",
        "profit": "buys * (price - 20)",
    }
    return decide.Plan("profit", {"price": decide.Lever(low=20, high=120, now=40)}, models, **more)


def test_draws_go_through_the_graph_and_no_mean_is_plugged_in():
    simulator = decide.Simulator(_two_slopes(constraints=["mean(buys) >= 0.6"]))
    objective, excess = simulator.evaluate(np.array([[40.0], [70.856]]))
    chances = 1 / (1 + np.exp(-4 + np.outer([40, 70.856], [0.05, 0.15])))
    np.testing.assert_allclose(objective, chances.mean(1) * [20, 50.856], rtol=1e-12)
    np.testing.assert_allclose(excess[:, 0], 0.6 - chances.mean(1), rtol=1e-12)


def test_rows_periods_and_groups_are_those_of_numpy():
    rng = np.random.default_rng(0)
    age, region = rng.uniform(20, 60, 30), np.where(rng.uniform(size=30) < 0.5, "north", "south")
    now = rng.uniform(20, 40, 30)
    plan = decide.Plan(
        decide.maximise("profit", horizon=3, discount=0.1),
        {"price": decide.Lever(low=10, high=80, now="paid", each=True)},
        {
            "slope": decide.chance(normal=[0.1, 0.01]),
            "buys": "sigmoid(4 - slope * price - 0.01 * age) * 0.9 ^ t",
            "profit": "buys * (price - 20)",
        },
        {"age": age, "region": region, "paid": now},
        [decide.constraint("mean(price) <= 30", by="region", name="fair")],
        draws=200,
        seed=3,
    )
    simulated = decide.Simulator(plan)
    from scipy.stats import norm

    slope = norm.ppf((np.arange(200) + 0.5) / 200, 0.1, 0.01)
    buys = 1 / (1 + np.exp(-(4 - np.outer(now, slope) - 0.01 * age[:, None])))
    worth = sum((0.9 / 1.1) ** t for t in range(3))
    profit = (buys * (now - 20)[:, None]).mean(1) * worth
    np.testing.assert_allclose(simulated.per_row(simulated.now)[0], profit, rtol=1e-9)
    objective, excess = simulated.evaluate(simulated.now)
    np.testing.assert_allclose(objective, profit.sum(), rtol=1e-9)
    assert [each.name for each in plan.constraints] == ["fair [region = north]", "fair [region = south]"]
    means = [now[region == each].mean() - 30 for each in ("north", "south")]
    np.testing.assert_allclose(excess[0], means, rtol=1e-12)


def test_blocks_change_nothing(monkeypatch):
    def found(block):
        monkeypatch.setattr(simulator, "BLOCK", block)
        return decide.Simulator(_two_slopes(draws=50)).evaluate(np.linspace(20, 90, 40)[:, None])[0]

    np.testing.assert_array_equal(found(1 << 17), found(64))


def test_a_plan_is_the_same_again_from_what_it_says_of_itself():
    plan = _two_slopes(constraints=["mean(buys) >= 0.6"], name="two slopes", seed=5)
    again = decide.Plan.from_json(plan.to_json())
    assert again.to_json() == plan.to_json()
    x = np.array([[33.0]])
    assert decide.Simulator(again).evaluate(x)[0] == decide.Simulator(plan).evaluate(x)[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"models": {"profit": "pirce * 2"}}, "Did you mean price"),
        ({"models": {"price": "2"}}, "lever and a model"),
        ({"models": {"profit": "a * price", "a": "profit"}}, "circle"),
        ({"models": {"profit": "log(price - 100)"}}, "models.profit: it is not a number, at price = 20"),
        ({"levers": {"price": decide.Lever(low=20, high=10)}}, "low = 20 is above high = 10"),
        ({"levers": {"price": decide.Lever(low=2, high=10), "idle": decide.Lever()}}, "levers.idle"),
        ({"objective": "price"}, "the lever price itself"),
        ({"objective": "__import__('os').system('true')"}, "no function '__import__'"),
    ],
)
def test_what_cannot_be_meant_is_told(change, said):
    given = {
        "objective": "profit",
        "levers": {"price": decide.Lever(low=20, high=30, now=20)},
        "models": {"profit": "price * 2"},
    }
    with pytest.raises(DrivetrainError) as fault:
        decide.Simulator(decide.Plan(**given | change)).simulate({})
    assert said in str(fault.value)


def test_a_plan_says_that_its_data_are_simulated(tmp_path):
    text = (
        '[plan]\nsimulated = true\n[objective]\nmaximise = "1 - x ^ 2"\n[levers]\nx = {low = -1, high = 1}\n'
    )
    (tmp_path / "plan.toml").write_text(text)
    plan = decide.Plan.read(tmp_path / "plan.toml")
    assert plan.simulated
    assert decide.Plan.from_json(plan.to_json()).simulated


def test_what_is_affine_has_its_coefficients_and_what_is_not_has_none():
    from drivetrain.decide.affine import affine, is_affine
    from drivetrain.decide.expression import parse

    rng = np.random.default_rng(0)
    values = {"p": np.zeros((1, 5, 1)), "q": np.zeros((1, 1, 1)), "w": rng.normal(size=(1, 5, 3))}
    expression = parse("sum(w * p) / 2 - 3 * (q - 1) + if(w > 0, p, 2 * p)")
    told = affine(expression, ("p", "q"), values, rows=5)
    assert told is not None
    found, constant = told
    w = values["w"]
    # The sum counts in each of the five rows, and q in each of rows and draws.
    np.testing.assert_allclose(found["p"], (2.5 * w + np.where(w > 0, 1, 2)).sum(2, keepdims=True))
    np.testing.assert_allclose((found["q"].item(), constant), (-45, 45))
    for text in ("p * q", "p ^ 2", "w / p", "if(p > 1, p, q)", "max(p, q)", "mean(p | p > 1)", "abs(p)"):
        assert not is_affine(parse(text).tree, ("p", "q")), text
