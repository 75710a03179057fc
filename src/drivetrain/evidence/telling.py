"""The words that mattered, as a result holds them and a report shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.charts.passages import passages, shaded
from drivetrain.deadline import NEVER, Deadline
from drivetrain.figures import number, percent
from drivetrain.interpret.base import interpretation_of
from drivetrain.interpret.sums import Summed, strongest, summed
from drivetrain.interpret.telling import STRONGEST, can_tell, text_of, texts_in, words_of
from drivetrain.metrics import has_metrics
from drivetrain.ragged import column_in

if TYPE_CHECKING:
    from drivetrain.charts import Chart
    from drivetrain.learn.base import BaseLearner

ROWS = 8
SAMPLE, MOST_LETTERS = 1000, 500_000
"""Texts in which the strongest words are looked for, and letters of them together, times classes, at most."""
MOST_CLASSES = 20


def words_that_mattered(learner: BaseLearner, deadline: Deadline = NEVER) -> dict[str, dict[str, Any]]:
    """Target -> {"exact", "rows", "strongest"}, JSON values, of targets that have a score where an input is a text.

    `rows` are those of highest loss, as `Interpretation.worst` has them, each with a "telling" (see `Telling.to_json`);
    `strongest` is, by class, the words that add most, [{"word", "adds", "texts"}], where sums are told. What the deadline
    leaves no time for is left out."""
    data, part, found = learner.data, learner.data.measured_part, {}
    names = texts_in(learner)
    if not names or learner.unmeasured or not len(data.part(part)):
        return {}
    for target, codec in data.signature.targets.items():
        if not can_tell(codec) or not has_metrics(codec) or not interpretation_of(codec).explained:
            continue
        interpretation, rows = learner.interpret(part, target), []
        worst = interpretation.worst(ROWS)
        for row, told in zip(worst, interpretation.told([each["position"] for each in worst], names[0])):
            kept = {key: row[key] for key in row if key not in ("columns", "position")}
            rows.append({**kept, "telling": told.to_json()})
            if deadline.passed:
                break
        found[target] = {
            "exact": all(row["telling"]["exact"] for row in rows),
            "rows": rows,
            "strongest": _strongest(learner, target, names[0]),
        }
    return found


def _strongest(learner: BaseLearner, target: str, name: str) -> dict[str, list[dict[str, Any]]]:
    """Of a model that is a sum: by class, or under "more" and "less", the words that add most."""
    data = learner.data
    sums, codec = learner.sums(target), data.signature.inputs[name]
    labels = data.signature.targets[target].labels
    if sums is None or (labels is not None and not 1 < len(sums.scored) <= MOST_CLASSES):
        return {}
    codes = [None] if labels is None else [int(code) for code in sums.scored]
    part = data.part(data.measured_part)
    chosen = np.random.default_rng(0).permutation(len(part))[:SAMPLE]
    texts = [text_of(codec, value) for value in data.table[name][part.rows[chosen]]]
    letters = np.cumsum([len(text) for text in texts]) * len(codes)
    count = max(1, int(np.searchsorted(letters, MOST_LETTERS)))
    chosen, texts = chosen[:count], texts[:count]
    spans = [words_of(codec, text) for text in texts]
    batch = part.batch(chosen)
    found = summed(
        sums,
        codes,
        codec,
        name,
        {field: column_in(batch, field) for field in data.signature.inputs},
        texts,
        spans,
    )
    if labels is None:
        found = [None if row is None else Summed(np.hstack([row.adds, -row.adds]), row.rest) for row in found]
    sides = ["more", "less"] if labels is None else [labels[code] for code in sums.scored]
    return {
        side: [{"word": word, "adds": round(adds, 6), "texts": texts} for word, adds, texts in words]
        for side, words in zip(sides, strongest(texts, spans, found, STRONGEST))
    }


def mistakes_told(words: Mapping[str, Any]) -> Chart | None:
    """The texts of highest loss, their words shaded, of what `words_that_mattered` gave of a target."""
    if not words.get("rows"):
        return None
    how = (
        "The words and the rest add up to the score."
        if words["exact"]
        else "A word adds what the score loses without it."
    )
    marks = "Shaded and underlined: what speaks for the answer; with dashes: against it."
    texts = [shaded(row["telling"], _head(row)) for row in words["rows"]]
    return passages(texts, "Texts of the highest loss", f"{marks} {how}")


def _head(row: Mapping[str, Any]) -> str:
    sure = f" ({percent(row['probability'])})" if "probability" in row else ""
    said = [
        number(row[key]) if isinstance(row[key], float) else str(row[key]) for key in ("true", "predicted")
    ]
    return f"true {said[0]}, predicted {said[1]}{sure} · {row['origin']}"
