"""Time: stamps of all kinds, zones and daylight saving, the frequency of a series, and rows on regular moments."""

from __future__ import annotations

import dataclasses
import datetime
import json
import zoneinfo
from typing import Any

import numpy as np
import pytest

from drivetrain.codecs.date import Date
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.timeline.calendar import calendar_channels, features
from drivetrain.timeline.frequency import find_frequency, parse
from drivetrain.timeline.grid import make_grid
from drivetrain.timeline.layout import Layout
from drivetrain.timeline.stamps import Clock, Stamps, read_stamps
from drivetrain.types import Array

BERLIN = "Europe/Berlin"


def origins(rows: int) -> list[str]:
    return [f"f.csv, row {row + 2}" for row in range(rows)]


def stamps(values: object, zone: str = "", order: str = "ymd") -> Stamps:
    column = values if isinstance(values, np.ndarray) else np.array(values, object)
    return read_stamps(column, Date(order=order), origins(len(column)), np.zeros(len(column), np.int64), zone)  # type: ignore[arg-type]


def found(values: object, **more: str) -> str:
    read = stamps(values, **more)
    return str(find_frequency(read, np.zeros(len(read.local), np.int64), origins(len(read.local))))


def days(first: str, step: str, count: int = 40) -> Array:
    return np.datetime64(first, "s") + np.arange(count) * np.timedelta64(*[int(step[:-1]), step[-1]])  # type: ignore[misc]


def business_ends(months: int) -> Array:
    """The last days from Monday to Friday of every so many months."""
    following = np.arange("1990-01", "1995-01", dtype="datetime64[M]")[months - 1 :: months] + 1
    return np.busday_offset(following.astype("datetime64[D]") - 1, 0, roll="backward")


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (days("2020-01-01", "1D"), "D"),
        (days("2020-01-01", "2D"), "2D"),
        (days("2020-01-06", "7D"), "W-MON"),
        (days("2020-01-05T12:00", "7D"), "W-SUN+43200s"),
        (days("2020-01-01", "1h"), "h"),
        (days("2020-01-01T00:05", "1h"), "h+300s"),
        (days("2020-01-01", "30m"), "30min"),
        (days("2020-01-01", "15s"), "15s"),
        (np.arange("1990-01", "1995-01", dtype="datetime64[M]"), "MS"),
        (np.arange("1990-02", "1995-02", dtype="datetime64[M]").astype("datetime64[D]") - 1, "ME"),
        (np.arange("1990-01", "1995-01", dtype="datetime64[M]").astype("datetime64[D]") + 14, "MS-15"),
        (business_ends(1), "BME"),
        (business_ends(3), "BQE-MAR"),
        (np.arange("1990-01", "1995-01", 3, dtype="datetime64[M]"), "QS"),
        (np.arange("1990-02", "1995-02", 3, dtype="datetime64[M]"), "QS-FEB"),
        (np.arange("1990", "2005", dtype="datetime64[Y]"), "YS"),
        (np.busday_offset("2020-01-01", np.arange(60)), "B"),
        (["31.12.2019", "01.01.2020", "02.01.2020"], "D"),
        (["2020-01-01T00:00:00Z", "2020-01-01T01:00:00Z", "2020-01-01T02:00:00+00:00"], "h"),
    ],
)
def test_the_frequency_is_found_and_has_a_name_that_says_the_same(values: object, name: str) -> None:
    given = np.asarray(values) if isinstance(values, np.ndarray) else np.array(values, object)
    order = "dmy" if isinstance(given[0], str) and given[0][2] == "." else "ymd"
    assert found(given, order=order) == name
    frequency, read = parse(name), stamps(given, order=order)
    assert str(frequency) == name
    times = frequency.times(read)
    numbers = frequency.index(times)
    assert np.diff(numbers).tolist() == [1] * (len(numbers) - 1)
    assert np.array_equal(frequency.stamp(numbers), times)
    assert frequency.index(times + np.timedelta64(1, "s")).tolist() == numbers.tolist()
    assert frequency.index(times - np.timedelta64(1, "s")).tolist() == (numbers - 1).tolist()


