"""Whether a number is learned on a log scale is told by the training rows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drivetrain as dt
from drivetrain.learn.best.target_scale import _dealt, _in_time, log_fits

pytestmark = pytest.mark.slow


def made(kind: str, rows: int = 1500, **codec: Any) -> dt.Dataset:
    chance = np.random.default_rng(0)
    x = chance.normal(size=(4, rows))
    often = chance.random(rows) < 0.5
    noise = chance.normal(size=rows)
    line = x[0] + 0.3 * x[1] * (x[2] > 0)
    target = {
        "price": np.round(np.exp(12 + 0.4 * line + 0.1 * noise)),
        "strength": np.maximum(40 + 12 * line + 4 * noise, 1),
        "grade": np.clip(np.round(5.6 + 0.5 * line + 0.6 * noise), 3, 8),
        "payment": np.where(often, np.exp(3 + 0.5 * line + 0.5 * noise), 0),
        "balance": 500 * np.sinh(line) + 20 * noise,
        "still": np.full(rows, 5.0),
    }[kind]
    columns = {f"x{number}": column for number, column in enumerate(x)}
    inputs = {name: dt.Number() for name in columns}
    block = dt.DataBlock(inputs=inputs, targets={"y": dt.Number(**codec)}, split=dt.split.none())
    return block.from_columns({**columns, "y": target})


@pytest.mark.parametrize(
    ("kind", "fits"),
    [("price", True), ("strength", False), ("grade", False), ("payment", False), ("balance", False), ("still", False)],
)  # fmt: skip
def test_errors_that_grow_with_the_number_speak_for_a_log_scale(kind: str, fits: bool) -> None:
    """`payment` is farther from normal as it is, but a log scale answers with its median, far below its mean."""
    assert log_fits(made(kind), "y") is fits


def test_it_stays_where_it_was_chosen_or_can_not_be_told() -> None:
    assert not log_fits(made("price", log=True), "y")
    assert not log_fits(made("price", scale=(0.0, 1e6)), "y")
    assert not log_fits(made("price", rows=100), "y")


REAL = {"ames_house_prices/house.csv": ("SalePrice", True), "bike_sharing/day.csv": ("cnt", False)}


@pytest.mark.parametrize("file", REAL)
def test_real_tables(file: str) -> None:
    root = os.environ.get("DRIVETRAIN_DATA")
    if not root:
        pytest.skip("DRIVETRAIN_DATA is not set")
    target, fits = REAL[file]
    assert log_fits(dt.tabular.from_csv(Path(root) / file, target), target) is fits


def test_rows_are_dealt_out_so_that_each_is_asked_about_once() -> None:
    data = made("price", 200)
    drawn = np.random.default_rng(0).permutation(200)
    found = _dealt(data, drawn)
    assert sorted(np.concatenate([asked["x0"] for _, _, asked in found])) == sorted(
        data.part("train").column("x0")
    )
    assert all(not {*known["x0"]} & {*asked["x0"]} for _, known, asked in found)


def test_in_time_what_is_asked_about_comes_after_what_was_learned_from() -> None:
    days = np.random.default_rng(0).permutation(103)
    columns = {
        "day": [str(np.datetime64("2024-01-01") + day) for day in days.tolist()],
        "x": days.astype(float),
        "y": days + 1.0,
    }
    data = dt.tabular.from_frame(
        columns, "y", columns={"x": "number"}, split=dt.split.by_time("day", valid=0.0)
    )
    found = _in_time(data, "y", data.split.train)
    assert len(found) == 3
    for _, known, asked in found:
        assert known["x"].max() < asked["x"].min()
