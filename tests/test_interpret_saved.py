"""What a model is most wrong on, and which labels are doubtful, as tables that say where each row is."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import drivetrain
from given import Given, dataset, people, two_classes
from PIL import Image
from tables import write_csv

import drivetrain as dt
from drivetrain.findings.label_faults import label_faults
from drivetrain.interpret.base import save_losses


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def greys(folder: Path, rows: int = 24) -> dt.Dataset:
    """Dark and light pictures, of which one lies in the wrong folder."""
    for number in range(rows):
        light = number % 2
        label = "dark" if (light == 0) != (number == 7) else "light"
        path = folder / label / f"picture {number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 60 + 120 * light, np.uint8)).save(path)
    return dt.image_classification.from_folder(folder, valid=0.5, image_size=8)


def looks(data: dt.Dataset) -> Given:
    def say(batch: Any) -> dict[str, Any]:
        light = batch["image"].reshape(len(batch["image"]), -1).mean(axis=1) > 100
        return {"label": two_classes(np.where(light, 0.9, 0.1))}

    return Given(data, say)


def test_pictures_of_mistakes_carry_the_names_of_their_files(tmp_path: Path) -> None:
    data = greys(tmp_path / "greys")
    part = next(
        part for part in ("train", "valid") if "07.png" in " ".join(map(data.table.origin, data.rows(part)))
    )
    found = looks(data).interpret(part)
    assert "picture 07.png" in found.top_losses(3).to_html()  # type: ignore[attr-defined]
    found.save_csv(tmp_path / "losses.csv", n=4)
    first, *others = read(tmp_path / "losses.csv")
    assert len(others) == 3
    assert Path(first["file"]).name == "picture 07.png"
    assert Path(first["file"]).is_file()
    assert (first["true"], first["predicted"], float(first["probability"])) == (
        "dark",
        "light",
        pytest.approx(0.9),
    )
    assert float(first["loss"]) > float(others[0]["loss"])


def test_the_worst_rows_of_a_table_are_saved_with_what_they_hold(tmp_path: Path) -> None:
    columns = people(200)
    columns["price"] = [10.0 * age if age else 1.0 for age in columns["age"]]
    columns["rich"] = ["yes" if member else "no" for member in columns["member"]]
    data = dataset(columns, ["price", "rich"])
    learner = Given(
        data,
        lambda batch: {
            "price": np.full(len(batch["age"]), 400.0),
            "rich": two_classes(np.full(len(batch["age"]), 0.5)),
        },
    )
    learner.interpret(target="price").save_csv(tmp_path / "a.csv", n=5)
    first = read(tmp_path / "a.csv")[0]
    assert data.table["price"][int(first["row"])] == float(first["true"])
    assert float(first["error"]) == pytest.approx(float(first["predicted"]) - float(first["true"]))
    assert first["origin"].endswith(f"row {int(first['row']) + 1}")
    assert "age" in first
    assert "file" not in first
    save_losses(tmp_path / "b.csv", [learner.interpret(target=name) for name in ("price", "rich")], n=5)
    assert [line["target"] for line in read(tmp_path / "b.csv")] == ["price"] * 5 + ["rich"] * 5


def test_doubtful_labels_are_saved_with_where_they_are(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 2, 200)
    labels = np.where(codes == 1, "right", "left")
    labels[:4] = np.where(codes[:4] == 1, "left", "right")
    x = generator.normal(size=200) + 8 * codes
    block = dt.DataBlock({"x": dt.Number()}, {"side": dt.Category()}, split=dt.split.random(0.2, seed=0))
    found = label_faults(block.from_columns({"x": x, "side": labels.tolist()}), quiet=True)
    found.save_csv(tmp_path / "labels.csv")
    saved = read(tmp_path / "labels.csv")
    assert len(saved) == len(found)
    assert {int(line["row"]) for line in saved} >= {0, 1, 2, 3}
    assert list(saved[0]) == ["row", "origin", "given", "suggested", "probability", "score"]


@pytest.mark.slow
def test_the_command_writes_a_table_and_a_run_has_its_worst_rows(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=120)
    sides = np.where(x > 0, "right", "left").tolist()
    surest = int(np.argmax(x))
    sides[surest] = "left"
    source = write_csv(tmp_path / "sides.csv", {"x": (3 * x).round(3).tolist(), "side": sides})
    done = drivetrain("labels", source, "--target", "side", "--out", tmp_path / "labels.csv", "--json")
    assert done.code == 0, done.err
    assert done.json["table"] == str(tmp_path / "labels.csv")
    assert surest in {int(line["row"]) for line in read(tmp_path / "labels.csv")}
    refused = drivetrain("labels", source, "--target", "side", "--out", tmp_path / "labels.png")
    assert refused.code == 2
    assert "Name a table" in refused.err
    done = drivetrain("train", source, "--target", "side", "--model", "trees", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert read(tmp_path / "run" / "top_losses.csv")[0].keys() >= {
        "row",
        "origin",
        "true",
        "predicted",
        "loss",
        "x",
    }
