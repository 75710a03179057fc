"""audio@1: a sound, read, cut and made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain.codecs.audio import ANOTHER_RATE, IS_CLIPPED, IS_SILENT, Audio, trimmed
from drivetrain.errors import DataError, UsageError
from drivetrain.sound import wav

TONE = (0.5 * np.sin(np.arange(800) / 5)).astype(np.float32)
AT_8000 = Audio(rate=8000, seconds=0.1)


def sound(samples: Any, rate: int = 8000) -> tuple[Any, int]:
    return np.asarray(samples, np.float32), rate


@pytest.mark.parametrize(
    ("keep", "longer", "shorter"),
    [("beginning", [1, 2, 3, 4], [1, 2, 0, 0]), ("middle", [2, 3, 4, 5], [0, 1, 2, 0]), ("end", [4, 5, 6, 7], [0, 0, 1, 2])],
)  # fmt: skip
def test_longer_is_cut_and_shorter_made_up(keep: str, longer: list[int], shorter: list[int]) -> None:
    codec = Audio(rate=1000, seconds=0.004, keep=keep)
    assert codec.encode_raw(sound([1, 2, 3, 4, 5, 6, 7], 1000)).tolist() == longer
    assert codec.encode_raw(sound([1, 2], 1000)).tolist() == shorter


def test_odd_silence_lies_as_the_book_says() -> None:
    """(n - L) // 2 is rounded down, also below 0."""
    codec = Audio(rate=1000, seconds=0.004, keep="middle")
    assert codec.encode_raw(sound([1], 1000)).tolist() == [0, 0, 1, 0]
    assert codec.encode_raw(sound([1, 2, 3], 1000)).tolist() == [0, 1, 2, 3]


def test_silence_before_and_after_is_cut_off() -> None:
    quiet = np.concatenate([np.full(1000, 1e-4), TONE, np.full(330, 1e-4)]).astype(np.float32)
    assert len(trimmed(quiet, 8000, 40)) in range(800, 961)
    assert len(trimmed(quiet, 8000, 120)) == len(quiet)
    assert len(trimmed(np.zeros(100, np.float32), 8000, 40)) == 100
    codec = AT_8000.with_fields(trim=40.0)
    assert np.abs(codec.encode_raw(sound(quiet))[:160]).max() > 0.1
    assert np.abs(AT_8000.encode_raw(sound(quiet))).max() < 2e-4


def test_another_rate_is_resampled_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav.to_wav(TONE, 16000))
    assert AT_8000.read(str(path)).shape == (400,)
    with pytest.raises(DataError, match="16,000 samples a second; 8,000 are taken") as caught:
        AT_8000.with_fields(resample=False).read(str(path))
    assert caught.value.where == str(path)


def test_channels_are_mixed_and_widths_do_not_matter() -> None:
    both = np.stack([TONE, -TONE], 1)
    assert not AT_8000.read((both, 8000)).any()
    exact = AT_8000.read(((TONE * 32767).astype(np.int16), 8000))
    np.testing.assert_allclose(AT_8000.read(sound(TONE)), exact, atol=1e-4)
    np.testing.assert_allclose(AT_8000.read(((TONE * 127 + 128).astype(np.uint8), 8000)), exact, atol=0.02)


def test_what_is_learned() -> None:
    raws = [sound(np.ones(int(8000 * length))) for length in (0.31, 0.4, 0.42, 0.5)] * 10
    raws += [sound(np.ones(44100), 44100), b"no sound"]
    fitted = Audio().fit(raws)
    assert (fitted.rate, fitted.seconds, fitted.rates) == (8000, 0.5, (8000, 44100))
    assert fitted.whole == pytest.approx(40 / 41)
    assert "0.5 seconds at 8,000 samples a second" in fitted.told
    assert "44,100 are resampled" in fitted.told
    assert Audio(seconds=2.0, rate=16000).fit(raws).seconds == 2.0
    assert Audio().fit([sound([1], 8000), sound([1], 16000)]).rate == 16000
    with pytest.raises(DataError, match="no sound could be read"):
        Audio().fit([b"", "missing.wav"])


def test_ten_hours_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    head = wav.wrapped(b"", 8000, 1, wav.PCM, 2)
    size = 36_000 * 16_000
    with path.open("wb") as file:  # A file of holes.
        file.write(head[:4] + (36 + size).to_bytes(4, "little") + head[8:40] + size.to_bytes(4, "little"))
        file.truncate(44 + size)
    with pytest.raises(DataError, match="10 hours long") as caught:
        AT_8000.read(str(path))
    assert caught.value.where == str(path)
    assert "ffmpeg" in caught.value.fix


def test_what_is_unusual_is_told() -> None:
    fitted = Audio(seconds=0.1).fit([sound(TONE)])
    encoded = fitted.encode_column(np.array([sound(TONE), None], object)[:1])[0]
    profile = fitted.profile(encoded)
    raws = np.empty(4, object)
    raws[:] = [sound(TONE), sound(np.zeros(100)), sound(np.sign(TONE)), sound(TONE, 44100)]
    found = fitted.unusual(raws, np.stack([fitted.encode_raw(raw) for raw in raws]), profile)
    assert {reason: np.flatnonzero(rows).tolist() for reason, rows in found} == {
        IS_SILENT: [1], IS_CLIPPED: [2], ANOTHER_RATE: [3],
    }  # fmt: skip
    assert fitted.lost(sound(np.ones(1600)), encoded[0]) == {
        "not heard whole, for being too long": "only the beginning is heard, 0.1 of its 0.2 seconds"
    }
    assert fitted.lost(sound(TONE), encoded[0]) == {}


def test_a_golden_case_takes_no_decoder(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "a.flac"
    soundfile.write(path, np.stack([TONE, 0.5 * TONE], 1), 16000, subtype="PCM_24")
    data = AT_8000.to_bytes(str(path))
    assert data[:4] == b"RIFF"
    assert np.array_equal(AT_8000.read(data), AT_8000.read(str(path)))
    own = wav.to_wav((TONE * 100).astype(np.int16), 8000)
    assert AT_8000.to_bytes(own) == own
    assert len(AT_8000.to_bytes(wav.to_wav(np.zeros(200_000), 8000))) < 5000


@pytest.mark.parametrize(
    ("fields", "told"),
    [({"rate": 10}, "rate must"), ({"seconds": 0.0}, "seconds must"), ({"keep": "all"}, "keep must"), ({"trim": -1.0}, "trim")],
)  # fmt: skip
def test_wrong_fields_are_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Audio(**fields)


@pytest.mark.parametrize("rate", [8000, 44100, 11025, 7001])
def test_a_long_recording_comes_in_windows_as_if_it_were_read_whole(rate: int) -> None:
    recording = sound(np.random.default_rng(0).normal(size=3 * rate + 123), rate)
    codec = Audio(rate=8000, seconds=0.5)
    whole = codec.read(recording)
    found = list(codec.windows(recording, 0.3))
    assert [begin for begin, _ in found] == pytest.approx(0.3 * np.arange(10))
    padded = np.concatenate([whole, np.zeros(4000, np.float32)])
    for number, (_, window) in enumerate(found):
        np.testing.assert_allclose(window, padded[number * 2400 : number * 2400 + 4000], atol=1e-6)
    assert len(whole) <= 9 * 2400 + 4000, "nothing is left out at the end"
    assert len(list(codec.windows(sound(np.ones(10), rate), 0.3))) == 1
    with pytest.raises(DataError, match="are taken"):
        list(codec.with_fields(resample=False, rate=16000).windows(recording, 0.3))
