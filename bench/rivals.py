"""Fashion-MNIST beside Keras on TensorFlow and fastai, each in its own environment.

Claim: our training epoch is at least 1.2 times as quick as that of Keras on TensorFlow and 3 times as quick as that of
fastai reading PNG files; from `python script` to a validated first epoch we take at most 0.45 of fastai's time.
Method: fresh processes in turn, the same files, the same network (conv32-pool-conv64-pool-dense128-10), batch 128, Adam
at 1e-3, no augmentation; each script is written as the rival's documentation would write it. The first figure has our
packed store empty (`ours, first time`) or filled (`ours, again`); the epoch is the second one of each process. fastai
leaves out the last 96 pictures of an epoch. Ratios are of the passes side by side; their median is the claim.
Machine, n and date: in results/rivals.json.
Run: python bench/rivals.py PASSES PYTHON_WITH_KERAS PYTHON_WITH_FASTAI
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import fashion, fashion_folder, spread, write_result

HERE = Path(__file__).parent / "rivals"


def run(python: str, script: str, *arguments: str, cache: Path) -> dict[str, Any]:
    environment = {**os.environ, "BENCH_STARTED": str(time.time()), "DRIVETRAIN_CACHE": str(cache)}
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            [python, str(HERE / script), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            cwd=place,
        )
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    passes, keras, fastai = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    folder = fashion_folder(Path(tempfile.gettempdir()) / "drivetrain-bench-fashion")
    if not (folder / "arrays.npz").exists():
        (x, y), (vx, vy) = fashion("train"), fashion("t10k")
        np.savez(folder / "arrays.npz", x=x, y=y, vx=vx, vy=vy)
    cache = Path(tempfile.mkdtemp())
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(passes):
        shutil.rmtree(cache, ignore_errors=True)
        for name, python, script, arguments in (
            ("ours, first time", sys.executable, "ours.py", [str(folder)]),
            ("fastai from PNG", fastai, "with_fastai.py", [str(folder)]),
            ("ours, again", sys.executable, "ours.py", [str(folder)]),
            ("Keras on TensorFlow from memory", keras, "with_keras.py", [str(folder), "memory"]),
            ("Keras on TensorFlow from PNG", keras, "with_keras.py", [str(folder), "png"]),
            ("Keras on TensorFlow from PNG, cached", keras, "with_keras.py", [str(folder), "cached"]),
        ):
            found.setdefault(name, []).append(run(python, script, *arguments, cache=cache))
            print(name, found[name][-1], file=sys.stderr, flush=True)
    shutil.rmtree(cache, ignore_errors=True)

    def ratio(top: str, bottom: str, key: str) -> dict[str, float]:
        return spread([a[key] / b[key] for a, b in zip(found[top], found[bottom])])

    ours = "ours, again"
    ratios = {
        "epoch, Keras from memory / ours": ratio("Keras on TensorFlow from memory", ours, "epoch"),
        "epoch, Keras from PNG / ours": ratio("Keras on TensorFlow from PNG", ours, "epoch"),
        "epoch, Keras from PNG, cached / ours": ratio("Keras on TensorFlow from PNG, cached", ours, "epoch"),
        "epoch, fastai from PNG / ours": ratio("fastai from PNG", "ours, first time", "epoch"),
        "first validated epoch, ours the first time / fastai": ratio(
            "ours, first time", "fastai from PNG", "first"
        ),
        "first validated epoch, ours again / fastai": ratio(ours, "fastai from PNG", "first"),
        "first validated epoch, ours the first time / Keras from PNG": ratio(
            "ours, first time", "Keras on TensorFlow from PNG", "first"
        ),
    }
    figures = {
        name: {key: spread([one[key] for one in values]) for key in ("first", "epoch", "error")}
        for name, values in found.items()
    }
    claim = "epoch >= 1.2 x Keras-TF and >= 3 x fastai from PNG; first validated epoch <= 0.45 x fastai"
    write_result("rivals", claim, {"seconds": figures, "ratios": ratios})


if __name__ == "__main__":
    main()
