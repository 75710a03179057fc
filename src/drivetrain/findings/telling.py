"""The words that mattered, as a result holds them and a report shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drivetrain.charts.passages import passages, shaded
from drivetrain.deadline import NEVER, Deadline
from drivetrain.figures import number, percent
from drivetrain.interpret.base import interpretation_of
from drivetrain.interpret.telling import can_tell, texts_in
from drivetrain.metrics import has_metrics

if TYPE_CHECKING:
    from drivetrain.charts import Chart
    from drivetrain.learn.base import BaseLearner

ROWS = 8


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
            "strongest": interpretation.strongest_words(names[0]),
        }
    return found


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
