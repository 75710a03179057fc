"""What the benchmarks share: the machine in words, medians, the data, and where figures are kept."""

from __future__ import annotations

import gzip
import json
import os
import platform
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"


def data_folder(name: str) -> Path:
    """A folder of DRIVETRAIN_DATA, or the end of the benchmark with a reason."""
    root = os.environ.get("DRIVETRAIN_DATA")
    if not root or not (Path(root) / name).is_dir():
        sys.exit(f"needs the data set {name!r} in the folder that DRIVETRAIN_DATA names")
    return Path(root) / name


def machine() -> str:
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def write_result(name: str, claim: str, figures: dict[str, Any]) -> None:
    """Keep the figures in results/NAME.json and print them."""
    record = {"claim": claim, "machine": machine(), "date": datetime.now(UTC).date().isoformat(), **figures}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


def fashion(part: str) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (n, 28, 28) pictures and uint8 (n,) labels of Fashion-MNIST, `train` or `t10k`."""
    folder = data_folder("fashion_mnist")
    images = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    return np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28), np.frombuffer(
        labels, np.uint8, offset=8
    )


def fashion_folder(folder: Path) -> Path:
    """Fashion-MNIST as train/ and test/ class folders of PNG files; written once."""
    from PIL import Image

    if not folder.is_dir():
        for part, name in (("train", "train"), ("t10k", "test")):
            for number, (picture, label) in enumerate(zip(*fashion(part))):
                path = folder / name / str(label) / f"{number:05d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(path)
    return folder


def our_epoch(learner: Any, batches: int | None = None) -> float:
    """Seconds of the training pass of one epoch, or of its first `batches`, through the loop that users run."""
    from drivetrain.learn import loop
    from drivetrain.learn.interrupt import InterruptGuard
    from drivetrain.learn.settings import Phase

    phase = Phase(1, 1e-3, schedule="constant")
    learner.plan, learner.position = [phase], loop.Position()
    training = loop.start_phase(learner, phase)
    whole = learner.epoch_batches
    learner.epoch_batches = lambda rows: whole(rows)[:batches]
    with InterruptGuard() as guard, learner.generators.for_torch(), learner.epoch_table() as table:
        started = time.perf_counter()
        loop.train_epoch(learner, training, guard, table)
        seconds = time.perf_counter() - started
    learner.epoch_batches = whole
    return seconds


def our_batches(learner: Any, batches: list[Any]) -> float:
    """CPU seconds of the training pass over these batches, through the loop that users run."""
    from drivetrain.learn import loop
    from drivetrain.learn.interrupt import InterruptGuard
    from drivetrain.learn.settings import Phase

    phase = Phase(1, 1e-3, schedule="constant")
    learner.plan, learner.position = [phase], loop.Position()
    training = loop.start_phase(learner, phase)
    learner.epoch_batches = lambda rows: batches
    with InterruptGuard() as guard, learner.generators.for_torch(), learner.epoch_table() as table:
        started = time.process_time()
        loop.train_epoch(learner, training, guard, table)
        return time.process_time() - started
