"""trace@1: the path of a mouse or a pen as a picture. The exact semantics, for other languages, are in OPS.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, ClassVar, Self, cast

import numpy as np

from drivetrain.codecs.base import Codec, FieldError
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.files import from_json, to_json
from drivetrain.types import Array

SAMPLE = 1000
SLOW, FAST = 0.05, 0.95
"""Of the speeds of the training traces these shares are below `slow`, and below `fast`."""
MOST_POINTS = 100_000
LARGEST = 1e12
LARGEST_SIDE = 512
MARGIN = 3.0
"""Pixels around the drawing."""
LINE, BLOB = 0.75, 2.5
"""Pixels: half the width of a line, the half of a click's blob."""
CLICK, LIFT = 1, 2
"""What the fourth number of a read point is made of: a click begins here; no line leads here."""
_REACH = 4
"""Pixels around a piece of a line, and around a click, that may be coloured."""


@dataclass(frozen=True)
class Trace(Codec):
    """A path of points (x, y, t) or (x, y, t, click), read to float64 (points, 4) and drawn to uint8 (size, size, 3).

    Blue is where the path is, red how fast it went there, green where a click began. x goes to the right and y down; t is in
    any unit; None among the points says that the pen was lifted. The drawing is scaled, its proportions kept, to the path's
    own box, or to `bounds`, (left, top, right, bottom), where that is given: where on the screen it was says something
    then. Speeds, in x and y by t, are on a scale of logarithms from `slow` to `fast`, which `fit` learns.
    """

    op: ClassVar[str] = "trace@1"
    called: ClassVar[str] = "a trace"
    like: ClassVar[str] = "image"
    encoded_tolerance: ClassVar[float] = 1.0
    drawn: ClassVar[bool] = True
    augment: ClassVar[str] = "pictures"
    learned: ClassVar[tuple[str, ...]] = ("slow", "fast")
    size: int = 48
    bounds: tuple[float, float, float, float] | None = None
    slow: float | None = None
    fast: float | None = None

    def __post_init__(self) -> None:
        if not 16 <= self.size <= LARGEST_SIDE:
            raise FieldError(f"size must be from 16 to {LARGEST_SIDE}")
        if self.bounds is not None:
            left, top, right, bottom = self.bounds
            if not (left < right and top < bottom):
                raise FieldError(
                    "bounds must be left, top, right and bottom: left below right, top below bottom"
                )
        if self.slow is not None and self.slow <= 0:
            raise FieldError("slow must be above 0")
        if self.slow is not None and self.fast is not None and self.fast <= self.slow:
            raise FieldError("fast must be above slow")

    def fit(self, values: Iterable[Any]) -> Self:
        """Looks at the first 1,000 readable traces."""
        if self.slow is not None and self.fast is not None:
            return self
        found = [np.zeros(0), *map(speeds_of, islice(self._readable(values), SAMPLE))]
        speeds = np.concatenate(found)
        speeds = speeds[(speeds > 0) & np.isfinite(speeds)]
        slow, fast = np.quantile(speeds, (SLOW, FAST)).tolist() if len(speeds) else (1.0, 2.0)
        slow = self.slow or min(slow, (self.fast or math.inf) / 2)
        return replace(self, slow=slow, fast=self.fast or (fast if fast > slow else 2 * slow))

    def _readable(self, values: Iterable[Any]) -> Iterable[Array]:
        for raw in values:
            try:
                yield self.read(raw)
            except DataError:
                continue

    def read(self, raw: Any) -> Array:
        """float64 (points, 4): x, y, t, and CLICK and LIFT added up."""
        if isinstance(raw, str):
            try:
                raw = from_json(raw.encode())
            except (DrivetrainError, ValueError) as fault:
                raise DataError("this is no trace: it is not JSON.", fix=_HOW) from fault
        if isinstance(raw, np.ndarray):
            raw = cast("Array", raw).tolist()
        if not isinstance(raw, (list, tuple)):
            raise DataError(f"{type(raw).__name__} is not a trace.", fix=_HOW)
        points = cast("Sequence[Any]", raw)
        if len(points) > MOST_POINTS:
            raise DataError(
                f"the trace has {len(points):,} points; {MOST_POINTS:,} are the most.", fix="Cut it."
            )
        return _read(points)

    def encode(self, value: Array) -> Array:
        if self.slow is None or self.fast is None:
            raise DrivetrainError("trace@1 has no speeds yet.", fix="Call fit first, or give slow and fast.")
        places = self._places(value[:, :2])
        with np.errstate(divide="ignore"):
            share = np.log(speeds_of(value) / self.slow) / math.log(self.fast / self.slow)
        colours = np.floor(255 * np.clip(share, 0, 1) + 0.5).astype(np.int64)
        return drawn(places, value[:, 3].astype(np.int64), colours, self.size)

    def _places(self, points: Array) -> Array:
        """(points, 2) in pixels: the centre of the first is at 0.5."""
        if self.bounds is None:
            low, high = points.min(axis=0), points.max(axis=0)
        else:
            low, high = np.array(self.bounds[:2]), np.array(self.bounds[2:])
        side = float((high - low).max())
        scale = (self.size - 2 * MARGIN) / side if side > 0 else 0.0
        return (points - (low + high) / 2) * scale + self.size / 2

    def decode(self, output: Array) -> dict[str, Any]:
        raise DrivetrainError(f"{self.op} can't be a target: there is no model output that it decodes")

    def profile(self, encoded: Array) -> dict[str, Any]:
        """How much of the pictures is path, and how fast it is there, from 0 to 255."""
        if not len(encoded):
            return {"n": 0}
        path = encoded[..., 2] > 0
        return {
            "n": len(encoded),
            "path": float(path.mean()),
            "speed": float(encoded[..., 0][path].mean(dtype=np.float64)) if path.any() else 0.0,
            "clicks": float((encoded[..., 1] > 0).mean()),
        }

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.size, self.size, 3)

    def input_words(self) -> str:
        scaled = "to its own box" if self.bounds is None else f"to the box {list(self.bounds)}"
        return (
            "the path of a mouse or a pen: a list of points [x, y, t] or [x, y, t, click], null where the pen is lifted. It "
            f"is drawn to {self.size} x {self.size} pixels, scaled {scaled}: blue where it is, redder the faster, green where "
            "a click begins."
        )

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": ["array", "null"], "items": {"type": "number"}}}

    def to_bytes(self, raw: Any) -> bytes:
        """JSON."""
        if isinstance(raw, str):
            return raw.encode()
        return to_json(cast("Array", raw).tolist() if isinstance(raw, np.ndarray) else raw).encode()

    def nasty_examples(self) -> list[tuple[str, Any]]:
        """Of one point, standing still, faster than time, lifted, beyond any box."""
        turn = [[math.cos(n / 5), math.sin(n / 3), n * n] for n in range(60)]
        return [
            ("one point", [[3, 4, 0]]),
            ("one click", [[3, 4, 0, 1]]),
            ("standing still", [[1, 1, 0], [1, 1, 1], [1, 1, 2]]),
            ("in no time", [[0, 0, 0], [5, 5, 0], [9, 0, 0]]),
            ("lifted", [None, [0, 0, 0], [4, 4, 1], None, None, [0, 4, 2], [4, 0, 3], None]),
            ("a click held, and another", [[0, 0, 0, 1], [1, 2, 1, 1], [2, 0, 2, 0], [3, 3, 3, 1]]),
            ("round", turn),
            ("a line, far away", [[1e9, 1e9, 0], [1e9 + 1, 1e9, 1e-9], [1e9 + 2, 1e9, 5]]),
            ("text", "[[0, 0, 0.0], [10, 3.5, 20], [20, 0, 25, true]]"),
        ]  # fmt: skip


