"""Text classification: folders of texts and tables of them, from the source to answers."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import pytest
from commands import drivetrain
from pictures import class_folder
from tables import write_csv
from texts import made_texts, text_files

import drivetrain as dt
from drivetrain.cli.source import add_source, dataset
from drivetrain.data.read.text_folders import holds_texts, text_folder
from drivetrain.data.recipe import from_recipe
from drivetrain.errors import DataError, DrivetrainError, FileError, UsageError
from drivetrain.tasks.text_classification import TASK


def table_of(count: int = 60) -> dict[str, list[object]]:
    made = made_texts(count)
    return {
        "review": [text for text, _ in made],
        "price": [place * 7 % 11 + place % 3 / 2 for place in range(count)],
        "label": [label for _, label in made],
    }


class TestFolders:
    def test_the_folder_is_the_class(self, tmp_path: Path) -> None:
        data = dt.text_classification.from_folder(text_files(tmp_path / "all"))
        assert data.task.name == "text_classification"
        assert (data.classes, len(data), data.things) == (["neg", "pos"], 40, "texts")
        assert "texts in class folders" in data.describe()
        again = from_recipe(json.loads(json.dumps(data.recipe)))
        assert again.signature == data.signature
        assert np.array_equal(again.rows("valid"), data.rows("valid"))

    def test_the_folders_say_the_parts(self, tmp_path: Path) -> None:
        for part, count in (("train", 20), ("val", 6), ("test", 4)):
            text_files(tmp_path / part, count, seed=count)
        data = dt.text_classification.from_folder(tmp_path)
        assert [len(rows) for rows in data.split.parts().values()] == [20, 6, 4]
        labelled = TASK.labelled(data.signature, str(tmp_path), {})
        assert labelled is not None
        assert (labelled.part, len(labelled.items), labelled.note) == ("test", 4, "")

    def test_files_that_are_empty_or_coded_or_no_text_are_told(self, tmp_path: Path) -> None:
        text_files(tmp_path)
        (tmp_path / "neg" / "empty.txt").write_bytes(b"")
        (tmp_path / "neg" / "coded.txt").write_bytes(b"caf\xe9")
        (tmp_path / "neg" / "wide.txt").write_bytes("wide".encode("utf-16"))
        (tmp_path / "pos" / "zero.txt").write_bytes(b"a\0b")
        (tmp_path / "pos" / "zero.html").write_bytes(b"no text by name")
        (tmp_path / "README.txt").write_text("about")
        data = dt.text_classification.from_folder(tmp_path)
        told = "\n".join(data.notes)
        for part in (
            "texts in no class folder: 1", "no texts by name (.txt): 1", "pos/zero.txt: this is no text: byte 2 is NUL",
            "empty texts: 1 (neg/empty.txt)", "neg/coded.txt: not UTF-8 in line 1: read as Windows-1252",
        ):  # fmt: skip
            assert part in told
        assert len(data) == 43
        assert {"café", "wide", ""} < set(data.table["text"])
        faults = {fault.kind: fault for fault in data.check().faults}
        assert faults["unreadable"].where == ["pos/zero.txt: this is no text: byte 2 is NUL."]
        assert faults["empty texts"].where == [str(tmp_path / "neg" / "empty.txt")]

    def test_a_link_to_nothing_is_told_as_a_file_that_is_no_text(self, tmp_path: Path) -> None:
        text_files(tmp_path)
        (tmp_path / "pos" / "lost.txt").symlink_to(tmp_path / "absent.txt")
        data = dt.text_classification.from_folder(tmp_path)
        assert "pos/lost.txt: this is a link to what is not there" in "\n".join(data.notes)

    def test_bad_folders_are_refused_in_words(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match="no such folder"):
            text_folder(tmp_path / "absent")
        with pytest.raises(DataError, match=r"no texts \(.txt\)"):
            text_folder(tmp_path)
        (tmp_path / "loose.txt").write_text("a text")
        with pytest.raises(DataError, match="no texts in class folders"):
            text_folder(tmp_path)
        (tmp_path / "one").mkdir()
        (tmp_path / "one" / "a.txt").write_text("a text")
        with pytest.raises(DataError, match="only one class, 'one'"):
            dt.text_classification.from_folder(tmp_path)
        (tmp_path / "one" / "a.txt").write_text("")
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "a.txt").write_text(" \n")
        with pytest.raises(DataError, match="every text is empty"):
            dt.text_classification.from_folder(tmp_path)

    def test_copies_are_left_out(self, tmp_path: Path) -> None:
        text_files(tmp_path)
        (tmp_path / "pos" / "copy.txt").write_bytes((tmp_path / "pos" / "001.txt").read_bytes())
        assert len(dt.text_classification.from_folder(tmp_path, drop_copies=True)) == 40

    def test_only_folders_of_texts_are_taken_for_it(self, tmp_path: Path) -> None:
        assert holds_texts(str(text_files(tmp_path / "texts")))
        class_folder(tmp_path / "pictures", {"a": 2, "b": 2}, (8, 8))
        for label in "ab":
            for place in range(9):
                (tmp_path / "pictures" / label / f"{place}.txt").write_text("what is in the picture")
        assert not holds_texts(str(tmp_path / "pictures"))
        (tmp_path / "texts" / "pos" / "stray.png").write_bytes(b"one among forty")
        assert holds_texts(str(tmp_path / "texts"))
        (tmp_path / "loose").mkdir()
        (tmp_path / "loose" / "a.txt").write_text("a text")
        assert not holds_texts(str(tmp_path / "loose"))

    def test_options_of_tables_are_refused(self, tmp_path: Path) -> None:
        folder = text_files(tmp_path / "all")
        done = drivetrain("check", folder, "--target", "label", "--json")
        assert (done.code, done.json["where"]) == (2, "--target")


class TestTables:
    def test_texts_alone_are_looked_at(self) -> None:
        data = dt.text_classification.from_table(table_of())
        assert list(data.signature.inputs) == ["review"]
        assert any("left out, for texts alone are looked at: price" in note for note in data.notes)
        same = dt.tabular.from_frame({name: table_of()[name] for name in ("review", "label")}, "label")
        assert data.signature == same.signature
        assert data.default_model == same.default_model

    def test_what_is_no_text_or_no_class_is_refused(self) -> None:
        with pytest.raises(DataError, match="no column is text"):
            dt.text_classification.from_table(table_of(), ignore="review")
        with pytest.raises(DataError, match="no choice among classes"):
            dt.text_classification.from_table(table_of(), "price", ignore="label")
        with pytest.raises(UsageError, match="no column 'x'"):
            dt.text_classification.from_table(table_of(), "x")
        with pytest.raises(UsageError, match="one target"):
            dt.text_classification.from_table(table_of(), ["label", "price"])

    def test_a_title_and_a_text_are_both_read(self) -> None:
        titles = [text for text, _ in made_texts(60, 1)]
        data = dt.text_classification.from_table({"title": titles, **table_of()})
        assert list(data.signature.inputs) == ["title", "review"]
        assert any("left out, for texts alone are looked at: price" in note for note in data.notes)
        titles[7] = "..."
        titles[8] = None  # type: ignore[call-overload]
        told = dt.text_classification.from_table({"title": titles, **table_of()}).check()
        (empty,) = (fault for fault in told.faults if fault.kind == "empty texts")
        assert (empty.message[:8], empty.where) == ("'title':", ["table, row 8"])
        with pytest.raises(UsageError, match="a row has several texts: title, review"):
            TASK.asked(data.signature, ["a.txt"], ())


def typed(source: Path, *words: str) -> Namespace:
    parser = ArgumentParser()
    add_source(parser)
    return parser.parse_args([str(source), *words], Namespace(model=None, given=()))


class TestRecognition:
    def table(self, folder: Path, more: dict[str, list[object]], drop: tuple[str, ...] = ("price",)) -> Path:
        columns = {name: values for name, values in {**table_of(), **more}.items() if name not in drop}
        write_csv(folder / "a.csv", columns)
        return folder / "a.csv"

    def test_a_table_of_texts_alone_is_of_texts_and_says_so(self, tmp_path: Path) -> None:
        ids = [f"u{place * 7919 % 60:03}" for place in range(60)]
        path = self.table(tmp_path, {"id": ids, "lang": ["en"] * 60})
        data = dataset(typed(path, "--target", "label"))
        assert (data.task.name, data.things, list(data.signature.inputs)) == (
            "text_classification",
            "texts",
            ["review"],
        )
        assert any(
            "'review' is text, and the only input: taken for text classification" in note
            for note in data.notes
        )
        assert data.recipe is not None
        again = from_recipe(json.loads(json.dumps(data.recipe)))
        assert (again.signature, again.task) == (data.signature, data.task)
        assert np.array_equal(again.rows("valid"), data.rows("valid"))
        same = dt.tabular.from_csv(path, "label")
        assert (same.task.name, same.signature) == ("tabular", data.signature)
        assert data.default_model == same.default_model

    def test_two_columns_of_texts_are_texts_alone(self, tmp_path: Path) -> None:
        path = self.table(tmp_path, {"title": [text for text, _ in made_texts(60, 1)]})
        data = dataset(typed(path, "--target", "label", "--column", "title=tokens"))
        assert data.task is TASK
        assert any("all inputs are text (review, title)" in note for note in data.notes)

    @pytest.mark.parametrize("words", [[], ["--task", "tabular", "--ignore", "price"]])
    def test_a_table_of_more_or_by_its_task_is_a_table(self, tmp_path: Path, words: list[str]) -> None:
        path = self.table(tmp_path, {}, drop=())
        data = dataset(typed(path, "--target", "label", *words))
        assert data.task.name == "tabular"
        assert not any("text classification" in note for note in data.notes)

    def test_a_number_that_is_asked_for_is_no_class(self, tmp_path: Path) -> None:
        data = dataset(typed(self.table(tmp_path, {}, drop=("label",)), "--target", "price"))
        assert data.task.name == "tabular"

    def test_texts_of_a_table_are_checked(self, tmp_path: Path) -> None:
        texts = [f"Label: {label} {text}" for text, label in made_texts(60)]
        path = self.table(tmp_path, {"review": texts}, drop=())  # type: ignore[dict-item]
        faults = {fault.kind: fault for fault in dataset(typed(path, "--target", "label")).check().faults}
        assert faults["leaked labels"].message.startswith("'review': The label stands in the text")


def test_what_is_asked_for_are_files_folders_and_rows(tmp_path: Path) -> None:
    signature = dt.text_classification.from_table(table_of()).signature
    (tmp_path / "a.txt").write_bytes(b"a\0b")
    (tmp_path / "b.txt").write_text("lovely")
    (tmp_path / "c.csv").write_text("review\nawful film\n")
    asked = TASK.asked(signature, [str(tmp_path), str(tmp_path / "c.csv")], ())
    bad, good, row = asked.items
    assert isinstance(bad, DrivetrainError)
    assert (good, row["review"]) == ({"review": "lovely"}, "awful film")
    assert asked.skipped == [str(tmp_path / "c.csv")]
    with pytest.raises(UsageError, match="no columns to keep"):
        TASK.asked(signature, [str(tmp_path)], ["x"])
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="no texts"):
        TASK.asked(signature, [str(tmp_path / "none")], ())


@pytest.mark.slow
def test_the_whole_path_by_the_command_line(tmp_path: Path) -> None:
    folder, bundle = text_files(tmp_path / "all", 80), tmp_path / "a.bundle"
    done = drivetrain(
        "train", folder, "--time", "20", "--out", tmp_path / "run", "--export", bundle, "--json"
    )
    assert (done.code, done.json["task"]) == (0, "text_classification")
    assert "TF-IDF and logistic regression" in done.json["baselines"]
    assert "texts" in (tmp_path / "run" / "report.html").read_text()
    (tmp_path / "new.txt").write_text("a lovely superb bright film, warm and funny")
    (tmp_path / "zero.txt").write_bytes(b"\0")
    done = drivetrain("predict", bundle, tmp_path / "new.txt", tmp_path / "zero.txt", "--json")
    good, bad = done.json["answers"]
    assert (done.code, good["label"]) == (3, "pos")
    assert "NUL" in bad["error"]
    done = drivetrain("evaluate", bundle, folder, "--json")
    assert (done.code, done.json["n"], done.json["part"]) == (0, 80, "all")


def test_texts_are_looked_into_however_they_are_read(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", {name: table_of()[name] for name in ("review", "label")})
    for kind in ("text", "tokens", "bag"):
        data = dt.tabular.from_csv(path, target="label", columns={"review": kind}, valid=0.2)
        assert "not looked into" not in {fault.kind for fault in data.check().faults}, kind
        assert "1 column ->" in data.describe()
