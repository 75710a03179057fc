"""Reading tables: every cell as it is written, and each planted fault named by file, row and column."""

import gzip
import os
import sqlite3
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.data.read.readers import read_frame
from drivetrain.data.read.rows import read_rows
from drivetrain.errors import DataError, DrivetrainError, FileError, UsageError

pl = pytest.importorskip("polars")


def write(folder, text, name="t.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def columns(frame):
    return frame.data.to_dict(as_series=False)


def test_every_cell_of_a_csv_stays_the_text_it_is(tmp_path):
    path = write(tmp_path, 'zip,x,when\n01234,1.0,2024-01-02\n,"NA",\n99999," 7 ",true\n')
    frame = read_frame(path)
    assert columns(frame) == {
        "zip": ["01234", "", "99999"],
        "x": ["1.0", "NA", " 7 "],
        "when": ["2024-01-02", "", "true"],
    }
    assert (frame.name, frame.source, frame.notes) == ("t.csv", path, ())
    assert list(frame.origins) == ["t.csv, row 2", "t.csv, row 3", "t.csv, row 4"]


@pytest.mark.parametrize("separator", list(",;\t|"))
def test_the_separator_is_found_whatever_the_name(tmp_path, separator):
    text = 'a,b,c\n"1, 2; 3|4\t5",1,x\n2,2,y\n'.replace(",", separator).replace(f"1{separator} 2", "1, 2")
    for name in ("t.csv", "t.tsv", "t.data"):
        frame = read_frame(write(tmp_path, text, name))
        assert columns(frame) == {"a": ["1, 2; 3|4\t5", "2"], "b": ["1", "2"], "c": ["x", "y"]}
    assert any("name does not say" in note for note in frame.notes)
    assert ("parted by" in " ".join(frame.notes)) == (separator != ",")


@pytest.mark.parametrize(
    ("encoding", "noted"),
    [("utf-8", ""), ("utf-8-sig", ""), ("utf-16", ""), ("utf-32", ""), ("cp1252", "not UTF-8 in line 1")],
)
def test_encodings(tmp_path, encoding, noted):
    path = write(tmp_path, "näme,ort\nx,Paris\nÉva,Köln\n".encode(encoding))
    frame = read_frame(path)
    assert columns(frame) == {"näme": ["x", "Éva"], "ort": ["Paris", "Köln"]}
    assert noted in " ".join(frame.notes) if noted else not frame.notes
    assert [row for _, row in read_rows(path)] == frame.data.to_dicts()


def test_quotes_ends_of_line_and_blank_lines(tmp_path):
    text = '\r\na,b\r\n"x\r\ny","he said ""no"""\r\n\r\n3,4\r\n\r\n\r\n'
    frame = read_frame(write(tmp_path, text))
    assert columns(frame) == {"a": ["x\r\ny", "3"], "b": ['he said "no"', "4"]}
    assert list(frame.origins) == ["t.csv, row 3", "t.csv, row 5"]
    assert columns(read_frame(write(tmp_path, "a,b\r1,2\r3,4\r"))) == {"a": ["1", "3"], "b": ["2", "4"]}
    assert columns(read_frame(write(tmp_path, "a\n1\n\n2\n"))) == {"a": ["1", "2"]}
    long = "word " * 60_000
    assert columns(read_frame(write(tmp_path, f'a,b\n1,"{long}"\n')))["b"] == [long]


@pytest.mark.parametrize("row", ["3", "3,4,5"])
def test_a_row_of_another_length_is_never_lost_in_silence(tmp_path, row):
    path = write(tmp_path, f'a,b\n"x\ny",2\n{row}\n5,6\n{row}\n')
    with pytest.raises(DataError) as caught:
        read_frame(path)
    cells = "1 cell" if row == "3" else "3 cells"
    assert caught.value.where == "t.csv, row 3 (line 4)"
    assert f"has {cells} and the header has 2. So has one more row." in caught.value.error
    frame = read_frame(path, ragged="skip")
    assert columns(frame) == {"a": ["x\ny", "5"], "b": ["2", "6"]}
    assert list(frame.origins) == ["t.csv, row 2", "t.csv, row 4"]
    assert frame.notes == ("2 rows of another length than the header are left out: 3, 5",)
    with pytest.raises(UsageError, match="'refuse' or 'skip'"):
        read_frame(path, ragged="drop")


def test_a_header_that_names_too_few_columns(tmp_path):
    with pytest.raises(
        DataError, match=r"has 3 cells and the header has 2.* So have all rows: name each column"
    ):
        read_frame(write(tmp_path, "a,b\n1,2,3\n4,5,6\n"))


def test_a_short_row_among_cells_that_hold_the_separator(tmp_path):
    """The quick count of separators must not take a quoted one for a missing cell's."""
    with pytest.raises(DataError, match="row 3"):
        read_frame(write(tmp_path, 'a,b,c\n1,"x,y",3\n4,5\n'))
    assert len(read_frame(write(tmp_path, '"a,1",b,c\n1,"x,y",3\n4,5,"6,7,8"\n'))) == 2


PLANTED = [
    ("", DataError, r"t.csv: the file is empty \(0 bytes\)"),
    ("\n\n  \n", DataError, "the file is empty"),
    ("a,b\n", DataError, "there is a header and no row below it"),
    ("a,b,a\n1,2,3\n", DataError, r"row 1: the column 'a' comes twice \(columns 1 and 3\)"),
    (b"a,b\n1,2\n3,\0\n", DataError, "line 3: this is no text: byte 11 is NUL"),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", DataError, "this is no text"),
    (
        b"PK\x03\x04\x14\0\0\0",
        DataError,
        "a ZIP archive, such as an Excel file, not text. Save the sheet as CSV",
    ),
    (b"\x1f\x8b\x08\x00broken", DataError, "the gzip file is damaged"),
    ('a,b\n1,2\n3,"4\n', DataError, "row 3: the quotes are wrong"),
    ('a,b\n1,"2" x\n3,4\n', DataError, "row 2: the quotes are wrong"),
]


@pytest.mark.parametrize(("text", "error", "told"), PLANTED, ids=[told[:20] for _, _, told in PLANTED])
def test_planted_faults_are_named(tmp_path, text, error, told):
    with pytest.raises(error, match=told):
        read_frame(write(tmp_path, text))


def test_files_that_are_not_there_or_no_tables(tmp_path):
    write(tmp_path, "a\n1\n", "houses.csv")
    with pytest.raises(FileError, match=r"no such file. Did you mean houses.csv"):
        read_frame(tmp_path / "house.csv")
    with pytest.raises(UsageError, match="this is a folder"):
        read_frame(tmp_path)
    with pytest.raises(UsageError, match="name the file"):
        read_frame(write(tmp_path, "[]", "t.json"))
    with pytest.raises(UsageError, match="a table can't be read from int"):
        read_frame(5)


def test_names_of_columns_become_names_of_fields(tmp_path):
    frame = read_frame(write(tmp_path, ' a ,,km/h,"x\ny"\n1,2,3,4\n'))
    assert frame.columns == ["a", "column_2", "km/h", "x y"]
    assert frame.notes[0] == "column 2 has no name: it is called column_2"
    assert len(frame.notes) == 2
    with pytest.raises(DataError, match="'km/h' comes twice"):
        read_frame(write(tmp_path, "km/h,km/h\n1,2\n"))
    told = read_frame(write(tmp_path, "1,2,x\n3,4,5\n")).notes
    assert told == ("the first row holds mostly numbers: it is read as the header all the same",)


def test_a_file_without_a_header(tmp_path):
    path = write(tmp_path, "1|24|M\n2|53|F\n", "u.user")
    frame = read_frame(path, header=["user", "age", "sex"])
    assert columns(frame) == {"user": ["1", "2"], "age": ["24", "53"], "sex": ["M", "F"]}
    assert frame.origins[0] == "u.user, row 1"
    with pytest.raises(DataError, match="row 1: this row has 3 cells and the header has 2"):
        read_frame(path, header=["user", "age"])


def test_gzip(tmp_path):
    frame = read_frame(write(tmp_path, gzip.compress(b"a,b\n1,2\n"), "t.csv.gz"))
    assert columns(frame) == {"a": ["1"], "b": ["2"]}


def test_json_lines(tmp_path):
    text = '{"a": 1, "b": "x", "t": ["p", "q"]}\n\n{"a": 2.5, "t": []}\n{"a": null, "b": "y"}\n'
    frame = read_frame(write(tmp_path, text, "t.jsonl"))
    assert columns(frame) == {"a": [1.0, 2.5, None], "b": ["x", None, "y"], "t": [["p", "q"], [], None]}
    assert list(frame.origins) == ["t.jsonl, row 1", "t.jsonl, row 3", "t.jsonl, row 4"]
    assert frame.notes[0] == "'b' is not in 1 of 3 objects: missing there"
    mixed = read_frame(write(tmp_path, '{"a": 1, "b": true}\n{"a": "x", "b": 2}\n', "m.ndjson"))
    assert columns(mixed) == {"a": ["1", "x"], "b": ["true", "2"]}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"a": ', "not valid JSON"),
        ("[1, 2]", "this is list, not an object"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": 1} {"a": 2}', "not valid JSON"),
    ],
)
def test_a_bad_json_line_is_named(tmp_path, line, told):
    path = write(tmp_path, f'{{"a": 1}}\n\n{line}\n{{"a": 3}}\n', "t.jsonl")
    for read in (read_frame, lambda path: list(read_rows(path))):
        with pytest.raises(DataError, match=told) as caught:
            read(path)
        assert caught.value.where == "t.jsonl, row 3"


