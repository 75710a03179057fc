"""Files of any kind, told apart by their bytes."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from commands import drivetrain as command

import drivetrain as dt
from drivetrain.codecs.bytes import Bytes
from drivetrain.errors import DataError


def samples(folder: Path, count: int = 12) -> Path:
    """Texts, tables and packed texts, in folders that are called so; none has a name that tells."""
    generator = np.random.default_rng(0)
    for number in range(count):
        words = " ".join(generator.choice(["the", "of", "and", "a", "to"], 200)).encode()
        table = "\n".join(f"{a:.2f},{b:.3f}" for a, b in generator.normal(0, 50, (60, 2))).encode()
        for name, data in (
            ("text", words),
            ("table", table),
            ("packed", zlib.compress(generator.bytes(300) + words)),
        ):
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / name / f"{number:03d}.dat").write_bytes(data)
    return folder


def test_files_of_any_kind_are_those_of_a_folder(tmp_path: Path) -> None:
    data = dt.file_classification.from_folder(samples(tmp_path / "samples", 5))
    assert len(data.table) == 15
    assert data.signature.inputs == {"file": Bytes(layout="pairs")}
    assert data.signature.targets["label"].labels == ("packed", "table", "text")
    assert data.things == "files"


def test_a_copy_in_both_parts_is_found(tmp_path: Path) -> None:
    folder = samples(tmp_path / "samples", 5)
    for number in range(5):
        (folder / "text" / f"{number:03d}.dat").write_bytes(b"all the same " * 30)
    found = dt.file_classification.from_folder(folder).check()
    assert "there already" in found.faults[0].message


def test_one_class_is_none(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "a").write_bytes(b"a")
    with pytest.raises(DataError, match="only one class"):
        dt.file_classification.from_folder(tmp_path)


@pytest.mark.slow
def test_files_are_trained_on_measured_and_answered_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    samples(tmp_path / "samples")
    typed = ["train", "samples", "--task", "file_classification", "--epochs", "8", "--out", "run"]
    assert command(*typed).code == 0
    assert command("export", "run", "files.bundle").code == 0
    answer = command("predict", "files.bundle", os.path.join("samples", "text"), "--json")
    assert {item["label"] for item in answer.json["answers"]} == {"text"}
    # A class that is called as a part of an answer is.
    assert (
        command("predict", "files.bundle", os.path.join("samples", "text", "000.dat")).out.split()[1]
        == "text"
    )
    assert "accuracy" in command("evaluate", "files.bundle", "samples").out
