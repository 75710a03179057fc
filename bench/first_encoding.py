"""The first encoding of a folder of JPEG photographs, against Pillow alone on all cores.

Claim: at least 0.9 of the rate at which two processes decode and resize the same files with Pillow and keep nothing.
Method: the ants and bees pictures, copied to 11,910 files (30 times 397) so that start-up is shared out; encoded for
224 px into an empty cache; passes take turns; the yardstick's processes are started before its clock, and its
pictures are cropped and resized by the same call. Single passes differ by a tenth, so there are fifteen.
Machine, n and date: in results/first_encoding.json.  Run: python bench/first_encoding.py
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from common import data_folder, spread, write_result
from PIL import Image, ImageOps

from drivetrain.codecs.image import Image as ImageCodec
from drivetrain.codecs.image import resize_plan
from drivetrain.data.read.folders import image_files
from drivetrain.data.store.pack import pack

COPIES, PASSES, SIDE = 30, 15, 224


def plain(paths: list[str]) -> int:
    """Decode, turn upright and resize, as anybody would write it; the pictures are thrown away."""
    for path in paths:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
            box, size = resize_plan("crop", (upright.height, upright.width), (SIDE, SIDE))
            upright.resize(size[::-1], Image.Resampling.BILINEAR, box=box)
    return len(paths)


def main() -> None:
    workers = os.cpu_count() or 1
    times: dict[str, list[float]] = {"pillow": [], "ours": []}
    with tempfile.TemporaryDirectory() as place:
        for copy in range(COPIES):
            shutil.copytree(data_folder("hymenoptera_ants_bees"), Path(place) / "pictures" / str(copy))
        paths = image_files(Path(place) / "pictures")
        os.environ["DRIVETRAIN_CACHE"] = str(Path(place) / "cache")
        os.sync()
        chunks = [paths[start : start + 64] for start in range(0, len(paths), 64)]
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(plain, [paths[:8]] * workers))
            for _ in range(PASSES):
                started = time.perf_counter()
                list(pool.map(plain, chunks))
                times["pillow"].append(time.perf_counter() - started)
                started = time.perf_counter()
                pack(ImageCodec(size=SIDE, channels=3), paths)
                times["ours"].append(time.perf_counter() - started)
                shutil.rmtree(Path(place) / "cache")
                os.sync()  # What the disk does about the gigabytes deleted is in nobody's time.
    ratios = [mine / plain for mine, plain in zip(times["ours"], times["pillow"])]
    figures = {
        "pictures": len(paths),
        "pictures_per_second": {
            name: spread([len(paths) / value for value in values]) for name, values in times.items()
        },
        "ratios": {"rate of ours / rate of Pillow": spread([1 / ratio for ratio in ratios])},
    }
    write_result("first_encoding", "first encoding >= 0.9 x Pillow on all cores", figures)


if __name__ == "__main__":
    main()