def test_parquet_keeps_its_types(tmp_path):
    data = pl.DataFrame(
        {
            "n": [1, 2, None],
            "f": pl.Series([0.5, 1.5, None], dtype=pl.Float32),
            "c": pl.Series(["x", "y", None], dtype=pl.Categorical),
            "b": [True, False, None],
            "d": pl.Series(["2024-01-01", None, "2024-01-03"]).str.to_date(),
            "t": pl.Series(["2024-01-01 10:00:00+02:00"] * 3).str.to_datetime("%Y-%m-%d %H:%M:%S%z"),
            "m": pl.Series(["1.25", "2", None]).cast(pl.Decimal(10, 2)),
        }
    )
    path = tmp_path / "t.parquet"
    data.write_parquet(path)
    frame = read_frame(path)
    kinds = [str(kind).partition("(")[0] for kind in frame.data.dtypes]
    assert kinds == ["Int64", "Float64", "String", "Boolean", "Date", "Datetime", "Float64"]
    assert frame.data["t"][0].hour == 8
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"t.parquet: this can't be read as parquet"):
        read_frame(path)


def test_columns_in_memory_and_frames():
    frame = read_frame(
        {"x": np.array([1.5, np.nan]), "y": ["a", None], "z": [1, "b"], "w": [[], ["q"]]}, name="mine"
    )
    assert columns(frame) == {"x": [1.5, None], "y": ["a", None], "z": ["1", "b"], "w": [[], ["q"]]}
    assert frame.origins[1] == "mine, row 2"
    assert columns(read_frame(pl.DataFrame({"x": [1]}).lazy())) == {"x": [1]}
    with pytest.raises(DataError, match="differ in length: x 1, y 2"):
        read_frame({"x": [1], "y": [1, 2]})
    with pytest.raises(DataError, match="there are no rows"):
        read_frame({"x": []})


