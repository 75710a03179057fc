"""The packed store: a column is encoded once, in parallel, into one array on disk, and found again by content.

    CACHE/stores/KEY/array.npy   encoded rows (n, *codec.shape); a row that could not be encoded is zeros
    CACHE/stores/KEY/meta.json   codec spec, errors by row
    CACHE/seen/KEY               which store belongs to files of these paths, sizes and times

A store's key is the hash of every file's content and of the codec's spec. To open it again without reading the
files, their (path, size, modified) are remembered, as git's index does. CACHE is `DRIVETRAIN_CACHE`, or
`drivetrain` in the user's cache folder; the stores unused for longest go when it grows past
`DRIVETRAIN_CACHE_GB` (20).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.errors import DrivetrainError
from drivetrain.files import file_error, from_json, to_json, write_text
from drivetrain.types import Array

CHUNK = 256
PROCESSES_FROM = 1500
"""Below this many files threads are quicker than starting processes."""

Advance = Callable[[int], None]


@dataclass(frozen=True)
class PackedColumn:
    """Encoded rows (n, *codec.shape), and for each row that could not be encoded why."""

    array: Array
    errors: dict[int, DrivetrainError]


def pack(
    codec: Codec,
    values: Sequence[Any],
    *,
    advance: Advance = lambda done: None,
    workers: int | None = None,
) -> PackedColumn:
    """Encode a column: from the cache where these files were encoded before, else in parallel.

    Values that are not paths are encoded in memory. A value that can't be encoded is an entry of `errors`.
    Raises FileError when the cache can't be written.
    """
    if codec.from_files and len(values) and all(isinstance(value, (str, os.PathLike)) for value in values):
        return _pack_files(
            codec, [os.fspath(value) for value in values], advance, workers or os.cpu_count() or 1
        )
    array = np.zeros((len(values), *codec.shape), codec.dtype)
    errors: dict[int, DrivetrainError] = {}
    for row, value in enumerate(values):
        try:
            array[row] = codec.encode_raw(value)
        except DrivetrainError as fault:
            errors[row] = fault
    advance(len(values))
    return PackedColumn(array, errors)


def cache_folder() -> Path:
    """Where stores are kept."""
    if given := os.environ.get("DRIVETRAIN_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "drivetrain"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "drivetrain"


def _pack_files(codec: Codec, paths: list[str], advance: Advance, workers: int) -> PackedColumn:
    cache = cache_folder()
    spec = to_json(codec.spec())
    seen = cache / "seen" / _seen_key(paths, spec)
    if (found := _open_seen(cache, seen)) is not None:
        advance(len(paths))
        return found
    temporary = cache / "stores" / f".{uuid.uuid4().hex}.tmp"
    try:
        temporary.mkdir(parents=True)
        array_path = temporary / "array.npy"
        _allocate(array_path, (len(paths), *codec.shape), codec.dtype)
        digest, errors = _encode_files(codec, paths, array_path, advance, workers)
        digest.update(spec.encode())
        faults = {str(row): fault.to_json() for row, fault in sorted(errors.items())}
        write_text(temporary / "meta.json", to_json({"spec": codec.spec(), "errors": faults}))
        store = cache / "stores" / digest.hexdigest()
        if not _is_whole(store):
            shutil.rmtree(store, ignore_errors=True)
            os.replace(temporary, store)
        write_text(seen, store.name)
        _prune(cache / "stores", keep=store)
    except OSError as fault:
        raise file_error(fault, cache) from fault
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return _open_store(store)


def _seen_key(paths: list[str], spec: str) -> str:
    digest = hashlib.sha256(spec.encode())
    for path in paths:
        try:
            status = os.stat(path)
            digest.update(
                f"{os.path.abspath(path)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="replace")
            )
        except (OSError, ValueError):
            digest.update(f"{path}\0missing\n".encode(errors="replace"))
    return digest.hexdigest()


def _open_seen(cache: Path, seen: Path) -> PackedColumn | None:
    try:
        store = cache / "stores" / seen.read_text().strip()
        os.utime(store)
        return _open_store(store)
    except (OSError, ValueError, DrivetrainError):
        return None


def _is_whole(store: Path) -> bool:
    try:
        return _open_store(store) is not None
    except (OSError, ValueError, DrivetrainError):
        return False


def _open_store(store: Path) -> PackedColumn:
    meta = from_json((store / "meta.json").read_bytes(), where=store)
    # Copy-on-write: pages come from the system's cache, and torch may wrap the array, which it thinks writable.
    array = np.load(store / "array.npy", mmap_mode="c", allow_pickle=False)
    errors = {
        int(row): DrivetrainError(item["error"], where=item["where"], fix=item["fix"])
        for row, item in meta["errors"].items()
    }
    return PackedColumn(array, errors)


def _allocate(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """An array file of zeros with its blocks reserved: a full disk is an error here, not a crash in a mapped write."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    del array
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as handle:
            os.posix_fallocate(handle.fileno(), 0, os.path.getsize(path))


