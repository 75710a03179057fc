"""Bundles as parts of a plan: answers drawn with how sure they are, asked once, and refused where they don't say it."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import bundle_examples
import numpy as np
import pytest

from drivetrain import decide
from drivetrain.bundle import bundle_bytes, make_cases
from drivetrain.codecs import Signature
from drivetrain.codecs.number import Number
from drivetrain.decide.answers.base import uncertain
from drivetrain.decide.bundles.distinct import Known, distinct
from drivetrain.decide.nodes import bundle, forecast
from drivetrain.decide.nodes.base import Given, Node, Scope
from drivetrain.decide.nodes.forecast import quantile
from drivetrain.decide.world import World
from drivetrain.effects.claim import Claim
from drivetrain.errors import DataError, UsageError

BUNDLES = Path(__file__).parent / "bundles"


def node(names: tuple[str, ...] = (), levels: dict[str, tuple[str, ...]] | None = None, **table: Any) -> Node:
    kind = "forecast" if "forecast" in table else "bundle"
    table[kind] = f"format-{table[kind]}.bundle"
    read = forecast.read if kind == "forecast" else bundle.read
    made: Node = read(Given("m", table, "models.m", BUNDLES, Claim("assumed"), ""))
    return made.fed(names).bind(Scope(frozenset(names), levels or {}, {}))


def test_a_class_is_its_chance_at_every_setting_and_row() -> None:
    made = node(
        ("hours", "native-country"), {"native-country": ("Cuba", "United-States")}, bundle="1-trees", answers="high",
        given={"hours per week": "hours", "day": "'2024-02-03'"},
    )  # fmt: skip
    values = {
        "hours": np.linspace(30, 50, 5)[:, None, None],
        "native-country": np.array([0.0, 1, 0])[None, :, None],
    }
    found = made.draw(values, World(10, 3))
    assert found.shape == (5, 3, 1)
    predictor: Any = made.predictor  # type: ignore[attr-defined]
    asked = {"hours per week": 45, "native-country": "United-States", "day": "2024-02-03"}
    assert found[3, 1, 0] == pytest.approx(predictor.predict(asked).probabilities["high"])


def test_each_different_row_is_asked_once() -> None:
    made: Any = node(("size",), bundle="3-blend", target="sold", given={"area": "size"})
    asked: list[int] = []
    ask = made.predictor.session.run

    def counted(feeds: dict[str, Any]) -> Any:
        asked.append(len(feeds["area"]))
        return ask(feeds)

    made.predictor.session.run = counted
    sizes = np.tile(np.array([10.0, 20, 30]), 200)[None, :, None]
    made.draw({"size": sizes}, World(10, 600))
    made.draw({"size": np.concatenate([sizes, sizes + 10])}, World(10, 600))
    assert asked == [3, 1]


def test_what_nothing_in_training_was_like_is_told() -> None:
    made = node(
        ("hours", "native-country"), {"native-country": ("Atlantis",)}, bundle="1-trees", answers="high",
        given={"hours per week": "hours", "day": "'2024-02-03'"},
    )  # fmt: skip
    values = {"hours": np.array([40.0, 300])[None, :, None], "native-country": np.zeros((1, 2, 1))}
    found = {each.name: each for each in made.beyond(values)}
    assert found["hours"].share == 0.5
    assert "far above" in found["hours"].words
    assert "Atlantis" in found["native-country"].words


def test_a_number_without_a_range_is_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"not how sure.*part that validates"):
        node(("area", "town"), bundle="1-houses")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"bundle": "3-blend"}, "target = one of price, sold"),
        ({"bundle": "3-blend", "target": "sould"}, "Did you mean sold"),
        ({"bundle": "3-blend", "target": "sold", "answers": "yess"}, "Did you mean yes"),
        ({"bundle": "3-blend", "target": "sold", "draws": "maybe"}, '"expected"'),
        ({"bundle": "3-blend", "target": "sold", "given": {"aera": "size"}}, "Did you mean area"),
        ({"bundle": "3-blend", "target": "sold", "given": {"area": "sise"}}, "Did you mean size"),
        ({"bundle": "3-blend", "target": "sold", "given": {"area": ["size"]}}, "isn't understood"),
        ({"bundle": "3-blend", "target": "sold"}, "no lever, column or outcome"),
        ({"bundle": "8-sales"}, "forecast = "),
        ({"forecast": "8-sales"}, "path of a file"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told_with_the_nearest(table: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as fault:
        node(("size",), **table)
    assert "models.m" in str(fault.value)


def test_a_value_that_the_model_cannot_read_is_told_with_its_column() -> None:
    made = node(("area", "place"), {"place": ("Ulm", "Rome")}, bundle="3-blend", target="sold")
    with pytest.raises(DataError, match="area"):
        made.draw({"area": np.full((1, 1, 1), np.nan)}, World(10))


def test_whether_a_class_comes_true_is_drawn_by_its_chance() -> None:
    made = node(("area",), bundle="3-blend", target="sold", draws="each")
    values = {"area": np.array([20.0, 50])[None, :, None]}
    drawn = made.draw(values, World(1000, 2))
    chance = node(("area",), bundle="3-blend", target="sold").draw(values, World(1000, 2))
    assert {*np.unique(drawn)} == {0.0, 1.0}
    assert drawn.mean(axis=2) == pytest.approx(chance[..., 0], abs=1e-3)


@pytest.mark.parametrize("log", [False, True])
def test_a_number_has_the_ends_of_its_range_as_quantiles(log: bool) -> None:
    codec = Number(
        log=log, center=3.0, spread=0.5, interval=1.5, coverage=0.8, local=((-1.0, 0.5), (1.0, 2.0))
    )
    made = uncertain(codec, "", "", "")
    outputs = np.array([[10.0], [25.0]], np.float32)
    parts = made.of(outputs)
    assert made.quantile is not None
    low, middle, high = made.quantile(parts[:, None], np.array([[0.1, 0.5, 0.9]])).T
    ends = codec.bounds(outputs[:, 0])
    assert (low, high) == (pytest.approx(ends[0]), pytest.approx(ends[1]))
    assert middle == pytest.approx(outputs[:, 0])


def test_rows_err_by_themselves_and_alike_at_every_setting(tmp_path: Path) -> None:
    price = Number(center=0.0, spread=1.0, interval=1.0, coverage=0.9)
    signature = Signature(bundle_examples.HOUSES.inputs, {"price": price})
    rows = [
        ("one", "validation", {"area": 50.0, "town": "Ulm"}),
        ("two", "validation", {"area": 80.0, "town": "Bonn"}),
    ]
    cases = make_cases(signature, rows, bundle_examples.house_forward)
    made = bundle_examples.arguments(
        name="houses", task="tabular", signature=signature, graph=bundle_examples.house_graph(), cases=cases
    )
    (tmp_path / "houses.bundle").write_bytes(bundle_bytes(**made))
    table = {"bundle": "houses.bundle"}
    found = bundle.read(Given("m", table, "models.m", tmp_path, Claim("assumed"), ""))
    found = found.bind(Scope(frozenset({"area", "town"}), {"town": ("Bonn", "Ulm")}, {}))
    values = {
        "area": np.array([40.0, 60.0])[:, None, None] + np.zeros((1, 3, 1)),
        "town": np.array([1.0, 1.0, 0.0])[None, :, None],
    }
    drawn = found.draw(values, World(1000, 3))
    assert drawn.shape == (2, 3, 1000)
    away = drawn - np.median(drawn, axis=2, keepdims=True)
    np.testing.assert_allclose(away[0], away[1], atol=1e-3)
    assert np.quantile(away[0, 0], [0.05, 0.95]) == pytest.approx([-1, 1], abs=0.02)
    assert abs(np.corrcoef(away[0, 0], away[0, 1])[0, 1]) < 0.1
    assert found.drawn() is found


def test_no_number_is_drawn_beyond_the_lowest() -> None:
    codec = Number(center=0.0, spread=10.0, interval=2.0, lowest=0.0)
    made = uncertain(codec, "", "", "")
    assert made.quantile is not None
    drawn = made.quantile(made.of(np.ones((1, 1), np.float32)), np.linspace(0.01, 0.99, 99))
    assert drawn.min() == 0


def test_distinct_rows_of_different_shapes_make_the_same_table() -> None:
    random = np.random.default_rng(0)
    columns = [random.integers(0, 3, shape).astype(float) for shape in ((4, 1, 1), (1, 5, 1), (1, 5, 2))]
    rows, which = distinct(columns)
    assert which.shape == (4, 5, 2)
    for place, column in enumerate(columns):
        np.testing.assert_array_equal(rows[which, place], np.broadcast_to(column, which.shape))
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_known_rows_are_not_asked_again_and_keep_their_answers() -> None:
    known, asked = Known(), list[int]()

    def ask(rows: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return rows.sum(axis=1, keepdims=True)

    random = np.random.default_rng(0)
    for _ in range(5):
        rows = np.unique(random.integers(0, 6, (50, 2)).astype(float), axis=0)
        np.testing.assert_array_equal(known.of(rows, ask)[:, 0], rows.sum(axis=1))
    assert sum(asked) <= 36


# --- forecasts --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The history of two shops, and what is known ahead."""
    folder = tmp_path_factory.mktemp("sales")
    days = [(date(2024, 1, 1) + timedelta(day)).isoformat() for day in range(33)]
    shops = {"A": 40, "B": 60}
    past = [
        (shop, day, "north", level + 10 * (n % 7), 10)
        for shop, level in shops.items()
        for n, day in enumerate(days[:30])
    ]
    ahead = [(shop, day, "north", 10) for shop in shops for day in days[30:]]
    header = ("store", "day", "region", "units", "price")
    for name, head, rows in (("past", header, past), ("ahead", (*header[:3], "price"), ahead)):
        with open(folder / f"{name}.csv", "w", newline="") as file:
            csv.writer(file).writerows([head, *rows])
    return {"forecast": "8-sales", "history": str(folder / "past.csv"), "future": str(folder / "ahead.csv")}


