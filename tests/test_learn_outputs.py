"""Outputs that are large are taken a batch at a time: neither memory nor a run's folder ever holds those of a part."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import wordy.metrics.saying
from wordy.codecs.saying import Saying

from drivetrain import extensions
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.data.dataset import make_dataset
from drivetrain.data.split import by_position
from drivetrain.data.table import from_columns
from drivetrain.errors import DataError, UsageError
from drivetrain.learn.base import BaseLearner
from drivetrain.learn.settings import Settings
from drivetrain.metrics import Scores, Statistic, is_large, measure, scores, streamed
from drivetrain.metrics.streamed import AT_ONCE
from drivetrain.tasks.problem import Problem
from drivetrain.types import Array

ROW = 4 * 256 * 5000


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(extensions, "_registered", {"wordy": None})
    monkeypatch.setattr(wordy.metrics.saying, "most_rows", 0)
    for cached in (extensions.find, extensions.names):
        cached.cache_clear()
    yield
    for cached in (extensions.find, extensions.names):
        cached.cache_clear()


def sayings(rows: int) -> Problem:
    """Of each row the first words are as many as its number says; the second target is small."""
    amounts = np.arange(rows) % 7
    columns = {
        "amount": amounts.astype(float),
        "said": [" ".join(["3"] * (amount + 1)) for amount in amounts],
        "even": ["yes" if amount % 2 == 0 else "no" for amount in amounts],
    }
    targets = {"said": Saying(), "even": Category()}
    table = from_columns(columns, name="sayings")
    return Problem.of(make_dataset(table, {"amount": Number()}, targets, by_position(valid=0.5)))


class Says(BaseLearner):
    """What it puts out is made when it is asked, and weighs 5 MB a row."""

    def __init__(self, data: Problem) -> None:
        super().__init__(data, None, False, True)
        self.settings, self.model_name = Settings(), "says"

    def description(self) -> str:
        return "says"

    def predict_part(self, part: str) -> dict[str, Array]:
        return self.run_arrays(self.data.part(part).batch())

    def run_arrays(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        codec, n = self.data.signature.targets["said"], len(batch["amount"])
        said = np.full((n, *codec.output_shape), 1e-4, np.float32)
        said[..., 0], said[:, 0, 3] = 0.4, 0.5
        return {"said": said, "even": np.tile(np.float32([0.3, 0.7]), (n, 1))}

    def graph(self) -> bytes:
        return b""


def test_statistics_of_batches_are_those_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    codec = Saying(4, 9000)
    assert is_large(codec)
    assert not is_large(Saying(4, 8000))
    outputs = rng.random((50, 4, 9000), np.float32) / 4500
    true = rng.integers(0, 9000, (50, 4))
    whole = wordy.metrics.saying.measure(codec, outputs, true, 3)
    monkeypatch.setattr(streamed, "AT_ONCE", 7 * 4 * 9000 + 1)
    wordy.metrics.saying.most_rows = 0
    assert measure(codec, outputs, true, 3) == whole
    assert wordy.metrics.saying.most_rows == 7


def test_what_looks_at_all_rows_is_no_part_of_the_scores() -> None:
    codec, rng = Category(classes=("a", "b")), np.random.default_rng(0)
    outputs, true = rng.dirichlet([1, 1], 50).astype(np.float32), rng.integers(0, 2, 50)
    found = Scores.of(codec, outputs, true)
    assert found.statistics.keys() == {"accuracy", "error_rate", "log_loss"}
    number = scores(Number(center=0.0, spread=1.0), outputs[:, 0], true.astype(float))
    assert number.statistics.keys() == {"mean_absolute_error", "root_mean_squared_error"}
    assert Statistic.joined([number.statistics["root_mean_squared_error"]] * 2).estimate().n == 100


def test_validation_of_large_outputs_takes_little_memory_and_little_room(tmp_path: Path) -> None:
    from drivetrain.learn.runs.predictions import Validation

    learner = Says(sayings(200))
    tracemalloc.start()
    found = learner.validate("valid")
    kept = Validation.of(learner)
    kept.write(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 100 * ROW > 500e6 > 250e6 > peak
    assert sum(file.stat().st_size for file in (tmp_path / "validation").iterdir()) < 100 * 256 * 8 + 10_000
    assert found["said.perplexity"].value == pytest.approx(np.exp(found["said.word_log_loss"].value))
    assert found["even.auc"].value == 0.5, "what is small is measured as ever"
    assert learner.outputs("valid")[0]["even"].shape == (100, 2)
    with pytest.raises(DataError, match="never held whole: they have more than 32,768 numbers a row"):
        learner.outputs("valid")[0]["said"]
    again, places = Validation.read(tmp_path), np.arange(100)
    assert again.measure("said", places)["word_log_loss"] == found["said.word_log_loss"]
    assert again.measure("even", places)["auc"] == found["even.auc"]
    with pytest.raises(UsageError, match="holds its outputs whole"):
        sayings(20).learner("best")


def test_no_rows_have_no_metrics_of_large_outputs() -> None:
    found = scores(Saying(), np.zeros((0, 256, 5000), np.float32), np.zeros((0, 256), np.int64)).measure()
    assert found["perplexity"].n == 0
    assert np.isnan(found["perplexity"].value)


@pytest.mark.slow
def test_a_model_with_large_outputs_is_trained_compared_and_reported(tmp_path: Path) -> None:
    from drivetrain.evidence.comparison import compare

    data = sayings(32)
    runs = [tmp_path / "one", tmp_path / "two"]
    for run, rate in zip(runs, (0.01, 0.1)):
        learner = data.learner("linear", out=run, quiet=True)
        learner.fit(1, lr=rate)
    assert wordy.metrics.saying.most_rows <= AT_ONCE // (256 * 5000)
    result = learner.result
    assert result is not None
    assert {"said.word_log_loss", "said.perplexity", "even.auc"} <= result["metrics"]["valid"].keys()
    assert any("batch by batch, for they have 1,280,000 numbers a row" in note for note in result["notes"])
    assert sum(file.stat().st_size for file in runs[0].rglob("*") if file.is_file()) < 10e6 < 16 * ROW
    found = compare(runs, metric="said.word_log_loss")
    assert found.best == "two"
    with pytest.raises(DataError, match="never held whole"):
        learner.interpret("valid", "said")
