"""The packed store: encoded once, found again by content, honest about what it could not read."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import class_folder

from drivetrain.codecs.category import Category
from drivetrain.codecs.image import Image
from drivetrain.data.read.folders import image_files
from drivetrain.data.store import pack as packed
from drivetrain.data.store.pack import pack
from drivetrain.errors import FileError, UsageError

CODEC = Image(size=12, channels=3)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRIVETRAIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    class_folder(tmp_path / "pictures", {"cat": 8, "dog": 7}, size=(20, 30), seed=1)
    return image_files(tmp_path / "pictures")


@pytest.fixture
def encodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files each chunk encoded since the test began."""
    counted: list[int] = []
    whole = packed.encode_chunk

    def count(codec: Any, paths: Sequence[str], start: int, rows: Any) -> Any:
        counted.append(len(paths))
        return whole(codec, paths, start, rows)

    monkeypatch.setattr(packed, "encode_chunk", count)
    return counted


def stores(cache: Path) -> list[Path]:
    return list((cache / "stores").iterdir())


def expected(files: Sequence[str]) -> np.ndarray:
    return np.stack([CODEC.encode(CODEC.read(path)) for path in files])


def test_rows_are_what_the_codec_encodes_in_order(cache: Path, files: list[str]) -> None:
    done: list[int] = []
    found = pack(CODEC, files, advance=done.append)
    assert np.array_equal(found.array, expected(files))
    assert found.errors == {}
    assert sum(done) == len(files)


def test_a_second_call_decodes_nothing(cache: Path, files: list[str], encodings: list[int]) -> None:
    first = pack(CODEC, files)
    assert sum(encodings) == len(files)
    second = pack(CODEC, files)
    assert sum(encodings) == len(files)
    assert np.array_equal(first.array, second.array)


def test_a_changed_file_is_encoded_again(cache: Path, files: list[str], encodings: list[int]) -> None:
    pack(CODEC, files)
    Path(files[0]).write_bytes(Path(files[-1]).read_bytes())
    os.utime(files[0], ns=(1, 1))
    again = pack(CODEC, files)
    assert sum(encodings) == 2 * len(files)
    assert np.array_equal(again.array[0], again.array[-1])
    assert len(stores(cache)) == 2


def test_another_codec_is_another_store_and_moved_files_are_the_same_one(
    cache: Path, files: list[str], tmp_path: Path
) -> None:
    pack(CODEC, files)
    pack(Image(size=10, channels=1), files)
    assert len(stores(cache)) == 2
    os.rename(tmp_path / "pictures", tmp_path / "moved")
    pack(CODEC, image_files(tmp_path / "moved"))
    assert len(stores(cache)) == 2


