"""Bundles that lie elsewhere: an address is told from a path here, and what is behind it is fetched by fsspec.

Files go into a cache by what they are: each under a temporary name, flushed and renamed, so that a fetch that was cut off leaves
nothing that could be taken for a bundle. Whether it is whole is then told by the bundle's own hashes.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from drivetrain.errors import FileError
from drivetrain.extras import require
from drivetrain.files import atomic_writer
from drivetrain.model_names import name_of
from drivetrain.serve.layout import MANIFEST, MOST_FILES, Found, Listing, models_in

_TELLS = (
    "ETag", "etag", "e_tag", "md5", "md5Hash", "md5_hash", "crc32c", "generation", "version_id", "checksum",
    "LastModified", "last_modified", "mtime", "created", "uid", "ino",
)  # fmt: skip
"""What file systems say of a file that is another one as soon as its bytes are."""
MOST_BYTES = 2**32
CHUNK = 2**22
OLD_SECONDS = 3600.0


def cache_folder() -> Path:
    """DRIVETRAIN_CACHE, else where this machine keeps caches."""
    given = os.environ.get("DRIVETRAIN_CACHE")
    base = (
        Path(given)
        if given
        else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "drivetrain"
    )
    return base / "served"


def _key(found: Found) -> str:
    return hashlib.sha256(f"{found.path}\n{found.mark}".encode()).hexdigest()[:32]


class Remote:
    """What is behind an address that fsspec knows: memory://, s3://, gs://, https:// ..."""

    def __init__(self, url: str, name: str = "") -> None:
        require("fsspec", f"serving from {url.partition('://')[0]}://", "serve")
        self.url = url
        self.name = name or name_of(url)
        self.alone = False
        self._system: Any = None
        self._root = ""
        self._files: Mapping[str, tuple[str, str, int]] = {}
        self._known: set[str] = set()

    def listing(self) -> Listing:
        files = self._looked()
        self._files = files
        marks = {path: mark for path, (_, mark, _) in files.items()}
        self.alone = MANIFEST in marks or "" in marks
        listing = models_in(marks, {}, self.name)
        self._known = {_key(found) for versions in listing.found.values() for found in versions.values()}
        return listing

    def local(self, found: Found) -> Path:
        """The file, or the folder of files, in the cache; fetched where it isn't there."""
        below = f"{found.path}/" if found.path else ""
        wanted = {
            path.removeprefix(below): at
            for path, at in self._files.items()
            if path == found.path or path.startswith(below)
        }
        cache = cache_folder() / hashlib.sha256(self.url.encode()).hexdigest()[:32]
        folder = cache / _key(found)
        if sum(size for _, _, size in wanted.values()) > MOST_BYTES:
            raise FileError("the bundle is larger than 4 GB.", where=self.url)
        single = found.path in wanted and len(wanted) == 1
        for path, (remote, _, size) in wanted.items():
            target = folder / ("bundle" if single else path)
            if not target.exists() or target.stat().st_size != size:
                self._fetch(remote, target)
        self._forget_others(cache)
        return folder / "bundle" if single else folder

    def _forget_others(self, cache: Path) -> None:
        """Remove from the cache what is no longer behind the address, and hasn't been for an hour: another server may be at it."""
        for entry in cache.iterdir():
            with suppress(OSError):
                if entry.name not in self._known and entry.stat().st_mtime < time.time() - OLD_SECONDS:
                    shutil.rmtree(entry)

    def _looked(self) -> dict[str, tuple[str, str, int]]:
        """The files below, by their path from here: (path there, mark, bytes)."""
        fsspec: Any = importlib.import_module("fsspec")
        try:
            if self._system is None:
                self._system, self._root = fsspec.core.url_to_fs(self.url)
            self._system.invalidate_cache()
            if self._system.isfile(self._root):
                found = {self._root: self._system.info(self._root)}
            else:
                found = cast("dict[str, dict[str, Any]]", self._system.find(self._root, detail=True))
        except ImportError as fault:
            raise FileError(
                f"{fault}.".replace("..", "."), where=self.url, fix="Install that beside drivetrain[serve]."
            ) from fault
        except Exception as fault:
            # Each file system has errors of its own.
            error = f"{type(fault).__name__}: {fault}"
            raise FileError(error, where=self.url, fix="Check the address and who may read it.") from fault
        if len(found) > MOST_FILES:
            raise FileError(f"there are more than {MOST_FILES:,} files.", where=self.url)
        if not found:
            raise FileError("there is nothing.", where=self.url, fix="Check the address.")
        files: dict[str, tuple[str, str, int]] = {}
        for path, info in found.items():
            inner = path.removeprefix(self._root).lstrip("/")
            if any(part.startswith(".") for part in inner.split("/")):
                continue  # What is being written, and ways out of the folder.
            mark = " ".join(f"{key}={info[key]}" for key in ("size", *_TELLS) if info.get(key) is not None)
            files[inner] = (path, mark, int(info.get("size") or 0))
        return files

    def _fetch(self, remote: str, target: Path) -> None:
        with atomic_writer(target) as file:
            for data in self._pieces(remote):
                file.write(data)

    def _pieces(self, remote: str) -> Iterator[bytes]:
        left = MOST_BYTES
        try:
            with self._system.open(remote, "rb") as source:
                while data := source.read(CHUNK):
                    left -= len(data)
                    if left < 0:
                        break
                    yield data
        except Exception as fault:
            raise FileError(
                f"it can't be fetched: {type(fault).__name__}: {fault}", where=self.url
            ) from fault
        if left < 0:
            raise FileError("the file is larger than 4 GB.", where=self.url)