class LikePandas:
    """What is needed of pandas: columns by name, and values as numpy arrays."""

    class index:
        name = "key"

    def __init__(self, data):
        self.data = data
        self.columns = list(data)

    def __getitem__(self, name):
        return self.data[name]


def test_a_frame_that_is_like_pandas():
    NaTType = type("NaTType", (), {})
    data = {
        1: np.array([1, 2]),
        "t": np.array(["a", np.nan], object),
        "d": np.array(["2024-01-01", "NaT"], "datetime64[ns]"),
        "n": np.array([3, NaTType()], object),
    }
    frame = read_frame(LikePandas(data))
    assert columns(frame)["1"] == [1, 2]
    assert columns(frame)["t"] == ["a", None]
    assert frame.data["d"].null_count() == 1
    assert columns(frame)["n"] == [3, None]
    assert "reset_index" in frame.notes[0]


def test_pandas():
    pandas = pytest.importorskip("pandas")
    data = pandas.DataFrame(
        {
            "n": [1, 2],
            "s": ["a", None],
            "i": pandas.array([1, None], "Int64"),
            "c": pandas.Categorical(["u", "v"]),
        }
    )
    assert columns(read_frame(data)) == {"n": [1, 2], "s": ["a", None], "i": [1, None], "c": ["u", "v"]}


