"""Splits: disjoint, repeatable, stratified, grouped, in time, by names; and the errors."""

import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drivetrain as dt
from drivetrain.data import split, split_words
from drivetrain.data.table import from_columns
from drivetrain.errors import DataError, DrivetrainError, UsageError

TIMES = {
    "times": st.lists(st.integers(0, 30), min_size=3, max_size=80),
    "valid": st.floats(0.05, 0.6),
    "test": st.sampled_from([0.0, 0.2]),
}


def table_of(**columns):
    return from_columns(columns, name="rows")


def whole(parts, count):
    """The parts are disjoint and hold every row."""
    rows = np.concatenate(list(parts.parts().values()))
    assert sorted(rows.tolist()) == list(range(count))
    assert all(part.dtype == np.int64 for part in parts.parts().values())
    return parts


def test_random_meets_its_shares_and_repeats():
    table = table_of(x=range(100))
    parts = whole(split.random(valid=0.2, seed=3, test=0.1)(table), 100)
    assert [len(rows) for rows in parts.parts().values()] == [70, 20, 10]
    again = split.random(valid=0.2, seed=3, test=0.1)(table)
    assert (parts.valid == again.valid).all()
    assert (parts.test == again.test).all()
    assert (parts.valid != split.random(valid=0.2, seed=4, test=0.1)(table).valid).any()


def test_random_does_not_change_between_versions():
    # The rows that seed 42 drew when this was written: a recorded split must stay the same split.
    assert split.random(0.3, seed=42)(table_of(x=range(10))).valid.tolist() == [0, 5, 6]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=8),
    valid=st.floats(0.01, 0.6),
    test=st.sampled_from([0.0, 0.1, 0.3]),
    seed=st.integers(0, 99),
)
def test_stratified_has_every_class_in_train_and_valid_where_it_can(sizes, valid, test, seed):
    labels = [f"class {kind}" for kind, size in enumerate(sizes) for _ in range(size)]
    splitter = split.random(valid, seed, test, stratify="label")
    if len(labels) < 2 + (test > 0) or max(sizes) == 1:
        with pytest.raises(DataError):
            splitter(table_of(label=labels))
        return
    parts = whole(splitter(table_of(label=labels)), len(labels))
    for kind, size in enumerate(sizes):
        held = {
            name: sum(labels[row] == f"class {kind}" for row in rows) for name, rows in parts.parts().items()
        }
        assert held["train"] >= 1
        if size >= 2:
            assert held["valid"] >= 1
        if size >= 3 and test:
            assert held["test"] >= 1 or held["valid"] > 1
        assert abs(held["valid"] - valid * size) <= 1 or size <= 2 or test


def test_stratified_keeps_the_shares_of_large_classes():
    labels = ["a"] * 900 + ["b"] * 100
    parts = split.random(0.2, stratify="label")(table_of(label=labels))
    assert [labels[row] for row in parts.valid].count("b") == 20
    assert len(parts.valid) == 200


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, float("nan"), "0.2", None, True])
def test_a_share_must_be_one(share):
    for splitter in (
        split.random,
        lambda valid: split.by_group("g", valid),
        lambda valid: split.by_time("t", valid),
    ):
        with pytest.raises(UsageError, match="share of the rows"):
            splitter(valid=share)


def test_shares_must_leave_something_and_seeds_be_whole():
    with pytest.raises(UsageError, match="nothing to train on"):
        split.random(valid=0.5, test=0.5)
    with pytest.raises(UsageError, match="seed"):
        split.random(seed=-1)


@pytest.mark.parametrize(
    "splitter",
    [
        split.random(0.2),
        split.random(0.2, test=0.2),
        split.by_group("x"),
        split.by_time("x", 0.2),
        split.random(stratify="x"),
    ],
)
def test_too_few_rows_is_said(splitter):
    with pytest.raises(DataError, match="at least"):
        splitter(table_of(x=[1]))


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.integers(0, 9), min_size=3, max_size=80),
    valid=st.floats(0.05, 0.6),
    test=st.sampled_from([0.0, 0.2]),
    seed=st.integers(0, 99),
)
def test_no_group_straddles(groups, valid, test, seed):
    splitter = split.by_group("g", valid, seed, test)
    if len(set(groups)) < 2 + (test > 0):
        with pytest.raises(DataError, match="groups in 'g'"):
            splitter(table_of(g=groups))
        return
    parts = whole(splitter(table_of(g=groups)), len(groups))
    held = [{groups[row] for row in rows} for rows in parts.parts().values()]
    assert not held[0] & held[1]
    assert not held[0] & held[2]
    assert not held[1] & held[2]
    assert held[0]
    assert held[1]
    assert bool(held[2]) == bool(test)


