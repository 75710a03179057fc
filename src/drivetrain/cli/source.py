"""The options that say what the data are, for every verb that reads a source, and the dataset that they mean.

They are those of the tasks: what is typed, what it means and what a run keeps of it is said there.
"""

from __future__ import annotations

import os
import shlex
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from drivetrain.errors import FileError, UsageError

if TYPE_CHECKING:
    from drivetrain.data.option import Option
    from drivetrain.data.task import Task
    from drivetrain.tasks.problem import Problem


def add_source(command: ArgumentParser) -> None:
    """The source and the options of all tasks. A task ignores none: `dataset` refuses those that are another's."""
    from drivetrain.data.option import GENERAL
    from drivetrain.data.recipe import tasks

    sources = [task.source for task in tasks() if task.source]
    command.add_argument("source", metavar="SOURCE", help="; ".join(sources))
    command.add_argument("--task", choices=[task.name for task in tasks()], help="default: by the source")
    groups: dict[str, Any] = {GENERAL: command}
    for task in tasks():
        if task.heading:
            title = f"{task.heading} (with --task {task.name})" if task.asked_for else task.heading
            groups[task.heading] = command.add_argument_group(title)
    for task, option in _typed_options():
        option.add(groups[option.group or task.heading])


def add_reading(command: ArgumentParser) -> None:
    """The options that say how a source of labelled items is read."""
    for _, option in _typed_options():
        if option.reads:
            option.add(command)


def reading(options: Namespace) -> dict[str, Any]:
    """What was typed of these."""
    return {option.name: getattr(options, option.name) for _, option in _typed_options() if option.reads}


def _typed_options() -> list[tuple[Task, Option]]:
    """The options of the command line, each once, with the first task that has it: its help has what each task says of it.
    Raises UsageError where two tasks have one of the same name that is typed otherwise."""
    from drivetrain.data.recipe import tasks

    known: dict[str, tuple[Task, list[Option]]] = {}
    for task in tasks():
        for option in task.options:
            if option.typed is None:
                continue
            first, same = known.setdefault(option.name, (task, []))
            if same and (option.typed, option.flag) != (same[0].typed, same[0].flag):
                raise UsageError(
                    f"the tasks {first.name} and {task.name} have it in different forms.", where=option.flag,
                    fix="Call it otherwise in one of them.",
                )  # fmt: skip
            same.append(option)
    return [
        (task, replace(same[0], help="; ".join(dict.fromkeys(option.help for option in same))))
        for task, same in known.values()
    ]


def recognise(options: Namespace) -> Task:
    """The task of a source: as --task says, else the first that takes it for its own, those of extensions before ours,
    which take any folder and any table. Raises UsageError for a file that is neither."""
    from drivetrain.data.recipe import task_named, tasks

    if os.path.isfile(options.source):
        _refuse_no_data(options.source)
    if options.task:
        return task_named(options.task)
    for task in reversed(tasks()):
        if task.recognises(options.source, vars(options)):
            return task
    raise FileError("there is no such file or folder.", where=options.source, fix="Check the path.")


def _refuse_no_data(path: str) -> None:
    from drivetrain.bundle.archive import is_bundle
    from drivetrain.codecs.image import EXTENSIONS
    from drivetrain.sound.file import EXTENSIONS as SOUNDS

    if is_bundle(path):
        command = shlex.join(["drivetrain", "verify", path])
        raise UsageError(
            "this is a bundle, and holds no data to read.", where=path, fix=f"Look at it with: {command}"
        )
    if path.lower().endswith(EXTENSIONS):
        raise UsageError(
            "this is a picture.", where=path, fix="Name the folder that holds the pictures of all classes."
        )
    if path.lower().endswith(SOUNDS):
        raise UsageError(
            "this is a sound.", where=path, fix="Name the folder that holds the sounds of all classes."
        )


def dataset(options: Namespace) -> Problem:
    """The dataset that the options mean. Raises UsageError for options of another task, and for those that mean nothing
    for these data or the model."""
    from drivetrain.learn.applies import refuse_pointless, refuse_unfit

    task = recognise(options)
    refuse_foreign(options, task)
    made = task.dataset(options.source, vars(options))
    model = getattr(options, "model", None)
    refuse_unfit(made, model)
    refuse_pointless(made, model, options.given)
    return made


def recorded(data: Problem) -> dict[str, Any]:
    """What a dataset was made with, by the names of the options and in the words of `said`."""
    return {"task": data.task.name, **data.task.recorded(data.recipe or {})}


def said(data: Problem, options: Namespace, name: str) -> Any:
    """The value of an option; what may be given again as one text, whatever its order."""
    value = getattr(options, name)
    option = next((each for each in data.task.options if each.name == name), None)
    return value if option is None or name == "split" else option.said(value)


def refuse_foreign(options: Namespace, task: Task) -> None:
    """Raises UsageError for options of another task."""
    from drivetrain.data.recipe import tasks

    own = {option.name for option in task.options}
    for other in tasks():
        for option in other.options:
            if option.name not in own and option.typed is not None and getattr(options, option.name):
                raise UsageError(
                    f"this is an option of {_in_words(other)}, and {options.source} is taken for {_in_words(task)}.",
                    where=option.flag, fix=f"Leave it out, or {other.way_to(options.source)}.",
                )  # fmt: skip


def _in_words(task: Task) -> str:
    return task.name.replace("_", " ")
