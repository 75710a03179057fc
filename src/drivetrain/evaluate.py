"""Measure a bundle on labelled data, through the runtime that will answer: no torch needed."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drivetrain.bundle import Bundle, open_bundle
from drivetrain.codecs import Codec
from drivetrain.data.asked import Labelled
from drivetrain.data.dataset import Dataset
from drivetrain.data.read.row_inputs import rows_for
from drivetrain.data.recipe import from_facts, from_recipe, task_of, tasks
from drivetrain.data.table import as_column
from drivetrain.data.task import ALONE, Task
from drivetrain.data.wholes import drawn_whole, measure_with_wholes
from drivetrain.errors import DataError, DrivetrainError, UsageError, nearest
from drivetrain.extras import require
from drivetrain.metrics import Estimate, Scores, is_large, rows_at_once, translation
from drivetrain.progress import progress
from drivetrain.runtime import Predictor
from drivetrain.runtime.unusual import Tally
from drivetrain.runtime.writer import WRITES_NOTHING, Writer, writes
from drivetrain.test_set_uses import record_opening, rows_key, sentences
from drivetrain.types import Array, Failure

SHOWN = 5
TRAINED_ON = (
    "this is the file that the model was trained on, without a test part: these rows have chosen it, and where it was "
    "fitted again it has learned from them, so the figures flatter it. Train with --test 0.2 to keep rows for this"
)


@dataclass
class Unknown:
    """True values of a target that are no class of the model, and how many rows have each."""

    target: str
    counts: Counter[str] = field(default_factory=Counter[str])

    def to_json(self) -> dict[str, Any]:
        return {"target": self.target, "rows": self.counts.total(), "values": dict(self.counts.most_common())}

    def __str__(self) -> str:
        rows = self.counts.total()
        shown = ", ".join(f"{value!r} ({count:,})" for value, count in self.counts.most_common(SHOWN))
        more = f" and {len(self.counts) - SHOWN:,} more" if len(self.counts) > SHOWN else ""
        return (
            f"{rows:,} {'row counts' if rows == 1 else 'rows count'} in no metric, for the model has no such class of "
            f"{self.target!r}: {shown}{more}"
        )


def evaluate(
    bundle: str | os.PathLike[str],
    source: str | os.PathLike[str],
    *,
    layout: str | None = None,
    query: str | None = None,
    beam: int | None = None,
    trusted: bool = False,
    quiet: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """`{"n", "metrics": {NAME: {"value", "low", "high", ...}}, "part", "unknown", "failed", "unusual", "opened": {"times",
    "models"}, "note", "notes"}` on a folder, a table, or what a `query` gives of a database. Further options are those by
    which a task of an extension reads a source (see `Option.reads`); `beam` is that of `Beam`, for a bundle that writes.

    Uses the test part of the source; without one its valid part; without either all of it. Rows whose true value is no
    class of the model are counted in `unknown`, other items that can't be used are named in `failed`; neither count in a
    metric. `unusual` counts what in the inputs nothing in training was like, and `notes` says all of it in words. With
    several targets the names are "target.metric". Each time is recorded (see `test_set_uses.py`); `trusted` is that of
    `Predictor`. Raises DataError when nothing can be measured.
    """
    known = [option.name for task in tasks() for option in task.options if option.reads]
    if unknown_options := options.keys() - known:
        name = min(unknown_options)
        raise UsageError(f"evaluate has no option {name!r}.", where=name, fix=nearest(name, known))
    opened_bundle = open_bundle(bundle)
    task = task_of(opened_bundle.task)
    if (own := task.evaluate(opened_bundle, os.fspath(source), trusted, quiet)) is not None:
        return own
    if writes(opened_bundle):
        writer = Writer(opened_bundle, beam=beam, trusted=trusted)
        return _written(writer, source, {"layout": layout, "query": query, **options}, quiet)
    if beam is not None:
        raise UsageError(WRITES_NOTHING, where="beam", fix="Leave it out.")
    predictor = Predictor(opened_bundle, trusted=trusted)
    targets = predictor.signature.targets
    if task.measures(opened_bundle) == ALONE:
        return _by_task(task, opened_bundle, source)
    found = labelled(predictor, source, {"layout": layout, "query": query, **options})
    gathered = {name: _Gathered(codec) for name, codec in targets.items()}
    failed: list[str] = []
    n = 0
    measured: list[int] = []
    unknown = {name: Unknown(name) for name in targets}
    tally = Tally()
    with progress("Evaluating", len(found.items), quiet=quiet) as advance:
        for row, answer in enumerate(predictor.stream(found.items, outputs=True)):
            advance(1)
            truths = {name: found.truths[name][row] for name in targets}
            strange = [name for name, codec in targets.items() if _is_unknown(codec, truths[name])]
            for name in strange:
                unknown[name].counts[str(truths[name]).strip()[:60]] += 1
            if strange:
                continue
            tally.add(answer)
            try:
                if isinstance(answer, Failure):
                    raise answer.error
                truth = {name: codec.encode_raw(truths[name]) for name, codec in targets.items()}
            except DrivetrainError as fault:
                fault.where = fault.where if found.origins[row] in fault.where else found.origins[row]
                failed.append(str(fault))
                continue
            n += 1
            measured.append(row)
            for name, each in gathered.items():
                each.add(answer.outputs[name], truths[name], truth[name])
    if not n:
        raise DataError(
            f"nothing in it could be measured{_why(failed, unknown)}",
            where=source,
            fix="Give items with the labels that this model was trained on.",
        )
    metrics: dict[str, Any] = {}
    groups = np.array([found.wholes[row] for row in measured]) if any(found.wholes) else None
    for name, each in gathered.items():
        several = f"{name}." if len(targets) > 1 else ""
        metrics |= {several + metric: estimate.to_json() for metric, estimate in each.measure(groups).items()}
    if task.measures(opened_bundle) and from_facts(opened_bundle.facts, _file_hash(source)):
        metrics |= _by_task(task, opened_bundle, source)["metrics"]
    opened = record_opening(_key(found), predictor.hash, metrics, is_test=not found.note)
    strange = [each for each in unknown.values() if each.counts]
    return {
        "n": n,
        "metrics": metrics,
        "part": found.part,
        "target": ", ".join(targets),
        "note": sentences(found.note, opened.note),
        "opened": opened.to_json(),
        "unknown": [each.to_json() for each in strange],
        "failed": failed,
        "unusual": tally.to_json(),
        "notes": [
            *found.remarks,
            *map(str, strange),
            *_failures(failed),
            *tally.notes(),
            *([] if groups is None else [drawn_whole(n, len(np.unique(groups)))]),
        ],
    }


def _written(
    writer: Writer, source: str | os.PathLike[str], options: Mapping[str, Any], quiet: bool
) -> dict[str, Any]:
    """The same of a bundle that writes, against what a person wrote."""
    found = labelled(writer, source, options)
    (target,) = writer.signature.targets
    written: list[str] = []
    references: list[str] = []
    failed: list[str] = []
    tally = Tally()
    with progress("Evaluating", len(found.items), quiet=quiet) as advance:
        for row, answer in enumerate(writer.stream(found.items)):
            advance(1)
            tally.add(answer)
            if isinstance(answer, Failure):
                fault = answer.error
                fault.where = fault.where if found.origins[row] in fault.where else found.origins[row]
                failed.append(str(fault))
                continue
            written.append(answer.targets[target]["text"])
            references.append(found.truths[target][row])
    if not written:
        raise DataError(
            f"nothing in it could be measured{_why(failed, {})}", where=source, fix="Give texts and what they are to become."
        )  # fmt: skip
    metrics = {name: one.to_json() for name, one in translation.measure(written, references).items()}
    opened = record_opening(_key(found), writer.hash, metrics, is_test=not found.note)
    told = translation.notes(metrics, written, references)
    return {
        "n": len(written), "metrics": metrics, "part": found.part, "target": target,
        "note": sentences(found.note, opened.note), "opened": opened.to_json(),
        "unknown": [], "failed": failed, "unusual": tally.to_json(),
        "notes": [*found.remarks, *_failures(failed), *tally.notes(), *told],
    }  # fmt: skip


class _Gathered:
    """Outputs and true values of a target, row by row. Large outputs are measured batch by batch and let go."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.most = rows_at_once([codec]) if is_large(codec) else None
        self.scores: list[Scores] = []
        self._start()

    def _start(self) -> None:
        self.outputs: list[Array] = []
        self.raws: list[Any] = []
        self.encoded: list[Array] = []

    def add(self, output: Array, raw: Any, encoded: Array) -> None:
        """One row: its output, and its true value, raw and encoded."""
        self.outputs.append(output)
        self.raws.append(raw)
        self.encoded.append(encoded)
        if len(self.outputs) == self.most:
            self.scores.append(Scores.of(self.codec, *self._batch()))
            self._start()

    def _batch(self) -> tuple[Array, Any]:
        true = self.codec.truths(as_column(self.raws), self.codec.together(self.encoded))
        return np.stack(self.outputs), true

    def measure(self, groups: Array | None) -> dict[str, Estimate]:
        """The metrics of all rows, one at least; `groups` (rows,) are of which recording each is, where they are of some."""
        if self.most is None:
            return measure_with_wholes(self.codec, *self._batch(), groups=groups)
        if self.outputs:
            self.scores.append(Scores.of(self.codec, *self._batch()))
            self._start()
        return Scores.joined(self.scores).measure(groups=groups)


