"""Sound files, and samples at another rate."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain.errors import DataError, DrivetrainError, NotInstalled
from drivetrain.sound import wav
from drivetrain.sound.file import info, opened
from drivetrain.sound.resample import half_width, ratio, resample, resampled_length

RATES = [(44100, 16000), (8000, 16000), (96000, 8000), (11025, 16000), (1001, 1000), (22050, 44100)]
TIMES = np.arange(4000) / 44100
WAVE = 0.5 * np.sin(2 * np.pi * 440 * TIMES) + 0.3 * np.sin(2 * np.pi * 3000 * TIMES)


def by_the_book(samples: np.ndarray[Any, Any], source: int, rate: int, at: list[int]) -> list[float]:
    """Output samples as OPS.md says it, one by one."""
    cut = 0.95 * min(1.0, rate / source)
    up, down = ratio(source, rate)
    k = np.arange(-2000, len(samples) + 2000)
    made = []
    for place in at:
        t = place * down / up - k
        inside = np.abs(cut * t) <= 64
        heights = np.where(
            inside, np.sinc(cut * t) * np.i0(10 * np.sqrt(np.maximum(1 - (cut * t / 64) ** 2, 0))), 0
        )
        there = (k >= 0) & (k < len(samples))
        made.append(float(heights[there] @ samples[k[there]] / heights.sum()))
    return made


@pytest.mark.parametrize(("source", "rate"), RATES)
def test_another_rate_is_what_the_book_says(source: int, rate: int) -> None:
    samples = np.random.default_rng(0).normal(size=1500)
    made = resample(samples, source, rate)
    assert made.dtype == np.float32
    assert len(made) == resampled_length(1500, source, rate) == -(-1500 * rate // source)
    at = [0, 1, len(made) // 2, len(made) // 3, len(made) - 1]
    np.testing.assert_allclose(made[at], by_the_book(samples, source, rate, at), atol=1e-6)


@pytest.mark.parametrize(("source", "rate"), [(44100, 16000), (16000, 44100), (96000, 8000)])
def test_what_may_pass_does_and_what_may_not_does_not(source: int, rate: int) -> None:
    lower, moments = min(source, rate), np.arange(source // 4) / source
    inner = slice(half_width(rate, source), -half_width(rate, source))
    for share in (0.01, 0.5, 0.9):
        made = resample(np.sin(np.pi * share * lower * moments), source, rate)
        want = np.sin(np.pi * share * lower * np.arange(len(made)) / rate)
        assert np.abs(made - want)[inner].max() < 2e-5, share
    if rate < source:
        made = resample(np.sin(np.pi * 1.01 * lower * moments), source, rate)
        assert np.abs(made)[inner].max() < 2e-5


def test_a_constant_stays_and_so_does_the_same_rate() -> None:
    made = resample(np.full(3000, 0.25), 44100, 16000)
    np.testing.assert_allclose(made[200:800], 0.25, atol=1e-7)
    same = np.random.default_rng(0).normal(size=10).astype(np.float32)
    assert np.array_equal(resample(same, 8000, 8000), same)
    assert len(resample(same[:1], 44100, 8000)) == 1


def test_rates_that_share_no_divisor_do_it_in_parts_too() -> None:
    samples = np.random.default_rng(1).normal(size=900)
    made = resample(samples, 8001, 8000)
    at = [0, 450, 899]
    np.testing.assert_allclose(made[at], by_the_book(samples, 8001, 8000, at), atol=1e-6)


def test_scipy_filters_the_same_way() -> None:
    """With our taps: what is left is how a filter is run."""
    signal = pytest.importorskip("scipy.signal")
    up, down = ratio(44100, 16000)
    cut = 0.95 * 16000 / 44100
    half = half_width(44100, 16000) * up
    times = np.arange(-half, half + 1) / up
    taps = np.sinc(cut * times) * np.where(
        np.abs(cut * times) <= 64, np.i0(10 * np.sqrt(np.maximum(1 - (cut * times / 64) ** 2, 0))), 0
    )
    samples = np.random.default_rng(2).normal(size=3000)
    want = signal.resample_poly(samples, up, down, window=taps / taps.sum())
    np.testing.assert_allclose(resample(samples, 44100, 16000), want, atol=2e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_wav_is_what_libsndfile_reads(dtype: Any, channels: int) -> None:
    soundfile = pytest.importorskip("soundfile")
    samples = WAVE if np.dtype(dtype).kind == "f" else (WAVE * 2.0 ** (8 * np.dtype(dtype).itemsize - 1))
    samples = samples + 128 if dtype == np.uint8 else samples
    data = wav.to_wav(np.stack([samples, samples[::-1]], 1)[:, :channels].astype(dtype), 44100)
    want, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    with opened(data) as sound:
        assert sound.plain
        assert sound.info == (rate, 4000, channels, "WAV", 8 * np.dtype(dtype).itemsize)
        np.testing.assert_allclose(sound.mono(), want.mean(1), atol=1e-7)
        assert np.array_equal(sound.mono(100, 200), sound.mono()[100:200])


def test_24_bits_and_what_lies_between_the_pieces_of_a_file() -> None:
    whole = (WAVE * 2**23).astype("<i4")
    data = wav.wrapped(
        whole.reshape(-1, 1).view(np.uint8)[:, :3].tobytes(), 44100, 1, wav.PCM, 3, extensible=True
    )
    odd = data[:12] + b"LIST\x03\0\0\0abc\0" + data[12:] + b"junk"
    for each in (data, odd):
        with opened(each) as sound:
            np.testing.assert_allclose(sound.mono(), WAVE, atol=2**-22)


def test_a_wav_whose_length_is_not_said_goes_on_to_its_end() -> None:
    data = bytearray(wav.to_wav(WAVE.astype(np.float32), 44100))
    data[4:8] = data[40:44] = b"\xff" * 4
    assert info(bytes(data)).frames == 4000


FORMS = [
    ("FLAC", "PCM_16", 16), ("FLAC", "PCM_24", 24), ("OGG", "VORBIS", 0), ("MP3", None, 0), ("WAV", "ULAW", 0),
]  # fmt: skip


@pytest.mark.parametrize(("form", "subtype", "bits"), FORMS)
def test_other_forms_are_told_by_their_content(
    form: str, subtype: str | None, bits: int, tmp_path: Path
) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "sound.wav"
    with path.open("wb") as file:
        soundfile.write(file, WAVE, 44100, format=form, subtype=subtype)
    for raw in (str(path), path.read_bytes()):
        with opened(raw) as sound:
            assert (sound.info.form, sound.info.rate, sound.info.bits) == (form, 44100, bits)
            made = sound.mono()
            assert np.abs(made[:4000] - WAVE).max() < 0.1
            np.testing.assert_allclose(sound.mono(1000, 1100), made[1000:1100], atol=1e-4)


@pytest.mark.parametrize(("form", "subtype", "bits"), FORMS)
@pytest.mark.parametrize("share", [0.004, 0.5, 0.97])
@pytest.mark.filterwarnings("error")
def test_half_a_file_is_no_sound(form: str, subtype: str | None, bits: int, share: float) -> None:
    soundfile = pytest.importorskip("soundfile")
    file = io.BytesIO()
    soundfile.write(file, WAVE, 44100, format=form, subtype=subtype)
    data = file.getvalue()
    with pytest.raises(DataError), opened(data[: max(13, int(share * len(data)))]) as sound:
        sound.mono()


def test_without_soundfile_only_wav_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    assert info(wav.to_wav(WAVE, 44100)).frames == 4000
    with pytest.raises(NotInstalled, match="reading FLAC sound") as caught:
        info(b"fLaC" + bytes(100))
    assert "[sound]" in caught.value.fix


BAD = [
    (b"", "the file is empty"),
    (b"not a sound at all", "not a sound that can be read"),
    (b"RIFF\0\0\0\0WAVE", "no samples: it ends before them"),
    (wav.to_wav(WAVE, 44100)[:300], "ends 0.001 seconds after the sound begins; it says that there are 0.091"),
    (wav.to_wav(WAVE[:0], 44100), "no samples"),
    (wav.to_wav(WAVE, 44100)[:30], "ends within its header"),
    (wav.to_wav(WAVE, 200), "200 samples a second"),
    (wav.wrapped(bytes(1300), 8000, 65, wav.PCM, 2), "65 channels"),
    (wav.to_wav(np.array([0.0] * 441 + [np.nan]), 44100), "not a number, 0.010 seconds after it begins"),
    (wav.to_wav(np.array([0.0, 1e300]), 44100), "infinite"),
    (np.zeros(3), "samples alone"),
    ([0.0, 0.5], "samples alone"),
    ((WAVE, "fast"), "samples alone"),
    ((WAVE, 44100.5), "is not a sound"),
    ((WAVE.astype(np.int64), 44100), "dtype int64"),
    ((np.zeros((2, 2, 2)), 8000), "is not a sound"),
    (7, "int is not a sound"),
    ("missing.wav", "no such file"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "told"), BAD)
def test_what_is_no_sound_is_told(raw: Any, told: str) -> None:
    with pytest.raises(DrivetrainError) as caught, opened(raw) as sound:
        sound.mono()
    assert told in str(caught.value)
    assert caught.value.fix


def test_windows_of_an_mp3_are_decoded_once_and_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    soundfile = pytest.importorskip("soundfile")
    rate, path = 22050, tmp_path / "long.mp3"
    buzz = 0.3 * np.sign(np.sin(np.arange(20 * rate) * 0.05)) + 0.1 * np.random.default_rng(0).normal(
        size=20 * rate
    )
    soundfile.write(path, buzz, rate)
    with opened(str(path)) as sound:
        whole = sound.mono()
    with opened(str(path)) as sound:
        for start in range(0, 15 * rate, rate // 2):
            heard = sound.mono(start, start + rate)
            np.testing.assert_array_equal(heard, whole[start : start + rate])
        assert not capfd.readouterr().err
        for start in (3 * rate, 3 * rate + 5, 10 * rate, 2 * rate, 19 * rate):
            heard = sound.mono(start, start + rate)
            np.testing.assert_allclose(heard, whole[start : start + rate], atol=1e-5)


def test_a_file_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError) as fault:
        info(str(tmp_path / "none.wav"))
    assert fault.value.error == "no such file or folder."
