"""From a learner to a bundle: onnxruntime says what the network said, and the graph says nothing of this machine."""

from __future__ import annotations

import getpass
import platform
from pathlib import Path

import numpy as np
import pytest
import torch
from bundle_examples import image_bundle
from pictures import class_folder
from torch import nn

import drivetrain as dt
from drivetrain.bundle import open_bundle
from drivetrain.errors import DrivetrainError, FileError, TrainingError
from drivetrain.graphs.torch_export import export_graph
from drivetrain.learn.learner import Learner
from drivetrain.runtime import OnnxSession, Predictor
from drivetrain.types import Array

pytestmark = pytest.mark.slow
RELATIVE = 1e-4
OLDER = image_bundle()
"""A bundle that was there before."""


def own_module() -> nn.Module:
    """A network of numbers with what people put into one: norm, dropout, an activation in two places."""
    torch.manual_seed(4)
    act = nn.GELU()
    return nn.Sequential(
        nn.Linear(1, 8), nn.BatchNorm1d(8), act, nn.Dropout(0.2), nn.Linear(8, 4), act, nn.Linear(4, 1)
    )


def numbers() -> dt.Dataset:
    x = np.linspace(-3, 3, 48)
    block = dt.DataBlock(inputs={"x": dt.Number()}, targets={"y": dt.Number()})
    return block.from_columns({"x": x, "y": 1000 * x**2 + 5})


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dt.Dataset:
    folder = class_folder(
        tmp_path_factory.mktemp("secret-place") / "p", {"cat": 14, "dog": 12, "emu": 10}, (28, 28)
    )
    (folder / "cat" / "000.png").write_bytes(b"")  # Left out, and named in the run's notes.
    return dt.image_classification.from_folder(folder)


@pytest.fixture(scope="module", params=["linear", "mlp", "cnn", "residual", "own module"])
def exported(
    request: pytest.FixtureRequest, pictures: dt.Dataset, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Learner, Path]:
    """A trained learner and its bundle."""
    folder = tmp_path_factory.mktemp("exported")
    if request.param == "own module":
        learner = Learner(numbers(), own_module(), out=folder / "run", batch_size=8, quiet=True)
    else:
        learner = Learner(pictures, request.param, out=folder / "run", batch_size=8, quiet=True)
    learner.fit(2)
    return learner, learner.export(folder / "a.bundle")


def agree(theirs: Array, ours: Array) -> None:
    assert theirs.shape == ours.shape
    assert theirs.dtype == ours.dtype == np.float32
    assert np.abs(theirs - ours).max() <= RELATIVE * max(1.0, float(np.abs(ours).max()))
    if ours.ndim == 2:
        assert np.array_equal(theirs.argmax(1), ours.argmax(1))


def test_onnxruntime_agrees_with_torch_on_all_golden_cases(exported: tuple[Learner, Path]) -> None:
    learner, path = exported
    bundle = open_bundle(path)
    session = OnnxSession(bundle.graph, bundle.tensors)
    ((target, _),) = bundle.signature.targets.items()
    feeds = {
        name: np.stack([case.encoded[name] for case in bundle.cases]) for name in bundle.signature.inputs
    }
    ours = learner.run_arrays(feeds)[target]
    agree(session.run(feeds)[target], ours)
    agree(np.stack([case.output[target] for case in bundle.cases]), ours)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_any_number_of_rows_at_once(exported: tuple[Learner, Path], rows: int) -> None:
    learner, path = exported
    bundle = open_bundle(path)
    feeds = {
        name: np.stack([case.encoded[name] for case in bundle.cases[:rows]])
        for name in bundle.signature.inputs
    }
    theirs = OnnxSession(bundle.graph, bundle.tensors).run(feeds)
    assert len(next(iter(theirs.values()))) == rows
    for name, ours in learner.run_arrays(feeds).items():
        agree(theirs[name], ours)


def test_the_graph_names_no_file_and_no_person(exported: tuple[Learner, Path]) -> None:
    """Node names such as "/layers.0/Conv" would be harmless, but a plain rule is easier to keep: no slash at all."""
    import onnx

    model = onnx.load_from_string(open_bundle(exported[1]).graph)
    for initializer in model.graph.initializer:  # Weights can hold any bytes.
        initializer.ClearField("raw_data")
    for node in model.graph.node:
        for attribute in node.attribute:
            attribute.t.ClearField("raw_data")
    words = str(model)  # As text: in the bytes, a "/" can also be a length of 47.
    told = ["/", "\\", "site-packages", ".py", "secret-place", "Traceback", "torch", "pkg."]
    told += [text for text in (str(Path.home()), str(Path.cwd()), platform.node()) if len(text) > 3]
    if getpass.getuser() != "root":
        told.append(getpass.getuser())
    assert [word for word in told if word in words] == []
    assert "Gemm" in words or "MatMul" in words, "the search looks at the right text"


def test_a_bundle_does_not_say_where_the_training_data_lay(exported: tuple[Learner, Path]) -> None:
    data = exported[1].read_bytes()
    assert [word for word in (b"secret-place", str(Path.cwd()).encode()) if word in data] == []


