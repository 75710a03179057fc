"""Augmented pictures per CPU-second.

Claim    From a packed uint8 store at 256 px, flip, rotation, zoom, perspective and lighting give at least 1,300
         pictures of 224 x 224 x 3 per CPU-second; a batch of 128 small pictures (28 x 28 x 1) costs at most 2 ms.
Method   Batches of 64 (128 small ones) on the processor, beside: the same homographies with torch's grid_sample;
         Pillow's transform and point, from the store and from JPEG files; fastai's aug_transforms at the same
         strengths, on a batch held in memory and as an epoch from JPEG files. CPU-seconds are the process's user
         and system time over all threads, without imports. Torch has one thread in every contender, its best case
         here: threads that wait count as CPU time. Each round runs every contender once, in turn; what is
         printed is the median over the rounds, and of each round's ratio to ours.
Data     The first 128 JPEG files of hymenoptera_ants_bees, short side at most 232 px: larger files cost the
         contenders that decode more than here.
Machine, n and date are written to bench/results/augment.json with the figures.

    DRIVETRAIN_DATA=... python bench/augment.py [--fastai PYTHON_THAT_HAS_FASTAI] [--rounds 7]
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

BATCH, STORE, SIZE = 64, 256, 224


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def fastai_worker(folder: Path, files: list[Path]) -> None:
    """In fastai's environment: for each line read, run the pass it names and print its pictures per CPU-second."""
    import torch
    from fastai.vision.all import (
        CategoryBlock,
        DataBlock,
        ImageBlock,
        RandomSplitter,
        Resize,
        ResizeMethod,
        aug_transforms,
        parent_label,
    )

    torch.set_num_threads(1)
    changes = aug_transforms(
        size=SIZE, do_flip=True, max_rotate=10.0, max_zoom=1.1, max_warp=0.2, max_lighting=0.2
    )
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_items=lambda _: files,
        get_y=parent_label,
        splitter=RandomSplitter(0.0, seed=0),
        item_tfms=Resize(STORE, method=ResizeMethod.Squish),
        batch_tfms=changes,
    )
    loaders = block.dataloaders(folder, bs=BATCH, num_workers=0)
    held = loaders.train.before_batch([loaders.train.do_item(i) for i in range(BATCH)])
    held = loaders.train.create_batch(held)

    def epoch() -> int:
        return sum(len(labels) for _, labels in loaders.train)

    def batch() -> int:
        return sum(len(loaders.train.after_batch(held)[1]) for _ in range(4))

    passes = {"epoch": epoch, "batch": batch}
    for run in passes.values():
        run()
    for line in sys.stdin:
        start = time.process_time()
        pictures = passes[line.strip()]()
        print(pictures / (time.process_time() - start), flush=True)


