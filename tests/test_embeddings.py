"""Vectors of words, categories and items out of a bundle: where they are, who is near, the projector's files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import drivetrain
from texts import TELLING, made_texts

import drivetrain as dt
from drivetrain.bundle import open_bundle
from drivetrain.bundle.vectors import vectors_of
from drivetrain.charts.near import near
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.codecs.tokens import Tokens
from drivetrain.errors import BundleError, FileError, UsageError
from drivetrain.graphs.builder import Builder
from drivetrain.runtime.vectors import Embeddings, all_embeddings, write_projector

EXAMPLES = sorted((Path(__file__).parent / "bundles").glob("format-[1-356]*.bundle"))
VECTORS = np.array([[1, 0], [2, 0.1], [0, 1], [-1, 0], [0, 0]], np.float32)
NAMES = (" Good", "great\tgame", "\n", "bad", "never seen")


def some() -> Embeddings:
    return Embeddings("word", NAMES, VECTORS)


def test_the_nearest_are_those_of_the_smallest_angle() -> None:
    found = some().nearest("good", 3)
    assert [each.name for each in found] == ["great\tgame", "\n", "never seen"]
    assert found[0].similarity == pytest.approx(2 / np.hypot(2, 0.1))
    assert [each.similarity for each in found[1:]] == [0, 0]
    assert len(some().nearest("bad", 100)) == len(NAMES) - 1
    np.testing.assert_array_equal(some()[" Good"], VECTORS[0])
    assert Embeddings("film", ("1", "2"), VECTORS[:2], {"2": "Heat"}).nearest("heat")[0].name == "1"


@pytest.mark.parametrize(
    ("name", "n", "told"), [("goot", 1, "Did you mean"), ("bad", 0, "from 1"), ("bad", True, "whole number")]
)
def test_what_can_not_be_near_is_refused(name: str, n: int, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        some().nearest(name, n)


def test_what_stands_for_no_word_is_near_nothing() -> None:
    assert [each.name for each in replace(some(), first=2).nearest("bad")] == ["\n", "never seen"]


@pytest.mark.parametrize("dark", [False, True])
def test_names_are_written_where_they_cover_none(dark: bool) -> None:
    draw = np.random.default_rng(0)
    names = [f"word {place}" for place in range(400)]
    svg = near(names, draw.normal(size=(400, 8))).to_svg(dark)
    assert "word 0" in svg
    assert "word 249" not in svg or svg.count(">word ") < 250
    assert "\N{MIDDLE DOT}" in svg
    assert near(names[:1], np.ones((1, 3))).to_png(dark)
    assert near(names[:5], np.zeros((5, 1))).to_svg(dark)


def test_the_projector_s_files_have_a_line_for_each_vector(tmp_path: Path) -> None:
    films = Embeddings("film/1", ("1", "2"), VECTORS[:2], {"2": "Heat"})
    written = write_projector([some(), films], tmp_path / "out")
    assert [path.name for path in written] == [
        "word_vectors.tsv", "word_metadata.tsv", "film%2F1_vectors.tsv", "film%2F1_metadata.tsv", "projector_config.pbtxt",
    ]  # fmt: skip
    read = np.loadtxt(written[0], np.float32, delimiter="\t")
    np.testing.assert_array_equal(read, VECTORS)
    assert written[1].read_text().split("\n") == [" Good", r"great\tgame", r"'\n'", "bad", "never seen", ""]
    assert written[3].read_text() == "title\tname\n1\t1\nHeat\t2\n"
    told = re.findall(r'tensor_path: "(.*)"\n  metadata_path: "(.*)"', written[4].read_text())
    assert told == [
        ("word_vectors.tsv", "word_metadata.tsv"),
        ("film%2F1_vectors.tsv", "film%2F1_metadata.tsv"),
    ]


def test_a_folder_that_is_used_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(FileError, match="holds no embeddings"):
            write_projector([some()], tmp_path / "mine", force)
    with pytest.raises(FileError, match="a file of this name"):
        write_projector([some()], tmp_path / "mine" / "notes.txt")
    write_projector([some()], tmp_path / "out")
    with pytest.raises(FileError, match="--force"):
        write_projector([some()], tmp_path / "out")
    write_projector([replace(some(), vectors=-VECTORS)], tmp_path / "out", force=True)
    assert (tmp_path / "out" / "vectors.tsv").read_text().startswith("-1\t")


def test_a_table_holds_the_values_of_its_inputs_one_under_the_other() -> None:
    inputs: dict[str, Any] = {"a": Category(("x", "y"), open=True), "n": Number(), "b": Tokens(3)}
    opened = replace(
        open_bundle(EXAMPLES[0]), signature=Signature(inputs, {"t": Category(("p", "q"))}), vectors=None
    )

    def of(rows: int, *fields: str, value: float = 0.0) -> dict[str, Any]:
        builder = Builder(Signature({"n": Number()}, {"t": Number()}))
        table = np.arange(2.0 * rows).reshape(rows, 2) + value
        builder.add("Identity", builder.vectors(table, *fields))
        again = builder.vectors(table, *fields)  # An input has one: another is a constant like any.
        assert not again.startswith("embedding")
        return vectors_of(replace(opened, graphs={"model": _serialised(builder)}))

    found = of(7, "input_0", "input_2")
    assert {name: table.tolist() for name, table in found.items()} == {
        "a": [[0, 1], [2, 3], [4, 5], [6, 7]], "b": [[8, 9], [10, 11], [12, 13]],
    }  # fmt: skip
    assert list(of(2, "tokens")) == ["t"]
    for rows, fields in ((6, ("input_0", "input_2")), (3, ("input_1",)), (3, ("input_7",))):
        with pytest.raises(BundleError, match="doesn't have a vector for each value"):
            of(rows, *fields)
    with pytest.raises(BundleError, match="numbers that are none"):
        of(4, "input_0", value=np.nan)


def _serialised(builder: Builder) -> bytes:
    from onnx import helper

    graph = helper.make_graph(builder.nodes, "some", [], [], builder.initializers)
    return helper.make_model(graph).SerializeToString()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_bundle_of_before_says_what_to_do(path: Path) -> None:
    with pytest.raises(UsageError, match="export the run again"):
        all_embeddings(path)


@pytest.mark.slow
def test_from_training_to_the_nearest_word(tmp_path: Path) -> None:
    texts = made_texts(120)
    frame = {
        "text": [text for text, _ in texts],
        "shop": ["north" if place % 3 else "south" for place in range(120)],
        "label": [label for _, label in texts],
    }
    data = dt.tabular.from_frame(frame, "label", columns={"text": "tokens"})
    learner = data.learner("mlp", out=tmp_path / "run", quiet=True)
    learner.fit(20, lr=1e-2)
    learner.export(tmp_path / "a.bundle")
    answer = drivetrain("embeddings", tmp_path / "a.bundle", "--out", tmp_path / "out", "--json").json
    assert {each["field"]: each["width"] for each in answer["embeddings"]}.keys() == {"text", "shop"}
    with pytest.raises(UsageError, match="several fields"):
        dt.embeddings(tmp_path / "a.bundle")
    assert "words that lie together" in (tmp_path / "run" / "report.html").read_text()
    found = dt.embeddings(tmp_path / "a.bundle", "text")
    table = next(
        value
        for name, value in learner.network.state_dict().items()
        if name.endswith("readers.0.table.weight")
    )
    np.testing.assert_array_equal(found.vectors, table.numpy())
    good, bad = (
        {each.name: each.similarity for each in found.nearest(word, len(found))} for word in ("great", "dull")
    )
    assert min(good[word] for word in TELLING["pos"][1:]) > max(good[word] for word in TELLING["neg"])
    assert min(bad[word] for word in TELLING["neg"][1:]) > max(bad[word] for word in TELLING["pos"])
