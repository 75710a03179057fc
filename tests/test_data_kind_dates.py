"""Dates as people write them: without hyphens, months alone, times of day, years of two digits, orders that are mixed."""

import datetime

import numpy as np
import pytest

from drivetrain.codecs.base import FieldError
from drivetrain.codecs.date import Date
from drivetrain.data.kinds.guess import guess_kinds, to_table
from drivetrain.data.proposals import propose_split
from drivetrain.data.read.readers import read_frame
from drivetrain.errors import DataError, UsageError
from drivetrain.interface import command_line

pytest.importorskip("polars")
ROWS = 240
DAYS = np.datetime64("1990-01-01") + np.random.default_rng(0).choice(15_000, ROWS, replace=False)


def written(days, form):
    return [day.strftime(form) for day in days.tolist()]


def guess(values, told=None, name="x"):
    frame = read_frame({name: values})
    kinds = guess_kinds(frame, overrides={name: told} if told else {})
    return kinds[name], to_table(frame, kinds)[name]


FORMS = ["%Y%m%dT000000", "%Y%m%d%H%M%S", "%Y%m%dT%H%M", "%d.%m.%Y", "%b %d, %Y"]


@pytest.mark.parametrize("form", FORMS)
def test_dates_are_dates_however_many_differ(form):
    kind, values = guess(written(DAYS, form), name="date")
    assert kind.kind == "date", kind.reason
    assert (values == DAYS.astype("datetime64[us]")).all()


@pytest.mark.parametrize("form", ["%Y-%m", "%Y/%m", "%m/%Y", "%b %Y", "%B-%Y"])
def test_months_are_their_first_day(form):
    kind, values = guess(written(DAYS, form))
    assert kind.kind == "date", kind.reason
    assert (values == DAYS.astype("datetime64[M]").astype("datetime64[us]")).all()
    assert kind.codec.fit(values).parts == ("year", "month", "weekday", "yearday")


@pytest.mark.parametrize("form", ["{:02d}:{:02d}", "{}:{:02d}:00"])
def test_times_of_day_are_times(form):
    minutes = np.arange(ROWS) * 5
    kind, values = guess([form.format(*divmod(minute, 60)) for minute in minutes.tolist()], name="time")
    assert kind.kind == "date"
    assert kind.reason == "times of day from 00:00 to 19:55, 240 different in 240 rows"
    codec = kind.codec.fit(values)
    assert codec.parts == ("hour", "minute")
    assert codec.read("14:35") == codec.read("2:35 PM") == codec.read(datetime.time(14, 35)) == 52_500
    for raw in ("2020-01-01 14:35", "24:00", datetime.datetime(2020, 1, 1, 14), 14):
        with pytest.raises(DataError, match="is not a time of day"):
            codec.read(raw)
    with pytest.raises(DataError):
        Date().read("14:35")
    frame = read_frame({"time": written(np.sort(DAYS), "%H:%M"), "y": ["a", "b"] * 120})
    assert propose_split(to_table(frame, kinds := guess_kinds(frame, "y")), kinds, "y") is None


@pytest.mark.parametrize("form", ["%d-%b-%y", "%d/%m/%y", "%d.%m.%y", "%b %d, %y"])
def test_years_of_two_digits_are_told(form):
    kind, values = guess(written(DAYS, form))
    assert kind.kind == "date", kind.reason
    assert (values == DAYS.astype("datetime64[us]")).all()
    assert "years of two digits from 1969 on" in kind.reason
    fault = next(fault for fault in kind.faults if fault.kind == "years of two digits")
    assert "are taken for 1969 to 2068, so " in fault.message
    assert 'columns={"x": "date:from-1930"}' in fault.fix
    kind, values = guess(written(DAYS, form), "date:from-1890")
    assert values.max() < np.datetime64("1990")
    assert all(fault.kind != "years of two digits" for fault in kind.faults)


@pytest.mark.parametrize(
    ("first", "last", "century"),
    [(1990, 2030, 1969), (2005, 2019, 1969), (1930, 1999, 1915), (1925, 1965, 1895), (1969, 2068, 1969)],
)
def test_the_years_that_there_are_lie_together(first, last, century):
    days = [
        datetime.date(year, 1 + row % 12, 1 + row % 27) for row, year in enumerate(range(first, last + 1))
    ]
    kind, values = guess([f"{day:%d-%b-%y}" for day in days])
    assert kind.codec.century == century
    assert values[0] == np.datetime64(days[0])
    assert values[-1] == np.datetime64(days[-1])


def test_what_a_person_says_of_the_order():
    days = [f"{row % 12 + 1}/{row % 11 + 1}/2024" for row in range(ROWS)]
    kind, values = guess(days)
    with command_line():
        assert "--column x=date:month-first" in guess(days)[0].faults[0].fix
    kind, told = guess(days, "date:month-first")
    assert kind.codec.order == "mdy"
    assert not kind.faults
    assert (values != told).any()
    with pytest.raises(UsageError, match=r"no way to write a date 'month-frist'. Did you mean month-first"):
        guess(days, "date:month-frist")


def test_orders_that_are_mixed_are_told_and_never_read_half():
    days = [f"{day:%d/%m/%Y}" if row % 2 else f"{day:%m/%d/%Y}" for row, day in enumerate(DAYS.tolist())]
    kind, _ = guess(days)
    assert kind.codec is None
    assert "dates with the day first and dates with the month first, such as" in kind.reason
    mixed = [f"{day:%Y-%m-%d}" if row % 2 else f"{day:%d %b %Y}" for row, day in enumerate(DAYS.tolist())]
    kind, values = guess(mixed)
    assert kind.kind == "date"
    assert (values == DAYS.astype("datetime64[us]")).all()


@pytest.mark.parametrize("fields", [{"century": 30}, {"century": 10_000}, {"order": "dym"}])
def test_fields_that_cant_be(fields):
    with pytest.raises(FieldError):
        Date(**fields)


def test_the_hint_says_what_is_wrong_with_the_year():
    with pytest.raises(DataError, match="Write the year with four digits"):
        Date(order="dmy").read("1/2/03")
    assert Date(order="dmy", century=1969).read("1/2/03") == Date().read("2003-02-01")
    assert Date(century=1969).read("03-02-01") == Date().read("2003-02-01")
