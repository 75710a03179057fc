"""Reading 600 recordings and their mel spectrograms, beside librosa, on two cores.

Claim: decoding and mel of the 600 wavs take librosa at least 5 times as long.
Method: spoken_digits, 600 wavs of 8 kHz, 0.43 s on average. Ours: what a dataset does, in both processes of a pool: the codec's
`encode_column` (one shape for all) and the encoder's mel in torch, in batches of 64. librosa: `load(sr=8000)`,
`feature.melspectrogram` and `power_to_db` of each with the same window, hop and bands, in both processes of a pool as well.
Both have been warmed up with a tenth of the files in the processes that are measured. What is told is seconds of CPU of all
processes, and of the clock, five turns interleaved; the claim is of the clock where the machine is quiet, of CPU otherwise:
both are in the file. Needs librosa.
Machine, n and date: in results/sound_speed.json.  Run: python bench/sound_speed.py
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from common import data_folder, spread, write_result

from drivetrain.sound.mel import MelShape

CORES, TURNS, BATCH, ASKED = 2, 5, 64, 5.0
RATE, SECONDS = 8_000, 0.5
SHAPE = MelShape.of(RATE, round(RATE * SECONDS))
"""As a training on these files has it."""
_spectrogram: Any = None
_codec: Any = None
_kept: Any = None


def ours(paths: list[str]) -> float:
    """CPU seconds of one process for its half of the files."""
    import torch

    from drivetrain.codecs.audio import Audio
    from drivetrain.memory import kept_memory
    from drivetrain.models.encoders.audio import Spectrogram

    global _spectrogram, _codec, _kept
    if _codec is None:
        torch.set_num_threads(1)
        _kept = kept_memory()
        _kept.__enter__()  # For good, as a training has it from its first batch to its last.
        _codec = Audio(rate=RATE, seconds=SECONDS)
        _spectrogram = Spectrogram(SHAPE)
    started = time.process_time()
    samples, _ = _codec.encode_column(np.array(paths, object))
    with torch.inference_mode():
        for start in range(0, len(paths), BATCH):
            _spectrogram(torch.from_numpy(samples[start : start + BATCH]))
    return time.process_time() - started


def librosas(paths: list[str]) -> float:
    import librosa

    options = {"sr": RATE, "n_fft": SHAPE.window, "hop_length": SHAPE.hop, "n_mels": SHAPE.bands}
    started = time.process_time()
    for path in paths:
        samples, _ = librosa.load(path, sr=RATE)
        librosa.power_to_db(librosa.feature.melspectrogram(y=samples, **options))
    return time.process_time() - started


def turn(pool: ProcessPoolExecutor, work: Any, paths: list[str]) -> dict[str, float]:
    started = time.perf_counter()
    spent = list(pool.map(work, [paths[k::CORES] for k in range(CORES)]))
    return {"clock": time.perf_counter() - started, "CPU": sum(spent)}


def main() -> None:
    try:
        import librosa  # noqa: F401
    except ImportError:
        sys.exit("needs librosa")
    paths = [str(path) for path in sorted((data_folder("spoken_digits") / "recordings").glob("*.wav"))]
    works = {"drivetrain": ours, "librosa": librosas}
    found: dict[str, dict[str, list[float]]] = {name: {"clock": [], "CPU": []} for name in works}
    with ProcessPoolExecutor(CORES, get_context("spawn")) as pool:
        for count in range(TURNS + 1):
            for name in list(works)[:: 1 if count % 2 else -1]:
                for kind, seconds in turn(pool, works[name], paths if count else paths[::10]).items():
                    if count:
                        found[name][kind].append(seconds)
    ratios = {
        kind: spread(
            [theirs / mine for mine, theirs in zip(found["drivetrain"][kind], found["librosa"][kind])]
        )
        for kind in ("clock", "CPU")
    }
    write_result(
        "sound_speed",
        "decoding and mel of 600 wavs: librosa takes at least 5 times as long, on two cores",
        {
            "files": len(paths), "megabytes": round(sum(Path(path).stat().st_size for path in paths) / 1e6, 2),
            "seconds": {name: {kind: spread(values) for kind, values in kinds.items()} for name, kinds in found.items()},
            "times as long": ratios, "holds": ratios["CPU"]["median"] >= ASKED,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