def test_groups_come_near_to_the_share():
    groups = [index // 5 for index in range(500)]
    assert len(split.by_group("g", 0.2)(table_of(g=groups)).valid) == 100


def test_a_missing_group_names_its_row():
    with pytest.raises(DataError, match="rows, row 3"):
        split.by_group("g")(table_of(g=["a", "b", None, "c"]))


@settings(max_examples=60, deadline=None)
@given(**TIMES)
def test_within_a_group_the_latest_rows_are_held_out(times, valid, test):
    groups = [index % 3 for index in range(len(times))]
    splitter = split.by_time("t", valid, test, within="g")
    assert split.from_json(splitter.to_json()) == splitter
    parts = whole(splitter(table_of(t=times, g=groups)), len(times)).parts()
    for group in set(groups):
        order = [
            [(times[row], row) for row in rows.tolist() if groups[row] == group] for rows in parts.values()
        ]
        count = sum(map(len, order))
        assert len(order[2]) == min(int(count * test + 0.5), count - 1)
        assert len(order[1]) == min(int(count * valid + 0.5), count - 1 - len(order[2]))
        assert sorted(order[0] + order[1] + order[2]) == sorted(order[0]) + sorted(order[1]) + sorted(
            order[2]
        )


@settings(max_examples=60, deadline=None)
@given(**TIMES)
def test_valid_is_strictly_later_than_train(times, valid, test):
    splitter = split.by_time("t", valid, test)
    if len(set(times)) < 2 + (test > 0):
        with pytest.raises(DataError, match="different times"):
            splitter(table_of(t=times))
        return
    parts = whole(splitter(table_of(t=times)), len(times))
    array = np.array(times)
    assert array[parts.train].max() < array[parts.valid].min()
    if test:
        assert array[parts.valid].max() < array[parts.test].min()


DAYS = [datetime.date(2024, 1, 1) + datetime.timedelta(days=3 * index) for index in range(10)]


@pytest.mark.parametrize(
    "times",
    [
        list(range(10)),
        [float(index) for index in range(10)],
        [f"{day:%Y-%m-%d}" for day in DAYS],
        [f"{day:%Y-%m-%d}T18:00:00Z" for day in DAYS],
        [f"{day:%Y%m%d}" for day in DAYS],
        DAYS,
        [datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC) for day in DAYS],
        np.array(DAYS, "datetime64[D]"),
        [np.datetime64(day) for day in DAYS],
        [str(1990 + index) for index in range(10)],
    ],
)
def test_times_of_every_kind_are_ordered(times):
    order = np.random.default_rng(0).permutation(10)
    shuffled = times[order] if isinstance(times, np.ndarray) else [times[row] for row in order]
    parts = split.by_time("t", 0.2, test=0.1)(table_of(t=shuffled))
    assert sorted(order[parts.valid]) == [7, 8]
    assert order[parts.test].tolist() == [9]


def test_ties_stay_together_at_the_nearest_share():
    parts = split.by_time("t", 0.3)(table_of(t=[1, 1, 1, 2, 2, 2, 2, 3, 3, 3]))
    assert parts.valid.tolist() == [7, 8, 9]


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (["2024-01-01", "yesterday", "2024-01-03"], "row 2.*'yesterday' is no time"),
        (["2024-01-01", "2024-01-02T00:00:00Z", "2024-01-03"], "row 2.*time zone"),
        ([1.0, 2.0, float("nan")], "row 3.*no time"),
        ([1, None, 3], "row 2.*no time"),
        ([1, 2, "later"], "row 3.*'later' is no time"),
        (np.array(["2024-01-01", "NaT", "2024-01-03"], "datetime64[D]"), "row 2.*no time"),
    ],
)
def test_a_time_that_can_not_be_ordered_names_its_row(times, said):
    with pytest.raises(DataError, match=said):
        split.by_time("t", 0.3)(table_of(t=times))


