"""From files to models and versions; what is neither is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivetrain.model_names import name_of
from drivetrain.serve.layout import files_below, models_in
from drivetrain.serve.source import Local


def paths(*files: str) -> dict[str, dict[int, str]]:
    found = models_in(dict.fromkeys(files, "stamp"), {}, "folder").found
    return {
        name: {version: one.path for version, one in versions.items()} for name, versions in found.items()
    }


def faults(*files: str) -> dict[str, str]:
    return dict(models_in(dict.fromkeys(files, "stamp"), {}, "folder").faults)


def test_layouts() -> None:
    assert paths("a/1/manifest.json", "a/1/model.onnx", "a/2/any name.bundle", "a/10.bundle", "b.bundle") == {
        "a": {1: "a/1", 2: "a/2/any name.bundle", 10: "a/10.bundle"}, "b": {1: "b.bundle"},
    }  # fmt: skip
    assert paths("a/manifest.json", "a/golden/cases.json") == {"a": {1: "a"}}
    assert paths("manifest.json", "model.onnx") == {"folder": {1: ""}}
    assert paths("1/manifest.json", "2.bundle", "3/x.bundle", "4/golden/cases.json") == {
        "folder": {1: "1", 2: "2.bundle", 3: "3/x.bundle", 4: "4"},
    }  # fmt: skip
    assert paths("2024/1/manifest.json") == {"2024": {1: "2024/1"}}
    assert paths("README.md", "a/README.md", "a/notes/x.txt", "a/1.bundle") == {"a": {1: "a/1.bundle"}}
    assert paths() == {}


@pytest.mark.parametrize(
    ("files", "path", "says"),
    [
        (["a/1.bundle", "a b/1.bundle"], "a b", "no name for a model"),
        (["a/1.bundle", "\u0430/1.bundle"], "\u0430", "no name for a model"),
        (["a/1.bundle", "-x/1.bundle"], "-x", "no name for a model"),
        (["a/1.bundle", "a/01.bundle"], "a/01.bundle", "whole number"),
        (["a/1.bundle", "a/latest/manifest.json"], "a/latest", "whole number"),
        (["a/1.bundle", "a/-2/x.bundle"], "a/-2", "whole number"),
        (["a/1.bundle", f"a/{2**63}.bundle"], f"a/{2**63}.bundle", "whole number"),
        (["a/1/manifest.json", "a/1.bundle"], "a/1.bundle", "there twice"),
        (["a/1/x.bundle", "a/1/y.bundle"], "a/1", "2 bundles"),
        (["a/1.bundle", "a.bundle"], "a.bundle", "there twice"),
        (["a/1.bundle", "a/2"], "a/2", "neither a folder nor a .bundle"),
    ],
)
def test_what_is_no_model_is_told(files: list[str], path: str, says: str) -> None:
    assert says in faults(*files)[path]


def test_a_version_has_another_mark_when_a_file_of_it_has(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "1"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("1")
    (folder / "model.onnx").write_text("1")
    marks = set[str]()
    for change in (
        lambda: None,
        lambda: (folder / "model.onnx").write_text("2"),
        lambda: (folder / "more").write_text(""),
    ):
        change()
        marks.add(Local(str(tmp_path)).listing().found["a"][1].mark)
    assert len(marks) == 3


def test_links_within_are_followed_and_links_outside_are_not(tmp_path: Path) -> None:
    root, outside = tmp_path / "models", tmp_path / "outside"
    for path in (root / "a" / "1", outside / "1"):
        path.mkdir(parents=True)
        (path / "manifest.json").write_text("{}")
    (outside / "x.bundle").write_text("x")
    (root / "a" / "2").symlink_to("1")
    (root / "a" / "3").symlink_to(outside / "1")
    (root / "a" / "4.bundle").symlink_to(outside / "x.bundle")
    (root / "a" / "5").symlink_to("/nowhere")
    (root / "b").symlink_to("a")
    (root / "c").symlink_to(outside)
    (root / "a" / "self").symlink_to(root)
    local = Local(str(root))
    listing = local.listing()
    assert {name: [*versions] for name, versions in listing.found.items()} == {"a": [1, 2], "b": [1, 2]}
    assert local.local(listing.found["b"][2]) == (root / "a" / "1").resolve()
    assert {path for path, why in listing.faults.items() if "leads out" in why} >= {
        "a/3",
        "a/4.bundle",
        "a/5",
        "c",
    }


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real" / "a").mkdir(parents=True)
    (tmp_path / "real" / "a" / "1.bundle").write_text("x")
    (tmp_path / "link").symlink_to("real")
    files, wrong = files_below(tmp_path / "link")
    assert [*files] == ["a/1.bundle"]
    assert not wrong


def test_names_of_single_bundles() -> None:
    assert [name_of(path) for path in ("a/houses.bundle", "x/My house!.bundle", "../..", "s3://b/m/", "é.bundle")] == [
        "houses", "My_house_", "model", "m", "model",
    ]  # fmt: skip
