"""image@1: a picture. The exact semantics, for other languages, are in OPS.md."""

from __future__ import annotations

import io
import os
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, ClassVar, Self, cast

import numpy as np
from PIL import Image as Pillow

from drivetrain.codecs.base import Codec, FieldError
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.picture_file import (
    DAMAGED,
    MOST_PIXELS,
    REPLACE,
    file_bytes,
    load,
    opened,
    place_of,
    plain_png,
)
from drivetrain.types import Array

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
MOST_SIDE = 4096
GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I", "F")
SAMPLE = 256
GOLDEN_PIXELS = 512 * 512
RESIZES = ("crop", "pad", "stretch")
IN_WORDS = {
    "crop": "its largest centred part of that shape is taken and resized (bilinear, antialiased)",
    "pad": "the whole of it is resized (bilinear, antialiased) and black is added to make up the shape",
    "stretch": "the whole of it is resized (bilinear, antialiased), its proportions given up",
}
TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""EXIF orientation -> what brings the picture upright."""


@dataclass(frozen=True)
class Image(Codec):
    """A picture, read to uint8 (height, width, channels) and encoded to uint8 (*size, channels). As a target a model puts
    out float32 (*size, channels) from 0 to 255, and the answer is the file of it, a PNG in base64: what `read` takes.

    `size` is (height, width) or one number for a square; `channels` 3 is RGB, 1 is grey. What is None is
    learned by `fit`. `resize` says how another shape is brought to `size`: `crop` takes the largest centred part
    of the right shape, `pad` adds black, `stretch` changes the proportions.
    """

    op: ClassVar[str] = "image@1"
    read_tolerance: ClassVar[float] = 2.0
    encoded_tolerance: ClassVar[float] = 3.0
    from_files: ClassVar[bool] = True
    pictured: ClassVar[bool] = True
    drawn: ClassVar[bool] = True
    augment: ClassVar[str] = "pictures"
    size: tuple[int, int] | int | None = None
    channels: int | None = None
    resize: str = "crop"

    def __post_init__(self) -> None:
        given = self.size
        if isinstance(given, int):
            object.__setattr__(self, "size", (given, given))
        if self.size is not None and not _is_size(self.size):
            raise FieldError(f"size must be one or two whole numbers from 1 to {MOST_SIDE}, not {given!r}")
        if self.channels not in (None, 1, 3):
            raise FieldError("channels must be 1 (grey) or 3 (RGB)")
        if self.resize not in RESIZES:
            raise FieldError(f"resize must be one of {', '.join(RESIZES)}")

    def fit(self, values: Iterable[Any]) -> Self:
        """Looks at the headers of the first 256 readable pictures: small pictures of one size keep it, else 224
        or what the median short side allows; grey when all are grey."""
        if self.size is not None and self.channels is not None:
            return self
        headers = list(islice(_headers(values), SAMPLE))
        if not headers:
            raise DataError(
                "no picture could be read.", fix="Run 'drivetrain check' on the folder to see why."
            )
        sizes = {size for size, _ in headers}
        side = int(np.median([min(size) for size, _ in headers]))
        if len(sizes) == 1 and max(headers[0][0]) <= 96:
            size = headers[0][0]
        else:
            side = 224 if side >= 160 else max(16, -(-side // 16) * 16)
            size = (side, side)
        grey = all(mode in GREY_MODES for _, mode in headers)
        return replace(self, size=self.size or size, channels=self.channels or (1 if grey else 3))

    def read(self, raw: Any) -> Array:
        if isinstance(raw, np.ndarray):
            return self._from_array(cast("Array", raw))
        return _pixels(self._upright(raw))

    def _upright(self, raw: Any) -> Pillow.Image:
        """The picture turned as EXIF says, in the codec's mode, its pixels loaded."""
        place = place_of(raw)
        with opened(raw) as picture:
            load(
                picture, place
            )  # Before asking: Pillow turns a TIFF itself, and a PNG's EXIF may follow its pixels.
            try:
                turn = TURNS.get(_orientation(picture))
                if turn is not None:
                    picture = picture.transpose(turn)
                return to_mode(picture, "L" if self.channels == 1 else "RGB", place)
            except DrivetrainError:
                raise
            except DAMAGED as fault:
                raise DataError(
                    f"the picture can't be decoded: {fault}.", where=place, fix=REPLACE
                ) from fault

    def _from_array(self, array: Array) -> Array:
        if array.ndim == 2:
            array = array[:, :, None]
        if array.ndim != 3 or array.shape[2] not in (1, 3) or array.dtype != np.uint8 or not array.size:
            raise DataError(
                f"an array of shape {array.shape} and dtype {array.dtype} is not a picture.",
                fix="Give uint8 of shape (height, width), (height, width, 1) or (height, width, 3).",
            )
        if array.shape[0] * array.shape[1] > MOST_PIXELS:
            raise DataError(f"the picture has more than {MOST_PIXELS:,} pixels.", fix="Make it smaller.")
        wanted = self.channels or 3
        if array.shape[2] == wanted:
            return array
        if wanted == 3:
            return np.repeat(array, 3, axis=2)
        return np.asarray(Pillow.fromarray(np.ascontiguousarray(array)).convert("L"))[:, :, None]

    def encode(self, value: Array) -> Array:
        if value.shape[:2] == self._size():
            return np.array(
                value, order="C"
            )  # A copy: what is done to the encoded picture must not reach the read one.
        return self._resized(
            Pillow.fromarray(np.ascontiguousarray(value[:, :, 0] if value.shape[2] == 1 else value))
        )

    def encode_raw(self, raw: Any) -> Array:
        """As `encode(read(raw))`, without the whole picture's way through an array."""
        return (
            self.encode(self.read(raw)) if isinstance(raw, np.ndarray) else self._resized(self._upright(raw))
        )

    def _resized(self, picture: Pillow.Image) -> Array:
        height, width = self._size()
        if (picture.height, picture.width) == (height, width):
            return _pixels(picture)
        box, (inner_height, inner_width) = resize_plan(
            self.resize, (picture.height, picture.width), (height, width)
        )
        resized = _pixels(picture.resize((inner_width, inner_height), Pillow.Resampling.BILINEAR, box=box))
        if (inner_height, inner_width) == (height, width):
            return resized
        padded = np.zeros((height, width, resized.shape[2]), np.uint8)
        top, left = (height - inner_height) // 2, (width - inner_width) // 2
        padded[top : top + inner_height, left : left + inner_width] = resized
        return padded

    def decode(self, output: Array) -> dict[str, Any]:
        pixels = np.clip(np.floor(output.astype(np.float64) + 0.5), 0, 255).astype(np.uint8)
        return {"picture": b64encode(plain_png(pixels)).decode()}

    def profile(self, encoded: Array) -> dict[str, Any]:
        """Per channel mean and standard deviation (0..255), and a histogram of the pictures' brightness."""
        if not len(encoded):
            return {"n": 0}
        pixels = encoded.reshape(len(encoded), -1, encoded.shape[-1])
        means = pixels.mean(axis=1, dtype=np.float32)
        squares = np.stack([np.square(rows, dtype=np.float32).mean(axis=0) for rows in pixels])
        mean = means.mean(axis=0, dtype=np.float64)
        spread = np.sqrt(np.maximum(squares.mean(axis=0, dtype=np.float64) - mean**2, 0))
        counts, edges = np.histogram(means.mean(axis=1), bins=32, range=(0, 256))
        return {
            "n": len(encoded),
            "mean": mean.tolist(),
            "std": spread.tolist(),
            "brightness": {"edges": edges.tolist(), "counts": counts.tolist()},
        }

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self._size(), self.channels or 3)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.shape

    def enlarged(self, factor: float) -> Self:
        """The same picture at `factor` times the size (or the largest that can be): what random crops are cut from."""
        height, width = self._size()
        factor = min(factor, MOST_SIDE / max(height, width))
        return replace(self, size=(round(height * factor), round(width * factor)))

    def _size(self) -> tuple[int, int]:
        if self.size is None:
            raise DrivetrainError("image@1 has no size yet.", fix="Call fit first, or give a size.")
        return cast("tuple[int, int]", self.size)

    def input_words(self) -> str:
        colours = "grey" if self.channels == 1 else "RGB"
        height, width = self.shape[:2]
        return (
            "a picture (JPEG, PNG, WebP, BMP, GIF or TIFF), turned as its EXIF data says, transparency laid on white, made "
            f"{colours} with 8 bits per channel. To {height} x {width} pixels (height x width): {IN_WORDS[self.resize]}. "
            "Pixel values are scaled inside the graph."
        )

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/*"}

    def to_bytes(self, raw: Any) -> bytes:
        """The file's own bytes; a picture over 512 x 512 pixels, and an array, as the PNG of its (reduced) pixels."""
        if not isinstance(raw, (np.ndarray, Pillow.Image)):
            with opened(raw) as picture:
                if picture.width * picture.height <= GOLDEN_PIXELS:
                    return file_bytes(raw) if isinstance(raw, (str, os.PathLike)) else bytes(raw)
        pixels = self.read(raw)
        picture = Pillow.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        if picture.width * picture.height > GOLDEN_PIXELS:
            picture.thumbnail((512, 512), Pillow.Resampling.BILINEAR)
        return _saved(picture, "PNG")

    def from_bytes(self, data: bytes) -> bytes:
        return data

    def nasty_examples(self) -> list[tuple[str, Any]]:
        """One picture for each way that readers differ: modes, depth, transparency, orientation, extreme shapes."""
        rows, columns = np.mgrid[0:40, 0:60]
        ramp = np.stack([rows * 6, columns * 4, 255 - rows * 3 - columns * 2], axis=2).astype(np.uint8)
        colour = Pillow.fromarray(ramp)
        alpha = colour.copy()
        alpha.putalpha(Pillow.fromarray((columns * 4).astype(np.uint8)))
        exif = Pillow.Exif()
        exif[0x0112] = 6
        deep = Pillow.fromarray((rows * 1600 + columns).astype(np.uint16))
        palette = colour.quantize(16)
        frames = [colour.quantize(32), colour.transpose(Pillow.Transpose.ROTATE_180).quantize(32)]
        return [
            ("one pixel", _saved(Pillow.new("RGB", (1, 1), (200, 100, 50)), "PNG")),
            ("very wide", _saved(colour.resize((600, 3)), "PNG")),
            ("very tall", _saved(colour.resize((3, 600)), "PNG")),
            ("grey", _saved(colour.convert("L"), "PNG")),
            ("black and white", _saved(colour.convert("1"), "PNG")),
            ("16-bit grey", _saved(deep, "PNG")),
            ("alpha", _saved(alpha, "PNG")),
            ("grey with alpha", _saved(alpha.convert("LA"), "PNG")),
            ("palette with a transparent colour", _saved(palette, "PNG", transparency=0)),
            ("CMYK JPEG", _saved(colour.convert("CMYK"), "JPEG", quality=90)),
            ("turned by EXIF", _saved(colour, "JPEG", quality=90, exif=exif)),
            ("GIF of two frames", _saved(frames[0], "GIF", save_all=True, append_images=frames[1:])),
            ("BMP", _saved(colour, "BMP")),
            ("TIFF", _saved(colour, "TIFF")),
            ("WebP", _saved(colour, "WEBP", lossless=True)),
        ]


def resize_plan(
    resize: str, have: tuple[int, int], want: tuple[int, int]
) -> tuple[tuple[float, float, float, float], tuple[int, int]]:
    """(left, top, right, bottom) of the source to take, and the (height, width) that it is resampled to."""
    (rows, columns), (height, width) = have, want
    if resize == "crop":
        scale = min(rows / height, columns / width)
        box_height, box_width = height * scale, width * scale
        # Rounding must not push the box a hair outside the picture, left or right: Pillow refuses that.
        left, top = max(0.0, (columns - box_width) / 2), max(0.0, (rows - box_height) / 2)
        return (left, top, min(left + box_width, columns), min(top + box_height, rows)), want
    whole = (0.0, 0.0, float(columns), float(rows))
    if resize == "stretch":
        return whole, want
    scale = min(height / rows, width / columns)
    return whole, (max(1, int(rows * scale + 0.5)), max(1, int(columns * scale + 0.5)))


def to_mode(picture: Pillow.Image, mode: str, place: str = "") -> Pillow.Image:
    """The picture in mode L or RGB: 16 bits to 8 by rounding, transparency laid on white, CMYK by Pillow's rule."""
    if picture.mode == mode and "transparency" not in picture.info:
        picture.load()
        return picture
    if picture.mode == "F":
        raise DataError(
            "a picture of floating-point pixels has no fixed range.",
            where=place,
            fix="Save it as 8 or 16 bits.",
        )
    if picture.mode.startswith("I"):
        deep = np.asarray(picture).astype(np.int64)
        if deep.size and (deep.min() < 0 or deep.max() > 65535):
            raise DataError(
                "a picture of 32-bit pixels has no fixed range.", where=place, fix="Save it as 8 or 16 bits."
            )
        picture = Pillow.fromarray(((deep + 128) // 257).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Pillow.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Pillow.alpha_composite(white, picture).convert("RGB")
    elif mode == "L" and picture.mode not in ("L", "1"):
        picture = picture.convert("RGB")
    return picture.convert(mode)


def _is_size(size: Any) -> bool:
    if not isinstance(size, (tuple, list)):
        return False
    sides = cast("tuple[Any, ...]", size)
    return len(sides) == 2 and all(isinstance(side, int) and 1 <= side <= MOST_SIDE for side in sides)


def _pixels(picture: Pillow.Image) -> Array:
    """uint8 (height, width, channels)."""
    array = np.asarray(picture)
    return array[:, :, None] if array.ndim == 2 else array


def _headers(values: Iterable[Any]) -> Iterable[tuple[tuple[int, int], str]]:
    for raw in values:
        if isinstance(raw, np.ndarray):
            array = cast("Array", raw)
            if array.ndim in (2, 3):
                yield (
                    (array.shape[0], array.shape[1]),
                    "RGB" if array.ndim == 3 and array.shape[2] == 3 else "L",
                )
            continue
        try:
            with opened(raw) as picture:
                # Not TIFF, whose size Pillow gives upright; nor PNG, whose EXIF may follow the pixels.
                turned = picture.format in ("JPEG", "MPO", "WEBP") and _orientation(picture) >= 5
                size = (picture.width, picture.height) if turned else (picture.height, picture.width)
                yield size, picture.mode
        except DataError:
            continue


def _orientation(picture: Pillow.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) where there is none that makes sense."""
    try:
        found = picture.getexif().get(0x0112, 1)
    except DAMAGED:
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _saved(picture: Pillow.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()
