"""Chances, tables, functions and levers of a plan, each against what it is meant to be."""

import math

import numpy as np
import pytest

from drivetrain import decide
from drivetrain.decide.plans.lever import allowed, bounds, extrapolates, snap
from drivetrain.decide.plans.statistic import Statistic, statistic
from drivetrain.decide.world import World
from drivetrain.errors import DataError, UsageError
from drivetrain.runtime.columns import Columns, read_columns

LAWS = {
    "normal": ([2, 3], lambda s: s.norm(2, 3)),
    "lognormal": ([0.5, 0.2], lambda s: s.lognorm(0.2, scale=math.exp(0.5))),
    "uniform": ([-1, 4], lambda s: s.uniform(-1, 5)),
    "exponential": ([100], lambda s: s.expon(scale=100)),
    "beta": ([2, 5], lambda s: s.beta(2, 5)),
    "poisson": ([3.7], lambda s: s.poisson(3.7)),
    "binomial": ([12, 0.3], lambda s: s.binom(12, 0.3)),
    "bernoulli": ([0.25], lambda s: s.bernoulli(0.25)),
}


@pytest.mark.parametrize("law", LAWS)
def test_a_law_is_that_of_scipy(law):
    from scipy import stats

    parameters, of = LAWS[law]
    drawn = decide.chance(**{law: parameters}).draw({}, World(400)).ravel()
    np.testing.assert_allclose(
        np.sort(drawn), of(stats).ppf((np.arange(400) + 0.5) / 400), rtol=1e-9, atol=1e-12
    )


def test_draws_come_again_by_name_and_seed_whatever_the_part():
    world = World(50, rows=7, seed=3)
    numbers = world.uniform("a", each_row=True)
    assert numbers.shape == (1, 7, 50)
    np.testing.assert_array_equal(world.part(slice(10, 20)).uniform("a", each_row=True), numbers[:, :, 10:20])
    np.testing.assert_array_equal(World(50, 7, 3).uniform("a", each_row=True), numbers)
    assert not np.array_equal(world.uniform("b", each_row=True), numbers)
    assert not np.array_equal(World(50, 7, 4).uniform("a", each_row=True), numbers)
    np.testing.assert_allclose(np.sort(numbers, axis=2)[0, 3], (np.arange(50) + 0.5) / 50)


def test_what_a_chance_hangs_on_may_be_a_lever():
    models = {"share": "price / 100", "buys": decide.chance(bernoulli="share"), "gain": "buys * price"}
    plan = decide.Plan("gain", {"price": decide.Lever(low=0, high=100)}, models, draws=100)
    objective, _ = decide.Simulator(plan).evaluate(np.array([[20.0], [50.0]]))
    np.testing.assert_allclose(objective, [4, 25])
    assert plan.claim().kind == "undeclared"
    with pytest.raises(DataError, match="0 <= share <= 1"):
        decide.Simulator(decide.Plan("gain", {"price": decide.Lever(low=0, high=200)}, models)).simulate(
            {"price": 150}
        )


def test_a_table_is_straight_between_points_and_says_nothing_beyond():
    models = {"demand": decide.table("price", [[20, 100], [40, 60], [30, 90]]), "gain": "demand * price"}
    plan = decide.Plan("gain", {"price": decide.Lever(low=20, high=50)}, models)
    simulator = decide.Simulator(plan)
    np.testing.assert_allclose(simulator.evaluate(np.array([[25.0], [35.0]]))[0], [25 * 95, 35 * 75])
    with pytest.raises(DataError, match="price = 45 lies beyond the points of the table, 20 to 40"):
        simulator.evaluate(np.array([[45.0]]))


