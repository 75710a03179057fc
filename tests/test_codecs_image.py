"""image@1 against its written semantics (codecs/OPS.md): pixels, orientation, resampling, and files that are none."""

from __future__ import annotations

import base64
import io
import math
import struct
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageFile

from drivetrain.codecs.image import GOLDEN_PIXELS, RESIZES, Image
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.types import Array


def random_pixels(seed: int, *shape: int) -> Array:
    """Blocks and noise mixed: edges for the resampling to blur, and values at 0 and 255."""
    generator = np.random.default_rng(seed)
    noise = generator.integers(0, 256, shape, dtype=np.uint8)
    return np.where(
        generator.random(shape[:2] + (1,) * (len(shape) - 2)) < 0.3, noise, noise // 128 * 255
    ).astype(np.uint8)


def saved(picture: Pillow.Image | Array, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    (picture if isinstance(picture, Pillow.Image) else Pillow.fromarray(picture)).save(
        buffer, form, **options
    )
    return buffer.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes = b"", extra: bytes = b"") -> bytes:
    """A PNG written by hand: what Pillow won't write (16-bit colour, pictures that are only a header)."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", header), extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


# The semantics as OPS.md has them, written without Pillow and without looking at codecs/image.py.


def resampled_axis(source: Array, low: float, high: float, wanted: int) -> Array:
    """Along axis 0, by the formula of OPS.md, not rounded."""
    size, scale = len(source), (high - low) / wanted
    support = max(scale, 1.0)
    target = np.empty((wanted, *source.shape[1:]))
    for t in range(wanted):
        centre = low + (t + 0.5) * scale
        first, last = (
            max(0, math.trunc(centre - support + 0.5)),
            min(size, math.trunc(centre + support + 0.5)),
        )
        weights = np.maximum(0, 1 - np.abs(np.arange(first, last) + 0.5 - centre) / support)
        target[t] = np.tensordot(weights / weights.sum(), source[first:last].astype(float), 1)
    return target


def rounded(values: Array) -> Array:
    return np.clip(np.floor(values + 0.5), 0, 255)


def encoded_by_the_book(pixels: Array, height: int, width: int, resize: str) -> tuple[Array, Array, Array]:
    """Without rounding between the passes and after; rounded, rows first; rounded, columns first."""
    rows, columns, channels = pixels.shape
    if (rows, columns) == (height, width):
        return pixels.astype(float), pixels.astype(float), pixels.astype(float)
    left, top, right, bottom, inner = 0.0, 0.0, float(columns), float(rows), (height, width)
    if resize == "crop":
        s = min(rows / height, columns / width)
        left, top = max(0, (columns - width * s) / 2), max(0, (rows - height * s) / 2)
        right, bottom = min(left + width * s, columns), min(top + height * s, rows)
    if resize == "pad":
        s = min(height / rows, width / columns)
        inner = (max(1, math.floor(rows * s + 0.5)), max(1, math.floor(columns * s + 0.5)))

    def along_rows(source: Array) -> Array:
        return resampled_axis(source.transpose(1, 0, 2), left, right, inner[1]).transpose(1, 0, 2)

    def along_columns(source: Array) -> Array:
        return resampled_axis(source, top, bottom, inner[0])

    def padded(small: Array) -> Array:
        result = np.zeros((height, width, channels))
        above, beside = (height - inner[0]) // 2, (width - inner[1]) // 2
        result[above : above + inner[0], beside : beside + inner[1]] = small
        return result

    return (
        padded(along_columns(along_rows(pixels))),
        padded(rounded(along_columns(rounded(along_rows(pixels))))),
        padded(rounded(along_rows(rounded(along_columns(pixels))))),
    )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.integers(1, 90), st.integers(1, 90), st.integers(1, 60), st.integers(1, 60),
    st.sampled_from(RESIZES), st.sampled_from([1, 3]), st.integers(0, 2**31),
)  # fmt: skip
@example(34, 29, 7, 7, "crop", 3, 0)  # 7 * (29 / 7) > 29 in float64: the box would begin outside the picture.
@example(1, 1, 60, 60, "crop", 3, 0)
@example(90, 1, 1, 60, "pad", 1, 0)
def test_encode_is_what_the_book_says(
    rows: int, columns: int, height: int, width: int, resize: str, channels: int, seed: int
) -> None:
    pixels = random_pixels(seed, rows, columns, channels)
    encoded = Image(size=(height, width), channels=channels, resize=resize).encode(pixels)
    exact, *orders = encoded_by_the_book(pixels, height, width, resize)
    assert encoded.shape == exact.shape
    assert encoded.dtype == np.uint8
    assert (
        np.abs(encoded - exact).max() <= 1.01
    )  # Half a level for each rounding; weights and box are not exact.
    assert min(np.abs(encoded - expected).max() for expected in orders) <= 1


def test_pictures_of_ordinary_size_are_what_the_book_says() -> None:
    for rows, columns in ((375, 500), (240, 180), (300, 300)):
        pixels = random_pixels(rows, rows, columns, 3)
        for resize in RESIZES:
            encoded = Image(size=128, channels=3, resize=resize).encode(pixels)
            exact, *orders = encoded_by_the_book(pixels, 128, 128, resize)
            assert np.abs(encoded - exact).max() <= 1.01
            # In one order or the other nearly all is equal: what is not lay half way between two levels.
            assert min(np.mean(encoded != expected) for expected in orders) < 0.02


WRITERS: dict[str, Callable[[Array], Pillow.Image]] = {
    "1": lambda rgb: Pillow.fromarray(rgb).convert("1"),
    "L": lambda rgb: Pillow.fromarray(rgb).convert("L"),
    "P": lambda rgb: Pillow.fromarray(rgb).quantize(16),
    "RGB": lambda rgb: Pillow.fromarray(rgb),
    "RGBA": lambda rgb: Pillow.fromarray(np.dstack([rgb, rgb[:, :, 0]])),
    "LA": lambda rgb: Pillow.fromarray(np.dstack([rgb, rgb[:, :, 0]])).convert("LA"),
    "I;16": lambda rgb: Pillow.fromarray(rgb[:, :, 0].astype(np.uint16) * 257),
    "CMYK": lambda rgb: Pillow.fromarray(rgb).convert("CMYK"),
}
HELD = {
    "PNG": ("1", "L", "P", "RGB", "RGBA", "LA", "I;16"),
    "TIFF": tuple(WRITERS),
    "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("1", "L", "P"),
    "WEBP": ("RGB", "RGBA"),
    "JPEG": ("L", "RGB", "CMYK"),
}


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    st.sampled_from([(form, mode) for form, modes in HELD.items() for mode in modes]),
    st.integers(1, 50), st.integers(1, 50), st.integers(1, 40), st.integers(1, 40),
    st.sampled_from(RESIZES), st.sampled_from([1, 3, None]), st.integers(0, 2**31),
)  # fmt: skip
def test_read_and_encode_every_kind_of_file(
    kind: tuple[str, str],
    rows: int,
    columns: int,
    height: int,
    width: int,
    resize: str,
    channels: int | None,
    seed: int,
) -> None:
    form, mode = kind
    options = {"lossless": True} if form == "WEBP" else {}
    data = saved(WRITERS[mode](random_pixels(seed, rows, columns, 3)), form, **options)
    codec = Image(size=(height, width), channels=channels, resize=resize)
    pixels = codec.read(data)
    assert pixels.shape == (rows, columns, channels or 3)
    assert pixels.dtype == np.uint8
    encoded = codec.encode(pixels)
    assert encoded.shape == codec.shape == (height, width, channels or 3)
    assert encoded.min() >= (0 if resize == "pad" else pixels.min())
    assert encoded.max() <= pixels.max()
    np.testing.assert_array_equal(codec.encode_raw(data), encoded)


UPRIGHT: dict[int, Callable[[Array], Array]] = {
    # From an upright picture to the one that a camera stores under this value, by OPS.md's table read backwards.
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_all_eight_orientations_stand_upright(orientation: int, form: str) -> None:
    # Blocks of 16: JPEG keeps a block of one colour exactly, whichever way it is turned.
    upright = np.repeat(np.repeat(random_pixels(3, 2, 3, 1) // 4 * 4, 16, axis=0), 16, axis=1)[:, :, 0]
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if form == "WEBP" else {"quality": 100} if form == "JPEG" else {}
    stored = np.ascontiguousarray(UPRIGHT[orientation](upright))
    data = saved(Pillow.fromarray(stored).convert("RGB"), form, exif=exif, **options)
    read = Image(channels=1).read(data)[:, :, 0]
    assert read.shape == (32, 48)
    assert np.abs(read.astype(int) - upright).max() <= (1 if form == "JPEG" else 0)
    fitted = Image().fit([data])
    if form != "PNG":  # Its orientation may come after the pixels, at which fit does not look.
        assert fitted.size == (32, 48)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_there_is_not_means_upright(orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    pixels = random_pixels(0, 4, 6, 3)
    np.testing.assert_array_equal(Image().read(saved(pixels, exif=exif)), pixels)


def test_the_orientation_table_of_the_book() -> None:
    """OPS.md's third column: where each upright pixel lies among the stored ones, for sources of H x W."""
    text = (Path(__file__).parents[1] / "src/drivetrain/codecs/OPS.md").read_text(encoding="utf-8")
    rows = [
        line.split("|")[1:4] for line in text.splitlines() if line[:5] in {f"| {n} |" for n in range(1, 9)}
    ]
    assert [int(row[0]) for row in rows] == list(range(1, 9))
    for value, _, place in rows:
        exif = Pillow.Exif()
        exif[0x0112] = int(value)
        stored = random_pixels(1, 5, 7, 3)
        upright = Image().read(saved(stored, exif=exif))
        letters = {"H": 5, "W": 7}
        terms = [part.strip().strip("()") for part in place.strip().strip("()").split(",")]
        for r in range(upright.shape[0]):
            for c in range(upright.shape[1]):
                row, column = (term_value(term, {**letters, "r": r, "c": c}) for term in terms)
                np.testing.assert_array_equal(upright[r, c], stored[row, column])


