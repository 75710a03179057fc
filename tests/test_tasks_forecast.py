"""Forecasts: rows become windows of regular moments; no window looks ahead; the way to a bundle holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drivetrain as dt
from drivetrain.codecs.series import DECILES
from drivetrain.errors import DataError, UsageError
from drivetrain.learn.base import BaseLearner
from drivetrain.tasks.forecasted import season_errors
from drivetrain.testing.tasks import check_task
from drivetrain.windows import Windows

DAYS = 150
FIRST = np.datetime64("2020-01-01")


def sales(days: int = DAYS, stores: int = 2, seed: int = 0) -> dict[str, Any]:
    """Sales of some stores with a week in them, a price and a holiday known ahead, visitors known afterwards."""
    generator = np.random.default_rng(seed)
    week = np.sin(np.arange(days) * 2 * np.pi / 7)
    rows = days * stores
    return {
        "day": np.tile(FIRST + np.arange(days), stores),
        "store": np.repeat([f"store {number}" for number in range(stores)], days),
        "units": np.tile(week, stores) * 3 + 10 + generator.normal(size=rows),
        "price": generator.random(rows),
        "holiday": generator.choice(["", "", "Easter", "May Day"], rows),
        "visitors": generator.random(rows),
        "region": np.repeat(np.arange(stores) + 0.5, days),
    }


def made(frame: dict[str, Any], **options: Any) -> Any:
    usual: dict[str, Any] = {
        "timestamp": "day", "item": "store", "known": ["price", "holiday"], "past": ["visitors"], "static": ["region"]
    }  # fmt: skip
    return dt.forecast.from_frame(frame, "units", 7, **{**usual, **options})


@pytest.fixture(scope="module")
def data() -> Any:
    return made(sales(), test=0.1)


def test_the_time_of_the_year_is_told_where_the_training_is_long_enough_for_it() -> None:
    """By the whole history it was: what validates or tests had its say in what is learned."""
    frame = {"day": FIRST + np.arange(1_250), "units": np.arange(1_250.0) % 7}
    short, long = (
        dt.forecast.from_frame(frame, "units", 7, timestamp="day", valid=share)
        .signature.inputs["past"]
        .channels
        for share in (0.3, 0.05)
    )
    assert [name for name in long if name not in short] == ["time of year, sine", "time of year, cosine"]
    assert short[-1] == "Sunday"


def test_an_origin_is_a_row_with_what_is_known_of_it(data: Any) -> None:
    past, future = data.signature.inputs["past"], data.signature.inputs["future"]
    known = ("price", "holiday = Easter", "holiday = May Day")
    assert past.channels[:5] == ("units", *known, "visitors")
    assert future.channels[:3] == known
    assert future.channels[3:] == past.channels[5:]
    assert "Monday" in future.channels
    assert (past.ahead, future.ahead) == (False, True)
    assert data.signature.targets["units"].levels == DECILES
    assert list(data.signature.inputs) == ["past", "future", "store", "region"]
    row = int(data.rows("valid")[3])
    place = data.origin[row]
    assert data.raw("past", row)[:, 0].tolist() == data.values[place - data.context : place, 0].tolist()
    assert data.raw("units", row)[:, 0].tolist() == data.truth[place : place + 7, 0].tolist()
    assert data.raw("store", row) == "store 0"
    assert "2 series of units, 300 moments, every day (D)" in data.describe()
    assert "seasons: 7 (365 not seen)" in data.describe()


def test_the_edge_is_one_time_for_all_and_training_foretells_nothing_behind_it(data: Any) -> None:
    numbers = data.frequency.index(data.stamps)
    for part, low, high in (
        ("train", 0, data.edges[0]), ("valid", data.edges[0], data.edges[1]), ("test", data.edges[1], 10**9),
    ):  # fmt: skip
        first = numbers[data.origin[data.rows(part)]]
        assert (first >= low).all()
        assert (first + data.horizon <= high).all()
        assert {*data.item_of[data.rows(part)].tolist()} == {0, 1}
    whole = data.whole()
    assert len(whole.rows("train")) > len(data.rows("train")) + len(data.rows("valid"))
    assert not len(whole.rows("valid"))
    assert np.array_equal(whole.origin[whole.rows("test")], data.origin[data.rows("test")])
    assert whole.signature.targets == data.signature.targets


def test_a_changed_future_value_changes_no_input(data: Any) -> None:
    """Whatever comes from an origin on: nothing that is read there knows of it, but what is known ahead."""
    frame = sales()
    edge = FIRST + 90
    for column, anything in (("units", 1e6), ("visitors", -1e6), ("price", 77.0), ("holiday", "Easter")):
        changed = {**frame, column: frame[column].copy()}
        changed[column][frame["day"] >= edge] = anything
        other = made(changed, test=0.1)
        number = int(data.frequency.index(np.array([edge], "datetime64[s]"))[0])
        rows = np.flatnonzero(data.frequency.index(data.stamps)[data.origin] <= number)
        assert np.array_equal(other.origin, data.origin)
        for row in rows.tolist()[::5]:
            assert np.array_equal(data.raw("past", row), other.raw("past", row))
            if column in ("units", "visitors"):
                assert np.array_equal(data.raw("future", row), other.raw("future", row))
    assert not np.array_equal(data.raw("past", int(rows[-1]) + 9), other.raw("past", int(rows[-1]) + 9))


def test_what_was_not_measured_is_read_as_the_last_and_measured_against_nothing() -> None:
    frame = sales(stores=1)
    kept = np.ones(DAYS, bool)
    kept[100:103] = False
    units = frame["units"].copy()
    units[110] = np.nan
    frame = {name: column[kept] for name, column in {**frame, "units": units}.items()}
    found = made(frame, item=None, static=[])
    assert len(found.values) == DAYS
    assert np.flatnonzero(np.isnan(found.truth[:, 0])).tolist() == [100, 101, 102, 110]
    assert found.values[100:103, 0].tolist() == [found.values[99, 0]] * 3
    notes = " ".join(found.notes)
    assert "3 moments have no row (2.0% of 150), the longest gap is 2020-04-10 to 2020-04-12" in notes
    assert "1 row has no units" in notes
    zero = made(frame, item=None, static=[], fill="zero")
    assert zero.truth[100:103, 0].tolist() == [0, 0, 0]
    assert np.isnan(zero.truth[110, 0])


def test_several_targets_are_several_series() -> None:
    frame = sales(stores=1)
    found = dt.forecast.from_frame(frame, "units,visitors", 7, timestamp="day")
    assert found.items == ("units", "visitors")
    assert list(found.signature.inputs) == ["past", "future", "series"]
    assert list(found.signature.targets) == ["value"]
    assert np.allclose(found.values[:, 0], np.concatenate([frame["units"], frame["visitors"]]))
    both = dt.forecast.from_frame(sales(), ["units", "visitors"], 7, timestamp="day", item="store")
    assert both.items == ("store 0 / units", "store 0 / visitors", "store 1 / units", "store 1 / visitors")


def test_rows_without_times_follow_each_other() -> None:
    found = dt.forecast.from_frame({"x": np.arange(300.0)}, "x", 5, freq="30min")
    assert found.seasons == (48, 336)
    assert "future" not in found.signature.inputs
    assert "row after row" in found.describe()
    assert not found.notes


@pytest.mark.parametrize(
    ("change", "options", "told"),
    [
        ({}, {"horizon": 0}, "horizon has 1 to"),
        ({}, {"horizon": 200}, "history is too short"),
        ({}, {"context": 140}, "no series is long enough"),
        ({}, {"valid": 1.5}, "share of the moments"),
        ({}, {"known": ["prize"]}, "Did you mean price"),
        ({}, {"known": ["price"], "past": ["price"]}, "known already"),
        ({"units": "nothing"}, {}, "no row has a number"),
        ({"units": (3, "inf")}, {}, "row 4, column 'units': 'inf' is not a finite number"),
        ({"units": (3, "many")}, {}, "row 4"),
        ({"day": (5, "soon")}, {}, "soon"),
        ({"day": (5, "2820-01-01")}, {}, "row 6"),
        ({"store": (2, "")}, {}, "row 3, column 'store'"),
        ({}, {"freq": "fortnightly"}, "no frequency 'fortnightly'"),
        ({}, {"timezone": "Europe/Berlim"}, "Did you mean Europe/Berlin"),
    ],
)
def test_what_can_not_be_foretold_is_named(
    change: dict[str, Any], options: dict[str, Any], told: str
) -> None:
    frame = sales(stores=1)
    for column, what in change.items():
        values = frame[column].astype(str).astype(object)
        if isinstance(what, tuple):
            values[what[0]] = what[1]
        else:
            values[:] = ""
        frame[column] = values
    call = {"horizon": 7, "timestamp": "day", "item": "store", **options}
    with pytest.raises((DataError, UsageError), match=told):
        dt.forecast.from_frame(frame, "units", **call)


def test_a_column_that_is_called_as_a_channel_is_named() -> None:
    frame = sales(stores=1)
    with pytest.raises(UsageError, match="two channels are called 'Monday'"):
        dt.forecast.from_frame(
            {**frame, "Monday": frame["price"]}, "units", 7, timestamp="day", past=["Monday"]
        )


def test_a_constant_series_and_one_too_short_are_told() -> None:
    frame = sales()
    frame["units"][frame["store"] == "store 1"] = 4.0
    assert "1 series is one number at every moment, such as store 1" in " ".join(made(frame).notes)
    short = {name: column[:-140] for name, column in sales().items()}
    assert "1 series is too short to train on (store 1)" in " ".join(made(short).notes)


@pytest.mark.slow
def test_it_goes_the_whole_way(tmp_path: Path) -> None:
    check_task(made(sales(), test=0.1), tmp_path)


@pytest.mark.slow
def test_a_file_goes_the_whole_way_and_a_run_is_taken_up_again(tmp_path: Path) -> None:
    frame = sales()
    names = list(frame)
    rows = [",".join(map(str, row)) for row in zip(*frame.values())]
    table = tmp_path / "sales.csv"
    table.write_text("\n".join([",".join(names), *rows]) + "\n")
    found = dt.forecast.from_csv(table, "units", 7, timestamp="day", item="store", known=["price"])
    learner: BaseLearner = found.learner(out=tmp_path / "run", quiet=True)
    result = learner.fit()  # type: ignore[attr-defined]
    assert {"naive", "seasonal naive"} <= {*result["baselines"]}
    from drivetrain.learn.by_name import resume

    again = resume(tmp_path / "run", quiet=True)
    assert again.go_on()["metrics"] == result["metrics"]


@pytest.mark.slow
def test_runs_on_series_with_gaps_are_compared_as_their_results_are(tmp_path: Path) -> None:
    """A moment that nobody measured is NaN in both, which is no other truth; another horizon is another question."""
    from drivetrain.findings.comparison import compare

    frame = sales()
    frame["units"][[120, 135, 140]] = np.nan
    results: dict[str, Any] = {}
    for name, horizon, known in [("with", 7, ["price"]), ("without", 7, []), ("longer", 9, [])]:
        found = dt.forecast.from_frame(frame, "units", horizon, timestamp="day", item="store", known=known)
        learner: BaseLearner = found.learner(out=tmp_path / name, quiet=True)
        results[name] = learner.fit()["metrics"]["valid"]  # type: ignore[attr-defined]
    told = compare([tmp_path / "with", tmp_path / "without"]).metrics
    for name in ("with", "without"):
        for metric in ("mae", "band_coverage"):
            assert told[name][metric].value == pytest.approx(results[name][metric]["value"], abs=1e-6)
    with pytest.raises(DataError, match="another size in with than in longer: 7 x 1 and 9 x 1"):
        compare([tmp_path / "with", tmp_path / "longer"])


def test_a_dataset_shows_its_series_and_a_shorter_history_keeps_what_validates(data: Any) -> None:
    chart = data.show(2, "valid")
    assert chart.title == "table: valid"
    short = data.latest(40)
    assert len(short.rows("train")) == 40
    assert len(short.values) < len(data.values)
    for row, other in zip(short.rows("valid"), data.rows("valid")):
        assert np.array_equal(short.raw("past", int(row)), data.raw("past", int(other)))


def test_the_zone_of_a_frame_is_that_of_its_clock(tmp_path: Path) -> None:
    pl = pytest.importorskip("polars")
    utc = np.datetime64("2019-10-20T22:00", "us") + np.arange(24 * 30) * np.timedelta64(1, "h")
    times = pl.Series("t", utc).dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    frame = pl.DataFrame({"t": times, "y": np.sin(np.arange(len(utc)) / 4)})
    found = dt.forecast.from_frame(frame, "y", 24, timestamp="t")
    assert found.layout.zone == "Europe/Berlin"
    assert str(found.moments.local[0]) == "2019-10-21T00:00:00"
    assert len(found.values) == len(utc)
    with pytest.raises(UsageError, match="zz"):
        dt.forecast.from_frame(frame, "y", 24, timestamp="zz")
    aware = dt.forecast.from_frame({"t": times.to_list(), "y": frame["y"].to_list()}, "y", 24, timestamp="t")
    assert np.array_equal(aware.moments.local, found.moments.local)
    frame.write_parquet(tmp_path / "y.parquet")
    read = dt.forecast.from_csv(tmp_path / "y.parquet", "y", 24, timestamp="t")
    assert read.layout.zone == "Europe/Berlin"
    assert np.array_equal(read.moments.local, found.moments.local)


@pytest.mark.slow
def test_long_windows_make_few_golden_cases(tmp_path: Path) -> None:
    frame = {"x": np.sin(np.arange(9_000) / 7), **{f"c{number}": np.arange(9_000.0) for number in range(9)}}
    found = dt.forecast.from_frame(frame, "x", 4, past=list(frame)[1:], context=3_000)
    learner = found.learner("seasonal", out=tmp_path / "run", quiet=True)
    learner.fit()
    assert len(learner.golden_samples()) == 8


@pytest.mark.slow
def test_a_bundle_is_measured_on_what_training_has_not_seen(tmp_path: Path) -> None:
    from drivetrain.evaluate import evaluate
    from drivetrain.metrics import measure

    frame = sales()
    names = ["day", "store", "units", "price"]

    def written(name: str, rows: slice) -> Path:
        lines = [",".join(map(str, row)) for row in zip(*(frame[column][rows] for column in names))]
        (tmp_path / name).write_text("\n".join([",".join(names), *lines]) + "\n")
        return tmp_path / name

    table = written("sales.csv", slice(None))
    found = dt.forecast.from_csv(table, "units", 7, timestamp="day", item="store", known=["price"], test=0.2)
    learner = found.learner(out=tmp_path / "run", quiet=True)
    learner.fit()
    bundle = learner.export(tmp_path / "sales.bundle")
    result = evaluate(bundle, table, quiet=True)
    shipped = learner.shipped
    codec = found.signature.targets["units"]
    want = measure(codec, shipped.predict_part("test")["units"], shipped.data.truths("test")["units"])
    assert result["n"] == len(found.rows("test"))
    assert result["metrics"]["mae"]["value"] == pytest.approx(want["mae"].value, rel=1e-4)
    assert {*result["baselines"]} == {"naive", "seasonal naive"}
    assert 0.5 < result["metrics"]["band_coverage"]["value"] < 1
    with pytest.raises(DataError, match="all that it holds is what the model has learned from"):
        evaluate(bundle, written("old.csv", slice(0, 100)), quiet=True)
    frame["units"] = frame["units"].astype(str).astype(object)
    frame["units"][145] = "many"
    with pytest.raises(DataError, match=r"bad\.csv, row 147, column 'units': 'many' is not a number"):
        evaluate(bundle, written("bad.csv", slice(None)), quiet=True)


def test_what_is_static_and_changes_is_refused() -> None:
    """Its last value would be one that nobody knows yet at an earlier moment."""
    frame = sales()
    frame["region"] = frame["region"].astype(object)
    frame["region"][DAYS + 3] = 7.5
    with pytest.raises(DataError, match=r"region of 'store 1' is '7.5' here, and '1.5' before") as found:
        made(frame)
    assert found.value.where == f"table, row {DAYS + 4}, column 'region'"
    frame["region"][DAYS + 3] = None
    assert made(frame).moments.statics["region"].tolist() == [0.5, 1.5]


def test_limits_of_answers_are_those_of_training() -> None:
    """What validates would else be measured by what itself shows: it trains only with `whole`."""
    frame = {"units": [*np.linspace(20, 90, 120), *[10.0] * 12, *np.linspace(20, 90, 18)]}
    found = dt.forecast.from_frame(frame, "units", 3)
    assert found.signature.targets["units"].lowest == 0
    assert found.whole().signature.targets["units"].lowest == 10


def test_nothing_that_is_fitted_depends_on_what_is_held_out() -> None:
    """Codecs, season, scale of MASE, context and what is read in training are the same whatever comes after its end."""
    frame, other = sales(days=300), sales(days=300)
    one = made(frame, test=0.1)
    ends = one.training_end
    late = np.concatenate([np.arange(end, offset + 300) for end, offset in zip(ends, one.offsets)])
    assert len(late) > 150
    for column in ("units", "price", "visitors"):
        other[column] = other[column].copy()
        other[column][late] = 1_000 + np.arange(len(late)) % 11
    other["holiday"] = other["holiday"].copy()
    other["holiday"][late] = "Easter"
    two = made(other, test=0.1)
    assert one.signature.to_json() == two.signature.to_json()
    assert one.layout == two.layout
    assert one.seasons_found == two.seasons_found
    assert season_errors(one).tolist() == season_errors(two).tolist()
    for field, column in one.part("train").arrays.items():
        mine, theirs = (each.part("train").column(field) for each in (one, two))
        if isinstance(column, Windows):
            mine, theirs = mine.gather(), theirs.gather()
        assert np.array_equal(mine, theirs, equal_nan=field == "units")


def test_dates_that_nobody_named_are_told() -> None:
    frame = {"day": np.datetime64("2024-01-01") + np.arange(60), "y": np.arange(60.0) % 7}
    notes = dt.forecast.from_frame(frame, "y", 3).notes
    assert any("'day' holds dates and is not read" in note and "--timestamp day" in note for note in notes)
    assert not any(
        "is not read" in note for note in dt.forecast.from_frame(frame, "y", 3, timestamp="day").notes
    )
