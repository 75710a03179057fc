"""Pairs of sentences from tables and from files of lines: what is read, what is left out and told, what is refused."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest

from drivetrain.data.read.parallel import read_pairs, where_they_part
from drivetrain.errors import DataError, DrivetrainError, FileError, UsageError

EN = ["A man sleeps.", 'He says "no".', "Two dogs run."]
FR = ["Un homme dort.", "Il dit « non ».", "Deux chiens courent."]


def lines(folder: Path, en: bytes | str, fr: bytes | str, stem: str = "train") -> Path:
    for side, text in (("en", en), ("fr", fr)):
        (folder / f"{stem}.{side}").write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def tabs(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_a_table_of_each_form_gives_the_same_pairs(tmp_path: Path) -> None:
    rows = list(zip(EN, FR))
    quoted = [[cell.replace('"', '""') for cell in row] for row in rows]
    tabs(tmp_path / "a.tsv", "en\tfr\n" + "".join(f"{a}\t{b}\r\n" for a, b in rows))
    tabs(tmp_path / "a.csv", "fr,en\n" + "".join(f'"{b}","{a}"\n' for a, b in quoted))
    tabs(tmp_path / "a.jsonl", "".join(json.dumps({"en": a, "fr": b}) + "\n" for a, b in rows))
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress((tmp_path / "a.tsv").read_bytes()))
    for name in ("a.tsv", "a.csv", "a.jsonl", "a.tsv.gz"):
        table = read_pairs(tmp_path / name, "en", "fr")
        assert (list(table["en"]), list(table["fr"])) == (EN, FR), name
        assert not table.notes
    assert read_pairs(tmp_path / "a.tsv", "en", "fr").origin(1) == "a.tsv, row 3"


def test_two_files_of_lines_are_named_by_either_or_by_what_they_have_in_common(tmp_path: Path) -> None:
    lines(tmp_path, "\ufeff" + "\n".join(EN) + "\n", "\r\n".join(FR))
    for name in ("train.en", "train.fr", "train"):
        table = read_pairs(tmp_path / name, "en", "fr")
        assert (list(table["en"]), list(table["fr"])) == (EN, FR)
    assert table.origin(2) == "train.en + train.fr, row 3"
    turned = read_pairs(tmp_path, "fr", "en")
    assert list(turned.columns) == ["fr", "en"]
    assert list(turned["fr"]) == FR


def test_a_folder_says_the_parts_by_the_names_of_its_files(tmp_path: Path) -> None:
    for stem, count in (("train", 3), ("val", 2), ("test_2016", 1)):
        lines(tmp_path, "\n".join(EN[:count]), "\n".join(FR[:count]), stem)
    table = read_pairs(tmp_path, "en", "fr")
    assert list(table["split"]) == [*["train"] * 3, *["valid"] * 2, "test"]
    assert table.origin(5) == "test_2016.en + test_2016.fr, row 1"
    lines(tmp_path, EN[0], FR[0], "test_2017")
    with pytest.raises(DataError, match="test_2016 and test_2017 are both test"):
        read_pairs(tmp_path, "en", "fr")


def test_signs_that_python_takes_for_ends_of_line_are_inside_of_sentences(tmp_path: Path) -> None:
    odd = "a\u2028b\x0bc\x0cd\x85e\x1cf"
    lines(tmp_path, f"{odd}\nlast", "un\ndeux")
    assert list(read_pairs(tmp_path, "en", "fr")["en"]) == [odd, "last"]
    tabs(tmp_path / "a.tsv", f"en\tfr\n{odd}\tun\nlast\tdeux\n")
    assert list(read_pairs(tmp_path / "a.tsv", "en", "fr")["en"]) == [odd, "last"]


def test_a_quote_in_a_tab_separated_file_swallows_no_lines(tmp_path: Path) -> None:
    path = tabs(tmp_path / "a.tsv", 'en\tfr\n"Stop\tArrête\nGo"\tVa\n"A ""B"""\tC\n')
    table = read_pairs(path, "en", "fr")
    assert list(table["en"]) == ['"Stop', 'Go"', '"A ""B"""']
    assert "1 cell in quotes, as a spreadsheet writes them" in table.notes[0]


def test_empty_sides_are_left_out_and_told_by_line(tmp_path: Path) -> None:
    lines(tmp_path, "a\n\nb\n c ", "x\ny\n \nz")
    table = read_pairs(tmp_path, "en", "fr")
    assert list(table["en"]) == ["a", "c"]
    assert table.notes == ("left out, a side is empty or no text: 2 lines (2, 3)",)
    assert table.origin(1) == "train.en + train.fr, row 4"
    path = tabs(tmp_path / "a.tsv", "en\tfr\na\t\n\nb\tx\n")
    assert read_pairs(path, "en", "fr").notes == (
        "left out, empty: 1 line (3)", "left out, a side is empty or no text: 1 row (2)",
    )  # fmt: skip


def test_words_that_mean_missing_in_tables_are_sentences_here(tmp_path: Path) -> None:
    for name, text in (("a.csv", "en,fr\nNone,NA\nnull,nan\n"), ("a.tsv", "en\tfr\nNone\tNA\nnull\tnan\n")):
        table = read_pairs(tabs(tmp_path / name, text), "en", "fr")
        assert list(table["fr"]) == ["NA", "nan"], name


