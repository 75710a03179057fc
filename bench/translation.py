"""English to French on multi30k (29,000 pairs), test2016: BLEU of the exported bundle by sacrebleu (13a), and the CPU it took.

    python bench/translation.py RUN [EPOCHS [DROPOUT]]

Trains a run there in one thread, or goes on with it when it was stopped (Ctrl-C); measures its bundle when it is trained. The CPU
seconds of each stretch are kept beside the run, so that a stop changes nothing in what is told.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from common import data_folder, write_result

import drivetrain as dt
from drivetrain.learn.baselines.word_by_word import WordByWord
from drivetrain.learn.settings import Phase
from drivetrain.metrics.translation import measure, signatures
from drivetrain.runtime import Beam, Generator, Greedy

ASKED, STRETCH = 45.0, 55.0
MODEL, TOKENS, EPOCHS, RATE, DROPOUT = "transformer:3-layers", 5000, 20, 4e-3, 0.1
SETTINGS: dict[str, Any] = {"batch_size": 96, "clip": 1.0}
STRATEGIES = {"greedy": Greedy(), "beam of 4": Beam(4), "beam of 4, length penalty 0.6": Beam(4, 0.6)}


class Spent(dt.Hook):
    """CPU seconds of all threads, stretch by stretch, in a file beside the run."""

    def __init__(self, file: Path) -> None:
        self.file, self.before = file, json.loads(file.read_text()) if file.exists() else []
        self.started = time.process_time()

    def keep(self) -> None:
        self.file.write_text(json.dumps([*self.before, round(time.process_time() - self.started, 1)]))

    def on_epoch_end(self, learner: Any, row: Any) -> None:
        self.keep()

    def on_stop(self, learner: Any) -> None:
        self.keep()


def trained(run: Path, data: Any, epochs: int, dropout: float) -> Any:
    spent = Spent(run.with_suffix(".cpu.json"))
    if (run / "config.toml").exists():
        learner = dt.Learner.resume(run, data, hooks=[spent])
        if learner.last_result() is None:
            learner.go_on()
    else:
        learner = data.learner(MODEL, out=run, hooks=[spent], dropout=dropout, **SETTINGS)
        learner.train([Phase(epochs, RATE)])
    return learner, sum(json.loads(spent.file.read_text()))


def figures(written: list[str], references: list[str]) -> dict[str, Any]:
    found = measure(written, references)
    return {name: {"value": one.value, "low": one.low, "high": one.high} for name, one in found.items()}


def main() -> None:
    run = Path(sys.argv[1])
    epochs = int(sys.argv[2]) if len(sys.argv) > 2 else EPOCHS
    dropout = float(sys.argv[3]) if len(sys.argv) > 3 else DROPOUT
    folder = data_folder("multi30k_en_fr")
    data = dt.translation.from_csv(folder, "en", "fr", tokens=TOKENS)
    learner, seconds = trained(run, data, epochs, dropout)
    bundle = learner.export(run.with_suffix(".bundle"), force=True)
    rows = data.rows("test")
    sources, references = (data.table[name][rows].tolist() for name in ("en", "fr"))
    generator = Generator(bundle)
    found: dict[str, Any] = {}
    for name, strategy in STRATEGIES.items():
        started = time.process_time()
        written = generator.translate(sources, strategy)
        found[name] = {"cpu_seconds": round(time.process_time() - started, 2), **figures(written, references)}
    train = data.rows("train")
    simple = WordByWord.fit(*(data.table[name][train].tolist() for name in ("en", "fr")))
    found["word by word"] = figures(simple.translate(sources), references)
    write_result(
        "translation",
        f"multi30k en-fr, test2016, within 7,200 CPU s: a BLEU of {ASKED:g} is asked, {STRETCH:g} is the stretch",
        {
            "pairs": {part: len(data.rows(part)) for part in ("train", "valid", "test")},
            "model": learner.description(),
            "epochs": learner.epochs,
            "settings": learner.settings.to_json(),
            "peak learning rate": RATE,
            "seed": learner.settings.seed,
            "cpu_seconds_of_training": round(seconds),
            "valid": learner.result["metrics"],
            "test": found,
            "signatures": signatures(),
            "bundle_megabytes": round(bundle.stat().st_size / 1e6, 1),
            "holds": max(each["bleu"]["value"] for each in found.values()) >= ASKED,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
