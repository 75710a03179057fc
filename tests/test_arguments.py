"""Wrong arguments of public functions: one error that says what is wanted, and no traceback from within."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from pictures import class_folder

import drivetrain as dt
from drivetrain.arguments import fits, public, words
from drivetrain.errors import DataError, UsageError


@pytest.mark.parametrize(
    ("value", "hint", "right"),
    [
        (3, int, True), (np.int64(3), int, True), (True, int, False), (3.0, int, False), ("3", int, False),
        (3, float, True), (np.float32(3), float, True), (None, float, False), (True, float, False),
        ("a", str | None, True), (None, str | None, True), (1, str | None, False),
        (["a"], Sequence[str], True), (("a",), Sequence[str], True), (np.array(["a"]), Sequence[str], True),
        ("a", Sequence[str], False), ([1], Sequence[str], False), ({"a": 1}, Sequence[str], False),
        ({"a": "b"}, Mapping[str, str], True), ({"a": 1}, Mapping[str, str], False), ([], Mapping[str, str], False),
        (len, Callable[[Any], int], True), ("len", Callable[[Any], int], False),
        ((1, 2), tuple[int, int], True), ([1, 2], tuple[int, int], True), ((1,), tuple[int, int], False),
        ("a", Literal["a", "b"], True), ("c", Literal["a", "b"], False), (object(), Any, True),
    ],
)  # fmt: skip
def test_a_value_is_of_a_type_or_not(value: Any, hint: Any, right: bool) -> None:
    assert fits(value, hint) is right


def test_types_in_words() -> None:
    assert words(float | None) == "a number or None"
    assert words(Mapping[str, Callable[[Any], Any]]) == "a mapping of texts to functions"
    assert words(tuple[int, int] | int | None) == "(a whole number, a whole number), a whole number or None"


@public
def example(first: int, second: str = "a", *, third: float = 1.0) -> str:
    """An example."""
    return f"{first}{second}{third}"


def test_right_arguments_go_through_and_the_function_stays_what_it_was() -> None:
    assert example(1, third=2) == "1a2"
    assert (example.__name__, example.__doc__) == ("example", "An example.")


@pytest.mark.parametrize(
    ("args", "options", "told"),
    [
        ((), {}, "needs first"),
        ((1, "b", 2), {}, "too many arguments: 3"),
        ((1,), {"first": 2}, "given first twice"),
        ((1,), {"thrid": 2}, "Did you mean third"),
        ((1,), {"second": 3}, "second: this must be a text, not 3"),
        (("x",), {}, "first: this must be a whole number, not 'x'"),
    ],
)
def test_what_can_not_be_called_says_what_is_wanted(
    args: tuple[Any, ...], options: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        example(*args, **options)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arguments")
    (folder / "table.csv").write_text("size,price\n" + "".join(f"{i},{3 * i + i % 5}.5\n" for i in range(40)))
    class_folder(folder / "pictures", {"cat": 4, "dog": 4}, size=(16, 16))
    return folder


def prices(home: Path, *given: Any, **options: Any) -> dt.Dataset:
    return dt.tabular.from_csv(home / "table.csv", "price", *given, **options)


def block(folder: Path, **options: Any) -> dt.Dataset:
    usual: dict[str, Any] = {"inputs": {"image": dt.Image()}, "targets": {"label": dt.Category()}}
    return dt.DataBlock(**{**usual, **options}).dataset(folder / "pictures")


def fail(_: Any) -> str:
    raise ZeroDivisionError("division by zero")


WRONG: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a split by name": (lambda home: prices(home, split="random"), "a split, such as"),
    "shares beside a split": (lambda home: prices(home, 0.4, split=dt.split.random(0.3)), "says itself"),
    "an option that there is not": (lambda home: prices(home, colums={}), "Did you mean columns"),
    "no target": (lambda home: dt.tabular.from_csv(home / "table.csv", []), "which column"),
    "an interval above 1": (lambda home: prices(home, interval=90), "between 0 and 1"),
    "a number as a path": (lambda _: dt.image_classification.from_folder(3), "a text or a path"),  # type: ignore[arg-type]
    "a text for a size": (lambda home: dt.image_classification.from_folder(home / "pictures", image_size="x"), "a whole number"),  # type: ignore[arg-type]
    "a label by name": (lambda home: block(home, label="parent"), "a function"),
    "a codec's class": (lambda home: block(home, inputs={"image": dt.Image}), "codecs, such as"),
    "no function for a target": (lambda home: block(home, label={"x": dt.parent_folder}), "'label'"),
    "a share in words": (lambda home: prices(home).learner("linear", dropout="high"), "a number"),
    "a device that is not there": (lambda home: prices(home).learner("linear", device="gpu"), "can't be used"),
    "epochs for trees": (lambda home: prices(home).learner("trees").fit(3), "finds out itself how long"),
    "fine-tuned trees": (lambda home: prices(home).learner("trees").fine_tune(3), "no network"),
    "a number as a bundle": (lambda _: dt.Predictor(3), "a path"),  # type: ignore[arg-type]
    "a number as data": (lambda _: dt.Learner(3), "a Dataset"),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_one_clear_error(name: str, home: Path) -> None:
    act, told = WRONG[name]
    with pytest.raises(UsageError, match=told):
        act(home)


def test_a_function_of_the_users_own_that_fails_is_named_with_its_item(home: Path) -> None:
    with pytest.raises(DataError, match=r"000\.png: the label function failed: ZeroDivisionError") as fault:
        block(home, label=fail)
    assert isinstance(fault.value.__cause__, ZeroDivisionError)
