"""series@1: moments one after the other, each with a number in every channel. The exact semantics are in OPS.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt

from drivetrain.codecs.base import LARGEST, NO_NUMBER, Cell, Codec, FieldError, some_of
from drivetrain.codecs.number import WRITTEN, limits_of, refuse_limits
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.files import from_json, to_json
from drivetrain.ragged import Ragged
from drivetrain.types import Array
from drivetrain.values import is_nothing, scalar
from drivetrain.windows import Windows

Floats = npt.NDArray[np.float64]

DECILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""The quantiles of a forecast where nobody said: the first and the last are the ends of a band of 80 %."""
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
RUN = 0.5
"""A longer run of one value than this share of a window, that training had not, is told."""
MOST_PROFILED = 2**20
"""Moments that quantiles are taken of; of more, as many at equal distances."""
TOLD = 6
"""Moments of an answer that are printed."""


@dataclass(frozen=True)
class Series(Codec):
    """A series of moments, or the next moments of one. Encodes to float32 (length, channels), in natural units.

    `channels` are the names of what is measured at each moment. `length` is how many moments a value has; None: as many as it
    has (float32 (None, channels)). Raw values are lists of numbers (of one channel), lists of lists or arrays (moments,
    channels), or a text of one channel: numbers parted by spaces, commas or semicolons, or JSON. A missing number becomes the
    last one known of its channel, before the first the first: no look ahead but at the very beginning. A channel without any
    number is refused, and so is an infinite one.

    `fit` learns `center` and `spread`, mean and standard deviation of each channel over all moments: what a graph scales by.
    With `ahead` its moments are those that are foretold, of which something is known already.
    As a target it has one channel and a length; its output is float32 (length, 1 + len(levels)): the forecast of each moment
    and its quantiles of `levels`, in natural units. No answer is below `lowest` or above `highest` (see `within`).
    """

    op: ClassVar[str] = "series@1"
    called: ClassVar[str] = "a series"
    from_text: ClassVar[bool] = False
    learned: ClassVar[tuple[str, ...]] = ("center", "spread")
    channels: tuple[str, ...] = ("value",)
    length: int | None = None
    levels: tuple[float, ...] = ()
    ahead: bool = False
    center: tuple[float, ...] | None = None
    spread: tuple[float, ...] | None = None
    lowest: float | None = None
    highest: float | None = None

    def __post_init__(self) -> None:
        for name in ("channels", "levels"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.channels or len(set(self.channels)) < len(self.channels):
            raise FieldError("channels must be different names, one at least")
        if self.length is not None and not (type(self.length) is int and 1 <= self.length <= self.longest):
            raise FieldError(f"length must be a whole number from 1 to {self.longest:,}, or None")
        if list(self.levels) != sorted(set(self.levels)) or not all(0 < level < 1 for level in self.levels):
            raise FieldError("levels must be shares between 0 and 1 that rise")
        for name in ("center", "spread"):
            found = getattr(self, name)
            if found is None:
                continue
            object.__setattr__(self, name, tuple(found))
            if len(found) != len(self.channels) or not all(map(math.isfinite, found)):
                raise FieldError(f"{name} must be a number for each channel")
            if name == "spread" and not all(width > 0 for width in found):
                raise FieldError("spread must be above 0")
        refuse_limits(self.lowest, self.highest)

    def fit(self, values: Iterable[Any]) -> Self:
        if self.center is not None and self.spread is not None:
            return self
        moments = [self.read(raw) for raw in values]
        if not sum(map(len, moments)):
            raise DataError("there are no moments to fit to.", fix="Check that the column has values.")
        return self.fit_moments(np.concatenate(moments))

    def fit_moments(self, moments: Array) -> Self:
        """Fitted to moments (n, channels), of which NaN do not count."""
        known = ~np.isnan(moments)
        wide = np.where(known, moments, 0.0).astype(np.float64)
        counts = np.maximum(known.sum(axis=0), 1)
        center = wide.sum(axis=0) / counts
        spread = np.sqrt((np.where(known, wide - center, 0.0) ** 2).sum(axis=0) / counts)
        flat = spread <= np.finfo(np.float32).eps * np.abs(center)
        spread = np.where(flat, 1.0, spread)
        return replace(
            self,
            center=tuple(center.tolist()) if self.center is None else self.center,
            spread=tuple(spread.tolist()) if self.spread is None else self.spread,
        )

    def limited(self, moments: Array) -> Self:
        """With the ends that these moments speak for (see `limits_of`): a count never falls below 0."""
        lowest, highest = limits_of(np.asarray(moments, np.float64).reshape(-1))
        return replace(self, lowest=lowest, highest=highest)

    # --- reading ------------------------------------------------------------------------------------------

    def read(self, raw: Any) -> Floats:
        """float64 (moments, channels), without gaps."""
        return filled(self._numbers(raw), self.channels)

    def _numbers(self, raw: Any) -> Floats:
        """float64 (moments, channels), NaN where nothing is known. Raises DataError for what is no series of this form."""
        found = _as_array(raw)
        if found.ndim == 1:
            found = found.reshape(
                len(found), 1 if found.size or len(self.channels) == 1 else len(self.channels)
            )
        if found.ndim != 2 or found.shape[1] != len(self.channels):
            shape = "1" if found.ndim < 2 else str(found.shape[1])
            raise DataError(
                f"{shape} numbers at each moment, and there are {len(self.channels)} channels: {some_of(self.channels)}.",
                fix="Give each moment a number for every channel, in this order.",
            )
        if not len(found):
            raise DataError("there is no moment in it.", fix="Give one at least, or leave the row out.")
        if self.length is not None and len(found) != self.length:
            raise DataError(
                f"{len(found):,} moments, and there must be {self.length:,}.",
                fix="Give the last so many moments."
                if len(found) > self.length
                else "Give more of its history.",
            )
        wrong = np.abs(found) > LARGEST
        if wrong.any():
            moment, channel = (int(place) for place in np.argwhere(wrong)[0])
            raise DataError(
                f"{found[moment, channel]} at moment {moment + 1:,} of {self.channels[channel]!r} is not a finite 32-bit number.",
                fix="Mend it, or leave it empty.",
            )  # fmt: skip
        return found

    def encode(self, value: Any) -> Array:
        return np.asarray(value, np.float32).copy()

    def truths(self, values: Array, encoded: Any) -> Any:
        """The encoded values, NaN where nothing was measured: that is neither right nor wrong."""
        if self.varies or not len(values):
            return encoded
        known = np.stack([~np.isnan(self._numbers(raw)) for raw in values])
        return np.where(known, encoded, np.float32(np.nan))

    # --- answers ------------------------------------------------------------------------------------------

    def decode(self, output: Array) -> dict[str, Any]:
        """(length, 1 + levels) -> the numbers, and the ends of the outermost band, moment by moment."""
        made = self.within(np.asarray(output, np.float64).reshape(self.output_shape))
        decoded: dict[str, Any] = {"value": made[:, 0].tolist()}
        if len(self.levels) > 1:
            decoded |= {"low": made[:, 1].tolist(), "high": made[:, -1].tolist()}
        return {**decoded, "text": _told(decoded)}

    def within(self, outputs: Array) -> Floats:
        """float64 outputs (..., 1 + levels), of which what is below `lowest` or above `highest` is that: what a model says becomes
        an answer so, in `decode`, in forecasts of a history and in what is measured."""
        made = np.asarray(outputs, np.float64)
        if self.lowest is None and self.highest is None:
            return made
        return np.clip(made, self.lowest, self.highest)

    def answer_cells(self, answer: Mapping[str, Any] | None, brief: bool = False) -> dict[str, Cell]:
        """The numbers of each as JSON."""
        names = ("value",) if brief or len(self.levels) < 2 else ("value", "low", "high")
        return {name: None if answer is None else to_json(answer.get(name)) for name in names}

    # --- what training was like ---------------------------------------------------------------------------

    def profile(self, encoded: Any) -> dict[str, Any]:
        """How many rows there are, and of each channel mean, standard deviation, quantiles, and the longest run of one
        value. Of windows that overlap each moment counts once."""
        moments = _moments(encoded)
        found: dict[str, Any] = {"n": len(encoded), "moments": len(moments)}
        if not len(moments):
            return found
        thin = moments[:: max(1, len(moments) // MOST_PROFILED)].astype(np.float64)
        channels: dict[str, Any] = {}
        for place, name in enumerate(self.channels):
            known = thin[:, place][~np.isnan(thin[:, place])]
            if known.size:
                quantiles = np.quantile(known, QUANTILES).tolist()
                channels[name] = {
                    "mean": float(known.mean()),
                    "std": float(known.std()),
                    "quantiles": dict(zip(map(str, QUANTILES), quantiles)),
                    "longest_run": longest_run(moments[:, place]),
                }
        return {**found, "channels": channels}

    def unusual(self, values: Array, encoded: Any, profile: Mapping[str, Any]) -> list[tuple[str, Array]]:
        """Rows with a moment farther outside a channel's training range than the middle 90 % of it are wide, and rows that
        stand still for longer than anything did in training, and for more than half of their length."""
        if not len(encoded):
            return []
        known = cast("Any", profile.get("channels"))
        if not isinstance(known, Mapping):
            return []
        rows = [np.asarray(encoded[row]) for row in range(len(encoded))]
        told = np.zeros(len(rows), bool)
        found: list[tuple[str, Array]] = []
        for place, name in enumerate(self.channels):
            ends = _ends(cast("Mapping[str, Any]", known).get(name))
            if ends is None:
                continue
            least, low, high, most, run = ends
            width = high - low or most - least
            lowest, highest, still = (
                np.array([measure(row[:, place]) if len(row) else math.nan for row in rows], np.float64)
                for measure in (np.min, np.max, longest_run)
            )
            sizes = np.array([len(row) for row in rows])
            of = f" in {name}" if len(self.channels) > 1 else ""
            span = f"the training range of {least:.4g} to {most:.4g}{of}"
            for words, which in (
                (f"far below {span}", lowest < least - width),
                (f"far above {span}", highest > most + width),
                (
                    f"standing still for longer than anything in training{of}",
                    (still > run) & (still > RUN * sizes),
                ),
            ):
                new = which & ~told
                told |= new
                found.append((words, new))
        return found

    # --- form ---------------------------------------------------------------------------------------------

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    @property
    def shape(self) -> tuple[Any, ...]:
        return (self.length, len(self.channels))

    @property
    def output_shape(self) -> tuple[int, ...]:
        if self.length is None or len(self.channels) != 1:
            raise DrivetrainError("series@1 can be a target only with a length and with one channel.")
        return (self.length, 1 + len(self.levels))

    @property
    def output_names(self) -> tuple[str, ...]:
        return ("forecast", *(f"{level:g}" for level in self.levels))

    def input_words(self) -> str:
        many = "any number of" if self.length is None else f"{self.length:,}"
        if self.ahead:
            many += " coming"
        if len(self.channels) == 1:
            return f"{many} moments of {self.channels[0]}, a number each, the latest last."
        return f"{many} moments, the latest last, each a list of {len(self.channels)} numbers: {some_of(self.channels)}."

    def answer_words(self) -> str:
        held = (
            "" if len(self.levels) < 2 else f", each with a range that holds it in {self.held:.0%} of cases"
        )
        return f"the next {self.length or 0:,} numbers{held}."

    @property
    def held(self) -> float:
        """The share of cases that the outermost band is to hold; 0 without one."""
        return round(self.levels[-1] - self.levels[0], 6) if len(self.levels) > 1 else 0.0

    def schema(self) -> dict[str, Any]:
        number: dict[str, Any] = {"type": ["number", "null"]}
        moment = number
        if len(self.channels) > 1:
            many = len(self.channels)
            moment = {"type": "array", "items": number, "minItems": many, "maxItems": many}
        size = {} if self.length is None else {"minItems": self.length, "maxItems": self.length}
        return {"type": "array", "items": moment, **size}

    def to_bytes(self, raw: Any) -> bytes:
        """JSON: a list for each moment, null where nothing is known."""
        found = self._numbers(raw)
        rows = np.where(np.isnan(found), None, found.astype(object)).tolist()  # type: ignore[call-overload]
        return to_json(rows).encode()

    def nasty_examples(self) -> list[tuple[str, Any]]:
        size, many = self.length or 5, len(self.channels)
        ramp = np.arange(size * many, dtype=np.float64).reshape(size, many) - 2.5
        gaps = ramp.copy()
        gaps[: size // 2] = gaps[size // 2 + 1 :] = np.nan
        examples: list[tuple[str, Any]] = [
            ("constant", np.ones((size, many)).tolist()),
            ("zeros", np.zeros((size, many)).tolist()),
            ("a ramp", ramp.tolist()),
            ("tiny", (ramp * 1e-30).tolist()),
            ("large", (ramp * 1e6).tolist()),
            (
                "one number known",
                [[None if number != number else number for number in row] for row in gaps.tolist()],
            ),
        ]
        if many == 1:
            examples.append(("text", " ".join(f"{number:g}" for number in ramp[:, 0])))
        if self.length is None:
            examples.append(("one moment", ramp[:1].tolist()))
        return examples


def filled(numbers: Floats, channels: Sequence[str]) -> Floats:
    """Moments (n, channels) in which a gap is the last number known, and before the first known the first. Raises DataError
    for a channel of which nothing is known."""
    gaps = np.isnan(numbers)
    if not gaps.any():
        return numbers
    if (empty := gaps.all(axis=0)).any():
        name = channels[int(np.argmax(empty))]
        raise DataError(f"nothing is known of {name!r}: every moment is missing.", fix="Leave it out.")
    places = np.where(gaps, 0, np.arange(len(numbers))[:, None])
    last = np.maximum.accumulate(places, axis=0)
    first = (~gaps).argmax(axis=0)
    return np.take_along_axis(numbers, np.maximum(last, first), axis=0)


def longest_run(values: Array) -> int:
    """How many neighbours are the same, at most."""
    if not len(values):
        return 0
    changes = np.flatnonzero(values[1:] != values[:-1])
    return int(np.diff(np.concatenate([[-1], changes, [len(values) - 1]])).max())


def _as_array(raw: Any) -> Floats:
    """float64 of what a person gives: a list, lists in a list, an array, a text. Raises DataError."""
    if isinstance(raw, str):
        raw = _of_text(raw)
    if isinstance(raw, np.ndarray) and cast("Array", raw).dtype.kind in "iufb":
        return np.array(raw, np.float64)
    if not isinstance(raw, (list, tuple, np.ndarray)):
        raise DataError("this is no series.", fix="Give a list of numbers, the latest last.")
    rows = [row.tolist() if isinstance(row, np.ndarray) else row for row in cast("Sequence[Any]", raw)]
    nested = [isinstance(row, (list, tuple)) for row in rows]
    if not any(nested):
        return np.array([_number(value, place) for place, value in enumerate(rows)], np.float64)
    sizes = {len(row) if deep else -1 for row, deep in zip(rows, nested)}
    if len(sizes) > 1:
        other = len(rows[0]) if nested[0] else -1
        place = next(at for at, row in enumerate(rows) if (len(row) if nested[at] else -1) != other)
        raise DataError(
            f"moment {place + 1:,} has not as many numbers as the first.",
            fix="Give each moment every channel.",
        )
    return np.array(
        [[_number(value, place) for value in row] for place, row in enumerate(rows)], np.float64
    ).reshape(len(rows), *sizes)


def _of_text(text: str) -> Any:
    text = text.strip()
    if text.startswith("["):
        try:
            return from_json(text)
        except DrivetrainError as fault:
            raise DataError(f"this is no series: {fault.error}.", fix="Write [1, 2.5, null].") from None
    cells = text.replace(",", " ").replace(";", " ").split()
    if not cells:
        raise DataError("this is no series: it is empty.", fix="Write numbers, the latest last.")
    return cells


def _number(raw: Any, place: int) -> float:
    value = scalar(raw)
    if is_nothing(value) or (isinstance(value, str) and value.strip().lower() in NO_NUMBER):
        return math.nan
    if isinstance(value, str) and WRITTEN.fullmatch(value.strip()):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DataError(f"{value!r:.40} at moment {place + 1:,} is not a number.")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _moments(encoded: Any) -> Array:
    """(moments, channels) of encoded rows; each moment once where windows overlap."""
    if isinstance(encoded, Windows):
        return encoded.values[encoded.covered]
    if isinstance(encoded, Ragged):
        return encoded.flat
    return cast("Array", encoded).reshape(-1, cast("Array", encoded).shape[-1])


def _ends(known: Any) -> tuple[float, float, float, float, float] | None:
    """Least, 5 %, 95 %, greatest and the longest run of a channel's profile; None where it doesn't hold them."""
    try:
        quantiles = known["quantiles"]
        numbers = [float(quantiles[level]) for level in ("0.0", "0.05", "0.95", "1.0")]
        run = float(known["longest_run"])
    except (KeyError, TypeError, ValueError):
        return None
    if not all(map(math.isfinite, [*numbers, run])) or numbers != sorted(numbers):
        return None
    return numbers[0], numbers[1], numbers[2], numbers[3], run


def _told(decoded: Mapping[str, Any]) -> str:
    """`112.3 (98.1 to 120), 115 (99 to 131) and 26 more`."""
    values = decoded["value"]
    lows, highs = decoded.get("low"), decoded.get("high")
    told = [
        f"{value:.4g}"
        + ("" if lows is None or highs is None else f" ({lows[place]:.4g} to {highs[place]:.4g})")
        for place, value in enumerate(values[:TOLD])
    ]
    return ", ".join(told) + (f" and {len(values) - TOLD:,} more" if len(values) > TOLD else "")
