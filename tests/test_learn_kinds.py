"""What a learner does for a kind that this house knows nothing of: it goes by what the codec says of itself."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

import drivetrain as dt
from drivetrain import extensions
from drivetrain.codecs.category import Category
from drivetrain.codecs.image import Image
from drivetrain.codecs.number import Number
from drivetrain.data.augment.pictures import Augment
from drivetrain.data.dataset import Dataset
from drivetrain.errors import UsageError
from drivetrain.learn.learner import Learner
from drivetrain.runtime import Predictor

SIDE = 64
"""From this size up pictures are photographs to the defaults, and augmented."""


@dataclass(frozen=True)
class Spectrum(Image):
    """Times and frequencies as uint8 (height, width, 1): with time reversed or turned by an angle it would be another one."""

    op: ClassVar[str] = "spectrum@1"
    like: ClassVar[str] = "image"
    augment: ClassVar[str] = ""


def of(codec: Image) -> Dataset:
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 256, (SIDE, SIDE), dtype=np.uint8) for _ in range(12)]
    block = dt.DataBlock(inputs={"x": codec}, targets={"y": Category()}, split=dt.split.none())
    return block.from_columns({"x": images, "y": ["a", "b"] * 6})


def test_an_array_is_augmented_only_where_its_codec_says_so() -> None:
    photo = Learner(of(Image()), "cnn", bare=True)
    assert photo.augment == Augment.photos()
    assert photo.augmentation.of_batch is not None
    other = Learner(of(Spectrum()), "cnn", bare=True)
    assert other.augment == Augment.none()
    assert other.augmentation.of_batch is None
    assert other.enlarge == 1.0
    assert other.settings.batch_size == photo.settings.batch_size  # It is as large.


def test_an_augmentation_that_nothing_may_bear_is_refused() -> None:
    with pytest.raises(UsageError, match="for pictures"):
        Learner(of(Spectrum()), "cnn", augment="photos", bare=True)


ROLL = """
import torch

from drivetrain.data.augment.pictures import Augment


def change(codec, augment):
    def rolled(values, generator, share=None):
        return values.roll(1 + int(torch.randint(codec.shape[1] - 1, (), generator=generator)), 2)

    return None if augment == Augment.none() else rolled
"""


@dataclass(frozen=True)
class Rolling(Spectrum):
    """What may begin anywhere, as a period."""

    op: ClassVar[str] = "rolling@1"
    augment: ClassVar[str] = "roll"


def test_a_codec_names_changes_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = of(Rolling())
    with pytest.raises(UsageError, match="changed as 'roll', which nothing does"):
        Learner(data, "cnn", bare=True)
    (folder := tmp_path / "rollers" / "data" / "augment").mkdir(parents=True)
    (folder / "roll.py").write_text(ROLL)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(extensions, "_registered", dict(extensions._registered))
    extensions.register("rollers")
    learner = Learner(data, "cnn", bare=True)
    rows = learner.tensors("train").gather(torch.arange(4))
    assert learner.augmentation.of_batch is not None
    changed = learner.augmentation.of_batch(rows, learner.generators.augment)
    assert not torch.equal(changed["x"], rows["x"])
    assert torch.equal(changed["x"].sort(2).values, rows["x"].sort(2).values)
    assert torch.equal(changed["y"], rows["y"])
    assert Learner(data, "cnn", augment=None, bare=True).augmentation.of_batch is None
    learner.fit(1)
    assert learner.history[0]["train_loss"] > 0
    extensions.find.cache_clear()


GRADE = """
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from drivetrain.codecs.number import Number


@dataclass(frozen=True)
class Grade(Number):
    op: ClassVar[str] = "grade@1"