def test_by_column_and_its_synonyms():
    parts = split.by_column("part")(table_of(part=["train", "Val", "test", "validation", "training"]))
    assert [rows.tolist() for rows in parts.parts().values()] == [[0, 4], [1, 3], [2]]
    assert parts.note == ""
    with pytest.raises(DataError, match=r"rows, row 2: 'vaild' is no part"):
        split.by_column("part")(table_of(part=["train", "vaild"]))
    with pytest.raises(DataError, match="nothing to train on"):
        split.by_column("part")(table_of(part=["test", "test"]))
    with pytest.raises(UsageError, match="no column 'part'"):
        split.by_column("part")(table_of(x=[1]))


def test_without_a_valid_part_it_is_taken_from_train_and_said():
    table = table_of(split=["train"] * 10 + ["test"] * 5)
    splitter = split.by_folder()
    parts = whole(splitter(table), 15)
    assert parts.test.tolist() == [10, 11, 12, 13, 14]
    assert len(parts.valid) == 2
    assert parts.valid.max() < 10
    assert parts.note == "there is no valid part: 20% of train was taken at random (seed 0)"
    assert splitter.to_json()["otherwise"]["kind"] == "random"
    assert len(split.by_folder(otherwise=None)(table).valid) == 0


def test_by_folder_reads_the_paths_where_there_is_no_column():
    paths = ["/test/data/train/a/1.png", "/test/data/val/a/2.png", "/test/data/train/b/3.png"]
    parts = split.by_folder()(table_of(image=paths))
    assert (parts.train.tolist(), parts.valid.tolist()) == ([0, 2], [1])
    own = split.by_folder(valid="holdout")(table_of(image=["x/train/1.png", "x/holdout/2.png"]))
    assert own.valid.tolist() == [1]
    with pytest.raises(DataError, match="row 2"):
        split.by_folder()(table_of(image=["x/train/1.png", "x/other/2.png"]))


def test_none_trains_on_everything():
    assert len(split.none()(table_of(x=range(4))).train) == 4


def test_a_row_in_two_parts_is_refused():
    with pytest.raises(DataError, match="two parts"):
        split.Split(np.array([0, 1]), np.array([1]), np.array([], np.int64))


@pytest.mark.parametrize(
    "splitter",
    [
        split.random(0.3, 7, 0.1, "label"),
        split.by_folder(),
        split.by_folder("holdout", otherwise=None),
        split.by_column("part", otherwise=split.random(0.5)),
        split.by_group("g", 0.3, 5, 0.1),
        split.by_time("t", 0.3, 0.1),
        split.by_time("t", 0.3, within="g"),
        split.none(),
        split.by_position(0.1, test=0.2),
        split.by_path("(p[0-9])", test=0.1),
    ],
)
def test_json_round_trip(splitter):
    from drivetrain.files import from_json, to_json

    record = from_json(to_json(splitter.to_json()))
    assert split.from_json(record) == splitter
    assert record["kind"] in split.KINDS


@pytest.mark.parametrize(
    "record",
    [
        {"kind": "randm"},
        {},
        {"kind": "random", "vald": 0.2},
        {"kind": "by_time"},
        {"kind": "random", "valid": 2},
    ],
)
def test_a_record_that_is_none(record):
    with pytest.raises(DrivetrainError):
        split.from_json(record)


PATHS = [f"cat/p{person}/face_{person}_{shot}.png" for person in range(8) for shot in range(4)] + [
    f"dog/p{person}/face_{person}_{shot}.png" for person in range(8, 16) for shot in range(4)
]


def pictures(paths, **columns):
    labels = [path.partition("/")[0] for path in paths]
    return from_columns({"image": paths, "label": labels, **columns}, name="rows")


