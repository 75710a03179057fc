"""Bundles behind addresses: fetched whole or not at all, into a cache, and told anew when they are others."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import serving
from test_serve_repository import opening, says

from drivetrain.errors import FileError, NotInstalled
from drivetrain.serve import fetch
from drivetrain.serve.fetch import Remote, cache_folder
from drivetrain.serve.repository import Repository
from drivetrain.serve.router import Router
from drivetrain.serve.settings import ModelSettings, Settings
from drivetrain.serve.types import Asked

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Any, None, None]:
    """An empty memory:// file system, and a cache of its own."""
    monkeypatch.setenv("DRIVETRAIN_CACHE", str(tmp_path / "cache"))
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def cached() -> list[Path]:
    return [path for path in cache_folder().rglob("*") if path.is_file()]


def test_versions_come_from_a_bucket_and_go_into_the_cache(bucket: Any) -> None:
    bucket.pipe("/models/a/1.bundle", b"one")
    bucket.pipe("/models/a/2/x.bundle", b"two")
    bucket.pipe("/models/b/1/manifest.json", b"folder")
    bucket.pipe("/models/b/1/model.onnx", b"graph")
    there = Repository(Settings("memory://models"), open=opening())
    there.scan()
    assert says(there) == "two"
    assert says(there, "b") == "folder"
    assert len(cached()) == 3, "what isn't kept loaded isn't fetched"
    bucket.pipe("/models/a/3.bundle", b"half")
    bucket.pipe("/models/a/2/x.bundle", b"new")
    there.scan()
    assert says(there) == "new"
    assert there.models["a"].states[3].state == "failed"
    bucket.pipe("/models/a/3.bundle", b"three")
    there.scan()
    there.scan()
    assert says(there) == "three"


def test_what_is_no_longer_there_leaves_the_cache(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "OLD_SECONDS", -1)
    for text in (b"one", b"two", b"three"):
        bucket.pipe("/models/a/1.bundle", text)
        Repository(Settings("memory://models"), open=opening()).scan()
    assert [path.read_bytes() for path in cached()] == [b"three"]


def test_the_cache_spares_a_second_fetch(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.pipe("/one.bundle", b"one")
    there = Repository(Settings("memory://one.bundle"), open=opening())
    there.scan()
    assert says(there, "one") == "one"
    monkeypatch.setattr(Remote, "_fetch", lambda *_: pytest.fail("it is there"))
    again = Repository(Settings("memory://one.bundle"), open=opening())
    again.scan()
    assert says(again, "one") == "one"


def test_a_fetch_that_is_cut_off_leaves_nothing_and_is_tried_again(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.pipe("/models/a/1.bundle", b"one")
    there = Repository(Settings("memory://models"), open=opening())
    there.scan()
    bucket.pipe("/models/a/2.bundle", b"two")

    class Cut:
        def __enter__(self) -> Cut:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def read(self, size: int) -> bytes:
            raise ConnectionError("reset by peer")

    with monkeypatch.context() as patch:
        patch.setattr(type(bucket), "open", lambda *_, **__: Cut())
        there.scan()
    assert says(there) == "one"
    assert "can't be fetched" in there.models["a"].states[2].reason
    assert len(cached()) == 1
    there.scan()
    assert says(there) == "two", "it was the way that failed, not what is there"


def test_an_address_that_does_not_answer_is_an_error_at_the_start_and_later_none(bucket: Any) -> None:
    with pytest.raises(FileError, match="there is nothing"):
        Repository(Settings("memory://models"), open=opening()).scan()
    bucket.pipe("/models/a/1.bundle", b"one")
    there = Repository(Settings("memory://models"), open=opening())
    there.scan()
    bucket.store.clear()
    for _ in range(3):
        there.scan()
    assert says(there) == "one"
    assert there.faults


def test_names_that_lead_out_of_the_cache_are_passed_over(bucket: Any) -> None:
    bucket.store["/models/a/1.bundle"] = bucket_file(bucket, b"one")
    bucket.store["/models/a/../../../etc/2.bundle"] = bucket_file(bucket, b"two")
    there = Repository(Settings("memory://models"), open=opening())
    there.scan()
    assert [*there.models] == ["a"]
    assert all(cache_folder() in path.parents for path in cached())


def bucket_file(bucket: Any, data: bytes) -> Any:
    bucket.pipe("/tmp-file", data)
    return bucket.store.pop("/tmp-file")


def test_one_model_may_lie_elsewhere(bucket: Any, tmp_path: Path) -> None:
    bucket.pipe("/far/1.bundle", b"far")
    (tmp_path / "models" / "near").mkdir(parents=True)
    (tmp_path / "models" / "near" / "1.bundle").write_text("near")
    settings = Settings(str(tmp_path / "models"), models={"far": ModelSettings(path="memory://far")})
    there = Repository(settings, open=opening())
    there.scan()
    assert {name: says(there, name) for name in there.models} == {"near": "near", "far": "far"}


def test_real_bundles_from_an_address_hold_their_hashes(bucket: Any, tmp_path: Path) -> None:
    data = (serving.BUNDLES / "format-2-houses.bundle").read_bytes()
    bucket.pipe("/models/houses/1.bundle", data)
    bucket.pipe("/models/houses/2.bundle", data[:-100] + b"x" + data[-99:])
    there = Repository(Settings("memory://models", threads=1))
    there.scan()
    with Router(there).lease(Asked("houses")) as lease:
        assert lease.servable.version == 1
    assert there.models["houses"].states[2].state == "failed"
    shutil.rmtree(cache_folder())
    there.scan()
    assert there.models["houses"].newest == 1


def test_without_fsspec_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(NotInstalled, match="serve"):
        Repository(Settings("memory://models"), open=opening()).scan()


def test_a_file_system_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", absent)
    with pytest.raises(FileError) as caught:
        Remote("s3://bucket/models").listing()
    assert (
        str(caught.value)
        == "s3://bucket/models: Install s3fs to access S3. Install that beside drivetrain[serve]."
    )
