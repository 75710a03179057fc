"""Which networks write, which stretches an epoch reads, and what a token of the held-out text costs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import drivetrain

import drivetrain as dt
from drivetrain.errors import TrainingError, UsageError
from drivetrain.learn.epochs import usual_epochs
from drivetrain.tasks import writers, written
from drivetrain.tasks.writing import PROMPT, TEXT, Writing

LINES = "abc def. abc ghi,\nfed cba? ihg abc.\n" * 40


def tiny(folder: Path, context: int = 16) -> Writing:
    path = folder / "plays.txt"
    path.write_text(LINES)
    return dt.language_model.from_file(path, valid=0.1, context=context)


def test_a_name_is_said_in_full() -> None:
    assert writers.full_name("lstm") == "lstm:512-wide:64-embedded"
    assert writers.full_name("gru:2-layers:8-wide") == "gru:2-layers:8-wide:64-embedded"
    full = writers.full_name("transformer:32-wide")
    assert full == "transformer:causal:32-wide:4-layers:128-embedded"
    assert writers.full_name(full) == full


def test_settings_are_those_of_writers_where_nothing_is_said() -> None:
    usual = writers.settings({"dropout": None, "clip": 2.0}, 10**6, 128, validated=True)
    assert (usual["dropout"], usual["clip"], usual["batch_size"], usual["early_stopping"]) == (
        0.4,
        2.0,
        16,
        5,
    )
    assert writers.settings({"precision": "auto"}, 10**6, 128, validated=True).get(
        "precision", "auto"
    ) == writers.settings({}, 10**6, 128, validated=True).get("precision", "auto"), (
        "auto is what is said by saying nothing"
    )
    assert "early_stopping" not in writers.settings({}, 10**6, 4096, validated=False)
    assert writers.settings({"quiet": None}, 10**6, 4096, validated=False)["batch_size"] == 1
    assert writers.settings({}, 70_000, 128, validated=True)["batch_size"] == 4


def test_a_short_text_is_read_more_often_than_a_long_one(tmp_path: Path) -> None:
    assert [writers.usual_epochs(tokens) for tokens in (0, 70_000, 300_000, 10**9)] == [40, 18, 17, 5]
    assert usual_epochs(tiny(tmp_path)) == 40


@pytest.mark.parametrize("context", [2, 5, 16])
def test_the_stretches_of_an_epoch_lie_side_by_side_and_are_others_in_the_next(
    context: int, tmp_path: Path
) -> None:
    data = tiny(tmp_path, context)
    rows = data.rows("train")
    end = int((data.starts[rows] + data.lengths[rows]).max())
    shifts = set()
    for epoch in range(20):
        part = data.part_of_epoch(3, epoch)
        prompt, text = part.column(PROMPT), part.column(TEXT)
        assert len(part) == len(rows)
        assert np.array_equal(prompt.starts + 1, text.starts)
        assert prompt.lengths.min() >= 1
        assert prompt.lengths.max() <= context
        told = np.concatenate([np.arange(s, s + n) for s, n in zip(prompt.starts, prompt.lengths)])
        assert len(set(told.tolist())) == len(told), "none is told twice"
        assert told.max() == end - 1
        assert end - len(told) < context
        shifts.add(int(prompt.starts[0]))
        assert np.array_equal(data.part_of_epoch(3, epoch).column(PROMPT).starts, prompt.starts)
    assert len(shifts) > 1


@pytest.mark.parametrize("model", ["lstm:8-wide", "transformer:32-wide:1-layers"])
@pytest.mark.parametrize("context", [7, 16])
def test_a_cost_is_that_of_the_token_after_what_stands_before(
    context: int, model: str, tmp_path: Path
) -> None:
    """Against one token at a time, each after all that its half of a stretch is read with."""
    torch.manual_seed(0)
    data = tiny(tmp_path, context)
    learner = data.learner(model, bare=True, quiet=True)
    rows = data.rows("valid")[-3:]
    starts, lengths = data.starts[rows], data.lengths[rows]
    found = written.costs_of(learner, starts, lengths, context)
    network = learner.network.eval()
    half = (context + 1) // 2
    for row, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist())):
        assert not found[row, length:].any()
        for place in range(length):
            first, most = (0, half) if place < half else (half, context - half)
            begin = start + first - (context - most)
            read = torch.tensor(data.tokens[begin : start + place + 1].astype(np.int64))[None]
            batch = {PROMPT: read, f" lengths of {PROMPT}": torch.tensor([read.shape[1]])}
            with torch.no_grad():
                shares = network(batch)[TEXT][0, -1].log_softmax(0)
            assert found[row, place] == pytest.approx(
                -shares[data.tokens[start + place + 1]].item(), abs=1e-5
            )


def test_a_cost_that_is_no_number_is_told(tmp_path: Path) -> None:
    learner: Any = tiny(tmp_path).learner("lstm:8-wide", bare=True, quiet=True)
    with torch.no_grad():
        learner.network.heads[TEXT].layers[-1].bias[0] = torch.nan
    with pytest.raises(TrainingError, match="not a number"):
        written.measured(learner, "valid")


@pytest.mark.slow
def test_a_run_goes_on_by_the_name_that_it_was_begun_with(tmp_path: Path) -> None:
    tiny(tmp_path)
    command = f"train {shlex.quote(str(tmp_path / 'plays.txt'))} --task language_model --context 16 --out {tmp_path / 'run'}"
    model = "transformer:32-wide:1-layers"
    assert drivetrain(*shlex.split(command), "--model", model, "--epochs", "1").code == 0
    again = drivetrain(*shlex.split(command), "--model", model, "--resume")
    assert again.code == 0, again.err
    other = drivetrain(*shlex.split(command), "--model", "transformer", "--resume")
    assert other.code != 0
    assert "was started" in other.err or "has model" in other.err


def test_no_other_model_writes() -> None:
    for model in ("mlp", "trees", "gru:bidirectional", torch.nn.Linear(2, 2)):
        with pytest.raises(UsageError, match="can't write"):
            writers.full_name(model)
