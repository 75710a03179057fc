"""Golden cases: made, stored, read back, and each stage named when it is the one that differs."""

from __future__ import annotations

import numpy as np
import pytest
from bundle_examples import (
    HOUSES,
    PICTURES,
    altered,
    arguments,
    house_bundle,
    house_cases,
    house_forward,
    house_graph,
    image_bundle,
    image_cases,
    image_forward,
    image_graph,
    member,
    model,
    pictures,
    png,
    weights,
)
from onnx import TensorProto, helper

from drivetrain.bundle import bundle_bytes, make_cases, nasty_samples, open_bundle_bytes, verify
from drivetrain.bundle.golden import ReadArray, kept
from drivetrain.bundle.npy import from_npy, to_npy
from drivetrain.bundle.verify import STAGES, array_difference
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.date import Date
from drivetrain.codecs.number import Number
from drivetrain.codecs.tags import Tags
from drivetrain.errors import BundleError, CheckFailed, DataError, DrivetrainError, NotInstalled, UsageError
from drivetrain.files import from_json, to_json
from drivetrain.runtime import OnnxSession, Predictor


def report(data):
    bundle = open_bundle_bytes(data)
    return verify(bundle, OnnxSession(bundle.graph, bundle.tensors))


@pytest.mark.parametrize("data", [image_bundle, house_bundle])
def test_every_stage_holds(data):
    result = report(data())
    assert result.ok
    assert result.failed is None
    assert tuple(stage["stage"] for stage in result.stages) == STAGES
    assert from_json(to_json(result.to_json())) == {"ok": True, "stages": result.stages}
    result.require()


def test_cases_come_back_as_they_were_made():
    for made, read in zip(image_cases(), open_bundle_bytes(image_bundle()).cases, strict=True):
        assert (made.name, made.kind, made.raw, made.answer) == (read.name, read.kind, read.raw, read.answer)
        assert made.read["image"].shape == read.read["image"].shape
        for ours, theirs in (
            (made.read["image"].values, read.read["image"].values),
            (made.encoded["image"], read.encoded["image"]),
            (made.output["label"], read.output["label"]),
        ):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)
    assert [case.read for case in house_cases()] == [
        case.read for case in open_bundle_bytes(house_bundle()).cases
    ]


def test_each_stage_is_made_from_the_one_before():
    """A large picture is kept as a smaller PNG: read and encoded must be of that, not of the original."""
    large = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    (case,) = make_cases(PICTURES, [("large", "validation", {"image": large})], image_forward)
    codec = PICTURES.inputs["image"]
    value = codec.read(codec.from_bytes(case.raw["image"]))
    assert case.read["image"].shape == value.shape == (384, 512, 3)
    np.testing.assert_array_equal(case.encoded["image"], codec.encode(value))
    assert case.read["image"].values.size <= 65_536


def test_read_arrays_are_thinned_no_more_than_needed():
    array = np.arange(300 * 400 * 3, dtype=np.int64).reshape(300, 400, 3)
    thin = kept(array)
    assert (thin.shape, thin.step) == ((300, 400, 3), 3)
    np.testing.assert_array_equal(thin.values, array[::3, ::3])
    assert kept(array[:100, :200]).step == 1
    assert kept(np.zeros(())).values.shape == ()
    assert kept(np.zeros((2, 2, 100_000))).step == 2
    assert kept((1, "a")) == [1, "a"]


def swapped_graph():
    other = weights() + np.random.default_rng(9).normal(0, 0.01, (192, 3)).astype(np.float32)
    return altered(image_bundle(), {"model.onnx": image_graph(other)})


def other_signature(change):
    record = PICTURES.to_json()
    change(record)
    return altered(image_bundle(), {"signature.json": to_json(record).encode()})


def other_case(change, data=None):
    data = data or image_bundle()
    record = from_json(member(data, "golden/cases.json"))
    change(record["cases"][2])
    return altered(data, {"golden/cases.json": to_json(record).encode()})


def shifted(name, by):
    array = from_npy(memoryview(member(image_bundle(), name)), name)
    return altered(image_bundle(), {name: to_npy((array + by).astype(array.dtype))})


