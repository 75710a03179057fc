"""Rows of different lengths: kept as stretches of one array, padded in a batch alone, told apart from padding by lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from bundle_examples import altered, model
from onnx import TensorProto, helper
from stepping.codecs.steps import Steps
from stepping.codecs.track import Track
from torch import nn

from drivetrain import extensions
from drivetrain.bundle import bundle_bytes, make_cases, nasty_samples, open_bundle, open_bundle_bytes, verify
from drivetrain.bundle.archive import read_zip
from drivetrain.bundle.npy import to_npy
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.data.dataset import Part
from drivetrain.data.digest import encoded_digest
from drivetrain.data.loader import cut, shuffled, to_tensors
from drivetrain.data.store.pack import cache_folder, pack
from drivetrain.errors import BundleError
from drivetrain.learn.diagnose import not_finite
from drivetrain.ragged import Ragged, Rows, as_batch, column_in, graph_inputs, lengths_of
from drivetrain.runtime import OnnxSession, Predictor, verify_bundle
from drivetrain.runtime.predictor import _alike
from drivetrain.testing import check_codec
from drivetrain.types import Answer, Failure


@pytest.fixture(autouse=True, scope="module")
def _known():
    """The kinds of `stepping` are found, in this file alone."""
    extensions.register("stepping")
    yield
    extensions.forget()


def ragged(*rows, padding=0):
    return Steps(padding=padding).together([np.array(row, np.int64) for row in rows])


def test_rows_are_stretches_of_one_array():
    rows = ragged([1, 2, 3], [], [4])
    assert (len(rows), rows.dtype, rows.lengths.tolist(), rows.flat.tolist()) == (
        3,
        np.int64,
        [3, 0, 1],
        [1, 2, 3, 4],
    )
    assert [row.tolist() for row in rows] == [[1, 2, 3], [], [4]]
    some = rows[np.array([2, 0, 2])]
    assert some.flat.tolist() == [4, 1, 2, 3, 4]
    assert np.shares_memory(some.values, rows.values)
    assert np.shares_memory(rows[1:].values, rows.values)


def test_a_batch_is_padded_and_has_the_lengths_beside_it():
    batch = as_batch({"walk": ragged([1, 2, 3], [], [4], padding=-1), "age": np.arange(3)})
    assert batch["walk"].tolist() == [[1, 2, 3], [-1, -1, -1], [4, -1, -1]]
    assert batch[lengths_of("walk")].tolist() == [3, 0, 1]
    assert batch["age"].tolist() == [0, 1, 2]
    assert [*batch] == ["walk", lengths_of("walk"), "age"]


def test_rows_without_a_step_are_a_batch_all_the_same():
    assert ragged([], []).padded().tolist() == [[0], [0]]
    assert ragged().padded().shape == (0, 1)
    assert ragged([], [])[np.array([1])].flat.tolist() == []


def test_rows_of_rows():
    track = Track(channels=2)
    rows = track.together([np.ones((2, 2), np.float32), np.full((1, 2), 3, np.float32)])
    assert rows.padded().tolist() == [[[1, 1], [1, 1]], [[3, 3], [0, 0]]]
    assert track.together([]).padded().shape == (0, 1, 2)


def test_each_different_value_of_a_column_is_kept_once():
    column = np.array(["1 2", "3", "1 2", "1 2"], object)
    rows, errors = Steps(levels=9).encode_column(column)
    assert (rows.flat.tolist(), len(rows.values), errors) == ([1, 2, 3, 1, 2, 1, 2], 3, {})


def test_codecs_of_different_lengths_keep_the_contract():
    check_codec(Steps(), ["3 1 4", "", "1"])
    check_codec(Track(), [[[0.0, 1.0]], [[0.5, 2.0], [1.0, 3.0]]])


def test_what_breaks_the_contract_is_named():
    class Square(Steps):
        shape = (None, None)

    with pytest.raises(AssertionError, match="only the first axis may be None"):
        check_codec(Square(), ["1"])
    with pytest.raises(AssertionError, match="longer than the codec's longest"):
        check_codec(Steps(longest=2), ["1 1 1"])


def test_a_row_that_is_too_long_is_an_error_of_its_own():
    rows, errors = Steps(levels=5, longest=3).encode_column(np.array(["1 1 1 1", "2 2", "x"], object))
    assert str(errors[0]) == "it is 4 long; 3 is the most. Cut it, or leave it out."
    assert "no row of steps" in errors[2].error
    assert rows.lengths.tolist() == [0, 2, 0]


def test_no_row_is_longer_than_a_batch_may_be():
    rows, errors = Steps(levels=5, longest=10**9).encode_column(
        np.array(["1 2", np.zeros(2**20 + 1, int)], object)
    )
    assert errors[1].error == "it is 1,048,577 long; 1,048,576 is the most."
    assert rows.lengths.tolist() == [2, 0]


WALKS = Signature(
    {"walk": Steps(levels=9), "age": Number(center=0.0, spread=1.0)}, {"far": Category(classes=("no", "yes"))}
)
TABLE = np.random.default_rng(3).normal(0, 2, (9, 2)).astype(np.float32)


def walk_graph(masked: bool = True) -> bytes:
    """The mean of the steps' vectors and softmax; unless it is masked, padding counts as a step 0."""
    nodes = [
        helper.make_node("Max", ["input_0", "zero"], ["steps"]),
        helper.make_node("Gather", ["table", "steps"], ["vectors"]),
        helper.make_node("GreaterOrEqual", ["input_0", "zero"], ["there"]),
        helper.make_node("Cast", ["there"], ["weight"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["weight", "last"], ["weights"]),
        helper.make_node("Mul", ["vectors", "weights" if masked else "every"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "along"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["lengths_0"], ["length"], to=TensorProto.FLOAT),
        helper.make_node("Max", ["length", "one"], ["divisor"]),
        helper.make_node("Unsqueeze", ["divisor", "along"], ["divisors"]),
        helper.make_node("Div", ["sum", "divisors"], ["mean"]),
        helper.make_node("Reshape", ["input_1", "as_column"], ["age"]),
        helper.make_node("Add", ["mean", "age"], ["scores"]),
        helper.make_node("Mul", ["scores", "sides"], ["told"]),
        helper.make_node("Softmax", ["told"], ["output_0"], axis=1),
    ]
    constants = {
        "table": TABLE, "zero": np.array(0), "one": np.array(1, np.float32), "along": np.array([1]), "last": np.array([2]),
        "every": np.array(1, np.float32), "as_column": np.array([-1, 1]), "sides": np.array([1, -1], np.float32),
    }  # fmt: skip
    inputs = {
        "input_0": (TensorProto.INT64, ["rows", "longest"]), "lengths_0": (TensorProto.INT64, ["rows"]),
        "input_1": (TensorProto.FLOAT, ["rows"]),
    }  # fmt: skip
    return model(nodes, constants, inputs, {"output_0": (TensorProto.FLOAT, ["rows", 2])})


def walk_forward(batch):
    there = np.arange(batch["walk"].shape[1]) < batch[lengths_of("walk")][:, None]
    sums = (TABLE[np.maximum(batch["walk"], 0)] * there[:, :, None]).sum(1)
    scores = sums / np.maximum(batch[lengths_of("walk")], 1)[:, None] + batch["age"][:, None]
    grown = np.exp(scores * [1, -1])
    return {"far": grown / grown.sum(1, keepdims=True)}


SAMPLES = [
    (f"row {number}", "validation", {"walk": walk, "age": age})
    for number, (walk, age) in enumerate((("1 2 3 4 5 6 7", 0.5), ("8", -1.0), ("2 2", 0.1), ("7 6 5", 2.0)))
]


def walk_parts(graph=None, nasty=True):
    samples = [*SAMPLES, *(nasty_samples(WALKS, SAMPLES[0][2]) if nasty else [])]
    cases = make_cases(WALKS, samples, walk_forward)
    return {
        "name": "walks", "task": "tabular", "signature": WALKS, "graph": graph or walk_graph(), "cases": cases,
        "profile": {"walk": {"longest": 7}}, "card": "# Walks\n", "facts": {}, "created": "2026-11-28T00:00:00Z",
    }  # fmt: skip


def test_golden_cases_have_lengths_of_their_own():
    data = bundle_bytes(**walk_parts())
    bundle = open_bundle_bytes(data)
    assert [case.encoded["walk"].tolist() for case in bundle.cases[:4]] == [
        [1, 2, 3, 4, 5, 6, 7],
        [8],
        [2, 2],
        [7, 6, 5],
    ]
    assert bundle.manifest["format"] == 4
    port = {"tensor": "input_0", "lengths": "lengths_0", "dtype": "int64", "dims": [None, None]}
    assert bundle.manifest["graph"]["inputs"]["walk"] == port
    assert "golden/lengths.walk.npy" in read_zip(data)
    report = verify(bundle, OnnxSession(bundle.graph, bundle.tensors))
    assert report.ok, report.failed


def test_an_older_format_has_no_rows_of_different_lengths():
    with pytest.raises(BundleError, match="no rows of different lengths"):
        open_bundle_bytes(altered(bundle_bytes(**walk_parts()), {}, {"format": 3}))


@pytest.mark.parametrize(
    "lengths", [[7, 1, 2, 3, 0, 1], [7, 1, 2, 3, 0, 1, -60], [7, 1, 2, 3, 0, 1, 59], [7, 1, 2, 3, 0, 1, 501]]
)
def test_lengths_that_are_not_those_of_the_values_are_refused(lengths):
    damaged = {"golden/lengths.walk.npy": to_npy(np.array(lengths))}
    with pytest.raises(BundleError, match=r"not what the signature|not from 0 to 500"):
        open_bundle_bytes(altered(bundle_bytes(**walk_parts()), damaged))


def test_verify_finds_a_graph_that_looks_at_padding():
    for nasty, told in ((False, "case 'row 1' in a batch"), (True, "case 'walk: no step' alone")):
        bundle = open_bundle_bytes(bundle_bytes(**walk_parts(walk_graph(masked=False), nasty)))
        report = verify(bundle, OnnxSession(bundle.graph, bundle.tensors))
        assert report.failed["stage"] == "output"
        assert told in report.failed["message"]


def test_answers_alone_and_in_company_agree():
    predictor = Predictor(open_bundle_bytes(bundle_bytes(**walk_parts())), trusted=True)
    chance = np.random.default_rng(5)
    items = [
        {"walk": chance.integers(0, 9, length).tolist(), "age": float(chance.normal())}
        for length in chance.integers(0, 120, 90)
    ]
    items.insert(7, {"walk": [1] * 501, "age": 0.0})
    items.insert(30, {"walk": "far", "age": 0.0})
    many = predictor.predict_many(items)
    for place, (item, answer) in enumerate(zip(items, many, strict=True)):
        if place in (7, 30):
            assert isinstance(answer, Failure)
            continue
        assert isinstance(answer, Answer)
        alone = predictor.predict(item)
        assert alone.label == answer.label
        assert alone.probability == pytest.approx(answer.probability, abs=1e-6)
        assert set(answer.unusual) == ({"walk"} if len(item["walk"]) > 7 else set())
    assert str(many[7].error).startswith("walk=[1, 1")
    assert "column 'walk': it is 501 long; 500 is the most." in str(many[7].error)


def test_a_stream_is_run_in_batches_of_similar_lengths():
    lengths = np.array([3, 200, 0, 31, 33, 90, 32, 65, 2**19, 2**19, 2**19])
    groups = [lengths[places].tolist() for places in _alike(lengths)]
    assert groups == [[0, 3, 31, 32], [33, 65], [90], [200], [2**19, 2**19], [2**19]]


def test_a_graph_must_take_the_lengths():
    lacking = model(
        [
            helper.make_node("Reshape", ["input_1", "as_column"], ["age"]),
            helper.make_node("Concat", ["age", "age"], ["output_0"], axis=1),
        ],
        {"as_column": np.array([-1, 1])},
        {"input_0": (TensorProto.INT64, ["rows", "longest"]), "input_1": (TensorProto.FLOAT, ["rows"])},
        {"output_0": (TensorProto.FLOAT, ["rows", 2])},
    )  # fmt: skip
    with pytest.raises(BundleError, match="lengths_0"):
        bundle_bytes(**walk_parts(lacking))


def tensors_of(rows, index=None, **more):
    index = np.arange(len(rows)) if index is None else np.array(index)
    return to_tensors(Part({"walk": rows, **more}, index, index), torch.device("cpu"))


def test_the_loader_pads_within_a_batch_alone():
    rows = ragged([1], [2] * 9, [], [3, 4], padding=-1)
    tensors = tensors_of(rows, [0, 2, 3], age=np.arange(4.0))
    assert tensors.arrays["walk"].values.data_ptr() == rows.values.ctypes.data
    assert tensors.lengths.tolist() == [1, 0, 2]
    batch = tensors.gather(torch.tensor([2, 1]))
    assert batch["walk"].tolist() == [[3, 4], [-1, -1]]
    assert batch[lengths_of("walk")].tolist() == [2, 0]
    assert batch["age"].tolist() == [3, 2]
    everything = rows[np.array([3, 2, 0])]
    for own, want in zip(
        tensors.arrays["walk"].padded(torch.tensor([3, 2, 0])), (everything.padded(), everything.lengths)
    ):
        np.testing.assert_array_equal(own, want)


def test_batches_are_of_similar_lengths_in_an_order_of_their_own_in_each_epoch():
    lengths = torch.from_numpy(np.random.default_rng(0).geometric(0.02, 10_007))
    generator = torch.Generator().manual_seed(1)
    start = generator.get_state()
    epochs = [shuffled(len(lengths), 32, generator, True, lengths) for _ in range(2)]
    for batches in epochs:
        assert sorted(torch.cat(batches).tolist()) == list(range(10_007))
        assert [len(batch) for batch in batches[:-1]] == [32] * 312
        longest = torch.tensor([float(lengths[batch].max()) for batch in batches])
        filled = lengths.sum() / sum(len(batch) * lengths[batch].max() for batch in batches)
        assert filled > 0.85
        assert abs(np.corrcoef(np.arange(len(batches)), longest)[0, 1]) < 0.2  # Not from short to long.
    plain = torch.randperm(10_007, generator=generator).split(32)
    assert lengths.sum() / sum(len(batch) * lengths[batch].max() for batch in plain) < 0.3
    assert len({frozenset(batch.tolist()) for batches in epochs for batch in batches}) == 2 * 313
    generator.set_state(start)
    again = shuffled(len(lengths), 32, generator, True, lengths)
    assert all(torch.equal(*pair) for pair in zip(again, epochs[0], strict=True))


def test_how_much_of_an_epoch_is_padding_is_known():
    tensors = tensors_of(ragged([1], [2] * 3, [], [3, 4]))
    assert tensors.padding([torch.tensor([0, 1]), torch.tensor([2, 3])]) == pytest.approx(1 - 6 / 10)
    assert tensors.padding([torch.tensor([2])]) == 1  # An empty row is one step long.
    assert (
        to_tensors(Part({"age": np.arange(4.0)}, np.arange(4), np.arange(4)), torch.device("cpu")).padding([])
        is None
    )


def test_rows_are_measured_in_batches_of_similar_lengths():
    tensors = tensors_of(ragged([1] * 3, [2], [], [3, 4], [5]))
    found = [batch["walk"].tolist() for batch, _ in tensors.in_shares(2, lambda rows: None, alike=True)]
    assert found == [[[0], [2]], [[5, 0], [3, 4]], [[1, 1, 1]]]


def test_what_is_much_is_put_together_in_a_file(monkeypatch):
    monkeypatch.setattr("drivetrain.ragged.HELD", 1000)
    draw = np.random.default_rng(0)
    made = [draw.normal(size=(length, 2)).astype(np.float32) for length in draw.integers(0, 9, 100)]
    with Rows((2,), np.dtype(np.float32), -1) as rows:
        for row in made:
            rows.append(row)
        found = rows.together()
    assert isinstance(found.values.base, np.memmap)
    assert all(np.array_equal(*pair) for pair in zip(found, made, strict=True))
    assert found.padded()[0, len(made[0]) :].tolist() == [[-1, -1]] * (8 - len(made[0]))
    with Rows((), np.dtype(np.int64)) as rows:
        for _ in range(30):
            rows.append(rows.empty)
        assert rows.together().lengths.tolist() == [0] * 30
    with Rows((), np.dtype(np.int64)) as rows:
        assert len(rows.together()) == 0


def test_rows_of_one_shape_are_shuffled_as_ever():
    batches = shuffled(10, 4, torch.Generator().manual_seed(3), True)
    assert torch.equal(torch.cat(batches), torch.randperm(10, generator=torch.Generator().manual_seed(3)))


class FiledSteps(Steps):
    """As steps, from text files."""

    from_files = True

    def read(self, raw):
        return super().read(raw.decode() if isinstance(raw, bytes) else raw)


@pytest.fixture
def walks(tmp_path, monkeypatch):
    monkeypatch.setenv("DRIVETRAIN_CACHE", str(tmp_path / "cache"))
    chance = np.random.default_rng(2)
    texts = [" ".join(map(str, chance.integers(0, 9, length))) for length in chance.integers(0, 12, 40)]
    texts[5] = "one two"
    for number, text in enumerate(texts):
        (tmp_path / f"{number:02}.txt").write_text(text)
    return texts, [str(tmp_path / f"{number:02}.txt") for number in range(len(texts))]


def test_rows_of_files_are_kept_on_the_disk(walks, monkeypatch):
    texts, paths = walks
    codec = FiledSteps(levels=9, padding=-1)
    found = pack(codec, paths)
    assert [*found.errors] == [5]
    assert found.errors[5].where == paths[5]
    assert [row.tolist() for row in found.array] == [
        [] if number == 5 else [int(step) for step in text.split()] for number, text in enumerate(texts)
    ]
    assert isinstance(found.array.values, np.memmap)
    assert (found.array.padding, found.array[5].tolist()) == (-1, [])
    monkeypatch.setattr("drivetrain.data.store.pack.encode_chunk", None)  # It is not encoded again.
    again = pack(codec, paths)
    assert again.key == found.key
    np.testing.assert_array_equal(again.array.flat, found.array.flat)
    np.testing.assert_array_equal(again.array.lengths, found.array.lengths)


def test_a_store_whose_lengths_are_others_is_made_again(walks):
    _, paths = walks
    found = pack(FiledSteps(levels=9), paths)
    lengths = cache_folder() / "stores" / found.key / "lengths.npy"
    np.save(lengths, np.load(lengths) + 1)
    np.testing.assert_array_equal(pack(FiledSteps(levels=9), paths).array.lengths, found.array.lengths)


def test_files_without_a_step_are_rows_too(tmp_path, monkeypatch):
    monkeypatch.setenv("DRIVETRAIN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "none.txt").write_text("")
    found = pack(FiledSteps(levels=9), [tmp_path / "none.txt"] * 3)
    assert (found.array.lengths.tolist(), found.array.padded().shape) == ([0, 0, 0], (3, 1))


def test_the_digest_of_rows_knows_where_one_ends():
    digests = {encoded_digest(each) for each in (ragged([1, 2], [3]), ragged([1], [2, 3]), ragged([1, 2, 3]))}
    assert len(digests) == 3
    twice = Steps(levels=9).encode_column(np.array(["1 2", "1 2"], object))[0]
    assert encoded_digest(twice) == encoded_digest(ragged([1, 2], [1, 2]))


def test_long_rows_are_in_batches_of_fewer(monkeypatch):
    monkeypatch.setattr("drivetrain.data.loader.MOST_STEPS", 100)
    lengths = torch.tensor([10] * 20 + [60, 1, 1, 101, 2, 0, 0])
    batches = cut(torch.arange(27), 8, lengths)
    assert [len(batch) for batch in batches] == [8, 8, 4, 1, 2, 1, 3]
    assert torch.equal(torch.cat(batches), torch.arange(27))
    rows = Ragged.of(np.arange(int(lengths.sum())), lengths.numpy())
    tensors = tensors_of(rows)
    assert [len(batch["walk"]) for batch in tensors.in_order(8)] == [8, 8, 4, 1, 2, 1, 3]
    chance = torch.Generator().manual_seed(0)
    shuffled_rows = torch.cat(shuffled(27, 8, chance, True, lengths))
    assert sorted(shuffled_rows.tolist()) == list(range(27))


def test_what_pads_a_batch_is_no_fault_of_its_input():
    rows = Track(channels=2, padding=float("nan")).together(
        [np.ones((2, 2), np.float32), np.ones((1, 2), np.float32)]
    )
    batch = tensors_of(rows).gather(torch.arange(2))
    assert batch["walk"].isnan().any()
    told = not_finite({"network": nn.Identity()}, lambda: None, batch, float("nan"), "here")
    assert "has it already" not in told.error
    batch["walk"][0, 0, 0] = float("nan")
    assert (
        "the input 'walk' has it already"
        in not_finite({"network": nn.Identity()}, lambda: None, batch, float("nan"), "here").error
    )


def test_the_kept_bundle_of_format_4_opens_and_verifies():
    path = Path(__file__).parent / "bundles" / "format-4-walks.bundle"
    assert open_bundle(path).manifest["format"] == 4
    assert verify_bundle(
        path, trusted=True
    ).ok  # The process that would look at it first knows no `stepping`.
    answer = Predictor(path, trusted=True).predict({"walk": "1 2 3", "age": 0.5})
    there = {
        "walk": np.array([[1, 2, 3]]),
        lengths_of("walk"): np.array([3]),
        "age": np.array([0.5], np.float32),
    }
    assert answer.probabilities["no"] == pytest.approx(float(walk_forward(there)["far"][0, 0]), abs=1e-6)


def test_a_batch_is_read_again_without_what_pads_it():
    rows = ragged([1, 2, 3], [], [4], padding=-1)
    batch = as_batch({"walk": rows, "age": np.arange(3)})
    again = column_in(batch, "walk")
    assert [row.tolist() for row in again] == [[1, 2, 3], [], [4]]
    assert np.shares_memory(again.values, batch["walk"])
    assert column_in({"walk": rows}, "walk") is rows
    assert column_in(batch, "age").tolist() == [0, 1, 2]
    for given in (batch, {"walk": rows, "age": [0, 1, 2]}):
        found = graph_inputs(given, ["walk"])
        assert [*found] == ["walk", lengths_of("walk")]
        np.testing.assert_array_equal(found["walk"], batch["walk"])
