"""The bundle of a learner that translates: its network as a graph that reads and one that writes, and translations that every
runtime must repeat."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from drivetrain.bundle.golden import nasty_samples
from drivetrain.bundle.program import MOST_LONGEST, Generate
from drivetrain.bundle.strategies import Beam, Greedy
from drivetrain.export.writing import network_of, refuse_unlike, write_generator
from drivetrain.models.encoder_decoder.steps import Steps
from drivetrain.tokenizer import START, STOP

if TYPE_CHECKING:
    from drivetrain.data.dataset import Dataset
    from drivetrain.learn.learner import Learner

TEXTS, MOST = 6, 40
"""Golden texts of the data, and how many tokens are written for each at most."""
STRATEGIES = (Greedy(), Beam(4), Beam(4, length_penalty=0.6))
ROOM = 1.5
"""How many tokens may be written, as often as the longest target of the training has."""


def longest_of(data: Dataset) -> int:
    """Tokens that a text may have that is written, the one that begins it among them."""
    (target,) = data.signature.targets
    return min(MOST_LONGEST, int(ROOM * data.part("train").column(target).lengths.max()) + 2)


def export_translator(learner: Learner, path: str | Path, force: bool = False) -> Path:
    """Write `path`. Raises FileError where it is taken, DrivetrainError where steps are not what the network has learned,
    CheckFailed where onnxruntime writes otherwise; nothing is left behind then."""
    network, result = network_of(learner, path, force)
    data, signature = learner.data, learner.data.signature
    steps = Steps(network, signature)
    ((source, codec),), (target,) = signature.inputs.items(), signature.targets
    read, told = (data.part(data.measured_part).column(name) for name in (source, target))
    refuse_unlike(steps.difference(*(torch.tensor(column[0]) for column in (read, told))))
    longest = longest_of(data)
    never = tuple(token for token in codec.without_text if token != STOP)
    program = Generate(vocabulary=steps.size, longest=longest, stop=(STOP,), start=START, never=never)
    places = np.unique(np.linspace(0, len(read) - 1, TEXTS).astype(np.int64)).tolist()
    samples: list[Any] = [
        (f"text {place}", "validation", {source: codec.decode(read[place])["text"]}) for place in places
    ]
    samples += nasty_samples(signature, samples[0][2])
    return write_generator(
        learner, path, steps.write(), program, samples, STRATEGIES, steps.run, min(MOST, longest - 1), result, force
    )  # fmt: skip
