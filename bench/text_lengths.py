"""Texts of different lengths: tokenising, padding, memory, and a word LSTM against a bare torch loop and Keras.

Claims: a text of 1.1 million characters is tokenised in less than 2 s of CPU by every tokenizer, learning it included; of an
epoch of reviews less than 8 % is padding; 200 MB of texts are tokenised and packed in less than 500 MB of memory; a word LSTM's
epoch takes at most 1.05 times that of a bare torch loop of the same model on the same batches, and Keras at least 1.3 times ours.
Method: one thread, seconds of CPU. Tokenising: tiny_shakespeare, `fit` and `encode_column` of one text, at most 8,000 tokens, three
times. Padding: movie_reviews_polarity and amazon_app_reviews, words, the first epoch's batches of the default size, and those of a
random order beside them. Memory: a child process makes 200 MB of texts of stretches of tiny_shakespeare, five words of each
turned into names, holds them as a column, learns words and encodes them; what is told is the most anonymous memory at any time, of
which the texts are 200 MB. Beside it that of `text_classification.from_csv` with both parts encoded, of such texts as a CSV.
LSTM: 8,192 of the amazon reviews, 128 states, batches of 128 of similar lengths; the two take turns, and the ratios are of epochs
side by side. The bare loop has its batches gathered before. Keras is given the texts padded to the longest, as its documentation
does, in a process of its own; tokens a second count true tokens alone.
Machine, n and date: in results/text_lengths.json.  Run: python bench/text_lengths.py [PYTHON_WITH_KERAS]
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import data_folder, our_batches, spread, write_result
from torch import Tensor, nn

import drivetrain as dt
from drivetrain.codecs.tokens import Tokens
from drivetrain.data.loader import Tensors, shuffled
from drivetrain.learn.learner import Learner
from drivetrain.memory import kept_memory
from drivetrain.ragged import lengths_of

REVIEWS = {
    "movie_reviews_polarity": ("label", ["fold", "source_file"]),
    "amazon_app_reviews": ("positive", []),
}
TOKENIZERS = ("characters", "words", "bpe", "wordpiece", "unigram")
ROWS, STATES, PASSES = 8_192, 128, 5
MEGABYTES, OF_TABLE = 200, 50


def plays() -> str:
    return next(data_folder("tiny_shakespeare").glob("*.txt")).read_text(encoding="utf-8")


def tokenising() -> dict[str, Any]:
    text, found = plays(), {}
    for tokenizer in TOKENIZERS:
        seconds = []
        for _ in range(3):
            started = time.process_time()
            Tokens(tokenizer=tokenizer, length=65_536).fit([text]).encode_column(np.array([text], object))
            seconds.append(time.process_time() - started)
        found[tokenizer] = spread(seconds)
    return {"characters": len(text), "seconds": found}


def reviews(name: str) -> Any:
    target, ignore = REVIEWS[name]
    return dt.text_classification.from_csv(
        data_folder(name) / "reviews.csv", target, columns={"text": "tokens"}, ignore=ignore
    )


def padding() -> dict[str, Any]:
    found = {}
    for name in REVIEWS:
        learner = Learner(reviews(name), "lstm", quiet=True)
        rows = learner.tensors("train")
        at_random = list(torch.randperm(len(rows)).split(learner.settings.batch_size))
        found[name] = {
            "batch": learner.settings.batch_size, "ours": rows.padding(learner.epoch_batches(rows)),
            "at random": rows.padding(at_random),
        }  # fmt: skip
    return found


class Bare(nn.Module):
    """The same network, written out."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(size, width)
        self.cell = nn.LSTM(width, STATES, batch_first=True)
        self.head = nn.Linear(2 * STATES, 2)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        states, _ = self.cell(self.table(tokens))
        last = states[torch.arange(len(tokens)), lengths - 1]
        over = (torch.arange(tokens.shape[1]) >= lengths[:, None]).unsqueeze(2)
        return self.head(torch.cat([last, states.masked_fill(over, -1.0).amax(1)], 1))


def bare_epoch(network: Bare, optimizer: torch.optim.Optimizer, batches: list[Any]) -> float:
    started, total = time.process_time(), 0.0
    network.train()
    for batch in batches:
        outputs = network(batch["text"], batch[lengths_of("text")])
        loss = nn.functional.cross_entropy(outputs, batch["positive"])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        total += loss.item()
    return time.process_time() - started


