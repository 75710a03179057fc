"""A sound's file, opened and decoded within bounds: WAV by numpy alone, the rest by libsndfile (soundfile, imported late). What
a file is is told by its content, never by its name."""

from __future__ import annotations

import io
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple, cast

import numpy as np

from drivetrain.errors import DataError, DrivetrainError, FileError
from drivetrain.extras import require
from drivetrain.files import open_regular
from drivetrain.sound import wav
from drivetrain.types import Array

EXTENSIONS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3")
LOWEST_RATE, HIGHEST_RATE = 1_000, 192_000
"""Samples a second."""
MOST_CHANNELS = 64
MOST_SECONDS = 600
"""Of a sound that is one value."""
MOST_VALUES = 1 << 26
"""Samples of all channels of it."""
_LONGEST_PAGE = 65_307
"""Bytes of a page of Ogg."""
REPLACE = "Replace the file or leave it out."
CUT = "Cut it into pieces, for instance with: ffmpeg -i IN -f segment -segment_time 60 OUT_%03d.wav"
_WIDTHS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "FLOAT": 32, "DOUBLE": 64}


class SoundInfo(NamedTuple):
    """What a file says of itself: `frames` samples of each of `channels`, `rate` a second, in `form` ("WAV", "FLAC", "OGG",
    "MP3"; "" for samples in memory), of so many `bits` (0 where a lossy form has none)."""

    rate: int
    frames: int
    channels: int
    form: str = ""
    bits: int = 0

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


class Sound:
    """An open sound: `info`, and its samples piece by piece. `plain` is a WAV that numpy reads alone."""

    plain = False

    def __init__(self, info: SoundInfo, place: str) -> None:
        self.info = info
        self.place = place

    def _frames(self, start: int, stop: int) -> Array:
        raise NotImplementedError

    def mono(self, start: int = 0, stop: int | None = None) -> Array:
        """The frames from `start` to `stop` as float32 (n,): the mean of the channels. Raises DataError for what can't be decoded,
        and for what is no number."""
        stop = self.info.frames if stop is None else min(stop, self.info.frames)
        values = self._frames(start, stop)
        if len(values) < stop - start:
            raise self.cut_off(start + len(values))
        finite = np.isfinite(values)
        if not finite.all():
            row = int(np.argmin(finite.all(1)))
            what = "not a number" if np.isnan(values[row]).any() else "infinite"
            second = (start + row) / self.info.rate
            raise DataError(
                f"the sound has a sample that is {what}, {second:.3f} seconds after it begins.",
                where=self.place,
                fix=REPLACE,
            )
        if values.shape[1] == 1:
            return values[:, 0]
        return values.mean(axis=1, dtype=np.float64).astype(np.float32)

    def cut_off(self, frames: int) -> DataError:
        return DataError(
            f"the file ends {frames / self.info.rate:.3f} seconds after the sound begins; it says that there are "
            f"{self.info.seconds:.3f}.",
            where=self.place,
            fix=REPLACE,
        )


class _Samples(Sound):
    """Samples in memory."""

    def __init__(self, samples: Array, rate: int) -> None:
        frames, channels = samples.shape
        super().__init__(SoundInfo(rate, frames, channels, "", 8 * samples.dtype.itemsize), "")
        self._samples = samples

    def _frames(self, start: int, stop: int) -> Array:
        values = self._samples[start:stop]
        if values.dtype.kind == "f":
            with np.errstate(over="ignore"):
                return values.astype(np.float32)
        if values.dtype == np.uint8:
            return (values.astype(np.float32) - 128) / 128
        return (values / 2.0 ** (8 * values.dtype.itemsize - 1)).astype(np.float32)


class _Wav(Sound):
    plain = True

    def __init__(self, file: IO[bytes], said: wav.Header, place: str) -> None:
        super().__init__(SoundInfo(said.rate, said.frames, said.channels, "WAV", 8 * said.width), place)
        self._file, self._said = file, said
        if said.there < said.frames:
            raise self.cut_off(said.there)

    def _frames(self, start: int, stop: int) -> Array:
        return wav.frames(self._file, self._said, start, stop)