ALTERATIONS = {
    "a raw value that isn't a picture": (
        lambda: altered(image_bundle(), {"golden/0002.image.raw": b"no picture"}),
        "read",
    ),
    "a raw value written in another way": (
        lambda: altered(house_bundle(), {"golden/0000.area.raw": b" 40"}),
        "raw",
    ),
    "a raw value that isn't JSON": (lambda: altered(house_bundle(), {"golden/0000.area.raw": b"{"}), "raw"),
    "another picture": (
        lambda: altered(image_bundle(), {"golden/0000.image.raw": pictures(1, 5)[0]}),
        "read",
    ),
    "another shape": (
        lambda: altered(image_bundle(), {"golden/0000.image.raw": pictures(1, 0, 12)[0]}),
        "read",
    ),
    "another number read": (
        lambda: other_case(lambda case: case["read"].update(area={"value": 1}), house_bundle()),
        "read",
    ),
    "another resize": (
        lambda: other_signature(lambda record: record["inputs"]["image"].update(resize="stretch")),
        "encoded",
    ),
    "other pixels": (lambda: shifted("golden/encoded.image.npy", 7), "encoded"),
    "another graph": (swapped_graph, "output"),
    "classes in another order": (
        lambda: other_signature(
            lambda record: record["targets"]["label"].update(classes=["dog", "cat", "owl"])
        ),
        "answer",
    ),
    "another answer": (
        lambda: other_case(lambda case: case["answer"]["label"].update(label="eel")),
        "answer",
    ),
    "more in the answer": (lambda: other_case(lambda case: case["answer"]["label"].update(more=1)), "answer"),
}


@pytest.mark.parametrize(("make", "stage"), ALTERATIONS.values(), ids=ALTERATIONS)
def test_the_first_stage_that_differs_is_named(make, stage):
    """Every hash is right again: only the golden cases can tell."""
    result = report(make())
    assert not result.ok
    assert result.failed["stage"] == stage
    assert result.failed["message"]
    assert all(entry["ok"] for entry in result.stages[: STAGES.index(stage)])
    with pytest.raises(CheckFailed, match=f"'{stage}' stage"):
        result.require()


def test_a_difference_within_the_tolerance_holds():
    """A JPEG decoder may differ by two levels and a resize by three: then the stage agrees, and says by how
    much."""
    bundle = open_bundle_bytes(shifted("golden/encoded.image.npy", 0))
    encoded = from_npy(memoryview(member(image_bundle(), "golden/encoded.image.npy")), "x")
    near = np.clip(encoded.astype(int) + 3, 0, 255).astype(np.uint8)
    cases = image_forward({"image": near})["label"].astype(np.float32)
    changes = {"golden/encoded.image.npy": to_npy(near), "golden/output.label.npy": to_npy(cases)}
    result = report(altered(image_bundle(), changes))
    stages = {stage["stage"]: stage for stage in result.stages}
    assert stages["encoded"]["ok"]
    assert stages["encoded"]["max_difference"] == 3
    assert stages["output"]["ok"]
    assert bundle.cases


class Double:
    """A session whose outputs a test chooses."""

    def __init__(self, bundle, change):
        self.session, self.change = OnnxSession(bundle.graph, bundle.tensors), change

    def run(self, feeds):
        return self.change(self.session.run(feeds))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda outputs: {name: array * np.float32(1.001) for name, array in outputs.items()}, "differs by"),
        (lambda outputs: {name: array * np.nan for name, array in outputs.items()}, "finite"),
        (lambda outputs: {name: array[:, :2] for name, array in outputs.items()}, "no output"),
        (lambda outputs: {}, "no output"),
        (
            lambda outputs: {name: array.astype(np.float64) for name, array in outputs.items()},
            "finite|float64",
        ),
        (lambda outputs: {name: array[::-1] for name, array in outputs.items()}, "in a batch"),
    ],
)
def test_a_runtime_that_differs_fails_at_output(change, words):
    """The last one answers well alone, and mixes up the rows of a batch."""
    bundle = open_bundle_bytes(image_bundle())
    result = verify(bundle, Double(bundle, change))
    assert result.failed["stage"] == "output"
    assert any(word in result.failed["message"] for word in words.split("|"))
    assert to_json(result.to_json())


def test_a_session_that_refuses_fails_at_output():
    def refuse(outputs):
        raise BundleError("the graph can't be run: no")

    bundle = open_bundle_bytes(image_bundle())
    assert "no" in verify(bundle, Double(bundle, refuse)).failed["message"]


def test_the_argmax_must_be_equal_even_within_the_tolerance():
    """0.50001 against 0.49999: the outputs agree to 1e-4, the answers don't."""
    golden = np.array([[0.50001, 0.49999, 0.0]], np.float32)
    cases = make_cases(
        PICTURES, [("tie", "validation", {"image": pictures(1)[0]})], lambda batch: {"label": golden}
    )
    bundle = open_bundle_bytes(bundle_bytes(**arguments(cases=cases)))

    class Other:
        def run(self, feeds):
            return {"label": golden[:, [1, 0, 2]]}

    assert "the answer is 'dog'" in verify(bundle, Other()).failed["message"]