def test_a_table_of_texts_has_a_value_for_each():
    levers = {"channel": decide.Lever(kind="choice", choices=("mail", "phone"))}
    models = {"cost": decide.table("channel", [["phone", 5.0], ["mail", 1.0], ["visit", 80.0]])}
    simulator = decide.Simulator(decide.Plan("0 - cost", levers, models))
    np.testing.assert_allclose(
        simulator.evaluate(simulator.join({"channel": ["mail", "phone"]}))[0], [-1, -5]
    )
    with pytest.raises(UsageError, match="no value for 'mail'"):
        decide.Plan("0 - cost", levers, {"cost": decide.table("channel", [["phone", 5.0], ["visit", 1.0]])})


def test_a_function_is_called_with_its_inputs_and_what_goes_wrong_in_it_is_told():
    levers = {"price": decide.Lever(low=1, high=9, now=3)}
    plan = decide.Plan("gain", levers, {"gain": lambda price, cost: price - cost}, {"cost": [1.0, 2.0]})
    assert decide.Simulator(plan).evaluate(np.array([[5.0]]))[0] == 7
    plan = decide.Plan("gain", levers, {"gain": lambda price: np.zeros(3)})
    with pytest.raises(DataError, match=r"gave an array of \(3,\)"):
        decide.Simulator(plan).simulate({})
    plan = decide.Plan("gain", levers, {"gain": lambda price: price / "2"})
    with pytest.raises(DataError, match=r"models.gain: the function failed: .*TypeError"):
        decide.Simulator(plan).simulate({})
    with pytest.raises(UsageError, match="by name"):
        decide.Plan("gain", levers, {"gain": lambda *price: price[0]})


def test_bounds_hold_the_rate_of_change_and_the_steps():
    rows = Columns({"paid": np.array([22.0, 78.0])})
    lever = decide.Lever("price", low=20, high=80, step=5, now="paid", rate=6, each=True)
    low, high, now = bounds(lever, rows)
    assert low.tolist() == [20, 75]
    assert high.tolist() == [25, 80]
    assert now.tolist() == [22, 78]
    assert snap(lever, np.array([19.0, 22.4, 22.6, 200])).tolist() == [20, 20, 25, 80]
    whole = decide.Lever("n", kind="whole", low=1, high=6, step=2)
    assert allowed(whole).tolist() == [1, 3, 5]
    assert snap(whole, np.array([0.0, 3.9, 4.1, 9])).tolist() == [1, 3, 5, 5]
    assert allowed(decide.Lever("on", kind="switch")).tolist() == [0, 1]
    assert allowed(decide.Lever("x", low=0, high=1)) is None


def test_what_was_never_tried_extrapolates():
    data = {"paid": [20.0, 30.0], "sent": ["mail", "mail"]}
    levers = {
        "price": decide.Lever(low=0, high=80, now="paid", each=True),
        "channel": decide.Lever(kind="choice", choices=("mail", "phone"), now="sent", each=True),
    }
    plan = decide.Plan("price * (channel == 'mail')", levers, data=data)
    found = decide.Simulator(plan).simulate({"price": [25.0, 31.0], "channel": ["phone", "mail"]})
    assert found.extrapolates["price"].tolist() == [[False, True]]
    assert found.extrapolates["channel"].tolist() == [[True, False]]
    assert not extrapolates(decide.Lever("x"), np.array([1e9])).any()


def test_statistics_are_those_of_the_draws():
    values = np.random.default_rng(0).normal(size=(3, 400))
    worst = np.sort(values, axis=1)[:, :40].mean(1)
    np.testing.assert_allclose(statistic("cvar 0.1").of(values, worst_is_low=True), worst)
    np.testing.assert_allclose(statistic("cvar 0.1").of(-values, worst_is_low=False), -worst)
    np.testing.assert_allclose(statistic("cvar 1").of(values, worst_is_low=True), values.mean(1))
    np.testing.assert_allclose(
        statistic("quantile 0.1").of(values, worst_is_low=True), np.quantile(values, 0.1, axis=1)
    )
    np.testing.assert_allclose(statistic("P(< 0.5)").of(values, worst_is_low=True), (values < 0.5).mean(1))
    assert str(statistic("P( > -1e3 )")) == "P(> -1000)"
    for each in ("mean", "cvar 0.13", "quantile 0.1", "quantile 1"):
        told = statistic(each)
        weights = told.weights(values, worst_is_low=True)
        np.testing.assert_allclose((weights * values).sum(1), told.of(values, worst_is_low=True))
        np.testing.assert_allclose(weights.sum(1), 1)
    assert not Statistic("below", 0.0).weights(values, worst_is_low=True).any()


