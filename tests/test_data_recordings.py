"""Rows of sensors become sequences and windows; what is wrong with them is named by file, row and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sensors

import drivetrain as dt
from drivetrain.data.read.readers import read_frame
from drivetrain.data.read.recordings import Layout, cut, origins, read_recordings
from drivetrain.errors import BundleError, DataError, DrivetrainError, UsageError
from drivetrain.tasks.problem import Problem

make = dt.sequence_classification


def table(**changes: Any) -> dict[str, list[Any]]:
    """Two sequences of three moments; `changes` replace columns."""
    return {
        "id": ["x", "x", "x", "y", "y", "y"], "step": [0, 1, 2, 0, 1, 2], "a": [0.5, 0.25, 1, 2, 3.5, 4],
        "b": [1.0, 2, 3, 4, 5, 7], "label": ["in", "in", "in", "out", "out", "out"], **changes,
    }  # fmt: skip


def made(**changes: Any) -> Problem:
    return make.from_table(table(**changes), "label", sequence="id", valid=0.0)


class TestSequences:
    def test_rows_of_a_sequence_are_put_together(self) -> None:
        data = made()
        assert data.signature.inputs["series"].channels == ("a", "b")  # type: ignore[attr-defined]
        assert [series.tolist() for series in data.table["series"]] == [
            [[0.5, 1], [0.25, 2], [1, 3]], [[2, 4], [3.5, 5], [4, 7]],
        ]  # fmt: skip
        assert list(data.table["label"]) == ["in", "out"]
        assert data.table.origin(1) == "table, id y, rows 4 to 6"
        assert any("'step' rises within every sequence" in note for note in data.notes)

    @pytest.mark.parametrize("name", ["step", "nr"])
    def test_unsorted_moments_are_put_in_order_and_told(self, name: str) -> None:
        rows = {name if column == "step" else column: values * 3 for column, values in table().items()}
        rows["id"] = [f"{key}{place // 6}" for place, key in enumerate(rows["id"])]
        rows[name][:3], rows["b"] = [2, 0, 1], [1.5, 9, 2, 2, 7, 1] * 3
        data = make.from_table(rows, "label", sequence="id", valid=0.0)
        assert data.table["series"][0][:, 0].tolist() == [0.25, 1, 0.5]
        assert any(
            f"{name!r} tells the moments of every sequence, though not row after row" in note
            for note in data.notes
        )
        assert any(
            f"1 row comes before an earlier {name!r}, the first is table, row 2" in note
            for note in data.notes
        )

    def test_a_channel_is_no_clock(self) -> None:
        draw = np.random.default_rng(0)
        rows = {
            "id": [place // 9 for place in range(90)],
            "a": draw.normal(size=90).tolist(),
            "label": [*"xy"] * 45,
        }
        rows["label"] = ["x" if place // 9 % 2 else "y" for place in range(90)]
        rows["b"] = draw.integers(0, 5, 90).tolist()
        data = make.from_table(rows, "label", sequence="id")
        assert data.signature.inputs["series"].channels == ("a", "b")  # type: ignore[attr-defined]

    def test_double_moments_are_kept_and_told(self) -> None:
        data = make.from_table(
            table(step=[0, 1, 1, 0, 1, 2]), "label", sequence="id", order="step", valid=0.0
        )
        assert len(data.table["series"][0]) == 3
        assert any("there twice by 'step', the first again in table, row 3" in note for note in data.notes)
        assert any(fault.kind == "double moments" for fault in data.check().faults)

    def test_what_stands_still_within_sequences_is_no_channel(self) -> None:
        data = made(person=["p", "p", "p", "q", "q", "q"], age=[30, 30, 30, 41, 41, 41])
        assert data.signature.inputs["series"].channels == ("a", "b")  # type: ignore[attr-defined]
        assert data.table["age"].tolist() == ["30", "41"]

    def test_times_in_words(self) -> None:
        stamps = [f"2026-03-01T10:00:0{second}" for second in (0, 2, 1, 0, 1, 2)]
        data = make.from_table(table(step=stamps), "label", sequence="id", order="step", valid=0.0)
        assert data.table["series"][0][:, 0].tolist() == [0.5, 1, 0.25]

    def test_labels_of_a_second_table(self) -> None:
        rows = table()
        del rows["label"]
        data = make.from_table(
            {**rows, "id": [1, 1, 1, 2, 2, 2]}, "label", sequence="id", valid=0.0,
            labels={"id": ["2", "1", "3"], "label": ["out", "in", "in"], "room": ["k", "l", "m"]},
        )  # fmt: skip
        assert list(data.table["label"]) == ["in", "out"]
        assert list(data.table["room"]) == ["l", "k"]
        assert any("labels of sequences that are not there: 1 (3)" in note for note in data.notes)

    def test_a_number_to_tell(self) -> None:
        rows = table(label=[1.5] * 3 + [2.25] * 3)
        rows = {name: values * 20 for name, values in rows.items()} | {
            "id": [f"{name}{place // 6}" for place, name in enumerate(table()["id"] * 20)],
            "label": [round(place // 3 / 7, 3) for place in range(120)],
        }  # fmt: skip
        data = make.from_table(rows, "label", sequence="id")
        assert data.signature.targets["label"].op == "number@1"
        assert data.interval == 0.9


@pytest.mark.parametrize(
    ("changes", "told", "where"),
    [
        ({"a": [0.5, float("inf"), 1, 2, 3.5, 4]}, "inf is infinite", "row 2, column 'a'"),
        ({"a": ["0.5", "0.2", "x", "2", "3", "4"]}, "'x' is no number", "row 3, column 'a'"),
        (
            {"label": ["in", "in", "out", "out", "out", "out"]},
            "label changes within sequence 'x'",
            "row 3, column 'label'",
        ),
        ({"id": ["x", None, "x", "y", "y", "y"]}, "doesn't say which sequence", "row 2"),
        ({"a": ["p"] * 6, "b": ["q", "r"] * 3}, "no column is left that holds numbers", "table"),
        ({"label": ["in"] * 6}, "one value only", "label"),
    ],
)
def test_bad_rows_are_named(changes: dict[str, Any], told: str, where: str) -> None:
    with pytest.raises(DataError, match=told) as refused:
        made(**changes)
    assert where in f"{refused.value.where}"
    assert refused.value.fix


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"sequence": "nr"}, "no column 'nr'"),
        ({"order": "time"}, "no column 'time'"),
        ({"channels": ["a", "c"]}, "no column 'c'"),
        ({"channels": ["a", "label"]}, "'label' is no channel"),
        ({"step": 3}, "only windows have a step"),
        ({"window": 0}, "a whole number of moments"),
        ({"window": 2, "label_at": "first"}, "majority or last"),
        ({"target": "what"}, "no column 'what'"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], told: str) -> None:
    call: dict[str, Any] = {"target": "label", "sequence": "id", **options}
    with pytest.raises(UsageError, match=told):
        make.from_table(table(), call.pop("target"), **call)


class TestGaps:
    def test_missing_values_are_the_last_known_and_told(self) -> None:
        data = made(a=[None, 0.25, None, 2, 3.5, 4])
        assert data.part("train").arrays["series"][0][:, 0].tolist() == [0.25, 0.25, 0.25]
        assert any(
            "2 of 12 values are missing, the first of 'a' in table, row 1" in note for note in data.notes
        )

    def test_a_channel_that_is_missing_wholly_is_an_error_of_that_sequence(self) -> None:
        data = make.from_table(
            {name: values * 2 for name, values in table(a=[None, None, None, 2, 3.5, 4]).items()}
            | {"id": [*"xxxyyyuuuvvv"]}, "label", sequence="id", valid=0.0,
        )  # fmt: skip
        report = data.check()
        assert not report.ok
        first = next(fault for fault in report.faults if fault.kind == "unreadable")
        assert "id x, rows 1 to 3" in first.where[0]
        assert "every moment is missing" in first.where[0]


class TestWindows:
    def frame(self, sizes: tuple[int, ...] = (10, 7, 3)) -> dict[str, list[Any]]:
        count = sum(sizes)
        return {
            "who": [name for name, size in zip("uvw", sizes) for _ in range(size)],
            "a": (np.arange(count) % 5 + np.arange(count) / 100).tolist(), "label": [*"rs"] * (count // 2),
        }  # fmt: skip

    def test_windows_begin_where_they_should(self) -> None:
        frame = read_frame(self.frame(), name="log")
        found, layout = read_recordings(frame, Layout(("a",), "who", window=4, step=2), ["label"])
        pieces = cut(found, layout)
        assert pieces.start.tolist() == [0, 2, 4, 6, 10, 12]
        assert pieces.recording.tolist() == [0, 0, 0, 0, 1, 1]
        assert pieces.short == [2]
        assert origins(found, pieces, layout)[5] == "log, who v, rows 13 to 16"

    def test_their_label_is_that_of_most_moments_or_of_the_last(self) -> None:
        rows = {"a": [0.5, 2, 1, 3, 0, 4, 1, 0], "label": [*"rrrsssss"]}
        for at, expected in (("majority", ["r", "s"]), ("last", ["s", "s"])):
            data = (
                make.from_table(rows, "label", window=4, step=4, valid=0.0, label_at=at)
                if at == "majority"
                else None
            )
            if data is not None:
                assert list(data.table["label"]) == expected
                assert any("1 of 2 windows hold moments of several labels" in note for note in data.notes)
        with pytest.raises(DataError, match="one value only"):
            make.from_table(rows, "label", window=4, step=4, valid=0.0, label_at="last")

    def test_windows_of_a_recording_are_in_one_part(self) -> None:
        data = make.from_table(
            {
                "who": [f"r{place // 30}" for place in range(300)], "a": np.sin(np.arange(300)).tolist(),
                "label": [*"rrrrrrrrrrssssssssss"] * 15,
            }, "label", sequence="who", window=10, step=5, valid=0.3,
        )  # fmt: skip
        parts = [{*data.table["who"][rows]} for rows in data.split.parts().values()]
        assert parts[1]
        assert not parts[0] & parts[1]
        assert not any(fault.kind == "leak" for fault in data.check().faults)

    def test_a_split_at_random_of_windows_is_told(self) -> None:
        rows = {
            "who": [f"r{place // 30}" for place in range(300)], "a": np.sin(np.arange(300)).tolist(),
            "label": [*"rrrrrrrrrrssssssssss"] * 15,
        }  # fmt: skip
        data = make.from_table(rows, "label", sequence="who", window=10, split=dt.split.random(0.3))
        leak = next(
            fault for fault in data.check().faults if "Recordings with windows in train" in fault.message
        )
        assert "--split group:who" in leak.fix

    def test_a_lone_recording_is_split_in_time(self) -> None:
        rows = {"a": np.sin(np.arange(400)).tolist(), "label": [*"rrrrrrrrrrssssssssssss"[:20]] * 20}
        data = make.from_table(rows, "label", window=20, step=10, valid=0.25)
        ends = [data.task.made.pieces.end[rows] for rows in data.split.parts().values()]  # type: ignore[attr-defined]
        starts = [data.task.made.pieces.start[rows] for rows in data.split.parts().values()]  # type: ignore[attr-defined]
        assert ends[0].max() <= 300 <= starts[1].min()
        assert any(
            "one recording is split in time; 1 window over an edge left out" in note for note in data.notes
        )
        assert any(fault.kind == "one recording" for fault in data.check().faults)

    def test_a_window_that_is_too_long(self) -> None:
        with pytest.raises(
            DataError, match="no recording is as long as a window of 20 moments: the longest has 10"
        ) as refused:
            make.from_table(self.frame(), "label", sequence="who", window=20)
        assert "--window 5" in refused.value.fix


class TestFolders:
    def test_the_folder_is_the_class(self, tmp_path: Path) -> None:
        for number, label in enumerate(["walk", "run"] * 4):
            sensors.write_recording(tmp_path / label / f"{number}.csv", label, 30, number, labelled=False)
        data = make.from_folder(tmp_path)
        assert (data.classes, len(data)) == (["run", "walk"], 8)
        assert data.table.origin(0).endswith("run/1.csv")

    def test_the_folders_say_the_parts(self, tmp_path: Path) -> None:
        for part, count in (("train", 4), ("val", 2), ("test", 2)):
            for number in range(count):
                label = ["walk", "run"][number % 2]
                sensors.write_recording(
                    tmp_path / part / label / f"{number}.csv", label, 30, number, labelled=False
                )
        data = make.from_folder(tmp_path)
        assert [len(rows) for rows in data.split.parts().values()] == [4, 2, 2]

    def test_a_column_has_the_label(self, tmp_path: Path) -> None:
        for number, label in enumerate(["walk", "run"] * 3):
            sensors.write_recording(tmp_path / f"{number}.csv", label, 30, number)
        data = make.from_folder(tmp_path, "label", window=10, step=10)
        assert len(data) == 18
        assert data.table.origin(4) == "1.csv, rows 12 to 21"

    def test_a_file_without_a_channel_is_named(self, tmp_path: Path) -> None:
        for number, label in enumerate(["walk", "run"] * 2):
            sensors.write_recording(tmp_path / label / f"{number}.csv", label, 30, number, labelled=False)
        (tmp_path / "run" / "1.csv").write_text("t,a\n0,1.5\n1,2.5\n2,0.5\n")
        data = make.from_folder(tmp_path)
        assert any(
            "columns that not every file has: b ('b' is not in run/1.csv)" in note for note in data.notes
        )
        with pytest.raises(UsageError, match="no column 'b'"):
            make.from_folder(tmp_path, channels=["a", "b"])

    def test_a_file_that_can_not_be_read_is_named(self, tmp_path: Path) -> None:
        for number, label in enumerate(["walk", "run"] * 2):
            sensors.write_recording(tmp_path / label / f"{number}.csv", label, 30, number, labelled=False)
        (tmp_path / "run" / "9.csv").write_bytes(b"t,a,b\n\0\0\0")
        with pytest.raises(DrivetrainError) as refused:
            make.from_folder(tmp_path)
        assert "run/9.csv" in refused.value.where

    def test_who_takes_them_for_pictures_is_told_what_they_are(self, tmp_path: Path) -> None:
        sensors.write_recording(tmp_path / "walk" / "1.csv", "walk", 30, labelled=False)
        with pytest.raises(DataError, match="no pictures in the folder") as refused:
            dt.image_classification.from_folder(tmp_path)
        assert "--task sequence_classification" in refused.value.fix

    def test_a_folder_of_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("nothing")
        with pytest.raises(DataError, match="no recordings"):
            make.from_folder(tmp_path)


class TestFacts:
    def test_a_layout_comes_back(self) -> None:
        layout = Layout(("a", "b"), "who", "t", 64, 32, "last")
        assert Layout.from_facts({"recordings": layout.to_json()}) == layout

    @pytest.mark.parametrize(
        "wrong",
        [None, {}, {"window": -1}, {"channels": "a"}, {"label_at": "first"}, {"step": 2, "window": None}],
    )
    def test_one_that_is_none_is_refused(self, wrong: Any) -> None:
        known = Layout(("a",), "who", "t", 64).to_json()
        with pytest.raises(BundleError):
            Layout.from_facts({} if wrong is None else {"recordings": {**known, **wrong} if wrong else {}})
