"""Random changes to sounds: what each does, that they are the seed's alone, and what a spectrogram bears."""

import numpy as np
import pytest
import torch

import drivetrain as dt
from drivetrain.data.augment.sounds import SoundAugment
from drivetrain.data.share import Share
from drivetrain.errors import UsageError
from drivetrain.models.spectrogram import Span, changed

RATE = 8000


def tones(count=4, hertz=440.0, samples=RATE):
    return torch.sin(2 * torch.pi * hertz * torch.arange(samples) / RATE).repeat(count, 1)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def only(**amounts):
    return SoundAugment.from_json({**SoundAugment.none().to_json(), **amounts})


def hertz(sound):
    return float(np.abs(np.fft.rfft(sound.numpy())).argmax() * RATE / len(sound))


def test_nothing_is_nothing():
    sounds = tones()
    same, beside = SoundAugment.none().apply(sounds, generator())
    assert same is sounds
    assert torch.equal(beside[:, :2], torch.ones(4, 2))
    assert not beside[:, [2, 3, 5, 7, 9, 11, 12, *range(14, 19)]].any()


def test_the_same_seed_gives_the_same_bits():
    first, again, other = (SoundAugment().apply(tones(), generator(seed)) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    assert not torch.equal(first[0], other[0])


def test_speed_moves_the_pitch_by_its_factor():
    sounds, _ = only(speed=0.5).apply(tones(64), generator())
    factors = np.array([hertz(sound) / 440 for sound in sounds])
    assert 1 / 1.51 < factors.min() < 0.75 < 1.35 < factors.max() < 1.51


def test_shift_moves_and_what_is_not_there_is_silent():
    sounds = torch.zeros(32, 100)
    sounds[:, 50] = 1
    moved, _ = only(shift=0.3).apply(sounds, generator())
    places = (moved * torch.arange(100.0)).sum(1) / moved.sum(1)
    assert 20 <= places.min() < 35 < 65 < places.max() <= 80
    assert torch.allclose(moved.sum(1), torch.ones(32), atol=1e-5)


def test_gain_and_noise_are_within_what_is_said():
    loud, _ = only(gain=6).apply(tones(64), generator())
    decibels = 20 * torch.log10(loud.square().mean(1).sqrt() / tones(64).square().mean(1).sqrt())
    assert -6 <= decibels.min() < -4 < 4 < decibels.max() <= 6
    noisy, _ = only(noise=0.1).apply(tones(64), generator())
    share = (noisy - tones(64)).square().mean(1).sqrt() / tones(64).square().mean(1).sqrt()
    assert 0 <= share.min() < 0.02 < 0.08 < share.max() < 0.105


def test_each_process_changes_its_rows_as_one_would():
    whole, told = SoundAugment(noise=0).apply(tones(6), generator())
    parts = [
        SoundAugment(noise=0).apply(tones(6)[share.rows], generator(), share)
        for share in (Share.of(6, 0, 2), Share.of(6, 1, 2))
    ]
    assert torch.equal(torch.cat([part[0] for part in parts]), whole)
    assert torch.equal(torch.cat([part[1] for part in parts]), told)


def test_mixing_is_by_loudness():
    sounds = torch.cat([tones(8, 440), 0.1 * tones(8, 1000)])
    mixed, partner, weight = SoundAugment(mixup=1).mix(sounds, generator())
    assert sorted(partner.tolist()) == list(range(16))
    assert weight.min() >= 0.5
    loud, quiet = next((row, partner[row]) for row in range(8) if partner[row] >= 8)
    spectrum = np.abs(np.fft.rfft(mixed[loud].numpy()))
    assert spectrum[1000] / spectrum[440] == pytest.approx(
        (1 - float(weight[loud])) / float(weight[loud]), rel=0.02
    )
    same, _, ones = SoundAugment().mix(sounds, generator())
    assert same is sounds
    assert (ones == 1).all()
    assert quiet >= 8


@pytest.mark.parametrize("wrong", [{"speed": 2}, {"gain": -1}, {"mixup": True}, {"noise": "loud"}])
def test_amounts_out_of_their_range(wrong):
    with pytest.raises(UsageError, match="is not a number from"):
        dt.SoundAugment(**wrong)


def test_names_and_strength():
    assert SoundAugment.from_name("sounds") == SoundAugment()
    with pytest.raises(UsageError, match="no augmentation 'photos' for these data"):
        SoundAugment.from_name("photos")
    assert SoundAugment().scaled(2).speed == pytest.approx(0.3)
    assert SoundAugment().scaled(0) == SoundAugment.none()
    assert SoundAugment().scaled(100).gain == 40
    with pytest.raises(UsageError, match="are no sounds"):
        SoundAugment().apply(torch.zeros(2, 4, dtype=torch.int16), generator())


FREQUENCIES = torch.linspace(100, 4000, 40)


def draws(**columns):
    found = torch.tensor([[1.0, 1.0] + [0.0] * 17]).repeat(2, 1)
    for place, value in columns.items():
        found[:, int(place[1:])] = value
    return found


def test_a_spectrogram_is_read_at_other_frequencies_and_times():
    spectrogram = FREQUENCIES[:, None] + torch.arange(50.0)
    spectrogram = spectrogram.repeat(2, 1, 1)
    assert torch.allclose(changed(spectrogram, FREQUENCIES, draws()), spectrogram, atol=1e-2)
    warped = changed(spectrogram, FREQUENCIES, draws(c0=1.2))
    assert torch.allclose(warped[:, :30, 0], 1.2 * FREQUENCIES[:30].repeat(2, 1), atol=0.1)
    assert torch.allclose(warped[:, -1, 0], torch.full((2,), 4000.0), atol=0.1)
    slow = changed(spectrogram, FREQUENCIES, draws(c1=0.5))
    assert torch.allclose(slow[:, 0], 100 + 0.5 * torch.arange(50.0).repeat(2, 1), atol=0.01)


def test_stretches_of_a_spectrogram_are_left_out():
    spectrogram = torch.arange(40.0 * 50).reshape(1, 40, 50).repeat(2, 1, 1)
    masked = changed(spectrogram, FREQUENCIES, draws(c4=0.25, c5=0.1, c10=0.5, c11=0.2))
    out = torch.isclose(masked, spectrogram.mean(), atol=0.1)
    assert out[:, 10:14].all()
    assert out[:, :, 25:35].all()
    assert float(out.float().mean()) == pytest.approx(1 - (36 / 40) * (40 / 50), abs=1e-3)


def test_bands_become_softer_and_louder():
    spectrogram = torch.zeros(2, 41, 50)
    cut = changed(spectrogram, torch.linspace(100, 4000, 41), draws(c12=20, c13=0.25))
    assert torch.allclose(cut[0, [0, 5, 10, 40], 3], torch.tensor([-20.0, -10.0, 0.0, 0.0]), atol=1e-4)
    colour = changed(spectrogram, torch.linspace(100, 4000, 41), draws(c14=-6, c16=3))
    assert torch.allclose(
        colour[0, [0, 5, 10, 20, 40], 3], torch.tensor([-6.0, -3.0, 0.0, 3.0, 0.0]), atol=1e-4
    )


def test_what_sounds_is_stretched_over_all_frames():
    spectrogram = torch.full((2, 8, 21), -80.0)
    spectrogram[0, 3, 5:11] = torch.tensor([-10.0, 0, -5, -20, -8, -29])
    spectrogram[1] = 0
    span = Span(21)
    assert [end.flatten().tolist() for end in span.ends(spectrogram)] == [[5, 0], [10, 20]]
    found = span(spectrogram)
    assert torch.allclose(found[0, 3, ::4], spectrogram[0, 3, 5:11], atol=1e-4)
    assert found[0, 3, 2].item() == pytest.approx(-5.0)
    assert torch.equal(found[1], spectrogram[1])
    moved = span(spectrogram, torch.tensor([[0.2, -0.2], [0.0, 0.0]]))
    assert torch.allclose(moved[0, 3, [0, 20]], torch.tensor([0.0, -8.0]), atol=1e-4)


def test_a_long_sound_is_pressed_by_means():
    ramp = torch.arange(200.0).expand(1, 4, 200)
    found = Span(200)(ramp - 190)  # The first 170 or so frames are too quiet, the rest is stretched.
    assert found.shape == (1, 4, 100)
    assert torch.allclose(found[0, 0], torch.linspace(-21, 9, 100), atol=1e-3)
    noise = torch.where(torch.arange(400) % 2 == 0, 1.0, -1.0).expand(1, 4, 400)
    assert Span(400)(noise)[:, :, 1:-1].abs().max() < 0.51