def test_a_forecast_is_drawn_by_the_quantiles_that_it_foretells(sales: dict[str, Any]) -> None:
    made: Any = node(("shop",), {"shop": ("A", "B")}, **sales, given={"store": "shop"}, step=2)
    found = made.draw({"shop": np.array([1.0, 0, 1])[None, :, None]}, World(1000, 3))
    told = {each.series: each for each in made.forecaster.forecast(sales["history"], future=sales["future"])}
    for row, shop in enumerate("BAB"):
        each = told[shop]
        drawn = np.quantile(found[0, row], each.levels)
        np.testing.assert_allclose(drawn, np.sort(each.quantiles[1]), rtol=2e-3)


def test_a_period_is_a_moment_ahead_and_a_sum_is_of_all(sales: dict[str, Any]) -> None:
    periods = node(**sales, given={"store": "'A'"})
    assert periods.inputs == ("t",)
    each = [periods.draw({"t": np.full((1, 1, 1), float(t))}, World(50)) for t in range(3)]
    whole = node(**sales, given={"store": "'A'"}, step="sum").draw({}, World(50))
    np.testing.assert_allclose(sum(each), whole, rtol=1e-6)
    with pytest.raises(DataError, match="horizon = 3"):
        periods.draw({"t": np.full((1, 1, 1), 3.0)}, World(50))


