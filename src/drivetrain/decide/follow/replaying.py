"""Coming to a decision again: what it was made of, and whether that is still the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivetrain.arguments import public
from drivetrain.bundle.reader import open_bundle
from drivetrain.decide.deciding import decide
from drivetrain.decide.judge.decision import Decision, Recipe
from drivetrain.decide.judge.recipe import digest, versions
from drivetrain.decide.plans.plan import Plan
from drivetrain.errors import DrivetrainError

UNTOLD = ("decided", "seconds", "where", "replay")
"""What of a decision may differ and it is still the same."""


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

    def __str__(self) -> str:
        return self.words

    def to_json(self) -> dict[str, Any]:
        return {"same": self.same, "changed": [*self.changed], "words": self.words}


@public
def replay(
    decision: Decision,
    folder: str | os.PathLike[str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Replay:
    """Decide again by what a decision holds. `folder` is where the plan's files are now, if not where they were."""
    made = decision.replay
    place = os.fspath(folder) if folder is not None else made.folder
    changed = [*_differences(made, Path(place))]
    try:
        again = decide(Plan.from_json(made.plan, folder=place), progress=progress)
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


def _compared(decision: Decision) -> dict[str, Any]:
    return {key: value for key, value in decision.to_json().items() if key not in UNTOLD}


def _differences(made: Recipe, folder: Path) -> Iterator[str]:
    """What of files, bundles and versions isn't what it was, a sentence each."""
    for file in made.files:
        yield from _changed(file.path, file.sha256, lambda path: digest(folder / path))
    for bundle in made.bundles:
        yield from _changed(bundle.path, bundle.hash, lambda path: open_bundle(folder / path).hash)
    now = versions()
    for name, version in made.versions.items():
        if now.get(name) != version:
            yield f"{name} was {version} and is {now.get(name, 'not installed')}."


def _changed(path: str, before: str, now: Callable[[str], str]) -> Iterator[str]:
    try:
        if now(path) != before:
            yield f"{path} has changed."
    except DrivetrainError:
        yield f"{path} can't be read any more."
