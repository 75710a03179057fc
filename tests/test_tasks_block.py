"""A DataBlock beside the tasks: several inputs, checks, and a run that is taken up by the names of its functions."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import drivetrain
from pictures import class_folder

import drivetrain as dt
from drivetrain.data.recipe import from_facts, from_recipe
from drivetrain.errors import BundleError, DataError, FileError, UsageError
from drivetrain.tasks.functions import name_of, named

OWN = """
import csv
from pathlib import Path

def rows(folder):
    with open(Path(folder) / "rows.csv", newline="") as file:
        return list(csv.DictReader(file))

def bytes_of(path):
    return Path(path).stat().st_size

def folder_of(path):
    return Path(path).parent.name

class Names:
    @staticmethod
    def first(path):
        return Path(path).name[0]
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module of the user's own, in the folder where the commands are typed."""
    (tmp_path / "functions_of_mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    monkeypatch.syspath_prepend(str(tmp_path))
    import functions_of_mine  # type: ignore[import-not-found]

    yield functions_of_mine
    del sys.modules["functions_of_mine"]
    sys.path[:] = before


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    class_folder(tmp_path / "flowers", {"rose": 10, "tulip": 10}, size=(12, 12), seed=2)
    return tmp_path / "flowers"


def two_inputs(own: Any) -> dt.DataBlock:
    return dt.DataBlock(
        {"image": dt.Image(size=8), "bytes": dt.Number()}, {"label": dt.Category()},
        label=own.folder_of, values={"bytes": own.bytes_of},
    )  # fmt: skip


class TestInputs:
    def test_a_folder_gives_more_than_one(self, own: Any, flowers: Path) -> None:
        data = two_inputs(own).dataset(flowers)
        assert list(data.signature.inputs) == ["image", "bytes"]
        assert data.table["bytes"].tolist() == [os.path.getsize(path) for path in data.table["image"]]
        assert data.classes == ["rose", "tulip"]

    def test_items_may_be_rows(self, own: Any, tmp_path: Path) -> None:
        (tmp_path / "rows.csv").write_text("a,b,y\n" + "".join(f"{n},{n % 3},{n % 2}\n" for n in range(20)))
        data = dt.DataBlock(
            {"a": dt.Number(), "b": dt.Category()}, {"y": dt.Category()}, items=own.rows
        ).dataset(tmp_path)
        assert [data.table[name][4] for name in ("a", "b", "y")] == ["4", "1", "0"]
        assert from_recipe(data.recipe, _mine(tmp_path)).signature == data.signature  # type: ignore[arg-type]

    def test_what_an_item_lacks_is_told(self, tmp_path: Path) -> None:
        block = dt.DataBlock({"a": dt.Number()}, {"y": dt.Number()}, items=lambda _: [{"b": 1}])
        with pytest.raises(DataError, match="an item has no 'a'"):
            block.dataset(tmp_path)
        with pytest.raises(UsageError, match="no input 'b'"):
            dt.DataBlock({"a": dt.Number()}, {"y": dt.Number()}, values={"b": str})


def _mine(folder: Path) -> Path:
    """A run whose config is the user's own."""
    (folder / "config.toml").touch()
    return folder


class TestFunctions:
    def test_names_lead_back(self, own: Any) -> None:
        for function in (own.rows, own.Names.first, dt.image_files, dt.parent_folder):
            name = name_of(function)
            assert name is not None
            assert named(name) is function
        assert name_of(dt.image_files) == "drivetrain:image_files"

    def test_what_has_no_name_has_none(self) -> None:
        def inner(item: Any) -> Any:
            return item

        for function in (lambda item: item, inner, len, os.path.basename, str):
            assert name_of(function) is None

    @pytest.mark.parametrize(
        "name",
        [
            "os:system", "subprocess:run", "builtins:eval", "posix:system", "functions_of_mine:Path",
            "functions_of_mine:csv.reader",
            "functions_of_mine:rows.__globals__", "functions_of_mine:gone", "functions_of_mine:__name__",
            "no_such_module:f",
            "functions_of_mine", "a:b:c", "a b:c", "", "__main__:f", "functions_of_mine:rows()",
        ],
    )  # fmt: skip
    def test_other_names_are_errors(self, own: Any, name: str) -> None:
        with pytest.raises(UsageError) as raised:
            named(name)
        assert raised.value.fix


@pytest.mark.slow
class TestRun:
    def test_it_is_exported_resumed_and_evaluated_from_the_command_line(
        self, own: Any, flowers: Path, tmp_path: Path
    ) -> None:
        data = two_inputs(own).dataset(flowers)
        assert data.check().ok
        learner = data.learner("linear", out=tmp_path / "run", quiet=True)
        learner.fit(1)
        sys.path.remove(str(tmp_path))
        del sys.modules["functions_of_mine"]
        done = drivetrain("export", tmp_path / "run", tmp_path / "a.bundle", "--json")
        assert done.code == 0, done.err or done.out
        resumed = drivetrain("train", flowers, "--out", tmp_path / "run", "--resume", "--json")
        assert resumed.code == 0, resumed.out
        assert resumed.json["task"] == "block"
        assert resumed.json["metrics"] == done.json["metrics"]

    def test_without_names_the_data_must_be_given_again(self, flowers: Path, tmp_path: Path) -> None:
        block = dt.DataBlock(
            {"image": dt.Image(size=8)}, {"label": dt.Category()}, label=lambda path: dt.parent_folder(path)
        )
        learner = block.dataset(flowers).learner("linear", out=tmp_path / "run", quiet=True)
        learner.fit(1)
        done = drivetrain("export", tmp_path / "run", tmp_path / "a.bundle", "--json")
        assert done.code == 2
        assert "by its name: that of label" in done.json["error"]
        assert dt.Learner.resume(tmp_path / "run", block.dataset(flowers)).trained


def test_functions_are_imported_only_for_a_run_of_ones_own(own: Any, flowers: Path, tmp_path: Path) -> None:
    recipe = two_inputs(own).dataset(flowers).recipe
    assert recipe is not None
    again = from_recipe(recipe, _mine(tmp_path))
    np.testing.assert_array_equal(again.table["bytes"], two_inputs(own).dataset(flowers).table["bytes"])
    with pytest.raises(UsageError, match="names functions"):
        from_recipe(recipe)
    (tmp_path / "config.toml").chmod(0o666)
    with pytest.raises(FileError, match="anybody may change it"):
        from_recipe(recipe, tmp_path)


def test_a_bundle_names_no_functions(own: Any, flowers: Path) -> None:
    recipe = two_inputs(own).dataset(flowers).recipe
    with pytest.raises(BundleError):
        from_facts({"data": {"sha256": "x", "recipe": recipe}}, "x")
