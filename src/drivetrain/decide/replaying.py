"""Coming to a decision again: what it was made of, and whether that is still the same."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from drivetrain.bundle.reader import open_bundle
from drivetrain.decide.decision import Decision
from drivetrain.decide.plan import Plan
from drivetrain.errors import DrivetrainError
from drivetrain.files import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES = ("drivetrain", "numpy", "scipy")
FILES, BUNDLE = ("file", "history", "future"), "bundle"
"""Keys of a plan that name files."""
UNTOLD = ("decided", "seconds", "where", "replay")
"""What of a decision may differ and it is still the same."""
BLOCK = 2**20


@dataclass(frozen=True, slots=True)
class Replay:
    """Whether a decision came out as it did, bit for bit; else what `changed`, a sentence each. `decision` is the new one, None
    where it can't be made any more."""

    same: bool
    changed: tuple[str, ...]
    decision: Decision | None

    @property
    def words(self) -> str:
        if self.same:
            return "The same decision, bit for bit." + (
                "" if not self.changed else f" But {' '.join(self.changed)}"
            )
        return f"Not the same decision. {' '.join(self.changed)}"

    def to_json(self) -> dict[str, Any]:
        return {"same": self.same, "changed": [*self.changed], "words": self.words}


def recipe(plan: Plan, folder: str) -> dict[str, Any]:
    """All that is needed to come to a decision again: the plan, the hashes of its files and bundles, and the versions."""
    tables = plan.to_json()
    files = [{"path": path, "sha256": _digest(Path(folder) / path)} for path in _named(tables, FILES)]
    bundles = [
        {"path": path, "hash": open_bundle(Path(folder) / path).hash} for path in _named(tables, (BUNDLE,))
    ]
    return {"plan": tables, "folder": folder, "files": files, "bundles": bundles, "versions": versions()}


def replay(
    decision: Decision,
    folder: str | os.PathLike[str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Replay:
    """Decide again by what a decision holds. `folder` is where the plan's files are now, if not where they were."""
    from drivetrain.decide.deciding import decide

    made = decision.replay
    place = os.fspath(folder) if folder is not None else str(made.get("folder", ""))
    changed = [*_differences(made, Path(place))]
    try:
        plan = Plan.from_json(cast("Mapping[str, Any]", made["plan"]), folder=place)
        again = decide(plan, folder=place, progress=progress)
    except DrivetrainError as fault:
        return Replay(False, (*changed, f"It can't be decided again: {fault}"), None)
    before, after = (_compared(each) for each in (decision, again))
    same = before == after
    if not same and not changed:
        keys = [key for key in before if before[key] != after.get(key)]
        changed.append(
            f"Nothing that it was made of has changed, and yet {', '.join(keys)} came out otherwise."
        )
    return Replay(same, tuple(changed), again)


def versions() -> dict[str, str]:
    """Of the packages on which the figures hang."""
    return {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _compared(decision: Decision) -> dict[str, Any]:
    return {key: value for key, value in decision.to_json().items() if key not in UNTOLD}


def _differences(made: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """What of files, bundles and versions isn't what it was, a sentence each."""
    for each in made.get("files", ()):
        yield from _changed(str(each["path"]), str(each["sha256"]), lambda path: _digest(folder / path))
    for each in made.get("bundles", ()):
        yield from _changed(
            str(each["path"]), str(each["hash"]), lambda path: open_bundle(folder / path).hash
        )
    now = versions()
    for name, version in cast("Mapping[str, str]", made.get("versions", {})).items():
        if now.get(name) != version:
            yield f"{name} was {version} and is {now.get(name, 'not installed')}."


def _changed(path: str, before: str, digest: Callable[[str], str]) -> Iterator[str]:
    try:
        if digest(path) != before:
            yield f"{path} has changed."
    except DrivetrainError:
        yield f"{path} can't be read any more."


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


def _digest(path: Path) -> str:
    made = hashlib.sha256()
    with open_regular(path) as file:
        while block := file.read(BLOCK):
            made.update(block)
    return made.hexdigest()