def test_numbers_near_zero_are_measured_against_the_usual_size():
    """Prices of about 1,000 and one of 0.001: an error of 0.01 is nothing here, one of 1 is."""
    areas = [1e-3, 90, 100, 110]
    samples = [(f"{area}", "validation", {"area": area, "town": "Ulm"}) for area in areas]

    def forward(batch):
        return {"price": batch["area"] * 10.0}

    cases = make_cases(HOUSES, samples, forward)
    bundle = open_bundle_bytes(bundle_bytes(**arguments(cases=cases, signature=HOUSES, graph=house_graph())))

    class Near:
        def __init__(self, by):
            self.by = by

        def run(self, feeds):
            return {"price": (feeds["area"] * 10.0 + self.by).astype(np.float32)}

    assert verify(bundle, Near(0.01)).ok
    assert verify(bundle, Near(1.0)).failed["stage"] == "output"


def test_nearly_tied_cases_are_left_out_but_never_all():
    outputs = np.array([[0.50001, 0.49999, 0], [0.5, 0.5, 0], [0.6, 0.3, 0.1]], np.float32)
    samples = [(name, "validation", {"image": raw}) for name, raw in zip("abc", pictures(3))]
    cases = make_cases(PICTURES, samples, lambda batch: {"label": outputs[: len(batch["image"])]})
    assert [case.name for case in cases] == ["b", "c"]
    (only,) = make_cases(PICTURES, samples[:1], lambda batch: {"label": outputs[:1]})
    assert only.name == "a"


