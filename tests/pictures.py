"""Folders of small made-up pictures for tests: learnable classes, and folders with faults planted in them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def picture(
    kind: int, size: tuple[int, int] = (32, 32), generator: np.random.Generator | None = None
) -> Image.Image:
    """A picture of the class with number `kind`: its own hue and stripe direction, a blob somewhere, and noise."""
    generator = generator or np.random.Generator(np.random.PCG64(0))
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
    angle = kind * 2.4 + generator.normal(0, 0.1)
    stripes = np.sin(
        2 * np.pi * (3 + kind % 3) * (rows * np.sin(angle) + columns * np.cos(angle))
        + generator.uniform(0, 6.3)
    )
    middle = generator.uniform(0.2, 0.8, 2) * size / max(size)
    blob = np.exp(-((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2) / generator.uniform(0.01, 0.04))
    hue = 0.5 + 0.5 * np.cos(kind * 2.0 + np.array([0.0, 2.1, 4.2]))
    pixels = 60 + 90 * hue + 50 * stripes[:, :, None] + 90 * blob[:, :, None] * generator.uniform(-1, 1, 3)
    pixels = pixels + generator.normal(0, 8, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def class_folder(
    path: Path,
    classes: Mapping[str, int] | None = None,
    size: tuple[int, int] = (32, 32),
    seed: int = 0,
    extension: str = ".png",
) -> Path:
    """FOLDER/<class>/000.png ...: so many pictures of each class. The same arguments give the same pictures."""
    path = Path(path)
    generator = np.random.Generator(np.random.PCG64(seed))
    for kind, (name, count) in enumerate((classes or {"cat": 12, "dog": 10}).items()):
        folder = path / name
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            picture(kind, size, generator).save(folder / f"{index:03d}{extension}")
    return path


def split_folder(
    path: Path,
    parts: Mapping[str, Mapping[str, int]] | None = None,
    size: tuple[int, int] = (32, 32),
    seed: int = 0,
) -> Path:
    """FOLDER/<part>/<class>/000.png ..., all different."""
    wanted = parts or {"train": {"cat": 12, "dog": 10}, "valid": {"cat": 5, "dog": 5}}
    for number, (part, classes) in enumerate(wanted.items()):
        class_folder(Path(path) / part, classes, size, seed * 100 + number)
    return Path(path)


def huge_png(side: int = 50_000) -> bytes:
    """A PNG of `side` x `side` pixels whose header is all there is: a bomb for whoever allocates before looking."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def plant_faults(folder: Path) -> dict[str, list[str]]:
    """Plant faults into a class folder of two classes or more that `class_folder` made.

    Gives for each kind the files it concerns, relative to the folder (for copies: the original, then the copy):
    the kinds of `check` that make a row unusable ("empty file", "truncated", "not a picture", "too large"),
    "duplicate", "conflict", "near duplicate", "wrong extension", and the harmless "names".
    """
    folder = Path(folder)
    first, second, *_ = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    originals = sorted(first.iterdir())
    generator = np.random.Generator(np.random.PCG64(99))
    whole = picture(0, (64, 64), generator)
    whole.save(first / "cut.jpg", quality=90)
    cut = (first / "cut.jpg").read_bytes()
    (first / "cut.jpg").write_bytes(cut[: len(cut) // 2])
    cut_png = originals[4].read_bytes()
    (second / "cut.png").write_bytes(cut_png[: len(cut_png) * 2 // 3])
    (first / "zero.png").write_bytes(b"")
    (second / "text.jpg").write_text("This was a letter.\n" * 20)
    (first / "huge.png").write_bytes(huge_png())
    (first / "copy.png").write_bytes(originals[0].read_bytes())
    (second / "other.png").write_bytes(originals[1].read_bytes())
    with Image.open(originals[2]) as original:
        original.resize((original.width * 2, original.height * 2)).save(first / "again.png")
    with Image.open(originals[3]) as original:
        original.rotate(90).save(first / "lies.jpg", "PNG")
    names = ["ß ünïcode 猫 🐈.png", "a.jpg", "A.JPG", "a.png", "with 'quotes' & [brackets].png", "-dash.png"]
    made = set()
    for number, name in enumerate(names):
        # Where the file system does not tell a.jpg from A.JPG, only one of them can be made.
        if not (first / name).exists():
            picture(0, (30 + number, 40), generator).save(first / name)
            made.add(name)

    def inside(*files: Path) -> list[str]:
        return [file.relative_to(folder).as_posix() for file in files]

    return {
        "empty file": inside(first / "zero.png"),
        "truncated": inside(first / "cut.jpg", second / "cut.png"),
        "not a picture": inside(second / "text.jpg"),
        "too large": inside(first / "huge.png"),
        "duplicate": inside(originals[0], first / "copy.png"),
        "conflict": inside(originals[1], second / "other.png"),
        "near duplicate": inside(originals[2], first / "again.png"),
        "wrong extension": inside(first / "lies.jpg"),
        "names": inside(*(first / name for name in names if name in made)),
    }
