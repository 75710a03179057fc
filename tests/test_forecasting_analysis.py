"""What is said of a series, and how its parts and its forecasts are drawn."""

import numpy as np
import pytest

from drivetrain.charts.decomposition import decomposition, phases
from drivetrain.charts.forecast import Foretold, forecast
from drivetrain.errors import DataError
from drivetrain.files import to_json
from drivetrain.forecasting.analysis import analyse

DAYS = np.datetime64("2021-03-01") + np.arange(420)  # A Monday first.
WEEK = np.tile([0.0, 1, 2, 3, 4, 9, 8], 60)
NOISE = np.random.default_rng(0).normal(size=420)


def test_a_weekly_series_with_a_break_is_told_in_plain_words():
    values = 50 + WEEK + NOISE + np.where(np.arange(420) < 300, 0, 20)
    found = analyse(values, [7, 365], 7)
    told = " ".join(found.told([str(day) for day in DAYS], "day"))
    assert "It comes again every 7 days (strong, " in told
    assert "every 365" not in told
    (change,) = found.changes
    assert abs(change.place - 300) <= 7
    assert f"{DAYS[change.place]} (its level rises by " in told
    plain = found.to_json([str(day) for day in DAYS])
    assert plain["seasons"][0]["period"] == 7
    assert plain["breaks"][0]["kind"] == "level"
    assert to_json(plain)


def test_what_grows_with_its_level_and_what_never_changes_are_told():
    months = np.arange(144)
    found = analyse(np.exp(0.01 * months + 0.2 * np.sin(months * np.pi / 6) + 0.01 * NOISE[:144]), [12], 12)
    assert found.grows
    assert any("logarithm" in text for text in found.told())
    assert analyse(np.ones(60), [7], 7).told()[0] == "It never changes: every forecast is its value."
    assert "can be foretold that far" in analyse(NOISE, [7], 7).told()[-1]
    with pytest.raises(DataError, match="3 known moments"):
        analyse(np.array([1, np.nan, 2, 3]))


def test_a_season_is_drawn_in_the_order_that_a_person_knows():
    order, names = phases(DAYS[3:10], 7)
    assert names[0] == "Mo"
    assert DAYS[3:10][order][0].astype("datetime64[D]").astype(int) % 7 == 4
    hours = np.datetime64("2021-03-01T05") + np.arange(24)
    assert [str(hours[place]) for place in phases(hours, 24)[0][:2]] == ["2021-03-02T00", "2021-03-02T01"]
    assert phases(np.arange(5), 5) == (pytest.approx(np.arange(5)), [])


def test_charts_of_parts_and_of_forecasts_say_what_they_show():
    found = analyse(50 + WEEK + NOISE, [7], 7)
    svg = decomposition(DAYS, found.parts, [200], "Sales").to_svg()
    assert "Sales" in svg
    assert "season of 7" in svg
    assert "1 break dashed" in svg
    assert "season of 7" in decomposition(DAYS, found.parts).to_svg(dark=True, narrow=True)
    told = [
        Foretold(f"store {n}", DAYS[:400], WEEK[:400], DAYS[400:], WEEK[400:], WEEK[400:] - 1, WEEK[400:] + 1, [390])
        for n in range(9)
    ]  # fmt: skip
    svg = forecast(told, "Stores", "The band holds 8 of 10.").to_svg()
    assert "store 7" in svg
    assert "store 8" not in svg
    assert "1 more series are not drawn" in svg
    assert forecast(told[:1], whole=True).to_svg(narrow=True, dark=True)
    assert "no moments" in forecast([]).to_svg()
