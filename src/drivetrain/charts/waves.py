"""Sounds to look at and to listen to: the wave and the spectrogram of each, in a page with a player."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from drivetrain.charts.chart import (
    DARK,
    LIGHT,
    STEPS,
    Chart,
    Palette,
    data_uri,
    message,
    shorten,
    size_of,
)
from drivetrain.errors import DataError
from drivetrain.figures import percent, plain
from drivetrain.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

CELL, WAVE, BANDS, HEAD, FOOT, LEFT = 232, 44, 92, 22, 28, 34
"""CSS pixels: the least width of a sound's cell, the heights of its wave, its spectrogram, caption and axis; room for numbers."""
MOST_COLUMNS, MOST_FRAMES = 240, 160
"""Of a wave, and of a spectrogram."""
MOST_SECONDS, MOST_BYTES, LEAST_SECONDS = 10.0, 2_000_000, 0.25
"""What a page keeps of a sound, and of all its sounds; less of one is not kept."""
CLIPPED, LEAST_CLIPPED = 0.999, 0.001
"""A sample of so much is taken for clipped; a smaller share of them isn't told."""
RANGE = 80.0
"""dB: what is so far below the loudest is drawn as silence."""
LEVELS = 32
"""Colours of a spectrogram in a page."""


@dataclass(frozen=True, eq=False)
class Sound:
    """`samples` (n,) or (n, channels), float in [-1, 1] or int16, at `rate` a second. `picture` is (bands, frames) of dB or of
    logarithms, the lowest band first, where something else is to be shown than a spectrogram: what a network sees."""

    samples: Array
    rate: int
    caption: str = ""
    picture: Array | None = field(default=None)

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    def mixed(self) -> Array:
        """float32 (n,): the mean of the channels."""
        samples = np.asarray(self.samples)
        scale = 1 / 32768 if samples.dtype == np.int16 else 1.0
        made = np.nan_to_num(samples.astype(np.float32) * np.float32(scale))
        return made.mean(axis=1, dtype=np.float32) if made.ndim == 2 else made


