"""What any interpretation has: the rows of a part, how wrong the model is on each, its slices and what it relies on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from drivetrain.bundle.golden import encoded_batch
from drivetrain.codecs import Codec
from drivetrain.data.show import inputs_looked_at, most_telling, texts_of
from drivetrain.errors import DataError, UsageError
from drivetrain.extensions import facet
from drivetrain.figures import number as number_words
from drivetrain.files import to_json, write_csv
from drivetrain.interpret.slices import chosen_target
from drivetrain.interpret.telling import STRONGEST, Telling, can_tell, strongest_words, tell, texts_in
from drivetrain.metrics import losses
from drivetrain.runtime.rows import Reader
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.interpret.importance import Importance
    from drivetrain.interpret.slices import Slices
    from drivetrain.learn.base import BaseLearner

NO_BREAK = "\N{NO-BREAK SPACE}"
MOST_SAVED = 1000
WORST, WORST_COLUMNS = 10, 5
"""So many rows with so many of their columns are shown as mistakes."""
COLUMNS = 8
"""A row that is listed shows what so many columns hold, those that tell most of the target."""


@dataclass(frozen=True, eq=False)
class Interpretation:
    """The rows of a part: what the model put out (n, *output_shape), the encoded true values (n, ...), the losses (n,).

    A kind of target has a file here with a subclass, `INTERPRETATION`, where more can be said of its answers.
    """

    explained: ClassVar[bool] = True
    """Whether a report has sections of such a target: slices, mistakes, what the model relies on."""

    learner: BaseLearner
    part: str
    target: str
    codec: Codec
    outputs: Array
    encoded: Array
    losses: Array

    @classmethod
    def of(cls, learner: BaseLearner, part: str = "valid", target: str | None = None) -> Interpretation:
        """Predict a part: a `Classification`, a `Regression` or, for other targets, this. The first target unless
        named. Raises UsageError for an unknown one."""
        target = chosen_target(learner, target)
        codec = learner.data.signature.targets[target]
        kind = interpretation_of(codec)
        outputs, encoded = learner.outputs(part)
        found = losses(codec, outputs[target], encoded[target])
        return kind(learner, part, target, codec, outputs[target], encoded[target], found)

    def worst(self, n: int = 9) -> list[dict[str, Any]]:
        """The n rows of highest loss: position in the part, row of the table, origin, what was said and what is true,
        loss; and of a table, under "columns", what the most telling of them hold (None where missing)."""
        data = self.learner.data
        rows = data.part(self.part).rows
        places = np.argsort(-self.losses, kind="stable")[:n]
        looked_at = inputs_looked_at(data)
        names = [name for name in most_telling(data) if name not in looked_at][:COLUMNS]
        texts = texts_of(data, self.part, places, names)
        return [
            {
                "position": place, "row": int(rows[place]), "origin": data.table.origin(int(rows[place])),
                **self._said(place), "loss": float(self.losses[place]),
                **({"columns": {name: cells[line] for name, cells in texts.items()}} if names else {}),
            }
            for line, place in enumerate(places.tolist())
        ]  # fmt: skip

    def told(self, positions: Sequence[int], field: str | None = None) -> Iterator[Telling]:
        """What the words of a text add to the answers for rows at some positions of the part: of `field`, or of the text that
        tells most. One after the other. Raises UsageError where no input is a text, or answers have no score."""
        field = self._text_field(field)
        part, places = self.learner.data.part(self.part), np.asarray(positions, np.int64)
        raw = self.learner.data.table[field][part.rows[places]]
        codes = self._codes_said(self.outputs[places])
        return tell(self.learner, self.target, field, part.batch(places), list(raw), codes)

    def explain(self, raw: Any, field: str | None = None) -> Telling:
        """The same of one raw value, or of a mapping of them by input: which words the answer hangs on, exactly where the
        model is a sum, else by leaving each out. Raises DataError as `predict` does, UsageError as `told`."""
        field, inputs = self._text_field(field), self.learner.data.signature.inputs
        row = Reader(inputs).row(raw)
        if row.encoded is None:
            raise row.error or DataError("this can't be read.", where=row.input)
        batch = encoded_batch(self.learner.data.signature, [row.encoded])
        value = raw[field] if isinstance(raw, Mapping) else raw
        codes = self._codes_said(self.learner.run_arrays(batch)[self.target])
        return next(tell(self.learner, self.target, field, batch, [value], codes))

    def strongest_words(
        self, field: str | None = None, n: int = STRONGEST
    ) -> dict[str, list[dict[str, Any]]]:
        """Of a model that is a sum, by class, or under "more" and "less" of a number, the words that add most on average in the
        texts that have them: [{"word", "adds", "texts"}]. {} of other models; raises UsageError as `told`."""
        return strongest_words(self.learner, self.part, self.target, self._text_field(field), n)

    def _codes_said(self, outputs: Array) -> list[int | None]:
        """The code of the class that is answered, for outputs (n, ...); None of what is no class."""
        return [None] * len(outputs) if self.codec.labels is None else self.codec.chosen(outputs).tolist()

    def _text_field(self, field: str | None) -> str:
        known = texts_in(self.learner) if can_tell(self.codec) else []
        if field in known or (field is None and known):
            return field or known[0]
        why = "no input is a text" if can_tell(self.codec) else f"an answer of {self.target!r} has no score"
        if known:
            raise UsageError(f"{field!r} is no text.", where="field", fix=f"Choose {', '.join(known)}.")
        raise UsageError(f"{why} that words could add to.", where=self.target)

    def mistakes(self) -> Any:
        """What a report shows of the rows where the model is most wrong: lines of a table, or a chart."""
        return flat_rows(self.worst(WORST), WORST_COLUMNS)

    def sections(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """What a report has beside of such a target, by section (see report/page.py); `metrics` are those of the part."""
        del metrics
        return {}

    def save_csv(self, path: str | os.PathLike[str], n: int = MOST_SAVED) -> None:
        """Write the n rows of highest loss as a table: row, origin, file of the picture, what `worst` says. Raises
        FileError."""
        save_losses(path, [self], n)

    def _said(self, place: int) -> dict[str, Any]:
        """What is true of a row and what was said, as JSON values: here in the words of the kind."""
        data, here = self.learner.data, np.array([place])
        (true,) = texts_of(data, self.part, here, [self.target])[self.target]
        decoded = self.codec.decode(self.outputs[place])
        cells = self.codec.answer_cells(decoded, brief=True).values()
        said = decoded.get("text") or "; ".join(str(cell) for cell in cells if cell is not None)
        return {"true": true, "predicted": said}

    def slices(self, **options: Any) -> Slices:
        """Where it is worse than elsewhere (see `drivetrain.interpret.slices`)."""
        from drivetrain.interpret.slices import slices

        return slices(self.learner, self.part, self.target, **options)

    def importance(self, **options: Any) -> Importance:
        """What the model relies on (see `drivetrain.interpret.importance`)."""
        from drivetrain.interpret.importance import importance

        return importance(self.learner, self.part, self.target, **options)

    def _repr_html_(self) -> str:
        return worst_html(self.worst())


def interpretation_of(codec: Codec) -> type[Interpretation]:
    """What there is to say of such a target."""
    return getattr(facet("interpret", codec), "INTERPRETATION", Interpretation)


def save_losses(path: str | os.PathLike[str], found: Sequence[Interpretation], n: int = MOST_SAVED) -> None:
    """Write the n rows of highest loss of each of some interpretations, which are told apart by a column for the
    target. Raises FileError."""
    lines: list[dict[str, Any]] = []
    for each in found:
        data = each.learner.data
        for item in each.worst(n):
            file = data.file_of(item["row"])
            line = {"target": each.target} if len(found) > 1 else {}
            line |= {"row": item["row"], "origin": item["origin"], **({"file": file} if file else {})}
            line |= {key: item[key] for key in item if key not in ("position", "row", "origin", "columns")}
            for name, cell in item.get("columns", {}).items():
                line[f"{name} (column)" if name in line else name] = cell
            lines.append(line)
    columns = list(dict.fromkeys(name for line in lines for name in line))
    write_csv(path, columns, ([_cell(line.get(name)) for name in columns] for line in lines))


def _cell(value: Any) -> str | float | None:
    return value if value is None or isinstance(value, (str, int, float)) else to_json(value)


def worst_html(worst: list[dict[str, Any]]) -> str:
    """The rows that `worst` gives as a table."""
    from drivetrain.charts import table_html

    flat = flat_rows(worst)
    return table_html([list(row.values()) for row in flat], list(flat[0])) if flat else ""


def flat_rows(worst: list[dict[str, Any]], columns: int = COLUMNS) -> list[dict[str, Any]]:
    """The rows that `worst` gives as lines of one table: texts, the first `columns` of their columns beside the rest.

    Where all come from one file the row's number stands for its origin."""
    places = [row["origin"].rpartition(", row ") for row in worst]
    one_file = len({name for name, _, _ in places}) == 1 and all(number for _, _, number in places)
    found = []
    for row, (_, _, number) in zip(worst, places):
        line: dict[str, Any] = {"row": number} if one_file else {"origin": row["origin"]}
        line |= {
            key: _text(row[key])
            for key in row
            if key not in ("position", "row", "origin", "columns", "low", "high", "loss")
        }
        if "low" in row:
            line["range"] = f"{_text(row['low'])}{NO_BREAK}to{NO_BREAK}{_text(row['high'])}"
        for name, cell in list(row.get("columns", {}).items())[:columns]:
            line[f"{name} (column)" if name in line else name] = "missing" if cell is None else cell
        found.append(line)
    return found


def _text(value: Any) -> Any:
    return number_words(value) if isinstance(value, float) else value
