"""A bundle of a blend tells which part said what, and nothing that isn't so."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bundle_examples as examples
import numpy as np
import onnx
import pytest
from commands import drivetrain
from onnx import TensorProto, helper

from drivetrain.bundle import bundle_bytes, make_cases, open_bundle_bytes
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.errors import BundleError, UsageError
from drivetrain.graphs.blend import blend
from drivetrain.graphs.builder import Builder
from drivetrain.runtime import Predictor
from drivetrain.types import Array

SIGNATURE = Signature(
    {"area": Number(center=0.0, spread=1.0)},
    {"price": Number(center=0.0, spread=1.0), "sold": Category(classes=("no", "yes"))},
)
PARTS = [
    {"name": "network", "weights": {"price": 0.25, "sold": 0.0}},
    {"name": "trees", "weights": {"price": 0.75, "sold": 1.0}},
]
ROWS = [("small", "validation", {"area": 40.0}), ("large", "validation", {"area": 250.0})]


def part(slope: float) -> bytes:
    builder = Builder(SIGNATURE)
    price = builder.add(
        "Mul", builder.inputs["area"], builder.constant(slope), output=builder.outputs["price"]
    )
    score = builder.column(builder.add("Div", price, builder.constant(1000)))
    scores = builder.beside([builder.add("Neg", score), score])
    builder.add("Softmax", scores, output=builder.outputs["sold"], axis=1)
    return builder.model("part")


def graph() -> bytes:
    weights = {
        target: {each["name"]: each["weights"][target] for each in PARTS} for target in SIGNATURE.targets
    }
    return blend({"network": part(10), "trees": part(20)}, weights, SIGNATURE)


def forward(batch: Mapping[str, Array]) -> dict[str, Array]:
    area = batch["area"]
    powers = np.exp(np.stack([-area / 50, area / 50], 1))
    return {"price": area * 17.5, "sold": powers / powers.sum(axis=1, keepdims=True)}


def written(graph: bytes, parts: Any) -> bytes:
    cases = make_cases(SIGNATURE, ROWS, forward)
    facts = {} if parts is None else {"parts": parts}
    arguments = examples.arguments(name="houses", signature=SIGNATURE, graph=graph, cases=cases, facts=facts)
    return bundle_bytes(**arguments)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "houses.bundle"
    path.write_bytes(written(graph(), PARTS))
    return path


def test_each_part_is_told_with_its_weight(path: Path) -> None:
    predictor = Predictor(path, trusted=True)
    assert [each.name for each in predictor.parts] == ["network", "trees"]
    answer = predictor.predict({"area": 40}, parts=True)
    assert answer.parts["price"] == {
        "network": {"weight": 0.25, "value": pytest.approx(400)},
        "trees": {"weight": 0.75, "value": pytest.approx(800)},
    }
    assert answer.targets["price"]["value"] == pytest.approx(700)
    assert [*answer.parts["sold"]] == ["trees"]
    assert answer.parts["sold"]["trees"]["label"] == answer.targets["sold"]["label"] == "yes"
    assert answer.to_json()["parts"] == answer.parts
    assert not predictor.predict({"area": 40}).parts
    (many,) = predictor.predict_many([{"area": 40}], parts=True)
    assert many == answer


def test_a_blend_is_of_format_3_and_other_models_stay_of_format_2() -> None:
    assert open_bundle_bytes(written(graph(), PARTS)).manifest["format"] == 3
    assert open_bundle_bytes(examples.house_bundle()).manifest["format"] == 2
    with pytest.raises(BundleError):
        open_bundle_bytes(examples.altered(written(graph(), PARTS), {}, {"format": 2}))


def test_a_model_without_parts_says_that_it_has_none() -> None:
    predictor = Predictor(open_bundle_bytes(examples.house_bundle()), trusted=True)
    for ask in (predictor.predict, lambda item, parts: predictor.predict_many([item], parts=parts)):
        with pytest.raises(UsageError, match="no blend"):
            ask({"area": 40, "town": "Ulm"}, parts=True)


HOSTILE: dict[str, Any] = {
    "no parts": None,
    "an empty list": [],
    "no list": {"network": 1},
    "one too few": PARTS[1:],
    "one too many": [*PARTS, {"name": "more", "weights": {}}, *({"name": str(n), "weights": {}} for n in range(100))],
    "weights that are text": [{**PARTS[0], "weights": {"price": "0.25"}}, PARTS[1]],
    "weights that are true": [PARTS[0], {**PARTS[1], "weights": {"price": 0.75, "sold": True}}],
    "weights below 0": [{**PARTS[0], "weights": {"price": -0.25}}, {**PARTS[1], "weights": {"price": 1.25, "sold": 1}}],
    "weights not 1 together": [{**PARTS[0], "weights": {"price": 0.5}}, PARTS[1]],
    "weights of another target": [{**PARTS[0], "weights": {"price": 0.25, "rent": 1.0}}, PARTS[1]],
    "weights in a list": [{**PARTS[0], "weights": [0.25]}, PARTS[1]],
    "a weight where there is no output": [
        {"name": "a", "weights": {"price": 0.25, "sold": 0.5}}, {"name": "b", "weights": {"price": 0.75, "sold": 0.5}},
    ],
    "names alike": [{**PARTS[0], "name": "trees"}, PARTS[1]],
    "a name with a line break": [{**PARTS[0], "name": "a\nb"}, PARTS[1]],
    "a name that steers a terminal": [{**PARTS[0], "name": "\x1b[2J"}, PARTS[1]],
    "a name that is a number": [{**PARTS[0], "name": 1}, PARTS[1]],
    "no name": [{"weights": PARTS[0]["weights"]}, PARTS[1]],
    "more than is known": [{**PARTS[0], "run": "rm"}, PARTS[1]],
}  # fmt: skip


@pytest.mark.parametrize("parts", HOSTILE.values(), ids=HOSTILE)
def test_facts_that_are_not_so_are_refused(parts: Any) -> None:
    with pytest.raises(BundleError, match="part"):
        open_bundle_bytes(written(graph(), parts))


@pytest.mark.parametrize(
    ("name", "shape"),
    [("part_0_output_7", ["rows"]), ("part_00_output_0", ["rows"]), ("part_100_output_0", ["rows"]), ("more", ["rows"]),
     ("part_0_output_1", ["rows"]), ("part_0_output_1", ["rows", 3]), ("part_5_output_0", [4])],
)  # fmt: skip
def test_other_outputs_are_refused(name: str, shape: list[Any]) -> None:
    model = onnx.load_from_string(graph())
    model.graph.node.append(helper.make_node("Identity", ["output_0"], [name]))
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    with pytest.raises(BundleError):
        open_bundle_bytes(written(model.SerializeToString(), PARTS))


def test_parts_that_do_not_add_up_explain_nothing(path: Path) -> None:
    model = onnx.load_from_string(graph())
    (last,) = [node for node in model.graph.node if node.output[0] == "output_0"]
    last.input[0] = last.input[1]  # Twice what the trees say: not what the facts tell.
    bundle = open_bundle_bytes(written(model.SerializeToString(), PARTS))
    predictor = Predictor(bundle, verify=False, trusted=True)
    assert predictor.predict({"area": 40})
    with pytest.raises(BundleError, match="add up"):
        predictor.predict({"area": 40}, parts=True)


def test_the_command_tells_parts(path: Path, tmp_path: Path) -> None:
    rows, out = tmp_path / "rows.csv", tmp_path / "answers.csv"
    rows.write_text("area\n40\n250\n")
    told = drivetrain("predict", path, rows, "--parts", "--trusted")
    assert "0.75 of trees: 800" in told.out
    found = drivetrain("predict", path, rows, "--parts", "--json", "--trusted").json
    assert found["answers"][0]["parts"]["price"]["network"]["value"] == pytest.approx(400)
    assert drivetrain("predict", path, rows, "--parts", "--out", out, "--trusted").code == 0
    with out.open() as file:
        first = next(csv.DictReader(file))
    assert float(first["price value by network"]) == 400
    assert first["sold answer by trees"] == "yes"
    assert "sold answer by network" not in first
    refused = tmp_path / "plain.bundle"
    refused.write_bytes(examples.house_bundle())
    rows.write_text("area,town\n40,Ulm\n")
    told = drivetrain("predict", refused, rows, "--parts", "--trusted")
    assert told.code == 2
    assert "no blend" in told.err
