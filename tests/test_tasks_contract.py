"""Every task keeps the contract of tasks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import class_folder
from tables import incomes, rentals
from texts import text_files

import drivetrain as dt
from drivetrain.testing.tasks import check_task

pytestmark = pytest.mark.slow


def test_pictures(tmp_path: Path) -> None:
    class_folder(tmp_path / "flowers", {"daisy": 12, "rose": 12}, (24, 24))
    check_task(dt.image_classification.from_folder(tmp_path / "flowers", image_size=24), tmp_path)


def test_texts(tmp_path: Path) -> None:
    check_task(dt.text_classification.from_folder(text_files(tmp_path / "reviews", 60)), tmp_path)


def test_a_table_with_classes(tmp_path: Path) -> None:
    check_task(dt.tabular.from_csv(incomes(tmp_path / "a.csv", rows=200), "income", ignore=["id"]), tmp_path)


def test_a_table_with_a_number_and_dates(tmp_path: Path) -> None:
    path = rentals(tmp_path / "rentals.csv", days=120)
    check_task(dt.tabular.from_csv(path, "rented", split=dt.split.by_time("day")), tmp_path)


def test_ratings(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    columns = {
        "who": [f"u{place}" for place in draw.integers(0, 30, 600)],
        "what": [f"i{place}" for place in draw.integers(0, 40, 600)],
        "stars": draw.integers(1, 6, 600).tolist(),
    }
    check_task(dt.recommendation.from_frame(columns, "who", "what", "stars"), tmp_path)
