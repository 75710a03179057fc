"""Pretrained vectors of words: read by line, what they cover is told, words begin with them, and a run goes on without the file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from texts import made_texts

import drivetrain as dt
from drivetrain.errors import DataError, DrivetrainError, FileError, TrainingError, UsageError
from drivetrain.learn.learner import Learner
from drivetrain.models.vectors import read_vectors

LINES = ["the 1 2 3", "film -.5 0.25 1e-3", "Paris 7 8 9", "other 4 4 4"]
NAMES = {"text": ("", "", "the", "Film", "paris", "zz")}
COUNTS = {"text": np.array([0, 5, 10, 3, 1, 1])}


def file(folder: Path, lines: list[str] | bytes = LINES) -> Path:
    path = folder / "glove.3d.txt"
    path.write_bytes(lines if isinstance(lines, bytes) else "\n".join([*lines, ""]).encode())
    return path


def read(folder: Path, lines: list[str] | bytes = LINES) -> Any:
    return read_vectors(file(folder, lines), NAMES, COUNTS)


def test_words_are_found_as_they_are_written_else_in_small_letters(tmp_path: Path) -> None:
    found = read(tmp_path)
    places, values = found.found["text"]
    assert places.tolist() == [2, 3]
    np.testing.assert_allclose(values, [[1, 2, 3], [-0.5, 0.25, 1e-3]])
    assert found.coverage == {"text": {"words": 2, "of": 4, "places": 0.65}}
    assert found.width == 3
    assert found.told() == [
        "glove.3d.txt has vectors for 2 of 4 words of 'text', 65 % of all places; they are trained along, and other words begin "
        "at random"
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ["4 3", *LINES],
        [line + " " for line in LINES],
        [line.replace(" ", "\t") for line in LINES],
        [*LINES[:2], ". . . 1 2 3", "at name@site 1 2 3", " 5 5 5", *LINES[2:], "\u00a0 1 1 1"],
        ("\r\n".join(LINES)).encode(),
    ],
    ids=[
        "first line of word2vec",
        "spaces at the end",
        "tabs",
        "spaces in words, and no word",
        "ends of lines of Windows",
    ],
)
def test_other_ways_to_write_it(tmp_path: Path, lines: list[str] | bytes) -> None:
    assert read(tmp_path, lines).coverage["text"]["words"] == 2


@pytest.mark.parametrize(
    ("lines", "where", "told"),
    [
        ([*LINES, "short 1 2"], "line 5", "it has 2 numbers, and 3 in the lines before"),
        ([*LINES, "long 1 2 3 4"], "line 5", "it has 4 numbers"),
        (["the 1 nan 3"], "line 1", "NaN"),
        (["the 1 1e999 3"], "line 1", "without an end"),
        (["other 1 2 3", "the 1 x 3"], "line 2", "'x' is no number"),
        (["the"], "line 1", "0 numbers"),
        (["9 5", *LINES], "line 2", "not 5, as the first line says"),
        (b"the 1 2 3\nna\xefve 1 2 3\n", "line 2", "not UTF-8"),
        (b"the 1 2\0 3\n", "line 1", "no text"),
        ("\n".join(LINES).encode("utf-16"), "", "UTF-16"),
        (b"\x1f\x8b\x08\x00", "", "packed"),
        (b"x" * 200_000, "line 1", "no text"),
        ([""], "", "no vectors"),
        (b"", "", "no vectors"),
    ],
)
def test_bad_files_are_told_by_line(tmp_path: Path, lines: Any, where: str, told: str) -> None:
    with pytest.raises(DataError, match=told) as caught:
        read(tmp_path, lines)
    assert where in str(caught.value.where)


def test_the_first_of_two_counts_and_is_told(tmp_path: Path) -> None:
    found = read(tmp_path, [*LINES, "the 9 9 9", "other 1 1 1"])
    assert found.found["text"][1][0].tolist() == [1, 2, 3]
    assert found.notes == (
        "glove.3d.txt has words twice, of which the first vector counts: 'the' (lines 1 and 5)",
    )


def test_no_file_and_no_word_of_it(tmp_path: Path) -> None:
    with pytest.raises(FileError):
        read_vectors(tmp_path / "none.txt", NAMES, COUNTS)
    with pytest.raises(FileError):
        read_vectors(tmp_path, NAMES, COUNTS)
    with pytest.raises(UsageError, match="none of the words"):
        read(tmp_path, ["das 1 2 3"])


WORDS = ["film", "great", "dull", "awful", "lovely", "the", "town", "friends"]


def glove(folder: Path, width: int = 8) -> Path:
    draw = np.random.default_rng(0)
    return file(
        folder, [f"{word} {' '.join(f'{x:.4f}' for x in draw.normal(0, 2, width))}" for word in WORDS]
    )


def problem(word: str = "tokens") -> Any:
    texts, labels = zip(*made_texts(48))
    frame = {"age": [n % 7 for n in range(48)], "review": list(texts), "positive": list(labels)}
    return dt.tabular.from_frame(frame, "positive", columns={"review": word})


@pytest.mark.parametrize("model", ["linear", "mlp", "lstm:8-wide", "transformer:32-wide:1-layers"])
def test_words_begin_with_their_vectors_and_others_on_their_scale(tmp_path: Path, model: str) -> None:
    data = problem()
    learner = data.learner(model, vectors=glove(tmp_path), bare=True)
    table = learner.network.encoders["tokens"].readers[0].table.weight.detach()
    names = data.signature.inputs["review"].word_names
    lines = [line.split() for line in (tmp_path / "glove.3d.txt").read_text().splitlines()]
    assert table.shape[1] == 8
    for word, *values in lines:
        torch.testing.assert_close(table[names.index(word)], torch.tensor([*map(float, values)]))
    others = [n for n, name in enumerate(names) if name not in WORDS]
    assert 1.5 < table[others].std().item() < 2.5
    assert any("words of 'review'" in note for note in learner.notes)


def test_widths_that_contradict_and_columns_that_are_no_words(tmp_path: Path) -> None:
    path = glove(tmp_path)
    assert problem().learner("lstm:8-embedded:8-wide", vectors=path, bare=True)
    with pytest.raises(UsageError, match="8 wide, and the model says 64-embedded"):
        problem().learner("lstm:64-embedded", vectors=path, bare=True)
    for word in ("text", "tokens:bpe"):
        with pytest.raises(UsageError, match="word by word"):
            problem(word).learner("mlp", vectors=path, bare=True)
    with pytest.raises(DrivetrainError):
        problem("text").learner("ngrams", vectors=path, bare=True)


@pytest.mark.slow
def test_a_run_goes_on_and_is_exported_without_the_file(tmp_path: Path) -> None:
    from resuming import StopAfter, state_hash

    path, data = glove(tmp_path), problem()
    whole = data.learner("mlp", vectors=path, out=tmp_path / "whole", quiet=True)
    whole.fit(2)
    data.learner("mlp", vectors=path, out=tmp_path / "part", hooks=[StopAfter(3)], quiet=True).fit(2)
    started = data.learner("mlp", vectors=path, out=tmp_path / "begun", quiet=True)
    started.plan = list(whole.plan)
    started._start_run()
    started._keep_config()
    record = whole.kept_run.read_config()["model"]["vectors"]
    assert record["coverage"]["review"]["words"] > 0
    again = Learner.resume(tmp_path / "begun", data, quiet=True)
    assert again.vectors.found
    path.write_text(path.read_text().replace("film", "fiim"))
    with pytest.raises(TrainingError, match="not the vectors"):
        Learner.resume(tmp_path / "begun", data, quiet=True)
    os.remove(path)
    resumed = Learner.resume(tmp_path / "part", data, quiet=True)
    resumed.go_on()
    assert state_hash(resumed) == state_hash(whole)
    Learner.resume(tmp_path / "whole", data, quiet=True).export(tmp_path / "b.bundle")


@pytest.mark.slow
def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from drivetrain.cli.main import main

    texts, labels = zip(*made_texts(48))
    pl.DataFrame({"review": texts, "positive": labels}).write_csv(tmp_path / "reviews.csv")
    path, run = glove(tmp_path), str(tmp_path / "run")
    call = [
        "train",
        str(tmp_path / "reviews.csv"),
        "--target",
        "positive",
        "--column",
        "review=tokens",
        "--vectors",
        str(path),
    ]
    assert main([*call, "--epochs", "1", "--out", run, "--no-check", "--json"]) == 0
    assert any("of all places" in note for note in json.loads(capsys.readouterr().out)["notes"])
    assert main([*call, "--epochs", "1", "--out", run, "--resume", "--json"]) == 0
    capsys.readouterr()
    assert main([*call[:-1], str(tmp_path / "other.txt"), "--out", run, "--resume", "--json"]) == 2
    assert "vectors" in json.loads(capsys.readouterr().out)["error"]