@pytest.mark.parametrize("group", ["parent", 2, "2", r"face_(\d+)_", r"/(p\d+)/"])
def test_files_of_one_group_stay_together(group):
    table = pictures(PATHS)
    parts = whole(split.by_path(group, test=0.2)(table), len(PATHS))
    people = [{PATHS[row].split("/")[1] for row in rows} for rows in parts.parts().values()]
    assert all(people)
    assert not people[0] & people[1]
    assert not people[0] & people[2]
    assert not people[1] & people[2]


@pytest.mark.parametrize("group", ["parent", 2])
def test_a_folder_of_one_name_below_several_classes_is_one_group(group):
    both = pictures(
        [f"{mood}/{name}/{shot}.png" for mood in ("sad", "gay") for name in "abcdef" for shot in "12"]
    )
    parts = whole(split.by_path(group, test=0.2)(both), 24).parts().values()
    names = [{both["image"][row].split("/")[1] for row in rows} for rows in parts]
    assert sum(map(len, names)) == 6


def test_groups_can_be_drawn_so_that_each_class_is_in_both_parts():
    few = [path for path in PATHS if int(path.split("_")[1]) in (0, 1, 2, 8, 9, 10, 11)]
    table = pictures(few, person=[path.split("/")[1] for path in few])
    for seed in range(10):
        by_path = split.by_path("parent", seed=seed, stratify="label", valid=0.3)
        valid = whole(by_path(table), len(few)).valid
        assert {table["label"][row] for row in valid} == {"cat", "dog"}
        by_group = split.by_group("person", seed=seed, stratify="label", valid=0.3)(table)
        assert {table["label"][row] for row in by_group.valid} == {"cat", "dog"}


def test_what_groups_a_path_is_said_where_it_does_not():
    table = pictures(PATHS)
    with pytest.raises(DataError, match="each class is one group"):
        split.by_path(1)(table)
    with pytest.raises(DataError, match="has no group by 3") as failed:
        split.by_path(3)(table)
    assert failed.value.where == "rows, row 1"
    with pytest.raises(DataError, match="has no group by"):
        split.by_path(r"(face_9)_")(table)
    for wrong in ("face", "(a)(b)", "(a"):
        with pytest.raises(UsageError) as failed:
            split.by_path(wrong)
        assert "one pair of parentheses" in failed.value.fix
    with pytest.raises(UsageError, match="holds no paths"):
        split.by_path("parent")(table_of(image=range(9)))
    named = pictures(PATHS, parent=[path.split("_")[1] for path in PATHS])
    assert split.by_path("parent")(named).valid.tolist() == split.by_group("parent")(named).valid.tolist()


def days(*numbers):
    return [str(np.datetime64("2024-01-01") + number) for number in numbers]


@pytest.mark.parametrize(
    ("gap", "train", "valid"),
    [(None, 12, 4), (0, 12, 4), (2, 10, 2), ("1d", 12, 4), ("2d", 11, 3), ("48h", 11, 3), ("0.5w", 9, 1)],
)
def test_a_gap_is_left_out_before_what_is_measured(gap, train, valid):
    table = table_of(t=days(*range(20)))
    parts = split.by_time("t", 0.2, test=0.2, gap=gap)(table)
    assert parts.train.tolist() == list(range(train))
    assert parts.valid.tolist() == list(range(12, 12 + valid))
    assert parts.test.tolist() == list(range(16, 20))
    left_out = 16 - train - valid
    assert parts.note == (
        f"{left_out} rows are in no part, for the gap of {gap} before what is measured" if left_out else ""
    )


def test_a_gap_of_rows_keeps_rows_of_one_time_together():
    parts = split.by_time("t", 0.25, gap=2)(table_of(t=[1, 1, 2, 2, 2, 3, 4, 4]))
    assert (parts.train.tolist(), parts.valid.tolist()) == ([0, 1], [6, 7])


