"""Kinds whose values have no length in common, by the common way: trained, resumed, exported, verified, answered."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from stepping.codecs.steps import Steps
from stepping.codecs.track import Track
from torch import nn

import drivetrain as dt
from drivetrain import extensions
from drivetrain.bundle import open_bundle
from drivetrain.cli.main import main
from drivetrain.evaluate import evaluate
from drivetrain.learn.learner import Learner
from drivetrain.learn.runs.predictions import Validation
from drivetrain.learn.settings import Phase
from drivetrain.ragged import Ragged, lengths_of
from drivetrain.testing.bundles import check_bundle

ROWS, EPOCHS, BATCH = 120, 3, 16


@pytest.fixture(autouse=True, scope="module")
def _known():
    """The kinds of `stepping` are found, in this file alone."""
    extensions.register("stepping")
    yield
    extensions.forget()


def columns():
    chance = np.random.default_rng(4)
    lengths = chance.integers(1, 30, ROWS)
    heavy = chance.integers(0, 2, ROWS)
    return {
        "walk": [
            " ".join(map(str, chance.integers(1 + 4 * side, 6 + 4 * side, n)))
            for n, side in zip(lengths, heavy)
        ],
        "track": [(chance.normal(side, 1, (n, 2))).tolist() for n, side in zip(lengths[::-1], heavy)],
        "heavy": np.array(["no", "yes"])[heavy].tolist(),
        "split": ["train"] * 90 + ["valid"] * 30,
    }


def dataset(**more):
    inputs = {"walk": Steps(), "track": Track(), **more}
    block = dt.DataBlock(inputs=inputs, targets={"heavy": dt.Category()}, split=dt.split.by_column("split"))
    return block.from_columns(columns())


def trained(folder, epochs=EPOCHS, hooks=()):
    learner = Learner(dataset(), "mlp", out=folder, batch_size=BATCH, seed=2, quiet=True, hooks=hooks)
    learner.fit(epochs)
    return learner


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture(scope="module")
def bundle(whole, tmp_path_factory):
    return whole.export(tmp_path_factory.mktemp("bundles") / "walks.bundle")


@pytest.mark.slow
def test_it_learns_something(whole):
    assert whole.history[-1]["valid_loss"] < whole.history[0]["valid_loss"]
    assert whole.validate()["accuracy"].value > 0.7


class Seen(dt.Hook):
    def __init__(self):
        self.longest, self.lengths = [], []

    def on_batch_start(self, learner, batch):
        self.longest.append(batch["walk"].shape[1])
        self.lengths.append(batch[lengths_of("walk")].tolist())


@pytest.mark.slow
def test_each_batch_is_padded_to_its_own_longest_row(tmp_path):
    seen = Seen()
    trained(tmp_path / "run", epochs=1, hooks=[seen])
    assert seen.longest == [max(lengths) for lengths in seen.lengths]
    assert sum(map(len, seen.lengths)) == 90
    assert len({*seen.longest}) > 2


class StopAfter(dt.Hook):
    def __init__(self, batches):
        self.left = batches

    def on_batch_end(self, learner, step, loss):
        self.left -= 1
        if not self.left:
            learner.stop()


@pytest.mark.slow
def test_a_run_goes_on_as_if_it_had_never_stopped(whole, tmp_path):
    trained(tmp_path / "run", hooks=[StopAfter(8)])  # In the middle of the second epoch.
    again = Learner.resume(tmp_path / "run", dataset(), quiet=True)
    again.go_on()
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name
    assert [row["valid_loss"] for row in again.history] == [row["valid_loss"] for row in whole.history]


@pytest.mark.slow
def test_the_graph_takes_rows_of_any_length(bundle):
    check_bundle(bundle, flips=20)
    opened = open_bundle(bundle)
    ports = opened.manifest["graph"]["inputs"]
    assert ports["walk"]["dims"] == [None, None]
    assert ports["track"] == {
        "tensor": "input_1",
        "lengths": "lengths_1",
        "dtype": "float32",
        "dims": [None, None, 2],
    }
    assert [node.op_type for node in onnx.load_from_string(opened.graph).graph.node].count("LSTM") == 1


@pytest.mark.slow
def test_answers_are_those_of_the_network_alone_and_in_company(whole, bundle):
    predictor = dt.Predictor(bundle)
    chance = np.random.default_rng(9)
    items = [
        {
            "walk": chance.integers(0, 12, chance.integers(0, 200)).tolist(),
            "track": chance.normal(0, 1, (n, 2)).tolist(),
        }
        for n in chance.integers(1, 150, 40)
    ]
    items[11]["walk"] = [1] * 501
    items[12]["track"] = []
    answers = predictor.predict_many(items)
    for place, (item, answer) in enumerate(zip(items, answers, strict=True)):
        if place in (11, 12):
            assert "column 'walk'" in str(answer.error) or "column 'track'" in str(answer.error)
            continue
        alone, own = predictor.predict(item), whole.predict(item)
        for other in (alone, own):
            assert other.probabilities == pytest.approx(answer.probabilities, abs=2e-5)


@pytest.mark.slow
def test_a_row_that_is_too_long_is_left_out_and_told():
    data = dataset(walk=Steps(longest=25))
    learner = Learner(data, "mlp", bare=True, quiet=True)
    assert "values, row 2: column 'walk': it is 28 long; 25 is the most." in learner.notes[0]
    assert len(data.part("train")) < 90


class Raw(nn.Module):
    """Somebody's own module, of the tokens themselves."""

    takes_raw = True

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(16, 2)

    def forward(self, given):
        steps, lengths = given["walk"], given[lengths_of("walk")]
        there = torch.arange(steps.shape[1], device=steps.device) < lengths[:, None]
        vectors = self.table(steps.clamp(min=0)) * there[:, :, None]
        return vectors.sum(1) / lengths.clamp(min=1)[:, None]


