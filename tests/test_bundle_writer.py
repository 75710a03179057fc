"""Writing: what comes back is what went in, and a refusal leaves nothing behind."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from bundle_examples import (
    HOUSES,
    PICTURES,
    altered,
    arguments,
    edited_graph,
    house_bundle,
    house_cases,
    house_graph,
    image_bundle,
    image_graph,
    model,
    weights,
)
from onnx import TensorProto, helper

import drivetrain.bundle
from drivetrain.bundle import bundle_bytes, make_cases, open_bundle, write_bundle
from drivetrain.bundle.golden import member_part
from drivetrain.bundle.manifest import FORMAT
from drivetrain.codecs import Signature
from drivetrain.codecs.number import Number
from drivetrain.errors import BundleError, CheckFailed, DrivetrainError, FileError
from drivetrain.files import sha256
from drivetrain.runtime import verify_bundle
from drivetrain.testing.bundles import check_bundle


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "animals.bundle"
    written = write_bundle(path, **arguments())
    bundle = open_bundle(path)
    assert path.read_bytes() == image_bundle()
    assert bundle.hash == written.hash
    assert (bundle.name, bundle.task, bundle.card) == ("animals", "image_classification", "# Animals\n")
    assert bundle.signature == PICTURES
    assert bundle.graph == image_graph()
    assert bundle.profile == {"image": {"n": 4}}
    assert bundle.facts == {"metrics": {"accuracy": 0.5}}
    assert bundle.manifest["created"] == "2026-01-02T03:04:05Z"
    assert bundle.manifest["members"]["model.onnx"] == {
        "sha256": sha256(image_graph()),
        "bytes": len(image_graph()),
    }
    assert os.listdir(tmp_path) == ["animals.bundle"]


def test_equal_arguments_give_equal_bytes():
    assert bundle_bytes(**arguments()) == image_bundle()
    assert bundle_bytes(**arguments(created="2026-01-02T03:04:06Z")) != image_bundle()


OLDER = bundle_bytes(**arguments(created="2025-01-02T03:04:05Z"))


def test_an_existing_bundle_is_kept_without_force(tmp_path):
    path = tmp_path / "animals.bundle"
    path.write_bytes(OLDER)
    with pytest.raises(FileError, match=r"exists.*force"):
        write_bundle(path, **arguments())
    assert path.read_bytes() == OLDER
    write_bundle(path, **arguments(), force=True)
    assert path.read_bytes() == image_bundle()


@pytest.mark.parametrize("force", [False, True])
def test_a_file_that_is_no_bundle_is_never_replaced(tmp_path, force):
    path = tmp_path / "animals.bundle"
    path.write_text("mine")
    with pytest.raises(FileError, match="no bundle"):
        write_bundle(path, **arguments(), force=force)
    assert path.read_text() == "mine"


def test_a_folder_is_never_replaced(tmp_path):
    (tmp_path / "animals").mkdir()
    with pytest.raises(FileError, match="folder"):
        write_bundle(tmp_path / "animals", **arguments(), force=True)


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "no space left"), (errno.EROFS, "read-only"), (errno.EINTR, "nterrupted")],
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_or_read_only_disk_leaves_nothing_behind(tmp_path, monkeypatch, code, words, call):
    def fail(*arguments, **options):
        raise OSError(code, os.strerror(code))

    kept = tmp_path / "kept.bundle"
    kept.write_bytes(OLDER)
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(FileError, match=words):
        write_bundle(tmp_path / "animals.bundle", **arguments())
    with pytest.raises(FileError, match=words):
        write_bundle(kept, **arguments(), force=True)
    assert os.listdir(tmp_path) == ["kept.bundle"]
    assert kept.read_bytes() == OLDER


def test_what_a_killed_export_left_goes_with_the_next_one(tmp_path):
    (tmp_path / ".animals.bundle.drivetrain-01234567.tmp").write_bytes(b"PK")
    (tmp_path / ".notes.tmp").write_bytes(b"mine")
    write_bundle(tmp_path / "animals.bundle", **arguments())
    assert sorted(os.listdir(tmp_path)) == [".notes.tmp", "animals.bundle"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write to any folder")
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(FileError, match="permission denied"):
        write_bundle(tmp_path / "animals.bundle", **arguments())
    tmp_path.chmod(0o700)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "a/b"},
        {"name": "two\nlines"},
        {"task": " padded "},
        {"graph": b"not a graph"},
        {"graph": edited_graph(lambda proto: proto.training_info.add())},
        {"signature": HOUSES},
        {"signature": Signature(PICTURES.inputs, {"label": Number()})},
        {"cases": house_cases()},
        {"cases": []},
    ],
)
def test_what_a_reader_would_refuse_is_not_written(tmp_path, changes):
    with pytest.raises((BundleError, DrivetrainError)):
        write_bundle(tmp_path / "animals.bundle", **arguments(**changes))
    assert os.listdir(tmp_path) == []


def test_a_case_that_only_the_reader_refuses_is_not_written(tmp_path):
    """Written without a second look it would be a bundle that nobody can open."""
    case = house_cases()[0]
    broken = dataclasses.replace(case, output={"price": np.float32(np.nan)})
    with pytest.raises(BundleError, match=r"golden/output.price.npy"):
        write_bundle(
            tmp_path / "a.bundle", **arguments(signature=HOUSES, graph=house_graph(), cases=[broken])
        )
    assert os.listdir(tmp_path) == []


def test_a_check_that_fails_keeps_the_old_bundle(tmp_path):
    """Replacing a good bundle by one that doesn't verify would lose the good one."""
    path = tmp_path / "animals.bundle"
    path.write_bytes(OLDER)
    seen = []

    def refuse(bundle):
        seen.append(bundle.name)
        raise CheckFailed("no")

    with pytest.raises(CheckFailed):
        write_bundle(path, **arguments(), force=True, check=refuse)
    assert seen == ["animals"]
    assert path.read_bytes() == OLDER
    assert os.listdir(tmp_path) == ["animals.bundle"]