def test_gaps_change_no_frequency_and_other_series_have_the_same() -> None:
    some = np.delete(days("2020-01-01", "1h", 300), [5, 6, 7, 40, 100, 101])
    assert found(some) == "h"
    both = np.concatenate([some, days("2021-01-01", "1h", 9)])
    series = np.repeat([0, 1], [len(some), 9])
    assert str(find_frequency(stamps(both), series, origins(len(both)))) == "h"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["2020-01-01"], "one time only"),
        (["2020-01-01", "2020-01-01"], "one time only"),
        (
            np.datetime64("2020-01-01T00:00", "s")
            + np.cumsum(np.arange(1, 30) ** 2 % 23).astype("timedelta64[s]"),
            "no regular beat.*--freq",
        ),
    ],
)
def test_no_frequency_is_told_with_a_row_and_a_way_out(values: object, told: str) -> None:
    with pytest.raises(DataError, match=told) as fault:
        found(values)
    assert "f.csv, row" in str(fault.value)


def test_names_of_frequencies() -> None:
    pairs = {
        "H": "h",
        "M": "MS",
        "day": "D",
        "weeks": "W-MON",
        "T": "min",
        "15 min": "",
        "": "",
        "0D": "",
        "MS-JAN": "",
        "2B": "",
    }
    for given, name in pairs.items():
        if name:
            assert str(parse(given)) == name
        else:
            with pytest.raises(UsageError, match="no frequency"):
                parse(given)
    assert str(parse("W", stamps(days("2020-01-07", "7D")))) == "W-TUE"
    assert parse("30min").seasons == (48, 336)
    assert parse("2h").seasons == (12, 84)
    assert (parse("MS").seasons, parse("QS").seasons, parse("YS").seasons) == ((12,), (4,), ())
    assert (parse("QS").words, parse("15min").words, parse("2D").words) == (
        "every quarter",
        "every 15 minutes",
        "every 2 days",
    )
    assert str(parse("10rows+3")) == "10rows+3"


# --- zones ------------------------------------------------------------------------------------------------------------


def test_an_hour_that_is_shown_twice_is_two_and_one_that_is_skipped_is_no_gap() -> None:
    utc = np.datetime64("2019-10-26T22:00", "s") + np.arange(6) * np.timedelta64(1, "h")
    clock = Clock(BERLIN)
    shown = clock.local(utc)
    assert [str(each)[11:16] for each in shown] == ["00:00", "01:00", "02:00", "02:00", "03:00", "04:00"]
    texts = [str(each).replace("T", " ") for each in shown]
    read = stamps(texts, BERLIN)
    assert np.array_equal(read.instants, utc)
    assert found(texts, zone=BERLIN) == "h"
    spring = ["2019-03-31 00:00", "2019-03-31 01:00", "2019-03-31 03:00", "2019-03-31 04:00"]
    assert np.diff(stamps(spring, BERLIN).instants).tolist() == [datetime.timedelta(hours=1)] * 3
    with pytest.raises(DataError, match="never showed 2019-03-31 02:30:00") as fault:
        stamps([*spring, "2019-03-31 02:30"], BERLIN)
    assert "row 6" in str(fault.value)
    # Without a zone the wall clock is all there is: a moment has two rows, and one is a gap.
    wall = stamps(texts)
    assert np.array_equal(wall.local, wall.instants)


def test_the_clock_of_a_zone_is_that_of_python() -> None:
    utc = np.datetime64("1995-01-01", "s") + np.arange(0, 400_000) * np.timedelta64(37, "m")
    some = np.random.default_rng(0).choice(len(utc), 300)
    for zone in (BERLIN, "Australia/Lord_Howe", "America/New_York", "Asia/Kolkata"):
        local = Clock(zone).local(utc)
        for place in some.tolist():
            moment = datetime.datetime.fromtimestamp(int(utc[place].astype(int)), zoneinfo.ZoneInfo(zone))
            assert moment.replace(tzinfo=None).isoformat() == str(local[place])
        instants, never = Clock(zone).instants(local[some], np.zeros(300, bool))
        assert not never.any()
        assert (np.abs(instants - utc[some]) <= np.timedelta64(1, "h")).all()
        assert (instants == utc[some]).mean() > 0.98


