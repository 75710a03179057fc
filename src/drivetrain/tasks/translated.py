"""What follows a training of `translation`: what it writes for the valid part, beside a simple translator; its page; a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.tasks.conclusion import Concluded
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.charts import Chart
    from drivetrain.learn.base import BaseLearner
    from drivetrain.learn.learner import Learner

ROWS_AT_ONCE = 128
PICTURES = 3
"""Of where it looked."""
WELL_SEEN = ((6, 22), (2, 22))
"""Tokens of a text whose picture is easily looked at; and of one that has something to see, where no others are."""


class Translated(Concluded):
    """What it writes for the valid part, measured beside a simple translator; and a bundle that writes."""

    def finish(self, learner: BaseLearner) -> dict[str, Any]:
        """The result, with a page of it, and what was written kept for comparisons."""
        from drivetrain.findings.report_content import page_content
        from drivetrain.findings.result import TRAINED_ON, result_of
        from drivetrain.findings.translated import beside, sections
        from drivetrain.report.page import write_report

        data: Any = learner.data
        part, run = data.measured_part, learner.kept_run
        if learner.brief:
            learner.result = result_of(learner, {part: {}})
            if run is not None:
                run.write_result(learner.result)
            return learner.result
        sources, references = (texts(data, name, part) for name in (data.source, data.target))
        written = translations(learner, part)  # type: ignore[arg-type]
        pairs = (texts(data, data.source, "train"), texts(data, data.target, "train"))
        found = beside(pairs, sources, written, references, data.target, learner.settings.seed)  # type: ignore[attr-defined]
        notes = [*(TRAINED_ON if part == "train" else []), *found["notes"]]
        learner.result = result_of(
            learner, {part: found["metrics"]}, found["baselines"], found["against"], notes
        )
        if run is not None:
            run.write_result(learner.result)
            run.write_validation(_kept(data, part, written, references))
            told = sections(sources, written, references, pictures(learner, sources, written))
            write_report(run.folder / "report.html", {**page_content(learner), "of_task": told})
        return learner.result

    def finish_beside(self, learner: BaseLearner) -> None:
        """Nothing: it has no intervals."""

    def export(self, learner: BaseLearner, path: str | Path, force: bool) -> Path:
        from drivetrain.export.translating import export_translator

        return export_translator(learner, path, force)  # type: ignore[arg-type]


def texts(data: Any, name: str, part: str) -> list[str]:
    """The texts of a column, as the model is given them: cleaned, and not yet made tokens of."""
    codec = data.signature.fields[name]
    return [codec.read(raw) for raw in data.table[name][data.part(part).rows]]


def translations(learner: Learner, part: str) -> list[str]:
    """What the network writes for the texts of a part, the likeliest token each time; rows of similar lengths together."""
    import torch

    from drivetrain.export.translating import longest_of

    data: Any = learner.data
    most = longest_of(data) - 1  # As its bundle has it.
    network: Any = learner.evaluated_network().eval()
    codec, rows = data.signature.targets[data.target], data.part(part)
    column = rows.column(data.source)
    order = np.argsort(column.lengths, kind="stable")
    found = [""] * len(rows)
    with learner.progress("Translating", len(rows)) as advance:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = order[start : start + ROWS_AT_ONCE]
            read = column[some]
            tokens, lengths = (
                torch.as_tensor(each).to(learner.device) for each in (read.padded(), read.lengths)
            )
            for row, made in zip(some.tolist(), network.translate(tokens, lengths, most)):
                found[row] = codec.decode(np.array(made, np.int64))["text"]
            advance(len(some))
    return found


def pictures(learner: Any, sources: list[str], written: list[str]) -> list[Chart]:
    """Of some texts of a fitting length where the network looked."""
    codec = learner.data.signature.inputs[learner.data.source]
    order = np.random.default_rng(0).permutation(len(sources)).tolist()
    for least, most in WELL_SEEN:
        found: list[Chart] = []
        for row in order:
            pair = [codec.encode(codec.read(text)) for text in (sources[row], written[row])]
            if all(least <= len(tokens) <= most for tokens in pair):
                found.append(looked(learner, *pair, title=written[row]))
            if len(found) == PICTURES:
                return found
    return found


def looked(learner: Any, read: Array, written: Array, title: str = "") -> Chart:
    """A picture of where the network looked in tokens (S,) that it read when it wrote others (T,), one at least."""
    import torch

    from drivetrain.charts import attention
    from drivetrain.models.encoder_decoder.network import begun

    network: Any = learner.evaluated_network().eval()
    codec = learner.data.signature.inputs[learner.data.source]
    tokens, after = (torch.as_tensor(each)[None].to(learner.device) for each in (read, written))
    with torch.no_grad():
        memory, lengths = network.read(tokens, torch.full((1,), len(read), device=learner.device))
        weights = network.attending.weights(network.vectors(begun(after)), memory, lengths)
    names = [list(codec.texts(each.tolist())) for each in (read, written)]
    return attention(names[0], names[1], weights[0, : len(written)].float().cpu().numpy(), title)


def _kept(data: Any, part: str, written: list[str], references: list[str]) -> Any:
    """What a comparison with another run needs."""
    from drivetrain.data.digest import digest
    from drivetrain.learn.runs.predictions import Validation

    rows = data.part(part).rows
    sides = [np.array([*side, None], object)[:-1] for side in (written, references)]
    columns = {name: digest(data.table[name][rows]) for name in data.signature.fields}
    return Validation(
        part, rows, data.signature, {data.target: sides[0]}, {data.target: sides[1]}, columns, data.table.name
    )