def term_value(term: str, letters: dict[str, int]) -> int:
    """The value of "H-1-c" and the like."""
    first, *others = [letters.get(part, part) for part in term.split("-")]
    return int(first) - sum(int(other) for other in others)


def test_grey_and_colour() -> None:
    rgb = random_pixels(0, 60, 70, 3)
    grey = (rgb.astype(int) @ [19595, 38470, 7471] + 32768) >> 16
    np.testing.assert_array_equal(Image(channels=1).read(saved(rgb))[:, :, 0], grey)
    np.testing.assert_array_equal(Image(channels=1).read(rgb)[:, :, 0], grey)
    np.testing.assert_array_equal(Image(channels=3).read(saved(rgb)), rgb)
    np.testing.assert_array_equal(Image().read(saved(rgb[:, :, 0])), np.repeat(rgb[:, :, :1], 3, axis=2))
    np.testing.assert_array_equal(Image().read(rgb[:, :, 0]), np.repeat(rgb[:, :, :1], 3, axis=2))


def on_white(values: Array, alpha: Array) -> Array:
    """round((v a + 255 (255 - a)) / 255) for every v and a."""
    v, a = values.astype(int), alpha.astype(int)
    return np.floor((v * a + 255 * (255 - a)) / 255 + 0.5).astype(int)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_alpha_lies_on_white(form: str) -> None:
    values, alpha = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    rgba = np.dstack([values, values[:, ::-1], values // 2, alpha])
    # `exact`: WebP would otherwise drop the colour of what is wholly transparent.
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    read = Image().read(saved(rgba, form, **options))
    np.testing.assert_array_equal(read, on_white(rgba[:, :, :3], alpha[:, :, None]))


def test_grey_with_alpha_lies_on_white() -> None:
    values, alpha = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    data = saved(Pillow.merge("LA", [Pillow.fromarray(values), Pillow.fromarray(alpha)]))
    for channels in (1, 3):
        expected = np.repeat(on_white(values, alpha)[:, :, None], channels, axis=2)
        np.testing.assert_array_equal(Image(channels=channels).read(data), expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_colour_named_transparent_is_white_whatever_the_channels(mode: str, channels: int) -> None:
    grey = np.array([[10, 20, 30], [20, 20, 0]], np.uint8)
    picture = Pillow.fromarray(grey).convert(mode)
    data = saved(picture, transparency=20 if mode == "L" else (20, 20, 20))
    expected = np.where(grey == 20, 255, grey)
    np.testing.assert_array_equal(Image(channels=channels).read(data)[:, :, 0], expected)


def test_palette_with_partly_transparent_entries() -> None:
    picture = Pillow.new("P", (3, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    picture.putdata([0, 1, 2])
    np.testing.assert_array_equal(Image().read(saved(picture))[0], [[10, 20, 30], [40, 50, 60], [70, 80, 90]])
    read = Image().read(saved(picture, transparency=bytes([255, 0, 128])))[0]
    colours = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]])
    np.testing.assert_array_equal(read, on_white(colours, np.array([[255], [0], [128]])))
    read = Image().read(saved(picture, "GIF", transparency=1))[0]
    np.testing.assert_array_equal(read, [[10, 20, 30], [255, 255, 255], [70, 80, 90]])


@pytest.mark.parametrize("form", ["TIFF", "JPEG"])
def test_cmyk(form: str) -> None:
    ink = random_pixels(5, 3, 5, 4)
    ink = np.repeat(np.repeat(ink, 16, axis=0), 16, axis=1)
    options = {"quality": 100, "subsampling": 0} if form == "JPEG" else {}
    read = Image().read(saved(Pillow.merge("CMYK", [
        Pillow.fromarray(np.ascontiguousarray(ink[:, :, band])) for band in range(4)
    ]), form, **options)).astype(int)  # fmt: skip
    light = 255 - ink[:, :, 3:].astype(int)
    expected = np.maximum(0, light - np.floor(ink[:, :, :3] * light / 255 + 0.5)).astype(int)
    assert np.abs(read - expected).max() <= (2 if form == "JPEG" else 0)


def test_sixteen_bits() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = (values.astype(int) + 128) // 257
    for form in ("PNG", "TIFF"):
        np.testing.assert_array_equal(Image(channels=1).read(saved(values, form))[:, :, 0], expected)
    wide = Pillow.fromarray(values.astype(np.int32))
    np.testing.assert_array_equal(Image(channels=1).read(saved(wide, "TIFF"))[:, :, 0], expected)


def test_sixteen_bits_of_colour_and_of_alpha() -> None:
    """High byte; alpha of 16 bits likewise."""
    colour = np.array([[[0x1234, 0x56FF, 0x9A00]]], ">u2")
    rows = b"\0" + colour.tobytes()
    np.testing.assert_array_equal(Image().read(png(1, 1, 16, 2, rows)), [[[0x12, 0x56, 0x9A]]])
    rows = b"\0" + np.array([0x40FF, 0x80FF], ">u2").tobytes()
    np.testing.assert_array_equal(
        Image(channels=1).read(png(1, 1, 16, 4, rows))[0, 0], on_white(*np.array([[0x40], [0x80]]))
    )
    rows = b"\0" + np.array([0x40FF, 0x50FF, 0x60FF, 0x80FF], ">u2").tobytes()
    expected = on_white(np.array([0x40, 0x50, 0x60]), np.array([0x80]))
    np.testing.assert_array_equal(Image().read(png(1, 1, 16, 6, rows))[0, 0], expected)


def test_few_bits_of_grey() -> None:
    for depth, factor in ((1, 255), (2, 85), (4, 17)):
        values = np.arange(2**depth)
        packed = int("".join(f"{v:0{depth}b}" for v in values).ljust(64, "0"), 2).to_bytes(8, "big")
        data = png(len(values), 1, depth, 0, b"\0" + packed[: -(-len(values) * depth // 8)])
        np.testing.assert_array_equal(Image(channels=1).read(data)[0, :, 0], values * factor)


def test_pixels_without_a_range_of_their_own_are_refused() -> None:
    with pytest.raises(DataError, match="no fixed range"):
        Image().read(saved(Pillow.new("F", (3, 3)), "TIFF"))
    for value in (-1, 65536):
        with pytest.raises(DataError, match="no fixed range"):
            Image().read(saved(Pillow.fromarray(np.full((2, 2), value, np.int32)), "TIFF"))


def huge(form: str, side: int = 50_000) -> bytes:
    """A file whose header promises side x side pixels, and which holds next to none."""
    if form == "PNG":
        return png(side, side, 8, 2)
    if form == "BMP":
        head = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
        return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + head
    if form == "GIF":
        size = struct.pack("<HH", side, side)
        frame = b"\x2c" + struct.pack("<HH", 0, 0) + size + b"\0\x02\x02\x44\x01\0;"
        return b"GIF89a" + size + b"\x80\0\0" + bytes(6) + frame
    if form == "JPEG":
        small = bytearray(saved(np.zeros((8, 8, 3), np.uint8), "JPEG"))
        start = small.index(b"\xff\xc0")
        small[start + 5 : start + 9] = struct.pack(">HH", side, side)
        return bytes(small)
    small = bytearray(saved(np.zeros((8, 8, 3), np.uint8), "TIFF"))
    (place,) = struct.unpack_from("<I", small, 4)
    for entry in range(struct.unpack_from("<H", small, place)[0]):
        at = place + 2 + 12 * entry
        if struct.unpack_from("<H", small, at)[0] in (256, 257):
            struct.pack_into("<HII", small, at + 2, 4, 1, side)
    return bytes(small)


@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF", "JPEG", "TIFF"])
@pytest.mark.parametrize("side", [50_000, 9_460])
def test_too_many_pixels_are_refused_by_the_header(
    form: str, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both far above the limit and just above it, where Pillow itself only warns: no pixel is made room for."""

    def no_pixels(*_: Any) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", no_pixels)
    monkeypatch.setattr(ImageFile.ImageFile, "load_prepare", no_pixels)
    data = huge(form, side)
    tracemalloc.start()
    for action in ("error", "ignore"):  # Pillow's own warning must neither be needed nor be in the way.
        with warnings.catch_warnings():
            warnings.simplefilter(action, Pillow.DecompressionBombWarning)
            for ask in (Image(size=8).read, Image(size=8).encode_raw, Image(size=8).to_bytes):
                with pytest.raises(DataError, match="more than 89,478,485 pixels"):
                    ask(data)
            with pytest.raises(DataError, match="no picture could be read"):
                Image().fit([data])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_as_many_pixels_as_allowed_are_opened() -> None:
    """One below the limit the header passes, and only the missing pixels are complained of."""
    with pytest.raises(DataError, match="can't be decoded"):
        Image(size=8).read(huge("PNG", 9_459)[:60])


FORMS = {"PNG": {}, "JPEG": {}, "WEBP": {"lossless": True}, "BMP": {}, "GIF": {}, "TIFF": {}}


@pytest.mark.parametrize("form", FORMS)
def test_truncated_files_are_refused(form: str, tmp_path: Path) -> None:
    data = saved(Pillow.fromarray(random_pixels(0, 60, 60, 3)), form, **FORMS[form])
    for share in (0.02, 0.3, 0.6, 0.9):
        path = tmp_path / "half.png"
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(DataError) as caught:
            Image(size=8).read(path)
        assert caught.value.where == str(path)
        assert caught.value.fix


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"This is a letter, not a picture.", "not a picture that can be read"),
        (b"%PDF-1.7\n", "not a picture that can be read"),
        (b"\x89PNG\r\n\x1a\n", "not a picture that can be read"),
        (b"\xff\xd8\xff", "not a picture that can be read"),
    ],
)
def test_files_that_are_no_pictures(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "renamed ü.jpg"
    path.write_bytes(content)
    for raw in (path, str(path), content):
        with pytest.raises(DataError, match=message) as caught:
            Image(size=8).read(raw)
        assert caught.value.where == ("" if raw is content else str(path))


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    codec = Image(size=8)
    for raw, message in [
        (tmp_path / "no.png", "no such file"),
        (tmp_path, "this is a folder, not a file"),
        ("a\0b", "not a path"),
        ("x" * 5000, "too long"),
        (3, "int is not a picture"),
        (None, "NoneType is not a picture"),
        ([1, 2], "list is not a picture"),
    ]:
        with pytest.raises(DataError, match=message):
            codec.read(raw)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
    ],
)
def test_arrays_that_are_no_pictures(array: Array) -> None:
    with pytest.raises(DataError, match="not a picture"):
        Image(size=8).read(array)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damaged_files_give_pixels_or_a_data_error(form: str) -> None:
    """Each of the first bytes changed: no other exception, neither from the pixels nor from the EXIF."""
    exif = Pillow.Exif()
    exif[0x0112], exif[0x010E], exif[0x0132] = 6, "a picture", "2026:01:01"
    options: dict[str, Any] = dict(FORMS[form], **({"exif": exif} if form not in ("BMP", "GIF") else {}))
    data = saved(Pillow.fromarray(random_pixels(1, 6, 8, 3)), form, **options)
    read = refused = 0
    for place in range(min(len(data), 250)):
        for value in (0, 1, 6, 16, 17, 255):
            damaged = data[:place] + bytes([value]) + data[place + 1 :]
            for ask in (Image(size=8).encode_raw, lambda raw: Image().fit([raw])):
                try:
                    ask(damaged)
                    read += 1
                except DataError:
                    refused += 1
    assert read
    assert refused


def test_fit() -> None:
    def files(*sizes: tuple[int, int], mode: str = "RGB") -> list[bytes]:
        return [saved(Pillow.new(mode, (width, height))) for height, width in sizes]

    assert Image().fit(files((8, 9), (8, 9))) == Image(size=(8, 9), channels=3)
    assert Image().fit(files((96, 96))).size == (96, 96)
    assert Image().fit(files((97, 97))).size == (112, 112)
    assert Image().fit(files((8, 9), (9, 8))).size == (16, 16)
    assert Image().fit(files((100, 300), (120, 200))).size == (112, 112)
    assert Image().fit(files((160, 400), (160, 300))).size == (224, 224)
    assert Image().fit(files((8, 9), mode="L")).channels == 1
    assert Image().fit([*files((8, 9), mode="L"), *files((8, 9), mode="P")]).channels == 3
    assert Image(size=30).fit(files((8, 9), mode="L")) == Image(size=30, channels=1)
    assert Image(channels=3).fit(files((8, 9), mode="L")) == Image(size=(8, 9), channels=3)
    assert Image(resize="pad").fit(files((8, 9))).resize == "pad"
    assert Image().fit([b"no picture", np.zeros(3), *files((8, 9))]).size == (8, 9)
    with pytest.raises(DataError, match="no picture could be read"):
        Image().fit([b"no picture"])


def test_large_pictures_are_kept_small_in_golden_cases() -> None:
    codec = Image(size=32, channels=3)
    large = saved(random_pixels(0, 600, 900, 3))
    kept = Pillow.open(io.BytesIO(codec.to_bytes(large)))
    assert kept.width * kept.height <= GOLDEN_PIXELS
    small = saved(random_pixels(0, 3, 600, 3))
    assert codec.to_bytes(small) == codec.to_bytes(bytearray(small)) == small
    for pixels in (random_pixels(0, 3, 600, 3), random_pixels(0, 1, 5, 3), random_pixels(0, 1, 1, 1)):
        np.testing.assert_array_equal(codec.read(codec.to_bytes(pixels)), codec.read(pixels))
    picture = Pillow.fromarray(random_pixels(0, 5, 6, 3))
    np.testing.assert_array_equal(codec.read(codec.to_bytes(picture)), np.asarray(picture))


def test_nothing_is_asked_of_a_codec_before_it_is_fitted() -> None:
    with pytest.raises(DrivetrainError, match="no size yet"):
        _ = Image().shape
    with pytest.raises(DrivetrainError, match="no size yet"):
        _ = Image().output_shape


@pytest.mark.parametrize("shape", [(5, 6, 1), (5, 6, 3), (200, 170, 3)])
def test_an_output_decodes_to_the_file_of_its_pixels(shape: tuple[int, int, int]) -> None:
    """The last one has more than one stored block. Values are rounded half up, and cut off at black and white."""
    codec = Image(size=shape[:2], channels=shape[2])
    pixels = random_pixels(0, *shape)
    output = pixels.astype(np.float32)
    output[0, 0, 0], output[0, 1, 0], output[0, 2, 0], output[0, 3, 0] = -3, 300, 10.5, 10.49
    pixels[0, :4, 0] = 0, 255, 11, 10
    (answer,) = codec.decode(output).values()
    data = base64.b64decode(answer)
    np.testing.assert_array_equal(codec.read(data), pixels)
    assert Pillow.open(io.BytesIO(data)).format == "PNG"
    assert codec.decode(codec.encode(codec.read(data)).astype(np.float32))["picture"] == answer


def test_profile() -> None:
    pixels = np.zeros((4, 2, 3, 3), np.uint8)
    pixels[2:] = [10, 20, 30]
    profile = Image(size=(2, 3), channels=3).profile(pixels)
    assert profile["n"] == 4
    assert profile["mean"] == [5, 10, 15]
    np.testing.assert_allclose(profile["std"], [5, 10, 15])
    assert sum(profile["brightness"]["counts"]) == 4