_HOW = "Give a list of points [x, y, t] or [x, y, t, click], null where the pen is lifted, or its JSON."


def _read(points: Sequence[Any]) -> Array:
    read: list[tuple[float, float, float, int]] = []
    lifted, held, last = True, False, -math.inf
    for number, point in enumerate(points, 1):
        if point is None:
            lifted = True
            continue
        if not isinstance(point, (list, tuple)) or len(cast("list[Any]", point)) not in (3, 4):
            raise DataError(f"point {number} is {point!r:.60}, not [x, y, t] or [x, y, t, click].", fix=_HOW)
        x, y, t, *click = cast("list[Any]", point)
        if not all(map(_is_number, (x, y, t))):
            raise DataError(f"point {number} is {point!r:.60}: that is no place and time.", fix=_HOW)
        if t < last:
            raise DataError(
                f"at point {number} time goes back, from {last:g} to {t:g}.", fix="Sort the points by time."
            )
        clicked = bool(click and click[0])
        read.append((float(x), float(y), float(t), CLICK * (clicked and not held) + LIFT * lifted))
        lifted, held, last = False, clicked, t
    if not read:
        raise DataError("the trace has no points.", fix="Leave it out.")
    return np.array(read, np.float64)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= LARGEST


def speeds_of(points: Array) -> Array:
    """Of read points (n, 4) the speed with which each was come to, (n,): 0 where no line leads, infinite where it took no time."""
    steps = np.diff(points[:, :3], axis=0, prepend=points[:1, :3])
    ways = np.sqrt(np.square(steps[:, 0]) + np.square(steps[:, 1]))
    ways[points[:, 3] >= LIFT] = 0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(ways > 0, ways / steps[:, 2], 0)