def test_offsets_of_their_own() -> None:
    one = stamps(["2020-01-01T00:00+05:30", "2020-01-02T00:00+05:30"])
    assert (one.clock.zone, str(one.local[0]), str(one.instants[0])) == (
        "+05:30",
        "2020-01-01T00:00:00",
        "2019-12-31T18:30:00",
    )
    saving = stamps(["2020-03-28T00:00+01:00", "2020-03-30T00:00+02:00"])
    assert saving.clock.zone == "+01:00"
    assert "daylight saving" in saving.notes[0]
    named = stamps(["2020-03-28T00:00+01:00", "2020-03-30T00:00+02:00", "2020-03-30T04:00Z"], BERLIN)
    assert [str(each)[11:16] for each in named.local] == ["00:00", "00:00", "06:00"]
    aware = [datetime.datetime(2020, 1, day, tzinfo=zoneinfo.ZoneInfo(BERLIN)) for day in (1, 2)]
    assert stamps(aware).clock.zone == "+01:00"
    for mixed, told in (
        (["2020-01-01T00:00+01:00", "2020-01-02T00:00-05:00"], "another time zone than"),
        (["2020-01-01T00:00", "2020-01-02T00:00Z"], "has no time zone|time zone, and the first row has none"),
        (["2020-01-01T00:00Z", "2020-01-02T00:00"], "first row has one"),
    ):
        with pytest.raises(DataError, match=told) as fault:
            stamps(mixed)
        assert "row 3" in str(fault.value)
    with pytest.raises(UsageError, match="no time zone 'Berlin'"):
        Clock("Berlin")


def test_what_is_no_stamp_is_named() -> None:
    with pytest.raises(DataError, match="'soon' is not a date"):
        stamps(["2020-01-01", "soon"])
    with pytest.raises(DataError, match="within one second"):
        stamps(np.datetime64("2020-01-01", "ms") + np.arange(5) * np.timedelta64(100, "ms"))


# --- moments ----------------------------------------------------------------------------------------------------------


def test_rows_are_sorted_joined_and_gaps_are_told() -> None:
    day = np.datetime64("2020-01-01", "s")
    order = np.array([0, 2, 1, 2, 6, 7])
    grid = make_grid(
        parse("D"), day + order * np.timedelta64(1, "D"), np.zeros(6, np.int64), ["a"], origins(6), "mean"
    )
    assert grid.sizes.tolist() == [8]
    assert grid.rows.tolist() == [0, 2, 3, -1, -1, -1, 4, 5]
    values = np.array([1.0, 2, 3, 6, np.nan, 5])
    joined = {how: grid.joined(values, how)[2] for how in ("mean", "sum", "last")}  # type: ignore[arg-type]
    assert joined == {"mean": 4, "sum": 8, "last": 6}
    assert np.isnan(grid.joined(values, "mean")[3:7]).all()
    told = " | ".join(grid.notes)
    assert "1 row was earlier than the row before, the first at f.csv, row 4" in told
    assert "1 moment has several rows, the first of them again at f.csv, row 5" in told
    assert "3 moments have no row (37.5% of 8), the longest gap is 2020-01-04 to 2020-01-06" in told


def test_a_stamp_far_away_is_an_error_with_its_row() -> None:
    day = np.datetime64("2020-01-01", "s") + np.arange(50) * np.timedelta64(1, "h")
    day[20] = np.datetime64("2091-01-01", "s")
    with pytest.raises(DataError, match="moments without a row before or after this one") as fault:
        make_grid(parse("h"), day, np.zeros(50, np.int64), ["a"], origins(50), "mean")
    assert "row 22" in str(fault.value)


def test_a_longer_frequency_joins_the_rows_of_each_moment() -> None:
    layout = Layout(
        ("x",), "t", "date", Date().spec(), numbers={"x": {"op": "number@1", "missing": True}}, join="sum"
    )
    hours = days("2020-01-01", "1h", 72)
    rows = layout.rows({"t": hours, "x": np.arange(72.0)}, origins(72), "f.csv", first=True).beating("D")
    moments = rows.moments()
    assert moments.truth[:, 0].tolist() == [np.arange(24).sum() + 24 * 24 * day for day in range(3)]
    whole = dataclasses.replace(rows.layout, context=2, horizon=1)
    assert Layout.from_json(json.loads(json.dumps(whole.to_json()))) == whole
    assert any("taken for the moment before" in note for note in moments.notes)


