"""Units through formulas: what goes together, what doesn't and who is told."""

import pytest

from drivetrain import decide
from drivetrain.decide.expressions.expression import parse
from drivetrain.decide.expressions.units import unit, unit_of
from drivetrain.errors import UsageError

UNITS = {"price": unit("EUR/kg"), "weight": unit("kg"), "cost": unit("EUR"), "n": unit("share")}


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("EUR", "EUR"),
        ("kg m^2", "kg m^2"),
        ("EUR/(customer year)", "EUR/(customer year)"),
        ("EUR/kg/h", "EUR/(h kg)"),
        ("share", "1"),
        ("1/h", "1/h"),
        ("€", "€"),
    ],
)
def test_a_unit_is_a_product_of_names_with_powers(text, read):
    assert str(unit(text)) == read


@pytest.mark.parametrize("text", ["EUR/", "/kg", "3 EUR", "EUR)", "(EUR", "a**", "()", "EUR//kg"])
def test_what_is_no_unit_is_told(text):
    with pytest.raises(UsageError, match="is no unit"):
        unit(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("price * weight - cost", "EUR"),
        ("n * cost + 3", "EUR"),
        ("sum(price * weight) >= cost", "1"),
        ("max(cost, 3)", "EUR"),
        ("sqrt(cost ^ 2) + cost", "EUR"),
        ("sigmoid(4 - 0.1 * price)", "1"),
        ("0.1 * price", "None"),
    ],
)
def test_units_go_through_a_formula(text, found):
    assert str(unit_of(parse(text), UNITS)) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("price + weight", "price is in EUR/kg and weight in kg"),
        ("if(n > 0.5, price, cost)", "price is in EUR/kg and cost in EUR"),
        ("cost > price * weight * weight", "cost is in EUR and what is made of price, weight in EUR kg"),
        ("exp(price)", "price is in EUR/kg"),
    ],
)
def test_both_sides_are_named_where_units_do_not_go_together(text, said):
    with pytest.raises(UsageError) as fault:
        unit_of(parse(text), UNITS)
    assert said in str(fault.value)


def test_a_plan_checks_its_units():
    levers = {"price": decide.Lever(low=1, high=9, unit="EUR/kg")}
    rows = {"weight": [1.0, 2.0], "cost": [1.0, 1.0]}
    units = {"weight": "kg", "cost": "EUR"}
    models = {"profit": decide.formula("price * weight - cost", unit="EUR")}
    plan = decide.Plan(decide.maximise("profit", unit="EUR"), levers, models, rows, units=units)
    assert decide.Plan.from_json(plan.to_json()).to_json() == plan.to_json()
    with pytest.raises(UsageError, match="in kEUR, and profit is in EUR"):
        decide.Plan(decide.maximise("profit", unit="kEUR"), levers, models, rows, units=units)
    with pytest.raises(UsageError, match="in EUR, and its formula is in EUR/kg"):
        decide.Plan("profit", levers, {"profit": decide.formula("price", unit="EUR")})
