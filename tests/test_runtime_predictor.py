"""From a raw value to an answer, without torch."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import bundle_examples as examples
import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image as Pillow

from drivetrain.bundle import bundle_bytes, make_cases, open_bundle_bytes
from drivetrain.codecs import Signature
from drivetrain.codecs.number import Number
from drivetrain.errors import BundleError, CheckFailed, DataError, DrivetrainError, UsageError
from drivetrain.runtime import OnnxSession, Predictor, verify_bundle
from drivetrain.types import Answer, Failure


@pytest.fixture(scope="module")
def animals():
    return Predictor(open_bundle_bytes(examples.image_bundle()), batch_size=4)


@pytest.fixture(scope="module")
def houses():
    return Predictor(open_bundle_bytes(examples.house_bundle()))


def test_the_answer_is_that_of_training(animals):
    for raw in examples.pictures(5, seed=8):
        encoded = examples.PICTURES.inputs["image"]
        wanted = examples.image_forward({"image": encoded.encode(encoded.read(raw))[None]})["label"][0]
        answer = animals.predict(raw)
        assert answer.label == ("cat", "dog", "owl")[int(wanted.argmax())]
        np.testing.assert_allclose(list(answer.probabilities.values()), wanted, atol=1e-5)
        assert answer.input == f"{len(raw)} bytes"


def test_several_inputs_are_a_mapping(houses):
    assert houses.predict({"area": 100, "town": "Bonn"}).value == 3000 + 1250
    assert houses.predict({"area": 100, "town": "Ulm", "price": 7, "street": "x"}).value == 1000 + 1250
    with pytest.raises(DataError, match="no 'town'"):
        houses.predict({"area": 100})
    with pytest.raises(DataError, match=r"several inputs.*area, town"):
        houses.predict(100)


def test_one_input_is_its_raw_value_or_a_mapping(animals, tmp_path):
    raw = examples.pictures(1)[0]
    path = tmp_path / "bild ü.png"
    path.write_bytes(raw)
    array = np.asarray(Pillow.open(io.BytesIO(raw)))
    answers = animals.predict_many(
        [raw, {"image": raw}, path, str(path), array, bytearray(raw), Pillow.open(path)]
    )
    assert len({answer.label for answer in answers}) == 1
    assert {answer.probability for answer in answers[1:]} == {answers[1].probability}
    assert answers[2].input == str(path)
    assert answers[4].input == "uint8 array 11x13x3"


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_one_by_one_and_in_a_batch_are_the_same(batch_size):
    predictor = Predictor(open_bundle_bytes(examples.image_bundle()), batch_size=batch_size)
    raws = examples.pictures(10, seed=4)
    together = predictor.predict_many(raws)
    for raw, answer in zip(raws, together, strict=True):
        alone = predictor.predict(raw)
        assert answer.label == alone.label
        np.testing.assert_allclose(
            list(answer.probabilities.values()), list(alone.probabilities.values()), atol=1e-6
        )


BAD = {
    "text": "no such file.png",
    "number": 3.5,
    "none": None,
    "empty": b"",
    "no picture": b"hello",
    "cut": examples.pictures(1)[0][:60],
    "list": [1, 2],
    "floats": np.zeros((8, 8, 3)),
    "nan": np.full((8, 8, 3), np.nan),
    "shape": np.zeros((8, 8, 3, 3), np.uint8),
    "no array": np.zeros((0, 8, 3), np.uint8),
    "objects": np.array([{}], object),
    "other field": {"picture": b""},
    "null character": "a\0b",
}


def test_bad_items_fail_alone_and_in_their_place(animals):
    good = examples.pictures(len(BAD) + 1, seed=6)
    items = [part for pair in zip(good, BAD.values()) for part in pair] + good[-1:]
    results = animals.predict_many(items)
    assert [type(result) for result in results] == [Answer, Failure] * len(BAD) + [Answer]
    for name, failure in zip(BAD, results[1::2], strict=True):
        assert isinstance(failure.error, DataError), name
        assert failure.error.error, name
        assert failure.to_json()["input"] == failure.input
    for raw, answer in zip(good, results[::2], strict=True):
        assert answer.label == animals.predict(raw).label


@pytest.mark.parametrize("item", BAD.values(), ids=BAD)
def test_a_bad_item_alone_raises(animals, item):
    with pytest.raises(DataError):
        animals.predict(item)


def test_bad_numbers_and_classes_fail_alone(houses):
    rows = [
        {"area": 1, "town": "Ulm"},
        {"area": float("nan"), "town": "Ulm"},
        {"area": "many", "town": "Ulm"},
        {"area": 1e39, "town": "Ulm"},
        {"area": True, "town": "Ulm"},
        {"area": 1, "town": "Ulmm"},
        {"area": 1, "town": None},
        {},
        {"area": 2, "town": "Ulm"},
    ]
    results = houses.predict_many(rows)
    assert [result.value for result in (results[0], results[-1])] == [1012.5, 1025.0]
    assert all(isinstance(result, Failure) for result in results[1:-1])
    assert "Did you mean Ulm" in str(results[5].error)


def test_nothing_in_nothing_out(animals):
    assert animals.predict_many([]) == []


@pytest.mark.parametrize("items", ["0021.PNG", b"\x89PNG", Path("0021.PNG"), {"image": "0021.PNG"}])
def test_one_item_where_many_are_asked_for_is_refused_at_once(animals, items):
    with pytest.raises(UsageError, match=r"one item.*Give a list"):
        animals.predict_many(items)
    with pytest.raises(UsageError, match=r"one item.*Give a list"):
        next(animals.stream(items))


def test_a_stream_holds_two_batches_at_most(animals):
    taken = []

    def source():
        for number, raw in enumerate(examples.pictures(40, seed=2)):
            taken.append(number)
            yield raw

    stream = animals.stream(source())
    assert taken == []
    next(stream)
    assert len(taken) == 2 * animals.batch_size
    assert len(list(stream)) == 39
    assert len(taken) == 40


def number_model(nodes, held):
    signature = Signature({"x": Number(center=0.0, spread=1.0)}, {"y": Number(center=0.0, spread=1.0)})
    port = (TensorProto.FLOAT, ["n"])
    graph = examples.model(nodes, held, {"input_0": port}, {"output_0": port})
    cases = make_cases(signature, [("one", "validation", {"x": 1})], lambda batch: {"y": batch["x"] * 0 + 1})
    return open_bundle_bytes(
        bundle_bytes(**examples.arguments(signature=signature, graph=graph, cases=cases))
    )


def test_an_output_that_is_no_number_is_a_failure():
    """sqrt of a negative number."""
    predictor = Predictor(
        number_model([helper.make_node("Sqrt", ["input_0"], ["output_0"])], {}), trusted=True
    )
    results = predictor.predict_many([{"x": 1}, {"x": -1}, {"x": 4}])
    assert [type(result) for result in results] == [Answer, Failure, Answer]
    assert "not a finite number" in str(results[1].error)
    with pytest.raises(DataError, match="not a finite number"):
        predictor.predict(-4)


def test_a_row_that_the_graph_refuses_does_not_cost_the_others():
    """A table of three entries, looked up at 1000."""
    nodes = [
        helper.make_node("Cast", ["input_0"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "place"], ["output_0"]),
    ]
    predictor = Predictor(number_model(nodes, {"table": np.float32([5, 1, 7])}), trusted=True)
    results = predictor.predict_many([0, 1000, 2])
    assert [type(result) for result in results] == [Answer, Failure, Answer]
    assert [results[0].value, results[2].value] == [5, 7]
    assert isinstance(results[1].error, BundleError)


def test_a_codec_that_slips_fails_for_that_item_only(monkeypatch):
    predictor = Predictor(open_bundle_bytes(examples.house_bundle()))
    read = Number.read

    def slipping(self, raw):
        if raw == "13":
            raise TypeError("slipped")
        return read(self, raw)

    monkeypatch.setattr(Number, "read", slipping)
    results = predictor.predict_many([{"area": area, "town": "Ulm"} for area in ("12", "13", "14")])
    assert [type(result) for result in results] == [Answer, Failure, Answer]
    assert "slipped" in str(results[1].error)


def swapped():
    return examples.altered(
        examples.image_bundle(), {"model.onnx": examples.image_graph(examples.weights() * 1.01)}
    )


def test_a_swapped_graph_is_refused_though_every_hash_is_right(tmp_path):
    path = tmp_path / "swapped.bundle"
    path.write_bytes(swapped())
    with pytest.raises(CheckFailed, match="'output' stage") as caught:
        Predictor(path)
    assert caught.value.exit_code == 3
    assert caught.value.where == str(path)
    assert Predictor(path, verify=False).predict(examples.pictures(1)[0]).label


def test_verify_bundle_names_the_stage_also_where_the_file_is_damaged(tmp_path):
    path = tmp_path / "animals.bundle"

    def stage(data):
        path.write_bytes(data)
        report = verify_bundle(path)
        return report.failed and report.failed["stage"]

    good = examples.image_bundle()
    assert stage(good) is None
    assert stage(good[:-1]) == "members"
    training = examples.edited_graph(lambda proto: proto.training_info.add())
    assert stage(examples.altered(good, {"model.onnx": training})) == "graph"
    unsorted = examples.edited_graph(lambda proto: proto.graph.node[1].input.__setitem__(0, "nowhere"))
    assert stage(examples.altered(good, {"model.onnx": unsorted})) == "graph"
    assert stage(swapped()) == "output"


def test_what_a_predictor_tells_of_itself(animals, houses):
    assert animals.classes == ("cat", "dog", "owl")
    assert animals.signature == examples.PICTURES
    assert animals.card == "# Animals\n"
    assert animals.hash == open_bundle_bytes(examples.image_bundle()).hash
    assert repr(animals) == "<Predictor animals: image -> label>"
    with pytest.raises(UsageError, match="0 targets"):
        _ = houses.classes
    with pytest.raises(UsageError, match="batch"):
        Predictor(open_bundle_bytes(examples.house_bundle()), batch_size=0)


def test_onnxruntimes_refusals_are_ours():
    with pytest.raises(BundleError, match="onnxruntime refuses"):
        OnnxSession(b"not a graph")
    session = OnnxSession(examples.image_graph())
    for feeds in (
        {},
        {"image": np.zeros((1, 9, 9, 3), np.uint8)},
        {"image": np.zeros((1, 8, 8, 3))},
        {"picture": np.zeros((1, 8, 8, 3), np.uint8)},
        {"image": "x"},
    ):
        with pytest.raises(BundleError, match="can't be run"):
            session.run(feeds)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory in use from /proc")
@pytest.mark.parametrize(
    ("nodes", "held"),
    [
        (
            [helper.make_node("Range", ["zero", "one", "tiny"], ["made"])],
            {"zero": np.float32(0), "one": np.float32(1), "tiny": np.float32(1e-8)},
        ),
        (
            [
                helper.make_node("Tile", [name, "times"], [made])
                for name, made in (("zero", "once"), ("once", "twice"), ("twice", "made"))
            ],
            {"zero": np.zeros(1, np.float32), "times": np.int64([450])},
        ),
        (
            [
                helper.make_node("Add", ["half", "half"], ["whole"]),
                helper.make_node("ConstantOfShape", ["whole"], ["made"]),
            ],
            {"half": np.int64([2**25])},
        ),
    ],
    ids=["Range", "Tile", "ConstantOfShape"],
)
def test_loading_a_graph_computes_nothing(nodes, held):
    """250 MiB and more, which folding of constants would make of some 150 bytes."""
    nodes = [*nodes, helper.make_node("Add", ["x", "made"], ["y"])]
    arrays = {name: np.asarray(value) for name, value in held.items()}
    port = (TensorProto.FLOAT, ["n"])
    graph = examples.model(nodes, arrays, {"x": port}, {"y": port})
    before = resident()
    session = OnnxSession(graph)
    assert resident() - before < 2**26
    assert session.inputs == ["x"]


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


PROBE = """
import sys
import drivetrain.runtime
assert "onnxruntime" not in sys.modules and "numpy" not in sys.modules
from drivetrain.runtime import Predictor
answer = Predictor(sys.argv[1]).predict(sys.argv[2])
heavy = [name for name in ("torch", "onnx", "sklearn", "matplotlib", "transformers", "pandas") if name in sys.modules]
print(answer.label, heavy)
"""


def test_a_fresh_process_answers_without_torch(tmp_path):
    (tmp_path / "animals.bundle").write_bytes(examples.image_bundle())
    (tmp_path / "a.png").write_bytes(examples.pictures(1)[0])
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        PROBE,
        str(tmp_path / "animals.bundle"),
        str(tmp_path / "a.png"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(maxsplit=1)[1].strip() == "[]"
    assert done.stderr == ""


def test_errors_are_one_line(animals):
    with pytest.raises(DrivetrainError) as caught:
        animals.predict("missing.png")
    assert "missing.png" in str(caught.value)
    assert "\n" not in str(caught.value)