def drawn(places: Array, marks: Array, colours: Array, size: int) -> Array:
    """uint8 (size, size, 3) of places (n, 2) in pixels, what is at each, and how red the line to each is (n,)."""
    came_from = np.concatenate([places[:1], places[:-1]])
    begins = np.where((marks >= LIFT)[:, None], places, came_from)
    segments, cells, shades = _shades(begins, places, LINE, size)
    # The strongest shade of a pixel counts, of equal ones that of the later line.
    keys = (shades << 32) | (segments << 8) | colours[segments]
    strongest = np.zeros(size * size, np.int64)
    np.maximum.at(strongest, cells, keys)
    clicked = places[(marks & CLICK) > 0]
    _, where, light = _shades(clicked, clicked, BLOB, size)
    blobs = np.zeros(size * size, np.int64)
    np.maximum.at(blobs, where, light)
    path = strongest >> 32
    red = ((strongest & 255) * path + 127) // 255
    return np.stack([red, blobs, path], axis=1).astype(np.uint8).reshape(size, size, 3)


def _shades(begins: Array, ends: Array, radius: float, size: int) -> tuple[Array, Array, Array]:
    """What lines (n, 2) to (n, 2) colour: (k,) which line, which pixel, and how much, 1 to 255: all within `radius` of it, and
    half a pixel further less and less."""
    along = ends - begins
    enters, leaves = _visible(begins, along, size)
    lengths = np.abs(along).max(axis=1, initial=0) * (leaves - enters)
    counts = np.where(leaves >= enters, np.maximum(1, np.ceil(lengths)), 0).astype(np.int64)
    segments = np.repeat(np.arange(len(begins)), counts)
    # About a pixel of a line at a time: the pixels around its middle are all that it can reach.
    numbers = np.arange(len(segments)) - np.repeat(np.cumsum(counts) - counts, counts)
    parts = enters[segments] + (leaves - enters)[segments] * ((numbers + 0.5) / counts[segments])
    middles = np.floor(begins[segments] + along[segments] * parts[:, None]).astype(np.int64)
    around = np.arange(-_REACH, _REACH + 1)
    columns = (middles[:, 0, None, None] + around[None, None, :]) + np.zeros_like(around)[None, :, None]
    rows = (middles[:, 1, None, None] + around[None, :, None]) + np.zeros_like(around)[None, None, :]
    lines = np.broadcast_to(segments[:, None, None], columns.shape)
    there = (columns >= 0) & (columns < size) & (rows >= 0) & (rows < size)
    columns, rows, lines = columns[there], rows[there], lines[there]
    away = _distances(np.stack([columns, rows], axis=1) + 0.5, begins[lines], ends[lines])
    shades = np.floor(255 * np.clip(radius + 0.5 - away, 0, 1) + 0.5).astype(np.int64)
    kept = shades > 0
    return lines[kept], (rows * size + columns)[kept], shades[kept]


def _visible(begins: Array, along: Array, size: int) -> tuple[Array, Array]:
    """From where to where (n,), in shares of its length, a line is in the picture or near it; to before from where it is not."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = np.stack([(-_REACH - begins) / along, (size + _REACH - begins) / along])
    still = along == 0
    inside = (begins >= -_REACH) & (begins <= size + _REACH)
    first = np.where(still, np.where(inside, -np.inf, np.inf), sides.min(axis=0))
    last = np.where(still, np.inf, sides.max(axis=0))
    enters, leaves = first.max(axis=1, initial=0), last.min(axis=1, initial=1)
    return np.minimum(enters, 2), leaves


def _distances(places: Array, begins: Array, ends: Array) -> Array:
    """Of places (k, 2) from lines (k, 2) to (k, 2)."""
    along = ends - begins
    square = np.square(along).sum(axis=1)
    share = ((places - begins) * along).sum(axis=1) / np.where(square > 0, square, 1)
    nearest = begins + along * np.clip(share, 0, 1)[:, None]
    return np.sqrt(np.square(places - nearest).sum(axis=1))