def missing_bundle():
    """A number that may be missing, and counts as 7 then; a date, of which the year is taken."""
    inputs = {
        "size": Number(missing=True, center=0.0, spread=1.0),
        "day": Date(missing=True, parts=("year",)),
    }
    signature = Signature(inputs, {"price": Number(center=0.0, spread=1.0)})
    nodes = [
        helper.make_node("IsNaN", ["input_0"], ["absent"]),
        helper.make_node("Where", ["absent", "seven", "input_0"], ["known"]),
        helper.make_node("Gather", ["input_1", "one"], ["year"], axis=1),
        helper.make_node("Cast", ["year"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["known", "number"], ["output_0"]),
    ]
    held = {"seven": np.float32(7).reshape(()), "one": np.int64(1).reshape(())}
    ports = {"input_0": (TensorProto.FLOAT, ["n"]), "input_1": (TensorProto.INT64, ["n", 2])}
    graph = model(nodes, held, ports, {"output_0": (TensorProto.FLOAT, ["n"])})
    rows = [
        ("row", "validation", {"size": 3, "day": "2020-01-01"}),
        ("gap", "validation", {"size": None, "day": None}),
    ]
    cases = make_cases(
        signature,
        [*rows, *nasty_samples(signature, rows[0][2])],
        lambda batch: {"price": np.where(np.isnan(batch["size"]), 7, batch["size"]) + batch["day"][:, 1]},
    )
    return bundle_bytes(
        **arguments(name="gaps", task="tabular", signature=signature, graph=graph, cases=cases)
    )


def test_missing_values_go_all_the_way():
    data = missing_bundle()
    bundle = open_bundle_bytes(data)
    gap = next(case for case in bundle.cases if case.name == "gap")
    assert gap.read == {"size": None, "day": None}
    assert np.isnan(gap.encoded["size"])
    assert gap.encoded["day"].tolist() == [-(2**62), -1]
    result = report(data)
    assert result.ok, result.failed
    answer = Predictor(bundle).predict({"size": "NA", "day": "31 Dec 1999"})
    assert answer.value == 7 + 1999


@pytest.mark.parametrize(
    ("own", "golden", "difference"),
    [
        ([np.nan, 1.0], [np.nan, 1.0], 0.0),
        ([np.nan, 1.5], [np.nan, 1.0], 0.5),
        ([np.nan, 1.0], [1.0, np.nan], np.inf),
        ([np.nan], [1.0], np.inf),
        ([1.0], [np.nan], np.inf),
        ([np.inf], [1.0], np.inf),
        ([np.nan], [np.nan], 0.0),
    ],
)
def test_missing_is_equal_to_missing_alone(own, golden, difference):
    assert array_difference(np.array(own), np.array(golden)) == difference


def test_a_runtime_that_takes_missing_for_a_number_fails_at_encoded(monkeypatch):
    data = missing_bundle()
    encode = Number.encode
    monkeypatch.setattr(Number, "encode", lambda self, value: np.nan_to_num(encode(self, value)))
    failed = report(data).failed
    assert failed["stage"] == "encoded"
    assert "missing or infinite where it was not" in failed["message"]


def test_a_package_that_is_not_installed_says_nothing_of_the_bundle(monkeypatch):
    def encode(self, value):
        raise NotInstalled("a text that is cut by BPE needs tokenizers.", fix="Install it.")

    data = missing_bundle()
    monkeypatch.setattr(Number, "encode", encode)
    with pytest.raises(NotInstalled, match="Install it"):
        Predictor(open_bundle_bytes(data))


def test_no_other_stored_number_is_nan_or_infinite():
    def changed(name, value):
        array = from_npy(memoryview(member(missing_bundle(), name)), name).copy()
        array[0] = value
        return altered(missing_bundle(), {name: to_npy(array)})

    for name, value in (("golden/output.price.npy", np.nan), ("golden/encoded.size.npy", np.inf)):
        with pytest.raises(BundleError, match="not what the signature asks for"):
            open_bundle_bytes(changed(name, value))


def tag_cases(outputs):
    signature = Signature(PICTURES.inputs, {"label": Tags(tags=("a", "b", "c"))})
    samples = [(name, "validation", {"image": raw}) for name, raw in zip("abc", pictures(len(outputs)))]
    cases = make_cases(signature, samples, lambda batch: {"label": np.array(outputs, np.float32)})
    return signature, cases


def test_tags_nearly_at_their_threshold_are_left_out():
    _, cases = tag_cases([[0.9, 0.2, 0.50001], [0.6, 0.1, 0.2], [0.5, 0.5, 0.5]])
    assert [case.name for case in cases] == ["b", "c"]


def test_the_tags_must_be_equal_even_within_the_tolerance():
    signature, cases = tag_cases([[0.5, 0.9, 0.1]])
    bundle = open_bundle_bytes(bundle_bytes(**arguments(signature=signature, cases=cases)))

    class Other:
        def run(self, feeds):
            return {"label": np.float32([[0.49999, 0.9, 0.1]])}

    assert "the answer is ['b'] where it was ['a', 'b']" in verify(bundle, Other()).failed["message"]


def test_a_case_that_costs_nearly_the_same_either_way_is_left_out():
    signature = Signature(PICTURES.inputs, {"label": Category(("cat", "dog"), costs=((0, 1), (9, 0)))})
    samples = [(name, "validation", {"image": raw}) for name, raw in zip("abc", pictures(3))]
    outputs = np.array([[0.90001, 0.09999], [0.5, 0.5], [0.99, 0.01]], np.float32)
    cases = make_cases(signature, samples, lambda batch: {"label": outputs})
    assert [(case.name, case.answer["label"]["label"]) for case in cases] == [("b", "dog"), ("c", "cat")]


def test_nasty_samples_change_one_input_at_a_time():
    base = {"area": 1, "town": "Bonn"}
    samples = nasty_samples(HOUSES, base)
    assert all(
        (kind == "nasty" and (row["area"], row["town"]) != (1, "Bonn")) or "Bonn" in name
        for name, kind, row in samples
    )
    assert {name.split(":")[0] for name, _, _ in samples} == {"area", "town"}


def test_samples_that_can_not_be_cases_are_named():
    with pytest.raises(DataError, match="golden case 'bad'"):
        make_cases(PICTURES, [("bad", "validation", {"image": b"x"})], image_forward)
    with pytest.raises(DataError, match="no 'town'"):
        make_cases(HOUSES, [("row", "validation", {"area": 1})], house_forward)
    with pytest.raises(UsageError):
        make_cases(PICTURES, [], image_forward)
    sample = [("a", "validation", {"image": png(np.zeros((8, 8, 3), np.uint8))})]
    with pytest.raises(DrivetrainError, match="finite output"):
        make_cases(PICTURES, sample, lambda batch: {"label": np.full((1, 3), np.nan)})


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(()),
        np.arange(5, dtype=np.int64),
        np.ones((2, 0, 3), np.float32),
        np.ones((2, 3), bool),
        np.ones(3, ">f4"),
    ],
)
def test_arrays_come_back(array):
    back = from_npy(memoryview(to_npy(array)), "x")
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: data.replace(b"(2, 3)", b"(9, 9)"),
        lambda data: data.replace(b"'<f4'", b"'|O4'"),
        lambda data: data.replace(b"False", b"True "),
        lambda data: data.replace(b"NUMPY\x01", b"NUMPY\x03"),
        lambda data: b"",
        lambda data: data.replace(b"(2, 3)", b"(9999999999999, 9999999999999)")[: len(data)],
    ],
)
def test_arrays_of_another_kind_are_refused(change):
    with pytest.raises(BundleError, match="x"):
        from_npy(memoryview(change(to_npy(np.ones((2, 3), np.float32)))), "x")


def test_read_array_is_plain_data():
    assert isinstance(image_cases()[0].read["image"], ReadArray)
