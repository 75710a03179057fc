"""A picture's file may ask for too much work, or be no file at all: each is one error, at once."""

import io
import os
import time

import numpy as np
import pytest
from PIL import Image as Pillow

from drivetrain import picture_file
from drivetrain.codecs.image import Image
from drivetrain.errors import DataError


def progressive(side, more_scans=0):
    """A JPEG of one colour, whose last scan comes so many times more."""
    buffer = io.BytesIO()
    Pillow.new("RGB", (side, side), (90, 120, 40)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * more_scans + b"\xff\xd9"


def test_a_jpeg_of_many_scans_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "scans.jpg"
    path.write_bytes(progressive(4000, 2000))
    started = time.thread_time()
    for raw in (path, str(path), path.read_bytes()):
        with pytest.raises(DataError, match="more than 100 scans"):
            Image().read(raw)
    assert time.thread_time() - started < 1


def test_the_usual_scans_are_decoded_and_what_only_looks_like_one_is_not_counted():
    buffer = io.BytesIO()
    comment = b"\xff\xda" * 200
    Pillow.new("RGB", (64, 64), (90, 120, 40)).save(buffer, "JPEG", progressive=True, comment=comment)
    film = buffer.getvalue() + b"\xff\xda\0\x02" * 200  # A telephone puts a film behind the picture's end.
    for data in (progressive(64, 80), film):
        assert Image().read(data).shape == (64, 64, 3)


def test_decoding_ends_after_so_many_seconds(monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (600, 600, 3), np.uint8)
    buffer = io.BytesIO()
    Pillow.fromarray(noise).save(buffer, "PNG")
    monkeypatch.setattr(picture_file, "MOST_SECONDS", 0.0)
    with pytest.raises(DataError, match="takes more than 0 seconds"):
        Image().read(buffer.getvalue())


@pytest.mark.parametrize(
    ("name", "words"),
    [("pipe.jpg", "not a regular file"), ("sparse.jpg", "larger than 512 MB"), ("/dev/zero", "not a regular file"),
     ("folder.jpg", "a folder"), ("absent.jpg", "no such file"), ("empty.jpg", "empty"), ("a\0b.jpg", "not a path")],
)  # fmt: skip
def test_a_path_that_is_no_picture_s_is_refused_at_once(tmp_path, name, words):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "empty.jpg").touch()
    with open(tmp_path / "sparse.jpg", "wb") as file:
        file.write(progressive(16))
        file.truncate(8 << 30)
    with pytest.raises(DataError, match=words):
        Image(size=8, channels=3).encode_raw(os.path.join(tmp_path, name))
    with pytest.raises(DataError, match=words):
        Image().to_bytes(os.path.join(tmp_path, name))
