"""What was tried on the way to the best model: its answers by fold, kept in the run, and what is told of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from drivetrain.codecs import Codec, Quantity
from drivetrain.errors import DrivetrainError
from drivetrain.figures import digits, rough
from drivetrain.files import from_json, to_json, write_bytes, write_text
from drivetrain.learn.best.candidates import Candidate
from drivetrain.learn.names import BEST
from drivetrain.metrics import Estimate, Statistic, difference, names, statistics
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.learn.base import BaseLearner


@dataclass(eq=False)
class Tried:
    """A candidate, and what it said of each fold: target -> outputs (n, ...). `graph` and `history` are of the first."""

    candidate: Candidate
    answers: list[dict[str, Array]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    graph: bytes = b""
    history: list[dict[str, Any]] = field(default_factory=list)
    chosen: dict[str, Any] = field(default_factory=dict)
    """What was chosen in the first fold, and holds for the others."""
    fitted: BaseLearner | None = None
    """The learner of the first, where it was not read from a run."""

    def _stem(self, folder: Path, number: int) -> Path:
        return folder / f"{self.candidate.key}-{number}"

    def keep(self, folder: Path, number: int) -> None:
        """Write a fold's answers into a folder, so that a run that is stopped need not fit it again. The .json comes last."""
        stem = self._stem(folder, number)
        stem.parent.mkdir(exist_ok=True)
        buffer = BytesIO()
        answers = self.answers[number]
        arrays: dict[str, Any] = {str(place): rows for place, rows in enumerate(answers.values())}
        np.savez_compressed(buffer, **arrays)
        if not number:
            write_bytes(stem.with_suffix(".onnx"), self.graph)
        write_bytes(stem.with_suffix(".npz"), buffer.getvalue())
        about = {"targets": list(answers), "seconds": self.seconds[number], "chosen": self.chosen}
        write_text(
            stem.with_suffix(".json"), to_json({**about, "history": [] if number else self.history}) + "\n"
        )

    def take(self, folder: Path, number: int) -> bool:
        """Read a fold's answers, where the folder has them whole."""
        stem = self._stem(folder, number)
        try:
            about = from_json(stem.with_suffix(".json").read_bytes(), where=stem.with_suffix(".json"))
            with np.load(stem.with_suffix(".npz"), allow_pickle=False) as found:
                answers = {name: found[str(place)] for place, name in enumerate(about["targets"])}
            graph = b"" if number else stem.with_suffix(".onnx").read_bytes()
            seconds, history, chosen = float(about["seconds"]), about["history"], about["chosen"]
        except (DrivetrainError, OSError, KeyError, ValueError, TypeError, BadZipFile):
            return False  # What isn't there, or is damaged, is fitted again.
        self.answers.append(answers)
        self.seconds.append(seconds)
        if not number:
            self.graph, self.history, self.chosen = graph, history, chosen
        return True


def answers_of(tried: Iterable[Tried], target: str, folds: int) -> dict[str, list[Array]]:
    """Candidate's key -> what it said of each fold."""
    return {each.candidate.key: [answer[target] for answer in each.answers[:folds]] for each in tried}


def tell(
    codec: Codec,
    target: str,
    tried: Sequence[Tried],
    truths: Sequence[Array],
    blend: Sequence[Array],
    loss: str,
    seed: int,
    groups: Sequence[Array | None],
) -> list[dict[str, Any]]:
    """`{"key", "name", "model", "epochs", "measure", "value", "seconds", "difference", "better", "words"}` of each, JSON
    values: its metric on all rows that it was asked about, and by how much the blend is ahead of it on the same rows. The
    blend itself comes first, with the key ""."""
    measure = _measure(codec, loss)
    own = _statistic(codec, measure, blend, truths, groups).estimate(seed).to_json()
    rows: list[dict[str, Any]] = [{
        "key": "", "name": "the blend", "model": BEST, "epochs": None, "measure": measure, "value": own,
        "seconds": 0.0, "difference": None, "better": None, "words": "",
    }]  # fmt: skip
    for each in tried:
        count = len(each.answers)
        ours, theirs = (
            _statistic(codec, measure, found[:count], truths[:count], groups[:count])
            for found in (blend, [answer[target] for answer in each.answers])
        )
        apart = difference(ours, theirs, seed)
        sure = apart.high < 0 or apart.low > 0
        better = (apart.value > 0) == names.metric(measure).higher if sure else None
        rows.append({
            "key": each.candidate.key, "name": each.candidate.name, "model": each.candidate.model, "epochs": each.candidate.epochs,
            "measure": measure, "value": theirs.estimate(seed).to_json(), "seconds": sum(each.seconds),
            "difference": apart.to_json(), "better": better, "words": _in_words(apart, sure),
        })  # fmt: skip
    return rows


