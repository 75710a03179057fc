"""Outputs that are large are taken a batch at a time: neither memory nor a run's folder ever holds those of a part."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import wordy.metrics.saying
from bundle_examples import model
from onnx import TensorProto, helper
from wordy.codecs.saying import Saying

from drivetrain import extensions
from drivetrain.bundle import bundle_bytes, make_cases
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.data.dataset import make_dataset
from drivetrain.data.split import by_position
from drivetrain.data.table import from_columns
from drivetrain.errors import DataError, UsageError
from drivetrain.evaluate import evaluate
from drivetrain.learn.base import BaseLearner
from drivetrain.learn.golden import golden_samples
from drivetrain.learn.settings import Settings
from drivetrain.metrics import Scores, Statistic, is_large, measure, scores, streamed
from drivetrain.runtime import Predictor
from drivetrain.tasks.problem import Problem
from drivetrain.types import Answer, Array

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


def sayings(rows: int, codec: Saying | None = None) -> Problem:
    """Of each row the first words are as many as its number says; the second target is small."""
    amounts = np.arange(rows) % 7
    columns = {
        "amount": amounts.astype(float),
        "said": [" ".join(["3"] * (amount + 1)) for amount in amounts],
        "even": ["yes" if amount % 2 == 0 else "no" for amount in amounts],
    }
    targets = {"said": codec or Saying(), "even": Category()}
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
    assert found["said.word_perplexity"].value == pytest.approx(np.exp(found["said.word_log_loss"].value))
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
    assert found["word_perplexity"].n == 0
    assert np.isnan(found["word_perplexity"].value)


@pytest.mark.slow
def test_a_model_with_large_outputs_is_trained_compared_exported_and_measured(tmp_path: Path) -> None:
    from drivetrain.findings.comparison import compare

    data = sayings(60, Saying(64, 1000))
    runs = [tmp_path / "one", tmp_path / "two"]
    for run, rate in zip(runs, (0.01, 0.1)):
        learner = data.learner("linear", out=run, quiet=True)
        learner.fit(1, lr=rate)
    result = learner.result
    assert result is not None
    assert {"said.word_log_loss", "said.word_perplexity", "even.auc"} <= result["metrics"]["valid"].keys()
    assert any("batch by batch, for they have 64,000 numbers a row" in note for note in result["notes"])
    assert sum(file.stat().st_size for file in runs[0].rglob("*") if file.is_file()) < 3e6 < 30 * 4 * 64_000
    assert compare(runs, metric="said.word_log_loss").best == "two"
    with pytest.raises(DataError, match="never held whole"):
        learner.interpret("valid", "said")
    source = tmp_path / "rows.csv"
    source.write_text(
        "amount,said,even\n" + "".join(f"{n},{' '.join(['3'] * (n + 1))},yes\n" for n in range(5))
    )
    measured = evaluate(learner.export(tmp_path / "a.bundle"), source, quiet=True, trusted=True)
    assert measured["metrics"]["said.word_perplexity"]["value"] > 1


def test_a_bundle_has_no_more_golden_cases_than_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = [np.arange(30.0)]
    small, large = (len(golden_samples(sayings(60, codec), losses)) for codec in (Saying(8, 10), Saying()))
    assert small > 16
    assert large <= streamed.AT_ONCE // (256 * 5000)
    monkeypatch.setattr(streamed, "AT_ONCE", 1)
    assert len(golden_samples(sayings(60, Saying()), losses)) == 1


def bundle_of(codec: Saying, path: Path) -> Path:
    """A bundle made by hand, whose answers can't be turned back into what the graph put out."""
    places, words = codec.output_shape
    weight = np.random.default_rng(0).normal(0, 1, (1, places * words)).astype(np.float32)
    nodes = [
        helper.make_node("Unsqueeze", ["input_0", "last"], ["column"]),
        helper.make_node("MatMul", ["column", "weight"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["output_0"], axis=-1),
    ]
    held = {"weight": weight, "last": np.array([1]), "shape": np.array([-1, places, words])}
    graph = model(
        nodes,
        held,
        {"input_0": (TensorProto.FLOAT, ["n"])},
        {"output_0": (TensorProto.FLOAT, ["n", places, words])},
    )

    def run(batch: Mapping[str, Array]) -> dict[str, Array]:
        scores = (batch["amount"][:, None] @ weight).reshape(-1, places, words)
        grown = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return {"said": grown / grown.sum(axis=-1, keepdims=True)}

    signature = Signature({"amount": Number(center=0.0, spread=1.0)}, {"said": codec})
    samples = [(f"row {number}", "validation", {"amount": number / 4}) for number in (1, 3)]
    path.write_bytes(
        bundle_bytes(
            name="sayings", task="custom", signature=signature, graph=graph, cases=make_cases(signature, samples, run),  # type: ignore[arg-type]
            profile={}, card="# Sayings\n", facts={}, created="2026-11-28T00:00:00Z",
        )
    )  # fmt: skip
    return path


@pytest.mark.parametrize("codec", [Saying(4, 10), Saying(8, 5000)], ids=["small", "large"])
def test_a_bundle_is_measured_by_what_its_graph_puts_out(
    codec: Saying, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "AT_ONCE", 3 * 8 * 5000)
    bundle, source = bundle_of(codec, tmp_path / "a.bundle"), tmp_path / "rows.csv"
    said = [f"{number} 1 2" for number in range(7)]
    source.write_text("amount,said\n" + "".join(f"{place / 7},{text}\n" for place, text in enumerate(said)))
    found = evaluate(bundle, source, quiet=True)
    assert wordy.metrics.saying.most_rows == (3 if is_large(codec) else 7)
    predictor = Predictor(bundle, trusted=True)
    assert predictor.batch_size == (3 if is_large(codec) else 1024)
    answers = list(predictor.stream([{"amount": place / 7} for place in range(7)], outputs=True))
    outputs = np.stack([answer.outputs["said"] for answer in answers if isinstance(answer, Answer)])
    true = np.stack([codec.encode_raw(text) for text in said])
    assert found["metrics"] == {
        name: value.to_json() for name, value in measure(codec, outputs, true).items()
    }
    alone = predictor.predict({"amount": 0.5})
    assert alone.outputs == {}
    output = predictor.session.run({"amount": np.float32([0.5])})["said"][0]
    assert alone.targets["said"] == codec.decode(output)


def test_a_model_answers_as_its_bundle_will() -> None:
    """There is one way from a raw value to an answer."""
    learner = Says(sayings(20))
    learner.history = [{}]
    answer = learner.predict({"amount": 2})
    assert answer.input == "2"
    assert answer.targets["even"]["label"] == "yes"
    with pytest.raises(DataError, match="there is no 'amount' in it"):
        learner.predict({"weight": 2})