def _is_unknown(codec: Codec, raw: Any) -> bool:
    """Whether a true value is a class that the model doesn't have."""
    try:
        return not codec.knows(raw)
    except DrivetrainError:
        return False


def _failures(failed: Sequence[str]) -> list[str]:
    if not failed:
        return []
    items = "1 item counts" if len(failed) == 1 else f"{len(failed):,} items count"
    return [
        f"{items} in no metric, for {'it' if len(failed) == 1 else 'they'} can't be used, the first: {failed[0]}"
    ]


def _why(failed: Sequence[str], unknown: Mapping[str, Unknown]) -> str:
    told = [*(str(each) for each in unknown.values() if each.counts), *failed[:1]]
    return f": {'; '.join(told)}." if told else "."


def labelled(
    predictor: Predictor | Writer, source: str | os.PathLike[str], options: Mapping[str, Any]
) -> Labelled:
    """The labelled items of a source: as the task of the bundle has them, or rows of a table or database."""
    inputs, targets = predictor.signature.inputs, predictor.signature.targets
    task = task_of(predictor.manifest["task"]).of_bundle(predictor.manifest["facts"])
    own_file = os.path.isfile(source) and from_facts(predictor.manifest["facts"], _file_hash(source))
    if not own_file and (own := task.labelled(predictor.signature, os.fspath(source), options)) is not None:
        return own
    if os.path.isdir(source):
        raise UsageError("this model answers for rows: name a table.", where=source)
    recipe = from_facts(predictor.manifest["facts"], _file_hash(source))
    if recipe is not None:
        said = {
            option.key: options[option.name]
            for option in task.options
            if option.reads and options.get(option.name)
        }
        return _own_rows(source, {**recipe, **said}, inputs, targets)
    found = rows_for(source, inputs, list(targets), options.get("query"))
    truths = {
        name: [None if isinstance(row, DataError) else row[name] for row in found.rows] for name in targets
    }
    return Labelled(found.rows, truths, found.origins, "all", "")


