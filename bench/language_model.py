"""Language models: a training step beside plain torch loops, and a written token beside torch's own.

Claims: a step of nanoGPT's CPU configuration takes at most 1.05 times that of its plain torch loop, better 0.7; one of a word
LSTM at most 1.05 times that of a bare loop of the same model; a token that onnxruntime writes from a bundle's graph takes at
most as long as in torch with the same cache, better half.
Method: tiny_shakespeare; one thread; CPU seconds; the ways take turns, and ratios are those of turns beside each other. Ours is
the loop that users run, in float32 and as it is by default (bfloat16 where the processor multiplies in it). The plain loops
compute in float32, as nanoGPT does on a CPU; `fused` has torch's fused AdamW, which nanoGPT takes on a GPU alone.
Nats of a whole training are in results/shakespeare.json (bench/shakespeare.py), and repeated here from that file.
Machine, n and date: in results/language_model.json.  Run: python bench/language_model.py [TURNS]
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from bare_writers import NanoLoop, WordLoop
from common import RESULTS, data_folder, spread, write_result

import drivetrain as dt
from drivetrain.bundle.program import Generate
from drivetrain.bundle.step_graphs import check_step_graphs
from drivetrain.bundle.strategies import Greedy, Sampling
from drivetrain.learn import loop
from drivetrain.learn.interrupt import InterruptGuard
from drivetrain.learn.settings import Phase
from drivetrain.models.steps import Steps
from drivetrain.runtime import OnnxSession
from drivetrain.runtime.programs.generate import Decoder, stream
from drivetrain.tasks.writers import computes_bfloat16

STEPS, WRITTEN = 20, 256
WORDS = {"width": 256, "embedded": 64}


def text() -> Any:
    return data_folder("tiny_shakespeare") / "input.txt"


def our_steps(learner: Any, steps: int) -> Callable[[], float]:
    """Milliseconds of CPU a step of the loop that users run, with its part of what an epoch's batches take to be chosen."""

    def take() -> float:
        learner.plan, learner.position = [Phase(1, 1e-3, schedule="constant")], loop.Position()
        training, whole = loop.start_phase(learner, learner.plan[0]), learner.epoch_batches
        with InterruptGuard() as guard, learner.generators.for_torch(), learner.epoch_table() as table:
            started = time.process_time()
            batches = whole(training.train_tensors(0))
            chosen = (time.process_time() - started) / len(batches)
            learner.epoch_batches = lambda rows: batches[:steps]
            started = time.process_time()
            loop.train_epoch(learner, training, guard, table)
            took = time.process_time() - started
        learner.epoch_batches = whole
        return (took / steps + chosen) * 1e3

    return take


def bare_steps(bare: Any, steps: int) -> Callable[[], float]:
    def take() -> float:
        started = time.process_time()
        for _ in range(steps):
            bare.step()
        return (time.process_time() - started) / steps * 1e3

    return take


def in_turns(ways: dict[str, Callable[[], float]], turns: int, base: str) -> dict[str, Any]:
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        for name, take in ways.items():
            took = take()
            if turn:
                found[name].append(took)
    return {
        "ms": {name: spread(each) for name, each in found.items()},
        f"ratio to {base}": {
            name: spread([ours / theirs for ours, theirs in zip(each, found[base])]) for name, each in found.items()
        },
    }  # fmt: skip


def nano(turns: int) -> dict[str, Any]:
    data = dt.language_model.from_file(text(), valid=0.1, context=64)
    codec = data.signature.inputs["prompt"]
    tokens = np.asarray(data.tokens)
    options: dict[str, Any] = {"batch_size": 12, "dropout": 0.0, "bare": True, "quiet": True}
    learners = {
        "ours, float32": data.learner("transformer:4-layers:128-wide", precision="float32", **options),
        "ours": data.learner("transformer:4-layers:128-wide", **options),
    }
    ways = {name: our_steps(each, STEPS) for name, each in learners.items()}
    ways |= {
        name: bare_steps(NanoLoop(tokens, codec.size, fused=fused), STEPS)
        for name, fused in (("nanoGPT's loop", False), ("nanoGPT's loop, fused", True))
    }
    return {
        "model": learners["ours"].description(),
        "tokens a step": 12 * 64,
        **in_turns(ways, turns, "nanoGPT's loop"),
    }


