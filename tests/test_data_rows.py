"""Rows for prediction, in the base install: the same cells, origins and faults as the reader that trains."""

import subprocess
import sys

import pytest

from drivetrain.data.read.rows import is_row_file, read_rows
from drivetrain.errors import DataError, FileError, UsageError


def write(folder, text, name="t.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_rows_of_a_csv_are_texts_by_column(tmp_path):
    path = write(tmp_path, '\ufeffa;km/h;\n01;"x\ny";NA\n\n2;;\n')
    assert list(read_rows(path)) == [
        ("t.csv, row 2", {"a": "01", "km/h": "x\ny", "column_3": "NA"}),
        ("t.csv, row 4", {"a": "2", "km/h": "", "column_3": ""}),
    ]


def test_an_empty_cell_in_quotes_is_a_row_and_a_blank_line_is_none(tmp_path):
    from drivetrain.data.read.readers import read_frame

    pytest.importorskip("polars")
    path = write(tmp_path, 'text\n""\n\n   \nfine\n')
    assert list(read_rows(path)) == [("t.csv, row 2", {"text": ""}), ("t.csv, row 5", {"text": "fine"})]
    assert read_frame(path).data["text"].to_list() == ["", "fine"]


def test_json_that_is_no_lines_is_refused(tmp_path):
    with pytest.raises(UsageError, match="line by line"):
        list(read_rows(write(tmp_path, '[{"a": 1}]', "t.json")))


def test_rows_of_json_lines_keep_their_types(tmp_path):
    path = write(tmp_path, '{"a/b": 1, "c": "x"}\r\n\r\n{"c": null}\r\n', "t.jsonl")
    assert list(read_rows(path)) == [
        ("t.jsonl, row 1", {"a/b": 1, "c": "x"}),
        ("t.jsonl, row 3", {"c": None}),
    ]


@pytest.mark.parametrize(("row", "told"), [("3", "has 1 cell "), ("3,4,5", "has 3 cells")])
def test_a_ragged_row_is_told_as_in_training(tmp_path, row, told):
    from drivetrain.data.read.readers import read_frame

    pytest.importorskip("polars")
    path = write(tmp_path, f"a,b\n1,2\n{row}\n5,6\n")
    with pytest.raises(DataError, match=told) as caught:
        list(read_rows(path))
    assert caught.value.where == "t.csv, row 3"
    with pytest.raises(DataError) as other:
        read_frame(path)
    assert caught.value.to_json() == other.value.to_json()


def test_rows_before_a_fault_are_given(tmp_path):
    rows = read_rows(write(tmp_path, "a,b\n1,2\n3\n"))
    assert next(rows)[1] == {"a": "1", "b": "2"}
    with pytest.raises(DataError, match="row 3"):
        next(rows)


def test_files_that_cant_be_read(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        list(read_rows(tmp_path / "none.csv"))
    with pytest.raises(DataError, match="empty"):
        list(read_rows(write(tmp_path, "")))
    with pytest.raises(DataError, match="NUL"):
        list(read_rows(write(tmp_path, b"a,b\n\0,2\n")))


def test_parquet_by_polars_where_it_is(tmp_path):
    pl = pytest.importorskip("polars")
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": [1, None], "b": ["x", "y"]}).write_parquet(path)
    assert list(read_rows(path)) == [
        ("t.parquet, row 1", {"a": 1, "b": "x"}),
        ("t.parquet, row 2", {"a": None, "b": "y"}),
    ]


def test_the_base_install_has_no_polars(tmp_path):
    """A CSV is read without it, and parquet says what is missing."""
    csv, parquet = write(tmp_path, "a,b\n1,2\n"), write(tmp_path, "PAR1", "t.parquet")
    code = f"""
import sys
sys.modules["polars"] = None
from drivetrain.data.read.rows import read_rows
assert list(read_rows({csv!r})) == [("t.csv, row 2", {{"a": "1", "b": "2"}})]
try:
    list(read_rows({parquet!r}))
except Exception as fault:
    print(fault)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "reading a table needs polars" in done.stdout
    assert "pip install '.[tables]'" in done.stdout


def test_names_of_row_files():
    assert all(map(is_row_file, ["a.csv", "A.CSV", "b.tsv.gz", "c.jsonl", "d.parquet"]))
    assert not any(map(is_row_file, ["a.png", "folder", "b.json"]))
