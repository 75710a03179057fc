"""Splits and copies from the command line: groups of pictures, rows in order, copies left out."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from commands import drivetrain
from pictures import picture

QUICK = ("--model", "linear", "--epochs", "1", "--batch-size", "8", "--image-size", "16", "--lr", "0.01")
pytest.importorskip("polars")


def faces(path: Path, people: int = 10, shots: int = 3) -> Path:
    """Class folders with a folder for each person in them, and a copy of one picture."""
    generator = np.random.default_rng(0)
    for person in range(people):
        folder = path / ("cat" if person % 2 else "dog") / f"p{person}"
        folder.mkdir(parents=True)
        for shot in range(shots):
            picture(person % 2, (16, 16), generator).save(folder / f"face{person}_{shot}.png")
    (folder / "copy.png").write_bytes((folder / f"face{people - 1}_0.png").read_bytes())
    return path


def parts_of(path: Path, *options: object) -> dict[str, int]:
    done = drivetrain("check", path, "--json", *options)
    assert done.code in (0, 3), done.err
    return done.json["counts"]["parts"]


@pytest.mark.parametrize("group", ["parent", "2", "/(p[0-9]+)/"])
def test_pictures_of_one_person_stay_together(tmp_path: Path, group: str) -> None:
    path = faces(tmp_path / "f")
    found = parts_of(path, "--split", f"group:{group}")
    assert sorted((found["train"], found["valid"])) in ([6, 25], [7, 24])
    assert parts_of(path, "--split", f"group:{group}", "--drop-copies") == {"train": 24, "valid": 6}
    assert parts_of(path, "--test", "0.1", "--drop-copies") == {"train": 21, "valid": 6, "test": 3}


def test_a_column_of_the_csv_groups_pictures_and_is_no_input(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = [
        (f"{number}.png", "cat" if number % 2 else "dog", f"patient {number // 4}") for number in range(40)
    ]
    for number, (name, _, _) in enumerate(rows):
        picture(number % 2, (16, 16), generator).save(tmp_path / name)
    with open(tmp_path / "labels.csv", "w", newline="") as handle:
        csv.writer(handle).writerows([("file", "label", "patient"), *rows])
    assert parts_of(tmp_path, "--split", "group:patient") == {"train": 32, "valid": 8}
    shown = drivetrain("show", tmp_path, "--split", "group:patient", "--json").json
    assert shown["rows"] == {"train": 32, "valid": 8, "test": 0}
    assert "patient" not in shown["description"]
    failed = drivetrain("check", tmp_path, "--split", "group:patent")
    assert failed.code == 2
    assert "patient" in failed.line


def test_group_alone_says_what_to_write(tmp_path: Path) -> None:
    path = faces(tmp_path / "f")
    failed = drivetrain("check", path, "--split", "group")
    assert failed.code == 2
    assert "group:COLUMN of the CSV, group:parent, group:LEVEL or group:PATTERN" in failed.line
    failed = drivetrain("check", path, "--split", "group:1")
    assert "each class is one group" in failed.line
    failed = drivetrain("check", path, "--split", "group:(q)")
    assert "has no group by '(q)'" in failed.line


def test_rows_in_order_and_copies_of_a_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [(f"{x:.3f}", f"{z:.3f}", "yes" if x > 0 else "no") for x, z in rng.normal(size=(100, 2))]
    with open(tmp_path / "t.csv", "w", newline="") as handle:
        csv.writer(handle).writerows([("x", "z", "y"), *rows, *rows[:20]])
    table = (tmp_path / "t.csv", "--target", "y")
    assert parts_of(*table, "--split", "position", "--test", "0.1") == {"train": 84, "valid": 24, "test": 12}
    assert parts_of(*table, "--drop-copies") == {"train": 80, "valid": 20}
    assert "Write group:COLUMN." in drivetrain("check", *table, "--split", "group").line


@pytest.mark.slow
def test_a_run_is_made_again_with_its_groups(tmp_path: Path) -> None:
    path = faces(tmp_path / "f")
    options = (path, *QUICK, "--split", "group:parent", "--drop-copies", "--out", tmp_path / "r")
    done = drivetrain("train", *options, "--json")
    assert done.code == 0, done.err
    assert done.json["metrics"]["valid"]["accuracy"]["n"] == 6
    assert drivetrain("train", *options, "--resume", "--json").code == 0
    other = drivetrain("train", path, *QUICK, "--split", "group:2", "--out", tmp_path / "r", "--resume")
    assert other.code == 2
    assert "has split group:parent, not group:2" in other.line
