"""Copies are left out once, and what a model is measured on stays as it is."""

from pathlib import Path

import numpy as np
import pytest
from pictures import class_folder

import drivetrain as dt
from drivetrain.data import split
from drivetrain.data.checks.copies import without_copies
from drivetrain.data.recipe import from_recipe
from drivetrain.data.table import from_columns

RNG = np.random.default_rng(0)
N = 200


def rows_of(**more):
    columns = {
        "x": RNG.normal(size=N),
        "town": RNG.choice(["a", "b", None], N),
        "y": RNG.choice(["no", "yes"], N),
    }
    again = [*range(N), 7, 7, 0]
    return {name: values[again] for name, values in {**columns, **more}.items()}


def test_a_row_is_kept_once_and_what_is_left_out_is_told():
    columns = rows_of()
    columns["y"][-1] = (
        "no" if columns["y"][-1] == "yes" else "yes"
    )  # The same inputs, another target: no copy.
    kept = without_copies(from_columns(columns, name="t"), ["x", "town", "y"], split.random())
    assert len(kept) == N + 1
    assert kept.origin(7) == "t, row 8"
    assert kept.notes == ("2 of 203 rows are exact copies of others and left out",)
    again = without_copies(kept, ["x", "town", "y"], split.random())
    assert again.notes[1] == "no two rows are the same: nothing to drop"


def test_of_copies_across_parts_the_one_that_is_measured_stays():
    part = np.array(["train"] * 100 + ["valid"] * 60 + ["test"] * 40)
    columns = rows_of(part=part)
    columns["part"] = np.r_[part, ["test", "valid", "valid"]]
    kept = without_copies(from_columns(columns), ["x", "town", "y"], split.by_column("part"))
    assert [origin.rpartition(" ")[2] for origin in kept.origins][-2:] == ["201", "203"]
    assert {name: len(rows) for name, rows in split.by_column("part")(kept).parts().items()} == {
        "train": 98, "valid": 61, "test": 41,
    }  # fmt: skip


def test_a_table_without_its_copies():
    pytest.importorskip("polars")
    data = dt.tabular.from_frame(rows_of(), "y", drop_copies=True)
    assert len(data) == N
    assert not [fault for fault in data.check().faults if fault.kind in ("duplicate", "leak")]
    assert any("3 of 203 rows are exact copies" in note for note in data.notes)


def test_pictures_are_compared_by_their_bytes(tmp_path: Path):
    folder = class_folder(tmp_path / "p", {"cat": 4, "dog": 4})
    files = sorted(folder.rglob("*.png"))
    (files[0].parent / "copy of it.png").write_bytes(files[0].read_bytes())
    (files[-1].parent / "of another class.png").write_bytes(files[0].read_bytes())
    data = dt.image_classification.from_folder(folder, drop_copies=True)
    assert len(data) == 9
    assert "1 of 10 pictures is an exact copy of another and left out" in data.notes
    again = from_recipe(data.recipe)
    assert (again.table["image"] == data.table["image"]).all()
