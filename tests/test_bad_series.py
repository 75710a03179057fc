"""Series as people have them: a fault names file, row and column and how to mend it; what is mended unasked is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import drivetrain

import drivetrain as dt
from drivetrain.errors import DrivetrainError
from drivetrain.runtime import Forecaster

DAYS = [str(day) for day in np.arange("2024-01-01", "2024-05-20", dtype="datetime64[D]")]
UNITS = [round(10 + 3 * (day % 7) + float(np.sin(day * 1.7)), 2) for day in range(len(DAYS))]
Rows = Sequence[Sequence[Any]]
GOOD = list(zip(DAYS, UNITS))


def changed(places: dict[int, Any], column: int = 1) -> list[list[Any]]:
    rows = [list(row) for row in GOOD]
    for place, value in places.items():
        rows[place][column] = value
    return rows


def written(folder: Path, rows: Rows, head: str = "day,units") -> Path:
    path = folder / "sales.csv"
    lines = [head, *(",".join("" if cell is None else str(cell) for cell in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def taken(folder: Path, rows: Rows, head: str = "day,units", **options: Any) -> Any:
    given = {"timestamp": "day", "target": "units", "horizon": 7, **options}
    return dt.forecast.from_csv(written(folder, rows, head), **given)


def refused(folder: Path, rows: Rows, head: str = "day,units", **options: Any) -> str:
    with pytest.raises(DrivetrainError) as caught:
        taken(folder, rows, head, **options)
    assert caught.value.fix
    return f"{caught.value.where} | {caught.value.error} | {caught.value.fix}"


def notes(data: Any) -> str:
    return "\n".join(data.notes)


IRREGULAR = [
    (str(np.datetime64("2020-01-01") + int(day)), 1.0) for day in np.cumsum(np.arange(60) * 7 % 31 + 1)
]
REFUSED: dict[str, tuple[Rows, dict[str, Any], tuple[str, ...]]] = {
    "no row": ([], {}, ("sales.csv", "no row")),
    "one row": (GOOD[:1], {}, ("sales.csv", "row 2", "--freq")),
    "shorter than the horizon": (GOOD[:6], {}, ("sales.csv", "6 moments", "7 are foretold", "--horizon")),
    "a horizon longer than the history": (GOOD, {"horizon": 300}, ("sales.csv", "140 moments", "300", "--horizon")),
    "shorter than the context": (GOOD, {"context": 200}, ("sales.csv", "140 moments", "200", "--context")),
    "nothing known": (changed(dict.fromkeys(range(140))), {}, ("sales.csv", "column 'units'", "no row has a number")),
    "infinite": (changed({40: "inf"}), {}, ("sales.csv, row 42", "column 'units'", "'inf'")),
    "too large": (changed({40: "1e39"}), {}, ("sales.csv, row 42", "column 'units'", "1e39")),
    "words": (changed({40: "lots"}), {}, ("sales.csv, row 42", "column 'units'", "'lots'")),
    "no stamp": (changed({40: "soon"}, 0), {}, ("sales.csv, row 42", "column 'day'", "'soon'")),
    "a mistyped year": (changed({139: "3024-05-19"}, 0), {}, ("sales.csv, row 141", "moments without a row", "--freq")),
    "no frequency": (IRREGULAR, {}, ("sales.csv, row ", "column 'day'", "no regular beat", "--freq")),
    "mixed time zones": (
        [(f"{day}T00:00:00{'+01:00' if place != 9 else '-05:00'}", 1.0) for place, day in enumerate(DAYS)], {},
        ("sales.csv, row 11", "column 'day'", "another time zone", "--timezone"),
    ),
    "a zone missing": (
        [(f"{day}T00:00:00{'Z' if place != 9 else ''}", 1.0) for place, day in enumerate(DAYS)], {},
        ("sales.csv, row 11", "column 'day'", "no time zone"),
    ),
    "an hour that is skipped": (
        [(f"2024-03-31T{hour:02}:00:00", 1.0) for hour in range(24)], {"timezone": "Europe/Berlin"},
        ("sales.csv, row 4", "Europe/Berlin", "never"),
    ),
    "no such column of times": (GOOD, {"timestamp": "date"}, ("sales.csv", "'date'", "day")),
    "no such target": (GOOD, {"target": "sales"}, ("sales.csv", "'sales'", "units")),
    "no such covariate": (GOOD, {"known": "price"}, ("sales.csv", "'price'")),
    "the target known ahead": (GOOD, {"known": "units"}, ("known", "'units'", "target")),
    "an unknown frequency": (GOOD, {"freq": "fortnight"}, ("freq", "'fortnight'", "15min")),
    "an unknown zone": (GOOD, {"timezone": "Mars/Base"}, ("timezone", "Mars/Base", "Europe/Berlin")),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_foretold_from_is_refused_by_its_place(tmp_path: Path, name: str) -> None:
    rows, options, words = REFUSED[name]
    said = refused(tmp_path, rows, **options)
    for word in words:
        assert word in said, said


HOURS = np.arange("2024-03-29T00", "2024-04-02T00", dtype="datetime64[h]")
SUMMER = [
    (f"{hour}:00:00+0{1 + (hour > HOURS[50])}:00", 1.0) for hour in HOURS if str(hour) != "2024-03-31T02"
]
TOLD: dict[str, tuple[Rows, dict[str, Any], str]] = {
    "unsorted": (GOOD[::-1], {}, "139 rows were earlier than the row before, the first at sales.csv, row 3"),
    "twice": ([*GOOD, *GOOD[:3]], {}, "3 moments have several rows, the first of them again at sales.csv, row 142"),
    "missing rows": (GOOD[:50] + GOOD[60:], {}, "10 moments have no row (7.1% of 140), the longest gap is 2024-02-20 to "),
    "missing values": (changed(dict.fromkeys(range(50, 60))), {}, "10 rows have no units, the longest stretch is 10"),
    "nothing known at first": (changed(dict.fromkeys(range(50))), {}, "50 moments before the first known units"),
    "a row without a time": (changed({40: None}, 0), {}, "1 row has no day, the first is sales.csv, row 42: left out"),
    "constant": ([(day, 5) for day in DAYS], {}, "units is 5 at every moment"),
    "between moments": (GOOD, {"freq": "W-MON"}, "rows lie between two moments, the first at sales.csv, row 3"),
    "daylight saving": (SUMMER, {}, "daylight saving: they are told in +01:00"),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_what_is_mended_unasked_is_told(tmp_path: Path, name: str) -> None:
    rows, options, words = TOLD[name]
    assert words in notes(taken(tmp_path, rows, **options))


def test_rows_of_several_series_without_their_column_are_asked_about(tmp_path: Path) -> None:
    rows = [(day, store, units) for store in "ab" for day, units in GOOD]
    assert "Name their column: --item" in notes(taken(tmp_path, rows, "day,store,units"))
    assert "--item" not in notes(taken(tmp_path, [*GOOD, *GOOD[:3]]))
    named = taken(tmp_path, rows, "day,store,units", item="store")
    assert named.items == ("a", "b")
    assert not named.notes


def test_a_row_of_no_series_is_named(tmp_path: Path) -> None:
    rows = [(day, store, units) for store in "ab" for day, units in GOOD]
    rows[5] = (rows[5][0], "", rows[5][2])
    assert "sales.csv, row 7, column 'store'" in refused(tmp_path, rows, "day,store,units", item="store")


def test_a_series_that_is_too_short_is_named_and_the_others_are_learned(tmp_path: Path) -> None:
    rows = [*((day, "long", units) for day, units in GOOD), ("2024-03-01", "short", 4.0)]
    data = taken(tmp_path, rows, "day,store,units", item="store")
    assert "too short to train on (short)" in notes(data)
    assert set(np.asarray(data.item_of).tolist()) == {0}


def test_a_known_covariate_that_is_infinite_is_named(tmp_path: Path) -> None:
    rows = [(*row, "inf" if place == 9 else 1) for place, row in enumerate(GOOD)]
    assert "sales.csv, row 11, column 'price'" in refused(tmp_path, rows, "day,units,price", known="price")


def test_the_command_line_says_it_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, changed({40: "lots"}))
    done = drivetrain(
        "train", path, "--task", "forecast", "--timestamp", "day", "--target", "units", "--horizon", 7, "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.code == 1
    assert "row 42" in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_history_that_is_asked_about_is_told_by_the_rows_of_its_file(tmp_path: Path) -> None:
    data = taken(
        tmp_path, [(*row, place % 2) for place, row in enumerate(GOOD)], "day,units,price", known="price"
    )
    learner = data.learner(out=tmp_path / "run", quiet=True)
    learner.fit()
    bundle = learner.export(tmp_path / "sales.bundle")
    rows = [(*row, place % 2) for place, row in enumerate(changed({9: "lots"}))]
    bad = written(tmp_path, rows, "day,units,price")
    done = drivetrain("predict", bundle, bad)
    assert "sales.csv, row 11, column 'units'" in done.err
    with pytest.raises(DrivetrainError, match="lots") as caught:
        Forecaster(bundle).forecast(bad)
    assert "sales.csv, row 11" in str(caught.value)
    written(tmp_path, [(*row, place % 2) for place, row in enumerate(GOOD)], "day,units,price")
    ahead = tmp_path / "prices.csv"
    ahead.write_text(
        "day,price\n" + "".join(f"2024-05-{day},{'' if day == 22 else 1}\n" for day in range(20, 27))
    )
    done = drivetrain("predict", bundle, bad, "--known-future", ahead)
    assert done.code == 1
    assert "prices.csv, row 4" in done.err