def test_check_bundle_holds_for_what_we_write_and_not_for_a_swapped_graph(tmp_path):
    path = tmp_path / "animals.bundle"
    for data in (image_bundle(), house_bundle()):
        path.write_bytes(data)
        assert check_bundle(path, flips=20).cases
    path.write_bytes(altered(image_bundle(), {"model.onnx": image_graph(weights() * 2)}))
    with pytest.raises(AssertionError, match="output"):
        check_bundle(path)


def identity_bundle(path, name):
    signature = Signature({name: Number(center=0.0, spread=1.0)}, {"preis": Number(center=0.0, spread=1.0)})
    port = (TensorProto.FLOAT, ["n"])
    graph = model(
        [helper.make_node("Identity", ["input_0"], ["output_0"])], {}, {"input_0": port}, {"output_0": port}
    )
    cases = make_cases(signature, [("one", "validation", {name: 2})], lambda batch: {"preis": batch[name]})
    write_bundle(path, **arguments(signature=signature, graph=graph, cases=cases))
    return path


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("native-country", "native%2Dcountry"),
        ("default payment (next month)", "default%20payment%20%28next%20month%29"),
        ("a.read", "a%2Eread"),
        ("~%", "%7E%25"),
        ("a/b\\c", "a%2Fb%5Cc"),
        ("../../x", "%2E%2E%2F%2E%2E%2Fx"),
        ("x" * 200, "x" * 200),
        ("é" * 100, "%C3%A9" * 22 + "%C" + "%%" + hashlib.sha256(("é" * 100).encode()).hexdigest()),
    ],
)
def test_field_names_become_plain_member_names(tmp_path, name, part):
    """A column may be called anything; a zip member stays ASCII, a file name below 255 bytes."""
    path = identity_bundle(tmp_path / "preise.bundle", name)
    bundle = open_bundle(path)
    assert {f"golden/0000.{part}.raw", f"golden/encoded.{part}.npy"} <= set(bundle.manifest["members"])
    np.testing.assert_array_equal(bundle.cases[0].encoded[name], np.float32(2))
    assert verify_bundle(path, trusted=True).ok
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")
    assert open_bundle(tmp_path / "folder").hash == bundle.hash


def test_long_field_names_stay_apart(tmp_path):
    assert member_part("é" * 150 + "a") != member_part("é" * 150 + "b")
    assert len(member_part("é" * 200)) == 200


def test_the_page_of_the_format_is_of_the_newest() -> None:
    page = Path(drivetrain.bundle.__file__).with_name("FORMAT.md").read_text(encoding="utf-8")
    assert page.startswith(f"# The bundle, format {FORMAT}\n")
    assert f"| {FORMAT} | " in page
