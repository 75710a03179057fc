"""Kernels on series and ridge regression: exact features, rows left out in closed form, graphs that say the same."""

from __future__ import annotations

import numpy as np
import pytest
import sensors

from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.codecs.series import Series
from drivetrain.errors import DataError, DrivetrainError, TrainingError, UsageError
from drivetrain.graphs.builder import Builder
from drivetrain.learn.by_name import make_learner
from drivetrain.learn.closed_form import ridge
from drivetrain.learn.features.kernels import FARTHEST, GRID, KERNELS, KernelColumns, fit_kernels
from drivetrain.learn.features.series import SeriesColumns
from drivetrain.learn.goals import Classes, Scale
from drivetrain.learn.graph_model import GraphModel
from drivetrain.ragged import Ragged, as_batch
from drivetrain.runtime import OnnxSession
from drivetrain.types import Array


def rows(count: int = 12, channels: int = 3, shortest: int = 1, seed: int = 0) -> Ragged:
    draw = np.random.default_rng(seed)
    lengths = draw.integers(shortest, 60, count)
    values = draw.normal(2, 3, (int(lengths.sum()), channels)).cumsum(axis=0) / 5
    return Ragged.of(values.astype(np.float32), lengths)


def graph_of(columns: KernelColumns | SeriesColumns, encoded: Ragged | Array, width: int) -> Array:
    """What the graph of some columns gives of rows."""
    from onnx import TensorProto

    length = None if isinstance(encoded, Ragged) else encoded.shape[1]
    channels = tuple(
        "abcdefghijklmnop"[: (encoded.values if isinstance(encoded, Ragged) else encoded).shape[-1]]
    )
    builder = Builder(Signature({"x": Series(channels, length)}, {}))
    output = columns.write(builder)
    ports = [(name, *builder.port(field)) for field, name in builder.inputs.items()]
    model = builder.model_between("columns", ports, [(output, TensorProto.FLOAT, ["rows", width])])
    batch = as_batch({"x": encoded})
    return OnnxSession(model, threads=1).run({builder.inputs[name]: array for name, array in batch.items()})[
        output
    ]


class TestKernels:
    def test_a_graph_gives_the_very_same_shares(self) -> None:
        encoded = rows()
        columns = fit_kernels("x", encoded, 0, features=500)
        found = columns.of(encoded)
        assert found.shape == (12, columns.count)
        assert found.min() >= 0
        assert found.max() <= 1
        assert found.std() > 0.1
        assert np.array_equal(graph_of(columns, encoded, columns.count), found)

    def test_rows_of_one_length_and_many_channels_too(self) -> None:
        encoded = np.random.default_rng(1).normal(0, 1e4, (5, 30, 12)).astype(np.float32)
        columns = fit_kernels("x", encoded, 0, features=200)
        assert max(group.channels.sum(axis=1).max() for group in columns.groups) <= 9
        assert np.array_equal(graph_of(columns, encoded, columns.count), columns.of(encoded))

    def test_no_row_hangs_on_the_rows_beside_it(self) -> None:
        encoded = rows(shortest=5)
        columns = fit_kernels("x", encoded, 0, features=200)
        alone = np.concatenate([columns.of(encoded[place : place + 1]) for place in range(len(encoded))])
        assert np.array_equal(alone, columns.of(encoded))

    def test_sums_are_whole_and_fit_into_float32(self) -> None:
        assert 9 * 12 * GRID * FARTHEST < 2**24
        assert len(KERNELS) == 84

    def test_a_channel_that_never_changes_says_nothing(self) -> None:
        values = np.full((40, 1), 3.3, np.float32)
        columns = fit_kernels("x", Ragged.of(values, np.array([20, 20])), 0, features=84)
        assert columns.factor[0] == 0
        assert not columns.of(Ragged.of(values, np.array([20, 20]))).any()

    def test_more_moments_than_a_byte_counts(self) -> None:
        encoded = np.random.default_rng(0).normal(size=(2, 700, 1)).astype(np.float32)
        columns = fit_kernels("x", encoded, 0, features=84)
        assert np.array_equal(graph_of(columns, encoded, columns.count), columns.of(encoded))
        assert columns.of(encoded).max() > 256 / 700

    def test_as_aeon_has_it(self) -> None:
        """The same kernels, dilations, channels and thresholds given, shares are those of aeon, up to values that the grid
        rounds."""
        package = pytest.importorskip("aeon.transformations.collection.convolution_based")
        values = np.random.default_rng(0).normal(size=(6, 2, 64)).astype(np.float32)
        theirs = package.MiniRocket(n_kernels=168, random_state=0).fit(values)
        counts, which, dilations, each, limits = theirs.parameters
        expected = theirs.transform(values)
        encoded = np.ascontiguousarray(values.transpose(0, 2, 1))
        columns = fit_kernels("x", encoded, 0, features=168)
        from drivetrain.learn.features.kernels import Block, Group, _shares, as_ragged

        factor = np.full(2, GRID, np.float32)
        block = Block(as_ragged(encoded), np.zeros(2, np.float32), factor)
        place = combination = start = 0
        for number, (dilation, many) in enumerate(zip(dilations.tolist(), each.tolist())):
            for kernel in range(len(KERNELS)):
                looks = np.zeros((1, 2), bool)
                looks[0, which[start : start + counts[combination]]] = True
                start, combination = start + counts[combination], combination + 1
                limit = np.floor(limits[place : place + many] * GRID)[None].astype(np.float32)
                ends = (number + kernel) % 2 == 0
                group = Group(dilation, ends, np.array([kernel]), looks, limit)
                assert np.abs(_shares(block, group) - expected[:, place : place + many]).max() <= 3 / 64
                place += many
        assert columns.count == 168
        assert place == expected.shape[1]


