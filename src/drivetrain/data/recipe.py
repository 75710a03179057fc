"""The recipe of a dataset: what makes it again. Its task is found by name, here or in an extension."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from drivetrain import extensions
from drivetrain.bundle.facts import wrong
from drivetrain.data.task import CUSTOM, Task
from drivetrain.errors import UsageError, nearest
from drivetrain.files import refuse_others

if TYPE_CHECKING:
    from drivetrain.data.dataset import Dataset

SOURCE = ("task", "source")
"""What a recipe has beside the options of its task."""


def tasks() -> list[Task]:
    """The tasks that a source may be of: those that it is taken for by itself first, and ours before those of extensions."""
    modules = {name: _module(name) for name in extensions.names("tasks")}
    with_task = [module for module in modules.values() if hasattr(module, "TASK")]
    for module in with_task:
        if not isinstance(module.TASK, Task):
            raise UsageError(
                f"its TASK is {module.TASK!r:.50}, and no task.", where=module.__name__,
                fix="Give it an object of a class that is derived from drivetrain.data.task.Task.",
            )  # fmt: skip
    found = [module for module in with_task if module.TASK.options]
    for module in found:
        if modules.get(module.TASK.name) is not module:
            raise UsageError(
                f"its task is called {module.TASK.name!r}: by that it is not found again.", where=module.__name__,
                fix="Call it as its file is called.",
            )  # fmt: skip
    found.sort(key=lambda module: (module.TASK.asked_for, not extensions.is_ours(module.__name__)))
    return [module.TASK for module in found]


def task_named(name: str) -> Task:
    """A task by its name. Raises UsageError where there is none."""
    if isinstance(found := getattr(_module(name), "TASK", None), Task):
        return found
    raise UsageError(
        f"there is no task {name!r:.80}.", where="task",
        fix=nearest(name, extensions.names("tasks")) or "Install a newer drivetrain, or the extension that has it.",
    )  # fmt: skip


def task_of(name: str) -> Task:
    """The task that made a bundle or a run; the ordinary one where it isn't known here."""
    found = getattr(_module(name), "TASK", None)
    return found if isinstance(found, Task) else CUSTOM


def from_recipe(recipe: Mapping[str, Any], run: str | Path | None = None) -> Dataset:
    """The dataset that the config of a run describes. Raises UsageError for an unknown task; and where its recipe names
    functions, which are imported, FileError unless the run is the user's own."""
    task = task_named(str(recipe.get("task", "")))
    if task.imports:
        if run is None:
            raise UsageError("its recipe names functions.", where="recipe", fix="Give the data again.")
        refuse_others(Path(run) / "config.toml")
    return task.from_recipe(recipe)


def from_facts(facts: Mapping[str, Any], digest: str | None) -> dict[str, Any] | None:
    """By what recipe the rows of a file were split, where a bundle's facts name the file's SHA-256, which is `digest`; None
    where they don't, and for a source that has none.

    It is for `from_recipe`, once a `source` is put in: whatever a bundle says, it names nothing that is read or run. Raises
    BundleError for a recipe that this version can't follow.
    """
    data = facts.get("data")
    if not isinstance(data, dict) or digest is None or cast("dict[str, Any]", data).get("sha256") != digest:
        return None
    recipe = cast("dict[str, Any]", data).get("recipe")
    name = cast("dict[str, Any]", recipe).get("task") if isinstance(recipe, dict) else None
    task = task_of(name) if isinstance(name, str) else CUSTOM
    options = {option.key: option for option in task.options}
    if not options or task.imports:
        raise wrong("data.recipe.task")
    found: dict[str, Any] = {"task": name}
    for key, value in cast("dict[str, Any]", recipe).items():
        if key in SOURCE or (key in options and options[key].fits is None):
            continue
        if key not in options or not options[key].fits(value):  # type: ignore[misc]
            raise wrong(f"data.recipe.{key:.50}")
        found[key] = value
    return found


def _module(name: str) -> Any:
    return extensions.find("tasks", name)