@pytest.mark.slow
def test_somebodys_own_module_gets_lengths_beside_the_tokens(tmp_path):
    found = columns()
    block = dt.DataBlock(
        inputs={"walk": Steps()}, targets={"heavy": dt.Category()}, split=dt.split.by_column("split")
    )
    learner = Learner(block.from_columns(found), Raw(), out=tmp_path / "run", quiet=True)
    learner.fit(1)
    check_bundle(learner.export(tmp_path / "raw.bundle"), flips=2)


@pytest.mark.slow
def test_a_network_that_looks_at_padding_is_no_bundle(tmp_path, monkeypatch):
    class Careless(Raw):
        def forward(self, given):
            return self.table(given["walk"].clamp(min=0)).mean(1)

    block = dt.DataBlock(
        inputs={"walk": Steps()}, targets={"heavy": dt.Category()}, split=dt.split.by_column("split")
    )
    learner = Learner(block.from_columns(columns()), Careless(), out=tmp_path / "run", quiet=True)
    learner.fit(1)
    with pytest.raises(dt.DrivetrainError, match="output"):
        learner.export(tmp_path / "raw.bundle")


@pytest.mark.slow
def test_a_target_may_be_as_long_as_it_is(tmp_path):
    found = columns()
    found["walk"][3] = ""
    block = dt.DataBlock(
        inputs={"heavy": dt.Category()}, targets={"walk": Steps()}, split=dt.split.by_column("split")
    )
    data = block.from_columns(found)
    learner = Learner(data, "linear", out=tmp_path / "run", quiet=True, batch_size=BATCH)
    learner.fit(12, lr=0.1)
    assert isinstance(data.truths("valid")["walk"], Ragged)
    measured = learner.validate()["log_loss"].value
    assert measured == pytest.approx(learner.history[-1]["valid_loss"], rel=1e-5)
    assert measured < learner.history[0]["valid_loss"]
    kept = Validation.read(tmp_path / "run")
    assert kept.measure("walk", np.arange(len(kept.rows)))["log_loss"].value == pytest.approx(measured)
    bundle = learner.export(tmp_path / "walks.bundle")
    check_bundle(bundle, flips=5)
    with (tmp_path / "asked.csv").open("w") as file:
        file.writelines(
            ["heavy,walk\n", *(f"{h},{w}\n" for h, w in zip(found["heavy"][90:], found["walk"][90:]))]
        )
    evaluated = evaluate(bundle, tmp_path / "asked.csv")
    assert evaluated["metrics"]["log_loss"]["value"] == pytest.approx(measured, rel=1e-4)