class TestFigures:
    def test_a_graph_gives_the_very_same_figures(self) -> None:
        encoded = rows()
        columns = SeriesColumns("x", True)
        found = columns.of(encoded)
        first = encoded[0]
        assert found.shape == (12, 21)
        assert found[0, 6] == first[:, 0].min()
        assert found[0, 12] == first[0, 0]
        assert found[0, 15] == first[-1, 0]
        assert np.array_equal(graph_of(columns, encoded, 21), found)

    def test_of_one_length_too(self) -> None:
        encoded = np.random.default_rng(1).normal(1e3, 1, (5, 30, 2)).astype(np.float32)
        columns = SeriesColumns("x", False)
        assert np.array_equal(graph_of(columns, encoded, 14), columns.of(encoded))


class TestRidge:
    def made(self, classes: int = 2, columns: int = 50) -> tuple[Array, Array]:
        draw = np.random.default_rng(0)
        features = draw.random((30, columns)).astype(np.float32)
        return features, np.arange(30) % classes

    @pytest.mark.parametrize("columns", [8, 50])
    @pytest.mark.parametrize("groups", [None, np.arange(30) // 4])
    def test_rows_left_out_are_as_if_fitted_without_them(self, columns: int, groups: Array | None) -> None:
        features, codes = self.made(columns=columns)
        wanted = np.where(codes == 1, 1.0, -1.0)[:, None]
        made = ridge.Rows.of(features, np.ones(30))
        seen: list[Array] = []
        sharpened = ridge._sharpened
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                ridge, "_sharpened", lambda scores, *rest: (seen.append(scores), sharpened(scores, *rest))[1]
            )
            ridge._left_out(
                made, wanted - wanted.mean(), wanted.mean(0), 0.1, columns, codes, np.ones(30), groups
            )
        scaled = np.c_[np.ones(30), (features - made.mean) / made.spread]
        penalty = np.diag([0.0, *[0.1 * columns] * columns])
        for row in (0, 5, 29):
            out = np.array([row]) if groups is None else np.flatnonzero(groups == groups[row])
            kept = np.setdiff1d(np.arange(30), out)
            weights = np.linalg.solve(scaled[kept].T @ scaled[kept] + penalty, scaled[kept].T @ wanted[kept])
            assert np.allclose(scaled[out] @ weights, seen[0][out], atol=1e-5)

    def test_classes_and_numbers(self) -> None:
        features, codes = self.made(3)
        features[:, :3] += np.eye(3, dtype=np.float32)[codes]
        codec = Category(classes=("a", "b", "c"))
        model = ridge.fit_ridge(Classes.fit(codec, codes), features, codes, class_weights="balanced")
        answers = model.answer(features)
        assert (answers.argmax(1) == codes).all()
        assert np.allclose(answers.sum(1), 1)
        numbers = features[:, 0] * 10.0
        goal = Scale.fit(Number().fit(numbers.tolist()), numbers)
        assert np.abs(ridge.fit_ridge(goal, features, numbers).answer(features) - numbers).max() < 1

    def test_noise_is_not_believed(self) -> None:
        draw = np.random.default_rng(3)
        features, codes = draw.random((60, 400)).astype(np.float32), draw.integers(0, 2, 60)
        model = ridge.fit_ridge(Classes.fit(Category(classes=("a", "b")), codes), features, codes)
        assert np.abs(model.answer(draw.random((50, 400)).astype(np.float32)) - 0.5).max() < 0.3


@pytest.mark.slow
class TestLearner:
    @pytest.mark.parametrize("numbers", [False, True])
    def test_learns_and_its_graph_says_the_same(self, numbers: bool) -> None:
        data = sensors.dataset(numbers=numbers)
        learner = make_learner(data, "minirocket", bare=True)
        learner.fit()
        answers = learner.predict_part("valid")["label"]
        true = data.truths("valid")["label"]
        error = (
            np.abs(answers - true.reshape(answers.shape)).mean()
            if numbers
            else (answers.argmax(1) != true).mean()
        )
        assert error < 0.15
        graph = GraphModel(data, learner.graph(), learner.settings)
        assert np.abs(graph.predict_part("valid")["label"] - answers).max() < 1e-5
        again = make_learner(data, "minirocket", bare=True)
        again.fit()
        assert np.array_equal(again.predict_part("valid")["label"], answers)

    def test_columns_without_a_series_are_refused(self) -> None:
        import drivetrain as dt

        table = dt.tabular.from_frame({"x": [1.5, 2, 3, 4] * 5, "y": ["a", "b"] * 10}, "y")
        with pytest.raises((UsageError, TrainingError)) as refused:
            table.learner("minirocket")
        assert isinstance(refused.value, DrivetrainError)
        assert not isinstance(refused.value, DataError)
