"""What follows a training of `language_model`: how surely the end of the text is told, and how surely n-grams of the same text tell
it; its page; a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.codecs.tokens import Tokens
from drivetrain.errors import TrainingError
from drivetrain.metrics.estimate import Statistic, estimates
from drivetrain.metrics.paired import difference
from drivetrain.metrics.tokens import DECIDES, of_costs
from drivetrain.ragged import Ragged, as_batch
from drivetrain.tasks.conclusion import Concluded
from drivetrain.tokenizer import PADDING
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.learn.base import BaseLearner
    from drivetrain.tasks.writing import Writing

ORDERS, FEW_ORDERS = {"characters": 6, "words": 4}, 3
"""Tokens that n-grams look at: more gain next to nothing (tiny_shakespeare: 1.523 nats of 6, 1.516 of 7)."""
MOST_COUNTED = 2**23
"""Tokens, those nearest the end that validates, that n-grams are counted in: of 2**23 characters they take 1 GB."""
ROWS_AT_ONCE = 64


class Written(Concluded):
    """How surely the end of the text is told, and a bundle that generates."""

    def finish(self, learner: BaseLearner) -> dict[str, Any]:
        """The result, with a page of it and of what it writes."""
        from drivetrain.findings.report_content import page_content
        from drivetrain.findings.result import result_of, told_apart
        from drivetrain.findings.written import sections, written_by
        from drivetrain.report.page import write_report

        data, part = learner.data, learner.data.measured_part
        (text,) = data.signature.targets
        ours = measured(learner, part)
        theirs = {} if learner.brief or part != "valid" else ngrams_beside(data)  # type: ignore[arg-type]
        written = {} if learner.brief else written_by(learner)  # type: ignore[arg-type]
        against = {
            name: told_apart(name, text, DECIDES, difference(ours[DECIDES], found[DECIDES]))
            for name, found in theirs.items()
        }
        baselines = {name: estimates(found) for name, found in theirs.items()}
        notes = [written["sentence"]] if written else []
        result = learner.result = {
            **result_of(learner, {part: estimates(ours)}, baselines, against, notes),
            **({"written": written} if written else {}),
        }
        if learner.kept_run is not None:
            learner.kept_run.write_result(result)
            if not learner.brief:
                content = {**page_content(learner), "of_task": sections(written)}
                write_report(learner.kept_run.folder / "report.html", content)
        return result

    def finish_beside(self, learner: BaseLearner) -> None:
        """Nothing: it has no intervals."""

    def export(self, learner: BaseLearner, path: str | Path, force: bool) -> Path:
        from drivetrain.export.writing import export_writer

        return export_writer(learner, path, force)  # type: ignore[arg-type]


def measured(learner: Any, part: str) -> dict[str, Statistic]:
    """The metrics of the stretches of a part, each token told from half a context before it at least, where there is so much:
    the model would write it so, and n-grams see what stands before a stretch too. Raises TrainingError where a cost is no
    number."""
    data = learner.data
    ((name, codec),) = data.signature.targets.items()
    rows = data.part(part).column(name)
    found = costs_of(learner, rows.starts - 1, rows.lengths, data.context)
    if not np.isfinite(found).all():
        raise TrainingError(
            "what a token costs is not a number.", where=part, fix="Train with a smaller learning rate: --lr."
        )
    return of_costs(codec, found, rows.padded())


def costs_of(learner: Any, starts: Array, lengths: Array, context: int) -> Array:
    """float64 (rows, T): nats of the tokens that follow those of stretches of the text, 0 behind the end of one. Each stretch is
    read in two halves, after up to half a context of what stands before."""
    import torch

    data, network = learner.data, learner.evaluated_network().eval()
    ((prompt, _),), ((text, _),) = data.signature.inputs.items(), data.signature.targets.items()
    head, device = network.heads[text], next(network.parameters()).device
    found = np.zeros((len(starts), int(lengths.max(initial=0))))
    half = (context + 1) // 2
    for first, most in ((0, half), (half, context - half)):
        chosen = np.flatnonzero(lengths > first)
        for rows in np.split(chosen, range(ROWS_AT_ONCE, len(chosen), ROWS_AT_ONCE)):
            told = np.minimum(most, lengths[rows] - first)
            begin = starts[rows] + first
            before = np.minimum(context - most, begin)
            arrays = as_batch({
                prompt: Ragged(data.tokens, begin - before, before + told, whole=True),
                text: Ragged(data.tokens, begin - before + 1, before + told, PADDING, whole=True),
            })  # fmt: skip
            places = np.arange(arrays[text].shape[1])
            arrays[text][places < before[:, None]] = PADDING
            batch = {name: torch.as_tensor(array).to(device) for name, array in arrays.items()}
            with torch.no_grad():
                nats = head.costs(network(batch, {text: batch[text]})[text], batch[text])[1]
            there = np.arange(found.shape[1] - first) < told[:, None]
            part = found[rows, first:]
            part[there] = nats.double().cpu().numpy()
            found[rows, first:] = part
    return found


def ngrams_beside(data: Writing) -> dict[str, dict[str, Statistic]]:
    """What n-grams of the training text, smoothed as Kneser and Ney have it, reach on the same stretches."""
    from drivetrain.learn.baselines.language import KneserNey

    ((name, codec),) = data.signature.targets.items()
    assert isinstance(codec, Tokens)
    assert codec.size is not None
    valid = data.part("valid")
    end = int(data.starts[valid.rows].min())
    order = ORDERS.get(codec.tokenizer or "", FEW_ORDERS)
    model = KneserNey.fit(data.tokens[max(0, end - MOST_COUNTED) : end].astype(np.int64), codec.size, order)
    told = as_batch(valid.batch())[name]
    first = max(0, end - order + 1)  # What stands before the end tells of it too.
    tokens = data.tokens[first:].astype(np.int64)
    costs = model.costs(tokens, data.starts[valid.rows] + 1 - first, data.lengths[valid.rows])
    return {f"{order}-grams (Kneser-Ney)": of_costs(codec, costs, told)}
