"""Looking at every picture once: can it be read, what are its bytes, how large is it, what does it look like.

A picture becomes one record of 0.9 KB (dtype SEEN), whatever its size. Decoding runs beside Python's lock, so
files of some size are looked at in threads. A small file is mostly Python (two threads are slower than one on
PNGs of 28 x 28 pixels): many of those are looked at in processes, and few right here.
"""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
from PIL import Image as Pillow

from drivetrain.codecs.image import Image
from drivetrain.cores import usable_cores
from drivetrain.data.worker import worker_processes
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.files import file_error, from_json, to_json
from drivetrain.picture_file import MOST_PIXELS, file_bytes
from drivetrain.types import Array

SIDE = 16
SEEN = np.dtype(
    [
        ("content", "V32"), ("hash", "u8"), ("thumb", "u1", (SIDE, SIDE, 3)),
        ("height", "i4"), ("width", "i4"), ("format", "u1"),
    ]
)  # fmt: skip
"""sha256 of the bytes, perceptual hash, the picture reduced to 16 x 16 RGB, its size, where in FORMATS."""
FORMATS = ("", "JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
CHUNK = 128
PROCESSES_FROM = 10_000
"""Below this many small files, starting processes costs more than it saves."""
SMALL_FILE = 12_000
"""Bytes of a file that is mostly Python to read."""

Problem = tuple[str, str]
"""Kind of fault and what the reader said."""
Looked = tuple[int, Array, dict[int, Problem]]
"""First row, what was seen, problems by position, of some rows."""

_READER = Image(channels=3)
_DETAIL = 2 * SIDE
_COSINES = np.cos(np.pi * (2 * np.arange(_DETAIL)[None] + 1) * np.arange(8)[:, None] / (2 * _DETAIL))
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def look(
    values: Sequence[Any], *, workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> tuple[Array, dict[int, Problem]]:
    """What is seen in each picture, (n,) of dtype SEEN, and by row the problem of each that can't be used.

    `values` are paths, bytes or arrays; `progress(done, total)` is called as the work goes on.
    """
    seen = np.zeros(len(values), SEEN)
    problems: dict[int, Problem] = {}
    workers = workers or usable_cores()
    done = 0
    chunks = _run(values, workers)
    try:
        for start, chunk, faults in chunks:
            seen[start : start + len(chunk)] = chunk
            problems.update({start + row: problem for row, problem in faults.items()})
            done += len(chunk)
            if progress:
                progress(done, len(values))
    finally:
        chunks.close()  # Ends its threads and processes, also when `progress` raises or Ctrl-C comes.
    return seen, dict(sorted(problems.items()))


def look_chunk(values: Sequence[Any]) -> tuple[Array, dict[int, Problem]]:
    """`look` at a few, one after the other."""
    seen = np.zeros(len(values), SEEN)
    problems: dict[int, Problem] = {}
    details = np.zeros((len(values), _DETAIL, _DETAIL, 3), np.uint8)
    for row, value in enumerate(values):
        try:
            data = _bytes(value)
            seen[row]["content"] = np.void(hashlib.sha256(data).digest())
            seen[row]["format"] = FORMATS.index(picture_format(data)) if isinstance(data, bytes) else 0
            picture = _READER.read(value if isinstance(value, np.ndarray) else data)
        except DrivetrainError as fault:
            problems[row] = _problem(fault, data=b"" if isinstance(fault, _Unread) else data)
            continue
        seen[row]["height"], seen[row]["width"] = picture.shape[:2]
        details[row] = np.asarray(
            Pillow.fromarray(picture).resize((_DETAIL, _DETAIL), Pillow.Resampling.BILINEAR)
        )
    halves = details.reshape(len(values), SIDE, 2, SIDE, 2, 3).astype(np.float32)
    seen["thumb"] = np.rint(halves.mean(axis=(2, 4)))
    seen["hash"] = perceptual_hash(details)
    return seen, problems


def perceptual_hash(pictures: Array) -> Array:
    """The DCT hash of each picture (n, 32, 32, 3): uint64, one bit for each of the 8 x 8 lowest frequencies
    of the brightness, set where it is above their median. A copy in another size or quality has few others."""
    frequencies = _COSINES @ (pictures.astype(np.float32) @ _LUMA) @ _COSINES.T
    lowest = frequencies.reshape(len(pictures), 64)
    bits = lowest > np.median(lowest[:, 1:], axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)


def picture_format(data: bytes) -> str:
    """The format that the first bytes announce; "" for none that can be read."""
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    marks = {
        b"\xff\xd8\xff": "JPEG",
        b"\x89PNG": "PNG",
        b"GIF8": "GIF",
        b"BM": "BMP",
        b"II*\0": "TIFF",
        b"MM\0*": "TIFF",
    }
    return next((form for mark, form in marks.items() if data.startswith(mark)), "")


class _Unread(DataError):
    """A file whose bytes could not be had."""


def _bytes(value: Any) -> bytes:
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if not isinstance(value, (str, os.PathLike)):
        return bytes(value) if isinstance(value, (bytes, bytearray, memoryview)) else b""
    try:
        return file_bytes(value)
    except OSError as fault:
        raise _Unread(f"{file_error(fault, '').error}.") from fault
    except DataError as fault:
        raise _Unread(fault.error) from fault


def _problem(fault: DrivetrainError, data: bytes) -> Problem:
    """The kind of fault, told from the bytes and from what the codec said."""
    message = fault.error.rstrip(".")
    if isinstance(fault, _Unread):
        kind = (
            "missing file"
            if "no such file" in message
            else "too large"
            if "larger than" in message
            else "unreadable"
        )
    elif not data:
        kind = "empty file"
    elif f"{MOST_PIXELS:,}" in message:
        kind = "too large"
    elif not picture_format(data):
        kind = "not a picture"
        message = (
            "the bytes are text"
            if _is_text(data[:512])
            else "the bytes are no picture format that can be read"
        )
    elif any(
        word in message.lower() for word in ("truncated", "unexpected end", "broken data stream", "eof")
    ):
        kind = "truncated"
    else:
        kind = "unreadable"
    return kind, message


def _is_text(data: bytes) -> bool:
    return b"\0" not in data and not any(byte < 32 and byte not in b"\t\n\r\f" for byte in data)


def _run(values: Sequence[Any], workers: int) -> Generator[Looked, None, None]:
    """(start, seen, problems) of each chunk as it is done, in any order."""
    starts = range(0, len(values), CHUNK)
    paths = all(isinstance(value, (str, os.PathLike)) for value in values)
    small = paths and _are_small(values)
    if workers > 1 and small and len(values) >= PROCESSES_FROM:
        yield from _in_processes([os.fspath(value) for value in values], workers)
        return
    if workers == 1 or small:
        for start in starts:
            yield start, *look_chunk(values[start : start + CHUNK])
        return
    step = max(1, min(CHUNK, len(values) // (4 * workers)))
    starts = range(0, len(values), step)
    with ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(look_chunk, values[start : start + step]) for start in starts]
        try:
            for start, job in zip(starts, jobs):
                yield start, *job.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _are_small(paths: Sequence[Any]) -> bool:
    """True where the middle one of some files, spread over all, is small."""
    sizes = []
    for path in paths[:: max(1, len(paths) // 32)]:
        try:
            sizes.append(os.stat(path).st_size)
        except (OSError, ValueError):
            sizes.append(0)
    return bool(sizes) and sorted(sizes)[len(sizes) // 2] < SMALL_FILE


def _in_processes(paths: list[str], count: int) -> Generator[Looked, None, None]:
    """Worker processes, each fed with a chunk when it has answered the one before."""
    todo = iter(range(0, len(paths), CHUNK))
    replies: SimpleQueue[tuple[int, str] | BaseException | None] = SimpleQueue()

    def drive(process: subprocess.Popen[bytes]) -> None:
        assert process.stdin
        assert process.stdout
        try:
            for start in todo:
                encoded = [
                    base64.b64encode(os.fsencode(path)).decode() for path in paths[start : start + CHUNK]
                ]
                process.stdin.write(to_json(encoded).encode() + b"\n")
                process.stdin.flush()
                replies.put((start, process.stdout.readline().decode()))
            replies.put(None)
        except (OSError, ValueError) as fault:
            replies.put(fault)

    with worker_processes(
        "drivetrain.data.checks.scan_worker", min(count, -(-len(paths) // CHUNK))
    ) as processes:
        threads = [Thread(target=drive, args=(process,), daemon=True) for process in processes]
        for thread in threads:
            thread.start()
        working = len(threads)
        while working:
            reply = replies.get()
            if reply is None:
                working -= 1
                continue
            if isinstance(reply, BaseException) or not reply[1]:
                raise DataError(
                    "a process that reads pictures stopped.", fix="Is there enough memory? Try again."
                )
            answer = from_json(reply[1])
            seen = np.frombuffer(base64.b64decode(answer["seen"]), SEEN)
            yield reply[0], seen, {int(row): (kind, said) for row, (kind, said) in answer["problems"].items()}
