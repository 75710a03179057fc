"""What a decision was made of: enough to come to it again."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from drivetrain.bundle.reader import open_bundle
from drivetrain.decide.judge.decision import Bundled, Hashed, Recipe
from drivetrain.decide.plans.plan import Plan
from drivetrain.files import open_regular

PACKAGES = ("drivetrain", "numpy", "scipy")
FILES, BUNDLES = ("file", "history", "future"), ("bundle", "forecast")
"""Keys of a plan that name files."""
BLOCK = 2**20


def recipe(plan: Plan) -> Recipe:
    """All that is needed to come to a decision again: the plan, the hashes of its files and bundles, and the versions."""
    tables, folder = plan.to_json(), plan.folder
    files = tuple(Hashed(path, digest(folder / path)) for path in _named(tables, FILES))
    bundles = tuple(Bundled(path, open_bundle(folder / path).hash) for path in _named(tables, BUNDLES))
    return Recipe(tables, str(folder), files, bundles, versions())


def versions() -> dict[str, str]:
    """Of the packages on which the figures hang."""
    return {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _named(tables: object, keys: tuple[str, ...]) -> list[str]:
    """The paths that a plan names under these keys, each once, in their order."""
    found = dict[str, None]()
    waiting = [tables]
    while waiting:
        table = waiting.pop(0)
        if isinstance(table, Mapping):
            for key, value in cast("Mapping[str, object]", table).items():
                if key in keys and isinstance(value, str):
                    found[value] = None
                elif key != "columns":  # Of data that were in memory: millions of cells, and no path.
                    waiting.append(value)
        elif isinstance(table, list):
            waiting += [each for each in cast("list[object]", table) if isinstance(each, (Mapping, list))]
    return list(found)


def digest(path: Path) -> str:
    """The SHA-256 of a file. Raises FileError."""
    made = hashlib.sha256()
    with open_regular(path) as file:
        while block := file.read(BLOCK):
            made.update(block)
    return made.hexdigest()
