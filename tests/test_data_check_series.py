"""`check` of series: what the test spoils is found and named, and of what is sound nothing is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import drivetrain as dt
from drivetrain.data.faults import Fault

FIRST = np.datetime64("2021-03-01")
DAYS = 300


def sound(seed: int = 0, days: int = DAYS) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "day": (FIRST + np.arange(days)).astype(str).tolist(),
        "units": np.resize([5.0, 6, 7, 8, 9, 15, 12], days) + rng.normal(size=days),
        "price": rng.random(days).round(2),
        "visitors": rng.random(days),
    }


def found(table: dict[str, Any], **options: Any) -> dict[str, Fault]:
    usual = {"known": ["price"], "past": ["visitors"], "horizon": 7, "timestamp": "day", "context": 14}
    usual = {
        name: value for name, value in usual.items() if name == "horizon" or value != "day" or "day" in table
    }
    data = dt.forecast.from_frame(table, "units", **{**usual, **options})
    return {fault.kind: fault for fault in data.check().faults}


def test_of_sound_series_nothing_is_said() -> None:
    """Of 10 series of noise with a week, and 5 that wander, one fault at most."""
    faults = [found(sound(seed)) for seed in range(10)]
    for seed in range(5):
        rng = np.random.default_rng(seed)
        faults.append(found({**sound(seed), "units": 100 + rng.normal(size=DAYS).cumsum()}))
    assert sum(map(len, faults)) <= 1


def test_gaps_rows_of_one_moment_and_moments_far_off_are_named() -> None:
    table = sound()
    table["units"][150] += 80
    kept = [place for place in range(DAYS) if not 100 <= place < 130]
    faults = found({name: [cells[place] for place in [*kept, 200 - 30]] for name, cells in table.items()})
    assert faults["gaps"].severity == "warning"
    assert "30 of 300" in faults["gaps"].message
    assert faults["gaps"].where == ["table, no row: 2021-06-09 and 29 more"]
    assert "--item" in faults["rows of one moment"].fix
    assert faults["far off"].where[0].startswith("table, row 121: 2021-07-29: 8")
    assert len(faults["far off"].where) == 1


def test_a_shift_of_the_level_is_worse_where_it_comes_after_the_training() -> None:
    early, late = sound(), sound()
    early["units"][100:] += 30
    late["units"][270:] += 30
    assert found(early)["level shift"].severity == "note"
    fault = found(late)["level shift"]
    assert fault.severity == "warning"
    assert "1 of them lies after the training" in fault.message
    assert "rises by" in fault.where[0]


def test_a_sensor_that_stands_still_is_told_and_a_shop_that_is_closed_is_not() -> None:
    table = sound()
    table["units"][50:80] = 7.25
    assert found(table)["stuck"].where == ["table, row 51: 2021-04-20: 30 times 7.25"]
    shop = sound()
    shop["units"] = np.where(np.arange(DAYS) % 60 < 25, 0.0, shop["units"])
    assert "stuck" not in found(shop)


def test_the_same_series_twice_is_told() -> None:
    table = sound()
    twice = {name: [*cells, *cells] for name, cells in table.items()}
    twice["store"] = ["a"] * DAYS + ["b"] * DAYS
    assert found(twice, item="store")["same series"].where == ["'a' = 'b'"]


@pytest.mark.parametrize(
    ("role", "shift", "words"),
    [
        ("known", 0, "of the same moment"),
        ("known", 3, "3 moments later"),
        ("known", -2, "2 moments before"),
        ("past", 1, "1 moment later"),
    ],
)
def test_a_column_that_holds_the_target_is_an_error(role: str, shift: int, words: str) -> None:
    table = sound()
    column = "price" if role == "known" else "visitors"
    table[column] = 3 * np.roll(table["units"], -shift) + 2
    fault = found(table)["leak"]
    assert fault.severity == "error"
    assert repr(column) in fault.message
    assert words in fault.message


def test_a_column_that_holds_what_was_is_no_leak_and_one_that_nearly_holds_it_is_a_warning() -> None:
    table = sound()
    table["visitors"] = np.roll(table["units"], 1)
    assert "leak" not in found(table)
    table["visitors"] = table["units"].copy()
    assert "leak" not in found(table)
    table["price"] = table["units"] + 0.3 * np.random.default_rng(1).normal(size=DAYS)
    assert found(table)["leak"].severity == "warning"


def test_an_hour_that_lacks_when_clocks_are_set_forward_asks_for_the_zone() -> None:
    instants = np.datetime64("2021-03-20T00") + np.arange(20 * 24)
    kept = [place for place, each in enumerate(instants) if str(each) != "2021-03-28T02"]
    rng = np.random.default_rng(0)
    table = {
        "day": instants[kept].astype("datetime64[s]").astype(str).tolist(),
        "units": rng.random(len(kept)),
    }
    faults = found(table, known=[], past=[], horizon=24, context=48)
    assert "--timezone" in faults["daylight saving"].fix
    assert faults["daylight saving"].where == ["table, no row: 2021-03-28 02:00:00"]
    other = [place for place, each in enumerate(instants) if str(each) != "2021-03-24T02"]
    table = {
        "day": instants[other].astype("datetime64[s]").astype(str).tolist(),
        "units": rng.random(len(other)),
    }
    assert "daylight saving" not in found(table, known=[], past=[], horizon=24, context=48)
