"""Options of tasks: each is said once, and means the same as typed, in Python and in a run's recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import drivetrain

import drivetrain as dt
from drivetrain import extensions
from drivetrain.data.option import Option
from drivetrain.data.recipe import task_named, task_of, tasks
from drivetrain.data.task import CUSTOM
from drivetrain.errors import UsageError

TYPED: list[tuple[str, str, Any, Any, Any]] = [
    ("tabular", "column", ["b=date", "a=number:percent"], {"b": "date", "a": "number:percent"}, "a=number:percent, b=date"),
    ("tabular", "missing", ["?", "x=-1", "x="], {"": ["?"], "x": ["-1", ""]}, "?, x=, x=-1"),
    ("tabular", "cost", ["yes:no=5", "no:yes=0.5"], {("yes", "no"): 5.0, ("no", "yes"): 0.5}, "no:yes=0.5, yes:no=5"),
    ("tabular", "target", ["b", "a"], ["b", "a"], "a, b"),
    ("tabular", "log_target", False, False, False),
    ("recommendation", "header", "b,a", ["b", "a"], "b,a"),
    ("recommendation", "liked_from", 3.5, 3.5, 3.5),
    ("image_classification", "image_size", 32, 32, 32),
]  # fmt: skip


@pytest.mark.parametrize(("task", "name", "typed", "value", "words"), TYPED)
def test_what_is_typed_is_read_kept_and_told_again(
    task: str, name: str, typed: Any, value: Any, words: Any
) -> None:
    (option,) = [each for each in task_named(task).options if each.name == name]
    read = option.read(typed)
    assert read == value
    kept = json.loads(json.dumps(option.plain(read)))
    assert option.restore(kept) == value
    assert option.words(kept) == words == option.said(typed)


@pytest.mark.parametrize(
    ("name", "typed"), [("column", ["x"]), ("column", ["=date"]), ("cost", ["a=1"]), ("cost", ["a:b=x"])]
)
def test_what_can_not_be_read_is_told_with_its_form(name: str, typed: list[str]) -> None:
    (option,) = [each for each in task_named("tabular").options if each.name == name]
    with pytest.raises(UsageError, match=r"is not (NAME=KIND|TRUE:ANSWER=COST)") as raised:
        option.read(typed)
    assert raised.value.where == f"--{name}"


def test_each_task_has_its_options_once_and_tasks_that_share_one_type_it_alike() -> None:
    known: dict[str, Option] = {}
    for task in tasks():
        names = [option.name for option in task.options]
        assert len(names) == len({*names})
        for option in task.options:
            if option.typed is not None:
                assert option.help
                same = known.setdefault(option.name, option)
                assert (same.typed, same.flag) == (option.typed, option.flag)


def test_a_task_that_is_not_there_is_told_and_its_bundles_answer_in_the_ordinary_way() -> None:
    for name in ("tabluar", "os", "../tabular", "options", "base", ""):
        with pytest.raises(UsageError, match="there is no task"):
            task_named(name)
        assert task_of(name) is CUSTOM


def test_an_option_means_the_same_typed_and_in_python(tmp_path: Path) -> None:
    rows = [f"{n},{n % 3},{'yes' if n % 2 else 'no'}" for n in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    typed = (
        "--target",
        "y",
        "--column",
        "b=category",
        "--cost",
        "yes:no=3",
        "--missing",
        "a=7",
        "--test",
        "0.2",
    )
    parser = __import__("drivetrain.cli.main").cli.main.build_parser("check")
    options = vars(parser.parse_args(["check", str(tmp_path / "t.csv"), *typed]))
    made = task_named("tabular").dataset(options["source"], options)
    spelt = dt.tabular.from_csv(
        tmp_path / "t.csv", "y", columns={"b": "category"}, costs={("yes", "no"): 3.0}, missing={"a": ["7"]}, test=0.2
    )  # fmt: skip
    assert made.signature == spelt.signature
    assert {**spelt.recipe, **made.recipe} == made.recipe  # type: ignore[dict-item]


def test_what_has_to_be_said_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n1,2\n")
    done = drivetrain("check", tmp_path / "t.csv", "--json")
    assert done.json == {
        "error": "which column is to be predicted?", "where": "--target", "fix": "Name it: --target COLUMN.",
    }  # fmt: skip


CLASH = """
from drivetrain.data.option import Option
from drivetrain.data.task import Task

class Other(Task):
    name = "{name}"
    heading = "others"
    options = (Option("target", "something else"),)

TASK = Other()
"""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("clashing", "tabular and clashing have it in different forms"),
        ("otherwise", "by that it is not found again"),
    ],
)
def test_tasks_of_extensions_that_can_not_be_are_told(
    name: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"of_{name}" / "tasks").mkdir(parents=True)
    (tmp_path / f"of_{name}" / "tasks" / "clashing.py").write_text(CLASH.format(name=name))
    monkeypatch.syspath_prepend(str(tmp_path))
    extensions.register(f"of_{name}")
    try:
        done = drivetrain("check", tmp_path, "--json")
        assert told in done.json["error"]
        assert drivetrain("verify", tmp_path / "a.bundle").code == 1
    finally:
        extensions.forget()


def test_a_task_that_is_none_is_told_with_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bureau" / "tasks").mkdir(parents=True)
    for place in ("__init__.py", "tasks/__init__.py"):
        (tmp_path / "bureau" / place).touch()
    (tmp_path / "bureau" / "tasks" / "odd.py").write_text("TASK = 3")
    monkeypatch.syspath_prepend(tmp_path)
    extensions.register("bureau")
    try:
        with pytest.raises(UsageError, match="its TASK is 3, and no task") as raised:
            tasks()
    finally:
        extensions.forget()
    assert raised.value.where == "bureau.tasks.odd"
