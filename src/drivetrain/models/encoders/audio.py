"""Sounds as they are packed -> features: a mel spectrogram in the graph, in decibels and on the scale of its own clip, laid as a
picture of one channel before a body of pictures, one for each input."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from drivetrain.codecs import Codec
from drivetrain.models.encoders import EncoderOptions
from drivetrain.models.encoders.image import ImageEncoder
from drivetrain.models.spectrogram import ENDS, Span, changed
from drivetrain.models.takes import PICTURE
from drivetrain.ragged import changes_of
from drivetrain.sound.mel import MelShape, hann
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph

FORM = PICTURE
LEAST = 1e-14
"""Mel power that is told from none: that of noise of a millionth."""
RANGE = 80.0
"""Decibels: what is further below the loudest place of its clip is raised to there."""
LEAST_SPREAD = 1.0
"""Decibels: what differs less, as silence does, is not blown up."""
DEEPEST = 40.0
"""Decibels, of what a body sees."""


class Spectrogram(nn.Module):
    """float32 (N, samples) -> decibels float32 (N, bands, frames): 10 log10 of the mel power (`drivetrain.sound.mel`), in
    float32 whatever the rest computes in, and nothing is learned.

    torch has the fast Fourier transform; a graph the same sums as a convolution with cosines and sines, which every runtime
    has and computes well: onnxruntime takes two to three times as long for ONNX's own STFT.
    """

    window: Tensor
    filters: Tensor
    transform: Tensor

    def __init__(self, shape: MelShape) -> None:
        super().__init__()
        self.shape = shape
        self.frequencies = torch.tensor(shape.frequencies, dtype=torch.float32)
        """(bands,) Hz."""
        # Each twice, for the squares of a cosine and of a sine. All follow from the shape: no checkpoint needs them.
        filters = torch.tensor(shape.filters(), dtype=torch.float32).repeat_interleave(2, dim=1)
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer(
            "window", torch.tensor(hann(shape.window), dtype=torch.float32), persistent=False
        )
        transform = torch.tensor(shape.transform(), dtype=torch.float32)
        self.register_buffer("transform", transform[:, None], persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        kind = samples.device.type
        if torch.is_autocast_enabled(kind):
            with torch.autocast(kind, enabled=False):
                return self._decibels(samples.float())
        return self._decibels(samples)

    def power(self, samples: Tensor) -> Tensor:
        """The mel power (N, bands, frames)."""
        size, hop = self.shape.window, self.shape.hop
        if torch.compiler.is_exporting():
            waves = functional.conv1d(samples[:, None], self.transform, stride=hop, padding=size // 2)
            return torch.matmul(self.filters, waves.square())
        frames = functional.pad(samples, (size // 2, size // 2)).unfold(1, size, hop) * self.window
        waves = torch.view_as_real(torch.fft.rfft(frames)).flatten(-2)
        return torch.matmul(waves.square(), self.filters.T).mT

    def _decibels(self, samples: Tensor) -> Tensor:
        decibels = (10 / math.log(10)) * self.power(samples).clamp(min=LEAST).log()
        return torch.maximum(decibels, decibels.amax((1, 2), keepdim=True) - RANGE)

    def write_graph(self, graph: NetworkGraph, samples: str) -> str:
        waves = graph.add(
            "Conv", graph.add("Unsqueeze", samples, graph.whole(1)), graph.tensor(self.transform),
            kernel_shape=[self.shape.window], strides=[self.shape.hop], pads=[self.shape.window // 2] * 2,
        )  # fmt: skip
        power = graph.add("MatMul", graph.tensor(self.filters), graph.add("Mul", waves, waves))
        logs = graph.add("Log", graph.add("Max", power, graph.constant(LEAST)))
        decibels = graph.add("Mul", logs, graph.constant(10 / math.log(10)))
        loudest = graph.add("ReduceMax", decibels, graph.whole(1, 2))
        return graph.add("Max", decibels, graph.add("Sub", loudest, graph.constant(RANGE)))


class Standard(nn.Module):
    """(N, bands, frames) less the mean of its clip, in standard deviations of its clip: how loud a sound was recorded says
    nothing then."""

    def forward(self, decibels: Tensor) -> Tensor:
        centred = decibels - decibels.mean((1, 2), keepdim=True)
        return centred / centred.square().mean((1, 2), keepdim=True).sqrt().clamp(min=LEAST_SPREAD)

    def write_graph(self, graph: NetworkGraph, decibels: str) -> str:
        centred = graph.add("Sub", decibels, graph.add("ReduceMean", decibels, graph.whole(1, 2)))
        variance = graph.add("ReduceMean", graph.add("Mul", centred, centred), graph.whole(1, 2))
        spread = graph.add("Max", graph.add("Sqrt", variance), graph.constant(LEAST_SPREAD))
        return graph.add("Div", centred, spread)


class Floor(nn.Module):
    """Whatever is further than `DEEPEST` decibels below the loudest place of its clip is raised to there: how quiet the room was
    says nothing then."""

    def forward(self, decibels: Tensor) -> Tensor:
        return torch.maximum(decibels, decibels.amax((1, 2), keepdim=True) - DEEPEST)

    def write_graph(self, graph: NetworkGraph, decibels: str) -> str:
        loudest = graph.add("ReduceMax", decibels, graph.whole(1, 2))
        return graph.add("Max", decibels, graph.add("Sub", loudest, graph.constant(DEEPEST)))


class SoundEncoder(nn.Module):
    """float32 (N, samples) -> what `body` makes of its picture, float32 (N, 1, bands, frames): what sounds, over all frames."""

    def __init__(self, shape: MelShape, body: Callable[[tuple[int, ...]], nn.Module]) -> None:
        super().__init__()
        self.spectrogram = Spectrogram(shape)
        self.span = Span(shape.frames)
        self.floor = Floor()
        self.standard = Standard()
        self.body = body((1, shape.bands, self.span.wide))

    def prepare(self, samples: Tensor, draws: Tensor | None = None) -> Tensor:
        """`draws` (N, 19) say what training changes (see `drivetrain.data.augment.sounds`)."""
        decibels = self.spectrogram(samples)
        if draws is None:
            return self.standard(self.floor(self.span(decibels)))[:, None]
        spread = self.span(decibels, draws[:, ENDS])
        frequencies = self.spectrogram.frequencies.to(spread.device)
        return self.standard(self.floor(changed(spread, frequencies, draws)))[:, None]

    def forward(self, samples: Tensor, draws: Tensor | None = None) -> Tensor:
        return self.body(self.prepare(samples, draws))

    def write_graph(self, graph: NetworkGraph, samples: str) -> str:
        picture = samples
        for part in (self.spectrogram, self.span, self.floor, self.standard):
            picture = graph.write(part, picture)
        return graph.write(self.body, graph.add("Unsqueeze", picture, graph.whole(1)))


class SoundsEncoder(ImageEncoder):
    """The sounds of each input, changed in training as the batch says, through a body of pictures of its own."""

    def of(self, batch: Mapping[Any, Tensor]) -> list[Tensor]:
        sounds = zip(self.names, list[Any](self.pictures))
        return [sound(batch[name], batch.get(changes_of(name))) for name, sound in sounds]


def build(codecs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions) -> SoundsEncoder:
    """A body of pictures for each input."""
    del rows
    sounds: dict[str, Any] = {
        name: SoundEncoder(shape_of(codec), options.body) for name, codec in codecs.items()
    }
    return SoundsEncoder(sounds)


def shape_of(codec: Codec) -> MelShape:
    """How the sounds of a codec are laid out."""
    (samples,) = codec.shape
    return MelShape.of(codec.rate, samples)  # type: ignore[attr-defined]
