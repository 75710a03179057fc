"""Tables that are broken or made to harm: each is one error, soon, and takes no more memory than there is."""

import datetime
import gzip
import io
import json
import os
import random
import struct
import time

import pytest
from commands import drivetrain

from drivetrain import limits
from drivetrain.data.read.readers import read_frame
from drivetrain.data.read.rows import read_rows
from drivetrain.errors import DataError, DrivetrainError, FileError, UsageError

pl = pytest.importorskip("polars")


def parquet(**columns):
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


def put(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return str(path)


def read_both(path):
    """What either reader gives or raises: a table, or an error of ours, and nothing else."""
    for read in (read_frame, lambda path: list(read_rows(path))):
        try:
            found = read(path)
        except DrivetrainError as fault:
            found = str(fault)
        assert found
        assert not isinstance(found, str) or found.isprintable(), found


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.jsonl", "t.csv.gz"])
def test_a_pipe_a_device_and_a_folder_are_refused_at_once(tmp_path, name):
    os.mkfifo(tmp_path / name)
    os.symlink("/dev/zero", tmp_path / f"zero-{name}")
    for path in (tmp_path / name, tmp_path / f"zero-{name}"):
        for read in (read_frame, lambda path: list(read_rows(path))):
            with pytest.raises(FileError, match="not a regular file"):
                read(path)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.jsonl"])
def test_a_file_that_is_larger_than_the_memory_is_refused_before_it_is_read(tmp_path, monkeypatch, name):
    monkeypatch.setenv("DRIVETRAIN_MEMORY_GB", "2")
    with open(tmp_path / name, "wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(
        DataError, match=r"takes about 32.2 GB of memory, and 2.0 GB are free.*DRIVETRAIN_MEMORY_GB"
    ):
        read_frame(tmp_path / name)


def test_a_gzip_of_very_much_is_read_as_far_as_memory_allows(tmp_path, monkeypatch):
    monkeypatch.setenv("DRIVETRAIN_MEMORY_GB", "0.2")
    piece = b"a,b\n" * (1 << 20)
    path = put(tmp_path, "t.csv.gz", b"".join([gzip.compress(piece, 1)] * 30))  # 126 MB in 0.6.
    with pytest.raises(DataError, match=r"reading more than .* of memory, and 0.2 GB are free"):
        read_frame(path)
    zeros = put(tmp_path, "zeros.csv.gz", gzip.compress(bytes(1 << 20), 1))
    with pytest.raises(DataError, match="byte 1 is NUL"):
        read_frame(zeros)


def test_a_parquet_that_claims_more_rows_than_memory_is_refused(tmp_path):
    def varint(number):
        number, out = 2 * number, b""
        while number > 127:
            out, number = out + bytes([number & 127 | 128]), number >> 7
        return out + bytes([number])

    data = parquet(x=[1, 2, 3] * 100, y=["a", "b", "c"] * 100)
    (size,) = struct.unpack("<I", data[-8:-4])
    footer = data[-8 - size : -8].replace(varint(300), varint(2_000_000_000))
    path = put(tmp_path, "t.parquet", data[: -8 - size] + footer + struct.pack("<I", len(footer)) + b"PAR1")
    with pytest.raises(DataError, match=r"2,000,000,000 rows and 2 columns takes about 160\.0 GB"):
        read_frame(path)


def test_memory_is_what_the_environment_says_or_what_is_free(monkeypatch):
    assert 1e8 < limits.memory_budget() < 1e14
    monkeypatch.setenv("DRIVETRAIN_MEMORY_GB", "1.5")
    assert limits.memory_budget() == 1_500_000_000
    for wrong in ("much", "-1", "0", "nan", "inf"):
        monkeypatch.setenv("DRIVETRAIN_MEMORY_GB", wrong)
        with pytest.raises(UsageError, match=r"DRIVETRAIN_MEMORY_GB: .* is not a number above 0"):
            limits.memory_budget()


@pytest.mark.parametrize("days", [-10_000_000, 3_000_000, 2**31 - 1])
def test_a_date_that_no_calendar_has_names_column_and_row(tmp_path, days):
    given = pl.Series([0, days, 5], dtype=pl.Int32).cast(pl.Date)
    path = put(tmp_path, "t.parquet", parquet(when=given, y=["a", "b", "c"]))
    with pytest.raises(DataError, match=r"column 'when': .*years 1 to 9999 in 1 rows, the first in row 2"):
        read_frame(path)
    read_both(path)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_a_time_beyond_the_calendar_is_refused_in_every_unit(unit):
    far = pl.Series("at", [0, 2**63 - 1]).cast(pl.Datetime(unit))
    if unit == "ns":  # All of them are within the years 1677 to 2262.
        assert len(read_frame(pl.DataFrame({"at": far})).data) == 2
    else:
        with pytest.raises(DataError, match="column 'at'"):
            read_frame(pl.DataFrame({"at": far}))
    whole = [datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59)]
    if unit != "ns":
        assert len(read_frame(pl.DataFrame({"at": pl.Series(whole).cast(pl.Datetime(unit))})).data) == 2


def wide(kind, width):
    names = [f"c{number}" for number in range(width)]
    if kind == "csv":
        return ("\n".join([",".join(names)] + [",".join("1" * width)] * 3)).encode()
    if kind == "jsonl":
        return json.dumps(dict.fromkeys(names, 1)).encode() + b"\n" + json.dumps({"c": 1}).encode()
    if kind == "keys.jsonl":
        return "\n".join(json.dumps({name: 1}) for name in names).encode()
    return parquet(**{name: [1] for name in names})