def test_sqlite_with_the_standard_library_alone(tmp_path):
    path = tmp_path / "shop data.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE sales (id INTEGER, amount, town TEXT)")
        rows = [(1, 2.5, "Köln"), (2, 3, None), (3, "n/a", "Ulm")]
        connection.executemany("INSERT INTO sales VALUES (?, ?, ?)", rows)
    connection.close()
    frame = read_frame(f"sqlite:///{path}", query="SELECT * FROM sales")
    assert columns(frame) == {"id": [1, 2, 3], "amount": ["2.5", "3", "n/a"], "town": ["Köln", None, "Ulm"]}
    assert (frame.name, frame.source) == ("shop data.db", str(path))
    for query, told in [
        (None, "needs a query. Add one, such as SELECT . FROM sales"),
        ("SELECT * FROM sale", "no such table: sale. Did you mean sales"),
        ("DELETE FROM sales", "readonly"),
        ("SELECT id, id FROM sales", "'id' comes twice"),
        ("SELECT id FROM sales WHERE id > 9", "no row"),
    ]:
        with pytest.raises(DrivetrainError, match=told):
            read_frame(f"sqlite:///{path}", query=query)
    with pytest.raises(FileError, match="no such database file"):
        read_frame(f"sqlite:///{tmp_path}/none.db", query="SELECT 1")


def test_a_server_without_its_driver_is_told_without_the_password():
    with pytest.raises(DrivetrainError) as caught:
        read_frame("postgresql://me:secret@localhost/shop", query="SELECT 1")
    assert "secret" not in str(caught.value)
    assert "shop" in str(caught.value)


CELL = st.text(st.sampled_from('ab1,;|\t"\n é'), max_size=6)


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8), st.sampled_from(",;\t|"), st.booleans())
@settings(max_examples=150, deadline=None)
def test_polars_and_the_standard_library_read_the_same(rows, separator, all_quoted):
    """What trains and what predicts must see the same cells."""
    import csv

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "t.csv")
        with open(path, "w", newline="", encoding="utf-8") as handle:
            quoting = csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL
            writer = csv.writer(handle, delimiter=separator, quoting=quoting, lineterminator="\n")
            writer.writerow(["first", "second", "third"])
            writer.writerows(rows)
        frame = read_frame(path)
        assert frame.data.rows() == rows
        told = list(read_rows(path))
    assert [tuple(row.values()) for _, row in told] == rows
    assert [origin for origin, _ in told] == list(frame.origins)


@given(
    st.one_of(
        st.binary(max_size=60), st.text(st.sampled_from('a1",;\n\r\t {}[]:\0é'), max_size=40).map(str.encode)
    )
)
@settings(max_examples=300, deadline=None)
def test_whatever_a_file_holds_is_read_or_refused_in_words(data):
    with tempfile.TemporaryDirectory() as folder:
        for name in ("t.csv", "t.jsonl", "t.parquet"):
            path = os.path.join(folder, name)
            with open(path, "wb") as handle:
                handle.write(data)
            for read in (read_frame, lambda path: list(read_rows(path))):
                try:
                    read(path)
                except DrivetrainError as fault:
                    assert fault.where  # noqa: PT017 - it may be read as well


def test_long_texts_are_the_same_whether_they_are_taken_one_by_one_or_not(monkeypatch):
    texts = [
        "a long text " * 9,
        None,
        " a long text " * 9,
        "na",
        "another long text " * 9,
        "a long text " * 9,
    ]
    column = read_frame({"text": texts}).column("text")
    found = column.texts(frozenset({""}))
    monkeypatch.setattr("drivetrain.data.read.columns.AT_ONCE", 2)
    again = read_frame({"text": texts}).column("text").texts(frozenset({""}))
    monkeypatch.setattr("drivetrain.data.read.columns.LONG", 10_000)
    whole = read_frame({"text": texts}).column("text").texts(frozenset({""}))
    assert found.tolist() == again.tolist() == whole.tolist()
    assert found[0] is found[5]
    assert found[1] is None
