"""The simulator against closed forms and numpy: draws through the graph, rows, periods, constraints, blocks."""

import numpy as np
import pytest

from drivetrain import decide
from drivetrain.decide.simulate import simulator
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
    first = simulated.values(simulated.now)["profit"].mean(axis=2)[0]
    np.testing.assert_allclose(first * worth, profit, rtol=1e-9)
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
    from drivetrain.decide.expressions.affine import affine, is_affine
    from drivetrain.decide.expressions.expression import parse

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


def _uniform(objective, constraints=(), **more):
    """gain = price * u, with u uniform on (-1, 1)."""
    models = {"u": decide.chance(uniform=[-1, 1]), "gain": "price * u"}
    levers = {"price": decide.Lever(low=0, high=10, now=2)}
    return decide.Simulator(
        decide.Plan(objective, levers, models, constraints=constraints, draws=200, **more)
    )


@pytest.mark.parametrize(
    ("objective", "value"),
    [
        (decide.maximise("gain", statistic="quantile 0.1"), -0.8),
        (decide.maximise("gain", statistic="cvar 0.1"), -0.9),
        (decide.minimise("gain", statistic="cvar 0.1"), 0.9),
        (decide.minimise("gain", statistic="P(< -0.5)"), 0.25),
        (decide.maximise("gain + 1", horizon=2, discount=1), 1.5),
    ],
)
def test_an_objective_is_a_statistic_of_the_draws(objective, value):
    assert _uniform(objective).evaluate(np.array([[1.0]]))[0][0] == pytest.approx(value, abs=0.006)


def test_constraints_hold_in_a_share_of_draws_in_every_row_and_at_a_price():
    simulator = _uniform(
        "gain",
        [
            decide.constraint("gain >= -1", statistic="quantile 0.9", name="seldom a loss"),
            decide.constraint("price == 3", name="three"),
            decide.constraint("price <= 1", soft=5.0, name="dear"),
        ],
    )
    found = simulator.measure(np.array([[1.0], [2.5], [3.0]]))
    np.testing.assert_allclose(found.excess[:, 0], [0.8 - 1, 2 - 1, 2.4 - 1], atol=0.02)
    np.testing.assert_allclose(found.excess[:, 1:], [[2, 0], [0.5, 1.5], [0, 2]])
    np.testing.assert_allclose(found.penalty, [0, 7.5, 10])
    objective, excess = simulator.evaluate(np.array([[3.0]]))
    assert objective[0] == pytest.approx(-10)
    assert excess.shape == (1, 2)
    rows = decide.Plan(
        "price * share",
        {"price": decide.Lever(low=0, high=10, each=True)},
        data={"share": [0.1, 0.5, 0.9]},
        constraints=["price * share <= 2"],
    )
    _, excess = decide.Simulator(rows).evaluate(np.array([[1.0, 2, 3], [1.0, 9, 1]]))
    np.testing.assert_allclose(excess[:, 0], [0.7, 2.5])


def test_several_objectives_and_what_is_the_same_in_all_rows():
    plan = decide.Plan(
        [decide.maximise("price * share"), decide.minimise("price", name="cost")],
        {"price": decide.Lever(low=0, high=10, now=4)},
        data={"share": [0.25, 0.5]},
    )
    found = decide.Simulator(plan).measure(np.array([[4.0]]))
    assert found.objectives.tolist() == [[3, 8]]  # What is the same in each row counts in each.
    total = decide.Plan("sum(price * share) - fixed", plan.levers, {"fixed": "1"}, {"share": [0.25, 0.5]})
    assert decide.Simulator(total).evaluate(np.array([[4.0]]))[0][0] == 2  # A total counts once.
    assert decide.Plan.from_json(total.to_json()).to_json() == total.to_json()
    mean = decide.Plan(
        decide.maximise("price * share", over="mean"), plan.levers, data={"share": [0.25, 0.5]}
    )
    assert decide.Simulator(mean).evaluate(np.array([[4.0]]))[0][0] == 1.5


def test_curves_surfaces_tornado_and_what_if_show_what_the_simulator_computes():
    models = {
        "slope": decide.chance(choice={"values": [0.05, 0.15], "shares": [0.5, 0.5]}),
        "cost": decide.chance(normal=[20, 0.1]),
        "profit": "sigmoid(4 - slope * price + on) * (price - cost)",
    }
    levers = {
        "price": decide.Lever(low=20, high=60, now=40, observed=[25, 50]),
        "on": decide.Lever(kind="switch", now=0),
    }
    plan = decide.Plan("profit", levers, models, constraints=["price <= 50"], draws=100)
    simulator = decide.Simulator(plan)
    curve = simulator.curve("price", points=5)
    assert curve.at.tolist() == [20, 30, 40, 50, 60]
    assert curve.holds.tolist() == [True] * 4 + [False]
    assert curve.extrapolates.tolist() == [True, False, False, False, True]
    at_40 = simulator.evaluate(simulator.now)[0][0]
    assert curve.value[2] == at_40
    assert curve.low[2] < at_40 < curve.high[2]
    assert curve.outcomes["profit"][2] == pytest.approx(at_40)
    surface = simulator.surface("price", "on", points=5)
    assert surface.value.shape == (2, 5)
    np.testing.assert_allclose(surface.value[0], curve.value)
    bars = simulator.tornado()
    assert [bar.name for bar in bars] == ["slope", "cost"]
    assert (bars[0].low, bars[0].high) == (0.05, 0.15)
    assert bars[0].at_low == pytest.approx(20 / (1 + np.exp(-2)), rel=1e-6)
    told = simulator.what_if([{"price": 40}, {"price": 60, "on": True}])
    assert told[0]["objective"]["mean"] == pytest.approx(at_40)
    assert (told[1]["holds"], told[1]["extrapolates"]) == (False, ["price"])


def test_what_is_computed_in_groups_of_settings_is_the_same(monkeypatch):
    x = np.linspace(0, 10, 50)[:, None]
    whole = _uniform("gain", ["gain >= -1"]).measure(x)
    monkeypatch.setattr(simulator, "AT_ONCE", 400)
    parts = _uniform("gain", ["gain >= -1"]).measure(x)
    np.testing.assert_array_equal(whole.objectives, parts.objectives)
    np.testing.assert_array_equal(whole.excess, parts.excess)


def test_what_is_not_by_chance_is_computed_once_and_not_for_each_draw():
    calls = []

    def gain(price):
        calls.append(price.shape)
        return price * 2

    plan = decide.Plan("gain", {"price": decide.Lever(low=0, high=9)}, {"gain": gain}, {"a": np.ones(2000)})
    assert decide.Simulator(plan).evaluate(np.array([[1.0], [2.0]]))[0].tolist() == [4000, 8000]
    assert calls == [(2, 1, 1)]