def better_alone(
    codec: Codec,
    answers: Mapping[str, Sequence[Array]],
    truths: Sequence[Array],
    blend: Sequence[Array],
    loss: str,
    seed: int,
    groups: Sequence[Array | None],
) -> str | None:
    """The key of the model that is better than the blend, by more than chance, on the rows that did not choose its weights; None,
    as nearly always, where there is none. (Where the world has changed, weights of one half may be wrong for the other.)"""
    measure = _measure(codec, loss)
    sign = 1.0 if names.metric(measure).higher else -1.0
    ours = _statistic(codec, measure, blend, truths, groups)
    least, found = 0.0, None
    for key, said in answers.items():
        theirs = _statistic(codec, measure, said, truths, groups)
        ahead = sign * (_value(theirs) - _value(ours))
        if not ahead > least:
            continue  # As most are: the resampling below takes time.
        apart = difference(ours, theirs, seed)
        if apart.high < 0 or apart.low > 0:
            least, found = ahead, key
    return found


def both_sides(
    codec: Codec, target: str, tried: Sequence[Tried], truths: Sequence[Array], weights: Mapping[str, float]
) -> str:
    """What each reached on the same rows that it had not seen, and what is taken: a sentence for the notes of a run."""
    measure = "accuracy" if codec.labels is not None else _measure(codec, "squared")
    reached: list[str] = []
    for each in tried:
        answers = [answer[target] for answer in each.answers]
        value = _statistic(codec, measure, answers, truths[: len(answers)]).estimate().value
        reached.append(f"{each.candidate.name} {digits(value, 3)}")
    called = {each.candidate.key: each.candidate.name for each in tried}
    taken = " + ".join(f"{weight:.2f} {called[key]}" for key, weight in weights.items())
    chosen = f"the blend {taken} is taken" if len(weights) > 1 else f"{called[next(iter(weights))]} is taken"
    return f"{names.metric(measure).name} for {target!r}, on rows that none had seen: {', '.join(reached)}: {chosen}"


def _statistic(
    codec: Codec,
    measure: str,
    answers: Sequence[Array],
    truths: Sequence[Array],
    groups: Sequence[Array | None] = (),
) -> Statistic:
    """Of several folds; `groups` are those of each (see `Dataset.together`)."""
    known = [each for each in groups if each is not None]
    found = statistics(codec, np.concatenate(answers), np.concatenate(truths))[measure]
    return found.drawn_by(np.concatenate(known) if len(known) == len(answers) else None)


def _value(statistic: Statistic) -> float:
    """The metric itself, without what it takes to say how sure it is."""
    return float(statistic.of(np.array([[term.sum(dtype=np.float64) for term in statistic.terms]]))[0])


def _in_words(apart: Estimate, sure: bool) -> str:
    """How the blend stands beside one of its parts."""
    if apart.low == apart.high == 0:
        return "the same"
    if not sure:
        return "not told apart"
    ends = sorted((abs(apart.low), abs(apart.high)))
    return f"{'lower' if apart.value < 0 else 'higher'} by {rough(ends[0])} to {rough(ends[1])}"


def _measure(codec: Codec, loss: str) -> str:
    """The key of the metric that is the loss which candidates are chosen by."""
    if not isinstance(codec, Quantity) or loss != "squared":
        return names.deciding(codec)
    return "root_mean_squared_log_error" if codec.log else "root_mean_squared_error"
