"""Columns that name the rows are left out, and those that only look so are not."""

import io

import numpy as np
import pytest

from drivetrain.data.kinds.guess import guess_kinds
from drivetrain.data.read.readers import read_frame
from drivetrain.errors import DataError
from drivetrain.interface import command_line
from drivetrain.tasks import tabular

pl = pytest.importorskip("polars")
ROWS = 200
RNG = np.random.default_rng(0)
RISING = np.arange(ROWS)
INDEXES = {
    "as it was": RISING,
    "with holes": np.sort(RNG.choice(1_000, ROWS, replace=False)),
    "shuffled": RNG.permutation(ROWS),
    "of rows drawn from more": RNG.choice(5_000, ROWS, replace=False),
    "of rows drawn again and again": RNG.choice(ROWS, ROWS),
    "of frames put together": np.concatenate([np.arange(25)] * 8),
    "of unequal frames put together and shuffled": RNG.permutation(
        np.concatenate([np.arange(120), np.arange(50), np.arange(30)])
    ),
    "of rows taken apart": np.sort(RNG.choice(60, ROWS)),
}


def guess(values, name):
    return guess_kinds(read_frame({name: values}, name="t"))[name]


@pytest.mark.parametrize("values", INDEXES.values(), ids=INDEXES)
@pytest.mark.parametrize("name", ["index", "level_0", "Unnamed: 0", "__index_level_0__", ""])
def test_a_saved_index_is_left_out_and_said_to_be_one(name, values):
    kind = guess_kinds(read_frame({name: values, "y": values % 2}, name="t"))[name or "column_1"]
    assert kind.kind == "identifier"
    assert "index" in kind.reason or "row number" in kind.reason


@pytest.mark.parametrize("made", ["csv", "parquet", "jsonl", "memory"])
def test_an_index_is_the_same_from_files_and_from_python(tmp_path, made):
    frame = pl.DataFrame({"index": INDEXES["with holes"], "x": RNG.normal(size=ROWS)})
    path = tmp_path / f"t.{made}"
    text = io.BytesIO()
    {
        "csv": frame.write_csv,
        "parquet": frame.write_parquet,
        "jsonl": frame.write_ndjson,
        "memory": lambda _: None,
    }[made](text)
    path.write_bytes(text.getvalue())
    kinds = guess_kinds(read_frame(frame if made == "memory" else path))
    assert {name: kind.kind for name, kind in kinds.items()} == {"index": "identifier", "x": "number"}


def test_what_is_only_called_an_index_is_a_number():
    assert guess(RNG.choice(np.arange(60, 110), ROWS), "index").kind == "number"  # The heat index.
    assert guess(RNG.choice(10, ROWS), "index").kind == "number"  # That of ultraviolet light.
    assert guess(RNG.normal(size=ROWS), "index").kind == "number"
    assert guess(INDEXES["with holes"], "visitors").kind == "number"


def test_amounts_and_years_may_be_all_different():
    assert guess(np.arange(1900, 2020), "year").kind == "number"
    assert guess(np.arange(1900, 2020), "x").kind == "number"
    assert guess(np.arange(1, 201), "dose").kind == "number"
    assert guess(np.arange(1, 201), "DoseMg").kind == "number"
    assert guess(np.arange(1, 201), "instant").kind == "identifier"
    assert guess(np.arange(501, 701), "Id").kind == "identifier"
    assert guess(np.arange(501, 701), "row").kind == "identifier"


def test_an_id_may_come_twice_now_and_then():
    clients = RNG.permutation(np.arange(10_000, 14_000))
    clients[1] = clients[0]
    kind = guess(clients, "client_id")
    assert kind.kind == "identifier"
    assert "nearly every value is different (3,999 different values in 4,000 rows)" in kind.reason
    assert guess(clients, "square_feet").kind == "number"
    assert guess(clients // 4, "client_id").kind == "many categories"


def test_where_no_column_is_left_each_is_named_with_why_and_the_option_in_use():
    columns = {"a": [f"k{row}" for row in range(60)], "c": [1] * 60, "y": ["u", "v"] * 30}
    with pytest.raises(
        DataError, match=r"'a': every value is different .*; 'c': 1 in all of 60 rows"
    ) as told:
        tabular.from_frame(columns, "y")
    assert told.value.fix == 'Say what a column is: columns={"a": "category"}.'
    with command_line(), pytest.raises(DataError) as told:
        tabular.from_frame({**columns, "a": list(range(60))}, "y")
    assert told.value.fix == "Say what a column is: --column a=number."


def test_one_name_may_be_given_bare():
    columns = {"island": [1, 2, 3] * 20, "c": [1.5, 2.5] * 30, "y": ["u", "v"] * 30}
    data = tabular.from_frame(columns, "y", ignore="island")
    assert [*data.signature.inputs] == ["c"]
    assert data.kinds["island"].reason == "left out as asked"