@pytest.mark.parametrize("kind", ["csv", "jsonl", "keys.jsonl", "parquet"])
def test_very_many_columns_are_refused_soon_unless_they_are_allowed(tmp_path, monkeypatch, kind):
    path = put(tmp_path, f"t.{kind}", wide(kind, 10_100))
    started = time.thread_time()
    with pytest.raises(
        DataError, match=r"there are 10,10\d columns, and at most 10,000.*DRIVETRAIN_MOST_COLUMNS"
    ):
        read_frame(path)
    assert time.thread_time() - started < 1
    monkeypatch.setenv("DRIVETRAIN_MOST_COLUMNS", "99")
    small = put(tmp_path, f"small.{kind}", wide(kind, 90))
    assert len(read_frame(small).columns) in (90, 91)


def test_texts_and_nested_objects_do_not_count_as_columns_twice(tmp_path):
    lines = [
        json.dumps({"a": f'"{row}": {{', "b": {"c": row}, "d": 'x":', "e\\": row}) for row in range(30_000)
    ]
    path = put(tmp_path, "t.jsonl", "\n".join(lines).encode())
    assert read_frame(path).columns == ["a", "b", "d", "e\\"]


@pytest.mark.parametrize("depth", [65, 1000, 100_000])
@pytest.mark.parametrize(("begin", "end"), [('{"a":', "}"), ("[", "]")])
def test_deep_objects_name_their_row(tmp_path, depth, begin, end):
    deep = f'{{"y": "a", "x": {begin * depth}1{end * depth}}}'
    path = put(tmp_path, "t.jsonl", f'{{"y": "{"[" * 99}"}}\n{deep}\n'.encode())
    with pytest.raises(DataError, match=r"t.jsonl, row 2: .* more than 64 deep"):
        read_frame(path)


@pytest.mark.slow
def test_no_flipped_byte_of_a_parquet_s_footer_is_a_traceback(tmp_path):
    draw = random.Random(0)
    days = [datetime.date(2020, 1, day) for day in range(1, 31)]
    data = parquet(
        x=list(range(30)), y=["a", "b", None] * 10, z=[0.5] * 30, when=days, t=[["a", "b"]] * 30,
        at=[datetime.datetime(2020, 1, day) for day in range(1, 31)], b=[True] * 30,
    )  # fmt: skip
    (size,) = struct.unpack("<I", data[-8:-4])
    for place in [*range(len(data) - size - 8, len(data), 4), *draw.sample(range(len(data)), 100)]:
        hurt = bytearray(data)
        hurt[place] ^= 1 << draw.randrange(8)
        read_both(put(tmp_path, "t.parquet", bytes(hurt)))
    for end in range(0, len(data), 97):
        read_both(put(tmp_path, "t.parquet", data[:end]))


SEEDS = {
    "t.csv": b'x,y,z\n1,a,"b, c"\n2,,"d ""e"""\n3.5,\xc3\xa9,\n',
    "t.jsonl": b'{"x": 1, "y": "a", "z": [1, "b"]}\n{"x": 2.5, "y": null}\n{"x": true, "y": "\\ud83d\\ude00"}\n',
    "t.csv.gz": gzip.compress(b"x,y\n1,a\n2,b\n" * 20),
}
GRAFTS = [
    b"\0",
    b'"',
    b",",
    b"\n",
    b"\r",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\\ud800",
    b"{",
    b"[",
    b"1e999",
    b"9" * 400,
    b"NaN",
    b";",
]


@pytest.mark.parametrize("name", SEEDS)
def test_no_mutation_of_a_text_table_is_a_traceback(tmp_path, name):
    draw = random.Random(name)
    for _ in range(250):
        data = bytearray(SEEDS[name])
        for _ in range(draw.randint(1, 4)):
            place = draw.randrange(len(data) + 1)
            how = draw.randrange(4)
            if how == 0 and place < len(data):
                data[place] ^= 1 << draw.randrange(8)
            elif how == 1:
                data[place:place] = draw.choice(GRAFTS)
            elif how == 2:
                del data[place : place + draw.randint(1, 9)]
            else:
                data[place:place] = data[draw.randrange(len(data) or 1) :][:9]
        read_both(put(tmp_path, name, bytes(data)))


def test_the_command_line_gives_one_line_for_them(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.csv")
    odd = put(
        tmp_path, "odd.parquet", parquet(when=pl.Series([2**31 - 1] * 30).cast(pl.Date), y=["a", "b"] * 15)
    )
    for path in (tmp_path / "pipe.csv", "/dev/zero", odd):
        done = drivetrain("check", path, "--target", "y")
        assert done.code == 1, done
        assert done.err.startswith("drivetrain: ")
        assert done.err.count("\n") == 1
    monkeypatch.setenv("DRIVETRAIN_MEMORY_GB", "lots")
    assert drivetrain("check", odd, "--target", "y").code == 2


def test_a_name_of_wrong_bytes_is_read_like_any_other(tmp_path):
    path = os.path.join(tmp_path, os.fsdecode(b"caf\xe9.csv"))
    with open(path, "w") as file:
        file.write("x,y\n" + "".join(f"{row % 7},{'ab'[row % 2]}\n" for row in range(40)))
    assert drivetrain("check", path, "--target", "y", "--json").code in (0, 3)
    done = drivetrain("check", path + "x", "--target", "y")
    assert (done.code, done.err.count("\n")) == (1, 1)