def test_unequal_sides_are_refused_with_both_counts_and_where_they_part(tmp_path: Path) -> None:
    sizes = np.random.default_rng(0).integers(2, 30, 200)
    en = ["word " * size for size in sizes]
    fr = ["un mot " * size for size in sizes]
    lines(tmp_path, "\n".join(en), "\n".join(fr[:70] + fr[71:]))
    with pytest.raises(DataError) as caught:
        read_pairs(tmp_path, "en", "fr")
    told = str(caught.value)
    assert "train.en has 200 lines and train.fr 199" in told
    assert "line 200 of train.en is the first without a partner" in told
    assert "they fit up to line 70, and not from line 71 on" in told
    lines(tmp_path, "a\nb\nc", "x\ny")
    with pytest.raises(
        DataError, match=r"has 3 lines and train\.fr 2: line 3 of train\.en is the first with"
    ):
        read_pairs(tmp_path, "en", "fr")


def test_lengths_that_tell_nothing_name_no_line() -> None:
    drawn = np.random.default_rng(1)
    false = 0
    for _ in range(20):
        a, b = (["x" * size for size in drawn.integers(10, 90, 300)] for _ in range(2))
        false += where_they_part(a, b[:-2]) is not None
    assert false <= 1
    assert where_they_part(["same"] * 50, ["same"] * 49) is None


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    half = b"\xed\xa0\x80"  # Half a character, as some programs write it.
    lines(tmp_path, b"a\nb\nc\nd", "é\nà\n".encode() + half + b"\n\xc3\xa9t\xc3\xa9")
    table = read_pairs(tmp_path, "en", "fr")
    assert list(table["fr"]) == ["é", "à", "été"]
    assert table.notes[0] == "train.fr: no UTF-8, and so no text: 1 line (3)"
    assert "left out, a side is empty or no text: 1 line (3)" in table.notes
    lines(tmp_path, "a\nb", "é\nà".encode("cp1252"))
    assert list(read_pairs(tmp_path, "en", "fr")["fr"]) == ["é", "à"]
    lines(tmp_path, "a\nb".encode("utf-16"), "é\nà".encode("utf-16"))
    assert list(read_pairs(tmp_path, "en", "fr")["fr"]) == ["é", "à"]
    lines(tmp_path, b"a\nb\0\nc", b"x\ny\nz")
    with pytest.raises(DataError, match=r"train\.en, line 2: this is no text: byte 4 is NUL"):
        read_pairs(tmp_path, "en", "fr")
    path = tabs(tmp_path / "a.jsonl", '{"en": "a \\ud800", "fr": "x"}\n')
    table = read_pairs(path, "en", "fr")
    assert table["en"][0] == "a \ufffd"
    assert table.notes[0].endswith("became U+FFFD: 1 text")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.tsv", "en\tfr\na\tb\nc\n", "a.tsv, line 3: this line has 1 cell and the first has 2"),
        ("a.tsv", "en\tfr\na\tb\tc\nd\n", "a.tsv, line 2: this line has 3 cells and the first has 2. So have 1 more"),
        ("a.txt", "Go.\tVa !\nRun.\tCours !\n", "there is no column 'en'. The first line names Go., Va !; write"),
        ("a.tsv", "\n", "the first line is empty"),
        ("a.tsv", "en\tfr\n\t\n", "there is no pair of sentences"),
        ("a.csv", "en,fr\n1,2\n", ""),
        ("a.jsonl", '{"en": 1, "fr": "x"}\n', "the column 'en' holds Int64, not text"),
        ("a.en", "a\n", "there is no file of the other side beside it, a.fr"),
        ("a.doc", "a\n", "this is neither a table nor one of two files of lines"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_pairs_is_refused_in_words(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    path = tabs(tmp_path / name, text)
    if not told:
        assert len(read_pairs(path, "en", "fr")) == 1
        return
    with pytest.raises(DrivetrainError) as caught:
        read_pairs(path, "en", "fr")
    assert told in str(caught.value)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        read_pairs(tmp_path / "none", "en", "fr")
    with pytest.raises(DataError, match=r"no two files of lines NAME\.en and NAME\.fr"):
        read_pairs(tmp_path, "en", "fr")
    with pytest.raises(UsageError, match="both 'en'"):
        read_pairs(tmp_path, "en", "en")


@pytest.mark.skipif(
    "DRIVETRAIN_DATA" not in os.environ, reason="DRIVETRAIN_DATA names no folder of data sets"
)
def test_multi30k() -> None:
    table = read_pairs(Path(os.environ["DRIVETRAIN_DATA"], "multi30k_en_fr"), "en", "fr")
    assert [int((table["split"] == part).sum()) for part in ("train", "valid", "test")] == [
        29_000,
        1_014,
        1_000,
    ]
    assert not table.notes


def test_a_side_that_is_called_as_the_parts_are_is_refused() -> None:
    with pytest.raises(UsageError, match="a side can't be called 'split'"):
        read_pairs({"split": EN, "fr": FR}, "split", "fr")
