"""Sequence classification: moments of one or many sensors in, one of several classes out, or a number.

data = drivetrain.sequence_classification.from_csv("walks.csv", "activity", sequence="walk_id", valid=0.2, seed=0)

What makes the dataset is in `sequences.py`, and read when it is first used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from drivetrain.bundle import facts
from drivetrain.codecs import Signature
from drivetrain.data.asked import NOT_TESTED, Asked, Labelled
from drivetrain.data.option import Option
from drivetrain.data.read.recordings import AT, MAJORITY, Layout
from drivetrain.data.task import Task
from drivetrain.tasks import tabular
from drivetrain.tasks.options import SEED, SPLIT, TARGET, TEST, VALID, Words
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.data.dataset import Dataset
    from drivetrain.data.faults import Report
    from drivetrain.tasks.problem import Problem
    from drivetrain.tasks.sequences import Made
    from drivetrain.tasks.sequences import from_csv as from_csv
    from drivetrain.tasks.sequences import from_folder as from_folder
    from drivetrain.tasks.sequences import from_table as from_table

LEARNED, FEWEST_EPOCHS, MOST_EPOCHS = 16_000, 10, 60
"""A network sees so many sequences, the same ones again and again, in no fewer and no more epochs."""
_KINDS = next(option for option in tabular.TASK.options if option.name == "column")


class SequenceClassification(Task):
    """Series of several classes, or of a number: sequences of a table, or windows that are cut from recordings."""

    name = "sequence_classification"
    things = "sequences"
    heading = "sequences of sensors"
    source = "a table with a row for each moment, or a folder of recordings"
    command = "predict {bundle} {table}"
    asked_for = True
    network = "conv1d"
    card_use = (
        'from drivetrain.runtime import Predictor\n\nPredictor("{bundle}").predict([[0.1, 0.2], [0.1, 0.3]])',
        "drivetrain predict {bundle} RECORDING.csv",
    )
    options = (
        VALID,
        SEED,
        SPLIT,
        TEST,
        TARGET,
        _KINDS,
        Option(
            "sequence", "the column that tells sequences apart; without it a file is one recording",
            {"metavar": "COLUMN"}, fits=facts.or_none(facts.is_text),
        ),
        Option(
            "order", "the column that their rows are put in order by; default: one that rises within each",
            {"metavar": "COLUMN"}, fits=facts.or_none(facts.is_text),
        ),
        Words(
            "channels", "the columns that are looked at: a,b,c; default: all others of numbers",
            {"metavar": "COLUMNS"}, fits=facts.or_none(facts.many(facts.is_text)),
        ),
        Option("labels", "a second table, with the label of each sequence", {"metavar": "FILE"}, reads=True),
        Option(
            "window", "cut recordings into windows of so many moments", {"type": int, "metavar": "N"},
            fits=facts.or_none(facts.is_whole),
        ),
        Option(
            "step", "from the beginning of a window to that of the next (half a window)", {"type": int, "metavar": "M"},
            fits=facts.or_none(facts.is_whole),
        ),
        Option(
            "label_at", "the label of a window of several: of most of its moments, or of the last (majority)",
            {"choices": AT}, usual=MAJORITY, fits=facts.or_none(facts.is_text),
        ),
    )  # fmt: skip

    def __init__(self, layout: Layout | None = None, made: Made | None = None) -> None:
        self.layout, self.made = layout, made

    def way_to(self, source: str) -> str:
        return f"say --task {self.name}"

    def default_model(self, signature: Signature) -> str:
        from drivetrain.learn.names import BEST

        del signature
        return BEST

    def epochs_of(self, data: Dataset) -> int:
        """So many that there are some steps, however few the sequences (docs/decisions/sensors.md)."""
        return min(max(-(-LEARNED // max(1, len(data.rows("train")))), FEWEST_EPOCHS), MOST_EPOCHS)

    def call(self, typed: Mapping[str, Any]) -> dict[str, Any]:
        """Of a folder whose folders are the classes nobody need name a target."""
        if typed["target"] or not os.path.isdir(typed["source"]):
            return super().call(typed)
        call = super().call({**typed, "target": ["label"]})
        del call["target"]
        return call

    def make(self, source: Any, **call: Any) -> Problem:
        from drivetrain.tasks.sequences import from_csv, from_folder

        return from_folder(source, **call) if os.path.isdir(source) else from_csv(source, **call)

    def of_data(self, layout: Layout, made: Made) -> SequenceClassification:
        """The task of a dataset, which knows how its rows became sequences."""
        return SequenceClassification(layout, made)

    def of_bundle(self, found: Mapping[str, Any]) -> Task:
        return SequenceClassification(Layout.from_facts(found))

    def facts(self, data: Dataset) -> dict[str, Any]:
        del data
        return {} if self.layout is None else {"recordings": self.layout.to_json()}

    def told_apart(self, data: Dataset) -> list[str]:
        """What is known of whole sequences: who wore the sensors, in which room."""
        known = {*data.signature.fields, "split"}
        rows = len(data.table)
        return [
            name
            for name, values in data.table.columns.items()
            if name not in known and 1 < len({str(value) for value in values}) <= rows / 2
        ]

    def together(self, data: Dataset, rows: Array) -> Array | None:
        """The windows of a recording."""
        if self.layout is None or self.layout.window is None:
            return None
        return data.table[self.layout.recording][rows].astype(str)

    def find_faults(self, data: Dataset) -> Report:
        from drivetrain.tasks.sequences import find_faults

        return find_faults(data, self.made)

    def asked(self, signature: Signature, inputs: Sequence[str], keep: Sequence[str]) -> Asked:
        """The sequences of tables, and of those in folders, cut as those of the training were."""
        from drivetrain.tasks.sequences_asked import ask_recordings

        return ask_recordings(self._known(signature), signature, inputs, keep)

    def labelled(self, signature: Signature, source: str, typed: Mapping[str, Any]) -> Labelled:
        """The same with their labels; of a folder the test part, without one the valid part, without either all."""
        from drivetrain.tasks.sequences_asked import labelled_recordings

        found = labelled_recordings(self._known(signature), signature, source, typed.get("labels"))
        own = found.part == "test" or not os.path.isdir(
            source
        )  # A file of the training is known again; a folder isn't.
        return replace(found, note="" if own else NOT_TESTED)

    def _known(self, signature: Signature) -> Layout:
        """That of the bundle; of one that doesn't say it, each file is a sequence."""
        channels: Any = next(iter(signature.inputs.values()))
        return self.layout or Layout(tuple(channels.channels))


TASK = SequenceClassification()


def __getattr__(name: str) -> Any:
    if name not in ("from_csv", "from_folder", "from_table"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from drivetrain.tasks import sequences

    return getattr(sequences, name)