@pytest.mark.slow
def test_a_target_of_its_own_length_is_learned_on_kept_features_too(tmp_path):
    found = columns()
    found["walk"][5] = "1 " * 501
    block = dt.DataBlock(
        inputs={"heavy": dt.Category()}, targets={"walk": Steps(levels=10)}, split=dt.split.by_column("split")
    )
    learner = Learner(block.from_columns(found), "linear", bare=True, quiet=True, batch_size=BATCH)
    learner.train([Phase(6, 0.1, frozen=True)])
    assert learner.history[-1]["valid_loss"] < learner.history[0]["valid_loss"]
    assert learner.history[0]["valid_rows"] == 30


@pytest.fixture(scope="module")
def mixed():
    found = columns()
    found["age"] = np.random.default_rng(1).normal(size=ROWS).tolist()
    found["walk"][91] = ""
    block = dt.DataBlock(
        inputs={"walk": Steps(), "age": dt.Number()},
        targets={"heavy": dt.Category()},
        split=dt.split.by_column("split"),
    )
    return block.from_columns(found)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["trees", "regression", "best"])
def test_simple_models_see_what_a_file_says_of_such_rows(mixed, model, tmp_path):
    learner = mixed.learner(model, out=tmp_path / "run", quiet=True)
    result = learner.fit()
    assert result["metrics"]["valid"]["accuracy"]["value"] > 0.8
    assert any("regression" in name for name in result["baselines"])
    check_bundle(learner.export(tmp_path / "simple.bundle"), flips=2)


@pytest.mark.slow
def test_a_network_of_such_rows_beside_numbers_has_baselines(mixed, tmp_path):
    learner = mixed.learner("mlp", out=tmp_path / "run", quiet=True)
    result = learner.fit(1)
    assert any("regression" in name for name in result["baselines"])
    check_bundle(learner.export(tmp_path / "mixed.bundle"), flips=2)


@pytest.mark.slow
def test_the_command_line_takes_a_column_of_them(tmp_path, capsys):
    table, run, bundle = (str(tmp_path / name) for name in ("walks.csv", "run", "walks.bundle"))
    found = columns()
    found["walk"][7] = ""
    with open(table, "w") as file:
        file.writelines(["walk,heavy\n", *(f"{w},{h}\n" for w, h in zip(found["walk"], found["heavy"]))])
    told = [table, "--target", "heavy", "--column", "walk=steps"]
    for command in (
        ["train", *told, "--model", "mlp", "--epochs", "2", "--out", run],
        ["show", *told, "--out", str(tmp_path / "rows.png")],
        ["export", run, bundle],
        ["verify", bundle],
        ["evaluate", bundle, table],
        ["predict", bundle, table, "--out", str(tmp_path / "answers.csv")],
    ):
        assert main(command) == 0, capsys.readouterr()
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == ROWS + 1
    with open(table, "a") as file:
        file.write(f"{'1 ' * 501},no\n3 x,yes\n")
    assert main(["predict", bundle, table]) == 3
    said = capsys.readouterr()
    for row, words in ((ROWS + 2, "it is 501 long; 500 is the most"), (ROWS + 3, "'3 x' is no row of steps")):
        assert any(f"row {row}" in line and words in line for line in (said.out + said.err).splitlines())
