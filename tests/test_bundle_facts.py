"""A bundle's facts come from anybody: they are compared and shown, and decide nothing."""

from __future__ import annotations

import inspect
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import bundle_examples as examples
import numpy as np
import pytest

from drivetrain.bundle import facts, open_bundle_bytes
from drivetrain.bundle.optional import recommends
from drivetrain.codecs.category import Category
from drivetrain.codecs.date import Date
from drivetrain.codecs.number import Number
from drivetrain.codecs.tags import Tags
from drivetrain.data.recipe import from_facts, task_named
from drivetrain.errors import BundleError, UsageError
from drivetrain.evaluate import evaluate
from drivetrain.files import sha256
from drivetrain.tasks import recommendation, tabular

DIGEST = "0" * 64
RECIPE = {
    "task": "tabular", "source": "", "query": None, "target": ["price"], "split": None, "valid": 0.2, "seed": 0,
}  # fmt: skip


def houses(**data: Any) -> bytes:
    """The model of houses with these facts about its data."""
    return examples.altered(examples.house_bundle(), {}, {"facts": {"data": data}})


def database(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE houses (area, town, price)")
        rows = [(40 + n, "Ulm", 1000 + 12.5 * (40 + n)) for n in range(20)]
        connection.executemany("INSERT INTO houses VALUES (?, ?, ?)", rows)
        connection.execute("CREATE TABLE secrets (area, town, price)")
        connection.execute("INSERT INTO secrets VALUES (1, 'Ulm', 4711)")
    return path


@pytest.mark.parametrize("digest", ["", None, 0, False, DIGEST])
@pytest.mark.parametrize("task", ["tabular", "recommendation"])
def test_no_query_of_a_bundle_is_ever_run(tmp_path: Path, digest: Any, task: str) -> None:
    written = tmp_path / "written.db"
    query = f"SELECT * FROM secrets; VACUUM INTO '{written}'"
    path = tmp_path / "a.bundle"
    recipe = {**RECIPE, "task": task, "query": query, "source": "sqlite:///elsewhere.db"}
    path.write_bytes(houses(sha256=digest, recipe=recipe))
    url = f"sqlite:///{database(tmp_path / 'd.db')}"
    with pytest.raises(UsageError, match="a database needs a query"):
        evaluate(path, url, quiet=True)
    assert not written.exists()


def test_a_query_comes_from_who_asks(tmp_path: Path) -> None:
    path = tmp_path / "a.bundle"
    path.write_bytes(houses(sha256=DIGEST, recipe={**RECIPE, "query": "SELECT * FROM secrets"}))
    url = f"sqlite:///{database(tmp_path / 'd.db')}"
    found = evaluate(path, url, query="SELECT * FROM houses", quiet=True)
    assert found["n"] == 20
    assert found["metrics"]["mean_absolute_error"]["value"] == pytest.approx(0, abs=1e-3)


def test_what_can_not_be_read_is_the_file_of_no_training(tmp_path: Path) -> None:
    """A folder, a database's URL and a missing file have no hash, which is equal to none."""
    from drivetrain.evaluate import _file_hash

    for source in (tmp_path, "sqlite:///d.db", tmp_path / "missing", "a\0b", "/dev/zero"):
        assert _file_hash(source) is None
    for digest in ("", None, "x"):
        assert from_facts({"data": {"sha256": digest, "recipe": RECIPE}}, None) is None
    file = tmp_path / "a.csv"
    file.write_text("a\n1\n")
    digest = sha256(file.read_bytes())
    assert _file_hash(file) == digest
    own = from_facts({"data": {"sha256": digest, "recipe": RECIPE}}, digest)
    assert own == {name: value for name, value in RECIPE.items() if name not in ("source", "query")}


HOSTILE = [
    None, True, 1, 1.5, "x", [], {}, [None], {"a": None}, [[]], "x" * 2_000_000, ["x"] * 200_000, "\0", "..", -1, 1e308, 2**70,
    {"kind": "by_column", "column": {"kind": "none"}}, {"kind": {}}, {"kind": "random", "seed": -1},
]  # fmt: skip


def options_of(task: str) -> set[str]:
    """What the recipe of a bundle may hold of a task."""
    return {option.key for option in task_named(task).options if option.fits is not None}


@pytest.mark.parametrize("task", ["tabular", "recommendation"])
def test_facts_of_wrong_types_are_one_error(task: str) -> None:
    """Each option of a recipe, each of the hostile values: taken as what it has to be, or a BundleError."""
    for name in (*options_of(task), "task", "unknown", "path", "name", "recipe", "frame"):
        for value in HOSTILE:
            own = {"data": {"sha256": DIGEST, "recipe": {"task": task, name: value}}}
            try:
                taken = from_facts(own, DIGEST)
            except BundleError:
                continue
            assert taken == {"task": task, name: value}
            assert name in options_of(task)
            assert len(json.dumps(value)) < 10_000
    for value in HOSTILE:
        assert from_facts({"data": value}, DIGEST) is None
        with pytest.raises(BundleError):
            from_facts({"data": {"sha256": DIGEST, "recipe": value}}, DIGEST)


def test_facts_of_a_recommender_are_read_alike() -> None:
    for name in ("user", "item", "rating", "timestamp", "header", "thousands", "liked"):
        refused = 0
        for value in HOSTILE:
            try:
                recommends({"recommendation": {name: value}})
            except BundleError:
                refused += 1
        assert refused > len(HOSTILE) / 2
    assert recommends({}) == {}
    assert recommends({"recommendation": {"liked": 3.5, "more": []}}) == {"liked": 3.5}


def test_a_range_is_one_or_none() -> None:
    def profile(low: Any, high: Any) -> dict[str, Any]:
        return {"price": {"quantiles": {"0.0": low, "1.0": high}}}

    assert facts.number_range(profile(1, 2.5), "price") == (1, 2.5)
    for value in HOSTILE[:15]:
        assert facts.number_range({"price": value}, "price") is None
        assert facts.number_range({"price": {"quantiles": value}}, "price") is None
        assert value in (1, 1.5, -1) or facts.number_range(profile(value, value), "price") is None
    assert facts.number_range(profile(2, 1), "price") is None


@pytest.mark.parametrize(("task", "module"), [("tabular", tabular), ("recommendation", recommendation)])
def test_every_option_of_a_task_is_known_to_the_reader(task: str, module: Any) -> None:
    """A new option of a task: may a bundle's recipe have it? One that names what is read or run may not."""
    own = {"path", "frame", "name", "recipe", "source", "query", "options", "titles"}
    taken = {*inspect.signature(module.from_csv).parameters, *inspect.signature(module.from_frame).parameters}
    assert taken - own == options_of(task)


@pytest.mark.parametrize("name", [".", "..", "...", "a\x1b[2J", "a\nb", " a", "a/b", "a\\b", "", "x" * 201])
def test_names_that_are_no_names_are_refused(name: str) -> None:
    with pytest.raises(BundleError):
        open_bundle_bytes(examples.altered(examples.house_bundle(), {}, {"name": name}))


def with_price(**fields: Any) -> bytes:
    record = json.loads(examples.member(examples.house_bundle(), "signature.json"))
    record["targets"]["price"] |= fields
    return examples.altered(examples.house_bundle(), {"signature.json": json.dumps(record).encode()})


@pytest.mark.parametrize(
    "fields",
    [
        {"spread": 0}, {"spread": None}, {"spread": 1e308}, {"spread": True}, {"spread": -1.0}, {"spread": "1"},
        {"center": None}, {"center": 1e308}, {"center": False}, {"interval": 1e308}, {"interval": True}, {"log": 1},
        {"missing": 0.0}, {"coverage": True}, {"thousands": ["."]}, {"spread": 2**200},
    ],
)  # fmt: skip
def test_a_field_of_a_codec_has_its_type_and_its_bounds(fields: dict[str, Any]) -> None:
    open_bundle_bytes(with_price(interval=2, center=0))  # A whole number stands for a float.
    with pytest.raises(BundleError):
        open_bundle_bytes(with_price(**fields))


@pytest.mark.parametrize("value", [1.0, 2.0, True])
def test_whole_numbers_are_not_floats_or_truth_values(value: Any) -> None:
    data = examples.house_bundle()
    record = json.loads(examples.member(data, "signature.json"))
    record["inputs"]["town"] |= {"open": True, "rare": value}
    with pytest.raises(BundleError, match="as rare"):
        open_bundle_bytes(examples.altered(data, {"signature.json": json.dumps(record).encode()}))


@pytest.mark.parametrize("value", [1e308, 1.0, 1.01e-3, -1e-9, True, None, "0"])
def test_a_tolerance_that_says_nothing_is_refused(value: Any) -> None:
    data = examples.house_bundle()
    manifest = json.loads(examples.member(data, "manifest.json"))
    for stage, fields in manifest["tolerances"].items():
        for name, usual in fields.items():
            inner = {**manifest["tolerances"][stage], name: 10 * usual}
            open_bundle_bytes(
                examples.altered(data, {}, {"tolerances": {**manifest["tolerances"], stage: inner}})
            )
            inner = {**inner, name: value}
            with pytest.raises(BundleError, match="is not a tolerance"):
                open_bundle_bytes(
                    examples.altered(data, {}, {"tolerances": {**manifest["tolerances"], stage: inner}})
                )


@pytest.mark.parametrize("member", ["profile.json", "manifest.json"])
@pytest.mark.parametrize("depth", [64, 900, 100_000])
def test_json_that_is_nested_deeply_is_refused(member: str, depth: int) -> None:
    data = examples.house_bundle()
    text = '{"a": ' * depth + '"}}{[\\""' + "}" * depth
    if member == "profile.json":
        data = examples.altered(data, {member: b'{"area": ' + text.encode() + b"}"})
    else:
        written = examples.member(data, member).replace(
            b'"facts": {', b'"facts": {"x": ' + text.encode() + b","
        )
        parts = {name: examples.member(data, name) for name in examples.read_zip(data)}
        data = examples.write_zip(
            {**parts, member: written, "manifest.sha256": f"{sha256(written)}\n".encode()}
        )
    with pytest.raises(BundleError, match="nested more than 64 deep"):
        open_bundle_bytes(data)


@pytest.mark.parametrize("name", ["a\x1b[2J", "a\nb", "x" * 1001, 3, None])
def test_a_case_has_a_name_that_can_be_printed(name: Any) -> None:
    data = examples.house_bundle()
    record = json.loads(examples.member(data, "golden/cases.json"))
    record["cases"][0]["name"] = name
    with pytest.raises(BundleError, match="a case doesn't have the parts"):
        open_bundle_bytes(examples.altered(data, {"golden/cases.json": json.dumps(record).encode()}))


CODECS: dict[str, tuple[Any, list[Any]]] = {
    "number": (Number(missing=True, center=0.0, spread=1.0), [1.5, None, 1e30]),
    "logarithm": (Number(log=True, center=0.0, spread=1.0), [1.5, -3, 1e30]),
    "category": (Category(classes=("a", "b"), open=True), ["a", None, "new"]),
    "date": (Date(parts=("year",), missing=True), ["2020-01-01", None, "1700-01-01"]),
    "tags": (Tags(tags=("a", "b"), open=True), [["a"], [], ["new"]]),
}


@pytest.mark.parametrize("kind", CODECS)
def test_a_hostile_profile_costs_no_answer(kind: str) -> None:
    """What in an input is unusual is told by the profile, whatever stands in it."""
    codec, raws = CODECS[kind]
    values = np.empty(len(raws), object)
    values[:] = raws
    encoded, _ = codec.encode_column(values)
    levels = ("0.0", "0.05", "0.25", "0.5", "0.75", "0.95", "1.0")
    for value in HOSTILE:
        profiles: list[dict[str, Any]] = [{"quantiles": dict.fromkeys(levels, value)}]
        profiles += [
            {"n": 3, "missing": 0, name: value} for name in ("n", "missing", "other", "none", "quantiles")
        ]
        for profile in profiles:
            for reason, rows in codec.unusual(values, encoded, profile):
                assert len(reason) < 300
                assert rows.shape == (3,)


def test_items_of_a_bundle_don_t_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    from drivetrain.cli.verbs import recommend, similar

    item = "\x1b[2J\x07[red]film"
    similar.show({"similar": [{"item": item, "title": item, "similarity": 0.5}]})
    told = {
        "item": item,
        "title": None,
        "score": 0.5,
        "usual": 0.1,
        "rating": None,
        "why": f"because of {item}",
    }
    recommend.show({"items": [told], "notes": [item]})
    shown = capsys.readouterr().out
    assert shown.count("[red]film") == 4
    assert "\x1b" not in shown
    assert "\x07" not in shown