def test_forecasts_that_cannot_be_meant(sales: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="4 series"):
        node(**sales)
    with pytest.raises(UsageError, match="step = 9"):
        node(**sales, step=9)
    made = node(("shop",), {"shop": ("C",)}, **sales, given={"store": "shop"}, step=1)
    with pytest.raises(DataError, match="no series 'C'"):
        made.draw({"shop": np.zeros((1, 1, 1))}, World(5))


def test_a_plan_asks_which_series_is_meant_where_there_are_several(sales: dict[str, Any]) -> None:
    files = {"history": sales["history"], "future": sales["future"]}
    foretold = decide.forecast(BUNDLES / "format-8-sales.bundle", step=1, **files)
    with pytest.raises(
        UsageError, match=r"models.sold: the history has 4 series, and which is meant isn't said"
    ):
        decide.Plan("min(stock, sold)", [decide.Lever("stock", low=0, high=20)], {"sold": foretold})


def test_a_lever_of_a_forecast_beyond_its_history_is_told(sales: dict[str, Any]) -> None:
    made = node(("price",), **sales, given={"store": "'A'", "price": "price"}, step=1)
    (found,) = made.beyond({"price": np.array([10.0, 12.0])[:, None, None]})
    assert (found.name, found.share) == ("price", 0.5)