def encode_chunk(codec: Codec, paths: Sequence[str], out: Array) -> tuple[bytes, dict[int, DrivetrainError]]:
    """Encode files into the rows of `out`; gives the content hash of each file (32 bytes) and the errors by row."""
    hashes = bytearray()
    errors: dict[int, DrivetrainError] = {}
    for row, path in enumerate(paths):
        data = b""
        try:
            with open(path, "rb") as handle:
                data = handle.read()
            out[row] = codec.encode_raw(data)
        except (OSError, ValueError) as fault:
            known = fault if isinstance(fault, OSError) else OSError(str(fault))
            errors[row] = file_error(known, path)
        except DrivetrainError as fault:
            errors[row] = fault.at(path)
        hashes += hashlib.sha256(data).digest()
    return bytes(hashes), errors


def _encode_files(
    codec: Codec, paths: list[str], array_path: Path, advance: Advance, workers: int
) -> tuple[Any, dict[int, DrivetrainError]]:
    starts = range(0, len(paths), CHUNK)
    hashes: dict[int, bytes] = {}
    errors: dict[int, DrivetrainError] = {}

    def collect(start: int, chunk_hashes: bytes, chunk_errors: dict[int, DrivetrainError]) -> None:
        hashes[start] = chunk_hashes
        errors.update({start + row: fault for row, fault in chunk_errors.items()})
        advance(len(chunk_hashes) // 32)

    if len(paths) < PROCESSES_FROM or workers == 1:
        array = np.lib.format.open_memmap(array_path, mode="r+")
        step = min(CHUNK, max(1, len(paths) // (4 * workers)))
        starts = range(0, len(paths), step)
        with ThreadPoolExecutor(workers) as pool:
            jobs = [
                pool.submit(encode_chunk, codec, paths[at : at + step], array[at : at + step])
                for at in starts
            ]
            try:
                for start, job in zip(starts, jobs):
                    collect(start, *job.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        array.flush()
    else:
        _encode_in_processes(codec, paths, array_path, workers, collect)
    digest = hashlib.sha256()
    for start in starts:
        digest.update(hashes[start])
    return digest, errors


def _encode_in_processes(
    codec: Codec, paths: list[str], array_path: Path, workers: int, collect: Callable[..., None]
) -> None:
    """Worker processes are fresh interpreters fed by lines of JSON: nothing is pickled, no script is imported twice."""
    header = json.dumps({"spec": codec.spec(), "array": str(array_path)})
    todo = iter(range(0, len(paths), CHUNK))
    failures: list[BaseException] = []

    def drive(process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            print(header, file=process.stdin, flush=True)
            for start in todo:
                print(json.dumps([start, paths[start : start + CHUNK]]), file=process.stdin, flush=True)
                reply = json.loads(process.stdout.readline())
                faults = {int(row): DrivetrainError(**item) for row, item in reply["errors"].items()}
                collect(start, bytes.fromhex(reply["hashes"]), faults)
            process.stdin.close()
            process.wait()
        except (OSError, ValueError) as fault:
            failures.append(fault)

    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "drivetrain.data.pack_worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", errors="surrogateescape",
        )
        for _ in range(min(workers, -(-len(paths) // CHUNK)))
    ]  # fmt: skip
    threads = [Thread(target=drive, args=(process,), daemon=True) for process in processes]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe and not pipe.closed:
                    pipe.close()
    if failures:
        raise DrivetrainError(
            "a process that encodes stopped.", where=array_path, fix="Is there enough memory? Try again."
        )


def _prune(stores: Path, keep: Path) -> None:
    """Remove the stores unused for longest until the cache is within its limit."""
    limit = float(os.environ.get("DRIVETRAIN_CACHE_GB", "20")) * 1e9
    whole = [store for store in stores.iterdir() if not store.name.startswith(".")]
    sized = [(store.stat().st_mtime, sum(file.stat().st_size for file in store.iterdir()), store) for store in whole]
    total = sum(size for _, size, _ in sized)
    for _, size, store in sorted(sized):
        if total <= limit:
            break
        if store != keep:
            shutil.rmtree(store, ignore_errors=True)
            total -= size
