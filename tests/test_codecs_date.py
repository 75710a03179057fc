"""date@1: what is a date, which moment it is, and the calendar that is encoded."""

from __future__ import annotations

import calendar
import datetime
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.codecs.date import FIRST, LAST, MISSING, ORDERS, PARTS, Date, parse_dates
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.types import Array

UTC = datetime.UTC


def moment(seconds: float) -> str:
    return str(np.datetime64(round(seconds * 1000), "ms"))


@pytest.mark.parametrize(
    ("raw", "iso"),
    [
        ("2019-12-31", "2019-12-31"), (" 2019-12-31\n", "2019-12-31"), ("2019/1/5", "2019-01-05"),
        ("2019.01.05", "2019-01-05"),
        ("20191231", "2019-12-31"), (20191231, "2019-12-31"), (20191231.0, "2019-12-31"),
        ("31 Dec 2019", "2019-12-31"),
        ("1-JAN-2020", "2020-01-01"), ("31 December, 2019", "2019-12-31"), ("9 Sept. 2019", "2019-09-09"),
        ("Dec 31, 2019", "2019-12-31"), ("december 31 2019", "2019-12-31"), ("May 5, 2019", "2019-05-05"),
        ("2019-12-31T23:59", "2019-12-31T23:59"), ("2019-12-31 23:59:58", "2019-12-31T23:59:58"),
        ("2019-12-31t01:02:03z", "2019-12-31T01:02:03"),
        ("2019-12-31T23:59:58.125Z", "2019-12-31T23:59:58.125"), ("2019-12-31T23:59:58,5", "2019-12-31T23:59:58.500"),
        ("2019-12-31T00:30:00+01:00", "2019-12-30T23:30"), ("2019-12-31 00:30 -0530", "2019-12-31T06:00"),
        ("2019-12-31 00:30+01", "2019-12-30T23:30"),
        ("2019-12-31 10:00:00 UTC", "2019-12-31T10:00"), ("Dec 31, 2019, 9:05 PM", "2019-12-31T21:05"),
        ("2019-12-31 12:00 am", "2019-12-31"),
        ("2019-12-31 12:30 PM", "2019-12-31T12:30"), ("20191231T01:02", "2019-12-31T01:02"),
        ("0001-01-01", "0001-01-01"), ("9999-12-31", "9999-12-31"),
        ("2000-02-29", "2000-02-29"), (datetime.date(1969, 7, 20), "1969-07-20"),
        (datetime.datetime(2020, 1, 2, 3, 4, 5, 6000), "2020-01-02T03:04:05.006"),
        (datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2))), "2020-01-01T22:00"),
        (np.datetime64("2020-01-02T03"), "2020-01-02T03:00"),
        (np.datetime64("2020-01-02T03:04:05.678", "ns"), "2020-01-02T03:04:05.678"),
        (np.datetime64("1960-05"), "1960-05-01"),
    ],
)  # fmt: skip
def test_dates_that_every_order_reads(raw: Any, iso: str) -> None:
    for order in ORDERS:
        assert moment(Date(order=order).read(raw)) == str(np.datetime64(iso, "ms"))


@pytest.mark.parametrize(
    ("raw", "dmy", "mdy"),
    [
        ("31.12.2019", "2019-12-31", None), ("31/12/2019 23:59", "2019-12-31T23:59", None),
        ("12/31/2019", None, "2019-12-31"),
        ("1/2/2019", "2019-02-01", "2019-01-02"),
        ("03-04-2021T05:06:07Z", "2021-04-03T05:06:07", "2021-03-04T05:06:07"),
    ],
)  # fmt: skip
def test_the_order_decides_where_the_year_is_last(raw: str, dmy: str | None, mdy: str | None) -> None:
    for order, iso in (("ymd", None), ("dmy", dmy), ("mdy", mdy)):
        (found,) = parse_dates(np.array([raw], object), order)
        assert math.isnan(found) if iso is None else moment(found) == str(np.datetime64(iso, "ms"))
    with pytest.raises(DataError) as caught:
        Date().read(raw)
    assert "order='dmy' or 'mdy'" in caught.value.fix


