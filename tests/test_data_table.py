"""The table: equal lengths, provenance, rows and columns by name."""

import numpy as np
import pytest

from drivetrain.data.table import Table, as_column, from_columns, shown
from drivetrain.errors import DataError, UsageError


def test_rows_columns_and_origins():
    table = from_columns({"image": ["a.png", "b.png", "c.png"], "size": [1, 2, 3]}, name="things")
    assert len(table) == 3
    assert table["size"].tolist() == [1, 2, 3]
    assert table.origin(2) == "things, row 3"
    assert "size" in table
    assert "label" not in table
    assert "3 rows" in repr(table)


def test_take_keeps_rows_together_and_the_order_asked_for():
    table = from_columns({"x": [10, 20, 30], "y": ["a", "b", "c"]})
    taken = table.take([2, 0])
    assert (taken["x"].tolist(), taken["y"].tolist()) == ([30, 10], ["c", "a"])
    assert [taken.origin(row) for row in range(2)] == ["table, row 3", "table, row 1"]
    assert table.take(np.array([False, True, False]))["y"].tolist() == ["b"]
    assert len(table.take([])) == 0


def test_columns_of_different_lengths_are_refused_by_name():
    with pytest.raises(DataError, match="image 2, label 1"):
        from_columns({"image": ["a", "b"], "label": ["x"]})


def test_origins_must_be_one_for_each_row():
    with pytest.raises(DataError, match="2 rows and 1 origins"):
        Table({"x": np.arange(2)}, np.array(["here"], object))


def test_a_table_needs_columns():
    with pytest.raises(DataError, match="no columns"):
        from_columns({})


def test_an_unknown_column_offers_the_nearest():
    with pytest.raises(UsageError, match="Did you mean label"):
        from_columns({"image": ["a"], "label": ["b"]})["labl"]


def test_columns_keep_numbers_and_dates_and_hold_anything_else():
    assert as_column([1, 2.5]).dtype == np.float64
    assert as_column([True, False]).dtype == bool
    assert as_column(np.array(["2024-01-01"], "datetime64[D]")).dtype.kind == "M"
    assert as_column(["a", None]).dtype == object
    assert as_column(np.array(["a", "b"])).dtype == object
    pictures = as_column([np.zeros((2, 2)), np.zeros((2, 2))])
    assert pictures.shape == (2,)
    assert as_column([(1, 2), (3, 4)]).shape == (2,)
    with pytest.raises(DataError, match="not str"):
        as_column("abc")


def test_a_name_that_is_no_text_can_be_shown():
    assert shown("plain.png") == "plain.png"
    assert shown("猫.png") == "猫.png"
    assert shown("bad\udcff.png").encode("utf-8") == "bad\ufffd.png".encode()
