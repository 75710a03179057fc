"""Tables: columns of any kind in, one or several columns out.

data = drivetrain.tabular.from_csv("adult.csv", target="income", valid=0.2, seed=0)

What makes the dataset is in `tables.py`, and read when it is first used: an answer for a table needs none of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.bundle import facts
from drivetrain.codecs import Signature
from drivetrain.data import option
from drivetrain.data.asked import Asked, ask_rows
from drivetrain.data.option import Option
from drivetrain.data.read.rows import is_row_file, read_rows
from drivetrain.data.split import Splitter
from drivetrain.data.task import Task
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.tasks.options import (
    AGAIN,
    DROP_COPIES,
    INTERVAL,
    QUERY,
    SEED,
    SPLIT,
    TARGET,
    TEST,
    VALID,
    YES_OR_NO,
    Pairs,
)  # fmt: skip

if TYPE_CHECKING:
    from drivetrain.data.dataset import Dataset
    from drivetrain.data.faults import Report
    from drivetrain.tasks.problem import Problem
    from drivetrain.tasks.tables import from_csv as from_csv
    from drivetrain.tasks.tables import from_frame as from_frame


class Kinds(Pairs):
    """NAME=KIND, of the kinds that there are: those of extensions too."""

    def add(self, parser: Any) -> None:
        from drivetrain.data.kinds.guess import kind_words

        parser.add_argument(
            self.flag, help=f"{self.help}; kinds: {', '.join(kind_words())}", **(self.typed or {})
        )


class Costs(Pairs):
    """TRUE:ANSWER=COST, which may be given again: what it costs to answer so."""

    def read(self, typed: list[str]) -> Any:
        return dict(map(self._cost, typed)) or None

    def _cost(self, given: str) -> tuple[tuple[str, str], float]:
        try:
            pair, cost = self.pair(given)
            true, sign, answer = pair.partition(":")
            value = float(cost)
        except (UsageError, ValueError):
            true = sign = answer = ""
            value = 0.0
        if not sign:
            raise UsageError(
                f"{given!r} is not {self.metavar}.", where=self.flag, fix="Write it like yes:no=5."
            )
        return (true, answer), value

    def plain(self, value: Any) -> Any:
        return None if value is None else [[*pair, cost] for pair, cost in value.items()]

    def restore(self, kept: Any) -> Any:
        return {(true, answer): cost for true, answer, cost in kept} if kept else None

    def words(self, kept: Any) -> Any:
        return super().words({f"{true}:{answer}": f"{cost:g}" for true, answer, cost in kept or ()})


class MissingWords(Option):
    """WORD or NAME=WORD, which may be given again: words for "no value" by column, "" for all."""

    def read(self, typed: list[str]) -> dict[str, list[str]] | None:
        found: dict[str, list[str]] = {}
        for text in typed:
            name, _, word = text.rpartition("=")
            found.setdefault(name, []).append(word)
        return found or None

    def plain(self, value: Any) -> Any:
        return {name: list(words) for name, words in (value or {}).items()}

    def words(self, kept: Any) -> Any:
        return super().words(
            [f"{name}={word}" if name else word for name, words in (kept or {}).items() for word in words]
        )


class Tabular(Task):
    """Columns of a table, of which some are to be predicted."""

    name = "tabular"
    things = "rows"
    heading = "tables"
    source = "a table (CSV, TSV, Parquet, JSONL) or a database's URL"
    command = "predict {bundle} ROWS.csv --out answers.csv"
    options = (
        VALID,
        SEED,
        SPLIT,
        TEST,
        DROP_COPIES,
        TARGET,
        Kinds(
            "column",
            "override what a column was taken for, and how it is written: price=number:decimal-comma, day=date:month-first",
            {**AGAIN, "metavar": "NAME=KIND"}, argument="columns", fits=facts.or_none(facts.texts_by_text),
        ),
        Option("ignore", "leave a column out", {**AGAIN, "metavar": "NAME"}, fits=facts.many(facts.is_text)),
        MissingWords(
            "missing", 'what else means "no value", in all columns or in one; NAME= alone: no word does there (-200)',
            {**AGAIN, "metavar": "WORD or NAME=WORD"}, fits=facts.many_texts_by_text,
        ),
        QUERY,
        Option(
            "log_target", "learn a number on a log scale, or don't; default: --model best finds out", YES_OR_NO,
            needs=option.NUMBER, fits=facts.is_bool,
        ),
        INTERVAL,
        Costs(
            "cost", "what a wrong answer costs (1)", {**AGAIN, "metavar": "TRUE:ANSWER=COST"}, argument="costs",
            needs=option.CATEGORY, fits=facts.or_none(facts.many(facts.is_cost)),
        ),
        Option("rare", typed=None, fits=facts.is_whole),
    )  # fmt: skip

    def recognises(self, source: str, typed: Mapping[str, Any]) -> bool:
        return not os.path.isdir(source) and bool(typed["target"] or typed["query"] or os.path.isfile(source))

    def way_to(self, source: str) -> str:
        return "name a table" if os.path.isdir(source) else super().way_to(source)

    def make(self, source: Any, **call: Any) -> Problem:
        from drivetrain.tasks.tables import from_csv

        return from_csv(source, **call)

    def dataset(self, source: str, typed: Mapping[str, Any]) -> Any:
        """A table of texts alone is one of text classification, unless --task says otherwise."""
        made = super().dataset(source, typed)
        if made.task is not TASK or typed["task"]:
            return made
        from drivetrain.tasks.texts import of_texts_alone

        return of_texts_alone(made)

    def splitter(self, typed: Mapping[str, Any]) -> Splitter | None:
        """A random one is the task's own: each class of the target by its share."""
        return None if typed["split"] == "random" else super().splitter(typed)

    def asked(self, signature: Signature, inputs: Sequence[str], keep: Sequence[str]) -> Asked:
        """Rows, where a table has the only column of files that it learned from."""
        (name, *others) = signature.inputs
        if not others and all(_has_column(given, name) for given in inputs):
            return ask_rows(inputs, keep, signature)
        return super().asked(signature, inputs, keep)

    def default_model(self, signature: Signature) -> str:
        from drivetrain.learn.names import BEST

        del signature
        return BEST

    def find_faults(self, data: Dataset) -> Report:
        from drivetrain.tasks.tables import find_faults

        return find_faults(data, propose=getattr(data.splitter, "kind", "random") == "random")


TASK = Tabular()


def _has_column(path: str, name: str) -> bool:
    """Whether a file is a table with this column."""
    try:
        return is_row_file(path) and name in next(read_rows(path))[1]
    except (DrivetrainError, StopIteration):
        return False


def __getattr__(name: str) -> Any:
    if name not in ("from_csv", "from_frame"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from drivetrain.tasks import tables

    return getattr(tables, name)