def test_cases_from_validation_and_nasty_ones_profile_and_card_are_in_it(
    exported: tuple[Learner, Path],
) -> None:
    learner, path = exported
    bundle = open_bundle(path)
    kinds = [case.kind for case in bundle.cases]
    ((name, codec),) = bundle.signature.inputs.items()
    assert kinds.count("validation") >= 5
    assert kinds.count("nasty") >= 2
    known = {label for label, _ in codec.nasty_examples()}
    assert {case.name.removeprefix(f"{name}: ") for case in bundle.cases if case.kind == "nasty"} <= known
    assert bundle.profile.keys() == learner.data.signature.fields.keys()
    assert all(bundle.profile.values())
    assert "a.bundle" in bundle.card
    assert learner.result is not None
    told = bundle.card.lower().replace("_", " ")
    assert all(metric.replace("_", " ") in told for metric in list(learner.result["metrics"]["valid"])[:1])
    assert all(name in told for name in learner.result["baselines"])
    assert bundle.manifest["facts"]["metrics"] == learner.result["metrics"]


def test_the_predictor_answers_as_the_learner(exported: tuple[Learner, Path], tmp_path: Path) -> None:
    learner, path = exported
    codec = next(iter(learner.data.signature.inputs.values()))
    items = [raw for _, raw in codec.nasty_examples()]
    for item, theirs in zip(items, Predictor(path).predict_many(items), strict=True):
        ours = learner.predict(item)
        (their_answer,), (our_answer,) = theirs.targets.values(), ours.targets.values()  # type: ignore[union-attr]
        assert their_answer.keys() == our_answer.keys()
        if "value" in our_answer:
            assert their_answer["value"] == pytest.approx(our_answer["value"], rel=RELATIVE, abs=RELATIVE)
        else:
            assert their_answer["probabilities"] == pytest.approx(our_answer["probabilities"], abs=RELATIVE)


def test_an_averaged_network_is_what_is_exported(pictures: dt.Dataset, tmp_path: Path) -> None:
    learner = Learner(pictures, "linear", out=tmp_path / "run", batch_size=8, ema=0.9, quiet=True)
    learner.fit(2)
    bundle = open_bundle(learner.export(tmp_path / "a.bundle"))
    feeds = {"image": np.stack([case.encoded["image"] for case in bundle.cases])}
    theirs = OnnxSession(bundle.graph, bundle.tensors).run(feeds)["label"]
    agree(theirs, learner.run_arrays(feeds)["label"])
    with torch.inference_mode():
        learner.network.eval()
        raw = learner.network.finish(learner.network({"image": torch.from_numpy(feeds["image"])}))[
            "label"
        ].numpy()
    assert np.abs(theirs - raw).max() > 1e-3, "the last weights answer otherwise"


class Unsayable(nn.Module):
    """Branches on a value: no graph can say it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x)
        return y if bool(x.sum() > 0) else -y


class Forgetful(nn.Module):
    """Answers at random: the graph's answers can't be the network's."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) + torch.rand_like(x)


class Dividing(nn.Module):
    """Divides whole numbers by what it computes: some would end onnxruntime's process."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) + (x * 5).long() // ((x * 3).long().abs() + 1)


@pytest.mark.parametrize("module", [Unsayable, Forgetful, Dividing])
def test_a_network_that_no_graph_can_say_is_refused_and_leaves_nothing(
    module: type[nn.Module], tmp_path: Path
) -> None:
    learner = Learner(numbers(), module(), out=tmp_path / "run", batch_size=8, quiet=True)
    learner.fit(1)
    (tmp_path / "old.bundle").write_bytes(OLDER)
    for path, force in ((tmp_path / "new.bundle", False), (tmp_path / "old.bundle", True)):
        with pytest.raises(DrivetrainError) as caught:
            learner.export(path, force=force)
        assert "\n" not in str(caught.value)
        if module is Unsayable:
            assert "can't be written as an ONNX graph" in caught.value.error
            assert "Python branches on values" in caught.value.fix
        else:
            operator = "RandomUniformLike" if module is Forgetful else "divides whole numbers"
            assert operator in caught.value.error
            assert "Use other operations" in caught.value.fix
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.bundle", "run"]
    assert (tmp_path / "old.bundle").read_bytes() == OLDER


def test_export_refuses_what_exists_and_what_is_not_trained(pictures: dt.Dataset, tmp_path: Path) -> None:
    learner = Learner(pictures, "linear", out=tmp_path / "run", quiet=True)
    with pytest.raises(TrainingError, match="not trained yet"):
        learner.export(tmp_path / "a.bundle")
    learner.fit(1)
    (tmp_path / "a.bundle").write_bytes(OLDER)
    with pytest.raises(FileError, match="exists already"):
        learner.export(tmp_path / "a.bundle")
    assert (tmp_path / "a.bundle").read_bytes() == OLDER
    assert learner.export(tmp_path / "a.bundle", force=True) == tmp_path / "a.bundle"
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileError, match="no bundle"):
        learner.export(tmp_path / "notes.txt", force=True)


def test_exporting_leaves_the_network_as_it_was(exported: tuple[Learner, Path]) -> None:
    learner, _ = exported
    network = learner.evaluated_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    inputs = learner.data.signature.inputs
    rows = learner.data.part("valid").batch(slice(0, 2))
    graph = export_graph(network, learner.data.signature, {name: rows[name] for name in inputs})
    assert network.training
    assert graph
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
