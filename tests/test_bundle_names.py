"""A field may be called anything that a column is called, and bundles of older formats still open."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from bundle_examples import altered, house_bundle, member, pictures
from commands import drivetrain

import drivetrain as dt
from drivetrain.bundle import open_bundle, open_bundle_bytes
from drivetrain.errors import BundleError
from drivetrain.evaluate import evaluate
from drivetrain.files import from_json, to_json
from drivetrain.runtime import Predictor, verify_bundle

OLD = Path(__file__).parent / "bundles"


@pytest.mark.parametrize("name", ["pictures", "houses", "trees"])
def test_a_bundle_of_format_1_opens_and_verifies(name: str) -> None:
    path = OLD / f"format-1-{name}.bundle"
    bundle = open_bundle(path)
    assert bundle.manifest["format"] == 1
    assert bundle.tensors.inputs == {field: field for field in bundle.signature.inputs}
    assert verify_bundle(path).ok


def test_bundles_of_format_1_answer_as_they_did() -> None:
    answer = Predictor(OLD / "format-1-houses.bundle").predict({"area": 100, "town": "Bonn"})
    assert answer.value == pytest.approx(4250)
    row = {"native-country": "a", "hours per week": 43.0, "day": "2024-05-06"}
    assert Predictor(OLD / "format-1-trees.bundle").predict(row).label == "high"
    assert Predictor(OLD / "format-1-pictures.bundle").predict(pictures(1)[0]).label in ("cat", "dog", "owl")


@pytest.mark.parametrize(("version", "name"), [(2, "houses"), (3, "blend")])
def test_bundles_of_later_formats_open_and_verify(version: int, name: str) -> None:
    path = OLD / f"format-{version}-{name}.bundle"
    assert open_bundle(path).manifest["format"] == version
    assert verify_bundle(path).ok
    assert Predictor(path).predict({"area": 40, "town": "Ulm"}).targets["price"]["value"] == pytest.approx(
        {2: 1500, 3: 700}[version]
    )


def test_a_format_has_its_own_names_alone() -> None:
    """A graph of made names in format 1, and one of fields in format 2, fit neither."""
    manifest = from_json(member(house_bundle(), "manifest.json"))
    ports = {
        side: {name: {key: port[key] for key in ("dtype", "dims")} for name, port in found.items()}
        for side, found in manifest["graph"].items()
    }
    for change in ({"format": 1}, {"format": 1, "graph": ports}, {"graph": ports}):
        with pytest.raises(BundleError, match="inputs"):
            open_bundle_bytes(altered(house_bundle(), {}, change))
    swapped = from_json(to_json(manifest["graph"]))
    swapped["inputs"]["area"]["tensor"], swapped["inputs"]["town"]["tensor"] = "input_1", "input_0"
    with pytest.raises(BundleError, match="other inputs and outputs"):
        open_bundle_bytes(altered(house_bundle(), {}, {"graph": swapped}))


OPERATORS = [
    "view",
    "Add",
    "Gemm",
    "add",
    "matmul",
    "input",
    "output",
    "input_0",
    "output_0",
    "input_1",
    "rows",
    "constant_1",
]
PYTHON = [
    "self", "forward", "training", "weight", "bias", "__class__", "__init__", "None", "lambda", "keys", "items", "values",
    "state_dict", "parameters", "encoders", "register_buffer", "T_destination", "half", "_modules",
]  # fmt: skip
SIGNS = [
    ".", "..", "a.b", "a/b", "/", "\\", "a\\b", "../../etc/passwd", "C:\\x", "a:b", "*", "?", "~", "$HOME", "%s", "{0}", "{x}",
    "'", '"', "`", "a b", "a'b\"c", "; DROP TABLE x --", "<script>alert(1)</script>", "&amp;", "[red]x[/red]", "=1+1", "@x",
    "-x", "+x", "#", ",", "a,b", "|", "\u00e9", "e\u0301", "\U0001f600", "\U0001f469\u200d\U0001f4bb", "\u65e5\u672c",
    "\u0627\u0644", "\u212a", "x" * 200,
]  # fmt: skip
WORDS = [
    "NaN",
    "nan",
    "inf",
    "null",
    "true",
    "1",
    "1.5",
    "-1",
    "0",
    "CON",
    "nul",
    "aux",
    "select",
    "index",
    "Id",
    "ID",
    "iD",
]
NAMES = [*OPERATORS, *PYTHON, *SIGNS, *WORDS]


def table(target: str, rows: int = 60) -> dict[str, list[object]]:
    """A column for each name: numbers, and of every third name a category."""
    chance = np.random.default_rng(0)
    columns: dict[str, list[object]] = {}
    for place, name in enumerate(NAMES):
        if place % 3:
            columns[name] = chance.normal(0, 1, rows).round(3).tolist()
        else:
            columns[name] = chance.choice(["u", "v"], rows).tolist()
    columns[target] = chance.choice(["yes", "no"], rows).tolist()
    return columns


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "target"), [("mlp", "view"), ("trees", "output_0"), ("mlp", "a/b"), ("trees", "__class__")]
)
def test_a_column_may_have_any_name(tmp_path: Path, model: str, target: str) -> None:
    columns = table(target)
    kinds = {
        name: "number" if place % 3 else "category" for place, name in enumerate(NAMES) if name != target
    }
    file = tmp_path / "a.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([list(columns), *zip(*columns.values())])
    data = dt.tabular.from_csv(file, target, columns=kinds)
    assert {*data.signature.inputs} == {*NAMES} - {target}
    learner = data.learner(model, quiet=True, out=tmp_path / "run")
    learner.fit(**({} if model == "trees" else {"epochs": 1}))
    path = learner.export(tmp_path / "a.bundle")
    assert verify_bundle(path).ok
    row = {name: values[3] for name, values in columns.items() if name != target}
    answer = dt.Predictor(path).predict(row)
    assert answer.label in ("yes", "no")
    assert answer.probability == pytest.approx(learner.predict(row).probability, abs=1e-5)
    assert evaluate(path, file, quiet=True)["n"] > 0
    done = drivetrain("predict", path, file, "--json")
    assert done.code == 0, done.err
    assert done.json["answers"][3]["probability"] == pytest.approx(answer.probability, abs=1e-6)