def test_columns_are_numbers_or_codes_of_texts(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("\ufeffage;region;paid;kept\n30;north;1,5;true\n;south;2;false\n50;;NA;TRUE\n", "utf-8")
    rows = read_columns(path)
    assert rows.names == ("age", "region", "paid", "kept")
    np.testing.assert_array_equal(rows.values["age"], [30, np.nan, 50])
    np.testing.assert_array_equal(rows.values["paid"], [1.5, 2, np.nan])
    assert rows.values["kept"].tolist() == [1, 0, 1]
    assert rows.levels == {"region": ("north", "south")}
    assert rows.values["region"].tolist() == [0, 1, -1]
    assert rows.plain("region") == ["north", "south", None]
    again = read_columns(rows.to_json())
    for name in rows.names:
        np.testing.assert_array_equal(again.values[name], rows.values[name])
    for text, said in {
        "a,b\n1\n": "line 2 has 1 cell",
        "a,a\n1,2\n": "two columns are called 'a'",
        "": "empty",
        "a,b\n": "no rows",
    }.items():
        path.write_text(text)
        with pytest.raises(DataError, match=said):
            read_columns(path)
    path.write_bytes("a\tb\n1\tx\n".encode("utf-16"))
    assert read_columns(path).levels == {"b": ("x",)}
    path.write_bytes(b"PK\x03\x04...")
    with pytest.raises(DataError, match="Save the sheet as CSV"):
        read_columns(path)
    assert read_columns([{"a": 1, "b": "x"}, {"a": None, "b": "y"}]).plain("a") == [1, None]
    with pytest.raises(DataError, match="row 2 and the first differ in 'b'"):
        read_columns([{"a": 1, "b": "x"}, {"a": 2}])
    with pytest.raises(DataError, match="different lengths: a 1, b 2"):
        read_columns({"a": [1], "b": [1, 2]})
    with pytest.raises(DataError, match="row 2 holds 3, and others hold texts"):
        read_columns({"a": ["x", 3]})


@pytest.mark.parametrize(
    "made",
    [
        lambda claim: decide.formula("x", claim=claim),
        lambda claim: decide.chance(normal=["x", 1], claim=claim),
        lambda claim: decide.table("x", [[0, 0], [1, 1]], claim=claim),
        lambda claim: decide.function(lambda x: x, claim=claim),
    ],
)
def test_a_claim_is_said_in_python_as_in_a_plan_file(made):
    assert made("assumed").claim.kind == "assumed"
    assert made({"adjusted": ["season"]}).claim.adjusted_for == ("season",)
    with pytest.raises(UsageError, match="assumed"):
        made("asumed")


def test_a_chance_may_be_another_in_each_period():
    def simulated(**more):
        models = {"luck": decide.chance(uniform=[0, 1], **more), "gain": "price * luck"}
        plan = decide.Plan(
            decide.maximise("gain", horizon=2), {"price": decide.Lever(low=0, high=1)}, models, draws=400
        )
        assert decide.Plan.from_json(plan.to_json()).to_json() == plan.to_json()
        return decide.Simulator(plan).simulate({"price": 1.0}).objective[0]

    same, other = simulated(), simulated(each_period=True)
    assert same.mean() == pytest.approx(1)
    assert other.mean() == pytest.approx(1)
    assert same.var() == pytest.approx(4 / 12, rel=0.01)
    assert other.var() == pytest.approx(2 / 12, rel=0.15)