def test_what_comes_of_it_is_drawn_once_and_how_sure_a_lever_is_was_never_measured(
    sales: dict[str, Any],
) -> None:
    expected = node(("size",), bundle="3-blend", target="sold", given={"area": "size"})
    each = expected.drawn()
    assert each is not expected
    assert each.drawn() is each
    assert expected.foretells
    assert node(("price",), **sales, given={"store": "'A'", "price": "price"}, step=1).foretells


def test_tails_go_on_as_steeply_as_they_came() -> None:
    levels, parts = np.array([-1.0, 0.0, 1.0]), np.array([[[[0.0, 2.0, 3.0]]]])
    scores = np.array([-2.0, -1, -0.5, 0, 1, 2])[None, None]
    found = quantile(levels, parts, scores)[0, 0]
    # Below as steeply as from 0 to 2; above the last part rose by 1, and from the middle by as much.
    np.testing.assert_allclose(found, [-2, 0, 1, 2, 3, 4])


def test_what_a_file_says_of_bundles_python_says_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trees.bundle").write_bytes((BUNDLES / "format-1-trees.bundle").read_bytes())
    (tmp_path / "people.csv").write_text("native-country,day\nCuba,2024-02-03\nUnited-States,2024-02-04\n")
    monkeypatch.chdir(tmp_path)
    written = {
        "objective": {"maximise": "high - 0.001 * hours"}, "levers": {"hours": {"low": 30, "high": 50, "step": 5}},
        "data": {"file": "people.csv"},
        "models": {"high": {"bundle": "trees.bundle", "answers": "high", "given": {"hours per week": "hours"}, "claim": "assumed"}},
    }  # fmt: skip
    made = decide.bundle("trees.bundle", answers="high", given={"hours per week": "hours"}, claim="assumed")
    lever = decide.Lever("hours", low=30, high=50, step=5)
    plan = decide.Plan("high - 0.001 * hours", [lever], {"high": made}, "people.csv")
    assert plan.to_json() == decide.Plan.from_json(written).to_json()
    hors = decide.bundle("trees.bundle", answers="high", given={"hours per week": "hors"})
    with pytest.raises(UsageError, match=r"models.high: .*input 'hours per week' is to be fed by 'hors'"):
        decide.Plan("high", [lever], {"high": hors}, "people.csv")
    with pytest.raises(UsageError, match=r"models.high: nothing feeds the model's input 'native-country'"):
        decide.Plan("high", [lever], {"high": made})
    with pytest.raises(UsageError, match="Did you mean answers"):
        decide.bundle("trees.bundle", answer="high")  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="history"):
        decide.forecast("trees.bundle")  # type: ignore[call-arg]


def test_what_a_room_holds_is_offered() -> None:
    from drivetrain import effects, evidence

    assert {"bundle", "forecast", "learned", "Plan"} <= {*dir(decide)}
    assert "learn_uplift" in dir(effects)
    assert "worth_it" in dir(evidence)
    with pytest.raises(AttributeError, match="maximise"):
        _ = decide.maximize  # type: ignore[attr-defined]