def _by_task(task: Task, bundle: Bundle, source: str | os.PathLike[str]) -> dict[str, Any]:
    """What a task measures by itself, on what was held out in the file of the training."""
    digest = _file_hash(source)
    recipe = from_facts(bundle.facts, digest)
    if recipe is None:
        raise UsageError(
            task.own_file, where=source,
            fix="Name the file that this bundle was trained on; --test 0.2 keeps a part of it for this.",
        )  # fmt: skip
    data = from_recipe({**recipe, "source": os.fspath(source)})
    part = _held_out(data)
    found = task.measure(bundle, data, part)
    metrics = {name: estimate.to_json() for name, estimate in found.items()}
    opened = record_opening(f"{digest} {part}", bundle.hash, metrics, is_test=part == "test")
    return {
        "n": next(iter(found.values())).n, "metrics": metrics, "part": part, "target": ", ".join(bundle.signature.targets),
        "note": sentences("" if part == "test" else TRAINED_ON, opened.note), "opened": opened.to_json(),
        "unknown": [], "failed": [], "unusual": [], "notes": [],
    }  # fmt: skip


def _key(found: Labelled) -> str:
    """What these labelled items are known by, whichever model is measured on them."""
    places = (item if isinstance(item, str) else origin for item, origin in zip(found.items, found.origins))
    return rows_key((place, *truths) for place, *truths in zip(places, *found.truths.values()))


def _own_rows(
    source: str | os.PathLike[str],
    recipe: Mapping[str, Any],
    inputs: Mapping[str, Codec],
    targets: Mapping[str, Codec],
) -> Labelled:
    """The test rows of the very file that the model was trained on, split as it was then."""
    require("polars", "finding the test rows of the very file that the model was trained on", "tables")
    data = from_recipe({**recipe, "source": os.fspath(source)})
    part = _held_out(data)
    table = data.table.take(data.rows(part))
    items = [{name: table[name][row] for name in inputs} for row in range(len(table))]
    truths = {name: list(table[name]) for name in targets}
    note = "" if part == "test" else TRAINED_ON
    groups = data.task.together(data, data.rows(part))
    wholes = [] if groups is None else list(map(str, groups))
    return Labelled(
        items, truths, [table.origin(row) for row in range(len(table))], part, note, wholes=wholes
    )


def _held_out(data: Dataset) -> str:
    """The part to measure on: test, without one valid, without either train."""
    return next(name for name in ("test", "valid", "train") if len(data.rows(name)))


def _file_hash(path: str | os.PathLike[str]) -> str | None:
    """The SHA-256 of a regular file; None, which is equal to none, for what can't be read or is something else."""
    try:
        if not os.path.isfile(path):
            return None
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