def contenders(files: list[Path]) -> dict[str, Callable[[], float]]:
    """Name -> a pass that returns its pictures per CPU-second."""
    import numpy as np
    import torch
    from PIL import Image

    from drivetrain.data.augment import resample
    from drivetrain.data.augment.pictures import DRAWS, Augment

    torch.set_num_threads(1)
    augment, digits, generator = Augment.photos(), Augment.digits(), torch.Generator().manual_seed(0)
    bilinear, perspective = Image.Resampling.BILINEAR, Image.Transform.PERSPECTIVE

    def decode(file: Path) -> Image.Image:
        with Image.open(file) as image:
            return image.convert("RGB").resize((STORE, STORE), bilinear)

    store = np.stack([np.asarray(decode(file)) for file in files])
    held = np.empty((BATCH, STORE, STORE, 3), np.uint8)
    small = torch.from_numpy(
        np.stack([np.asarray(decode(f).convert("L").resize((28, 28)))[..., None] for f in files])
    )
    steps = torch.randperm(len(files), generator=generator).split(BATCH) * 2

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        draws = torch.rand(count, DRAWS, generator=generator, dtype=torch.float64).numpy()
        return augment._homographies(draws, (SIZE, SIZE)), augment._lighting_tables(draws)

    def gather(rows: torch.Tensor) -> torch.Tensor:
        np.take(store, rows.numpy(), axis=0, out=held, mode="clip")
        return torch.from_numpy(held)

    def ours() -> None:
        for rows in steps:
            augment.apply(gather(rows), (SIZE, SIZE), generator)

    def grid_sample() -> None:
        for rows in steps:
            homographies, tables = draw(len(rows))
            matrices = resample._pixel_matrices(homographies, (STORE, STORE), (SIZE, SIZE))
            changed = resample._resample_tensor(gather(rows), torch.from_numpy(matrices), (SIZE, SIZE))
            resample.look_up(changed, tables)

    def pillow(read: Callable[[int], Image.Image]) -> Callable[[], None]:
        to_unit = np.array([[2 / SIZE, 0, -1], [0, 2 / SIZE, -1], [0, 0, 1]])
        from_unit = np.array([[STORE / 2, 0, STORE / 2], [0, STORE / 2, STORE / 2], [0, 0, 1]])

        def run() -> None:
            for rows in steps:
                homographies, tables = draw(len(rows))
                out = np.empty((len(rows), SIZE, SIZE, 3), np.uint8)
                matrices = from_unit @ homographies @ to_unit
                matrices /= matrices[:, 2:, 2:]
                for row, matrix, table, picture in zip(rows.tolist(), matrices, tables, out):
                    numbers = tuple(matrix.reshape(-1)[:8].tolist())
                    seen = read(row).transform((SIZE, SIZE), perspective, numbers, bilinear)
                    picture[...] = np.asarray(seen.point(table.tolist() * 3))

        return run

    def small_batch() -> None:
        for _ in range(20):
            digits.apply(small, (28, 28), generator)

    def rate(run: Callable[[], None], pictures: int) -> Callable[[], float]:
        return lambda: pictures / cpu_seconds(run)

    seen = sum(len(rows) for rows in steps)
    return {
        "drivetrain, from the store": rate(ours, seen),
        "torch grid_sample, from the store": rate(grid_sample, seen),
        "Pillow, from the store": rate(pillow(lambda row: Image.fromarray(store[row])), seen),
        "Pillow, from JPEG files": rate(pillow(lambda row: decode(files[row])), seen),
        "drivetrain, 28 x 28 x 1, batch 128": rate(small_batch, 20 * len(files)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fastai", metavar="PYTHON", help="an interpreter that has fastai")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if "DRIVETRAIN_DATA" not in os.environ:
        sys.exit("DRIVETRAIN_DATA is not set: the folder that holds hymenoptera_ants_bees.")
    folder = Path(os.environ["DRIVETRAIN_DATA"]) / "hymenoptera_ants_bees" / "train"
    files = sorted(folder.rglob("*.jpg"))[:128]
    if options.worker:
        fastai_worker(folder, files)
        return

    passes = contenders(files)
    worker = None
    if options.fastai:
        command = [options.fastai, __file__, "--worker"]
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def ask(name: str) -> float:
            assert worker is not None
            assert worker.stdin is not None
            assert worker.stdout is not None
            print(name, file=worker.stdin, flush=True)
            return float(worker.stdout.readline())

        passes["fastai, a batch in memory"] = lambda: ask("batch")
        passes["fastai, from JPEG files"] = lambda: ask("epoch")
    for run in passes.values():
        run()
    rounds = [{name: run() for name, run in passes.items()} for _ in range(options.rounds)]
    if worker is not None and worker.stdin is not None:
        worker.stdin.close()
        worker.wait()
    report(rounds)


def report(rounds: list[dict[str, float]]) -> None:
    import torch

    from drivetrain.files import to_json, write_text

    ours, small = "drivetrain, from the store", "drivetrain, 28 x 28 x 1, batch 128"
    rates = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    ratios = {
        name: statistics.median(one[ours] / one[name] for one in rounds) for name in rates if name != small
    }
    for name, rate in rates.items():
        spread = f"{min(one[name] for one in rounds):,.0f} to {max(one[name] for one in rounds):,.0f}"
        times = f"  drivetrain is {ratios[name]:.2f} times as fast" if ratios.get(name, 1) != 1 else ""
        print(f"{name:36}{rate:9,.0f} pictures per CPU-second ({spread}){times}")
    microseconds = 128 / rates[small] * 1e6
    print(f"{'a batch of 128 of 28 x 28 x 1':36}{microseconds:9,.0f} microseconds of CPU time")
    record = {
        "pictures_per_cpu_second": {name: round(rate, 1) for name, rate in rates.items()},
        "times_as_fast_as": {name: round(ratio, 3) for name, ratio in ratios.items() if name != ours},
        "small_batch_microseconds": round(microseconds, 1),
        "rounds": [{name: round(rate, 1) for name, rate in one.items()} for one in rounds],
        "n": {"rounds": len(rounds), "pictures_per_pass": 256, "batch": BATCH},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Python "
        f"{platform.python_version()}, torch {torch.__version__}, {torch.get_num_threads()} threads",
        "date": datetime.date.today().isoformat(),
    }
    write_text(Path(__file__).parent / "results" / "augment.json", to_json(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