def test_what_the_calendar_says_is_of_the_wall_clock() -> None:
    names = calendar_channels(parse("h"))
    local = np.array(["2020-01-06T06:00", "2020-01-05T18:00"], "datetime64[s]")
    table = dict(zip(names, features(names, local).T.tolist()))
    assert table["Monday"] == [1, 0]
    assert table["Sunday"] == [0, 1]
    np.testing.assert_allclose(table["time of day, sine"], [1, -1], atol=1e-6)
    assert calendar_channels(parse("MS")) == ("time of year, sine", "time of year, cosine")
    assert calendar_channels(parse("YS")) == calendar_channels(parse("rows")) == ()
    assert calendar_channels(parse("MS"), days=2 * 366) == ()
    assert calendar_channels(parse("h"), days=2 * 366) == names[:-2]
    assert "Monday" in calendar_channels(parse("B"))
    assert "Monday" not in calendar_channels(parse("W-MON"))
    layout = Layout(
        ("x",), "t", "date", Date().spec(), BERLIN, numbers={"x": {"op": "number@1", "missing": True}}
    )
    summer = np.array([f"2020-07-01T{hour:02}:00Z" for hour in range(24)], object)
    moments = layout.rows({"t": summer, "x": np.arange(24.0)}, origins(24), "f").beating().moments()
    place = moments.layout.channels.index("time of day, cosine")
    assert int(np.argmax(moments.values[:, place])) == 22  # Midnight in Berlin.


def test_a_clock_that_is_set_back_without_a_zone_is_asked_about() -> None:
    utc = np.datetime64("2019-10-20T22:00", "s") + np.arange(24 * 14) * np.timedelta64(1, "h")
    shown = Clock(BERLIN).local(utc)
    layout = Layout(("x",), "t", "date", Date().spec(), numbers={"x": {"op": "number@1", "missing": True}})
    table = {"t": shown, "x": np.arange(len(utc)) * 1.0}
    notes = layout.rows(table, origins(len(utc)), "f").beating().moments().notes
    assert any("2019-10-27 02:00:00 is there twice" in note for note in notes)
    named = layout.rows(table, origins(len(utc)), "f")
    assert not any("twice" in note for note in named.notes)


def test_numbers_too_near_each_other_for_a_model_are_refused() -> None:
    layout = Layout(("x",), numbers={"x": {"op": "number@1", "missing": True}})
    rows = layout.rows({"x": 1.7e9 + np.arange(50) % 7}, origins(50), "f.csv").beating()
    with pytest.raises(DataError, match=r"lie around 1,700,000,002.*128 or more"):
        rows.moments()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("targets", []), ("targets", "x"), ("targets", ["x", "x"]), ("timestamp", 3), ("when", "soon"), ("when", ""),
        ("date", {"op": "image@1"}), ("date", {}), ("zone", "../../etc/passwd"), ("zone", "Mars"), ("frequency", "never"),
        ("frequency", 7), ("item", None), ("known", ["y"]), ("past", [["x"]]), ("numbers", {}),
        ("numbers", {"x": {"op": "date@1"}}),
        ("numbers", {"x": 3}), ("numbers", 3), ("classes", {"x": ["a"]}), ("classes", {"z": "ab"}), ("fill", "next"), ("join", 3),
        ("calendar", ["phase of the moon"]), ("context", 0), ("context", 1e3), ("horizon", 10**9), ("horizon", True), ("more", 1),
    ],
)  # fmt: skip
def test_a_layout_that_no_training_writes_is_refused(field: str, value: object) -> None:
    layout = Layout(
        ("x",), "t", "date", Date().spec(), BERLIN, "D", numbers={"x": {"op": "number@1", "missing": True}}, context=2, horizon=1
    )  # fmt: skip
    assert Layout.from_json(layout.to_json()) == layout
    with pytest.raises(DrivetrainError):
        Layout.from_json({**layout.to_json(), field: value})


def test_weekdays_without_any_row_are_told() -> None:
    """A shop closed on Sundays: what stands for them is Saturday's, and so is what is foretold of them."""
    every = days("2024-01-01", "1D", 70)
    weekday = np.array([day.astype(object).weekday() for day in every.astype("datetime64[D]")])

    def notes(kept: Array, **fill: Any) -> str:
        count = np.zeros(len(kept), np.int64)
        return " ".join(make_grid(parse("D"), kept, count, [""], origins(len(kept)), "mean", **fill).notes)

    assert "no row is ever on Sundays: what is foretold" in notes(every[weekday != 6])
    assert "on Saturdays and Sundays" in notes(every[weekday < 5])
    assert "ever on" not in notes(every[weekday != 6], fill="zero")
    assert "ever on" not in notes(np.delete(every, [6, 13, 20]))
