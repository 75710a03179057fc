"""bytes@1: a file's bytes as a picture."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain.codecs.bytes import Bytes
from drivetrain.data.kinds.guess import guess_kinds, to_table
from drivetrain.data.read.readers import read_frame
from drivetrain.errors import DataError, UsageError

ROWS, PAIRS = Bytes(size=8), Bytes(size=8, layout="pairs")


def pixels(codec: Bytes, raw: Any) -> Any:
    return codec.encode_raw(raw)[:, :, 0]


def test_bytes_lie_in_rows() -> None:
    assert pixels(ROWS, bytes(range(1, 11))).reshape(-1).tolist() == [*range(1, 11), *[0] * 54]
    data = bytes(n * n % 251 for n in range(150))
    want = [
        math.floor(np.mean(list(data[pixel * 150 // 64 : (pixel + 1) * 150 // 64])) + 0.5)
        for pixel in range(64)
    ]
    assert pixels(ROWS, data).reshape(-1).tolist() == want


def test_pairs_are_counted() -> None:
    data = b"abababac\xff\x00"
    counts = np.zeros((8, 8))
    for first, second in pairwise(data):
        counts[first // 32, second // 32] += 1
    want = np.floor(255 * np.log1p(counts) / np.log1p(counts.max()) + 0.5)
    assert np.array_equal(pixels(PAIRS, data), want)
    assert not pixels(PAIRS, b"a").any()
    shuffled = pixels(Bytes(layout="pairs"), b"the same words, " * 100)
    assert np.array_equal(shuffled, pixels(Bytes(layout="pairs"), b"the same words, " * 100))


def test_a_large_file_is_read_to_so_many_bytes(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(b"\x07" * 64 + b"\xff" * 1000)
    codec = ROWS.with_fields(most=64)
    assert (pixels(codec, str(path)) == 7).all()
    assert codec.lost(str(path), np.zeros(0)) == {
        "not read to the end, for being too large": "only its first 64 bytes are read"
    }
    assert ROWS.lost(b"x", np.zeros(0)) == {}
    assert len(codec.to_bytes(str(path))) == 64


@pytest.mark.parametrize(
    ("raw", "told"),
    [(b"", "empty"), ("missing.bin", "no such file"), (7, "int is not a file"), (Path("."), "folder")],
)
def test_what_is_no_file_is_told(raw: Any, told: str) -> None:
    with pytest.raises(DataError) as caught:
        ROWS.read(raw)
    assert told in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize(
    "fields", [{"size": 3}, {"layout": "spiral"}, {"size": 20, "layout": "pairs"}, {"most": 0}]
)
def test_wrong_fields_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Bytes(**fields)


def test_a_column_of_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("file,kind\na.bin,x\nb.bin,y\n")
    frame = read_frame(tmp_path / "table.csv")
    kinds = guess_kinds(frame, "kind", {"file": "bytes:pairs"})
    assert kinds["file"].codec == Bytes(layout="pairs")
    assert to_table(frame, kinds)["file"][0] == str(tmp_path / "a.bin")
