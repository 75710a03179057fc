"""The packed store: a column is encoded once, in parallel, into one array on disk, and found again by content.

    CACHE/stores/KEY/array.npy   encoded rows (n, *codec.shape), see fixed.py; of different lengths: see ragged.py
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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from drivetrain.codecs import Codec
from drivetrain.cores import usable_cores
from drivetrain.data.store.fixed import RowFile
from drivetrain.data.store.ragged import RaggedRows
from drivetrain.data.table import as_column
from drivetrain.data.worker import worker_processes
from drivetrain.errors import DrivetrainError, FileError
from drivetrain.extensions import registered
from drivetrain.files import file_error, from_json, open_regular, temporary_beside, to_json, write_text
from drivetrain.limits import from_environment
from drivetrain.memory import kept_memory
from drivetrain.picture_file import MOST_BYTES
from drivetrain.ragged import Column
from drivetrain.types import Array

CHUNK = 128
LARGE_ROW = 16_384
PROCESSES_FROM = 1500
"""Below this many files threads are quicker than starting processes."""

Advance = Callable[[int], None]
Chunks = dict[int, list[str]]
Rows = RowFile | RaggedRows


@dataclass(frozen=True)
class PackedColumn:
    """Encoded rows, and for each row that could not be encoded why. `key` is that of the store; empty where the values are no
    files."""

    array: Column
    errors: dict[int, DrivetrainError]
    key: str = ""


def pack(
    codec: Codec,
    values: Sequence[Any] | Array,
    *,
    advance: Advance = lambda done: None,
    workers: int | None = None,
) -> PackedColumn:
    """Encode a column: from the cache where these files were encoded before, else in parallel.

    Values that are not paths are encoded in memory. A value that can't be encoded is an entry of `errors`.
    Raises FileError when the cache can't be written.
    """
    if codec.from_files and len(values) and all(isinstance(value, (str, os.PathLike)) for value in values):
        return _pack_files(codec, [os.fspath(value) for value in values], advance, workers or usable_cores())
    array, errors = codec.encode_column(as_column(values))
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
    if (found := _open_seen(cache, seen, codec)) is not None:
        advance(len(paths))
        return found
    try:
        with temporary_beside(cache / "stores" / "store", _new_folder) as (temporary, _):
            rows = row_file(temporary, codec, len(paths))
            with rows.flushed(), kept_memory():
                digest, errors = _encode_files(codec, paths, rows, advance, workers)
            digest.update(spec.encode())
            faults = {str(row): fault.to_json() for row, fault in sorted(errors.items())}
            write_text(temporary / "meta.json", to_json({"spec": codec.spec(), "errors": faults}))
            store = cache / "stores" / digest.hexdigest()
            column = _open_store(
                temporary, codec
            )  # Once open it outlasts what other processes do to the store.
            try:
                os.replace(temporary, store)
            except OSError:  # Such a store is there: of another process, of files since moved, or damaged.
                if (there := _open_whole(store, codec)) is not None:
                    column = there
                else:
                    shutil.rmtree(store, ignore_errors=True)
                    with suppress(OSError):  # Another process was quicker.
                        os.replace(temporary, store)
        write_text(seen, store.name)
        _prune(cache, keep=store)
    except OSError as fault:
        found = file_error(fault, cache)
        fix = f"{found.fix} Encoded pictures are kept here: DRIVETRAIN_CACHE names another folder.".strip()
        raise FileError(found.error, where=cache, fix=fix) from fault
    return replace(column, key=store.name)


def _new_folder(path: Path) -> int:
    path.mkdir()
    return os.open(path, os.O_RDONLY)


def _seen_key(paths: list[str], spec: str) -> str:
    digest = hashlib.sha256(spec.encode())
    for path in paths:
        try:
            status = os.stat(path)
            whole = path if os.path.isabs(path) else os.path.abspath(path)
            digest.update(f"{whole}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="replace"))
        except (OSError, ValueError):
            digest.update(f"{path}\0missing\n".encode(errors="replace"))
    return digest.hexdigest()


def _open_seen(cache: Path, seen: Path, codec: Codec) -> PackedColumn | None:
    try:
        store = cache / "stores" / seen.read_text().strip()
        os.utime(store)
    except (OSError, ValueError):
        return None
    return _open_whole(store, codec)


def _open_whole(store: Path, codec: Codec) -> PackedColumn | None:
    """A store; None where it is not there, or damaged."""
    try:
        return _open_store(store, codec)
    except (OSError, ValueError, DrivetrainError):
        return None


def _open_store(store: Path, codec: Codec) -> PackedColumn:
    meta = from_json((store / "meta.json").read_bytes(), where=store)
    errors = {
        int(row): DrivetrainError(item["error"], where=item["where"], fix=item["fix"])
        for row, item in meta["errors"].items()
    }
    return PackedColumn(_kind_of_rows(codec).read(store, codec), errors, store.name)


def row_file(folder: Path, codec: Codec, rows: int | None = None) -> Rows:
    """What encoded rows are written to; for so many `rows` it is made, else it is there."""
    kind = _kind_of_rows(codec)
    return kind(folder) if rows is None else kind.create(folder, rows, codec)


def _kind_of_rows(codec: Codec) -> type[Rows]:
    return RaggedRows if codec.varies else RowFile


def encode_chunk(
    codec: Codec, paths: Sequence[str], start: int, rows: Rows
) -> tuple[bytes, dict[int, DrivetrainError]]:
    """Encode files into the rows from `start` on; gives the content hash of each file (32 bytes) and the errors by
    row. Raises OSError when the rows can't be written."""
    hashes = bytearray()
    errors: dict[int, DrivetrainError] = {}
    with rows.chunk(start, len(paths)) as write:
        for row, path in enumerate(paths, start):
            data, encoded = b"", None
            try:
                with open_regular(path, MOST_BYTES) as file:
                    data = file.read(MOST_BYTES)
                encoded = codec.fitting(codec.encode_raw(data))
            except OSError as fault:
                errors[row] = file_error(fault, path)
            except DrivetrainError as fault:
                errors[row] = fault.at(path)
            hashes += hashlib.sha256(data).digest()
            if encoded is not None:
                write(row, encoded)
    return bytes(hashes), errors