@pytest.mark.parametrize(
    "raw",
    [
        "2019-02-29", "2019-13-01", "2019-00-10", "2019-01-00", "31.12.19", "12.2019", "2019", "2019.12", "12 2019", "14:35", 2019,
        1577836800, 1.5, "1577836800",
        "2019-12/31", "31/12-2019", "31 Dez 2019", "2019-12-31T24:00", "2019-12-31T23:60",
        "2019-12-31T23:59:60", "2019-12-31 13:00 PM",
        "2019-12-31 0:30 AM", "2019-12-31T1", "2019-12-31 10:00 CET", "2019-12-31T10:00+01:60", "0000-01-01",
        "10000-01-01", "0001-01-01T00:00+01:00",
        "today", "text", "", None, True, b"2019-12-31", [2019], "٢٠١٩-١٢-٣١", np.datetime64("0000-01-01"),
        np.datetime64("10000-01-01", "s"),
        float("nan"), np.datetime64("NaT"), 10**400, "2019-12-31 \u00a0 10:00",
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_date(raw: Any) -> None:
    for order in ORDERS:
        with pytest.raises(DataError) as caught:
            Date(order=order).read(raw)
        assert len(str(caught.value)) < 200
        column = np.empty(1, object)
        column[0] = raw
        assert np.isnan(parse_dates(column, order)).all()


@pytest.mark.parametrize(("unit", "per"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_numbers_since_1970(unit: str, per: int) -> None:
    codec = Date(epoch=unit)
    assert codec.read(1_577_836_800 * per) == 1_577_836_800
    assert codec.read(f" {1_577_836_800 * per} ") == 1_577_836_800
    assert codec.read(-1.5 * per) == -1.5
    assert codec.read("2020-01-01") == 1_577_836_800
    assert parse_dates(np.array([0.0, np.nan, 1e30]), epoch=unit).tolist()[0] == 0
    assert np.isnan(parse_dates(np.array([0.0, np.nan, 1e30]), epoch=unit)).tolist() == [False, True, True]


MOMENTS = st.datetimes(
    timezones=st.sampled_from([None, UTC, datetime.timezone(datetime.timedelta(hours=-3.5))])
).filter(lambda when: datetime.MINYEAR < when.year < datetime.MAXYEAR)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(MOMENTS)
def test_a_moment_is_the_same_however_it_is_written(when: datetime.datetime) -> None:
    whole = when.replace(microsecond=0)
    known = when if when.tzinfo else when.replace(tzinfo=UTC)
    naive = known.astimezone(UTC).replace(tzinfo=None)
    since = known - datetime.datetime(1970, 1, 1, tzinfo=UTC)
    want = since.days * 86_400 + since.seconds + since.microseconds / 1e6
    column = np.empty(4, object)
    column[:] = [when, when.isoformat(), np.datetime64(naive), naive.isoformat(" ") + " GMT"]
    assert parse_dates(column).tolist() == [want] * 4
    column[:] = [
        whole,
        whole.strftime("%d %B ") + f"{whole.year:04} {whole:%H:%M:%S%z}",
        *[whole.isoformat()] * 2,
    ]
    assert len(set(parse_dates(column).tolist())) == 1
    assert parse_dates(np.array([naive], "datetime64[us]"))[0] == want


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(int(FIRST), int(LAST) - 1))
def test_the_calendar_is_pythons(seconds: int) -> None:
    when = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    encoded = Date(parts=PARTS).encode(float(seconds))
    parts = (
        when.year,
        when.month,
        when.day,
        when.weekday(),
        when.timetuple().tm_yday,
        when.hour,
        when.minute,
    )
    assert encoded.tolist() == [seconds, *parts]
    assert calendar.weekday(when.year, when.month, when.day) == encoded[4]


def test_seconds_are_rounded_down() -> None:
    assert Date(parts=("minute",)).encode(-0.25).tolist() == [-1, 59]
    assert Date(parts=()).encode(59.999).tolist() == [59]


@pytest.mark.parametrize(
    ("values", "order"),
    [
        (["2019-12-31", "2020-01-01"], "ymd"),
        (["31/12/2019", "01/02/2019"], "dmy"),
        (["12/31/2019", "01/02/2019"], "mdy"),
        (["01/02/2019", "03/04/2019"], "dmy"),
        (["01/13/2019", "2019-05-06", datetime.date(2020, 1, 1)], "mdy"),
    ],
)
def test_fit_finds_the_order_where_there_is_no_choice(values: list[Any], order: str) -> None:
    """Where nothing tells, the day is first, as nearly everywhere; never the month."""
    fitted = Date().fit(values)
    assert fitted.order == order
    assert Date(order="mdy").fit(["01/02/2019", "03/04/2019"]).order == "mdy"
    assert not fitted.encode_column(np.array(values, object))[1]


def test_fit_refuses_what_no_order_reads() -> None:
    with pytest.raises(DataError, match="is not a date"):
        Date().fit(["31/12/2019", "12/31/2019"])
    with pytest.raises(DataError, match="'13/13/2019' is not a date"):
        Date(order="mdy").fit(["13/13/2019"])
    with pytest.raises(DataError, match="the date is missing"):
        Date().fit(["2019-12-31", None])
    with pytest.raises(DataError, match="no dates to fit to"):
        Date(missing=True).fit([None, "-"])


def test_fit_keeps_the_parts_that_vary_and_the_scale() -> None:
    days = Date().fit(["2020-01-31", "2020-02-29", "2020-03-31"])
    assert days.parts == ("month", "day", "weekday", "yearday")
    assert (days.center, days.spread) == (
        round(np.mean([1580428800, 1582934400, 1585612800])),
        np.std([1580428800, 1582934400, 1585612800]),
    )
    times = Date().fit(np.array(["2020-01-01T10:30", "2020-01-01T11:30"], "datetime64[m]"))
    assert times.parts == ("hour",)
    constant = Date(missing=True).fit(["2020-01-01", None])
    assert (constant.parts, constant.spread) == ((), 1.0)
    assert Date(parts=("year",), center=0.0).fit(["2020-01-01"]) == Date(
        parts=("year",), center=0.0, spread=1.0
    )
    with pytest.raises(DrivetrainError, match="no parts yet"):
        _ = Date().shape


def test_missing_dates() -> None:
    codec = Date(missing=True, parts=("year", "hour"))
    raws = [None, float("nan"), np.datetime64("NaT"), "", "N/A", "none", "-", "2020-01-01"]
    encoded, errors = codec.encode_column(np.array([*raws, "soon"], object))
    assert (encoded[:-2] == [MISSING, -1, -1]).all()
    assert encoded[-2:].tolist() == [[1577836800, 2020, 0], [0, 0, 0]]
    assert list(errors) == [8]
    found = codec.profile(encoded[:-1])
    assert (found["n"], found["missing"], found["quantiles"]["0.5"]) == (8, 7, "2020-01-01T00:00:00")
    assert codec.profile(encoded[:1]) == {"n": 1, "missing": 1}
    assert codec.profile(encoded[:0]) == {"n": 0, "missing": 0}


@pytest.mark.parametrize(
    "column",
    [
        np.array(["2020-01-01", "NaT", "1999-12-31"], "datetime64[D]"),
        np.array(["2020-01-01T00:00", None, "1999-12-31"], object),
        np.array(["2020-01-01", "2020-02-30", "1999-12-31 00:00:00"], object),
        np.array(["1 Jan 2020", "?", "31 Dec 1999"], object),
        np.array([20200101, 0, 19991231]),
    ],
)
def test_columns_of_any_dtype(column: Array) -> None:
    seconds = parse_dates(column)
    assert np.isnan(seconds).tolist() == [False, True, False]
    encoded, errors = Date(parts=("year",)).encode_column(column)
    assert encoded.tolist() == [[1577836800, 2020], [0, 0], [946598400, 1999]]
    assert list(errors) == [1]


def test_schema() -> None:
    assert Date().schema() == {"type": "string"}
    assert Date(missing=True, epoch="s").schema() == {"type": ["string", "number", "null"]}
