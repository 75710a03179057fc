"""A sound in a network: the mel spectrogram in its graph, before a body of pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import drivetrain as dt
from drivetrain.bundle.graph import check_graph
from drivetrain.bundle.tensors import made_names
from drivetrain.codecs import Signature
from drivetrain.codecs.audio import ANOTHER_RATE, IS_SILENT, Audio
from drivetrain.codecs.category import Category
from drivetrain.data.digest import as_bytes
from drivetrain.graphs.network import write_network
from drivetrain.graphs.torch_export import torch_graph
from drivetrain.models.build import build_network
from drivetrain.models.encoders.audio import RANGE, Spectrogram, Standard
from drivetrain.runtime import OnnxSession
from drivetrain.sound import wav
from drivetrain.sound.mel import MelShape, mel_power

SHAPES = [
    MelShape(8000, 4000, 256, 80, 40),
    MelShape(16000, 3001, 512, 160, 24, 50.0, 7000.0),
    MelShape(44100, 9000, 1024, 441, 64),
]
NOISE = np.random.default_rng(0).normal(size=(2, 9000)).astype(np.float32) * 0.1


def plain_power(samples: Any, shape: MelShape) -> Any:
    """The mel power (bands, frames) of one sound as a textbook has it, frame by frame, band by band."""

    def mel(hertz: float) -> float:
        return hertz * 3 / 200 if hertz < 1000 else 15 + math.log(hertz / 1000) * 27 / math.log(6.4)

    def hertz(mel: float) -> float:
        return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)

    low, high = mel(shape.low), mel(shape.high or shape.rate / 2)
    edges = [hertz(low + (high - low) * place / (shape.bands + 1)) for place in range(shape.bands + 2)]
    window = np.array([math.sin(math.pi * place / shape.window) ** 2 for place in range(shape.window)])
    silence = np.zeros(shape.window // 2)
    padded = np.concatenate([silence, samples.astype(np.float64), silence])
    made = np.zeros((shape.bands, 1 + len(samples) // shape.hop))
    at = np.fft.rfftfreq(shape.window, 1 / shape.rate)
    for frame in range(made.shape[1]):
        piece = padded[frame * shape.hop : frame * shape.hop + shape.window]
        power = np.abs(np.fft.rfft(piece * window)) ** 2
        for band, (begin, top, end) in enumerate(zip(edges, edges[1:], edges[2:])):
            height = np.interp(at, [begin, top, end], [0, 2 / (end - begin), 0], left=0, right=0)
            made[band, frame] = power @ height
    return made


@pytest.mark.parametrize("shape", SHAPES)
def test_mel_power_is_that_of_the_textbook(shape: MelShape) -> None:
    samples = NOISE[:, : shape.samples]
    want = np.stack([plain_power(row, shape) for row in samples])
    assert want.shape == (2, shape.bands, shape.frames)
    found = Spectrogram(shape).power(torch.tensor(samples)).numpy()
    np.testing.assert_allclose(found, want, rtol=1e-4)
    np.testing.assert_allclose(mel_power(samples, shape), want, rtol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_mel_power_is_that_of_librosa(shape: MelShape) -> None:
    librosa = pytest.importorskip("librosa")
    samples = NOISE[0, : shape.samples]
    want = librosa.feature.melspectrogram(
        y=samples, sr=shape.rate, n_fft=shape.window, hop_length=shape.hop, n_mels=shape.bands, fmin=shape.low, fmax=shape.high
    )  # fmt: skip
    found = Spectrogram(shape).power(torch.tensor(samples[None]))[0].numpy()
    np.testing.assert_allclose(found, want, rtol=1e-4)
    decibels = librosa.power_to_db(want, ref=1.0, amin=1e-14, top_db=80)
    found = Spectrogram(shape)(torch.tensor(samples[None]))[0].numpy()
    np.testing.assert_allclose(found, decibels, atol=1e-3)


@pytest.mark.parametrize(
    ("rate", "samples"),
    [(8000, 80_000), (8000, 1), (16000, 16000), (48000, 480_000), (96000, 9600), (1000, 100)],
)
def test_the_usual_shape_hears_everything_and_has_no_band_without_a_frequency(
    rate: int, samples: int
) -> None:
    shape = MelShape.of(rate, samples)
    assert shape.hop <= max(shape.window // 2, rate // 100)
    assert shape.frames <= max(301, 1 + 2 * samples // shape.window)
    if 8000 <= rate <= 48000:
        assert (shape.filters().sum(1) > 0).all()


def test_a_spectrogram_keeps_to_its_range_and_loudness_says_nothing() -> None:
    shape = SHAPES[0]
    loud = torch.tensor(NOISE[:, :4000])
    loud[:, :2000] = 0
    made = Spectrogram(shape)(loud)
    np.testing.assert_allclose(made.amax((1, 2)) - made.amin((1, 2)), RANGE, rtol=1e-6)
    standard = Standard()(made)
    assert float(standard.mean()) == pytest.approx(0, abs=1e-5)
    assert float(standard.std()) == pytest.approx(1, abs=1e-2)
    np.testing.assert_allclose(Standard()(Spectrogram(shape)(0.01 * loud)), standard, atol=1e-4)
    silence = Standard()(Spectrogram(shape)(torch.zeros(1, 4000)))
    assert float(silence.abs().max()) < 1e-3


def test_under_autocast_it_is_computed_in_float32() -> None:
    spectrogram, samples = Spectrogram(SHAPES[0]), torch.tensor(NOISE[:, :4000])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(spectrogram(samples), spectrogram(samples.clone()))
        found = spectrogram(samples)
    assert torch.equal(found, spectrogram(samples))


@pytest.mark.parametrize("model", ["cnn", "linear", "mlp", pytest.param("residual", marks=pytest.mark.slow)])
def test_the_graph_says_what_torch_says(model: str) -> None:
    signature = Signature(
        {"word": Audio(rate=8000, seconds=0.5, rates=(8000,), whole=1.0)},
        {"label": Category(classes=("a", "b", "c"))},
    )
    rows = {
        "word": np.concatenate([NOISE[:, :4000], np.zeros((1, 4000), np.float32)]),
        "label": np.array([0, 1, 2]),
    }
    torch.manual_seed(0)
    network = build_network(signature, rows, model).eval()
    with torch.no_grad():
        outputs = network.finish(network({"word": torch.tensor(rows["word"])}))["label"].numpy()
    data = write_network(network, signature) if model != "residual" else torch_graph(network, signature, rows)
    check_graph(data, signature)
    found = OnnxSession(data, made_names(signature)).run({"word": rows["word"]})["label"]
    np.testing.assert_allclose(found, outputs, atol=1e-5)
    assert not any("spectrogram" in name for name in network.state_dict()), (
        "what follows from the shape is no weight"
    )


def sounds(count: int, generator: Any) -> list[Any]:
    """Low and high tones, as (samples, rate), at two rates."""
    made = []
    for number in range(count):
        rate = 8000 if number % 4 else 16000
        pitch = (300, 900)[number % 2] * generator.uniform(0.9, 1.1)
        samples = np.sin(2 * np.pi * pitch * np.arange(rate // 8) / rate) * generator.uniform(0.1, 0.5)
        made.append({"tone": (samples.astype(np.float32), rate), "label": ("low", "high")[number % 2]})
    return made


@pytest.mark.slow
def test_sounds_are_trained_on_and_answered_without_torch(tmp_path: Path) -> None:
    made = sounds(48, np.random.default_rng(0))
    split = dt.split.random(0.25, seed=0)
    block = dt.DataBlock({"tone": Audio()}, {"label": dt.Category()}, items=lambda _: made, split=split)
    learner = block.dataset("tones").learner("cnn", seed=0)
    learner.fit(4)
    bundle = tmp_path / "tones.bundle"
    learner.export(bundle)
    predictor = dt.Predictor(bundle)
    for item in sounds(4, np.random.default_rng(1)):
        assert predictor.predict(item["tone"]).targets["label"]["label"] == item["label"]
    path = tmp_path / "tone.wav"
    path.write_bytes(wav.to_wav(np.zeros(8000, np.int16), 8000))
    assert predictor.predict(str(path)).unusual["tone"].reason == IS_SILENT
    tone = (0.1 * np.sin(np.arange(9000) / 20), 44100)
    answer = predictor.predict(tone)
    assert answer.input == "float64 array 9000, 44100"
    assert answer.unusual["tone"].reason == ANOTHER_RATE


def test_sounds_in_memory_are_told_apart() -> None:
    one, other = np.zeros(5000, np.float32), np.zeros(5000, np.float32)
    other[2500] = 1
    assert len({as_bytes((one, 8000)), as_bytes((other, 8000)), as_bytes((one, 16000))}) == 3