"""


@pytest.fixture
def grade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Number]]:
    """A kind of somebody else's that has a codec and a head, and nothing else."""
    for name, text in {
        "codecs": GRADE,
        "models/heads": "from drivetrain.models.heads.number import build as build",
    }.items():
        (folder := tmp_path / "strangers" / name).mkdir(parents=True)
        (folder / "grade.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    extensions.register("strangers")
    yield importlib.import_module("strangers.codecs.grade").Grade
    extensions.forget()


def grades(grade: type[Number]) -> Dataset:
    numbers = np.linspace(0, 1, 60)
    block = dt.DataBlock(inputs={"x": Number()}, targets={"y": grade()}, split=dt.split.random(0.3))
    return block.from_columns({"x": numbers, "y": 2 * numbers})


@pytest.mark.slow
def test_a_target_without_metrics_is_told_before_it_is_trained_and_trains(
    grade: type[Number], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learner = Learner(grades(grade), "mlp", out=tmp_path / "run")
    told = "there are no metrics for 'y', grade: it is judged by its loss alone, and beside no baseline"
    assert told in learner.notes
    result = learner.fit(1)
    assert capsys.readouterr().err.count(told) == 1
    assert result["metrics"] == {"valid": {}}
    assert result["baselines"] == result["against"] == {}
    assert result["notes"].count(told) == 1
    page = (tmp_path / "run" / "report.html").read_text().replace("&#x27;", "'")
    assert told in page
    assert "nothing of what it relies on for y: nothing measures it" in page
    assert set(learner.predict({"x": 0.5}).targets["y"]) >= {"value"}
    learner.export(tmp_path / "grade.bundle")
    predictor = Predictor(tmp_path / "grade.bundle", verify=True)
    assert set(predictor.predict({"x": 0.5}).targets["y"]) >= {"value"}


def test_what_chooses_by_a_metric_refuses_a_target_without_before_it_trains(grade: type[Number]) -> None:
    with pytest.raises(UsageError, match="no metrics for grade@1"):
        grades(grade).learner("best")
    with pytest.raises(UsageError, match="no metrics for grade@1"):
        grades(grade).learning_curve("mlp")


@pytest.fixture
def laboratory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The kinds of an outsider's package (see `tests/outsider`)."""
    monkeypatch.syspath_prepend(Path(__file__).parent / "outsider")
    monkeypatch.setattr(extensions, "_registered", dict(extensions._registered))
    extensions.register("laboratory")
    yield
    extensions.find.cache_clear()


def trips(count: int = 120) -> Dataset:
    """How long a trip took, by how long it was said to take and by how it shook."""
    durations, windows = (
        importlib.import_module(f"laboratory.codecs.{name}") for name in ("duration", "window")
    )
    generator = np.random.default_rng(0)
    minutes, rough = generator.integers(5, 180, count), generator.uniform(0.1, 2.0, count)
    inputs = {"said": durations.Duration(), "shaking": windows.Window()}
    block = dt.DataBlock(inputs=inputs, targets={"took": durations.Duration()}, split=dt.split.random(0.3))
    data = block.from_columns({
        "said": [f"{minute} min" for minute in minutes],
        "shaking": [generator.normal(0, each, (2, 16)).astype(np.float32) for each in rough],
        "took": [f"{int(seconds)} s" for seconds in 60 * minutes * (1 + rough)],
    })  # fmt: skip
    data.interval = 0.9
    return data


@pytest.mark.slow
@pytest.mark.parametrize("model", ["trees", "regression"])
def test_kinds_of_an_outsider_have_simple_models_intervals_and_bundles(
    laboratory: None, model: str, tmp_path: Path
) -> None:
    data = trips()
    learner = data.learner(model, out=tmp_path / "run", quiet=True)
    result = learner.fit()
    figures = result["metrics"]["valid"]
    assert figures["interval_coverage"]["value"] > 0.6
    assert (
        figures["mean_absolute_error"]["value"]
        < result["baselines"]["mean"]["mean_absolute_error"]["value"] / 2
    )
    assert {"mean", "linear regression"} <= {*result["baselines"]}
    assert not [note for note in learner.notes if "baseline" in note or "sees nothing" in note]
    predictor = dt.Predictor(learner.export(tmp_path / "t.bundle"))
    answer = predictor.predict({"said": "1:30:00", "shaking": np.ones((2, 16)).tolist()}).targets["took"]
    assert answer["low"] <= answer["value"] <= answer["high"]


@pytest.mark.slow
def test_the_best_is_looked_for_among_what_an_outsiders_kinds_have(laboratory: None, tmp_path: Path) -> None:
    learner = trips(60).learner("best", out=tmp_path / "run", quiet=True, time=1e-6)
    assert {each.model for each in learner.candidates} == {"regression", "trees", "mlp"}
    result = learner.fit()
    (row,) = result["tried"]
    assert row["key"] == "regression"  # There was time for one.
    assert row["measure"] in ("root_mean_squared_error", "root_mean_squared_log_error")
