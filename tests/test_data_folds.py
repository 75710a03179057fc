"""Folds of train and valid, and the dataset of all rows but the test's."""

from __future__ import annotations

import numpy as np
import pytest

import drivetrain as dt
from drivetrain.codecs.category import Category
from drivetrain.data.folds import folds
from drivetrain.data.refit import origins, whole

N = 200


def columns(n: int = N) -> dict[str, list[object]]:
    draw = np.random.default_rng(0)
    return {
        "x": draw.normal(0, 1, n).tolist(), "who": [f"p{row % 20}" for row in range(n)],
        "when": [str(np.datetime64("2024-01-01") + row) for row in range(n)], "y": (["a", "b", "b", "c"] * n)[:n],
    }  # fmt: skip


def dataset(**options: object) -> dt.Dataset:
    return dt.tabular.from_frame(columns(), "y", **options)  # type: ignore[arg-type]


def test_each_row_of_train_and_valid_is_asked_about_once_by_who_has_not_seen_it() -> None:
    data = dataset(test=0.2)
    found = folds(data, 4, seed=0)
    assert found[0] is data
    asked = np.concatenate([each.part("valid").rows for each in found])
    assert sorted(asked) == sorted([*data.split.train, *data.split.valid])
    for each in found:
        seen = set(each.part("train").rows)
        assert not seen & set(each.part("valid").rows)
        assert not seen & set(data.split.test)
        assert len(set(np.asarray(each.part("valid").column("y")))) == 3
    np.testing.assert_array_equal(
        found[1].part("valid").column("x"), np.float32(data.table["x"][found[1].part("valid").rows])
    )


def test_groups_stay_whole() -> None:
    data = dataset(split=dt.split.by_group("who", valid=0.2, seed=0))
    who = data.table["who"]
    found = folds(data, 4, seed=0)
    assert len(found) == 5
    for each in found:
        assert not set(who[each.part("train").rows]) & set(who[each.part("valid").rows])


def test_in_time_there_is_one_fold_for_what_comes_later_must_not_tell() -> None:
    data = dataset(split=dt.split.by_time("when", valid=0.2))
    assert folds(data, 4, seed=0) == [data]


def in_time(rows: int = 60, **options: object) -> dict[str, list[object]]:
    """Rows in no order of time, whose later ones are of another scale and hold other names."""
    days = np.random.default_rng(1).permutation(rows)
    return {
        "when": [str(np.datetime64("2024-01-01") + day) for day in days.tolist()],
        "x": [float(day) ** 2 if day != 7 else None for day in days.tolist()],
        "who": [f"p{day // 10}" for day in days.tolist()],
        "said": [f"word{day // 10} and another" for day in days.tolist()],
        "y": days.astype(float).tolist(),
    }


def encoded(data: dt.Dataset, part: str) -> dict[str, bytes]:
    return {name: np.asarray(array).tobytes() for name, array in data.part(part).batch().items()}


@pytest.mark.parametrize(
    "splitter", [dt.split.by_time("when", valid=0.2), dt.split.by_time("when", valid=0.2, gap=3)]
)
def test_what_comes_later_changes_nothing_that_an_earlier_origin_learns_from(
    splitter: dt.split.Splitter,
) -> None:
    kinds = {"who": "category", "said": "text", "x": "number"}

    def made(values: dict[str, list[object]]) -> list[dt.Dataset]:
        data = dt.tabular.from_frame(values, "y", split=splitter, columns=kinds, rare=1)
        return origins(data, data.part("train").rows, 3, 0.25)

    values = in_time()
    before = made(values)
    order = np.argsort(values["when"])
    assert len({len(each.part("valid")) for each in before}) == 1
    for each in before:
        assert {*each.rows("train")} <= {*order[: len(each.rows("train"))]}, "all of them come first"
    places = [np.flatnonzero(order == row)[0] for row in before[1].rows("valid")]
    later = order[min(places) :]
    for row in later:
        values["x"][row], values["who"][row], values["said"][row], values["y"][row] = (
            1e9,
            "guest",
            "a new word",
            -1e9,
        )
    after = made(values)
    for one, other in zip(before[:2], after[:2]):
        assert one.signature == other.signature
        assert encoded(one, "train") == encoded(other, "train")
    assert encoded(before[0], "valid") == encoded(after[0], "valid")
    assert before[2].signature != after[2].signature


def test_a_gap_is_left_out_before_each_origin() -> None:
    data = dt.tabular.from_frame(in_time(), "y", split=dt.split.by_time("when", valid=0.2, gap="3d"))
    for each in origins(data, data.part("train").rows, 2, 0.3):
        when = each.table["when"]
        assert when[each.rows("valid")].min() - when[each.rows("train")].max() == np.timedelta64(3, "D")


def test_in_time_without_valid_rows_the_latest_are_asked_about() -> None:
    data = dt.tabular.from_frame(in_time(), "y", split=dt.split.by_time("when", valid=0.0))
    (found,) = folds(data, 4, seed=0)
    assert len(found.part("valid")) == 12
    when = data.table["when"]
    assert when[found.rows("train")].max() < when[found.rows("valid")].min()
    center = found.signature.targets["y"].center  # type: ignore[attr-defined]
    assert center != data.signature.targets["y"].center  # type: ignore[attr-defined]


def test_without_valid_rows_they_are_taken_from_train() -> None:
    data = dataset(valid=0.0)
    assert [len(each.part("valid")) for each in folds(data, 0, seed=0)] == [40]
    asked = np.concatenate([each.part("valid").rows for each in folds(data, 4, seed=0)])
    assert sorted(asked) == sorted(data.split.train)


def test_the_whole_has_the_valid_rows_to_learn_from_and_knows_what_is_only_there() -> None:
    values = columns()
    data = dt.tabular.from_frame(values, "y", rare=1, columns={"who": "category"}, seed=0)
    only = int(data.split.valid[0])
    values["who"] = [str(name) for name in values["who"]]
    values["who"][only] = "guest"
    data = dt.tabular.from_frame(values, "y", rare=1, columns={"who": "category"}, seed=0)
    assert only in data.split.valid
    every = whole(data)
    assert sorted(every.part("train").rows) == sorted([*data.split.train, *data.split.valid])
    assert not len(every.rows("valid"))
    before, after = data.signature.inputs["who"], every.signature.inputs["who"]
    assert isinstance(before, Category)
    assert isinstance(after, Category)
    assert before.code_of("guest") is None
    assert after.code_of("guest") is not None
    assert every.signature.targets == data.signature.targets