def _encode_files(
    codec: Codec, paths: list[str], rows: Rows, advance: Advance, workers: int
) -> tuple[Any, dict[int, DrivetrainError]]:
    """The hash of all content, and the errors by row."""
    # Large pictures go in small chunks, or one worker waits at the end for the other's last one.
    most = CHUNK if rows.row_bytes < LARGE_ROW else CHUNK // 8
    size = max(1, min(most, len(paths) // (4 * workers)))
    starts = range(0, len(paths), size)
    chunks = {start: paths[start : start + size] for start in starts}
    hashes: dict[int, bytes] = {}
    errors: dict[int, DrivetrainError] = {}
    lock = Lock()

    def collect(start: int, chunk_hashes: bytes, chunk_errors: dict[int, DrivetrainError]) -> None:
        with lock:
            hashes[start] = chunk_hashes
            errors.update(chunk_errors)
            advance(len(chunk_hashes) // 32)

    if len(paths) < PROCESSES_FROM or workers == 1:
        _encode_in_threads(codec, chunks, rows, workers, collect)
    else:
        _encode_in_processes(codec, chunks, rows, workers, collect)
    digest = hashlib.sha256()
    for start in starts:
        digest.update(hashes[start])
    return digest, errors


def _encode_in_threads(
    codec: Codec, chunks: Chunks, rows: Rows, workers: int, collect: Callable[..., None]
) -> None:
    with ThreadPoolExecutor(workers) as pool:
        jobs = {
            start: pool.submit(encode_chunk, codec, paths, start, rows) for start, paths in chunks.items()
        }
        try:
            for start, job in jobs.items():
                collect(start, *job.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _encode_in_processes(
    codec: Codec, chunks: Chunks, rows: Rows, count: int, collect: Callable[..., None]
) -> None:
    """This process encodes too, while the others are still starting."""
    header = json.dumps(
        {"spec": codec.spec(), "folder": str(rows.folder), "path": sys.path, "extensions": registered()}
    )
    starts = iter(chunks)
    failures: list[BaseException] = []
    unwritten: list[OSError] = []

    def drive(process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            print(header, file=process.stdin, flush=True)
            for start in starts:
                print(json.dumps([start, chunks[start]]), file=process.stdin, flush=True)
                reply = json.loads(process.stdout.readline())
                if "errno" in reply:
                    unwritten.append(OSError(reply["errno"], os.strerror(reply["errno"])))
                    return
                faults = {int(row): DrivetrainError(**item) for row, item in reply["errors"].items()}
                collect(start, bytes.fromhex(reply["hashes"]), faults)
        except (OSError, ValueError) as fault:
            failures.append(fault)

    text = {"text": True, "encoding": "utf-8", "errors": "surrogateescape"}
    with worker_processes("drivetrain.data.store.pack_worker", count - 1, **text) as processes:
        threads = [Thread(target=drive, args=(process,), daemon=True) for process in processes]
        for thread in threads:
            thread.start()
        for start in starts:
            collect(start, *encode_chunk(codec, chunks[start], start, rows))
        for thread in threads:
            thread.join()
    if unwritten:
        raise unwritten[0]
    if failures:
        raise DrivetrainError(
            "a process that encodes stopped.",
            where=rows.folder,
            fix="Is there enough memory and disk? Try again.",
        )


def _prune(cache: Path, keep: Path) -> None:
    """Remove the stores unused for longest until the cache is within its limit, and what is remembered of stores that
    are gone."""
    limit = from_environment("DRIVETRAIN_CACHE_GB", 20) * 1e9
    sized: list[tuple[float, int, Path]] = []
    for store in (cache / "stores").iterdir():
        try:
            folder, *files = [path.stat() for path in (store, *store.iterdir())]
        except OSError:
            continue  # Another process removes it.
        if not store.name.startswith("."):
            sized.append((folder.st_mtime, sum(file.st_size for file in files), store))
    total = sum(size for _, size, _ in sized)
    for _, size, store in sorted(sized):
        if total <= limit:
            break
        if store != keep:
            shutil.rmtree(store, ignore_errors=True)
            total -= size
    for seen in (cache / "seen").glob("[!.]*"):
        with suppress(OSError, ValueError):  # Another process removes it, or it is damaged.
            if not (cache / "stores" / seen.read_text().strip()).exists():
                seen.unlink()