def test_processes_give_what_threads_give(
    cache: Path, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Path(files[3])
    broken.write_bytes(b"not a picture")
    in_threads = pack(CODEC, files)
    monkeypatch.setenv("DRIVETRAIN_CACHE", str(cache.parent / "other"))
    monkeypatch.setattr(packed, "PROCESSES_FROM", 1)
    monkeypatch.setattr(packed, "CHUNK", 4)
    done: list[int] = []
    in_processes = pack(CODEC, files, advance=done.append, workers=2)
    assert np.array_equal(in_threads.array, in_processes.array)
    assert [str(fault) for fault in in_threads.errors.values()] == [
        str(fault) for fault in in_processes.errors.values()
    ]
    assert list(in_processes.errors) == [3]
    assert sum(done) == len(files)
    assert {path.name for path in stores(cache)} == {path.name for path in stores(cache.parent / "other")}


def test_unreadable_files_are_named_and_the_others_encoded(cache: Path, files: list[str]) -> None:
    Path(files[1]).write_bytes(b"")
    Path(files[2]).unlink()
    found = pack(CODEC, files)
    assert sorted(found.errors) == [1, 2]
    assert "empty" in found.errors[1].error
    assert found.errors[2].where == files[2]
    good = [row for row in range(len(files)) if row not in (1, 2)]
    assert np.array_equal(found.array[good], expected([files[row] for row in good]))
    again = pack(CODEC, files)
    assert {row: str(fault) for row, fault in again.errors.items()} == {
        row: str(fault) for row, fault in found.errors.items()
    }


def test_values_in_memory_need_no_store(cache: Path) -> None:
    found = pack(Category(classes=("a", "b")), ["b", "c", "a"])
    assert found.array.tolist() == [1, 0, 0]
    assert list(found.errors) == [1]
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_a_clear_error(
    tmp_path: Path, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DRIVETRAIN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(FileError, match="not a folder"):
        pack(CODEC, files)


def test_a_full_disk_leaves_nothing(cache: Path, files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(FileError, match="no space left"):
        pack(CODEC, files)
    assert stores(cache) == []


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process's files")
def test_what_another_process_may_not_write_is_the_same_error(
    cache: Path, files: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import resource

    start, encode = packed.worker_processes, packed.encode_chunk

    @contextmanager
    def limited(*given: Any, **text: Any) -> Any:
        with start(*given, **text) as processes:
            for process in processes:
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, 0))
            yield processes

    def slowly(*given: Any) -> Any:
        time.sleep(0.02)  # So that the other process has its share.
        return encode(*given)

    monkeypatch.setattr(packed, "worker_processes", limited)
    monkeypatch.setattr(packed, "encode_chunk", slowly)
    monkeypatch.setattr(packed, "PROCESSES_FROM", 1)
    with pytest.raises(FileError, match="file so large is not allowed"):
        pack(CODEC, files, workers=2)
    assert stores(cache) == []
    assert capfd.readouterr() == ("", "")


def test_a_damaged_store_is_made_again(cache: Path, files: list[str]) -> None:
    pack(CODEC, files)
    (store,) = stores(cache)
    (store / "meta.json").write_text("{")
    assert np.array_equal(pack(CODEC, files).array, expected(files))


def test_the_stores_unused_for_longest_go_first(
    cache: Path, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(CODEC, files)
    (first,) = stores(cache)
    os.utime(first, (1, 1))
    monkeypatch.setenv("DRIVETRAIN_CACHE_GB", "0.000001")
    pack(Image(size=10, channels=1), files)
    assert not first.exists()
    assert len(stores(cache)) == 1


def test_what_killed_packs_left_goes_and_so_do_entries_without_a_store(
    cache: Path, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, running = (
        cache / "stores" / f".store.drivetrain-{name}.tmp" for name in ("0123abcd", "4567abcd")
    )
    for folder in (killed, running):
        folder.mkdir(parents=True)
        (folder / "array.npy").write_bytes(b"rows")
    writer = os.open(running, os.O_RDONLY)
    try:
        fcntl.flock(writer, fcntl.LOCK_EX)
        pack(CODEC, files)
        (first,) = (store for store in stores(cache) if store != running)
        monkeypatch.setenv("DRIVETRAIN_CACHE_GB", "0.000001")
        pack(Image(size=10, channels=1), files)
        (second,) = (store for store in stores(cache) if store != running)
    finally:
        os.close(writer)
    assert running.exists()
    assert second != first
    assert [seen.read_text() for seen in (cache / "seen").iterdir()] == [second.name]
    pack(Image(size=11, channels=1), files)
    assert not running.exists()


def test_who_packs_the_same_files_at_once_is_in_nobodys_way(
    cache: Path, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = packed._encode_files

    def second(*given: Any) -> Any:
        monkeypatch.setattr(packed, "_encode_files", encode)
        pack(CODEC, files)  # Done before the first is.
        return encode(*given)

    monkeypatch.setattr(packed, "_encode_files", second)
    assert np.array_equal(pack(CODEC, files).array, expected(files))
    (store,) = stores(cache)

    store.rename(cache / "other")
    replace = os.replace

    def late(source: Any, target: Any) -> None:
        if Path(target) == store and not store.exists():
            shutil.copytree(cache / "other", store)
        replace(source, target)

    monkeypatch.setattr(os, "replace", late)
    assert np.array_equal(pack(CODEC, files).array, expected(files))
    assert stores(cache) == [store]


def test_a_store_that_another_process_removes_meanwhile_is_passed_over(
    cache: Path, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(CODEC, files)
    (first,) = stores(cache)
    listed = Path.iterdir

    def gone(folder: Path) -> Any:
        found = list(listed(folder))
        if folder == first:
            shutil.rmtree(first)
        return iter(found)

    monkeypatch.setattr(Path, "iterdir", gone)
    small = Image(size=10, channels=1)
    assert len(pack(small, files).array) == len(files)
    assert not first.exists()


def test_stopping_in_the_middle_leaves_no_store(cache: Path, files: list[str]) -> None:
    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(CODEC, files, advance=interrupt)
    assert stores(cache) == []


@pytest.mark.parametrize("module", ["store.pack_worker", "checks.scan_worker"])
def test_a_worker_whose_starter_has_ended_ends_in_silence(module):
    done = subprocess.run(
        [sys.executable, "-m", f"drivetrain.data.{module}"],
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_limit_that_is_no_number_is_the_user_s_mistake(
    cache: Path, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIVETRAIN_CACHE_GB", "twenty")
    with pytest.raises(UsageError, match=r"DRIVETRAIN_CACHE_GB: 'twenty' is not a number above 0"):
        pack(CODEC, files)
