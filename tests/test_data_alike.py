"""The same table from every source: the same kinds, the same encoded rows, whichever source trained and whichever asks."""

from __future__ import annotations

import csv
import datetime
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drivetrain as dt
from drivetrain.data.kinds.guess import guess_kinds, to_table
from drivetrain.data.read.frame import Frame
from drivetrain.data.read.readers import read_frame
from drivetrain.data.read.rows import read_rows

pl = pytest.importorskip("polars")
try:
    import pandas
except ImportError:
    pandas = None

Columns = dict[str, list[Any]]
Rows = list[dict[str, Any]]
ROWS = 60
DAY = datetime.date(2019, 12, 20)
CELLS: dict[str, Callable[[Random], Any]] = {
    "number": lambda draw: draw.randint(-10_000, 10_000) / 8,
    "whole": lambda draw: draw.randint(0, 1000),
    "whole as a float": lambda draw: float(draw.randint(0, 12)),
    "one or two": lambda draw: float(draw.randint(1, 2)),
    "truth": lambda draw: draw.random() < 0.5,
    "word": lambda draw: draw.choice(["a", "b", "True story", "02139", "2139", "x, y", 'a "quote"', "é"]),
    "code": lambda draw: draw.choice(["1", "1.0", "2", "x", "true", "True"]),
    "id": lambda draw: draw.choice([2**53 + 1, 2**53 + 2, 2**63 - 1]),
    "day": lambda draw: DAY + datetime.timedelta(draw.randint(0, 60)),
    "moment": lambda draw: datetime.datetime(2020, 1, 1) + datetime.timedelta(seconds=draw.randint(0, 10**6)),
    "y": lambda draw: draw.randint(0, 2),
}


def table_of(seed: int) -> Columns:
    """Columns of every kind, each but the target with gaps, or with none."""
    draw = Random(seed)
    columns: Columns = {}
    for name, cell in CELLS.items():
        gaps = draw.choice([0.0, 0.2]) if name != "y" else 0.0
        columns[name] = [None if draw.random() < gaps else cell(draw) for _ in range(ROWS)]
    return columns


def rows_of(columns: Columns) -> Rows:
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def sources(columns: Columns, folder: Path) -> Iterator[tuple[str, Frame, Rows]]:
    """Name, what training reads, and the rows that prediction gets, for each source."""
    for name, separator in (("t.csv", ","), ("t.tsv", "\t")):
        with (folder / name).open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle, delimiter=separator)
            writer.writerows([columns, *zip(*columns.values())])
    (folder / "t.jsonl").write_text("\n".join(json.dumps(row, default=str) for row in rows_of(columns)))
    frame = pl.DataFrame(columns)
    frame.write_parquet(folder / "t.parquet")
    for name in ("t.csv", "t.tsv", "t.jsonl", "t.parquet"):
        yield name, read_frame(folder / name), [row for _, row in read_rows(folder / name)]
    yield "polars", read_frame(frame), list(frame.iter_rows(named=True))
    yield "dicts", read_frame(columns), rows_of(columns)
    with closing(sqlite3.connect(folder / "t.db")) as base:
        names = ", ".join(f'"{name}"' for name in columns)
        base.execute("DROP TABLE IF EXISTS t")
        base.execute(f"CREATE TABLE t ({names})")
        cells = [
            [str(cell) if isinstance(cell, datetime.date) else cell for cell in row]
            for row in zip(*columns.values())
        ]
        base.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(columns))})", cells)
        base.commit()
    frame = read_frame(f"sqlite:///{folder}/t.db", query="SELECT * FROM t")
    yield "SQL", frame, list(frame.data.iter_rows(named=True))
    if pandas is not None:
        loose = pandas.DataFrame(
            {name: pandas.Series(cells, dtype=object) for name, cells in columns.items()}
        )
        yield "pandas of objects", read_frame(loose), loose.to_dict("records")
        whole = loose.convert_dtypes().assign(word=loose["word"].astype("category"))
        whole["whole as a float"] = loose["whole as a float"].astype(float)
        whole["id"] = loose["id"].astype("Int64").astype("category")
        whole["moment"] = pandas.to_datetime(loose["moment"], utc=True)
        yield "pandas", read_frame(whole), whole.to_dict("records")


def encoded(codecs: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, codec in codecs.items():
        column, faults = codec.encode_column(values[name])
        assert not faults, (name, str(next(iter(faults.values()))))
        found[name] = column
    return found


def as_columns(rows: Rows) -> dict[str, Any]:
    columns = {}
    for name in rows[0]:
        columns[name] = np.empty(len(rows), object)
        columns[name][:] = [row[name] for row in rows]
    return columns


@given(st.integers(0, 2**32))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_the_same_table_means_the_same_from_every_source(seed: int) -> None:
    columns = table_of(seed)
    first: dict[str, Any] = {}
    kinds_of: dict[str, Any] = {}
    codecs: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for source, frame, rows in sources(columns, Path(folder)):
            kinds = guess_kinds(frame, "y")
            table = to_table(frame, kinds)
            fitted = {name: kind.codec.fit(table[name]) for name, kind in kinds.items() if kind.codec}
            trained = encoded(fitted, {name: table[name] for name in fitted})
            told = {name: (kind.kind, kind.reason) for name, kind in kinds.items()}
            if not first:
                first, kinds_of, codecs = trained, told, fitted
                assert sorted(fitted) == sorted(CELLS)
            if source == "SQL":  # SQLite has no truth values: 0 and 1 are two numbers there.
                told["truth"], fitted["truth"] = kinds_of["truth"], codecs["truth"]
            assert told == kinds_of, source
            assert fitted == codecs, source
            asked = encoded(codecs, as_columns(rows))
            for name in codecs:
                assert np.array_equal(trained[name], first[name], equal_nan=first[name].dtype.kind == "f"), (
                    source,
                    name,
                )
                assert np.array_equal(asked[name], first[name], equal_nan=first[name].dtype.kind == "f"), (
                    source,
                    name,
                )


@pytest.mark.slow
def test_the_same_table_gets_the_same_answers_from_every_source(tmp_path: Path) -> None:
    """And a model trained on any of them is the same model."""
    columns = table_of(1)
    answers: dict[str, list[Any]] = {}
    predictor = None
    for source, frame, rows in sources(columns, tmp_path):
        data = dt.tabular.from_frame(frame, "y")
        if predictor is None:
            learner = data.learner("linear", out=tmp_path / "run", quiet=True)
            learner.fit(2)
            predictor = dt.Predictor(learner.export(tmp_path / "t.bundle"))
        assert source == "SQL" or data.signature == predictor.signature
        inputs = [{name: row[name] for name in predictor.signature.inputs} for row in rows]
        answers[source] = [answer.targets for answer in predictor.predict_many(inputs)]
        assert answers[source] == answers["t.csv"], source
        alone = [predictor.predict(row).targets for row in inputs[:5]]
        assert [found["y"]["label"] for found in alone] == [
            found["y"]["label"] for found in answers[source][:5]
        ]