def word_lstm(keras: str | None) -> dict[str, Any]:
    learner = Learner(reviews("amazon_app_reviews"), f"lstm:{STATES}-wide", quiet=True)
    rows: Tensors = learner.tensors("train")
    size = learner.settings.batch_size
    batches = shuffled(len(rows), size, torch.Generator().manual_seed(0), True, rows.lengths)[: ROWS // size]
    table = learner.network.encoders["tokens"].readers[0].table
    bare = Bare(*table.weight.shape)
    optimizer = torch.optim.AdamW(bare.parameters(), lr=1e-3, fused=True)
    gathered = [rows.gather(batch) for batch in batches]
    tokens = sum(int(batch[lengths_of("text")].sum()) for batch in gathered)
    times: dict[str, list[float]] = {"bare": [], "ours": []}
    with kept_memory():
        for turn in range(PASSES + 1):
            for kind in ("bare", "ours")[:: 1 if turn % 2 else -1]:
                seconds = (
                    bare_epoch(bare, optimizer, gathered) if kind == "bare" else our_batches(learner, batches)
                )
                if turn:
                    times[kind].append(seconds)
    ratios = {"ours / bare": spread([ours / bare for ours, bare in zip(times["ours"], times["bare"])])}
    found: dict[str, Any] = {"tokens": tokens, "batch": size}
    if keras:
        told = with_keras(keras, rows, torch.cat(batches), [*table.weight.shape, STATES, size])
        times["keras"] = told.pop("seconds")
        ours = statistics.median(times["ours"])
        ratios["keras / ours"] = spread([seconds / ours for seconds in times["keras"]])
        found |= told
    each = {name: spread([tokens / seconds for seconds in values]) for name, values in times.items()}
    return {**found, "tokens a second": each, "ratios of time": ratios}


def with_keras(python: str, rows: Tensors, chosen: Tensor, sizes: list[int]) -> dict[str, Any]:
    batch = rows.gather(chosen)
    named = dict(zip(("size", "width", "states", "batch"), sizes))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "arrays.npz"
        np.savez(path, x=batch["text"].numpy().astype(np.int32), y=batch["positive"].numpy(), **named)
        script = Path(__file__).parent / "rivals" / "words_with_keras.py"
        done = subprocess.run(
            [python, str(script), str(path), str(PASSES)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def made_texts(megabytes: int) -> Iterator[str]:
    """Stretches of 40 to 300 words of the plays, of which five are names that come nowhere else."""
    draw, words = random.Random(0), plays().split()
    left = megabytes * 1_000_000
    while left > 0:
        start = draw.randrange(len(words) - 300)
        stretch = words[start : start + draw.randint(40, 300)]
        for _ in range(5):
            stretch[draw.randrange(len(stretch))] = f"{draw.choice('abcdefgh')}{draw.randrange(10**6)}"
        text = " ".join(stretch).replace('"', "'")
        left -= len(text)
        yield text


def anonymous() -> int:
    """Bytes of this process that are no file's."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])


def child(what: str) -> None:
    """In a process of its own: the most memory at any time, and CPU seconds, as one line of JSON."""
    most = 0

    def watch() -> None:
        nonlocal most
        while True:
            most = max(most, anonymous())
            time.sleep(0.01)

    if what == "table":
        folder = tempfile.TemporaryDirectory()
        path = Path(folder.name) / "texts.csv"
        with path.open("w") as file:
            file.write("text,label\n")
            file.writelines(f'"{text}",{row % 2}\n' for row, text in enumerate(made_texts(OF_TABLE)))
    threading.Thread(target=watch, daemon=True).start()
    started, before = time.process_time(), anonymous()
    if what == "table":
        data = dt.text_classification.from_csv(path, "label", columns={"text": "tokens"})
        tokens = sum(int(data.part(part).column("text").lengths.sum()) for part in ("train", "valid"))
    else:
        texts = np.array(list(made_texts(MEGABYTES)), object)
        found, errors = Tokens(tokenizer="words", lower=True).fit(texts).encode_column(texts)
        assert not errors
        tokens = int(found.lengths.sum())
    print(
        json.dumps({
            "most bytes": most, "of them before": before, "tokens": tokens, "seconds": time.process_time() - started,
        })
    )  # fmt: skip


def memory() -> dict[str, Any]:
    found = {}
    for what, size in (("column", MEGABYTES), ("table", OF_TABLE)):
        done = subprocess.run(
            [sys.executable, __file__, "--child", what],
            capture_output=True, text=True, check=False, env={**os.environ},
        )  # fmt: skip
        if done.returncode:
            sys.exit(done.stderr)
        found[f"{what} of {size} MB"] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    torch.set_num_threads(1)
    write_result(
        "text_lengths",
        "1.1 M characters tokenised in < 2 s; padding < 8 %; 200 MB of texts in < 500 MB; word LSTM <= 1.05 x bare torch, and "
        "Keras >= 1.3 x ours",
        {
            "tokenising": tokenising(), "padding": padding(),
            "word lstm": word_lstm(sys.argv[1] if len(sys.argv) > 1 else None), "memory": memory(),
        },
    )  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    else:
        main()
