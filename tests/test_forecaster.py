"""A bundle continues histories: the moments that follow, their stamps and bands, what can't be answered, and what is odd."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_examples import altered

import drivetrain as dt
from drivetrain.bundle import open_bundle
from drivetrain.cli.main import main
from drivetrain.errors import BundleError, CheckFailed, DataError, UsageError
from drivetrain.export.refitting import refit
from drivetrain.files import to_json
from drivetrain.runtime import Forecaster, Predictor
from drivetrain.runtime.programs import verified

pytestmark = pytest.mark.slow

FIRST = np.datetime64("2021-03-01")  # A Monday.
WEEK = np.array([10.0, 12, 14, 16, 18, 30, 25])


def sales(days: int = 140, stores: int = 2, noise: float = 1.0, known: bool = False) -> dict[str, list[Any]]:
    rng = np.random.default_rng(days)
    units = [np.resize(WEEK, days) * (1 + store) + noise * rng.normal(size=days) for store in range(stores)]
    found: dict[str, list[Any]] = {
        "day": [str(FIRST + day) for _ in range(stores) for day in range(days)],
        "store": [f"store {store}" for store in range(stores) for _ in range(days)],
        "units": np.concatenate(units).round(2).tolist(),
    }
    if known:
        found["price"] = rng.random(days * stores).round(2).tolist()
        found["holiday"] = ["May Day" if n % 30 == 5 else "" for n in range(days * stores)]
    return found


def bundle(folder: Path, table: dict[str, list[Any]], name: str = "sales", **options: Any) -> Path:
    usual: dict[str, Any] = {"timestamp": "day", "item": "store", "context": 14}
    data = dt.forecast.from_frame(table, "units", 7, **{**usual, **options})
    learner = data.learner("seasonal", out=folder / f"{name}-run", quiet=True)
    learner.fit()
    return learner.export(folder / f"{name}.bundle")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle(tmp_path_factory.mktemp("plain"), sales())


@pytest.fixture(scope="module")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle(tmp_path_factory.mktemp("knowing"), sales(known=True), known=["price", "holiday"])


def one(table: dict[str, list[Any]], store: str = "store 0") -> dict[str, list[Any]]:
    return {
        name: [cell for cell, own in zip(cells, table["store"]) if own == store]
        for name, cells in table.items()
    }


def until(table: dict[str, list[Any]], days: int) -> dict[str, list[Any]]:
    last = str(FIRST + days)
    return {name: [c for c, day in zip(cells, table["day"]) if day < last] for name, cells in table.items()}


def test_each_series_goes_on_from_its_own_end_with_rows_that_the_training_had_not(plain: Path) -> None:
    table = sales(noise=0)
    longer = sales(147, noise=0)
    first, other = Forecaster(plain).forecast(longer)
    assert (first.series, other.series) == ("store 0", "store 1")
    assert first.stamps == [str(FIRST + 147 + day) for day in range(7)]
    np.testing.assert_allclose(first.value, WEEK)
    np.testing.assert_allclose(other.value, 2 * WEEK)
    assert (first.low < first.value).all()
    assert (first.value < first.high).all()
    late = {name: cells + cells[:0] for name, cells in table.items()}
    ragged = {name: one(longer)[name] + one(until(table, 100), "store 1")[name] for name in late}
    found = Forecaster(plain).forecast(ragged)
    assert any("'store 1' ends at 2021-06-08, before others" in note for note in found[1].notes)
    ends = [each.stamps[0] for each in found]
    assert ends == [str(FIRST + 147), str(FIRST + 100)]


def test_the_order_of_rows_says_nothing_and_gaps_and_rows_of_one_moment_are_told(plain: Path) -> None:
    table, forecaster = sales(), Forecaster(plain)
    expected = forecaster.forecast(table)
    order = np.random.default_rng(0).permutation(len(table["day"])).tolist()
    mixed = {name: [cells[place] for place in order] for name, cells in table.items()}
    for ours, theirs in zip(sorted(forecaster.forecast(mixed), key=lambda each: each.series), expected):
        assert ours.to_json()["forecast"] == theirs.to_json()["forecast"]
        assert any("sorted by time" in note for note in ours.notes)
    lost = {name: cells[:50] + cells[51:] + cells[-1:] for name, cells in table.items()}
    notes = " ".join(forecaster.forecast(lost)[0].notes)
    assert "no row" in notes
    assert "several rows" in notes


def test_a_longer_horizon_goes_on_from_itself_and_its_band_widens(plain: Path) -> None:
    (first, _) = Forecaster(plain).forecast(sales(noise=0), horizon=17)
    assert len(first.stamps) == len(first.value) == 17
    assert first.stamps[-1] == str(FIRST + 156)
    np.testing.assert_allclose(first.value, np.resize(WEEK, 17))
    wide = first.high - first.low
    assert (wide[7:14] > 1.2 * wide[:7]).all()
    assert (wide[14:] > 1.1 * wide[7:10]).all()
    assert any("beyond 7 moments" in note for note in first.notes)
    assert len(Forecaster(plain).forecast(sales(), horizon=3)[0].stamps) == 3
    with pytest.raises(UsageError, match="up to 20 times"):
        Forecaster(plain).forecast(sales(), horizon=141)
    with pytest.raises(UsageError, match="horizon"):
        Forecaster(plain).forecast(sales(), horizon=0)


def test_a_covariate_without_a_future_is_named_with_its_stamp(knowing: Path, tmp_path: Path) -> None:
    table, forecaster = sales(known=True), Forecaster(knowing)
    with pytest.raises(DataError, match=r"'price' is not known at 2021-07-19 of 'store 0'") as caught:
        forecaster.forecast(table)
    assert "--known-future" in caught.value.fix
    future = {
        "day": [str(FIRST + 140 + day) for day in range(7)] * 2, "store": ["store 0"] * 7 + ["store 1"] * 7,
        "price": [0.5] * 14, "holiday": [""] * 14,
    }  # fmt: skip
    apart = forecaster.forecast(table, future=future)
    together = {name: cells + future.get(name, [None] * 14) for name, cells in table.items()}
    below = forecaster.forecast(together)
    assert [each.to_json() for each in apart] == [each.to_json() for each in below]
    future["price"][3] = ""  # type: ignore[call-overload]
    with pytest.raises(DataError, match="'price' is not known at 2021-07-22") as caught:
        forecaster.forecast(table, future=future)
    assert "future, row 4" in caught.value.where


def test_a_day_without_a_row_between_others_to_come_is_read_as_in_the_training(knowing: Path) -> None:
    """A shop that is closed on Sundays has no row for them, neither of what was nor of what comes."""
    table, forecaster = sales(known=True), Forecaster(knowing)
    days = [0, 1, 3, 4, 5, 6]
    future = {
        "day": [str(FIRST + 140 + day) for day in days] * 2, "store": ["store 0"] * 6 + ["store 1"] * 6,
        "price": [0.5] * 12, "holiday": [""] * 12,
    }  # fmt: skip
    (first, _) = forecaster.forecast(table, future=future)
    assert first.stamps == [str(FIRST + 140 + day) for day in range(7)]
    (note,) = (note for note in first.notes if "to come" in note)
    assert note == "of the 7 moments to come 1 has no row, the first 2021-07-21: price, holiday as last known"
    with pytest.raises(DataError, match=f"'price' is not known at {FIRST + 146}"):
        forecaster.forecast(table, future={name: cells[:5] for name, cells in future.items()})


def test_a_series_that_is_new_and_one_that_is_short_are_told_or_refused(plain: Path) -> None:
    forecaster = Forecaster(plain)
    new = {**one(sales()), "store": ["store 9"] * 140}
    (found,) = forecaster.forecast(new)
    assert any("'store 9' was not in the training" in note for note in found.notes)
    (short,) = forecaster.forecast(until(one(sales()), 9))
    assert any("9 moments of the 14 that are read" in note for note in short.notes)
    with pytest.raises(DataError, match=r"6 known moments, and the model reads 14 .* 7 at least") as caught:
        forecaster.forecast_of(forecaster.read(until(one(sales()), 6), name="sales.csv"))
    assert caught.value.where == "sales.csv"
    with pytest.raises(DataError, match="no row has a number"):
        forecaster.forecast({**sales(), "units": [None] * 280})
    with pytest.raises(UsageError, match="no column 'units'"):
        forecaster.forecast({name: cells for name, cells in sales().items() if name != "units"})
    with pytest.raises(DataError, match="row 3") as caught:
        forecaster.forecast({**sales(), "units": [*sales()["units"][:2], "many", *sales()["units"][3:]]})
    assert "units" in str(caught.value)


def test_stamps_with_a_zone_are_read_by_their_clock_where_the_training_had_none(plain: Path) -> None:
    """Midnight in Berlin is the day before in UTC: forecasts began a day early."""
    table, forecaster = sales(), Forecaster(plain)
    zoned = [f"{day}T00:00:00+0{1 + (day >= '2021-03-28')}:00" for day in table["day"]]
    expected, found = forecaster.forecast(table)[0], forecaster.forecast({**table, "day": zoned})[0]
    assert found.stamps == expected.stamps
    assert (found.value == expected.value).all()
    assert any("what their clock shows is taken" in note for note in found.notes)


def test_series_with_too_short_a_past_are_named_and_the_others_answered(plain: Path) -> None:
    """Of 300 items some are always new: they took the forecasts of all others with them."""
    table, new = sales(), until(one(sales()), 6)
    many = {name: [*table[name], *cells, *cells] for name, cells in new.items()}
    many["store"][-12:] = ["store 8"] * 6 + ["store 9"] * 6
    found = Forecaster(plain).forecast(many)
    assert [each.series for each in found] == ["store 0", "store 1"]
    told = "2 series have fewer than 7 of the 14 moments that are read, and no forecast: 'store 8', 'store 9'"
    assert all(told in each.notes for each in found)


def test_a_series_without_a_future_is_named_and_the_others_answered(
    knowing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An item that is sold no more has no price to come: it took the forecasts of all others with it."""
    import polars as pl

    table = sales(known=True)
    old = until(one(table), 100)
    table = {name: [*table[name], *cells] for name, cells in old.items()}
    table["store"][-100:] = ["store 7"] * 100
    future = {
        "day": [str(FIRST + 140 + day) for day in range(7)] * 2, "store": ["store 0"] * 7 + ["store 1"] * 7,
        "price": [0.5] * 14, "holiday": [""] * 14,
    }  # fmt: skip
    found = Forecaster(knowing).forecast(table, future=future)
    assert [each.series for each in found] == ["store 0", "store 1"]
    told = (
        "1 series has no row with price, holiday for all of the 7 moments to come, and no forecast: 'store 7'"
    )
    assert all(told in each.notes for each in found)
    source, ahead = str(tmp_path / "sales.csv"), str(tmp_path / "ahead.csv")
    pl.DataFrame(table).write_csv(source)
    pl.DataFrame(future).write_csv(ahead)
    assert main(["predict", str(knowing), source, "--known-future", ahead, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["forecasts"]) == 2
    assert told in answer["notes"]
    with pytest.raises(DataError, match=r"'price' is not known at .* of 'store 0'"):
        Forecaster(knowing).forecast(table)


def test_a_history_of_which_hardly_anything_is_known_is_refused_or_told(plain: Path) -> None:
    forecaster, table = Forecaster(plain), sales()
    late = {"day": "2031-03-01", "store": "store 0", "units": 12.0}
    alone = {name: [*cells, late[name]] for name, cells in one(table).items()}
    with pytest.raises(DataError, match=r"of the 14 moments before what is foretold only 1 is known"):
        forecaster.forecast(alone)
    both = {name: [*cells, late[name]] for name, cells in table.items()}
    (found,) = forecaster.forecast(both)
    assert found.series == "store 1"
    assert any("hardly any known one of the 14" in note and "'store 0'" in note for note in found.notes)
    weekly = {name: cells[::7] for name, cells in one(sales(280)).items()}
    (found,) = forecaster.forecast(weekly)
    assert any("only 2 of the 14 that are read are known" in note for note in found.notes)
    assert not any("are known" in note for note in forecaster.forecast(table)[0].notes)


def test_what_is_told_of_a_history_names_no_option_of_a_training(plain: Path) -> None:
    table, forecaster = sales(), Forecaster(plain)
    kept = [row for row in range(len(table["day"])) if row not in (30, 31, 32)]
    odd = {name: [*(cells[row] for row in kept), cells[-1]] for name, cells in table.items()}
    (notes,) = {each.notes for each in forecaster.forecast(odd)}
    assert any("3 moments have no row" in note and note.endswith("read as the last value") for note in notes)
    assert any("several rows" in note for note in notes)
    assert not any("--" in note for note in notes)
    other = [f"{day[8:]}.{day[5:7]}.{day[:4]}" for day in table["day"]]
    with pytest.raises(DataError, match=r"'01.03.2021' is not") as caught:
        forecaster.forecast({**table, "day": other})
    assert caught.value.fix == "Write all of them as those of the training were, such as 2019-12-31."


def test_what_is_given_of_the_future_for_nothing_is_told(plain: Path, tmp_path: Path) -> None:
    future = {"day": [str(FIRST + 140 + day) for day in range(7)], "store": ["store 0"] * 7}
    found = Forecaster(plain).forecast(one(sales()), future=future)
    assert "the model knows nothing ahead: what is given of the future is not read" in found[0].notes


def test_a_history_unlike_the_training_is_told(plain: Path) -> None:
    table = sales()
    assert not any("unlike" in note for each in Forecaster(plain).forecast(table) for note in each.notes)
    large = {**table, "units": [*table["units"][:139], 1e30, *table["units"][140:]]}
    first, other = Forecaster(plain).forecast(large)
    (note,) = (note for note in first.notes if "unlike" in note)
    assert note.startswith(
        "the history of 'store 0' is unlike the training: far above the training range of "
    )
    assert not any("unlike" in note for note in other.notes)
    (still,) = Forecaster(plain).forecast({**one(table), "units": [20.0] * 140})
    assert any("standing still for longer than anything in training" in note for note in still.notes)


def test_the_band_learns_from_what_came_after_the_training(plain: Path) -> None:
    calm, rough = sales(200, noise=1.0), sales(200, noise=1.0)
    rng = np.random.default_rng(1)
    rough["units"] = [
        value if day < str(FIRST + 140) else value + 12 * rng.normal() for value, day in zip(rough["units"], rough["day"])
    ]  # fmt: skip
    wide = [
        float((found.high - found.low).mean()) for found in (Forecaster(plain).forecast(table)[0] for table in (calm, rough))
    ]  # fmt: skip
    assert wide[1] > 1.2 * wide[0]
    assert any("learned from 60 moments" in note for note in Forecaster(plain).forecast(rough)[0].notes)


def test_stamps_to_come_know_business_days_and_daylight_saving(tmp_path: Path) -> None:
    days = np.busday_offset(np.datetime64("2021-01-04"), np.arange(160))
    table = {"day": days.astype(str).tolist(), "units": np.resize(WEEK[:5], 160).tolist()}
    path = bundle(tmp_path, table, "business", item=None, context=10)
    (found,) = Forecaster(path).forecast({name: cells[:155] for name, cells in table.items()})
    assert found.stamps == days[155:].astype(str).tolist() + found.stamps[5:]
    assert [np.datetime64(stamp).astype(int) % 7 in (2, 3) for stamp in found.stamps] == [False] * 7

    instants = np.datetime64("2021-03-20T23:00:00") + 3600 * np.arange(
        184
    )  # To 02:00 on the day when the clocks change.
    local = [
        str(each) for each in instants + np.where(instants < np.datetime64("2021-03-28T01:00:00"), 3600, 7200)
    ]
    table = {"day": local, "units": np.resize(np.arange(24.0), 184).tolist()}
    path = bundle(tmp_path, table, "hours", item=None, context=24, timezone="Europe/Berlin")
    (found,) = Forecaster(path).forecast({name: cells[:168] for name, cells in table.items()})
    assert found.stamps[0] == "2021-03-28T00:00:00+01:00"
    assert found.stamps[1:4] == [
        "2021-03-28T01:00:00+01:00", "2021-03-28T03:00:00+02:00", "2021-03-28T04:00:00+02:00"
    ]  # fmt: skip


def test_what_is_odd_is_found_with_the_rate_of_false_alarms(plain: Path, tmp_path: Path) -> None:
    few = Forecaster(plain).anomalies(sales())
    assert few.rate == pytest.approx(2 / 45)
    assert any("44 moments of validation" in note for note in few.notes)
    plain = bundle(tmp_path, sales(1200, stores=1))
    table = sales(400, stores=1)
    usual = Forecaster(plain).anomalies(table)
    assert usual.looked == 386
    assert len(usual.found) <= 12
    places = [100, 200, 333]
    for place in places:
        table["units"][place] += 25
    found = Forecaster(plain).anomalies(table)
    assert {str(FIRST + place) for place in places} <= {odd.stamp for odd in found.found}
    # Not the week after each, when what is foretold is what was odd.
    assert len(found.found) <= len(usual.found) + 4
    assert found.found[0].origin.startswith("history, row ")
    assert "about 3.9 of them by chance alone (1.0% of usual moments" in found.words()
    assert len(Forecaster(plain).anomalies(table, rate=0.2).found) > len(found.found)
    with pytest.raises(UsageError, match="no share"):
        Forecaster(plain).anomalies(table, rate=1.5)


def test_golden_histories_hold_and_another_answer_is_found_at_their_stage(plain: Path, knowing: Path) -> None:
    opened = open_bundle(plain)
    assert opened.manifest["format"] == 8
    assert opened.manifest["program"] == {"name": "forecast"}
    names = [case.name for case in opened.histories]
    assert names == ["as it is", "gaps, twice and unsorted", "farther", "never seen"]
    assert (
        open_bundle(knowing).histories[0].answers[0]["stamps"][0]
        > open_bundle(knowing).histories[0].rows["day"][0]
    )
    report = verified(opened)
    assert report.ok
    assert report.stages[-1]["stage"] == "histories"
    assert report.stages[-1]["cases"] == 4
    case = opened.histories[0]
    answers = [
        {**case.answers[0], "value": [value + 1 for value in case.answers[0]["value"]]},
        *case.answers[1:],
    ]
    other = replace(opened, histories=(replace(case, answers=answers), *opened.histories[1:]))
    with pytest.raises(CheckFailed, match="'histories' stage: history 'as it is'"):
        verified(other).require()
    stamps = [{**case.answers[0], "stamps": ["2021-01-01"] * 7}, *case.answers[1:]]
    assert not verified(replace(opened, histories=(replace(case, answers=stamps),))).ok


@pytest.mark.parametrize(
    ("member", "change", "told"),
    [
        ("forecast.json", {"seen": {"store 0": "soon"}}, "seen"),
        ("forecast.json", {"recipe": 3}, "recipe"),
        ("forecast.json", {"layout": {}}, "layout"),
        (
            "forecast.json",
            {"alarms": {"scores": [2, 1], "count": 2, "rate": 0.01, "observed": None}},
            "alarms",
        ),
        ("forecast.json", {"more": 1}, "fields"),
        ("golden/histories.json", {"histories": []}, "histories"),
        (
            "golden/histories.json",
            {"histories": [{"name": "x", "rows": {}, "horizon": 7, "answers": []}]},
            "layout",
        ),
    ],
)
def test_a_record_that_is_not_sound_is_refused(
    plain: Path, member: str, change: dict[str, Any], told: str
) -> None:
    data = plain.read_bytes()
    opened = open_bundle(plain)
    record = {**json.loads(bytes(opened.members[member])), **change}
    with pytest.raises(BundleError, match=told):
        dt.bundle.open_bundle_bytes(altered(data, {member: to_json(record).encode()}))


def test_frames_and_files_are_histories_and_rows_alone_still_have_a_predictor(
    plain: Path, tmp_path: Path
) -> None:
    import polars as pl

    table = sales()
    frame = pl.DataFrame(table)
    made = Forecaster(plain).forecast_frame(frame)
    assert made.columns == ["store", "day", "value", "low", "high"]
    assert len(made) == 14
    frame.write_csv(tmp_path / "sales.csv")
    (first, _) = Forecaster(plain).forecast(tmp_path / "sales.csv")
    assert first.value.tolist() == made["value"].to_list()[:7]
    with pytest.raises(UsageError, match="can't be read here"):
        Forecaster(plain).forecast(tmp_path / "sales.xlsx")
    predictor = Predictor(plain)
    windows = {name: np.ones(predictor.signature.inputs[name].shape) for name in ("past", "future")}
    answer = predictor.predict({**windows, "store": "store 0"})
    assert len(answer.value) == 7


def test_the_command_line_continues_a_file_and_looks_for_what_is_odd(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import polars as pl

    source, out, chart = (str(tmp_path / name) for name in ("sales.csv", "next.csv", "next.svg"))
    table = sales()
    table["units"][77] = 300.0
    pl.DataFrame(table).write_csv(source)
    assert main(["predict", str(plain), source, "--horizon", "9", "--out", out, "--chart", chart]) == 0
    told = capsys.readouterr()
    assert "2021-07-19" in told.out
    assert "80% between" in told.out
    assert "beyond 7 moments" in told.err
    assert len(Path(out).read_text().splitlines()) == 19
    assert "store 1" in Path(chart).read_text()
    assert main(["predict", str(plain), source, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["band"] == 0.8
    assert len(answer["forecasts"][1]["forecast"]) == 7
    assert main(["anomalies", str(plain), source, "--chart", str(tmp_path / "odd.svg"), "--json"]) == 0
    odd = json.loads(capsys.readouterr().out)
    assert str(FIRST + 77) in {each["stamp"] for each in odd["anomalies"]}
    assert main(["predict", str(plain), source, "--keep", "units"]) == 2
    assert main(["predict", str(plain), source, "--known-future", str(tmp_path / "none.csv")]) == 1


def in_regions(days: int = 140) -> dict[str, list[Any]]:
    table = sales(days, stores=4)
    table["region"] = ["north" if store in ("store 0", "store 1") else "south" for store in table["store"]]
    return table


def test_sums_of_a_hierarchy_are_foretold_and_add_up_to_the_last_digit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import polars as pl

    table = in_regions()
    data = dt.forecast.from_frame(table, "units", 7, timestamp="day", hierarchy="region/store", context=14)
    assert data.items == ("store 0", "store 1", "store 2", "store 3", "total", "north", "south")
    day = data.offsets[4] + 30
    parts = [data.truth[data.offsets[n] + 30, 0] for n in range(4)]
    assert data.truth[day, 0] == pytest.approx(sum(parts))
    learner = data.learner("bank", quiet=True)
    learner.fit()
    learner.export(tmp_path / "sums.bundle")
    pl.DataFrame(in_regions(150)).write_csv(tmp_path / "later.csv")
    for horizon in ("7", "11"):
        command = [
            "predict",
            str(tmp_path / "sums.bundle"),
            str(tmp_path / "later.csv"),
            "--horizon",
            horizon,
            "--json",
        ]
        assert main(command) == 0
        answer = json.loads(capsys.readouterr().out)
        told = {
            each["series"]: np.array([row["value"] for row in each["forecast"]])
            for each in answer["forecasts"]
        }
        assert list(told) == ["total", "north", "south", "store 0", "store 1", "store 2", "store 3"]
        assert (told["total"] == told["store 3"] + told["store 1"] + told["store 0"] + told["store 2"]).all()
        assert (told["total"] == told["north"] + told["south"]).all()
        assert (told["north"] == told["store 0"] + told["store 1"]).all()
        np.testing.assert_allclose(told["total"][:7], 10 * np.roll(WEEK, -3), rtol=0.1)
    forecaster = Forecaster(tmp_path / "sums.bundle")
    late = {name: cells[:-1] for name, cells in table.items()}
    with pytest.raises(DataError, match="'store 3' at 2021-07-17 and others at 2021-07-18"):
        forecaster.forecast(late)
    closed = {name: cells[:-60] for name, cells in table.items()}
    assert [each.series for each in forecaster.forecast(closed)][-1] == "store 2"


@pytest.mark.parametrize("model", ["bank", "seasonal"])
def test_counts_are_never_foretold_below_0_and_still_add_up(model: str, tmp_path: Path) -> None:
    days, rng = 150, np.random.default_rng(4)
    few = [np.maximum(0, rng.poisson(lift, days) - np.arange(days) // 20) for lift in (8, 3, 1)]
    table = {
        "day": [str(FIRST + day) for _ in few for day in range(days)],
        "shop": [shop for shop in "abc" for _ in range(days)],
        "town": [town for town in "ttu" for _ in range(days)],
        "units": np.concatenate(few).tolist(),
    }
    for signed in (False, True):
        own = {**table, "units": [-each for each in table["units"]] if signed else table["units"]}
        if signed:
            own["units"][5] = 3
        for name, options in (("sums", {"hierarchy": "town/shop"}), ("items", {"item": "shop"})):
            data = dt.forecast.from_frame(own, "units", 7, timestamp="day", context=14, **options)
            codec = data.signature.targets["units"]
            assert (codec.lowest, codec.highest) == ((None, None) if signed else (0, None))
            if signed:
                continue
            learner = data.learner(model, quiet=True)
            learner.fit()
            path = learner.export(tmp_path / f"{name}.bundle")
            found = Forecaster(path).forecast(own, 17)
            assert min(each.quantiles.min() for each in found) == 0
            assert min(each.value.min() for each in found) >= 0
            if name == "sums":
                value = {each.series: each.value for each in found}
                assert (value["total"] == value["a"] + value["b"] + value["c"]).all()


def test_a_hierarchy_that_is_none_is_named() -> None:
    table = in_regions()
    table["region"][10] = "south"
    with pytest.raises(DataError, match="of 'store 0' is 'south' here, and 'north' before") as caught:
        dt.forecast.from_frame(table, "units", 7, timestamp="day", hierarchy="region/store")
    assert caught.value.where == "table, row 11, column 'region'"
    with pytest.raises(UsageError, match="no column 'regio'"):
        dt.forecast.from_frame(table, "units", 7, timestamp="day", hierarchy="regio/store")
    table = {**in_regions(), "region": ["store 1"] * 560}
    with pytest.raises(DataError, match="both called 'store 1'"):
        dt.forecast.from_frame(table, "units", 7, timestamp="day", hierarchy="region/store")


def test_a_closed_form_is_solved_anew_with_new_rows_and_no_torch(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    days = 400
    units = (np.resize(WEEK, days) * np.linspace(1, 3, days) + rng.normal(size=days)).round(2)
    table = {"day": [str(FIRST + day) for day in range(days)], "units": units.tolist()}
    old = {name: cells[:200] for name, cells in table.items()}
    data = dt.forecast.from_frame(old, "units", 7, timestamp="day")
    learner = data.learner("bank", out=tmp_path / "run", quiet=True)
    learner.fit()
    learner.export(tmp_path / "old.bundle")
    import polars as pl

    pl.DataFrame(table).write_csv(tmp_path / "new.csv")
    code = """
import sys
from drivetrain.cli.main import main
names = ["old.bundle", "new.csv", "--out", "new.bundle"]
assert main(["refit", *names]) == 0
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    was, made = open_bundle(tmp_path / "old.bundle"), open_bundle(tmp_path / "new.bundle")
    assert made.facts["refitted"]["from"] == was.hash
    assert made.facts["refitted"]["until"] == str(FIRST + 399)
    assert made.forecasts is not None
    assert was.forecasts is not None
    assert made.forecasts.recipe == was.forecasts.recipe
    assert made.forecasts.seen[""] == was.forecasts.seen[""] + 200
    assert made.graphs["model"] != was.graphs["model"]
    assert "Solved anew" in made.card
    assert verified(made).ok
    again = refit(tmp_path / "old.bundle", old, tmp_path / "same.bundle")
    assert again.fresh == 0
    same = Forecaster(tmp_path / "same.bundle").forecast(old)[0].value
    np.testing.assert_allclose(same, Forecaster(tmp_path / "old.bundle").forecast(old)[0].value, rtol=1e-4)
    with pytest.raises(UsageError, match=r"and .* are needed"):
        refit(
            tmp_path / "old.bundle",
            {name: cells[:20] for name, cells in table.items()},
            tmp_path / "x.bundle",
        )
    assert not (tmp_path / "x.bundle").exists()


def test_what_is_no_closed_form_is_not_solved(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no closed form"):
        refit(plain, sales(), tmp_path / "new.bundle")


def test_series_are_told_in_words_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import polars as pl

    pl.DataFrame(sales()).write_csv(tmp_path / "sales.csv")
    typed = [
        "--task",
        "forecast",
        "--timestamp",
        "day",
        "--target",
        "units",
        "--item",
        "store",
        "--horizon",
        "7",
    ]
    picture = str(tmp_path / "series.svg")
    assert main(["show", str(tmp_path / "sales.csv"), *typed, "--out", picture]) == 0
    assert "It comes again every 7 days (strong" in capsys.readouterr().out
    assert "season of 7" in Path(picture).read_text()
    data = dt.forecast.from_csv(tmp_path / "sales.csv", "units", 7, "day", item="store", test=0.2)
    (first, second) = data.findings()
    assert first["moments"] < 120
    assert {first["name"], second["name"]} == {"store 0", "store 1"}
    learner = data.learner("seasonal", quiet=True)
    learner.fit()
    sections = data.task.sections(learner)
    assert [row[0] for row in sections[0]["rows"]] == [second["name"]]  # The first is in the words above.
    titles = [section["title"] for section in sections]
    assert titles == ["The series", "Forecasts"]


def test_a_bundle_of_format_8_still_holds_and_adds_up() -> None:
    opened = open_bundle(Path(__file__).parent / "bundles" / "format-8-sales.bundle")
    assert verified(opened).ok
    assert [case.name for case in opened.histories] == ["as it is", "never seen"]
    case = opened.histories[0]
    total, north, south, *stores = Forecaster(opened).forecast(case.rows)
    assert (total.value == north.value + south.value).all()
    assert (total.value == sum(store.value for store in stores)).all()
    np.testing.assert_allclose(total.value, case.answers[0]["value"], rtol=1e-3)


def test_it_answers_without_torch(plain: Path) -> None:
    code = f"""
import sys
from drivetrain.runtime import Forecaster
Forecaster({str(plain)!r}, trusted=True)
assert not {{"torch", "polars", "onnx", "sklearn"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