def waves(sounds: Sequence[Sound], title: str = "", marks: Sequence[bool] | None = None) -> Chart:
    """A cell for each sound: its wave, its spectrogram on the mel scale beneath, its caption; in a page a player too, which has
    at most 10 seconds of it, and all of them 2 MB, and says where it was cut. `marks` says of each whether its answer is right.
    Raises DataError.
    """
    for sound in sounds:
        if sound.rate <= 0 or np.ndim(sound.samples) not in (1, 2):
            raise DataError(
                f"samples of shape {np.shape(sound.samples)} at {sound.rate} a second are no sound.",
                where=sound.caption or None, fix="Give (n,) or (n, channels), and a rate above 0.",
            )  # fmt: skip
    if marks is not None and len(marks) != len(sounds):
        raise DataError(f"{len(marks)} marks for {len(sounds)} sounds.", fix="Give one for each.")
    across = max(1, min(4, len(sounds)))
    cell = HEAD + WAVE + BANDS + FOOT
    head = 30 if title else 6
    size = (across * CELL + 10, -(-len(sounds) // across) * cell + head) if sounds else (320, 120)

    def draw(figure: Figure, palette: Palette) -> None:
        if not sounds:
            return message(figure, palette, "no sounds")
        figure.figure.set_layout_engine("none")
        total = size_of(figure)[1]
        top = head if figure.get_suptitle() else 6
        for number, sound in enumerate(sounds):
            row, column = divmod(number, across)
            left, upper = column * CELL + 8, top + row * cell
            right = None if marks is None else marks[number]
            wrong = right is False
            figure.text(left / size[0], 1 - (upper + HEAD - 8) / total, _sign(right) + shorten(_told(sound), 36), fontsize=10.5,
                        color=palette.warning if wrong else palette.ink)  # fmt: skip
            _draw(figure, palette, sound, (left, upper + HEAD, CELL - 14, size[0], total))

    def html() -> str:
        seconds = _kept(sounds)
        cells = "".join(
            _cell(sound, kept, None if marks is None else marks[number])
            for number, (sound, kept) in enumerate(zip(sounds, seconds))
        )
        return f'{STYLE}<div class="dt-waves">{cells or "no sounds"}</div>'

    return Chart(title, draw, size, html=html, mixes=True)


def _sign(right: bool | None) -> str:
    return "" if right is None else "✓ " if right else "✗ "


def _told(sound: Sound) -> str:
    clipped = float((np.abs(sound.mixed()) >= CLIPPED).mean()) if len(sound.samples) else 0.0
    told = (
        " · ".join(" ".join(line.split()) for line in sound.caption.split("\n") if line.strip()),
        f"{plain(sound.seconds)} s",
        f"{percent(clipped)} clipped" if clipped > LEAST_CLIPPED else "",
    )
    return " · ".join(each for each in told if each)


def _draw(
    figure: Figure, palette: Palette, sound: Sound, place: tuple[float, float, float, float, float]
) -> None:
    """The wave over the spectrogram at (left, top, width) of a figure's (width, height), in CSS pixels."""
    left, top, wide, width, total = place
    inner = wide - LEFT
    upper = figure.add_axes(((left + LEFT) / width, 1 - (top + WAVE) / total, inner / width, WAVE / total))
    lower = figure.add_axes(
        ((left + LEFT) / width, 1 - (top + WAVE + BANDS) / total, inner / width, BANDS / total)
    )
    samples = sound.mixed()
    seconds = max(sound.seconds, 1 / sound.rate)
    _wave(upper, palette, samples, seconds)
    _bands(lower, palette, sound, samples, seconds)


def _wave(axes: Axes, palette: Palette, samples: Array, seconds: float) -> None:
    axes.set_xlim(0, seconds)
    most = float(np.abs(samples).max()) if len(samples) else 0.0
    axes.set_ylim(-(most or 1), most or 1)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.axhline(0, color=palette.grid, linewidth=1, zorder=0)
    if not most:
        axes.text(
            0.5,
            0.62,
            _unheard(samples),
            transform=axes.transAxes,
            ha="center",
            fontsize=9.5,
            color=palette.warning,
        )
        return
    bounds, low, high = _extent(samples)
    axes.fill_between((bounds + 0.5) / len(samples) * seconds, low, high, color=palette.accent, linewidth=0.6)


def _extent(samples: Array) -> tuple[Array, Array, Array]:
    """Where at most 240 pieces of the samples begin, and how far below and above 0 each goes."""
    if not len(samples):
        return np.zeros(0, np.int64), samples, samples
    columns = min(MOST_COLUMNS, len(samples))
    bounds = np.linspace(0, len(samples), columns + 1).astype(np.int64)[:-1]
    low, high = np.minimum.reduceat(samples, bounds), np.maximum.reduceat(samples, bounds)
    return bounds, np.minimum(low, 0), np.maximum(high, 0)


def _bands(axes: Axes, palette: Palette, sound: Sound, samples: Array, seconds: float) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.spines[:].set_visible(False)
    axes.set_xlim(0, seconds)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    axes.xaxis.set_major_formatter(lambda value, _: f"{plain(value)} s")
    axes.tick_params(labelsize=9, pad=1)
    axes.set_yticks([])
    image, low, high, marks = _shown(sound, samples)
    if not image.size:
        return
    axes.imshow(image, origin="lower", aspect="auto", extent=(0, seconds, 0, len(image)), cmap=_colours(palette), vmin=low,
                vmax=high, interpolation="nearest")  # fmt: skip
    axes.set_yticks(list(marks.values()), list(marks))
    axes.set_xlim(0, seconds)
    axes.set_ylim(0, len(image))


def _colours(palette: Palette) -> LinearSegmentedColormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(
        "sound", [palette.surface, palette.soft, palette.accent, palette.ink]
    )


def _shown(sound: Sound, samples: Array) -> tuple[Array, float, float, dict[str, float]]:
    """The picture of a sound (bands, frames), what is drawn as nothing and as most, and where some frequencies are."""
    if sound.picture is not None:
        image, marks = np.asarray(sound.picture, np.float32), {}
    else:
        image, marks = spectrogram(samples, sound.rate)
    if not image.size:
        return image, 0.0, 1.0, marks
    high = float(image.max())
    low = max(float(image.min()), high - RANGE) if sound.picture is None else float(image.min())
    return image, low, high if high > low else low + 1, marks


def spectrogram(samples: Array, rate: int, rows: int = 64) -> tuple[Array, dict[str, float]]:
    """(rows, frames) of dB for the eye, each row a frequency on the mel scale, and where some frequencies are.

    Hann windows of about 25 ms, at most 160 of them; a row is the loudest of the frequencies nearer to it than to its neighbours.
    What a network is given is another thing, and exact (see the mel encoder).
    """
    size = 1 << max(5, round(np.log2(0.025 * rate)))
    padded = np.pad(samples, (size // 2, size - size // 2))
    frames = min(MOST_FRAMES, max(1, len(samples) // max(1, size // 4)))
    starts = np.linspace(0, len(samples), frames, endpoint=False).astype(np.int64)
    power = np.abs(np.fft.rfft(padded[starts[:, None] + np.arange(size)] * np.hanning(size), axis=1)) ** 2
    edges = np.expm1(np.linspace(0, _mel(rate / 2), rows + 1)) * 700
    bins = np.clip(np.searchsorted(np.arange(size // 2 + 1) * rate / size, edges[:-1]), 0, size // 2)
    found = np.maximum.reduceat(power, bins, axis=1)
    wanted = [hertz for hertz in (250, 1000, 4000, 16000) if hertz < rate / 2]
    marks = {
        plain(hertz / 1000) + (" kHz" if hertz == wanted[-1] else ""): _mel(hertz) / _mel(rate / 2) * rows
        for hertz in wanted
    }
    return (10 * np.log10(found + 1e-10)).T.astype(np.float32), marks


def _mel(hertz: float) -> float:
    """A frequency on the mel scale of O'Shaughnessy (1987), but for its factor."""
    return float(np.log1p(hertz / 700))


def _kept(sounds: Sequence[Sound]) -> list[float]:
    """How many seconds of each a page keeps: all that are short, and of the long ones as much as is left for each."""
    kept = [0.0] * len(sounds)
    left = float(MOST_BYTES)
    order = sorted(range(len(sounds)), key=lambda place: sounds[place].seconds * sounds[place].rate)
    for done, place in enumerate(order):
        sound = sounds[place]
        fair = left / (len(sounds) - done) / (2 * sound.rate)
        seconds = min(sound.seconds, MOST_SECONDS, fair)
        kept[place] = seconds if seconds >= min(LEAST_SECONDS, sound.seconds) else 0.0
        left -= kept[place] * 2 * sound.rate
    return kept


def _player(sound: Sound, seconds: float) -> str:
    if not seconds:
        return "<small>too long to be played here</small>" if len(sound.samples) else ""
    samples = np.round(sound.mixed()[: round(seconds * sound.rate)].clip(-1, 1) * 32767).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, sound.rate, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    uri = data_uri(buffer.getvalue(), "audio/wav")
    cut = f"<small>its first {plain(seconds)} s</small>" if seconds < sound.seconds - 1e-3 else ""
    return f'<audio controls preload="none" src="{uri}" aria-label="{escape(_told(sound))}"></audio>{cut}'


def _cell(sound: Sound, seconds: float, right: bool | None) -> str:
    """A sound of a page: two small pictures of few colours, between axes of text, for a page of them has to stay light."""
    kind = ' class="wrong"' if right is False else ""
    told = escape(_told(sound))
    samples = sound.mixed()
    places = _heights(samples)
    image, low, high, marks = _shown(sound, samples)
    shape = _picture(places, _wave_colours, "wave of " + told) if places.any() else _unheard(samples)
    cell = f'<div class="dt-wave">{shape}</div>'
    if image.size:
        steps = np.clip((image[::-1] - low) / (high - low) * LEVELS, 0, LEVELS - 1).astype(np.uint8)
        hertz = "".join(f'<i style="bottom:{row / len(image):.1%}">{name}</i>' for name, row in marks.items())
        cell += (
            f'<div class="dt-bands">{_picture(steps, _band_colours, "spectrogram of " + told)}{hertz}</div>'
        )
    length = max(sound.seconds, 1 / sound.rate)
    length = max(sound.seconds, 1 / sound.rate)
    shares = [(at, f"{at / length:.1%}") for at in _ticks(length)]
    # Centred in the middle, and never beyond an end.
    ends = "".join(
        f'<i style="left:{share};transform:translateX(-{share})">{plain(at)} s</i>' for at, share in shares
    )
    cell += f'<div class="dt-ends">{ends}</div>'
    return (
        f"<figure{kind}><figcaption>{_sign(right)}{told}</figcaption>{cell}{_player(sound, seconds)}</figure>"
    )


def _unheard(samples: Array) -> str:
    return "silent" if len(samples) else "no samples"


def _ticks(seconds: float) -> list[float]:
    """Round moments from 0 to the end."""
    from matplotlib.ticker import MaxNLocator

    return [float(at) for at in MaxNLocator(4, steps=STEPS).tick_values(0, seconds) if 0 <= at <= seconds]


def _heights(samples: Array) -> Array:
    """uint8 (2 * WAVE, columns): 1 where a picture of the wave is coloured; all 0 for silence."""
    bounds, low, high = _extent(samples)
    most = max(float(high.max(initial=0)), -float(low.min(initial=0)))
    if not most:
        return np.zeros((2 * WAVE, max(1, len(bounds))), np.uint8)
    rows = (WAVE - 0.5 - np.arange(2 * WAVE))[:, None] / WAVE * most
    thin = most / WAVE
    return ((rows <= np.maximum(high, thin)) & (rows >= np.minimum(low, -thin))).astype(np.uint8)


def _wave_colours(palette: Palette) -> list[str]:
    return [palette.surface, palette.accent]


def _band_colours(palette: Palette) -> list[str]:
    from matplotlib.colors import to_hex

    colours = _colours(palette)
    return [to_hex(colours(step / (LEVELS - 1))) for step in range(LEVELS)]


def _picture(places: Array, colours: Callable[[Palette], list[str]], told: str) -> str:
    """uint8 (height, width) of places in a list of colours, as a PNG for light and one for dark."""
    light, dark = (data_uri(_png(places, colours(palette)), "image/png") for palette in (LIGHT, DARK))
    source = f'<source media="(prefers-color-scheme: dark)" srcset="{dark}">'
    return f'<picture>{source}<img src="{light}" alt="{told}"></picture>'


def _png(places: Array, colours: Sequence[str]) -> bytes:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(places)).convert("P")
    image.putpalette(b"".join(bytes.fromhex(colour[1:]) for colour in colours))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True, bits=max(1, (len(colours) - 1).bit_length()))
    return buffer.getvalue()


STYLE = (
    "<style>.dt-waves{display:grid;gap:14px;margin:8px 0 0;grid-template-columns:repeat(auto-fill,minmax(200px,1fr))}"
    ".dt-waves figure{margin:0;min-width:0}"
    f".dt-waves div{{position:relative;margin-left:{LEFT}px}}.dt-waves img{{display:block;width:100%;height:100%}}"
    f".dt-wave{{height:{WAVE}px;color:{LIGHT.warning};font-size:12px;text-align:center}}.dt-bands{{height:{BANDS}px}}"
    ".dt-bands img{image-rendering:pixelated}"
    f".dt-ends{{height:18px}}.dt-waves i{{position:absolute;font:11px/1 sans-serif;color:{LIGHT.muted};white-space:nowrap}}"
    ".dt-bands i{right:calc(100% + 4px);transform:translateY(50%)}.dt-ends i{top:3px}"
    ".dt-waves figcaption{font-size:13px;line-height:1.3;overflow-wrap:anywhere}"
    f".dt-waves .wrong figcaption{{color:{LIGHT.warning}}}"
    ".dt-waves audio{width:100%;height:32px;display:block}.dt-waves small{font-size:12px}"
    "@media (prefers-color-scheme: dark){.dt-waves audio{color-scheme:dark}"
    f".dt-waves .wrong figcaption,.dt-wave{{color:{DARK.warning}}}.dt-waves i{{color:{DARK.muted}}}}}"
    "@media print{.dt-waves audio{display:none}.dt-waves figure{break-inside:avoid}}</style>"
)