class _Decoded(Sound):
    def __init__(self, file: Any, form: str, place: str) -> None:
        super().__init__(
            SoundInfo(file.samplerate, file.frames, file.channels, form, _WIDTHS.get(file.subtype, 0)), place
        )
        self._file = file
        # It would seek to where it is, before and after each read, and libmpg123 print errors for the frames of a healthy MP3
        # that it begins anew within.
        file.seekable = lambda: False
        self._start, self._last = 0, np.zeros((0, file.channels), np.float32)

    def _frames(self, start: int, stop: int) -> Array:
        """Windows overlap: what the last piece had is not decoded again."""
        end = self._start + len(self._last)
        if not self._start <= start <= end:
            self._file.seek(start)
            self._start, self._last, end = start, self._last[:0], start
        kept = self._last[start - self._start :]
        if stop > end:
            read = self._file.read(stop - end, dtype="float32", always_2d=True)
            kept = np.concatenate([kept, read]) if len(kept) else read
            self._start, self._last = start, kept
        return kept[: stop - start]


@contextmanager
def opened(raw: Any) -> Generator[Sound, None, None]:
    """The sound of a path, of a file's bytes or of (samples, rate), its header read and checked. Raises DataError, and NotInstalled
    where its form takes soundfile."""
    if isinstance(raw, (tuple, list)):
        yield _checked(_of_samples(cast("tuple[Any, ...]", raw)))
    elif isinstance(raw, (bytes, bytearray, memoryview)):
        with _parsed(io.BytesIO(cast("bytes", raw)), "") as sound:
            yield sound
    elif isinstance(raw, (str, os.PathLike)):
        place = os.fspath(cast("str", raw))
        try:
            file = open_regular(place)
        except FileError as fault:
            raise DataError(f"{fault.error.rstrip('.')}.", where=fault.where, fix=fault.fix) from fault
        with file, _parsed(file, place) as sound:
            yield sound
    elif isinstance(raw, np.ndarray):
        raise _no_rate()
    else:
        raise DataError(
            f"{type(raw).__name__} is not a sound.",
            fix="Give a path, the bytes of a file, or (samples, rate).",
        )


def info(raw: Any) -> SoundInfo:
    """What a sound says of itself, undecoded. Raises as `opened` does."""
    with opened(raw) as sound:
        return sound.info


def refuse_long(sound: Sound) -> None:
    """Raise DataError for what is too much to be one value."""
    found = sound.info
    if found.frames > MOST_SECONDS * found.rate or found.frames * found.channels > MOST_VALUES:
        raise DataError(
            f"the sound is {told_length(found.seconds)} long ({found.frames:,} samples of {found.channels} channel"
            f"{'s' * (found.channels > 1)}); {MOST_SECONDS // 60} minutes and {MOST_VALUES:,} samples are the most.",
            where=sound.place,
            fix=CUT,
        )


def told_length(seconds: float) -> str:
    """ "10 hours", "12.5 minutes" or "3.2 seconds"."""
    for name, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} seconds"


@contextmanager
def _parsed(file: Any, place: str) -> Generator[Sound, None, None]:
    head = file.read(12)
    if not head:
        raise DataError("the file is empty (0 bytes).", where=place, fix=REPLACE)
    form = form_of(head)
    if not form:
        raise DataError(
            "this is not a sound that can be read.", where=place, fix="Readable are WAV, FLAC, Ogg and MP3."
        )
    if form == "WAV":
        try:
            said = wav.header(file)
        except DataError as fault:
            raise DataError(fault.error, where=place, fix=REPLACE) from fault
        if said is not None:
            yield _checked(_Wav(file, said, place))
            return
    if form == "OGG" and not _ends_whole(file):
        raise DataError("the file ends within a page of the sound.", where=place, fix=REPLACE)
    require("soundfile", f"reading {form} sound (only plain WAV is read without it)", "sound")
    import soundfile

    try:
        # By a descriptor, or an object, it has no name to judge by.
        source = _Bytes(file.getvalue()) if isinstance(file, io.BytesIO) else file.fileno()
        if isinstance(source, int):
            os.lseek(source, 0, os.SEEK_SET)
        decoder = soundfile.SoundFile(source, closefd=False)
    except (soundfile.LibsndfileError, TypeError, ValueError, OSError) as fault:
        raise _damaged(fault, form, place) from fault
    with decoder:
        try:
            yield _checked(_Decoded(decoder, form, place))
        except soundfile.LibsndfileError as fault:
            raise _damaged(fault, form, place) from fault