@pytest.mark.parametrize("unit", ["s", "ms", "ns"])
def test_a_gap_in_time_is_in_the_unit_of_the_column(unit):
    times = np.arange("2024-01-01", "2024-01-11", dtype="datetime64[D]").astype(f"datetime64[{unit}]")
    parts = split.by_time("t", 0.2, gap="2d")(table_of(t=times))
    assert (parts.train.tolist(), parts.valid.tolist()) == (list(range(7)), [8, 9])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"gap": "2 fortnights"}, UsageError, "no length of time"),
        ({"gap": ""}, UsageError, "no length of time"),
        ({"gap": -1}, UsageError, "0 rows or more"),
        ({"gap": True}, UsageError, "not True"),
        ({"gap": 1, "within": "g"}, UsageError, "within each value"),
        ({"gap": 9}, DataError, "leaves nothing to train on"),
        ({"gap": "3d"}, DataError, "say no length of time"),
    ],
)
def test_a_gap_that_can_not_be_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        split.by_time("t", 0.2, **options)(table_of(t=range(10)))


def test_by_position_the_last_rows_are_measured():
    parts = whole(split.by_position(0.2, test=0.1)(table_of(x=range(50))), 50)
    assert parts.valid.tolist() == list(range(35, 45))
    assert parts.test.tolist() == list(range(45, 50))


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ("random", split.random(0.3, seed=1)),
        ("time:day", split.by_time("day", valid=0.3)),
        ("time:day,gap=100", split.by_time("day", valid=0.3, gap=100)),
        ("time:a, b,gap=7d", split.by_time("a, b", valid=0.3, gap="7d")),
        ("group:patient", split.by_group("patient", valid=0.3, seed=1)),
        ("group:a:b", split.by_group("a:b", valid=0.3, seed=1)),
        ("column:part", split.by_column("part")),
        ("position", split.by_position(0.3)),
    ],
)
def test_splits_in_words(words, made):
    assert split_words.from_words(words, 0.3, 1) == made
    assert split_words.to_words(made) == words
    assert split_words.to_words(made.to_json()) == words


def test_a_group_of_pictures_in_words():
    for what in ("parent", "2", "(p[0-9]+)"):
        found = split_words.from_words(f"group:{what}", 0.3, 1, files="image")
        assert found == split.by_path(what, valid=0.3, seed=1)
        assert split_words.to_words(found) == f"group:{what}"
    found = split_words.from_words("group:patient", 0.3, files="image", stratify="label")
    assert found == split.by_group("patient", valid=0.3, stratify="label")


@pytest.mark.parametrize(
    ("words", "files", "fix"),
    [
        ("group", "", "Write group:COLUMN."),
        ("group:", "image", "Write group:COLUMN of the CSV, group:parent, group:LEVEL or group:PATTERN."),
        ("time", "", "Write time:COLUMN."),
        (
            "time:day,gap=soon",
            "",
            "Write a number of rows, or a length such as 7d or 12h (s, min, h, d, w).",
        ),
        ("time:day,gap=", "", "Write gap=100 for rows, or gap=7d."),
        ("position:x", "", "Write position."),
        ("random:x", "", "Write random."),
        ("grop:x", "", "Did you mean group?"),
        ("fold", "", "Say one of: random, time:COLUMN, group:COLUMN, column:COLUMN, position."),
    ],
)
def test_words_that_name_no_split(words, files, fix):
    with pytest.raises(UsageError) as failed:
        split_words.from_words(words, 0.2, files=files)
    assert failed.value.fix == fix


def test_what_the_split_goes_by_is_no_input_of_a_table():
    pytest.importorskip("polars")
    rng = np.random.default_rng(0)
    columns = {
        "patient": [f"p{k}" for k in rng.integers(0, 40, 400)], "age": rng.integers(20, 90, 400), "y": rng.normal(size=400),
    }  # fmt: skip
    data = dt.tabular.from_frame(columns, "y", split=split.by_group("patient"))
    assert list(data.signature.inputs) == ["age"]
    assert (
        data.kinds["patient"].reason == "the split goes by it: no row of valid has a value that is in train"
    )
    assert list(dt.tabular.from_frame(columns, "y", split=split.by_group("age")).signature.inputs) == [
        "patient",
        "age",
    ]
    with pytest.raises(UsageError, match="no column 'patent'"):
        dt.tabular.from_frame(columns, "y", split=split.by_group("patent"))
