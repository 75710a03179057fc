"""Datasets: fitted on train alone, honest about rows that can't be used, explained step by step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from given import Given, two_classes
from pictures import class_folder, split_folder

import drivetrain as dt
from drivetrain.data.dataset import Part
from drivetrain.data.refit import strata, with_train
from drivetrain.errors import DataError, UsageError


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    class_folder(tmp_path / "flowers", {"rose": 10, "tulip": 8}, size=(24, 30), seed=2)
    return tmp_path / "flowers"


def test_a_task_and_the_block_that_spells_it_out_agree(flowers: Path) -> None:
    task = dt.image_classification.from_folder(flowers, image_size=16, split=dt.split.random(0.3, seed=42))
    block = dt.DataBlock(
        inputs={"image": dt.Image(size=16)},
        targets={"label": dt.Category()},
        items=dt.image_files,
        label=dt.parent_folder,
        split=dt.split.random(0.3, seed=42),
    ).dataset(flowers)
    assert block.signature == task.signature
    assert np.array_equal(block.part("valid").batch()["image"], task.part("valid").batch()["image"])
    assert block.classes == ["rose", "tulip"]


def test_same_seed_same_split_and_no_row_in_two_parts(flowers: Path) -> None:
    first, second = (dt.image_classification.from_folder(flowers, valid=0.3, seed=1) for _ in range(2))
    assert np.array_equal(first.rows("valid"), second.rows("valid"))
    assert not np.array_equal(
        first.rows("valid"), dt.image_classification.from_folder(flowers, valid=0.3, seed=2).rows("valid")
    )
    assert not set(first.rows("train")) & set(first.rows("valid"))


def test_a_test_folder_is_left_alone(tmp_path: Path) -> None:
    split_folder(
        tmp_path / "data", {"train": {"a": 6, "b": 6}, "test": {"a": 3, "b": 3}}, size=(12, 12), seed=0
    )
    data = dt.image_classification.from_folder(tmp_path / "data")
    tested = {data.table.origin(row) for row in data.rows("test")}
    assert len(tested) == 6
    assert all("test" in Path(origin).parts for origin in tested)
    assert len(data.rows("valid")) > 0


def test_rows_that_can_not_be_used_are_left_out_and_named(flowers: Path) -> None:
    broken = sorted((flowers / "rose").iterdir())[0]
    broken.write_bytes(b"")
    data = dt.image_classification.from_folder(flowers, valid=0.3)
    used = sum(len(data.part(part)) for part in ("train", "valid"))
    assert used == 17
    (fault,) = data.bad.values()
    assert fault.where == str(broken)


def test_of_a_part_with_a_bad_row_or_of_a_resplit_one_column_is_copied_alone(
    flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sorted((flowers / "rose").iterdir())[0].write_bytes(b"")
    data = dt.image_classification.from_folder(flowers, image_size=16, split=dt.split.none())
    part = data.part("train")
    label = part.batch()["label"]
    assert len(part) == 17 < len(part.arrays["label"])
    np.testing.assert_array_equal(part.column("label", slice(2, 9)), label[2:9])
    few = with_train(data, part.rows[::2])
    learner = Given(few, lambda batch: {"label": two_classes(np.zeros(len(batch["label"])))})
    learner.outputs("train")  # The outputs are kept.
    monkeypatch.setattr(Part, "batch", lambda *_: pytest.fail("all columns were copied"))
    np.testing.assert_array_equal(part.column("label"), label)
    np.testing.assert_array_equal(strata(few)[1], label[::2])
    np.testing.assert_array_equal(learner.outputs("train")[1]["label"], label[::2])


def test_a_class_that_train_does_not_have_is_left_out_of_valid(tmp_path: Path) -> None:
    split_folder(
        tmp_path / "d", {"train": {"a": 4, "b": 4}, "valid": {"a": 2, "c": 2}}, size=(12, 12), seed=0
    )
    data = dt.image_classification.from_folder(tmp_path / "d")
    assert data.classes == ["a", "b"]
    assert len(data.part("valid")) == 2
    assert all("not seen in training" in fault.error for fault in data.bad.values())


def test_explain_sample_of_a_row_that_is_not_there(flowers: Path) -> None:
    data = dt.image_classification.from_folder(flowers)
    for row in (-1, 10**6):
        with pytest.raises(UsageError, match="there is no row"):
            data.explain_sample(row)


def test_explain_sample_walks_one_row_and_names_the_step_that_fails(flowers: Path) -> None:
    data = dt.image_classification.from_folder(flowers, image_size=16)
    told = data.explain_sample(0)
    assert "array [24, 30, 3] uint8" in told
    assert "array [16, 16, 3] uint8" in told
    Path(data.table["image"][0]).write_bytes(b"text")
    assert "read     FAILED" in data.explain_sample(0)


def test_one_class_is_nothing_to_tell_apart(tmp_path: Path) -> None:
    class_folder(tmp_path / "one", {"cat": 4}, size=(12, 12), seed=0)
    with pytest.raises(DataError, match="only one class, 'cat'"):
        dt.image_classification.from_folder(tmp_path / "one")


def test_pictures_in_memory(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (20, 6, 7), dtype=np.uint8)
    data = dt.image_classification.from_arrays(images, np.arange(20) % 2)
    assert data.signature.inputs["image"].shape == (6, 7, 1)
    with pytest.raises(DataError, match="dtype float64"):
        dt.image_classification.from_arrays(images / 255, np.arange(20) % 2)
    with pytest.raises(DataError, match="not 1 or 3 channels"):
        dt.image_classification.from_arrays(np.zeros((20, 3, 8, 8), np.uint8), np.arange(20) % 2)


def test_training_rows_are_kept_larger_when_asked(flowers: Path) -> None:
    data = dt.image_classification.from_folder(flowers, image_size=16)
    assert data.part("train", enlarge=1.25).arrays["image"].shape[1:] == (20, 20, 3)
    assert data.part("train").arrays["image"].shape[1:] == (16, 16, 3)


def test_columns_that_are_not_there_and_roles_that_clash(flowers: Path) -> None:
    with pytest.raises(UsageError, match="no column 'y'"):
        dt.DataBlock(inputs={"x": dt.Number()}, targets={"y": dt.Number()}).from_columns(
            {"x": [1, 2, 3, 4, 5]}
        )
    with pytest.raises(UsageError, match="one input"):
        dt.DataBlock(inputs={"a": dt.Number(), "b": dt.Number()}, targets={"y": dt.Number()}).dataset("x")


def test_a_value_that_does_not_fit_is_named_by_row_and_column() -> None:
    block = dt.DataBlock(inputs={"x": dt.Number()}, targets={"y": dt.Number()}, split=dt.split.none())
    with pytest.raises(DataError) as raised:
        block.from_columns({"x": [1, 2, 3], "y": [1, "a", 3]}, name="given")
    assert raised.value.where == "given, row 2, column 'y'"
    with pytest.raises(DataError) as raised:
        dt.DataBlock(
            inputs={"x": dt.Image()}, targets={"y": dt.Number()}, split=dt.split.none()
        ).from_columns({"x": ["no.png"], "y": [1]})
    assert "column 'x'" in raised.value.where


def test_check_of_declared_columns_names_rows_that_can_not_be_used_and_leaks() -> None:
    block = dt.DataBlock(
        inputs={"x": dt.Number(), "z": dt.Number()}, targets={"y": dt.Category()}, split=dt.split.by_column("part")
    )  # fmt: skip
    columns = {
        "x": [1, 2, 3, 4, 1],
        "z": [1, 2, 3, "four", 1],
        "y": list("abbab"),
        "part": ["train"] * 3 + ["valid"] * 2,
    }
    data = block.from_columns({**columns, "y": list("abbaa")})
    report = data.check()
    found = {fault.kind: fault for fault in report.faults}
    assert report.things == "rows"
    assert not report.ok
    assert "'four'" in found["unreadable"].where[0]
    assert report.bad_rows.tolist() == [3]
    assert "1 of 2 in valid (50.0%) are rows of train" in found["leak"].message
    conflict = block.from_columns(columns).check()
    assert "conflict" in {fault.kind for fault in conflict.faults}


def test_check_of_declared_files_compares_what_is_in_them(tmp_path: Path) -> None:
    class_folder(tmp_path / "d", {"a": 6, "b": 6}, size=(12, 12), seed=0)
    first, *_, last = sorted((tmp_path / "d" / "a").iterdir())
    last.write_bytes(first.read_bytes())
    block = dt.DataBlock(
        inputs={"image": dt.Image(size=8), "size": dt.Number()}, targets={"label": dt.Category()}, split=dt.split.none()
    )  # fmt: skip
    files = dt.image_files(tmp_path / "d")
    data = block.from_columns({"image": files, "size": [1] * 12, "label": [*map(dt.parent_folder, files)]})
    (copies,) = [fault for fault in data.check().faults if fault.kind == "duplicate"]
    assert "1 of 12" in copies.message


def numbers(low: float, step: float, role: str) -> dt.Dataset:
    """40 rows: `big` counts up from `low`, `small` from 0; `role` is what `big` is for the other."""
    columns = {"big": [low + step * row for row in range(40)], "small": [float(row) for row in range(40)]}
    codecs = {name: dt.Number() for name in columns}
    inputs = {name: codec for name, codec in codecs.items() if (name == "big") == (role == "input")}
    targets = {name: codec for name, codec in codecs.items() if name not in inputs}
    block = dt.DataBlock(inputs=inputs, targets=targets, split=dt.split.random(0.25, seed=0))
    return block.from_columns(columns, name="n.csv")


@pytest.mark.parametrize(("low", "step"), [(1e9, 0.25), (2.0**24, 1.0)])
def test_a_target_that_32_bits_cannot_tell_apart_is_refused_and_an_input_told(
    low: float, step: float
) -> None:
    with pytest.raises(
        DataError, match=r"tell apart only what is .* Take [0-9,]+ off the column, and add it"
    ):
        numbers(low, step, "target")
    (note,) = numbers(low, step, "input").notes
    assert "'big' has numbers from" in note
    assert not numbers(1e5, step, "input").notes


def test_true_numbers_are_as_given_and_not_as_encoded() -> None:
    found = numbers(0.1, 1.0, "target")
    part = found.part("valid")
    assert part.column("big").dtype == np.float32
    true = found.truths("valid")["big"]
    assert true.dtype == np.float64
    assert true.tolist() == [0.1 + row for row in part.rows]


def test_a_constant_column_far_from_zero_is_not_called_coarse() -> None:
    assert not numbers(1e9, 0.0, "input").notes