class _Bytes(io.BytesIO):
    """What libsndfile may seek in as it likes: before the beginning too, which Python would print an error for."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        base = (0, self.tell(), len(self.getbuffer()))[whence]
        return super().seek(max(0, base + offset))


def _ends_whole(file: IO[bytes]) -> bool:
    """Whether the last page of an Ogg file is all there (RFC 3533)."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _LONGEST_PAGE))
    tail = file.read(_LONGEST_PAGE)
    page = tail[tail.rfind(b"OggS") :]
    segments = page[26] if page[:4] == b"OggS" and len(page) > 26 else 256
    return len(page) >= 27 + segments + sum(page[27 : 27 + segments])


def form_of(head: bytes) -> str:
    """What a file that begins with these 12 bytes is: "WAV", "FLAC", "OGG", "MP3"; "" for what is no sound."""
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "WAV"
    if head[:4] in (b"fLaC", b"OggS"):
        return {b"fLaC": "FLAC", b"OggS": "OGG"}[head[:4]]
    # A frame of MPEG audio, layer III: 11 bits of sync, a version that is not reserved; or an ID3 tag before it.
    frame = len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and head[1] & 0x18 != 0x08
    return "MP3" if head[:3] == b"ID3" or (frame and head[2] & 0xF0 != 0xF0) else ""


def _damaged(fault: BaseException, form: str, place: str) -> DataError:
    reason = getattr(fault, "error_string", str(fault)).strip().rstrip(".")
    if "regular file" in reason:  # What it says of an MP3 that has no frame.
        reason = "no piece of it can be found"
    return DataError(f"the {form} sound can't be decoded: {reason}.", where=place, fix=REPLACE)


def _checked(sound: Sound) -> Sound:
    found = sound.info
    if not LOWEST_RATE <= found.rate <= HIGHEST_RATE:
        raise DataError(
            f"the sound has {found.rate:,} samples a second.", where=sound.place,
            fix=f"From {LOWEST_RATE:,} to {HIGHEST_RATE:,} can be read.",
        )  # fmt: skip
    if not 1 <= found.channels <= MOST_CHANNELS:
        raise DataError(
            f"the sound has {found.channels} channels.", where=sound.place,
            fix=f"{MOST_CHANNELS} are the most.",
        )  # fmt: skip
    if found.frames < 1:
        raise DataError("the sound has no samples (0 seconds).", where=sound.place, fix=REPLACE)
    return sound


def _of_samples(raw: tuple[Any, ...]) -> _Samples:
    if len(raw) != 2 or not isinstance(raw[1], (int, float, np.number)) or np.ndim(raw[0]) == 0:
        raise _no_rate()
    try:
        samples = np.asarray(raw[0])
    except ValueError:
        samples = np.zeros(0, object)
    if samples.dtype.kind in "iu" and isinstance(raw[0], (list, tuple)):
        samples = samples.astype(np.float64)
    plain = samples.dtype.kind == "f" or samples.dtype in (np.uint8, np.int16, np.int32)
    rate = float(cast("float", raw[1]))
    if samples.ndim == 1:
        samples = samples[:, None]
    if samples.ndim != 2 or not plain or rate != round(rate):
        raise DataError(
            f"an array of shape {samples.shape} and dtype {samples.dtype}, {raw[1]} a second, is not a sound.",
            fix="Give (samples, rate): floats from -1 to 1, int16, int32 or uint8 of shape (n,) or (n, channels), and a whole "
            "number of samples a second.",
        )
    return _Samples(samples, int(rate))


def _no_rate() -> DrivetrainError:
    return DataError(
        "samples alone don't say how many there are in a second.", fix="Give (samples, rate), or a file."
    )
