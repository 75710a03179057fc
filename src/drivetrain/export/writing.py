"""The bundle of a learner that writes: the steps of its network, and generations that every runtime must repeat."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from drivetrain.bundle import refuse_no_bundle, write_bundle
from drivetrain.bundle.golden import Kind
from drivetrain.bundle.program import MOST_LONGEST, STEP, Generate
from drivetrain.bundle.strategies import Beam, Greedy, Sampling, Strategy
from drivetrain.errors import DrivetrainError
from drivetrain.export.bundle import data_facts
from drivetrain.learn.base import not_trained
from drivetrain.learn.runs.folder import versions
from drivetrain.models.steps import Steps
from drivetrain.report.card import model_card
from drivetrain.runtime.known import MADE, remember
from drivetrain.runtime.programs import verified
from drivetrain.runtime.programs.generate import Run
from drivetrain.runtime.programs.proof import make_generated_cases
from drivetrain.types import Sample

if TYPE_CHECKING:
    from drivetrain.learn.learner import Learner

PROMPTS, PROMPT, MOST = 6, 12, 24
"""Golden prompts, of how many tokens at most each, and how many tokens are written after each at most."""
STRATEGIES = (Greedy(), Sampling(temperature=0.8, top_k=20, seed=7), Beam(2))
LEAST_ALIKE = 1e-3
"""How far scores may be off between a stretch that is read whole and token by token."""


def export_writer(learner: Learner, path: str | Path, force: bool = False) -> Path:
    """Write `path`. Raises FileError where it is taken, DrivetrainError where steps are not what the network has learned,
    CheckFailed where onnxruntime writes otherwise; nothing is left behind then."""
    network, result = network_of(learner, path, force)
    data, steps = learner.data, Steps(network, learner.data.signature)
    ((name, codec),) = data.signature.inputs.items()
    column = data.part(data.measured_part).column(name)
    refuse_unlike(steps.difference(torch.tensor(column[0]).long()))
    longest = MOST_LONGEST if steps.any_length else max(2, int(column.lengths.max()))
    program = Generate(vocabulary=steps.size, longest=longest, never=codec.without_text)
    count = max(1, min(PROMPT, longest // 2))
    places = sorted({len(column) * place // PROMPTS for place in range(PROMPTS)})
    samples: list[tuple[str, Kind, Sample]] = []
    for number, place in enumerate(places, start=1):
        prompt = column[place][: min(longest - 1, 1 + count * number // PROMPTS)].astype(np.int64)
        samples.append((f"prompt {place}", "validation", {name: codec.decode(prompt)["text"]}))
    samples = [sample for sample in samples if len(codec.encode(codec.read(sample[2][name])))]
    return write_generator(
        learner, path, {STEP: steps.write()}, program, samples, STRATEGIES, steps.run, min(MOST, longest), result, force
    )  # fmt: skip


def network_of(learner: Learner, path: str | Path, force: bool) -> tuple[Any, dict[str, Any]]:
    """A copy of the network that was measured, float32 on the CPU, and the result. Raises FileError where the path is taken."""
    refuse_no_bundle(Path(path), force)
    if not learner.trained:
        raise not_trained()
    result = learner.result or learner.finish()
    return copy.deepcopy(learner.evaluated_network()).cpu().float().eval(), result


def refuse_unlike(off: float) -> None:
    """Raises DrivetrainError where scores are further off, token by token, than they may be."""
    if off > LEAST_ALIKE:
        raise DrivetrainError(
            f"token by token the network says something else: scores are {off:.2g} off.", where="export"
        )


def write_generator(
    learner: Learner,
    path: str | Path,
    graphs: dict[str, bytes],
    program: Generate,
    samples: Sequence[tuple[str, Kind, Sample]],
    strategies: Sequence[Strategy],
    run: Run,
    most: int,
    result: dict[str, Any],
    force: bool,
) -> Path:
    """The bundle of these graphs, verified, with golden cases of the samples (see `make_generated_cases`). A bare learner has no
    result to tell of."""
    path = Path(path)
    result = {"metrics": {}, "baselines": {}, "notes": list(learner.notes), **result}
    data, train = learner.data, learner.training_batch()
    signature = data.signature
    with learner.progress("Making golden cases", 1) as advance:
        cases = make_generated_cases(signature, program, graphs, samples, strategies, run, most)
        advance(1)
    bundle = write_bundle(
        path, name=path.stem, task=data.task.name, signature=signature, graph=graphs, program=program, cases=cases,
        profile={field: each.profile(train[field]) for field, each in signature.fields.items()},
        card=_card(learner, path.name, len(cases), result),
        facts={
            "data": data_facts(learner), "metrics": result["metrics"], "baselines": result["baselines"], "versions": versions(),
            "seed": learner.settings.seed, **data.task.facts(data),
        },
        force=force, check=lambda bundle: verified(bundle).require(path),
    )  # fmt: skip
    remember(bundle.hash, MADE)
    return path


def _card(learner: Learner, file: str, cases: int, result: dict[str, Any]) -> str:
    data = learner.data
    return model_card({
        "name": Path(file).stem, "task": data.task.name.replace("_", " "), "model": learner.model_name, "file": file,
        "metrics": result["metrics"], "notes": result["notes"], "versions": versions(), "cases": cases,
        "signature": data.signature.to_json(), "seed": learner.settings.seed, "limits": data.task.limits,
        "calls": data.task.card_use,
        "data": {"source": data.table.name, "rows": {part: len(rows) for part, rows in data.split.parts().items()}},
    })  # fmt: skip