def words(turns: int) -> dict[str, Any]:
    data = dt.language_model.from_file(text(), valid=0.1, tokenizer="words", context=64)
    codec = data.signature.inputs["prompt"]
    model = f"lstm:{WORDS['width']}-wide:{WORDS['embedded']}-embedded"
    options: dict[str, Any] = {"batch_size": 32, "bare": True, "quiet": True}
    ways = {
        "ours, float32": our_steps(data.learner(model, precision="float32", **options), STEPS // 3),
        "ours": our_steps(data.learner(model, **options), STEPS // 3),
        "a bare loop": bare_steps(WordLoop(np.asarray(data.tokens), codec.size, 32, 64, **WORDS), STEPS // 3),
    }
    found = in_turns(ways, turns, "a bare loop")
    rates = {name: 32 * 64 / each["median"] * 1e3 for name, each in found["ms"].items()}
    return {
        "model": model,
        "vocabulary": codec.size,
        "tokens a step": 32 * 64,
        **found,
        "tokens a second": rates,
    }


def written(model: str, turns: int) -> dict[str, Any]:
    """Milliseconds a token of the runtime, and of torch in eager mode with the same weights and the same state."""
    data = dt.language_model.from_file(text(), valid=0.1)
    learner = data.learner(model, bare=True, quiet=True)
    steps = Steps(learner.network.eval(), data.signature)
    (codec,) = data.signature.targets.values()
    program = Generate(vocabulary=steps.size, longest=1024, never=codec.without_text)
    graphs = {"step": steps.write()}
    session = OnnxSession(graphs["step"], threads=1)
    decoder = Decoder(
        program, data.signature, check_step_graphs(graphs, program, data.signature), lambda _, batch: session.run(batch)
    )  # fmt: skip
    prompt = np.asarray(data.tokens[:24]).astype(np.int64)

    def ours(strategy: Greedy | Sampling) -> list[int]:
        return list(stream(decoder, {"prompt": prompt}, strategy, WRITTEN))

    @torch.inference_mode()
    def theirs() -> list[int]:
        tokens, state, found = torch.tensor(prompt)[None], steps.first_state(1), []
        for _ in range(WRITTEN):
            scores, state = steps(tokens, state)
            scores[:, codec.without_text] = -torch.inf
            tokens = scores.argmax(1, keepdim=True)
            found.append(tokens.item())
        return found

    def timed(write: Callable[[], list[int]]) -> Callable[[], float]:
        def take() -> float:
            started = time.process_time()
            write()
            return (time.process_time() - started) / WRITTEN * 1e3

        return take

    assert ours(Greedy()) == theirs(), "both write the same"
    ways = {
        "ours": timed(lambda: ours(Greedy())),
        "ours, sampling of 50": timed(lambda: ours(Sampling(temperature=0.8, top_k=50, seed=1))),
        "torch": timed(theirs),
    }
    return {"model": learner.description(), "tokens": WRITTEN, **in_turns(ways, turns, "torch")}


def main() -> None:
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    torch.set_num_threads(1)
    whole = RESULTS / "shakespeare.json"
    found = {
        "computes bfloat16 by itself": computes_bfloat16(),
        "nanoGPT's CPU configuration, a training step": nano(turns),
        "word LSTM, a training step": words(turns),
        "a written token": {model: written(model, turns) for model in ("lstm", "transformer")},
    }
    if whole.is_file():
        kept = json.loads(whole.read_text())
        found["tiny_shakespeare, nats"] = {
            kept["model"]: kept["metrics"]["valid"]["nats"],
            **{name: each["nats"] for name, each in kept["baselines"].items()},
            "CPU seconds": kept["CPU seconds"],
        }
    claim = "a step at most 1.05 times that of the plain loop, a written token at most that of torch"
    write_result("language_model", claim, found)


if __name__ == "__main__":
    main()
