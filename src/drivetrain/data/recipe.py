"""The dataset that a run's config describes, made again by its task, which is found by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from drivetrain.data.dataset import Dataset
from drivetrain.errors import UsageError


def from_recipe(recipe: Mapping[str, Any]) -> Dataset:
    """The dataset that a run's config describes. Raises UsageError for an unknown task."""
    name = str(recipe.get("task", ""))
    if not name.isidentifier():
        raise UsageError(f"{name!r} is not a task.", where="recipe")
    try:
        module = importlib.import_module(f"drivetrain.tasks.{name}")
    except ModuleNotFoundError:
        raise UsageError(
            f"there is no task {name!r}.", where="recipe", fix="Install a newer drivetrain."
        ) from None
    return module.from_recipe(recipe)
